/*
 * Event channels of real Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A handle for each channel: its descriptor is readable when that one port has
 * fired, so that any AioContext can wait for it.  The kernel masks a port when
 * it reports it; acknowledging is reading it off and unmasking it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "libxen-internal.h"

typedef struct XenPvLibxenChannel {
    XenPvChannel parent;
    xenevtchn_handle *handle;
    EventNotifier notifier;
} XenPvLibxenChannel;

static bool open_and_bind(XenPvLibxenChannel *channel, XenPvDomid domid,
                          uint32_t remote_port, Error **errp)
{
    xenevtchn_port_or_error_t port;
    int fd;

    channel->handle = xenevtchn_open(&xenpv_libxen_logger, 0);
    if (!channel->handle) {
        error_setg_errno(errp, errno, "cannot open /dev/xen/evtchn");
        return false;
    }
    fd = xenevtchn_fd(channel->handle);
    if (!g_unix_set_fd_nonblocking(fd, true, NULL)) {
        error_setg_errno(errp, errno, "cannot use /dev/xen/evtchn");
        return false;
    }
    port = xenevtchn_bind_interdomain(channel->handle, domid, remote_port);
    if (port < 0) {
        error_setg_errno(errp, errno, "event channel %" PRIu32 " of domain %u"
                         " is not open for us", remote_port, domid);
        return false;
    }
    event_notifier_init_fd(&channel->notifier, fd);
    channel->parent.local_port = port;
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
    if (!open_and_bind(channel, domid, remote_port, errp)) {
        if (channel->handle) {
            xenevtchn_close(channel->handle);
        }
        g_free(channel);
        return NULL;
    }
    return &channel->parent;
}

static XenPvLibxenChannel *libxen_channel(XenPvChannel *channel)
{
    return container_of(channel, XenPvLibxenChannel, parent);
}

int xenpv_libxen_channel_ack(XenPvChannel *channel)
{
    xenevtchn_handle *handle = libxen_channel(channel)->handle;
    xenevtchn_port_or_error_t port = xenevtchn_pending(handle);

    if (port < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return xenevtchn_unmask(handle, port) < 0 ? -errno : 1;
}

int xenpv_libxen_channel_notify(XenPvChannel *channel)
{
    return xenevtchn_notify(libxen_channel(channel)->handle,
                            channel->local_port) < 0 ? -errno : 0;
}

/* Closing the handle unbinds its port. */
void xenpv_libxen_channel_unbind(XenPvChannel *channel)
{
    XenPvLibxenChannel *c = libxen_channel(channel);

    xenevtchn_close(c->handle);
    g_free(c);
}
