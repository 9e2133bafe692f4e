/*
 * Each vCPU has a timer of its own, and its interrupt comes to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 2
 */
#include "abi.h"

#define MS 1000000ul

static uint32_t port;

static void second(struct secondary *s)
{
    struct vcpu_set_singleshot_timer t = { 0 };
    uint64_t i, end;

    equal(hc(vcpu_op, VCPUOP_set_singleshot_timer, 0, &t), -XEN_EINVAL);
    for (i = 1; i <= 3; i++) {
        s->info->evtchn_upcall_mask = 1;
        end = now() + 10 * MS;
        t.timeout_abs_ns = end;
        equal(hc(vcpu_op, VCPUOP_set_singleshot_timer, 1, &t), 0);
        while (s->events < i) {
            hc(sched_op, SCHEDOP_block);
        }
        check(now() >= end);
        check(port_pending(port));
        SHARED->evtchn_pending[port / 64] = 0;
    }
    /* And what another sets for it */
    s->info->evtchn_upcall_mask = 0;
    s->word = 1;
    while (s->events < i) {
        relax();
    }
}

int main(void)
{
    struct evtchn_bind_virq b = { .virq = VIRQ_TIMER, .vcpu = 1 };
    struct vcpu_set_periodic_timer p = { .period_ns = 5 * MS };
    struct secondary *s;

    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    clear_events();
    equal(hc(event_channel_op, EVTCHNOP_bind_virq, &b), 0);
    port = b.port;
    set_port_mask(port, false);
    s = start_vcpu(1, second);
    wait_for(&s->word, 1);
    equal(hc(vcpu_op, VCPUOP_set_periodic_timer, 1, &p), 0);
    wait_done(s);
    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 1, 0), 0);
    equal(trap_count[EVENT], 0);
    return 0;
}
