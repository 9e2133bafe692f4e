/*
 * Packets to the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest gives pages, a packet takes as many as it needs, in the order they
 * came: front ends count on a response lying in its request's slot.
 *
 * Data is copied once, into the guest's page where it lies.  Where the
 * hypervisor has to copy, what comes in one go is collected for one call; a
 * large packet is a call of its own, from where it is.
 *
 * Without enough pages the packet stays with the net layer, which stops its
 * source.  A guest that gives none for long is taken for one that sleeps: its
 * packets are dropped until it gives some, so that nothing piles up.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "hw/xenpv/trace.h"
#include "net/eth.h"
#include "net.h"

/* A packet larger than this is worth a call of its own. */
#define COPY_AT_ONCE    (8 * KiB)

/* How often to look for pages that a front end does not tell of */
#define LOOK_MS         30

static XenPvDevice *queue_device(XenPvNetQueue *queue)
{
    return XENPV_DEVICE(queue->net);
}

/* ---- the end of a batch ---- */

static void copy_collected(XenPvNetQueue *queue)
{
    XenPvNetRx *rx = &queue->rx;
    unsigned i;

    if (rx->nr_copies) {
        xenpv_dev_copy(queue_device(queue), true, rx->copy, rx->nr_copies);
    }
    for (i = 0; i < rx->nr_done; i++) {
        XenPvNetRxDone *done = &rx->done[i];

        if (done->copy >= 0 && rx->copy[done->copy].status) {
            xenpv_netif_rx_spoil(done->rsp);
            queue->stats.rx_bad++;
            xenpv_net_complain(queue->net, "a page for a packet cannot be "
                               "used");
        }
        xenpv_ring_put(&rx->ring, done->rsp, sizeof(done->rsp));
    }
    rx->nr_copies = 0;
    rx->nr_done = 0;
    rx->used = 0;
}

static void push(void *opaque)
{
    XenPvNetQueue *queue = opaque;
    XenPvNetRx *rx = &queue->rx;

    rx->pushing = false;
    copy_collected(queue);
    if (xenpv_ring_push(&rx->ring)) {
        queue->stats.notified++;
        xenpv_event_notify(rx->event);
    }
    xenpv_net_touched(queue->net);
}

void xenpv_net_rx_settle(XenPvNetQueue *queue)
{
    if (queue->rx.pushing) {
        push(queue);
    }
}

/* ---- one packet into slots ---- */

typedef struct Page {
    uint16_t id;
    uint32_t ref;
} Page;

static void put_extras(XenPvNetQueue *queue, const XenPvNetifRx *pkt)
{
    XenPvNetRx *rx = &queue->rx;
    uint8_t rsp[XENPV_NETIF_RX_STRIDE];
    unsigned i;

    for (i = 0; i < xenpv_netif_rx_extras(pkt); i++) {
        xenpv_netif_rx_extra(rsp, pkt, i);
        if (rx->buffer) {
            memcpy(rx->done[rx->nr_done].rsp, rsp, sizeof(rsp));
            rx->done[rx->nr_done++].copy = -1;
        } else {
            xenpv_ring_put(&rx->ring, rsp, sizeof(rsp));
        }
    }
}

/* The part of a packet that goes into its page number @nr */
static uint32_t part(const XenPvNetifRx *pkt, unsigned nr, uint32_t *len)
{
    uint32_t room = XENPV_NETIF_PAGE_SIZE - pkt->headroom;

    *len = MIN(pkt->size - nr * room, room);
    return nr * room;
}

/* A page that stays mapped; NULL: it is another.  May not be ours to write. */
static XenPvMap *staged(XenPvNetQueue *queue, uint32_t ref, bool *good)
{
    XenPvMap *map = xenpv_net_staged(queue, ref);

    *good = !map || !map->readonly;
    return map;
}

