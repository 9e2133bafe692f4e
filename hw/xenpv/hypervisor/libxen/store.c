/*
 * xenstored, through libxenstore.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The library reads the socket in a thread of its own as soon as there is a
 * watch, and makes a pipe readable when an event has come.  Events are taken
 * off in the main loop, a bounded number at a time.  A token is a number that
 * is never used twice, so an event that was queued before its watch was
 * removed finds nobody.
 *
 * Who runs where there is no toolstack yet may find no domid in the store; it
 * is domain 0 then.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "hw/xen/interface/xen.h"
#include "libxen-internal.h"

/* Watch events delivered before the main loop gets a turn */
#define EVENTS_PER_TURN 64

typedef struct XenPvLibxenWatch {
    XenPvWatch parent;
    char token[21];             /* a number */
} XenPvLibxenWatch;

/* XenPvStoreTx is never defined: the handle is the transaction's number. */
static xs_transaction_t tx_id(XenPvStoreTx *tx)
{
    return (uintptr_t)tx;
}

char *xenpv_libxen_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              size_t *len, int *err_no)
{
    unsigned int got = 0;
    char *value = xs_read(xenpv_libxen(hv)->store, tx_id(tx), path, &got);
    char *copy;

    if (!value) {
        *err_no = errno;
        return NULL;
    }
    copy = g_malloc(got + 1);
    memcpy(copy, value, got);
    copy[got] = 0;
    free(value);
    *len = got;
    return copy;
}

int xenpv_libxen_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                             const char *value, size_t len)
{
    if (len > UINT_MAX) {
        return -E2BIG;
    }
    return xs_write(xenpv_libxen(hv)->store, tx_id(tx), path, value, len) ?
           0 : -errno;
}

int xenpv_libxen_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    return xs_mkdir(xenpv_libxen(hv)->store, tx_id(tx), path) ? 0 : -errno;
}

/* xenstored takes the removal of what is not there for done. */
int xenpv_libxen_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    struct xs_handle *store = xenpv_libxen(hv)->store;
    unsigned int len;
    void *value = xs_read(store, tx_id(tx), path, &len);

    if (!value && errno == ENOENT) {
        return -ENOENT;
    }
    free(value);
    return xs_rm(store, tx_id(tx), path) ? 0 : -errno;
}

GStrv xenpv_libxen_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              int *err_no)
{
    unsigned int i, nr = 0;
    char **names = xs_directory(xenpv_libxen(hv)->store, tx_id(tx), path,
                                &nr);
    GStrv list;

    if (!names) {
        *err_no = errno;
        return NULL;
    }
    list = g_new0(char *, nr + 1);
    for (i = 0; i < nr; i++) {
        list[i] = g_strdup(names[i]);
    }
    free(names);
    return list;
}

int xenpv_libxen_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                 const char *path, const XenPvPerm *perms,
                                 unsigned nr)
{
    g_autofree struct xs_permissions *list =
        g_new0(struct xs_permissions, nr);
    unsigned i;

    for (i = 0; i < nr; i++) {
        list[i].id = perms[i].domid;
        list[i].perms = (perms[i].read ? XS_PERM_READ : 0) |
                        (perms[i].write ? XS_PERM_WRITE : 0);
    }
    return xs_set_permissions(xenpv_libxen(hv)->store, tx_id(tx), path, list,
                              nr) ? 0 : -errno;
}

XenPvPerm *xenpv_libxen_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                        const char *path, unsigned *nr,
                                        int *err_no)
{
    unsigned int i, got = 0;
    struct xs_permissions *list;
    XenPvPerm *perms;

    list = xs_get_permissions(xenpv_libxen(hv)->store, tx_id(tx), path, &got);
    if (!list) {
        *err_no = errno;
        return NULL;
    }
    perms = g_new0(XenPvPerm, got);
    for (i = 0; i < got; i++) {
        perms[i].domid = list[i].id;
        perms[i].read = list[i].perms & XS_PERM_READ;
        perms[i].write = list[i].perms & XS_PERM_WRITE;
    }
    free(list);
    *nr = got;
    return perms;
}

XenPvStoreTx *xenpv_libxen_store_tx_begin(XenPvHv *hv, int *err_no)
{
    xs_transaction_t tx = xs_transaction_start(xenpv_libxen(hv)->store);

    if (tx == XBT_NULL) {
        *err_no = errno;
    }
    return (XenPvStoreTx *)(uintptr_t)tx;
}

