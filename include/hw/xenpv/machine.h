/*
 * The xenpv machine: what its parts need of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside machine/ only.  xenpv-machine.c has the type and its options,
 * emulate.c, create.c and attach.c are its modes, guest-options.c has what the
 * first two make of the command line, guest-ram.c has emulate mode's memory,
 * host-domain.c serves a domain of the
 * real Xen host whatever the machine, monitor-block.c lays out and fills the
 * monitor's memory, vcpu-start.c puts a processor at the monitor's first
 * instruction, vcpu-plug.c has those that come and go, stolen.c knows what the
 * host takes from them, guest-shutdown.c knows what a guest's end means to
 * QEMU, emergency-console.c prints what a guest tells its hypervisor.
 */
#ifndef HW_XENPV_MACHINE_H
#define HW_XENPV_MACHINE_H

#include "exec/memory.h"
#include "hw/resettable.h"
#include "hw/xenpv/loader.h"
#include "hw/xenpv/monitor-abi.h"
#include "qemu/typedefs.h"

/* ---- modes ---- */

/**
 * struct XenPvMachineOptions: what the machine's properties say
 * @strict: guest kernel in ring 3, page tables of its own
 * @store_path: UNIX socket for the guest's xenstore, or NULL
 */
typedef struct XenPvMachineOptions {
    bool strict;
    char *store_path;
} XenPvMachineOptions;

/**
 * struct XenPvMode: who made the domain, and so what there is to do
 * @name: as in mode=NAME
 * @no_ram: somebody else has the guest's memory
 * @init: judge the options, the machine's and @options, which live as long as
 *        the machine, and make everything.  Returns the mode's own state, or
 *        NULL with @errp set: QEMU ends then.
 * @reset: before the first start and whenever the machine is reset; calls
 *         qemu_devices_reset()
 * @free: the end of a machine
 * @pre_plug: as a HotplugHandler's, for processors; this one and the next two
 *            are NULL where none can be plugged
 * @plug: likewise
 * @unplug: likewise; the device may go later
 */
typedef struct XenPvMode {
    const char *name;
    bool no_ram;
    void *(*init)(MachineState *machine, const XenPvMachineOptions *options,
                  Error **errp);
    void (*reset)(void *state, ResetType type);
    void (*free)(void *state);
    void (*pre_plug)(void *state, DeviceState *dev, Error **errp);
    void (*plug)(void *state, DeviceState *dev);
    void (*unplug)(void *state, DeviceState *dev, Error **errp);
} XenPvMode;

/** xenpv_mode_emulate: nobody, there is no Xen */
extern const XenPvMode xenpv_mode_emulate;
/** xenpv_mode_create: QEMU does, on a Xen host */
extern const XenPvMode xenpv_mode_create;
/** xenpv_mode_attach: a toolstack, which has then started us */
extern const XenPvMode xenpv_mode_attach;

typedef struct XenPvBus XenPvBus;

/**
 * xenpv_check_guest_options: judge what a guest of ours is started with
 * @machine: kernel, firmware and memory of it
 * @errp: set on failure, naming the option
 */
bool xenpv_check_guest_options(MachineState *machine, Error **errp);

/**
 * xenpv_add_serial_console: make the guest's hvc0 what -serial says
 * @bus: of the guest
 * @errp: set on failure
 */
bool xenpv_add_serial_console(XenPvBus *bus, Error **errp);

/**
 * xenpv_host_domain_serve: be back ends for a domain of the real Xen host
 * @domid: the domain
 * @errp: set on failure, naming what is missing
 *
 * Opens Xen's interfaces and makes the bus.  What the toolstack and the
 * command line ask for is served from the moment the machine is complete, and
 * what we can serve is in the store before the machine runs.  When QEMU exits
 * everything is let go of.
 *
 * Returns: whether it worked; once per process
 */
bool xenpv_host_domain_serve(uint32_t domid, Error **errp);

/**
 * xenpv_upstream_xen_open: open what the accelerator "xen" writes with
 * @errp: set on failure
 *
 * Before the machine runs first.
 */
bool xenpv_upstream_xen_open(Error **errp);

/* ---- emulate mode ---- */

/**
 * struct XenPvMemoryMap: where guest RAM is
 * @start_pages: pages the guest has at start; pfns count from 0
 * @nr_pages: pages it may have
 * @low_pages: how many of those are below the hole
 *
 * The guest's pages are numbered through, but are not one run of machine
 * frames.
 */
