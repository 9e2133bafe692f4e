/*
 * What QEMU and the monitor inside the VM say to each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Dual use: included by QEMU and by the freestanding monitor in
 * pc-bios/xenner.  C99 and <stdint.h> only.  Both are built from one tree and
 * the monitor is embedded in the QEMU binary, so the two never differ; the
 * version below exists for saved state.
 *
 * There is no trust in either direction beyond this header: whatever the
 * monitor writes, a guest that has taken over the VM may have written.  QEMU
 * copies once, then judges.
 *
 * Guest-physical memory
 *
 *   0        .. 2 MiB     nothing
 *   2 MiB    .. RAM_HOLE  guest RAM; pfn 0 starts here, so mfn = pfn + 512
 *   RAM_HOLE .. +size     the monitor block, described below
 *   0xfee00000            local APIC
 *   4 GiB    ..           the rest of guest RAM
 *
 * Virtual memory: sixteen top-level slots, the hole every 64-bit PV guest
 * leaves to its hypervisor.  They are the same in every page table.  A 32-bit
 * guest is below all of them, on a top-level table of the monitor's for each
 * vCPU, and has the machine-to-phys table, entries of 32 bits, from
 * M2P_VA_PAE on as well.
 *
 *   slot 256   the machine-to-phys table, read-only
 *   slot 257   the monitor block, linear; from PERCPU_VA on one 2 MiB window
 *              for each vCPU
 *   slot 264.. everything guest-physical, linear
 *
 * The monitor block: offsets are constant up to OFF_PERCPU, then computed by
 * QEMU, which fills the block anew at every reset, builds these page tables
 * and starts each vCPU in 64-bit mode at the image's first byte.
 */
#ifndef HW_XENPV_MONITOR_ABI_H
#define HW_XENPV_MONITOR_ABI_H

#include <stdint.h>

#define XENPV_ABI_MAGIC         0x6e6f4d76506e6558ull   /* "XenPvMon" */
#define XENPV_ABI_VERSION       4

#define XENPV_MAX_VCPUS         64

/* Guest-physical layout, in bytes */
#define XENPV_RAM_LOW           0x00200000ull
#define XENPV_RAM_HOLE          0xe0000000ull
#define XENPV_RAM_HIGH          0x100000000ull
#define XENPV_APIC_GPA          0xfee00000ull

/* Virtual layout */
#define XENPV_M2P_VA            0xffff800000000000ull
#define XENPV_MONITOR_VA        0xffff808000000000ull
#define XENPV_PERCPU_VA         0xffff80c000000000ull
#define XENPV_PERCPU_STRIDE     0x200000ull
#define XENPV_DIRECT_VA         0xffff840000000000ull
#define XENPV_M2P_VA_PAE        0xf5800000ull
#define XENPV_M2P_END_PAE       0xf6800000ull
#define XENPV_HOLE_FIRST_SLOT   256
#define XENPV_HOLE_LAST_SLOT    271

/* Monitor block: fixed offsets */
#define XENPV_OFF_IMAGE         0x000000
#define XENPV_MON_IMAGE_MAX         0x080000
#define XENPV_OFF_SHARED        0x080000    /* struct xenpv_mon_shared */
#define XENPV_OFF_PORTS         0x090000    /* struct xenpv_mon_port[] */
#define XENPV_OFF_SHARED_INFO   0x0a0000    /* Xen's struct shared_info */
#define XENPV_OFF_MAILBOX       0x0b0000    /* a page for each vCPU */
#define XENPV_OFF_GRANT         0x0f0000    /* grant table frames */
#define XENPV_GRANT_FRAMES      64
#define XENPV_OFF_PERCPU        0x130000    /* PERCPU_SIZE for each vCPU */

/*
 * A vCPU's share of the block, and where its window shows it.  The window's
 * first pages are the descriptor table: FIRST_RESERVED_GDT_PAGE (14) frames
 * of the guest's, then two of the monitor's.
 */
#define XENPV_PERCPU_SIZE       0x10000
#define XENPV_PERCPU_OFF_GDT    0x00000     /* 2 pages: GDT pages 14, 15 */
#define XENPV_PERCPU_OFF_L1     0x02000     /* page table of the window */
#define XENPV_PERCPU_OFF_TSS    0x03000     /* TSS, then the entry stub */
#define XENPV_PERCPU_OFF_ZERO   0x04000     /* GDT pages with no frame */
#define XENPV_PERCPU_OFF_IST    0x05000     /* 3 pages: NMI, DF, MC */
#define XENPV_PERCPU_OFF_L4     0x08000     /* 32-bit guests: CR3 ... */
#define XENPV_PERCPU_OFF_L3     0x09000     /* ... and what its slot 0 holds */
#define XENPV_PERCPU_OFF_STACK  0x0a000     /* 16 KiB, up to OFF_VCPU */
#define XENPV_PERCPU_OFF_VCPU   0x0e000     /* initial stack pointer */

