/*
 * The NIC, with a front end that speaks all of the protocol.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "hw/xenpv/drivers/net-packet.h"
#include "net-front.h"

#define V4 XEN_NETIF_GSO_TYPE_TCPV4
#define V6 XEN_NETIF_GSO_TYPE_TCPV6

static uint8_t big[70000];

/* ---- nodes ---- */

static void test_nodes(void)
{
    SceneOpts opts = { .queues = "4" };
    Scene s;

    scene_begin(&s, &opts);
    assert_node(s.hv, "1", SCENE_BE "/feature-rx-copy");
    assert_node(s.hv, "0", SCENE_BE "/feature-rx-flip");
    assert_node(s.hv, "1", SCENE_BE "/feature-sg");
    assert_node(s.hv, "1", SCENE_BE "/feature-gso-tcpv4");
    assert_node(s.hv, "1", SCENE_BE "/feature-gso-tcpv6");
    assert_node(s.hv, "1", SCENE_BE "/feature-ipv6-csum-offload");
    assert_node(s.hv, "1", SCENE_BE "/feature-split-event-channels");
    assert_node(s.hv, "1", SCENE_BE "/feature-multicast-control");
    assert_node(s.hv, "1", SCENE_BE "/feature-dynamic-multicast-control");
    assert_node(s.hv, "1", SCENE_BE "/feature-ctrl-ring");
    assert_node(s.hv, "1", SCENE_BE "/feature-xdp-headroom");
    assert_node(s.hv, NULL, SCENE_BE "/feature-no-csum-offload");
    assert_node(s.hv, "4", SCENE_BE "/multi-queue-max-queues");
    assert_node(s.hv, "1", SCENE_BE "/carrier");
    assert_node(s.hv, "52:54:00:12:34:56", SCENE_FE "/mac");
    assert_node(s.hv, "0", SCENE_FE "/handle");
    assert_node(s.hv, NULL, SCENE_FE "/mtu");
    g_assert_cmpint(front_be_state(s.front), ==, XenbusStateConnected);
    scene_end(&s);
}

static void test_properties(void)
{
    static const struct {
        const char *key, *value, *error;
    } rows[] = {
        { "queues", "65", "queues must be 1 to 64, not 65" },
        { "mtu", "67", "mtu must be 68 to 65535, not 67" },
        { "mtu", "65536", "mtu must be 68 to 65535, not 65536" },
        { "rate", "fast", "rate is 'bytes,microseconds', not 'fast'" },
        { "rate", "0,100", "rate of 0 bytes" },
        { "mtu", "9000", NULL },
        { "rate", "0,0", NULL },
        { "mac", "00:16:3e:01:02:03", NULL },
    };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;
        XenPvDevice *dev;

        test_peer_reset(1, false);
        dev = fixture_plug(bus, &err, "xen-net-device", "netdev", "peer0",
                           rows[i].key, rows[i].value, NULL);
        if (rows[i].error) {
            g_assert_null(dev);
            g_assert_cmpstr(error_get_pretty(err), ==, rows[i].error);
            error_free(err);
            continue;
        }
        g_assert_nonnull(dev);
        if (strcmp(rows[i].key, "rate")) {
            assert_node(hv, rows[i].value, SCENE_FE "/%s", rows[i].key);
        }
        object_unparent(OBJECT(dev));
        fixture_settle();
    }
    fixture_end(bus);
}

/* ---- sending ---- */

typedef struct SendRow {
    const char *name;
    unsigned version;
    bool tcp;
    unsigned payload;
    unsigned piece;
    bool blank;
    bool vlan;
    uint8_t gso;
    uint16_t mss;
} SendRow;

static const SendRow send_rows[] = {
    { "udp4", 4, false, 100, 4000, false, false, 0, 0 },
    { "udp4-pieces", 4, false, 1000, 100, false, false, 0, 0 },
    { "udp4-blank", 4, false, 101, 4000, true, false, 0, 0 },
    { "udp6-blank", 6, false, 1, 4000, true, false, 0, 0 },
    { "tcp4-blank", 4, true, 1400, 4000, true, false, 0, 0 },
    { "tcp4-blank-header-in-pieces", 4, true, 1400, 33, true, false, 0, 0 },
    { "tcp6-blank-vlan", 6, true, 333, 301, true, true, 0, 0 },
    { "tcp4-gso", 4, true, 5000, 4000, true, false, V4, 1448 },
    { "tcp4-gso-even", 4, true, 2896, 1000, true, false, V4, 1448 },
    { "tcp4-gso-one", 4, true, 1000, 1000, true, false, V4, 1448 },
    { "tcp4-gso-no-payload", 4, true, 0, 1000, true, false, V4, 1448 },
    { "tcp4-gso-odd", 4, true, 3001, 997, true, false, V4, 333 },
    { "tcp4-gso-not-blank", 4, true, 3001, 997, false, false, V4, 333 },
    { "tcp6-gso", 6, true, 65000, 4096, true, false, V6, 1428 },
    { "tcp6-gso-vlan", 6, true, 5000, 1024, true, true, V6, 1000 },
    { "jumbo", 4, false, 65000, 4096, false, false, 0, 0 },
    { "jumbo-blank", 4, false, 65000, 4096, true, false, 0, 0 },
};

typedef struct Way {
    const char *name;
    bool copy, vnet, one_piece;
} Way;

static const Way ways[] = {
    { "pin-vnet", false, true, false },
    { "pin-soft", false, false, false },
    { "pin-one-piece", false, false, true },
    { "copy-vnet", true, true, false },
    { "copy-soft", true, false, true },
};

/* Every segment is a good frame, and together they are the payload. */
static void check_segments(const SendRow *row, const uint8_t *frame,
                           unsigned len)
{
    unsigned headers = len - row->payload, at = 0, i;
    unsigned l3 = row->vlan ? 18 : 14;
    unsigned l4 = l3 + (row->version == 4 ? 20 : 40);
    unsigned nr = MAX(1, DIV_ROUND_UP(row->payload, row->mss));

    g_assert_cmpuint(test_peer.frames->len, ==, nr);
    for (i = 0; i < nr; i++) {
        size_t got;
        const uint8_t *seg = test_peer_frame(i, &got);
        unsigned n = MIN(row->mss, row->payload - at);

        g_assert_cmpuint(got, ==, headers + n);
        g_assert_true(frame_good(seg, got));
        g_assert_cmpmem(seg + headers, n, frame + headers + at, n);
        g_assert_cmpuint(ldl_be_p(seg + l4 + 4), ==, 0x10203040 + at);
        /* CWR on the first, PSH and FIN on the last */
        g_assert_cmphex(seg[l4 + 13], ==, 0x10 | (i ? 0 : 0x80) |
                        (i + 1 == nr ? 9 : 0));
        if (row->version == 4) {
            g_assert_cmpuint(lduw_be_p(seg + l3 + 4), ==, 0x1234 + i);
        }
        at += n;
    }
}

