/*
 * Input events on their way to a guest that takes its time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/xen/interface/io/kbdif.h"
#include "hw/xenpv/drivers/kbdif.h"

static XenPvKbdQueue *queue_new(void)
{
    XenPvKbdQueue *q = g_malloc(sizeof(*q));

    memset(q, 0xaa, sizeof(*q));
    xenpv_kbd_reset(q);
    return q;
}

static bool take(XenPvKbdQueue *q, union xenkbd_in_event *ev)
{
    const uint8_t *buf = xenpv_kbd_peek(q);

    if (!buf) {
        return false;
    }
    memcpy(ev, buf, sizeof(*ev));
    xenpv_kbd_pop(q);
    return true;
}

/* Every byte of it, padding included. */
static void expect(XenPvKbdQueue *q, union xenkbd_in_event want)
{
    union xenkbd_in_event got;

    g_assert_true(take(q, &got));
    g_assert_cmpmem(&got, sizeof(got), &want, sizeof(want));
}

/*
 * One compound literal after another would leave the padding to chance: all
 * fields of all kinds are set from a zeroed event.
 */
static union xenkbd_in_event key(unsigned code, bool down)
{
    union xenkbd_in_event ev;

    memset(&ev, 0, sizeof(ev));
    ev.key.type = XENKBD_TYPE_KEY;
    ev.key.pressed = down;
    ev.key.keycode = code;
    return ev;
}

static union xenkbd_in_event motion(int32_t x, int32_t y, int32_t z)
{
    union xenkbd_in_event ev;

    memset(&ev, 0, sizeof(ev));
    ev.motion.type = XENKBD_TYPE_MOTION;
    ev.motion.rel_x = x;
    ev.motion.rel_y = y;
    ev.motion.rel_z = z;
    return ev;
}

static union xenkbd_in_event position(int32_t x, int32_t y, int32_t z)
{
    union xenkbd_in_event ev;

    memset(&ev, 0, sizeof(ev));
    ev.pos.type = XENKBD_TYPE_POS;
    ev.pos.abs_x = x;
    ev.pos.abs_y = y;
    ev.pos.rel_z = z;
    return ev;
}

static union xenkbd_in_event touch(uint8_t what, uint8_t id, int32_t x,
                                   int32_t y)
{
    union xenkbd_in_event ev;

    memset(&ev, 0, sizeof(ev));
    ev.mtouch.type = XENKBD_TYPE_MTOUCH;
    ev.mtouch.event_type = what;
    ev.mtouch.contact_id = id;
    ev.mtouch.u.pos.abs_x = x;
    ev.mtouch.u.pos.abs_y = y;
    return ev;
}

static void test_encode(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();

    g_assert_null(xenpv_kbd_peek(q));
    xenpv_kbd_key(q, 30, true);
    xenpv_kbd_key(q, 30, false);
    xenpv_kbd_motion(q, -1, 2, -3);
    xenpv_kbd_position(q, 100, 200, 1);
    xenpv_kbd_key(q, 0x110, true);
    xenpv_kbd_touch_down(q, 3, 10, 20);
    xenpv_kbd_touch_motion(q, 3, 11, 21);
    xenpv_kbd_touch_sync(q);
    xenpv_kbd_touch_up(q, 3);
    xenpv_kbd_touch_sync(q);
    expect(q, key(30, true));
    expect(q, key(30, false));
    expect(q, motion(-1, 2, -3));
    expect(q, position(100, 200, 1));
    expect(q, key(0x110, true));
    expect(q, touch(XENKBD_MT_EV_DOWN, 3, 10, 20));
    expect(q, touch(XENKBD_MT_EV_MOTION, 3, 11, 21));
    expect(q, touch(XENKBD_MT_EV_SYN, 0, 0, 0));
    expect(q, touch(XENKBD_MT_EV_UP, 3, 0, 0));
    expect(q, touch(XENKBD_MT_EV_SYN, 0, 0, 0));
    g_assert_null(xenpv_kbd_peek(q));
}

/* What cannot be encoded leaves no trace. */
static void test_nonsense(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();

    xenpv_kbd_key(q, XENPV_KBD_CODES, true);
    xenpv_kbd_key(q, UINT_MAX, true);
    xenpv_kbd_touch_down(q, XENPV_KBD_MAX_CONTACTS, 1, 1);
    xenpv_kbd_touch_motion(q, UINT_MAX, 1, 1);
    xenpv_kbd_touch_motion(q, 2, 1, 1);     /* never came down */
    xenpv_kbd_touch_up(q, 2);
    xenpv_kbd_touch_up(q, UINT_MAX);
    g_assert_null(xenpv_kbd_peek(q));
}

