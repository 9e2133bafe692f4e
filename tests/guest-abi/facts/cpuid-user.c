/*
 * The forced-emulation prefix works in user mode, too.  Without it a process
 * is told by the processor, or by Xen, but never what is below Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

USER_CODE(user_cpuid, "ud2; .ascii \"xen\"; cpuid; syscall");
USER_CODE(user_native, "cpuid; syscall");

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

    c = user_context(user_native);
    c.rax = 0x40000000;
    f = run(&c);
    equal(f.vector, SYSCALL);
    check(f.rbx != 0x4b4d564b);         /* KVMK */
    return 0;
}