static void check_vnet(const SendRow *row, const uint8_t *frame, unsigned len)
{
    const struct virtio_net_hdr *vnet = test_peer_vnet(0);
    unsigned l4 = (row->vlan ? 18 : 14) + (row->version == 4 ? 20 : 40);
    g_autofree uint8_t *want = g_memdup2(frame, len);
    size_t got;
    const uint8_t *seen = test_peer_frame(0, &got);

    g_assert_cmpuint(test_peer.frames->len, ==, 1);
    if (row->blank || row->gso) {
        g_assert_cmpuint(vnet->flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
        g_assert_cmpuint(vnet->csum_start, ==, l4);
        g_assert_cmpuint(vnet->csum_offset, ==, row->tcp ? 16 : 6);
        /* That of the pseudo header, whatever the guest has left there */
        frame_make(want, row->version, row->tcp, row->payload, true,
                   row->vlan);
    } else {
        g_assert_cmpuint(vnet->flags, ==, 0);
    }
    g_assert_cmpuint(vnet->gso_type, ==,
                     row->gso == V4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
                     row->gso == V6 ? VIRTIO_NET_HDR_GSO_TCPV6 : 0);
    g_assert_cmpuint(vnet->gso_size, ==, row->mss);
    if (row->gso) {
        g_assert_cmpuint(vnet->hdr_len, ==, len - row->payload);
    }
    g_assert_cmpmem(seen, got, want, len);
}

static void test_send(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = {
        .copy = way->copy, .vnet = way->vnet, .one_piece = way->one_piece,
    };
    unsigned i;
    Scene s;

    scene_begin(&s, &opts);
    for (i = 0; i < ARRAY_SIZE(send_rows); i++) {
        const SendRow *row = &send_rows[i];
        unsigned len = frame_make(big, row->version, row->tcp, row->payload,
                                  row->blank, row->vlan);
        size_t got;

        g_test_message("%s", row->name);
        test_peer_clear();
        s.q->nulls = 0;
        g_assert_cmpint(front_send(s.q, big, len, row->piece,
                                   row->blank ? NETTXF_csum_blank |
                                   NETTXF_data_validated : 0, row->gso,
                                   row->mss), ==, NETIF_RSP_OKAY);
        g_assert_cmpuint(s.q->nulls, ==, row->gso ? 1 : 0);
        if (way->vnet) {
            check_vnet(row, big, len);
        } else if (row->gso) {
            check_segments(row, big, len);
        } else {
            const uint8_t *seen = test_peer_frame(0, &got);

            g_assert_cmpuint(test_peer.frames->len, ==, 1);
            g_assert_cmpuint(got, ==, len);
            g_assert_true(frame_good(seen, got));
        }
        g_assert_cmpuint(s.hv->live.pins, ==, 0);
    }
    scene_end(&s);
}

/* A batch is one event, and the front end is told once. */
static void test_send_batch(void)
{
    SceneOpts opts = { 0 };
    unsigned i, len;
    Scene s;

    scene_begin(&s, &opts);
    len = frame_make(big, 4, false, 100, false, false);
    fake_guest_events(s.hv, s.q->tx_port);
    for (i = 0; i < 100; i++) {
        memcpy(s.q->page[i], big, len);
        front_tx_slot(s.q, s.q->ref[i], 0, 0, i, len);
    }
    front_tx_push(s.q);
    for (i = 0; i < 100; i++) {
        g_assert_cmpint(front_status(s.q, i), ==, NETIF_RSP_OKAY);
    }
    g_assert_cmpuint(test_peer.frames->len, ==, 100);
    g_assert_cmpuint(fake_guest_events(s.hv, s.q->tx_port), ==, 1);
    scene_end(&s);
}

/* The rest of a packet may come later. */
static void test_send_in_two_goes(void)
{
    SceneOpts opts = { 0 };
    unsigned len;
    size_t got;
    Scene s;

    scene_begin(&s, &opts);
    len = frame_make(big, 4, false, 500, false, false);
    memcpy(s.q->page[0], big, len - 200);
    memcpy(s.q->page[1], big + len - 200, 200);
    front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_more_data, 0, len);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, FRONT_WAITING);
    front_tx_slot(s.q, s.q->ref[1], 0, 0, 1, 200);
    g_assert_true(front_tx_push(s.q));
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_OKAY);
    g_assert_cmpmem(test_peer_frame(0, &got), got, big, len);
    scene_end(&s);
}

/*
 * A peer that takes nothing holds one packet, whatever the guest sends, and
 * all comes through in order once it does.
 */
static void test_send_held(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = {
        .copy = way->copy, .vnet = way->vnet, .one_piece = way->one_piece,
    };
    unsigned i, len, waiting = 0;
    Scene s;

    scene_begin(&s, &opts);
    test_peer.hold = true;
    len = frame_make(big, 4, false, 100, false, false);
    for (i = 0; i < 200; i++) {
        stl_be_p(big + len - 4, i);
        memcpy(s.q->page[i], big, len);
        front_tx_slot(s.q, s.q->ref[i], 0, 0, i, len);
    }
    front_tx_push(s.q);
    for (i = 0; i < 200; i++) {
        waiting += front_status(s.q, i) == FRONT_WAITING;
    }
    g_assert_cmpuint(waiting, ==, 199);
    test_peer_release();
    fixture_settle();
    g_assert_cmpuint(test_peer.frames->len, ==, 200);
    for (i = 0; i < 200; i++) {
        size_t got;
        const uint8_t *frame = test_peer_frame(i, &got);

        g_assert_cmpuint(ldl_be_p(frame + len - 4), ==, i);
        g_assert_cmpint(front_status(s.q, i), ==, NETIF_RSP_OKAY);
    }
    /* ... and a guest that leaves meanwhile leaves nothing. */
    test_peer.hold = true;
    front_tx_slot(s.q, s.q->ref[0], 0, 0, 0, len);
    front_tx_slot(s.q, s.q->ref[1], 0, 0, 1, len);
    front_tx_push(s.q);
    front_close(s.front);
    scene_new_front(&s, &opts.front);
    front_connect(s.front);
    test_peer_release();
    fixture_settle();
    scene_works(&s);
    scene_end(&s);
}

static bool more_than(void *opaque)
{
    return test_peer.frames->len > *(unsigned *)opaque;
}

static void test_send_rate(void)
{
    SceneOpts opts = { .rate = "1000,20000" };
    unsigned i, len, sent = 0;
    gint64 start;
    Scene s;

    scene_begin(&s, &opts);
    len = frame_make(big, 4, false, 450, false, false);
    for (i = 0; i < 10; i++) {
        memcpy(s.q->page[i], big, len);
        front_tx_slot(s.q, s.q->ref[i], 0, 0, i, len);
    }
    start = g_get_monotonic_time();
    front_tx_push(s.q);
    g_assert_cmpuint(test_peer.frames->len, <, 10);
    while (test_peer.frames->len < 10) {
        g_assert_true(fixture_wait(more_than, &sent));
        if (test_peer.frames->len != sent) {
            sent = test_peer.frames->len;
            /* Never more than the burst, one packet of debt, and the rate */
            g_assert_cmpuint(sent * len, <=, 1000 + len + 1000 +
                             (g_get_monotonic_time() - start) / 20);
        }
    }
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 60000);
    scene_end(&s);
}

/* ---- receiving ---- */

static void test_receive(const void *opaque)
{
    const Way *way = opaque;
    static const unsigned sizes[] = { 14, 60, 1514, 4096, 4097, 9014, 65535 };
    static const unsigned headrooms[] = { 0, 256, 2048 };
    unsigned i, j;

    for (j = 0; j < ARRAY_SIZE(headrooms); j++) {
        SceneOpts opts = {
            .copy = way->copy, .vnet = way->vnet,
            .front.headroom = headrooms[j], .front.one_channel = j == 1,
        };
        Scene s;

        scene_begin(&s, &opts);
        for (i = 0; i < sizeof(big); i++) {
            big[i] = i * 7 + (i >> 8);
        }
        big[0] = 2;
        for (i = 0; i < ARRAY_SIZE(sizes); i++) {
            unsigned nr = DIV_ROUND_UP(sizes[i], 4096 - headrooms[j]);

            front_rx_post(s.q, nr);
            g_assert_true(test_peer_send(0, NULL, big, sizes[i]));
            fixture_settle();
            front_rx_reap(s.q);
            g_assert_cmpuint(s.q->packets->len, ==, 1);
            g_assert_cmpuint(front_packet(s.q, 0)->slots, ==, nr);
            g_assert_cmpuint(front_packet(s.q, 0)->flags &
                             ~NETRXF_more_data, ==, 0);
            g_assert_cmpmem(front_packet(s.q, 0)->data->data,
                            front_packet(s.q, 0)->data->len, big, sizes[i]);
        }
        /* What no slot count can hold, and what is no frame */
        front_rx_post(s.q, 1);
        g_assert_true(test_peer_send(0, NULL, big, 65536));
        g_assert_true(test_peer_send(0, NULL, big, 13));
        fixture_settle();
        front_rx_reap(s.q);
        g_assert_cmpuint(s.q->packets->len, ==, 0);
        g_assert_cmpuint(s.hv->live.pins, ==, 0);
        scene_end(&s);
    }
}

