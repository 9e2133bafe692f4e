/*
 * The emulated xenstore: a tree, and connections that speak to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tree itself is QEMU's (hw/i386/kvm/xenstore_impl.c).  This adds what
 * that leaves to its one user, and keeps away from it what it cannot take:
 *
 *  - Transactions belong to a connection.  The tree would let any domain
 *    speak in the transaction of any other.
 *  - Removals inside a transaction are ours until it is committed.  The tree
 *    still shows removed nodes, and counts some of them twice, by which a
 *    guest could outwit the limit on its nodes.
 *  - Watches are ours altogether: of two equal ones with different owners the
 *    tree removes the wrong one, and it cannot watch "/" or "@...".
 *  - The root cannot be removed.
 *
 * A connection is one speaker: QEMU itself, the guest's ring, a client of the
 * socket.  Watch events are queued in it, never delivered from inside a call.
 * All results are 0 or a negative errno, one of those the wire protocol has.
 *
 * Threads: main loop, BQL held.
 */
#ifndef HW_XENPV_EMU_STORE_H
#define HW_XENPV_EMU_STORE_H

#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/saved.h"

typedef struct XenPvStore XenPvStore;
typedef struct XenPvStoreConn XenPvStoreConn;

/* Longest absolute path, as in io/xs_wire.h */
#define XENPV_STORE_PATH_MAX    3072

/* The most watches and transactions of one connection that is not ours. */
#define XENPV_STORE_MAX_WATCHES 128
#define XENPV_STORE_MAX_TX      10

/* Nodes one transaction of a guest may change. */
#define XENPV_STORE_MAX_CHANGES 1024

/*
 * Events waiting in one connection.  Beyond it an event loses its path: the
 * watch fires for the path it was set on, once, however much has changed
 * below.
 */
#define XENPV_STORE_MAX_EVENTS  1024

/**
 * XenPvStoreEvent: a watch has fired
 * @path: changed path, as the watch wants it
 * @token: the watch's token
 */
typedef struct XenPvStoreEvent {
    char *path;
    char *token;
} XenPvStoreEvent;

/**
 * XenPvStoreWakeFn: a connection's first event is waiting
 *
 * Called from inside any store call: it may only schedule something.
 */
typedef void XenPvStoreWakeFn(void *opaque);

/**
 * xenpv_xs_new: create an empty store
 * @guest: the one domain there is besides domain 0
 */
XenPvStore *xenpv_xs_new(XenPvDomid guest);

/**
 * xenpv_xs_free: all connections must be gone
 */
void xenpv_xs_free(XenPvStore *store);

/**
 * xenpv_xs_guest: the domain the store was made for
 */
XenPvDomid xenpv_xs_guest(XenPvStore *store);

/**
 * xenpv_xs_connect: a new speaker
 * @domid: with whose rights; 0 may do everything
 * @wake: see above
 * @opaque: for @wake
 */
XenPvStoreConn *xenpv_xs_connect(XenPvStore *store, XenPvDomid domid,
                                 XenPvStoreWakeFn *wake, void *opaque);

/**
 * xenpv_xs_disconnect: drop watches, transactions, events and the connection
 */
void xenpv_xs_disconnect(XenPvStoreConn *conn);

/**
 * xenpv_xs_conn_reset: drop watches, transactions and events
 */
void xenpv_xs_conn_reset(XenPvStoreConn *conn);

/** xenpv_xs_conn_domid: with whose rights @conn speaks */
XenPvDomid xenpv_xs_conn_domid(XenPvStoreConn *conn);

/** xenpv_xs_conn_store: the store @conn speaks to */
XenPvStore *xenpv_xs_conn_store(XenPvStoreConn *conn);

/**
 * xenpv_xs_next_event: take the oldest event
 *
 * Returns: (transfer full): to be freed with xenpv_xs_event_free(), or NULL
 */
XenPvStoreEvent *xenpv_xs_next_event(XenPvStoreConn *conn);
void xenpv_xs_event_free(XenPvStoreEvent *event);

/** xenpv_xs_nr_events: events waiting */
unsigned xenpv_xs_nr_events(XenPvStoreConn *conn);

/*
 * Operations.  @tx is 0 or the id of a transaction of the same connection;
 * an unknown one is -ENOENT.  Paths may be relative to the domain's folder.
 */

/**
 * xenpv_xs_read: append a node's value to @value
 */
int xenpv_xs_read(XenPvStoreConn *conn, uint32_t tx, const char *path,
                  GByteArray *value);
int xenpv_xs_write(XenPvStoreConn *conn, uint32_t tx, const char *path,
                   const void *value, size_t len);
int xenpv_xs_mkdir(XenPvStoreConn *conn, uint32_t tx, const char *path);
/** xenpv_xs_rm: -ENOENT if there is no such node */
int xenpv_xs_rm(XenPvStoreConn *conn, uint32_t tx, const char *path);
/**
 * xenpv_xs_list: names of the children in alphabetical order
 * @generation: changes whenever the list does; may be NULL
 * @names: (transfer full): set on success
 */
int xenpv_xs_list(XenPvStoreConn *conn, uint32_t tx, const char *path,
                  uint64_t *generation, GStrv *names);
/**
 * xenpv_xs_get_perms: access rights, in the protocol's form ("r1")
 * @perms: (transfer full): set on success
 */
int xenpv_xs_get_perms(XenPvStoreConn *conn, uint32_t tx, const char *path,
                       GStrv *perms);
/**
 * xenpv_xs_set_perms: replace access rights
 * @perms: in the protocol's form, owner first; not judged yet
 */
int xenpv_xs_set_perms(XenPvStoreConn *conn, uint32_t tx, const char *path,
                       const char *const *perms, unsigned nr);

int xenpv_xs_tx_start(XenPvStoreConn *conn, uint32_t *tx);
/** xenpv_xs_tx_end: -EAGAIN if somebody else has changed the store */
int xenpv_xs_tx_end(XenPvStoreConn *conn, uint32_t tx, bool commit);

/**
 * xenpv_xs_watch: -EEXIST if there is the same one already
 *
 * It fires once straight away.
 */
int xenpv_xs_watch(XenPvStoreConn *conn, const char *path, const char *token);
int xenpv_xs_unwatch(XenPvStoreConn *conn, const char *path,
                     const char *token);

/**
 * xenpv_xs_fire_special: "@introduceDomain" or "@releaseDomain" has happened
 */
void xenpv_xs_fire_special(XenPvStore *store, const char *name);

/* ---- saving; store-save.c ---- */

/**
 * xenpv_xs_save: append all nodes
 * @conn: domain 0's
 */
void xenpv_xs_save(XenPvStoreConn *conn, GByteArray *out);

/**
 * xenpv_xs_load: replace all nodes
 * @conn: domain 0's
 * @s: as from xenpv_xs_save(); not judged yet
 * @errp: set on failure; the store is then a valid one, with part of the nodes
 */
bool xenpv_xs_load(XenPvStoreConn *conn, XenPvSaved *s, Error **errp);

/** xenpv_xs_conn_save: append watches, events and open transactions */
void xenpv_xs_conn_save(XenPvStoreConn *conn, GByteArray *out);
/** xenpv_xs_conn_load: after the nodes; @s is not judged yet */
bool xenpv_xs_conn_load(XenPvStoreConn *conn, XenPvSaved *s, Error **errp);

#endif /* HW_XENPV_EMU_STORE_H */
