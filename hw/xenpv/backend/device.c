/*
 * One device: its life and its walk through the states.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All reasons to act end in one place, dev_recheck(): it reads the nodes the
 * walk depends on, as they are now, and walks.  Watches, failures and unplug
 * requests only schedule it.  So a guest that rewrites its state a thousand
 * times costs one look, and no caller can be surprised by its device being
 * disconnected or freed below it.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "hw/xenpv/trace.h"
#include "internal.h"
#include "walk.h"

/* A guest that fails again and again does not fill the host's log. */
#define REPORT_INTERVAL_NS (5 * NANOSECONDS_PER_SECOND)

/* How long an unplug request waits before the next one forces it. */
#define UNPLUG_PATIENCE_MS 5000

/* ---- when ---- */

void xenpv_dev_schedule_recheck(XenPvDevice *dev)
{
    qemu_bh_schedule(dev->recheck_bh);
}

void xenpv_dev_begin_work(XenPvDevice *dev)
{
    dev->busy++;
}

void xenpv_dev_end_work(XenPvDevice *dev)
{
    if (!--dev->busy && dev->recheck_again) {
        dev->recheck_again = false;
        xenpv_dev_schedule_recheck(dev);
    }
}

/* ---- failures ---- */

static void dev_report(XenPvDevice *dev, Error *err)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    if (dev->vanished) {
        /* No failure: a toolstack removes a device like that. */
        error_free(err);
        xenpv_dev_schedule_recheck(dev);
        return;
    }
    trace_xenpv_dev_error(dev->label, error_get_pretty(err));
    xenpv_nodes_write_error(dev, error_get_pretty(err));
    dev->error_noted = true;
    if (now < dev->report_after) {
        error_free(err);
        return;
    }
    qatomic_set__nocheck(&dev->report_after, now + REPORT_INTERVAL_NS);
    error_reportf_err(err, "%s: ", dev->label);
}

void xenpv_dev_fail(XenPvDevice *dev, Error *err)
{
    if (qatomic_cmpxchg(&dev->failure, NULL, err)) {
        error_free(err);
    }
    xenpv_dev_schedule_recheck(dev);
}

void xenpv_dev_complain(XenPvDevice *dev, Error *err)
{
    if (qatomic_cmpxchg(&dev->complaint, NULL, err)) {
        error_free(err);
    }
    xenpv_dev_schedule_recheck(dev);
}

/* ---- the connection ---- */

static bool dev_connect(XenPvDevice *dev, Error **errp)
{
    bool ok;

    trace_xenpv_dev_connect(dev->label);
    dev->connected = true;
    ok = XENPV_DEVICE_GET_CLASS(dev)->connect(dev, errp);
    trace_xenpv_dev_connected(dev->label, ok);
    return ok;
}

static void dev_disconnect(XenPvDevice *dev)
{
    if (!dev->connected) {
        return;
    }
    trace_xenpv_dev_disconnect(dev->label);
    xenpv_connection_silence(dev);
    XENPV_DEVICE_GET_CLASS(dev)->disconnect(dev);
    dev->connected = false;
    if (qatomic_read(&dev->in_flight)) {
        error_report("%s: bug: %" PRIu32 " requests in flight after "
                     "disconnect; their pages stay mapped", dev->label,
                     dev->in_flight);
        g_ptr_array_set_size(dev->maps, 0);
        dev->in_flight = 0;
    }
    xenpv_connection_release(dev);
    /* What went wrong with this connection is no matter for the next. */
    error_free(qatomic_xchg(&dev->failure, NULL));
}

static void dev_fail_now(XenPvDevice *dev, Error *err)
{
    dev_report(dev, err);
    dev_disconnect(dev);
    dev->failed = true;
}

/* ---- the walk ---- */

static bool dev_enter_init_wait(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_advertise(dev, errp);
}

/*
 * Connected is published after the work is done: the front end uses the
 * device from then on.
 */
static bool dev_enter_connected(XenPvDevice *dev, Error **errp)
{
    /* After a reconfiguration it is. */
    if ((!dev->connected && !dev_connect(dev, errp)) ||
        !xenpv_nodes_publish_state(dev, XenbusStateConnected, errp)) {
        return false;
    }
    if (dev->error_noted) {
        xenpv_nodes_clear_error(dev);
        dev->error_noted = false;
    }
    return true;
}

