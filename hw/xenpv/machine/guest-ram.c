/*
 * Guest RAM: what the guest starts with, and what it may have later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "-m SIZE,maxmem=MAX": SIZE is the machine's own RAM, which may be a memory
 * backend of the user's; the rest up to MAX is a block of ours.  Both are one
 * run of pages, which the hole divides.  Pages the guest does not have, at
 * first those of the rest, cost address space and no memory.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "exec/cpu-common.h"
#include "hw/boards.h"
#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/machine.h"

bool xenpv_ram_init(XenPvRam *ram, MachineState *ms, Error **errp)
{
    if (ms->ram_slots) {
        error_setg(errp, "-m slots=: -M xenpv has no memory slots; maxmem= "
                   "is enough for the guest to be given more");
        return false;
    }
    xenpv_memory_map_init(&ram->map, ms->ram_size, ms->maxram_size);
    return true;
}

bool xenpv_ram_make(XenPvRam *ram, MachineState *ms, Error **errp)
{
    MemoryRegion *sys = get_system_memory();
    uint64_t size = ram->map.start_pages << XENPV_PAGE_SHIFT;
    uint64_t max = ram->map.nr_pages << XENPV_PAGE_SHIFT;
    uint64_t low = ram->map.low_pages << XENPV_PAGE_SHIFT;
    uint64_t high = max - low;

    ram->start = ms->ram;
    ram->start_ptr = memory_region_get_ram_ptr(ram->start);
    memory_region_init(&ram->all, OBJECT(ms), "xenpv.ram-all", max);
    memory_region_add_subregion(&ram->all, 0, ram->start);
    if (max > size) {
        if (!memory_region_init_ram(&ram->rest, NULL, "xenpv.ram-rest",
                                    max - size, errp)) {
            return false;
        }
        memory_region_add_subregion(&ram->all, size, &ram->rest);
        ram->rest_ptr = memory_region_get_ram_ptr(&ram->rest);
    }
    memory_region_init_alias(&ram->low, OBJECT(ms), "xenpv.ram-low",
                             &ram->all, 0, low);
    memory_region_add_subregion(sys, XENPV_RAM_LOW, &ram->low);
    if (high) {
        memory_region_init_alias(&ram->high, OBJECT(ms), "xenpv.ram-high",
                                 &ram->all, low, high);
        memory_region_add_subregion(sys, XENPV_RAM_HIGH, &ram->high);
    }
    return true;
}

/* The block a page is in, and how many pages of that are before it */
static MemoryRegion *block_of(const XenPvRam *ram, uint64_t *pfn)
{
    if (*pfn < ram->map.start_pages) {
        return ram->start;
    }
    *pfn -= ram->map.start_pages;
    return (MemoryRegion *)&ram->rest;
}

void *xenpv_ram_ptr(const XenPvRam *ram, uint64_t pfn)
{
    return pfn < ram->map.start_pages
           ? ram->start_ptr + (pfn << XENPV_PAGE_SHIFT)
           : ram->rest_ptr + ((pfn - ram->map.start_pages) <<
                              XENPV_PAGE_SHIFT);
}

/*
 * What is written through a host pointer is DMA: whoever tracks dirty pages
 * or has translated code from them must hear of it.
 */
void xenpv_ram_written(MemoryRegion *mr, void *ptr, uint64_t len)
{
    memory_region_ref(mr);
    address_space_unmap(&address_space_memory, ptr, len, true, len);
}

void xenpv_ram_page_written(const XenPvRam *ram, uint64_t pfn,
                            uint32_t offset, uint32_t len)
{
    uint8_t *ptr = xenpv_ram_ptr(ram, pfn);

    xenpv_ram_written(block_of(ram, &pfn), ptr + offset, len);
}

/*
 * Where it cannot be done (huge pages, memory that is locked), the guest gets
 * its pages back as they are, and the monitor clears them.
 */
static void discard_run(const XenPvRam *ram, uint64_t pfn, uint64_t pages)
{
    RAMBlock *rb = block_of(ram, &pfn)->ram_block;

    if (pages && qemu_ram_pagesize(rb) <= XENPV_PAGE_SIZE &&
        !ram_block_discard_is_disabled()) {
        ram_block_discard_range(rb, pfn << XENPV_PAGE_SHIFT,
                                pages << XENPV_PAGE_SHIFT);
    }
}

/* Guests give back runs of pages, upwards or downwards. */
void xenpv_ram_discard(const XenPvRam *ram, const uint64_t *mfns, uint32_t nr)
{
    uint64_t first = 0, pages = 0, pfn;
    uint32_t i;

    for (i = 0; i < nr; i++) {
        if (!xenpv_mfn_to_pfn(&ram->map, mfns[i], &pfn)) {
            continue;
        }
        if (pages && pfn == first + pages && pfn != ram->map.start_pages) {
            pages++;
        } else if (pages && pfn + 1 == first &&
                   first != ram->map.start_pages) {
            first--;
            pages++;
        } else {
            discard_run(ram, first, pages);
            first = pfn;
            pages = 1;
        }
    }
    discard_run(ram, first, pages);
}

void xenpv_ram_reset(const XenPvRam *ram)
{
    discard_run(ram, ram->map.start_pages,
                ram->map.nr_pages - ram->map.start_pages);
}
