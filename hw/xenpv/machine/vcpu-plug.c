/*
 * Plugging and unplugging vCPUs of an emulated guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PV guest starts every vCPU it may ever have and then takes those down that
 * xenstore says are offline.  So the processors are all there from the start,
 * and what is plugged is a device that stands for the user's wish that the
 * guest may use one.  Like a processor it is named by its place, as
 * query-hotpluggable-cpus has it, and unplugging waits for the guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/core/cpu.h"
#include "hw/qdev-properties.h"
#include "vcpu-plug.h"

OBJECT_DECLARE_SIMPLE_TYPE(XenPvVcpu, XENPV_VCPU)

/* The place; -1: any */
struct XenPvVcpu {
    DeviceState parent_obj;

    int32_t node;
    int32_t socket;
    int32_t die;
    int32_t module;
    int32_t core;
    int32_t thread;
    unsigned vcpu;
};

static bool agrees(int32_t wanted, bool has, int64_t value)
{
    return wanted < 0 || (has && wanted == value);
}

static bool fits(const XenPvVcpu *v, const CpuInstanceProperties *p)
{
    return agrees(v->node, p->has_node_id, p->node_id) &&
           agrees(v->socket, p->has_socket_id, p->socket_id) &&
           agrees(v->die, p->has_die_id, p->die_id) &&
           agrees(v->module, p->has_module_id, p->module_id) &&
           agrees(v->core, p->has_core_id, p->core_id) &&
           agrees(v->thread, p->has_thread_id, p->thread_id);
}

static CPUArchId *place(XenPvPlug *p, unsigned vcpu)
{
    return &p->machine->possible_cpus->cpus[vcpu];
}

void xenpv_plug_check(XenPvPlug *p, DeviceState *dev, Error **errp)
{
    unsigned max = p->machine->smp.max_cpus;
    bool known = false;
    XenPvVcpu *v;
    unsigned i;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_XENPV_VCPU)) {
        error_setg(errp, "%s: vCPUs of -M xenpv are plugged as "
                   TYPE_XENPV_VCPU ", see query-hotpluggable-cpus",
                   object_get_typename(OBJECT(dev)));
        return;
    }
    v = XENPV_VCPU(dev);
    for (i = 0; i < max; i++) {
        if (fits(v, &place(p, i)->props)) {
            known = true;
            if (!place(p, i)->cpu) {
                v->vcpu = i;
                return;
            }
        }
    }
    error_setg(errp, TYPE_XENPV_VCPU ": %s", known ?
               "there is a vCPU in this place already (all of -smp maxcpus= "
               "if no place was given)" :
               "there is no such place, see query-hotpluggable-cpus");
}

void xenpv_plug_add(XenPvPlug *p, DeviceState *dev)
{
    unsigned i = XENPV_VCPU(dev)->vcpu;

    p->device[i] = dev;
    p->plugged |= 1ull << i;
    place(p, i)->cpu = qemu_get_cpu(i);
    xenpv_emu_request_vcpu(p->emu, i, true);
}

void xenpv_plug_remove(XenPvPlug *p, DeviceState *dev, Error **errp)
{
    unsigned i;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_XENPV_VCPU)) {
        error_setg(errp, "%s: only what has been plugged as " TYPE_XENPV_VCPU
                   " can be unplugged", object_get_typename(OBJECT(dev)));
        return;
    }
    i = XENPV_VCPU(dev)->vcpu;
    p->leaving |= 1ull << i;
    xenpv_emu_request_vcpu(p->emu, i, false);
    xenpv_plug_settle(p);
}

void xenpv_plug_settle(XenPvPlug *p)
{
    uint64_t gone = p->leaving & ~qatomic_read(&p->shared->up_mask);

    while (gone) {
        unsigned i = ctz64(gone);
        DeviceState *dev = p->device[i];

        gone &= gone - 1;
        p->leaving &= ~(1ull << i);
        p->plugged &= ~(1ull << i);
        p->device[i] = NULL;
        place(p, i)->cpu = NULL;
        object_unparent(OBJECT(dev));
    }
}

void xenpv_plug_publish(XenPvPlug *p)
{
    unsigned i;

    for (i = 0; i < p->machine->smp.max_cpus; i++) {
        if (p->plugged >> i & 1) {
            xenpv_emu_request_vcpu(p->emu, i, true);
        }
    }
}

void xenpv_plug_init(XenPvPlug *p)
{
    unsigned i;

    for (i = 0; i < p->machine->smp.max_cpus; i++) {
        if (i < p->machine->smp.cpus) {
            place(p, i)->cpu = qemu_get_cpu(i);
        } else {
            place(p, i)->type = TYPE_XENPV_VCPU;
        }
    }
}

/* ---- the type ---- */

static void vcpu_realize(DeviceState *dev, Error **errp)
{
    /* Where nobody has looked at it, it means nothing. */
    if (!qdev_get_machine_hotplug_handler(dev)) {
        error_setg(errp, TYPE_XENPV_VCPU ": only with -M xenpv,mode=emulate");
    }
}

static const Property vcpu_properties[] = {
    DEFINE_PROP_INT32("node-id", XenPvVcpu, node, -1),
    DEFINE_PROP_INT32("socket-id", XenPvVcpu, socket, -1),
    DEFINE_PROP_INT32("die-id", XenPvVcpu, die, -1),
    DEFINE_PROP_INT32("module-id", XenPvVcpu, module, -1),
    DEFINE_PROP_INT32("core-id", XenPvVcpu, core, -1),
    DEFINE_PROP_INT32("thread-id", XenPvVcpu, thread, -1),
};

static void vcpu_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "vCPU that a Xen PV guest may use";
    dc->realize = vcpu_realize;
    set_bit(DEVICE_CATEGORY_CPU, dc->categories);
    device_class_set_props(dc, vcpu_properties);
}

static const TypeInfo vcpu_types[] = {
    {
        .name = TYPE_XENPV_VCPU,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(XenPvVcpu),
        .class_init = vcpu_class_init,
    },
};

DEFINE_TYPES(vcpu_types)
