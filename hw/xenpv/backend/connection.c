/*
 * What one connection holds: maps and event channels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver acquires through the device and may release; what it does not
 * release goes with the connection, so that no path out of a failed connect
 * can leave anything behind.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "qapi/error.h"
#include "hw/xenpv/trace.h"
#include "internal.h"

struct XenPvEvent {
    XenPvDevice *dev;
    XenPvChannel *channel;
    AioContext *ctx;            /* NULL: delivers nothing */
    QEMUBH *again;
    void *opaque;
    QLIST_ENTRY(XenPvEvent) next;
};

/* ---- maps ---- */

static XenPvMap *own_map(XenPvDevice *dev, XenPvMap *map)
{
    if (map) {
        g_ptr_array_add(dev->maps, map);
    }
    return map;
}

XenPvMap *xenpv_dev_map_grants(XenPvDevice *dev, const uint32_t *refs,
                               uint32_t nr_refs, bool readonly, Error **errp)
{
    return own_map(dev, xenpv_grant_map(dev->hv, dev->guest, refs, nr_refs,
                                        readonly, errp));
}

XenPvMap *xenpv_dev_map_frames(XenPvDevice *dev, const uint64_t *gfns,
                               uint32_t nr_gfns, bool readonly, Error **errp)
{
    return own_map(dev, xenpv_frame_map(dev->hv, dev->guest, gfns, nr_gfns,
                                        readonly, errp));
}

XenPvMap *xenpv_dev_map_console(XenPvDevice *dev, uint64_t ring_ref,
                                Error **errp)
{
    return own_map(dev, xenpv_console_map(dev->hv, dev->guest, ring_ref,
                                          errp));
}

void xenpv_dev_unmap(XenPvDevice *dev, XenPvMap *map)
{
    g_ptr_array_remove_fast(dev->maps, map);
    xenpv_unmap(map);
}

int xenpv_dev_copy(XenPvDevice *dev, bool to_guest, XenPvCopySeg *segs,
                   uint32_t nr_segs)
{
    return xenpv_grant_copy(dev->hv, dev->guest, to_guest, segs, nr_segs);
}

/* ---- channels ---- */

static bool event_deliver(XenPvEvent *event)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(event->dev);

    /* What it was about is still there afterwards. */
    return !qatomic_read(&event->dev->held) &&
           dc->event(event->dev, event->opaque);
}

static void event_fired(void *opaque)
{
    XenPvEvent *event = opaque;
    int ret = xenpv_channel_ack(event->channel);

    if (ret > 0) {
        event_deliver(event);
    } else if (ret < 0) {
        Error *err = NULL;

        /* It would stay readable and keep this thread busy for ever. */
        aio_set_fd_handler(event->ctx,
                           event_notifier_get_fd(event->channel->notifier),
                           NULL, NULL, NULL, NULL, NULL);
        error_setg_errno(&err, -ret, "event channel is broken");
        xenpv_dev_fail(event->dev, err);
    }
}

/*
 * Polling looks at the ring and not at the channel, and the look is the work:
 * there is nothing left to do once it has found something.
 */
static bool event_poll(void *opaque)
{
    return event_deliver(opaque);
}

static void event_polled(void *opaque)
{
}

static void event_again_bh(void *opaque)
{
    event_deliver(opaque);
}

static void event_start(XenPvEvent *event, AioContext *ctx)
{
    event->ctx = ctx;
    event->again = aio_bh_new(ctx, event_again_bh, event);
    aio_set_fd_handler(ctx, event_notifier_get_fd(event->channel->notifier),
                       event_fired, NULL, event_poll, event_polled, event);
}

/* In the context the handler runs in, so that it is not running now. */
static void event_stop_here(void *opaque)
{
    XenPvEvent *event = opaque;

    aio_set_fd_handler(event->ctx,
                       event_notifier_get_fd(event->channel->notifier),
                       NULL, NULL, NULL, NULL, NULL);
    qemu_bh_delete(g_steal_pointer(&event->again));
}

static void event_stop(XenPvEvent *event)
{
    if (!event->ctx) {
        return;
    }
    if (event->ctx == qemu_get_aio_context()) {
        event_stop_here(event);
    } else {
        aio_wait_bh_oneshot(event->ctx, event_stop_here, event);
    }
    event->ctx = NULL;
}

XenPvEvent *xenpv_dev_bind(XenPvDevice *dev, uint32_t port, AioContext *ctx,
                           void *opaque, Error **errp)
{
    XenPvChannel *channel;
    XenPvEvent *event;

    channel = xenpv_channel_bind(dev->hv, dev->guest, port, errp);
    if (!channel) {
        return NULL;
    }
    event = g_new0(XenPvEvent, 1);
    event->dev = dev;
    event->channel = channel;
    event->opaque = opaque;
    QLIST_INSERT_HEAD(&dev->events, event, next);
    event_start(event, ctx ?: qemu_get_aio_context());
    return event;
}

void xenpv_dev_unbind(XenPvDevice *dev, XenPvEvent *event)
{
    event_stop(event);
    QLIST_REMOVE(event, next);
    xenpv_channel_unbind(event->channel);
    g_free(event);
}

void xenpv_event_set_context(XenPvEvent *event, AioContext *ctx)
{
    xenpv_dev_begin_work(event->dev);
    event_stop(event);
    xenpv_dev_end_work(event->dev);
    event_start(event, ctx ?: qemu_get_aio_context());
    /* A scheduled xenpv_event_again() was dropped with the old context. */
    qemu_bh_schedule(event->again);
}

void xenpv_event_notify(XenPvEvent *event)
{
    int ret = xenpv_channel_notify(event->channel);

    if (ret < 0) {
        trace_xenpv_event_notify_failed(event->dev->label, ret);
    }
}

void xenpv_event_again(XenPvEvent *event)
{
    if (event->again) {
        qemu_bh_schedule(event->again);
    }
}

void xenpv_connection_go_on(XenPvDevice *dev)
{
    XenPvEvent *event;

    QLIST_FOREACH(event, &dev->events, next) {
        xenpv_event_again(event);
    }
}

void xenpv_connection_silence(XenPvDevice *dev)
{
    XenPvEvent *event;

    QLIST_FOREACH(event, &dev->events, next) {
        event_stop(event);
    }
}

unsigned xenpv_connection_channels(XenPvDevice *dev)
{
    XenPvEvent *event;
    unsigned nr = 0;

    QLIST_FOREACH(event, &dev->events, next) {
        nr++;
    }
    return nr;
}

void xenpv_connection_release(XenPvDevice *dev)
{
    while (!QLIST_EMPTY(&dev->events)) {
        xenpv_dev_unbind(dev, QLIST_FIRST(&dev->events));
    }
    while (dev->maps->len) {
        xenpv_unmap(g_ptr_array_steal_index_fast(dev->maps,
                                                 dev->maps->len - 1));
    }
}
