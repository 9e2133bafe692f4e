/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start of day: kinds of kernels, sizes of memory, and what cannot be done.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "xenpv-test-guest.h"
#include "xenpv-test-image.h"

static XenPvKernel *make_kernel(const TestElf *elf)
{
    g_autoptr(GByteArray) image = test_elf_build(elf);

    return xenpv_kernel_parse("vmlinuz-x", image->data, image->len,
                              &error_abort);
}

static const uint64_t sizes[] = {
    64 * MiB, 96 * MiB + 4 * KiB, 128 * MiB, 512 * MiB, 1 * GiB,
    3 * GiB - 2 * MiB, 3 * GiB, 3 * GiB + 512 * MiB, 4 * GiB, 16 * GiB,
};

static void test_linux(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        Guest g;

        guest_prepare(&g, make_kernel(&test_elf_linux), sizes[i]);
        guest_add_initrd(&g, 3 * MiB + 123);
        guest_build(&g);
        guest_check(&g);
        g_assert_cmphex(ldq_le_p(&g.info->mfn_list), ==, 0x8000000000);
        g_assert_cmpuint(ldq_le_p(&g.info->first_p2m_pfn), ==, g.sod.p2m_pfn);
        guest_clear(&g);
    }
}

/* What Linux's early page-table code takes for granted. */
static void test_linux_tables(void)
{
    uint64_t l3_mfn;
    Guest g;

    guest_prepare(&g, make_kernel(&test_elf_linux), 256 * MiB);
    guest_build(&g);
    g_assert_cmpuint(g.sod.tables[0].level, ==, 4);
    g_assert_cmpuint(g.sod.tables[1].level, ==, 3);
    g_assert_cmpuint(g.sod.tables[2].level, ==, 2);
    for (unsigned i = 3; i < ldq_le_p(&g.info->nr_pt_frames); i++) {
        g_assert_cmpuint(g.sod.tables[i].level, ==, 1);
    }
    /* L4[511], L3[510], and the list in L4[1]. */
    g_assert(guest_read_entry(&g, g.sod.cr3_mfn, ~0ULL, 4));
    g_assert(guest_read_entry(&g, g.sod.cr3_mfn, 1ULL << 39, 4));
    l3_mfn = fake_pfn_to_mfn(g.memory, g.sod.tables[1].pfn);
    g_assert(guest_read_entry(&g, l3_mfn, 510ULL << 30, 3));
    guest_clear(&g);
}

static void test_mini_os(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        Guest g;

        guest_prepare(&g, make_kernel(&test_elf_mini_os), sizes[i]);
        guest_add_initrd(&g, 2 * MiB + 5);
        guest_build(&g);
        guest_check(&g);
        g_assert_cmphex(ldq_le_p(&g.info->first_p2m_pfn), ==, 0);
        g_assert_cmphex(ldq_le_p(&g.info->nr_p2m_frames), ==, 0);
        g_assert_cmphex(ldq_le_p(&g.info->mfn_list), ==,
                        g.sod.p2m_pfn << 12);
        guest_clear(&g);
    }
}

static void test_hypercall_page(void)
{
    static const uint8_t call[] = {
        0x51, 0x41, 0x53, 0xb8, 29, 0, 0, 0, 0x0f, 0x05,
        0x41, 0x5b, 0x59, 0xc3, 0xcc,
    };
    static const uint8_t iret[] = {
        0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05, 0xcc,
    };
    const uint8_t *page;
    Guest g;

    guest_prepare(&g, make_kernel(&test_elf_mini_os), 64 * MiB);
    guest_build(&g);
    g_assert(g.sod.has_hypercall_page);
    g_assert_cmphex(g.sod.hypercall_page_va, ==, 0x2000);
    g_assert_cmpuint(g.sod.hypercall_page_pfn, ==, 2);
    page = guest_va_to_ptr(&g, 0x2000);
    g_assert_cmpmem(page + 29 * 32, sizeof(call), call, sizeof(call));
    g_assert_cmpmem(page + 23 * 32, sizeof(iret), iret, sizeof(iret));
    g_assert_cmpuint(page[127 * 32 + 4], ==, 127);
    guest_clear(&g);

    guest_prepare(&g, make_kernel(&test_elf_linux), 64 * MiB);
    guest_build(&g);
    g_assert(!g.sod.has_hypercall_page);
    guest_clear(&g);
}

