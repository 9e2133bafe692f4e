/*
 * -M xenpv,mode=create: QEMU makes the domain, on a Xen host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen has the domain's memory and processors; QEMU has its kernel and initrd,
 * which are read once, its nodes in xenstore, its back ends and its life.  The
 * machine has no vCPUs and no RAM of its own, so that the accelerator is idle.
 *
 * Every reset is another domain with another number.  How it ends is read
 * from Xen when xenstored says that some domain has ended.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xenpv/hypervisor/domain-nodes.h"
#include "hw/xenpv/hypervisor/libxen/domain.h"
#include "hw/xenpv/hypervisor/libxen/libxen.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/trace.h"
#include "hw/xenpv/xen_backend.h"
#include "migration/blocker.h"
#include "net/net.h"
#include "system/reset.h"
#include "system/rtc.h"
#include "system/runstate.h"
#include "system/system.h"
/* last: it has macros named like members of ours */
#include "hw/xen/interface/xen.h"

/* As long as libxl waits for a back end. */
#define KERNEL_PATIENCE_MS 10000

typedef struct XenPvCreate {
    MachineState *machine;
    uint8_t *kernel;
    size_t kernel_len;
    uint8_t *initrd;
    size_t initrd_len;
    QemuUUID uuid;
    XenPvHv *hv;
    XenPvOwnDomain *own;
    XenPvBus *bus;
    XenPvWatch *release;
    XenPvBuiltDomain domain;    /* .domid 0: there is none */
    bool was_up;                /* there has been one */
    bool paused;                /* by us: it has yet to start, or "stop" */
    bool ended;                 /* and QEMU has been told */
    QEMUTimer *patience;        /* with the kernel's back ends */
    Notifier kernel_ready;
    Notifier powerdown;
    Notifier exit;
    Error *blocker;
} XenPvCreate;

/* ---- running and stopping ---- */

static void give_up(XenPvCreate *s)
{
    /* The line is written; QEMU ends in order, with what it has to flush. */
    qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_HOST_ERROR,
                                           EXIT_FAILURE);
}

static void run_domain(XenPvCreate *s)
{
    g_autofree char *awaited = NULL;
    Error *err = NULL;

    if (!s->domain.domid || !s->paused || !runstate_is_running()) {
        return;
    }
    awaited = xenpv_bus_awaits_kernel(s->bus);
    if (awaited) {
        return;
    }
    timer_del(s->patience);
    if (!xenpv_own_domain_unpause(s->own, &err)) {
        error_report_err(err);
        give_up(s);
        return;
    }
    s->paused = false;
}

static void stop_domain(XenPvCreate *s)
{
    Error *err = NULL;

    if (!s->domain.domid || s->paused || s->ended) {
        return;
    }
    if (!xenpv_own_domain_pause(s->own, &err)) {
        error_report_err(err);
        return;
    }
    s->paused = true;
}

static void create_vm_change(void *opaque, bool running, RunState state)
{
    XenPvCreate *s = opaque;

    if (running) {
        run_domain(s);
    } else {
        stop_domain(s);
    }
}

static void kernel_ready(Notifier *n, void *data)
{
    run_domain(container_of(n, XenPvCreate, kernel_ready));
}

static void kernel_is_late(void *opaque)
{
    XenPvCreate *s = opaque;
    g_autofree char *names = xenpv_bus_awaits_kernel(s->bus);

    if (names) {
        error_report("backend=kernel: the host's kernel does not serve %s "
                     "(is its back end's module loaded?)", names);
        give_up(s);
    }
}

/* ---- the end of a domain ---- */

static void domain_has_ended(XenPvCreate *s, unsigned reason)
{
    Error *err = NULL;

    switch (xenpv_guest_shutdown(reason)) {
    case 0:
        return;
    case 1:
        s->ended = false;
        if (xenpv_own_domain_resume(s->own, &err)) {
            return;
        }
        error_report_err(err);
        give_up(s);
        return;
    default:
        xenpv_guest_crashed("the guest has ended for a reason unknown to us");
    }
}

