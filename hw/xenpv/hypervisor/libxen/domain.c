/*
 * A domain of one's own on the real Xen host: built, run, ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of things is that of libxl_create.c, libxl_dom.c and libxl_x86.c
 * of Xen 4.17 for a PV domain.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/guest-random.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include <xenctrl.h>
#include <xenguest.h>
#include "domain.h"
#include "guardian.h"
#include "libxen-internal.h"
#include "hw/xenpv/trace.h"

#define DEV_PRIVCMD "/dev/xen/privcmd"

/* As libxl has them where the user says nothing. */
#define MAX_EVTCHN_PORT 1023
#define MAXMEM_SLACK_KIB 1024

/* What Xen takes for a domain beside its memory: page tables, vCPUs */
#define OVERHEAD_KIB 1024

struct XenPvOwnDomain {
    XenPvLibxen *xen;
    xc_interface *xc;
    XenPvGuardian *guardian;
    XenPvBuiltDomain built;     /* .domid 0: there is none */
};

/* ---- errors ---- */

/* What the builder has to say is in the library's last error. */
static void G_GNUC_PRINTF(3, 4) set_xc_error(Error **errp, xc_interface *xc,
                                             const char *fmt, ...)
{
    const xc_error *last = xc_get_last_error(xc);
    int err = errno;
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (last->code != XC_ERROR_NONE && last->message[0]) {
        error_setg(errp, "%s: %s", what, last->message);
    } else {
        error_setg_errno(errp, err, "%s", what);
    }
}

bool xenpv_own_domain_possible(Error **errp)
{
    int fd = open(DEV_PRIVCMD, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == ENOENT) {
        error_setg(errp, "this is no Xen host: there is no " DEV_PRIVCMD);
    } else {
        error_setg_errno(errp, errno, "cannot open " DEV_PRIVCMD);
    }
    return false;
}

/* ---- building ---- */

static bool has_memory(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                       Error **errp)
{
    uint64_t wanted = spec->memory_kib + OVERHEAD_KIB, have;
    xc_physinfo_t info;

    if (xc_physinfo(own->xc, &info)) {
        if (errno == EPERM || errno == EACCES) {
            error_setg(errp, "Xen lets only a control domain make domains, "
                       "and this is none");
        } else {
            set_xc_error(errp, own->xc, "cannot ask Xen for free memory");
        }
        return false;
    }
    have = (info.free_pages - info.outstanding_pages) *
           (XENPV_PAGE_SIZE / KiB);
    if (have < wanted) {
        error_setg(errp, "-m: Xen has %" PRIu64 " MiB free, the domain needs "
                   "%" PRIu64 " MiB", have / KiB,
                   DIV_ROUND_UP(wanted, KiB));
        return false;
    }
    return true;
}

static bool make_domain(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                        XenPvWard *ward, Error **errp)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = spec->nr_vcpus,
        .max_evtchn_port = MAX_EVTCHN_PORT,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    uint32_t domid = 0;

    qemu_guest_getrandom_nofail(ward->birth, sizeof(ward->birth));
    memcpy(ward->uuid, spec->uuid, sizeof(ward->uuid));
    memcpy(config.handle, ward->birth, sizeof(ward->birth));
    if (!xenpv_guardian_watch(own->guardian, ward, errp)) {
        return false;
    }
    if (xc_domain_create(own->xc, &domid, &config)) {
        set_xc_error(errp, own->xc, "Xen cannot make a domain with %u vCPUs",
                     spec->nr_vcpus);
        return false;
    }
    ward->domid = domid;
    own->built = (XenPvBuiltDomain) { .domid = domid };
    return xenpv_guardian_watch(own->guardian, ward, errp);
}

static bool set_up_domain(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                          Error **errp)
{
    XenPvBuiltDomain *built = &own->built;
    xen_domain_handle_t handle;
    int port;

    memcpy(handle, spec->uuid, sizeof(handle));
    if (xc_domain_sethandle(own->xc, built->domid, handle) ||
        xc_domain_max_vcpus(own->xc, built->domid, spec->nr_vcpus) ||
        xc_domain_setmaxmem(own->xc, built->domid,
                            spec->memory_kib + MAXMEM_SLACK_KIB) ||
        (spec->clock_offset &&
         xc_domain_set_time_offset(own->xc, built->domid,
                                   spec->clock_offset)) ||
        xc_cpuid_apply_policy(own->xc, built->domid, false, NULL, 0, false,
                              false, false, NULL, NULL)) {
        set_xc_error(errp, own->xc, "cannot set up domain %u", built->domid);
        return false;
    }
    port = xc_evtchn_alloc_unbound(own->xc, built->domid,
                                   own->xen->parent.self);
    if (port < 0) {
        set_xc_error(errp, own->xc, "no event channel for xenstore");
        return false;
    }
    built->store_port = port;
    port = xc_evtchn_alloc_unbound(own->xc, built->domid,
                                   own->xen->parent.self);
    if (port < 0) {
        set_xc_error(errp, own->xc, "no event channel for the console");
        return false;
    }
    built->console_port = port;
    return true;
}

