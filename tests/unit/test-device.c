/*
 * The core, with a driver that does as it is told: states, failures,
 * toolstacks, threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/aio.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/backend/walk.h"
#include "fixture.h"

#define TYPE_SCRIPTED "xenpv-scripted"
OBJECT_DECLARE_SIMPLE_TYPE(Scripted, SCRIPTED)

#define BE "/local/domain/0/backend/qscript/1/0"
#define FE "/local/domain/1/device/script/0"
#define ERROR_NODE "/local/domain/0/error/backend/qscript/1/0/error"

/* What the driver does, and how often it was asked. */
struct Scripted {
    XenPvDevice parent_obj;

    AioContext *ctx;
    bool fail_advertise;
    bool fail_connect;
    bool release_itself;
    int again;                  /* event asks to run again, so many times */
    bool slow;                  /* event and disconnect take their time */
    bool in_event, in_disconnect;
    uint32_t port;
    uint32_t forget;            /* requests left in flight by disconnect */

    int delegated;
    int ready;
    bool fail_ready;
    int advertised, connects, disconnects, events, keys, realizes;
    char *last_key;
    XenPvMap *map;
    XenPvEvent *event;
    GThread *event_thread;
};

/* The device is made by type: what it is to do is left here for it. */
static Scripted *made;

static bool script_realize(XenPvDevice *dev, Error **errp)
{
    made = SCRIPTED(dev);
    made->realizes++;
    return true;
}

static void script_unrealize(XenPvDevice *dev)
{
    Scripted *s = SCRIPTED(dev);

    g_assert_cmpint(--s->realizes, ==, 0);
    g_assert_false(dev->connected);
    g_free(s->last_key);
}

static bool script_advertise(XenPvDevice *dev, Error **errp)
{
    Scripted *s = SCRIPTED(dev);

    s->advertised++;
    if (s->fail_advertise) {
        error_setg(errp, "nothing to offer");
        return false;
    }
    return xenpv_dev_publish(dev, errp, "feature-one", "1") &&
           xenpv_dev_publish(dev, errp, "feature-last", "%d", s->advertised) &&
           xenpv_dev_publish_front(dev, errp, "hint", "here");
}

static bool script_connect(XenPvDevice *dev, Error **errp)
{
    Scripted *s = SCRIPTED(dev);
    uint64_t ref, port, extra;
    uint32_t grant;

    s->connects++;
    if (!xenpv_dev_need_front_uint(dev, "ring-ref", UINT32_MAX, &ref, errp) ||
        !xenpv_dev_need_front_uint(dev, "event-channel", UINT32_MAX, &port,
                                   errp) ||
        !xenpv_dev_read_front_uint(dev, "extra", 10, 3, &extra, errp)) {
        return false;
    }
    s->port = port;
    grant = ref;
    s->map = xenpv_dev_map_grants(dev, &grant, 1, false, errp);
    if (!s->map) {
        return false;
    }
    s->event = xenpv_dev_bind(dev, port, s->ctx, s, errp);
    if (!s->event) {
        return false;
    }
    if (s->fail_connect) {
        error_setg(errp, "not today");
        return false;
    }
    return true;
}

/* What the kernel's back end is told */
static bool script_delegate(XenPvDevice *dev, Error **errp)
{
    SCRIPTED(dev)->delegated++;
    return xenpv_dev_publish(dev, errp, "physical-device", "7:0") &&
           xenpv_dev_publish_front(dev, errp, "hint", "there");
}

static bool script_delegated_ready(XenPvDevice *dev, Error **errp)
{
    SCRIPTED(dev)->ready++;
    if (SCRIPTED(dev)->fail_ready) {
        error_setg(errp, "no such bridge");
        return false;
    }
    return true;
}

static void script_disconnect(XenPvDevice *dev)
{
    Scripted *s = SCRIPTED(dev);

    s->disconnects++;
    g_assert_false(qatomic_read(&s->in_event));
    qatomic_set(&s->in_disconnect, true);
    if (s->slow && s->event) {
        fake_guest_notify(dev->hv, s->port);
        g_usleep(1000);
    }
    if (s->release_itself) {
        if (s->event) {
            xenpv_dev_unbind(dev, s->event);
        }
        if (s->map) {
            xenpv_dev_unmap(dev, s->map);
        }
    }
    dev->in_flight = s->forget;
    s->event = NULL;
    if (!s->forget) {
        s->map = NULL;
    }
    qatomic_set(&s->in_disconnect, false);
}

static bool script_event(XenPvDevice *dev, void *opaque)
{
    Scripted *s = SCRIPTED(dev);

    g_assert_true(opaque == s);
    g_assert_true(dev->connected);
    qatomic_set(&s->in_event, true);
    g_assert_false(qatomic_read(&s->in_disconnect));
    s->event_thread = g_thread_self();
    qatomic_inc(&s->events);
    if (s->slow) {
        g_usleep(500);
    }
    if (s->again) {
        s->again--;
        xenpv_event_again(s->event);
    }
    qatomic_set(&s->in_event, false);
    return true;
}

static void script_frontend_key(XenPvDevice *dev, const char *key)
{
    Scripted *s = SCRIPTED(dev);

    s->keys++;
    g_free(s->last_key);
    s->last_key = g_strdup(key);
}

static void script_class_init(ObjectClass *oc, void *data)
{
    static const char *const keys[] = { "request-a", "request-b", NULL };
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(oc);

    pc->type = "script";
    pc->backend_type = "qscript";
    pc->kernel_type = "kscript";
    pc->delegate = script_delegate;
    pc->delegated_ready = script_delegated_ready;
    pc->frontend_keys = keys;
    pc->realize = script_realize;
    pc->unrealize = script_unrealize;
    pc->advertise = script_advertise;
    pc->connect = script_connect;
    pc->disconnect = script_disconnect;
    pc->event = script_event;
    pc->frontend_key = script_frontend_key;
}

