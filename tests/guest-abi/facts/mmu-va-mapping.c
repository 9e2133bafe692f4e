/*
 * update_va_mapping changes the entry that maps an address, where there is one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    uint64_t rw = PTE_P | PTE_RW | PTE_A | PTE_D;
    uint64_t *a = alloc_page(), *b = alloc_page();
    uint64_t at_b = mfn_of(b) * PAGE_SIZE | rw;

    *a = 0xaaaa;
    *b = 0xbbbb;
    equal(hc(update_va_mapping, a, at_b, UVMF_INVLPG), 0);
    equal(*(volatile uint64_t *)a, 0xbbbb);     /* volatile: remapped */
    equal(*entry_of((uint64_t)a, 1) & PTE_ADDR, mfn_of(b) * PAGE_SIZE);
    equal(hc(update_va_mapping, a, 0, UVMF_TLB_FLUSH | UVMF_ALL), 0);
    equal(try_read((uint64_t)a), X86_PF);

    /* No page table there */
    equal(hc(update_va_mapping, NOWHERE, at_b, UVMF_INVLPG), -XEN_EINVAL);
    /* Not the guest's */
    equal(hc(update_va_mapping, HOLE_START, at_b, 0), -XEN_EINVAL);
    equal(hc(update_va_mapping, HOLE_END - PAGE_SIZE, at_b, 0), -XEN_EINVAL);
    /* No such frame */
    check(hc(update_va_mapping, b, 0x000fffffff000000 | rw, 0) < 0);
    equal(*b, 0xbbbb);
    return 0;
}