static void dev_deliver_keys(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    uint64_t changed = dev->changed_keys;
    unsigned i;

    dev->changed_keys = 0;
    for (i = 0; i < dev->nr_keys && dev->connected; i++) {
        if (changed & (1ull << i)) {
            dc->frontend_key(dev, dc->frontend_keys[i]);
        }
    }
}

/* The front end takes it that its keys, whichever, are in force from now. */
static bool dev_enter_reconfigured(XenPvDevice *dev, Error **errp)
{
    dev->changed_keys = -1;
    dev_deliver_keys(dev);
    return xenpv_nodes_publish_state(dev, XenbusStateReconfigured, errp);
}

/* A front end that is still there goes on until it says Closed. */
static bool dev_enter_closing(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_publish_state(dev, XenbusStateClosing, errp);
}

/*
 * Closed tells front end and toolstack that nothing of theirs is in use, so it
 * comes last.  A device that is still online then serves whoever comes next.
 */
static bool dev_enter_closed(XenPvDevice *dev, Error **errp)
{
    dev_disconnect(dev);
    dev->closing = !dev->online;
    return xenpv_nodes_publish_state(dev, XenbusStateClosed, errp);
}

/*
 * The work on entering a state.  On the way up a failure keeps us where we
 * are, marked as failed, and the walk turns to Closing.  On the way down there
 * is nowhere else to go.
 */
static const struct {
    bool (*enter)(XenPvDevice *dev, Error **errp);
    bool must_succeed;
} work[] = {
    [XenbusStateInitWait]  = { dev_enter_init_wait, true },
    [XenbusStateConnected] = { dev_enter_connected, true },
    [XenbusStateReconfigured] = { dev_enter_reconfigured, true },
    [XenbusStateClosing]   = { dev_enter_closing, false },
    [XenbusStateClosed]    = { dev_enter_closed, false },
};

static void dev_walk(XenPvDevice *dev)
{
    /* Up, failing at the last step, and down again. */
    int steps = 2 * XENPV_WALK_MAX_STEPS;

    while (steps--) {
        enum xenbus_state goal, next;
        Error *err = NULL;

        goal = xenpv_walk_goal(dev->fe_state, dev->closing || dev->failed);
        next = xenpv_walk_next(dev->be_state, goal);
        if (next == dev->be_state) {
            return;
        }
        trace_xenpv_dev_step(dev->label, xenpv_state_name(dev->fe_state),
                             xenpv_state_name(dev->be_state),
                             xenpv_state_name(next), xenpv_state_name(goal));
        if (work[next].enter(dev, &err)) {
            dev->be_state = next;
        } else if (work[next].must_succeed) {
            dev_fail_now(dev, err);
        } else {
            dev_report(dev, err);
            dev->be_state = next;
        }
    }
}

/*
 * The bus keeps a reference to what has left it until all RCU readers have
 * had their turn.  Ours is the last: what was made for the device is undone
 * in the main loop, and only then a toolstack can have another.
 */
typedef struct Leaving {
    struct rcu_head rcu;
    XenPvDevice *dev;
    XenPvBus *bus;
} Leaving;

static void dev_left(void *opaque)
{
    Leaving *l = opaque;

    object_unref(OBJECT(l->dev));
    l->bus->nr_leaving--;
    xenpv_toolstack_look(l->bus);
    object_unref(OBJECT(l->bus));
    g_free(l);
}

static void dev_leaving(Leaving *l)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), dev_left, l);
}

void xenpv_dev_destroy(XenPvDevice *dev, XenPvBus *bus)
{
    Leaving *l;

    if (!dev->configured) {
        object_unparent(OBJECT(dev));
        object_unref(OBJECT(dev));
        return;
    }
    l = g_new0(Leaving, 1);
    l->dev = dev;
    l->bus = bus;
    object_ref(OBJECT(bus));
    bus->nr_leaving++;
    object_unparent(OBJECT(dev));
    call_rcu(l, dev_leaving, rcu);
}

static void dev_remove_bh(void *opaque)
{
    XenPvDevice *dev = opaque;

    if (dev->busy) {
        aio_bh_schedule_oneshot(iohandler_get_aio_context(), dev_remove_bh,
                                dev);
        return;
    }
    xenpv_dev_destroy(dev, XENPV_BUS(qdev_get_parent_bus(DEVICE(dev))));
}

