/*
 * The iret hypercall to user mode: every register, also those SYSRET spoils.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");

static struct frame return_to(uint64_t rcx, uint64_t r11, uint64_t rflags)
{
    struct frame c = user_context(user_ud2), f;
    unsigned i;

    for (i = 0; i < 15; i++) {
        ((uint64_t *)&c)[i] = 0x0101010101010101ul * (i + 1);
    }
    c.rcx = rcx;
    c.r11 = r11;
    c.rflags = rflags;
    c.rsp -= 40;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(memcmp(&f, &c, 15 * 8), 0);
    equal(f.rip, c.rip);
    equal(f.rsp, c.rsp);
    equal(f.cs & 0xffff, c.cs);
    equal(f.ss & 0xffff, c.ss);
    equal(f.rflags & (FL_CF | FL_DF | FL_AC),
          rflags & (FL_CF | FL_DF | FL_AC));
    return f;
}

int main(void)
{
    struct frame f;

    user_setup();
    f = return_to(0x1234, 0x5678, FL_IF | FL_CF | FL_DF | FL_AC | 2);
    equal(f.rflags & (FL_IF | FL_IOPL), FL_IF);

    /* Registers as a return from a system call has them */
    return_to(USER(user_ud2), FL_IF | 2, FL_IF | 2);

    /* I/O privilege is not to be had this way */
    f = return_to(1, 2, FL_IF | FL_IOPL | 2);
    equal(f.rflags & FL_IOPL, 0);

    /* User mode with events masked: the next frame says so */
    f = return_to(1, 2, 2);
    equal(f.cs >> 32 & 0xff, 1);
    equal(f.rflags & FL_IF, 0);
    f = return_to(1, 2, FL_IF | 2);
    equal(f.cs >> 32 & 0xff, 0);
    return 0;
}
