/*
 * The forced-emulation prefix works in user mode, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

USER_CODE(user_cpuid, "ud2; .ascii \"xen\"; cpuid; syscall");

int main(void)
{
    struct frame c, f;

    user_setup();
    c = user_context(user_cpuid);
    c.rax = 0x40000000;
    c.r12 = 12;
    f = run(&c);
    equal(f.vector, SYSCALL);
    equal(f.rbx, 0x566e6558);
    equal(f.rdx, 0x4d4d566e);
    equal(f.r12, 12);
    return 0;
}
