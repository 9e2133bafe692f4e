/*
 * With maxmem= a guest starts with less than it may have, and takes the rest
 * page by page: each frame once, none of those it has, right in the
 * machine-to-phys table, there after it was given back in another order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux minios strict
 * QEMU: -m 32M,maxmem=48M
 */
#include "abi.h"

#define HAS     (32 * 256)
#define MORE    (16 * 256)
#define WINDOW  0x20000000000ul

static uint64_t frames[MORE];
static uint8_t seen[2 * (HAS + MORE)];

static long reserve(unsigned cmd, uint64_t *list, uint64_t n)
{
    struct xen_memory_reservation r = { .nr_extents = n,
                                        .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)list);
    return hc(memory_op, cmd, &r);
}

/* In go page numbers, @step apart, so that all come once; out come frames */
static void take(unsigned step)
{
    uint64_t i;

    for (i = 0; i < MORE; i++) {
        frames[i] = HAS + i * step % MORE;
    }
    equal(reserve(XENMEM_populate_physmap, frames, MORE), MORE);
    for (i = 0; i < MORE; i++) {
        check(frames[i] < sizeof(seen));
        check(!seen[frames[i]]);
        seen[frames[i]] = 1;
        equal(M2P[frames[i]], HAS + i * step % MORE);
    }
}

static void give_back(void)
{
    uint64_t i;

    for (i = 0; i < MORE; i++) {
        seen[frames[i]] = 0;
    }
    equal(reserve(XENMEM_decrease_reservation, frames, MORE), MORE);
    for (i = 0; i < MORE; i++) {
        check(M2P[frames[i]] >= HAS + MORE);
    }
}

static void use(unsigned at)
{
    volatile uint64_t *page = (void *)WINDOW;   /* volatile: mapped anew */

    map(WINDOW, frames[at], PTE_P | PTE_RW | PTE_A | PTE_D);
    equal(*page, 0);
    *page = at + 1;
    equal(*page, at + 1);
    equal(update_va(WINDOW, 0), 0);
}

int main(void)
{
    const uint64_t *p2m = (uint64_t *)start_info->mfn_list;
    struct e820 {
        uint64_t address, size;
        uint32_t type;
    } __attribute__((packed)) ram;
    struct xen_memory_map m = { .nr_entries = 1 };
    domid_t self = DOMID_SELF;
    uint64_t i, one = HAS + MORE;

    equal(start_info->nr_pages, HAS);
    equal(hc(memory_op, XENMEM_current_reservation, &self), HAS);
    equal(hc(memory_op, XENMEM_maximum_reservation, &self), HAS + MORE);
    set_xen_guest_handle(m.buffer, &ram);
    equal(hc(memory_op, XENMEM_memory_map, &m), 0);
    equal(ram.address + ram.size, (HAS + MORE) * PAGE_SIZE);
    for (i = 0; i < HAS; i++) {
        check(p2m[i] < sizeof(seen));
        seen[p2m[i]] = 1;
        equal(M2P[p2m[i]], i);
    }

    take(1);
    equal(reserve(XENMEM_populate_physmap, &one, 1), 0);
    equal(hc(memory_op, XENMEM_current_reservation, &self), HAS + MORE);
    use(0);
    use(MORE - 1);
    give_back();
    equal(hc(memory_op, XENMEM_current_reservation, &self), HAS);
    take(4093);
    use(0);
    use(MORE / 2);
    /* What it had is as it was */
    for (i = 0; i < HAS; i++) {
        equal(M2P[p2m[i]], i);
    }
    return 0;
}