typedef struct FlagRow {
    const char *name;
    FrontOpts front;
    unsigned version;
    unsigned payload;
    bool tcp;
    struct virtio_net_hdr vnet;
    uint16_t flags;             /* but for more_data and extra_info */
    uint8_t gso;
    unsigned packets;           /* 0: dropped */
    bool good;                  /* the checksum is in the packet */
} FlagRow;

#define NEEDS(l4, off) { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, \
                         .csum_start = l4, .csum_offset = off }
#define GSO(t, mss, l4) { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, \
                          .gso_type = t, .gso_size = mss, \
                          .csum_start = l4, .csum_offset = 16 }
#define BLANK (NETRXF_csum_blank | NETRXF_data_validated)
#define T4 VIRTIO_NET_HDR_GSO_TCPV4
#define T6 VIRTIO_NET_HDR_GSO_TCPV6

static const FlagRow flag_rows[] = {
    { "nothing", {}, 4, 100, true, {}, 0, 0, 1, true },
    { "valid", {}, 4, 100, true, { .flags = VIRTIO_NET_HDR_F_DATA_VALID },
      NETRXF_data_validated, 0, 1, true },
    { "blank4", {}, 4, 100, true, NEEDS(34, 16), BLANK, 0, 1, false },
    { "blank6", {}, 6, 100, false, NEEDS(54, 6), BLANK, 0, 1, false },
    { "blank4-not-taken", { .no_csum4 = true }, 4, 101, true, NEEDS(34, 16),
      NETRXF_data_validated, 0, 1, true },
    { "blank6-not-taken", { .no_csum6 = true }, 6, 1001, false,
      NEEDS(54, 6), NETRXF_data_validated, 0, 1, true },
    { "blank-beyond-the-end", {}, 4, 100, true, NEEDS(4000, 16), 0, 0, 0 },
    { "blank-last-byte", { .no_csum4 = true }, 4, 1, false, NEEDS(34, 8), 0,
      0, 0 },
    { "gso4", {}, 4, 5000, true, GSO(T4, 1448, 34), BLANK, V4, 1, false },
    { "gso4-ecn", {}, 4, 5000, true, GSO(T4 | VIRTIO_NET_HDR_GSO_ECN, 1448,
      34), BLANK, V4, 1, false },
    { "gso6", {}, 6, 5000, true, GSO(T6, 1428, 54), BLANK, V6, 1, false },
    { "gso4-not-taken", { .no_gso = true }, 4, 5000, true,
      GSO(T4, 1448, 34), NETRXF_data_validated, 0, 4, true },
    { "gso6-without-csum", { .no_csum6 = true }, 6, 5000, true,
      GSO(T6, 1428, 54), NETRXF_data_validated, 0, 4, true },
    { "gso-without-sg", { .no_gso = true, .no_sg = true }, 4, 5000, true,
      GSO(T4, 1448, 34), NETRXF_data_validated, 0, 4, true },
    { "gso-of-udp", {}, 4, 5000, false, GSO(T4, 1448, 34), 0, 0, 0 },
    { "gso4-of-6", {}, 6, 5000, true, GSO(T4, 1448, 54), 0, 0, 0 },
    { "gso-size-0", {}, 4, 5000, true, GSO(T4, 0, 34), 0, 0, 0 },
    { "jumbo-without-sg", { .no_gso = true, .no_sg = true }, 4, 5000, false,
      {}, 0, 0, 0 },
};

static void test_receive_flags(const void *opaque)
{
    bool copy = opaque != NULL;
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(flag_rows); i++) {
        const FlagRow *row = &flag_rows[i];
        SceneOpts opts = { .copy = copy, .vnet = true, .front = row->front };
        bool blank = row->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
        unsigned len = frame_make(big, row->version, row->tcp, row->payload,
                                  blank, false), at = 0;
        Scene s;

        g_test_message("%s", row->name);
        scene_begin(&s, &opts);
        g_assert_cmpint(test_peer.vnet_len, ==, 10);
        g_assert_cmpint(test_peer.csum, ==, !row->front.no_csum4 ||
                                            !row->front.no_csum6);
        g_assert_cmpint(test_peer.tso4, ==, !row->front.no_gso &&
                                            !row->front.no_csum4);
        g_assert_cmpint(test_peer.tso6, ==, !row->front.no_gso &&
                                            !row->front.no_csum6);
        front_rx_post(s.q, 40);
        g_assert_true(test_peer_send(0, &row->vnet, big, len));
        fixture_settle();
        front_rx_reap(s.q);
        g_assert_cmpuint(s.q->packets->len, ==, row->packets);
        for (j = 0; j < row->packets; j++) {
            FrontPacket *pkt = front_packet(s.q, j);
            unsigned headers = len - row->payload;
            unsigned n = pkt->data->len - headers;

            g_assert_false(pkt->error);
            g_assert_cmphex(pkt->flags & ~(NETRXF_more_data |
                                           NETRXF_extra_info), ==,
                            row->flags);
            g_assert_cmpuint(pkt->gso_type, ==, row->gso);
            g_assert_cmpuint(pkt->gso_size, ==,
                             row->gso ? row->vnet.gso_size : 0);
            g_assert_cmpint(frame_good(pkt->data->data, pkt->data->len), ==,
                            row->good);
            g_assert_cmpmem(pkt->data->data + headers, n,
                            big + headers + at, n);
            at += n;
        }
        g_assert_cmpuint(at, ==, row->packets ? row->payload : 0);
        scene_end(&s);
        g_assert_cmpint(test_peer.csum, ==, 0);
        g_assert_cmpint(test_peer.tso4, ==, 0);
    }
}

/* A batch of packets is one event. */
static void test_receive_batch(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = { .copy = way->copy, .vnet = way->vnet };
    unsigned i, len;
    Scene s;

    scene_begin(&s, &opts);
    front_rx_post(s.q, 100);
    fake_guest_events(s.hv, s.q->rx_port);
    len = frame_make(big, 4, false, 1000, false, false);
    for (i = 0; i < 100; i++) {
        stl_be_p(big + len - 4, i);
        g_assert_true(test_peer_send(0, NULL, big, len));
    }
    fixture_settle();
    g_assert_cmpuint(fake_guest_events(s.hv, s.q->rx_port), ==, 1);
    front_rx_reap(s.q);
    g_assert_cmpuint(s.q->packets->len, ==, 100);
    for (i = 0; i < 100; i++) {
        FrontPacket *pkt = front_packet(s.q, i);

        g_assert_cmpuint(ldl_be_p(pkt->data->data + len - 4), ==, i);
    }
    scene_end(&s);
}

