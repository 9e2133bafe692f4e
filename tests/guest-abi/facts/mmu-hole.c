/*
 * The hypervisor's slots of a top-level table are not the guest's to write,
 * nor can an entry point at its memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    uint64_t *l4 = (uint64_t *)start_info->pt_base, *page = alloc_page();
    uint64_t rw = PTE_P | PTE_RW | PTE_A | PTE_D;
    uint64_t old = *entry_of((uint64_t)page, 1);
    unsigned slot;

    for (slot = 256; slot < 272; slot++) {
        check(set_entry(&l4[slot], mfn_of(page) * PAGE_SIZE | rw) < 0);
    }
    /* Where no memory is */
    check(set_entry(entry_of((uint64_t)page, 1), 0xfe000000 | rw) < 0);
    equal(*entry_of((uint64_t)page, 1) & PTE_ADDR, old & PTE_ADDR);
    equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    equal(M2P[mfn_of(page)], pfn_of(page));
    return 0;
}
