/*
 * CLI, STI and POPF have no effect on events, nor on the real interrupts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define MS 1000000ul

static uint64_t flags(void)
{
    uint64_t f;

    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    return f;
}

int main(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    uint32_t timer = bind_virq(VIRQ_TIMER);
    uint64_t deadline;

    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    clear_events();
    unmask_events();
    equal(flags() & (FL_IF | FL_IOPL), FL_IF);
    /* As Linux does; without, Xen has a fault for CLI and STI */
    equal(hc(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
    equal(try("cli", : : : "memory"), NO_TRAP);
    equal(VCPU->evtchn_upcall_mask, 0);
    equal(flags() & FL_IF, FL_IF);
    __asm__ volatile("push %0; popfq" : : "r"(FL_IOPL | 2ul) : "memory");
    equal(flags() & (FL_IF | FL_IOPL), FL_IF);
    equal(VCPU->evtchn_upcall_mask, 0);

    /* An event still gets through to code that did either */
    set_port_mask(timer, false);
    deadline = now() + 5000 * MS;
    equal(hc(set_timer_op, now() + 5 * MS), 0);
    while (!trap_count[EVENT] && now() < deadline) {
        /* not even a hypercall */
    }
    equal(trap_count[EVENT], 1);

    mask_events();
    equal(try("sti", : : : "memory"), NO_TRAP);
    equal(VCPU->evtchn_upcall_mask, 1);
    return 0;
}