/*
 * From a BH of its own: the caller may be using the device.  In the context
 * that only the main loop itself runs: not while somebody waits for I/O, to
 * whom the device's block nodes may matter.
 */
static void dev_schedule_removal(XenPvDevice *dev)
{
    if (dev->doomed) {
        return;
    }
    trace_xenpv_dev_remove(dev->label);
    dev->doomed = true;
    object_ref(OBJECT(dev));
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), dev_remove_bh, dev);
}

/* What a toolstack may have changed on our side. */
static bool dev_read_own(XenPvDevice *dev, bool *gone, Error **errp)
{
    enum xenbus_state own;

    if (!xenpv_nodes_read_own(dev, &own, &dev->online, gone, errp)) {
        return false;
    }
    if (*gone) {
        return true;
    }
    if (own == XenbusStateInitialising) {
        Error *err = NULL;

        error_setg(&err, "its directory has been written over; the device "
                   "stays as it is");
        dev_report(dev, err);
        return xenpv_nodes_publish_state(dev, dev->be_state, errp);
    }
    if (own == XenbusStateClosing && dev->be_state != XenbusStateClosing) {
        dev->closing = true;
        dev->be_state = own;
    }
    /* Asked for together, and we may have just written over the state. */
    dev->closing |= !dev->online;
    return true;
}

/*
 * Some front ends do not wait for us before they are ready (Linux's of
 * framebuffer, keyboard and console).  One of them that has started over may be
 * that far when we look, and what it used before is not its own any more.  It
 * must not see us close: it would take that for the end of its new life.
 */
static void dev_start_over(XenPvDevice *dev)
{
    trace_xenpv_dev_start_over(dev->label);
    dev_disconnect(dev);
    dev->be_state = XenbusStateInitialising;
}

static bool dev_read_front(XenPvDevice *dev, bool *gone, Error **errp)
{
    enum xenbus_state before = dev->fe_state;

    if (!xenpv_nodes_read_front(dev, &dev->fe_state, gone, errp)) {
        return false;
    }
    if (dev->be_state == XenbusStateConnected &&
        before == XenbusStateConnected &&
        dev->fe_state == XenbusStateInitialised) {
        dev_start_over(dev);
    }
    switch (dev->fe_state) {
    case XenbusStateUnknown:
    case XenbusStateInitialising:
    case XenbusStateClosed:
        /* It has let go of the connection that failed. */
        dev->failed = false;
        break;
    default:
        break;
    }
    return true;
}

/* Before the walk: what has been configured anew is connected as it is now. */
static bool dev_deliver_back_keys(XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    uint64_t changed = dev->changed_back_keys;
    unsigned i;

    dev->changed_back_keys = 0;
    for (i = 0; i < dev->nr_back_keys; i++) {
        bool differs = false;

        if (changed & (1ull << i)) {
            if (!xenpv_nodes_key_changed(dev, i, &differs, errp)) {
                return false;
            }
            if (differs) {
                trace_xenpv_dev_back_key(dev->label, dc->backend_keys[i]);
                dc->backend_key(dev, dc->backend_keys[i]);
            }
        }
    }
    return true;
}

/*
 * The kernel's device: the state is its own.  It goes when the kernel has let
 * go of it, or when somebody has taken away the directory, which the kernel
 * takes for an order as well.
 */
static void dev_follow_kernel(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    enum xenbus_state before = dev->be_state;
    g_autofree char *why = NULL;
    bool gone = false, online;
    Error *err = NULL;

    if (!xenpv_nodes_read_own(dev, &dev->be_state, &online, &gone, &err) ||
        !xenpv_nodes_read_front(dev, &dev->fe_state, &gone, &err)) {
        dev_report(dev, err);
        return;
    }
    if (dev->be_state != before) {
        trace_xenpv_dev_kernel(dev->label, xenpv_state_name(dev->fe_state),
                               xenpv_state_name(dev->be_state));
    }
    if (before < XenbusStateInitWait && !dev->closing && dc->delegated_ready &&
        (dev->be_state == XenbusStateInitWait ||
         dev->be_state == XenbusStateConnected) &&
        !dc->delegated_ready(dev, &err)) {
        xenpv_dev_complain(dev, err);
    }
    if (dev->be_state == XenbusStateClosing && before != dev->be_state &&
        !dev->closing) {
        why = xenpv_nodes_read_error(dev);
        if (why) {
            error_report("%s: the kernel's back end: %s", dev->label, why);
        }
    }
    dev->online = online;
    if (gone || (!online && dev->be_state == XenbusStateClosed)) {
        dev_schedule_removal(dev);
    }
    notifier_list_notify(
        &XENPV_BUS(qdev_get_parent_bus(DEVICE(dev)))->kernel_states, dev);
}