/* The library keeps pointers to kernel and initrd, and writes to neither. */
static bool build_image(XenPvOwnDomain *own, struct xc_dom_image *dom,
                        const XenPvDomainSpec *spec, Error **errp)
{
    dom->container_type = XC_DOM_PV_CONTAINER;
    dom->xenstore_evtchn = own->built.store_port;
    dom->xenstore_domid = own->xen->parent.self;
    dom->console_evtchn = own->built.console_port;
    dom->console_domid = own->xen->parent.self;
    dom->max_vcpus = spec->nr_vcpus;

    if (xc_dom_kernel_mem(dom, spec->kernel, spec->kernel_len) ||
        (spec->initrd &&
         xc_dom_module_mem(dom, spec->initrd, spec->initrd_len, NULL)) ||
        xc_dom_boot_xen_init(dom, own->xc, own->built.domid) ||
        xc_dom_parse_image(dom)) {
        set_xc_error(errp, own->xc, "Xen's builder does not take the kernel");
        return false;
    }
    if (xc_dom_mem_init(dom, spec->memory_kib / KiB) ||
        xc_dom_boot_mem_init(dom)) {
        set_xc_error(errp, own->xc, "-m: no memory for the domain");
        return false;
    }
    if (xc_dom_build_image(dom) || xc_dom_boot_image(dom) ||
        xc_dom_gnttab_init(dom)) {
        set_xc_error(errp, own->xc, "Xen's builder has failed");
        return false;
    }
    own->built.store_gfn = xc_dom_p2m(dom, dom->xenstore_pfn);
    own->built.console_gfn = xc_dom_p2m(dom, dom->console_pfn);
    return true;
}

static bool fill_domain(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                        Error **errp)
{
    struct xc_dom_image *dom = xc_dom_allocate(own->xc, spec->cmdline, NULL);
    bool ok;

    if (!dom) {
        error_setg(errp, "out of memory");
        return false;
    }
    ok = build_image(own, dom, spec, errp);
    xc_dom_release(dom);
    return ok;
}

bool xenpv_own_domain_build(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                            XenPvBuiltDomain *built, Error **errp)
{
    XenPvWard ward = { 0 };

    assert(!own->built.domid);
    xc_clear_last_error(own->xc);
    if (!has_memory(own, spec, errp)) {
        return false;
    }
    if (!make_domain(own, spec, &ward, errp) ||
        !set_up_domain(own, spec, errp) || !fill_domain(own, spec, errp)) {
        xenpv_own_domain_destroy(own);
        return false;
    }
    *built = own->built;
    trace_xenpv_own_domain_build(built->domid, spec->nr_vcpus,
                                 spec->memory_kib);
    return true;
}

/* ---- its life ---- */

bool xenpv_own_domain_introduce(XenPvOwnDomain *own, Error **errp)
{
    if (!xs_introduce_domain(own->xen->store, own->built.domid,
                             own->built.store_gfn, own->built.store_port)) {
        error_setg_errno(errp, errno, "xenstored does not take domain %u",
                         own->built.domid);
        return false;
    }
    return true;
}

bool xenpv_own_domain_pause(XenPvOwnDomain *own, Error **errp)
{
    if (xc_domain_pause(own->xc, own->built.domid)) {
        set_xc_error(errp, own->xc, "cannot pause domain %u",
                     own->built.domid);
        return false;
    }
    return true;
}

bool xenpv_own_domain_unpause(XenPvOwnDomain *own, Error **errp)
{
    if (xc_domain_unpause(own->xc, own->built.domid)) {
        set_xc_error(errp, own->xc, "cannot unpause domain %u",
                     own->built.domid);
        return false;
    }
    return true;
}

bool xenpv_own_domain_resume(XenPvOwnDomain *own, Error **errp)
{
    if (xc_domain_resume(own->xc, own->built.domid, 1)) {
        set_xc_error(errp, own->xc, "cannot resume domain %u",
                     own->built.domid);
        return false;
    }
    /* xenstored tells of a domain's end once, unless it hears of this. */
    if (!xs_resume_domain(own->xen->store, own->built.domid)) {
        error_setg_errno(errp, errno, "xenstored does not resume domain %u",
                         own->built.domid);
        return false;
    }
    return true;
}

XenPvDomainLife xenpv_own_domain_life(XenPvOwnDomain *own, unsigned *reason)
{
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(own->xc, own->built.domid, 1, &info) != 1 ||
        info.domain != own->built.domid ||
        (info.flags & XEN_DOMINF_dying)) {
        return XENPV_DOMAIN_GONE;
    }
    if (!(info.flags & XEN_DOMINF_shutdown)) {
        return XENPV_DOMAIN_LIVES;
    }
    *reason = (info.flags >> XEN_DOMINF_shutdownshift) &
              XEN_DOMINF_shutdownmask;
    return XENPV_DOMAIN_ENDED;
}

void xenpv_own_domain_destroy(XenPvOwnDomain *own)
{
    Error *err = NULL;

    if (own->built.domid) {
        trace_xenpv_own_domain_destroy(own->built.domid);
    }
    if (!xenpv_guardian_end(own->guardian, &err)) {
        error_reportf_err(err, "domain %u: ", own->built.domid);
    }
    own->built.domid = 0;
}

/* ---- beginning and end ---- */

XenPvOwnDomain *xenpv_own_domain_new(XenPvHv *hv, Error **errp)
{
    XenPvOwnDomain *own = g_new0(XenPvOwnDomain, 1);

    own->xen = xenpv_libxen(hv);
    own->xc = xc_interface_open(&xenpv_libxen_logger, &xenpv_libxen_logger,
                                0);
    if (!own->xc) {
        error_setg_errno(errp, errno, "cannot open " DEV_PRIVCMD);
        goto fail;
    }
    own->guardian = xenpv_guardian_new(errp);
    if (!own->guardian) {
        goto fail;
    }
    return own;

fail:
    xenpv_own_domain_free(own);
    return NULL;
}

void xenpv_own_domain_free(XenPvOwnDomain *own)
{
    if (own->guardian) {
        xenpv_guardian_free(own->guardian);
    }
    if (own->xc) {
        xc_interface_close(own->xc);
    }
    g_free(own);
}