typedef struct XenPvMemoryMap {
    uint64_t start_pages;
    uint64_t nr_pages;
    uint64_t low_pages;
} XenPvMemoryMap;

/**
 * xenpv_memory_map_init: split RAM at the hole
 * @map: (out)
 * @bytes: what the guest has at start
 * @max_bytes: what it may have
 */
void xenpv_memory_map_init(XenPvMemoryMap *map, uint64_t bytes,
                           uint64_t max_bytes);

/**
 * xenpv_pfn_to_mfn: machine frame of a page of the guest
 * @map: guest RAM
 * @pfn: below @map->nr_pages
 */
uint64_t xenpv_pfn_to_mfn(const XenPvMemoryMap *map, uint64_t pfn);

/**
 * xenpv_mfn_to_pfn: position of a machine frame in guest RAM
 * @map: guest RAM
 * @mfn: any number; may come from the guest
 * @pfn: (out): set if @mfn is guest RAM
 *
 * Returns: whether it is.  Not the inverse the guest sees, which may permute
 * its pages: the inverse of where they were at start.
 */
bool xenpv_mfn_to_pfn(const XenPvMemoryMap *map, uint64_t mfn, uint64_t *pfn);

/**
 * xenpv_max_mfn: one more than the highest frame of guest RAM
 * @map: guest RAM
 */
uint64_t xenpv_max_mfn(const XenPvMemoryMap *map);

/**
 * xenpv_map_fits_pae: whether a 32-bit guest can have it
 * @map: where guest RAM is
 *
 * Returns: whether the machine-to-phys table, whose size Xen's interface
 *          fixes for such a guest, has room for all of it
 */
bool xenpv_map_fits_pae(const XenPvMemoryMap *map);

/**
 * struct XenPvRam: guest RAM in QEMU
 * @map: where the guest sees it
 * @start: what the guest has at start, the machine's
 * @rest: what it may be given besides; nothing without maxmem=
 * @all: both
 * @low: of @all, below the hole
 * @high: of @all, above it
 * @start_ptr: host address of @start
 * @rest_ptr: host address of @rest
 */
typedef struct XenPvRam {
    XenPvMemoryMap map;
    MemoryRegion *start;
    MemoryRegion rest;
    MemoryRegion all;
    MemoryRegion low;
    MemoryRegion high;
    uint8_t *start_ptr;
    uint8_t *rest_ptr;
} XenPvRam;

/**
 * xenpv_ram_init: judge -m and plan
 * @ram: zeroed; only @map is set
 * @ms: the machine
 * @errp: set on failure
 *
 * Returns: false with @errp set
 */
bool xenpv_ram_init(XenPvRam *ram, MachineState *ms, Error **errp);

/**
 * xenpv_ram_make: make the memory and let vCPUs have it
 * @ram: from xenpv_ram_init()
 * @ms: the machine
 * @errp: set on failure
 *
 * Returns: false with @errp set
 */
bool xenpv_ram_make(XenPvRam *ram, MachineState *ms, Error **errp);

/**
 * xenpv_ram_ptr: host address of a page
 * @ram: guest RAM
 * @pfn: from xenpv_mfn_to_pfn(), or below map.nr_pages
 *
 * Of this page only: the next may be elsewhere.  Any thread.
 */
void *xenpv_ram_ptr(const XenPvRam *ram, uint64_t pfn);

/**
 * xenpv_ram_written: QEMU has written to a region's memory by itself
 * @mr: the region
 * @ptr: host address in it
 * @len: bytes from there
 */
void xenpv_ram_written(MemoryRegion *mr, void *ptr, uint64_t len);

/**
 * xenpv_ram_page_written: the same for part of one page of the guest's
 * @ram: guest RAM
 * @pfn: below map.nr_pages
 * @offset: in the page
 * @len: bytes; at most to its end
 */
void xenpv_ram_page_written(const XenPvRam *ram, uint64_t pfn,
                            uint32_t offset, uint32_t len);

/**
 * xenpv_ram_discard: the host may have these frames' memory back
 * @ram: guest RAM
 * @mfns: any numbers
 * @nr: how many
 */
void xenpv_ram_discard(const XenPvRam *ram, const uint64_t *mfns, uint32_t nr);

/** xenpv_ram_reset: the guest has what it starts with */
void xenpv_ram_reset(const XenPvRam *ram);

/**
 * struct XenPvBlockLayout: what lies where in the monitor block, in bytes
 * from its start
 * @nr_vcpus: vCPUs it has room for
 * @tables: page tables
 * @types: frame types, one byte each
 * @m2p: machine-to-phys table, aligned for large pages
 * @size: of the block
 */
