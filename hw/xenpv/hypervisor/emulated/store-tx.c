/*
 * Transactions of the store.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Removal inside a transaction.  The transaction remembers marks by path:
 *
 *   GONE   the node and all below it are removed
 *   BACK   the node was removed and made again; what is below it stays
 *          removed unless it is marked BACK itself
 *
 * so that a node is alive if it is BACK, or if neither it nor any ancestor
 * has a mark.  In the tree's copy for the transaction the removed nodes stay
 * until the commit.  Then, in the same call, GONE nodes are removed from the
 * live tree, and of BACK nodes all children that are not BACK.
 *
 * Example: the tree holds a/b and a/c.  In a transaction:
 *
 *   rm a           a GONE                     reads of a, a/b, a/c: ENOENT
 *   write a/b      a BACK, a/b BACK           a is "", a/c is still ENOENT
 *   commit         a BACK: remove a/c
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "store-internal.h"
#include "hw/xenpv/trace.h"

StoreTx *xenpv_xs_tx_find(XenPvStoreConn *conn, uint32_t id)
{
    StoreTx *tx;

    QTAILQ_FOREACH(tx, &conn->txs, next) {
        if (tx->id == id) {
            return tx;
        }
    }
    return NULL;
}

static void tx_free(XenPvStoreConn *conn, StoreTx *tx)
{
    QTAILQ_REMOVE(&conn->txs, tx, next);
    conn->nr_txs--;
    g_ptr_array_free(tx->order, true);
    g_hash_table_destroy(tx->changed);
    g_hash_table_destroy(tx->marks);
    g_free(tx);
}

static StoreMark tx_mark(StoreTx *tx, const char *path)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(tx->marks, path));
}

static void tx_set_mark(StoreTx *tx, const char *path, StoreMark mark)
{
    g_hash_table_replace(tx->marks, g_strdup(path), GINT_TO_POINTER(mark));
}

bool xenpv_xs_tx_alive(StoreTx *tx, const char *abs)
{
    char path[XENPV_STORE_PATH_MAX + 1];

    if (!tx || !g_hash_table_size(tx->marks)) {
        return true;
    }
    if (tx_mark(tx, abs) == MARK_BACK) {
        return true;
    }
    pstrcpy(path, sizeof(path), abs);
    do {
        if (tx_mark(tx, path) != MARK_NONE) {
            return false;
        }
    } while (xenpv_xs_path_up(path));
    return true;
}

bool xenpv_xs_tx_may_change(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    return !tx || !conn->domid ||
           g_hash_table_contains(tx->changed, abs) ||
           g_hash_table_size(tx->changed) < XENPV_STORE_MAX_CHANGES;
}

/* A node has changed: tell the watches now, or at the commit. */
void xenpv_xs_changed(XenPvStoreConn *conn, StoreTx *tx, const char *abs,
                      bool below)
{
    gpointer key, value;

    if (!tx) {
        xenpv_xs_fire(conn->store, abs, below);
        return;
    }
    if (g_hash_table_lookup_extended(tx->changed, abs, &key, &value)) {
        g_hash_table_insert(tx->changed, g_strdup(abs),
                            GINT_TO_POINTER(GPOINTER_TO_INT(value) || below));
        return;
    }
    key = g_strdup(abs);
    g_hash_table_insert(tx->changed, key, GINT_TO_POINTER(below));
    g_ptr_array_add(tx->order, key);
}

/* Make a removed node again, empty and with the rights of its parent. */
static int revive_one(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    char parent[XENPV_STORE_PATH_MAX + 1];
    GList *perms = NULL;
    int ret;

    pstrcpy(parent, sizeof(parent), abs);
    xenpv_xs_path_up(parent);
    ret = xs_impl_get_perms(conn->store->tree, 0, tx->tree_id, parent, &perms);
    if (ret) {
        return -ret;
    }
    if (conn->domid && !xenpv_xs_perms_allow(perms, conn->domid, "wb")) {
        g_list_free_full(perms, g_free);
        return -EACCES;
    }
    /* Fails if the tree never had the node: then it inherits by itself. */
    xs_impl_set_perms(conn->store->tree, 0, tx->tree_id, abs, perms);
    g_list_free_full(perms, g_free);
    ret = xenpv_xs_put(conn, tx->tree_id, abs, "", 0);
    if (!ret) {
        tx_set_mark(tx, abs, MARK_BACK);
    }
    return ret;
}

/* From the top down; a path may have more levels than fit on our stack. */
int xenpv_xs_tx_revive(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    char path[XENPV_STORE_PATH_MAX + 1];
    char *slash = path;
    int ret = 0;

    if (xenpv_xs_tx_alive(tx, abs)) {
        return 0;
    }
    pstrcpy(path, sizeof(path), abs);
    while (slash && !ret) {
        slash = strchr(slash + 1, '/');
        if (slash) {
            *slash = '\0';
        }
        if (!xenpv_xs_tx_alive(tx, path)) {
            ret = revive_one(conn, tx, path);
        }
        if (slash) {
            *slash = '/';
        }
    }
    return ret;
}