static bool fill_in_place(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                          const Page *page, const struct iovec *iov, int nr,
                          uint32_t offset)
{
    XenPvDevice *dev = queue_device(queue);
    XenPvNetRx *rx = &queue->rx;
    unsigned i, nr_data = xenpv_netif_rx_data(pkt), nr_pins = 0, pin = 0;
    bool good = true;

    for (i = 0; i < nr_data && good; i++) {
        if (!staged(queue, page[i].ref, &good)) {
            rx->pin[nr_pins++].ref = page[i].ref;
        }
    }
    if (!good || (nr_pins && xenpv_grant_pin(dev->hv, dev->guest, true,
                                             rx->pin, nr_pins) < 0)) {
        return false;
    }
    for (i = 0; i < nr_data; i++) {
        XenPvMap *map = staged(queue, page[i].ref, &good);
        uint8_t *to = map ? map->page[0] : rx->pin[pin++].page;
        uint32_t len, at = part(pkt, i, &len);

        iov_to_buf(iov, nr, offset + at, to + pkt->headroom, len);
    }
    if (nr_pins) {
        xenpv_grant_unpin(dev->hv, true, rx->pin, nr_pins);
    }
    return true;
}

static void put_in_place(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                         const Page *page, const struct iovec *iov, int nr,
                         uint32_t offset)
{
    uint8_t rsp[XENPV_NETIF_RX_STRIDE];
    unsigned i;
    bool good = fill_in_place(queue, pkt, page, iov, nr, offset);

    if (!good) {
        queue->stats.rx_bad++;
        xenpv_net_complain(queue->net, "a page for a packet cannot be used");
    }
    for (i = 0; i < xenpv_netif_rx_data(pkt); i++) {
        xenpv_netif_rx_response(rsp, pkt, i, page[i].id, good);
        xenpv_ring_put(&queue->rx.ring, rsp, sizeof(rsp));
        if (!i) {
            put_extras(queue, pkt);
        }
    }
}

/* Where the data can be copied from: where it is, or a place of ours */
static const uint8_t *collect_data(XenPvNetQueue *queue, uint32_t size,
                                   const struct iovec *iov, int nr,
                                   uint32_t offset)
{
    XenPvNetRx *rx = &queue->rx;
    uint8_t *to;

    if (size > COPY_AT_ONCE && nr == 1) {
        return (uint8_t *)iov->iov_base + offset;
    }
    to = rx->buffer + rx->used;
    iov_to_buf(iov, nr, offset, to, size);
    rx->used += size;
    return to;
}

static void put_collected(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                          const Page *page, const struct iovec *iov, int nr,
                          uint32_t offset)
{
    XenPvNetRx *rx = &queue->rx;
    const uint8_t *data;
    unsigned i;

    if (rx->used + pkt->size > XENPV_NET_RX_BUFFER) {
        copy_collected(queue);
    }
    data = collect_data(queue, pkt->size, iov, nr, offset);
    for (i = 0; i < xenpv_netif_rx_data(pkt); i++) {
        XenPvNetRxDone *done = &rx->done[rx->nr_done++];
        uint32_t len, at = part(pkt, i, &len);
        bool good;
        XenPvMap *map = staged(queue, page[i].ref, &good);

        done->copy = -1;
        if (map && good) {
            memcpy((uint8_t *)map->page[0] + pkt->headroom, data + at, len);
        } else if (!map) {
            done->copy = rx->nr_copies;
            rx->copy[rx->nr_copies++] = (XenPvCopySeg) {
                .ref = page[i].ref,
                .offset = pkt->headroom,
                .len = len,
                .local = (void *)(data + at),
            };
        }
        xenpv_netif_rx_response(done->rsp, pkt, i, page[i].id, good);
        if (!i) {
            put_extras(queue, pkt);
        }
    }
    queue->stats.copied += pkt->size;
    if (pkt->size > COPY_AT_ONCE) {
        copy_collected(queue);
    }
}

/* The slots for a packet, in order: first with data, extras, more with data */
static void take_pages(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                       Page *page)
{
    unsigned i, j, nr_data = xenpv_netif_rx_data(pkt);
    uint8_t slot[XENPV_NETIF_RX_STRIDE];

    for (i = 0; i < nr_data; i++) {
        /* They are there: a ring that was seen filled stays so. */
        xenpv_ring_take(&queue->rx.ring, slot, sizeof(slot));
        xenpv_netif_rx_request(slot, &page[i].id, &page[i].ref);
        for (j = 0; !i && j < xenpv_netif_rx_extras(pkt); j++) {
            xenpv_ring_take(&queue->rx.ring, slot, sizeof(slot));
        }
    }
}