/* ---- a 32-bit guest: three levels, words of four bytes ---- */

#define PAE_BASE    0xc0000000ULL
#define PTE_FLAGS   0xfff0000000000fffULL

static uint64_t pae_leaf(Guest *g, uint64_t va)
{
    uint64_t entry = guest_read_entry(g, g->sod.cr3_mfn, va, 3);

    g_assert_cmphex(entry & PTE_FLAGS, ==, 1);      /* P, and no other */
    entry = guest_read_entry(g, (entry & ~PTE_FLAGS) >> 12, va, 2);
    if (!entry) {
        return 0;
    }
    g_assert_cmphex(entry & PTE_FLAGS, ==, 0x67);
    return guest_read_entry(g, (entry & ~PTE_FLAGS) >> 12, va, 1);
}

static void check_pae_tables(Guest *g, uint64_t base)
{
    const XenPvPageTableFrame *t = g->sod.tables;
    uint64_t first = t[0].pfn, last = t[0].pfn + g->sod.nr_tables - 1;
    uint64_t va;

    g_assert_cmphex(g->sod.pt_base_va, ==, base + (first << 12));
    g_assert_cmphex(g->sod.rsp, ==, base + ((last + 2) << 12));
    g_assert_cmphex(g->sod.mapped_end_va % (4 * MiB), ==, 0);
    g_assert_cmpuint(g->sod.mapped_end_va - g->sod.rsp, >=, 512 * KiB);
    for (va = base; va < g->sod.mapped_end_va; va += PV_PAGE_SIZE) {
        uint64_t pfn = (va - base) >> 12, entry = pae_leaf(g, va);

        g_assert_cmphex((entry & ~PTE_FLAGS) >> 12, ==,
                        fake_pfn_to_mfn(g->memory, pfn));
        g_assert_cmphex(entry & PTE_FLAGS, ==,
                        pfn >= first && pfn <= last ? 0x21 : 0x23);
    }
    g_assert_cmphex(pae_leaf(g, 0xfffff000), ==, 0);
    for (size_t i = 1; i < g->sod.nr_tables; i++) {
        g_assert_cmpuint(t[i].level, <=, 2);
    }
    g_assert_cmpuint(t[0].level, ==, 3);
}

static void check_pae_start_info(Guest *g, uint64_t base)
{
    const uint8_t *page = fake_pfn_to_ptr(g->memory, g->sod.start_info_pfn);
    const XenPvStartInfo32 *info = (const void *)page;
    uint64_t nr = g->memory->mem.nr_pages, list, pfn;

    g_assert_cmpstr(info->magic, ==, "xen-3.0-x86_32p");
    g_assert_cmpuint(ldl_le_p(&info->nr_pages), ==, nr);
    g_assert_cmphex((uint32_t)ldl_le_p(&info->shared_info), ==, 0xe00a0000);
    g_assert_cmpuint(ldl_le_p(&info->store_mfn), ==, g->sod.store_mfn);
    g_assert_cmpuint(ldl_le_p(&info->store_evtchn), ==, 1);
    g_assert_cmpuint(ldl_le_p(&info->domu_console_mfn), ==,
                     g->sod.console_mfn);
    g_assert_cmpuint(ldl_le_p(&info->domu_console_evtchn), ==, 2);
    g_assert_cmphex((uint32_t)ldl_le_p(&info->pt_base), ==, g->sod.pt_base_va);
    g_assert_cmpuint(ldl_le_p(&info->nr_pt_frames), ==, g->sod.nr_tables);
    g_assert_cmpuint(ldl_le_p(&info->mod_len), ==, g->params.initrd_len);
    g_assert_cmpstr(info->cmd_line, ==, g->params.cmdline);
    g_assert(buffer_is_zero(page + sizeof(*info),
                            PV_PAGE_SIZE - sizeof(*info)));
    list = ((uint32_t)ldl_le_p(&info->mfn_list) - base) >> 12;
    g_assert_cmpuint(list, ==, g->sod.p2m_pfn);
    for (pfn = 0; pfn < nr; pfn++) {
        const uint8_t *p = fake_pfn_to_ptr(g->memory, list + pfn / 1024);

        g_assert_cmpuint((uint32_t)ldl_le_p(p + pfn % 1024 * 4), ==,
                         fake_pfn_to_mfn(g->memory, pfn));
    }
}

