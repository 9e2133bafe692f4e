/*
 * The lower seam's store operations, on QEMU's own connection to the store.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Watch callbacks run from a bottom half.  A token is the number of a watch,
 * so an event that was queued before its watch was removed finds nobody.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "emu-internal.h"

#define WATCHES_PER_BH  64

/* XenPvStoreTx is never defined: the handle is the transaction's number. */
static uint32_t tx_id(XenPvStoreTx *tx)
{
    return (uintptr_t)tx;
}

char *xenpv_emu_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                           size_t *len, int *err_no)
{
    GByteArray *value = g_byte_array_new();
    int ret = xenpv_xs_read(xenpv_emu(hv)->conn, tx_id(tx), path, value);

    if (ret) {
        g_byte_array_unref(value);
        if (err_no) {
            *err_no = -ret;
        }
        return NULL;
    }
    if (len) {
        *len = value->len;
    }
    g_byte_array_append(value, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(value, false);
}

int xenpv_emu_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const char *value, size_t len)
{
    return xenpv_xs_write(xenpv_emu(hv)->conn, tx_id(tx), path, value, len);
}

int xenpv_emu_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    return xenpv_xs_mkdir(xenpv_emu(hv)->conn, tx_id(tx), path);
}

int xenpv_emu_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    return xenpv_xs_rm(xenpv_emu(hv)->conn, tx_id(tx), path);
}

GStrv xenpv_emu_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                           int *err_no)
{
    GStrv names = NULL;
    int ret = xenpv_xs_list(xenpv_emu(hv)->conn, tx_id(tx), path, NULL,
                            &names);

    if (ret && err_no) {
        *err_no = -ret;
    }
    return names;
}

int xenpv_emu_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              const XenPvPerm *perms, unsigned nr)
{
    static const char letters[2][2] = { { 'n', 'w' }, { 'r', 'b' } };
    g_auto(GStrv) list = g_new0(char *, nr + 1);
    unsigned i;

    for (i = 0; i < nr; i++) {
        list[i] = g_strdup_printf("%c%u",
                                  letters[perms[i].read][perms[i].write],
                                  perms[i].domid);
    }
    return xenpv_xs_set_perms(xenpv_emu(hv)->conn, tx_id(tx), path,
                              (const char *const *)list, nr);
}

XenPvPerm *xenpv_emu_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                     const char *path, unsigned *nr,
                                     int *err_no)
{
    g_auto(GStrv) list = NULL;
    unsigned long domid = 0;
    XenPvPerm *perms;
    unsigned i;
    int ret;

    ret = xenpv_xs_get_perms(xenpv_emu(hv)->conn, tx_id(tx), path, &list);
    if (ret) {
        *err_no = -ret;
        return NULL;
    }
    *nr = g_strv_length(list);
    perms = g_new0(XenPvPerm, *nr);
    for (i = 0; i < *nr; i++) {
        qemu_strtoul(list[i] + 1, NULL, 10, &domid);
        perms[i].domid = domid;
        perms[i].read = list[i][0] == 'r' || list[i][0] == 'b';
        perms[i].write = list[i][0] == 'w' || list[i][0] == 'b';
    }
    return perms;
}

XenPvStoreTx *xenpv_emu_store_tx_begin(XenPvHv *hv, int *err_no)
{
    uint32_t id;
    int ret = xenpv_xs_tx_start(xenpv_emu(hv)->conn, &id);

    if (ret) {
        if (err_no) {
            *err_no = -ret;
        }
        return NULL;
    }
    return (XenPvStoreTx *)(uintptr_t)id;
}

int xenpv_emu_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit)
{
    return xenpv_xs_tx_end(xenpv_emu(hv)->conn, tx_id(tx), commit);
}

typedef struct XenPvEmuWatch {
    XenPvWatch parent;
    char token[24];
} XenPvEmuWatch;

XenPvWatch *xenpv_emu_store_watch(XenPvHv *hv, const char *path,
                                  XenPvWatchFn *fn, void *opaque,
                                  Error **errp)
{
    XenPvEmu *emu = xenpv_emu(hv);
    XenPvEmuWatch *watch = g_new0(XenPvEmuWatch, 1);
    int ret;

    snprintf(watch->token, sizeof(watch->token), "%" PRIu64,
             ++emu->next_token);
    ret = xenpv_xs_watch(emu->conn, path, watch->token);
    if (ret) {
        error_setg_errno(errp, -ret, "cannot watch %s", path);
        g_free(watch);
        return NULL;
    }
    watch->parent.hv = hv;
    watch->parent.path = g_strdup(path);
    watch->parent.fn = fn;
    watch->parent.opaque = opaque;
    g_hash_table_insert(emu->watches, watch->token, watch);
    return &watch->parent;
}

void xenpv_emu_store_unwatch(XenPvWatch *watch)
{
    XenPvEmuWatch *w = container_of(watch, XenPvEmuWatch, parent);
    XenPvEmu *emu = xenpv_emu(watch->hv);

    xenpv_xs_unwatch(emu->conn, watch->path, w->token);
    g_hash_table_remove(emu->watches, w->token);
    g_free(watch->path);
    g_free(w);
}

static void watch_bh(void *opaque)
{
    XenPvEmu *emu = opaque;
    XenPvStoreEvent *event;
    XenPvEmuWatch *watch;
    unsigned i;

    /* A callback may write to what it watches: leave some for next time. */
    for (i = 0; i < WATCHES_PER_BH; i++) {
        event = xenpv_xs_next_event(emu->conn);
        if (!event) {
            return;
        }
        watch = g_hash_table_lookup(emu->watches, event->token);
        if (watch) {
            watch->parent.fn(watch->parent.opaque, event->path);
        }
        xenpv_xs_event_free(event);
    }
    if (xenpv_xs_nr_events(emu->conn)) {
        qemu_bh_schedule(emu->watch_bh);
    }
}

static void store_wake(void *opaque)
{
    XenPvEmu *emu = opaque;

    qemu_bh_schedule(emu->watch_bh);
}

void xenpv_emu_store_init(XenPvEmu *emu)
{
    emu->store = xenpv_xs_new(emu->cfg.guest);
    emu->watches = g_hash_table_new(g_str_hash, g_str_equal);
    emu->watch_bh = qemu_bh_new_guarded(watch_bh, emu, NULL);
    emu->conn = xenpv_xs_connect(emu->store, emu->parent.self, store_wake,
                                 emu);
}

void xenpv_emu_store_cleanup(XenPvEmu *emu)
{
    xenpv_xs_disconnect(emu->conn);
    qemu_bh_delete(emu->watch_bh);
    g_hash_table_destroy(emu->watches);
    xenpv_xs_free(emu->store);
}