static void put_packet(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                       const struct iovec *iov, int nr, uint32_t offset)
{
    Page page[XENPV_NETIF_MAX_RX_DATA];

    take_pages(queue, pkt, page);
    if (queue->rx.buffer) {
        put_collected(queue, pkt, page, iov, nr, offset);
    } else {
        put_in_place(queue, pkt, page, iov, nr, offset);
    }
    trace_xenpv_net_rx(queue_device(queue)->label, queue->index, pkt->size,
                       xenpv_netif_rx_data(pkt), pkt->csum_blank,
                       pkt->validated, pkt->gso_size);
    queue->stats.rx_packets++;
    queue->stats.rx_bytes += pkt->size;
    if (!queue->rx.pushing) {
        queue->rx.pushing = true;
        qemu_bh_schedule(queue->rx.push);
    }
}

/* ---- is there room? ---- */

static void arm_wait(XenPvNetQueue *queue)
{
    XenPvNet *net = queue->net;
    uint32_t ms = net->front.rx_notify ? net->drain_ms : LOOK_MS;

    if (ms && !timer_pending(queue->rx.wait)) {
        timer_mod(queue->rx.wait,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + ms);
    }
}

static void fail_ring(XenPvNetQueue *queue)
{
    Error *err = NULL;

    error_setg(&err, "the front end's rx ring holds more requests than it "
               "has room for");
    xenpv_dev_fail(queue_device(queue), err);
}

static bool has_room(XenPvNetQueue *queue, uint32_t need)
{
    XenPvNetRx *rx = &queue->rx;

    if (xenpv_ring_waiting(&rx->ring) < need &&
        xenpv_ring_await(&rx->ring, need)) {
        if (rx->ring.broken) {
            fail_ring(queue);
        }
        return false;
    }
    if (rx->need) {
        rx->need = 0;
        rx->stalled = false;
        timer_del(rx->wait);
    }
    return true;
}

typedef enum Verdict {
    DONE,
    DROPPED,
    NO_ROOM,
} Verdict;

static Verdict deliver(XenPvNetQueue *queue, const XenPvNetifRx *pkt,
                       const struct iovec *iov, int nr, uint32_t offset)
{
    XenPvNetRx *rx = &queue->rx;
    uint32_t need = xenpv_netif_rx_data(pkt) + xenpv_netif_rx_extras(pkt);

    if (need - xenpv_netif_rx_extras(pkt) > 1 && !queue->net->front.sg) {
        return DROPPED;
    }
    if (has_room(queue, need)) {
        put_packet(queue, pkt, iov, nr, offset);
        return DONE;
    }
    if (rx->ring.broken || rx->stalled) {
        return DROPPED;
    }
    /*
     * What has been put is not held back: the guest may need it to give more.
     */
    xenpv_net_rx_settle(queue);
    rx->need = need;
    arm_wait(queue);
    return NO_ROOM;
}

static void flush(XenPvNetQueue *queue, bool purge)
{
    XenPvNet *net = queue->net;
    unsigned i;

    for (i = 0; i < net->nr_links; i++) {
        if (net->nr_links == 1 || i % net->nr_queues == queue->index) {
            qemu_flush_or_purge_queued_packets(xenpv_net_client(net, i),
                                               purge);
        }
    }
}

bool xenpv_net_rx_run(XenPvNetQueue *queue)
{
    XenPvNetRx *rx = &queue->rx;

    if (!rx->need || rx->ring.broken || !runstate_is_running() ||
        !has_room(queue, rx->need)) {
        return false;
    }
    flush(queue, false);
    return true;
}

static void wait_is_over(void *opaque)
{
    XenPvNetQueue *queue = opaque;

    if (!queue->rx.need || xenpv_net_rx_run(queue)) {
        return;
    }
    if (!queue->net->front.rx_notify) {
        arm_wait(queue);
        return;
    }
    trace_xenpv_net_rx_stalled(queue_device(queue)->label, queue->index);
    queue->rx.stalled = true;
    flush(queue, true);
}

/* ---- where to, and as what ---- */

/* Anything that is the same for packets of one flow */
static uint32_t spread(const uint8_t *hdr, const XenPvPacketInfo *info)
{
    const uint8_t *address = hdr + info->l3 + (info->version == 4 ? 12 : 8);
    unsigned i, len = info->version == 4 ? 8 : 32;
    uint32_t sum = 0;

    for (i = 0; i < len; i += 4) {
        sum = (sum ^ (uint32_t)ldl_he_p(address + i)) * 2654435761u;
    }
    if (info->proto) {
        sum = (sum ^ (uint32_t)ldl_he_p(hdr + info->l4)) * 2654435761u;
    }
    return sum >> 16;
}

