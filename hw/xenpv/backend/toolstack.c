/*
 * Devices that a toolstack asks for by its nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A toolstack (libxl, or somebody with xenstore-write) writes both directories
 * of a device, the back end's with state Initialising, and waits for InitWait.
 * We watch
 *
 *   /local/domain/<self>/backend/<type>/<guest>
 *
 * for every type that a driver can make a device of.  The path in an event
 * tells which device it is about, so one write costs one look at one device,
 * and none at all if that device is ours already: devices watch their own
 * directories.  Looks are folded and a few at a time.
 *
 * Nothing is remembered here but which back ends to look at.  A back end that
 * cannot be made is told so where it can be seen, in its state (Closed) and
 * its error node, and is tried again when it asks again.  One whose resource
 * somebody else still holds stays Initialising, with the error node to say
 * why, and is tried again by itself: a domain that arrives or reboots is there
 * before the last one's device model has gone, and an HVM guest gets its disk
 * as an emulated one first.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "hw/xenpv/trace.h"
#include "internal.h"

/* Making a device may take a while: opening images, say. */
#define LOOKS_PER_TURN 8

/* A toolstack that never gives up does not fill the log. */
#define REPORTS_PER_INTERVAL 8
#define REPORT_INTERVAL_NS (5 * NANOSECONDS_PER_SECOND)

/* Looking again at what somebody else holds, less and less often. */
#define FIRST_RETRY_MS 100
#define LAST_RETRY_MS 1000

typedef struct XenPvToolstack XenPvToolstack;

typedef struct ServedType {
    XenPvToolstack *ts;
    char *name;
    char *dir;
    XenPvWatch *watch;
    bool list;                  /* look for what there is ... */
    GHashTable *look;           /* ... and at these devids */
    GHashTable *waiting;        /* devids: somebody else holds what it needs */
} ServedType;

struct XenPvToolstack {
    XenPvBus *bus;
    GPtrArray *types;           /* of ServedType */
    QEMUBH *look_bh;
    QEMUTimer *retry_timer;
    int64_t retry_ms;
    int64_t report_after;       /* ns of the host's clock */
    unsigned nr_reports;        /* since then */
};

/* ---- which types ---- */

GStrv xenpv_bus_backend_types(void)
{
    GSList *classes = object_class_get_list(TYPE_XENPV_DEVICE, false);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *names = g_ptr_array_new();
    GSList *l;

    for (l = classes; l; l = l->next) {
        XenPvDeviceClass *dc = XENPV_DEVICE_CLASS(l->data);
        const char *name = xenpv_nodes_type(dc);

        if (dc->configure && g_hash_table_add(seen, (gpointer)name)) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_slist_free(classes);
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(names, false);
}

/* ---- making a device ---- */

void xenpv_dev_held_elsewhere(XenPvDevice *dev)
{
    dev->held_elsewhere = true;
}

/* A device of type @typename, as far as its directory's name tells. */
static XenPvDevice *new_candidate(XenPvBus *bus, const char *typename,
                                  int devid)
{
    XenPvDevice *dev = XENPV_DEVICE(qdev_new(typename));

    dev->hv = bus->hv;
    dev->guest = bus->guest;
    dev->devid = devid;
    dev->adopted = true;
    dev->label = g_strdup_printf("%s.%d", typename, devid);
    xenpv_nodes_set_paths(dev);
    dev->fe_path = xenpv_dev_read_back(dev, "frontend");
    return dev;
}

/* The first type that claims the back end. */
static XenPvDevice *find_driver(XenPvBus *bus, const char *type, int devid)
{
    GSList *classes = object_class_get_list_sorted(TYPE_XENPV_DEVICE, false);
    XenPvDevice *dev = NULL;
    GSList *l;

    for (l = classes; l && !dev; l = l->next) {
        XenPvDeviceClass *dc = XENPV_DEVICE_CLASS(l->data);

        if (!dc->configure || strcmp(xenpv_nodes_type(dc), type)) {
            continue;
        }
        dev = new_candidate(bus, object_class_get_name(l->data), devid);
        if (dev->fe_path && dc->claims && !dc->claims(dev)) {
            object_unref(OBJECT(g_steal_pointer(&dev)));
        }
    }
    g_slist_free(classes);
    return dev;
}

static void report(XenPvToolstack *ts, XenPvDevice *dev, Error *err)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    trace_xenpv_dev_error(dev->label, error_get_pretty(err));
    if (now >= ts->report_after) {
        ts->report_after = now + REPORT_INTERVAL_NS;
        ts->nr_reports = 0;
    }
    if (ts->nr_reports++ < REPORTS_PER_INTERVAL) {
        error_reportf_err(err, "%s: ", dev->be_path);
    } else {
        error_free(err);
    }
}