int xenpv_libxen_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit)
{
    return xs_transaction_end(xenpv_libxen(hv)->store, tx_id(tx), !commit) ?
           0 : -errno;
}

/* ---- watches ---- */

static void deliver(XenPvLibxen *xen, const char *path, const char *token)
{
    XenPvLibxenWatch *watch = g_hash_table_lookup(xen->watches, token);

    if (watch) {
        watch->parent.fn(watch->parent.opaque, path);
    }
}

static void take_events(void *opaque)
{
    XenPvLibxen *xen = opaque;
    unsigned i;

    for (i = 0; i < EVENTS_PER_TURN; i++) {
        char **event = xs_check_watch(xen->store);

        if (!event) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                error_report("the connection to xenstored is lost: %s",
                             strerror(errno));
                qemu_set_fd_handler(xs_fileno(xen->store), NULL, NULL, NULL);
            }
            return;
        }
        deliver(xen, event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
        free(event);
    }
    /* The descriptor need not stay readable while there are more. */
    qemu_bh_schedule(xen->more_events);
}

static void watch_free(XenPvLibxenWatch *watch)
{
    g_free(watch->parent.path);
    g_free(watch);
}

XenPvWatch *xenpv_libxen_store_watch(XenPvHv *hv, const char *path,
                                     XenPvWatchFn *fn, void *opaque,
                                     Error **errp)
{
    XenPvLibxen *xen = xenpv_libxen(hv);
    XenPvLibxenWatch *watch = g_new0(XenPvLibxenWatch, 1);

    snprintf(watch->token, sizeof(watch->token), "%" PRIu64,
             ++xen->last_token);
    watch->parent = (XenPvWatch) {
        .hv = hv, .path = g_strdup(path), .fn = fn, .opaque = opaque,
    };
    if (!xs_watch(xen->store, path, watch->token)) {
        error_setg_errno(errp, errno, "cannot watch %s", path);
        watch_free(watch);
        return NULL;
    }
    g_hash_table_insert(xen->watches, watch->token, watch);
    return &watch->parent;
}

void xenpv_libxen_store_unwatch(XenPvWatch *parent)
{
    XenPvLibxenWatch *watch = container_of(parent, XenPvLibxenWatch, parent);
    XenPvLibxen *xen = xenpv_libxen(parent->hv);

    /* Fails only when the connection is gone, and the watch with it. */
    xs_unwatch(xen->store, parent->path, watch->token);
    g_hash_table_remove(xen->watches, watch->token);
    watch_free(watch);
}

/* ---- the connection ---- */

bool xenpv_libxen_has_domain(XenPvHv *hv, XenPvDomid domid)
{
    errno = 0;
    return xs_is_domain_introduced(xenpv_libxen(hv)->store, domid) || errno;
}

/* We speak as the domain we run in: relative paths are below its directory. */
static XenPvDomid own_domid(XenPvLibxen *xen)
{
    g_autofree char *text = NULL;
    uint64_t domid;
    size_t len;
    int err;

    text = xenpv_libxen_store_read(&xen->parent, NULL, "domid", &len, &err);
    if (!text || qemu_strtou64(text, NULL, 10, &domid) ||
        domid >= DOMID_FIRST_RESERVED) {
        return 0;
    }
    return domid;
}

bool xenpv_libxen_store_open(XenPvLibxen *xen, Error **errp)
{
    xen->store = xs_open(0);
    if (!xen->store) {
        error_setg_errno(errp, errno, "cannot connect to xenstored");
        return false;
    }
    xen->parent.self = own_domid(xen);
    xen->parent.kernel_backends = true;
    xen->watches = g_hash_table_new(g_str_hash, g_str_equal);
    xen->more_events = aio_bh_new(iohandler_get_aio_context(), take_events,
                                  xen);
    qemu_set_fd_handler(xs_fileno(xen->store), take_events, NULL, xen);
    return true;
}

void xenpv_libxen_store_close(XenPvLibxen *xen)
{
    if (xen->store) {
        qemu_set_fd_handler(xs_fileno(xen->store), NULL, NULL, NULL);
        qemu_bh_delete(xen->more_events);
        g_hash_table_destroy(xen->watches);
        xs_close(xen->store);
    }
}
