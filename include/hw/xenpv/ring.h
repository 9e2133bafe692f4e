/*
 * Shared rings, seen from the back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Three kinds of ring carry all PV traffic.
 *
 * The request ring (XenPvRing) is one or more pages.  A 64-byte header holds
 * four indices; slots of one size follow, a power of two of them.  A slot
 * carries a request first and later a response:
 *
 *      rsp_prod          req_cons          req_prod
 *         |                 |                 |
 *   ------+-----------------+-----------------+------
 *    done |  taken, no      |  waiting        | free
 *         |  response yet   |                 |
 *
 * All indices run freely over 32 bits and are reduced only to find a slot.
 * The front end moves req_prod, we move the other two; req_cons is private
 * to us.  req_event and rsp_event hold notifications off: each side names
 * the index whose arrival it wants to be told of.  The rules are those of
 * Xen's public io/ring.h.  A consumer looks like this:
 *
 *     do {
 *         while (room && xenpv_ring_take(ring, &req, sizeof(req))) {
 *             start(&req);
 *         }
 *     } while (room && !xenpv_ring_idle(ring));
 *
 *     completion: xenpv_ring_put(ring, &rsp, sizeof(rsp));
 *     end of batch: if (xenpv_ring_push(ring)) { notify }
 *
 * The byte ring (XenPvByteRing) is one direction of a stream inside a single
 * page: console and xenstore have two of them each.  One side moves prod,
 * the other cons.  There is no hold-off: one notification per batch.
 *
 * The event ring (XenPvEventRing) is one direction of messages of one size,
 * also inside a single page: framebuffer and input devices have two of them.
 * No slot is answered, and there is no hold-off either: the reader tells a
 * writer that had no room, the writer tells the reader once per batch.  The
 * number of slots is what fits and no power of two.
 *
 * The peer is hostile.  All kinds keep their own index privately and use
 * the one in shared memory only to tell the peer; all copy data out exactly
 * once, so that what was checked is what is used; all go broken, for good,
 * when the peer's index is one it cannot have.  A broken ring is empty, full
 * and idle: loops over it end.  Who owns the ring looks at @broken after a
 * batch and closes the device.
 *
 * Memory barriers are in this file and nowhere else.  No function takes a
 * lock: one ring belongs to one thread at a time.
 */
#ifndef HW_XENPV_RING_H
#define HW_XENPV_RING_H

#include "qemu/atomic.h"
#include "qemu/host-utils.h"
#include "hw/xenpv/hypervisor.h"

/* Bytes before the first slot, and where the indices are in them. */
#define XENPV_RING_HEADER 64

typedef struct XenPvRingHeader {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    uint8_t pad[XENPV_RING_HEADER - 16];
} XenPvRingHeader;

/**
 * struct XenPvRing: the back end's view of one request ring
 * @page: host address of each page; borrowed from the map
 * @nr: slots, a power of two
 * @stride: bytes of one slot
 * @req_cons: the next request to take
 * @req_prod: the front end's producer as last read and judged
 * @rsp_prod: the next response to put
 * @rsp_pushed: responses the front end has been shown
 * @broken: the front end's producer was impossible
 */
typedef struct XenPvRing {
    void **page;
    uint32_t nr;
    uint32_t stride;
    uint32_t req_cons;
    uint32_t req_prod;
    uint32_t rsp_prod;
    uint32_t rsp_pushed;
    bool broken;
} XenPvRing;

/**
 * xenpv_ring_slots: how many slots fit
 * @nr_pages: pages of the ring
 * @stride: bytes of one slot
 *
 * Returns: a power of two, or 0 if not even one fits
 */
static inline uint32_t xenpv_ring_slots(uint32_t nr_pages, uint32_t stride)
{
    uint64_t room = (uint64_t)nr_pages * XENPV_PAGE_SIZE;

    if (!stride || room < XENPV_RING_HEADER + (uint64_t)stride) {
        return 0;
    }
    return pow2floor((room - XENPV_RING_HEADER) / stride);
}

static inline XenPvRingHeader *xenpv_ring_header(const XenPvRing *ring)
{
    return ring->page[0];
}

/**
 * xenpv_ring_init: start to consume a ring
 * @ring: to be filled in
 * @map: its pages; must outlive @ring
 * @stride: bytes of one slot, at most a page
 *
 * Picks up where a former back end of the same ring stopped answering: all
 * requests without a response are taken (again).  A fresh ring is a special
 * case of that.
 *
 * Returns: false if @map cannot hold one slot
 */
