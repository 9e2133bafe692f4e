/*
 * Keyboard, pointer and touch screen, between a user and a guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "hw/xen/interface/io/kbdif.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/kbdif.h"
#include "standard-headers/linux/input-event-codes.h"
#include "display-host.h"
#include "fixture.h"

#define BE "/local/domain/0/backend/vkbd/1"
#define FE "/local/domain/1/device/vkbd"
#define ERROR_NODE "/local/domain/0/error/backend/vkbd/1/0/error"

/* ---- the guest's end ---- */

typedef struct Guest {
    XenPvHv *hv;
    struct xenkbd_page *page;
    uint32_t port;
    uint32_t gref;
    bool by_frame;              /* no page-gref */
    bool absolute, raw, touch;  /* requests */
} Guest;

static void guest_init(Guest *g, XenPvHv *hv)
{
    *g = (Guest) {
        .hv = hv,
        .page = fake_guest_page(hv),
        .port = fake_guest_port(hv),
        .absolute = true,
    };
    g->gref = fake_guest_grant(hv, g->page, false);
}

static void guest_set(Guest *g, const char *key, uint64_t value)
{
    g_autofree char *path = g_strdup_printf(FE "/0/%s", key);

    fake_guest_write(g->hv, path, "%" PRIu64, value);
}

static void guest_set_state(Guest *g, enum xenbus_state state)
{
    guest_set(g, "state", state);
    fixture_settle();
}

/* As Linux's xen-kbdfront does it. */
static void guest_connect(Guest *g)
{
    memset(g->page, 0, 4096);
    guest_set(g, "request-abs-pointer", g->absolute);
    guest_set(g, "request-raw-pointer", g->raw);
    guest_set(g, "request-multi-touch", g->touch);
    guest_set(g, "page-ref", fake_guest_gfn(g->hv, g->page));
    if (!g->by_frame) {
        guest_set(g, "page-gref", g->gref);
    }
    guest_set(g, "event-channel", g->port);
    guest_set_state(g, XenbusStateInitialised);
    guest_set_state(g, XenbusStateConnected);
}

static bool guest_take(Guest *g, union xenkbd_in_event *ev)
{
    if (g->page->in_cons == g->page->in_prod) {
        *ev = (union xenkbd_in_event) { 0 };
        return false;
    }
    *ev = XENKBD_IN_RING_REF(g->page, g->page->in_cons);
    g->page->in_cons++;
    return true;
}

/* In one line, so that a test reads as what the guest reads. */
static char *guest_reads(Guest *g)
{
    static const char *const touch[] = {
        [XENKBD_MT_EV_DOWN] = "down", [XENKBD_MT_EV_UP] = "up",
        [XENKBD_MT_EV_MOTION] = "move", [XENKBD_MT_EV_SYN] = "sync",
    };
    GString *text = g_string_new(NULL);
    union xenkbd_in_event ev;

    while (guest_take(g, &ev)) {
        switch (ev.type) {
        case XENKBD_TYPE_KEY:
            g_string_append_printf(text, " key %u %d", ev.key.keycode,
                                   ev.key.pressed);
            break;
        case XENKBD_TYPE_MOTION:
            g_string_append_printf(text, " by %d,%d,%d", ev.motion.rel_x,
                                   ev.motion.rel_y, ev.motion.rel_z);
            break;
        case XENKBD_TYPE_POS:
            g_string_append_printf(text, " at %d,%d,%d", ev.pos.abs_x,
                                   ev.pos.abs_y, ev.pos.rel_z);
            break;
        case XENKBD_TYPE_MTOUCH:
            g_string_append_printf(text, " touch%d %s", ev.mtouch.contact_id,
                                   touch[ev.mtouch.event_type]);
            if (ev.mtouch.event_type == XENKBD_MT_EV_DOWN ||
                ev.mtouch.event_type == XENKBD_MT_EV_MOTION) {
                g_string_append_printf(text, " %d,%d", ev.mtouch.u.pos.abs_x,
                                       ev.mtouch.u.pos.abs_y);
            }
            break;
        default:
            g_assert_not_reached();
        }
    }
    fake_guest_notify(g->hv, g->port);
    fixture_settle();
    return g_string_free(text, false);
}