/* Its code segment, for the start */
#define XENPV_MONITOR_CS        0xe008

#define XENPV_WIN_GDT           0x00000     /* 16 pages */
#define XENPV_WIN_LDT           0x10000     /* 16 pages */

/* Doorbells: 32-bit port writes.  The guest kernel has no access to ports. */
#define XENPV_PORT_CALL         0x7e00      /* value: vCPU */
#define XENPV_PORT_SEND         0x7e04      /* value: event channel port */

/* Vectors on the local APIC */
#define XENPV_VECTOR_EVENT      0xf0        /* look at xenpv_mon_kick */
#define XENPV_VECTOR_TIMER      0xf1
#define XENPV_VECTOR_FLUSH      0xf2
#define XENPV_VECTOR_SPURIOUS   0xff

/**
 * struct xenpv_mon_kick: QEMU to one vCPU
 * @pending_sel: words of shared_info.evtchn_pending in which QEMU has set an
 *               unmasked bit for a port bound to this vCPU.  QEMU sets bits
 *               and then raises XENPV_VECTOR_EVENT; the monitor takes them
 *               with one exchange and puts them into vcpu_info.  So QEMU need
 *               not know where the guest keeps its vcpu_info.
 * @resync: set by QEMU when the clock was stopped or moved
 * @pad0: zero
 * @stolen: ns for which the vCPU could have run and the host ran something
 *          else; only grows, about once a second
 * @pad: to a cache line
 */
struct xenpv_mon_kick {
    uint64_t pending_sel;
    uint32_t resync;
    uint32_t pad0;
    uint64_t stolen;
    uint32_t pad[10];
};

/* Frame types, one byte for each mfn of guest RAM, from shared.types_off */
#define XENPV_FRAME_L1          0x01    /* level 1 of page tables */
#define XENPV_FRAME_L2          0x02
#define XENPV_FRAME_L3          0x04
#define XENPV_FRAME_L4          0x08
#define XENPV_FRAME_GOING       0x40    /* being given back by the guest */
#define XENPV_FRAME_FREE        0x80    /* given back */

#define XENPV_GUEST_LINUX       0x0001  /* one CR3; lazy write access */
#define XENPV_GUEST_STRICT      0x0002  /* ring 3, two CR3s, as Xen does */
#define XENPV_GUEST_PAE         0x0004  /* 32 bits, three levels; alone */

/**
 * struct xenpv_mon_shared: what the monitor must know, written by QEMU at
 * reset before any vCPU runs
 * @magic: XENPV_ABI_MAGIC
 * @version: XENPV_ABI_VERSION
 * @nr_vcpus: vCPUs that exist
 * @guest_flags: XENPV_GUEST_*
 * @block_gpa: where this block is
 * @block_size: its size in bytes
 * @ram_low_end: end of guest RAM below the hole
 * @ram_high_end: end of guest RAM above 4 GiB; 4 GiB if there is none
 * @nr_pages: pages the guest was given at start
 * @max_pages: pages it may have
 * @max_mfn: one more than the highest mfn of guest RAM; entries in the
 *           machine-to-phys and the type table
 * @m2p_off: offset of the machine-to-phys table in the block
 * @types_off: offset of the type table in the block
 * @boot_cr3: machine address of the page table holding only the hole
 * @start_rip: the guest's first instruction
 * @start_rsp: its stack pointer
 * @start_rsi: address of start_info
 * @start_cr3: machine address of its top-level page table
 * @uuid: answer to XENVER_guest_handle
 * @apic_id: local APIC id of each vCPU
 * @grant_frames: grant table frames in use; written by the monitor
 * @poll_mask: vCPUs that sleep in SCHEDOP_poll and want to be told of every
 *             port, masked, or of another vCPU's; written by the monitor
 * @free_pages: how many of max_pages the guest does not have; kept by the
 *              monitor
 * @up_mask: vCPUs that the guest has up; kept by the monitor
 * @pad: to the next cache line
 * @kick: see above
 */
struct xenpv_mon_shared {
    uint64_t magic;
    uint32_t version;
    uint32_t nr_vcpus;
    uint32_t guest_flags;
    uint32_t grant_frames;
    uint64_t block_gpa;
    uint64_t block_size;
    uint64_t ram_low_end;
    uint64_t ram_high_end;
    uint64_t nr_pages;
    uint64_t max_pages;
    uint64_t max_mfn;
    uint64_t m2p_off;
    uint64_t types_off;
    uint64_t boot_cr3;
    uint64_t start_rip;
    uint64_t start_rsp;
    uint64_t start_rsi;
    uint64_t start_cr3;
    uint8_t uuid[16];
    uint32_t apic_id[XENPV_MAX_VCPUS];
    uint64_t poll_mask;
    uint64_t free_pages;
    uint64_t up_mask;
    uint8_t pad[128 - 16 - 16 - 8 - 8];
    struct xenpv_mon_kick kick[XENPV_MAX_VCPUS];
};

