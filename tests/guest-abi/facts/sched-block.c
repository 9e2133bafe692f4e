/*
 * Block unmasks events, sleeps, and ends with the next one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define MS 1000000ul

int main(void)
{
    uint32_t timer = bind_virq(VIRQ_TIMER), port = bind_ipi();
    uint64_t deadline;
    unsigned i;

    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    clear_events();
    set_port_mask(timer, false);
    set_port_mask(port, false);
    for (i = 1; i <= 3; i++) {
        mask_events();
        clear_events();
        set_port_mask(timer, false);
        deadline = now() + 20 * MS;
        equal(hc(set_timer_op, deadline), 0);
        equal(hc(sched_op, SCHEDOP_block), 0);
        check(now() >= deadline - MS);
        equal(trap_count[EVENT], i);
        check(port_pending(timer));
        equal(VCPU->evtchn_upcall_mask, 0);
    }

    /* Pending already: no sleep at all, though nothing else would end it */
    mask_events();
    clear_events();
    set_port_mask(port, false);
    equal(send_event(port), 0);
    equal(trap_count[EVENT], i - 1);
    equal(hc(sched_op, SCHEDOP_block), 0);
    equal(trap_count[EVENT], i);
    return 0;
}