static gboolean mark_is_below(gpointer key, gpointer value, gpointer top)
{
    return xenpv_xs_path_is_below(key, top);
}

/* The node and all below it are gone for this transaction. */
int xenpv_xs_tx_rm(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    if (!xenpv_xs_exists(conn, tx, abs)) {
        return -ENOENT;
    }
    if (!xenpv_xs_may(conn, tx->tree_id, abs, "wb")) {
        return -EACCES;
    }
    if (!xenpv_xs_tx_may_change(conn, tx, abs)) {
        return -ENOSPC;
    }
    g_hash_table_foreach_remove(tx->marks, mark_is_below, (gpointer)abs);
    tx_set_mark(tx, abs, MARK_GONE);
    return 0;
}

static StoreTx *tx_new(XenPvStoreConn *conn, xs_transaction_t tree_id,
                       uint32_t id)
{
    StoreTx *tx = g_new0(StoreTx, 1);

    tx->id = id;
    tx->tree_id = tree_id;
    tx->marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tx->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tx->order = g_ptr_array_new();
    QTAILQ_INSERT_TAIL(&conn->txs, tx, next);
    conn->nr_txs++;
    return tx;
}

/* The tree's number is the connection's, too, unless one is restored. */
static int tree_start(XenPvStoreConn *conn, xs_transaction_t *id)
{
    XenstoreImplState *tree = conn->store->tree;
    int ret = -xs_impl_transaction_start(tree, conn->domid, id);

    while (!ret && xenpv_xs_tx_find(conn, *id)) {
        xs_impl_transaction_end(tree, conn->domid, *id, false);
        ret = -xs_impl_transaction_start(tree, conn->domid, id);
    }
    return ret;
}

int xenpv_xs_tx_start(XenPvStoreConn *conn, uint32_t *id)
{
    xs_transaction_t tree_id = XBT_NULL;
    int ret;

    if (conn->domid && conn->nr_txs >= XENPV_STORE_MAX_TX) {
        return -ENOSPC;
    }
    ret = tree_start(conn, &tree_id);
    if (ret) {
        return ret;
    }
    tx_new(conn, tree_id, tree_id);
    *id = tree_id;
    trace_xenpv_xs_tx_start(conn->domid, tree_id);
    return 0;
}

int xenpv_xs_tx_restore(XenPvStoreConn *conn, uint32_t id)
{
    xs_transaction_t tree_id = XBT_NULL;
    int ret;

    if (!id || xenpv_xs_tx_find(conn, id)) {
        return -EINVAL;
    }
    ret = tree_start(conn, &tree_id);
    if (!ret) {
        tx_new(conn, tree_id, id)->late = true;
    }
    return ret;
}

/* The node was made again: of its children only those that were, too, stay. */
static void prune(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    XenstoreImplState *tree = conn->store->tree;
    GList *items = NULL, *l;
    uint64_t unused;

    if (xs_impl_directory(tree, 0, XBT_NULL, abs, &unused, &items)) {
        return;
    }
    for (l = items; l; l = l->next) {
        g_autofree char *child = g_strdup_printf("%s/%s", abs,
                                                 (char *)l->data);

        if (tx_mark(tx, child) != MARK_BACK) {
            xenpv_xs_cut(conn->store, child);
        }
    }
    g_list_free_full(items, g_free);
}

/* Rights were checked when the marks were made. */
static void tx_apply(XenPvStoreConn *conn, StoreTx *tx)
{
    GHashTableIter iter;
    gpointer path, mark;
    unsigned i;

    g_hash_table_iter_init(&iter, tx->marks);
    while (g_hash_table_iter_next(&iter, &path, &mark)) {
        if (GPOINTER_TO_INT(mark) == MARK_GONE) {
            xenpv_xs_cut(conn->store, path);
        } else {
            prune(conn, tx, path);
        }
    }
    for (i = 0; i < tx->order->len; i++) {
        path = g_ptr_array_index(tx->order, i);
        xenpv_xs_fire(conn->store, path,
                      GPOINTER_TO_INT(g_hash_table_lookup(tx->changed, path)));
    }
}

int xenpv_xs_tx_end(XenPvStoreConn *conn, uint32_t id, bool commit)
{
    StoreTx *tx = xenpv_xs_tx_find(conn, id);
    int ret;

    if (!tx) {
        return -ENOENT;
    }
    ret = -xs_impl_transaction_end(conn->store->tree, conn->domid,
                                   tx->tree_id, commit && !tx->late);
    if (!ret && commit && tx->late) {
        ret = -EAGAIN;
    }
    trace_xenpv_xs_tx_end(conn->domid, id, commit, ret);
    if (!ret && commit) {
        tx_apply(conn, tx);
    }
    tx_free(conn, tx);
    return ret;
}
