/*
 * The emulated xenstore: operations on nodes, connections, birth and death.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "store-internal.h"

/* Access rights of one node set by domain 0; a guest's limit is the tree's. */
#define PERMS_MAX   256

/* May @conn do @letters to the node, or else to its nearest live ancestor? */
bool xenpv_xs_may(XenPvStoreConn *conn, uint32_t tx, const char *abs,
                  const char *letters)
{
    char path[XENPV_STORE_PATH_MAX + 1];
    GList *perms = NULL;
    bool allow = false;

    if (!conn->domid) {
        return true;
    }
    pstrcpy(path, sizeof(path), abs);
    do {
        if (!xs_impl_get_perms(conn->store->tree, 0, tx, path, &perms)) {
            allow = xenpv_xs_perms_allow(perms, conn->domid, letters);
            g_list_free_full(perms, g_free);
            break;
        }
    } while (xenpv_xs_path_up(path));
    return allow;
}

/*
 * Every operation begins here: find the transaction, turn its number into the
 * tree's, resolve the path.
 */
static int begin(XenPvStoreConn *conn, uint32_t *id, const char *path,
                 StoreTx **tx, char *abs)
{
    *tx = NULL;
    if (*id) {
        *tx = xenpv_xs_tx_find(conn, *id);
        if (!*tx) {
            return -ENOENT;
        }
        *id = (*tx)->tree_id;
    }
    return xenpv_xs_resolve(conn->domid, path, abs);
}

/* Like begin(), for operations on a node that must exist. */
static int begin_existing(XenPvStoreConn *conn, uint32_t *id,
                          const char *path, StoreTx **tx, char *abs)
{
    int ret = begin(conn, id, path, tx, abs);

    if (ret) {
        return ret;
    }
    return xenpv_xs_tx_alive(*tx, abs) ? 0 : -ENOENT;
}

int xenpv_xs_read(XenPvStoreConn *conn, uint32_t id, const char *path,
                  GByteArray *value)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin_existing(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    return -xs_impl_read(conn->store->tree, conn->domid, id, abs, value);
}

int xenpv_xs_put(XenPvStoreConn *conn, uint32_t id, const char *abs,
                 const void *value, size_t len)
{
    GByteArray *array = g_byte_array_sized_new(len);
    int ret;

    g_byte_array_append(array, value, len);
    ret = -xs_impl_write(conn->store->tree, conn->domid, id, abs, array);
    g_byte_array_unref(array);
    return ret;
}

int xenpv_xs_write(XenPvStoreConn *conn, uint32_t id, const char *path,
                   const void *value, size_t len)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (!xenpv_xs_tx_may_change(conn, tx, abs)) {
        return -ENOSPC;
    }
    ret = xenpv_xs_tx_revive(conn, tx, abs);
    if (!ret) {
        ret = xenpv_xs_put(conn, id, abs, value, len);
    }
    if (!ret) {
        xenpv_xs_changed(conn, tx, abs, false);
    }
    return ret;
}

bool xenpv_xs_exists(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    GList *perms = NULL;

    if (!xenpv_xs_tx_alive(tx, abs) ||
        xs_impl_get_perms(conn->store->tree, 0, tx ? tx->tree_id : 0, abs,
                          &perms)) {
        return false;
    }
    g_list_free_full(perms, g_free);
    return true;
}

int xenpv_xs_mkdir(XenPvStoreConn *conn, uint32_t id, const char *path)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (xenpv_xs_exists(conn, tx, abs)) {
        return xenpv_xs_may(conn, id, abs, "wb") ? 0 : -EACCES;
    }
    return xenpv_xs_write(conn, tx ? tx->id : 0, abs, "", 0);
}

/*
 * The tree loses a reference to a node that it removes while a transaction
 * still sees it, and with it the node and all below: a guest could make QEMU
 * grow without limit.  Giving the node the rights it has anyway makes a copy
 * of it that no transaction sees.
 */
int xenpv_xs_cut(XenPvStore *store, const char *abs)
{
    GList *perms = NULL;
    int ret = -xs_impl_get_perms(store->tree, 0, XBT_NULL, abs, &perms);

    if (ret) {
        return ret;
    }
    ret = -xs_impl_set_perms(store->tree, 0, XBT_NULL, abs, perms);
    g_list_free_full(perms, g_free);
    return ret ?: -xs_impl_rm(store->tree, 0, XBT_NULL, abs);
}

static int live_rm(XenPvStoreConn *conn, const char *abs)
{
    if (!xenpv_xs_exists(conn, NULL, abs)) {
        return -ENOENT;
    }
    if (!xenpv_xs_may(conn, XBT_NULL, abs, "wb")) {
        return -EACCES;
    }
    return xenpv_xs_cut(conn->store, abs);
}

int xenpv_xs_rm(XenPvStoreConn *conn, uint32_t id, const char *path)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin_existing(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (!abs[1]) {
        return -EINVAL;
    }
    ret = tx ? xenpv_xs_tx_rm(conn, tx, abs) : live_rm(conn, abs);
    if (!ret) {
        xenpv_xs_changed(conn, tx, abs, true);
    }
    return ret;
}

