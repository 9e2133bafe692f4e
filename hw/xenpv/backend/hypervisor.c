/*
 * The wrappers around the hypervisor's table of operations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They keep the count of what is alive, emit the trace events and turn away
 * arguments that no implementation should have to judge.  They add no policy.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/trace.h"

char *xenpv_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       size_t *len, int *err_no)
{
    size_t unused_len;
    int unused_err;

    return hv->ops->store_read(hv, tx, path, len ?: &unused_len,
                               err_no ?: &unused_err);
}

int xenpv_store_write_len(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const char *value, size_t len)
{
    int ret = hv->ops->store_write(hv, tx, path, value, len);

    trace_xenpv_store_write(path, len, ret);
    return ret;
}

int xenpv_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                      const char *value)
{
    return xenpv_store_write_len(hv, tx, path, value, strlen(value));
}

int xenpv_store_printf(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return xenpv_store_write(hv, tx, path, value);
}

int xenpv_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    return hv->ops->store_mkdir(hv, tx, path);
}

int xenpv_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    int ret = hv->ops->store_rm(hv, tx, path);

    trace_xenpv_store_rm(path, ret);
    return ret;
}

GStrv xenpv_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       int *err_no)
{
    int unused_err;

    return hv->ops->store_list(hv, tx, path, err_no ?: &unused_err);
}

int xenpv_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const XenPvPerm *perms, unsigned nr)
{
    if (!nr) {
        return -EINVAL;
    }
    return hv->ops->store_set_perms(hv, tx, path, perms, nr);
}

XenPvPerm *xenpv_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                 const char *path, unsigned *nr, int *err_no)
{
    int unused_err;

    return hv->ops->store_get_perms(hv, tx, path, nr, err_no ?: &unused_err);
}

bool xenpv_store_writable_by(XenPvHv *hv, const char *path, XenPvDomid domid)
{
    g_autofree XenPvPerm *perms = NULL;
    unsigned i, nr = 0;
    bool writable;

    perms = xenpv_store_get_perms(hv, NULL, path, &nr, NULL);
    if (!nr || perms[0].domid == domid) {
        return true;
    }
    writable = perms[0].write;
    for (i = 1; i < nr; i++) {
        if (perms[i].domid == domid) {
            writable = perms[i].write;
        }
    }
    return writable;
}

XenPvStoreTx *xenpv_store_tx_begin(XenPvHv *hv, int *err_no)
{
    int unused_err;
    XenPvStoreTx *tx;

    tx = hv->ops->store_tx_begin(hv, err_no ?: &unused_err);
    if (tx) {
        hv->live.transactions++;
    }
    return tx;
}

int xenpv_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit)
{
    int ret = hv->ops->store_tx_end(hv, tx, commit);

    hv->live.transactions--;
    trace_xenpv_store_tx_end(commit, ret);
    return ret;
}

XenPvWatch *xenpv_store_watch(XenPvHv *hv, const char *path, XenPvWatchFn *fn,
                              void *opaque, Error **errp)
{
    XenPvWatch *watch = hv->ops->store_watch(hv, path, fn, opaque, errp);

    if (watch) {
        hv->live.watches++;
    }
    trace_xenpv_store_watch(path, watch);
    return watch;
}

void xenpv_store_unwatch(XenPvWatch *watch)
{
    XenPvHv *hv = watch->hv;

    trace_xenpv_store_unwatch(watch->path, watch);
    hv->live.watches--;
    hv->ops->store_unwatch(watch);
}

XenPvChannel *xenpv_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                 uint32_t remote_port, Error **errp)
{
    XenPvChannel *channel;

    /* Port 0 is never handed out, by any kind of event channel. */
    if (!remote_port) {
        error_setg(errp, "event channel port 0 is not valid");
        return NULL;
    }
    channel = hv->ops->channel_bind(hv, domid, remote_port, errp);
    if (channel) {
        hv->live.channels++;
    }
    trace_xenpv_channel_bind(domid, remote_port, channel);
    return channel;
}

int xenpv_channel_ack(XenPvChannel *channel)
{
    return channel->hv->ops->channel_ack(channel);
}

int xenpv_channel_notify(XenPvChannel *channel)
{
    return channel->hv->ops->channel_notify(channel);
}

void xenpv_channel_unbind(XenPvChannel *channel)
{
    XenPvHv *hv = channel->hv;

    trace_xenpv_channel_unbind(channel->domid, channel->remote_port, channel);
    hv->live.channels--;
    hv->ops->channel_unbind(channel);
}

static XenPvMap *count_map(XenPvHv *hv, XenPvMap *map)
{
    if (map) {
        qatomic_inc(&hv->live.maps);
        qatomic_add(&hv->live.map_pages, map->nr_pages);
    }
    return map;
}

XenPvMap *xenpv_grant_map(XenPvHv *hv, XenPvDomid domid, const uint32_t *refs,
                          uint32_t nr_refs, bool readonly, Error **errp)
{
    XenPvMap *map;

    if (!nr_refs || nr_refs > XENPV_MAX_MAP_PAGES) {
        error_setg(errp, "cannot map %" PRIu32 " grants, only 1 to %d",
                   nr_refs, XENPV_MAX_MAP_PAGES);
        return NULL;
    }
    map = hv->ops->grant_map(hv, domid, refs, nr_refs, readonly, errp);
    trace_xenpv_grant_map(domid, refs[0], nr_refs, map);
    return count_map(hv, map);
}

int xenpv_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                     XenPvCopySeg *segs, uint32_t nr_segs)
{
    if (!nr_segs) {
        return 0;
    }
    return hv->ops->grant_copy(hv, domid, to_domain, segs, nr_segs);
}

int xenpv_grant_pin(XenPvHv *hv, XenPvDomid domid, bool write, XenPvPin *pins,
                    uint32_t nr_pins)
{
    int ret;

    if (!hv->in_place) {
        return -ENOTSUP;
    }
    ret = hv->ops->grant_pin(hv, domid, write, pins, nr_pins);
    if (!ret) {
        qatomic_add(&hv->live.pins, nr_pins);
    }
    return ret;
}

void xenpv_grant_unpin(XenPvHv *hv, bool write, XenPvPin *pins,
                       uint32_t nr_pins)
{
    qatomic_sub(&hv->live.pins, nr_pins);
    hv->ops->grant_unpin(hv, write, pins, nr_pins);
}

XenPvMap *xenpv_frame_map(XenPvHv *hv, XenPvDomid domid, const uint64_t *gfns,
                          uint32_t nr_gfns, bool readonly, Error **errp)
{
    XenPvMap *map;

    if (!nr_gfns) {
        error_setg(errp, "cannot map 0 frames");
        return NULL;
    }
    map = hv->ops->frame_map(hv, domid, gfns, nr_gfns, readonly, errp);
    trace_xenpv_frame_map(domid, gfns[0], nr_gfns, map);
    return count_map(hv, map);
}

XenPvMap *xenpv_console_map(XenPvHv *hv, XenPvDomid domid, uint64_t ring_ref,
                            Error **errp)
{
    XenPvMap *map = hv->ops->console_map(hv, domid, ring_ref, errp);

    trace_xenpv_console_map(domid, ring_ref, map);
    return count_map(hv, map);
}

void xenpv_unmap(XenPvMap *map)
{
    XenPvHv *hv = map->hv;

    trace_xenpv_unmap(map->domid, map->nr_pages, map);
    qatomic_dec(&hv->live.maps);
    qatomic_sub(&hv->live.map_pages, map->nr_pages);
    hv->ops->unmap(map);
}
