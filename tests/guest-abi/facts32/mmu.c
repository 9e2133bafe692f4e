/*
 * Page tables of three levels: updates, a new one, the part that is Xen's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

#define VA 0x50000000u

/* volatile: what is there changes */
static uint32_t peek(uint32_t va)
{
    return *(volatile uint32_t *)va;    /* volatile: likewise */
}

static void updates(void)
{
    uint32_t *a = alloc_page(), *b = alloc_page();
    uint64_t flags = PTE_P | PTE_RW | PTE_A | PTE_D, *entry;
    struct mmu_update u;

    *a = 0xaaaa;
    *b = 0xbbbb;
    map(VA, mfn_of(a), flags);
    equal(peek(VA), 0xaaaa);
    result(update_va(VA, (uint64_t)mfn_of(b) << 12 | flags), 0);
    equal(peek(VA), 0xbbbb);

    /* A and D stay, if the guest says so */
    entry = entry_of(VA, 1);
    u.ptr = entry_maddr(entry) | MMU_PT_UPDATE_PRESERVE_AD;
    u.val = (uint64_t)mfn_of(a) << 12 | PTE_P;
    result(hc(mmu_update, &u, 1, 0, DOMID_SELF), 0);
    equal(*entry, u.val | PTE_A | PTE_D);

    /* What is not the guest's */
    result(update_va(VA, 0xfee00000ull | flags), -XEN_EINVAL);
    result(update_va(VA, 0x1000ull | flags), -XEN_EINVAL);
    result(update_va(0x7ffff000, flags), -XEN_EINVAL);
    result(set_entry(entry, 0xfffff000ull << 12 | flags), -XEN_EINVAL);
    u.ptr = 0xfee00000ull;
    result(hc(mmu_update, &u, 1, 0, DOMID_SELF), -XEN_EINVAL);
    result(hc(mmu_update, 0xfffffff8u, 1, 0, DOMID_SELF), -XEN_EFAULT);
    result(hc(mmu_update, &u, 1, 0, 5), -XEN_EPERM);
    /* An entry of a large page's bits is none of a table's */
    result(update_va(VA, (uint64_t)mfn_of(a) << 12 | flags), 0);

    u.ptr = (uint64_t)mfn_of(a) << 12 | MMU_MACHPHYS_UPDATE;
    u.val = 0x4321;
    result(hc(mmu_update, &u, 1, 0, DOMID_SELF), 0);
    equal(M2P[mfn_of(a)], 0x4321);
    equal(M2P[mfn_of(a) + 1], pfn_of(a) + 1);
    u.val = pfn_of(a);
    result(hc(mmu_update, &u, 1, 0, DOMID_SELF), 0);
}

/* The builder's are read-only; stores to L1s come through all the same */
static void direct_stores(void)
{
    uint64_t *entry = entry_of(VA, 1);
    uint64_t val = *entry;

    *entry = 0;
    mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
    equal(try_read(VA), X86_PF);
    *entry = val;
    equal(try_read(VA), NO_TRAP);
    /* The topmost is changed by hypercall only */
    equal(try_write((uint32_t)frame_va(l3_mfn), 0), X86_PF);
    equal(trap.error, 3);
}

static void xens_part(void)
{
    uint64_t *entry = entry_of(M2P_VA, 2), old = *entry;
    uint64_t *free = entry_of(0xffe00000u, 2);

    check(old & PTE_P);
    equal(old & (PTE_RW | PTE_US), 0);
    result(set_entry(entry, 0), 0);             /* as if it had been */
    equal(*entry, old);
    result(set_entry(entry, (uint64_t)mfn_of(alloc_page()) << 12 | PTE_P),
           -XEN_EINVAL);
    equal(*entry, old);
    result(set_entry(free, (uint64_t)mfn_of(alloc_page()) << 12 | PTE_P),
           -XEN_EINVAL);
    result(update_va(M2P_VA, 0), -XEN_EINVAL);
    result(update_va(0xfffff000u, 0), -XEN_EINVAL);
}

static void another(void)
{
    uint64_t *l3 = alloc_page(), *old = frame_va(l3_mfn);
    uint64_t *last = alloc_page(), *was;
    uint32_t mfn = mfn_of(l3), before = l3_mfn;
    unsigned i;

    for (i = 0; i < 4; i++) {
        l3[i] = old[i];
    }
    /* A last table of its own, in which Xen's part is still missing */
    was = frame_va((old[3] & PTE_ADDR) >> 12);
    for (i = 0; i < 428; i++) {
        last[i] = was[i];
    }
    l3[3] = (uint64_t)mfn_of(last) << 12 | PTE_P;
    set_read_only(l3);
    set_read_only(last);
    result(mmuext(MMUEXT_PIN_L3_TABLE, mfn, 0), 0);
    result(mmuext(MMUEXT_NEW_BASEPTR, mfn, 0), 0);
    l3_mfn = mfn;
    equal(M2P[mfn], pfn_of(l3));
    check(last[428] & PTE_P);
    result(mmuext(MMUEXT_UNPIN_TABLE, before, 0), 0);

    /* A new entry of the topmost counts at once */
    equal(try_read(0x90000000u), X86_PF);
    map(0x90000000u, mfn_of(alloc_page()), PTE_P | PTE_RW);
    equal(try_write(0x90000000u, 1), NO_TRAP);
    result(set_entry(&l3[2], 0), 0);
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    equal(try_read(0x90000000u), X86_PF);
}

static void refused(void)
{
    uint64_t *l3 = alloc_page(), *old = frame_va(l3_mfn);
    unsigned i;

    for (i = 0; i < 3; i++) {
        l3[i] = old[i];
    }
    set_read_only(l3);
    result(mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(l3), 0), -XEN_EINVAL);
    result(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l3), 0), -XEN_EINVAL);
    result(mmuext(MMUEXT_NEW_BASEPTR, 0xfffffu, 0), -XEN_EINVAL);
    result(mmuext(MMUEXT_NEW_BASEPTR, 0xffffffffu, 0), -XEN_EINVAL);
    result(mmuext(MMUEXT_PIN_L4_TABLE, l3_mfn, 0), -XEN_EINVAL);
    result(mmuext(MMUEXT_NEW_USER_BASEPTR, l3_mfn, 0), -XEN_EINVAL);
    result(mmuext(99, 0, 0), -XEN_ENOSYS);
    result(hc(mmuext_op, 0xfffffff8u, 1, 0, DOMID_SELF), -XEN_EFAULT);
}

int main(void)
{
    uint32_t cr3;

    updates();
    direct_stores();
    xens_part();
    another();
    refused();
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    equal(xen_cr3_to_pfn(cr3), l3_mfn);
    __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
    return 0;
}
