/*
 * What ties the bus to a machine: a place on the system bus, where "-device"
 * and "info qtree" find it, and the end of QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/notify.h"
#include "qapi/error.h"
#include "hw/sysbus.h"
#include "system/runstate.h"
#include "system/system.h"
#include "internal.h"

#define TYPE_XENPV_BRIDGE "xenpv-bridge"
OBJECT_DECLARE_SIMPLE_TYPE(XenPvBridge, XENPV_BRIDGE)

struct XenPvBridge {
    SysBusDevice parent_obj;

    XenPvBus *bus;
    VMChangeStateEntry *vm_change;
    Notifier exit;
};

/*
 * The guest has stopped for good, and character and block devices are still
 * there: drivers can bring what is on its way to its end.
 */
static void bridge_vm_change(void *opaque, bool running, RunState state)
{
    XenPvBridge *bridge = opaque;

    if (state == RUN_STATE_SHUTDOWN) {
        xenpv_bus_close(bridge->bus);
    }
}

/* A guest that was stopped already when QEMU was told to end. */
static void bridge_exit(Notifier *n, void *data)
{
    XenPvBridge *bridge = container_of(n, XenPvBridge, exit);

    xenpv_bus_close(bridge->bus);
}

XenPvBus *xenpv_bus_create(XenPvHv *hv, XenPvDomid guest, Error **errp)
{
    DeviceState *dev = qdev_new(TYPE_XENPV_BRIDGE);
    XenPvBridge *bridge = XENPV_BRIDGE(dev);

    bridge->bus = xenpv_bus_new(dev, hv, guest);
    if (!sysbus_realize_and_unref(SYS_BUS_DEVICE(dev), errp)) {
        return NULL;
    }
    bridge->vm_change =
        qemu_add_vm_change_state_handler(bridge_vm_change, bridge);
    bridge->exit.notify = bridge_exit;
    qemu_add_exit_notifier(&bridge->exit);
    return bridge->bus;
}

static void bridge_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);

    /* One per machine, made by the machine. */
    dc->user_creatable = false;
}

static const TypeInfo bridge_type = {
    .name = TYPE_XENPV_BRIDGE,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(XenPvBridge),
    .class_init = bridge_class_init,
};

static void bridge_register_types(void)
{
    type_register_static(&bridge_type);
}

type_init(bridge_register_types)
