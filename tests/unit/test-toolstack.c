/*
 * Devices that a toolstack makes: its nodes, what becomes of them, and what
 * is left at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "hw/xenpv/backend/internal.h"
#include "fixture.h"

#define TYPE_TOY "xenpv-toy"
#define TYPE_TOY_A "xenpv-toy-a"
#define TYPE_TOY_B "xenpv-toy-b"
#define TYPE_OTHER "xenpv-other"
#define TYPE_PLAIN "xenpv-plain"
OBJECT_DECLARE_SIMPLE_TYPE(Toy, TOY)

#define DIR "/local/domain/0/backend/qtoy/1"
#define BE DIR "/0"
#define FE "/local/domain/1/device/toy/0"
#define ERROR_DIR "/local/domain/0/error/backend/qtoy/1/0"

#define NR_TYPES 2              /* qtoy and other: one watch of the bus each */
#define WATCHES (NR_TYPES + 5)  /* state, state, online, two keys */

struct Toy {
    XenPvDevice parent_obj;

    char *params;               /* property */
    char *kept;                 /* by configure, until unconfigure */
    bool released;              /* properties are */
    char *keys;                 /* heard of, in order */
};

/* What all toys have, and what they are to do. */
static struct {
    int resources, realized, connected, made;
    bool fail_realize, half_configured;
    int held, asked;            /* that many times; how often it was asked */
    void (*in_realize)(Toy *toy);
    void (*in_advertise)(Toy *toy);
    void (*in_connect)(Toy *toy);
} toys;

static bool toy_a_claims(XenPvDevice *dev)
{
    g_autofree char *kind = xenpv_dev_read_back(dev, "kind");

    return !g_strcmp0(kind, "a");
}

static bool toy_b_claims(XenPvDevice *dev)
{
    g_autofree char *kind = xenpv_dev_read_back(dev, "kind");

    return !g_strcmp0(kind, "b");
}

static bool toy_configure(XenPvDevice *dev, Error **errp)
{
    Toy *toy = TOY(dev);
    g_autofree char *params = xenpv_dev_read_back(dev, "params");
    uint64_t size;

    g_assert_cmpint(dev->devid, >=, 0);
    toy->kept = g_strdup(params ?: "");
    toys.resources++;
    if (!xenpv_dev_read_back_uint(dev, "size", 100, 7, &size, errp)) {
        return false;
    }
    toys.asked++;
    if (toys.held) {
        toys.held--;
        xenpv_dev_held_elsewhere(dev);
        error_setg(errp, "somebody has it");
        return false;
    }
    if (!params || toys.half_configured) {
        error_setg(errp, "no params");
        return false;
    }
    return object_property_set_str(OBJECT(dev), "params", params, errp);
}

static void toy_release(Object *obj, const char *name, void *opaque)
{
    TOY(obj)->released = true;
}

static void toy_unconfigure(XenPvDevice *dev)
{
    Toy *toy = TOY(dev);

    g_assert_true(toy->released);
    g_assert_false(DEVICE(dev)->realized);
    g_assert_nonnull(toy->kept);
    g_clear_pointer(&toy->kept, g_free);
    toys.resources--;
}

static bool toy_realize(XenPvDevice *dev, Error **errp)
{
    if (toys.fail_realize) {
        error_setg(errp, "not to be realized");
        return false;
    }
    g_assert_nonnull(TOY(dev)->params);
    if (toys.in_realize) {
        toys.in_realize(TOY(dev));
    }
    toys.realized++;
    toys.made++;
    return true;
}

static void toy_unrealize(XenPvDevice *dev)
{
    g_clear_pointer(&TOY(dev)->keys, g_free);
    toys.realized--;
}

static bool toy_advertise(XenPvDevice *dev, Error **errp)
{
    if (toys.in_advertise) {
        toys.in_advertise(TOY(dev));
    }
    return xenpv_dev_publish(dev, errp, "feature", "1") &&
           xenpv_dev_publish(dev, errp, "mode", "w") &&
           xenpv_dev_publish_front(dev, errp, "hint", "here");
}

static bool toy_connect(XenPvDevice *dev, Error **errp)
{
    uint64_t ref, port;
    uint32_t grant;

    toys.connected++;
    if (!xenpv_dev_need_front_uint(dev, "ring-ref", UINT32_MAX, &ref, errp) ||
        !xenpv_dev_need_front_uint(dev, "event-channel", UINT32_MAX, &port,
                                   errp)) {
        return false;
    }
    grant = ref;
    if (!xenpv_dev_map_grants(dev, &grant, 1, false, errp) ||
        !xenpv_dev_bind(dev, port, NULL, NULL, errp)) {
        return false;
    }
    if (toys.in_connect) {
        toys.in_connect(TOY(dev));
    }
    return true;
}

static void toy_disconnect(XenPvDevice *dev)
{
    toys.connected--;
}

static bool toy_event(XenPvDevice *dev, void *opaque)
{
    return true;
}

static void toy_backend_key(XenPvDevice *dev, const char *key)
{
    Toy *toy = TOY(dev);
    char *before = toy->keys;

    toy->keys = g_strconcat(before ?: "", key, " ", NULL);
    g_free(before);
}

static const Property toy_properties[] = {
    DEFINE_PROP_STRING("params", Toy, params),
};

static void toy_class_init(ObjectClass *oc, void *data)
{
    static const char *const keys[] = { "params", "mode", NULL };
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(oc);

    device_class_set_props(DEVICE_CLASS(oc), toy_properties);
    object_class_property_add(oc, "released", "bool", NULL, NULL,
                              toy_release, NULL);
    pc->type = "toy";
    pc->backend_type = "qtoy";
    pc->backend_keys = keys;
    pc->configure = toy_configure;
    pc->unconfigure = toy_unconfigure;
    pc->realize = toy_realize;
    pc->unrealize = toy_unrealize;
    pc->advertise = toy_advertise;
    pc->connect = toy_connect;
    pc->disconnect = toy_disconnect;
    pc->event = toy_event;
    pc->backend_key = toy_backend_key;
}

static void toy_a_class_init(ObjectClass *oc, void *data)
{
    XENPV_DEVICE_CLASS(oc)->claims = toy_a_claims;
}

