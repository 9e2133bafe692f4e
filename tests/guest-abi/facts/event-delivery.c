/*
 * An event that is not masked comes before the hypercall that raised it is
 * over; one that is waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    uint32_t port = bind_ipi();
    uint64_t after;
    struct evtchn_send s = { .port = port };

    check(port);
    clear_events();
    check(port < 64);

    /* Port masked: the bit, and nothing else */
    VCPU->evtchn_upcall_mask = 0;
    equal(send_event(port), 0);
    check(port_pending(port));
    equal(VCPU->evtchn_pending_sel, 0);
    equal(VCPU->evtchn_upcall_pending, 0);
    equal(trap_count[EVENT], 0);

    /* vCPU masked: all three levels, no upcall */
    clear_events();
    mask_events();
    set_port_mask(port, false);
    equal(send_event(port), 0);
    check(port_pending(port));
    equal(VCPU->evtchn_pending_sel, 1);
    equal(VCPU->evtchn_upcall_pending, 1);
    equal(trap_count[EVENT], 0);
    /* Any value but 0 masks */
    VCPU->evtchn_upcall_mask = 2;
    hc(xen_version, XENVER_version);
    equal(trap_count[EVENT], 0);
    /* Clearing the mask says nothing to anybody, any hypercall does */
    VCPU->evtchn_upcall_mask = 0;
    equal(trap_count[EVENT], 0);
    hc(xen_version, XENVER_version);
    equal(trap_count[EVENT], 1);

    /* Nothing masked */
    clear_events();
    set_port_mask(port, false);
    __asm__ volatile("lea 1f(%%rip), %0\n\t"
                     "syscall\n"
                     "1:"
                     : "=&b"(after)
                     : "a"(__HYPERVISOR_event_channel_op), "D"(EVTCHNOP_send),
                       "S"(&s) : "rcx", "r11", "memory");
    equal(trap_count[EVENT], 2);
    equal(trap.rip, after);
    equal(trap.cs & 0xffff, KERNEL_CS_SHOWN);
    equal(trap.cs >> 32 & 0xff, 0);
    equal(trap.rflags & FL_IF, FL_IF);
    equal(trap_mask, 1);
    equal(trap.rax, 0);                 /* the result is there already */
    equal(VCPU->evtchn_upcall_mask, 0);

    /* Pending already: nobody is told a second time */
    equal(send_event(port), 0);
    equal(trap_count[EVENT], 2);
    return 0;
}
