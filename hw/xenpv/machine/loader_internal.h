/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the loader share: buffer, payloads, page-table plan.
 *
 * Reading order: kernel.c, which calls bzimage.c and decompress*.c (file to
 * ELF bytes), then elf_image.c and elf_notes.c (ELF bytes to XenPvKernel);
 * start_of_day.c, which calls start_layout.c and page_tables.c (XenPvKernel to
 * guest memory).
 */
#ifndef HW_XENPV_MACHINE_LOADER_INTERNAL_H
#define HW_XENPV_MACHINE_LOADER_INTERNAL_H

#include "qemu/bswap.h"
#include "hw/xenpv/loader.h"

#define PV_PAGE_SHIFT   12
#define PV_PAGE_SIZE    (1ULL << PV_PAGE_SHIFT)
#define PV_PAGE_MASK    (PV_PAGE_SIZE - 1)

/* From here up a 32-bit guest's addresses are Xen's. */
#define PV_PAE_HOLE     0xf5800000ULL

static inline uint64_t pv_pages(uint64_t bytes)
{
    return (bytes >> PV_PAGE_SHIFT) + !!(bytes & PV_PAGE_MASK);
}

/* ldl_le_p() is signed, and sign extension has no place in sizes. */
static inline uint32_t pv_le32(const void *p)
{
    return ldl_le_p(p);
}

/* True if @off .. @off + @size lies within @len bytes, without overflow. */
static inline bool pv_range_ok(uint64_t off, uint64_t size, uint64_t len)
{
    return off <= len && size <= len - off;
}

/**
 * XenPvBuffer: bytes of a length nobody can be trusted to know beforehand
 * @data: the bytes, g_free() them
 * @len: bytes that mean something
 * @size: bytes allocated
 * @limit: never grows beyond
 */
typedef struct XenPvBuffer {
    uint8_t *data;
    size_t len;
    size_t size;
    size_t limit;
} XenPvBuffer;

/**
 * xenpv_buffer_reserve: make room behind the bytes already there
 * @buf: the buffer
 * @room: bytes wanted free after @len, more than 0
 *
 * Returns: false if that needs more than the limit, or memory is short
 */
bool xenpv_buffer_reserve(XenPvBuffer *buf, size_t room);

/* What is left of an input being picked apart. */
typedef struct XenPvInput {
    const uint8_t *data;
    size_t len;
} XenPvInput;

/* Take @size bytes off the front; NULL, and nothing taken, if there are not. */
static inline const uint8_t *pv_input_take(XenPvInput *in, size_t size)
{
    const uint8_t *p = in->data;

    if (size > in->len) {
        return NULL;
    }
    in->data += size;
    in->len -= size;
    return p;
}

/**
 * XenPvDecode: how decompressing a stream ended
 *
 * Whatever follows the end of the stream is not looked at: Linux appends the
 * uncompressed size there.
 */
typedef enum XenPvDecode {
    XENPV_DECODE_OK,
    XENPV_DECODE_TRUNCATED,     /* the input ends inside the stream */
    XENPV_DECODE_CORRUPT,
    XENPV_DECODE_TOO_LARGE,     /* the buffer's limit, or out of memory */
} XenPvDecode;

/* decompress_lz4.c, decompress_lzop.c: built only if their library is there. */
XenPvDecode xenpv_decode_lz4_legacy(const uint8_t *in, size_t len,
                                    XenPvBuffer *out);
XenPvDecode xenpv_decode_lzop(const uint8_t *in, size_t len, XenPvBuffer *out);

/**
 * XenPvCompression: one way a kernel may be compressed
 * @name: for messages
 * @package: what to install where @decode is missing
 * @magic: first @magic_len bytes of the stream
 * @magic_len: bytes of @magic
 * @decode: NULL if this build lacks the library
 */
typedef struct XenPvCompression {
    const char *name;
    const char *package;
    const char *magic;
    size_t magic_len;
    XenPvDecode (*decode)(const uint8_t *in, size_t len, XenPvBuffer *out);
} XenPvCompression;

/**
 * xenpv_compression_find: recognise a stream by its magic
 * @data: the stream
 * @len: its length in bytes
 *
 * Returns: the row, or NULL if it is none of them
 */
const XenPvCompression *xenpv_compression_find(const uint8_t *data, size_t len);

/**
 * xenpv_decompress: decode a whole stream
 * @kind: from xenpv_compression_find()
 * @data: the stream, which may be followed by other bytes
 * @len: bytes available
 * @out: (out): appended to
 * @errp: set on failure
 */