static void toy_b_class_init(ObjectClass *oc, void *data)
{
    XENPV_DEVICE_CLASS(oc)->claims = toy_b_claims;
}

static void other_class_init(ObjectClass *oc, void *data)
{
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(oc);

    pc->type = "other";
    pc->backend_type = NULL;
}

static void plain_class_init(ObjectClass *oc, void *data)
{
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(oc);

    pc->type = pc->backend_type = "plain";
    pc->configure = NULL;
}

static const TypeInfo toy_types[] = {
    {
        .name = TYPE_TOY,
        .parent = TYPE_XENPV_DEVICE,
        .abstract = true,
        .instance_size = sizeof(Toy),
        .class_init = toy_class_init,
    },
    { .name = TYPE_TOY_A, .parent = TYPE_TOY, .class_init = toy_a_class_init },
    { .name = TYPE_TOY_B, .parent = TYPE_TOY, .class_init = toy_b_class_init },
    { .name = TYPE_OTHER, .parent = TYPE_TOY, .class_init = other_class_init },
    { .name = TYPE_PLAIN, .parent = TYPE_TOY, .class_init = plain_class_init },
};

/* ---- the toolstack ---- */

/* One node after the other, as a tool at a time would. */
static void put(XenPvHv *hv, const char *path, const char *value)
{
    xenpv_store_write(hv, NULL, path, value);
}

static void set_rights(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                       XenPvDomid owner, XenPvDomid reader)
{
    const XenPvPerm perms[] = {
        { .domid = owner },
        { .domid = reader, .read = true },
    };

    g_assert_cmpint(xenpv_store_set_perms(hv, tx, path, perms, 2), ==, 0);
}

static void put_in(XenPvHv *hv, XenPvStoreTx *tx, const char *dir,
                   const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dir, key);

    g_assert_cmpint(xenpv_store_write(hv, tx, path, value), ==, 0);
}

/* Both directories in one transaction, as libxl writes them. */
static void ask_in(XenPvHv *hv, XenPvStoreTx *tx, const char *be,
                   const char *fe, const char *kind, const char *params)
{
    xenpv_store_rm(hv, tx, fe);
    xenpv_store_rm(hv, tx, be);
    xenpv_store_mkdir(hv, tx, fe);
    set_rights(hv, tx, fe, FAKE_GUEST, 0);
    put_in(hv, tx, fe, "backend", be);
    put_in(hv, tx, fe, "backend-id", "0");
    put_in(hv, tx, fe, "state", "1");
    put_in(hv, tx, fe, "given", "by toolstack");
    xenpv_store_mkdir(hv, tx, be);
    set_rights(hv, tx, be, 0, FAKE_GUEST);
    put_in(hv, tx, be, "frontend", fe);
    put_in(hv, tx, be, "frontend-id", "1");
    put_in(hv, tx, be, "online", "1");
    put_in(hv, tx, be, "state", "1");
    put_in(hv, tx, be, "kind", kind);
    if (params) {
        put_in(hv, tx, be, "params", params);
    }
}

static void ask(XenPvHv *hv, const char *be, const char *fe, const char *kind,
                const char *params)
{
    XenPvStoreTx *tx = xenpv_store_tx_begin(hv, NULL);

    ask_in(hv, tx, be, fe, kind, params);
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, true), ==, 0);
}

static void ask_removal(XenPvHv *hv)
{
    XenPvStoreTx *tx = xenpv_store_tx_begin(hv, NULL);

    put_in(hv, tx, BE, "online", "0");
    put_in(hv, tx, BE, "state", "5");
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, true), ==, 0);
}

static void remove_nodes(XenPvHv *hv)
{
    xenpv_store_rm(hv, NULL, BE);
    xenpv_store_rm(hv, NULL, FE);
}

/* ---- one back end and its front end ---- */

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    uint32_t ref, port;
} Scene;

static Toy *the_toy(Scene *sc)
{
    XenPvDevice *dev = QTAILQ_FIRST(&sc->bus->devices);

    return dev && !QTAILQ_NEXT(dev, next) ? TOY(dev) : NULL;
}

static bool no_devices(void *opaque)
{
    return QTAILQ_EMPTY(&((XenPvBus *)opaque)->devices);
}

static bool nobody_leaves(void *opaque)
{
    return !((XenPvBus *)opaque)->nr_leaving;
}

/* A device leaves for as long as RCU takes; what waits for it comes after. */
static void settle(Scene *sc)
{
    do {
        g_assert_true(fixture_wait(nobody_leaves, sc->bus));
        fixture_settle();
    } while (!nobody_leaves(sc->bus));
}

static void front_state(Scene *sc, unsigned state)
{
    fake_guest_write(sc->hv, FE "/state", "%u", state);
    settle(sc);
}

static void front_connects(Scene *sc)
{
    fake_guest_write(sc->hv, FE "/ring-ref", "%u", sc->ref);
    fake_guest_write(sc->hv, FE "/event-channel", "%u", sc->port);
    front_state(sc, XenbusStateInitialised);
}

static void scene_begin(Scene *sc)
{
    memset(&toys, 0, sizeof(toys));
    sc->hv = fake_hv_new();
    sc->bus = fixture_bus(sc->hv);
    sc->ref = fake_guest_grant(sc->hv, fake_guest_page(sc->hv), false);
    sc->port = fake_guest_port(sc->hv);
    settle(sc);
    assert_live(sc->hv, 0, 0, NR_TYPES);
}

static void scene_made(Scene *sc)
{
    scene_begin(sc);
    ask(sc->hv, BE, FE, "a", "red");
    settle(sc);
    g_assert_nonnull(the_toy(sc));
    assert_node(sc->hv, "2", BE "/state");
}

static void scene_connected(Scene *sc)
{
    scene_made(sc);
    front_connects(sc);
    assert_node(sc->hv, "4", BE "/state");
    assert_live(sc->hv, 1, 1, WATCHES);
}

static void assert_nothing_left(Scene *sc)
{
    settle(sc);
    g_assert_true(no_devices(sc->bus));
    g_assert_cmpint(toys.resources, ==, 0);
    g_assert_cmpint(toys.realized, ==, 0);
    g_assert_cmpint(toys.connected, ==, 0);
    assert_live(sc->hv, 0, 0, NR_TYPES);
}

