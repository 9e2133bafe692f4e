/*
 * start_info tells where everything is, in the order Xen's builder uses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -append "one two=three"
 */
#include "abi.h"

#define PAGES ((32ul << 20) / PAGE_SIZE)

static void addresses(void)
{
    const struct start_info *s = start_info;
    uint64_t me = pfn_of(s);

    equal(M2P[s->store_mfn], me + 1);
    equal(M2P[s->console.domU.mfn], me + 2);
    equal(pfn_of((void *)s->pt_base), me + 3);
    /* The list of frames comes before, as this guest names no place for it */
    equal(pfn_of((void *)s->mfn_list) + PAGES * 8 / PAGE_SIZE, me);
    check(s->mfn_list >= (uint64_t)user_end);
    equal(s->shared_info % PAGE_SIZE, 0);
    /* Ports are allocated, and 0 is none */
    check(s->store_evtchn && s->console.domU.evtchn);
    check(s->store_evtchn != s->console.domU.evtchn);
}

/* Four-KiB leaves up to a multiple of 4 MiB, half a MiB of it unused */
static void mapping(void)
{
    uint64_t tables = start_info->pt_base;
    uint64_t tables_end = tables + start_info->nr_pt_frames * PAGE_SIZE;
    uint64_t va, leaves = 0, *entry;

    for (va = VIRT_BASE;; va += PAGE_SIZE) {
        entry = entry_of(va, 2) ? entry_of(va, 1) : NULL;
        if (!entry || !(*entry & PTE_P)) {
            break;
        }
        leaves++;
        if (va == (uint64_t)shared_info_page) {
            continue;                   /* the runtime's doing */
        }
        equal(M2P[(*entry & PTE_ADDR) / PAGE_SIZE],
              (va - VIRT_BASE) / PAGE_SIZE);
        /* Page tables are read-only, everything else is not */
        equal(!(*entry & PTE_RW), va >= tables && va < tables_end);
        equal(*entry & PTE_NX, 0);
    }
    equal(va % (4 << 20), 0);
    check(va >= boot.rsp + (512 << 10));
    /* L4, L3, L2 and as many L1s as that takes: nothing more in the frames */
    equal(start_info->nr_pt_frames, 3 + leaves / 512);
}

int main(void)
{
    const struct start_info *s = start_info;

    equal(memcmp(s->magic, "xen-3.0-x86_64", 15), 0);
    equal(s->nr_pages, PAGES);
    equal(s->flags, 0);
    equal(s->mod_start, 0);
    equal(s->mod_len, 0);
    equal(memcmp(s->cmd_line, "one two=three", 14), 0);
    addresses();
    mapping();
    return 0;
}
