/*
 * Event channels in words of 32 bits: upcalls, selector, masks, a poll,
 * how many.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

static void one(uint32_t port)
{
    unsigned before = trap_count[EVENT];

    clear_events();
    set_port_mask(port, false);
    result(send_event(port), 0);
    check(port_pending(port));
    equal(VCPU->evtchn_pending_sel, 1ul << (port / 32));
    equal(VCPU->evtchn_upcall_pending, 1);
    equal(trap_count[EVENT], before);
    unmask_events();
    equal(trap_count[EVENT], before + 1);
    equal(trap.vector, EVENT);
    equal(trap_mask, 1);
    equal(trap.cs & 0xffff, KERNEL_CS);
    mask_events();
}

static void masked(uint32_t port)
{
    struct evtchn_unmask u = { .port = port };

    clear_events();
    result(send_event(port), 0);
    check(port_pending(port));
    equal(VCPU->evtchn_upcall_pending, 0);
    result(hc(event_channel_op, EVTCHNOP_unmask, &u), 0);
    equal(VCPU->evtchn_upcall_pending, 1);
    equal(VCPU->evtchn_pending_sel, 1ul << (port / 32));
    check(!(SHARED->evtchn_mask[port / 32] >> (port % 32) & 1));
}

static void poll(uint32_t port)
{
    struct sched_poll p = { .nr_ports = 1, .timeout = now() + 20000000 };

    _Static_assert(sizeof(p) == 16, "sched_poll");
    set_xen_guest_handle(p.ports, &port);
    clear_events();
    result(hc(sched_op, SCHEDOP_poll, &p), 0);
    check(now() >= p.timeout);
    result(send_event(port), 0);
    p.timeout = 0;
    result(hc(sched_op, SCHEDOP_poll, &p), 0);
}

int main(void)
{
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    struct evtchn_unmask u = { .port = 1024 };
    uint32_t port, last = 0;

    port = bind_ipi();
    one(port);
    masked(port);
    poll(port);
    /* All there are: 1023, but for those that were there */
    while (hc(event_channel_op, EVTCHNOP_bind_ipi, &b) == 0) {
        last = b.port;
    }
    equal(last, 1023);
    one(last);
    masked(last);
    poll(last);
    equal(VCPU->arch.cr2, 0);           /* behind the selector */
    result(send_event(1024), -XEN_EINVAL);
    result(hc(event_channel_op, EVTCHNOP_unmask, &u), -XEN_EINVAL);
    return 0;
}
