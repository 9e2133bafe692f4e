/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading a Xen PV guest without Xen: from a kernel file to start of day.
 *
 * Two steps, both pure functions of their arguments (no QOM, no block layer,
 * no event loop, no globals):
 *
 * 1. xenpv_kernel_load() turns a file into a XenPvKernel: the loadable bytes
 *    of an ELF image and what its Xen notes ask for.  It is kept for
 *    the life of the machine, because every reset builds the guest anew.
 * 2. xenpv_build_start_of_day() writes that kernel, the initial ramdisk and
 *    everything Xen's domain builder would have made (start_info, rings, page
 *    tables, P2M list, boot stack) into guest memory, and reports the initial
 *    register values and which frames are page tables.
 *
 * Rules of the image come from Xen's public elfnote.h and libelf, rules of
 * the layout from the "start-of-day memory layout" comment in public/xen.h.
 *
 * Units: a VA is a guest-virtual byte address; a pfn numbers the guest's own
 * pages 0..nr_pages-1; an mfn numbers machine frames, which in emulate mode
 * are QEMU's guest-physical frames.  Only pfn_to_mfn() relates the two.
 */
#ifndef HW_XENPV_LOADER_H
#define HW_XENPV_LOADER_H

/* Longest file accepted, and longest result of decompressing one (bytes). */
#define XENPV_FILE_MAX          (1ULL << 30)
#define XENPV_IMAGE_MAX         (512ULL << 20)

/* Bytes of start_info.cmd_line, including the terminating NUL. */
#define XENPV_CMDLINE_SIZE      1024

/**
 * enum XenPvGuestOs: which kind of kernel the GUEST_OS note names
 * @XENPV_GUEST_OS_OTHER: none of these
 * @XENPV_GUEST_OS_LINUX: Linux
 * @XENPV_GUEST_OS_MINI_OS: Mini-OS and GRUB, which behave alike
 *
 * Only the machine's policy depends on it (what ring the kernel runs in and
 * how its page tables are treated); the image is loaded the same way.
 */
typedef enum XenPvGuestOs {
    XENPV_GUEST_OS_OTHER,
    XENPV_GUEST_OS_LINUX,
    XENPV_GUEST_OS_MINI_OS,
} XenPvGuestOs;

/**
 * struct XenPvNotes: the Xen ELF notes of a kernel
 *
 * Strings are NULL and numbers 0 when the note is absent.
 *
 * @guest_os: GUEST_OS
 * @guest_version: GUEST_VERSION
 * @loader: LOADER
 * @xen_version: XEN_VERSION
 * @pae_mode: PAE_MODE
 * @features: FEATURES
 * @virt_base: VA of pfn 0
 * @paddr_offset: subtracted from every ELF p_paddr
 * @entry: VA of the first instruction
 * @hypercall_page: VA of a page to fill with hypercall stubs
 * @init_p2m: VA at which the P2M list is to be mapped, outside the image
 * @mod_start_pfn: MOD_START_PFN
 * @supported_features: bitmap of XENFEAT_* the kernel can cope with
 * @suspend_cancel: SUSPEND_CANCEL
 * @phys32_entry: where the kernel can also be started as a PVH guest
 * @has_virt_base: VIRT_BASE is there
 * @has_paddr_offset: PADDR_OFFSET is there
 * @has_entry: ENTRY is there
 * @has_hypercall_page: HYPERCALL_PAGE is there
 * @has_init_p2m: INIT_P2M is there
 * @has_mod_start_pfn: the ramdisk is handed over as a pfn, unmapped
 * @has_supported_features: SUPPORTED_FEATURES is there
 * @has_suspend_cancel: SUSPEND_CANCEL is there
 * @has_phys32_entry: PHYS32_ENTRY is there
 */
typedef struct XenPvNotes {
    char *guest_os;
    char *guest_version;
    char *loader;
    char *xen_version;
    char *pae_mode;
    char *features;
    uint64_t virt_base;
    uint64_t paddr_offset;
    uint64_t entry;
    uint64_t hypercall_page;
    uint64_t init_p2m;
    uint64_t mod_start_pfn;
    uint64_t supported_features;
    uint64_t suspend_cancel;
    uint64_t phys32_entry;
    bool has_virt_base;
    bool has_paddr_offset;
    bool has_entry;
    bool has_hypercall_page;
    bool has_init_p2m;
    bool has_mod_start_pfn;
    bool has_supported_features;
    bool has_suspend_cancel;
    bool has_phys32_entry;
} XenPvNotes;

