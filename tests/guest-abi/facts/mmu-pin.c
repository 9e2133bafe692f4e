/*
 * A page table made by the guest, the hypervisor's slots empty, can be pinned
 * and used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

static uint64_t *copy_of_l4(void)
{
    uint64_t *old = (uint64_t *)start_info->pt_base, *l4 = alloc_page();
    unsigned i;

    for (i = 0; i < 512; i++) {
        if (i < 256 || i > 271) {
            l4[i] = old[i];
        }
    }
    set_read_only(l4);
    return l4;
}

static void works(void)
{
    uint64_t *page = alloc_page();

    equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    equal(M2P[mfn_of(page)], pfn_of(page));
    equal(try_write((uint64_t)page, 5), NO_TRAP);
    equal(try_read(NOWHERE), X86_PF);
}

int main(void)
{
    uint64_t *l4 = copy_of_l4(), *other = copy_of_l4();
    uint64_t boot_l4 = kernel_l4_mfn();

    equal(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0), 0);
    equal(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0), 0);
    works();
    /* Never pinned: loading it has to do all */
    equal(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(other), 0), 0);
    works();
    equal(mmuext(MMUEXT_NEW_BASEPTR, boot_l4, 0), 0);
    works();
    equal(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l4), 0), 0);
    set_writable(l4);
    l4[1] = 0;
    works();

    /* Linux gives up the builder's table and goes on with its own */
    equal(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(other), 0), 0);
    equal(mmuext(MMUEXT_UNPIN_TABLE, boot_l4, 0), 0);
    works();

    check(mmuext(MMUEXT_NEW_BASEPTR, 0xfffffff, 0) < 0);
    check(mmuext(MMUEXT_PIN_L4_TABLE, 0xfffffff, 0) < 0);
    works();
    return 0;
}
