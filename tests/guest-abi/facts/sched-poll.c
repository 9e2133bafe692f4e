/*
 * Poll ends with a pending port, masked or not, or at its time, and never
 * delivers an event.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define MS 1000000ul

static long poll(uint32_t *ports, unsigned n, uint64_t timeout)
{
    struct sched_poll p = { .nr_ports = n, .timeout = timeout };

    set_xen_guest_handle(p.ports, ports);
    return hc(sched_op, SCHEDOP_poll, &p);
}

/* Xen may wake a poll for another port's sake, but not for ever */
static void poll_until(uint32_t *ports, unsigned n, uint64_t timeout,
                       uint64_t end)
{
    unsigned tries = 0;

    do {
        equal(poll(ports, n, timeout), 0);
        check(++tries <= 5);
    } while (now() < end - MS);
}

int main(void)
{
    uint32_t port = bind_ipi(), timer = bind_virq(VIRQ_TIMER);
    uint32_t ports[2] = { port, timer }, bad = 4096;
    uint64_t deadline;

    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    clear_events();
    mask_events();

    /* Pending and masked: at once, with no timeout to end it */
    equal(send_event(port), 0);
    equal(poll(ports, 1, 0), 0);
    check(port_pending(port));

    /* Nothing pending: at the timeout */
    clear_events();
    deadline = now() + 20 * MS;
    poll_until(ports, 2, deadline, deadline);
    check(!port_pending(port));
    equal(poll(NULL, 0, now() + MS), 0);
    equal(poll(ports, 1, 1), 0);        /* long gone */

    /* The timer's port becomes pending meanwhile, masked, no timeout */
    deadline = now() + 20 * MS;
    equal(hc(set_timer_op, deadline), 0);
    poll_until(ports, 2, 0, deadline);
    check(port_pending(timer));

    equal(trap_count[EVENT], 0);
    equal(VCPU->evtchn_upcall_mask, 1);
    equal(poll(&bad, 1, 1), -XEN_EINVAL);
    equal(poll(ports, 100000, 1), -XEN_EINVAL);
    equal(poll((uint32_t *)NOWHERE, 1, 1), -XEN_EFAULT);
    return 0;
}