#define assert_reads(g, want)                           \
    do {                                                \
        g_autofree char *got_ = guest_reads(g);         \
        g_assert_cmpstr(got_, ==, want);                \
    } while (0)

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    XenPvDevice *dev;
    Guest guest;
} Scene;

static void scene_begin(Scene *s, const char *key, const char *value)
{
    s->hv = fake_hv_new();
    s->bus = fixture_bus(s->hv);
    s->dev = fixture_plug(s->bus, &error_abort, "xen-input", "width", "1000",
                          "height", "500", key, value, NULL);
    guest_init(&s->guest, s->hv);
}

static void scene_connect(Scene *s)
{
    guest_connect(&s->guest);
    g_assert_cmpint(s->dev->be_state, ==, XenbusStateConnected);
    fake_guest_events(s->hv, s->guest.port);
}

static void scene_end(Scene *s)
{
    fixture_end(s->bus);
    g_assert_cmpuint(host_handlers(), ==, 0);
}

static void assert_refused(Scene *s, const char *why)
{
    g_autofree char *note = fixture_node(s->hv, ERROR_NODE);

    g_assert_cmpint(s->dev->be_state, ==, XenbusStateClosing);
    g_assert_nonnull(note);
    g_assert_nonnull(strstr(note, why));
    g_assert_cmpuint(s->hv->live.maps + s->hv->live.channels, ==, 0);
    g_assert_cmpuint(host_handlers(), ==, 0);
}

/* ---- nodes ---- */

static void test_nodes(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);

    fixture_plug(bus, &error_abort, "xen-input", NULL);
    assert_node(hv, "1", BE "/0/feature-abs-pointer");
    assert_node(hv, "1", BE "/0/feature-raw-pointer");
    assert_node(hv, "800", BE "/0/width");
    assert_node(hv, "600", BE "/0/height");
    assert_node(hv, NULL, BE "/0/feature-multi-touch");
    assert_node(hv, NULL, BE "/0/feature-disable-keyboard");
    assert_node(hv, NULL, BE "/0/feature-disable-pointer");
    assert_node(hv, NULL, BE "/0/unique-id");

    fixture_plug(bus, &error_abort, "xen-input", "keyboard", "off",
                 "pointer", "off", "multi-touch", "on", "contacts", "5",
                 "width", "1280", "height", "800", "absolute", "off",
                 "unique-id", "touch:0", NULL);
    assert_node(hv, "0", BE "/1/feature-abs-pointer");
    assert_node(hv, "0", BE "/1/feature-raw-pointer");
    assert_node(hv, "1", BE "/1/feature-disable-keyboard");
    assert_node(hv, "1", BE "/1/feature-disable-pointer");
    assert_node(hv, "1", BE "/1/feature-multi-touch");
    assert_node(hv, "1280", BE "/1/multi-touch-width");
    assert_node(hv, "800", BE "/1/multi-touch-height");
    assert_node(hv, "5", BE "/1/multi-touch-num-contacts");
    assert_node(hv, "touch:0", BE "/1/unique-id");
    fixture_end(bus);
}

/* The pointer is on the display there is, which says how large it will be. */
static void test_range_of_display(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);

    fixture_plug(bus, &error_abort, "xen-framebuffer", "width", "1280",
                 "height", "800", NULL);
    fixture_plug(bus, &error_abort, "xen-input", NULL);
    assert_node(hv, "1280", BE "/0/width");
    assert_node(hv, "800", BE "/0/height");
    fixture_end(bus);
}

