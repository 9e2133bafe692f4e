/*
 * The first instruction finds the registers Xen's domain builder sets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    uint64_t stack_pfn;
    unsigned i;

    equal(boot.rsi, (uint64_t)start_info);
    equal(boot.rax, 0);
    equal(boot.rbx, 0);
    equal(boot.rcx, 0);
    equal(boot.rdx, 0);
    equal(boot.rdi, 0);
    equal(boot.rbp, 0);
    equal(boot.r8, 0);
    equal(boot.r9, 0);
    equal(boot.r10, 0);
    equal(boot.r11, 0);
    equal(boot.r12, 0);
    equal(boot.r13, 0);
    equal(boot.r14, 0);
    equal(boot.r15, 0);

    /* One page of stack, right behind the page tables */
    stack_pfn = (boot.rsp - VIRT_BASE) / PAGE_SIZE - 1;
    equal(boot.rsp % PAGE_SIZE, 0);
    equal(stack_pfn, pfn_of((void *)start_info->pt_base) +
          start_info->nr_pt_frames);

    equal(boot.rflags & (FL_IF | FL_IOPL | FL_TF | FL_DF | FL_NT | FL_AC),
          FL_IF);
    /* The ring in these is the monitor's business, the rest is not */
    check((boot.cs & 3) == 1 || boot.cs == KERNEL_CS);
    check((boot.ss & 3) == 1 || boot.ss == KERNEL_SS);
    equal(boot.ds, 0);
    equal(boot.es, 0);
    equal(boot.fs, 0);
    equal(boot.gs, 0);
    equal(boot.fcw, 0x37f);
    equal(boot.mxcsr, 0x1f80);

    /* Events are masked on every vCPU there could be */
    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        equal(boot_masks[i], 1);
    }
    return 0;
}