static inline bool xenpv_ring_init(XenPvRing *ring, const XenPvMap *map,
                                   uint32_t stride)
{
    uint32_t nr = xenpv_ring_slots(map->nr_pages, stride);
    uint32_t start;

    if (!nr || stride > XENPV_PAGE_SIZE) {
        return false;
    }
    start = qatomic_read(&((XenPvRingHeader *)map->page[0])->rsp_prod);
    *ring = (XenPvRing) {
        .page = map->page,
        .nr = nr,
        .stride = stride,
        .req_cons = start,
        .req_prod = start,
        .rsp_prod = start,
        .rsp_pushed = start,
    };
    return true;
}

/*
 * The pieces of slot @idx, bytes [@from, @from + @len) of it: pages of a ring
 * need not be neighbours in our address space, so a slot may lie in two.
 */
static inline void *xenpv_ring_at(const XenPvRing *ring, uint32_t idx,
                                  uint32_t from, uint32_t *len)
{
    uint32_t pos = XENPV_RING_HEADER + (idx & (ring->nr - 1)) * ring->stride +
                   from;
    uint32_t in_page = pos % XENPV_PAGE_SIZE;

    *len = MIN(*len, XENPV_PAGE_SIZE - in_page);
    return (uint8_t *)ring->page[pos / XENPV_PAGE_SIZE] + in_page;
}

/*
 * Read the front end's producer and judge it.  It may be at most one ring
 * ahead of the last response, and never behind what was already taken.
 */
static inline bool xenpv_ring_look(XenPvRing *ring)
{
    uint32_t prod;

    if (ring->broken) {
        return false;
    }
    /* The slots are read after the index that says they are filled. */
    prod = qatomic_load_acquire(&xenpv_ring_header(ring)->req_prod);
    if (prod - ring->rsp_prod > ring->nr ||
        prod - ring->req_cons > ring->nr) {
        ring->broken = true;
        ring->req_prod = ring->req_cons;
        return false;
    }
    ring->req_prod = prod;
    return prod != ring->req_cons;
}

/**
 * xenpv_ring_waiting: requests that can be taken now
 * @ring: the ring
 */
static inline uint32_t xenpv_ring_waiting(XenPvRing *ring)
{
    xenpv_ring_look(ring);
    return ring->req_prod - ring->req_cons;
}

/**
 * xenpv_ring_take: copy the next request out
 * @ring: the ring
 * @req: where to; private memory
 * @len: bytes to copy, at most the stride
 *
 * Returns: false if there is none, or the ring is broken
 */
static inline bool xenpv_ring_take(XenPvRing *ring, void *req, uint32_t len)
{
    uint32_t done, n;

    if (ring->req_cons == ring->req_prod && !xenpv_ring_look(ring)) {
        return false;
    }
    for (done = 0; done < len; done += n) {
        const void *src;

        n = len - done;
        src = xenpv_ring_at(ring, ring->req_cons, done, &n);
        memcpy((uint8_t *)req + done, src, n);
    }
    /* No second fetch: the compiler must not go back to the slot. */
    barrier();
    ring->req_cons++;
    return true;
}

/**
 * xenpv_ring_give_back: write a request into the ring once more
 * @ring: the ring
 * @nr: which of those that are taken and not answered: 0 is the one the next
 *      response goes to
 * @req: the request, a stride of bytes
 *
 * For who connects next, with xenpv_ring_init(): responses may lie in the
 * slots of requests that have yet to be answered, so that all of these are
 * given back, in any order.  To this XenPvRing they stay taken.
 */
static inline void xenpv_ring_give_back(XenPvRing *ring, uint32_t nr,
                                        const void *req)
{
    uint32_t done, n;

    assert(nr < ring->req_cons - ring->rsp_prod);
    for (done = 0; done < ring->stride; done += n) {
        void *dst;

        n = ring->stride - done;
        dst = xenpv_ring_at(ring, ring->rsp_prod + nr, done, &n);
        memcpy(dst, (const uint8_t *)req + done, n);
    }
}

/**
 * xenpv_ring_put: copy a response in
 * @ring: the ring
 * @rsp: the response
 * @len: its bytes; the rest of the slot is zeroed
 *
 * One response per request taken, in any order.  Not seen by the front end
 * before xenpv_ring_push().
 */