/**
 * struct XenPvSegment: one loadable piece of the image
 * @vaddr: its VA in the initial mapping (from p_paddr, never from p_vaddr)
 * @data: @file_len bytes, owned by the XenPvKernel
 * @file_len: bytes taken from the file
 * @mem_len: bytes occupied, at least @file_len; the rest is zero
 */
typedef struct XenPvSegment {
    uint64_t vaddr;
    const uint8_t *data;
    uint64_t file_len;
    uint64_t mem_len;
} XenPvSegment;

/**
 * struct XenPvKernel: a kernel that was accepted, ready to be placed
 *
 * Immutable once made; may be read from any thread.
 *
 * @filename: as given, for messages
 * @notes: what the image says about itself
 * @guest_os: the same, judged
 * @pae: a 32-bit kernel, which has three levels of page tables
 * @virt_base: VA of pfn 0 (0 without a VIRT_BASE note)
 * @virt_entry: VA of the first instruction
 * @virt_kstart: lowest VA of any segment
 * @virt_kend: first VA after all segments
 * @segments: the pieces, in file order
 * @nr_segments: how many
 */
typedef struct XenPvKernel {
    char *filename;
    XenPvNotes notes;
    XenPvGuestOs guest_os;
    bool pae;
    uint64_t virt_base;
    uint64_t virt_entry;
    uint64_t virt_kstart;
    uint64_t virt_kend;
    XenPvSegment *segments;
    size_t nr_segments;

    /* private: */
    uint8_t *image;
} XenPvKernel;

/**
 * xenpv_file_read: read a whole file, which need not be seekable
 * @filename: what to read
 * @limit: most bytes to accept
 * @len: (out): number of bytes read
 * @errp: set on failure, naming @filename
 *
 * Returns: (transfer full): the bytes, g_free() them; NULL on failure
 */
uint8_t *xenpv_file_read(const char *filename, size_t limit, size_t *len,
                         Error **errp);

/**
 * xenpv_kernel_load: read and judge a kernel file
 * @filename: a bzImage of boot protocol 2.08 or newer, an ELF image, or an
 *            ELF image compressed with what a bzImage payload may use
 * @errp: set on failure: one line that names @filename
 *
 * Returns: (transfer full): the kernel, or NULL
 */
XenPvKernel *xenpv_kernel_load(const char *filename, Error **errp);

/**
 * xenpv_kernel_parse: as xenpv_kernel_load(), from memory
 * @filename: the name to use in messages
 * @data: the file's bytes; not needed any more afterwards
 * @len: number of bytes
 * @errp: set on failure: one line that names @filename
 *
 * Returns: (transfer full): the kernel, or NULL
 */
XenPvKernel *xenpv_kernel_parse(const char *filename, const uint8_t *data,
                                size_t len, Error **errp);

/**
 * xenpv_kernel_load_elf: the ELF image of a kernel, for other builders
 * @filename: as for xenpv_kernel_load(), which judges it
 * @len: (out): number of bytes
 * @errp: set on failure: one line that names @filename
 *
 * For Xen's own domain builder, which knows fewer ways of compression.
 *
 * Returns: (transfer full): the image, g_free() it; NULL on failure
 */
uint8_t *xenpv_kernel_load_elf(const char *filename, size_t *len,
                               Error **errp);

/**
 * xenpv_kernel_free: forget a kernel
 * @kernel: may be NULL
 */
void xenpv_kernel_free(XenPvKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XenPvKernel, xenpv_kernel_free)

/**
 * struct XenPvGuestMemory: how the builder reaches the guest's memory
 *
 * Nothing is assumed about adjacency: neighbouring pfns may be far apart both
 * as machine frames and as host memory (there is a hole below 4 GiB).
 *
 * @nr_pages: the guest has pfns 0..@nr_pages-1
 * @pfn_to_mfn: machine frame of a pfn below @nr_pages
 * @pfn_to_ptr: host address of that page's 4096 bytes; never NULL
 * @opaque: first argument of both
 */
typedef struct XenPvGuestMemory {
    uint64_t nr_pages;
    uint64_t (*pfn_to_mfn)(void *opaque, uint64_t pfn);
    void *(*pfn_to_ptr)(void *opaque, uint64_t pfn);
    void *opaque;
} XenPvGuestMemory;

