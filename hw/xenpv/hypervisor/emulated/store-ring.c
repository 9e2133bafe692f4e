/*
 * The guest's store page: bytes in, bytes out.  What they mean is wire.c's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Protocol (io/xs_wire.h and Xen's docs/misc/xenstore-ring.txt): two byte
 * rings of 1 KiB with free-running indexes.  We own req_cons and rsp_prod;
 * like xenstored we take all four from the page each time, so that a guest
 * which starts over with a zeroed page is understood.  An index more than a
 * ring ahead of its partner, or a payload longer than the protocol's limit,
 * ends the conversation: the reason goes into the page's error field and
 * nothing is done until the guest asks for a reconnection or the machine is
 * reset.
 *
 * Back-pressure.  One message is on its way out at a time.  A new request is
 * looked at only when that one has gone and few watch events are waiting, so
 * a guest that does not read its answers is not served either.
 *
 * Order of memory accesses.  A producer's index is read before the bytes it
 * covers (acquire); our own is written after the bytes (release).  Room in
 * the guest's input ring is read before we write into it.  The event goes
 * last; setting its bit is a full barrier.
 *
 * Events that are not sent.  Linux notifies of a request only when it finds
 * that we had taken all before it, and of room only when it finds the ring
 * was full.  So we look at its index once more after ours is visible (full
 * barrier).  Linux has no such barrier between writing its index and reading
 * ours (drivers/xen/xenbus/xenbus_comms.c), so both may still miss each
 * other: some time after anything has moved we look again.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "emu-internal.h"
#include "wire.h"
#include "hw/xenpv/trace.h"

/* Requests served in one go before the main loop gets a turn */
#define RING_BATCH      32

/* Watch events waiting beyond which no request is served */
#define RING_EVENTS     64

/* Much longer than a store stays in a processor's buffer */
#define RING_LOOK_AGAIN_MS      2

struct XenPvEmuRing {
    XenPvEmu *emu;
    uint64_t mfn;
    struct xenstore_domain_interface *page;
    XenPvChannel *channel;
    XenPvStoreConn *conn;
    QEMUBH *bh;
    QEMUTimer *look_again;
    bool broken;
    uint8_t in[XENPV_WIRE_MAX];
    uint32_t in_len;
    GByteArray *out;
    uint32_t out_pos;       /* bytes of @out that are in the ring already */
};

static bool out_busy(XenPvEmuRing *ring)
{
    return ring->out_pos < ring->out->len;
}

static void forget_messages(XenPvEmuRing *ring)
{
    ring->in_len = 0;
    ring->out_pos = 0;
    g_byte_array_set_size(ring->out, 0);
}

static void ring_break(XenPvEmuRing *ring, uint32_t error)
{
    trace_xenpv_xs_ring_broken(error);
    ring->broken = true;
    forget_messages(ring);
    xenpv_xs_conn_reset(ring->conn);
    qatomic_set(&ring->page->error, error);
}

/* Everything as at the start, except what is in the store. */
static void ring_reconnect(XenPvEmuRing *ring)
{
    struct xenstore_domain_interface *page = ring->page;

    trace_xenpv_xs_ring_reconnect();
    ring->broken = false;
    forget_messages(ring);
    xenpv_xs_conn_reset(ring->conn);
    qatomic_set(&page->req_cons, 0);
    qatomic_set(&page->req_prod, 0);
    qatomic_set(&page->rsp_cons, 0);
    qatomic_set(&page->rsp_prod, 0);
    qatomic_set(&page->error, XENSTORE_ERROR_NONE);
    qatomic_store_release(&page->connection, XENSTORE_CONNECTED);
}

/* Copy between a ring and flat memory; @len is at most the ring's size. */
static void ring_get(uint8_t *to, const char *ring, uint32_t idx, uint32_t len)
{
    uint32_t at = MASK_XENSTORE_IDX(idx);
    uint32_t first = MIN(len, XENSTORE_RING_SIZE - at);

    memcpy(to, ring + at, first);
    memcpy(to + first, ring, len - first);
}

static void ring_put(char *ring, uint32_t idx, const uint8_t *from,
                     uint32_t len)
{
    uint32_t at = MASK_XENSTORE_IDX(idx);
    uint32_t first = MIN(len, XENSTORE_RING_SIZE - at);

    memcpy(ring + at, from, first);
    memcpy(ring, from + first, len - first);
}

