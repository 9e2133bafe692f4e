/*
 * SYSCALL in user mode ends in the kernel's callback.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_syscall,
          "    std\n"
          "    stc\n"
          "    syscall\n"
          "    nop\n"
          "    syscall\n");
#define AFTER (USER(user_syscall) + 4)

uint64_t entry_flags;

/* The flags a callback gets, then on as usual */
KERNEL_CODE(note_flags,
            "    pushfq\n"
            "    popq entry_flags(%rip)\n"
            "    jmp syscall_entry\n");

static struct frame call(uint8_t mask)
{
    struct frame c = user_context(user_syscall), f;

    c.rax = 23;                         /* not the hypercall of this number */
    c.rdi = 1;
    c.rsi = 2;
    c.rflags = (mask ? 0 : FL_IF) | 2;
    f = run(&c);
    equal(f.vector, SYSCALL);
    equal(f.rip, AFTER);
    equal(f.rcx, f.rip);
    equal(f.r11 & (FL_CF | FL_DF), FL_CF | FL_DF);
    equal(f.rflags & (FL_CF | FL_DF), FL_CF | FL_DF);
    equal(f.rax, 23);
    equal(f.rdi, 1);
    equal(f.rsi, 2);
    equal(f.rsp, c.rsp);
    equal(f.cs & 0xffff, KERNEL_CS);
    equal(f.ss & 0xffff, KERNEL_SS);
    equal(f.cs >> 32 & 0xff, mask);
    return f;
}

int main(void)
{
    struct frame f;

    user_setup();
    f = call(0);
    equal(trap_mask, 1);                /* CALLBACKF_mask_events */
    f.cs = USER_CS;
    f = run(&f);                        /* and back to the second one */
    equal(f.vector, SYSCALL);
    call(1);

    equal(register_callback(CALLBACK_SYSCALL, 0, note_flags), 0);
    call(0);
    equal(trap_mask, 0);
    /* Xen 4.17 means to clear DF, but masks with the wrong register */
    equal(entry_flags & (FL_DF | FL_TF | FL_NT | FL_AC), 0);
    return 0;
}