/* Movements that wait are one; what is in between keeps its place. */
static void test_merge(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();
    int i;

    for (i = 0; i < 10000; i++) {
        xenpv_kbd_motion(q, 1, -2, i % 2);
    }
    xenpv_kbd_key(q, 0x110, true);
    for (i = 0; i < 10000; i++) {
        xenpv_kbd_position(q, i, 2 * i, 1);
    }
    xenpv_kbd_motion(q, INT32_MAX, INT32_MIN, 0);
    xenpv_kbd_motion(q, INT32_MAX, INT32_MIN, 0);
    expect(q, motion(10000, -20000, 5000));
    expect(q, key(0x110, true));
    expect(q, position(9999, 19998, 10000));
    expect(q, motion(INT32_MAX, INT32_MIN, 0));
    g_assert_null(xenpv_kbd_peek(q));
    g_assert_false(q->lost);
}

/* A key that was down when the guest went away does not stay down. */
static void test_key_stuck(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();
    union xenkbd_in_event ev;
    bool down[XENPV_KBD_CODES] = { false };
    unsigned code, nr = 0;

    xenpv_kbd_key(q, 42, true);
    for (code = 0; code < XENPV_KBD_QUEUE; code++) {
        xenpv_kbd_key(q, 30 + code % 2, true);
        xenpv_kbd_key(q, 30 + code % 2, false);
    }
    g_assert_true(q->lost);
    xenpv_kbd_key(q, 42, false);
    xenpv_kbd_key(q, 50, true);
    while (take(q, &ev)) {
        g_assert_cmpuint(ev.type, ==, XENKBD_TYPE_KEY);
        down[ev.key.keycode] = ev.key.pressed;
        nr++;
    }
    g_assert_cmpuint(nr, >=, XENPV_KBD_QUEUE);
    for (code = 0; code < XENPV_KBD_CODES; code++) {
        g_assert_cmpint(down[code], ==, code == 50);
    }
    g_assert_false(q->lost);
    xenpv_kbd_key(q, 50, false);
    expect(q, key(50, false));
}

static void test_contact_stuck(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();
    union xenkbd_in_event ev;
    uint16_t touching = 0;
    bool synced = true;
    int i;

    xenpv_kbd_touch_down(q, 0, 1, 1);
    xenpv_kbd_touch_sync(q);
    for (i = 0; i < XENPV_KBD_QUEUE; i++) {
        xenpv_kbd_touch_motion(q, 0, i, i);
        xenpv_kbd_touch_sync(q);
    }
    g_assert_true(q->lost);
    xenpv_kbd_touch_up(q, 0);
    xenpv_kbd_touch_down(q, 1, 5, 5);
    xenpv_kbd_touch_sync(q);
    while (take(q, &ev)) {
        g_assert_cmpuint(ev.type, ==, XENKBD_TYPE_MTOUCH);
        synced = ev.mtouch.event_type == XENKBD_MT_EV_SYN;
        if (ev.mtouch.event_type == XENKBD_MT_EV_DOWN) {
            touching |= 1 << ev.mtouch.contact_id;
        } else if (ev.mtouch.event_type == XENKBD_MT_EV_UP) {
            touching &= ~(1 << ev.mtouch.contact_id);
        } else if (ev.mtouch.event_type == XENKBD_MT_EV_MOTION) {
            g_assert_true(touching & (1 << ev.mtouch.contact_id));
        }
    }
    g_assert_cmpuint(touching, ==, 0);
    g_assert_true(synced);
    /* The other one begins where it is seen next. */
    xenpv_kbd_touch_motion(q, 1, 6, 7);
    expect(q, touch(XENKBD_MT_EV_DOWN, 1, 6, 7));
}

/*
 * Anything, with a guest that takes a few now and then: in the end it knows
 * what is down.
 */
