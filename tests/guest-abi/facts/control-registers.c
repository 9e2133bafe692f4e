/*
 * Control registers: the guest sees its own, and changes only what is its.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define CR0_MP  0x2ul
#define CR0_TS  0x8ul
#define CR0_WP  0x10000ul
#define CR0_PG  0x80000000ul
#define CR4_TSD 0x4ul
#define CR4_PGE 0x80ul

#define READ(cr) \
    ({ \
        uint64_t v_; \
        __asm__ volatile("mov %%" cr ", %0" : "=r"(v_)); \
        v_; \
    })
#define WRITE(cr, v) \
    try("mov %0, %%" cr, : : "r"((uint64_t)(v)) : "memory")

static uint64_t fpu(void)
{
    return try("fwait", : : : "memory");
}

int main(void)
{
    uint64_t cr0 = READ("cr0"), cr4 = READ("cr4"), l4;

    equal(cr0 & (CR0_PG | CR0_WP | 1), CR0_PG | CR0_WP | 1);
    equal(cr0 & CR0_TS, 0);

    /* TS: the guest's own, and clear in its handler */
    equal(hc(fpu_taskswitch, 1), 0);
    check(READ("cr0") & CR0_TS);
    equal(fpu(), X86_NM);
    equal(READ("cr0") & CR0_TS, 0);
    equal(fpu(), NO_TRAP);
    equal(WRITE("cr0", cr0 | CR0_TS), NO_TRAP);
    equal(fpu(), X86_NM);
    equal(hc(fpu_taskswitch, 1), 0);
    equal(try("clts", : : : "memory"), NO_TRAP);
    equal(fpu(), NO_TRAP);
    equal(hc(fpu_taskswitch, 1), 0);
    equal(hc(fpu_taskswitch, 0), 0);
    equal(fpu(), NO_TRAP);

    /* CR3 is the kernel's table, CR2 the last fault's address */
    l4 = READ("cr3");
    equal(l4 & PTE_ADDR, kernel_l4_mfn() * PAGE_SIZE);
    equal(WRITE("cr3", l4), NO_TRAP);
    equal(READ("cr3"), l4);
    equal(try_read(NOWHERE + 24), X86_PF);
    equal(READ("cr2"), NOWHERE + 24);

    /* CR4: what is not the guest's stays, and is no fault */
    equal(cr4 & CR4_PGE, 0);
    equal(WRITE("cr4", cr4 | CR4_PGE), NO_TRAP);
    equal(READ("cr4"), cr4);
    equal(WRITE("cr4", cr4 | CR4_TSD), NO_TRAP);
    equal(READ("cr4") & CR4_TSD, CR4_TSD);
    equal(WRITE("cr4", cr4), NO_TRAP);
    equal(READ("cr4"), cr4);
    return 0;
}
