/*
 * Debug registers: break and watch points, single step, none in the monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

static long set(unsigned n, uint64_t v)
{
    return hc(set_debugreg, n, v);
}

static uint64_t get(unsigned n)
{
    return hc(get_debugreg, n);
}

static void step(struct frame *f)
{
    equal(f->vector, X86_DB);
    check(f->rflags & FL_TF);
    f->rflags &= ~FL_TF;
}

int main(void)
{
    static uint64_t watched;
    uint64_t here;

    equal(get(6), 0xffff0ff0);
    equal(get(7), 0x400);

    /* Single step: the trap comes after the instruction that follows */
    on_trap = step;
    __asm__ volatile("pushfq; orl $0x100, (%%rsp)\n\t"
                     "lea 1f(%%rip), %0\n\t"
                     "popfq; nop\n"
                     "1:\tnop" : "=r"(here) : : "memory");
    on_trap = NULL;
    equal(trap_count[X86_DB], 1);
    equal(trap.rip, here);
    check(get(6) & 0x4000);             /* BS */
    equal(set(6, 0), 0);

    /* A watch point of eight bytes */
    equal(set(0, (uint64_t)&watched), 0);
    equal(set(7, 0x90001 | 0x400), 0);
    equal(get(0), (uint64_t)&watched);
    equal(try("movq $5, %0", : "=m"(watched)), X86_DB);
    check(get(6) & 1);
    equal(watched, 5);
    equal(set(7, 0x400), 0);
    equal(set(6, 0), 0);
    equal(try("movq $6, %0", : "=m"(watched)), NO_TRAP);
    equal(get(6) & 0xf, 0);

    equal(set(0, HOLE_START + (1ul << 39)), -XEN_EPERM);
    equal(set(8, 0), -XEN_ENODEV);
    equal(get(8), -XEN_ENODEV);
    equal(set(6, 1ul << 32), -XEN_EINVAL);
    equal(set(7, 1ul << 32), -XEN_EINVAL);
    /* General detect is not for guests */
    equal(set(7, 0x2400), -XEN_EPERM);
    equal(get(7), 0x400);
    return 0;
}
