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

/* An address that is none; what finds out differs */
static void not_canonical(struct frame c)
{
    struct frame f;

    c.rip = NON_CANONICAL;
    f = run(&c);
    equal(f.vector, X86_GP);
    equal(f.error, 0);
    equal(f.rip, c.rip);
    equal(f.rsp, c.rsp);
    equal(f.cs & 0xffff, c.cs);
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

    not_canonical(good);
    linux_descriptors();
    good.cs = LINUX_CS;
    good.ss = LINUX_SS;
    not_canonical(good);
    /* As if from a system call: SYSRET would fault in the wrong place */
    good.rcx = NON_CANONICAL;
    good.r11 = good.rflags;
    not_canonical(good);

    good.rcx = 0;
    f = run(&good);
    equal(f.vector, X86_UD);
    return 0;
}
