/*
 * The back ends of a domain of the real Xen host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a toolstack is told of us is below
 *
 *   /local/domain/<self>/device-model/<domid>/
 *       backends/<type>    we serve devices of this type (Xen's
 *                          docs/misc/qemu-backends.txt)
 *       state              "running": all of them are there; written by the
 *                          accelerator
 *
 * A toolstack ends us before it destroys the domain.  If it is in a hurry, or
 * two of its commands meet, it may forget: then the domain's end is ours, and
 * what it has been told of us goes with us.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/notify.h"
#include "qapi/error.h"
#include "hw/xen/xen.h"
#include "hw/xenpv/hypervisor/libxen/libxen.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/xen_backend.h"
#include "net/net.h"
#include "system/runstate-action.h"
#include "system/runstate.h"
#include "system/system.h"

typedef struct XenPvHostDomain {
    XenPvHv *hv;
    XenPvBus *bus;
    XenPvDomid domid;
    XenPvWatch *release;
    bool gone;
    char *dir;
    char *types_dir;
    Notifier machine_done;
    Notifier exit;
} XenPvHostDomain;

static void publish_types(XenPvHostDomain *dom)
{
    g_auto(GStrv) types = xenpv_bus_backend_types();
    unsigned i;

    for (i = 0; types[i]; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dom->types_dir,
                                                types[i]);
        int ret = xenpv_store_mkdir(dom->hv, NULL, path);

        if (ret) {
            error_report("cannot write %s: %s", path, strerror(-ret));
        }
    }
}

static void look_at_domain(void *opaque, const char *path)
{
    XenPvHostDomain *dom = opaque;

    if (dom->gone || xenpv_libxen_has_domain(dom->hv, dom->domid)) {
        return;
    }
    dom->gone = true;
    error_report("domain %u is gone", dom->domid);
    /* -no-shutdown, which libxl gives, is about the guest's own doing. */
    shutdown_action = SHUTDOWN_ACTION_POWEROFF;
    qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_HOST_ERROR,
                                           EXIT_FAILURE);
}

/* All devices of the command line are there. */
static void host_domain_start(Notifier *n, void *data)
{
    XenPvHostDomain *dom = container_of(n, XenPvHostDomain, machine_done);
    Error *err = NULL;

    if (xen_domid_restrict) {
        /*
         * In a moment Xen's libraries put /dev/null in place of the connection
         * to xenstored and of /dev/xen/gntdev, neither of which can be held to
         * one domain.
         */
        xenpv_bus_decline(dom->bus, "not with -xen-domid-restrict: neither "
                          "xenstore nor grants can be restricted to a domain");
        return;
    }
    xenpv_bus_restart(dom->bus);
    /* What -vnc and -display show must be there before they are. */
    xenpv_bus_find_devices(dom->bus);
    publish_types(dom);
    dom->release = xenpv_store_watch(dom->hv, "@releaseDomain", look_at_domain,
                                     dom, &err);
    if (err) {
        error_report_err(err);
    }
}

static void host_domain_exit(Notifier *n, void *data)
{
    XenPvHostDomain *dom = container_of(n, XenPvHostDomain, exit);

    g_clear_pointer(&dom->release, xenpv_store_unwatch);
    if (dom->bus) {
        xenpv_bus_leave(dom->bus);
    }
    xenpv_store_rm(dom->hv, NULL, dom->gone ? dom->dir : dom->types_dir);
    g_clear_pointer(&dom->hv, xenpv_libxen_free);
}

bool xenpv_host_domain_serve(uint32_t domid, Error **errp)
{
    XenPvHostDomain *dom;
    XenPvHv *hv;

    if (domid == UINT32_MAX) {
        error_setg(errp, "no domain to serve is named: -xen-domid N");
        return false;
    }
    if (domid >= XENPV_DOMID_END) {
        error_setg(errp, "-xen-domid: there can be no domain %" PRIu32, domid);
        return false;
    }
    hv = xenpv_libxen_new(errp);
    if (!hv) {
        error_prepend(errp, "cannot serve domain %" PRIu32 ": ", domid);
        return false;
    }
    dom = g_new0(XenPvHostDomain, 1);
    dom->hv = hv;
    dom->domid = domid;
    dom->dir = g_strdup_printf("/local/domain/%u/device-model/%" PRIu32,
                               hv->self, domid);
    dom->types_dir = g_strdup_printf("%s/backends", dom->dir);
    /* Last in, first out: the bus has one as well and needs the hypervisor. */
    dom->exit.notify = host_domain_exit;
    qemu_add_exit_notifier(&dom->exit);
    dom->bus = xenpv_bus_create(hv, domid, errp);
    if (!dom->bus) {
        return false;
    }
    /* Only those that say model=xen: by itself a domain is given nothing. */
    qemu_create_nic_bus_devices(BUS(dom->bus), TYPE_XENPV_DEVICE, NULL, "xen",
                                "xen-net-device");
    dom->machine_done.notify = host_domain_start;
    qemu_add_machine_init_done_notifier(&dom->machine_done);
    return true;
}
