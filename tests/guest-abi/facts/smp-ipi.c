/*
 * An event sent to another vCPU's port arrives there: while it runs, while it
 * sleeps, every time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 2
 */
#include "abi.h"

#define ROUNDS 500

static uint32_t to_first, to_second;

static void clear_pending(uint32_t port)
{
    __atomic_fetch_and(&SHARED->evtchn_pending[port / 64],
                       ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

static void second(struct secondary *s)
{
    uint64_t i;

    /* Running, with events on */
    s->info->evtchn_upcall_mask = 0;
    s->word = 1;
    wait_for(&s->events, 1);
    clear_pending(to_second);
    s->answer = 1;

    /* Sleeping: each side wakes the other */
    for (i = 2; i < ROUNDS; i++) {
        while (s->events < i) {
            s->info->evtchn_upcall_mask = 1;
            if (s->events < i) {
                hc(sched_op, SCHEDOP_block);
            }
            s->info->evtchn_upcall_mask = 0;
        }
        clear_pending(to_second);
        equal(send_event(to_first), 0);
    }
}

int main(void)
{
    struct evtchn_bind_ipi none = { .vcpu = 2 };
    struct evtchn_bind_vcpu move = { .vcpu = 0 };
    struct secondary *s;
    uint64_t i;

    equal(hc(event_channel_op, EVTCHNOP_bind_ipi, &none), -XEN_ENOENT);
    clear_events();
    to_first = bind_ipi();
    to_second = bind_ipi_to(1);
    move.port = to_second;
    equal(hc(event_channel_op, EVTCHNOP_bind_vcpu, &move), -XEN_EINVAL);
    set_port_mask(to_first, false);
    set_port_mask(to_second, false);

    s = start_vcpu(1, second);
    wait_for(&s->word, 1);
    check(stands_still(&s->events, 5));
    equal(send_event(to_second), 0);
    wait_for(&s->answer, 1);

    for (i = 2; i < ROUNDS; i++) {
        equal(send_event(to_second), 0);
        while (trap_count[EVENT] < i - 1) {
            mask_events();
            if (trap_count[EVENT] < i - 1) {
                hc(sched_op, SCHEDOP_block);
            }
            unmask_events();
        }
        clear_pending(to_first);
    }
    wait_done(s);
    equal(s->events, ROUNDS - 1);
    return 0;
}
