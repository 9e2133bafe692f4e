/*
 * Watches of the store, and the queues of events they make.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "store-internal.h"
#include "hw/xenpv/trace.h"

/* An event has room for the longest path and the longest token. */
#define TOKEN_MAX   1000

static guint event_hash(gconstpointer p)
{
    const XenPvStoreEvent *e = p;

    return g_str_hash(e->path) * 31 + g_str_hash(e->token);
}

static gboolean event_equal(gconstpointer a, gconstpointer b)
{
    const XenPvStoreEvent *x = a, *y = b;

    return g_str_equal(x->path, y->path) && g_str_equal(x->token, y->token);
}

void xenpv_xs_event_free(XenPvStoreEvent *event)
{
    g_free(event->path);
    g_free(event->token);
    g_free(event);
}

static void event_push(XenPvStoreConn *conn, const char *path,
                       const char *token)
{
    XenPvStoreEvent key = { (char *)path, (char *)token }, *event;

    if (g_hash_table_contains(conn->waiting, &key)) {
        return;
    }
    event = g_new(XenPvStoreEvent, 1);
    event->path = g_strdup(path);
    event->token = g_strdup(token);
    g_queue_push_tail(&conn->events, event);
    g_hash_table_add(conn->waiting, event);
    if (g_queue_get_length(&conn->events) == 1) {
        conn->wake(conn->opaque);
    }
}

static void event_add(XenPvStoreConn *conn, StoreWatch *w, const char *path)
{
    if (g_queue_get_length(&conn->events) >= XENPV_STORE_MAX_EVENTS) {
        path = w->path;
    }
    event_push(conn, path + w->relative, w->token);
}

void xenpv_xs_event_restore(XenPvStoreConn *conn, const char *path,
                            const char *token)
{
    event_push(conn, path, token);
}

XenPvStoreEvent *xenpv_xs_next_event(XenPvStoreConn *conn)
{
    XenPvStoreEvent *event = g_queue_pop_head(&conn->events);

    if (event) {
        g_hash_table_remove(conn->waiting, event);
    }
    return event;
}

GHashTable *xenpv_xs_event_set(void)
{
    return g_hash_table_new(event_hash, event_equal);
}

unsigned xenpv_xs_nr_events(XenPvStoreConn *conn)
{
    return g_queue_get_length(&conn->events);
}

void xenpv_xs_drop_events(XenPvStoreConn *conn)
{
    XenPvStoreEvent *event;

    while ((event = xenpv_xs_next_event(conn))) {
        xenpv_xs_event_free(event);
    }
}

/* @below: everything under @abs has changed as well. */
void xenpv_xs_fire(XenPvStore *store, const char *abs, bool below)
{
    XenPvStoreConn *conn;
    StoreWatch *w;
    int readable;

    trace_xenpv_xs_fire(abs, below);
    QTAILQ_FOREACH(conn, &store->conns, next) {
        readable = -1;
        QTAILQ_FOREACH(w, &conn->watches, next) {
            if (g_str_equal(abs, w->path) ||
                xenpv_xs_path_is_below(abs, w->path)) {
                if (readable < 0) {
                    readable = xenpv_xs_may(conn, 0, abs, "rb");
                }
                if (readable) {
                    event_add(conn, w, abs);
                }
            } else if (below && xenpv_xs_path_is_below(w->path, abs)) {
                event_add(conn, w, w->path);
            }
        }
    }
}

void xenpv_xs_fire_special(XenPvStore *store, const char *name)
{
    XenPvStoreConn *conn;
    StoreWatch *w;

    QTAILQ_FOREACH(conn, &store->conns, next) {
        QTAILQ_FOREACH(w, &conn->watches, next) {
            if (g_str_equal(w->path, name)) {
                event_add(conn, w, name);
            }
        }
    }
}

static int watch_path(XenPvStoreConn *conn, const char *path, char *abs)
{
    if (path[0] == '@') {
        /* What becomes of domains is not a guest's business. */
        if (conn->domid) {
            return -EACCES;
        }
        if (strcmp(path, "@introduceDomain") &&
            strcmp(path, "@releaseDomain")) {
            return -EINVAL;
        }
        pstrcpy(abs, XENPV_STORE_PATH_MAX + 1, path);
        return 0;
    }
    return xenpv_xs_resolve(conn->domid, path, abs);
}

static StoreWatch *watch_find(XenPvStoreConn *conn, const char *abs,
                              unsigned relative, const char *token)
{
    StoreWatch *w;

    QTAILQ_FOREACH(w, &conn->watches, next) {
        if (w->relative == relative && g_str_equal(w->path, abs) &&
            g_str_equal(w->token, token)) {
            return w;
        }
    }
    return NULL;
}

static StoreWatch *watch_new(XenPvStoreConn *conn, const char *abs,
                             const char *token, unsigned relative)
{
    StoreWatch *w = g_new0(StoreWatch, 1);

    w->path = g_strdup(abs);
    w->token = g_strdup(token);
    w->relative = relative;
    QTAILQ_INSERT_TAIL(&conn->watches, w, next);
    conn->nr_watches++;
    return w;
}

int xenpv_xs_watch(XenPvStoreConn *conn, const char *path, const char *token)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    unsigned relative;
    StoreWatch *w;
    int ret = watch_path(conn, path, abs);

    if (ret) {
        return ret;
    }
    if (strlen(token) > TOKEN_MAX) {
        return -EINVAL;
    }
    relative = strlen(abs) - strlen(path);
    if (watch_find(conn, abs, relative, token)) {
        return -EEXIST;
    }
    if (conn->domid && conn->nr_watches >= XENPV_STORE_MAX_WATCHES) {
        return -E2BIG;
    }
    w = watch_new(conn, abs, token, relative);
    event_add(conn, w, w->path);
    return 0;
}

int xenpv_xs_watch_restore(XenPvStoreConn *conn, const char *abs,
                           const char *token, uint32_t relative)
{
    g_autofree char *home = g_strdup_printf("/local/domain/%u/", conn->domid);
    char judged[XENPV_STORE_PATH_MAX + 1];
    int ret = watch_path(conn, abs, judged);

    /* What a guest has named in short lies in its own folder. */
    if (ret || strcmp(judged, abs) ||
        (relative && (relative != strlen(home) ||
                      !g_str_has_prefix(abs, home) || !abs[relative])) ||
        watch_find(conn, abs, relative, token)) {
        return -EINVAL;
    }
    watch_new(conn, abs, token, relative);
    return 0;
}

void xenpv_xs_watch_free(XenPvStoreConn *conn, StoreWatch *w)
{
    QTAILQ_REMOVE(&conn->watches, w, next);
    conn->nr_watches--;
    g_free(w->path);
    g_free(w->token);
    g_free(w);
}

int xenpv_xs_unwatch(XenPvStoreConn *conn, const char *path,
                     const char *token)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreWatch *w;
    int ret = watch_path(conn, path, abs);

    if (ret) {
        return ret;
    }
    w = watch_find(conn, abs, strlen(abs) - strlen(path), token);
    if (!w) {
        return -ENOENT;
    }
    xenpv_xs_watch_free(conn, w);
    return 0;
}