static void check_pae_stubs(Guest *g)
{
    static const uint8_t call[] = { 0xb8, 29, 0, 0, 0, 0xcd, 0x82, 0xc3 };
    static const uint8_t iret[] = { 0x50, 0xb8, 23, 0, 0, 0, 0xcd, 0x82 };
    const uint8_t *page = fake_pfn_to_ptr(g->memory,
                                          g->sod.hypercall_page_pfn);

    g_assert_cmpmem(page + 29 * 32, sizeof(call), call, sizeof(call));
    g_assert_cmpmem(page + 23 * 32, sizeof(iret), iret, sizeof(iret));
}

static void test_pae(void)
{
    static const TestSegment low[] = { { MiB, MiB, 0x4123, 0x9000 }, { 0 } };
    static const TestNote low_notes[] = {
        NOTE_STR(XEN_VERSION, "xen-3.0"), NOTE_STR(LOADER, "generic"),
        NOTE_STR(PAE_MODE, "yes"), NOTE_NUM4(HYPERCALL_PAGE, MiB + 0x2000),
        { 0 }
    };
    const TestElf at_0 = {
        .notes = low_notes, .segments = low, .entry = MiB, .is_32 = true,
    };
    const struct {
        const TestElf *elf;
        uint64_t base;
        /* the L3 table, one L2 for the region, one for the last GiB */
        unsigned levels[3];
    } rows[] = {
        { &test_elf_pae, PAE_BASE, { 3, 2, 1 } },
        { &at_0, 0, { 3, 2, 2 } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        Guest g;

        guest_prepare(&g, make_kernel(rows[i].elf), 96 * MiB + 4 * KiB);
        g.params.shared_info_maddr = 0xe00a0000;
        guest_add_initrd(&g, 3 * MiB + 123);
        guest_build(&g);
        for (unsigned n = 0; n < 3; n++) {
            g_assert_cmpuint(g.sod.tables[n].level, ==, rows[i].levels[n]);
        }
        check_pae_tables(&g, rows[i].base);
        check_pae_start_info(&g, rows[i].base);
        check_pae_stubs(&g);
        guest_clear(&g);
    }
}

/* What is mapped at start must be below what is Xen's: 856 MiB from 3 GiB. */
static void test_pae_no_room(void)
{
    XenPvStartOfDay sod;
    Error *err = NULL;
    Guest g;

    guest_prepare(&g, make_kernel(&test_elf_pae), 2 * GiB);
    g.params.initrd = "";
    g.params.initrd_len = 900 * MiB;
    g_assert(!xenpv_build_start_of_day(&g.params, &g.memory->mem, &sod, &err));
    g_assert(g_pattern_match_simple("*does not fit into its initial mapping*",
                                    error_get_pretty(err)));
    error_free(err);
    g.params.initrd = NULL;
    guest_clear(&g);
}

/* Built again over what a run has left behind, it is the same. */
static void test_again(void)
{
    g_autoptr(GByteArray) first = g_byte_array_new();
    GHashTableIter iter;
    gpointer pfn, page;
    Guest g;

    guest_prepare(&g, make_kernel(&test_elf_linux), 64 * MiB);
    guest_add_initrd(&g, 9000);
    guest_build(&g);
    g_hash_table_iter_init(&iter, g.memory->pages);
    while (g_hash_table_iter_next(&iter, &pfn, &page)) {
        g_byte_array_append(first, page, PV_PAGE_SIZE);
        memset(page, GUEST_JUNK, PV_PAGE_SIZE);
    }
    xenpv_start_of_day_clear(&g.sod);
    g_assert(!g.sod.tables);
    guest_build(&g);
    g_hash_table_iter_init(&iter, g.memory->pages);
    for (size_t off = 0; g_hash_table_iter_next(&iter, &pfn, &page);
         off += PV_PAGE_SIZE) {
        g_assert(off < first->len);
        g_assert(!memcmp(page, first->data + off, PV_PAGE_SIZE));
    }
    guest_clear(&g);
}

static void expect_failure(Guest *g, const char *pattern)
{
    Error *err = NULL;

    g_assert(!xenpv_build_start_of_day(&g->params, &g->memory->mem, &g->sod,
                                       &err));
    if (!g_pattern_match_simple(pattern, error_get_pretty(err))) {
        g_test_message("got: %s", error_get_pretty(err));
        g_test_fail();
    }
    g_assert_cmpuint(g_hash_table_size(g->memory->pages), ==, 0);
    error_free(err);
}

/* The least that is claimed to do does, and a page less does not. */
static void test_too_small(void)
{
    Guest g;
    Error *err = NULL;
    uint64_t mib;

    guest_prepare(&g, make_kernel(&test_elf_linux), 16 * MiB);
    expect_failure(&g, "-m 16M is too small for kernel vmlinuz-x"
                       " (needs at least * MiB)");
    guest_add_initrd(&g, 40 * MiB);
    xenpv_build_start_of_day(&g.params, &g.memory->mem, &g.sod, &err);
    g_assert_cmpint(sscanf(error_get_pretty(err),
                           "-m 16M is too small for kernel vmlinuz-x with"
                           " initrd initrd-y (needs at least %" PRIu64 " MiB)",
                           &mib), ==, 1);
    error_free(err);

    g.memory->mem.nr_pages = mib * 256;
    guest_build(&g);
    g_assert_cmpuint(g.sod.end_pfn, <=, mib * 256);
    g_assert_cmpuint(g.sod.end_pfn, >, (mib - 1) * 256);
    g_hash_table_remove_all(g.memory->pages);
    g.memory->mem.nr_pages = g.sod.end_pfn - 1;
    xenpv_start_of_day_clear(&g.sod);
    expect_failure(&g, "-m * is too small for kernel vmlinuz-x with initrd*");
    guest_clear(&g);
}

static void test_cmdline(void)
{
    g_autofree char *line = g_strnfill(1024, 'x');
    Guest g;

    guest_prepare(&g, make_kernel(&test_elf_linux), 64 * MiB);
    g.params.cmdline = line;
    expect_failure(&g, "-append: command line of 1024 bytes is too long*1023*");
    line[1023] = '\0';
    guest_build(&g);
    guest_check(&g);
    guest_clear(&g);

    guest_prepare(&g, make_kernel(&test_elf_linux), 64 * MiB);
    g.params.cmdline = NULL;
    guest_build(&g);
    guest_check(&g);
    guest_clear(&g);
}

/* A Linux kernel whose notes are changed; -1 takes the note away. */
static XenPvKernel *make_variant(unsigned type, uint64_t value)
{
    TestNote notes[16];
    TestElf elf = test_elf_linux;
    unsigned n = 0;

    for (const TestNote *t = elf.notes; t->type; t++) {
        g_assert(n < ARRAY_SIZE(notes) - 1);
        notes[n] = *t;
        if (t->type == type) {
            notes[n].num = value;
            n -= value == -1ULL;
        }
        n++;
    }
    notes[n].type = 0;
    elf.notes = notes;
    return make_kernel(&elf);
}

/* Old Linux: everything inside the region. */
static void test_linux_old_notes(void)
{
    Guest g;

    guest_prepare(&g, make_variant(TEST_NOTE_MOD_START_PFN, -1), 128 * MiB);
    guest_add_initrd(&g, 5 * MiB + 1);
    guest_build(&g);
    guest_check(&g);
    guest_clear(&g);

    guest_prepare(&g, make_variant(TEST_NOTE_INIT_P2M, -1), 16 * GiB);
    guest_add_initrd(&g, 5 * MiB + 1);
    guest_build(&g);
    guest_check(&g);
    guest_clear(&g);
}

/* Where Xen would not put the list either, it goes into the region. */
static void test_bad_init_p2m(void)
{
    static const uint64_t bad[] = {
        0x8000000123, 0x0000800000000000, 0xffff800000000000,
        0xffff87fffffff000, 0x00007ffffffff000, 0xffffffff80000000,
        0xffffffff00000000, 0xffffff8000000000, 0xfffffffffffff000,
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        Guest g;

        guest_prepare(&g, make_variant(TEST_NOTE_INIT_P2M, bad[i]), 1 * GiB);
        guest_build(&g);
        guest_check(&g);
        g_assert_cmphex(ldq_le_p(&g.info->first_p2m_pfn), ==, 0);
        guest_clear(&g);
    }
}

/* The list anywhere else, across any table's boundary. */
static void test_good_init_p2m(void)
{
    static const uint64_t good[] = {
        0, 0x1ff000, 0x3ffff000, 0x7fffffe000, 0xffff880000000000,
        0xffffff7fff000000,
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        Guest g;

        guest_prepare(&g, make_variant(TEST_NOTE_INIT_P2M, good[i]), 1 * GiB);
        guest_build(&g);
        guest_check(&g);
        g_assert_cmphex(ldq_le_p(&g.info->mfn_list), ==, good[i]);
        g_assert(g.info->first_p2m_pfn);
        guest_clear(&g);
    }
}

/* A guest of another kind, at an address of its own. */
static XenPvKernel *make_at(uint64_t base, uint64_t paddr, uint64_t memsz,
                            const char *os)
{
    TestNote notes[] = {
        NOTE_STR(GUEST_OS, os),
        NOTE_STR(LOADER, "generic"),
        NOTE_STR(XEN_VERSION, "xen-3.0"),
        NOTE_NUM(VIRT_BASE, base),
        NOTE_NUM(ENTRY, base + paddr),
        { 0 }
    };
    TestSegment segments[] = {
        { paddr, base + paddr, 0x1000, memsz },
        { 0 }
    };
    TestElf elf = { .notes = notes, .segments = segments };

    return make_kernel(&elf);
}

static void test_virt_bases(void)
{
    static const uint64_t bases[] = {
        0x1000, 0x3ffff000, 0x7ffffff000, 0x00007fffff000000,
        0xffff880000000000, 0xffffffffc0000000, 0xffffffffff000000,
    };

    for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
        Guest g;

        guest_prepare(&g, make_at(bases[i], 0x3000, 0x5000, "other"), 32 * MiB);
        guest_add_initrd(&g, 1 * MiB);
        guest_build(&g);
        guest_check(&g);
        guest_clear(&g);
    }
}