static XenPvNetQueue *choose_queue(NetClientState *nc, XenPvNetifRx *pkt,
                                   const uint8_t *hdr,
                                   const XenPvPacketInfo *info)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    const uint8_t *address = hdr + info->l3 + (info->version == 4 ? 12 : 8);
    unsigned index = nc->queue_index % net->nr_queues;

    if (xenpv_netif_hash(&net->hash, info->version,
                         info->proto == IP_PROTO_TCP, address,
                         hdr + info->l4, &pkt->hash_type, &pkt->hash)) {
        pkt->hashed = true;
        index = xenpv_netif_hash_queue(&net->hash, pkt->hash, net->nr_queues);
    } else if (net->nr_links == 1 && net->nr_queues > 1 && info->version) {
        index = spread(hdr, info) % net->nr_queues;
    }
    return &net->queue[index];
}

static bool wanted(XenPvNet *net, const uint8_t *hdr)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    unsigned i;

    if (!net->front.mcast_control || !(hdr[0] & 1) ||
        !memcmp(hdr, broadcast, 6)) {
        return true;
    }
    for (i = 0; i < net->nr_mcast; i++) {
        if (!memcmp(hdr, net->mcast[i], 6)) {
            return true;
        }
    }
    return false;
}

/* Can the guest complete this checksum? */
static bool can_complete(XenPvNet *net, const XenPvPacketInfo *info,
                         const struct virtio_net_hdr *vnet)
{
    return info->proto && vnet->csum_start == info->l4 &&
           vnet->csum_offset == xenpv_packet_csum_offset(info) &&
           (info->version == 4 ? net->front.csum4 : net->front.csum6);
}

/* Whatever protocol it is of: from there to the end, to be put there. */
static bool complete_csum(uint8_t *buf, uint32_t size,
                          const struct virtio_net_hdr *vnet)
{
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    uint32_t at = vnet->csum_start + vnet->csum_offset;
    uint16_t sum;

    if (vnet->csum_start >= size || at + 2 > size) {
        return false;
    }
    sum = ~xenpv_packet_sum(&iov, 1, vnet->csum_start,
                            size - vnet->csum_start);
    stw_he_p(buf + at, sum ?: 0xffff);
    return true;
}

static bool can_segment(XenPvNet *net, const XenPvPacketInfo *info)
{
    return xenpv_net_takes_gso(&net->front, info->version);
}

/* Larger than the guest can take it: it gets segments. */
static Verdict deliver_segments(NetClientState *nc, XenPvNetifRx *pkt,
                                const uint8_t *hdr,
                                const XenPvPacketInfo *info, uint32_t mss,
                                const struct iovec *iov, int nr,
                                uint32_t offset)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    uint32_t total = info->end - info->payload, at = 0;
    unsigned number = 0;
    Verdict verdict;

    do {
        uint32_t len = MIN(mss, total - at);
        XenPvPacketInfo seg_info;
        XenPvNetifRx seg = { .headroom = pkt->headroom, .validated = true };
        struct iovec one = { .iov_base = net->bounce };
        struct iovec data;

        xenpv_packet_segment_headers(hdr, info, at, len, at + len == total,
                                     number, net->bounce, &seg_info);
        iov_to_buf(iov, nr, offset + info->payload + at,
                   net->bounce + info->payload, len);
        data = (struct iovec) { net->bounce + info->payload, len };
        xenpv_packet_set_csum(net->bounce, &seg_info, &data, 1, 0);
        seg.size = one.iov_len = info->payload + len;
        verdict = deliver(choose_queue(nc, &seg, net->bounce, &seg_info),
                          &seg, &one, 1, 0);
        if (verdict != DONE) {
            break;
        }
        at += len;
        number++;
    } while (at < total);
    /* Not from the start again: TCP sends what is lost. */
    return number && verdict == NO_ROOM ? DROPPED : verdict;
}

