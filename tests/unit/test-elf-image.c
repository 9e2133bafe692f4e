/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF images and Xen notes: what is accepted, what it is understood to say,
 * and one line of error for everything else.
 */
#include "qemu/osdep.h"
#include "elf.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"
#include "xenpv-test-image.h"

#define LINUX_BASE  0xffffffff80000000ULL
#define MIB         (1024 * 1024ULL)

/*
 * Parses an exact-size copy, so that a sanitizer sees any access beyond it,
 * and checks that failure and error come together and name the file.
 */
static XenPvKernel *parse(const uint8_t *data, size_t len, char **msg)
{
    g_autofree uint8_t *copy = len ? g_memdup2(data, len) : NULL;
    Error *err = NULL;
    XenPvKernel *kernel = xenpv_kernel_parse("vmlinux-x", copy, len, &err);

    g_assert(!kernel == !!err);
    if (err) {
        g_assert(g_str_has_prefix(error_get_pretty(err), "vmlinux-x: "));
        g_assert(!strchr(error_get_pretty(err), '\n'));
    }
    if (msg) {
        *msg = err ? g_strdup(error_get_pretty(err)) : NULL;
    }
    error_free(err);
    return kernel;
}

static void expect_error(const GByteArray *image, const char *pattern)
{
    g_autofree char *msg = NULL;
    g_autoptr(XenPvKernel) kernel = parse(image->data, image->len, &msg);

    if (kernel || !g_pattern_match_simple(pattern, msg)) {
        g_test_message("wanted: %s, got: %s", pattern, msg ? msg : "success");
        g_test_fail();
    }
}

static XenPvKernel *parse_elf(const TestElf *elf)
{
    g_autoptr(GByteArray) image = test_elf_build(elf);
    g_autofree char *msg = NULL;
    XenPvKernel *kernel = parse(image->data, image->len, &msg);

    if (!kernel) {
        g_test_message("unexpected: %s", msg);
    }
    g_assert(kernel);
    return kernel;
}

static void test_linux(void)
{
    g_autoptr(XenPvKernel) k = parse_elf(&test_elf_linux);

    g_assert_cmpstr(k->filename, ==, "vmlinux-x");
    g_assert_cmpint(k->guest_os, ==, XENPV_GUEST_OS_LINUX);
    g_assert_cmphex(k->virt_base, ==, LINUX_BASE);
    g_assert_cmphex(k->virt_entry, ==, LINUX_BASE + 16 * MIB + 0x40);
    g_assert_cmphex(k->virt_kstart, ==, LINUX_BASE + 16 * MIB);
    g_assert_cmphex(k->virt_kend, ==, LINUX_BASE + 22 * MIB + 0x3000);
    g_assert_cmpstr(k->notes.guest_os, ==, "linux");
    g_assert_cmpstr(k->notes.xen_version, ==, "xen-3.0");
    g_assert_cmpstr(k->notes.loader, ==, "generic");
    g_assert_cmpstr(k->notes.pae_mode, ==, "yes");
    g_assert_cmpstr(k->notes.features, ==,
                    "!writable_page_tables|pae_pgdir_above_4gb");
    g_assert(k->notes.has_init_p2m && k->notes.init_p2m == 0x8000000000);
    g_assert(k->notes.has_mod_start_pfn && k->notes.mod_start_pfn == 1);
    g_assert(k->notes.has_phys32_entry);
    g_assert(!k->notes.has_hypercall_page);
    g_assert(!k->notes.has_suspend_cancel);
}

/* By p_paddr: the per-cpu segment is linked at 0. */
static void test_placement(void)
{
    g_autoptr(XenPvKernel) k = parse_elf(&test_elf_linux);
    const TestSegment *seg = test_elf_linux.segments;

    g_assert_cmpuint(k->nr_segments, ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(k->segments[i].vaddr, ==, LINUX_BASE + seg[i].paddr);
        g_assert_cmphex(k->segments[i].file_len, ==, seg[i].filesz);
        g_assert_cmphex(k->segments[i].mem_len, ==, seg[i].memsz);
        for (uint64_t n = 0; n < seg[i].filesz; n++) {
            g_assert_cmpuint(k->segments[i].data[n], ==,
                             test_segment_byte(i, n));
        }
    }
}

