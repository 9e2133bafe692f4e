/*
 * The monitor block: where guest RAM is, what fits, what the processor and
 * the guest find in it at reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/machine/monitor_image.h"

#define ADDR    0x000ffffffffff000ull
#define P       0x001ull
#define RW      0x002ull
#define US      0x004ull
#define PS      0x080ull
#define NX      (1ull << 63)

typedef struct Block {
    XenPvMemoryMap map;
    XenPvBlockLayout layout;
    uint8_t *mem;
} Block;

static Block *block_with_max(uint64_t ram, uint64_t max_ram, unsigned vcpus,
                             uint32_t flags)
{
    Block *b = g_new0(Block, 1);

    xenpv_memory_map_init(&b->map, ram, MAX(ram, max_ram));
    g_assert_true(xenpv_block_layout(&b->layout, &b->map, vcpus));
    b->mem = g_malloc(b->layout.size);
    /* What an earlier run has left there must not survive */
    memset(b->mem, 0xa5, b->layout.size);
    xenpv_block_fill(b->mem, &b->layout, &b->map, flags);
    return b;
}

static Block *block_new(uint64_t ram, unsigned vcpus, uint32_t flags)
{
    return block_with_max(ram, ram, vcpus, flags);
}

static void block_free(Block *b)
{
    g_free(b->mem);
    g_free(b);
}

/* The leaf entry for @va and what all entries on the way have in common */
static uint64_t walk(const Block *b, uint64_t va, uint64_t *rights,
                     unsigned *level)
{
    struct xenpv_mon_shared *s = xenpv_block_shared(b->mem);
    uint64_t entry = s->boot_cr3 | P;
    unsigned n;

    *rights = ~0ull;
    for (n = 4; n; n--) {
        uint64_t table = entry & ADDR;

        g_assert_cmpuint(table, >=, XENPV_RAM_HOLE);
        g_assert_cmpuint(table - XENPV_RAM_HOLE, <, b->layout.size);
        entry = ldq_le_p(b->mem + (table - XENPV_RAM_HOLE) +
                         ((va >> (12 + 9 * (n - 1))) & 511) * 8);
        if (!(entry & P)) {
            return 0;
        }
        *rights &= entry | NX;
        if (entry & NX) {
            *rights |= NX;
        }
        if (n == 1 || (n == 2 && (entry & PS))) {
            break;
        }
    }
    *level = n;
    return entry;
}

static void expect_mapped(const Block *b, uint64_t va, uint64_t gpa,
                          uint64_t rights)
{
    uint64_t got, entry, mask;
    unsigned level;

    entry = walk(b, va, &got, &level);
    g_assert_cmphex(entry & P, ==, P);
    g_assert_cmpuint(level, ==, 2);
    mask = 2 * MiB - 1;
    g_assert_cmphex((entry & ADDR & ~mask) + (va & mask), ==, gpa);
    g_assert_cmphex(got & (RW | US), ==, rights);
}

static void test_memory_map(void)
{
    static const struct {
        uint64_t ram, low_pages, last_mfn;
    } rows[] = {
        { 64 * MiB, 16384, 512 + 16383 },
        { 3 * GiB, 786432, 512 + 786431 },
        /* up to the hole to the page, one page more, and far beyond */
        { 3584 * MiB - 2 * MiB, 917504 - 512, 917503 },
        { 3584 * MiB - 2 * MiB + 4096, 917504 - 512, 1048576 },
        { 16 * GiB, 917504 - 512, 1048576 + 4194304 - 916992 - 1 },
    };
    XenPvMemoryMap map;
    uint64_t pfn;
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t last = (rows[i].ram >> 12) - 1, probe[] = {
            0, 1, rows[i].low_pages - 1, MIN(rows[i].low_pages, last), last
        };
        unsigned j;

        xenpv_memory_map_init(&map, rows[i].ram, rows[i].ram);
        g_assert_cmpuint(map.nr_pages, ==, last + 1);
        g_assert_cmpuint(map.low_pages, ==, rows[i].low_pages);
        g_assert_cmphex(xenpv_pfn_to_mfn(&map, last), ==, rows[i].last_mfn);
        g_assert_cmphex(xenpv_max_mfn(&map), ==, rows[i].last_mfn + 1);
        for (j = 0; j < G_N_ELEMENTS(probe); j++) {
            uint64_t mfn = xenpv_pfn_to_mfn(&map, probe[j]);

            g_assert_true(xenpv_mfn_to_pfn(&map, mfn, &pfn));
            g_assert_cmpuint(pfn, ==, probe[j]);
        }
    }
}