/* Without pages a packet waits, and comes when there are enough. */
static void test_receive_waits(void)
{
    SceneOpts opts = { 0 };
    Scene s;

    scene_begin(&s, &opts);
    big[0] = 2;
    g_assert_false(test_peer_send(0, NULL, big, 9000));
    front_rx_post(s.q, 1);
    front_rx_post(s.q, 1);
    g_assert_cmpuint(test_peer_waiting(), ==, 1);
    front_rx_post(s.q, 1);
    g_assert_cmpuint(test_peer_waiting(), ==, 0);
    front_rx_reap(s.q);
    g_assert_cmpuint(s.q->packets->len, ==, 1);
    /* The guest goes: nobody's packets are kept for the next one. */
    g_assert_false(test_peer_send(0, NULL, big, 9000));
    front_close(s.front);
    g_assert_cmpuint(test_peer_waiting(), ==, 0);
    g_assert_true(test_peer_send(0, NULL, big, 9000));
    scene_new_front(&s, &opts.front);
    front_connect(s.front);
    scene_works(&s);
    scene_end(&s);
}

static bool none_waits(void *opaque)
{
    return !test_peer_waiting();
}

/* A guest that sleeps loses its packets, and gets new ones when it wakes. */
static void test_receive_stalled(void)
{
    SceneOpts opts = { .drain = "30" };
    unsigned i;
    Scene s;

    scene_begin(&s, &opts);
    big[0] = 2;
    for (i = 0; i < 50; i++) {
        g_assert_false(test_peer_send(0, NULL, big, 100));
    }
    g_assert_true(fixture_wait(none_waits, NULL));
    for (i = 0; i < 1000; i++) {
        g_assert_true(test_peer_send(0, NULL, big, 100));
    }
    scene_works(&s);
    g_assert_false(test_peer_send(0, NULL, big, 100));
    front_rx_post(s.q, 1);
    g_assert_cmpuint(test_peer_waiting(), ==, 0);
    scene_end(&s);
}

/* A front end that tells of no pages is looked after. */
static void test_receive_no_notify(void)
{
    SceneOpts opts = { .front.no_notify = true };
    Scene s;

    scene_begin(&s, &opts);
    big[0] = 2;
    g_assert_false(test_peer_send(0, NULL, big, 100));
    front_rx_post(s.q, 1);
    g_assert_true(fixture_wait(none_waits, NULL));
    fixture_settle();
    front_rx_reap(s.q);
    g_assert_cmpuint(s.q->packets->len, ==, 1);
    scene_end(&s);
}

/* ---- more than one queue ---- */

static void test_queues(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = {
        .copy = way->copy, .vnet = way->vnet, .peer_queues = 4,
        .front.queues = 4,
    };
    Scene s;

    scene_begin(&s, &opts);
    assert_node(s.hv, "4", SCENE_BE "/multi-queue-max-queues");
    scene_works(&s);
    /* Fewer, and back to the keys of one */
    front_close(s.front);
    opts.front.queues = 1;
    scene_new_front(&s, &opts.front);
    front_connect(s.front);
    scene_works(&s);
    scene_end(&s);
}

/* One peer, many queues: flows are spread, and one flow stays together. */
static void test_spread(void)
{
    SceneOpts opts = { .queues = "4", .front.queues = 4 };
    unsigned i, j, used = 0, len;
    Scene s;

    scene_begin(&s, &opts);
    scene_works(&s);
    for (i = 0; i < 4; i++) {
        front_rx_post(&s.front->queue[i], 100);
    }
    for (i = 0; i < 64; i++) {
        len = frame_make(big, i & 1 ? 4 : 6, true, 100, false, false);
        stw_be_p(big + (i & 1 ? 34 : 54), 1000 + i / 2);
        for (j = 0; j < 3; j++) {
            g_assert_true(test_peer_send(0, NULL, big, len));
        }
    }
    fixture_settle();
    for (i = 0; i < 4; i++) {
        front_rx_reap(&s.front->queue[i]);
        g_assert_cmpuint(s.front->queue[i].packets->len % 3, ==, 0);
        used += s.front->queue[i].packets->len > 0;
    }
    g_assert_cmpuint(used, ==, 4);
    scene_end(&s);
}

static void test_bad_keys(void)
{
    static const struct {
        const char *key, *value, *why;
    } rows[] = {
        { "request-rx-copy", "0", "request-rx-copy" },
        { "request-rx-copy", NULL, "request-rx-copy" },
        { "request-rx-copy", "yes", "request-rx-copy" },
        { "tx-ring-ref", NULL, "tx-ring-ref" },
        { "tx-ring-ref", "999999", "" },
        { "rx-ring-ref", "x", "rx-ring-ref" },
        { "event-channel-tx", "999999", "" },
        { "event-channel-rx", NULL, "event-channel-rx" },
        { "event-channel-tx", NULL, "event-channel" },
        { "multi-queue-num-queues", "0", "multi-queue-num-queues" },
        { "multi-queue-num-queues", "3", "multi-queue-num-queues" },
        { "multi-queue-num-queues", "2", "queue-0/tx-ring-ref" },
        { "xdp-headroom", "2049", "xdp-headroom" },
        { "feature-sg", "-1", "feature-sg" },
        { "ctrl-ring-ref", "7777777", "" },
        { "event-channel-ctrl", NULL, "event-channel-ctrl" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        SceneOpts opts = { .queues = "2", .front.ctrl = true };
        Scene s;

        g_test_message("%s=%s", rows[i].key, rows[i].value);
        scene_begin(&s, &opts);
        front_close(s.front);
        scene_new_front(&s, &opts.front);
        front_write_keys(s.front);
        front_key(s.front, rows[i].key, rows[i].value);
        front_set_state(s.front, XenbusStateConnected);
        scene_broken(&s, rows[i].why);
        /* The next one is served. */
        front_close(s.front);
        scene_new_front(&s, &opts.front);
        front_connect(s.front);
        scene_works(&s);
        scene_end(&s);
    }
}

/* ---- multicast ---- */

static void mcast_change(Scene *s, uint8_t type, uint8_t last, int status)
{
    uint8_t address[6] = { 1, 0, 0x5e, 0, 0, last };

    front_tx_slot(s->q, s->q->ref[0], 0, NETTXF_extra_info, 0, 0);
    front_tx_extra(s->q, type, 0, address, 6);
    front_tx_push(s->q);
    g_assert_cmpint(front_status(s->q, 0), ==, status);
}

static unsigned mcast_gets(Scene *s, const char *to)
{
    memcpy(big, to, 6);
    front_rx_reap(s->q);
    front_rx_post(s->q, 1);
    test_peer_send(0, NULL, big, 60);
    fixture_settle();
    front_rx_reap(s->q);
    return s->q->packets->len;
}

static void test_mcast(void)
{
    SceneOpts opts = { 0 };
    unsigned i;
    Scene s;

    scene_begin(&s, &opts);
    mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 1, NETIF_RSP_OKAY);
    g_assert_cmpuint(test_peer.frames->len, ==, 0);
    /* Not asked for: everything */
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\2"), ==, 1);
    front_key(s.front, "request-multicast-control", "1");
    fixture_settle();
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\2"), ==, 0);
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\1"), ==, 1);
    g_assert_cmpuint(mcast_gets(&s, "\xff\xff\xff\xff\xff\xff"), ==, 1);
    g_assert_cmpuint(mcast_gets(&s, "\2\0\x5e\0\0\2"), ==, 1);
    mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 2, NETIF_RSP_OKAY);
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\2"), ==, 1);
    mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 1, NETIF_RSP_OKAY);
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\1"), ==, 0);
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\2"), ==, 1);
    /* As many as there may be: 2 is there, and stays once only */
    for (i = 0; i < 64; i++) {
        mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 2 + i,
                     NETIF_RSP_OKAY);
    }
    mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 100, NETIF_RSP_ERROR);
    mcast_change(&s, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 3, NETIF_RSP_OKAY);
    front_key(s.front, "request-multicast-control", "0");
    fixture_settle();
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\1"), ==, 1);
    /* Asked for from the start, and the list is empty again */
    front_close(s.front);
    opts.front.mcast = true;
    scene_new_front(&s, &opts.front);
    front_connect(s.front);
    g_assert_cmpuint(mcast_gets(&s, "\1\0\x5e\0\0\2"), ==, 0);
    scene_end(&s);
}