static void test_mini_os(void)
{
    g_autoptr(XenPvKernel) k = parse_elf(&test_elf_mini_os);

    g_assert_cmpint(k->guest_os, ==, XENPV_GUEST_OS_MINI_OS);
    g_assert_cmphex(k->virt_base, ==, 0);
    g_assert_cmphex(k->virt_entry, ==, 0);      /* e_entry */
    g_assert_cmphex(k->virt_kstart, ==, 0);
    g_assert_cmphex(k->virt_kend, ==, 0x9000);
    g_assert(k->notes.has_hypercall_page);
    g_assert_cmphex(k->notes.hypercall_page, ==, 0x2000);
    g_assert(!k->notes.has_virt_base && !k->notes.has_init_p2m);
}

static void test_alignment_8(void)
{
    TestElf elf = test_elf_linux;
    g_autoptr(XenPvKernel) k = NULL;

    elf.note_align = 8;
    k = parse_elf(&elf);
    g_assert_cmphex(k->virt_entry, ==, LINUX_BASE + 16 * MIB + 0x40);
    g_assert_cmpstr(k->notes.features, ==,
                    "!writable_page_tables|pae_pgdir_above_4gb");
}

/* Notes of @notes over one page-sized segment at @paddr. */
static GByteArray *build(const TestNote *notes, uint64_t paddr)
{
    TestSegment segments[] = { { paddr, 0x1234, 0x800, 0x1000 }, { 0 } };
    TestElf elf = { .notes = notes, .segments = segments, .entry = paddr };

    return test_elf_build(&elf);
}

static void test_paddr_offset(void)
{
    static const TestNote notes[] = {
        NOTE_STR(GUEST_OS, "linux"),
        NOTE_STR(XEN_VERSION, "xen-3.0"),
        NOTE_NUM(VIRT_BASE, LINUX_BASE),
        NOTE_NUM(PADDR_OFFSET, LINUX_BASE),
        NOTE_NUM(ENTRY, LINUX_BASE + 2 * MIB),
        { 0 }
    };
    g_autoptr(GByteArray) image = build(notes, LINUX_BASE + 2 * MIB);
    g_autoptr(XenPvKernel) k = parse(image->data, image->len, NULL);

    g_assert(k);
    g_assert_cmphex(k->virt_kstart, ==, LINUX_BASE + 2 * MIB);
    g_assert_cmphex(k->segments[0].vaddr, ==, LINUX_BASE + 2 * MIB);
}

static void test_guest_os(void)
{
    static const struct {
        const char *name;
        XenPvGuestOs os;
    } rows[] = {
        { "linux", XENPV_GUEST_OS_LINUX },
        { "linux-5", XENPV_GUEST_OS_LINUX },
        { "Mini-OS", XENPV_GUEST_OS_MINI_OS },
        { "Mini-OS-x86_64", XENPV_GUEST_OS_MINI_OS },
        { "GRUB", XENPV_GUEST_OS_MINI_OS },
        { "NetBSD", XENPV_GUEST_OS_OTHER },
        { "", XENPV_GUEST_OS_OTHER },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const TestNote notes[] = {
            NOTE_STR(GUEST_OS, rows[i].name),
            NOTE_STR(XEN_VERSION, "xen-3.0"),
            NOTE_STR(LOADER, "generic"),
            NOTE_NUM(VIRT_BASE, 0),
            { 0 }
        };
        g_autoptr(GByteArray) image = build(notes, 0x1000);
        g_autoptr(XenPvKernel) k = parse(image->data, image->len, NULL);

        g_assert(k);
        g_assert_cmpint(k->guest_os, ==, rows[i].os);
    }
}

/* A later note counts, and the earlier string is not leaked. */
static void test_repeated_note(void)
{
    static const TestNote notes[] = {
        NOTE_STR(GUEST_OS, "first"),
        NOTE_STR(GUEST_OS, "GRUB"),
        NOTE_STR(XEN_VERSION, "xen-3.0"),
        NOTE_STR(LOADER, "generic"),
        { 0 }
    };
    g_autoptr(GByteArray) image = build(notes, 0);
    g_autoptr(XenPvKernel) k = parse(image->data, image->len, NULL);

    g_assert(k);
    g_assert_cmpstr(k->notes.guest_os, ==, "GRUB");
}

#define XEN_3_0 NOTE_STR(XEN_VERSION, "xen-3.0")
#define GENERIC NOTE_STR(LOADER, "generic")