static void test_mfn_not_ram(void)
{
    static const uint64_t bad[] = {
        0, 1, 511, XENPV_RAM_HOLE >> 12, XENPV_APIC_GPA >> 12,
        (XENPV_RAM_HIGH >> 12) - 1, 1ull << 40, UINT64_MAX, UINT64_MAX - 1,
        1ull << 63, 1ull << 52,
    };
    XenPvMemoryMap small, large;
    uint64_t pfn;
    unsigned i;

    xenpv_memory_map_init(&small, 64 * MiB, 64 * MiB);
    xenpv_memory_map_init(&large, 8 * GiB, 8 * GiB);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(xenpv_mfn_to_pfn(&small, bad[i], &pfn));
        g_assert_false(xenpv_mfn_to_pfn(&large, bad[i], &pfn));
    }
    g_assert_false(xenpv_mfn_to_pfn(&small, 512 + 16384, &pfn));
    g_assert_false(xenpv_mfn_to_pfn(&small, XENPV_RAM_HIGH >> 12, &pfn));
    g_assert_false(xenpv_mfn_to_pfn(&large, xenpv_max_mfn(&large), &pfn));
}

static void test_layout(void)
{
    static const uint64_t sizes[] = {
        16 * MiB, 64 * MiB, GiB, 4 * GiB, 16 * GiB, 128 * GiB
    };
    unsigned i, vcpus;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (vcpus = 1; vcpus <= XENPV_MAX_VCPUS; vcpus += 21) {
            XenPvMemoryMap map;
            XenPvBlockLayout l;
            uint64_t mfns;

            xenpv_memory_map_init(&map, sizes[i], sizes[i]);
            g_assert_true(xenpv_block_layout(&l, &map, vcpus));
            mfns = xenpv_max_mfn(&map);
            g_assert_cmphex(l.tables, >=, XENPV_OFF_PERCPU +
                            vcpus * (uint64_t)XENPV_PERCPU_SIZE);
            g_assert_cmphex(l.tables % 4096, ==, 0);
            g_assert_cmphex(l.types, >, l.tables);
            g_assert_cmphex(l.m2p, >=, l.types + mfns);
            g_assert_cmphex(l.m2p % (2 * MiB), ==, 0);
            g_assert_cmphex(l.size, >=, l.m2p + mfns * 8);
            g_assert_cmphex(XENPV_RAM_HOLE + l.size, <, XENPV_APIC_GPA);
        }
    }
}

static void test_too_much_memory(void)
{
    XenPvMemoryMap map;
    XenPvBlockLayout l;

    xenpv_memory_map_init(&map, GiB, 1024 * GiB);
    g_assert_false(xenpv_block_layout(&l, &map, 1));
}

static void test_shared(void)
{
    Block *b = block_new(5 * GiB, 2, XENPV_GUEST_LINUX);
    struct xenpv_mon_shared *s = xenpv_block_shared(b->mem);

    g_assert_cmphex(s->magic, ==, XENPV_ABI_MAGIC);
    g_assert_cmpuint(s->version, ==, XENPV_ABI_VERSION);
    g_assert_cmpuint(s->nr_vcpus, ==, 2);
    g_assert_cmphex(s->guest_flags, ==, XENPV_GUEST_LINUX);
    g_assert_cmphex(s->ram_low_end, ==, XENPV_RAM_HOLE);
    g_assert_cmphex(s->ram_high_end, ==,
                    XENPV_RAM_HIGH + 5 * GiB - (XENPV_RAM_HOLE - 2 * MiB));
    g_assert_cmpuint(s->nr_pages, ==, 5 * GiB / 4096);
    g_assert_cmphex(s->max_mfn, ==, s->ram_high_end >> 12);
    g_assert_cmphex(s->block_size, ==, b->layout.size);
    g_assert_cmpuint(s->grant_frames, ==, 0);
    g_assert_cmpuint(s->kick[0].pending_sel, ==, 0);
    block_free(b);
}