static void test_random(void)
{
    g_autofree XenPvKbdQueue *q = queue_new();
    union xenkbd_in_event ev;
    bool want[8] = { false }, got[8] = { false };
    int i, n;

    for (i = 0; i < 20000; i++) {
        unsigned code = g_test_rand_int_range(0, 8);

        switch (g_test_rand_int_range(0, 4)) {
        case 0:
            xenpv_kbd_motion(q, 1, 1, 0);
            break;
        default:
            want[code] = g_test_rand_bit();
            xenpv_kbd_key(q, code, want[code]);
            break;
        }
        n = g_test_rand_int_range(0, 100) ? 0 : g_test_rand_int_range(0, 300);
        if (i == 19999) {
            n = INT_MAX;
        }
        while (n-- && take(q, &ev)) {
            if (ev.type == XENKBD_TYPE_KEY) {
                got[ev.key.keycode] = ev.key.pressed;
            }
        }
    }
    for (i = 0; i < 8; i++) {
        g_assert_cmpint(got[i], ==, want[i]);
    }
}

static void test_scale(void)
{
    static const struct {
        int64_t value;
        uint32_t size;
        int32_t want;
    } rows[] = {
        { 0,          800,       0 },
        { 0x7fff,     800,       799 },
        { 0x7ffe,     800,       799 },
        { 0x4000,     800,       400 },
        { -1,         800,       0 },
        { 0x8000,     800,       799 },
        { INT64_MIN,  800,       0 },
        { INT64_MAX,  800,       799 },
        { 0x7fff,     1,         0 },
        { 0x7fff,     0,         0 },
        { 0x7fff,     INT32_MAX, INT32_MAX - 1 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_cmpint(xenpv_kbd_scale(rows[i].value, rows[i].size), ==,
                        rows[i].want);
    }
}

/* The pixel that was pointed at, by way of what displays make of it. */
static void test_pixel_exact(void)
{
    static const int sizes[] = { 1, 2, 640, 800, 1366, 1920, 3840, 7680 };
    unsigned i;
    int x;

    for (i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (x = 0; x < sizes[i]; x++) {
            int64_t value = (int64_t)x * XENPV_KBD_RAW_MAX / sizes[i];

            g_assert_cmpint(xenpv_kbd_scale(value, sizes[i]), ==, x);
        }
    }
}

/* What waited comes; what was held is let go; nothing else is believed. */
static void test_saved(void)
{
    g_autofree XenPvKbdQueue *q = g_new0(XenPvKbdQueue, 1);
    g_autofree XenPvKbdQueue *to = g_new0(XenPvKbdQueue, 1);
    g_autoptr(GByteArray) out = g_byte_array_new();
    XenPvSaved in;
    unsigned len;

    xenpv_kbd_key(q, 30, true);
    xenpv_kbd_key(q, 0x110, true);
    xenpv_kbd_pop(q);
    xenpv_kbd_touch_down(q, 3, 1, 2);
    xenpv_kbd_save(q, out);

    in = (XenPvSaved) { .at = out->data, .left = out->len };
    g_assert_true(xenpv_kbd_load(to, &in));
    g_assert_cmpuint(in.left, ==, 0);
    g_assert_cmpuint(to->nr, ==, 2);
    g_assert_cmpmem(xenpv_kbd_peek(to), XENPV_KBD_EVENT_SIZE,
                    xenpv_kbd_peek(q), XENPV_KBD_EVENT_SIZE);
    xenpv_kbd_pop(to);
    xenpv_kbd_pop(to);
    /* Two keys and a contact, and what ends the contact's frame */
    for (len = 0; xenpv_kbd_peek(to); len++) {
        xenpv_kbd_pop(to);
    }
    g_assert_cmpuint(len, ==, 4);
    g_assert_true(bitmap_empty(to->told, XENPV_KBD_CODES));
    g_assert_cmpuint(to->touching_told, ==, 0);

    for (len = 0; len < out->len; len++) {
        in = (XenPvSaved) { .at = out->data, .left = len };
        g_assert_false(xenpv_kbd_load(to, &in));
    }
    stl_le_p(out->data, XENPV_KBD_QUEUE + 1);
    in = (XenPvSaved) { .at = out->data, .left = out->len };
    g_assert_false(xenpv_kbd_load(to, &in));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/kbdif/encode", test_encode);
    g_test_add_func("/xenpv/kbdif/nonsense", test_nonsense);
    g_test_add_func("/xenpv/kbdif/merge", test_merge);
    g_test_add_func("/xenpv/kbdif/key-stuck", test_key_stuck);
    g_test_add_func("/xenpv/kbdif/contact-stuck", test_contact_stuck);
    g_test_add_func("/xenpv/kbdif/random", test_random);
    g_test_add_func("/xenpv/kbdif/scale", test_scale);
    g_test_add_func("/xenpv/kbdif/saved", test_saved);
    g_test_add_func("/xenpv/kbdif/pixel-exact", test_pixel_exact);
    return g_test_run();
}
