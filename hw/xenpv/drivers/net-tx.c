/*
 * Packets from the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A wakeup collects a batch of packets, makes their data reachable, gives them
 * to the net layer one after the other, answers, and tells the guest once.
 *
 * Data is used where it lies if the hypervisor can do that, and else copied,
 * a batch at a time.  When the net layer cannot pass a packet on it has made
 * a copy of it: the packet is answered, and nothing more is taken until the
 * copy is gone.  That is all a guest can make it hold, but for the segments
 * of one packet.
 *
 * Headers that are looked at are copied first and sent from the copy.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/trace.h"
#include "net/eth.h"
#include "net.h"

static XenPvDevice *queue_device(XenPvNetQueue *queue)
{
    return XENPV_DEVICE(queue->net);
}

/* ---- answers ---- */

static void respond(XenPvNetQueue *queue, const XenPvNetifPacket *p,
                    int status)
{
    uint8_t rsp[XENPV_NETIF_TX_STRIDE];
    unsigned i, len;

    for (i = 0; i < p->nr_slots; i++) {
        len = xenpv_netif_tx_response(rsp, p->slot[i].id, status);
        xenpv_ring_put(&queue->tx.ring, rsp, len);
    }
    for (i = 0; i < p->nr_extras; i++) {
        len = xenpv_netif_tx_response(rsp, 0, NETIF_RSP_NULL);
        xenpv_ring_put(&queue->tx.ring, rsp, len);
    }
}

static void push(XenPvNetQueue *queue)
{
    if (xenpv_ring_push(&queue->tx.ring)) {
        queue->stats.notified++;
        xenpv_event_notify(queue->tx.event);
    }
}

static void refuse(XenPvNetQueue *queue, const XenPvNetifPacket *p,
                   const char *why)
{
    trace_xenpv_net_tx_refused(queue_device(queue)->label, p->slot[0].id,
                               p->size, p->nr_slots, why);
    queue->stats.tx_bad++;
    xenpv_net_complain(queue->net, why);
    respond(queue, p, NETIF_RSP_ERROR);
}

/* ---- the data of one packet ---- */

/* Neighbours in our address space are one element. */
static void add_data(XenPvNetTx *tx, unsigned *nr, uint8_t *ptr, uint32_t len)
{
    struct iovec *last = *nr > 2 ? &tx->iov[*nr - 1] : NULL;

    if (!len) {
        return;
    }
    if (last && (uint8_t *)last->iov_base + last->iov_len == ptr) {
        last->iov_len += len;
    } else {
        tx->iov[(*nr)++] = (struct iovec) { ptr, len };
    }
}

/* Where they lie: pages that stay mapped, and others for this time. */
static const char *pin_data(XenPvNetQueue *queue, const XenPvNetifPacket *p,
                            unsigned *nr)
{
    XenPvDevice *dev = queue_device(queue);
    XenPvNetTx *tx = &queue->tx;
    unsigned i, pin = 0;

    tx->nr_pins = 0;
    for (i = 0; i < p->nr_slots; i++) {
        if (!xenpv_net_staged(queue, p->slot[i].ref)) {
            tx->pin[tx->nr_pins++].ref = p->slot[i].ref;
        }
    }
    if (tx->nr_pins && xenpv_grant_pin(dev->hv, dev->guest, false, tx->pin,
                                       tx->nr_pins) < 0) {
        tx->nr_pins = 0;
        return "a packet's grants cannot be used";
    }
    for (i = 0; i < p->nr_slots; i++) {
        XenPvMap *map = xenpv_net_staged(queue, p->slot[i].ref);
        uint8_t *page = map ? map->page[0] : tx->pin[pin++].page;

        add_data(tx, nr, page + p->slot[i].offset, p->slot[i].len);
    }
    return NULL;
}