static void test_image_is_at_the_start(void)
{
    Block *b = block_new(64 * MiB, 1, 0);
    size_t i;

    g_assert_cmphex(monitor_image.load, ==, XENPV_MONITOR_VA);
    g_assert_cmphex(monitor_image.entry, ==, XENPV_MONITOR_VA);
    g_assert_cmpuint(monitor_image.memory_size, <=, XENPV_MON_IMAGE_MAX);
    g_assert_cmpmem(b->mem, monitor_image.size, monitor_image.data,
                    monitor_image.size);
    for (i = monitor_image.size; i < XENPV_OFF_SHARED; i++) {
        g_assert_cmphex(b->mem[i], ==, 0);
    }
    block_free(b);
}

static void test_m2p_inverts_p2m(void)
{
    static const uint64_t sizes[] = { 64 * MiB, 4 * GiB };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Block *b = block_new(sizes[i], 1, XENPV_GUEST_LINUX);
        const uint8_t *m2p = b->mem + b->layout.m2p;
        uint64_t entries = (b->layout.size - b->layout.m2p) / 8, mfn, ram = 0;

        for (mfn = 0; mfn < entries; mfn++) {
            uint64_t pfn = ldq_le_p(m2p + mfn * 8);

            if (pfn != UINT64_MAX) {
                g_assert_cmphex(xenpv_pfn_to_mfn(&b->map, pfn), ==, mfn);
                ram++;
            }
        }
        g_assert_cmpuint(ram, ==, b->map.nr_pages);
        block_free(b);
    }
}

static void test_m2p_of_32_bits(void)
{
    Block *b = block_new(5 * GiB, 1, XENPV_GUEST_PAE);
    const uint8_t *m2p = b->mem + b->layout.m2p;
    uint64_t mfn, pfn;

    for (mfn = 0; mfn < (b->layout.size - b->layout.m2p) / 4; mfn++) {
        uint32_t got = ldl_le_p(m2p + mfn * 4);

        g_assert_cmphex(got, ==, xenpv_mfn_to_pfn(&b->map, mfn, &pfn)
                                 ? pfn : UINT32_MAX);
    }
    block_free(b);
}

/* Its place is 16 MiB: frames up to 16 GiB, half a GiB of which is the hole */
static void test_memory_of_32_bits(void)
{
    static const struct {
        uint64_t bytes;
        bool fits;
    } rows[] = {
        { 64 * MiB, true }, { 15 * GiB, true }, { 15 * GiB + 510 * MiB, true },
        { 15 * GiB + 511 * MiB, false }, { 64 * GiB, false },
    };
    XenPvMemoryMap map;
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        xenpv_memory_map_init(&map, MiB, rows[i].bytes);
        g_assert_cmpint(xenpv_map_fits_pae(&map), ==, rows[i].fits);
    }
}

static void test_types_start_clear(void)
{
    Block *b = block_new(64 * MiB, 1, 0);
    uint64_t mfn;

    for (mfn = 0; mfn < xenpv_max_mfn(&b->map); mfn++) {
        g_assert_cmphex(b->mem[b->layout.types + mfn], ==, 0);
    }
    block_free(b);
}