static void look_at_domain(void *opaque, const char *path)
{
    XenPvCreate *s = opaque;
    unsigned reason;

    if (!s->domain.domid || s->ended) {
        return;
    }
    switch (xenpv_own_domain_life(s->own, &reason)) {
    case XENPV_DOMAIN_LIVES:
        break;
    case XENPV_DOMAIN_ENDED:
        s->ended = true;
        domain_has_ended(s, reason);
        break;
    case XENPV_DOMAIN_GONE:
        s->ended = true;
        error_report("domain %u was destroyed by somebody else",
                     s->domain.domid);
        give_up(s);
        break;
    }
}

static void create_powerdown(Notifier *n, void *opaque)
{
    XenPvCreate *s = container_of(n, XenPvCreate, powerdown);

    if (s->domain.domid) {
        xenpv_domain_ask_shutdown(s->hv, s->domain.domid, "poweroff");
    }
}

/* ---- a domain, and another ---- */

static void end_domain(XenPvCreate *s)
{
    xenpv_bus_quiesce(s->bus);
    xenpv_own_domain_destroy(s->own);
    s->domain.domid = 0;
}

static int64_t clock_offset(void)
{
    struct tm now;

    qemu_get_timedate(&now, 0);
    return mktimegm(&now) - time(NULL);
}

static bool build_domain(XenPvCreate *s, Error **errp)
{
    MachineState *ms = s->machine;
    g_autofree char *cmdline = xenpv_display_cmdline(s->bus,
                                                     ms->kernel_cmdline);
    XenPvDomainSpec spec = {
        .kernel = s->kernel,
        .kernel_len = s->kernel_len,
        .initrd = s->initrd,
        .initrd_len = s->initrd_len,
        .cmdline = cmdline,
        .nr_vcpus = ms->smp.max_cpus,
        .memory_kib = ms->ram_size / KiB,
        .clock_offset = clock_offset(),
    };

    memcpy(spec.uuid, s->uuid.data, sizeof(spec.uuid));
    return xenpv_own_domain_build(s->own, &spec, &s->domain, errp);
}

static bool publish_domain(XenPvCreate *s, Error **errp)
{
    MachineState *ms = s->machine;
    g_autofree char *uuid = qemu_uuid_unparse_strdup(&s->uuid);
    g_autofree char *dir = g_strdup_printf("/local/domain/%u",
                                           s->domain.domid);
    XenPvDomainNodes nodes = {
        .guest = s->domain.domid,
        .name = qemu_get_vm_name() ?: "guest",
        .uuid = uuid,
        .nr_vcpus = ms->smp.cpus,
        .max_vcpus = ms->smp.max_cpus,
        .memory_kib = ms->ram_size / KiB,
        .max_memory_kib = ms->ram_size / KiB,
        .store_gfn = s->domain.store_gfn,
        .store_port = s->domain.store_port,
        .console_gfn = s->domain.console_gfn,
        .console_port = s->domain.console_port,
    };

    /* Left by one that had the number and whose toolstack has died. */
    xenpv_store_rm(s->hv, NULL, dir);
    return xenpv_domain_nodes_write(s->hv, &nodes, errp) &&
           xenpv_own_domain_introduce(s->own, errp);
}

static bool make_domain(XenPvCreate *s, Error **errp)
{
    if (!build_domain(s, errp)) {
        return false;
    }
    s->paused = true;
    s->ended = false;
    if (!publish_domain(s, errp)) {
        end_domain(s);
        return false;
    }
    trace_xenpv_machine_create(s->domain.domid);
    xenpv_bus_set_guest(s->bus, s->domain.domid);
    xenpv_bus_restart(s->bus);
    timer_mod(s->patience,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + KERNEL_PATIENCE_MS);
    return true;
}

static void create_reset(void *opaque, ResetType type)
{
    XenPvCreate *s = opaque;
    Error *err = NULL;

    xenpv_guest_restarted();
    qemu_devices_reset(type);
    end_domain(s);
    if (!make_domain(s, &err)) {
        error_report_err(err);
        if (!s->was_up) {
            exit(EXIT_FAILURE);
        }
        give_up(s);
        return;
    }
    s->was_up = true;
    run_domain(s);
}

/* ---- init ---- */

static bool check_options(MachineState *ms, const XenPvMachineOptions *options,
                          Error **errp)
{
    if (options->strict || options->store_path) {
        error_setg(errp, "-M xenpv,%s: with mode=create there is nothing to "
                   "emulate", options->strict ? "strict" : "xenstore");
        return false;
    }
    if (ms->memdev) {
        error_setg(errp, "-M xenpv,memory-backend: with mode=create Xen has "
                   "the guest's memory");
        return false;
    }
    if (!QEMU_IS_ALIGNED(ms->ram_size, MiB)) {
        error_setg(errp, "-m: with mode=create it must be whole MiB");
        return false;
    }
    return xenpv_check_guest_options(ms, errp);
}