/**
 * struct XenPvStartParams: what the guest is started with
 *
 * Borrowed for the duration of the call.
 *
 * @kernel: from xenpv_kernel_load()
 * @initrd: @initrd_len bytes handed over untouched, or NULL
 * @initrd_len: length of @initrd in bytes
 * @initrd_filename: its name, for messages
 * @cmdline: kernel command line, or NULL
 * @shared_info_maddr: machine byte address of the shared_info page
 * @store_evtchn: xenstore's event channel, never 0 for Linux
 * @console_evtchn: the primary console's event channel, never 0 for Linux
 * @flags: SIF_* bits; SIF_MOD_START_PFN is added when the kernel asks for it
 */
typedef struct XenPvStartParams {
    const XenPvKernel *kernel;
    const void *initrd;
    size_t initrd_len;
    const char *initrd_filename;
    const char *cmdline;
    uint64_t shared_info_maddr;
    uint32_t store_evtchn;
    uint32_t console_evtchn;
    uint32_t flags;
} XenPvStartParams;

/**
 * struct XenPvPageTableFrame: a frame the builder filled as a page table
 * @pfn: which
 * @level: 1 (maps pages) to 4, or 3 with PAE (loaded into CR3)
 */
typedef struct XenPvPageTableFrame {
    uint64_t pfn;
    unsigned level;
} XenPvPageTableFrame;

/**
 * struct XenPvStartOfDay: where everything went
 *
 * @rip: initial register; all general registers not named here are 0
 * @rsp: initial register
 * @rsi: initial register
 * @cr3_mfn: the top table, L4 or with PAE L3, which counts as pinned
 * @start_info_pfn: the page of that name
 * @store_pfn: xenstore's page
 * @store_mfn: the same as a machine frame
 * @console_pfn: the primary console's page
 * @console_mfn: the same as a machine frame
 * @has_hypercall_page: whether the next two mean anything
 * @hypercall_page_va: the filled stub page
 * @hypercall_page_pfn: its frame
 * @p2m_pfn: first frame of the P2M list
 * @p2m_va: where it is mapped
 * @pt_base_va: VA of the top table
 * @mapped_end_va: first VA after the initial region (0 if that is 2^64)
 * @initrd_pfn: first page of the ramdisk, if there is one
 * @end_pfn: pages from here to the end of memory were not touched
 * @tables: every page-table frame, also those that map the P2M list
 * @nr_tables: entries in @tables
 */
typedef struct XenPvStartOfDay {
    uint64_t rip;
    uint64_t rsp;
    uint64_t rsi;
    uint64_t cr3_mfn;
    uint64_t start_info_pfn;
    uint64_t store_pfn;
    uint64_t store_mfn;
    uint64_t console_pfn;
    uint64_t console_mfn;
    bool has_hypercall_page;
    uint64_t hypercall_page_va;
    uint64_t hypercall_page_pfn;
    uint64_t p2m_pfn;
    uint64_t p2m_va;
    uint64_t pt_base_va;
    uint64_t mapped_end_va;
    uint64_t initrd_pfn;
    uint64_t end_pfn;
    XenPvPageTableFrame *tables;
    size_t nr_tables;
} XenPvStartOfDay;

/**
 * xenpv_build_start_of_day: write a guest's initial image into its memory
 * @params: what to start, with what
 * @memory: where
 * @out: (out): where everything went; xenpv_start_of_day_clear() it
 * @errp: set on failure: one line naming the option or file at fault
 *
 * Every page the guest is told about is written in full, so memory may hold
 * an earlier run's data.  Nothing is written unless everything fits.  L4
 * slots 256..271 (Xen's own) are left empty for the caller to fill.
 *
 * Context: the vCPUs are stopped.
 * Returns: true, or false with @errp set and @memory untouched
 */
bool xenpv_build_start_of_day(const XenPvStartParams *params,
                              const XenPvGuestMemory *memory,
                              XenPvStartOfDay *out, Error **errp);

/**
 * xenpv_start_of_day_clear: release what @sod owns
 * @sod: zeroed afterwards
 */
void xenpv_start_of_day_clear(XenPvStartOfDay *sod);

#endif /* HW_XENPV_LOADER_H */