static void test_mappings(void)
{
    Block *b = block_new(5 * GiB, 3, XENPV_GUEST_LINUX);
    uint64_t top = xenpv_max_mfn(&b->map) << 12, rights, off;
    unsigned level, i;

    for (off = 0; off < b->layout.size; off += MiB) {
        expect_mapped(b, XENPV_MONITOR_VA + off, XENPV_RAM_HOLE + off, RW);
    }
    for (off = b->layout.m2p; off < b->layout.size; off += MiB) {
        expect_mapped(b, XENPV_M2P_VA + off - b->layout.m2p,
                      XENPV_RAM_HOLE + off, 0);
    }
    for (off = 0; off < top; off += 64 * MiB) {
        expect_mapped(b, XENPV_DIRECT_VA + off, off, RW);
    }
    expect_mapped(b, XENPV_DIRECT_VA + XENPV_APIC_GPA, XENPV_APIC_GPA, RW);
    g_assert_cmphex(walk(b, XENPV_DIRECT_VA + XENPV_APIC_GPA, &rights,
                         &level) & 0x10, ==, 0x10);

    /* The windows have their tables, which are empty yet */
    for (i = 0; i < 3; i++) {
        g_assert_cmphex(walk(b, XENPV_PERCPU_VA + i * XENPV_PERCPU_STRIDE,
                             &rights, &level), ==, 0);
    }

    /* Nothing outside the hole */
    g_assert_cmphex(walk(b, 0, &rights, &level), ==, 0);
    g_assert_cmphex(walk(b, 0xffffffff80000000ull, &rights, &level), ==, 0);
    g_assert_cmphex(walk(b, 0xffff880000000000ull, &rights, &level), ==, 0);
    block_free(b);
}

static void test_m2p_is_for_ring_3_only_if_strict(void)
{
    Block *strict = block_new(64 * MiB, 1, XENPV_GUEST_STRICT);

    expect_mapped(strict, XENPV_M2P_VA, XENPV_RAM_HOLE + strict->layout.m2p,
                  US);
    expect_mapped(strict, XENPV_MONITOR_VA, XENPV_RAM_HOLE, RW);
    expect_mapped(strict, XENPV_DIRECT_VA, 0, RW);
    block_free(strict);
}

/* Beyond what it starts with the guest has nothing, and may take all */
static void test_maxmem(void)
{
    Block *b = block_with_max(GiB, 5 * GiB, 1, 0);
    struct xenpv_mon_shared *s = xenpv_block_shared(b->mem);
    const uint64_t *m2p = (uint64_t *)(b->mem + b->layout.m2p);
    const uint8_t *types = b->mem + b->layout.types;
    uint64_t mfn, pfn, has = 0, unused = 0;

    g_assert_cmpuint(s->nr_pages, ==, GiB / 4096);
    g_assert_cmpuint(s->max_pages, ==, 5 * GiB / 4096);
    g_assert_cmpuint(s->free_pages, ==, 4 * GiB / 4096);
    g_assert_cmphex(s->ram_low_end, ==, XENPV_RAM_HOLE);
    for (mfn = 0; mfn < s->max_mfn; mfn++) {
        bool ram = xenpv_mfn_to_pfn(&b->map, mfn, &pfn);
        bool ours = ram && pfn < s->nr_pages;

        g_assert_cmphex(m2p[mfn], ==, ours ? pfn : UINT64_MAX);
        g_assert_cmphex(types[mfn], ==, ram && !ours ? XENPV_FRAME_FREE : 0);
        has += ours;
        unused += ram && !ours;
    }
    g_assert_cmpuint(has, ==, s->nr_pages);
    g_assert_cmpuint(unused, ==, s->free_pages);
    block_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor-block/memory-map", test_memory_map);
    g_test_add_func("/monitor-block/mfn-not-ram", test_mfn_not_ram);
    g_test_add_func("/monitor-block/layout", test_layout);
    g_test_add_func("/monitor-block/too-much-memory", test_too_much_memory);
    g_test_add_func("/monitor-block/shared", test_shared);
    g_test_add_func("/monitor-block/maxmem", test_maxmem);
    g_test_add_func("/monitor-block/image", test_image_is_at_the_start);
    g_test_add_func("/monitor-block/m2p-inverts-p2m", test_m2p_inverts_p2m);
    g_test_add_func("/monitor-block/m2p-32-bit", test_m2p_of_32_bits);
    g_test_add_func("/monitor-block/memory-32-bit", test_memory_of_32_bits);
    g_test_add_func("/monitor-block/types-clear", test_types_start_clear);
    g_test_add_func("/monitor-block/mappings", test_mappings);
    g_test_add_func("/monitor-block/m2p-strict",
                    test_m2p_is_for_ring_3_only_if_strict);
    return g_test_run();
}
