/*
 * The upper seam: what a driver of a Xen PV device is and what it may ask.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading order: XenPvDeviceClass is the driver struct, the xenpv_dev_*()
 * calls are what its members may use, XenPvBus at the end is for machines.
 * docs/devel/xenpv/drivers.rst writes a driver from this header.
 *
 * A PV device has two halves.  The front end is in the guest, the back end
 * here.  They meet in xenstore, in two directories that name each other:
 *
 *   /local/domain/<guest>/device/<type>/<devid>/          front end
 *       backend = "/local/domain/0/backend/<type>/<guest>/<devid>"
 *       backend-id, state, then what the driver of the guest writes:
 *       ring-ref, event-channel, feature-*, ...
 *   /local/domain/<self>/backend/<type>/<guest>/<devid>/  back end
 *       frontend, frontend-id, online, state, and what our driver offers
 *
 * Each half moves its own "state" node and watches the other's:
 *
 *   Initialising -> InitWait -> Connected -> Closing -> Closed
 *         ^            ^   \_________________^           |
 *         |            |_________________________________|  reconnect
 *
 * The core owns this walk, the nodes, the watches and all lifetimes.  A
 * driver supplies the work on the edges and never writes "state", never sees
 * a watch, and never asks which hypervisor or machine mode it runs on.
 *
 * The front end may write anything at any time.  What it wrote reaches a
 * driver only through the reading calls below, which judge it, and through
 * rings (hw/xenpv/ring.h).  A driver answers nonsense with xenpv_dev_fail()
 * or an error return; both leave the same traces: an "error" node where Linux
 * back ends write theirs, one line on stderr with the device's name
 * (rate-limited: guests must not fill logs), and a trace event.
 *
 * A device is made in one of two ways, and is the same device afterwards:
 *
 *   -device, device_add   the user gives properties; the core writes both
 *                         directories and takes them away at the end
 *   a toolstack           has written both directories; the driver turns what
 *                         is in them into properties (@configure); the core
 *                         only adds to them, and leaves them in state Closed
 *
 * Threads.  Everything runs in the main loop with the BQL held, except
 * XenPvDeviceClass.event, which runs in the AioContext the channel was bound
 * to, and the calls marked "any thread".
 */
#ifndef HW_XENPV_XEN_BACKEND_H
#define HW_XENPV_XEN_BACKEND_H

#include "block/aio.h"
#include "hw/qdev-core.h"
#include "hw/xen/interface/io/xenbus.h"
#include "hw/xenpv/hypervisor.h"
#include "hw/xenpv/saved.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qom/object.h"

#define TYPE_XENPV_BUS "xenpv-bus"
OBJECT_DECLARE_SIMPLE_TYPE(XenPvBus, XENPV_BUS)

/* Abstract; "-device" finds the bus through it. */
#define TYPE_XENPV_DEVICE "xenpv-device"
OBJECT_DECLARE_TYPE(XenPvDevice, XenPvDeviceClass, XENPV_DEVICE)

/* One event channel of one connection; see xenpv_dev_bind(). */
typedef struct XenPvEvent XenPvEvent;

/* The core's part of a device in a stream; not judged yet when it is loaded */
typedef struct XenPvDevSaved {
    bool in_store;
    bool connected;
    bool failed;
    bool closing;
    bool unplugged;
    bool error_noted;
    uint32_t be_state;
    GByteArray *driver;         /* as its @save has it */
} XenPvDevSaved;

/* The core's: one of XenPvDeviceClass.frontend_keys or .backend_keys. */
typedef struct XenPvKeyWatch {
    XenPvDevice *dev;
    XenPvWatch *watch;
    char *known;                /* .backend_keys: as last read or published */
} XenPvKeyWatch;