static bool load_files(XenPvCreate *s, Error **errp)
{
    MachineState *ms = s->machine;

    s->kernel = xenpv_kernel_load_elf(ms->kernel_filename, &s->kernel_len,
                                      errp);
    if (!s->kernel) {
        return false;
    }
    if (ms->initrd_filename) {
        s->initrd = xenpv_file_read(ms->initrd_filename, XENPV_FILE_MAX,
                                    &s->initrd_len, errp);
        if (!s->initrd) {
            return false;
        }
    }
    return true;
}

static void create_exit(Notifier *n, void *data)
{
    XenPvCreate *s = container_of(n, XenPvCreate, exit);

    if (s->release) {
        xenpv_store_unwatch(g_steal_pointer(&s->release));
    }
    if (s->bus) {
        xenpv_bus_quiesce(s->bus);
    }
    g_clear_pointer(&s->own, xenpv_own_domain_free);
    g_clear_pointer(&s->hv, xenpv_libxen_free);
}

static bool open_xen(XenPvCreate *s, Error **errp)
{
    ERRP_GUARD();

    if (!xenpv_own_domain_possible(errp)) {
        goto fail;
    }
    s->hv = xenpv_libxen_new(errp);
    if (!s->hv) {
        goto fail;
    }
    s->own = xenpv_own_domain_new(s->hv, errp);
    if (!s->own) {
        goto fail;
    }
    s->release = xenpv_store_watch(s->hv, "@releaseDomain", look_at_domain, s,
                                   errp);
    if (!s->release) {
        goto fail;
    }
    return true;

fail:
    error_prepend(errp, "-M xenpv,mode=create: ");
    return false;
}

static bool create_set_up(XenPvCreate *s, Error **errp)
{
    s->patience = timer_new_ms(QEMU_CLOCK_REALTIME, kernel_is_late, s);
    /*
     * Exit notifiers run last in, first out: the bus, which has one as well,
     * must find the hypervisor still there.
     */
    s->exit.notify = create_exit;
    qemu_add_exit_notifier(&s->exit);
    if (!open_xen(s, errp)) {
        return false;
    }
    /* No domain has this number; there is one at the first reset. */
    s->bus = xenpv_bus_create(s->hv, DOMID_INVALID, errp);
    if (!s->bus || !xenpv_add_serial_console(s->bus, errp) ||
        !xenpv_display_init(s->bus, errp)) {
        return false;
    }
    /* "-nic", with or without a model, and the one a machine has by default */
    qemu_create_nic_bus_devices(BUS(s->bus), TYPE_XENPV_DEVICE,
                                "xen-net-device", "xen", "xen-net-device");
    s->kernel_ready.notify = kernel_ready;
    xenpv_bus_notify_kernel(s->bus, &s->kernel_ready);
    s->powerdown.notify = create_powerdown;
    qemu_register_powerdown_notifier(&s->powerdown);
    qemu_add_vm_change_state_handler(create_vm_change, s);
    error_setg(&s->blocker, "-M xenpv,mode=create: the domain is Xen's, and "
               "QEMU cannot save it");
    return migrate_add_blocker(&s->blocker, errp) >= 0;
}

static void create_free(void *state)
{
    XenPvCreate *s = state;

    g_free(s->kernel);
    g_free(s->initrd);
    g_free(s);
}

static void *create_init(MachineState *machine,
                         const XenPvMachineOptions *options, Error **errp)
{
    XenPvCreate *s = g_new0(XenPvCreate, 1);

    s->machine = machine;
    if (qemu_uuid_set) {
        s->uuid = qemu_uuid;
    } else {
        qemu_uuid_generate(&s->uuid);
    }
    if (!check_options(machine, options, errp) || !load_files(s, errp)) {
        create_free(s);
        return NULL;
    }
    /* From here on exit notifiers have it. */
    return create_set_up(s, errp) ? s : NULL;
}

const XenPvMode xenpv_mode_create = {
    .name = "create",
    .no_ram = true,
    .init = create_init,
    .reset = create_reset,
    .free = create_free,
};
