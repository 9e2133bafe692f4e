/*
 * The store in a stream: its nodes, and what one connection has pending.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nodes are read and written like anybody's, with domain 0's rights, so that
 * a path, a value or a right that could not have come about is refused by
 * whoever refuses it at run time.
 *
 * A transaction that was open is not saved with what it has seen and changed.
 * It goes on as one that is too late: its operations work, on the store as it
 * is now, and its commit is -EAGAIN, which every client repeats it for.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "store-internal.h"

/* A guest has 1000 nodes at most; what else is there is ours and small. */
#define NODES_MAX       65536
#define VALUE_MAX       (64 * KiB)
#define PERMS_MAX       256
#define PERM_LEN_MAX    8
#define TOKEN_MAX       1000

/* ---- nodes ---- */

typedef struct NodeWriter {
    XenPvStoreConn *conn;
    GByteArray *out;
    uint32_t nr;
} NodeWriter;

static char *child_path(const char *path, const char *name)
{
    return g_strdup_printf("%s/%s", path[1] ? path : "", name);
}

static void put_node(NodeWriter *w, const char *path, GByteArray *value,
                     GStrv perms)
{
    unsigned i;

    xenpv_saved_put_string(w->out, path);
    xenpv_saved_put_bytes(w->out, value->data, value->len);
    xenpv_saved_put_u32(w->out, g_strv_length(perms));
    for (i = 0; perms[i]; i++) {
        xenpv_saved_put_string(w->out, perms[i]);
    }
    w->nr++;
}

/*
 * Parents first.  A path may have more levels than fit on a stack, so what is
 * to be visited is kept in a list.
 */
static void put_nodes(NodeWriter *w)
{
    g_autoptr(GPtrArray) visit = g_ptr_array_new();

    g_ptr_array_add(visit, g_strdup("/"));
    while (visit->len) {
        g_autofree char *path =
            g_ptr_array_steal_index_fast(visit, visit->len - 1);
        g_autoptr(GByteArray) value = g_byte_array_new();
        g_auto(GStrv) perms = NULL;
        g_auto(GStrv) names = NULL;
        unsigned i;

        if (xenpv_xs_read(w->conn, 0, path, value) ||
            xenpv_xs_get_perms(w->conn, 0, path, &perms)) {
            continue;
        }
        put_node(w, path, value, perms);
        if (!xenpv_xs_list(w->conn, 0, path, NULL, &names)) {
            for (i = 0; names[i]; i++) {
                g_ptr_array_add(visit, child_path(path, names[i]));
            }
        }
    }
}

static int get_perms(XenPvStoreConn *conn, XenPvSaved *s, const char *path)
{
    g_auto(GStrv) perms = NULL;
    uint32_t nr = xenpv_saved_u32(s), i;

    if (s->bad || nr > PERMS_MAX) {
        return -EINVAL;
    }
    perms = g_new0(char *, nr + 1);
    for (i = 0; i < nr; i++) {
        perms[i] = xenpv_saved_string(s, PERM_LEN_MAX);
        if (!perms[i]) {
            return -EINVAL;
        }
    }
    return xenpv_xs_set_perms(conn, 0, path, (const char *const *)perms, nr);
}

static int get_node(XenPvStoreConn *conn, XenPvSaved *s)
{
    g_autofree char *path = xenpv_saved_string(s, XENPV_STORE_PATH_MAX);
    uint32_t len;
    const uint8_t *value = xenpv_saved_bytes(s, VALUE_MAX, &len);
    int ret;

    if (!value || path[0] != '/') {
        return -EINVAL;
    }
    ret = xenpv_xs_write(conn, 0, path, value, len);
    return ret ?: get_perms(conn, s, path);
}

static void remove_all(XenPvStore *store)
{
    GList *items = NULL, *l;
    uint64_t unused;

    if (xs_impl_directory(store->tree, 0, XBT_NULL, "/", &unused, &items)) {
        return;
    }
    for (l = items; l; l = l->next) {
        g_autofree char *path = child_path("/", l->data);

        xenpv_xs_cut(store, path);
    }
    g_list_free_full(items, g_free);
}

