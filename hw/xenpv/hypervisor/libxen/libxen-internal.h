/*
 * What the files of the libxen hypervisor know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   libxen.c   opening and closing, the table
 *   store.c    xenstored, through libxenstore
 *   events.c   event channels, a handle each
 *   memory.c   grants and foreign frames
 */
#ifndef HW_XENPV_LIBXEN_INTERNAL_H
#define HW_XENPV_LIBXEN_INTERNAL_H

#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xentoollog.h>
#include "libxen.h"

/**
 * XenPvLibxen: the hypervisor QEMU runs on
 * @store: one connection for everything
 * @watches: token (a number) to XenPvLibxenWatch
 * @more_events: goes on with what is left of the store's events
 * @last_token: of a watch; never used twice
 * @gnttab: one handle; its calls may come from any thread
 * @memory: foreign frames
 * @events: for channels that cannot have a handle of their own
 * @channels: local port to XenPvLibxenChannel on @events
 */
typedef struct XenPvLibxen {
    XenPvHv parent;

    struct xs_handle *store;
    GHashTable *watches;
    QEMUBH *more_events;
    uint64_t last_token;
    xengnttab_handle *gnttab;
    xenforeignmemory_handle *memory;
    xenevtchn_handle *events;
    GHashTable *channels;
} XenPvLibxen;

static inline XenPvLibxen *xenpv_libxen(XenPvHv *hv)
{
    return container_of(hv, XenPvLibxen, parent);
}

/*
 * What the libraries say beside errno goes to the trace: they would print a
 * line for each grant of a guest's that is no good.
 */
extern struct xentoollog_logger xenpv_libxen_logger;

/* ---- store.c ---- */

bool xenpv_libxen_store_open(XenPvLibxen *xen, Error **errp);
void xenpv_libxen_store_close(XenPvLibxen *xen);
char *xenpv_libxen_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              size_t *len, int *err_no);
int xenpv_libxen_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                             const char *value, size_t len);
int xenpv_libxen_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
int xenpv_libxen_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
GStrv xenpv_libxen_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              int *err_no);
int xenpv_libxen_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                 const char *path, const XenPvPerm *perms,
                                 unsigned nr);
XenPvPerm *xenpv_libxen_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                        const char *path, unsigned *nr,
                                        int *err_no);
XenPvStoreTx *xenpv_libxen_store_tx_begin(XenPvHv *hv, int *err_no);
int xenpv_libxen_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit);
XenPvWatch *xenpv_libxen_store_watch(XenPvHv *hv, const char *path,
                                     XenPvWatchFn *fn, void *opaque,
                                     Error **errp);
void xenpv_libxen_store_unwatch(XenPvWatch *watch);

/* ---- events.c ---- */

bool xenpv_libxen_events_open(XenPvLibxen *xen, Error **errp);
void xenpv_libxen_events_close(XenPvLibxen *xen);

XenPvChannel *xenpv_libxen_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                        uint32_t remote_port, Error **errp);
int xenpv_libxen_channel_ack(XenPvChannel *channel);
int xenpv_libxen_channel_notify(XenPvChannel *channel);
void xenpv_libxen_channel_unbind(XenPvChannel *channel);

/* ---- memory.c ---- */

XenPvMap *xenpv_libxen_grant_map(XenPvHv *hv, XenPvDomid domid,
                                 const uint32_t *refs, uint32_t nr_refs,
                                 bool readonly, Error **errp);
int xenpv_libxen_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                            XenPvCopySeg *segs, uint32_t nr_segs);
XenPvMap *xenpv_libxen_frame_map(XenPvHv *hv, XenPvDomid domid,
                                 const uint64_t *gfns, uint32_t nr_gfns,
                                 bool readonly, Error **errp);
XenPvMap *xenpv_libxen_console_map(XenPvHv *hv, XenPvDomid domid,
                                   uint64_t ring_ref, Error **errp);
void xenpv_libxen_unmap(XenPvMap *map);

#endif /* HW_XENPV_LIBXEN_INTERNAL_H */