bool xenpv_dev_awaits_kernel(XenPvDevice *dev)
{
    return dev->delegated && !dev->closing &&
           dev->be_state < XenbusStateInitWait;
}

static void dev_look_and_walk(XenPvDevice *dev)
{
    Error *failure = qatomic_xchg(&dev->failure, NULL);
    Error *complaint = qatomic_xchg(&dev->complaint, NULL);
    Error *err = NULL;
    bool gone = false;

    if (!dev->watching || dev->doomed) {
        error_free(failure);
        error_free(complaint);
        return;
    }
    if (complaint) {
        dev_report(dev, complaint);
    }
    if (failure) {
        dev_fail_now(dev, failure);
    }
    if (dev->delegated) {
        dev_follow_kernel(dev);
        return;
    }
    /*
     * A store that cannot be asked will not tell of the next change either:
     * better to end the connection where one can see it.
     */
    if (!dev_read_own(dev, &gone, &err) ||
        (!gone && !dev_read_front(dev, &gone, &err)) ||
        (!gone && !dev_deliver_back_keys(dev, &err))) {
        dev_fail_now(dev, err);
    }
    if (gone) {
        /* A directory is removed: that is how a removal is forced. */
        dev_disconnect(dev);
        dev->be_state = XenbusStateClosed;
        dev_schedule_removal(dev);
        return;
    }
    dev_walk(dev);
    dev_deliver_keys(dev);
    if (!dev->online && dev->be_state == XenbusStateClosed) {
        dev_schedule_removal(dev);
    }
}

static void dev_recheck(void *opaque)
{
    XenPvDevice *dev = opaque;

    if (dev->held) {
        return;                 /* whoever ends that looks anyway */
    }
    if (dev->busy) {
        dev->recheck_again = true;
        return;
    }
    xenpv_dev_begin_work(dev);
    dev_look_and_walk(dev);
    xenpv_dev_end_work(dev);
}

/* ---- coming and going ---- */

/*
 * Make the device known and take the first look at once: a guest that starts
 * now finds everything in place.
 */
static bool dev_announce(XenPvDevice *dev, Error **errp)
{
    if (!xenpv_nodes_create(dev, errp)) {
        return false;
    }
    dev->in_store = true;
    dev->online = true;
    dev->watching = true;
    if (!xenpv_nodes_watch(dev, errp)) {
        return false;
    }
    trace_xenpv_dev_announce(dev->label, dev->be_path, dev->fe_path);
    dev_recheck(dev);
    return true;
}

void xenpv_dev_quiesce(XenPvDevice *dev, bool close_nodes)
{
    /* Nothing of what comes in while we wait matters any more. */
    dev->watching = false;
    xenpv_dev_begin_work(dev);
    dev_disconnect(dev);
    xenpv_nodes_unwatch(dev);
    if (close_nodes && dev->in_store && !dev->delegated &&
        dev->be_state != XenbusStateClosed) {
        xenpv_nodes_publish_state(dev, XenbusStateClosed, NULL);
    }
    dev->be_state = XenbusStateClosed;
    dev->fe_state = XenbusStateUnknown;
    dev->failed = false;
    dev->closing = false;
    error_free(qatomic_xchg(&dev->failure, NULL));
    error_free(qatomic_xchg(&dev->complaint, NULL));
    xenpv_dev_end_work(dev);
    if (dev->unplugged || (dev->adopted && dev->in_store && !dev->online)) {
        /* Nobody is left to wait for. */
        dev_schedule_removal(dev);
    }
}

