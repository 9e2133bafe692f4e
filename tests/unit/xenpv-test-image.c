/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small kernel images for the loader's tests, made to order.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "elf.h"
#include "xenpv-test-image.h"

#define LINUX_BASE  0xffffffff80000000ULL
#define MIB         (1024 * 1024ULL)

static const TestNote linux_notes[] = {
    NOTE_STR(GUEST_OS, "linux"),
    NOTE_STR(XEN_VERSION, "xen-3.0"),
    NOTE_NUM(VIRT_BASE, LINUX_BASE),
    NOTE_NUM(INIT_P2M, 0x8000000000),
    NOTE_NUM(ENTRY, LINUX_BASE + 16 * MIB + 0x40),
    NOTE_STR(FEATURES, "!writable_page_tables|pae_pgdir_above_4gb"),
    NOTE_STR(PAE_MODE, "yes"),
    NOTE_STR(LOADER, "generic"),
    NOTE_NUM4(MOD_START_PFN, 1),
    NOTE_NUM4(PHYS32_ENTRY, 0x1000000),
    NOTE_NUM(PADDR_OFFSET, 0),
    { 0 }
};

static const TestSegment linux_segments[] = {
    { 16 * MIB, LINUX_BASE + 16 * MIB, 0x2345, 0x3000 },
    { 17 * MIB, LINUX_BASE + 17 * MIB, 0x1800, 0x1800 },
    /* The per-cpu data: linked at 0, placed after the rest. */
    { 17 * MIB + 0x2000, 0, 0x456, 0x456 },
    { 17 * MIB + 0x3000, LINUX_BASE + 17 * MIB + 0x3000, 0x100, 5 * MIB },
    { 0 }
};

const TestElf test_elf_linux = {
    .notes = linux_notes,
    .segments = linux_segments,
    .entry = 16 * MIB,
};

static const TestNote mini_os_notes[] = {
    NOTE_STR(GUEST_OS, "Mini-OS"),
    NOTE_STR(LOADER, "generic"),
    NOTE_NUM(HYPERCALL_PAGE, 0x2000),
    NOTE_STR(XEN_VERSION, "xen-3.0"),
    NOTE_STR(PAE_MODE, "yes"),
    { 0 }
};

static const TestSegment mini_os_segments[] = {
    { 0, 0, 0x4123, 0x9000 },
    { 0 }
};

const TestElf test_elf_mini_os = {
    .notes = mini_os_notes,
    .segments = mini_os_segments,
    .note_section = true,
};

static const TestNote pae_notes[] = {
    NOTE_STR(GUEST_OS, "linux"),
    NOTE_STR(LOADER, "generic"),
    NOTE_STR(XEN_VERSION, "xen-3.0"),
    NOTE_NUM4(VIRT_BASE, 0xc0000000),
    NOTE_NUM4(PADDR_OFFSET, 0),
    NOTE_NUM4(ENTRY, 0xc0100040),
    NOTE_NUM4(HYPERCALL_PAGE, 0xc0102000),
    NOTE_STR(PAE_MODE, "yes[extended-cr3]"),
    { 0 }
};

static const TestSegment pae_segments[] = {
    { 1 * MIB, 0xc0100000, 0x4123, 0x9000 },
    { 0 }
};

const TestElf test_elf_pae = {
    .notes = pae_notes,
    .segments = pae_segments,
    .is_32 = true,
};

/* Compressible, but different in every segment and page. */
uint8_t test_segment_byte(unsigned segment, uint64_t i)
{
    return (i % 61) ^ (i >> 12) ^ (segment * 0x35);
}

void test_poke(GByteArray *image, size_t off, uint64_t value, unsigned size)
{
    g_assert(off + size <= image->len);
    for (unsigned i = 0; i < size; i++) {
        image->data[off + i] = value >> (8 * i);
    }
}

static void append_word(GByteArray *out, uint32_t value)
{
    uint8_t word[4];

    stl_le_p(word, value);
    g_byte_array_append(out, word, sizeof(word));
}

static void append_padded(GByteArray *out, const void *data, size_t len,
                          unsigned align)
{
    static const uint8_t zeroes[8];

    g_byte_array_append(out, data, len);
    g_byte_array_append(out, zeroes, -out->len & (align - 1));
}

static void append_note(GByteArray *out, const char *name, uint32_t type,
                        const void *desc, size_t len, unsigned align)
{
    append_word(out, strlen(name) + 1);
    append_word(out, len);
    append_word(out, type);
    append_padded(out, name, strlen(name) + 1, align);
    append_padded(out, desc, len, align);
}

static GByteArray *build_notes(const TestNote *note, unsigned align)
{
    GByteArray *out = g_byte_array_new();
    uint64_t pair[2] = { 1, 1 };

    append_note(out, "GNU", 3, "0123456789abcdefghi", 19, align);
    for (; note->type; note++) {
        uint8_t num[16];

        stq_le_p(num, note->num);
        stq_le_p(num + 8, 0);
        append_note(out, "Xen", note->type,
                    note->str ? (const void *)note->str : num,
                    note->str ? strlen(note->str) + 1 : note->size, align);
    }
    append_note(out, "Xen", TEST_NOTE_L1_MFN_VALID, pair, 16, align);
    append_note(out, "Linux", TEST_NOTE_VIRT_BASE, "decoy", 5, align);
    return out;
}

static unsigned count_segments(const TestSegment *seg)
{
    unsigned n = 0;

    while (seg[n].memsz) {
        n++;
    }
    return n;
}