static inline void xenpv_ring_put(XenPvRing *ring, const void *rsp,
                                  uint32_t len)
{
    uint32_t done, n;

    /* Both private: only a driver that answers twice gets here. */
    assert(ring->rsp_prod != ring->req_cons);
    assert(len <= ring->stride);
    for (done = 0; done < ring->stride; done += n) {
        void *dst;

        n = (done < len ? len : ring->stride) - done;
        dst = xenpv_ring_at(ring, ring->rsp_prod, done, &n);
        if (done < len) {
            memcpy(dst, (const uint8_t *)rsp + done, n);
        } else {
            memset(dst, 0, n);
        }
    }
    ring->rsp_prod++;
}

/**
 * xenpv_ring_push: show the front end all responses put so far
 * @ring: the ring
 *
 * Returns: true if the front end wants to be notified
 */
static inline bool xenpv_ring_push(XenPvRing *ring)
{
    XenPvRingHeader *shared = xenpv_ring_header(ring);
    uint32_t old = ring->rsp_pushed, new = ring->rsp_prod;
    uint32_t event;

    if (old == new) {
        return false;
    }
    /* The slots are filled before the index says so. */
    qatomic_store_release(&shared->rsp_prod, new);
    ring->rsp_pushed = new;
    /*
     * The front end writes rsp_event and then looks at rsp_prod; we do the
     * reverse.  With a full barrier on both sides at least one sees the
     * other's write.
     */
    smp_mb();
    event = qatomic_read(&shared->rsp_event);
    return new - event < new - old;
}

/**
 * xenpv_ring_idle: may we wait for an event?
 * @ring: the ring
 *
 * Asks to be notified of the next request, then looks again for one that
 * came in between.
 *
 * Returns: true if there is nothing to take and an event will come when
 *          there is; false if there is more to take
 */
static inline bool xenpv_ring_idle(XenPvRing *ring)
{
    if (ring->req_cons != ring->req_prod) {
        return false;
    }
    if (ring->broken) {
        return true;
    }
    qatomic_set(&xenpv_ring_header(ring)->req_event, ring->req_cons + 1);
    /* Pairs with the front end's barrier between req_prod and req_event. */
    smp_mb();
    return !xenpv_ring_look(ring);
}

/**
 * xenpv_ring_await: may we wait for this many requests?
 * @ring: the ring
 * @nr: how many are needed; at most as many as there are slots
 *
 * As xenpv_ring_idle() for who cannot use fewer: what is there already stays.
 *
 * Returns: true if an event will come when there are as many; false if there
 *          are
 */
static inline bool xenpv_ring_await(XenPvRing *ring, uint32_t nr)
{
    if (ring->broken) {
        return true;
    }
    qatomic_set(&xenpv_ring_header(ring)->req_event, ring->req_cons + nr);
    /* Pairs with the front end's barrier between req_prod and req_event. */
    smp_mb();
    return xenpv_ring_waiting(ring) < nr;
}

/**
 * struct XenPvByteRing: one direction of a byte stream, from our end
 * @data: the bytes, shared
 * @size: how many, a power of two
 * @own: the shared index we move: cons when we read, prod when we write
 * @peer: the shared index the other side moves
 * @pos: our index; @own is written from it and never read back
 * @broken: the peer's index was impossible
 */
typedef struct XenPvByteRing {
    uint8_t *data;
    uint32_t size;
    uint32_t *own;
    uint32_t *peer;
    uint32_t pos;
    bool broken;
} XenPvByteRing;

/**
 * xenpv_byte_ring_init: start to use one direction
 * @ring: to be filled in
 * @data: the shared bytes
 * @size: how many, a power of two
 * @own: the shared index we move
 * @peer: the shared index the other side moves
 *
 * Goes on from where @own stands.  Call it again to start over after the
 * peer was reset.
 */
static inline void xenpv_byte_ring_init(XenPvByteRing *ring, void *data,
                                        uint32_t size, uint32_t *own,
                                        uint32_t *peer)
{
    assert(is_power_of_2(size));
    *ring = (XenPvByteRing) {
        .data = data,
        .size = size,
        .own = own,
        .peer = peer,
        .pos = qatomic_read(own),
    };
}