static const TypeInfo script_type = {
    .name = TYPE_SCRIPTED,
    .parent = TYPE_XENPV_DEVICE,
    .instance_size = sizeof(Scripted),
    .class_init = script_class_init,
};

/* ---- one device and its front end ---- */

#define WATCHES 5               /* state, state, online, two keys */

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    Scripted *s;
    uint32_t ref, port;
} Scene;

static void front_keys(Scene *sc)
{
    fake_guest_write(sc->hv, FE "/ring-ref", "%u", sc->ref);
    fake_guest_write(sc->hv, FE "/event-channel", "%u", sc->port);
}

static void front_state(Scene *sc, unsigned state)
{
    fake_guest_write(sc->hv, FE "/state", "%u", state);
    fixture_settle();
}

static void scene_begin(Scene *sc)
{
    sc->hv = fake_hv_new();
    sc->bus = fixture_bus(sc->hv);
    fixture_plug(sc->bus, &error_abort, TYPE_SCRIPTED, NULL);
    sc->s = made;
    sc->ref = fake_guest_grant(sc->hv, fake_guest_page(sc->hv), false);
    sc->port = fake_guest_port(sc->hv);
    front_keys(sc);
    fixture_settle();
    assert_live(sc->hv, 0, 0, WATCHES);
}

static void scene_connected(Scene *sc)
{
    scene_begin(sc);
    front_state(sc, XenbusStateInitialised);
    assert_node(sc->hv, "4", BE "/state");
    assert_live(sc->hv, 1, 1, WATCHES);
}

static void scene_end(Scene *sc)
{
    fixture_end(sc->bus);
}

typedef struct Counter {
    Notifier notifier;
    int count;
} Counter;

static bool no_devices(void *opaque)
{
    return QTAILQ_EMPTY(&((XenPvBus *)opaque)->devices);
}

/* ---- nodes ---- */

typedef struct Observer {
    XenPvHv *hv;
    int init_waits;
} Observer;

/* A guest that reads at the very moment it sees InitWait. */
static void observe(void *opaque, const char *path, const char *token)
{
    Observer *o = opaque;
    g_autofree char *state = fake_guest_read(o->hv, BE "/state");
    g_autofree char *first = fake_guest_read(o->hv, BE "/feature-one");
    g_autofree char *last = fake_guest_read(o->hv, BE "/feature-last");
    g_autofree char *hint = fake_guest_read(o->hv, FE "/hint");

    if (state && !strcmp(state, "2")) {
        o->init_waits++;
        g_assert_cmpstr(first, ==, "1");
        g_assert_cmpint(atoi(last), ==, o->init_waits);
        g_assert_cmpstr(hint, ==, "here");
    }
}

static void test_features_first(void)
{
    Scene sc = { .hv = fake_hv_new() };
    Observer o = { sc.hv };

    sc.bus = fixture_bus(sc.hv);
    fake_guest_watch(sc.hv, BE "/state", observe, &o);
    fixture_plug(sc.bus, &error_abort, TYPE_SCRIPTED, NULL);
    g_assert_cmpint(o.init_waits, ==, 1);
    front_state(&sc, XenbusStateClosed);
    assert_node(sc.hv, "6", BE "/state");
    front_state(&sc, XenbusStateInitialising);
    g_assert_cmpint(o.init_waits, ==, 2);
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);
}

static void test_conflicts(void)
{
    Scene sc = { .hv = fake_hv_new() };
    Error *err = NULL;

    /* Somebody else is faster a few times ... */
    sc.bus = fixture_bus(sc.hv);
    fake_hv_conflicts(sc.hv, 5);
    fixture_plug(sc.bus, &error_abort, TYPE_SCRIPTED, NULL);
    g_assert_cmpint(made->advertised, ==, 6);
    assert_node(sc.hv, "6", BE "/feature-last");

    /* ... or always. */
    fake_hv_conflicts(sc.hv, 100000);
    g_assert_null(fixture_plug(sc.bus, &err, TYPE_SCRIPTED, NULL));
    g_assert_nonnull(strstr(error_get_pretty(err), "store transaction"));
    error_free(err);
    fake_hv_conflicts(sc.hv, 0);
    scene_end(&sc);
}

static void test_fails_to_plug(void)
{
    Scene sc = { .hv = fake_hv_new() };
    unsigned n;

    sc.bus = fixture_bus(sc.hv);
    for (n = 1; ; n++) {
        Error *err = NULL;
        XenPvDevice *dev;

        fake_hv_fail_at(sc.hv, n);
        dev = fixture_plug(sc.bus, &err, TYPE_SCRIPTED, NULL);
        if (!fake_hv_has_failed(sc.hv)) {
            g_assert_nonnull(dev);
            break;
        }
        /* It may live with a fault, but then it lives. */
        if (!dev) {
            g_assert_nonnull(err);
            error_free(err);
            assert_live(sc.hv, 0, 0, 0);
            fake_hv_fail_at(sc.hv, 0);
            assert_node(sc.hv, NULL, BE);
            assert_node(sc.hv, NULL, FE);
        } else {
            object_unparent(OBJECT(dev));
        }
    }
    g_assert_cmpuint(n, >, 20);
    scene_end(&sc);
}

/* ---- the walk ---- */

/*
 * All pairs of what a front end can say, one after the other.  What is mapped
 * and bound follows the state: a connection ends with Closed and not before.
 */