static void scene_end(Scene *sc)
{
    fixture_end(sc->bus);
    drain_call_rcu();
    g_assert_cmpint(toys.resources, ==, 0);
    g_assert_cmpint(toys.realized, ==, 0);
}

/* ---- a life ---- */

static void test_types(void)
{
    g_auto(GStrv) names = xenpv_bus_backend_types();

    g_assert_cmpuint(g_strv_length(names), ==, NR_TYPES);
    g_assert_true(g_strv_contains((const char *const *)names, "qtoy"));
    g_assert_true(g_strv_contains((const char *const *)names, "other"));
}

static void test_life(void)
{
    Scene sc;

    scene_begin(&sc);
    ask(sc.hv, BE, FE, "a", "red");
    settle(&sc);
    g_assert_nonnull(the_toy(&sc));
    g_assert_cmpstr(object_get_typename(OBJECT(the_toy(&sc))), ==,
                    TYPE_TOY_A);
    g_assert_cmpstr(the_toy(&sc)->params, ==, "red");
    g_assert_cmpint(the_toy(&sc)->parent_obj.devid, ==, 0);
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, "1", BE "/feature");
    assert_node(sc.hv, "red", BE "/params");
    assert_node(sc.hv, "1", FE "/state");
    assert_node(sc.hv, "here", FE "/hint");
    assert_node(sc.hv, "by toolstack", FE "/given");
    assert_live(sc.hv, 0, 0, WATCHES);
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");
    assert_live(sc.hv, 1, 1, WATCHES);

    ask_removal(sc.hv);
    settle(&sc);
    assert_node(sc.hv, "5", BE "/state");
    assert_live(sc.hv, 1, 1, WATCHES);
    front_state(&sc, XenbusStateClosing);
    assert_live(sc.hv, 1, 1, WATCHES);
    front_state(&sc, XenbusStateClosed);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    assert_node(sc.hv, "red", BE "/params");
    assert_node(sc.hv, "by toolstack", FE "/given");
    remove_nodes(sc.hv);
    assert_nothing_left(&sc);
    assert_node(sc.hv, NULL, BE);
    assert_node(sc.hv, NULL, FE);
    assert_node(sc.hv, NULL, ERROR_DIR);

    /* And another one. */
    ask(sc.hv, BE, FE, "b", "blue");
    settle(&sc);
    g_assert_cmpstr(object_get_typename(OBJECT(the_toy(&sc))), ==,
                    TYPE_TOY_B);
    g_assert_cmpstr(the_toy(&sc)->params, ==, "blue");
    scene_end(&sc);
}

/* Closed by the guest alone it stays, and serves who comes next. */
static void test_guest_closes(void)
{
    Scene sc;

    scene_connected(&sc);
    front_state(&sc, XenbusStateClosing);
    front_state(&sc, XenbusStateClosed);
    assert_node(sc.hv, "6", BE "/state");
    g_assert_nonnull(the_toy(&sc));
    front_state(&sc, XenbusStateInitialising);
    assert_node(sc.hv, "2", BE "/state");
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");
    g_assert_cmpint(toys.made, ==, 1);
    scene_end(&sc);
}

/* The directories are there before anybody looks. */
static void test_before_start(void)
{
    Scene sc;

    scene_begin(&sc);
    xenpv_bus_quiesce(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    ask(sc.hv, BE, FE, "a", "red");
    settle(&sc);
    g_assert_true(no_devices(sc.bus));
    assert_node(sc.hv, "1", BE "/state");
    xenpv_bus_restart(sc.bus);
    settle(&sc);
    g_assert_nonnull(the_toy(&sc));
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);
}

/* Node by node: whichever comes last. */
static void test_piecemeal(void)
{
    static const char *const keys[] = { "frontend", "frontend-id", "state" };
    static const char *const values[] = { FE, "1", "1" };
    int i, last;

    for (last = 0; last < ARRAY_SIZE(keys); last++) {
        g_autofree char *path = g_strdup_printf(BE "/%s", keys[last]);
        Scene sc;

        scene_begin(&sc);
        put(sc.hv, BE "/kind", "a");
        put(sc.hv, BE "/params", "red");
        xenpv_store_mkdir(sc.hv, NULL, FE);
        set_rights(sc.hv, NULL, FE, FAKE_GUEST, 0);
        put(sc.hv, FE "/backend", BE);
        put(sc.hv, FE "/state", "1");
        for (i = 0; i < ARRAY_SIZE(keys); i++) {
            if (i != last) {
                put_in(sc.hv, NULL, BE, keys[i], values[i]);
                settle(&sc);
            }
        }
        assert_nothing_left(&sc);
        assert_node(sc.hv, NULL, ERROR_DIR "/error");
        put(sc.hv, path, values[last]);
        settle(&sc);
        g_assert_nonnull(the_toy(&sc));
        assert_node(sc.hv, "2", BE "/state");
        scene_end(&sc);
    }
}

static void test_two_types(void)
{
    Scene sc;

    scene_begin(&sc);
    ask(sc.hv, BE, FE, "a", "red");
    ask(sc.hv, DIR "/268435456", "/local/domain/1/device/toy/268435456", "b",
        "blue");
    ask(sc.hv, "/local/domain/0/backend/other/1/0",
        "/local/domain/1/device/other/0", "", "green");
    /* Nobody's, by kind, by type, and by guest. */
    ask(sc.hv, DIR "/2", "/local/domain/1/device/toy/2", "c", "x");
    ask(sc.hv, "/local/domain/0/backend/plain/1/0",
        "/local/domain/1/device/plain/0", "", "x");
    ask(sc.hv, "/local/domain/0/backend/qtoy/2/0",
        "/local/domain/2/device/toy/0", "a", "x");
    put(sc.hv, DIR "/no-number/state", "1");
    settle(&sc);
    g_assert_cmpint(toys.realized, ==, 3);
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, "2", DIR "/268435456/state");
    assert_node(sc.hv, "2", "/local/domain/0/backend/other/1/0/state");
    assert_node(sc.hv, "1", DIR "/2/state");
    assert_node(sc.hv, "1", "/local/domain/0/backend/plain/1/0/state");
    assert_node(sc.hv, "1", "/local/domain/0/backend/qtoy/2/0/state");
    assert_node(sc.hv, NULL, "/local/domain/0/error");
    scene_end(&sc);
}