bool xenpv_decompress(const XenPvCompression *kind, const uint8_t *data,
                      size_t len, XenPvBuffer *out, Error **errp);

/**
 * xenpv_is_bzimage: whether a file carries Linux/x86's setup header
 * @data: the file
 * @len: its length in bytes
 */
bool xenpv_is_bzimage(const uint8_t *data, size_t len);

/**
 * xenpv_bzimage_payload: find the compressed kernel inside a bzImage
 * @data: the file, for which xenpv_is_bzimage() holds
 * @len: its length in bytes
 * @payload: (out): offset of the payload
 * @payload_len: (out): bytes of payload
 * @errp: set on failure
 *
 * Source: Documentation/arch/x86/boot.rst of Linux.
 */
bool xenpv_bzimage_payload(const uint8_t *data, size_t len, size_t *payload,
                           size_t *payload_len, Error **errp);

/* Whether @data starts like an ELF image. */
bool xenpv_is_elf(const uint8_t *data, size_t len);

/**
 * xenpv_elf_parse: judge an ELF image and keep its loadable bytes
 * @kernel: (out): filled except for its filename; partly filled on failure
 * @data: the image; not needed any more afterwards
 * @len: its length in bytes
 * @errp: set on failure
 */
bool xenpv_elf_parse(XenPvKernel *kernel, const uint8_t *data, size_t len,
                     Error **errp);

/**
 * xenpv_notes_parse: pick the Xen notes out of one run of ELF notes
 * @notes: (inout): later notes override earlier ones
 * @data: the run
 * @len: its length in bytes
 * @align: alignment of names and descriptors, 4 or 8
 * @errp: set on failure
 *
 * Returns: the number of Xen notes found, or -1 with @errp set
 */
int xenpv_notes_parse(XenPvNotes *notes, const uint8_t *data, size_t len,
                      unsigned align, Error **errp);

/**
 * xenpv_notes_check: whether notes describe a PV kernel we can start
 * @notes: all notes of the image
 * @errp: set if not, saying what else the image is
 */
bool xenpv_notes_check(const XenPvNotes *notes, Error **errp);

/* Whether the kernel, a 32-bit one, uses PAE. */
bool xenpv_notes_want_pae(const XenPvNotes *notes);

/* Which policy the GUEST_OS note asks for. */
XenPvGuestOs xenpv_notes_guest_os(const XenPvNotes *notes);

/* Release the strings. */
void xenpv_notes_clear(XenPvNotes *notes);

/* start_info.flags: mod_start is a pfn (Xen's SIF_MOD_START_PFN). */
#define PV_SIF_MOD_START_PFN    (1u << 3)

/**
 * XenPvStartInfo: Xen's struct start_info as a 64-bit guest sees it
 *
 * Spelt out with fixed widths because the public header's version has the
 * host's "unsigned long" in it.  All numbers are little-endian.  The domu_
 * names are not plain console_* because the public header defines those as
 * macros.
 */
typedef struct XenPvStartInfo {
    char magic[32];
    uint64_t nr_pages;
    uint64_t shared_info;       /* machine byte address */
    uint32_t flags;
    uint32_t pad0;
    uint64_t store_mfn;
    uint32_t store_evtchn;
    uint32_t pad1;
    uint64_t domu_console_mfn;
    uint32_t domu_console_evtchn;
    uint32_t pad2;
    uint64_t pt_base;           /* VA */
    uint64_t nr_pt_frames;
    uint64_t mfn_list;          /* VA */
    uint64_t mod_start;         /* VA, or pfn with PV_SIF_MOD_START_PFN */
    uint64_t mod_len;           /* bytes */
    char cmd_line[XENPV_CMDLINE_SIZE];
    uint64_t first_p2m_pfn;     /* these two: only if mfn_list is INIT_P2M */
    uint64_t nr_p2m_frames;
} XenPvStartInfo;

QEMU_BUILD_BUG_ON(sizeof(XenPvStartInfo) != 1168);
QEMU_BUILD_BUG_ON(offsetof(XenPvStartInfo, store_mfn) != 56);
QEMU_BUILD_BUG_ON(offsetof(XenPvStartInfo, pt_base) != 88);
QEMU_BUILD_BUG_ON(offsetof(XenPvStartInfo, first_p2m_pfn) != 1152);