static size_t ehdr_size(const TestElf *elf)
{
    return elf->is_32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
}

static size_t phdr_size(const TestElf *elf)
{
    return elf->is_32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
}

/* Set a field of either class's structure, which is at @off. */
#define POKE(type, field, off, value) \
    do { \
        if (elf->is_32) { \
            test_poke(out, (off) + offsetof(Elf32_##type, field), value, \
                      sizeof_field(Elf32_##type, field)); \
        } else { \
            test_poke(out, (off) + offsetof(Elf64_##type, field), value, \
                      sizeof_field(Elf64_##type, field)); \
        } \
    } while (0)

static void put_ehdr(GByteArray *out, const TestElf *elf, unsigned phnum)
{
    static const uint8_t ident[EI_NIDENT] = {
        0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT
    };

    memcpy(out->data, ident, sizeof(ident));
    out->data[EI_CLASS] = elf->is_32 ? ELFCLASS32 : ELFCLASS64;
    POKE(Ehdr, e_type, 0, ET_EXEC);
    POKE(Ehdr, e_machine, 0, elf->is_32 ? EM_386 : EM_X86_64);
    POKE(Ehdr, e_version, 0, EV_CURRENT);
    POKE(Ehdr, e_entry, 0, elf->entry);
    POKE(Ehdr, e_phoff, 0, ehdr_size(elf));
    POKE(Ehdr, e_ehsize, 0, ehdr_size(elf));
    POKE(Ehdr, e_phentsize, 0, phdr_size(elf));
    POKE(Ehdr, e_phnum, 0, phnum);
}

static void put_phdr(GByteArray *out, const TestElf *elf, unsigned i,
                     uint32_t type, uint64_t off, const TestSegment *seg,
                     unsigned align)
{
    size_t ph = ehdr_size(elf) + i * phdr_size(elf);

    POKE(Phdr, p_type, ph, type);
    POKE(Phdr, p_offset, ph, off);
    POKE(Phdr, p_vaddr, ph, seg->vaddr);
    POKE(Phdr, p_paddr, ph, seg->paddr);
    POKE(Phdr, p_filesz, ph, seg->filesz);
    POKE(Phdr, p_memsz, ph, seg->memsz);
    POKE(Phdr, p_align, ph, align);
}

/* A section header table with an empty section and one of notes. */
static void append_sections(GByteArray *out, uint64_t off, uint64_t size,
                            unsigned align)
{
    size_t shoff = out->len;
    size_t sh = shoff + sizeof(Elf64_Shdr);

    g_byte_array_set_size(out, shoff + 2 * sizeof(Elf64_Shdr));
    memset(out->data + shoff, 0, 2 * sizeof(Elf64_Shdr));
    test_poke(out, sh + offsetof(Elf64_Shdr, sh_type), SHT_NOTE, 4);
    test_poke(out, sh + offsetof(Elf64_Shdr, sh_offset), off, 8);
    test_poke(out, sh + offsetof(Elf64_Shdr, sh_size), size, 8);
    test_poke(out, sh + offsetof(Elf64_Shdr, sh_addralign), align, 8);
    test_poke(out, offsetof(Elf64_Ehdr, e_shoff), shoff, 8);
    test_poke(out, offsetof(Elf64_Ehdr, e_shnum), 2, 2);
    test_poke(out, offsetof(Elf64_Ehdr, e_shentsize), sizeof(Elf64_Shdr), 2);
}

GByteArray *test_elf_build(const TestElf *elf)
{
    GByteArray *out = g_byte_array_new();
    unsigned align = elf->note_align ? elf->note_align : 4;
    unsigned loads = count_segments(elf->segments);
    unsigned phnum = loads + !elf->note_section;
    g_autoptr(GByteArray) notes = build_notes(elf->notes, align);
    uint64_t note_off = ehdr_size(elf) + phnum * phdr_size(elf);
    TestSegment note_seg = { .filesz = notes->len };

    g_byte_array_set_size(out, note_off);
    memset(out->data, 0, note_off);
    put_ehdr(out, elf, phnum);
    g_byte_array_append(out, notes->data, notes->len);
    for (unsigned i = 0; i < loads; i++) {
        const TestSegment *seg = &elf->segments[i];

        put_phdr(out, elf, i, PT_LOAD, out->len, seg, 4096);
        for (uint64_t n = 0; n < seg->filesz; n++) {
            uint8_t byte = test_segment_byte(i, n);

            g_byte_array_append(out, &byte, 1);
        }
    }
    if (elf->note_section) {
        append_sections(out, note_off, notes->len, align);
    } else {
        put_phdr(out, elf, loads, PT_NOTE, note_off, &note_seg, align);
    }
    return out;
}

/* Two setup sectors, then some "decompressor", then the payload. */
GByteArray *test_bzimage_build(const void *payload, size_t len,
                               unsigned version)
{
    GByteArray *out = g_byte_array_new();
    size_t setup = 3 * 512, stub = 77;

    g_byte_array_set_size(out, setup + stub);
    memset(out->data, 0x90, out->len);
    test_poke(out, 0x1f1, 2, 1);
    memcpy(out->data + 0x202, "HdrS", 4);
    test_poke(out, 0x206, version, 2);
    test_poke(out, 0x248, stub, 4);
    test_poke(out, 0x24c, len, 4);
    g_byte_array_append(out, payload, len);
    return out;
}