/* ---- what cannot be made ---- */

static const struct {
    const char *name;
    const char *path, *value;   /* what is wrong; NULL: it is missing */
    const char *message;
    bool fail_realize, half_configured;
} faults[] = {
    { "wrong-guest", BE "/frontend-id", "2", "frontend-id is 2, not 1" },
    { "guest-nonsense", BE "/frontend-id", "one", "'one', not a number" },
    { "foreign-front", BE "/frontend", "/local/domain/11/device/toy/0",
      "is not in /local/domain/1/" },
    { "empty-front", BE "/frontend", "", "is not in /local/domain/1/" },
    { "no-front", FE, NULL, "no front end at " FE },
    { "front-of-another", FE "/backend", DIR "/1", "another back end" },
    { "no-params", BE "/params", NULL, "no params" },
    { "bad-size", BE "/size", "101", "back end's size is '101'" },
    { "half-configured", BE "/x", "", "no params", .half_configured = true },
    { "realize", BE "/x", "", "not to be realized", .fail_realize = true },
};

static void test_refused(gconstpointer opaque)
{
    int i = GPOINTER_TO_INT(opaque);
    g_autofree char *note = NULL, *log = NULL, *more = NULL;
    XenPvStoreTx *tx;
    Scene sc;

    scene_begin(&sc);
    toys.fail_realize = faults[i].fail_realize;
    toys.half_configured = faults[i].half_configured;
    g_free(fixture_log());
    tx = xenpv_store_tx_begin(sc.hv, NULL);
    ask_in(sc.hv, tx, BE, FE, "a", "red");
    if (faults[i].value) {
        xenpv_store_write(sc.hv, tx, faults[i].path, faults[i].value);
    } else {
        xenpv_store_rm(sc.hv, tx, faults[i].path);
    }
    g_assert_cmpint(xenpv_store_tx_end(sc.hv, tx, true), ==, 0);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    assert_node(sc.hv, NULL, BE "/feature");
    note = fixture_node(sc.hv, ERROR_DIR "/error");
    g_assert_nonnull(note);
    g_assert_nonnull(strstr(note, faults[i].message));
    log = fixture_log();
    g_assert_nonnull(strstr(log, BE ": "));
    g_assert_nonnull(strstr(log, faults[i].message));
    g_assert_null(strchr(strchr(log, '\n') + 1, '\n'));

    /* It is said once, and who waits for the end need not wait. */
    settle(&sc);
    more = fixture_log();
    g_assert_cmpstr(more, ==, "");
    ask_removal(sc.hv);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    remove_nodes(sc.hv);
    assert_nothing_left(&sc);
    assert_node(sc.hv, NULL, ERROR_DIR);
    assert_node(sc.hv, NULL, BE);

    /* Nothing is held against it. */
    toys.fail_realize = toys.half_configured = false;
    ask(sc.hv, BE, FE, "a", "red");
    settle(&sc);
    g_assert_nonnull(the_toy(&sc));
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");
    assert_node(sc.hv, NULL, ERROR_DIR "/error");
    scene_end(&sc);
}

/* Corrected in place. */
static void test_corrected(void)
{
    Scene sc;

    scene_begin(&sc);
    ask(sc.hv, BE, FE, "a", NULL);
    settle(&sc);
    assert_node(sc.hv, "6", BE "/state");
    put(sc.hv, BE "/params", "red");
    assert_nothing_left(&sc);
    put(sc.hv, BE "/state", "1");
    settle(&sc);
    g_assert_nonnull(the_toy(&sc));
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, NULL, ERROR_DIR "/error");
    scene_end(&sc);
}

/* ---- what somebody else holds ---- */

static bool is_made(void *opaque)
{
    return toys.made;
}

static bool asked_twice(void *opaque)
{
    return toys.asked >= 2;
}

/* It waits, says why, once, and is made when the other one has let go. */
static void test_held(void)
{
    g_autofree char *log = NULL, *more = NULL, *note = NULL;
    Scene sc;

    scene_begin(&sc);
    toys.held = 2;
    g_free(fixture_log());
    ask(sc.hv, BE, FE, "a", "red");
    assert_nothing_left(&sc);
    assert_node(sc.hv, "1", BE "/state");
    note = fixture_node(sc.hv, ERROR_DIR "/error");
    g_assert_nonnull(note);
    g_assert_nonnull(strstr(note, "somebody has it"));
    log = fixture_log();
    g_assert_nonnull(strstr(log, BE ": waiting: somebody has it\n"));
    g_assert_true(fixture_wait(is_made, NULL));
    settle(&sc);
    g_assert_cmpint(toys.asked, ==, 3);
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, NULL, ERROR_DIR "/error");
    more = fixture_log();
    g_assert_cmpstr(more, ==, "");
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");
    scene_end(&sc);
}

/* Nobody waits for one that is removed, refused or has no bus any more. */
static void test_held_no_longer(void)
{
    Scene sc;

    scene_begin(&sc);
    toys.held = INT_MAX;
    ask(sc.hv, BE, FE, "a", "red");
    g_assert_true(fixture_wait(asked_twice, NULL));
    ask_removal(sc.hv);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    remove_nodes(sc.hv);
    assert_nothing_left(&sc);
    assert_node(sc.hv, NULL, ERROR_DIR);

    toys.held = 1;
    toys.half_configured = true;
    toys.asked = 0;
    ask(sc.hv, BE, FE, "a", "red");
    g_assert_true(fixture_wait(asked_twice, NULL));
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");

    toys.held = INT_MAX;
    put(sc.hv, BE "/state", "1");
    settle(&sc);
    assert_node(sc.hv, "1", BE "/state");
    scene_end(&sc);
}

/* ---- nothing can be served ---- */