static const char *copied_data(XenPvNetQueue *queue,
                               const XenPvNetTxPacket *packet, unsigned *nr)
{
    XenPvNetTx *tx = &queue->tx;
    unsigned i;

    for (i = 0; i < packet->nr_copies; i++) {
        if (tx->copy[packet->first_copy + i].status) {
            return "a packet's grants cannot be used";
        }
    }
    add_data(tx, nr, tx->buffer + packet->at, packet->p.size);
    return NULL;
}

static void release_data(XenPvNetQueue *queue)
{
    if (queue->tx.nr_pins) {
        xenpv_grant_unpin(queue_device(queue)->hv, false, queue->tx.pin,
                          queue->tx.nr_pins);
        queue->tx.nr_pins = 0;
    }
}

/* ---- copies, a batch at a time ---- */

static void add_copies(XenPvNetQueue *queue, XenPvNetTxPacket *packet)
{
    XenPvNetTx *tx = &queue->tx;
    uint32_t at = tx->used;
    unsigned i;

    packet->at = at;
    packet->first_copy = tx->nr_copies;
    for (i = 0; i < packet->p.nr_slots; i++) {
        const XenPvNetifSlot *slot = &packet->p.slot[i];
        XenPvMap *map = xenpv_net_staged(queue, slot->ref);

        if (map) {
            memcpy(tx->buffer + at, (uint8_t *)map->page[0] + slot->offset,
                   slot->len);
        } else if (slot->len) {
            tx->copy[tx->nr_copies++] = (XenPvCopySeg) {
                .ref = slot->ref,
                .offset = slot->offset,
                .len = slot->len,
                .local = tx->buffer + at,
            };
        }
        at += slot->len;
    }
    packet->nr_copies = tx->nr_copies - packet->first_copy;
    queue->stats.copied += packet->p.size;
    tx->used = at;
}

static void copy_batch(XenPvNetQueue *queue)
{
    XenPvNetTx *tx = &queue->tx;
    unsigned i;

    if (!tx->buffer) {
        return;
    }
    tx->used = 0;
    tx->nr_copies = 0;
    for (i = tx->first; i < tx->nr; i++) {
        if (!tx->packet[i].bad) {
            add_copies(queue, &tx->packet[i]);
        }
    }
    if (tx->nr_copies) {
        xenpv_dev_copy(queue_device(queue), false, tx->copy, tx->nr_copies);
    }
}

/* ---- to the net layer ---- */

/* The net layer may keep it for later: then we hear of it. */
static void send_iov(XenPvNetQueue *queue, struct iovec *iov, unsigned nr,
                     bool last)
{
    XenPvNet *net = queue->net;
    NetClientState *nc = xenpv_net_client(net, queue->link);

    if (!qemu_sendv_packet_async(nc, iov, nr, last ? xenpv_net_sent : NULL)) {
        net->held[queue->link] += last;
    }
}

/*
 * A peer that wants its packets in one piece would have the net layer allocate
 * for it.
 */
static void send_packet(XenPvNetQueue *queue, struct iovec *iov, unsigned nr,
                        bool last)
{
    XenPvNet *net = queue->net;
    NetClientState *peer = xenpv_net_client(net, queue->link)->peer;
    struct iovec one = { .iov_base = net->linear };

    if (nr > 1 && peer && !peer->info->receive_iov) {
        one.iov_len = iov_to_buf(iov, nr, 0, net->linear, NET_BUFSIZE);
        send_iov(queue, &one, 1, last);
    } else {
        send_iov(queue, iov, nr, last);
    }
}

/* The packet's headers from the copy, the rest from where it is. */
static void replace_headers(XenPvNetTx *tx, unsigned nr, uint32_t len)
{
    struct iovec *rest = &tx->iov[2];
    unsigned left = nr - 2;

    tx->iov[1] = (struct iovec) { tx->hdr, len };
    while (left && len >= rest->iov_len) {
        len -= rest->iov_len;
        rest->iov_len = 0;
        rest++;
        left--;
    }
    if (left) {
        rest->iov_base = (uint8_t *)rest->iov_base + len;
        rest->iov_len -= len;
    }
}

