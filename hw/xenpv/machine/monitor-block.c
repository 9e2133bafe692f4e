/*
 * The monitor block: its layout, its page tables, its tables of frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * include/hw/xenpv/monitor-abi.h has the map.  Pure: works on a host pointer
 * and knows neither CPUs nor memory regions.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/machine/monitor_image.h"

#define PTE_P       0x001ull
#define PTE_RW      0x002ull
#define PTE_US      0x004ull
#define PTE_PCD     0x010ull
#define PTE_AD      0x060ull
#define PTE_PS      0x080ull
#define PTE_NX      (1ull << 63)

#define LARGE       (2 * MiB)
#define INVALID_M2P (~0ull)

#define LOW_PAGES_MAX ((XENPV_RAM_HOLE - XENPV_RAM_LOW) >> XENPV_PAGE_SHIFT)
#define LOW_MFN       (XENPV_RAM_LOW >> XENPV_PAGE_SHIFT)
#define HIGH_MFN      (XENPV_RAM_HIGH >> XENPV_PAGE_SHIFT)

/* ---- guest RAM ---- */

void xenpv_memory_map_init(XenPvMemoryMap *map, uint64_t bytes,
                           uint64_t max_bytes)
{
    map->start_pages = bytes >> XENPV_PAGE_SHIFT;
    map->nr_pages = max_bytes >> XENPV_PAGE_SHIFT;
    map->low_pages = MIN(map->nr_pages, LOW_PAGES_MAX);
}

uint64_t xenpv_pfn_to_mfn(const XenPvMemoryMap *map, uint64_t pfn)
{
    return pfn < map->low_pages ? pfn + LOW_MFN
                                : pfn - map->low_pages + HIGH_MFN;
}

bool xenpv_mfn_to_pfn(const XenPvMemoryMap *map, uint64_t mfn, uint64_t *pfn)
{
    if (mfn >= LOW_MFN && mfn - LOW_MFN < map->low_pages) {
        *pfn = mfn - LOW_MFN;
        return true;
    }
    if (mfn >= HIGH_MFN && mfn - HIGH_MFN < map->nr_pages - map->low_pages) {
        *pfn = mfn - HIGH_MFN + map->low_pages;
        return true;
    }
    return false;
}

uint64_t xenpv_max_mfn(const XenPvMemoryMap *map)
{
    return xenpv_pfn_to_mfn(map, map->nr_pages - 1) + 1;
}

bool xenpv_map_fits_pae(const XenPvMemoryMap *map)
{
    return xenpv_max_mfn(map) <= (XENPV_M2P_END_PAE - XENPV_M2P_VA_PAE) / 4;
}

/* ---- layout ---- */

static uint64_t direct_end(const XenPvMemoryMap *map)
{
    return MAX(XENPV_RAM_HIGH, xenpv_max_mfn(map) << XENPV_PAGE_SHIFT);
}

/* Pages for tables that map @bytes with large pages: level 2 and level 3 */
static uint64_t table_pages(uint64_t bytes)
{
    return DIV_ROUND_UP(bytes, GiB) + DIV_ROUND_UP(bytes, 512 * GiB);
}

bool xenpv_block_layout(XenPvBlockLayout *layout, const XenPvMemoryMap *map,
                        unsigned nr_vcpus)
{
    uint64_t max_mfn = xenpv_max_mfn(map);
    uint64_t pages;

    layout->nr_vcpus = nr_vcpus;
    layout->tables = XENPV_OFF_PERCPU +
                     (uint64_t)nr_vcpus * XENPV_PERCPU_SIZE;
    /* top level; M2P; direct map; block and windows with one level 3 */
    pages = 1 + table_pages(max_mfn * 8) + table_pages(direct_end(map)) + 3;
    layout->types = layout->tables + pages * XENPV_PAGE_SIZE;
    layout->m2p = ROUND_UP(layout->types + max_mfn, LARGE);
    layout->size = ROUND_UP(layout->m2p + max_mfn * 8, LARGE);
    return layout->size <= XENPV_APIC_GPA - XENPV_RAM_HOLE - 4 * MiB;
}

/* ---- page tables ---- */

typedef struct TableBuilder {
    uint8_t *block;
    uint64_t next;          /* offset of the next unused table page */
    uint64_t *l4;
} TableBuilder;

static uint64_t *new_table(TableBuilder *b, uint64_t *entry, uint64_t flags)
{
    uint64_t *t = (uint64_t *)(b->block + b->next);

    memset(t, 0, XENPV_PAGE_SIZE);
    if (entry) {
        *entry = cpu_to_le64((XENPV_RAM_HOLE + b->next) | flags);
    }
    b->next += XENPV_PAGE_SIZE;
    return t;
}

static uint64_t *sub_table(TableBuilder *b, uint64_t *entry, uint64_t flags)
{
    uint64_t at = le64_to_cpu(*entry) & 0x000ffffffffff000ull;

    return at ? (uint64_t *)(b->block + at - XENPV_RAM_HOLE)
              : new_table(b, entry, flags);
}