static void test_properties(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    Error *err = NULL;

    g_assert_null(fixture_plug(bus, &err, "xen-input", "keyboard", "off",
                               "pointer", "off", NULL));
    error_free_or_abort(&err);
    g_assert_null(fixture_plug(bus, &err, "xen-input", "contacts", "0",
                               NULL));
    error_free_or_abort(&err);
    g_assert_null(fixture_plug(bus, &err, "xen-input", "contacts", "11",
                               NULL));
    error_free_or_abort(&err);
    g_assert_null(fixture_plug(bus, &err, "xen-input", "width", "4294967295",
                               NULL));
    error_free_or_abort(&err);
    fixture_end(bus);
}

/* ---- what a user does ---- */

static void test_keys(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    g_assert_cmpuint(host_handlers(), ==, 0);
    scene_connect(&s);
    host_key(Q_KEY_CODE_SHIFT, true);
    host_key(Q_KEY_CODE_A, true);
    host_key(Q_KEY_CODE_A, false);
    host_key(Q_KEY_CODE_SHIFT, false);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 0);
    host_sync();
    /* One notification, whatever there was. */
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    assert_reads(&s.guest, " key 42 1 key 30 1 key 30 0 key 42 0");
    /* A key that Linux has no code for. */
    host_key(Q_KEY_CODE_UNMAPPED, true);
    host_sync();
    assert_reads(&s.guest, "");
    scene_end(&s);
}

/* A click lands where it was made: first the position, then the button. */
static void test_absolute(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    host_button(INPUT_BUTTON_LEFT, true);
    host_abs(0x7fff, 0x7fff);
    host_sync();
    assert_reads(&s.guest, " at 999,499,0 key 272 1");
    host_button(INPUT_BUTTON_LEFT, false);
    host_sync();
    assert_reads(&s.guest, " key 272 0");
    host_button(INPUT_BUTTON_WHEEL_UP, true);
    host_button(INPUT_BUTTON_WHEEL_UP, false);
    host_sync();
    assert_reads(&s.guest, " at 999,499,-1");
    host_button(INPUT_BUTTON_WHEEL_DOWN, true);
    host_button(INPUT_BUTTON_WHEEL_DOWN, false);
    host_button(INPUT_BUTTON_WHEEL_DOWN, true);
    host_button(INPUT_BUTTON_WHEEL_DOWN, false);
    host_abs(0, 0);
    host_sync();
    assert_reads(&s.guest, " at 0,0,2");
    scene_end(&s);
}

/* A wheel turned before the pointer moved must not throw it into a corner. */
static void test_wheel_first(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    host_button(INPUT_BUTTON_WHEEL_DOWN, true);
    host_sync();
    assert_reads(&s.guest, " by 0,0,1");
    scene_end(&s);
}

static void test_raw(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    s.guest.raw = true;
    scene_connect(&s);
    host_abs(0x7fff, 0x1234);
    host_sync();
    assert_reads(&s.guest, " at 32767,4660,0");
    scene_end(&s);
}

static void test_relative(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    s.guest.absolute = false;
    s.guest.raw = true;         /* says nothing on its own */
    scene_connect(&s);
    host_rel(5, -7);
    host_rel(1, 1);
    host_button(INPUT_BUTTON_RIGHT, true);
    host_button(INPUT_BUTTON_WHEEL_UP, true);
    host_sync();
    assert_reads(&s.guest, " by 6,-6,-1 key 273 1");
    host_rel(2, 2);
    host_sync();
    assert_reads(&s.guest, " by 2,2,0");
    scene_end(&s);
}

static void test_not_offered(void)
{
    Scene s;

    scene_begin(&s, "absolute", "off");
    s.guest.raw = s.guest.touch = true;
    scene_connect(&s);
    host_rel(1, 1);
    host_abs(5, 5);
    host_touch(INPUT_MULTI_TOUCH_TYPE_BEGIN, 0, 1, 1);
    host_sync();
    assert_reads(&s.guest, " by 1,1,0");
    scene_end(&s);
}