static void test_refused(void)
{
    static const struct {
        TestNote notes[6];
        const char *pattern;
    } rows[] = {
        { { NOTE_NUM4(PHYS32_ENTRY, 0x1000) },
          "*not a Xen PV kernel (it can be started as PVH only)" },
        { { NOTE_STR(GUEST_OS, "linux"), NOTE_STR(XEN_VERSION, "xen-3.0"),
            NOTE_NUM4(PHYS32_ENTRY, 0x1000) },
          "*not a Xen PV kernel (it can be started as PVH only)" },
        { { NOTE_STR(GUEST_OS, "linux"), XEN_3_0, GENERIC },
          "*not a Xen PV kernel (it has no PV entry point)" },
        { { NOTE_STR(GUEST_OS, "x"), NOTE_STR(LOADER, "generic") },
          "*not a Xen PV kernel for the \"xen-3.0\" interface*" },
        { { NOTE_STR(XEN_VERSION, "xen-2.0"), NOTE_STR(LOADER, "generic") },
          "*not a Xen PV kernel for the \"xen-3.0\" interface*" },
        { { NOTE_STR(GUEST_OS, "x"), NOTE_STR(XEN_VERSION, "xen-3.0") },
          "*needs a loader of its own*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(PADDR_OFFSET, 0) },
          "*PADDR_OFFSET note without VIRT_BASE*" },
        { { XEN_3_0, GENERIC, { .type = TEST_NOTE_ENTRY, .size = 2 } },
          "*corrupt Xen ELF note 1 (number of 2 bytes)" },
        { { XEN_3_0, GENERIC, { .type = TEST_NOTE_INIT_P2M, .size = 16 } },
          "*corrupt Xen ELF note 15 (number of 16 bytes)" },
        { { XEN_3_0, GENERIC, NOTE_NUM(ENTRY, 0x2000) },
          "*entry point 0x2000 is outside*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(ENTRY, 0xfff) },
          "*entry point 0xfff is outside*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(HYPERCALL_PAGE, 0x2000) },
          "*hypercall page 0x2000 is outside*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(HYPERCALL_PAGE, 0) },
          "*hypercall page 0x0 is outside*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(HYPERCALL_PAGE, 0x1800) },
          "*hypercall page 0x1800 is outside of it or not aligned*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(VIRT_BASE, 0x10),
            NOTE_NUM(ENTRY, 0x1010) },
          "*VIRT_BASE 0x10 is not page aligned*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(VIRT_BASE, 0),
            NOTE_NUM(PADDR_OFFSET, 0x2000), NOTE_NUM(ENTRY, 0x1000) },
          "*a segment is out of bounds*" },
        { { XEN_3_0, GENERIC, NOTE_NUM(VIRT_BASE, 0x10000),
            NOTE_NUM(PADDR_OFFSET, 0x2000), NOTE_NUM(ENTRY, 0xf000) },
          "*a segment is out of bounds*" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GByteArray) image = build(rows[i].notes, 0x1000);

        expect_error(image, rows[i].pattern);
    }
}

/* Offsets into an image of build(): its first program header and its notes. */
#define PH(field)   (sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field))
#define EH(field)   offsetof(Elf64_Ehdr, field)
#define NOTE_PH(field)  (PH(field) + sizeof(Elf64_Phdr))

static void test_patched(void)
{
    static const TestNote notes[] = { XEN_3_0, GENERIC, { 0 } };
    static const struct {
        size_t off;
        uint64_t value;
        unsigned size;
        const char *pattern;
    } rows[] = {
        { EI_CLASS, ELFCLASS32, 1,      "*not an x86 kernel" },
        { EI_CLASS, 3, 1,               "*not an x86 kernel" },
        { EI_DATA, ELFDATA2MSB, 1,      "*not an x86 kernel" },
        { EH(e_machine), EM_AARCH64, 2, "*not an x86 kernel" },
        { EH(e_machine), EM_386, 2,     "*not an x86 kernel" },
        { EH(e_phnum), 0, 2,            "*bad program headers*" },
        { EH(e_phnum), 0xffff, 2,       "*truncated*program headers*" },
        { EH(e_phentsize), 32, 2,       "*bad program headers*" },
        { EH(e_phoff), UINT64_MAX, 8,   "*truncated*program headers*" },
        { EH(e_phoff), UINT64_MAX - 55, 8, "*truncated*program headers*" },
        { PH(p_offset), UINT64_MAX, 8,  "*truncated*a segment*" },
        { PH(p_filesz), UINT64_MAX, 8,  "*truncated*a segment*" },
        { PH(p_filesz), 0x100000, 8,    "*truncated*a segment*" },
        { PH(p_memsz), 0x7ff, 8,        "*a segment is out of bounds*" },
        { PH(p_memsz), UINT64_MAX, 8,   "*a segment is out of bounds*" },
        { PH(p_paddr), -0x1000ULL, 8,   "*a segment is out of bounds*" },
        { PH(p_type), PT_NULL, 4,       "*nothing to load*" },
        { PH(p_memsz), 0, 8,            "*nothing to load*" },
        { NOTE_PH(p_offset), UINT64_MAX, 8, "*truncated*ELF notes*" },
        { NOTE_PH(p_filesz), UINT64_MAX, 8, "*truncated*ELF notes*" },
        { NOTE_PH(p_type), PT_NULL, 4,  "*not a Xen PV kernel (no Xen ELF*" },
        { NOTE_PH(p_filesz), 0, 8,      "*not a Xen PV kernel (no Xen ELF*" },
        { NOTE_PH(p_filesz), 20, 8,     "*corrupt ELF note*" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GByteArray) image = build(notes, 0x1000);

        test_poke(image, rows[i].off, rows[i].value, rows[i].size);
        expect_error(image, rows[i].pattern);
    }
}