/* ---- the control ring ---- */

#define CTRL(name) XEN_NETIF_CTRL_TYPE_ ## name
#define OKAY XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define OVERFLOW XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW
#define UNSUPPORTED XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED

static void test_hash(const void *opaque)
{
    bool copy = opaque != NULL;
    SceneOpts opts = {
        .copy = copy, .queues = "4", .front.queues = 4, .front.ctrl = true,
    };
    uint32_t ref, data, bad_ref = 0xdeadbeef, i, hash;
    XenPvNetifHash want = { .algorithm = 1, .types = 15 };
    uint8_t *page;
    Scene s;
    unsigned len;

    scene_begin(&s, &opts);
    page = front_grant(s.front, true, &ref);
    g_assert_cmpuint(front_ctrl(s.front, 0, 0, 0, 0, NULL), ==, UNSUPPORTED);
    g_assert_cmpuint(front_ctrl(s.front, 11, 0, 0, 0, NULL), ==,
                     UNSUPPORTED);
    g_assert_cmpuint(front_ctrl(s.front, 65535, 0, 0, 0, NULL), ==,
                     UNSUPPORTED);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(GET_HASH_FLAGS), 0, 0, 0,
                                NULL), ==, UNSUPPORTED);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_FLAGS), 1, 0, 0,
                                NULL), ==, UNSUPPORTED);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_ALGORITHM), 2, 0, 0,
                                NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_ALGORITHM), 1, 0, 0,
                                NULL), ==, OKAY);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(GET_HASH_FLAGS), 0, 0, 0,
                                &data), ==, OKAY);
    g_assert_cmpuint(data, ==, 15);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_FLAGS), 16, 0, 0,
                                NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_FLAGS), 15, 0, 0,
                                NULL), ==, OKAY);
    for (i = 0; i < 40; i++) {
        page[i] = want.key[i] = i * 37 + 5;
    }
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_KEY), ref, 41, 0,
                                NULL), ==, OVERFLOW);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_KEY), bad_ref, 40, 0,
                                NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_KEY), ref, 40, 0,
                                NULL), ==, OKAY);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(GET_HASH_MAPPING_SIZE), 0, 0,
                                0, &data), ==, OKAY);
    g_assert_cmpuint(data, ==, 128);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING_SIZE), 129, 0,
                                0, NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING_SIZE), 8, 0,
                                0, NULL), ==, OKAY);
    for (i = 0; i < 4; i++) {
        stl_le_p(page + 4 * i, 3 - i);
    }
    stl_le_p(page + 16, 0);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 129, 0,
                                NULL), ==, OVERFLOW);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 4, 5,
                                NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 4,
                                UINT32_MAX, NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 5, 0,
                                NULL), ==, OKAY);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 4, 4,
                                NULL), ==, OKAY);
    stl_le_p(page, 4);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_MAPPING), ref, 1, 0,
                                NULL), ==, INVALID);
    for (i = 0; i < 8; i++) {
        want.mapping[i] = i < 4 ? 3 - i : 3 - (i - 4);
    }
    want.nr_mapping = 8;
    for (i = 0; i < 40; i++) {
        unsigned version = i & 1 ? 4 : 6, l4 = i & 1 ? 34 : 54;
        bool tcp = i & 2;
        FrontQueue *q;
        uint8_t type;

        len = frame_make(big, version, tcp, 100, false, false);
        stw_be_p(big + l4, 1000 + i);
        g_assert_true(xenpv_netif_hash(&want, version, tcp,
                                       big + (i & 1 ? 26 : 22), big + l4,
                                       &type, &hash));
        q = &s.front->queue[xenpv_netif_hash_queue(&want, hash, 4)];
        front_rx_reap(q);
        front_rx_post(q, 2);
        g_assert_true(test_peer_send(0, NULL, big, len));
        fixture_settle();
        front_rx_reap(q);
        g_assert_cmpuint(q->packets->len, ==, 1);
        g_assert_true(front_packet(q, 0)->hashed);
        g_assert_cmpuint(front_packet(q, 0)->hash_type, ==, type);
        g_assert_cmphex(front_packet(q, 0)->hash, ==, hash);
    }
    g_assert_cmpuint(front_ctrl(s.front, CTRL(SET_HASH_ALGORITHM), 0, 0, 0,
                                NULL), ==, OKAY);
    for (i = 0; i < 4; i++) {
        front_rx_reap(&s.front->queue[i]);
        front_rx_post(&s.front->queue[i], 2);
    }
    g_assert_true(test_peer_send(0, NULL, big, len));
    fixture_settle();
    for (i = 0; i < 4; i++) {
        front_rx_reap(&s.front->queue[i]);
        if (s.front->queue[i].packets->len) {
            g_assert_false(front_packet(&s.front->queue[i], 0)->hashed);
        }
    }
    scene_end(&s);
}

static void put_gref(uint8_t *page, unsigned i, uint32_t ref, uint16_t flags)
{
    stl_le_p(page + 8 * i, ref);
    stw_le_p(page + 8 * i + 4, flags);
    stw_le_p(page + 8 * i + 6, 0x7777);
}

static uint16_t gref_status(const uint8_t *page, unsigned i)
{
    return lduw_le_p(page + 8 * i + 6);
}