int xenpv_xs_list(XenPvStoreConn *conn, uint32_t id, const char *path,
                  uint64_t *generation, GStrv *names)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    uint64_t unused;
    GList *items = NULL, *l;
    GPtrArray *array;
    StoreTx *tx;
    int ret = begin_existing(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    ret = -xs_impl_directory(conn->store->tree, conn->domid, id, abs,
                             generation ?: &unused, &items);
    if (ret) {
        return ret;
    }
    array = g_ptr_array_new();
    for (l = items; l; l = l->next) {
        g_autofree char *child = NULL;

        child = g_strdup_printf("%s/%s", abs[1] ? abs : "", (char *)l->data);
        if (xenpv_xs_tx_alive(tx, child)) {
            g_ptr_array_add(array, l->data);
        } else {
            g_free(l->data);
        }
    }
    g_list_free(items);
    g_ptr_array_add(array, NULL);
    *names = (GStrv)g_ptr_array_free(array, false);
    return 0;
}

int xenpv_xs_get_perms(XenPvStoreConn *conn, uint32_t id, const char *path,
                       GStrv *perms)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    GList *list = NULL, *l;
    GPtrArray *array;
    StoreTx *tx;
    int ret = begin_existing(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    ret = -xs_impl_get_perms(conn->store->tree, conn->domid, id, abs, &list);
    if (ret) {
        return ret;
    }
    array = g_ptr_array_new();
    for (l = list; l; l = l->next) {
        g_ptr_array_add(array, l->data);
    }
    g_list_free(list);
    g_ptr_array_add(array, NULL);
    *perms = (GStrv)g_ptr_array_free(array, false);
    return 0;
}

int xenpv_xs_set_perms(XenPvStoreConn *conn, uint32_t id, const char *path,
                       const char *const *perms, unsigned nr)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    GList *list = NULL;
    StoreTx *tx;
    unsigned i;
    int ret = begin_existing(conn, &id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (!nr) {
        return -EINVAL;
    }
    if (nr > PERMS_MAX) {
        return -ENOSPC;
    }
    for (i = 0; i < nr; i++) {
        if (!xenpv_xs_perm_ok(perms[i])) {
            return -EINVAL;
        }
    }
    if (!xenpv_xs_tx_may_change(conn, tx, abs)) {
        return -ENOSPC;
    }
    for (i = nr; i > 0; i--) {
        list = g_list_prepend(list, (char *)perms[i - 1]);
    }
    ret = -xs_impl_set_perms(conn->store->tree, conn->domid, id, abs, list);
    g_list_free(list);
    if (!ret) {
        xenpv_xs_changed(conn, tx, abs, false);
    }
    return ret;
}

/* Connections */

XenPvStoreConn *xenpv_xs_connect(XenPvStore *store, XenPvDomid domid,
                                 XenPvStoreWakeFn *wake, void *opaque)
{
    XenPvStoreConn *conn = g_new0(XenPvStoreConn, 1);

    conn->store = store;
    conn->domid = domid;
    conn->wake = wake;
    conn->opaque = opaque;
    QTAILQ_INIT(&conn->watches);
    QTAILQ_INIT(&conn->txs);
    g_queue_init(&conn->events);
    conn->waiting = xenpv_xs_event_set();
    QTAILQ_INSERT_TAIL(&store->conns, conn, next);
    return conn;
}

void xenpv_xs_conn_reset(XenPvStoreConn *conn)
{
    StoreWatch *w, *next_w;
    StoreTx *tx, *next_tx;

    QTAILQ_FOREACH_SAFE(w, &conn->watches, next, next_w) {
        xenpv_xs_watch_free(conn, w);
    }
    QTAILQ_FOREACH_SAFE(tx, &conn->txs, next, next_tx) {
        xenpv_xs_tx_end(conn, tx->id, false);
    }
    xenpv_xs_drop_events(conn);
}

void xenpv_xs_disconnect(XenPvStoreConn *conn)
{
    xenpv_xs_conn_reset(conn);
    QTAILQ_REMOVE(&conn->store->conns, conn, next);
    g_hash_table_destroy(conn->waiting);
    g_free(conn);
}

XenPvDomid xenpv_xs_conn_domid(XenPvStoreConn *conn)
{
    return conn->domid;
}

XenPvStore *xenpv_xs_conn_store(XenPvStoreConn *conn)
{
    return conn->store;
}

XenPvDomid xenpv_xs_guest(XenPvStore *store)
{
    return store->guest;
}

/*
 * QEMU's tree has no destructor.  An emptied one waits here for the next
 * store; outside of tests that is never.
 */
static GSList *spare_trees;

static void empty_tree(XenstoreImplState *tree)
{
    GList root = { .data = (char *)"n0" };
    GList *items = NULL, *l;
    uint64_t unused;

    xs_impl_set_perms(tree, 0, XBT_NULL, "/", &root);
    xs_impl_directory(tree, 0, XBT_NULL, "/", &unused, &items);
    for (l = items; l; l = l->next) {
        g_autofree char *path = g_strdup_printf("/%s", (char *)l->data);

        /* No connection, so no transaction. */
        xs_impl_rm(tree, 0, XBT_NULL, path);
    }
    g_list_free_full(items, g_free);
}

XenPvStore *xenpv_xs_new(XenPvDomid guest)
{
    XenPvStore *store = g_new0(XenPvStore, 1);

    store->guest = guest;
    QTAILQ_INIT(&store->conns);
    if (spare_trees) {
        store->tree = spare_trees->data;
        spare_trees = g_slist_delete_link(spare_trees, spare_trees);
    } else {
        store->tree = xs_impl_create(guest);
    }
    return store;
}

void xenpv_xs_free(XenPvStore *store)
{
    assert(QTAILQ_EMPTY(&store->conns));
    empty_tree(store->tree);
    spare_trees = g_slist_prepend(spare_trees, store->tree);
    g_free(store);
}