static void test_declined(void)
{
    g_autofree char *log = NULL;
    Scene sc;

    scene_begin(&sc);
    xenpv_bus_quiesce(sc.bus);
    ask(sc.hv, BE, FE, "a", "red");
    ask(sc.hv, DIR "/1", "/local/domain/1/device/toy/1", "of another", "red");
    g_free(fixture_log());
    xenpv_bus_decline(sc.bus, "not today");
    settle(&sc);
    g_assert_true(no_devices(sc.bus));
    assert_node(sc.hv, "6", BE "/state");
    assert_node(sc.hv, "1 not today", ERROR_DIR "/error");
    assert_node(sc.hv, "1", DIR "/1/state");
    log = fixture_log();
    g_assert_nonnull(strstr(log, "not today\n"));
    g_assert_null(strchr(strchr(log, '\n') + 1, '\n'));
    scene_end(&sc);
}

static bool state_is(XenPvHv *hv, const char *path, const char *state)
{
    g_autofree char *now = fixture_node(hv, "%s", path);

    return !g_strcmp0(now, state);
}

static void test_log_is_bounded(void)
{
    g_autofree char *log = NULL;
    g_auto(GStrv) lines = NULL;
    Scene sc;
    int i;

    scene_begin(&sc);
    g_free(fixture_log());
    for (i = 0; i < 200; i++) {
        g_autofree char *be = g_strdup_printf(DIR "/%d", i);

        ask(sc.hv, be, FE, "a", NULL);
        xenpv_store_rm(sc.hv, NULL, FE);
    }
    while (!state_is(sc.hv, DIR "/199/state", "6")) {
        settle(&sc);
    }
    log = fixture_log();
    lines = g_strsplit(log, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), >, 5);
    g_assert_cmpuint(g_strv_length(lines), <, 100);
    scene_end(&sc);
}

/* ---- removal ---- */

enum { MADE, CONNECTED, ASKED, CLOSING, CLOSED, NR_STAGES };

static void go_to_stage(Scene *sc, int stage)
{
    scene_made(sc);
    if (stage >= CONNECTED) {
        front_connects(sc);
    }
    if (stage == ASKED) {
        ask_removal(sc->hv);
        settle(sc);
    }
    if (stage >= CLOSING) {
        front_state(sc, XenbusStateClosing);
    }
    if (stage >= CLOSED) {
        front_state(sc, XenbusStateClosed);
    }
}

/* Either directory, or both, in either order, at any moment. */
static void test_removed(void)
{
    static const char *const order[][2] = {
        { BE, NULL }, { FE, NULL }, { BE, FE }, { FE, BE },
    };
    int stage, i, slowly;

    for (stage = 0; stage < NR_STAGES; stage++) {
        for (i = 0; i < ARRAY_SIZE(order); i++) {
            for (slowly = 0; slowly < 2; slowly++) {
                g_autofree char *log = NULL;
                Scene sc;

                go_to_stage(&sc, stage);
                g_free(fixture_log());
                xenpv_store_rm(sc.hv, NULL, order[i][0]);
                if (slowly) {
                    settle(&sc);
                }
                if (order[i][1]) {
                    xenpv_store_rm(sc.hv, NULL, order[i][1]);
                }
                assert_nothing_left(&sc);
                if (i == 1) {
                    assert_node(sc.hv, NULL, FE);
                    assert_node(sc.hv, "6", BE "/state");
                } else {
                    assert_node(sc.hv, NULL, BE);
                }
                assert_node(sc.hv, NULL, ERROR_DIR "/error");
                log = fixture_log();
                g_assert_cmpstr(log, ==, "");
                scene_end(&sc);
            }
        }
    }
}

/* Gone before anybody has looked; and come and gone. */
static void test_removed_early(void)
{
    Scene sc;

    scene_begin(&sc);
    ask(sc.hv, BE, FE, "a", "red");
    remove_nodes(sc.hv);
    assert_nothing_left(&sc);
    g_assert_cmpint(toys.made, ==, 0);
    assert_node(sc.hv, NULL, BE);
    ask(sc.hv, BE, FE, "a", "red");
    xenpv_store_rm(sc.hv, NULL, BE);
    assert_nothing_left(&sc);
    assert_node(sc.hv, NULL, BE);
    scene_end(&sc);
}

static void remove_back(Toy *toy)
{
    xenpv_store_rm(XENPV_DEVICE(toy)->hv, NULL, BE);
}

static void remove_front(Toy *toy)
{
    xenpv_store_rm(XENPV_DEVICE(toy)->hv, NULL, FE);
}

static void replace_both(Toy *toy)
{
    toys.in_realize = toys.in_connect = NULL;
    ask(XENPV_DEVICE(toy)->hv, BE, FE, "b", "blue");
}

/* While we are at work: what is gone is not made again by our writing. */
static void test_removed_meanwhile(void)
{
    void (*const rows[])(Toy *toy) = {
        remove_back, remove_front, replace_both
    };
    int i, when;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        for (when = 0; when < 2; when++) {
            g_autofree char *log = NULL;
            Scene sc;

            scene_begin(&sc);
            if (when) {
                toys.in_connect = rows[i];
            } else {
                toys.in_realize = rows[i];
            }
            g_free(fixture_log());
            ask(sc.hv, BE, FE, "a", "red");
            settle(&sc);
            if (when) {
                front_connects(&sc);
            }
            if (rows[i] == replace_both) {
                settle(&sc);
                /* Before it was there: the changes are told instead. */
                g_assert_cmpstr(the_toy(&sc)->params, ==,
                                when ? "blue" : "red");
                g_assert_cmpstr(the_toy(&sc)->keys, ==,
                                when ? NULL : "params ");
                assert_node(sc.hv, "2", BE "/state");
            } else {
                assert_nothing_left(&sc);
                if (rows[i] == remove_back) {
                    assert_node(sc.hv, NULL, BE);
                } else {
                    assert_node(sc.hv, NULL, FE);
                    assert_node(sc.hv, "6", BE "/state");
                }
            }
            log = fixture_log();
            if (when) {
                g_assert_cmpstr(log, ==, "");
            }
            scene_end(&sc);
        }
    }
}