/**
 * struct XenPvDeviceClass: the driver struct
 * @parent_class: QOM's
 * @type: mandatory.  Name of the device's directory on both sides ("vif").
 * @backend_type: name on the back end's side where it differs ("qdisk" for
 *     "vbd"); NULL: @type.
 * @kernel_type: optional.  The same for the back end that the host's kernel
 *     has for these devices ("vbd"); see @delegate.
 * @frontend_keys: optional, NULL-terminated.  Keys in the front end's
 *     directory whose changes @frontend_key wants to hear of.
 * @backend_keys: optional, NULL-terminated.  Keys in our own directory that a
 *     toolstack may change while the device lives ("params"), and whose
 *     changes @backend_key wants to hear of.
 * @claims: optional; NULL: yes.  Is this toolstack's back end for a device of
 *     this type?  Where several types have one @backend_type, or other
 *     programs serve it too, the nodes tell.  Only the reading calls may be
 *     used.  If no type claims a back end it is somebody else's.
 * @configure: mandatory for what a toolstack can make.  Its nodes are there,
 *     read them with xenpv_dev_read_back() and xenpv_dev_read_left(): turn
 *     them into the device's properties and host resources.  Comes before
 *     @realize and judges what @realize does not.  On failure @unconfigure is
 *     called.  If it fails, or @realize does, because somebody else holds what
 *     the device needs and may let go of it, xenpv_dev_held_elsewhere() comes
 *     before.
 * @unconfigure: optional.  Undo @configure, or what it has done before it
 *     failed.  The last thing to happen to a device: it is unrealized, its
 *     properties have been released (a string property is gone, a drive or
 *     chardev property no longer holds what it named), and the type's
 *     instance_finalize has run.  Not called for devices of "-device".
 * @identify: optional.  Choose @devid if it is still -1, in the numbering of
 *     the device's kind; NULL: the first free one.  Before @realize.
 * @realize: optional.  Judge the user's properties, open host resources.  No
 *     nodes exist yet.
 * @unrealize: optional.  Undo @realize.  The device is disconnected and its
 *     nodes are gone.  Not called if @realize failed.
 * @advertise: optional.  Write everything we offer with xenpv_dev_publish().
 *     All of it becomes visible at once, together with state InitWait.  May
 *     run again: for the next connection, and when the store's transaction
 *     has to be repeated.  So: no side effects but the keys.
 * @delegate: mandatory with @kernel_type.  The user has asked for the kernel's
 *     back end (backend=kernel): write what it has to be told with
 *     xenpv_dev_publish() and xenpv_dev_publish_front().  Instead of
 *     @advertise, and with the same rules.  Of all that follows only
 *     @delegated_ready is called for such a device: the kernel walks, we watch.
 * @delegated_ready: optional.  The kernel's back end waits for a front end, and
 *     what it has made on the host is there: put that where it belongs.  On
 *     failure the reason is told, and the device stays as it is.
 * @connect: mandatory.  The front end is ready: read all its keys, judge
 *     them, then map, bind, start.  When it returns false the core calls
 *     @disconnect, so @connect never cleans up after itself.
 * @disconnect: mandatory.  Stop and forget this connection.  Must accept any
 *     partial @connect and being called twice, and return only when nothing is
 *     in flight.  Events are no longer delivered when it is called, maps are
 *     still valid.  Maps and channels the driver does not release itself are
 *     released by the core right after.
 * @event: mandatory for drivers that bind.  The channel bound with @opaque
 *     has fired or is polled.  Returns whether there was anything to do.
 *     Bounded work per call: a driver that stops before its ring is idle calls
 *     xenpv_event_again().  Runs in the channel's AioContext.
 * @frontend_key: @key has changed, or may have.  Only while connected.
 * @backend_key: somebody else has changed @key in our directory, or removed
 *     it: its value is not what the driver has last read or published.
 *     Connected or not.
 * @can_save: the device can go on in another QEMU, from what is in the store
 *     and in shared memory: @connect is called there, and takes up the rings
 *     where they stand.  Without it a device blocks saving and migration.
 * @settle: optional.  Guest memory is about to be saved for the last time, and
 *     nothing is under way: put back what has been taken from a ring and not
 *     been answered, so that who connects next finds it.  This connection may
 *     go on, too.  Only while connected; main loop or a thread with the BQL.
 * @save: optional.  Append what the next @connect cannot find in the store or
 *     in shared memory.  Only while connected, after @settle.
 * @load: mandatory with @save.  After @connect: judge what @save has said, and
 *     take it over.  If it returns false the guest is not loaded.
 * @live_keys: optional, NULL-terminated.  Keys @advertise writes that say how
 *     things are with us.  All others have to be the same for a front end that
 *     was saved as here, or it is not loaded.
 * @print: optional.  Append lines with live state for "info qtree", such as
 *     ring indices; each indented by @indent blanks.
 *
 * Order for one device: realize, (advertise, (connect, event*, disconnect)*)*,
 * unrealize.  One that a toolstack makes: claims, configure, all these,
 * unconfigure.
 */