void xenpv_xs_save(XenPvStoreConn *conn, GByteArray *out)
{
    NodeWriter w = { .conn = conn, .out = out };
    guint at = out->len;

    xenpv_saved_put_u32(out, 0);
    put_nodes(&w);
    stl_le_p(out->data + at, w.nr);
}

bool xenpv_xs_load(XenPvStoreConn *conn, XenPvSaved *s, Error **errp)
{
    uint32_t nr = xenpv_saved_u32(s), i;

    if (s->bad || nr > NODES_MAX) {
        error_setg(errp, "xenstore: impossible number of nodes");
        return false;
    }
    remove_all(conn->store);
    for (i = 0; i < nr; i++) {
        int ret = get_node(conn, s);

        if (ret) {
            error_setg(errp, "xenstore: node %" PRIu32 " of %" PRIu32
                       " is not one that can be", i, nr);
            return false;
        }
    }
    /* Whoever watches anything finds it changed, or gone. */
    xenpv_xs_fire(conn->store, "/", true);
    return true;
}

/* ---- a connection ---- */

void xenpv_xs_conn_save(XenPvStoreConn *conn, GByteArray *out)
{
    StoreWatch *w;
    StoreTx *tx;
    GList *l;

    xenpv_saved_put_u32(out, conn->nr_watches);
    QTAILQ_FOREACH(w, &conn->watches, next) {
        xenpv_saved_put_string(out, w->path);
        xenpv_saved_put_string(out, w->token);
        xenpv_saved_put_u32(out, w->relative);
    }
    xenpv_saved_put_u32(out, g_queue_get_length(&conn->events));
    for (l = conn->events.head; l; l = l->next) {
        XenPvStoreEvent *event = l->data;

        xenpv_saved_put_string(out, event->path);
        xenpv_saved_put_string(out, event->token);
    }
    xenpv_saved_put_u32(out, conn->nr_txs);
    QTAILQ_FOREACH(tx, &conn->txs, next) {
        xenpv_saved_put_u32(out, tx->id);
    }
}

static bool get_watch(XenPvStoreConn *conn, XenPvSaved *s)
{
    g_autofree char *path = xenpv_saved_string(s, XENPV_STORE_PATH_MAX);
    g_autofree char *token = xenpv_saved_string(s, TOKEN_MAX);
    uint32_t relative = xenpv_saved_u32(s);

    return !s->bad &&
           !xenpv_xs_watch_restore(conn, path, token, relative);
}

static bool get_event(XenPvStoreConn *conn, XenPvSaved *s)
{
    g_autofree char *path = xenpv_saved_string(s, XENPV_STORE_PATH_MAX);
    g_autofree char *token = xenpv_saved_string(s, TOKEN_MAX);

    if (!s->bad) {
        xenpv_xs_event_restore(conn, path, token);
    }
    return !s->bad;
}

static bool get_tx(XenPvStoreConn *conn, XenPvSaved *s)
{
    uint32_t id = xenpv_saved_u32(s);

    return !s->bad && !xenpv_xs_tx_restore(conn, id);
}

static bool get_list(XenPvStoreConn *conn, XenPvSaved *s, uint32_t max,
                     bool (*get)(XenPvStoreConn *conn, XenPvSaved *s))
{
    uint32_t nr = xenpv_saved_u32(s), i;

    if (s->bad || nr > max) {
        return false;
    }
    for (i = 0; i < nr; i++) {
        if (!get(conn, s)) {
            return false;
        }
    }
    return true;
}

bool xenpv_xs_conn_load(XenPvStoreConn *conn, XenPvSaved *s, Error **errp)
{
    /* An event beyond the limit is one for the watch's own path: once each. */
    uint32_t events = XENPV_STORE_MAX_EVENTS + XENPV_STORE_MAX_WATCHES;

    xenpv_xs_conn_reset(conn);
    if (!get_list(conn, s, XENPV_STORE_MAX_WATCHES, get_watch)) {
        error_setg(errp, "xenstore: impossible watches");
        return false;
    }
    if (!get_list(conn, s, events, get_event)) {
        error_setg(errp, "xenstore: impossible events");
        return false;
    }
    if (!get_list(conn, s, XENPV_STORE_MAX_TX, get_tx)) {
        error_setg(errp, "xenstore: impossible transactions");
        return false;
    }
    return true;
}