static void test_buttons(void)
{
    static const struct {
        InputButton button;
        unsigned code;
    } rows[] = {
        { INPUT_BUTTON_LEFT, BTN_LEFT }, { INPUT_BUTTON_MIDDLE, BTN_MIDDLE },
        { INPUT_BUTTON_RIGHT, BTN_RIGHT }, { INPUT_BUTTON_SIDE, BTN_SIDE },
        { INPUT_BUTTON_EXTRA, BTN_EXTRA }, { INPUT_BUTTON_WHEEL_LEFT, 0 },
        { INPUT_BUTTON_WHEEL_RIGHT, 0 }, { INPUT_BUTTON_TOUCH, 0 },
    };
    unsigned i;
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *want = rows[i].code ?
            g_strdup_printf(" key %u 1 key %u 0", rows[i].code,
                            rows[i].code) : g_strdup("");

        host_button(rows[i].button, true);
        host_button(rows[i].button, false);
        host_sync();
        assert_reads(&s.guest, want);
    }
    /* More than one keeps in mind at once, in order. */
    for (i = 0; i < 20; i++) {
        host_button(INPUT_BUTTON_LEFT, !(i % 2));
    }
    host_sync();
    for (i = 0; i < 20; i++) {
        union xenkbd_in_event ev;

        g_assert_true(guest_take(&s.guest, &ev));
        g_assert_cmpint(ev.key.pressed, ==, !(i % 2));
    }
    scene_end(&s);
}

static void test_touch(void)
{
    Scene s;

    scene_begin(&s, "multi-touch", "on");
    s.guest.touch = true;
    scene_connect(&s);
    host_touch(INPUT_MULTI_TOUCH_TYPE_BEGIN, 0, 0, 0);
    host_touch(INPUT_MULTI_TOUCH_TYPE_BEGIN, 1, 0x7fff, 0x7fff);
    host_sync();
    assert_reads(&s.guest, " touch0 down 0,0 touch1 down 999,499 touch0 sync");
    host_touch(INPUT_MULTI_TOUCH_TYPE_UPDATE, 0, 0x7fff, 0);
    host_touch(INPUT_MULTI_TOUCH_TYPE_UPDATE, 1, 0x7fff, 0x7fff);
    host_sync();
    assert_reads(&s.guest, " touch0 move 999,0 touch0 sync");
    host_touch(INPUT_MULTI_TOUCH_TYPE_END, 1, 0, 0);
    host_sync();
    assert_reads(&s.guest, " touch1 up touch0 sync");
    /* Nothing that never began; no such finger. */
    host_touch(INPUT_MULTI_TOUCH_TYPE_END, 1, 0, 0);
    host_touch(INPUT_MULTI_TOUCH_TYPE_BEGIN, 10, 1, 1);
    host_touch(INPUT_MULTI_TOUCH_TYPE_BEGIN, -1, 1, 1);
    host_sync();
    assert_reads(&s.guest, "");
    /* The pointer is beside it. */
    host_abs(0x7fff, 0);
    host_sync();
    assert_reads(&s.guest, " at 999,0,0");
    scene_end(&s);
}

/* ---- a guest that takes its time ---- */

static void test_slow_guest(void)
{
    unsigned seen = 0, i;
    union xenkbd_in_event ev;
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    for (i = 0; i < 100; i++) {
        host_key(Q_KEY_CODE_A, true);
        host_key(Q_KEY_CODE_A, false);
        host_sync();
    }
    g_assert_cmpuint(s.guest.page->in_prod, ==, XENKBD_IN_RING_LEN);
    while (guest_take(&s.guest, &ev)) {
        g_assert_cmpint(ev.key.pressed, ==, !(seen % 2));
        seen++;
        if (s.guest.page->in_cons == s.guest.page->in_prod) {
            fake_guest_notify(s.hv, s.guest.port);
            fixture_settle();
        }
    }
    g_assert_cmpuint(seen, ==, 200);
    scene_end(&s);
}