static uint64_t *level2_entry(TableBuilder *b, uint64_t va, uint64_t us)
{
    uint64_t flags = PTE_P | PTE_RW | PTE_AD | us;
    uint64_t *l3 = sub_table(b, &b->l4[(va >> 39) & 511], flags);
    uint64_t *l2 = sub_table(b, &l3[(va >> 30) & 511], flags);

    return &l2[(va >> 21) & 511];
}

static void map_large(TableBuilder *b, uint64_t va, uint64_t gpa,
                      uint64_t bytes, uint64_t flags)
{
    uint64_t off;

    for (off = 0; off < bytes; off += LARGE) {
        *level2_entry(b, va + off, flags & PTE_US) =
            cpu_to_le64((gpa + off) | flags | PTE_P | PTE_PS | PTE_AD);
    }
}

static uint64_t build_tables(uint8_t *block, const XenPvBlockLayout *layout,
                             const XenPvMemoryMap *map, uint32_t guest_flags)
{
    TableBuilder b = { .block = block, .next = layout->tables };
    uint64_t l1;
    unsigned i;

    b.l4 = new_table(&b, NULL, 0);
    /* A guest kernel in ring 3 reads the table with user rights */
    map_large(&b, XENPV_M2P_VA, XENPV_RAM_HOLE + layout->m2p,
              layout->size - layout->m2p,
              PTE_NX | (guest_flags & XENPV_GUEST_STRICT ? PTE_US : 0));
    map_large(&b, XENPV_MONITOR_VA, XENPV_RAM_HOLE, layout->size, PTE_RW);
    for (i = 0; i < layout->nr_vcpus; i++) {
        l1 = XENPV_RAM_HOLE + XENPV_OFF_PERCPU +
             i * (uint64_t)XENPV_PERCPU_SIZE + XENPV_PERCPU_OFF_L1;
        *level2_entry(&b, XENPV_PERCPU_VA + i * XENPV_PERCPU_STRIDE, 0) =
            cpu_to_le64(l1 | PTE_P | PTE_RW | PTE_AD);
    }
    map_large(&b, XENPV_DIRECT_VA, 0, direct_end(map), PTE_RW | PTE_NX);
    *level2_entry(&b, XENPV_DIRECT_VA + XENPV_APIC_GPA, 0) |=
        cpu_to_le64(PTE_PCD);
    assert(b.next <= layout->types);
    return XENPV_RAM_HOLE + layout->tables;
}

/* ---- tables of frames ---- */

static uint64_t m2p_at_start(const XenPvMemoryMap *map, uint64_t mfn)
{
    uint64_t pfn;

    return xenpv_mfn_to_pfn(map, mfn, &pfn) && pfn < map->start_pages
           ? pfn : INVALID_M2P;
}

static void fill_m2p(uint8_t *m2p, uint64_t bytes, const XenPvMemoryMap *map,
                     uint32_t guest_flags)
{
    unsigned size = guest_flags & XENPV_GUEST_PAE ? 4 : 8;
    uint64_t mfn;

    for (mfn = 0; mfn < bytes / size; mfn++) {
        stn_le_p(m2p + mfn * size, size, m2p_at_start(map, mfn));
    }
}

/* The guest may take them when it likes */
static void free_the_rest(uint8_t *types, const XenPvMemoryMap *map)
{
    uint64_t pfn;

    for (pfn = map->start_pages; pfn < map->nr_pages; pfn++) {
        types[xenpv_pfn_to_mfn(map, pfn)] = XENPV_FRAME_FREE;
    }
}

void xenpv_block_fill(void *block, const XenPvBlockLayout *layout,
                      const XenPvMemoryMap *map, uint32_t guest_flags)
{
    uint8_t *b = block;
    struct xenpv_mon_shared *s = xenpv_block_shared(block);
    uint64_t max_mfn = xenpv_max_mfn(map);
    uint64_t high = map->nr_pages - map->low_pages;

    memset(b, 0, layout->m2p);
    memcpy(b, monitor_image.data, monitor_image.size);
    fill_m2p(b + layout->m2p, layout->size - layout->m2p, map, guest_flags);
    free_the_rest(b + layout->types, map);

    *s = (struct xenpv_mon_shared) {
        .magic = XENPV_ABI_MAGIC,
        .version = XENPV_ABI_VERSION,
        .nr_vcpus = layout->nr_vcpus,
        .guest_flags = guest_flags,
        .block_gpa = XENPV_RAM_HOLE,
        .block_size = layout->size,
        .ram_low_end = XENPV_RAM_LOW + (map->low_pages << XENPV_PAGE_SHIFT),
        .ram_high_end = XENPV_RAM_HIGH + (high << XENPV_PAGE_SHIFT),
        .nr_pages = map->start_pages,
        .max_pages = map->nr_pages,
        .free_pages = map->nr_pages - map->start_pages,
        .max_mfn = max_mfn,
        .m2p_off = layout->m2p,
        .types_off = layout->types,
        .boot_cr3 = build_tables(b, layout, map, guest_flags),
    };
}
