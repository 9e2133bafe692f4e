/*
 * The lower seam: how store, event channels, grants and pages are reached.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A hypervisor is one const table of operations.  There are three of them:
 *
 *   emulated  there is no Xen; QEMU plays its part for the guest it runs
 *   libxen    a real Xen host, through its libraries
 *   fake      in-process, for unit tests only
 *
 * Everything above this header (core, drivers, machine) asks the table and
 * never asks which hypervisor it has.  Where real Xen and the emulation
 * differ, the difference is an operation here.
 *
 * Rules for every implementation
 *
 *  - Ownership.  Returned strings are g_malloc()ed and the caller's; lists are
 *    GStrv and the caller's.  Arguments stay the caller's.
 *  - Errors.  Set-up calls take an Error ** and return NULL or false with it
 *    set.  Hot calls (notify, ack, copy) never allocate and never format; they
 *    return 0 or a negative errno.
 *  - Handles (maps, channels, watches) are typed, know their domain, size and
 *    use count, and are released exactly once by the matching call.  A map
 *    either succeeds and is counted, or leaves no trace.
 *  - Bounds.  A copy checks every segment against its page itself and reports
 *    one status per segment.  No argument that came from a guest may lead to
 *    an assertion.
 *  - Threads.  Every call is made with the BQL held, except those marked "any
 *    thread", which an IOThread may make for the handles it was given.
 *  - Re-entrancy.  No call invokes a watch or event callback before it has
 *    returned: callbacks come from the event loop only.
 */
#ifndef HW_XENPV_HYPERVISOR_H
#define HW_XENPV_HYPERVISOR_H

#include "qapi/error.h"
#include "qemu/event_notifier.h"

/*
 * Domain ids as Xen's public xen.h has them.  The guest of emulate mode is
 * domain 1 and QEMU speaks as domain 0.
 */
typedef uint16_t XenPvDomid;

/* Xen's DOMID_FIRST_RESERVED: no domain has this number or a larger one. */
#define XENPV_DOMID_END 0x7ff0

#define XENPV_PAGE_SHIFT 12
#define XENPV_PAGE_SIZE  (1u << XENPV_PAGE_SHIFT)

/* The most pages one grant map may have: blkif's largest ring. */
#define XENPV_MAX_MAP_PAGES 16

typedef struct XenPvHv XenPvHv;
typedef struct XenPvHvOps XenPvHvOps;
typedef struct XenPvStoreTx XenPvStoreTx;

/**
 * struct XenPvPerm: access rights of one store node, for one domain
 * @domid: whose rights
 * @read: may read
 * @write: may write
 *
 * As in xenstored's own protocol the first entry of a list names the owner,
 * who may do everything, and the rights of every domain not listed.
 */
typedef struct XenPvPerm {
    XenPvDomid domid;
    bool read;
    bool write;
} XenPvPerm;

/**
 * XenPvWatchFn: a watched path or something below it has changed
 * @opaque: as given to the watch call
 * @path: the path that changed, in the form the watch was set in
 *
 * Fires once right after the watch is set.  Several changes of one path may
 * be folded into one call.  Context: main loop, BQL held.
 */
typedef void XenPvWatchFn(void *opaque, const char *path);

/**
 * struct XenPvWatch: a live watch
 * @hv: whose watch this is
 * @path: what is watched
 * @fn: called on change
 * @opaque: for @fn
 *
 * Implementations embed it as the first member of their own.
 */
typedef struct XenPvWatch {
    XenPvHv *hv;
    char *path;
    XenPvWatchFn *fn;
    void *opaque;
} XenPvWatch;

/**
 * struct XenPvChannel: our end of one interdomain event channel
 * @hv: whose channel this is
 * @domid: the domain at the other end
 * @remote_port: its port
 * @local_port: our port
 * @notifier: readable when an event may be pending; what an AioContext waits
 *            for.  Owned by the channel.
 *
 * Implementations embed it as the first member of their own.
 */
typedef struct XenPvChannel {
    XenPvHv *hv;
    XenPvDomid domid;
    uint32_t remote_port;
    uint32_t local_port;
    EventNotifier *notifier;
} XenPvChannel;

/**
 * struct XenPvMap: pages of another domain, mapped here
 * @hv: whose map this is
 * @domid: the domain the pages belong to
 * @nr_pages: 1..XENPV_MAX_MAP_PAGES for grants, any number for frames
 * @page: host address of each page; @nr_pages entries
 * @base: host address of all pages in one contiguous range, or NULL where
 *        they are not contiguous (the emulation hands out guest RAM as it
 *        lies).  Ring code works on either.
 * @readonly: mapped without write access
 *
 * Implementations embed it as the first member of their own.
 */
typedef struct XenPvMap {
    XenPvHv *hv;
    XenPvDomid domid;
    uint32_t nr_pages;
    void **page;
    void *base;
    bool readonly;
} XenPvMap;