static void test_all_pairs(void)
{
    unsigned from, to;

    for (from = 0; from <= XenbusStateReconfigured + 1; from++) {
        for (to = 0; to <= XenbusStateReconfigured + 1; to++) {
            enum xenbus_state goal;
            bool connected;
            Scene sc;

            scene_begin(&sc);
            front_state(&sc, from);
            goal = xenpv_walk_goal(from, false);
            g_assert_cmpint(sc.s->parent_obj.be_state, ==, goal);
            connected = goal == XenbusStateConnected ||
                        goal == XenbusStateReconfigured;
            assert_live(sc.hv, connected, connected, WATCHES);

            front_state(&sc, to);
            goal = xenpv_walk_goal(to, false);
            connected = goal == XenbusStateConnected ||
                        goal == XenbusStateReconfigured ||
                        (goal == XenbusStateClosing && connected);
            if (goal == XenbusStateClosing && from == XenbusStateClosed) {
                goal = XenbusStateClosed;
            }
            if (goal == XenbusStateClosing &&
                xenpv_walk_goal(from, false) == XenbusStateClosed) {
                goal = XenbusStateClosed;
            }
            g_assert_cmpint(sc.s->parent_obj.be_state, ==, goal);
            assert_live(sc.hv, connected, connected, WATCHES);
            g_assert_cmpint(sc.s->connects - sc.s->disconnects, ==,
                            connected);
            scene_end(&sc);
        }
    }
}

static void test_no_state(void)
{
    static const char nul[] = { '4', 0, '4' };
    static const char *const rows[] = {
        "", "4x", "x", " 4", "4 ", "+4", "-1", "04294967300", "9", "0x4",
        "44444444444444444444444444444444",
    };
    g_autofree char *huge = g_malloc(2001);
    Scene sc;
    int i;

    memset(huge, '4', 2000);
    huge[2000] = 0;
    for (i = 0; i < ARRAY_SIZE(rows) + 2; i++) {
        scene_connected(&sc);
        if (i < ARRAY_SIZE(rows)) {
            fake_guest_write(sc.hv, FE "/state", "%s", rows[i]);
        } else if (i == ARRAY_SIZE(rows)) {
            fake_guest_write_raw(sc.hv, FE "/state", nul, sizeof(nul));
        } else {
            g_assert_cmpint(fake_guest_write(sc.hv, FE "/state", "%s", huge),
                            ==, 0);
        }
        fixture_settle();
        assert_node(sc.hv, "6", BE "/state");
        assert_live(sc.hv, 0, 0, WATCHES);
        scene_end(&sc);
    }
}

/* The front end's directory goes, and a new one comes. */
static void test_front_vanishes(void)
{
    Scene sc;

    scene_connected(&sc);
    g_assert_cmpint(fake_guest_rm(sc.hv, FE), ==, 0);
    fixture_settle();
    assert_node(sc.hv, "6", BE "/state");
    assert_live(sc.hv, 0, 0, WATCHES);
    front_keys(&sc);
    front_state(&sc, XenbusStateInitialising);
    assert_node(sc.hv, "2", BE "/state");
    front_state(&sc, XenbusStateConnected);
    assert_live(sc.hv, 1, 1, WATCHES);
    scene_end(&sc);
}

/* A guest that starts over without closing (a crash kernel). */
static void test_restarts(void)
{
    Scene sc;
    int i;

    scene_connected(&sc);
    for (i = 2; i < 5; i++) {
        front_state(&sc, XenbusStateInitialising);
        assert_node(sc.hv, "2", BE "/state");
        assert_live(sc.hv, 0, 0, WATCHES);
        front_state(&sc, XenbusStateInitialised);
        assert_live(sc.hv, 1, 1, WATCHES);
        g_assert_cmpint(sc.s->connects, ==, i);
        g_assert_cmpint(sc.s->advertised, ==, i);
    }
    scene_end(&sc);
}

/* Many changes, one look. */
static void test_storm(void)
{
    Scene sc;
    int i;

    scene_connected(&sc);
    for (i = 0; i < 10000; i++) {
        fake_guest_write(sc.hv, FE "/state", "%d",
                         i % 2 ? XenbusStateConnected :
                                 XenbusStateInitialising);
        fake_guest_write(sc.hv, FE "/request-a", "%d", i);
    }
    fixture_settle();
    g_assert_cmpint(sc.s->connects, <=, 3);
    g_assert_cmpint(sc.s->keys, <=, 3);
    scene_end(&sc);
}

/*
 * A driver that was killed and comes up again, all before we have looked once.
 * It was served with the pages of the old one.
 */
static void test_started_over_unseen(void)
{
    Scene sc;

    scene_connected(&sc);
    g_assert_cmpint(sc.s->connects, ==, 1);
    front_state(&sc, XenbusStateConnected);
    fake_guest_write(sc.hv, FE "/state", "%d", XenbusStateInitialising);
    fake_guest_write(sc.hv, FE "/state", "%d", XenbusStateInitialised);
    fixture_settle();
    assert_node(sc.hv, "4", BE "/state");
    g_assert_cmpint(sc.s->connects, ==, 2);
    g_assert_cmpint(sc.s->disconnects, ==, 1);
    g_assert_cmpint(sc.s->advertised, ==, 2);

    /* No state of its own makes it start over. */
    front_state(&sc, XenbusStateConnected);
    front_state(&sc, XenbusStateConnected);
    g_assert_cmpint(sc.s->connects, ==, 2);
    scene_end(&sc);
}

/* ---- failures ---- */

