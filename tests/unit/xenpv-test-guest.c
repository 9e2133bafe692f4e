/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest for the tests of the start of day: everything that it will read is
 * read here the way it will, through the page tables and from the registers
 * it starts with.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "xenpv-test-guest.h"
#include "xenpv-test-image.h"

#define FIRST_MFN       512
#define HOLE_MFN        (3 * GiB >> 12)
#define HOLE_END_MFN    (4 * GiB >> 12)

#define P       0x001ULL
#define RW      0x002ULL
#define USER    0x004ULL
#define A       0x020ULL
#define D       0x040ULL
#define FLAGS   0xfff0000000000fffULL

/* A guest's memory. */

uint64_t fake_pfn_to_mfn(void *opaque, uint64_t pfn)
{
    FakeMemory *f = opaque;
    uint64_t mfn = pfn + FIRST_MFN;

    g_assert_cmpuint(pfn, <, f->mem.nr_pages);
    return mfn < HOLE_MFN ? mfn : mfn + HOLE_END_MFN - HOLE_MFN;
}

static uint64_t fake_mfn_to_pfn(FakeMemory *f, uint64_t mfn)
{
    g_assert_cmpuint(mfn, >=, FIRST_MFN);
    g_assert(mfn < HOLE_MFN || mfn >= HOLE_END_MFN);
    return mfn - FIRST_MFN - (mfn < HOLE_MFN ? 0 : HOLE_END_MFN - HOLE_MFN);
}

void *fake_pfn_to_ptr(void *opaque, uint64_t pfn)
{
    FakeMemory *f = opaque;
    void *page = g_hash_table_lookup(f->pages, GSIZE_TO_POINTER(pfn));

    g_assert_cmpuint(pfn, <, f->mem.nr_pages);
    if (!page) {
        page = g_malloc(PV_PAGE_SIZE);
        memset(page, GUEST_JUNK, PV_PAGE_SIZE);
        g_hash_table_insert(f->pages, GSIZE_TO_POINTER(pfn), page);
    }
    return page;
}

static FakeMemory *fake_memory_new(uint64_t bytes)
{
    FakeMemory *f = g_new0(FakeMemory, 1);

    f->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    f->mem = (XenPvGuestMemory) {
        .nr_pages = bytes >> PV_PAGE_SHIFT,
        .pfn_to_mfn = fake_pfn_to_mfn,
        .pfn_to_ptr = fake_pfn_to_ptr,
        .opaque = f,
    };
    return f;
}