/* Closed is where a toolstack that waits for InitWait sees us fail. */
static void refuse(XenPvToolstack *ts, XenPvDevice *dev, Error *err)
{
    if (dev->vanished) {
        error_free(err);
    } else {
        xenpv_nodes_write_error(dev, error_get_pretty(err));
        report(ts, dev, err);
        dev->in_store = false;
    }
    xenpv_nodes_publish_state(dev, XenbusStateClosed, NULL);
}

/* Said once; it goes on in silence. */
static void wait_for_it(ServedType *st, XenPvDevice *dev, Error *err)
{
    XenPvToolstack *ts = st->ts;

    if (g_hash_table_add(st->waiting, GINT_TO_POINTER(dev->devid))) {
        xenpv_nodes_write_error(dev, error_get_pretty(err));
        error_prepend(&err, "waiting: ");
        report(ts, dev, err);
        ts->retry_ms = FIRST_RETRY_MS;
    } else {
        error_free(err);
    }
    trace_xenpv_toolstack_wait(dev->be_path, ts->retry_ms);
    timer_mod(ts->retry_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ts->retry_ms);
}

static void retry(void *opaque)
{
    XenPvToolstack *ts = opaque;
    GHashTableIter iter;
    gpointer devid;
    unsigned i;

    ts->retry_ms = MIN(ts->retry_ms * 2, LAST_RETRY_MS);
    for (i = 0; i < ts->types->len; i++) {
        ServedType *st = g_ptr_array_index(ts->types, i);

        g_hash_table_iter_init(&iter, st->waiting);
        while (g_hash_table_iter_next(&iter, &devid, NULL)) {
            g_hash_table_add(st->look, devid);
        }
    }
    qemu_bh_schedule(ts->look_bh);
}

static bool make(XenPvDevice *dev, XenPvBus *bus, Error **errp)
{
    if (!xenpv_nodes_adopt(dev, errp)) {
        return false;
    }
    dev->configured = true;
    return XENPV_DEVICE_GET_CLASS(dev)->configure(dev, errp) &&
           qdev_realize(DEVICE(dev), BUS(bus), errp);
}

static bool is_complete(XenPvDevice *dev)
{
    g_autofree char *id = xenpv_dev_read_back(dev, "frontend-id");

    return dev->fe_path && id;
}

/* @dev's directory is in state Initialising.  Takes over @dev. */
static void serve(ServedType *st, XenPvDevice *dev)
{
    XenPvToolstack *ts = st->ts;
    int devid = dev->devid;
    Error *err = NULL;

    if (!is_complete(dev)) {
        /* Not all of it is written; we will hear of the rest. */
        trace_xenpv_toolstack_incomplete(dev->be_path);
        object_unref(OBJECT(dev));
        return;
    }
    trace_xenpv_toolstack_make(dev->be_path, dev->label);
    if (make(dev, ts->bus, &err)) {
        g_hash_table_remove(st->waiting, GINT_TO_POINTER(devid));
        object_unref(OBJECT(dev));
        return;
    }
    if (dev->held_elsewhere && !dev->vanished) {
        wait_for_it(st, dev, err);
    } else {
        g_hash_table_remove(st->waiting, GINT_TO_POINTER(devid));
        refuse(ts, dev, err);
    }
    xenpv_dev_destroy(dev, ts->bus);
}

/* ---- looking ---- */

static XenPvDevice *find_device(XenPvBus *bus, const char *type, int devid)
{
    XenPvDevice *dev;

    QTAILQ_FOREACH(dev, &bus->devices, next) {
        if (dev->devid == devid &&
            !strcmp(xenpv_nodes_type(XENPV_DEVICE_GET_CLASS(dev)), type)) {
            return dev;
        }
    }
    return NULL;
}

static void forget_error(ServedType *st, int devid)
{
    XenPvBus *bus = st->ts->bus;
    g_autofree char *path = xenpv_nodes_error_dir(bus->hv, st->name,
                                                  bus->guest, devid);

    xenpv_store_rm(bus->hv, NULL, path);
}