void xenpv_dev_set_guest(XenPvDevice *dev, XenPvDomid guest)
{
    dev->guest = guest;
    dev->in_store = false;
    if (dev->adopted) {
        dev->vanished = true;
        dev_schedule_removal(dev);
        return;
    }
    xenpv_nodes_set_paths(dev);
}

static void dev_withdraw(XenPvDevice *dev)
{
    xenpv_dev_quiesce(dev, false);
    if (dev->in_store) {
        xenpv_nodes_remove(dev);
        dev->in_store = false;
    }
}

void xenpv_dev_leave(XenPvDevice *dev)
{
    if (!dev->adopted) {
        dev_withdraw(dev);
    }
}

void xenpv_dev_restart(XenPvDevice *dev)
{
    Error *err = NULL;

    if (dev->doomed) {
        return;
    }
    if (!dev_announce(dev, &err)) {
        dev_withdraw(dev);
        if (!dev->adopted) {
            error_reportf_err(err, "%s: ", dev->label);
            return;
        }
        /* A toolstack that asks again gets a new one. */
        dev_report(dev, err);
        dev_schedule_removal(dev);
    }
}

/* ---- in a stream ---- */

void xenpv_dev_hold(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    if (dev->connected && dc->settle) {
        dc->settle(dev);
    }
}

void xenpv_dev_go_on(XenPvDevice *dev, bool loaded)
{
    if (loaded && !dev->in_store) {
        xenpv_dev_restart(dev);
        return;
    }
    xenpv_connection_go_on(dev);
    xenpv_dev_schedule_recheck(dev);
}

void xenpv_dev_save(XenPvDevice *dev, XenPvDevSaved *saved)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    g_byte_array_set_size(saved->driver, 0);
    if (dev->connected && dc->save) {
        dc->save(dev, saved->driver);
    }
    *saved = (XenPvDevSaved) {
        .driver = saved->driver,
        .in_store = dev->in_store,
        .connected = dev->connected,
        .failed = dev->failed,
        .closing = dev->closing,
        .unplugged = dev->unplugged,
        .error_noted = dev->error_noted,
        .be_state = dev->be_state,
    };
}

/* Is this a place a walk can be at? */
static bool judge_saved(const XenPvDevSaved *saved, Error **errp)
{
    switch (saved->be_state) {
    case XenbusStateConnected:
    case XenbusStateReconfigured:
    case XenbusStateClosing:
        return true;
    case XenbusStateInitWait:
    case XenbusStateClosed:
        if (!saved->connected) {
            return true;
        }
        break;
    default:
        break;
    }
    error_setg(errp, "state %" PRIu32 " is not one it can have been saved in",
               saved->be_state);
    return false;
}

/* A front end that has made a mess of its own keys meets its end here. */
static bool dev_reconnect(XenPvDevice *dev, const XenPvDevSaved *saved,
                          Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    XenPvSaved in = { .at = saved->driver->data, .left = saved->driver->len };
    Error *err = NULL;

    if (!dev_connect(dev, &err)) {
        dev_fail_now(dev, err);
        return true;
    }
    if (dc->load && !dc->load(dev, &in, errp)) {
        return false;
    }
    if (in.bad || in.left) {
        error_setg(errp, "%zu bytes too many, or too few", in.left);
        return false;
    }
    return true;
}

bool xenpv_dev_resume(XenPvDevice *dev, const XenPvDevSaved *saved,
                      Error **errp)
{
    if (!saved->in_store) {
        return true;            /* plugged when vCPUs run */
    }
    if (!judge_saved(saved, errp) || !xenpv_nodes_resume(dev, errp)) {
        return false;
    }
    dev->in_store = true;
    dev->online = true;
    dev->watching = true;
    if (!xenpv_nodes_watch(dev, errp)) {
        return false;
    }
    dev->be_state = saved->be_state;
    dev->failed = saved->failed;
    dev->closing = saved->closing;
    dev->unplugged = saved->unplugged;
    dev->error_noted = saved->error_noted;
    trace_xenpv_dev_resume(dev->label, xenpv_state_name(dev->be_state),
                           saved->connected);
    return !saved->connected || dev_reconnect(dev, saved, errp);
}

/*
 * The first request asks the front end to let go.  The next one, which QEMU
 * passes on only after a while, does not ask.
 */
