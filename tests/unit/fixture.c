/*
 * A bus over the fake hypervisor, with as much machine as qdev needs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "chardev/char-fe.h"
#include "hw/hotplug.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xenpv/backend/internal.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "system/runstate.h"
#include "fixture.h"

/* How long a test waits for what must come; only a failure takes so long. */
#define PATIENCE_US (10 * G_USEC_PER_SEC)

/* ---- what the rest of QEMU would be ---- */

/* Streams are not opened here; what is in a section is saved and resumed. */
const VMStateDescription xenpv_dev_vmstate = {
    .name = TYPE_XENPV_DEVICE,
};

/* QEMU's own stubs keep the reason for ever: a leak for each device. */
int migrate_add_blocker(Error **reasonp, Error **errp)
{
    return 0;
}

int migrate_add_blocker_normal(Error **reasonp, Error **errp)
{
    return 0;
}

int migrate_add_blocker_modes(Error **reasonp, Error **errp, MigMode mode, ...)
{
    return 0;
}

void migrate_del_blocker(Error **reasonp)
{
    error_free(*reasonp);
    *reasonp = NULL;
}

int fixture_runstate = RUN_STATE_RUNNING;

bool runstate_check(RunState state)
{
    return fixture_runstate == state;
}

static GString *log_text;

int error_vprintf(const char *fmt, va_list ap)
{
    if (!log_text) {
        log_text = g_string_new(NULL);
    }
    g_string_append_vprintf(log_text, fmt, ap);
    return 0;
}

int error_vprintf_unless_qmp(const char *fmt, va_list ap)
{
    return error_vprintf(fmt, ap);
}

char *fixture_log(void)
{
    GString *text = g_steal_pointer(&log_text);

    return text ? g_string_free(text, false) : g_strdup("");
}

int monitor_printf(Monitor *mon, const char *fmt, ...)
{
    g_assert_not_reached();
}

/* A Fifo8 can be migrated; nobody does here. */
const VMStateInfo vmstate_info_buffer;
const VMStateInfo vmstate_info_uint32;

/* "chardev=ID", without the block and net layers beside it. */
static void set_chr(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    CharBackend *be = object_field_prop_ptr(obj, opaque);
    g_autofree char *id = NULL;
    Chardev *chr;

    if (visit_type_str(v, name, &id, errp)) {
        chr = qemu_chr_find(id);
        g_assert_nonnull(chr);
        qemu_chr_fe_init(be, chr, errp);
    }
}

static void release_chr(Object *obj, const char *name, void *opaque)
{
    qemu_chr_fe_deinit(object_field_prop_ptr(obj, opaque), false);
}

const PropertyInfo qdev_prop_chr = {
    .type = "str",
    .set = set_chr,
    .release = release_chr,
};

#define TYPE_PARENT "xenpv-test-parent"

static const TypeInfo types[] = {
    {
        .name = TYPE_HOTPLUG_HANDLER,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(HotplugHandlerClass),
    }, {
        .name = TYPE_PARENT,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(DeviceState),
    },
};

void fixture_main(int *argc, char ***argv)
{
    Object *machine;

    g_test_init(argc, argv, NULL);
    qemu_init_main_loop(&error_abort);
    module_call_init(MODULE_INIT_QOM);
    type_register_static_array(types, ARRAY_SIZE(types));
    machine = object_property_add_new_container(object_get_root(), "machine");
    object_property_add_new_container(machine, "unattached");
}

/* ---- bus and devices ---- */

XenPvBus *fixture_bus(XenPvHv *hv)
{
    DeviceState *parent = qdev_new(TYPE_PARENT);
    XenPvBus *bus = xenpv_bus_new(parent, hv, FAKE_GUEST);

    qdev_realize(parent, NULL, &error_abort);
    xenpv_bus_restart(bus);
    return bus;
}

void fixture_end(XenPvBus *bus)
{
    DeviceState *parent = BUS(bus)->parent;
    XenPvHv *hv = bus->hv;

    fake_hv_fail_at(hv, 0);
    while (!QTAILQ_EMPTY(&bus->devices)) {
        object_unparent(OBJECT(QTAILQ_FIRST(&bus->devices)));
    }
    fixture_settle();
    object_unparent(OBJECT(parent));
    object_unref(OBJECT(parent));
    assert_live(hv, 0, 0, 0);
    fake_hv_free(hv);
    g_free(fixture_log());
}

XenPvDevice *fixture_plug(XenPvBus *bus, Error **errp, const char *type, ...)
{
    DeviceState *dev = qdev_new(type);
    const char *key;
    va_list ap;

    va_start(ap, type);
    while ((key = va_arg(ap, const char *))) {
        object_property_parse(OBJECT(dev), key, va_arg(ap, const char *),
                              &error_abort);
    }
    va_end(ap);
    if (!qdev_realize_and_unref(dev, BUS(bus), errp)) {
        /* A bus lets go of a device by RCU, and the device of its chardev. */
        drain_call_rcu();
        return NULL;
    }
    return XENPV_DEVICE(dev);
}

void fixture_unplug(XenPvDevice *dev, Error **errp)
{
    HotplugHandler *handler =
        qdev_get_parent_bus(DEVICE(dev))->hotplug_handler;

    g_assert_nonnull(handler);
    HOTPLUG_HANDLER_GET_CLASS(handler)->unplug_request(handler, DEVICE(dev),
                                                       errp);
}

/* ---- time ---- */

bool fixture_wait(bool (*done)(void *opaque), void *opaque)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;

    while (!done(opaque)) {
        main_loop_wait(true);
        if (g_get_monotonic_time() > end) {
            return false;
        }
    }
    return true;
}

/*
 * A watch schedules a look, a look writes nodes, nodes fire watches: a few
 * turns of the loop and all is quiet.  Nothing here needs time to pass.
 */
void fixture_settle(void)
{
    int turn;

    for (turn = 0; turn < 32; turn++) {
        main_loop_wait(true);
    }
}

/* ---- looking ---- */

char *fixture_node(XenPvHv *hv, const char *fmt, ...)
{
    g_autofree char *path = NULL;
    va_list ap;

    va_start(ap, fmt);
    path = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return xenpv_store_read(hv, NULL, path, NULL, NULL);
}

void assert_live(XenPvHv *hv, uint32_t maps, uint32_t channels,
                 uint32_t watches)
{
    g_assert_cmpuint(hv->live.maps, ==, maps);
    g_assert_cmpuint(hv->live.map_pages, ==, maps);
    g_assert_cmpuint(hv->live.channels, ==, channels);
    g_assert_cmpuint(hv->live.watches, ==, watches);
    g_assert_cmpuint(hv->live.transactions, ==, 0);
}
