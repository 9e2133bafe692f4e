/*
 * Real Xen: opening and closing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/trace.h"
#include "trace/control.h"
#include "libxen-internal.h"

static void G_GNUC_PRINTF(5, 0)
log_message(struct xentoollog_logger *logger, xentoollog_level level, int err,
            const char *context, const char *format, va_list ap)
{
    if (trace_event_get_state_backends(TRACE_XENPV_LIBXEN_MESSAGE)) {
        g_autofree char *text = g_strdup_vprintf(format, ap);

        trace_xenpv_libxen_message(context ?: "", text, err);
    }
}

struct xentoollog_logger xenpv_libxen_logger = {
    .vmessage = log_message,
};

static const XenPvHvOps libxen_ops = {
    .name = "libxen",

    .store_read = xenpv_libxen_store_read,
    .store_write = xenpv_libxen_store_write,
    .store_mkdir = xenpv_libxen_store_mkdir,
    .store_rm = xenpv_libxen_store_rm,
    .store_list = xenpv_libxen_store_list,
    .store_set_perms = xenpv_libxen_store_set_perms,
    .store_get_perms = xenpv_libxen_store_get_perms,
    .store_tx_begin = xenpv_libxen_store_tx_begin,
    .store_tx_end = xenpv_libxen_store_tx_end,
    .store_watch = xenpv_libxen_store_watch,
    .store_unwatch = xenpv_libxen_store_unwatch,

    .channel_bind = xenpv_libxen_channel_bind,
    .channel_ack = xenpv_libxen_channel_ack,
    .channel_notify = xenpv_libxen_channel_notify,
    .channel_unbind = xenpv_libxen_channel_unbind,

    .grant_map = xenpv_libxen_grant_map,
    .grant_copy = xenpv_libxen_grant_copy,
    .frame_map = xenpv_libxen_frame_map,
    .unmap = xenpv_libxen_unmap,
    .console_map = xenpv_libxen_console_map,
};

XenPvHv *xenpv_libxen_new(Error **errp)
{
    XenPvLibxen *xen = g_new0(XenPvLibxen, 1);

    xen->parent.ops = &libxen_ops;
    if (!xenpv_libxen_store_open(xen, errp)) {
        goto fail;
    }
    xen->gnttab = xengnttab_open(&xenpv_libxen_logger, 0);
    if (!xen->gnttab) {
        error_setg_errno(errp, errno, "cannot open /dev/xen/gntdev");
        goto fail;
    }
    xen->memory = xenforeignmemory_open(&xenpv_libxen_logger, 0);
    if (!xen->memory) {
        error_setg_errno(errp, errno, "cannot open /dev/xen/privcmd");
        goto fail;
    }
    if (!xenpv_libxen_events_open(xen, errp)) {
        goto fail;
    }
    return &xen->parent;

fail:
    xenpv_libxen_free(&xen->parent);
    return NULL;
}

void xenpv_libxen_free(XenPvHv *hv)
{
    XenPvLibxen *xen = xenpv_libxen(hv);

    xenpv_libxen_events_close(xen);
    if (xen->memory) {
        xenforeignmemory_close(xen->memory);
    }
    if (xen->gnttab) {
        xengnttab_close(xen->gnttab);
    }
    xenpv_libxen_store_close(xen);
    g_free(xen);
}