/* Taken away and asked for anew before we have noticed. */
static void test_replaced(void)
{
    int stage;

    for (stage = 0; stage < NR_STAGES; stage++) {
        Scene sc;

        go_to_stage(&sc, stage);
        ask(sc.hv, BE, FE, "b", "blue");
        settle(&sc);
        g_assert_nonnull(the_toy(&sc));
        g_assert_cmpstr(the_toy(&sc)->params, ==, "blue");
        g_assert_cmpint(toys.resources, ==, 1);
        assert_node(sc.hv, "2", BE "/state");
        assert_live(sc.hv, 0, 0, WATCHES);
        front_connects(&sc);
        assert_node(sc.hv, "4", BE "/state");
        scene_end(&sc);
    }
}

/* A request for the end that our own write has covered. */
static void ask_removal_while(Toy *toy)
{
    toys.in_connect = NULL;
    ask_removal(XENPV_DEVICE(toy)->hv);
}

static void test_removal_overwritten(void)
{
    Scene sc;

    scene_made(&sc);
    toys.in_connect = ask_removal_while;
    front_connects(&sc);
    assert_node(sc.hv, "5", BE "/state");
    front_state(&sc, XenbusStateClosed);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    scene_end(&sc);
}

static void test_device_del(void)
{
    Scene sc;

    scene_connected(&sc);
    fixture_unplug(XENPV_DEVICE(the_toy(&sc)), &error_abort);
    settle(&sc);
    assert_node(sc.hv, "5", BE "/state");
    front_state(&sc, XenbusStateClosed);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    assert_node(sc.hv, "red", BE "/params");
    scene_end(&sc);

    /* By force. */
    scene_connected(&sc);
    fixture_unplug(XENPV_DEVICE(the_toy(&sc)), &error_abort);
    fixture_unplug(XENPV_DEVICE(the_toy(&sc)), &error_abort);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    scene_end(&sc);
}

/* ---- beside the devices of the user ---- */

static void test_devid_in_use(void)
{
    g_autofree char *note = NULL;
    XenPvDevice *dev;
    Scene sc;

    scene_begin(&sc);
    dev = fixture_plug(sc.bus, &error_abort, TYPE_TOY_A, "params", "mine",
                       NULL);
    settle(&sc);
    g_assert_cmpint(dev->devid, ==, 0);
    ask(sc.hv, BE, FE, "b", "blue");
    settle(&sc);
    g_assert_true(XENPV_DEVICE(the_toy(&sc)) == dev);
    g_assert_cmpstr(the_toy(&sc)->params, ==, "mine");
    assert_node(sc.hv, "2", BE "/state");
    note = fixture_node(sc.hv, ERROR_DIR "/error");
    g_assert_nonnull(strstr(note, "written over"));
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");

    /* Its number is free again when it has gone. */
    object_unparent(OBJECT(dev));
    settle(&sc);
    assert_node(sc.hv, NULL, BE);
    ask(sc.hv, BE, FE, "b", "blue");
    settle(&sc);
    g_assert_cmpstr(the_toy(&sc)->params, ==, "blue");
    scene_end(&sc);
}

/* A device of the user's takes a number nobody has. */
static void test_free_devid(void)
{
    XenPvDevice *dev;
    Error *err = NULL;
    Scene sc;

    scene_made(&sc);
    dev = fixture_plug(sc.bus, &error_abort, TYPE_TOY_A, "params", "mine",
                       NULL);
    g_assert_cmpint(dev->devid, ==, 1);
    g_assert_null(fixture_plug(sc.bus, &err, TYPE_TOY_A, "params", "mine",
                               "devid", "0", NULL));
    g_assert_nonnull(err);
    error_free(err);
    settle(&sc);
    g_assert_cmpint(toys.realized, ==, 2);
    g_assert_cmpint(toys.resources, ==, 1);
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);
}

/* ---- keys that change ---- */

static void expect_keys(Scene *sc, const char *keys)
{
    Toy *toy = the_toy(sc);

    settle(sc);
    g_assert_cmpstr(toy->keys, ==, keys);
    g_clear_pointer(&toy->keys, g_free);
}

static void test_keys(void)
{
    Scene sc;
    int i;

    for (i = 0; i < 2; i++) {
        scene_made(&sc);
        if (i) {
            front_connects(&sc);
        }
        /* Its own, or as it was: no news. */
        expect_keys(&sc, NULL);
        put(sc.hv, BE "/params", "red");
        xenpv_dev_publish(XENPV_DEVICE(the_toy(&sc)), &error_abort, "mode",
                          "r");
        put(sc.hv, BE "/other", "x");
        expect_keys(&sc, NULL);
        put(sc.hv, BE "/params", "");
        expect_keys(&sc, "params ");
        put(sc.hv, BE "/params", "blue");
        put(sc.hv, BE "/params", "green");
        put(sc.hv, BE "/mode", "w");
        expect_keys(&sc, "params mode ");
        put(sc.hv, BE "/mode", "w");
        expect_keys(&sc, NULL);
        xenpv_store_rm(sc.hv, NULL, BE "/params");
        expect_keys(&sc, "params ");
        scene_end(&sc);
    }
}

static void change_params(Toy *toy)
{
    toys.in_advertise = NULL;
    put(XENPV_DEVICE(toy)->hv, BE "/params", "changed");
}

/* After configure has read it, before anybody watches it. */
static void test_key_early(void)
{
    Scene sc;

    scene_begin(&sc);
    toys.in_advertise = change_params;
    ask(sc.hv, BE, FE, "a", "red");
    settle(&sc);
    expect_keys(&sc, "params ");
    scene_end(&sc);
}

/* Devices of the user have these keys as well. */
static void test_key_of_plugged(void)
{
    Scene sc;

    scene_begin(&sc);
    fixture_plug(sc.bus, &error_abort, TYPE_TOY_A, "params", "mine", NULL);
    expect_keys(&sc, NULL);
    put(sc.hv, BE "/mode", "r");
    expect_keys(&sc, "mode ");
    xenpv_bus_reset(sc.bus);
    expect_keys(&sc, NULL);
    put(sc.hv, BE "/params", "blue");
    expect_keys(&sc, "params ");
    scene_end(&sc);
}

