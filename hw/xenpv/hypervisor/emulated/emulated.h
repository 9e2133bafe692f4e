/*
 * The emulated hypervisor: QEMU plays Xen's part for the guest it runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For the machine, which creates one, and for unit tests.  Everybody else
 * sees only the XenPvHv it implements.  Reading order: XenPvEmuHooks (what
 * the machine must supply), XenPvEmuConfig, then the life of an emulation:
 *
 *   xenpv_emu_new()              once, at machine init
 *   xenpv_emu_add_doorbells()    once
 *   xenpv_emu_socket_open()      once, if the user wants a socket
 *   at every machine reset, after the monitor block was filled anew:
 *     xenpv_emu_reset()
 *     xenpv_emu_alloc_port()     for the store (1) and the console (2)
 *     xenpv_emu_store_attach()   the guest's store page
 *     xenpv_emu_write_domain()   what a toolstack writes for a domain
 *   xenpv_emu_free()             at exit
 *
 * Threads: the BQL is held in every call unless "any thread" is said.
 */
#ifndef HW_XENPV_EMULATED_H
#define HW_XENPV_EMULATED_H

#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/hypervisor/domain-nodes.h"
#include "hw/xenpv/monitor-abi.h"
#include "qom/object.h"

typedef struct XenPvEmu XenPvEmu;
typedef struct MemoryRegion MemoryRegion;

/* The ports a domain builder allocates first. */
#define XENPV_EMU_STORE_PORT    1
#define XENPV_EMU_CONSOLE_PORT  2

/**
 * XenPvEmuHooks: what the emulation asks of the machine
 *
 * All are mandatory.  @opaque is XenPvEmuConfig.opaque.
 */
typedef struct XenPvEmuHooks {
    /**
     * @frame_ptr: host address of a frame of guest RAM, page aligned and
     * valid as long as the machine lives; NULL for any other number.  The
     * number comes from the guest.  Any thread.
     */
    void *(*frame_ptr)(void *opaque, uint64_t mfn);
    /**
     * @frame_dirty: we have written to guest RAM through @frame_ptr.  To be
     * treated as DMA: mark it for migration and drop code translated from
     * it.  Any thread.
     */
    void (*frame_dirty)(void *opaque, uint64_t mfn, uint32_t offset,
                        uint32_t len);
    /**
     * @kick: raise XENPV_VECTOR_EVENT on a vCPU.  Called with the BQL held,
     * or from any thread when XenPvEmuConfig.kick_any_thread is set.
     */
    void (*kick)(void *opaque, unsigned vcpu);
    /**
     * @shutdown: SCHEDOP_shutdown with SHUTDOWN_* @reason.  Returns the
     * result of the hypercall (1 for a suspend that did not happen).
     */
    int (*shutdown)(void *opaque, unsigned reason, uint64_t arg);
    /** @console_write: bytes for the emergency console */
    void (*console_write)(void *opaque, const uint8_t *buf, uint32_t len);
    /** @console_read: returns the number of bytes put into @buf */
    uint32_t (*console_read)(void *opaque, uint8_t *buf, uint32_t room);
    /** @clock: fill in the time */
    void (*clock)(void *opaque, struct xenpv_mon_clock *clock);
    /** @panic: the monitor gave up; @text is one printable line */
    void (*panic)(void *opaque, const char *text);
    /** @discard: contents of these frames are not needed; not judged yet */
    void (*discard)(void *opaque, const uint64_t *mfns, uint32_t nr);
    /** @balloon: the guest has more pages, or fewer */
    void (*balloon)(void *opaque);
    /** @down: the guest has fewer vCPUs up */
    void (*down)(void *opaque);
} XenPvEmuHooks;

/**
 * XenPvEmuConfig: one guest
 * @guest: its domain id
 * @nr_vcpus: 1..XENPV_MAX_VCPUS
 * @shared: the block's struct xenpv_mon_shared
 * @ports: the block's XENPV_NR_PORTS port entries
 * @shared_info: the block's struct shared_info, a page
 * @grants: the block's grant table, XENPV_GRANT_FRAMES pages
 * @mailboxes: the block's mailboxes, a page for each vCPU
 * @kick_any_thread: the kick hook needs no BQL
 * @hooks: the machine's functions
 * @opaque: for them
 *
 * All pointers stay valid as long as the emulation lives.
 */
typedef struct XenPvEmuConfig {
    XenPvDomid guest;
    unsigned nr_vcpus;
    struct xenpv_mon_shared *shared;
    struct xenpv_mon_port *ports;
    void *shared_info;
    void *grants;
    void *mailboxes;
    bool kick_any_thread;
    const XenPvEmuHooks *hooks;
    void *opaque;
} XenPvEmuConfig;

/**
 * xenpv_emu_new: create an emulated hypervisor
 * @config: copied
 * @errp: set on failure
 *
 * Returns: (transfer full): the emulation, or NULL with @errp set
 */
XenPvEmu *xenpv_emu_new(const XenPvEmuConfig *config, Error **errp);

/**
 * xenpv_emu_free: the end; no handle may be live any more
 */
void xenpv_emu_free(XenPvEmu *emu);

/**
 * xenpv_emu_hv: the lower seam's view of @emu
 */
XenPvHv *xenpv_emu_hv(XenPvEmu *emu);

/**
 * xenpv_emu_reset: forget the guest
 *
 * All ports are closed, all grants in use forgotten, the guest's store
 * connection with its watches and transactions is dropped.  Handles of
 * drivers stay valid but lead nowhere: they are unbound and unmapped as
 * always.  Store contents stay until xenpv_emu_write_domain().
 *
 * No vCPU may be running.
 */
