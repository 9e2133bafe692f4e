/*
 * HLT in the kernel is block.  Xen has a fault for it; nobody relies on that,
 * and a guest that halts means to wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define MS 1000000ul

int main(void)
{
    uint32_t timer = bind_virq(VIRQ_TIMER);
    uint64_t deadline;

    clear_events();
    mask_events();
    set_port_mask(timer, false);
    deadline = now() + 20 * MS;
    equal(hc(set_timer_op, deadline), 0);
    equal(try("hlt", : : : "memory"), NO_TRAP);
    check(now() >= deadline - MS);
    equal(trap_count[EVENT], 1);
    equal(VCPU->evtchn_upcall_mask, 0);
    return 0;
}
