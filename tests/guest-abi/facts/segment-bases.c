/*
 * FS and GS: one base for FS, two for GS, exchanged between the modes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_bases, "mov %fs:0, %rax; mov %gs:0, %rbx; syscall");

static uint64_t kernel_gs(void)
{
    uint64_t v;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(v));
    return v;
}

int main(void)
{
    static uint64_t in_kernel = 0x6e;
    uint64_t *d;
    struct frame f;

    user_setup();
    d = user_data;
    d[0] = 0xf5;
    d[1] = 0x65;
    equal(hc(set_segment_base, SEGBASE_FS, USER_DATA), 0);
    equal(hc(set_segment_base, SEGBASE_GS_USER, USER_DATA + 8), 0);
    equal(hc(set_segment_base, SEGBASE_GS_KERNEL, &in_kernel), 0);
    equal(kernel_gs(), 0x6e);
    f = run_user(user_bases);
    equal(f.vector, SYSCALL);
    equal(f.rax, 0xf5);
    equal(f.rbx, 0x65);
    equal(kernel_gs(), 0x6e);

    /* A selector for user mode leaves the kernel's base alone */
    equal(hc(set_segment_base, SEGBASE_GS_USER_SEL, USER_SS), 0);
    equal(kernel_gs(), 0x6e);
    /* Linux has a bug check behind this one: bad ones are made null */
    equal(hc(set_segment_base, SEGBASE_GS_USER_SEL, 0x1233), 0);
    equal(kernel_gs(), 0x6e);

    equal(hc(set_segment_base, SEGBASE_FS, NON_CANONICAL), -XEN_EINVAL);
    equal(hc(set_segment_base, 9, 0), -XEN_EINVAL);
    return 0;
}