static void test_staged(const void *opaque)
{
    bool copy = opaque != NULL;
    SceneOpts opts = { .copy = copy, .front.ctrl = true };
    uint32_t list_ref, data, ro_ref, maps, i;
    uint8_t *list, *ro;
    unsigned len;
    size_t got;
    Scene s;

    scene_begin(&s, &opts);
    maps = s.hv->live.maps;
    list = front_grant(s.front, false, &list_ref);
    ro = front_grant(s.front, true, &ro_ref);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(GET_GREF_MAPPING_SIZE), 0, 0,
                                0, &data), ==, OKAY);
    g_assert_cmpuint(data, ==, 512);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(GET_GREF_MAPPING_SIZE), 1, 0,
                                0, NULL), ==, INVALID);
    /* All or none: the third is not granted */
    put_gref(list, 0, s.q->ref[0], 0);
    put_gref(list, 1, s.q->ref[1], 0);
    put_gref(list, 2, 0xdeadbeef, 0);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                3, NULL), ==, INVALID);
    g_assert_cmpuint(s.hv->live.maps, ==, maps);
    /* ... or twice the same, or not to be written and mapped for that */
    put_gref(list, 2, s.q->ref[0], 0);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                3, NULL), ==, INVALID);
    put_gref(list, 2, ro_ref, 0);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                3, NULL), ==, INVALID);
    g_assert_cmpuint(s.hv->live.maps, ==, maps);
    put_gref(list, 2, ro_ref, XEN_NETIF_CTRLF_GREF_readonly);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 1, list_ref,
                                3, NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                513, NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                3, NULL), ==, OKAY);
    g_assert_cmpuint(s.hv->live.maps, ==, maps + 3);
    /* Packets in them, between others, both ways */
    len = frame_make(ro, 4, false, 100, false, false);
    front_tx_slot(s.q, ro_ref, 0, 0, 0, len);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_OKAY);
    g_assert_cmpmem(test_peer_frame(0, &got), got, ro, len);
    test_peer_clear();
    len = frame_make(big, 6, false, 900, true, false);
    g_assert_cmpint(front_send(s.q, big, len, 250, NETTXF_csum_blank, 0, 0),
                    ==, NETIF_RSP_OKAY);
    g_assert_true(frame_good(test_peer_frame(0, &got), len));
    big[0] = 2;
    front_rx_post(s.q, 3);
    g_assert_true(test_peer_send(0, NULL, big, 10000));
    fixture_settle();
    front_rx_reap(s.q);
    g_assert_cmpmem(front_packet(s.q, 0)->data->data,
                    front_packet(s.q, 0)->data->len, big, 10000);
    /* A page not to be written cannot take a packet. */
    s.q->ref[3] = ro_ref;
    front_rx_post(s.q, 1);
    g_assert_true(test_peer_send(0, NULL, big, 100));
    fixture_settle();
    front_rx_reap(s.q);
    g_assert_true(front_packet(s.q, 0)->error);
    /* Away: known ones, and one that is not */
    put_gref(list, 1, s.q->ref[7], 0);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(DEL_GREF_MAPPING), 0, list_ref,
                                3, &data), ==, OKAY);
    g_assert_cmpuint(data, ==, 2);
    g_assert_cmpuint(gref_status(list, 0), ==, OKAY);
    g_assert_cmpuint(gref_status(list, 1), ==, INVALID);
    g_assert_cmpuint(gref_status(list, 2), ==, OKAY);
    g_assert_cmpuint(s.hv->live.maps, ==, maps + 1);
    /* As many as there may be */
    for (i = 0; i < 512; i++) {
        uint32_t ref;

        front_grant(s.front, false, &ref);
        put_gref(list, i, ref, 0);
    }
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                512, NULL), ==, INVALID);
    g_assert_cmpuint(front_ctrl(s.front, CTRL(ADD_GREF_MAPPING), 0, list_ref,
                                511, NULL), ==, OKAY);
    g_assert_cmpuint(s.hv->live.maps, ==, maps + 512);
    /* A list that cannot be written: what was done is done */
    g_assert_cmpuint(front_ctrl(s.front, CTRL(DEL_GREF_MAPPING), 0, ro_ref,
                                1, &data), ==, INVALID);
    front_close(s.front);
    g_assert_cmpuint(s.hv->live.maps, ==, 0);
    scene_end(&s);
}

/*
 * Linux's front end with an XDP program: room in front of each packet, from
 * the moment we say so, and no packet is lost over it.
 */
static void test_xdp(void)
{
    SceneOpts opts = { 0 };
    Scene s;

    scene_begin(&s, &opts);
    scene_works(&s);
    front_key(s.front, "xdp-headroom", "256");
    front_set_state(s.front, XenbusStateReconfiguring);
    g_assert_cmpint(front_be_state(s.front), ==, XenbusStateReconfigured);
    s.front->opts.headroom = 256;
    front_set_state(s.front, XenbusStateConnected);
    scene_works(&s);
    front_key(s.front, "xdp-headroom", "0");
    front_set_state(s.front, XenbusStateReconfiguring);
    g_assert_cmpint(front_be_state(s.front), ==, XenbusStateReconfigured);
    s.front->opts.headroom = 0;
    front_set_state(s.front, XenbusStateConnected);
    scene_works(&s);
    front_key(s.front, "xdp-headroom", "9999");
    front_set_state(s.front, XenbusStateReconfiguring);
    front_set_state(s.front, XenbusStateConnected);
    scene_works(&s);
    scene_end(&s);
}

/* ---- made by a toolstack ---- */

#define VIF_BE "/local/domain/0/backend/vif/1/3"
#define VIF_FE "/local/domain/1/device/vif/3"

static void store(XenPvHv *hv, const char *path, const char *value)
{
    g_assert_cmpint(xenpv_store_write(hv, NULL, path, value), ==, 0);
}

static void test_toolstack(void)
{
    static const XenPvPerm fe_perms[] = { { 1, true, true }, { 0, true } };
    static const XenPvPerm be_perms[] = { { 0, true, true }, { 1, true } };
    static const struct {
        const char *key, *value, *state, *error;
    } rows[] = {
        { "mac", "00:16:3e:00:00:07", "2", NULL },
        { "rate", "1000,50000", "2", NULL },
        { "rate", "fast", "6", "rate" },
        { "mtu", "9000x", "6", "mtu" },
        { "vifname", "a/b", "6", "vifname 'a/b' cannot be" },
        { "vifname", "fifteen-letters-1", "6", "cannot be" },
        { "vifname", "no-rights", "6", "no tap device no-rights: " },
        { "bridge", "br-none", "6", "bridge br-none" },
        { "script", "/no/such/script", "6", "/no/such/script" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        g_autofree char *key = g_strdup_printf(VIF_BE "/%s", rows[i].key);

        g_test_message("%s=%s", rows[i].key, rows[i].value);
        test_peer_reset(1, true);
        store(hv, VIF_FE, "");
        xenpv_store_set_perms(hv, NULL, VIF_FE, fe_perms, 2);
        store(hv, VIF_FE "/backend", VIF_BE);
        store(hv, VIF_FE "/backend-id", "0");
        store(hv, VIF_FE "/state", "1");
        store(hv, VIF_BE, "");
        xenpv_store_set_perms(hv, NULL, VIF_BE, be_perms, 2);
        store(hv, VIF_BE "/frontend", VIF_FE);
        store(hv, VIF_BE "/frontend-id", "1");
        store(hv, VIF_BE "/online", "1");
        if (strcmp(rows[i].key, "script") && strcmp(rows[i].key, "bridge")) {
            store(hv, VIF_BE "/script", "/bin/true");
        }
        store(hv, key, rows[i].value);
        store(hv, VIF_BE "/state", "1");
        fixture_settle();
        assert_node(hv, rows[i].state, VIF_BE "/state");
        if (rows[i].error) {
            g_autofree char *error = fixture_node(hv, "/local/domain/0/error"
                                                  "/backend/vif/1/3/error");

            g_assert_nonnull(error);
            g_assert_nonnull(strstr(error, rows[i].error));
        } else {
            g_assert_cmpuint(test_nr_netdevs, ==, 1);
            g_assert_cmpstr(test_netdev_ifname, ==, "vif1.3");
            assert_node(hv, "1", VIF_BE "/feature-sg");
            if (!strcmp(rows[i].key, "mac")) {
                assert_node(hv, rows[i].value, VIF_FE "/mac");
            }
        }
        xenpv_store_rm(hv, NULL, VIF_BE);
        xenpv_store_rm(hv, NULL, VIF_FE);
        g_assert_true(fixture_wait(test_no_netdevs, NULL));
        fixture_settle();
        fixture_end(bus);
    }
}

/* Where a kernel serves that type it is left alone. */
static void test_toolstack_kernel(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus;

    hv->kernel_backends = true;
    bus = fixture_bus(hv);
    test_peer_reset(1, true);
    store(hv, VIF_FE "/backend", VIF_BE);
    store(hv, VIF_FE "/state", "1");
    store(hv, VIF_BE "/frontend", VIF_FE);
    store(hv, VIF_BE "/frontend-id", "1");
    store(hv, VIF_BE "/online", "1");
    store(hv, VIF_BE "/state", "1");
    fixture_settle();
    assert_node(hv, "1", VIF_BE "/state");
    g_assert_cmpuint(test_nr_netdevs, ==, 0);
    fixture_end(bus);
}

/*
 * backend=kernel: what it is told.  There is no interface of that name here, so
 * it cannot be put anywhere; that is said, and the kernel is not told to go on.
 */
static void test_kernel_nic(void)
{
    XenPvHv *hv = fake_hv_new();
    g_autofree char *log = NULL;
    XenPvDevice *dev;
    XenPvBus *bus;

    hv->kernel_backends = true;
    bus = fixture_bus(hv);
    dev = fixture_plug(bus, &error_abort, "xen-net-device", "backend",
                       "kernel", "devid", "3", "mac",
                       "52:54:00:00:00:09", "mtu", "1400",
                       "rate", "1000,50", NULL);
    fixture_settle();
    assert_node(hv, "1", VIF_BE "/state");
    assert_node(hv, "vif", VIF_BE "/type");
    assert_node(hv, "", VIF_BE "/script");
    assert_node(hv, "1000,50", VIF_BE "/rate");
    assert_node(hv, "1400", VIF_BE "/mtu");
    assert_node(hv, "52:54:00:00:00:09", VIF_BE "/mac");
    assert_node(hv, "52:54:00:00:00:09", VIF_FE "/mac");
    assert_node(hv, "3", VIF_FE "/handle");
    assert_node(hv, NULL, VIF_BE "/feature-sg");
    assert_node(hv, NULL, VIF_BE "/bridge");

    store(hv, VIF_BE "/state", "2");
    fixture_settle();
    log = fixture_log();
    g_assert_nonnull(strstr(log, "vif1.3"));
    assert_node(hv, NULL, VIF_BE "/hotplug-status");
    fixture_unplug(dev, &error_abort);
    store(hv, VIF_BE "/state", "6");
    fixture_settle();
    fixture_end(bus);
}

/* ---- the host's side ---- */

static void test_link(void)
{
    SceneOpts opts = { 0 };
    Scene s;

    scene_begin(&s, &opts);
    test_peer.hold = true;
    memcpy(s.q->page[0], big, 100);
    front_tx_slot(s.q, s.q->ref[0], 0, 0, 0, 100);
    front_tx_slot(s.q, s.q->ref[0], 0, 0, 1, 100);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 1), ==, FRONT_WAITING);
    test_peer_link(false);
    fixture_settle();
    assert_node(s.hv, "0", SCENE_BE "/carrier");
    g_assert_cmpint(front_status(s.q, 1), ==, NETIF_RSP_OKAY);
    test_peer_link(true);
    test_peer_release();
    fixture_settle();
    assert_node(s.hv, "1", SCENE_BE "/carrier");
    test_peer_clear();
    scene_works(&s);
    scene_end(&s);
}