static void fill_vnet(struct virtio_net_hdr *vnet, const XenPvNetifPacket *p,
                      const XenPvPacketInfo *info)
{
    *vnet = (struct virtio_net_hdr) {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_start = info->l4,
        .csum_offset = xenpv_packet_csum_offset(info),
        .gso_type = VIRTIO_NET_HDR_GSO_NONE,
    };
    if (xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_GSO)) {
        vnet->gso_type = info->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
                                            : VIRTIO_NET_HDR_GSO_TCPV6;
        vnet->gso_size = p->gso_size;
        vnet->hdr_len = info->payload;
    }
}

/* Returns how many there were. */
static unsigned send_segments(XenPvNetQueue *queue, const XenPvNetifPacket *p,
                              const XenPvPacketInfo *info, unsigned nr)
{
    XenPvNetTx *tx = &queue->tx;
    struct iovec seg[XENPV_NETIF_MAX_SLOTS + 1];
    uint32_t total = info->end - info->payload;
    uint32_t at = 0, len;
    unsigned number = 0;

    do {
        XenPvPacketInfo seg_info;
        unsigned nr_seg;
        bool last;

        len = MIN(p->gso_size, total - at);
        last = at + len == total;
        xenpv_packet_segment_headers(tx->hdr, info, at, len, last, number,
                                     tx->segment, &seg_info);
        seg[0] = (struct iovec) { tx->segment, info->payload };
        /* What replace_headers() has left is the payload. */
        nr_seg = 1 + iov_copy(seg + 1, ARRAY_SIZE(seg) - 1, tx->iov + 2,
                              nr - 2, at, len);
        xenpv_packet_set_csum(tx->segment, &seg_info, seg + 1, nr_seg - 1, 0);
        send_packet(queue, seg, nr_seg, last);
        at += len;
        number++;
    } while (at < total);
    queue->stats.tx_segments += number;
    return number;
}

/* With work left to do on it.  Returns what is wrong with it, or NULL. */
static const char *send_unfinished(XenPvNetQueue *queue,
                                   const XenPvNetifPacket *p, unsigned nr,
                                   unsigned *cost)
{
    XenPvNet *net = queue->net;
    XenPvNetTx *tx = &queue->tx;
    bool gso = xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_GSO);
    struct virtio_net_hdr vnet;
    XenPvPacketInfo info;
    uint32_t have;

    have = iov_to_buf(tx->iov + 2, nr - 2, 0, tx->hdr, sizeof(tx->hdr));
    if (!xenpv_packet_parse(tx->hdr, have, p->size, &info)) {
        return "offloads of a packet that is neither TCP nor UDP";
    }
    if (gso && (info.proto != IP_PROTO_TCP ||
                (info.version == 4) !=
                (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4))) {
        return "a packet to be segmented that is not what it says";
    }
    replace_headers(tx, nr, info.payload);
    if (net->vnet) {
        xenpv_packet_set_partial(tx->hdr, &info);
        fill_vnet(&vnet, p, &info);
        tx->iov[0] = (struct iovec) { &vnet, XENPV_NET_VNET_SIZE };
        send_packet(queue, tx->iov, nr, true);
    } else if (gso) {
        *cost += send_segments(queue, p, &info, nr);
    } else {
        xenpv_packet_set_csum(tx->hdr, &info, tx->iov + 2, nr - 2, 0);
        send_packet(queue, tx->iov + 1, nr - 1, true);
    }
    return NULL;
}