/* Distance of the indices if it is possible, else 0 and broken. */
static inline uint32_t xenpv_byte_ring_judge(XenPvByteRing *ring,
                                             uint32_t distance)
{
    if (distance > ring->size) {
        ring->broken = true;
        return 0;
    }
    return distance;
}

/* Bytes from index @idx to the end of the buffer, at most @len. */
static inline uint32_t xenpv_byte_ring_run(const XenPvByteRing *ring,
                                           uint32_t idx, uint32_t len)
{
    return MIN(len, ring->size - (idx & (ring->size - 1)));
}

/**
 * xenpv_byte_ring_filled: bytes waiting to be read
 * @ring: a ring we read
 *
 * Returns: 0 too when the ring is broken
 */
static inline uint32_t xenpv_byte_ring_filled(XenPvByteRing *ring)
{
    if (ring->broken) {
        return 0;
    }
    return xenpv_byte_ring_judge(ring,
                                 qatomic_load_acquire(ring->peer) - ring->pos);
}

/**
 * xenpv_byte_ring_space: bytes that can be written
 * @ring: a ring we write
 *
 * Returns: 0 too when the ring is broken
 */
static inline uint32_t xenpv_byte_ring_space(XenPvByteRing *ring)
{
    uint32_t used;

    if (ring->broken) {
        return 0;
    }
    used = xenpv_byte_ring_judge(ring,
                                 ring->pos - qatomic_load_acquire(ring->peer));
    return ring->broken ? 0 : ring->size - used;
}

/**
 * xenpv_byte_ring_peek: copy waiting bytes out and leave them there
 * @ring: a ring we read
 * @buf: where to; private memory
 * @len: at most this many
 *
 * Returns: bytes copied
 */
static inline uint32_t xenpv_byte_ring_peek(XenPvByteRing *ring, void *buf,
                                            uint32_t len)
{
    uint32_t done, n;

    len = MIN(len, xenpv_byte_ring_filled(ring));
    for (done = 0; done < len; done += n) {
        uint32_t idx = ring->pos + done;

        n = xenpv_byte_ring_run(ring, idx, len - done);
        memcpy((uint8_t *)buf + done, ring->data + (idx & (ring->size - 1)),
               n);
    }
    barrier();
    return len;
}

/**
 * xenpv_byte_ring_skip: give bytes that were peeked back to the writer
 * @ring: a ring we read
 * @len: at most what the last peek returned
 */
static inline void xenpv_byte_ring_skip(XenPvByteRing *ring, uint32_t len)
{
    ring->pos += len;
    /* The bytes are copied before the writer may reuse their place. */
    qatomic_store_release(ring->own, ring->pos);
}

/**
 * xenpv_byte_ring_read: take waiting bytes
 * @ring: a ring we read
 * @buf: where to; private memory
 * @len: at most this many
 *
 * Returns: bytes taken; if any, the writer should be notified
 */
static inline uint32_t xenpv_byte_ring_read(XenPvByteRing *ring, void *buf,
                                            uint32_t len)
{
    len = xenpv_byte_ring_peek(ring, buf, len);
    if (len) {
        xenpv_byte_ring_skip(ring, len);
    }
    return len;
}

/**
 * xenpv_byte_ring_write: append bytes
 * @ring: a ring we write
 * @buf: the bytes
 * @len: how many
 *
 * Returns: bytes written, less than @len if the ring is full or broken; if
 *          any, the reader should be notified
 */
static inline uint32_t xenpv_byte_ring_write(XenPvByteRing *ring,
                                             const void *buf, uint32_t len)
{
    uint32_t done, n;

    len = MIN(len, xenpv_byte_ring_space(ring));
    for (done = 0; done < len; done += n) {
        uint32_t idx = ring->pos + done;

        n = xenpv_byte_ring_run(ring, idx, len - done);
        memcpy(ring->data + (idx & (ring->size - 1)),
               (const uint8_t *)buf + done, n);
    }
    if (len) {
        ring->pos += len;
        /* The bytes are there before the index says so. */
        qatomic_store_release(ring->own, ring->pos);
    }
    return len;
}

/**
 * struct XenPvEventRing: one direction of events of one size, from our end
 * @slot: the slots, shared
 * @nr: how many
 * @stride: bytes of one event
 * @own: the shared index we move: cons when we read, prod when we write
 * @peer: the shared index the other side moves
 * @pos: our index; @own is written from it and never read back
 * @shown: our index as the peer has been shown it
 * @end: a ring we read: the peer's index as last read and judged
 * @broken: the peer's index was impossible
 */
