/*
 * The input protocol: events as the front end reads them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/xen/interface/io/kbdif.h"
#include "kbdif.h"

QEMU_BUILD_BUG_ON(XENKBD_IN_EVENT_SIZE != XENPV_KBD_EVENT_SIZE);
QEMU_BUILD_BUG_ON(sizeof(union xenkbd_in_event) != XENPV_KBD_EVENT_SIZE);

typedef union xenkbd_in_event KbdEvent;

void xenpv_kbd_reset(XenPvKbdQueue *q)
{
    q->first = q->nr = 0;
    q->lost = false;
    bitmap_zero(q->down, XENPV_KBD_CODES);
    bitmap_zero(q->told, XENPV_KBD_CODES);
    q->touching = q->touching_told = 0;
}

/* ---- the queue ---- */

static void *at(XenPvKbdQueue *q, unsigned i)
{
    return q->event[(q->first + i) % XENPV_KBD_QUEUE];
}

/* A new event, zeroed; NULL: no room. */
static KbdEvent *append(XenPvKbdQueue *q, uint8_t type)
{
    KbdEvent *ev;

    if (q->nr == XENPV_KBD_QUEUE) {
        q->lost = true;
        return NULL;
    }
    ev = at(q, q->nr++);
    memset(ev, 0, sizeof(*ev));
    ev->type = type;
    return ev;
}

/* The newest event if it is of this type, else a new one. */
static KbdEvent *append_or_merge(XenPvKbdQueue *q, uint8_t type)
{
    KbdEvent *last = q->nr ? at(q, q->nr - 1) : NULL;

    return last && last->type == type ? last : append(q, type);
}

static int32_t add(int32_t a, int32_t b)
{
    return MIN(MAX((int64_t)a + b, INT32_MIN), INT32_MAX);
}

/* ---- events ---- */

static bool put_key(XenPvKbdQueue *q, unsigned code, bool down)
{
    KbdEvent *ev = append(q, XENKBD_TYPE_KEY);

    if (!ev) {
        return false;
    }
    ev->key.pressed = down;
    ev->key.keycode = code;
    if (down) {
        set_bit(code, q->told);
    } else {
        clear_bit(code, q->told);
    }
    return true;
}

void xenpv_kbd_key(XenPvKbdQueue *q, unsigned code, bool down)
{
    if (code >= XENPV_KBD_CODES) {
        return;
    }
    if (down) {
        set_bit(code, q->down);
    } else {
        clear_bit(code, q->down);
    }
    if (q->lost) {
        /* It comes with the rest: in between something is missing. */
        return;
    }
    put_key(q, code, down);
}

void xenpv_kbd_motion(XenPvKbdQueue *q, int32_t x, int32_t y, int32_t z)
{
    KbdEvent *ev = append_or_merge(q, XENKBD_TYPE_MOTION);

    if (ev) {
        ev->motion.rel_x = add(ev->motion.rel_x, x);
        ev->motion.rel_y = add(ev->motion.rel_y, y);
        ev->motion.rel_z = add(ev->motion.rel_z, z);
    }
}

void xenpv_kbd_position(XenPvKbdQueue *q, int32_t x, int32_t y, int32_t z)
{
    KbdEvent *ev = append_or_merge(q, XENKBD_TYPE_POS);

    if (ev) {
        ev->pos.abs_x = x;
        ev->pos.abs_y = y;
        ev->pos.rel_z = add(ev->pos.rel_z, z);
    }
}

static KbdEvent *append_touch(XenPvKbdQueue *q, uint8_t what, unsigned id)
{
    KbdEvent *ev = append(q, XENKBD_TYPE_MTOUCH);

    if (ev) {
        ev->mtouch.event_type = what;
        ev->mtouch.contact_id = id;
    }
    return ev;
}

static void put_touch_position(XenPvKbdQueue *q, uint8_t what, unsigned id,
                               int32_t x, int32_t y)
{
    KbdEvent *ev = append_touch(q, what, id);

    if (ev) {
        ev->mtouch.u.pos.abs_x = x;
        ev->mtouch.u.pos.abs_y = y;
        q->touching_told |= 1 << id;
    }
}

void xenpv_kbd_touch_down(XenPvKbdQueue *q, unsigned id, int32_t x, int32_t y)
{
    if (id < XENPV_KBD_MAX_CONTACTS) {
        q->touching |= 1 << id;
        if (!q->lost) {
            put_touch_position(q, XENKBD_MT_EV_DOWN, id, x, y);
        }
    }
}