typedef struct XenPvBlockLayout {
    unsigned nr_vcpus;
    uint64_t tables;
    uint64_t types;
    uint64_t m2p;
    uint64_t size;
} XenPvBlockLayout;

/**
 * xenpv_block_layout: how large the block must be
 * @layout: (out)
 * @map: guest RAM
 * @nr_vcpus: 1..XENPV_MAX_VCPUS
 *
 * Returns: false if it does not fit between the hole's start and the APIC
 */
bool xenpv_block_layout(XenPvBlockLayout *layout, const XenPvMemoryMap *map,
                        unsigned nr_vcpus);

/**
 * xenpv_block_fill: make the block as a vCPU at reset expects it
 * @block: host address of @layout->size bytes
 * @layout: from xenpv_block_layout()
 * @map: guest RAM
 * @guest_flags: XENPV_GUEST_*
 *
 * Image, page tables, machine-to-phys table, and struct xenpv_mon_shared but
 * for the start_ fields, uuid and apic_id.
 */
void xenpv_block_fill(void *block, const XenPvBlockLayout *layout,
                      const XenPvMemoryMap *map, uint32_t guest_flags);

/**
 * xenpv_block_shared: the part both sides talk through
 * @block: host address of the block
 */
static inline struct xenpv_mon_shared *xenpv_block_shared(void *block)
{
    return (void *)((uint8_t *)block + XENPV_OFF_SHARED);
}

/**
 * struct XenPvEmergencyConsole: the hypervisor's console; zeroed at start
 * @line: what has come of the current line
 * @len: bytes of it
 * @credit: lines that may be printed now
 * @dropped: lines that were not
 * @refilled: when @credit was last renewed; host time in ns
 */
typedef struct XenPvEmergencyConsole {
    char line[200];
    size_t len;
    unsigned credit;
    uint64_t dropped;
    int64_t refilled;
} XenPvEmergencyConsole;

/**
 * xenpv_emergency_write: the guest has written to it
 * @con: the console
 * @buf: any bytes
 * @len: how many
 */
void xenpv_emergency_write(XenPvEmergencyConsole *con, const uint8_t *buf,
                           size_t len);

/**
 * xenpv_guest_shutdown: the guest has called SCHEDOP_shutdown
 * @reason: SHUTDOWN_* of Xen's sched.h; may be any number
 *
 * Returns: the result of the hypercall: 1 for a suspend, which did not happen
 */
int xenpv_guest_shutdown(unsigned reason);

/**
 * xenpv_guest_crashed: say why, once a boot, and raise GUEST_PANICKED
 * @why: one printable line
 */
void xenpv_guest_crashed(const char *why);

/** xenpv_guest_restarted: the machine was reset */
void xenpv_guest_restarted(void);

/**
 * xenpv_display_init: make what -vga asks for
 * @bus: the guest's devices
 * @errp: set on failure
 *
 * Returns: false with @errp set
 */
bool xenpv_display_init(XenPvBus *bus, Error **errp);

/**
 * xenpv_display_cmdline: a command line with which a guest shows pictures
 * @bus: the guest's devices, with the sizes that the user wants
 * @cmdline: the user's
 *
 * Returns: (transfer full): with what Linux must be told there, unless the
 *          user has
 */
char *xenpv_display_cmdline(XenPvBus *bus, const char *cmdline);

/**
 * struct XenPvStolen: what the host has taken from the vCPUs; zeroed at start
 * @shared: where the monitor is told
 * @seen: how long each one's thread has waited for a processor so far
 * @next: when to look again
 */
typedef struct XenPvStolen {
    struct xenpv_mon_shared *shared;
    uint64_t seen[XENPV_MAX_VCPUS];
    int64_t next;
} XenPvStolen;

/**
 * xenpv_stolen_init: count from now on
 * @s: zeroed
 * @shared: the monitor's
 */
void xenpv_stolen_init(XenPvStolen *s, struct xenpv_mon_shared *shared);

/** xenpv_stolen_update: tell it, unless it has been told just now */
void xenpv_stolen_update(XenPvStolen *s);

typedef struct ArchCPU X86CPU;

/**
 * xenpv_vcpu_start: put a processor in 64-bit mode at the monitor's start
 * @cpu: a processor just reset
 * @index: its number
 * @boot_cr3: machine address of the page table with the hole
 */
void xenpv_vcpu_start(X86CPU *cpu, unsigned index, uint64_t boot_cr3);

#endif /* HW_XENPV_MACHINE_H */