typedef struct XenPvEventRing {
    uint8_t *slot;
    uint32_t nr;
    uint32_t stride;
    uint32_t *own;
    uint32_t *peer;
    uint32_t pos;
    uint32_t shown;
    uint32_t end;
    bool broken;
} XenPvEventRing;

/**
 * xenpv_event_ring_init: start to use one direction
 * @ring: to be filled in
 * @slot: the shared slots
 * @nr: how many
 * @stride: bytes of one event
 * @own: the shared index we move
 * @peer: the shared index the other side moves
 *
 * Goes on from where @own stands.
 */
static inline void xenpv_event_ring_init(XenPvEventRing *ring, void *slot,
                                         uint32_t nr, uint32_t stride,
                                         uint32_t *own, uint32_t *peer)
{
    uint32_t start = qatomic_read(own);

    *ring = (XenPvEventRing) {
        .slot = slot,
        .nr = nr,
        .stride = stride,
        .own = own,
        .peer = peer,
        .pos = start,
        .shown = start,
        .end = start,
    };
}

static inline void *xenpv_event_ring_at(const XenPvEventRing *ring)
{
    return ring->slot + ring->pos % ring->nr * ring->stride;
}

/**
 * xenpv_event_ring_take: copy the next event out
 * @ring: a ring we read
 * @ev: where to; private memory, @stride bytes
 *
 * At most as many as the ring has slots before the next
 * xenpv_event_ring_release().
 *
 * Returns: false if there is none, or the ring is broken
 */
static inline bool xenpv_event_ring_take(XenPvEventRing *ring, void *ev)
{
    if (ring->broken) {
        return false;
    }
    if (ring->pos == ring->end) {
        /* The slots are read after the index that says they are filled. */
        uint32_t prod = qatomic_load_acquire(ring->peer);

        if (prod - ring->shown > ring->nr ||
            prod - ring->pos > ring->nr) {
            ring->broken = true;
            return false;
        }
        ring->end = prod;
        if (ring->pos == prod) {
            return false;
        }
    }
    memcpy(ev, xenpv_event_ring_at(ring), ring->stride);
    /* No second fetch: the compiler must not go back to the slot. */
    barrier();
    ring->pos++;
    return true;
}

/**
 * xenpv_event_ring_release: give the slots of taken events back
 * @ring: a ring we read
 *
 * Returns: true if the writer may have found the ring full, and waits to be
 *          notified
 */
static inline bool xenpv_event_ring_release(XenPvEventRing *ring)
{
    uint32_t old = ring->shown;

    if (ring->pos == old) {
        return false;
    }
    /* The events are copied before the writer may reuse their slots. */
    qatomic_store_release(ring->own, ring->pos);
    ring->shown = ring->pos;
    /*
     * The writer moves its index and then looks whether there is room; we
     * make room and then look at its index.  With a full barrier on both sides
     * one of us sees what the other did.
     */
    smp_mb();
    return qatomic_read(ring->peer) - old >= ring->nr;
}

/**
 * xenpv_event_ring_put: append an event
 * @ring: a ring we write
 * @ev: the event, @stride bytes
 *
 * Not seen by the reader before xenpv_event_ring_push().
 *
 * Returns: false if the ring is full or broken
 */
static inline bool xenpv_event_ring_put(XenPvEventRing *ring, const void *ev)
{
    uint32_t used;

    if (ring->broken) {
        return false;
    }
    used = ring->pos - qatomic_load_acquire(ring->peer);
    if (used > ring->nr) {
        ring->broken = true;
        return false;
    }
    if (used == ring->nr) {
        return false;
    }
    memcpy(xenpv_event_ring_at(ring), ev, ring->stride);
    ring->pos++;
    return true;
}

/**
 * xenpv_event_ring_push: show the reader all events put so far
 * @ring: a ring we write
 *
 * Returns: true if there are any, and the reader is to be notified
 */
static inline bool xenpv_event_ring_push(XenPvEventRing *ring)
{
    if (ring->pos == ring->shown) {
        return false;
    }
    /* The slots are filled before the index says so. */
    qatomic_store_release(ring->own, ring->pos);
    ring->shown = ring->pos;
    return true;
}

#endif /* HW_XENPV_RING_H */