/* ---- transports ---- */

static void test_by_frame(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    s.guest.by_frame = true;
    scene_connect(&s);
    g_assert_false(fake_guest_mapped(s.hv, s.guest.gref));
    host_key(Q_KEY_CODE_B, true);
    host_sync();
    assert_reads(&s.guest, " key 48 1");
    scene_end(&s);
}

static void test_by_grant(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    g_assert_true(fake_guest_mapped(s.hv, s.guest.gref));
    guest_set_state(&s.guest, XenbusStateClosing);
    guest_set_state(&s.guest, XenbusStateClosed);
    g_assert_true(fake_guest_revoke(s.hv, s.guest.gref));
    scene_end(&s);
}

/* Old front ends request after they have connected. */
static void test_request_late(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    s.guest.absolute = false;
    scene_connect(&s);
    host_rel(1, 2);
    host_sync();
    assert_reads(&s.guest, " by 1,2,0");
    guest_set(&s.guest, "request-abs-pointer", 1);
    fixture_settle();
    g_assert_cmpuint(host_handlers(), ==, 2);
    host_abs(0, 0);
    host_sync();
    assert_reads(&s.guest, " at 0,0,0");
    scene_end(&s);
}

/* ---- lies ---- */

static void test_hostile(void)
{
    static const struct {
        const char *key;
        uint64_t value;
        const char *why;
    } rows[] = {
        { "page-gref", 0xffffffff, "grant" },
        { "page-gref", 0x100000000, "page-gref" },
        { "event-channel", 0xfffffff0, "port" },
        { "request-abs-pointer", 2, "request-abs-pointer" },
        { "request-raw-pointer", UINT64_MAX, "request-raw-pointer" },
    };
    unsigned i;
    Scene s;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        scene_begin(&s, "pointer", "on");
        guest_set(&s.guest, "page-gref", s.guest.gref);
        guest_set(&s.guest, "event-channel", s.guest.port);
        guest_set(&s.guest, rows[i].key, rows[i].value);
        guest_set_state(&s.guest, XenbusStateInitialised);
        assert_refused(&s, rows[i].why);
        scene_end(&s);
    }

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    s.guest.page->in_cons = 1;
    host_key(Q_KEY_CODE_A, true);
    host_sync();
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    assert_refused(&s, "input ring");
    scene_end(&s);

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    s.guest.page->out_prod = XENKBD_OUT_RING_LEN + 1;
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    assert_refused(&s, "output ring");
    scene_end(&s);
}

/* There are no events that a front end could send: they go nowhere. */
static void test_out_events(void)
{
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    s.guest.page->out_prod = XENKBD_OUT_RING_LEN;
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    g_assert_cmpuint(s.guest.page->out_cons, ==, XENKBD_OUT_RING_LEN);
    g_assert_cmpint(s.dev->be_state, ==, XenbusStateConnected);
    scene_end(&s);
}

/* ---- comings and goings ---- */

static void test_reconnect(void)
{
    Scene s;
    int i;

    scene_begin(&s, "pointer", "on");
    for (i = 0; i < 4; i++) {
        guest_init(&s.guest, s.hv);
        scene_connect(&s);
        g_assert_cmpuint(host_handlers(), ==, 2);
        host_key(Q_KEY_CODE_A, true);
        host_sync();
        /* Also a key that was held when the last guest went is a key anew. */
        assert_reads(&s.guest, " key 30 1");
        if (i % 2) {
            guest_set_state(&s.guest, XenbusStateClosing);
            guest_set_state(&s.guest, XenbusStateClosed);
            guest_set_state(&s.guest, XenbusStateInitialising);
        } else {
            xenpv_bus_reset(s.bus);
            fixture_settle();
        }
        g_assert_cmpuint(host_handlers(), ==, 0);
        host_key(Q_KEY_CODE_A, false);
        host_sync();
    }
    /* Started over before we have looked: what it reads is in its new page. */
    for (i = 0; i < 2; i++) {
        guest_init(&s.guest, s.hv);
        scene_connect(&s);
        g_assert_cmpuint(host_handlers(), ==, 2);
        host_key(Q_KEY_CODE_A, true);
        host_key(Q_KEY_CODE_A, false);
        host_sync();
        assert_reads(&s.guest, " key 30 1 key 30 0");
    }
    scene_end(&s);
}