static void test_connect_fails(void)
{
    g_autofree char *log = NULL, *more = NULL;
    Scene sc;
    int i;

    scene_begin(&sc);
    g_free(fixture_log());
    sc.s->fail_connect = true;
    front_state(&sc, XenbusStateInitialised);
    assert_node(sc.hv, "5", BE "/state");
    assert_node(sc.hv, "5 not today", ERROR_NODE);
    assert_live(sc.hv, 0, 0, WATCHES);
    g_assert_cmpint(sc.s->connects, ==, 1);
    g_assert_cmpint(sc.s->disconnects, ==, 1);
    log = fixture_log();
    g_assert_nonnull(strstr(log, TYPE_SCRIPTED ".0: not today\n"));

    /* It stays so until the front end has let go. */
    front_state(&sc, XenbusStateConnected);
    front_state(&sc, XenbusStateInitialised);
    g_assert_cmpint(sc.s->connects, ==, 1);
    front_state(&sc, XenbusStateClosing);
    front_state(&sc, XenbusStateClosed);
    assert_node(sc.hv, "6", BE "/state");
    for (i = 0; i < 20; i++) {
        front_state(&sc, XenbusStateInitialising);
        front_state(&sc, XenbusStateInitialised);
        assert_node(sc.hv, "5", BE "/state");
        front_state(&sc, XenbusStateClosed);
    }
    more = fixture_log();
    g_assert_cmpstr(more, ==, "");

    /* Success takes the note away. */
    sc.s->fail_connect = false;
    front_state(&sc, XenbusStateInitialising);
    front_state(&sc, XenbusStateInitialised);
    assert_node(sc.hv, "4", BE "/state");
    assert_node(sc.hv, NULL, ERROR_NODE);
    scene_end(&sc);
}

static void test_advertise_fails(void)
{
    Scene sc;

    scene_connected(&sc);
    sc.s->fail_advertise = true;
    front_state(&sc, XenbusStateInitialising);
    assert_node(sc.hv, "6", BE "/state");
    assert_node(sc.hv, "5 nothing to offer", ERROR_NODE);
    sc.s->fail_advertise = false;
    front_state(&sc, XenbusStateClosed);
    front_state(&sc, XenbusStateInitialising);
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);
}

static void *fail_from_thread(void *opaque)
{
    Error *err = NULL;

    error_setg(&err, "ring is broken");
    xenpv_dev_fail(opaque, err);
    return NULL;
}

static void test_driver_fails(void)
{
    Scene sc;
    int i;

    scene_connected(&sc);
    /* Twice, from another thread: the first counts, neither leaks. */
    for (i = 0; i < 2; i++) {
        g_thread_join(g_thread_new("fail", fail_from_thread, sc.s));
    }
    g_assert_cmpint(sc.s->disconnects, ==, 0);
    fixture_settle();
    assert_node(sc.hv, "5", BE "/state");
    assert_node(sc.hv, "5 ring is broken", ERROR_NODE);
    assert_live(sc.hv, 0, 0, WATCHES);
    g_assert_cmpint(sc.s->disconnects, ==, 1);

    /* What failed then is no matter for the next connection. */
    front_state(&sc, XenbusStateClosed);
    fail_from_thread(sc.s);
    fixture_settle();
    front_state(&sc, XenbusStateInitialising);
    front_state(&sc, XenbusStateConnected);
    assert_node(sc.hv, "4", BE "/state");
    scene_end(&sc);
}

static void test_releases_itself(void)
{
    Scene sc;

    scene_connected(&sc);
    sc.s->release_itself = true;
    front_state(&sc, XenbusStateClosed);
    assert_live(sc.hv, 0, 0, WATCHES);
    scene_end(&sc);
}

/* A driver that is not done is a bug: said, and its pages are not pulled. */
static void test_in_flight(void)
{
    g_autofree char *log = NULL;
    Scene sc;
    XenPvMap *map;

    scene_connected(&sc);
    g_free(fixture_log());
    map = sc.s->map;
    sc.s->forget = 3;
    front_state(&sc, XenbusStateClosed);
    log = fixture_log();
    g_assert_nonnull(strstr(log, "3 requests in flight"));
    assert_live(sc.hv, 1, 0, WATCHES);
    sc.s->forget = 0;
    xenpv_unmap(map);
    scene_end(&sc);
}

/* ---- toolstacks ---- */

static void toolstack_writes(Scene *sc, const char *online, const char *state)
{
    XenPvStoreTx *tx = xenpv_store_tx_begin(sc->hv, NULL);

    xenpv_store_write(sc->hv, tx, BE "/online", online);
    xenpv_store_write(sc->hv, tx, BE "/state", state);
    g_assert_cmpint(xenpv_store_tx_end(sc->hv, tx, true), ==, 0);
    fixture_settle();
}

static void test_toolstack_removes(void)
{
    Scene sc;

    scene_connected(&sc);
    toolstack_writes(&sc, "0", "5");
    assert_live(sc.hv, 1, 1, WATCHES);
    g_assert_false(no_devices(sc.bus));
    front_state(&sc, XenbusStateClosing);
    assert_live(sc.hv, 1, 1, WATCHES);
    fake_guest_write(sc.hv, FE "/state", "6");
    g_assert_true(fixture_wait(no_devices, sc.bus));
    assert_live(sc.hv, 0, 0, 0);
    scene_end(&sc);

    /* From a front end that never came. */
    scene_begin(&sc);
    toolstack_writes(&sc, "0", "5");
    g_assert_true(fixture_wait(no_devices, sc.bus));
    scene_end(&sc);
}

/* Closing, and still online: closed, and open for the next. */
static void test_toolstack_closes(void)
{
    Scene sc;

    scene_connected(&sc);
    toolstack_writes(&sc, "1", "5");
    front_state(&sc, XenbusStateClosed);
    assert_node(sc.hv, "6", BE "/state");
    assert_live(sc.hv, 0, 0, WATCHES);
    front_state(&sc, XenbusStateInitialising);
    front_state(&sc, XenbusStateConnected);
    assert_node(sc.hv, "4", BE "/state");
    scene_end(&sc);
}

static void test_toolstack_forces(void)
{
    Scene sc;

    scene_connected(&sc);
    g_assert_cmpint(xenpv_store_rm(sc.hv, NULL, BE), ==, 0);
    g_assert_true(fixture_wait(no_devices, sc.bus));
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, NULL, FE);
    scene_end(&sc);
}

/* ---- machines ---- */

