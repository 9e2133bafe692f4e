/*
 * -M xenpv: the type, its options, and which mode it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who made the domain decides what there is to do, so every mode has a file of
 * its own (emulate.c, attach.c).  Attaching is asked for by -xen-attach and by
 * nothing else; what the host looks like never counts.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/xen/xen.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/trace.h"
#include "system/reset.h"
#include "system/xen.h"
#include "vcpu-plug.h"

#define TYPE_XENPV_MACHINE MACHINE_TYPE_NAME("xenpv")
OBJECT_DECLARE_TYPE(XenPvMachineState, XenPvMachineClass, XENPV_MACHINE)

/* Linux has CONFIG_NR_CPUS, Xen 8192 for PV guests. */
#define XENPV_MAX_CREATE_VCPUS 512

struct XenPvMachineClass {
    X86MachineClass parent_class;

    bool (*create_memdev)(MachineState *machine, const char *path,
                          Error **errp);
};

struct XenPvMachineState {
    X86MachineState parent_obj;

    bool attach;                /* -xen-attach was given */
    char *mode_name;
    XenPvMachineOptions options;
    const XenPvMode *mode;
    void *mode_state;
};

/* Those that mode=NAME can ask for. */
static const XenPvMode *const modes[] = {
    &xenpv_mode_emulate,
    &xenpv_mode_create,
};

static const XenPvMode *choose_mode(XenPvMachineState *s, Error **errp)
{
    const char *name = s->mode_name ?: "emulate";
    unsigned i;

#ifdef CONFIG_XEN
    if (s->attach) {
        if (s->mode_name) {
            error_setg(errp, "-M xenpv,mode=%s: with -xen-attach a toolstack "
                       "has made the domain", name);
            return NULL;
        }
        return &xenpv_mode_attach;
    }
#endif
    if (xen_enabled()) {
        error_setg(errp, "-M xenpv,accel=xen: to serve a domain that a "
                   "toolstack has made give -xen-attach and -xen-domid");
        return NULL;
    }
    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        if (!strcmp(modes[i]->name, name)) {
            return modes[i];
        }
    }
    error_setg(errp, "-M xenpv: mode=%s is not supported by this build", name);
    return NULL;
}

/* The first to ask for the mode: where Xen has the memory QEMU needs none. */
static bool xenpv_machine_create_memdev(MachineState *machine,
                                        const char *path, Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(machine);

    s->mode = choose_mode(s, errp);
    if (!s->mode) {
        return false;
    }
    if (!s->mode->no_ram) {
        return XENPV_MACHINE_GET_CLASS(s)->create_memdev(machine, path, errp);
    }
    if (path) {
        error_setg(errp, "-mem-path: with mode=%s Xen has the guest's memory",
                   s->mode->name);
        return false;
    }
    return true;
}

/*
 * Processors only, and only when the machine has been made: those it has from
 * the start are nobody's to plug.
 */
static HotplugHandler *xenpv_machine_plugs(MachineState *machine,
                                           DeviceState *dev)
{
    XenPvMachineState *s = XENPV_MACHINE(machine);

    if (s->mode_state && s->mode->plug &&
        (object_dynamic_cast(OBJECT(dev), TYPE_CPU) ||
         object_dynamic_cast(OBJECT(dev), TYPE_XENPV_VCPU))) {
        return HOTPLUG_HANDLER(machine);
    }
    return NULL;
}

static void xenpv_machine_pre_plug(HotplugHandler *handler, DeviceState *dev,
                                   Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(handler);

    s->mode->pre_plug(s->mode_state, dev, errp);
}

static void xenpv_machine_plug(HotplugHandler *handler, DeviceState *dev,
                               Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(handler);

    s->mode->plug(s->mode_state, dev);
}

static void xenpv_machine_unplug(HotplugHandler *handler, DeviceState *dev,
                                 Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(handler);

    s->mode->unplug(s->mode_state, dev, errp);
}

static void xenpv_machine_init(MachineState *machine)
{
    XenPvMachineState *s = XENPV_MACHINE(machine);
    Error *err = NULL;

    if (!s->mode) {
        s->mode = choose_mode(s, &err);
    }
    if (s->mode) {
        MACHINE_GET_CLASS(s)->has_hotpluggable_cpus = s->mode->plug;
        s->mode_state = s->mode->init(machine, &s->options, &err);
    }
    if (!s->mode_state) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
}

static void xenpv_machine_reset(MachineState *machine, ResetType type)
{
    XenPvMachineState *s = XENPV_MACHINE(machine);

    trace_xenpv_machine_reset();
    s->mode->reset(s->mode_state, type);
}

/* ---- the type ---- */

static char *get_mode(Object *obj, Error **errp)
{
    return g_strdup(XENPV_MACHINE(obj)->mode_name ?: "emulate");
}

static void set_mode(Object *obj, const char *value, Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(obj);

    if (!strcmp(value, "attach")) {
        error_setg(errp, "-M xenpv: to attach to a domain that a toolstack "
                   "has made give -xen-attach and -xen-domid, not mode=");
        return;
    }
    if (strcmp(value, "emulate") && strcmp(value, "create")) {
        error_setg(errp, "-M xenpv: unknown mode '%s' (emulate, create)",
                   value);
        return;
    }
    g_free(s->mode_name);
    s->mode_name = g_strdup(value);
}

static char *get_store_path(Object *obj, Error **errp)
{
    return g_strdup(XENPV_MACHINE(obj)->options.store_path);
}