/* What the guest can write is no configuration. */
static void test_read_left(void)
{
    const XenPvPerm writable[] = {
        { .domid = 0 },
        { .domid = FAKE_GUEST, .read = true, .write = true },
    };
    g_autofree char *given = NULL;
    uint64_t value;
    XenPvDevice *dev;
    Scene sc;

    scene_made(&sc);
    dev = XENPV_DEVICE(the_toy(&sc));
    put(sc.hv, FE "/number", "12");
    g_assert_null(xenpv_dev_read_left(dev, "number"));
    g_assert_null(xenpv_dev_read_left(dev, "nothing"));
    set_rights(sc.hv, NULL, FE "/number", 0, FAKE_GUEST);
    given = xenpv_dev_read_left(dev, "number");
    g_assert_cmpstr(given, ==, "12");
    g_assert_true(xenpv_dev_read_left_uint(dev, "number", 12, 3, &value,
                                           &error_abort));
    g_assert_cmpuint(value, ==, 12);
    g_assert_false(xenpv_dev_read_left_uint(dev, "number", 11, 3, &value,
                                            NULL));
    xenpv_store_set_perms(sc.hv, NULL, FE "/number", writable, 2);
    g_assert_true(xenpv_dev_read_left_uint(dev, "number", 12, 3, &value,
                                           &error_abort));
    g_assert_cmpuint(value, ==, 3);
    scene_end(&sc);
}

/* ---- reset ---- */

