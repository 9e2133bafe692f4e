/*
 * set_callbacks, the old call for all three at once; and a system call that
 * leaves events on gets the one that is pending on top.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_syscall, "syscall; ud2");
/* rdi is vcpu_info 0, which no sane kernel shows to user mode */
USER_CODE(user_raise, "movb $1, (%rdi); syscall; ud2");

#define SHARED_MFN (start_info->shared_info / PAGE_SIZE)

static unsigned order, event_at, syscall_at;

static void handler(struct frame *f)
{
    order++;
    if (f->vector == EVENT) {
        event_at = order;
        VCPU->evtchn_upcall_pending = 0;
        equal(f->rip, syscall_entry);
        equal(f->cs & 0xffff, KERNEL_CS_SHOWN);
    } else if (f->vector == SYSCALL) {
        syscall_at = order;
        on_trap = NULL;
        f->cs = USER_CS;
    }
}

int main(void)
{
    struct frame f;

    user_setup();
    clear_events();
    equal(hc(set_callbacks, event_entry, failsafe_entry, syscall_entry), 0);
    f = run_user(user_syscall);
    equal(f.vector, SYSCALL);
    equal(trap_mask, 0);

    /* User mode runs with events masked, so that one waits */
    f = user_context(user_syscall);
    f.rflags &= ~FL_IF;
    f = run(&f);
    equal(f.vector, SYSCALL);
    equal(f.cs >> 32 & 0xff, 1);
    equal(trap_mask, 1);

    /*
     * Pending when user mode is entered, it comes there; pending at the entry
     * to the kernel, it comes in the callback, before its first instruction.
     */
    mask_events();
    on_trap = handler;
    f = user_context(user_raise);
    f.rdi = USER_DATA;
    map(USER_DATA, SHARED_MFN, PTE_P | PTE_US | PTE_RW);
    f = run(&f);
    equal(f.vector, X86_UD);
    equal(event_at, 1);
    equal(syscall_at, 2);
    return 0;
}