/* Port types in xenpv_mon_port, as EVTCHNSTAT_* of Xen's event_channel.h */
#define XENPV_PORT_FREE         0
#define XENPV_PORT_UNBOUND      1
#define XENPV_PORT_INTERDOMAIN  2
#define XENPV_PORT_PIRQ         3
#define XENPV_PORT_VIRQ         4
#define XENPV_PORT_IPI          5

#define XENPV_NR_PORTS          4096
#define XENPV_NR_PORTS32        1024    /* of a 32-bit guest */

/**
 * struct xenpv_mon_port: one event channel port of the guest
 * @type: XENPV_PORT_*
 * @vcpu: which vCPU is told
 * @virq: for XENPV_PORT_VIRQ
 * @pad: 0
 *
 * Written by QEMU only, which owns the ports.  The monitor reads it to send
 * IPIs and timer interrupts without leaving the VM.
 */
struct xenpv_mon_port {
    uint8_t type;
    uint8_t vcpu;
    uint8_t virq;
    uint8_t pad;
};

/**
 * struct xenpv_mailbox: one call from a vCPU to QEMU
 * @nr: XENPV_CALL_*
 * @subop: depends on @nr
 * @arg: depends on @nr
 * @ret: result, 0 or positive, or a negative errno as in Xen's errno.h
 * @len: bytes used in @data
 * @pad: 0
 * @data: structures, both ways; copied by the monitor from and to the guest
 *
 * The write to XENPV_PORT_CALL returns when the call is done.
 */
struct xenpv_mailbox {
    uint32_t nr;
    uint32_t subop;
    uint64_t arg[4];
    int64_t ret;
    uint32_t len;
    uint32_t pad;
    uint8_t data[4096 - 56];
};

/*
 * Calls.  "in" and "out" name what is in data.
 *
 *  EVTCHN    subop EVTCHNOP_*; in and out: the structure of that operation.
 *            All but send and unmask, which the monitor does itself.
 *  SHUTDOWN  arg[0] SHUTDOWN_* reason, arg[1] mfn of start_info for suspend.
 *            Returns 1 for a suspend that did not happen.
 *  WRITE     in: len bytes for the emergency console
 *  READ      arg[0] room; out: len bytes; returns their number
 *  CLOCK     out: struct xenpv_mon_clock
 *  LOG       subop XENPV_LOG_*; arg[] depends on it; a trace event
 *  PANIC     in: a line of text.  Does not return.
 *  DISCARD   in: len / 8 mfns whose contents are no longer needed
 *  BALLOON   the guest has taken or given back pages: see shared.free_pages
 *  DOWN      the guest has taken a vCPU down: see shared.up_mask
 */
#define XENPV_CALL_EVTCHN       1
#define XENPV_CALL_SHUTDOWN     2
#define XENPV_CALL_WRITE        3
#define XENPV_CALL_READ         4
#define XENPV_CALL_CLOCK        5
#define XENPV_CALL_LOG          6
#define XENPV_CALL_PANIC        7
#define XENPV_CALL_DISCARD      8
#define XENPV_CALL_BALLOON      9
#define XENPV_CALL_DOWN         10

#define XENPV_LOG_HYPERCALL     1   /* unknown: number, first arg, rip */
#define XENPV_LOG_SUBOP         2   /* unknown: number, subop, rip */
#define XENPV_LOG_RDMSR         3   /* refused: index, 0, rip */
#define XENPV_LOG_WRMSR         4   /* refused: index, value, rip */
#define XENPV_LOG_PRIVOP        5   /* refused: first 8 bytes, 0, rip */
#define XENPV_LOG_IO            6   /* dropped: port, size << 1 | write, rip */
#define XENPV_LOG_MMU           7   /* refused: pointer, value, rip */

/**
 * struct xenpv_mon_clock: answer to XENPV_CALL_CLOCK
 * @ns: nanoseconds since the VM was started; stands still while it is paused
 * @wall_ns: wall clock time, in ns since 1970, at which @ns was 0
 * @tsc_khz: rate of the vCPUs' time stamp counter, in kHz
 */
struct xenpv_mon_clock {
    uint64_t ns;
    uint64_t wall_ns;
    uint64_t tsc_khz;
};

#endif /* HW_XENPV_MONITOR_ABI_H */