struct XenPvDeviceClass {
    DeviceClass parent_class;

    const char *type;
    const char *backend_type;
    const char *kernel_type;
    const char *const *frontend_keys;
    const char *const *backend_keys;
    bool (*claims)(XenPvDevice *dev);
    bool (*configure)(XenPvDevice *dev, Error **errp);
    void (*unconfigure)(XenPvDevice *dev);
    bool (*identify)(XenPvDevice *dev, Error **errp);
    bool (*realize)(XenPvDevice *dev, Error **errp);
    void (*unrealize)(XenPvDevice *dev);
    bool (*advertise)(XenPvDevice *dev, Error **errp);
    bool (*delegate)(XenPvDevice *dev, Error **errp);
    bool (*delegated_ready)(XenPvDevice *dev, Error **errp);
    bool (*connect)(XenPvDevice *dev, Error **errp);
    void (*disconnect)(XenPvDevice *dev);
    bool (*event)(XenPvDevice *dev, void *opaque);
    void (*frontend_key)(XenPvDevice *dev, const char *key);
    void (*backend_key)(XenPvDevice *dev, const char *key);
    bool can_save;
    void (*settle)(XenPvDevice *dev);
    void (*save)(XenPvDevice *dev, GByteArray *out);
    bool (*load)(XenPvDevice *dev, XenPvSaved *in, Error **errp);
    const char *const *live_keys;
    void (*print)(XenPvDevice *dev, GString *out, int indent);
};

/**
 * struct XenPvDevice: one back end
 * @parent_obj: QOM's
 * @devid: property; position within the type.  -1 until realized: the first
 *     free one.
 * @hv: the hypervisor
 * @guest: the domain of the front end
 * @delegated: property "backend" is "kernel": we only write the nodes
 * @label: for messages; the user's id of the device or "<type>.<devid>"
 * @in_flight: requests the driver has begun and not finished.  Kept by the
 *     driver if it has any, from one thread or atomically; the core checks
 *     that it is zero after XenPvDeviceClass.disconnect, and keeps the maps
 *     if not: a leak is better than a stray write.
 *
 * The rest is the core's.
 */
struct XenPvDevice {
    DeviceState parent_obj;

    int32_t devid;
    XenPvHv *hv;
    XenPvDomid guest;
    bool delegated;
    char *label;
    uint32_t in_flight;

    /* private: */
    char *be_path;              /* absolute, as fe_path */
    char *fe_path;
    const char *standing_dir;   /* see xenpv_dev_set_standing() */
    const char *standing_key;
    XenPvStoreTx *tx;           /* publishing calls go through it */
    XenPvWatch *watch_fe;       /* front end's state or standing key */
    XenPvWatch *watch_be;       /* our own state: a toolstack asks to close */
    XenPvWatch *watch_online;   /* our own online: ... and for good */
    XenPvKeyWatch *keys;        /* class->frontend_keys */
    unsigned nr_keys;
    uint64_t changed_keys;      /* bit per key, not yet delivered */
    XenPvKeyWatch *back_keys;   /* class->backend_keys */
    unsigned nr_back_keys;
    uint64_t changed_back_keys;
    GHashTable *front_nodes;    /* as the toolstack left them: name, value */
    QEMUBH *recheck_bh;         /* many watch events, one look */
    unsigned busy;              /* the core is at work, perhaps waiting */
    bool recheck_again;         /* ... and has been asked to look */
    enum xenbus_state be_state; /* as published */
    enum xenbus_state fe_state; /* as last read */
    bool adopted;               /* the directories are a toolstack's */
    bool configured;            /* ... and unconfigure has to follow */
    bool held_elsewhere;        /* ... and it failed for now only */
    bool vanished;              /* ... and it has taken them away */
    bool in_store;              /* our nodes exist */
    bool watching;              /* ... and are watched: the walk is on */
    bool online;                /* stays after it has closed */
    bool connected;             /* connect has run, disconnect has not */
    bool failed;                /* closing until the front end starts over */
    bool closing;               /* closing because somebody asked */
    bool unplugged;             /* the user has asked for removal */
    bool doomed;                /* removal is scheduled */
    bool error_noted;           /* there is an error node */
    bool held;                  /* see xenpv_bus_hold(); any thread */
    GHashTable *compared;       /* publishing compares: keys seen so far */
    Error *blocker;             /* why it cannot be saved */
    XenPvDevSaved saved;        /* of the stream, while that is read */
    void *failure;              /* Error from xenpv_dev_fail(), any thread */
    void *complaint;            /* ... and from xenpv_dev_complain() */
    int64_t report_after;       /* log rate limit, ns of the host's clock */
    GPtrArray *maps;
    QLIST_HEAD(, XenPvEvent) events;
    QTAILQ_ENTRY(XenPvDevice) next;
};

