/*
 * The iret hypercall with VGCF_in_syscall: as SYSRET, rcx and r11 may
 * be anything; everything else is restored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");

int main(void)
{
    struct frame c, f;

    user_setup();
    c = user_context(user_ud2);
    c.rax = 1;
    c.rbx = 2;
    c.r10 = 10;
    c.r15 = 15;
    c.rcx = 0xcccc;
    c.r11 = 0x1111;
    iret_flags = VGCF_IN_SYSCALL;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.rip, c.rip);
    equal(f.rsp, c.rsp);
    equal(f.rax, 1);
    equal(f.rbx, 2);
    equal(f.r10, 10);
    equal(f.r15, 15);

    iret_flags = 0;
    f = run(&c);
    equal(f.rcx, 0xcccc);
    equal(f.r11, 0x1111);
    return 0;
}