/* Returns bytes moved. */
static uint32_t push_out(XenPvEmuRing *ring)
{
    struct xenstore_domain_interface *page = ring->page;
    uint32_t prod = qatomic_read(&page->rsp_prod);
    uint32_t cons = qatomic_read(&page->rsp_cons);
    uint32_t used = prod - cons;
    uint32_t len;

    if (used > XENSTORE_RING_SIZE) {
        ring_break(ring, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    len = MIN(XENSTORE_RING_SIZE - used, ring->out->len - ring->out_pos);
    smp_mb(); /* the room was seen free before anything is put there */
    ring_put(page->rsp, prod, ring->out->data + ring->out_pos, len);
    qatomic_store_release(&page->rsp_prod, prod + len);
    smp_mb(); /* before rsp_cons is read again: see the head of this file */
    ring->out_pos += len;
    return len;
}

/* What the next bytes must complete: the header, then the whole message. */
static uint32_t in_want(XenPvEmuRing *ring, struct xsd_sockmsg *header)
{
    if (ring->in_len < XENPV_WIRE_HEADER) {
        return XENPV_WIRE_HEADER;
    }
    memcpy(header, ring->in, XENPV_WIRE_HEADER);
    return XENPV_WIRE_HEADER + header->len;
}

/* Take bytes until @want of the message are here or the ring is empty. */
static uint32_t pull_in(XenPvEmuRing *ring, uint32_t want)
{
    struct xenstore_domain_interface *page = ring->page;
    uint32_t prod = qatomic_load_acquire(&page->req_prod);
    uint32_t cons = qatomic_read(&page->req_cons);
    uint32_t len = prod - cons;

    if (len > XENSTORE_RING_SIZE) {
        ring_break(ring, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    len = MIN(len, want - ring->in_len);
    ring_get(ring->in + ring->in_len, page->req, cons, len);
    qatomic_store_release(&page->req_cons, cons + len);
    smp_mb(); /* before req_prod is read again: see the head of this file */
    ring->in_len += len;
    return len;
}

/*
 * Read one request as far as it has come.  Returns true when it was complete
 * and has been answered; @moved counts bytes taken.
 */
static bool serve_one(XenPvEmuRing *ring, uint32_t *moved)
{
    struct xsd_sockmsg header = { 0 };
    uint32_t want, len;

    while (!ring->broken) {
        want = in_want(ring, &header);
        if (want > XENPV_WIRE_MAX || want < XENPV_WIRE_HEADER) {
            ring_break(ring, XENSTORE_ERROR_PROTO);
            return false;
        }
        if (ring->in_len == want) {
            xenpv_wire_execute(ring->conn, &header,
                               (char *)ring->in + XENPV_WIRE_HEADER,
                               ring->out);
            ring->out_pos = 0;
            ring->in_len = 0;
            return true;
        }
        len = pull_in(ring, want);
        *moved += len;
        if (!len) {
            return false;
        }
    }
    return false;
}

static void next_event(XenPvEmuRing *ring)
{
    XenPvStoreEvent *event = xenpv_xs_next_event(ring->conn);

    if (event) {
        xenpv_wire_event(event, ring->out);
        ring->out_pos = 0;
        xenpv_xs_event_free(event);
    }
}

static void ring_pump(XenPvEmuRing *ring)
{
    uint32_t moved = 0;
    unsigned served = 0;

    if (ring->emu->held) {
        return;
    }
    if (qatomic_load_acquire(&ring->page->connection) == XENSTORE_RECONNECT) {
        ring_reconnect(ring);
        moved = 1;
    }
    while (!ring->broken) {
        if (out_busy(ring)) {
            uint32_t pushed = push_out(ring);

            moved += pushed;
            if (out_busy(ring)) {
                if (pushed) {
                    continue;
                }
                break;
            }
        }
        if (ring->broken) {
            break;
        }
        if (served == RING_BATCH) {
            qemu_bh_schedule(ring->bh);
            break;
        }
        if (xenpv_xs_nr_events(ring->conn) < RING_EVENTS &&
            serve_one(ring, &moved)) {
            served++;
            continue;
        }
        next_event(ring);
        if (!out_busy(ring)) {
            break;
        }
    }
    if (moved) {
        xenpv_emu_channel_notify(ring->channel);
        timer_mod(ring->look_again,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                  RING_LOOK_AGAIN_MS);
    }
}

static void ring_bh(void *opaque)
{
    ring_pump(opaque);
}

static void ring_wake(void *opaque)
{
    XenPvEmuRing *ring = opaque;

    qemu_bh_schedule(ring->bh);
}

static void ring_event(EventNotifier *notifier)
{
    XenPvEmuChannel *channel = container_of(notifier, XenPvEmuChannel,
                                            notifier);
    XenPvEmuRing *ring = channel->emu->ring;

    if (xenpv_emu_channel_ack(ring->channel) > 0) {
        ring_pump(ring);
    }
}

static bool ring_attach(XenPvEmu *emu, uint64_t mfn, uint32_t port,
                        Error **errp)
{
    void *page = emu->cfg.hooks->frame_ptr(emu->cfg.opaque, mfn);
    XenPvEmuRing *ring;
    XenPvChannel *channel;

    if (!page) {
        error_setg(errp, "xenstore: frame 0x%" PRIx64 " is not RAM", mfn);
        return false;
    }
    /* Not through the wrappers: those count what drivers hold. */
    channel = xenpv_emu_channel_bind(&emu->parent, emu->cfg.guest, port, errp);
    if (!channel) {
        error_prepend(errp, "xenstore: ");
        return false;
    }
    ring = g_new0(XenPvEmuRing, 1);
    ring->emu = emu;
    ring->mfn = mfn;
    ring->page = page;
    ring->channel = channel;
    ring->bh = qemu_bh_new_guarded(ring_bh, ring, NULL);
    ring->look_again = aio_timer_new(qemu_get_aio_context(),
                                     QEMU_CLOCK_REALTIME, SCALE_MS, ring_bh,
                                     ring);
    ring->out = g_byte_array_sized_new(XENPV_WIRE_MAX);
    ring->conn = xenpv_xs_connect(emu->store, emu->cfg.guest, ring_wake,
                                  ring);
    emu->ring = ring;
    aio_set_event_notifier(qemu_get_aio_context(), channel->notifier,
                           ring_event, NULL, NULL);
    return true;
}

bool xenpv_emu_store_attach(XenPvEmu *emu, uint64_t mfn, uint32_t port,
                            Error **errp)
{
    struct xenstore_domain_interface *page;

    xenpv_emu_ring_detach(emu);
    if (!ring_attach(emu, mfn, port, errp)) {
        return false;
    }
    page = emu->ring->page;
    page->server_features = XENSTORE_SERVER_FEATURE_RECONNECTION |
                            XENSTORE_SERVER_FEATURE_ERROR;
    page->connection = XENSTORE_CONNECTED;
    page->error = XENSTORE_ERROR_NONE;
    return true;
}

void xenpv_emu_ring_detach(XenPvEmu *emu)
{
    XenPvEmuRing *ring = emu->ring;

    if (!ring) {
        return;
    }
    emu->ring = NULL;
    aio_set_event_notifier(qemu_get_aio_context(), ring->channel->notifier,
                           NULL, NULL, NULL);
    xenpv_emu_channel_unbind(ring->channel);
    xenpv_xs_disconnect(ring->conn);
    qemu_bh_delete(ring->bh);
    timer_free(ring->look_again);
    g_byte_array_unref(ring->out);
    g_free(ring);
}

void xenpv_emu_ring_wake(XenPvEmu *emu)
{
    if (emu->ring) {
        qemu_bh_schedule(emu->ring->bh);
    }
}

/* ---- saving: what is in the page goes with the page ---- */

/* The guest's end; 0: it has closed it, and with it this conversation. */
static uint32_t ring_port(XenPvEmu *emu)
{
    return emu->ring ? container_of(emu->ring->channel, XenPvEmuChannel,
                                    parent)->port : 0;
}

void xenpv_emu_ring_save(XenPvEmu *emu, GByteArray *out)
{
    XenPvEmuRing *ring = emu->ring;
    uint32_t port = ring_port(emu);

    xenpv_saved_put_u32(out, port);
    if (!port) {
        return;
    }
    xenpv_saved_put_u32(out, ring->mfn);
    xenpv_saved_put_u8(out, ring->broken);
    xenpv_saved_put_bytes(out, ring->in, ring->in_len);
    xenpv_saved_put_bytes(out, ring->out->data + ring->out_pos,
                          ring->out->len - ring->out_pos);
    xenpv_xs_conn_save(ring->conn, out);
}

bool xenpv_emu_ring_load(XenPvEmu *emu, XenPvSaved *s, Error **errp)
{
    uint32_t port = xenpv_saved_u32(s), mfn, in_len, out_len;
    const uint8_t *in, *out;
    uint8_t broken;

    if (!s->bad && !port) {
        return true;
    }
    mfn = xenpv_saved_u32(s);
    broken = xenpv_saved_u8(s);
    in = xenpv_saved_bytes(s, XENPV_WIRE_MAX, &in_len);
    out = xenpv_saved_bytes(s, XENPV_WIRE_MAX, &out_len);
    if (s->bad) {
        error_setg(errp, "xenstore: impossible messages");
        return false;
    }
    if (!ring_attach(emu, mfn, port, errp)) {
        return false;
    }
    emu->ring->broken = broken;
    memcpy(emu->ring->in, in, in_len);
    emu->ring->in_len = in_len;
    /* A header that is just there is judged like any of the guest's. */
    if (in_len > XENPV_WIRE_HEADER) {
        struct xsd_sockmsg header;
        uint32_t want = in_want(emu->ring, &header);

        if (want > XENPV_WIRE_MAX || want < in_len) {
            error_setg(errp, "xenstore: a request longer than it says");
            return false;
        }
    }
    g_byte_array_append(emu->ring->out, out, out_len);
    return xenpv_xs_conn_load(emu->ring->conn, s, errp);
}