/**
 * struct XenPvCopySeg: one segment of a grant copy
 * @ref: the grant reference
 * @offset: first byte inside the granted page
 * @len: bytes; @offset + @len must not exceed the page
 * @local: our side of the copy
 * @status: result, 0 or a negative errno; always written by the call
 */
typedef struct XenPvCopySeg {
    uint32_t ref;
    uint32_t offset;
    uint32_t len;
    void *local;
    int status;
} XenPvCopySeg;

/**
 * struct XenPvPin: a granted page used where it lies, for one transfer
 * @ref: the grant reference; the caller's
 * @page: host address of the page, until it is unpinned
 * @cookie: the implementation's
 */
typedef struct XenPvPin {
    uint32_t ref;
    uint32_t cookie[3];
    void *page;
} XenPvPin;

/**
 * struct XenPvCounters: what is alive, for checks that nothing is left behind
 * @maps: grant and frame maps
 * @map_pages: pages in them
 * @channels: bound event channels
 * @watches: live watches
 * @transactions: open store transactions
 * @pins: pinned pages
 *
 * @maps, @map_pages and @pins are changed from any thread, atomically.
 */
typedef struct XenPvCounters {
    uint32_t maps;
    uint32_t map_pages;
    uint32_t channels;
    uint32_t watches;
    uint32_t transactions;
    uint32_t pins;
} XenPvCounters;

/**
 * struct XenPvHv: one hypervisor
 * @ops: its operations
 * @self: the domain we speak as
 * @in_place: capability: the guest's pages are in our address space anyway,
 *            so that pinning one costs a few memory accesses.  Without it
 *            grants are copied, or mapped and kept mapped.  Constant.
 * @kernel_backends: capability: the kernel of the domain we speak as may serve
 *            back ends, too.  Those whose type it knows are its.  Constant.
 * @can_save: capability: what a guest has of ours (store, ports) goes into a
 *            stream with the guest, and devices with it.  Constant.
 * @live: what is alive; kept by the wrappers below, never by implementations
 *
 * Implementations embed it as the first member of their own.
 */
struct XenPvHv {
    const XenPvHvOps *ops;
    XenPvDomid self;
    bool in_place;
    bool kernel_backends;
    bool can_save;
    XenPvCounters live;
};

/**
 * struct XenPvHvOps: the operations of one hypervisor
 *
 * All are mandatory, except grant_pin and grant_unpin where XenPvHv.in_place
 * is not set.  Use the xenpv_*() wrappers below, which keep the counters;
 * nobody but they calls through the table.
 */
struct XenPvHvOps {
    /** @name: "emulated", "libxen", "fake"; for traces and messages */
    const char *name;