static void test_reset(void)
{
    Toy *toy;
    Scene sc;

    scene_connected(&sc);
    toy = the_toy(&sc);
    fake_guest_write(sc.hv, FE "/given", "overwritten");
    fake_guest_write(sc.hv, FE "/queue-0/ring-ref", "8");
    xenpv_bus_quiesce(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    g_assert_true(fake_guest_revoke(sc.hv, sc.ref));
    xenpv_bus_restart(sc.bus);
    settle(&sc);
    g_assert_true(the_toy(&sc) == toy);
    g_assert_cmpint(toys.made, ==, 1);
    assert_node(sc.hv, "2", BE "/state");
    assert_node(sc.hv, "1", FE "/state");
    assert_node(sc.hv, "red", BE "/params");
    assert_node(sc.hv, "by toolstack", FE "/given");
    assert_node(sc.hv, BE, FE "/backend");
    assert_node(sc.hv, "here", FE "/hint");
    assert_node(sc.hv, NULL, FE "/ring-ref");
    assert_node(sc.hv, NULL, FE "/queue-0");
    assert_live(sc.hv, 0, 0, WATCHES);
    expect_keys(&sc, NULL);
    sc.ref = fake_guest_grant(sc.hv, fake_guest_page(sc.hv), false);
    front_connects(&sc);
    assert_node(sc.hv, "4", BE "/state");
    scene_end(&sc);
}

/* What the toolstack does while there is no guest. */
static void test_reset_changed(void)
{
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_quiesce(sc.bus);
    remove_nodes(sc.hv);
    xenpv_bus_restart(sc.bus);
    assert_nothing_left(&sc);
    assert_node(sc.hv, NULL, BE);
    assert_node(sc.hv, NULL, FE);
    scene_end(&sc);

    scene_connected(&sc);
    xenpv_bus_quiesce(sc.bus);
    ask(sc.hv, BE, FE, "b", "blue");
    xenpv_bus_restart(sc.bus);
    settle(&sc);
    g_assert_cmpstr(the_toy(&sc)->params, ==, "blue");
    g_assert_cmpint(toys.resources, ==, 1);
    assert_node(sc.hv, "2", BE "/state");
    scene_end(&sc);

    scene_connected(&sc);
    xenpv_bus_quiesce(sc.bus);
    put(sc.hv, BE "/params", "");
    xenpv_bus_restart(sc.bus);
    expect_keys(&sc, "params ");
    scene_end(&sc);

    /* Asked, never answered; then there is nobody left to wait for. */
    scene_connected(&sc);
    ask_removal(sc.hv);
    settle(&sc);
    g_assert_nonnull(the_toy(&sc));
    xenpv_bus_reset(sc.bus);
    assert_nothing_left(&sc);
    assert_node(sc.hv, "6", BE "/state");
    scene_end(&sc);
}

static void test_close(void)
{
    Scene sc;

    scene_connected(&sc);
    xenpv_bus_close(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, "6", BE "/state");
    xenpv_bus_leave(sc.bus);
    assert_live(sc.hv, 0, 0, 0);
    assert_node(sc.hv, "6", BE "/state");
    scene_end(&sc);
}

/* ---- cost ---- */

static unsigned ops_of_settling(Scene *sc)
{
    fake_hv_fail_at(sc->hv, 0);
    settle(sc);
    return fake_hv_ops(sc->hv);
}

/* However many there are, a write costs what the one it is about costs. */
static void test_cost(void)
{
    unsigned nr, alone = 0, cost;
    int i;

    for (nr = 1; nr <= 64; nr *= 8) {
        Scene sc;

        scene_begin(&sc);
        for (i = 1; i <= nr; i++) {
            g_autofree char *be = g_strdup_printf(DIR "/%d", i);
            g_autofree char *fe =
                g_strdup_printf("/local/domain/1/device/toy/%d", i);

            ask(sc.hv, be, fe, "a", "red");
        }
        while (toys.realized < nr) {
            settle(&sc);
        }
        ops_of_settling(&sc);

        /* Nothing to us; and nothing of ours. */
        put(sc.hv, DIR "/1/whatever", "x");
        g_assert_cmpuint(ops_of_settling(&sc), ==, 0);
        put(sc.hv, "/local/domain/0/backend/qtoy/2/1/state", "1");
        g_assert_cmpuint(ops_of_settling(&sc), ==, 0);

        ask(sc.hv, BE, FE, "a", "red");
        cost = ops_of_settling(&sc);
        g_assert_cmpint(toys.realized, ==, nr + 1);
        alone = alone ?: cost;
        g_assert_cmpuint(cost, ==, alone);

        /* Ten thousand writes, one look. */
        for (i = 0; i < 10000; i++) {
            put(sc.hv, DIR "/1000/state", "1");
        }
        g_assert_cmpuint(ops_of_settling(&sc), <, 10);
        scene_end(&sc);
    }
}

/* A look at a time: others have their turn. */
static void test_bounded_turn(void)
{
    Scene sc;
    int i;

    scene_begin(&sc);
    for (i = 0; i < 100; i++) {
        g_autofree char *be = g_strdup_printf(DIR "/%d", i);
        g_autofree char *fe =
            g_strdup_printf("/local/domain/1/device/toy/%d", i);

        ask(sc.hv, be, fe, "a", "red");
    }
    for (i = 0; toys.realized < 100; i++) {
        int before = toys.realized;

        main_loop_wait(true);
        g_assert_cmpint(toys.realized - before, <=, 16);
        g_assert_cmpint(i, <, 1000);
    }
    scene_end(&sc);
}

/* ---- every single fault ---- */

static void life(Scene *sc)
{
    /* The toolstack has no faults here, nor has the guest. */
    front_connects(sc);
    xenpv_bus_reset(sc->bus);
    settle(sc);
    sc->ref = fake_guest_grant(sc->hv, fake_guest_page(sc->hv), false);
    front_connects(sc);
    front_state(sc, XenbusStateClosing);
    front_state(sc, XenbusStateClosed);
}

static void test_faults(void)
{
    unsigned n;

    for (n = 1; ; n++) {
        bool failed;
        Scene sc;

        scene_begin(&sc);
        ask(sc.hv, BE, FE, "a", "red");
        fake_hv_fail_at(sc.hv, n);
        settle(&sc);
        life(&sc);
        failed = fake_hv_has_failed(sc.hv);
        fake_hv_fail_at(sc.hv, 0);
        if (!failed) {
            assert_node(sc.hv, "6", BE "/state");
            g_assert_cmpint(toys.made, ==, 1);
        }
        /* Whatever has become of it: it can be removed, and made again. */
        xenpv_bus_reset(sc.bus);
        remove_nodes(sc.hv);
        assert_nothing_left(&sc);
        assert_node(sc.hv, NULL, BE);
        assert_node(sc.hv, NULL, FE);
        ask(sc.hv, BE, FE, "a", "red");
        settle(&sc);
        g_assert_nonnull(the_toy(&sc));
        sc.ref = fake_guest_grant(sc.hv, fake_guest_page(sc.hv), false);
        front_connects(&sc);
        assert_node(sc.hv, "4", BE "/state");
        assert_node(sc.hv, NULL, ERROR_DIR "/error");
        scene_end(&sc);
        if (!failed) {
            break;
        }
    }
    g_assert_cmpuint(n, >, 60);
    g_test_message("%u faults", n - 1);
}

/* Asked to go, with a fault on the way: a second try always succeeds. */
static void test_removal_faults(void)
{
    unsigned n;

    for (n = 1; ; n++) {
        bool failed;
        Scene sc;

        scene_connected(&sc);
        ask_removal(sc.hv);
        fake_hv_fail_at(sc.hv, n);
        settle(&sc);
        front_state(&sc, XenbusStateClosing);
        front_state(&sc, XenbusStateClosed);
        settle(&sc);
        failed = fake_hv_has_failed(sc.hv);
        fake_hv_fail_at(sc.hv, 0);
        if (!failed) {
            assert_nothing_left(&sc);
            assert_node(sc.hv, "6", BE "/state");
        }
        remove_nodes(sc.hv);
        assert_nothing_left(&sc);
        assert_node(sc.hv, NULL, BE);
        scene_end(&sc);
        if (!failed) {
            break;
        }
    }
    g_assert_cmpuint(n, >, 10);
}

int main(int argc, char **argv)
{
    int i;

    fixture_main(&argc, &argv);
    type_register_static_array(toy_types, ARRAY_SIZE(toy_types));
    g_test_add_func("/xenpv/toolstack/types", test_types);
    g_test_add_func("/xenpv/toolstack/life", test_life);
    g_test_add_func("/xenpv/toolstack/guest-closes", test_guest_closes);
    g_test_add_func("/xenpv/toolstack/before-start", test_before_start);
    g_test_add_func("/xenpv/toolstack/piecemeal", test_piecemeal);
    g_test_add_func("/xenpv/toolstack/two-types", test_two_types);
    for (i = 0; i < ARRAY_SIZE(faults); i++) {
        g_autofree char *path =
            g_strdup_printf("/xenpv/toolstack/refused/%s", faults[i].name);

        g_test_add_data_func(path, GINT_TO_POINTER(i), test_refused);
    }
    g_test_add_func("/xenpv/toolstack/corrected", test_corrected);
    g_test_add_func("/xenpv/toolstack/held", test_held);
    g_test_add_func("/xenpv/toolstack/held-no-longer", test_held_no_longer);
    g_test_add_func("/xenpv/toolstack/declined", test_declined);
    g_test_add_func("/xenpv/toolstack/log-is-bounded", test_log_is_bounded);
    g_test_add_func("/xenpv/toolstack/removed", test_removed);
    g_test_add_func("/xenpv/toolstack/removed-early", test_removed_early);
    g_test_add_func("/xenpv/toolstack/removed-meanwhile",
                    test_removed_meanwhile);
    g_test_add_func("/xenpv/toolstack/replaced", test_replaced);
    g_test_add_func("/xenpv/toolstack/removal-overwritten",
                    test_removal_overwritten);
    g_test_add_func("/xenpv/toolstack/device-del", test_device_del);
    g_test_add_func("/xenpv/toolstack/devid-in-use", test_devid_in_use);
    g_test_add_func("/xenpv/toolstack/free-devid", test_free_devid);
    g_test_add_func("/xenpv/toolstack/keys", test_keys);
    g_test_add_func("/xenpv/toolstack/key-early", test_key_early);
    g_test_add_func("/xenpv/toolstack/key-of-plugged", test_key_of_plugged);
    g_test_add_func("/xenpv/toolstack/read-left", test_read_left);
    g_test_add_func("/xenpv/toolstack/reset", test_reset);
    g_test_add_func("/xenpv/toolstack/reset-changed", test_reset_changed);
    g_test_add_func("/xenpv/toolstack/close", test_close);
    g_test_add_func("/xenpv/toolstack/cost", test_cost);
    g_test_add_func("/xenpv/toolstack/bounded-turn", test_bounded_turn);
    g_test_add_func("/xenpv/toolstack/faults", test_faults);
    g_test_add_func("/xenpv/toolstack/removal-faults", test_removal_faults);
    return g_test_run();
}