static void test_bad_note_sizes(void)
{
    static const TestNote notes[] = { XEN_3_0, GENERIC, { 0 } };
    static const uint32_t sizes[] = {
        0xffffffff, 0xfffffffe, 0xfffffffc, 0x80000000, 0x7fffffff, 0x10000,
    };
    size_t note = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (unsigned field = 0; field < 8; field += 4) {
            g_autoptr(GByteArray) image = build(notes, 0x1000);

            test_poke(image, note + field, sizes[i], 4);
            expect_error(image, "*corrupt ELF note*");
        }
    }
}

static void test_too_many_segments(void)
{
    static const TestNote notes[] = { XEN_3_0, GENERIC, { 0 } };
    TestSegment segments[66] = { 0 };
    TestElf elf = { .notes = notes, .segments = segments };
    g_autoptr(GByteArray) good = NULL;
    g_autoptr(GByteArray) bad = NULL;
    g_autoptr(XenPvKernel) k = NULL;

    for (unsigned i = 0; i < 64; i++) {
        segments[i] = (TestSegment) { i << 12, 0, 1, 1 };
    }
    good = test_elf_build(&elf);
    k = parse(good->data, good->len, NULL);
    g_assert(k && k->nr_segments == 64);
    segments[64] = segments[0];
    bad = test_elf_build(&elf);
    expect_error(bad, "*more than 64 segments*");
}

static void test_truncated(const void *opaque)
{
    g_autoptr(GByteArray) image = test_elf_build(opaque);

    for (size_t len = 0; len < image->len; len++) {
        g_autoptr(XenPvKernel) k = parse(image->data, len, NULL);

        g_assert(!k);
    }
}

/* Any byte may be anything: no crash, and an error if and only if refused. */
static void test_corrupt(const void *opaque)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    g_autoptr(GByteArray) image = test_elf_build(opaque);
    size_t headers = MIN(image->len, 1200);
    size_t tail = image->len - 2 * sizeof(Elf64_Shdr);

    for (size_t i = 0; i < image->len; i++) {
        uint8_t old = image->data[i];

        if (i == headers) {
            i = tail;       /* what is between is contents */
            continue;
        }
        for (size_t n = 0; n < ARRAY_SIZE(values); n++) {
            g_autoptr(XenPvKernel) k = NULL;

            image->data[i] = values[n];
            k = parse(image->data, image->len, NULL);
        }
        image->data[i] = old;
    }
}

/* Debugging information is not kept. */
static void test_keeps_segments_only(void)
{
    g_autoptr(GByteArray) image = test_elf_build(&test_elf_linux);
    g_autoptr(XenPvKernel) k = NULL;
    const XenPvSegment *last;
    uint64_t total = 0;

    g_byte_array_set_size(image, image->len + MIB);
    memset(image->data + image->len - MIB, 0x5a, MIB);
    k = parse(image->data, image->len, NULL);
    for (unsigned i = 0; i < k->nr_segments; i++) {
        total += k->segments[i].file_len;
    }
    last = &k->segments[k->nr_segments - 1];
    g_assert(k->segments[0].data == k->image);
    g_assert(last->data + last->file_len == k->image + total);
}

static void test_pae(void)
{
    g_autoptr(GByteArray) image = test_elf_build(&test_elf_pae);
    g_autoptr(XenPvKernel) k = xenpv_kernel_parse("k", image->data, image->len,
                                                  &error_abort);

    g_assert(k->pae);
    g_assert_cmphex(k->virt_base, ==, 0xc0000000);
    g_assert_cmphex(k->virt_entry, ==, 0xc0100040);
    g_assert_cmphex(k->virt_kend, ==, 0xc0109000);
    g_assert_cmphex(k->notes.hypercall_page, ==, 0xc0102000);
}

