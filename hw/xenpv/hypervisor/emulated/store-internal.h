/*
 * What the files of the emulated xenstore share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_STORE_INTERNAL_H
#define HW_XENPV_STORE_INTERNAL_H

#include "qemu/queue.h"
#include "hw/i386/kvm/xenstore_impl.h"
#include "store.h"

typedef struct StoreWatch {
    QTAILQ_ENTRY(StoreWatch) next;
    char *path;             /* absolute, or "@..." */
    char *token;
    unsigned relative;      /* bytes of @path the events leave out */
} StoreWatch;

typedef enum { MARK_NONE, MARK_GONE, MARK_BACK } StoreMark;

typedef struct StoreTx {
    QTAILQ_ENTRY(StoreTx) next;
    uint32_t id;            /* what the connection calls it */
    xs_transaction_t tree_id;
    bool late;              /* is never committed; see store-save.c */
    GHashTable *marks;      /* path -> StoreMark */
    GHashTable *changed;    /* path -> true if all below it changed as well */
    GPtrArray *order;       /* keys of @changed, oldest first */
} StoreTx;

struct XenPvStoreConn {
    QTAILQ_ENTRY(XenPvStoreConn) next;
    XenPvStore *store;
    XenPvDomid domid;
    XenPvStoreWakeFn *wake;
    void *opaque;
    QTAILQ_HEAD(, StoreWatch) watches;
    unsigned nr_watches;
    QTAILQ_HEAD(, StoreTx) txs;
    unsigned nr_txs;
    GQueue events;          /* of XenPvStoreEvent */
    GHashTable *waiting;    /* set of the events in @events */
};

struct XenPvStore {
    XenstoreImplState *tree;
    XenPvDomid guest;
    QTAILQ_HEAD(, XenPvStoreConn) conns;
};

/* store-path.c: pure */

/**
 * xenpv_xs_resolve: judge @path and make it absolute
 * @abs: XENPV_STORE_PATH_MAX + 1 bytes
 *
 * Returns: 0 or -EINVAL
 */
int xenpv_xs_resolve(XenPvDomid domid, const char *path, char *abs);
/** xenpv_xs_path_up: cut @path to its parent's; false at the root */
bool xenpv_xs_path_up(char *path);
/** xenpv_xs_path_is_below: @path is somewhere under @top, and not @top */
bool xenpv_xs_path_is_below(const char *path, const char *top);
/** xenpv_xs_perm_ok: exactly a letter and a domain id */
bool xenpv_xs_perm_ok(const char *perm);
/** xenpv_xs_perms_allow: do @perms give @domid one of @letters? */
bool xenpv_xs_perms_allow(GList *perms, XenPvDomid domid,
                          const char *letters);

/* store.c */

/** xenpv_xs_may: has the node, or else its nearest ancestor, the rights? */
bool xenpv_xs_may(XenPvStoreConn *conn, uint32_t tx, const char *abs,
                  const char *letters);
/** xenpv_xs_put: write without regard to watches and removals */
int xenpv_xs_put(XenPvStoreConn *conn, uint32_t id, const char *abs,
                 const void *value, size_t len);
bool xenpv_xs_exists(XenPvStoreConn *conn, StoreTx *tx, const char *abs);
/**
 * xenpv_xs_cut: remove a node from the live tree, whoever it belongs to
 *
 * Returns: -ENOENT if there is no such node
 */
int xenpv_xs_cut(XenPvStore *store, const char *abs);

/* store-tx.c; @tx may be NULL where a test of it is in the name's meaning */

StoreTx *xenpv_xs_tx_find(XenPvStoreConn *conn, uint32_t id);
/** xenpv_xs_tx_alive: not removed in @tx; true without a transaction */
bool xenpv_xs_tx_alive(StoreTx *tx, const char *abs);
/** xenpv_xs_tx_may_change: is there room to remember one more change? */
bool xenpv_xs_tx_may_change(XenPvStoreConn *conn, StoreTx *tx,
                            const char *abs);
/** xenpv_xs_changed: tell the watches now, or at the commit of @tx */
void xenpv_xs_changed(XenPvStoreConn *conn, StoreTx *tx, const char *abs,
                      bool below);
/** xenpv_xs_tx_revive: make a removed node and its ancestors again */
int xenpv_xs_tx_revive(XenPvStoreConn *conn, StoreTx *tx, const char *abs);
int xenpv_xs_tx_rm(XenPvStoreConn *conn, StoreTx *tx, const char *abs);
/** xenpv_xs_tx_restore: @id was open when the connection was saved */
int xenpv_xs_tx_restore(XenPvStoreConn *conn, uint32_t id);

/* store-watch.c */

/** xenpv_xs_fire: @abs has changed, and if @below all under it */
void xenpv_xs_fire(XenPvStore *store, const char *abs, bool below);
void xenpv_xs_watch_free(XenPvStoreConn *conn, StoreWatch *w);
/** xenpv_xs_watch_restore: it was there; @abs and the rest are not judged */
int xenpv_xs_watch_restore(XenPvStoreConn *conn, const char *abs,
                           const char *token, uint32_t relative);
/** xenpv_xs_event_restore: it was waiting */
void xenpv_xs_event_restore(XenPvStoreConn *conn, const char *path,
                            const char *token);
/** xenpv_xs_event_set: a set of events that owns none of them */
GHashTable *xenpv_xs_event_set(void);
void xenpv_xs_drop_events(XenPvStoreConn *conn);

#endif /* HW_XENPV_STORE_INTERNAL_H */