static void test_quiet(void)
{
    XenPvDevice *late;
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_quiesce(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, "4", BE "/state");
    g_assert_true(fake_guest_revoke(sc.hv, sc.ref));
    late = fixture_plug(sc.bus, &error_abort, TYPE_SCRIPTED, NULL);
    g_assert_cmpint(late->devid, ==, 1);
    assert_live(sc.hv, 0, 0, 0);
    front_state(&sc, XenbusStateInitialised);
    g_assert_cmpint(sc.s->connects, ==, 1);

    xenpv_bus_restart(sc.bus);
    fixture_settle();
    assert_live(sc.hv, 0, 0, 2 * WATCHES);
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, "1", FE "/state");
    assert_node(sc.hv, NULL, FE "/ring-ref");
    sc.ref = fake_guest_grant(sc.hv, fake_guest_page(sc.hv), false);
    front_keys(&sc);
    front_state(&sc, XenbusStateInitialised);
    assert_node(sc.hv, "4", BE "/state");
    scene_end(&sc);
}

/* Before there is a domain, nothing is written where it will be. */
static void test_before_start(void)
{
    Scene sc = { .hv = fake_hv_new() };

    sc.bus = fixture_bus(sc.hv);
    xenpv_bus_quiesce(sc.bus);
    g_assert_cmpint(xenpv_store_rm(sc.hv, NULL, "/local/domain/1"), ==, 0);
    fixture_plug(sc.bus, &error_abort, TYPE_SCRIPTED, NULL);
    fixture_settle();
    assert_node(sc.hv, NULL, "/local/domain/1");
    assert_node(sc.hv, NULL, BE);
    assert_live(sc.hv, 0, 0, 0);
    xenpv_bus_restart(sc.bus);
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);
}

/* An unplug the guest never answered is done when the guest is reset. */
static void test_unplug_then_reset(void)
{
    Scene sc;

    scene_connected(&sc);
    fixture_unplug(XENPV_DEVICE(sc.s), &error_abort);
    fixture_settle();
    g_assert_false(no_devices(sc.bus));
    xenpv_bus_reset(sc.bus);
    g_assert_true(fixture_wait(no_devices, sc.bus));
    assert_node(sc.hv, NULL, BE);
    scene_end(&sc);
}

static void test_close(void)
{
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_close(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, "6", BE "/state");
    xenpv_bus_close(sc.bus);
    scene_end(&sc);
}

/* No toolstack knows of what was made by -device: nobody else removes it. */
static void test_leave(void)
{
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_leave(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, NULL, BE);
    assert_node(sc.hv, NULL, FE);
    scene_end(&sc);
}

/* ---- a reset that is another domain ---- */

static void test_another_guest(void)
{
    XenPvDevice *second;
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_quiesce(sc.bus);
    /* Who ends a domain removes all of its nodes. */
    xenpv_store_rm(sc.hv, NULL, "/local/domain/1");
    xenpv_store_rm(sc.hv, NULL, "/local/domain/0/backend/qscript/1");
    xenpv_bus_set_guest(sc.bus, 2);
    second = fixture_plug(sc.bus, &error_abort, TYPE_SCRIPTED, NULL);
    xenpv_bus_restart(sc.bus);
    fixture_settle();
    g_assert_cmpint(second->devid, ==, 1);
    g_assert_cmpint(second->guest, ==, 2);
    assert_live(sc.hv, 0, 0, 2 * WATCHES);
    assert_node(sc.hv, NULL, BE);
    assert_node(sc.hv, NULL, FE);
    assert_node(sc.hv, "2", "/local/domain/0/backend/qscript/2/0/state");
    assert_node(sc.hv, "2", "/local/domain/0/backend/qscript/2/0/frontend-id");
    assert_node(sc.hv, "/local/domain/0/backend/qscript/2/0",
                "/local/domain/2/device/script/0/backend");
    assert_node(sc.hv, "2", "/local/domain/0/backend/qscript/2/1/state");
    scene_end(&sc);
}

/* ---- the kernel serves it ---- */

#define KBE "/local/domain/0/backend/kscript/1/0"

static void kernel_state(Scene *sc, unsigned state)
{
    g_autofree char *value = g_strdup_printf("%u", state);

    g_assert_cmpint(xenpv_store_write(sc->hv, NULL, KBE "/state", value), ==,
                    0);
    fixture_settle();
}

static void count(Notifier *n, void *data)
{
    Counter *c = container_of(n, Counter, notifier);

    c->count++;
}

static void scene_delegated(Scene *sc)
{
    *sc = (Scene) { .hv = fake_hv_new() };
    sc->hv->kernel_backends = true;
    sc->bus = fixture_bus(sc->hv);
    fixture_plug(sc->bus, &error_abort, TYPE_SCRIPTED, "backend", "kernel",
                 NULL);
    sc->s = made;
    fixture_settle();
}

static void assert_awaited(Scene *sc, const char *names)
{
    g_autofree char *got = xenpv_bus_awaits_kernel(sc->bus);

    g_assert_cmpstr(got, ==, names);
}

