/*
 * Instructions a kernel may not execute are its own faults; those Xen takes
 * for harmless do nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_hlt, "hlt");
USER_CODE(user_cli, "cli");
USER_CODE(user_rdmsr, "rdmsr");
USER_CODE(user_cr, "mov %cr0, %rax");
USER_CODE(user_swapgs, "swapgs");

static void user_fault(const char *code)
{
    struct frame f = run_user(code);

    equal(f.vector, X86_GP);
    equal(f.error, 0);
    equal(f.rip, USER(code));
}

int main(void)
{
    static uint8_t table[16];
    uint16_t null = 0;

    user_setup();
    equal(try("ud2", : : : "memory"), X86_UD);
    equal(try("lgdt %0", : : "m"(table)), X86_GP);
    equal(try("lidt %0", : : "m"(table)), X86_GP);
    equal(try("lldt %0", : : "m"(null)), X86_GP);
    equal(try("ltr %0", : : "m"(null)), X86_GP);
    equal(try("swapgs", : : : "memory"), X86_GP);
    equal(try("invlpg (%0)", : : "r"(table)), X86_GP);
    equal(trap.error, 0);
    equal(try("wbinvd", : : : "memory"), NO_TRAP);
    equal(try("xor %%edx, %%edx; div %%edx", : : : "eax", "edx"), X86_DE);

    user_fault(user_hlt);
    user_fault(user_cli);
    user_fault(user_rdmsr);
    user_fault(user_cr);
    user_fault(user_swapgs);
    return 0;
}
