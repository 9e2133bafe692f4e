/*
 * The emulated xenstore: rights, transactions and watches around QEMU's tree.
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
#include "qemu/queue.h"
#include "hw/i386/kvm/xenstore_impl.h"
#include "store.h"
#include "hw/xenpv/trace.h"

/* An event has room for the longest path and the longest token. */
#define TOKEN_MAX   1000
/* Access rights of one node set by domain 0; a guest's limit is the tree's. */
#define PERMS_MAX   256
/* DOMID_FIRST_RESERVED of public/xen.h */
#define DOMID_LIMIT 0x7ff0u

typedef struct StoreWatch {
    QTAILQ_ENTRY(StoreWatch) next;
    char *path;             /* absolute, or "@..." */
    char *token;
    unsigned relative;      /* bytes of @path the events leave out */
} StoreWatch;

typedef enum { MARK_NONE, MARK_GONE, MARK_BACK } StoreMark;

typedef struct StoreTx {
    QTAILQ_ENTRY(StoreTx) next;
    uint32_t id;
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

/* Paths */

static bool path_chars_ok(const char *path)
{
    for (; *path; path++) {
        if (!g_ascii_isalnum(*path) && !strchr("-/_", *path)) {
            return false;
        }
    }
    return true;
}

/*
 * Make @path absolute in @abs, XENPV_STORE_PATH_MAX + 1 bytes.  Limits are
 * XENSTORE_ABS_PATH_MAX and XENSTORE_REL_PATH_MAX of io/xs_wire.h.
 */
static int path_resolve(XenPvStoreConn *conn, const char *path, char *abs)
{
    size_t len = strlen(path);
    int prefix = 0;

    if (!len || len > (path[0] == '/' ? 3072 : 2048)) {
        return -EINVAL;
    }
    if ((len > 1 && path[len - 1] == '/') || strstr(path, "//") ||
        !path_chars_ok(path)) {
        return -EINVAL;
    }
    if (path[0] != '/') {
        prefix = snprintf(abs, XENPV_STORE_PATH_MAX + 1, "/local/domain/%u/",
                          conn->domid);
    }
    memcpy(abs + prefix, path, len + 1);
    return 0;
}

/* Cut @path to its parent's; false at the root. */
static bool path_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (!path[1]) {
        return false;
    }
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

static bool path_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);

    if (len == 1) {
        return path[0] == '/';
    }
    return strncmp(path, top, len) == 0 && path[len] == '/';
}

/* Rights */

static bool perm_is_of(const char *entry, XenPvDomid domid)
{
    unsigned id;

    return !qemu_strtoui(entry + 1, NULL, 10, &id) && id == domid;
}

static bool perms_allow(GList *perms, XenPvDomid domid, const char *letters)
{
    const char *entry;
    bool allow = false;
    GList *l;

    for (l = perms; l; l = l->next) {
        entry = l->data;
        if (l == perms) {
            /* The owner's entry holds everybody else's rights. */
            if (perm_is_of(entry, domid)) {
                return true;
            }
            allow = strchr(letters, entry[0]) != NULL;
        } else if (perm_is_of(entry, domid)) {
            allow = strchr(letters, entry[0]) != NULL;
        }
    }
    return allow;
}

/* May @conn do @letters to the node, or else to its nearest live ancestor? */
static bool may(XenPvStoreConn *conn, uint32_t tx, const char *abs,
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
            allow = perms_allow(perms, conn->domid, letters);
            g_list_free_full(perms, g_free);
            break;
        }
    } while (path_up(path));
    return allow;
}

/* Events */

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

static void event_add(XenPvStoreConn *conn, StoreWatch *w, const char *path)
{
    XenPvStoreEvent key, *event;

    if (g_queue_get_length(&conn->events) >= XENPV_STORE_MAX_EVENTS) {
        path = w->path;
    }
    key.path = (char *)path + w->relative;
    key.token = w->token;
    if (g_hash_table_contains(conn->waiting, &key)) {
        return;
    }
    event = g_new(XenPvStoreEvent, 1);
    event->path = g_strdup(key.path);
    event->token = g_strdup(key.token);
    g_queue_push_tail(&conn->events, event);
    g_hash_table_add(conn->waiting, event);
    if (g_queue_get_length(&conn->events) == 1) {
        conn->wake(conn->opaque);
    }
}

XenPvStoreEvent *xenpv_xs_next_event(XenPvStoreConn *conn)
{
    XenPvStoreEvent *event = g_queue_pop_head(&conn->events);

    if (event) {
        g_hash_table_remove(conn->waiting, event);
    }
    return event;
}

unsigned xenpv_xs_nr_events(XenPvStoreConn *conn)
{
    return g_queue_get_length(&conn->events);
}

static void drop_events(XenPvStoreConn *conn)
{
    XenPvStoreEvent *event;

    while ((event = xenpv_xs_next_event(conn))) {
        xenpv_xs_event_free(event);
    }
}

