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

#define PAE_LAST_GIB    0xc0000000ULL

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

/* Is there an L2 table for Xen's part that maps nothing else? */
static bool has_hole_table(const XenPvPtMap *map)
{
    return map->pae && last_va(map) < PAE_LAST_GIB;
}

static uint64_t hole_table(const XenPvPtMap *map)
{
    return map->table[2] + xenpv_pt_count(map, 2);
}

/* Pages for the tables of @level. */
static uint64_t level_pages(const XenPvPtMap *map, unsigned level)
{
    return xenpv_pt_count(map, level) + (level == 2 && has_hole_table(map));
}

uint64_t xenpv_pt_total(const XenPvPtMap *map)
{
    uint64_t total = 0;

    for (unsigned level = xenpv_pt_top(map) - 1; level >= 1; level--) {
        total += level_pages(map, level);
    }
    return total;
}

uint64_t xenpv_pt_place(XenPvPtMap *map, uint64_t pfn)
{
    for (unsigned level = xenpv_pt_top(map) - 1; level >= 1; level--) {
        map->table[level] = pfn;
        pfn += level_pages(map, level);
    }
    return pfn;
}

bool xenpv_pt_va_ok(const XenPvPtMap *map)
{
    uint64_t last = last_va(map);

    if (map->pages > UINT64_MAX >> PV_PAGE_SHIFT ||
        (map->va & PV_PAGE_MASK) || last < map->va) {
        return false;
    }
    return map->pae ? last < PV_PAE_HOLE
                    : last <= LOW_HALF_LAST || map->va >= HIGH_HALF_FIRST;
}

static bool is_table(const XenPvPtMap *maps, size_t nr_maps, uint64_t top_pfn,
                     uint64_t pfn)
{
    for (size_t i = 0; i < nr_maps; i++) {
        uint64_t first = maps[i].table[xenpv_pt_top(&maps[i]) - 1];

        if (pfn >= first && pfn - first < xenpv_pt_total(&maps[i])) {
            return true;
        }
    }
    return pfn == top_pfn;
}

/* Pfn of the table of @level that @map has for @va. */
static uint64_t table_for(const XenPvPtMap *map, uint64_t top_pfn,
                          unsigned level, uint64_t va)
{
    unsigned shift = table_shift(level);

    return level == xenpv_pt_top(map)
           ? top_pfn
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

/* With PAE an entry of the top level has no other flag, nor could have. */
static uint64_t table_flags(const XenPvPtMap *map, unsigned level)
{
    return map->pae && level == 2 ? PTE_P : PTE_TABLE;
}

/* Make all tables of @level and enter them in those of the level above. */
static void write_tables(const XenPvGuestMemory *memory, uint64_t top_pfn,
                         const XenPvPtMap *map, unsigned level,
                         XenPvStartOfDay *out)
{
    uint64_t step = 1ULL << table_shift(level);
    uint64_t va = map->va & -step;

    for (uint64_t i = 0; i < xenpv_pt_count(map, level); i++, va += step) {
        uint64_t pfn = map->table[level] + i;
        uint64_t above = table_for(map, top_pfn, level + 1, va);

        new_table(memory, pfn, level, out);
        set_entry(memory, above, level + 1, va, pfn, table_flags(map, level));
    }
}

static void write_hole_table(const XenPvGuestMemory *memory, uint64_t top_pfn,
                             const XenPvPtMap *map, XenPvStartOfDay *out)
{
    uint64_t pfn = hole_table(map);

    new_table(memory, pfn, 2, out);
    set_entry(memory, top_pfn, 3, PAE_LAST_GIB, pfn, table_flags(map, 2));
}

static void write_leaves(const XenPvGuestMemory *memory, uint64_t top_pfn,
                         const XenPvPtMap *maps, size_t nr_maps,
                         const XenPvPtMap *map)
{
    for (uint64_t i = 0; i < map->pages; i++) {
        uint64_t va = map->va + (i << PV_PAGE_SHIFT);
        uint64_t pfn = map->pfn + i;
        bool ro = is_table(maps, nr_maps, top_pfn, pfn);

        set_entry(memory, table_for(map, top_pfn, 1, va), 1, va, pfn,
                  ro ? PTE_LEAF & ~PTE_RW : PTE_LEAF);
    }
}

void xenpv_pt_write(const XenPvGuestMemory *memory, uint64_t top_pfn,
                    const XenPvPtMap *maps, size_t nr_maps,
                    XenPvStartOfDay *out)
{
    size_t total = 1;

    for (size_t i = 0; i < nr_maps; i++) {
        total += xenpv_pt_total(&maps[i]);
    }
    out->tables = g_new(XenPvPageTableFrame, total);
    out->nr_tables = 0;

    new_table(memory, top_pfn, xenpv_pt_top(&maps[0]), out);
    for (size_t i = 0; i < nr_maps; i++) {
        for (unsigned level = xenpv_pt_top(&maps[i]) - 1; level >= 1; level--) {
            write_tables(memory, top_pfn, &maps[i], level, out);
            if (level == 2 && has_hole_table(&maps[i])) {
                write_hole_table(memory, top_pfn, &maps[i], out);
            }
        }
        write_leaves(memory, top_pfn, maps, nr_maps, &maps[i]);
    }
}
