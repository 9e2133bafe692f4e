/*
 * What a vCPU is given to do while it is down it does when it is up, at once:
 * a timer set meanwhile fires though the guest never enters the hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux strict
 * QEMU: -smp 2
 */
#include "abi.h"

#define MS 1000000ul

static void second(struct secondary *s)
{
    s->info->evtchn_upcall_mask = 0;
    for (;;) {
        s->word++;
        relax();
    }
}

int main(void)
{
    struct evtchn_bind_virq b = { .virq = VIRQ_TIMER, .vcpu = 1 };
    struct vcpu_set_periodic_timer p = { .period_ns = 5 * MS };
    struct secondary *s;
    uint64_t was, i;

    clear_events();
    equal(hc(event_channel_op, EVTCHNOP_bind_virq, &b), 0);
    set_port_mask(b.port, false);
    s = start_vcpu(1, second);
    for (i = 0; i < 3; i++) {
        for (was = s->word; s->word == was;) {
            relax();
        }
        equal(hc(vcpu_op, VCPUOP_down, 1, 0), 0);
        wait_state(1, RUNSTATE_offline);
        SHARED->evtchn_pending[b.port / 64] = 0;
        equal(hc(vcpu_op, VCPUOP_set_periodic_timer, 1, &p), 0);
        /* Time for it to be woken by that, and to sleep on */
        check(stands_still(&s->word, 10));
        was = s->events;
        equal(hc(vcpu_op, VCPUOP_up, 1, 0), 0);
        while (s->events == was) {
            relax();
        }
        equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 1, 0), 0);
    }
    return 0;
}
