/*
 * A local descriptor table: used in user mode, and gone again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 */
#include "abi.h"

#define DATA32      0x00cff3000000fffful

USER_CODE(user_fs, "mov %edi, %fs; mov %fs:0, %rax; ud2");

static struct frame with_selector(unsigned selector)
{
    struct frame c = user_context(user_fs);

    c.rdi = selector;
    return run(&c);
}

int main(void)
{
    uint64_t *ldt = alloc_page();
    struct frame f;

    user_setup();
    *(uint64_t *)user_data = 0x99;
    ldt[2] = DATA32 | (USER_DATA & 0xffffff) << 16 | USER_DATA >> 24 << 56;
    ldt[3] = ldt[2];
    set_read_only(ldt);
    equal(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 3), 0);
    f = with_selector(2 << 3 | 7);
    equal(f.vector, X86_UD);
    equal(f.rax, 0x99);
    /* Behind its end */
    f = with_selector(3 << 3 | 7);
    equal(f.vector, X86_GP);
    equal(f.error, 3 << 3 | 4);

    equal(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    f = with_selector(2 << 3 | 7);
    equal(f.vector, X86_GP);
    equal(f.error, 2 << 3 | 4);
    check(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 8193) < 0);
    check(mmuext(MMUEXT_SET_LDT, HOLE_START, 3) < 0);
    /* A vCPU is not left with a selector of nothing: see failsafe_entry */
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    return 0;
}
