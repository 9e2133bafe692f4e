/*
 * The iret hypercall: flags, the mask, and contexts that cannot be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

USER_CODE(user_flags, "pushf; pop %eax; int3");

static void bad_context(struct frame f, unsigned vector, unsigned error)
{
    uint32_t eip = f.eip;

    f = run(&f);
    equal(f.vector, vector);
    equal(f.error, error);
    equal(f.eip, eip);
}

int main(void)
{
    struct frame f;

    user_setup();
    f = user_context(user_flags);
    f.eflags = FL_IOPL | 0x8d5;             /* neither IF nor IOPL are its */
    f = run(&f);
    equal(f.vector, X86_BP);
    equal(f.eax & (FL_IOPL | FL_IF), FL_IF);
    equal(f.eax & 0x8d5, 0x8d5);
    equal(f.eflags & FL_IF, 0);             /* it had left events masked */
    equal(VCPU->evtchn_upcall_mask, 1);
    f = user_context(user_flags);
    f = run(&f);
    check(f.eflags & FL_IF);
    VCPU->evtchn_upcall_mask = 1;

    f = user_context(user_flags);
    f.cs = 0x1233;
    bad_context(f, X86_GP, 0x1230);
    f = user_context(user_flags);
    f.ss = 0x1233;
    bad_context(f, X86_GP, 0x1230);
    f = user_context(user_flags);
    f.ss = KERNEL_SS;
    bad_context(f, X86_GP, KERNEL_SS & ~3);
    f = user_context(user_flags);
    f.cs = 0xe00b;                          /* the monitor's */
    bad_context(f, X86_GP, 0xe008);
    f = run_user(user_flags);
    equal(f.vector, X86_BP);
    return 0;
}