/* Of two, the one that came to use last; then the other again. */
static void test_two(void)
{
    XenPvDevice *second;
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    second = fixture_plug(s.bus, &error_abort, "xen-input", NULL);
    host_key(Q_KEY_CODE_A, true);
    host_sync();
    assert_reads(&s.guest, " key 30 1");
    object_unparent(OBJECT(second));
    host_key(Q_KEY_CODE_A, false);
    host_sync();
    assert_reads(&s.guest, " key 30 0");
    scene_end(&s);
}

/* ---- a toolstack's nodes ---- */

static void toolstack_asks(XenPvHv *hv, const char *const (*keys)[2])
{
    const XenPvPerm guest[] = { { .domid = FAKE_GUEST }, { .domid = 0 } };

    xenpv_store_write(hv, NULL, FE "/0", "");
    xenpv_store_set_perms(hv, NULL, FE "/0", guest, 2);
    xenpv_store_write(hv, NULL, FE "/0/backend", BE "/0");
    xenpv_store_write(hv, NULL, FE "/0/state", "1");
    xenpv_store_write(hv, NULL, BE "/0/frontend", FE "/0");
    xenpv_store_write(hv, NULL, BE "/0/frontend-id", "1");
    xenpv_store_write(hv, NULL, BE "/0/online", "1");
    for (; (*keys)[0]; keys++) {
        g_autofree char *path = g_strdup_printf(BE "/0/%s", (*keys)[0]);

        xenpv_store_write(hv, NULL, path, (*keys)[1]);
    }
    xenpv_store_write(hv, NULL, BE "/0/state", "1");
    fixture_settle();
}

static void test_toolstack(void)
{
    static const char *const plain[][2] = { { NULL } };
    static const char *const full[][2] = {
        { "unique-id", "kbd0" }, { "feature-disable-keyboard", "1" },
        { "feature-multi-touch", "1" }, { "multi-touch-width", "1920" },
        { "multi-touch-height", "1080" }, { "multi-touch-num-contacts", "4" },
        { "width", "1024" }, { "height", "768" }, { NULL }
    };
    static const char *const wrong[][2] = {
        { "feature-multi-touch", "yes" }, { NULL }
    };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    g_autofree char *note = NULL;

    toolstack_asks(hv, plain);
    assert_node(hv, "2", BE "/0/state");
    assert_node(hv, "1", BE "/0/feature-abs-pointer");
    assert_node(hv, "800", BE "/0/width");
    fixture_end(bus);

    hv = fake_hv_new();
    bus = fixture_bus(hv);
    toolstack_asks(hv, full);
    assert_node(hv, "2", BE "/0/state");
    assert_node(hv, "kbd0", BE "/0/unique-id");
    assert_node(hv, "1024", BE "/0/width");
    assert_node(hv, "1920", BE "/0/multi-touch-width");
    assert_node(hv, "4", BE "/0/multi-touch-num-contacts");
    assert_node(hv, "1", BE "/0/feature-disable-keyboard");
    fixture_end(bus);

    hv = fake_hv_new();
    bus = fixture_bus(hv);
    toolstack_asks(hv, wrong);
    assert_node(hv, "6", BE "/0/state");
    note = fixture_node(hv, ERROR_NODE);
    g_assert_nonnull(strstr(note, "feature-multi-touch"));
    fixture_end(bus);
}