/* Nothing of the guest's is touched while it stands still. */
static void test_stopped(void)
{
    SceneOpts opts = { .front.ctrl = true };
    Scene s;

    scene_begin(&s, &opts);
    test_vm_run(false);
    memcpy(s.q->page[0], big, 100);
    front_tx_slot(s.q, s.q->ref[0], 0, 0, 0, 100);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, FRONT_WAITING);
    g_assert_cmpuint(test_peer.frames->len, ==, 0);
    test_vm_run(true);
    fixture_settle();
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_OKAY);
    g_assert_cmpuint(test_peer.frames->len, ==, 1);
    scene_works(&s);
    scene_end(&s);
}

static bool info_shows(void *opaque)
{
    return strstr(test_nic_info(), opaque);
}

static void test_info(void)
{
    char sent[] = "sent 1 packets, 142 bytes, 0 bad; received 1 packets, "
                  "142 bytes, 0 dropped, 0 bad";
    SceneOpts opts = { 0 };
    Scene s;

    scene_begin(&s, &opts);
    g_assert_nonnull(strstr(test_nic_info(), "macaddr=52:54:00:12:34:56"));
    scene_works(&s);
    g_assert_true(fixture_wait(info_shows, sent));
    /* Counts outlive the connection. */
    front_close(s.front);
    g_assert_true(fixture_wait(info_shows, sent));
    scene_end(&s);
}

/* ---- front ends that break the rules ---- */

/* A packet of these slots is answered with an error, and the next is fine. */
static void test_hostile_packets(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = {
        .copy = way->copy, .vnet = way->vnet, .one_piece = way->one_piece,
    };
    unsigned len, i;
    uint32_t ref;
    Scene s;

    scene_begin(&s, &opts);
    /* Beyond the page */
    front_tx_slot(s.q, s.q->ref[0], 4090, 0, 0, 100);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_ERROR);
    /* Pieces larger than the whole */
    front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_more_data, 0, 100);
    front_tx_slot(s.q, s.q->ref[1], 0, 0, 1, 200);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_ERROR);
    g_assert_cmpint(front_status(s.q, 1), ==, NETIF_RSP_ERROR);
    /* Not granted, the second page */
    front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_more_data, 0, 200);
    front_tx_slot(s.q, 0xdeadbeef, 0, 0, 1, 100);
    front_tx_push(s.q);
    g_assert_cmpint(front_status(s.q, 0), ==, NETIF_RSP_ERROR);
    g_assert_cmpint(front_status(s.q, 1), ==, NETIF_RSP_ERROR);
    /* To be segmented, and is no TCP, or the other version's */
    len = frame_make(big, 4, false, 3000, true, false);
    g_assert_cmpint(front_send(s.q, big, len, 4000, 0, V4, 1000), ==,
                    NETIF_RSP_ERROR);
    len = frame_make(big, 4, true, 3000, true, false);
    g_assert_cmpint(front_send(s.q, big, len, 4000, 0, V6, 1000), ==,
                    NETIF_RSP_ERROR);
    g_assert_cmpint(front_send(s.q, big, len, 4000, 0, V4, 0), ==,
                    NETIF_RSP_ERROR);
    /* A length of IP's that the packet has not */
    stw_be_p(big + 16, 4000);
    g_assert_cmpint(front_send(s.q, big, len, 4000, NETTXF_csum_blank, 0, 0),
                    ==, NETIF_RSP_ERROR);
    /* Sixteen pieces, one of them revoked */
    len = frame_make(big, 4, true, 15000, false, false);
    ref = fake_guest_grant(s.hv, fake_guest_page(s.hv), false);
    g_assert_true(fake_guest_revoke(s.hv, ref));
    for (i = 0; i < 16; i++) {
        front_tx_slot(s.q, i == 9 ? ref : s.q->ref[i], 0,
                      i < 15 ? NETTXF_more_data : 0, i, i ? 900 : len);
    }
    front_tx_push(s.q);
    for (i = 0; i < 16; i++) {
        g_assert_cmpint(front_status(s.q, i), ==, NETIF_RSP_ERROR);
    }
    g_assert_cmpuint(test_peer.frames->len, ==, 0);
    g_assert_cmpuint(s.hv->live.pins, ==, 0);
    scene_works(&s);
    /* As fine as it may be cut: all of it, in bounded work */
    test_peer_clear();
    len = frame_make(big, 4, true, 60000, true, false);
    g_assert_cmpint(front_send(s.q, big, len, 4096, NETTXF_csum_blank, V4,
                               8), ==, NETIF_RSP_OKAY);
    g_assert_cmpuint(test_peer.frames->len, ==, way->vnet ? 1 : 7500);
    scene_end(&s);
}