void xenpv_emu_reset(XenPvEmu *emu);

/**
 * xenpv_emu_alloc_port: open a port of the guest on its behalf
 * @remote: the domain that may bind to it
 *
 * What a domain builder does for the store and the console.
 *
 * Returns: the lowest free port, or 0 if there is none
 */
uint32_t xenpv_emu_alloc_port(XenPvEmu *emu, XenPvDomid remote);

/**
 * xenpv_emu_raise_virq: make a VIRQ pending if the guest has bound it
 * @virq: VIRQ_*
 * @vcpu: whose, for those that exist per vCPU
 */
void xenpv_emu_raise_virq(XenPvEmu *emu, unsigned virq, unsigned vcpu);

/**
 * xenpv_emu_grant_seed: enter a grant on the guest's behalf
 * @ref: one of the eight reserved references
 * @domid: who may map the frame
 * @mfn: the frame
 *
 * A builder does so for the store's and the console's page.
 */
void xenpv_emu_grant_seed(XenPvEmu *emu, uint32_t ref, XenPvDomid domid,
                          uint32_t mfn);

/**
 * xenpv_emu_add_doorbells: put the doorbell ports into an I/O space
 * @io: system I/O
 * @owner: owner of the memory regions
 */
void xenpv_emu_add_doorbells(XenPvEmu *emu, MemoryRegion *io, Object *owner);

/**
 * xenpv_emu_call: XENPV_PORT_CALL was written
 * @vcpu: the value; not judged yet
 */
void xenpv_emu_call(XenPvEmu *emu, uint32_t vcpu);

/**
 * xenpv_emu_send: XENPV_PORT_SEND was written
 * @port: the value; not judged yet
 *
 * Any thread: needs no BQL.
 */
void xenpv_emu_send(XenPvEmu *emu, uint32_t port);

/**
 * xenpv_emu_store_attach: serve a store page
 * @mfn: the frame of the guest's struct xenstore_domain_interface
 * @port: the guest's event channel port, open for domain 0
 * @errp: set on failure
 *
 * Lasts until xenpv_emu_reset() or xenpv_emu_free().
 */
bool xenpv_emu_store_attach(XenPvEmu *emu, uint64_t mfn, uint32_t port,
                            Error **errp);

/**
 * xenpv_emu_socket_open: serve the store on a UNIX socket
 * @path: of the socket; a stale one is replaced
 * @errp: set on failure, names @path
 *
 * The socket speaks xenstored's protocol and trusts its clients as domain 0:
 * only the user may connect.  It is removed by xenpv_emu_free().
 */
bool xenpv_emu_socket_open(XenPvEmu *emu, const char *path, Error **errp);

/* What a toolstack tells a domain about itself; @guest is known. */
typedef XenPvDomainNodes XenPvEmuDomain;

/**
 * xenpv_emu_write_domain: write the domain's nodes, with libxl's permissions
 *
 * What the guest has left behind in its own folder is removed, but not
 * "device": front end nodes belong to the backend core.
 */
void xenpv_emu_write_domain(XenPvEmu *emu, const XenPvEmuDomain *domain);

/**
 * xenpv_emu_request_shutdown: ask the guest to go
 * @reason: "poweroff", "reboot", "halt" or "suspend"
 *
 * Returns: 0 or a negative errno
 */
int xenpv_emu_request_shutdown(XenPvEmu *emu, const char *reason);

/**
 * xenpv_emu_request_memory: ask the guest to have that much
 *
 * Returns: 0 or a negative errno
 */
int xenpv_emu_request_memory(XenPvEmu *emu, uint64_t kib);

/**
 * xenpv_emu_request_vcpu: ask the guest to use a vCPU, or to let go of it
 * @vcpu: below nr_vcpus
 *
 * Returns: 0 or a negative errno
 */
int xenpv_emu_request_vcpu(XenPvEmu *emu, unsigned vcpu, bool online);

/* ---- saving and loading the guest ---- */

/**
 * xenpv_emu_hold: the guest's memory is about to be saved, for the last time
 *
 * What is mapped is marked as written to, and until xenpv_emu_go_on() nothing
 * of the guest's store ring is looked at.  No vCPU runs, no request of a
 * driver's is under way.
 */
void xenpv_emu_hold(XenPvEmu *emu);

/** xenpv_emu_go_on: vCPUs will run */
void xenpv_emu_go_on(XenPvEmu *emu);

/**
 * xenpv_emu_save: what is not in guest memory
 *
 * Returns: (transfer full): for xenpv_emu_load()
 */
GByteArray *xenpv_emu_save(XenPvEmu *emu);

/**
 * xenpv_emu_load: go on as the emulation that was saved
 * @data: not judged yet
 * @len: its length
 * @errp: set on failure; there is no guest then, and xenpv_emu_reset() is next
 *
 * As after xenpv_emu_hold(): vCPUs do not run yet.
 *
 * Between xenpv_emu_reset(), which comes before guest memory is loaded, since
 * it writes there, and the drivers, which bind and map anew.  Guest memory has
 * been loaded.
 */
bool xenpv_emu_load(XenPvEmu *emu, const uint8_t *data, size_t len,
                    Error **errp);

/** xenpv_emu_kick_all: every vCPU is to look at its events and at the clock */
void xenpv_emu_kick_all(XenPvEmu *emu);

#endif /* HW_XENPV_EMULATED_H */