static void send_finished(XenPvNetQueue *queue, const XenPvNetifPacket *p,
                          unsigned nr)
{
    struct virtio_net_hdr vnet = { 0 };
    XenPvNetTx *tx = &queue->tx;

    if (!queue->net->vnet) {
        send_packet(queue, tx->iov + 2, nr - 2, true);
        return;
    }
    if (p->flags & NETTXF_data_validated) {
        vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    tx->iov[1] = (struct iovec) { &vnet, XENPV_NET_VNET_SIZE };
    send_packet(queue, tx->iov + 1, nr - 1, true);
}

static void change_mcast(XenPvNetQueue *queue, const XenPvNetifPacket *p)
{
    bool good = true;

    if (xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_MCAST_ADD)) {
        good = xenpv_net_mcast_add(queue->net, p->mcast_add);
    }
    if (xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_MCAST_DEL)) {
        xenpv_net_mcast_del(queue->net, p->mcast_del);
    }
    respond(queue, p, good ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
}

/* Returns what it cost, in packets. */
static unsigned handle(XenPvNetQueue *queue, const XenPvNetTxPacket *packet)
{
    const XenPvNetifPacket *p = &packet->p;
    const char *bad = packet->bad;
    unsigned nr = 2;            /* room for two headers in front */
    unsigned cost = 1;

    if (!bad && (xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_MCAST_ADD) ||
                 xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_MCAST_DEL))) {
        change_mcast(queue, p);
        return cost;
    }
    if (!bad) {
        bad = queue->tx.buffer ? copied_data(queue, packet, &nr)
                               : pin_data(queue, p, &nr);
    }
    if (!bad) {
        if ((p->flags & NETTXF_csum_blank) ||
            xenpv_netif_has(p, XEN_NETIF_EXTRA_TYPE_GSO)) {
            bad = send_unfinished(queue, p, nr, &cost);
        } else {
            send_finished(queue, p, nr);
        }
        release_data(queue);
    }
    if (bad) {
        refuse(queue, p, bad);
        return cost;
    }
    trace_xenpv_net_tx(queue_device(queue)->label, p->slot[0].id, p->size,
                       p->nr_slots, p->flags, p->gso_size);
    queue->stats.tx_packets++;
    queue->stats.tx_bytes += p->size;
    respond(queue, p, NETIF_RSP_OKAY);
    return cost;
}

/* ---- from the ring ---- */

static void break_ring(XenPvNetQueue *queue, const char *why)
{
    Error *err = NULL;

    queue->tx.dead = true;
    error_setg(&err, "%s", why);
    xenpv_dev_fail(queue_device(queue), err);
}

/* What is complete goes to the front, with what has begun behind it. */
static void make_room(XenPvNetTx *tx)
{
    if (tx->first < tx->nr || !tx->nr) {
        return;
    }
    if (tx->nr < XENPV_NET_BATCH &&
        tx->packet[tx->nr].p.expect != XENPV_NETIF_FIRST) {
        tx->packet[0] = tx->packet[tx->nr];
    } else {
        xenpv_netif_tx_start(&tx->packet[0].p);
    }
    tx->first = 0;
    tx->nr = 0;
}

static void complete(XenPvNetQueue *queue, XenPvNetTxPacket *packet)
{
    XenPvNetTx *tx = &queue->tx;

    packet->bad = xenpv_netif_tx_check(&packet->p);
    if (queue->net->credit_usec) {
        queue->net->credit -= packet->p.size;
    }
    if (++tx->nr < XENPV_NET_BATCH) {
        xenpv_netif_tx_start(&tx->packet[tx->nr].p);
    }
    if (!packet->bad) {
        tx->used += packet->p.size;
    }
}