/* A contact whose beginning was lost begins where it is now. */
void xenpv_kbd_touch_motion(XenPvKbdQueue *q, unsigned id, int32_t x,
                            int32_t y)
{
    if (id < XENPV_KBD_MAX_CONTACTS && q->touching & (1 << id) && !q->lost) {
        put_touch_position(q, q->touching_told & (1 << id) ?
                           XENKBD_MT_EV_MOTION : XENKBD_MT_EV_DOWN, id, x, y);
    }
}

void xenpv_kbd_touch_up(XenPvKbdQueue *q, unsigned id)
{
    if (id < XENPV_KBD_MAX_CONTACTS) {
        q->touching &= ~(1 << id);
        if (!q->lost && q->touching_told & (1 << id) &&
            append_touch(q, XENKBD_MT_EV_UP, id)) {
            q->touching_told &= ~(1 << id);
        }
    }
}

void xenpv_kbd_touch_sync(XenPvKbdQueue *q)
{
    if (!q->lost) {
        append_touch(q, XENKBD_MT_EV_SYN, 0);
    }
}

/* ---- what was lost ---- */

/* There is room for all of it, or the rest comes when this has gone. */
static void make_up(XenPvKbdQueue *q)
{
    DECLARE_BITMAP(differs, XENPV_KBD_CODES);
    unsigned code, id;
    bool lifted = false;

    q->lost = false;
    bitmap_xor(differs, q->down, q->told, XENPV_KBD_CODES);
    for (code = find_first_bit(differs, XENPV_KBD_CODES);
         code < XENPV_KBD_CODES;
         code = find_next_bit(differs, XENPV_KBD_CODES, code + 1)) {
        put_key(q, code, test_bit(code, q->down));
    }
    for (id = 0; id < XENPV_KBD_MAX_CONTACTS; id++) {
        if (q->touching_told & ~q->touching & (1 << id) &&
            append_touch(q, XENKBD_MT_EV_UP, id)) {
            q->touching_told &= ~(1 << id);
            lifted = true;
        }
    }
    if (lifted) {
        append_touch(q, XENKBD_MT_EV_SYN, 0);
    }
}

const uint8_t *xenpv_kbd_peek(XenPvKbdQueue *q)
{
    if (!q->nr && q->lost) {
        make_up(q);
    }
    return q->nr ? at(q, 0) : NULL;
}

void xenpv_kbd_pop(XenPvKbdQueue *q)
{
    q->first = (q->first + 1) % XENPV_KBD_QUEUE;
    q->nr--;
}

void xenpv_kbd_save(const XenPvKbdQueue *q, GByteArray *out)
{
    unsigned i;

    xenpv_saved_put_u32(out, q->nr);
    for (i = 0; i < q->nr; i++) {
        g_byte_array_append(out, q->event[(q->first + i) % XENPV_KBD_QUEUE],
                            XENPV_KBD_EVENT_SIZE);
    }
    for (i = 0; i < XENPV_KBD_CODES; i += 8) {
        xenpv_saved_put_u8(out, q->told[i / BITS_PER_LONG] >>
                                i % BITS_PER_LONG);
    }
    xenpv_saved_put_u32(out, q->touching_told);
}

/* Events need no judge: they go to the guest, as its own. */
bool xenpv_kbd_load(XenPvKbdQueue *q, XenPvSaved *in)
{
    uint32_t nr = xenpv_saved_u32(in), touching, i, bit;
    const uint8_t *events;

    xenpv_kbd_reset(q);
    if (nr > XENPV_KBD_QUEUE) {
        return false;
    }
    events = xenpv_saved_take(in, nr * XENPV_KBD_EVENT_SIZE);
    if (!events) {
        return false;
    }
    memcpy(q->event, events, nr * XENPV_KBD_EVENT_SIZE);
    q->nr = nr;
    for (i = 0; i < XENPV_KBD_CODES; i += 8) {
        uint8_t eight = xenpv_saved_u8(in);

        for (bit = 0; bit < 8; bit++) {
            if (eight & (1 << bit)) {
                set_bit(i + bit, q->told);
            }
        }
    }
    touching = xenpv_saved_u32(in);
    q->touching_told = touching;
    q->lost = true;
    return !in->bad && !(touching >> XENPV_KBD_MAX_CONTACTS);
}

/*
 * Displays make x * RAW_MAX / size of a pixel and drop what is behind the
 * point: rounded the other way it is the pixel again.
 */
int32_t xenpv_kbd_scale(int64_t value, uint32_t size)
{
    int64_t scaled;

    value = MIN(MAX(value, 0), XENPV_KBD_RAW_MAX);
    scaled = (value * size + XENPV_KBD_RAW_MAX / 2) / XENPV_KBD_RAW_MAX;
    return size ? MIN(scaled, size - 1) : 0;
}