static void test_pae_refused(void)
{
    static const TestNote no_pae[] = { XEN_3_0, GENERIC, { 0 } };
    static const TestNote wrong_pae[] = {
        XEN_3_0, GENERIC, NOTE_STR(PAE_MODE, "no"), { 0 }
    };
    static const TestNote yes[] = {
        XEN_3_0, GENERIC, NOTE_STR(PAE_MODE, "bimodal"), { 0 }
    };
    static const TestSegment low[] = { { 0, 0, 0x100, 0x1000 }, { 0 } };
    static const TestSegment high[] = {
        { 0xf5700000, 0, 0x100, 0x100001 }, { 0 }
    };
    static const struct {
        const TestNote *notes;
        const TestSegment *segments;
        const char *pattern;
    } rows[] = {
        { no_pae, low, "k: 32-bit kernel without PAE*" },
        { wrong_pae, low, "k: 32-bit kernel without PAE*" },
        { yes, high, "k: kernel image ends at 0xf5800001, in Xen's part*" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        TestElf elf = {
            .notes = rows[i].notes, .segments = rows[i].segments,
            .entry = rows[i].segments[0].paddr, .is_32 = true,
        };
        g_autoptr(GByteArray) image = test_elf_build(&elf);
        Error *err = NULL;

        g_assert(!xenpv_kernel_parse("k", image->data, image->len, &err));
        g_assert(g_pattern_match_simple(rows[i].pattern,
                                        error_get_pretty(err)));
        error_free(err);
    }
}

/* GRUB's 32-bit image says 12 bytes, has four, and ends. */
static void test_last_string_is_cut_short(void)
{
    uint8_t note[] = {
        4, 0, 0, 0, 12, 0, 0, 0, TEST_NOTE_PAE_MODE, 0, 0, 0,
        'X', 'e', 'n', 0, 'y', 'e', 's', 0,
    };
    XenPvNotes notes = { 0 };
    Error *err = NULL;

    g_assert_cmpint(xenpv_notes_parse(&notes, note, sizeof(note), 4,
                                      &error_abort), ==, 1);
    g_assert_cmpstr(notes.pae_mode, ==, "yes");
    xenpv_notes_clear(&notes);
    note[8] = TEST_NOTE_VIRT_BASE;
    g_assert_cmpint(xenpv_notes_parse(&notes, note, sizeof(note), 4, &err),
                    ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/elf/linux", test_linux);
    g_test_add_func("/xenpv/elf/placement-by-paddr", test_placement);
    g_test_add_func("/xenpv/elf/mini-os", test_mini_os);
    g_test_add_func("/xenpv/elf/pae", test_pae);
    g_test_add_func("/xenpv/elf/pae-refused", test_pae_refused);
    g_test_add_func("/xenpv/elf/last-string-is-cut-short",
                    test_last_string_is_cut_short);
    g_test_add_func("/xenpv/elf/alignment-8", test_alignment_8);
    g_test_add_func("/xenpv/elf/paddr-offset", test_paddr_offset);
    g_test_add_func("/xenpv/elf/guest-os", test_guest_os);
    g_test_add_func("/xenpv/elf/repeated-note", test_repeated_note);
    g_test_add_func("/xenpv/elf/refused", test_refused);
    g_test_add_func("/xenpv/elf/patched", test_patched);
    g_test_add_func("/xenpv/elf/bad-note-sizes", test_bad_note_sizes);
    g_test_add_func("/xenpv/elf/too-many-segments", test_too_many_segments);
    g_test_add_data_func("/xenpv/elf/truncated/linux", &test_elf_linux,
                         test_truncated);
    g_test_add_data_func("/xenpv/elf/truncated/pae", &test_elf_pae,
                         test_truncated);
    g_test_add_data_func("/xenpv/elf/corrupt/pae", &test_elf_pae,
                         test_corrupt);
    g_test_add_data_func("/xenpv/elf/truncated/mini-os", &test_elf_mini_os,
                         test_truncated);
    g_test_add_data_func("/xenpv/elf/corrupt/linux", &test_elf_linux,
                         test_corrupt);
    g_test_add_data_func("/xenpv/elf/corrupt/mini-os", &test_elf_mini_os,
                         test_corrupt);
    g_test_add_func("/xenpv/elf/keeps-segments-only",
                    test_keeps_segments_only);
    return g_test_run();
}