/*
 * Wherever the last page lands between two multiples of 4 MiB: enough is
 * mapped behind it, and not a step more than that takes.
 */
static void test_slack(void)
{
    for (uint64_t pages = 1; pages <= 1024; pages++) {
        uint64_t free_bytes;
        Guest g;

        guest_prepare(&g, make_at(0, 0, pages << PV_PAGE_SHIFT, "other"),
                      32 * MiB);
        guest_build(&g);
        free_bytes = g.sod.mapped_end_va - g.sod.rsp;
        g_assert_cmpuint(free_bytes, >=, 512 * KiB);
        g_assert_cmpuint(free_bytes, <, 512 * KiB + 4 * MiB + 2 * 4 * KiB);
        guest_clear(&g);
    }
}

/* Addresses at which no memory size would help. */
static void test_no_room(void)
{
    static const struct {
        uint64_t base;
        uint64_t memsz;
    } rows[] = {
        { 0xffff800000000000, 0x5000 },     /* Xen's own slots */
        { 0xffff87fffffff000, 0x5000 },
        { 0x0000800000000000, 0x5000 },     /* not canonical */
        { 0x00007ffffffff000, 0x5000 },     /* ends there */
        { 0xffff7ffffffff000, 0x5000 },
        { 0xffffffffffc00000, 0x3ff000 },   /* ends at 2^64 */
        { 0xffffffff00000000, 0x80000000 },
        { 0, 1ULL << 47 },
        { 0, UINT64_MAX - 0x4000 },
        { 0, 1ULL << 63 },
        { 0xffff880000000000, 0x77fffffff000 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *os = rows[i].base == 0xffffffff00000000 ? "linux" : "other";
        Guest g;

        guest_prepare(&g, make_at(rows[i].base, 0, rows[i].memsz, os), 4 * GiB);
        expect_failure(&g, "kernel vmlinuz-x does not fit into its initial"
                           " mapping at 0x*");
        guest_clear(&g);
    }
}

/* Large, but not impossible: answered at once, without an attempt. */
static void test_huge_kernel(void)
{
    Guest g;

    guest_prepare(&g, make_at(0, 0, 1ULL << 46, "other"), 1 * GiB);
    expect_failure(&g, "-m 1024M is too small for kernel vmlinuz-x"
                       " (needs at least * MiB)");
    guest_clear(&g);
}

#if defined(__x86_64__)
#include "hw/xen/interface/xen.h"

/* Ours is the public header's struct, field by field. */
static void test_abi(void)
{
#define SAME(ours, theirs) \
    g_assert_cmpuint(offsetof(XenPvStartInfo, ours), ==, \
                     offsetof(struct start_info, theirs))
    g_assert_cmpuint(sizeof(XenPvStartInfo), ==, sizeof(struct start_info));
    SAME(nr_pages, nr_pages);
    SAME(shared_info, shared_info);
    SAME(flags, flags);
    SAME(store_mfn, store_mfn);
    SAME(store_evtchn, store_evtchn);
    SAME(domu_console_mfn, console.domU.mfn);
    SAME(domu_console_evtchn, console.domU.evtchn);
    SAME(pt_base, pt_base);
    SAME(nr_pt_frames, nr_pt_frames);
    SAME(mfn_list, mfn_list);
    SAME(mod_start, mod_start);
    SAME(mod_len, mod_len);
    SAME(cmd_line, cmd_line);
    SAME(first_p2m_pfn, first_p2m_pfn);
    SAME(nr_p2m_frames, nr_p2m_frames);
#undef SAME
    g_assert_cmpuint(PV_SIF_MOD_START_PFN, ==, SIF_MOD_START_PFN);
    g_assert_cmpuint(XENPV_CMDLINE_SIZE, ==, MAX_GUEST_CMDLINE);
}
#else
static void test_abi(void)
{
    g_test_skip("the public header describes this host's own guests");
}
#endif

/* Real kernels, if the caller has some: XENPV_TEST_KERNELS=FILE:FILE... */
static void test_real_kernels(void)
{
    const char *list = g_getenv("XENPV_TEST_KERNELS");
    g_auto(GStrv) files = g_strsplit(list ? list : "", ":", -1);

    if (!files[0]) {
        g_test_skip("XENPV_TEST_KERNELS names no kernels");
    }
    for (char **file = files; *file; file++) {
        Guest g;

        guest_prepare(&g, xenpv_kernel_load(*file, &error_abort), 1 * GiB);
        guest_add_initrd(&g, 30 * MiB);
        guest_build(&g);
        guest_check(&g);
        g_assert_cmpint(g.kernel->guest_os, ==, XENPV_GUEST_OS_LINUX);
        guest_clear(&g);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/start-of-day/abi", test_abi);
    g_test_add_func("/xenpv/start-of-day/linux", test_linux);
    g_test_add_func("/xenpv/start-of-day/linux-tables", test_linux_tables);
    g_test_add_func("/xenpv/start-of-day/linux-old-notes",
                    test_linux_old_notes);
    g_test_add_func("/xenpv/start-of-day/mini-os", test_mini_os);
    g_test_add_func("/xenpv/start-of-day/hypercall-page", test_hypercall_page);
    g_test_add_func("/xenpv/start-of-day/pae", test_pae);
    g_test_add_func("/xenpv/start-of-day/pae-no-room", test_pae_no_room);
    g_test_add_func("/xenpv/start-of-day/again", test_again);
    g_test_add_func("/xenpv/start-of-day/too-small", test_too_small);
    g_test_add_func("/xenpv/start-of-day/cmdline", test_cmdline);
    g_test_add_func("/xenpv/start-of-day/bad-init-p2m", test_bad_init_p2m);
    g_test_add_func("/xenpv/start-of-day/good-init-p2m", test_good_init_p2m);
    g_test_add_func("/xenpv/start-of-day/virt-bases", test_virt_bases);
    g_test_add_func("/xenpv/start-of-day/slack", test_slack);
    g_test_add_func("/xenpv/start-of-day/no-room", test_no_room);
    g_test_add_func("/xenpv/start-of-day/huge-kernel", test_huge_kernel);
    g_test_add_func("/xenpv/start-of-day/real-kernels", test_real_kernels);
    return g_test_run();
}
