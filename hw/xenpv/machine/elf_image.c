/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ELF image of a PV kernel: which bytes go where.
 *
 * Segments are placed by p_paddr, never by p_vaddr: Linux up to 6.x links its
 * per-cpu data at virtual address 0, but gives it a physical address behind
 * the rest of the kernel.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "elf.h"
#include "hw/xenpv/machine/loader_internal.h"

/* Real kernels have up to five; a limit bounds the work a bad image causes. */
#define LOAD_SEGMENTS_MAX   64

/* Two classes, of the same fields in different places */
typedef struct ElfFile {
    const uint8_t *data;
    size_t len;
    bool is_32;
} ElfFile;

bool xenpv_is_elf(const uint8_t *data, size_t len)
{
    return len >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0;
}

static uint64_t read_word(const ElfFile *elf, const uint8_t *p)
{
    return elf->is_32 ? pv_le32(p) : ldq_le_p(p);
}

#define place(elf, type, field) \
    ((elf)->is_32 ? offsetof(Elf32_##type, field) \
                  : offsetof(Elf64_##type, field))
#define size_of(elf, type) \
    ((elf)->is_32 ? sizeof(Elf32_##type) : sizeof(Elf64_##type))
#define ehdr16(elf, field) \
    lduw_le_p((elf)->data + place(elf, Ehdr, field))
#define ehdr_word(elf, field) \
    read_word(elf, (elf)->data + place(elf, Ehdr, field))
#define phdr32(elf, ph, field)      pv_le32((ph) + place(elf, Phdr, field))
#define phdr_word(elf, ph, field) \
    read_word(elf, (ph) + place(elf, Phdr, field))
#define shdr32(elf, sh, field)      pv_le32((sh) + place(elf, Shdr, field))
#define shdr_word(elf, sh, field) \
    read_word(elf, (sh) + place(elf, Shdr, field))

static bool truncated(const ElfFile *elf, const char *what, Error **errp)
{
    error_setg(errp, "truncated kernel image (%s past the end, at %zu bytes)",
               what, elf->len);
    return false;
}

static bool check_machine(ElfFile *elf, Error **errp)
{
    if (elf->len <= EI_DATA) {
        return truncated(elf, "ELF header", errp);
    }
    elf->is_32 = elf->data[EI_CLASS] == ELFCLASS32;
    if (elf->len < size_of(elf, Ehdr)) {
        return truncated(elf, "ELF header", errp);
    }
    if ((!elf->is_32 && elf->data[EI_CLASS] != ELFCLASS64) ||
        elf->data[EI_DATA] != ELFDATA2LSB ||
        ehdr16(elf, e_machine) != (elf->is_32 ? EM_386 : EM_X86_64)) {
        error_setg(errp, "not an x86 kernel");
        return false;
    }
    return true;
}

static bool check_tables(const ElfFile *elf, Error **errp)
{
    unsigned n = ehdr16(elf, e_phnum);

    if (n == 0 || ehdr16(elf, e_phentsize) != size_of(elf, Phdr)) {
        error_setg(errp, "corrupt kernel image (bad program headers)");
        return false;
    }
    if (!pv_range_ok(ehdr_word(elf, e_phoff), n * size_of(elf, Phdr),
                     elf->len)) {
        return truncated(elf, "program headers", errp);
    }
    return true;
}

/* The @i-th program header, if it has @type. */
static const uint8_t *program_header(const ElfFile *elf, unsigned i,
                                     uint32_t type)
{
    const uint8_t *ph = elf->data + ehdr_word(elf, e_phoff) +
                        i * size_of(elf, Phdr);

    return phdr32(elf, ph, p_type) == type ? ph : NULL;
}

/* Notes of one PT_NOTE or SHT_NOTE; align is 8 only where the file says so. */
static int parse_notes_at(XenPvNotes *notes, const ElfFile *elf, uint64_t off,
                          uint64_t size, uint64_t align, Error **errp)
{
    if (!pv_range_ok(off, size, elf->len)) {
        truncated(elf, "ELF notes", errp);
        return -1;
    }
    return xenpv_notes_parse(notes, elf->data + off, size, align == 8 ? 8 : 4,
                             errp);
}

static int parse_note_segments(XenPvNotes *notes, const ElfFile *elf,
                               Error **errp)
{
    int found = 0;

    for (unsigned i = 0; i < ehdr16(elf, e_phnum); i++) {
        const uint8_t *ph = program_header(elf, i, PT_NOTE);
        int n = 0;

        if (ph) {
            n = parse_notes_at(notes, elf, phdr_word(elf, ph, p_offset),
                               phdr_word(elf, ph, p_filesz),
                               phdr_word(elf, ph, p_align), errp);
        }
        if (n < 0) {
            return -1;
        }
        found += n;
    }
    return found;
}

/* Mini-OS has its notes in sections that no segment covers. */
static int parse_note_sections(XenPvNotes *notes, const ElfFile *elf,
                               Error **errp)
{
    uint64_t off = ehdr_word(elf, e_shoff);
    unsigned count = ehdr16(elf, e_shnum);
    int found = 0;

    if (count == 0 || ehdr16(elf, e_shentsize) != size_of(elf, Shdr)) {
        return 0;
    }
    if (!pv_range_ok(off, count * size_of(elf, Shdr), elf->len)) {
        truncated(elf, "section headers", errp);
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *sh = elf->data + off + i * size_of(elf, Shdr);
        int n = 0;

        if (shdr32(elf, sh, sh_type) == SHT_NOTE) {
            n = parse_notes_at(notes, elf, shdr_word(elf, sh, sh_offset),
                               shdr_word(elf, sh, sh_size),
                               shdr_word(elf, sh, sh_addralign), errp);
        }
        if (n < 0) {
            return -1;
        }
        found += n;
    }
    return found;
}

static bool parse_notes(XenPvNotes *notes, const ElfFile *elf, Error **errp)
{
    int found = parse_note_segments(notes, elf, errp);

    if (found == 0) {
        found = parse_note_sections(notes, elf, errp);
    }
    if (found == 0) {
        error_setg(errp, "not a Xen PV kernel (no Xen ELF notes)");
    }
    return found > 0 && xenpv_notes_check(notes, errp);
}

/* Adds a segment whose data still points into @elf. */
static bool add_segment(XenPvKernel *kernel, const ElfFile *elf,
                        const uint8_t *ph, Error **errp)
{
    XenPvSegment *seg = &kernel->segments[kernel->nr_segments];
    uint64_t off = phdr_word(elf, ph, p_offset);

    seg->vaddr = phdr_word(elf, ph, p_paddr) - kernel->notes.paddr_offset +
                 kernel->virt_base;
    seg->file_len = phdr_word(elf, ph, p_filesz);
    seg->mem_len = phdr_word(elf, ph, p_memsz);
    if (seg->mem_len == 0) {
        return true;
    }
    if (!pv_range_ok(off, seg->file_len, elf->len)) {
        return truncated(elf, "a segment", errp);
    }
    if (seg->file_len > seg->mem_len ||
        seg->vaddr < kernel->virt_base ||
        seg->vaddr + seg->mem_len < seg->vaddr) {
        error_setg(errp, "corrupt kernel image (a segment is out of bounds)");
        return false;
    }
    seg->data = elf->data + off;
    kernel->nr_segments++;
    return true;
}

static bool collect_segments(XenPvKernel *kernel, const ElfFile *elf,
                             Error **errp)
{
    kernel->segments = g_new0(XenPvSegment, LOAD_SEGMENTS_MAX);
    for (unsigned i = 0; i < ehdr16(elf, e_phnum); i++) {
        const uint8_t *ph = program_header(elf, i, PT_LOAD);

        if (ph && kernel->nr_segments == LOAD_SEGMENTS_MAX) {
            error_setg(errp, "corrupt kernel image (more than %u segments)",
                       LOAD_SEGMENTS_MAX);
            return false;
        }
        if (ph && !add_segment(kernel, elf, ph, errp)) {
            return false;
        }
    }
    if (kernel->nr_segments == 0) {
        error_setg(errp, "corrupt kernel image (nothing to load)");
        return false;
    }
    return true;
}

static bool check_addresses(XenPvKernel *kernel, Error **errp)
{
    const XenPvNotes *notes = &kernel->notes;

    kernel->virt_kend = 0;
    kernel->virt_kstart = UINT64_MAX;
    for (size_t i = 0; i < kernel->nr_segments; i++) {
        const XenPvSegment *seg = &kernel->segments[i];

        kernel->virt_kstart = MIN(kernel->virt_kstart, seg->vaddr);
        kernel->virt_kend = MAX(kernel->virt_kend, seg->vaddr + seg->mem_len);
    }

    if (kernel->pae && kernel->virt_kend > PV_PAE_HOLE) {
        error_setg(errp, "kernel image ends at 0x%" PRIx64 ", in Xen's part of"
                   " a 32-bit guest's memory", kernel->virt_kend);
        return false;
    }
    if (kernel->virt_base & PV_PAGE_MASK) {
        error_setg(errp, "corrupt kernel image (VIRT_BASE 0x%" PRIx64
                   " is not page aligned)", kernel->virt_base);
        return false;
    }
    if (kernel->virt_entry < kernel->virt_kstart ||
        kernel->virt_entry >= kernel->virt_kend) {
        error_setg(errp, "corrupt kernel image (entry point 0x%" PRIx64
                   " is outside of it)", kernel->virt_entry);
        return false;
    }
    if (notes->has_hypercall_page &&
        ((notes->hypercall_page & PV_PAGE_MASK) ||
         notes->hypercall_page < kernel->virt_kstart ||
         notes->hypercall_page >= kernel->virt_kend)) {
        error_setg(errp, "corrupt kernel image (hypercall page 0x%" PRIx64
                   " is outside of it or not aligned)", notes->hypercall_page);
        return false;
    }
    return true;
}

/*
 * Keep what will be loaded and nothing else: an image with debugging
 * information is ten times as large.
 */
static bool keep_segments(XenPvKernel *kernel, Error **errp)
{
    uint64_t total = 0;
    uint8_t *p;

    for (size_t i = 0; i < kernel->nr_segments; i++) {
        total += kernel->segments[i].file_len;
    }
    p = total <= XENPV_IMAGE_MAX ? g_try_malloc(total + 1) : NULL;
    if (!p) {
        error_setg(errp, "kernel image too large (%" PRIu64 " MiB)",
                   total >> 20);
        return false;
    }
    kernel->image = p;
    for (size_t i = 0; i < kernel->nr_segments; i++) {
        XenPvSegment *seg = &kernel->segments[i];

        memcpy(p, seg->data, seg->file_len);
        seg->data = p;
        p += seg->file_len;
    }
    return true;
}

bool xenpv_elf_parse(XenPvKernel *kernel, const uint8_t *data, size_t len,
                     Error **errp)
{
    ElfFile elf = { .data = data, .len = len };
    XenPvNotes *notes = &kernel->notes;

    if (!xenpv_is_elf(data, len)) {
        error_setg(errp, "corrupt kernel image (what it unpacks to is no ELF"
                   " image)");
        return false;
    }
    if (!check_machine(&elf, errp) || !check_tables(&elf, errp) ||
        !parse_notes(notes, &elf, errp)) {
        return false;
    }
    if (elf.is_32 && !xenpv_notes_want_pae(notes)) {
        error_setg(errp, "32-bit kernel without PAE (Xen has no other)");
        return false;
    }
    kernel->pae = elf.is_32;
    kernel->guest_os = xenpv_notes_guest_os(notes);
    kernel->virt_base = notes->virt_base;
    kernel->virt_entry = notes->has_entry ? notes->entry
                                          : ehdr_word(&elf, e_entry);
    return collect_segments(kernel, &elf, errp) &&
           check_addresses(kernel, errp) &&
           keep_segments(kernel, errp);
}
