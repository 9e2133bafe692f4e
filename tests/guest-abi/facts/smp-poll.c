/*
 * A vCPU that polls is woken by another's send, of a port that is masked, or
 * not even its own; and no event is delivered to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 3
 */
#include "abi.h"

#define ROUNDS 500

static uint32_t own, foreign;

static void poll(uint32_t *ports, unsigned n)
{
    struct sched_poll p = { .nr_ports = n };

    set_xen_guest_handle(p.ports, ports);
    equal(hc(sched_op, SCHEDOP_poll, &p), 0);
}

static void wait_port(uint32_t *ports, unsigned n, uint32_t port)
{
    while (!port_pending(port)) {
        poll(ports, n);
    }
    __atomic_fetch_and(&SHARED->evtchn_pending[port / 64],
                       ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

static void poller(struct secondary *s)
{
    uint32_t both[2] = { own, foreign };
    uint64_t i;

    for (i = 1; i <= ROUNDS; i++) {
        wait_port(i & 1 ? &own : both, i & 1 ? 1 : 2, own);
        s->answer = 3 * i;
        wait_port(&foreign, 1, foreign);
        s->answer = 3 * i + 1;
    }
    equal(s->events, 0);
}

/* Sleeps all the time, and is not disturbed for good */
static void bystander(struct secondary *s)
{
    uint32_t never = s->word;

    poll(&never, 1);
    while (!port_pending(never)) {
        poll(&never, 1);
    }
}

int main(void)
{
    struct secondary *s, *other;
    uint32_t never = bind_ipi_to(2);
    uint64_t i;

    clear_events();
    own = bind_ipi_to(1);
    foreign = bind_ipi_to(2);
    secondaries[2].word = never;
    other = start_vcpu(2, bystander);
    s = start_vcpu(1, poller);
    for (i = 1; i <= ROUNDS; i++) {
        if (i < 5) {
            wait_state(1, RUNSTATE_blocked);
        }
        equal(send_event(own), 0);
        wait_for(&s->answer, 3 * i);
        if (i < 5) {
            wait_state(1, RUNSTATE_blocked);
        }
        equal(send_event(foreign), 0);
        wait_for(&s->answer, 3 * i + 1);
    }
    wait_done(s);
    check(!other->done);
    equal(send_event(never), 0);
    wait_done(other);
    return 0;
}