bool xenpv_dev_unplug(XenPvDevice *dev, Error **errp)
{
    DeviceState *qdev = DEVICE(dev);

    trace_xenpv_dev_unplug(dev->label, dev->unplugged);
    if (!dev->watching || dev->unplugged) {
        dev_schedule_removal(dev);
    } else {
        if (!xenpv_nodes_ask_removal(dev, errp)) {
            return false;
        }
        dev->closing = true;
        if (!dev->delegated) {
            dev->be_state = XenbusStateClosing;
        }
        xenpv_dev_schedule_recheck(dev);
    }
    dev->unplugged = true;
    qdev->pending_deleted_event = true;
    qdev->pending_deleted_expires_ms =
        qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + UNPLUG_PATIENCE_MS;
    return true;
}

static bool dev_judge_delegation(XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    if (!dev->delegated) {
        return true;
    }
    if (!dc->kernel_type) {
        error_setg(errp, "backend=kernel: no kernel has a back end for %s",
                   object_get_typename(OBJECT(dev)));
        return false;
    }
    if (!dev->hv->kernel_backends) {
        error_setg(errp, "backend=kernel needs a Xen host");
        return false;
    }
    return true;
}

static bool dev_set_identity(XenPvDevice *dev, XenPvBus *bus, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    DeviceState *qdev = DEVICE(dev);

    dev->hv = bus->hv;
    dev->guest = bus->guest;
    if (!dev_judge_delegation(dev, errp) ||
        (dc->identify && !dc->identify(dev, errp)) ||
        !xenpv_bus_assign_devid(bus, dev, errp)) {
        return false;
    }
    g_free(dev->label);
    dev->label = qdev->id ? g_strdup(qdev->id) :
        g_strdup_printf("%s.%d", object_get_typename(OBJECT(dev)),
                        dev->devid);
    return true;
}

/* One line that names the device, as long as it is there. */
static bool dev_block_saving(XenPvDevice *dev, Error **errp)
{
    if (!dev->hv->can_save) {
        error_setg(&dev->blocker, "%s is a back end for a domain of a Xen "
                   "host: only its toolstack can save or migrate that",
                   dev->label);
    } else if (!XENPV_DEVICE_GET_CLASS(dev)->can_save) {
        error_setg(&dev->blocker, "%s (%s) cannot be saved or migrated yet",
                   dev->label, object_get_typename(OBJECT(dev)));
    } else if (dev->adopted) {
        error_setg(&dev->blocker, "%s was made by nodes in xenstore and "
                   "cannot be saved or migrated", dev->label);
    }
    return !dev->blocker || !migrate_add_blocker(&dev->blocker, errp);
}

static void dev_watch_keys(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    unsigned i;

    dev->nr_keys = dc->frontend_keys ?
        g_strv_length((GStrv)dc->frontend_keys) : 0;
    assert(dev->nr_keys <= 64);
    dev->keys = g_new0(XenPvKeyWatch, dev->nr_keys);
    for (i = 0; i < dev->nr_keys; i++) {
        dev->keys[i].dev = dev;
    }
}

static void dev_take_apart(XenPvDevice *dev, XenPvBus *bus)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    dev->doomed = true;
    dev_withdraw(dev);
    QTAILQ_REMOVE(&bus->devices, dev, next);
    qemu_bh_delete(g_steal_pointer(&dev->recheck_bh));
    if (dc->unrealize) {
        dc->unrealize(dev);
    }
    g_free(g_steal_pointer(&dev->keys));
    migrate_del_blocker(&dev->blocker);
}

static void dev_unrealize(DeviceState *qdev)
{
    XenPvDevice *dev = XENPV_DEVICE(qdev);
    XenPvBus *bus = XENPV_BUS(qdev_get_parent_bus(qdev));

    dev_take_apart(dev, bus);
    xenpv_toolstack_device_gone(bus, dev);
}

static void dev_realize(DeviceState *qdev, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(qdev);
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    XenPvBus *bus = XENPV_BUS(qdev_get_parent_bus(qdev));

    if (!dev_set_identity(dev, bus, errp) || !dev_block_saving(dev, errp)) {
        return;
    }
    if (dc->realize && !dc->realize(dev, errp)) {
        migrate_del_blocker(&dev->blocker);
        return;
    }
    dev->held = bus->held;
    xenpv_nodes_set_paths(dev);
    dev_watch_keys(dev);
    dev->recheck_bh = qemu_bh_new(dev_recheck, dev);
    QTAILQ_INSERT_TAIL(&bus->devices, dev, next);
    if (!bus->quiet && !dev_announce(dev, errp)) {
        dev_take_apart(dev, bus);
    }
}

