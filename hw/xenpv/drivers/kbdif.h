/*
 * The input protocol: events as the front end reads them, and what becomes of
 * them while it does not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  Sources: Xen's public io/kbdif.h, and what Linux's xen-kbdfront does
 * where that is silent.
 *
 * A guest takes events when it gets round to it, and the ring has room for 51.
 * What does not fit waits in a queue of ours:
 *
 *     keys, pointer, touch --> XenPvKbdQueue --> ring
 *
 * Movements that wait are added up.  A queue that is full forgets what comes,
 * and remembers that it did: when there is room again the front end is told
 * how keys, buttons and contacts are by now.  So no key stays down for ever,
 * however long a guest was away.
 */
#ifndef HW_XENPV_DRIVERS_KBDIF_H
#define HW_XENPV_DRIVERS_KBDIF_H

#include "hw/xenpv/saved.h"
#include "qemu/bitmap.h"

#define XENPV_KBD_EVENT_SIZE    40

/* As many events can wait.  Nobody types that far ahead. */
#define XENPV_KBD_QUEUE         256

/* Key and button codes, those of Linux's input-event-codes.h */
#define XENPV_KBD_CODES         0x300

/* Fingers; contact ids are smaller */
#define XENPV_KBD_MAX_CONTACTS  10

/* Both ends of the range that raw positions have, as displays give them */
#define XENPV_KBD_RAW_MAX       0x7fff

/**
 * XenPvKbdQueue: events that wait for room in the ring
 * @event: a circular buffer
 * @first: position of the oldest
 * @nr: how many there are
 * @lost: something was forgotten
 * @down: keys and buttons that are down
 * @told: those that the front end has been told are down, or will be by what
 *     is in the queue
 * @touching: contacts that touch
 * @touching_told: as @told
 */
typedef struct XenPvKbdQueue {
    uint8_t event[XENPV_KBD_QUEUE][XENPV_KBD_EVENT_SIZE];
    unsigned first;
    unsigned nr;
    bool lost;
    DECLARE_BITMAP(down, XENPV_KBD_CODES);
    DECLARE_BITMAP(told, XENPV_KBD_CODES);
    uint16_t touching;
    uint16_t touching_told;
} XenPvKbdQueue;

/** xenpv_kbd_reset: a front end that has seen nothing yet */
void xenpv_kbd_reset(XenPvKbdQueue *q);

/** xenpv_kbd_key: @code is XENPV_KBD_CODES at most; repeats are events too */
void xenpv_kbd_key(XenPvKbdQueue *q, unsigned code, bool down);
/** xenpv_kbd_motion: by so much; @z: of the wheel, down is positive */
void xenpv_kbd_motion(XenPvKbdQueue *q, int32_t x, int32_t y, int32_t z);
/** xenpv_kbd_position: to there; @z is relative */
void xenpv_kbd_position(XenPvKbdQueue *q, int32_t x, int32_t y, int32_t z);
/** xenpv_kbd_touch_down: contact @id, below XENPV_KBD_MAX_CONTACTS */
void xenpv_kbd_touch_down(XenPvKbdQueue *q, unsigned id, int32_t x,
                          int32_t y);
void xenpv_kbd_touch_motion(XenPvKbdQueue *q, unsigned id, int32_t x,
                            int32_t y);
void xenpv_kbd_touch_up(XenPvKbdQueue *q, unsigned id);
/** xenpv_kbd_touch_sync: what came since the last one belongs together */
void xenpv_kbd_touch_sync(XenPvKbdQueue *q);

/**
 * xenpv_kbd_peek: the oldest event
 *
 * When all that waited has gone and something was lost, what the front end
 * has missed of it comes now.
 *
 * Returns: XENPV_KBD_EVENT_SIZE bytes, or NULL
 */
const uint8_t *xenpv_kbd_peek(XenPvKbdQueue *q);
/** xenpv_kbd_pop: that one is in the ring */
void xenpv_kbd_pop(XenPvKbdQueue *q);

/** xenpv_kbd_save: append what the front end has yet to hear */
void xenpv_kbd_save(const XenPvKbdQueue *q, GByteArray *out);
/**
 * xenpv_kbd_load: go on as the queue that was saved
 *
 * What is held down was held down elsewhere: the front end will hear that it
 * is up.
 *
 * Returns: false if there never was such a queue
 */
bool xenpv_kbd_load(XenPvKbdQueue *q, XenPvSaved *in);

/**
 * xenpv_kbd_scale: a position between 0 and XENPV_KBD_RAW_MAX, in pixels
 * @value: any number
 * @size: pixels there are
 *
 * Returns: 0 to @size - 1
 */
int32_t xenpv_kbd_scale(int64_t value, uint32_t size);

#endif /* HW_XENPV_DRIVERS_KBDIF_H */
