/*
 * The kernel may store to its last-level page tables though they are mapped
 * read-only; other read-only pages are as read-only as it made them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#if VIRT_BASE == 0
#define WINDOW  0x20000000000ul
#else
#define WINDOW  0xffffc00000000000ul
#endif

static void points_at(const uint64_t *page)
{
    equal(mmuext(MMUEXT_INVLPG_LOCAL, WINDOW, 0), 0);
    equal(*(volatile uint64_t *)WINDOW, *page); /* volatile: remapped */
}

int main(void)
{
    uint64_t rw = PTE_P | PTE_RW | PTE_A | PTE_D;
    uint64_t *a = alloc_page(), *b = alloc_page(), *data = alloc_page();
    uint64_t old, new, *entry;

    equal(hc(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables),
          0);
    *a = 0xaaaa;
    *b = 0xbbbb;
    map(WINDOW, mfn_of(a), rw);
    points_at(a);
    entry = entry_of(WINDOW, 1);
    check(!(*entry_of((uint64_t)entry, 1) & PTE_RW));

    /* A store; volatile: a real one */
    *(volatile uint64_t *)entry = mfn_of(b) * PAGE_SIZE | rw;
    points_at(b);

    /* What Linux does on fork, munmap and reclaim: bit and exchange forms */
    set_read_only((void *)((uint64_t)entry & -PAGE_SIZE));
    old = *entry;
    new = mfn_of(a) * PAGE_SIZE | rw;
    check(__atomic_compare_exchange_n(entry, &old, new, false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    points_at(a);
    set_read_only((void *)((uint64_t)entry & -PAGE_SIZE));
    __asm__ volatile("lock btrq $1, %0" : "+m"(*entry));
    equal(mmuext(MMUEXT_INVLPG_LOCAL, WINDOW, 0), 0);
    equal(*(uint64_t *)WINDOW, 0xaaaa);
    equal(try_write(WINDOW, 1), X86_PF);
    set_read_only((void *)((uint64_t)entry & -PAGE_SIZE));
    old = __atomic_exchange_n(entry, 0, __ATOMIC_SEQ_CST);
    equal(old & PTE_ADDR, mfn_of(a) * PAGE_SIZE);
    equal(mmuext(MMUEXT_INVLPG_LOCAL, WINDOW, 0), 0);
    equal(try_read(WINDOW), X86_PF);

    /* The initial tables, pinned by the builder */
    entry = entry_of((uint64_t)data, 1);
    __atomic_fetch_and(entry, ~PTE_RW, __ATOMIC_SEQ_CST);
    equal(mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)data, 0), 0);
    equal(try_write((uint64_t)data, 1), X86_PF);
    equal(trap.error, 3);
    equal(*data, 0);
    equal(try_write((uint64_t)data, 1), X86_PF);
    return 0;
}