/* ---- for people ---- */

char *xenpv_dev_describe(XenPvDevice *dev, int indent)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    GString *out = g_string_new(NULL);
    enum xenbus_state goal =
        xenpv_walk_goal(dev->fe_state, dev->closing || dev->failed);

    g_string_append_printf(out, "%*sback end %s, front end %s, goal %s%s%s\n",
                           indent, "", xenpv_state_name(dev->be_state),
                           xenpv_state_name(dev->fe_state),
                           xenpv_state_name(goal),
                           dev->failed ? ", failed" : "",
                           dev->unplugged ? ", unplug requested" : "");
    g_string_append_printf(out, "%*s%u maps, %u channels, %" PRIu32
                           " requests in flight\n", indent, "",
                           dev->maps->len, xenpv_connection_channels(dev),
                           qatomic_read(&dev->in_flight));
    g_string_append_printf(out, "%*s%s\n", indent, "", dev->be_path ?: "");
    if (dc->print && dev->connected) {
        dc->print(dev, out, indent);
    }
    return g_string_free(out, false);
}

/* ---- QOM ---- */

static void dev_init(Object *obj)
{
    XenPvDevice *dev = XENPV_DEVICE(obj);
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    unsigned i;

    dev->maps = g_ptr_array_new();
    dev->saved.driver = g_byte_array_new();
    QLIST_INIT(&dev->events);
    dev->nr_back_keys = dc->backend_keys ?
        g_strv_length((GStrv)dc->backend_keys) : 0;
    assert(dev->nr_back_keys <= 64);
    dev->back_keys = g_new0(XenPvKeyWatch, dev->nr_back_keys);
    for (i = 0; i < dev->nr_back_keys; i++) {
        dev->back_keys[i].dev = dev;
    }
}

static void dev_finalize(Object *obj)
{
    XenPvDevice *dev = XENPV_DEVICE(obj);
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    unsigned i;

    if (dev->configured && dc->unconfigure) {
        dc->unconfigure(dev);
    }
    for (i = 0; i < dev->nr_back_keys; i++) {
        g_free(dev->back_keys[i].known);
    }
    g_free(dev->back_keys);
    g_clear_pointer(&dev->front_nodes, g_hash_table_unref);
    g_ptr_array_free(dev->maps, true);
    g_byte_array_unref(dev->saved.driver);
    g_free(dev->be_path);
    g_free(dev->fe_path);
    g_free(dev->label);
}

static const char *const server_names[] = { "qemu", "kernel" };

static const QEnumLookup server_lookup = {
    .array = server_names,
    .size = ARRAY_SIZE(server_names),
};

static int dev_get_server(Object *obj, Error **errp)
{
    return XENPV_DEVICE(obj)->delegated;
}

static void dev_set_server(Object *obj, int value, Error **errp)
{
    if (DEVICE(obj)->realized) {
        error_setg(errp, "backend cannot be changed any more");
        return;
    }
    XENPV_DEVICE(obj)->delegated = value;
}

static const Property dev_properties[] = {
    DEFINE_PROP_INT32("devid", XenPvDevice, devid, -1),
};

static void dev_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);

    dc->bus_type = TYPE_XENPV_BUS;
    dc->realize = dev_realize;
    dc->unrealize = dev_unrealize;
    dc->vmsd = &xenpv_dev_vmstate;
    device_class_set_props(dc, dev_properties);
    object_class_property_add_enum(class, "backend", "XenPvServer",
                                   &server_lookup, dev_get_server,
                                   dev_set_server);
    object_class_property_set_description(class, "backend",
        "who serves the device: qemu or the host's kernel");
}

static const TypeInfo dev_type = {
    .name = TYPE_XENPV_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(XenPvDevice),
    .instance_init = dev_init,
    .instance_finalize = dev_finalize,
    .class_size = sizeof(XenPvDeviceClass),
    .class_init = dev_class_init,
};

static void dev_register_types(void)
{
    type_register_static(&dev_type);
}

type_init(dev_register_types)
