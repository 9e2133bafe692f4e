/*
 * The iret hypercall to user mode: every register, also those SYSRET spoils.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");

static uint64_t user_cs = USER_CS, user_ss = USER_SS;

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
    c.cs = user_cs;
    c.ss = user_ss;
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

static void all_returns(void)
{
    struct frame f;

    f = return_to(0x1234, 0x5678, FL_IF | FL_CF | FL_DF | FL_AC | 2);
    equal(f.rflags & (FL_IF | FL_IOPL), FL_IF);

    /* As a return from a system call has them: both, either */
    return_to(USER(user_ud2), FL_IF | 2, FL_IF | 2);
    return_to(USER(user_ud2), FL_IF | FL_CF | 2, FL_IF | 2);
    return_to(USER(user_ud2) + 1, FL_IF | 2, FL_IF | 2);

    /* I/O privilege is not to be had this way */
    f = return_to(1, 2, FL_IF | FL_IOPL | 2);
    equal(f.rflags & FL_IOPL, 0);
    f = return_to(USER(user_ud2), FL_IF | FL_IOPL | 2, FL_IF | FL_IOPL | 2);
    equal(f.rflags & FL_IOPL, 0);

    /* User mode with events masked: the next frame says so */
    f = return_to(1, 2, 2);
    equal(f.cs >> 32 & 0xff, 1);
    equal(f.rflags & FL_IF, 0);
    f = return_to(1, 2, FL_IF | 2);
    equal(f.cs >> 32 & 0xff, 0);
    f = return_to(USER(user_ud2), 2, 2);
    equal(f.cs >> 32 & 0xff, 1);
}

int main(void)
{
    user_setup();
    all_returns();
    linux_descriptors();
    user_cs = LINUX_CS;
    user_ss = LINUX_SS;
    all_returns();
    /* Half of what the quick way asks for */
    user_cs = USER_CS;
    all_returns();
    user_cs = LINUX_CS;
    user_ss = USER_SS;
    all_returns();
    return 0;
}
