/*
 * A context that cannot be returned to: the guest's own exception, with that
 * context in the frame.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");

static void faults(const struct frame *c, uint64_t vector, uint64_t error)
{
    struct frame f = run(c);

    equal(f.vector, vector);
    equal(f.error, error);
    equal(f.rip, c->rip);
    equal(f.rsp, c->rsp);
    equal(f.cs & 0xffff, c->cs);
    equal(f.ss & 0xffff, c->ss);
    equal(f.rcx, c->rcx);
    equal(f.rdi, c->rdi);
}

int main(void)
{
    struct frame good, c, f;

    user_setup();
    good = user_context(user_ud2);
    good.rdi = 0x77;
    good.rcx = 0x88;

    c = good;
    c.cs = 0x1233;                      /* no such descriptor */
    faults(&c, X86_GP, 0x1230);
    c = good;
    c.cs = USER_SS;                     /* no code segment */
    faults(&c, X86_GP, USER_SS & ~3);
    c = good;
    c.ss = 0x1233;
    faults(&c, X86_GP, 0x1230);
    c = good;
    c.ss = USER_CS;                     /* no data segment */
    faults(&c, X86_GP, USER_CS & ~3);
    c = good;
    c.ss = 3;                           /* null, where user mode may not */
    faults(&c, X86_GP, 0);

    /* An address that is none; where the fault is found differs */
    c = good;
    c.rip = NON_CANONICAL;
    f = run(&c);
    equal(f.vector, X86_GP);
    equal(f.error, 0);
    equal(f.rip, c.rip);

    f = run(&good);
    equal(f.vector, X86_UD);
    return 0;
}