/* No way to tell where the next packet begins: the device closes. */
static void test_hostile_chains(void)
{
    unsigned i, j;

    for (i = 0; i < 6; i++) {
        SceneOpts opts = { .copy = i & 1 };
        XenPvRingHeader *shared;
        const char *why = "";
        Scene s;

        scene_begin(&s, &opts);
        switch (i) {
        case 0:
            front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_extra_info, 0, 100);
            front_tx_extra(s.q, 0, 0, NULL, 0);
            why = "no known type";
            break;
        case 1:
            front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_extra_info, 0, 100);
            for (j = 0; j < 8; j++) {
                front_tx_extra(s.q, 1 + j % 4, 1, NULL, 0);
            }
            why = "two extra infos";
            break;
        case 2:
            for (j = 0; j < 250; j++) {
                front_tx_slot(s.q, s.q->ref[0], 0, NETTXF_more_data, 0, 100);
            }
            why = "more slots";
            break;
        case 3:
            s.q->tx_prod += 257;
            why = "more requests than";
            break;
        case 4:
            s.q->tx_prod -= 1;
            why = "more requests than";
            break;
        case 5:
            shared = (XenPvRingHeader *)s.q->rx;
            shared->req_prod = 300;
            big[0] = 2;
            g_assert_true(test_peer_send(0, NULL, big, 100));
            fixture_settle();
            why = "rx ring holds more";
            break;
        }
        if (i < 5) {
            shared = (XenPvRingHeader *)s.q->tx;
            shared->req_prod = s.q->tx_prod;
            fake_guest_notify(s.hv, s.q->tx_port);
            fixture_settle();
        }
        scene_broken(&s, why);
        front_close(s.front);
        scene_new_front(&s, &opts.front);
        front_connect(s.front);
        scene_works(&s);
        scene_end(&s);
    }
}

/* Pages for packets that cannot be used */
static void test_hostile_pages(const void *opaque)
{
    const Way *way = opaque;
    SceneOpts opts = { .copy = way->copy, .vnet = way->vnet };
    uint32_t ref, good;
    Scene s;

    scene_begin(&s, &opts);
    big[0] = 2;
    front_grant(s.front, true, &ref);
    good = s.q->ref[0];
    s.q->ref[0] = ref;
    s.q->ref[2] = 0xdeadbeef;
    front_rx_post(s.q, 6);
    g_assert_true(test_peer_send(0, NULL, big, 100));
    g_assert_true(test_peer_send(0, NULL, big, 12000));
    g_assert_true(test_peer_send(0, NULL, big, 5000));
    fixture_settle();
    front_rx_reap(s.q);
    g_assert_cmpuint(s.q->packets->len, ==, 3);
    g_assert_true(front_packet(s.q, 0)->error);
    g_assert_true(front_packet(s.q, 1)->error);
    g_assert_cmpuint(front_packet(s.q, 1)->slots, ==, 3);
    g_assert_false(front_packet(s.q, 2)->error);
    g_assert_cmpuint(s.hv->live.pins, ==, 0);
    s.q->ref[0] = good;
    scene_works(&s);
    scene_end(&s);
}

/* Events at any rate cost a look each, and nothing else. */
static void test_hostile_events(void)
{
    SceneOpts opts = { .front.ctrl = true };
    unsigned i;
    Scene s;

    scene_begin(&s, &opts);
    for (i = 0; i < 1000; i++) {
        fake_guest_notify(s.hv, s.q->tx_port);
        fake_guest_notify(s.hv, s.q->rx_port);
        fake_guest_notify(s.hv, s.front->ctrl_port);
        main_loop_wait(true);
    }
    scene_works(&s);
    scene_end(&s);
}

/* ---- every single fault ---- */

/* Returns whether all went as it should. */
static bool whole_life(XenPvHv *hv, XenPvBus *bus, bool copy)
{
    FrontOpts opts = { .ctrl = true, .queues = 2 };
    Error *err = NULL;
    XenPvDevice *dev;
    Front *front;
    FrontQueue *q;
    unsigned len;
    bool ok;

    test_peer_reset(2, false);
    dev = fixture_plug(bus, &err, "xen-net-device", "netdev", "peer0", NULL);
    if (!dev) {
        error_free(err);
        return false;
    }
    front = front_new(hv, &opts);
    q = front->queue;
    front_connect(front);
    ok = front_be_state(front) == XenbusStateConnected;
    if (ok) {
        len = frame_make(big, 4, true, 5000, true, false);
        ok &= front_send(q, big, len, 1000, NETTXF_csum_blank, V4, 1448) ==
              NETIF_RSP_OKAY;
        ok &= test_peer.frames->len == 4;
        front_rx_post(q, 3);
        ok &= test_peer_send(0, NULL, big, len);
        fixture_settle();
        front_rx_reap(q);
        ok &= q->packets->len == 1 && !front_packet(q, 0)->error;
        front_close(front);
    }
    object_unparent(OBJECT(dev));
    fixture_settle();
    g_assert_cmpuint(hv->live.pins, ==, 0);
    front_free(front);
    return ok;
}

static void test_faults(const void *opaque)
{
    bool copy = opaque != NULL, done = false;
    unsigned n;

    for (n = 1; !done; n++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus;
        bool ok;

        g_assert_cmpuint(n, <, 5000);
        hv->in_place = !copy;
        bus = fixture_bus(hv);
        fake_hv_fail_at(hv, n);
        ok = whole_life(hv, bus, copy);
        done = !fake_hv_has_failed(hv);
        g_assert_true(ok || !done);
        fixture_end(bus);
    }
    g_test_message("%u faults", n - 2);
    g_assert_cmpuint(n, >, 100);
}

static void add_ways(const char *name, GTestDataFunc fn)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(ways); i++) {
        g_autofree char *path = g_strdup_printf("/xenpv/net/%s/%s", name,
                                                ways[i].name);

        g_test_add_data_func(path, &ways[i], fn);
    }
}

static void add_both(const char *name, GTestDataFunc fn)
{
    g_autofree char *pin = g_strdup_printf("/xenpv/net/%s/pin", name);
    g_autofree char *copy = g_strdup_printf("/xenpv/net/%s/copy", name);

    g_test_add_data_func(pin, NULL, fn);
    g_test_add_data_func(copy, GUINT_TO_POINTER(1), fn);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
    g_test_add_func("/xenpv/net/nodes", test_nodes);
    g_test_add_func("/xenpv/net/properties", test_properties);
    add_ways("send", test_send);
    g_test_add_func("/xenpv/net/send-batch", test_send_batch);
    g_test_add_func("/xenpv/net/send-in-two-goes", test_send_in_two_goes);
    add_ways("send-held", test_send_held);
    g_test_add_func("/xenpv/net/send-rate", test_send_rate);
    add_ways("receive", test_receive);
    add_both("receive-flags", test_receive_flags);
    add_ways("receive-batch", test_receive_batch);
    g_test_add_func("/xenpv/net/receive-waits", test_receive_waits);
    g_test_add_func("/xenpv/net/receive-stalled", test_receive_stalled);
    g_test_add_func("/xenpv/net/receive-no-notify", test_receive_no_notify);
    add_ways("queues", test_queues);
    g_test_add_func("/xenpv/net/spread", test_spread);
    g_test_add_func("/xenpv/net/bad-keys", test_bad_keys);
    g_test_add_func("/xenpv/net/mcast", test_mcast);
    add_both("hash", test_hash);
    add_both("staged", test_staged);
    g_test_add_func("/xenpv/net/xdp", test_xdp);
    g_test_add_func("/xenpv/net/toolstack", test_toolstack);
    g_test_add_func("/xenpv/net/toolstack-kernel", test_toolstack_kernel);
    g_test_add_func("/xenpv/net/kernel", test_kernel_nic);
    g_test_add_func("/xenpv/net/link", test_link);
    g_test_add_func("/xenpv/net/stopped", test_stopped);
    g_test_add_func("/xenpv/net/info", test_info);
    add_ways("hostile/packets", test_hostile_packets);
    g_test_add_func("/xenpv/net/hostile/chains", test_hostile_chains);
    add_ways("hostile/pages", test_hostile_pages);
    g_test_add_func("/xenpv/net/hostile/events", test_hostile_events);
    add_both("faults", test_faults);
    return g_test_run();
}