static void fake_memory_free(FakeMemory *f)
{
    g_hash_table_unref(f->pages);
    g_free(f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeMemory, fake_memory_free)

static bool touched(FakeMemory *f, uint64_t pfn)
{
    return g_hash_table_contains(f->pages, GSIZE_TO_POINTER(pfn));
}

void guest_prepare(Guest *g, XenPvKernel *kernel, uint64_t bytes)
{
    *g = (Guest) {
        .kernel = kernel,
        .memory = fake_memory_new(bytes),
        .params = {
            .kernel = kernel,
            .cmdline = "console=hvc0 root=/dev/xvda",
            .initrd_filename = "initrd-y",
            .shared_info_maddr = 0x123456789000,
            .store_evtchn = 1,
            .console_evtchn = 2,
        },
    };
}

void guest_build(Guest *g)
{
    g_assert(xenpv_build_start_of_day(&g->params, &g->memory->mem, &g->sod,
                                      &error_abort));
    g->info = fake_pfn_to_ptr(g->memory, g->sod.start_info_pfn);
}

void guest_add_initrd(Guest *g, size_t len)
{
    uint8_t *initrd = g_malloc(len);

    for (size_t i = 0; i < len; i++) {
        initrd[i] = i % 241 ^ i >> 12;
    }
    g->params.initrd = initrd;
    g->params.initrd_len = len;
}

void guest_clear(Guest *g)
{
    xenpv_start_of_day_clear(&g->sod);
    xenpv_kernel_free(g->kernel);
    fake_memory_free(g->memory);
    g_free((void *)g->params.initrd);
}

/* The processor's view. */

uint64_t guest_read_entry(Guest *g, uint64_t mfn, uint64_t va, unsigned level)
{
    uint64_t pfn = fake_mfn_to_pfn(g->memory, mfn);
    unsigned index = va >> (12 + 9 * (level - 1)) & 511;
    const uint64_t *table;

    g_assert(touched(g->memory, pfn));
    table = fake_pfn_to_ptr(g->memory, pfn);
    return ldq_le_p(&table[index]);
}

static uint64_t entry_mfn(uint64_t entry)
{
    return (entry & ~FLAGS) >> 12;
}

/* The leaf entry for @va, or 0; checks what is on the way. */
static uint64_t walk(Guest *g, uint64_t va)
{
    uint64_t mfn = g->sod.cr3_mfn;

    for (unsigned level = 4; level > 1; level--) {
        uint64_t entry = guest_read_entry(g, mfn, va, level);

        if (!entry) {
            return 0;
        }
        g_assert_cmphex(entry & FLAGS, ==, P | RW | USER | A | D);
        mfn = entry_mfn(entry);
    }
    return guest_read_entry(g, mfn, va, 1);
}

void *guest_va_to_ptr(Guest *g, uint64_t va)
{
    uint64_t entry = walk(g, va);

    g_assert(entry & P);
    return (uint8_t *)fake_pfn_to_ptr(g->memory,
                                      fake_mfn_to_pfn(g->memory,
                                                      entry_mfn(entry))) +
           (va & PV_PAGE_MASK);
}

static unsigned table_level(Guest *g, uint64_t pfn)
{
    for (size_t i = 0; i < g->sod.nr_tables; i++) {
        if (g->sod.tables[i].pfn == pfn) {
            return g->sod.tables[i].level;
        }
    }
    return 0;
}

/* The facts, one function each. */

static void check_region(Guest *g)
{
    uint64_t base = g->kernel->virt_base;
    uint64_t pages = (g->sod.mapped_end_va - base) >> PV_PAGE_SHIFT;

    g_assert_cmphex(g->sod.mapped_end_va % (4 * MiB), ==, 0);
    g_assert_cmpuint(g->sod.mapped_end_va - g->sod.rsp, >=, 512 * KiB);
    for (uint64_t pfn = 0; pfn < pages; pfn++) {
        uint64_t entry = walk(g, base + (pfn << PV_PAGE_SHIFT));
        bool ro = table_level(g, pfn) > 0;

        g_assert_cmphex(entry_mfn(entry), ==, fake_pfn_to_mfn(g->memory, pfn));
        g_assert_cmphex(entry & FLAGS, ==, ro ? P | A : P | RW | A);
    }
    if (g->sod.mapped_end_va) {
        g_assert_cmphex(walk(g, g->sod.mapped_end_va), ==, 0);
    }
    g_assert_cmphex(walk(g, base - PV_PAGE_SIZE), ==, 0);
}

/* Every present entry of every table belongs to the region or the list. */
static void check_nothing_else_mapped(Guest *g)
{
    uint64_t region = (g->sod.mapped_end_va - g->kernel->virt_base) >> 12;
    uint64_t list = (g->memory->mem.nr_pages + 511) / 512;
    uint64_t leaves = 0, others = 0;

    for (size_t i = 0; i < g->sod.nr_tables; i++) {
        const XenPvPageTableFrame *t = &g->sod.tables[i];
        const uint64_t *table = fake_pfn_to_ptr(g->memory, t->pfn);

        for (unsigned n = 0; n < 512; n++) {
            leaves += t->level == 1 && table[n];
            others += t->level > 1 && table[n];
        }
    }
    g_assert_cmpuint(leaves, ==, region + (g->info->first_p2m_pfn ? list : 0));
    g_assert_cmpuint(others, ==, g->sod.nr_tables - 1);
}

static void check_tables(Guest *g)
{
    uint64_t nr = ldq_le_p(&g->info->nr_pt_frames);
    uint64_t base = (ldq_le_p(&g->info->pt_base) - g->kernel->virt_base) >> 12;
    uint64_t p2m_tables = g->info->first_p2m_pfn
        ? ldq_le_p(&g->info->nr_p2m_frames) -
          (g->memory->mem.nr_pages + 511) / 512 : 0;
    unsigned level = 4;

    g_assert_cmpuint(g->sod.nr_tables, ==, nr + p2m_tables);
    g_assert_cmphex(fake_pfn_to_mfn(g->memory, base), ==, g->sod.cr3_mfn);
    for (uint64_t i = 0; i < nr; i++) {
        g_assert_cmpuint(g->sod.tables[i].pfn, ==, base + i);
        g_assert_cmpuint(g->sod.tables[i].level, <=, level);
        level = g->sod.tables[i].level;
    }
    for (uint64_t i = 0; i < p2m_tables; i++) {
        g_assert_cmpuint(table_level(g, ldq_le_p(&g->info->first_p2m_pfn) +
                                        ldq_le_p(&g->info->nr_p2m_frames) -
                                        p2m_tables + i), >, 0);
    }
}

static void check_p2m(Guest *g)
{
    uint64_t list = ldq_le_p(&g->info->mfn_list);
    uint64_t nr = g->memory->mem.nr_pages;

    g_assert_cmphex(list, ==, g->sod.p2m_va);
    for (uint64_t pfn = 0; pfn < nr; pfn += 512) {
        uint64_t *page = guest_va_to_ptr(g, list + pfn * 8);
        uint64_t entry = walk(g, list + pfn * 8);

        g_assert_cmphex(entry & FLAGS, ==, P | RW | A);
        g_assert_cmphex(fake_mfn_to_pfn(g->memory, entry_mfn(entry)), ==,
                        g->sod.p2m_pfn + pfn / 512);
        for (unsigned i = 0; i < 512; i++) {
            g_assert_cmphex(ldq_le_p(&page[i]), ==,
                            pfn + i < nr
                            ? fake_pfn_to_mfn(g->memory, pfn + i)
                            : UINT64_MAX);
        }
    }
}

static void check_start_info(Guest *g)
{
    const XenPvStartInfo *info = guest_va_to_ptr(g, g->sod.rsi);
    const uint8_t *rest = (const uint8_t *)info + sizeof(*info);

    g_assert(info == g->info);
    g_assert_cmpstr(info->magic, ==, "xen-3.0-x86_64");
    g_assert_cmpuint(ldq_le_p(&info->nr_pages), ==, g->memory->mem.nr_pages);
    g_assert_cmphex(ldq_le_p(&info->shared_info), ==, 0x123456789000);
    g_assert_cmpuint(ldq_le_p(&info->store_mfn), ==, g->sod.store_mfn);
    g_assert_cmpuint(ldq_le_p(&info->domu_console_mfn), ==, g->sod.console_mfn);
    g_assert_cmpuint(ldl_le_p(&info->store_evtchn), ==, 1);
    g_assert_cmpuint(ldl_le_p(&info->domu_console_evtchn), ==, 2);
    g_assert_cmpstr(info->cmd_line, ==,
                    g->params.cmdline ? g->params.cmdline : "");
    g_assert(buffer_is_zero(rest, PV_PAGE_SIZE - sizeof(*info)));
    g_assert_cmpuint(fake_pfn_to_mfn(g->memory, g->sod.store_pfn), ==,
                     g->sod.store_mfn);
    g_assert_cmpuint(fake_pfn_to_mfn(g->memory, g->sod.console_pfn), ==,
                     g->sod.console_mfn);
}

static void check_zero_page(Guest *g, uint64_t va)
{
    g_assert(!(va & PV_PAGE_MASK));
    g_assert(buffer_is_zero(guest_va_to_ptr(g, va), PV_PAGE_SIZE));
    g_assert(walk(g, va) & RW);
}

static void check_own_pages(Guest *g)
{
    uint64_t base = g->kernel->virt_base;

    check_zero_page(g, base + (g->sod.store_pfn << 12));
    check_zero_page(g, base + (g->sod.console_pfn << 12));
    check_zero_page(g, g->sod.rsp - PV_PAGE_SIZE);
}

/* File contents and zeroes; the hypercall page is somebody else's to check. */
static void check_kernel(Guest *g)
{
    for (size_t i = 0; i < g->kernel->nr_segments; i++) {
        const XenPvSegment *seg = &g->kernel->segments[i];

        for (uint64_t n = 0; n < seg->mem_len; n += PV_PAGE_SIZE) {
            uint64_t va = seg->vaddr + n;
            uint64_t room = PV_PAGE_SIZE - (va & PV_PAGE_MASK);
            uint64_t data = n < seg->file_len ? seg->file_len - n : 0;
            const uint8_t *p = guest_va_to_ptr(g, va);

            if (g->sod.has_hypercall_page &&
                (va & ~PV_PAGE_MASK) == g->sod.hypercall_page_va) {
                continue;
            }
            data = MIN(data, room);
            g_assert(!data || !memcmp(p, seg->data + n, data));
            room = MIN(room, seg->mem_len - n);
            g_assert(buffer_is_zero(p + data, room - data));
        }
    }
    g_assert_cmphex(g->sod.rip, ==, g->kernel->virt_entry);
    g_assert(walk(g, g->sod.rip));
}

static void check_initrd(Guest *g)
{
    uint64_t start = ldq_le_p(&g->info->mod_start);
    uint32_t flags = ldl_le_p(&g->info->flags);
    bool as_pfn = g->kernel->notes.has_mod_start_pfn && g->params.initrd_len;
    size_t len = g->params.initrd_len;
    const uint8_t *initrd = g->params.initrd;

    g_assert_cmpuint(ldq_le_p(&g->info->mod_len), ==, len);
    g_assert_cmphex(flags, ==, as_pfn ? 8 : 0);
    if (!len) {
        g_assert_cmphex(start, ==, 0);
    }
    for (size_t i = 0; i < len; i += PV_PAGE_SIZE) {
        const uint8_t *p = as_pfn
            ? fake_pfn_to_ptr(g->memory, start + i / PV_PAGE_SIZE)
            : guest_va_to_ptr(g, start + i);
        size_t n = MIN(len - i, PV_PAGE_SIZE);

        g_assert(!memcmp(p, initrd + i, n));
        g_assert(buffer_is_zero(p + n, PV_PAGE_SIZE - n));
    }
}

/* No two things share a page, and nothing else was touched. */
static void check_disjoint(Guest *g)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    uint64_t initrd_pages = (g->params.initrd_len + 4095) / 4096;
    uint64_t kernel = (g->kernel->virt_kstart - g->kernel->virt_base) >> 12;
    uint64_t base = g->kernel->virt_base;
    uint64_t kernel_end = (g->kernel->virt_kend - base + 4095) >> 12;
    uint64_t single[] = {
        g->sod.start_info_pfn, g->sod.store_pfn, g->sod.console_pfn,
        (g->sod.rsp - base) / 4096 - 1,
    };

#define USE(n) g_assert(g_hash_table_add(seen, GSIZE_TO_POINTER((n) + 1)))
    for (uint64_t i = kernel; i < kernel_end; i++) {
        USE(i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
        USE(single[i]);
    }
    for (uint64_t i = 0; i < initrd_pages; i++) {
        USE(g->sod.initrd_pfn + i);
    }
    for (uint64_t i = 0; i < (g->memory->mem.nr_pages + 511) / 512; i++) {
        USE(g->sod.p2m_pfn + i);
    }
    for (size_t i = 0; i < g->sod.nr_tables; i++) {
        USE(g->sod.tables[i].pfn);
    }
#undef USE
    g_assert_cmpuint(g_hash_table_size(g->memory->pages), ==,
                     g_hash_table_size(seen));
}

void guest_check(Guest *g)
{
    check_disjoint(g);          /* first: looking may touch pages */
    check_region(g);
    check_nothing_else_mapped(g);
    check_tables(g);
    check_p2m(g);
    check_start_info(g);
    check_own_pages(g);
    check_kernel(g);
    check_initrd(g);
}