static void look_at(ServedType *st, int devid)
{
    XenPvBus *bus = st->ts->bus;
    g_autofree char *path = g_strdup_printf("%s/%d/state", st->dir, devid);
    g_autofree char *text = NULL;
    enum xenbus_state state;
    XenPvDevice *dev;
    int err = 0;

    if (find_device(bus, st->name, devid)) {
        return;
    }
    text = xenpv_store_read(bus->hv, NULL, path, NULL, &err);
    if (!text) {
        if (err == ENOENT) {
            g_hash_table_remove(st->waiting, GINT_TO_POINTER(devid));
            forget_error(st, devid);
        } else {
            error_report("cannot read %s: %s", path, strerror(err));
        }
        return;
    }
    state = xenpv_nodes_judge_state(text);
    if (state != XenbusStateInitialising) {
        g_hash_table_remove(st->waiting, GINT_TO_POINTER(devid));
    }
    if (state != XenbusStateInitialising && state != XenbusStateClosing) {
        return;
    }
    dev = find_driver(bus, st->name, devid);
    if (!dev) {
        trace_xenpv_toolstack_unclaimed(path);
    } else if (state == XenbusStateInitialising) {
        serve(st, dev);
    } else {
        /* It is waiting for the end of a device that never was. */
        xenpv_nodes_publish_state(dev, XenbusStateClosed, NULL);
        object_unref(OBJECT(dev));
    }
}

static bool parse_devid(const char *name, int *devid)
{
    uint64_t value;

    if (!xenpv_nodes_judge_number(name, INT32_MAX, &value)) {
        return false;
    }
    *devid = value;
    return true;
}

static void look_for(ServedType *st)
{
    g_auto(GStrv) names = xenpv_store_list(st->ts->bus->hv, NULL, st->dir,
                                           NULL);
    int i, devid;

    for (i = 0; names && names[i]; i++) {
        if (parse_devid(names[i], &devid)) {
            g_hash_table_add(st->look, GINT_TO_POINTER(devid));
        }
    }
}

static bool look_at_one(ServedType *st)
{
    GHashTableIter iter;
    gpointer devid;

    if (st->list) {
        st->list = false;
        look_for(st);
    }
    g_hash_table_iter_init(&iter, st->look);
    if (!g_hash_table_iter_next(&iter, &devid, NULL)) {
        return false;
    }
    g_hash_table_iter_remove(&iter);
    look_at(st, GPOINTER_TO_INT(devid));
    return true;
}

static void look(void *opaque)
{
    XenPvToolstack *ts = opaque;
    int budget = LOOKS_PER_TURN;
    unsigned i;

    for (i = 0; i < ts->types->len; i++) {
        do {
            if (ts->bus->nr_leaving) {
                /* It may hold what the next one needs. */
                return;
            }
            if (!budget--) {
                qemu_bh_schedule(ts->look_bh);
                return;
            }
        } while (look_at_one(g_ptr_array_index(ts->types, i)));
    }
}

void xenpv_bus_find_devices(XenPvBus *bus)
{
    XenPvToolstack *ts = bus->toolstack;
    unsigned i;

    for (i = 0; ts && i < ts->types->len; i++) {
        ServedType *st = g_ptr_array_index(ts->types, i);

        st->list = true;
        while (!bus->nr_leaving && look_at_one(st)) {
            /* one by one */
        }
    }
}

static void type_changed(void *opaque, const char *path)
{
    ServedType *st = opaque;
    g_autofree char *name = NULL;
    const char *below;
    int devid;

    if (!g_str_has_prefix(path, st->dir) || path[strlen(st->dir)] != '/') {
        /* The watch is new, or the store could not tell all there was. */
        st->list = true;
    } else {
        below = path + strlen(st->dir) + 1;
        name = g_strndup(below, strcspn(below, "/"));
        if (!parse_devid(name, &devid) ||
            find_device(st->ts->bus, st->name, devid)) {
            return;
        }
        g_hash_table_add(st->look, GINT_TO_POINTER(devid));
    }
    qemu_bh_schedule(st->ts->look_bh);
}

void xenpv_toolstack_look(XenPvBus *bus)
{
    if (bus->toolstack) {
        qemu_bh_schedule(bus->toolstack->look_bh);
    }
}