/* ---- every single fault ---- */

static bool whole_life(XenPvHv *hv, XenPvBus *bus)
{
    bool typed = false;
    XenPvDevice *dev;
    Error *err = NULL;
    Guest guest;
    int round;

    dev = fixture_plug(bus, &err, "xen-input", "multi-touch", "on",
                       "unique-id", "x", NULL);
    if (!dev) {
        error_free(err);
        return false;
    }
    for (round = 0; round < 2; round++) {
        g_autofree char *text = NULL;

        guest_init(&guest, hv);
        guest.touch = true;
        if (round) {
            guest_set_state(&guest, XenbusStateInitialising);
        }
        guest_connect(&guest);
        host_key(Q_KEY_CODE_A, true);
        host_sync();
        text = guest_reads(&guest);
        typed = !strcmp(text, " key 30 1");
        guest_set_state(&guest, XenbusStateClosing);
        guest_set_state(&guest, XenbusStateClosed);
        g_assert_cmpuint(hv->live.maps + hv->live.channels, ==, 0);
        g_assert_cmpuint(host_handlers(), ==, 0);
        if (!typed) {
            break;
        }
    }
    fixture_unplug(dev, &err);
    if (err) {
        error_free(err);
        return false;
    }
    fixture_settle();
    return typed && round == 2;
}

static void test_faults(void)
{
    bool done = false;
    unsigned n;

    for (n = 1; !done; n++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        bool ok;

        g_assert_cmpuint(n, <, 1000);
        fake_hv_fail_at(hv, n);
        ok = whole_life(hv, bus);
        done = !fake_hv_has_failed(hv);
        g_assert_true(ok || !done);
        fixture_end(bus);
        g_assert_cmpuint(host_handlers(), ==, 0);
    }
    g_test_message("%u faults", n - 2);
    g_assert_cmpuint(n, >, 30);
}

static void test_describe(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Scene s;

    scene_begin(&s, "pointer", "on");
    scene_connect(&s);
    XENPV_DEVICE_GET_CLASS(s.dev)->print(s.dev, text, 2);
    g_assert_nonnull(strstr(text->str, "  pointer absolute, range 1000x500"));
    scene_end(&s);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    g_test_add_func("/xenpv/input/nodes", test_nodes);
    g_test_add_func("/xenpv/input/properties", test_properties);
    g_test_add_func("/xenpv/input/keys", test_keys);
    g_test_add_func("/xenpv/input/absolute", test_absolute);
    g_test_add_func("/xenpv/input/wheel-first", test_wheel_first);
    g_test_add_func("/xenpv/input/raw", test_raw);
    g_test_add_func("/xenpv/input/relative", test_relative);
    g_test_add_func("/xenpv/input/not-offered", test_not_offered);
    g_test_add_func("/xenpv/input/buttons", test_buttons);
    g_test_add_func("/xenpv/input/touch", test_touch);
    g_test_add_func("/xenpv/input/slow-guest", test_slow_guest);
    g_test_add_func("/xenpv/input/by-frame", test_by_frame);
    g_test_add_func("/xenpv/input/by-grant", test_by_grant);
    g_test_add_func("/xenpv/input/request-late", test_request_late);
    g_test_add_func("/xenpv/input/hostile", test_hostile);
    g_test_add_func("/xenpv/input/out-events", test_out_events);
    g_test_add_func("/xenpv/input/reconnect", test_reconnect);
    g_test_add_func("/xenpv/input/two", test_two);
    g_test_add_func("/xenpv/input/toolstack", test_toolstack);
    g_test_add_func("/xenpv/input/faults", test_faults);
    g_test_add_func("/xenpv/input/describe", test_describe);
    /* Last: consoles stay, and the first one is everybody's. */
    g_test_add_func("/xenpv/input/range-of-display", test_range_of_display);
    return g_test_run();
}