    /**
     * @store_read: value of a node.  NULL with *@err_no set to a positive
     * errno (ENOENT, EACCES, EAGAIN, ...) when there is none.  @tx may be
     * NULL.  Values may hold any bytes; a NUL is always appended and
     * *@len, when @len is not NULL, excludes it.
     */
    char *(*store_read)(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                        size_t *len, int *err_no);
    /** @store_write: create or replace a node, and its missing parents */
    int (*store_write)(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       const char *value, size_t len);
    /** @store_mkdir: make an empty node unless there is one */
    int (*store_mkdir)(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
    /** @store_rm: remove a node and all below it; -ENOENT if absent */
    int (*store_rm)(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
    /** @store_list: names of the children; NULL and *@err_no on failure */
    GStrv (*store_list)(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                        int *err_no);
    /** @store_set_perms: replace a node's access rights */
    int (*store_set_perms)(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                           const XenPvPerm *perms, unsigned nr);
    /**
     * @store_get_perms: a node's access rights, *@nr of them, the owner's
     * first.  NULL and *@err_no on failure.
     */
    XenPvPerm *(*store_get_perms)(XenPvHv *hv, XenPvStoreTx *tx,
                                  const char *path, unsigned *nr,
                                  int *err_no);
    /** @store_tx_begin: open a transaction; NULL and *@err_no on failure */
    XenPvStoreTx *(*store_tx_begin)(XenPvHv *hv, int *err_no);
    /**
     * @store_tx_end: commit or drop.  The handle is gone in either case.
     * -EAGAIN: somebody else was faster, start over.
     */
    int (*store_tx_end)(XenPvHv *hv, XenPvStoreTx *tx, bool commit);
    /** @store_watch: see XenPvWatchFn */
    XenPvWatch *(*store_watch)(XenPvHv *hv, const char *path,
                               XenPvWatchFn *fn, void *opaque, Error **errp);
    /** @store_unwatch: after it returns the callback never runs again */
    void (*store_unwatch)(XenPvWatch *watch);

    /**
     * @channel_bind: connect to a port the other domain has opened for us.
     * The channel starts with one event pending, so that a notification
     * sent before the bind is not lost.
     */
    XenPvChannel *(*channel_bind)(XenPvHv *hv, XenPvDomid domid,
                                  uint32_t remote_port, Error **errp);
    /**
     * @channel_ack: consume pending events and allow new ones.  Any thread.
     * Returns 1 if one was pending, 0 if not, or a negative errno.  Does not
     * block; safe to call for a spurious wakeup.
     */
    int (*channel_ack)(XenPvChannel *channel);
    /** @channel_notify: send an event.  Any thread. */
    int (*channel_notify)(XenPvChannel *channel);
    /** @channel_unbind: close our end.  The notifier dies with it. */
    void (*channel_unbind)(XenPvChannel *channel);

    /** @grant_map: map pages another domain has granted us.  Any thread. */
    XenPvMap *(*grant_map)(XenPvHv *hv, XenPvDomid domid,
                           const uint32_t *refs, uint32_t nr_refs,
                           bool readonly, Error **errp);
    /**
     * @grant_copy: copy between our memory and granted pages.  Any thread.
     * Goes on after a bad segment; returns 0 if all went well, else the
     * status of the first that did not.
     */
    int (*grant_copy)(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                      XenPvCopySeg *segs, uint32_t nr_segs);
    /**
     * @grant_pin: use granted pages where they lie.  Any thread; a hot call.
     * All or none: 0, or a negative errno and nothing is pinned.  @write: we
     * are going to write to them.
     */
    int (*grant_pin)(XenPvHv *hv, XenPvDomid domid, bool write,
                     XenPvPin *pins, uint32_t nr_pins);
    /**
     * @grant_unpin: the transfer is over.  Any thread; a hot call.  With
     * @write as it was given; pages are taken to be written then.
     */
    void (*grant_unpin)(XenPvHv *hv, bool write, XenPvPin *pins,
                        uint32_t nr_pins);
    /** @frame_map: map frames of another domain by gfn (privileged) */
    XenPvMap *(*frame_map)(XenPvHv *hv, XenPvDomid domid,
                           const uint64_t *gfns, uint32_t nr_gfns,
                           bool readonly, Error **errp);
    /** @unmap: undo either map call; of grants: any thread */
    void (*unmap)(XenPvMap *map);

    /**
     * @console_map: the page of the primary console, wherever this kind of
     * guest has it; @ring_ref is the number in the store's ring-ref node.
     * Undone with @unmap.
     */
    XenPvMap *(*console_map)(XenPvHv *hv, XenPvDomid domid,
                             uint64_t ring_ref, Error **errp);
};

/*
 * Wrappers.  Kept out of line in backend/hypervisor.c: they maintain
 * XenPvHv.live, emit the trace events and reject arguments no implementation
 * should have to reject (nr_refs of 0 or beyond XENPV_MAX_MAP_PAGES).
 */

char *xenpv_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       size_t *len, int *err_no);
int xenpv_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                      const char *value);
int xenpv_store_write_len(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const char *value, size_t len);
int xenpv_store_printf(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       const char *fmt, ...) G_GNUC_PRINTF(4, 5);
int xenpv_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
int xenpv_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
GStrv xenpv_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       int *err_no);
int xenpv_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const XenPvPerm *perms, unsigned nr);
XenPvPerm *xenpv_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                 const char *path, unsigned *nr,
                                 int *err_no);
/**
 * xenpv_store_writable_by: may a domain write a node?
 * @hv: the hypervisor
 * @path: the node
 * @domid: who
 *
 * By xenstored's rules for one that is not privileged.  What cannot be found
 * out is taken for yes.
 */
bool xenpv_store_writable_by(XenPvHv *hv, const char *path, XenPvDomid domid);
XenPvStoreTx *xenpv_store_tx_begin(XenPvHv *hv, int *err_no);
int xenpv_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit);
XenPvWatch *xenpv_store_watch(XenPvHv *hv, const char *path, XenPvWatchFn *fn,
                              void *opaque, Error **errp);
void xenpv_store_unwatch(XenPvWatch *watch);

XenPvChannel *xenpv_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                 uint32_t remote_port, Error **errp);
int xenpv_channel_ack(XenPvChannel *channel);
int xenpv_channel_notify(XenPvChannel *channel);
void xenpv_channel_unbind(XenPvChannel *channel);

XenPvMap *xenpv_grant_map(XenPvHv *hv, XenPvDomid domid, const uint32_t *refs,
                          uint32_t nr_refs, bool readonly, Error **errp);
int xenpv_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                     XenPvCopySeg *segs, uint32_t nr_segs);
int xenpv_grant_pin(XenPvHv *hv, XenPvDomid domid, bool write, XenPvPin *pins,
                    uint32_t nr_pins);
void xenpv_grant_unpin(XenPvHv *hv, bool write, XenPvPin *pins,
                       uint32_t nr_pins);
XenPvMap *xenpv_frame_map(XenPvHv *hv, XenPvDomid domid, const uint64_t *gfns,
                          uint32_t nr_gfns, bool readonly, Error **errp);
XenPvMap *xenpv_console_map(XenPvHv *hv, XenPvDomid domid, uint64_t ring_ref,
                            Error **errp);
void xenpv_unmap(XenPvMap *map);

#endif /* HW_XENPV_HYPERVISOR_H */