static void test_kernel_serves(void)
{
    Counter c = { .notifier.notify = count };
    Scene sc;

    scene_delegated(&sc);
    xenpv_bus_notify_kernel(sc.bus, &c.notifier);
    assert_node(sc.hv, NULL, BE);
    assert_node(sc.hv, "1", KBE "/state");
    assert_node(sc.hv, "7:0", KBE "/physical-device");
    assert_node(sc.hv, FE, KBE "/frontend");
    assert_node(sc.hv, KBE, FE "/backend");
    assert_node(sc.hv, "there", FE "/hint");
    assert_node(sc.hv, NULL, KBE "/feature-one");
    assert_awaited(&sc, "xenpv-scripted.0");
    g_assert_cmpint(sc.s->ready, ==, 0);

    kernel_state(&sc, XenbusStateInitWait);
    g_assert_cmpint(sc.s->ready, ==, 1);
    g_assert_cmpint(c.count, >, 0);
    assert_awaited(&sc, NULL);
    /* The walk is not ours, whatever the front end does. */
    front_state(&sc, XenbusStateInitialised);
    kernel_state(&sc, XenbusStateConnected);
    front_state(&sc, XenbusStateClosing);
    kernel_state(&sc, XenbusStateClosing);
    front_state(&sc, XenbusStateClosed);
    kernel_state(&sc, XenbusStateClosed);
    kernel_state(&sc, XenbusStateInitWait);
    g_assert_false(no_devices(sc.bus));
    g_assert_cmpint(sc.s->ready, ==, 1);
    g_assert_cmpint(sc.s->advertised + sc.s->connects + sc.s->disconnects, ==,
                    0);
    assert_live(sc.hv, 0, 0, WATCHES);

    /* A reset tells the kernel all over again. */
    xenpv_bus_reset(sc.bus);
    g_assert_cmpint(sc.s->delegated, ==, 2);
    assert_node(sc.hv, "1", KBE "/state");
    assert_awaited(&sc, "xenpv-scripted.0");
    kernel_state(&sc, XenbusStateInitWait);
    g_assert_cmpint(sc.s->ready, ==, 2);
    notifier_remove(&c.notifier);
    scene_end(&sc);
}

static void test_kernel_unplug(void)
{
    Scene sc;

    scene_delegated(&sc);
    kernel_state(&sc, XenbusStateConnected);
    fixture_unplug(XENPV_DEVICE(sc.s), &error_abort);
    fixture_settle();
    assert_node(sc.hv, "0", KBE "/online");
    assert_node(sc.hv, "5", KBE "/state");
    g_assert_false(no_devices(sc.bus));
    kernel_state(&sc, XenbusStateClosed);
    g_assert_true(fixture_wait(no_devices, sc.bus));
    assert_node(sc.hv, NULL, KBE);
    assert_node(sc.hv, NULL, FE);
    scene_end(&sc);
}

/* What the kernel has to complain about, it writes where we would. */
static void test_kernel_fails(void)
{
    g_autofree char *log = NULL;
    Scene sc;

    scene_delegated(&sc);
    g_assert_cmpint(xenpv_store_write(sc.hv, NULL, "/local/domain/0/error/"
                                      "backend/kscript/1/0/error",
                                      "2 no such file"), ==, 0);
    kernel_state(&sc, XenbusStateClosing);
    log = fixture_log();
    g_assert_nonnull(strstr(log, "xenpv-scripted.0: the kernel's back end: "
                            "2 no such file"));
    scene_end(&sc);
}

/* What the kernel has made cannot go where it belongs: told, no more. */
static void test_kernel_not_ready(void)
{
    g_autofree char *log = NULL;
    Scene sc;

    scene_delegated(&sc);
    sc.s->fail_ready = true;
    kernel_state(&sc, XenbusStateInitWait);
    log = fixture_log();
    g_assert_nonnull(strstr(log, "xenpv-scripted.0: no such bridge"));
    assert_node(sc.hv, "2", KBE "/state");
    scene_end(&sc);
}

static void test_kernel_nowhere(void)
{
    Scene sc = { .hv = fake_hv_new() };
    Error *err = NULL;

    sc.bus = fixture_bus(sc.hv);
    g_assert_null(fixture_plug(sc.bus, &err, TYPE_SCRIPTED, "backend",
                               "kernel", NULL));
    error_free_or_abort(&err);
    assert_live(sc.hv, 0, 0, 0);
    scene_end(&sc);
}

/* ---- events and keys ---- */

static void test_events(void)
{
    Scene sc;

    scene_connected(&sc);
    g_assert_cmpint(sc.s->events, ==, 1);
    fake_guest_notify(sc.hv, sc.port);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 2);
    xenpv_event_notify(sc.s->event);
    g_assert_cmpuint(fake_guest_events(sc.hv, sc.port), ==, 1);

    sc.s->again = 5;
    fake_guest_notify(sc.hv, sc.port);
    main_loop_wait(true);
    g_assert_cmpint(sc.s->events, <, 8);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 8);

    /* Scheduled, and then the connection is gone. */
    sc.s->again = 1;
    fake_guest_notify(sc.hv, sc.port);
    xenpv_event_again(sc.s->event);
    xenpv_bus_quiesce(sc.bus);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 8);
    scene_end(&sc);
}

/* ---- saved and loaded ---- */

/* What comes while memory is being saved waits, whatever it is. */
static void test_hold(void)
{
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_hold(sc.bus);
    g_assert_true(xenpv_dev_held(XENPV_DEVICE(sc.s)));
    fake_guest_notify(sc.hv, sc.port);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 1);
    fake_guest_write(sc.hv, FE "/request-a", "1");
    front_state(&sc, XenbusStateClosing);
    g_assert_cmpint(sc.s->keys, ==, 0);
    assert_node(sc.hv, "4", BE "/state");
    xenpv_bus_go_on(sc.bus);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 2);
    assert_node(sc.hv, "5", BE "/state");
    xenpv_bus_go_on(sc.bus);            /* nothing is held any more */
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 2);
    scene_end(&sc);
}

/* Saved, and about to be loaded in the same place: the nodes are there. */
static void scene_saved(Scene *sc, XenPvDevSaved *saved)
{
    saved->driver = g_byte_array_new();
    scene_connected(sc);
    xenpv_bus_hold(sc->bus);
    xenpv_dev_save(XENPV_DEVICE(sc->s), saved);
    xenpv_bus_await_load(sc->bus);
    assert_live(sc->hv, 0, 0, 0);
    assert_node(sc->hv, "4", BE "/state");
    sc->s->advertised = 0;              /* offers what it did at first */
}

static bool resume(Scene *sc, const XenPvDevSaved *saved, Error **errp)
{
    return xenpv_dev_resume(XENPV_DEVICE(sc->s), saved, errp);
}

