/*
 * What upstream's code for real Xen wants of the back ends that ours replace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The accelerator writes device-model/<domid>/state through the handle
 * "xenstore" and complains by xen_pv_printf(); machines of HVM domains call
 * xen_bus_init(), and their domains get our back ends there.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/xen/xen-bus.h"
#include "hw/xen/xen-legacy-backend.h"
#include "hw/xenpv/machine.h"

struct qemu_xs_handle *xenstore;

void xen_pv_printf(struct XenLegacyDevice *xendev, int msg_level,
                   const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (msg_level > 0) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s", g_strchomp(text));
}

bool xenpv_upstream_xen_open(Error **errp)
{
    setup_xen_backend_ops();
    xenstore = qemu_xen_xs_open();
    if (!xenstore) {
        error_setg_errno(errp, errno, "cannot connect to xenstored");
        return false;
    }
    return true;
}

/* Without -xen-domid no domain is meant, not domain 0. */
static void no_domain(void)
{
    xen_domid = UINT32_MAX;
}

type_init(no_domain)

void xen_bus_init(void)
{
    xenpv_upstream_xen_open(&error_fatal);
    xenpv_host_domain_serve(xen_domid, &error_fatal);
}