static void set_store_path(Object *obj, const char *value, Error **errp)
{
    XenPvMachineState *s = XENPV_MACHINE(obj);

    g_free(s->options.store_path);
    s->options.store_path = g_strdup(value);
}

static bool get_strict(Object *obj, Error **errp)
{
    return XENPV_MACHINE(obj)->options.strict;
}

static void set_strict(Object *obj, bool value, Error **errp)
{
    XENPV_MACHINE(obj)->options.strict = value;
}

/* Without it the accelerator fails in three lines, and we do in one. */
static bool have_privcmd(void)
{
    return access("/dev/xen/privcmd", F_OK) == 0 ||
           access("/proc/xen/privcmd", F_OK) == 0;
}

static void xenpv_machine_instance_init(Object *obj)
{
    XenPvMachineState *s = XENPV_MACHINE(obj);
    MachineClass *mc = MACHINE_GET_CLASS(s);

    /*
     * The accelerator of that name sets xen_mode as well, later: only now does
     * it say what the user has asked for.  The options below are read next.
     */
    s->attach = xen_mode == XEN_ATTACH;
    if (s->attach && have_privcmd()) {
        mc->default_machine_opts = "accel=xen";
    }
}

static void xenpv_machine_finalize(Object *obj)
{
    XenPvMachineState *s = XENPV_MACHINE(obj);

    if (s->mode_state) {
        s->mode->free(s->mode_state);
    }
    g_free(s->mode_name);
    g_free(s->options.store_path);
}

/*
 * What Xen keeps from a PV guest, so that a process that executes CPUID
 * natively is told the same as the kernel, which asks the monitor.
 */
static GlobalProperty pv_cpu_policy[] = {
    { TYPE_X86_CPU, "pge", "off" },
    { TYPE_X86_CPU, "pse36", "off" },
    { TYPE_X86_CPU, "mtrr", "off" },
    { TYPE_X86_CPU, "vme", "off" },
    { TYPE_X86_CPU, "vmx", "off" },
    { TYPE_X86_CPU, "svm", "off" },
    { TYPE_X86_CPU, "pcid", "off" },
    { TYPE_X86_CPU, "invpcid", "off" },
    { TYPE_X86_CPU, "x2apic", "off" },
    { TYPE_X86_CPU, "tsc-deadline", "off" },
    { TYPE_X86_CPU, "smep", "off" },
    { TYPE_X86_CPU, "smap", "off" },
    { TYPE_X86_CPU, "umip", "off" },
    { TYPE_X86_CPU, "pku", "off" },
    { TYPE_X86_CPU, "pks", "off" },
    { TYPE_X86_CPU, "la57", "off" },
    { TYPE_X86_CPU, "pdpe1gb", "off" },
    { TYPE_X86_CPU, "fsgsbase", "off" },
    { TYPE_X86_CPU, "xsaves", "off" },
    { TYPE_X86_CPU, "monitor", "off" },
    { TYPE_X86_CPU, "fred", "off" },
    { TYPE_X86_CPU, "lkgs", "off" },
};

static void xenpv_machine_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(oc);

    mc->desc = "Xen PV guest, with or without Xen";
    mc->init = xenpv_machine_init;
    mc->reset = xenpv_machine_reset;
    /* Each mode has its own limit; it is Xen's that goes furthest. */
    mc->max_cpus = XENPV_MAX_CREATE_VCPUS;
    mc->default_cpu_type = X86_CPU_TYPE_NAME("max");
    mc->default_ram_size = 512 * MiB;
    mc->default_ram_id = "xenpv.ram";
    XENPV_MACHINE_CLASS(oc)->create_memdev = mc->create_default_memdev;
    mc->create_default_memdev = xenpv_machine_create_memdev;
    mc->no_parallel = 1;
    mc->no_floppy = 1;
    mc->no_cdrom = 1;
    mc->block_default_type = IF_XEN;
    mc->has_hotpluggable_cpus = true;
    mc->get_hotplug_handler = xenpv_machine_plugs;
    hc->pre_plug = xenpv_machine_pre_plug;
    hc->plug = xenpv_machine_plug;
    hc->unplug_request = xenpv_machine_unplug;
    compat_props_add(mc->compat_props, pv_cpu_policy,
                     G_N_ELEMENTS(pv_cpu_policy));

    object_class_property_add_str(oc, "mode", get_mode, set_mode);
    object_class_property_set_description(oc, "mode",
        "who makes the domain: emulate (nobody, there is no Xen; default), "
        "create (QEMU, on a Xen host)");
    object_class_property_add_str(oc, "xenstore", get_store_path,
                                  set_store_path);
    object_class_property_set_description(oc, "xenstore",
        "UNIX socket on which to serve the guest's xenstore");
    object_class_property_add_bool(oc, "strict", get_strict, set_strict);
    object_class_property_set_description(oc, "strict",
        "run the guest kernel in ring 3 on page tables of its own, as Xen "
        "does");
}

static const TypeInfo xenpv_machine_types[] = {
    {
        .name = TYPE_XENPV_MACHINE,
        .parent = TYPE_X86_MACHINE,
        .instance_size = sizeof(XenPvMachineState),
        .class_size = sizeof(XenPvMachineClass),
        .instance_init = xenpv_machine_instance_init,
        .instance_finalize = xenpv_machine_finalize,
        .class_init = xenpv_machine_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_HOTPLUG_HANDLER },
            { }
        },
    },
};

DEFINE_TYPES(xenpv_machine_types)
