/*
 * mmu_update: three kinds of request, a count of those done, refusals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define PRESENT (PTE_P | PTE_RW)

int main(void)
{
    uint64_t *page = alloc_page(), *other = alloc_page();
    uint64_t *entry = entry_of((uint64_t)page, 1);
    uint64_t frame = mfn_of(page) * PAGE_SIZE, saved;
    struct mmu_update u[3];
    uint32_t done = 77;

    /* NORMAL stores the value as it is, accessed and dirty bits as well */
    *page = 1;
    check(*entry & PTE_D);
    u[0].ptr = entry_maddr(entry) | MMU_NORMAL_PT_UPDATE;
    u[0].val = frame | PRESENT;
    equal(hc(mmu_update, u, 1, &done, DOMID_SELF), 0);
    equal(done, 1);
    equal(*entry & (PTE_ADDR | PRESENT | PTE_D), frame | PRESENT);

    /* PRESERVE_AD keeps what the processor set */
    equal(mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)page, 0), 0);
    *page = 2;
    check(*entry & PTE_D);
    u[0].ptr = entry_maddr(entry) | MMU_PT_UPDATE_PRESERVE_AD;
    u[0].val = frame | PTE_P;
    equal(hc(mmu_update, u, 1, NULL, DOMID_SELF), 0);
    equal(*entry & (PTE_ADDR | PRESENT | PTE_A | PTE_D),
          frame | PTE_P | PTE_A | PTE_D);
    set_writable(page);

    /* MACHPHYS writes the machine-to-phys table, which is read-only to us */
    saved = M2P[mfn_of(other)];
    u[0].ptr = mfn_of(other) * PAGE_SIZE | MMU_MACHPHYS_UPDATE;
    u[0].val = 0x12345;
    equal(hc(mmu_update, u, 1, NULL, DOMID_SELF), 0);
    equal(M2P[mfn_of(other)], 0x12345);
    u[0].val = saved;
    equal(hc(mmu_update, u, 1, NULL, DOMID_SELF), 0);
    equal(M2P[mfn_of(other)], saved);

    /* Several: in order, and counted up to the one that is refused */
    u[0].ptr = entry_maddr(entry);
    u[0].val = frame | PTE_P;
    u[1].ptr = entry_maddr(entry);
    u[1].val = frame | PRESENT | PTE_A;
    equal(hc(mmu_update, u, 2, &done, DOMID_SELF), 0);
    equal(done, 2);
    check(*entry & PTE_RW);
    u[1].ptr = 0x000ffffffff00000;      /* no such machine address */
    u[2] = u[0];
    equal(hc(mmu_update, u, 3, &done, DOMID_SELF), -XEN_EINVAL);
    equal(done, 1);

    equal(hc(mmu_update, u, 0, &done, DOMID_SELF), 0);
    equal(done, 0);
    equal(hc(mmu_update, NOWHERE, 1, &done, DOMID_SELF), -XEN_EFAULT);
    equal(hc(mmu_update, HOLE_START, 1, &done, DOMID_SELF), -XEN_EFAULT);
    return 0;
}
