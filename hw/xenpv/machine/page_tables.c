/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page tables a PV guest starts on.
 *
 * A map is a run of VAs backed by consecutive pfns.  Its tables lie one level
 * after the other, each level in VA order, which is the order Linux requires
 * of the initial region and makes finding a table plain arithmetic.
 */
#include "qemu/osdep.h"
#include "hw/xenpv/machine/loader_internal.h"

#define PTE_P           (1ULL << 0)
#define PTE_RW          (1ULL << 1)
#define PTE_USER        (1ULL << 2)
#define PTE_A           (1ULL << 5)
#define PTE_D           (1ULL << 6)

/*
 * As Xen's domain builder has them: USER on leaves is for the hypervisor to
 * add or not, and a guest may not write to its page tables directly.
 */
#define PTE_TABLE       (PTE_P | PTE_RW | PTE_USER | PTE_A | PTE_D)
#define PTE_LEAF        (PTE_P | PTE_RW | PTE_A)

#define TABLE_BITS      9
#define TABLE_ENTRIES   (1u << TABLE_BITS)

/* Canonical VAs have bits 63..47 equal; Xen owns L4 slots 256..271. */
#define LOW_HALF_LAST   0x00007fffffffffffULL
#define HIGH_HALF_FIRST 0xffff880000000000ULL

/* log2 of the bytes that one table of @level maps. */
static inline unsigned table_shift(unsigned level)
{
    return PV_PAGE_SHIFT + TABLE_BITS * level;
}

static inline uint64_t last_va(const XenPvPtMap *map)
{
    return map->va + (map->pages << PV_PAGE_SHIFT) - 1;
}

uint64_t xenpv_pt_count(const XenPvPtMap *map, unsigned level)
{
    unsigned shift = table_shift(level);

    return (last_va(map) >> shift) - (map->va >> shift) + 1;
}

uint64_t xenpv_pt_total(const XenPvPtMap *map)
{
    return xenpv_pt_count(map, 3) + xenpv_pt_count(map, 2) +
           xenpv_pt_count(map, 1);
}

uint64_t xenpv_pt_place(XenPvPtMap *map, uint64_t pfn)
{
    for (unsigned level = 3; level >= 1; level--) {
        map->table[level] = pfn;
        pfn += xenpv_pt_count(map, level);
    }
    return pfn;
}

bool xenpv_pt_va_ok(const XenPvPtMap *map)
{
    uint64_t last = last_va(map);

    return map->pages <= UINT64_MAX >> PV_PAGE_SHIFT &&
           !(map->va & PV_PAGE_MASK) && last >= map->va &&
           (last <= LOW_HALF_LAST || map->va >= HIGH_HALF_FIRST);
}

static bool is_table(const XenPvPtMap *maps, size_t nr_maps, uint64_t l4_pfn,
                     uint64_t pfn)
{
    for (size_t i = 0; i < nr_maps; i++) {
        uint64_t first = maps[i].table[3];

        if (pfn >= first && pfn - first < xenpv_pt_total(&maps[i])) {
            return true;
        }
    }
    return pfn == l4_pfn;
}

/* Pfn of the table of @level that @map has for @va. */
static uint64_t table_for(const XenPvPtMap *map, uint64_t l4_pfn,
                          unsigned level, uint64_t va)
{
    unsigned shift = table_shift(level);

    return level == 4 ? l4_pfn
                      : map->table[level] + (va >> shift) - (map->va >> shift);
}

/* Point the entry for @va, in a table of @level, at page @pfn. */
static void set_entry(const XenPvGuestMemory *memory, uint64_t table_pfn,
                      unsigned level, uint64_t va, uint64_t pfn,
                      uint64_t flags)
{
    unsigned index = (va >> table_shift(level - 1)) & (TABLE_ENTRIES - 1);
    uint64_t *table = memory->pfn_to_ptr(memory->opaque, table_pfn);
    uint64_t mfn = memory->pfn_to_mfn(memory->opaque, pfn);

    stq_le_p(&table[index], mfn << PV_PAGE_SHIFT | flags);
}

static void new_table(const XenPvGuestMemory *memory, uint64_t pfn,
                      unsigned level, XenPvStartOfDay *out)
{
    memset(memory->pfn_to_ptr(memory->opaque, pfn), 0, PV_PAGE_SIZE);
    out->tables[out->nr_tables++] = (XenPvPageTableFrame) { pfn, level };
}

/* Make all tables of @level and enter them in those of the level above. */
static void write_tables(const XenPvGuestMemory *memory, uint64_t l4_pfn,
                         const XenPvPtMap *map, unsigned level,
                         XenPvStartOfDay *out)
{
    uint64_t step = 1ULL << table_shift(level);
    uint64_t va = map->va & -step;

    for (uint64_t i = 0; i < xenpv_pt_count(map, level); i++, va += step) {
        uint64_t pfn = map->table[level] + i;
        uint64_t above = table_for(map, l4_pfn, level + 1, va);

        new_table(memory, pfn, level, out);
        set_entry(memory, above, level + 1, va, pfn, PTE_TABLE);
    }
}

static void write_leaves(const XenPvGuestMemory *memory, uint64_t l4_pfn,
                         const XenPvPtMap *maps, size_t nr_maps,
                         const XenPvPtMap *map)
{
    for (uint64_t i = 0; i < map->pages; i++) {
        uint64_t va = map->va + (i << PV_PAGE_SHIFT);
        uint64_t pfn = map->pfn + i;
        bool ro = is_table(maps, nr_maps, l4_pfn, pfn);

        set_entry(memory, table_for(map, l4_pfn, 1, va), 1, va, pfn,
                  ro ? PTE_LEAF & ~PTE_RW : PTE_LEAF);
    }
}

void xenpv_pt_write(const XenPvGuestMemory *memory, uint64_t l4_pfn,
                    const XenPvPtMap *maps, size_t nr_maps,
                    XenPvStartOfDay *out)
{
    size_t total = 1;

    for (size_t i = 0; i < nr_maps; i++) {
        total += xenpv_pt_total(&maps[i]);
    }
    out->tables = g_new(XenPvPageTableFrame, total);
    out->nr_tables = 0;

    new_table(memory, l4_pfn, 4, out);
    for (size_t i = 0; i < nr_maps; i++) {
        for (unsigned level = 3; level >= 1; level--) {
            write_tables(memory, l4_pfn, &maps[i], level, out);
        }
        write_leaves(memory, l4_pfn, maps, nr_maps, &maps[i]);
    }
}