/* What the peer has left to be done on a packet */
static Verdict deliver_unfinished(NetClientState *nc, XenPvNetifRx *pkt,
                                  const struct virtio_net_hdr *vnet,
                                  const uint8_t *hdr,
                                  const XenPvPacketInfo *info,
                                  const struct iovec *iov, int nr,
                                  uint32_t offset)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    unsigned gso = vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    struct iovec one = { .iov_base = net->bounce, .iov_len = pkt->size };

    if (gso != VIRTIO_NET_HDR_GSO_NONE) {
        if (info->proto != IP_PROTO_TCP || !vnet->gso_size ||
            gso != (info->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
                                       : VIRTIO_NET_HDR_GSO_TCPV6)) {
            return DROPPED;
        }
        if (!can_segment(net, info) || !can_complete(net, info, vnet)) {
            return deliver_segments(nc, pkt, hdr, info, vnet->gso_size, iov,
                                    nr, offset);
        }
        pkt->gso_type = info->version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4
                                           : XEN_NETIF_GSO_TYPE_TCPV6;
        pkt->gso_size = vnet->gso_size;
    }
    pkt->validated = true;
    if (can_complete(net, info, vnet)) {
        pkt->csum_blank = true;
        return deliver(choose_queue(nc, pkt, hdr, info), pkt, iov, nr,
                       offset);
    }
    iov_to_buf(iov, nr, offset, net->bounce, pkt->size);
    if (!complete_csum(net->bounce, pkt->size, vnet)) {
        return DROPPED;
    }
    return deliver(choose_queue(nc, pkt, hdr, info), pkt, &one, 1, 0);
}

static Verdict receive(NetClientState *nc, const struct iovec *iov, int nr)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    uint32_t offset = net->vnet ? XENPV_NET_VNET_SIZE : 0;
    size_t size = iov_size(iov, nr);
    struct virtio_net_hdr vnet = { 0 };
    uint8_t hdr[XENPV_PACKET_HEADERS];
    XenPvNetifRx pkt = { .headroom = net->front.headroom };
    XenPvPacketInfo info = { 0 };
    uint32_t have;

    if (size < offset + XENPV_NETIF_MIN_SIZE ||
        size > offset + XEN_NETIF_MAX_TX_SIZE) {
        return DROPPED;
    }
    if (offset) {
        iov_to_buf(iov, nr, 0, &vnet, sizeof(vnet));
    }
    pkt.size = size - offset;
    pkt.validated = vnet.flags & VIRTIO_NET_HDR_F_DATA_VALID;
    have = iov_to_buf(iov, nr, offset, hdr, sizeof(hdr));
    if (!wanted(net, hdr)) {
        return DROPPED;
    }
    xenpv_packet_parse(hdr, have, pkt.size, &info);
    if ((vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
        vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        return deliver_unfinished(nc, &pkt, &vnet, hdr, &info, iov, nr,
                                  offset);
    }
    return deliver(choose_queue(nc, &pkt, hdr, &info), &pkt, iov, nr, offset);
}

ssize_t xenpv_net_receive(NetClientState *nc, const struct iovec *iov,
                          int iovcnt)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);

    /* No driver, no carrier: what comes is for nobody. */
    if (!net->connected) {
        return iov_size(iov, iovcnt);
    }
    switch (receive(nc, iov, iovcnt)) {
    case NO_ROOM:
        return 0;
    case DROPPED:
        net->queue[0].stats.rx_dropped++;
        /* fall through */
    default:
        return iov_size(iov, iovcnt);
    }
}

/* ---- life ---- */

void xenpv_net_rx_init(XenPvNetQueue *queue, const XenPvMap *ring)
{
    XenPvNetRx *rx = &queue->rx;
    DeviceState *dev = DEVICE(queue->net);

    if (!xenpv_ring_init(&rx->ring, ring, XENPV_NETIF_RX_STRIDE)) {
        g_assert_not_reached(); /* a page has room for many */
    }
    rx->wait = timer_new_ms(QEMU_CLOCK_VIRTUAL, wait_is_over, queue);
    rx->push = qemu_bh_new_guarded(push, queue, &dev->mem_reentrancy_guard);
    if (!queue_device(queue)->hv->in_place) {
        rx->buffer = g_malloc(XENPV_NET_RX_BUFFER);
        rx->copy = g_new(XenPvCopySeg, rx->ring.nr);
        rx->done = g_new(XenPvNetRxDone, rx->ring.nr);
    }
}

void xenpv_net_rx_cleanup(XenPvNetQueue *queue)
{
    XenPvNetRx *rx = &queue->rx;

    g_clear_pointer(&rx->wait, timer_free);
    g_clear_pointer(&rx->push, qemu_bh_delete);
    g_clear_pointer(&rx->buffer, g_free);
    g_clear_pointer(&rx->copy, g_free);
    g_clear_pointer(&rx->done, g_free);
}