/* @below: everything under @abs has changed as well. */
static void fire(XenPvStore *store, const char *abs, bool below)
{
    XenPvStoreConn *conn;
    StoreWatch *w;
    int readable;

    trace_xenpv_xs_fire(abs, below);
    QTAILQ_FOREACH(conn, &store->conns, next) {
        readable = -1;
        QTAILQ_FOREACH(w, &conn->watches, next) {
            if (g_str_equal(abs, w->path) || path_is_below(abs, w->path)) {
                if (readable < 0) {
                    readable = may(conn, 0, abs, "rb");
                }
                if (readable) {
                    event_add(conn, w, abs);
                }
            } else if (below && path_is_below(w->path, abs)) {
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

/* Transactions */

static StoreTx *tx_find(XenPvStoreConn *conn, uint32_t id)
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

static bool tx_alive(StoreTx *tx, const char *abs)
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
    } while (path_up(path));
    return true;
}

static bool tx_may_change(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    return !tx || !conn->domid ||
           g_hash_table_contains(tx->changed, abs) ||
           g_hash_table_size(tx->changed) < XENPV_STORE_MAX_CHANGES;
}

/* A node has changed: tell the watches now, or at the commit. */
static void changed(XenPvStoreConn *conn, StoreTx *tx, const char *abs,
                    bool below)
{
    gpointer key, value;

    if (!tx) {
        fire(conn->store, abs, below);
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

/* Every operation begins here: find the transaction, resolve the path. */
static int begin(XenPvStoreConn *conn, uint32_t id, const char *path,
                 StoreTx **tx, char *abs)
{
    *tx = NULL;
    if (id) {
        *tx = tx_find(conn, id);
        if (!*tx) {
            return -ENOENT;
        }
    }
    return path_resolve(conn, path, abs);
}

/* Like begin(), for operations on a node that must exist. */
static int begin_existing(XenPvStoreConn *conn, uint32_t id, const char *path,
                          StoreTx **tx, char *abs)
{
    int ret = begin(conn, id, path, tx, abs);

    if (ret) {
        return ret;
    }
    return tx_alive(*tx, abs) ? 0 : -ENOENT;
}

int xenpv_xs_read(XenPvStoreConn *conn, uint32_t id, const char *path,
                  GByteArray *value)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin_existing(conn, id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    return -xs_impl_read(conn->store->tree, conn->domid, id, abs, value);
}

static int put(XenPvStoreConn *conn, uint32_t id, const char *abs,
               const void *value, size_t len)
{
    GByteArray *array = g_byte_array_sized_new(len);
    int ret;

    g_byte_array_append(array, value, len);
    ret = -xs_impl_write(conn->store->tree, conn->domid, id, abs, array);
    g_byte_array_unref(array);
    return ret;
}

/*
 * Make @abs and its removed ancestors again, each empty and with the rights
 * of its parent.
 */
static int revive(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    char parent[XENPV_STORE_PATH_MAX + 1];
    GList *perms = NULL;
    int ret;

    if (tx_alive(tx, abs)) {
        return 0;
    }
    pstrcpy(parent, sizeof(parent), abs);
    path_up(parent);
    ret = revive(conn, tx, parent);
    if (ret) {
        return ret;
    }
    ret = xs_impl_get_perms(conn->store->tree, 0, tx->id, parent, &perms);
    if (ret) {
        return -ret;
    }
    if (conn->domid && !perms_allow(perms, conn->domid, "wb")) {
        g_list_free_full(perms, g_free);
        return -EACCES;
    }
    /* Fails if the tree never had the node: then it inherits by itself. */
    xs_impl_set_perms(conn->store->tree, 0, tx->id, abs, perms);
    g_list_free_full(perms, g_free);
    ret = put(conn, tx->id, abs, "", 0);
    if (!ret) {
        tx_set_mark(tx, abs, MARK_BACK);
    }
    return ret;
}

int xenpv_xs_write(XenPvStoreConn *conn, uint32_t id, const char *path,
                   const void *value, size_t len)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin(conn, id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (!tx_may_change(conn, tx, abs)) {
        return -ENOSPC;
    }
    ret = revive(conn, tx, abs);
    if (!ret) {
        ret = put(conn, id, abs, value, len);
    }
    if (!ret) {
        changed(conn, tx, abs, false);
    }
    return ret;
}

static bool exists(XenPvStoreConn *conn, StoreTx *tx, const char *abs)
{
    GList *perms = NULL;

    if (!tx_alive(tx, abs) ||
        xs_impl_get_perms(conn->store->tree, 0, tx ? tx->id : 0, abs,
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
    int ret = begin(conn, id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (exists(conn, tx, abs)) {
        return may(conn, id, abs, "wb") ? 0 : -EACCES;
    }
    return xenpv_xs_write(conn, id, abs, "", 0);
}

static gboolean mark_is_below(gpointer key, gpointer value, gpointer top)
{
    return path_is_below(key, top);
}

int xenpv_xs_rm(XenPvStoreConn *conn, uint32_t id, const char *path)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    StoreTx *tx;
    int ret = begin_existing(conn, id, path, &tx, abs);

    if (ret) {
        return ret;
    }
    if (!abs[1]) {
        return -EINVAL;
    }
    if (!tx) {
        ret = -xs_impl_rm(conn->store->tree, conn->domid, 0, abs);
    } else if (!exists(conn, tx, abs)) {
        ret = -ENOENT;
    } else if (!may(conn, id, abs, "wb")) {
        ret = -EACCES;
    } else if (!tx_may_change(conn, tx, abs)) {
        ret = -ENOSPC;
    } else {
        g_hash_table_foreach_remove(tx->marks, mark_is_below, abs);
        tx_set_mark(tx, abs, MARK_GONE);
    }
    if (!ret) {
        changed(conn, tx, abs, true);
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
    int ret = begin_existing(conn, id, path, &tx, abs);

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
        if (tx_alive(tx, child)) {
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
    int ret = begin_existing(conn, id, path, &tx, abs);

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

/* Exactly a letter and a domain id: the tree keeps what it is given. */
static bool perm_ok(const char *perm)
{
    unsigned long domid;
    const char *end;

    return perm[0] && strchr("nrwb", perm[0]) && g_ascii_isdigit(perm[1]) &&
           !qemu_strtoul(perm + 1, &end, 10, &domid) && !*end &&
           domid < DOMID_LIMIT;
}

int xenpv_xs_set_perms(XenPvStoreConn *conn, uint32_t id, const char *path,
                       const char *const *perms, unsigned nr)
{
    char abs[XENPV_STORE_PATH_MAX + 1];
    GList *list = NULL;
    StoreTx *tx;
    unsigned i;
    int ret = begin_existing(conn, id, path, &tx, abs);

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
        if (!perm_ok(perms[i])) {
            return -EINVAL;
        }
    }
    if (!tx_may_change(conn, tx, abs)) {
        return -ENOSPC;
    }
    for (i = nr; i > 0; i--) {
        list = g_list_prepend(list, (char *)perms[i - 1]);
    }
    ret = -xs_impl_set_perms(conn->store->tree, conn->domid, id, abs, list);
    g_list_free(list);
    if (!ret) {
        changed(conn, tx, abs, false);
    }
    return ret;
}

int xenpv_xs_tx_start(XenPvStoreConn *conn, uint32_t *id)
{
    xs_transaction_t tx_id = XBT_NULL;
    StoreTx *tx;
    int ret;

    if (conn->domid && conn->nr_txs >= XENPV_STORE_MAX_TX) {
        return -ENOSPC;
    }
    ret = -xs_impl_transaction_start(conn->store->tree, conn->domid, &tx_id);
    if (ret) {
        return ret;
    }
    tx = g_new0(StoreTx, 1);
    tx->id = tx_id;
    tx->marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tx->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tx->order = g_ptr_array_new();
    QTAILQ_INSERT_TAIL(&conn->txs, tx, next);
    conn->nr_txs++;
    *id = tx_id;
    trace_xenpv_xs_tx_start(conn->domid, tx_id);
    return 0;
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
            xs_impl_rm(tree, 0, XBT_NULL, child);
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
            xs_impl_rm(conn->store->tree, 0, XBT_NULL, path);
        } else {
            prune(conn, tx, path);
        }
    }
    for (i = 0; i < tx->order->len; i++) {
        path = g_ptr_array_index(tx->order, i);
        fire(conn->store, path,
             GPOINTER_TO_INT(g_hash_table_lookup(tx->changed, path)));
    }
}

int xenpv_xs_tx_end(XenPvStoreConn *conn, uint32_t id, bool commit)
{
    StoreTx *tx = tx_find(conn, id);
    int ret;

    if (!tx) {
        return -ENOENT;
    }
    ret = -xs_impl_transaction_end(conn->store->tree, conn->domid, id, commit);
    trace_xenpv_xs_tx_end(conn->domid, id, commit, ret);
    if (!ret && commit) {
        tx_apply(conn, tx);
    }
    tx_free(conn, tx);
    return ret;
}

/* Watches */

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
    return path_resolve(conn, path, abs);
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
    w = g_new0(StoreWatch, 1);
    w->path = g_strdup(abs);
    w->token = g_strdup(token);
    w->relative = relative;
    QTAILQ_INSERT_TAIL(&conn->watches, w, next);
    conn->nr_watches++;
    event_add(conn, w, w->path);
    return 0;
}

static void watch_free(XenPvStoreConn *conn, StoreWatch *w)
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
    watch_free(conn, w);
    return 0;
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
    conn->waiting = g_hash_table_new(event_hash, event_equal);
    QTAILQ_INSERT_TAIL(&store->conns, conn, next);
    return conn;
}

void xenpv_xs_conn_reset(XenPvStoreConn *conn)
{
    StoreWatch *w, *next_w;
    StoreTx *tx, *next_tx;

    QTAILQ_FOREACH_SAFE(w, &conn->watches, next, next_w) {
        watch_free(conn, w);
    }
    QTAILQ_FOREACH_SAFE(tx, &conn->txs, next, next_tx) {
        xenpv_xs_tx_end(conn, tx->id, false);
    }
    drop_events(conn);
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
