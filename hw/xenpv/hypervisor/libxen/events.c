/*
 * Event channels of real Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A handle for each channel: its descriptor is readable when that one port has
 * fired, so that any AioContext can wait for it.  The kernel masks a port when
 * it reports it; acknowledging is reading it off and unmasking it.
 *
 * Who has given up its privileges cannot open the kernel's device any more.
 * Then all channels are on the one handle that was opened at the start: the
 * main loop reads ports off it and passes each on to its channel's own
 * descriptor.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "libxen-internal.h"

/* Ports passed on before the main loop gets a turn */
#define PORTS_PER_TURN 64

typedef struct XenPvLibxenChannel {
    XenPvChannel parent;
    xenevtchn_handle *handle;
    bool shared;                /* the handle is everybody's */
    EventNotifier notifier;
} XenPvLibxenChannel;

static XenPvLibxenChannel *libxen_channel(XenPvChannel *channel)
{
    return container_of(channel, XenPvLibxenChannel, parent);
}

/* ---- the handle for all ---- */

static void pass_on(void *opaque)
{
    XenPvLibxen *xen = opaque;
    unsigned i;

    for (i = 0; i < PORTS_PER_TURN; i++) {
        xenevtchn_port_or_error_t port = xenevtchn_pending(xen->events);
        XenPvLibxenChannel *channel;

        if (port < 0) {
            return;
        }
        channel = g_hash_table_lookup(xen->channels, GINT_TO_POINTER(port));
        if (channel) {
            event_notifier_set(&channel->notifier);
        }
    }
}

static xenevtchn_handle *open_handle(Error **errp)
{
    xenevtchn_handle *handle = xenevtchn_open(&xenpv_libxen_logger, 0);

    if (!handle) {
        error_setg_errno(errp, errno, "cannot open /dev/xen/evtchn");
        return NULL;
    }
    if (!g_unix_set_fd_nonblocking(xenevtchn_fd(handle), true, NULL)) {
        error_setg_errno(errp, errno, "cannot use /dev/xen/evtchn");
        xenevtchn_close(handle);
        return NULL;
    }
    return handle;
}

bool xenpv_libxen_events_open(XenPvLibxen *xen, Error **errp)
{
    xen->events = open_handle(errp);
    if (!xen->events) {
        return false;
    }
    xen->channels = g_hash_table_new(NULL, NULL);
    qemu_set_fd_handler(xenevtchn_fd(xen->events), pass_on, NULL, xen);
    return true;
}

void xenpv_libxen_events_close(XenPvLibxen *xen)
{
    if (xen->events) {
        qemu_set_fd_handler(xenevtchn_fd(xen->events), NULL, NULL, NULL);
        xenevtchn_close(xen->events);
        g_hash_table_destroy(xen->channels);
    }
}

/* ---- channels ---- */

static bool choose_handle(XenPvLibxenChannel *channel, Error **errp)
{
    XenPvLibxen *xen = xenpv_libxen(channel->parent.hv);
    int ret;

    channel->handle = open_handle(NULL);
    if (channel->handle) {
        event_notifier_init_fd(&channel->notifier,
                               xenevtchn_fd(channel->handle));
        return true;
    }
    ret = event_notifier_init(&channel->notifier, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot make an event notifier");
        return false;
    }
    channel->handle = xen->events;
    channel->shared = true;
    return true;
}

static void release_handle(XenPvLibxenChannel *channel)
{
    if (channel->shared) {
        event_notifier_cleanup(&channel->notifier);
    } else if (channel->handle) {
        xenevtchn_close(channel->handle);
    }
}

static bool bind_port(XenPvLibxenChannel *channel, Error **errp)
{
    XenPvLibxen *xen = xenpv_libxen(channel->parent.hv);
    xenevtchn_port_or_error_t port;

    port = xenevtchn_bind_interdomain(channel->handle, channel->parent.domid,
                                      channel->parent.remote_port);
    if (port < 0) {
        error_setg_errno(errp, errno, "event channel %" PRIu32 " of domain %u"
                         " is not open for us", channel->parent.remote_port,
                         channel->parent.domid);
        return false;
    }
    channel->parent.local_port = port;
    if (channel->shared) {
        g_hash_table_insert(xen->channels, GINT_TO_POINTER(port), channel);
    }
    return true;
}

XenPvChannel *xenpv_libxen_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                        uint32_t remote_port, Error **errp)
{
    XenPvLibxenChannel *channel = g_new0(XenPvLibxenChannel, 1);

    channel->parent = (XenPvChannel) {
        .hv = hv, .domid = domid, .remote_port = remote_port,
        .notifier = &channel->notifier,
    };
    if (!choose_handle(channel, errp) || !bind_port(channel, errp)) {
        release_handle(channel);
        g_free(channel);
        return NULL;
    }
    return &channel->parent;
}

static int ack_shared(XenPvLibxenChannel *channel)
{
    if (!event_notifier_test_and_clear(&channel->notifier)) {
        return 0;
    }
    return xenevtchn_unmask(channel->handle, channel->parent.local_port) < 0 ?
           -errno : 1;
}

int xenpv_libxen_channel_ack(XenPvChannel *parent)
{
    XenPvLibxenChannel *channel = libxen_channel(parent);
    xenevtchn_port_or_error_t port;

    if (channel->shared) {
        return ack_shared(channel);
    }
    port = xenevtchn_pending(channel->handle);
    if (port < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return xenevtchn_unmask(channel->handle, port) < 0 ? -errno : 1;
}

int xenpv_libxen_channel_notify(XenPvChannel *channel)
{
    return xenevtchn_notify(libxen_channel(channel)->handle,
                            channel->local_port) < 0 ? -errno : 0;
}

/* Closing a handle unbinds its port. */
void xenpv_libxen_channel_unbind(XenPvChannel *parent)
{
    XenPvLibxenChannel *channel = libxen_channel(parent);

    if (channel->shared) {
        g_hash_table_remove(xenpv_libxen(parent->hv)->channels,
                            GINT_TO_POINTER(parent->local_port));
        xenevtchn_unbind(channel->handle, parent->local_port);
    }
    release_handle(channel);
    g_free(channel);
}