/* ---- nodes ---- */

/**
 * xenpv_dev_publish: write a key into our directory
 * @dev: the device
 * @errp: set on failure
 * @key: path below the directory
 * @fmt: value
 *
 * Within XenPvDeviceClass.advertise it is part of the core's transaction.
 */
bool xenpv_dev_publish(XenPvDevice *dev, Error **errp, const char *key,
                       const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/**
 * xenpv_dev_publish_front: write a key into the front end's directory
 * @dev: the device
 * @errp: set on failure
 * @key: path below the directory
 * @fmt: value
 *
 * For what a toolstack leaves there for the guest to read, like "mac".
 * Readable, not writable by the guest.  As xenpv_dev_publish().
 */
bool xenpv_dev_publish_front(XenPvDevice *dev, Error **errp, const char *key,
                             const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/**
 * xenpv_dev_update: what we offer has changed
 * @dev: the device
 * @errp: set on failure
 *
 * Runs XenPvDeviceClass.advertise again and writes our state once more, as
 * one: a front end that watches the state finds the new keys.  Does nothing
 * while the device has no nodes; it will be asked when they are written.
 */
bool xenpv_dev_update(XenPvDevice *dev, Error **errp);

/**
 * xenpv_dev_read_front: read a key from the front end's directory
 * @dev: the device
 * @key: path below the directory
 *
 * Returns: (transfer full): the value, or NULL if there is none or it is
 *          longer than any honest value (XENPV_VALUE_MAX)
 */
char *xenpv_dev_read_front(XenPvDevice *dev, const char *key);

#define XENPV_VALUE_MAX 256

/**
 * xenpv_dev_need_front_uint: read a number the front end must give
 * @dev: the device
 * @key: path below the directory
 * @max: the largest value accepted
 * @value: the number
 * @errp: set if it is absent, not a decimal number, or larger than @max
 */
bool xenpv_dev_need_front_uint(XenPvDevice *dev, const char *key,
                               uint64_t max, uint64_t *value, Error **errp);

/**
 * xenpv_dev_read_front_uint: read a number the front end may give
 * @dev: the device
 * @key: path below the directory
 * @max: the largest value accepted
 * @absent: the number if there is no such key
 * @value: (out): the number
 * @errp: set if it is no decimal number, or larger than @max
 *
 * As xenpv_dev_need_front_uint(), but an absent key gives @absent.
 */
bool xenpv_dev_read_front_uint(XenPvDevice *dev, const char *key,
                               uint64_t max, uint64_t absent,
                               uint64_t *value, Error **errp);

/**
 * xenpv_dev_read_back: read a key from our own directory
 * @dev: the device
 * @key: path below the directory
 *
 * What a toolstack has written there.  Toolstacks are trusted and make
 * mistakes: the value is to be judged, and may be as long as the store allows
 * (a "params" with a whole json: in it).
 *
 * Returns: (transfer full): the value, or NULL if there is none or it is no
 *          text
 */
char *xenpv_dev_read_back(XenPvDevice *dev, const char *key);

/**
 * xenpv_dev_read_back_uint: read a number a toolstack may give
 * @dev: the device
 * @key: path below the directory
 * @max: the largest value accepted
 * @absent: the number if there is no such key
 * @value: (out): the number
 * @errp: set if it is no decimal number, or larger than @max
 *
 * As xenpv_dev_read_front_uint(), from our own directory.
 */
bool xenpv_dev_read_back_uint(XenPvDevice *dev, const char *key,
                              uint64_t max, uint64_t absent,
                              uint64_t *value, Error **errp);

/**
 * xenpv_dev_read_left: read a key left in the front end's directory
 * @dev: the device
 * @key: path below the directory
 *
 * For what a toolstack has put there (a console's "output").  The directory is
 * the guest's: a key that the guest may write is taken for absent.
 *
 * Returns: (transfer full): as xenpv_dev_read_front()
 */
char *xenpv_dev_read_left(XenPvDevice *dev, const char *key);

/**
 * xenpv_dev_read_left_uint: read a number left there
 * @dev: the device
 * @key: path below the directory
 * @max: the largest value accepted
 * @absent: the number if there is no such key
 * @value: (out): the number
 * @errp: set if it is no decimal number, or larger than @max
 *
 * As xenpv_dev_read_front_uint().
 */
bool xenpv_dev_read_left_uint(XenPvDevice *dev, const char *key,
                              uint64_t max, uint64_t absent,
                              uint64_t *value, Error **errp);

/**
 * xenpv_dev_held_elsewhere: somebody else holds what the device needs
 * @dev: the device
 *
 * Called from XenPvDeviceClass.configure or .realize before it fails.  A back
 * end that a toolstack made stays as it is, with the error node to say why,
 * and is configured anew a little later, again and again until it works, fails
 * otherwise or is removed.
 */
void xenpv_dev_held_elsewhere(XenPvDevice *dev);

/**
 * xenpv_dev_set_standing: there is no handshake
 * @dev: the device
 * @dir: where the front end's keys are, below the domain's directory
 * @key: the key whose existence means that the front end is ready
 *
 * For what a domain is born with (the primary console): who built the domain
 * has set up page and port, and the guest never writes a state.  Both strings
 * must be static.  Called from XenPvDeviceClass.realize.
 */
void xenpv_dev_set_standing(XenPvDevice *dev, const char *dir,
                            const char *key);

/* ---- the connection: released by the core after disconnect ---- */

/**
 * xenpv_dev_map_grants: map pages the front end has granted
 * @dev: the device
 * @refs: grant references, in order
 * @nr_refs: 1..XENPV_MAX_MAP_PAGES
 * @readonly: do not ask for write access
 * @errp: set on failure
 *
 * Returns: the map, owned by the connection; NULL with @errp set
 */
XenPvMap *xenpv_dev_map_grants(XenPvDevice *dev, const uint32_t *refs,
                               uint32_t nr_refs, bool readonly, Error **errp);
/** xenpv_dev_map_frames: the same by frame number; needs privilege on Xen */
XenPvMap *xenpv_dev_map_frames(XenPvDevice *dev, const uint64_t *gfns,
                               uint32_t nr_gfns, bool readonly, Error **errp);
/** xenpv_dev_map_console: the same for the page of the primary console */
XenPvMap *xenpv_dev_map_console(XenPvDevice *dev, uint64_t ring_ref,
                                Error **errp);
/** xenpv_dev_unmap: release a map before the connection ends */
void xenpv_dev_unmap(XenPvDevice *dev, XenPvMap *map);

/**
 * xenpv_dev_copy: copy between our memory and pages the front end granted
 * @dev: the device
 * @to_guest: direction
 * @segs: what to copy, with room for what became of it
 * @nr_segs: number of @segs
 *
 * As XenPvHvOps.grant_copy.  Any thread.
 */
int xenpv_dev_copy(XenPvDevice *dev, bool to_guest, XenPvCopySeg *segs,
                   uint32_t nr_segs);

/**
 * xenpv_dev_bind: connect to one of the front end's event channels
 * @dev: the device
 * @port: the front end's port
 * @ctx: where XenPvDeviceClass.event runs; NULL: main loop
 * @opaque: for XenPvDeviceClass.event, e.g. the queue
 * @errp: set on failure
 *
 * The first event is delivered without being sent, so that nothing written
 * before the bind is missed.  With a @ctx that another thread runs it may be
 * delivered before this call returns: bind last.
 *
 * Returns: the channel, owned by the connection; NULL with @errp set
 */
XenPvEvent *xenpv_dev_bind(XenPvDevice *dev, uint32_t port, AioContext *ctx,
                           void *opaque, Error **errp);
/** xenpv_dev_unbind: close a channel before the connection ends */
void xenpv_dev_unbind(XenPvDevice *dev, XenPvEvent *event);
/**
 * xenpv_event_set_context: move delivery to another AioContext
 * @event: the channel
 * @ctx: where XenPvDeviceClass.event runs from now on; NULL: main loop
 *
 * Events that came meanwhile are delivered in the new one.
 */
void xenpv_event_set_context(XenPvEvent *event, AioContext *ctx);
/** xenpv_event_notify: send an event to the front end.  Any thread. */
void xenpv_event_notify(XenPvEvent *event);
/**
 * xenpv_event_again: run XenPvDeviceClass.event once more, soon
 * @event: the channel
 *
 * From the event loop, after others have had their turn.  From the thread of
 * the event's AioContext or the main loop's.
 */
void xenpv_event_again(XenPvEvent *event);

/**
 * xenpv_dev_held: leave the guest's memory alone for now
 * @dev: the device
 *
 * Events are not delivered meanwhile; it is for what a driver does by itself
 * (a timer, a character that has come).  Afterwards every event is delivered
 * once without being sent.  Any thread.
 */
static inline bool xenpv_dev_held(XenPvDevice *dev)
{
    return qatomic_read(&dev->held);
}

/* ---- failures ---- */

/**
 * xenpv_dev_fail: this connection is beyond repair
 * @dev: the device
 * @err: (transfer full): why
 *
 * Reports, writes the error node, disconnects and goes to Closing, soon and
 * in the main loop.  The device serves again after the front end has started
 * over.  Only the first of several counts.  Any thread.
 */
void xenpv_dev_fail(XenPvDevice *dev, Error *err);

/**
 * xenpv_dev_complain: something was wrong, and the connection goes on
 * @dev: the device
 * @err: (transfer full): what
 *
 * Leaves the same traces as xenpv_dev_fail(), and nothing else.  A guest that
 * can cause it a million times a second must not be reported that often: the
 * caller asks xenpv_dev_may_complain() before it makes an Error.  Any thread.
 */
void xenpv_dev_complain(XenPvDevice *dev, Error *err);

/** xenpv_dev_may_complain: has it been a while?  Any thread. */
static inline bool xenpv_dev_may_complain(XenPvDevice *dev)
{
    return !qatomic_read(&dev->complaint) &&
           qemu_clock_get_ns(QEMU_CLOCK_REALTIME) >=
           qatomic_read__nocheck(&dev->report_after);
}

/* ---- for machines ---- */

/**
 * struct XenPvBus: all back ends for one guest
 * @parent_obj: QOM's
 * @hv: the hypervisor; outlives the bus
 * @guest: the guest's domain
 *
 * The rest is the core's.
 */
struct XenPvBus {
    BusState parent_obj;

    XenPvHv *hv;
    XenPvDomid guest;

    /* private: */
    QTAILQ_HEAD(, XenPvDevice) devices;
    bool quiet;                 /* no guest: before the first restart, too */
    bool held;                  /* see xenpv_bus_hold() */
    bool loading;               /* see xenpv_bus_await_load() */
    unsigned nr_leaving;        /* a toolstack's, with unconfigure to come */
    NotifierList kernel_states; /* see xenpv_bus_notify_kernel() */
    struct XenPvToolstack *toolstack;   /* NULL: it is not listened to */
};

/**
 * xenpv_bus_create: make the bus of a machine
 * @hv: the hypervisor; must outlive the bus
 * @guest: the domain its devices serve
 * @errp: set on failure
 *
 * "-device" and device_add find the bus by its type.  Nothing is written to
 * the store before xenpv_bus_restart(): the domain's own directories, whose
 * access rights those of its devices derive from, come first.  When QEMU
 * exits all devices are disconnected and leave their nodes closed.
 */
XenPvBus *xenpv_bus_create(XenPvHv *hv, XenPvDomid guest, Error **errp);

/**
 * xenpv_bus_new: the bus alone, below a device of the caller's
 * @parent: realized; has the bus until it is gone
 * @hv: the hypervisor; must outlive the bus
 * @guest: the domain its devices serve
 *
 * What xenpv_bus_create() does after it has made a parent on the system bus.
 */
XenPvBus *xenpv_bus_new(DeviceState *parent, XenPvHv *hv, XenPvDomid guest);

/**
 * xenpv_bus_quiesce: let go of the guest, before it is reset
 * @bus: the bus
 *
 * All devices disconnect; afterwards no map, channel or watch of theirs is
 * left.  Nodes are not touched: the guest is not there to see them.
 */
void xenpv_bus_quiesce(XenPvBus *bus);

/**
 * xenpv_bus_restart: start with a new guest
 * @bus: the bus
 *
 * Writes the nodes of all devices anew, as they are for a device just
 * plugged, and waits for front ends.  Devices plugged since
 * xenpv_bus_quiesce() are included.  Of a device that a toolstack has made the
 * directories stay: what the old guest has left in the front end's is removed,
 * what it has changed is written as the toolstack had it, and both states
 * start over.
 *
 * From here on toolstacks are listened to: a back end in the store that a
 * driver claims becomes a device.
 */
void xenpv_bus_restart(XenPvBus *bus);

/** xenpv_bus_reset: both, for callers with nothing to do in between */
void xenpv_bus_reset(XenPvBus *bus);

/**
 * xenpv_bus_hold: guest memory is about to be saved, for the last time
 * @bus: the bus
 *
 * No vCPU runs and no request is under way.  Until xenpv_bus_go_on(), or a
 * reset, no device looks at what the guest has written, or writes there.
 */
void xenpv_bus_hold(XenPvBus *bus);

/**
 * xenpv_bus_go_on: vCPUs will run
 * @bus: the bus
 *
 * Devices look at what has come since xenpv_bus_hold(), if that was called.
 * After a load: those that were not in the stream are plugged now.
 */
void xenpv_bus_go_on(XenPvBus *bus);

/**
 * xenpv_bus_await_load: a guest will be loaded in place of this one
 * @bus: the bus
 *
 * As xenpv_bus_quiesce(), and before guest memory is loaded, since devices
 * write there when they disconnect.  Each device is then loaded by its own
 * section of the stream, and all wait for xenpv_bus_go_on().
 */
void xenpv_bus_await_load(XenPvBus *bus);

/**
 * xenpv_bus_decline: nothing can be served, in place of xenpv_bus_restart()
 * @bus: the bus
 * @why: for people, in the error node of each back end that is ours
 *
 * Back ends that a toolstack has made go to Closed, where it sees them fail.
 */
void xenpv_bus_decline(XenPvBus *bus, const char *why);

/**
 * xenpv_bus_set_guest: the next guest is another domain
 * @bus: the bus
 * @guest: the domain
 *
 * Between xenpv_bus_quiesce() and xenpv_bus_restart(), for machines whose reset
 * is a new domain: who made the old one has removed its nodes, with those of
 * its devices.  What a toolstack had made by nodes goes with them.
 */
void xenpv_bus_set_guest(XenPvBus *bus, XenPvDomid guest);

/**
 * xenpv_bus_awaits_kernel: which devices does the kernel not serve yet?
 * @bus: the bus
 *
 * Of those with backend=kernel: a guest that starts before may not find them.
 *
 * Returns: (transfer full): their labels in one text, or NULL: none
 */
char *xenpv_bus_awaits_kernel(XenPvBus *bus);

/**
 * xenpv_bus_notify_kernel: hear of changes of xenpv_bus_awaits_kernel()
 * @bus: the bus
 * @notifier: stays the caller's
 */
void xenpv_bus_notify_kernel(XenPvBus *bus, Notifier *notifier);

/**
 * xenpv_bus_leave: QEMU ends, and the store outlives it
 * @bus: the bus
 *
 * Disconnects everything.  Directories that QEMU has written itself are
 * removed, those of a toolstack stay, in state Closed.
 */
void xenpv_bus_leave(XenPvBus *bus);

/**
 * xenpv_bus_find_devices: make what a toolstack has asked for by now
 * @bus: the bus
 *
 * After xenpv_bus_restart(), for who cannot wait until the main loop gets round
 * to it: displays are bound to consoles before that runs.
 */
void xenpv_bus_find_devices(XenPvBus *bus);

/**
 * xenpv_bus_backend_types: what a toolstack can ask for
 *
 * The back end types some driver can make a device of from nodes, each once.
 * For the "backends" directory of Xen's docs/misc/qemu-backends.txt.
 *
 * Returns: (transfer full): NULL-terminated
 */
GStrv xenpv_bus_backend_types(void);

#endif /* HW_XENPV_XEN_BACKEND_H */