void xenpv_toolstack_device_gone(XenPvBus *bus, XenPvDevice *dev)
{
    const char *type = xenpv_nodes_type(XENPV_DEVICE_GET_CLASS(dev));
    XenPvToolstack *ts = bus->toolstack;
    unsigned i;

    for (i = 0; ts && i < ts->types->len; i++) {
        ServedType *st = g_ptr_array_index(ts->types, i);

        if (!strcmp(st->name, type)) {
            g_hash_table_add(st->look, GINT_TO_POINTER(dev->devid));
            qemu_bh_schedule(ts->look_bh);
        }
    }
}

/* ---- nothing can be served ---- */

static bool is_ours(XenPvBus *bus, const char *type, int devid)
{
    XenPvDevice *dev = find_driver(bus, type, devid);

    if (dev) {
        object_unref(OBJECT(dev));
    }
    return dev;
}

static void decline(XenPvBus *bus, const char *type, int devid,
                    const char *why)
{
    g_autofree char *dir = xenpv_nodes_error_dir(bus->hv, type, bus->guest,
                                                 devid);
    g_autofree char *error = g_strdup_printf("%s/error", dir);
    g_autofree char *state =
        g_strdup_printf("/local/domain/%u/backend/%s/%u/%d/state",
                        bus->hv->self, type, bus->guest, devid);

    xenpv_store_printf(bus->hv, NULL, error, "%d %s", EPERM, why);
    xenpv_store_printf(bus->hv, NULL, state, "%d", XenbusStateClosed);
    error_report("backend/%s/%u/%d: %s", type, bus->guest, devid, why);
}

void xenpv_bus_decline(XenPvBus *bus, const char *why)
{
    g_auto(GStrv) types = xenpv_bus_backend_types();
    unsigned i, j;
    int devid;

    for (i = 0; types[i]; i++) {
        g_autofree char *dir =
            g_strdup_printf("/local/domain/%u/backend/%s/%u", bus->hv->self,
                            types[i], bus->guest);
        g_auto(GStrv) names = xenpv_store_list(bus->hv, NULL, dir, NULL);

        for (j = 0; names && names[j]; j++) {
            if (parse_devid(names[j], &devid) &&
                is_ours(bus, types[i], devid)) {
                decline(bus, types[i], devid, why);
            }
        }
    }
}

/* ---- beginning and end ---- */

static void served_free(gpointer opaque)
{
    ServedType *st = opaque;

    if (st->watch) {
        xenpv_store_unwatch(st->watch);
    }
    g_hash_table_unref(st->look);
    g_hash_table_unref(st->waiting);
    g_free(st->dir);
    g_free(st->name);
    g_free(st);
}

static void serve_type(XenPvToolstack *ts, const char *name)
{
    ServedType *st = g_new0(ServedType, 1);
    XenPvBus *bus = ts->bus;
    Error *err = NULL;

    st->ts = ts;
    st->name = g_strdup(name);
    st->dir = g_strdup_printf("/local/domain/%u/backend/%s/%u",
                              bus->hv->self, name, bus->guest);
    st->look = g_hash_table_new(NULL, NULL);
    st->waiting = g_hash_table_new(NULL, NULL);
    g_ptr_array_add(ts->types, st);
    st->watch = xenpv_store_watch(bus->hv, st->dir, type_changed, st, &err);
    if (!st->watch) {
        error_reportf_err(err, "no devices from %s: ", st->dir);
    }
}

void xenpv_toolstack_start(XenPvBus *bus)
{
    g_auto(GStrv) names = NULL;
    XenPvToolstack *ts;
    unsigned i;

    xenpv_toolstack_stop(bus);
    ts = bus->toolstack = g_new0(XenPvToolstack, 1);
    ts->bus = bus;
    ts->types = g_ptr_array_new_with_free_func(served_free);
    /*
     * Only the main loop itself runs this context's BHs: devices are not made
     * below somebody who waits for I/O.
     */
    ts->look_bh = aio_bh_new(iohandler_get_aio_context(), look, ts);
    ts->retry_timer = timer_new_ms(QEMU_CLOCK_REALTIME, retry, ts);
    names = xenpv_bus_backend_types();
    for (i = 0; names[i]; i++) {
        serve_type(ts, names[i]);
    }
}

void xenpv_toolstack_stop(XenPvBus *bus)
{
    XenPvToolstack *ts = g_steal_pointer(&bus->toolstack);

    if (ts) {
        qemu_bh_delete(ts->look_bh);
        timer_free(ts->retry_timer);
        g_ptr_array_free(ts->types, true);
        g_free(ts);
    }
}