static void test_resume(void)
{
    XenPvDevSaved saved;
    Scene sc;

    scene_saved(&sc, &saved);
    g_assert_true(saved.connected && saved.in_store);
    resume(&sc, &saved, &error_abort);
    g_assert_cmpint(sc.s->connects, ==, 2);
    assert_live(sc.hv, 1, 1, WATCHES);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 1);
    /* The front end has seen nothing of it, and is served as before. */
    xenpv_bus_go_on(sc.bus);
    fixture_settle();
    g_assert_cmpint(sc.s->events, ==, 2);
    g_assert_cmpint(sc.s->connects, ==, 2);
    assert_node(sc.hv, "4", BE "/state");
    assert_node(sc.hv, "1", BE "/feature-last");
    front_state(&sc, XenbusStateClosed);
    assert_node(sc.hv, "6", BE "/state");
    g_byte_array_unref(saved.driver);
    scene_end(&sc);
}

/* A front end does not ask again what it is offered. */
static void test_resume_differs(void)
{
    XenPvDevSaved saved;
    Error *err = NULL;
    Scene sc;

    scene_saved(&sc, &saved);
    sc.s->advertised = 1;
    g_assert_false(resume(&sc, &saved, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "feature-last is 2 here and "
                    "was 1 for the guest that was saved");
    error_free(err);
    err = NULL;
    sc.s->advertised = 0;
    xenpv_store_write(sc.hv, NULL, BE "/feature-two", "1");
    g_assert_false(resume(&sc, &saved, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "the guest that was saved has "
                    "feature-two, which is not to be had here");
    error_free(err);
    g_assert_cmpint(sc.s->connects, ==, 1);
    assert_live(sc.hv, 0, 0, 0);
    g_byte_array_unref(saved.driver);
    scene_end(&sc);
}

/* Its own keys are the guest's: what it has made of them is its own loss. */
static void test_resume_broken_front(void)
{
    g_autofree char *log = NULL;
    XenPvDevSaved saved;
    Scene sc;

    scene_saved(&sc, &saved);
    fake_guest_write(sc.hv, FE "/ring-ref", "none");
    resume(&sc, &saved, &error_abort);
    assert_live(sc.hv, 0, 0, WATCHES);
    xenpv_bus_go_on(sc.bus);
    fixture_settle();
    assert_node(sc.hv, "5", BE "/state");
    log = fixture_log();
    g_assert_nonnull(strstr(log, "ring-ref"));
    g_byte_array_unref(saved.driver);
    scene_end(&sc);
}

static void test_resume_impossible(void)
{
    XenPvDevSaved saved, bad;
    unsigned state;
    Scene sc;

    scene_saved(&sc, &saved);
    for (state = 0; state < 12; state++) {
        bool can = state == XenbusStateConnected ||
                   state == XenbusStateClosing ||
                   state == XenbusStateReconfigured;
        Error *err = NULL;

        if (!can) {
            bad = saved;
            bad.be_state = state;
            g_assert_false(resume(&sc, &bad, &err));
            g_assert_nonnull(strstr(error_get_pretty(err), "state"));
            error_free(err);
        }
    }
    /* More than its driver can have said */
    g_byte_array_append(saved.driver, (const uint8_t *)"x", 1);
    g_assert_false(resume(&sc, &saved, NULL));
    g_byte_array_unref(saved.driver);
    scene_end(&sc);
}

static void test_not_in_the_stream(void)
{
    XenPvDevSaved saved;
    Scene sc;

    scene_saved(&sc, &saved);
    xenpv_bus_go_on(sc.bus);
    fixture_settle();
    assert_node(sc.hv, "2", BE "/state");
    assert_live(sc.hv, 0, 0, WATCHES);
    g_byte_array_unref(saved.driver);
    scene_end(&sc);
}

static void test_keys(void)
{
    Scene sc;

    scene_begin(&sc);
    fake_guest_write(sc.hv, FE "/request-a", "1");
    fixture_settle();
    g_assert_cmpint(sc.s->keys, ==, 0);
    front_state(&sc, XenbusStateConnected);
    g_assert_cmpint(sc.s->keys, ==, 0);
    fake_guest_write(sc.hv, FE "/request-b", "1");
    fixture_settle();
    g_assert_cmpint(sc.s->keys, ==, 1);
    g_assert_cmpstr(sc.s->last_key, ==, "request-b");
    fake_guest_write(sc.hv, FE "/other", "1");
    fixture_settle();
    g_assert_cmpint(sc.s->keys, ==, 1);
    scene_end(&sc);
}

static void test_read_uint(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        { NULL, true, 77 }, { "0", true, 0 }, { "10", true, 10 },
        { "0010", true, 10 }, { "11", false }, { "", false },
        { "1 ", false }, { "-0", false }, { "1e1", false },
        { "99999999999999999999999", false },
    };
    Scene sc;
    int i;

    scene_begin(&sc);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        XenPvDevice *dev = XENPV_DEVICE(sc.s);
        Error *err = NULL;
        uint64_t value = 0;

        if (rows[i].text) {
            fake_guest_write(sc.hv, FE "/extra", "%s", rows[i].text);
        }
        g_assert_cmpint(xenpv_dev_read_front_uint(dev, "extra", 10, 77,
                                                  &value, &err), ==,
                        rows[i].ok);
        g_assert_cmpint(err == NULL, ==, rows[i].ok);
        if (rows[i].ok) {
            g_assert_cmpuint(value, ==, rows[i].value);
        }
        error_free(err);
    }
    scene_end(&sc);
}