/* The same for a 32-bit guest. */
typedef struct XenPvStartInfo32 {
    char magic[32];
    uint32_t nr_pages;
    uint32_t shared_info;
    uint32_t flags;
    uint32_t store_mfn;
    uint32_t store_evtchn;
    uint32_t domu_console_mfn;
    uint32_t domu_console_evtchn;
    uint32_t pt_base;
    uint32_t nr_pt_frames;
    uint32_t mfn_list;
    uint32_t mod_start;
    uint32_t mod_len;
    char cmd_line[XENPV_CMDLINE_SIZE];
    uint32_t first_p2m_pfn;
    uint32_t nr_p2m_frames;
} XenPvStartInfo32;

QEMU_BUILD_BUG_ON(sizeof(XenPvStartInfo32) != 1112);
QEMU_BUILD_BUG_ON(offsetof(XenPvStartInfo32, cmd_line) != 80);

/**
 * XenPvPtMap: a run of VAs and the page tables that map it
 *
 * The tables of each level are contiguous and in VA order, so that the table
 * for a VA is found by arithmetic.  The top table is not part of it.
 *
 * @pae: the top level is 3, not 4
 * @va: first VA mapped, page aligned
 * @pages: number of pages mapped, more than 0
 * @pfn: pfn of the page at @va; the following ones are consecutive
 * @table: table[n] is the pfn of the first table of level n, for those below
 *         the top
 *
 * With PAE there is always an L2 table for the last GiB, part of which is
 * Xen's: behind the other L2 tables if nothing is mapped there.
 */
typedef struct XenPvPtMap {
    bool pae;
    uint64_t va;
    uint64_t pages;
    uint64_t pfn;
    uint64_t table[4];
} XenPvPtMap;

/* The level of the table that is loaded into CR3. */
static inline unsigned xenpv_pt_top(const XenPvPtMap *map)
{
    return map->pae ? 3 : 4;
}

/* Number of tables of @level, below the top, that @map needs. */
uint64_t xenpv_pt_count(const XenPvPtMap *map, unsigned level);

/* Number of tables @map needs on all levels below the top. */
uint64_t xenpv_pt_total(const XenPvPtMap *map);

/**
 * xenpv_pt_place: put the tables of a map at @pfn, highest level first
 *
 * Returns: first pfn after them
 */
uint64_t xenpv_pt_place(XenPvPtMap *map, uint64_t pfn);

/* Whether @map lies in one canonical half and outside of what is Xen's. */
bool xenpv_pt_va_ok(const XenPvPtMap *map);

/**
 * xenpv_pt_write: zero and fill a top table and all tables of two maps
 * @memory: where
 * @top_pfn: the top table
 * @maps: no two of them share a slot of it
 * @nr_maps: number of maps
 * @out: gets the list of frames
 */
void xenpv_pt_write(const XenPvGuestMemory *memory, uint64_t top_pfn,
                    const XenPvPtMap *maps, size_t nr_maps,
                    XenPvStartOfDay *out);

#define PV_STACK_PAGES      1

/* Frame numbers on a page of the P2M list: an unsigned long of the guest's */
static inline unsigned pv_p2m_per_page(const XenPvKernel *kernel)
{
    return PV_PAGE_SIZE / (kernel->pae ? sizeof(uint32_t) : sizeof(uint64_t));
}

/* Where everything goes, as pfns and numbers of pages. */
typedef struct XenPvLayout {
    uint64_t kernel;
    uint64_t kernel_pages;
    uint64_t initrd;
    uint64_t initrd_pages;
    uint64_t p2m;
    uint64_t p2m_pages;
    uint64_t start_info;
    uint64_t store;
    uint64_t console;
    uint64_t top;
    uint64_t stack;
    uint64_t end;
    bool init_p2m;              /* maps[1] exists and holds the P2M list */
    XenPvPtMap maps[2];
} XenPvLayout;

static inline size_t pv_nr_maps(const XenPvLayout *l)
{
    return l->init_p2m ? 2 : 1;
}

static inline uint64_t pv_region_va(const XenPvLayout *l, uint64_t pfn)
{
    return l->maps[0].va + (pfn << PV_PAGE_SHIFT);
}

/**
 * xenpv_layout_plan: decide where everything goes
 * @l: (out): the plan
 * @params: what is to be placed
 * @nr_pages: pages the guest has
 * @errp: set if it does not fit, naming what is too large or too small
 */
bool xenpv_layout_plan(XenPvLayout *l, const XenPvStartParams *params,
                       uint64_t nr_pages, Error **errp);

#endif /* HW_XENPV_MACHINE_LOADER_INTERNAL_H */