/* Returns false if nothing more may be taken now, whatever there is. */
static bool collect(XenPvNetQueue *queue, unsigned *budget)
{
    XenPvNetTx *tx = &queue->tx;
    uint8_t slot[XENPV_NETIF_TX_STRIDE];
    const char *why;

    make_room(tx);
    tx->used = 0;
    while (tx->nr < XENPV_NET_BATCH && *budget &&
           tx->used <= XENPV_NET_TX_BUFFER - XEN_NETIF_MAX_TX_SIZE) {
        XenPvNetTxPacket *packet = &tx->packet[tx->nr];

        if (packet->p.expect == XENPV_NETIF_FIRST &&
            !xenpv_net_may_send(queue->net)) {
            return false;
        }
        if (!xenpv_ring_take(&tx->ring, slot, sizeof(slot))) {
            break;
        }
        --*budget;
        switch (xenpv_netif_tx_add(&packet->p, slot, &why)) {
        case XENPV_NETIF_COMPLETE:
            complete(queue, packet);
            break;
        case XENPV_NETIF_MORE:
            break;
        default:
            break_ring(queue, why);
            return false;
        }
    }
    return true;
}

/* Returns false if the rest has to wait. */
static bool send_batch(XenPvNetQueue *queue, unsigned *budget)
{
    XenPvNetTx *tx = &queue->tx;

    while (tx->first < tx->nr) {
        if (queue->net->held[queue->link] || !*budget) {
            return false;
        }
        *budget -= MIN(*budget, handle(queue, &tx->packet[tx->first]));
        tx->first++;
    }
    return true;
}

static bool paused(XenPvNetQueue *queue)
{
    return queue->tx.dead || queue->tx.ring.broken ||
           queue->net->held[queue->link] || !runstate_is_running();
}

bool xenpv_net_tx_run(XenPvNetQueue *queue)
{
    XenPvNetTx *tx = &queue->tx;
    unsigned budget = 2 * tx->ring.nr;  /* a slot, and a packet to send */
    uint32_t before = tx->ring.req_cons;
    uint32_t sent = tx->ring.rsp_prod;
    bool more = true;

    if (paused(queue)) {
        return false;
    }
    queue->stats.wakeups++;
    while (more && send_batch(queue, &budget)) {
        more = collect(queue, &budget);
        if (tx->first < tx->nr) {
            copy_batch(queue);
            more |= !tx->dead;
        } else if (!budget || (more && xenpv_ring_idle(&tx->ring))) {
            break;
        }
    }
    push(queue);
    if (!budget) {
        xenpv_event_again(tx->event);
    }
    if (tx->ring.broken && !tx->dead) {
        break_ring(queue, "the front end's tx ring holds more requests than "
                   "it has room for");
    }
    if (tx->ring.req_cons == before && tx->ring.rsp_prod == sent) {
        return false;
    }
    xenpv_net_touched(queue->net);
    return true;
}

void xenpv_net_sent(NetClientState *nc, ssize_t len)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    unsigned i, link = nc->queue_index;

    if (--net->held[link]) {
        return;
    }
    for (i = 0; i < net->nr_queues; i++) {
        if (net->queue[i].link == link && net->queue[i].tx.event) {
            xenpv_event_again(net->queue[i].tx.event);
        }
    }
}

/* ---- life ---- */

void xenpv_net_tx_init(XenPvNetQueue *queue, const XenPvMap *ring)
{
    XenPvNetTx *tx = &queue->tx;

    if (!xenpv_ring_init(&tx->ring, ring, XENPV_NETIF_TX_STRIDE)) {
        g_assert_not_reached(); /* a page has room for many */
    }
    tx->packet = g_new(XenPvNetTxPacket, XENPV_NET_BATCH);
    xenpv_netif_tx_start(&tx->packet[0].p);
    if (!queue_device(queue)->hv->in_place) {
        tx->buffer = g_malloc(XENPV_NET_TX_BUFFER);
        tx->copy = g_new(XenPvCopySeg, tx->ring.nr);
    }
}

void xenpv_net_tx_cleanup(XenPvNetQueue *queue)
{
    g_clear_pointer(&queue->tx.packet, g_free);
    g_clear_pointer(&queue->tx.buffer, g_free);
    g_clear_pointer(&queue->tx.copy, g_free);
}