/* No longer than an honest value, and no part of a longer one. */
static void test_read_long(void)
{
    g_autofree char *text = g_strnfill(XENPV_VALUE_MAX + 1, 'x');
    g_autofree char *longest = NULL;
    Scene sc;

    scene_begin(&sc);
    fake_guest_write(sc.hv, FE "/name", "%s", text);
    g_assert_null(xenpv_dev_read_front(XENPV_DEVICE(sc.s), "name"));
    fake_guest_write(sc.hv, FE "/name", "%s", text + 1);
    longest = xenpv_dev_read_front(XENPV_DEVICE(sc.s), "name");
    g_assert_cmpstr(longest, ==, text + 1);
    scene_end(&sc);
}

/* ---- another thread ---- */

typedef struct Worker {
    AioContext *ctx;
    GThread *thread;
    bool stop;
} Worker;

static void *worker_run(void *opaque)
{
    Worker *w = opaque;

    qemu_set_current_aio_context(w->ctx);
    while (!qatomic_read(&w->stop)) {
        aio_poll(w->ctx, true);
    }
    return NULL;
}

static void worker_begin(Worker *w)
{
    w->ctx = aio_context_new(&error_abort);
    w->stop = false;
    w->thread = g_thread_new("worker", worker_run, w);
}

static void worker_end(Worker *w)
{
    qatomic_set(&w->stop, true);
    aio_notify(w->ctx);
    g_thread_join(w->thread);
    aio_context_unref(w->ctx);
}

static bool had_events(void *opaque)
{
    return qatomic_read(&((Scripted *)opaque)->events) > 0;
}

static void test_thread(void)
{
    Worker w;
    Scene sc;
    int i, before;

    worker_begin(&w);
    scene_begin(&sc);
    sc.s->ctx = w.ctx;
    front_state(&sc, XenbusStateConnected);
    g_assert_true(fixture_wait(had_events, sc.s));
    g_assert_true(sc.s->event_thread == w.thread);

    /* Back to the main loop, and over again. */
    xenpv_event_set_context(sc.s->event, NULL);
    qatomic_set(&sc.s->events, 0);
    fake_guest_notify(sc.hv, sc.port);
    g_assert_true(fixture_wait(had_events, sc.s));
    g_assert_true(sc.s->event_thread == g_thread_self());
    xenpv_event_set_context(sc.s->event, w.ctx);
    sc.s->slow = true;

    /* Once disconnected, not one event more, however hard it is pushed. */
    for (i = 0; i < 200; i++) {
        fake_guest_notify(sc.hv, sc.port);
        front_state(&sc, XenbusStateClosed);
        before = qatomic_read(&sc.s->events);
        fake_guest_notify(sc.hv, sc.port);
        aio_notify(w.ctx);
        front_state(&sc, XenbusStateInitialising);
        g_assert_cmpint(qatomic_read(&sc.s->events), ==, before);
        front_state(&sc, XenbusStateConnected);
    }
    scene_end(&sc);
    worker_end(&w);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    type_register_static(&script_type);
    g_test_add_func("/xenpv/device/features-first", test_features_first);
    g_test_add_func("/xenpv/device/conflicts", test_conflicts);
    g_test_add_func("/xenpv/device/fails-to-plug", test_fails_to_plug);
    g_test_add_func("/xenpv/device/all-pairs", test_all_pairs);
    g_test_add_func("/xenpv/device/no-state", test_no_state);
    g_test_add_func("/xenpv/device/front-vanishes", test_front_vanishes);
    g_test_add_func("/xenpv/device/restarts", test_restarts);
    g_test_add_func("/xenpv/device/storm", test_storm);
    g_test_add_func("/xenpv/device/started-over-unseen",
                    test_started_over_unseen);
    g_test_add_func("/xenpv/device/connect-fails", test_connect_fails);
    g_test_add_func("/xenpv/device/advertise-fails", test_advertise_fails);
    g_test_add_func("/xenpv/device/driver-fails", test_driver_fails);
    g_test_add_func("/xenpv/device/releases-itself", test_releases_itself);
    g_test_add_func("/xenpv/device/in-flight", test_in_flight);
    g_test_add_func("/xenpv/device/toolstack-removes",
                    test_toolstack_removes);
    g_test_add_func("/xenpv/device/toolstack-closes", test_toolstack_closes);
    g_test_add_func("/xenpv/device/toolstack-forces", test_toolstack_forces);
    g_test_add_func("/xenpv/device/quiet", test_quiet);
    g_test_add_func("/xenpv/device/before-start", test_before_start);
    g_test_add_func("/xenpv/device/unplug-then-reset",
                    test_unplug_then_reset);
    g_test_add_func("/xenpv/device/close", test_close);
    g_test_add_func("/xenpv/device/leave", test_leave);
    g_test_add_func("/xenpv/device/another-guest", test_another_guest);
    g_test_add_func("/xenpv/device/kernel-serves", test_kernel_serves);
    g_test_add_func("/xenpv/device/kernel-unplug", test_kernel_unplug);
    g_test_add_func("/xenpv/device/kernel-fails", test_kernel_fails);
    g_test_add_func("/xenpv/device/kernel-not-ready", test_kernel_not_ready);
    g_test_add_func("/xenpv/device/kernel-nowhere", test_kernel_nowhere);
    g_test_add_func("/xenpv/device/events", test_events);
    g_test_add_func("/xenpv/device/keys", test_keys);
    g_test_add_func("/xenpv/device/read-uint", test_read_uint);
    g_test_add_func("/xenpv/device/read-long", test_read_long);
    g_test_add_func("/xenpv/device/thread", test_thread);
    g_test_add_func("/xenpv/device/hold", test_hold);
    g_test_add_func("/xenpv/device/resume", test_resume);
    g_test_add_func("/xenpv/device/resume-differs", test_resume_differs);
    g_test_add_func("/xenpv/device/resume-broken-front",
                    test_resume_broken_front);
    g_test_add_func("/xenpv/device/resume-impossible",
                    test_resume_impossible);
    g_test_add_func("/xenpv/device/not-in-the-stream",
                    test_not_in_the_stream);
    return g_test_run();
}
