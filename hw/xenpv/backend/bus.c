/*
 * The bus: which devices there are, plugging and unplugging them, and letting
 * go of a guest that is reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "monitor/monitor.h"
#include "hw/hotplug.h"
#include "hw/xenpv/trace.h"
#include "internal.h"

/* Xen itself stops far below; this only ends a search. */
#define MAX_DEVID ((2 << 28) - 1)   /* of disks; others stay far below */

static bool devid_in_use(XenPvBus *bus, XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    XenPvDevice *other;

    QTAILQ_FOREACH(other, &bus->devices, next) {
        if (other->devid == dev->devid &&
            !strcmp(XENPV_DEVICE_GET_CLASS(other)->type, dc->type)) {
            return true;
        }
    }
    return false;
}

bool xenpv_bus_assign_devid(XenPvBus *bus, XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    bool taken;

    if (dev->devid >= 0) {
        if (dev->devid > MAX_DEVID) {
            error_setg(errp, "devid %d is larger than %d", dev->devid,
                       MAX_DEVID);
            return false;
        }
        if (devid_in_use(bus, dev)) {
            error_setg(errp, "devid %d is in use by another %s device",
                       dev->devid, dc->type);
            return false;
        }
        return true;
    }
    do {
        dev->devid++;
        xenpv_nodes_set_paths(dev);
        taken = devid_in_use(bus, dev) || xenpv_nodes_taken(dev);
    } while (taken && dev->devid < MAX_DEVID);
    if (taken) {
        error_setg(errp, "no free devid for another %s device", dc->type);
        dev->devid = -1;
        return false;
    }
    return true;
}

void xenpv_bus_quiesce(XenPvBus *bus)
{
    XenPvDevice *dev;

    trace_xenpv_bus_quiesce(bus->guest);
    bus->quiet = true;
    xenpv_toolstack_stop(bus);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_quiesce(dev, false);
    }
}

static void set_held(XenPvBus *bus, bool held)
{
    XenPvDevice *dev;

    bus->held = held;
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        qatomic_set(&dev->held, held);
    }
}

void xenpv_bus_restart(XenPvBus *bus)
{
    XenPvDevice *dev;

    trace_xenpv_bus_restart(bus->guest);
    bus->quiet = false;
    bus->loading = false;
    set_held(bus, false);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        /* Also those that never were quiet: nobody starts half way. */
        xenpv_dev_quiesce(dev, false);
        xenpv_dev_restart(dev);
    }
    xenpv_toolstack_start(bus);
}

void xenpv_bus_hold(XenPvBus *bus)
{
    XenPvDevice *dev;

    trace_xenpv_bus_hold(bus->guest);
    set_held(bus, true);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_hold(dev);
    }
}

void xenpv_bus_go_on(XenPvBus *bus)
{
    bool loaded = bus->loading;
    XenPvDevice *dev;

    if (!bus->held) {
        return;
    }
    trace_xenpv_bus_go_on(bus->guest, loaded);
    bus->loading = false;
    set_held(bus, false);
    if (loaded) {
        bus->quiet = false;
    }
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_go_on(dev, loaded);
    }
    if (loaded) {
        xenpv_toolstack_start(bus);
    }
}

void xenpv_bus_await_load(XenPvBus *bus)
{
    XenPvDevice *dev;

    xenpv_bus_quiesce(bus);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        dev->in_store = false;  /* the store will be another */
    }
    set_held(bus, true);
    bus->loading = true;
}

void xenpv_bus_set_guest(XenPvBus *bus, XenPvDomid guest)
{
    XenPvDevice *dev;

    assert(bus->quiet);
    bus->guest = guest;
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_set_guest(dev, guest);
    }
}

char *xenpv_bus_awaits_kernel(XenPvBus *bus)
{
    g_autoptr(GString) names = g_string_new(NULL);
    XenPvDevice *dev;

    QTAILQ_FOREACH(dev, &bus->devices, next) {
        if (dev->watching && xenpv_dev_awaits_kernel(dev)) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "",
                                   dev->label);
        }
    }
    return names->len ? g_strdup(names->str) : NULL;
}

void xenpv_bus_notify_kernel(XenPvBus *bus, Notifier *notifier)
{
    notifier_list_add(&bus->kernel_states, notifier);
}

void xenpv_bus_reset(XenPvBus *bus)
{
    xenpv_bus_quiesce(bus);
    xenpv_bus_restart(bus);
}

void xenpv_bus_close(XenPvBus *bus)
{
    XenPvDevice *dev;

    bus->quiet = true;
    xenpv_toolstack_stop(bus);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_quiesce(dev, true);
    }
}

void xenpv_bus_leave(XenPvBus *bus)
{
    XenPvDevice *dev;

    xenpv_bus_close(bus);
    QTAILQ_FOREACH(dev, &bus->devices, next) {
        xenpv_dev_leave(dev);
    }
}

XenPvBus *xenpv_bus_new(DeviceState *parent, XenPvHv *hv, XenPvDomid guest)
{
    XenPvBus *bus = XENPV_BUS(qbus_new(TYPE_XENPV_BUS, parent, "xenpv"));

    bus->hv = hv;
    bus->guest = guest;
    bus->quiet = true;
    return bus;
}

/* ---- QOM ---- */

/*
 * A link is set by path, and there is no path to the bus before its parent
 * has a place in the tree, which is when it is realized.
 */
static void bus_realize(BusState *bus, Error **errp)
{
    qbus_set_bus_hotplug_handler(bus);
}

static void bus_unrealize(BusState *bus)
{
    xenpv_toolstack_stop(XENPV_BUS(bus));
}

static void bus_print_dev(Monitor *mon, DeviceState *dev, int indent)
{
    g_autofree char *text = xenpv_dev_describe(XENPV_DEVICE(dev), indent);

    monitor_printf(mon, "%s", text);
}

static char *bus_get_dev_path(DeviceState *dev)
{
    return g_strdup(XENPV_DEVICE(dev)->be_path);
}

static void bus_unplug_request(HotplugHandler *hotplug, DeviceState *dev,
                               Error **errp)
{
    xenpv_dev_unplug(XENPV_DEVICE(dev), errp);
}

static void bus_init(Object *obj)
{
    QTAILQ_INIT(&XENPV_BUS(obj)->devices);
    notifier_list_init(&XENPV_BUS(obj)->kernel_states);
}

static void bus_class_init(ObjectClass *class, void *data)
{
    BusClass *bc = BUS_CLASS(class);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(class);

    bc->realize = bus_realize;
    bc->unrealize = bus_unrealize;
    bc->print_dev = bus_print_dev;
    bc->get_dev_path = bus_get_dev_path;
    hc->unplug_request = bus_unplug_request;
}

static const TypeInfo bus_type = {
    .name = TYPE_XENPV_BUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(XenPvBus),
    .instance_init = bus_init,
    .class_init = bus_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_HOTPLUG_HANDLER },
        { }
    },
};

static void bus_register_types(void)
{
    type_register_static(&bus_type);
}

type_init(bus_register_types)
