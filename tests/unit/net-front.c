/*
 * A net front end in software.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "system/runstate.h"
#include "net-front.h"

/* ---- pages and the store ---- */

uint8_t *front_grant(Front *front, bool readonly, uint32_t *ref)
{
    void *page = fake_guest_page(front->hv);

    *ref = fake_guest_grant(front->hv, page, readonly);
    g_array_append_val(front->refs, *ref);
    return page;
}

void front_key(Front *front, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf(SCENE_FE "/%s", key);

    if (value) {
        g_assert_cmpint(fake_guest_write(front->hv, path, "%s", value), ==,
                        0);
    } else {
        fake_guest_rm(front->hv, path);
    }
}

static void front_number(Front *front, const char *key, uint64_t value)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, value);

    front_key(front, key, text);
}

void front_set_state(Front *front, enum xenbus_state state)
{
    front_number(front, "state", state);
    fixture_settle();
}

int front_be_state(Front *front)
{
    g_autofree char *text = fake_guest_read(front->hv, SCENE_BE "/state");

    return text ? atoi(text) : XenbusStateUnknown;
}

static void queue_number(FrontQueue *q, const char *key, uint64_t value)
{
    Front *front = q->front;
    g_autofree char *path = front->nr_queues > 1 ?
        g_strdup_printf("queue-%u/%s", (unsigned)(q - front->queue), key) :
        g_strdup(key);

    front_number(front, path, value);
}

static void forget_keys(Front *front)
{
    static const char *const keys[] = {
        "tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx",
        "event-channel-rx", "multi-queue-num-queues", "ctrl-ring-ref",
        "event-channel-ctrl", "request-multicast-control", "xdp-headroom",
        "queue-0", "queue-1", "queue-2", "queue-3",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        front_key(front, keys[i], NULL);
    }
}

void front_write_keys(Front *front)
{
    FrontOpts *opts = &front->opts;
    unsigned i;

    forget_keys(front);
    if (opts->queues) {
        front_number(front, "multi-queue-num-queues", opts->queues);
    }
    for (i = 0; i < front->nr_queues; i++) {
        FrontQueue *q = &front->queue[i];

        queue_number(q, "tx-ring-ref", q->tx_ref);
        queue_number(q, "rx-ring-ref", q->rx_ref);
        if (opts->one_channel) {
            queue_number(q, "event-channel", q->tx_port);
        } else {
            queue_number(q, "event-channel-tx", q->tx_port);
            queue_number(q, "event-channel-rx", q->rx_port);
        }
    }
    front_number(front, "request-rx-copy", 1);
    front_number(front, "feature-rx-notify", !opts->no_notify);
    front_number(front, "feature-sg", !opts->no_sg);
    front_number(front, "feature-gso-tcpv4", !opts->no_gso);
    front_number(front, "feature-gso-tcpv6", !opts->no_gso);
    front_number(front, "feature-no-csum-offload", opts->no_csum4);
    front_number(front, "feature-ipv6-csum-offload", !opts->no_csum6);
    if (opts->mcast) {
        front_number(front, "request-multicast-control", 1);
    }
    if (opts->headroom) {
        front_number(front, "xdp-headroom", opts->headroom);
    }
    if (opts->ctrl) {
        front_number(front, "ctrl-ring-ref", front->ctrl_ref);
        front_number(front, "event-channel-ctrl", front->ctrl_port);
    }
}

void front_connect(Front *front)
{
    front_write_keys(front);
    front_set_state(front, XenbusStateConnected);
}

void front_close(Front *front)
{
    front_set_state(front, XenbusStateClosing);
    front_set_state(front, XenbusStateClosed);
}

/* ---- life ---- */

static void init_shared(uint8_t *page)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)page;

    shared->req_event = 1;
    shared->rsp_event = 1;
}

Front *front_new(XenPvHv *hv, const FrontOpts *opts)
{
    Front *front = g_new0(Front, 1);
    unsigned i, j;

    front->hv = hv;
    front->opts = *opts;
    front->refs = g_array_new(false, false, sizeof(uint32_t));
    front->nr_queues = MAX(1, opts->queues);
    for (i = 0; i < front->nr_queues; i++) {
        FrontQueue *q = &front->queue[i];

        q->front = front;
        q->tx = front_grant(front, false, &q->tx_ref);
        q->rx = front_grant(front, false, &q->rx_ref);
        init_shared(q->tx);
        init_shared(q->rx);
        q->tx_port = fake_guest_port(hv);
        q->rx_port = opts->one_channel ? q->tx_port : fake_guest_port(hv);
        for (j = 0; j < FRONT_SLOTS; j++) {
            q->status[j] = FRONT_WAITING;
            q->page[j] = front_grant(front, false, &q->ref[j]);
        }
        q->packets = g_ptr_array_new();
    }
    front->ctrl = front_grant(front, false, &front->ctrl_ref);
    init_shared(front->ctrl);
    front->ctrl_port = fake_guest_port(hv);
    return front;
}

static void forget_packets(FrontQueue *q)
{
    unsigned i;

    for (i = 0; i < q->packets->len; i++) {
        g_byte_array_unref(front_packet(q, i)->data);
        g_free(front_packet(q, i));
    }
    g_ptr_array_set_size(q->packets, 0);
}

void front_free(Front *front)
{
    unsigned i;

    for (i = 0; i < front->refs->len; i++) {
        g_assert_true(fake_guest_revoke(front->hv,
                                        g_array_index(front->refs, uint32_t,
                                                      i)));
    }
    for (i = 0; i < front->nr_queues; i++) {
        forget_packets(&front->queue[i]);
        g_ptr_array_unref(front->queue[i].packets);
    }
    g_array_free(front->refs, true);
    g_free(front);
}

/* ---- sending ---- */

static uint8_t *tx_at(FrontQueue *q, uint32_t idx)
{
    return q->tx + XENPV_RING_HEADER +
           (idx % FRONT_SLOTS) * XENPV_NETIF_TX_STRIDE;
}

void front_tx_slot(FrontQueue *q, uint32_t ref, uint16_t offset,
                   uint16_t flags, uint16_t id, uint16_t size)
{
    uint8_t *p = tx_at(q, q->tx_prod++);

    stl_le_p(p, ref);
    stw_le_p(p + 4, offset);
    stw_le_p(p + 6, flags);
    stw_le_p(p + 8, id);
    stw_le_p(p + 10, size);
    q->status[id % FRONT_SLOTS] = FRONT_WAITING;
}

void front_tx_extra(FrontQueue *q, uint8_t type, uint8_t flags,
                    const uint8_t *data, unsigned len)
{
    uint8_t *p = tx_at(q, q->tx_prod++);

    memset(p, 0, XENPV_NETIF_TX_STRIDE);
    p[0] = type;
    p[1] = flags;
    if (len) {
        memcpy(p + 2, data, len);
    }
}

void front_tx_gso(FrontQueue *q, uint8_t type, uint16_t size, bool more)
{
    uint8_t data[6] = { size & 255, size >> 8, type };

    front_tx_extra(q, XEN_NETIF_EXTRA_TYPE_GSO,
                   more ? XEN_NETIF_EXTRA_FLAG_MORE : 0, data, sizeof(data));
}

bool front_tx_push(FrontQueue *q)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)q->tx;
    uint32_t old = q->tx_pushed;
    bool tell;

    shared->req_prod = q->tx_prod;
    q->tx_pushed = q->tx_prod;
    tell = q->tx_prod - shared->req_event < q->tx_prod - old;
    if (tell) {
        fake_guest_notify(q->front->hv, q->tx_port);
    }
    fixture_settle();
    return tell;
}

void front_tx_reap(FrontQueue *q)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)q->tx;

    g_assert_cmpuint(shared->rsp_prod - q->tx_cons, <=,
                     q->tx_pushed - q->tx_cons);
    while (q->tx_cons != shared->rsp_prod) {
        uint8_t *p = tx_at(q, q->tx_cons++);
        uint16_t id = lduw_le_p(p);
        int16_t status = lduw_le_p(p + 2);

        /* Not a byte of what was there before */
        g_assert_cmpuint(ldl_le_p(p + 4), ==, 0);
        g_assert_cmpuint(ldl_le_p(p + 8), ==, 0);
        if (status == NETIF_RSP_NULL) {
            q->nulls++;
            continue;
        }
        if (!q->any_ids) {
            g_assert_cmpint(q->status[id % FRONT_SLOTS], ==, FRONT_WAITING);
        }
        q->status[id % FRONT_SLOTS] = status;
    }
    shared->rsp_event = q->tx_cons + 1;
}

int front_status(FrontQueue *q, uint16_t id)
{
    front_tx_reap(q);
    return q->status[id % FRONT_SLOTS];
}

int front_send(FrontQueue *q, const uint8_t *frame, unsigned len,
               unsigned piece, uint16_t flags, uint8_t gso_type,
               uint16_t gso_size)
{
    unsigned nr = MAX(1, DIV_ROUND_UP(len, piece)), i;
    bool gso = gso_type != XEN_NETIF_GSO_TYPE_NONE;
    static unsigned shift;
    int status;

    for (i = 0; i < nr; i++) {
        unsigned n = MIN(piece, len - i * piece);
        /* Not where the page begins, if it fits */
        unsigned at = n < 4000 ? shift++ % 90 : 0;
        bool more = i + 1 < nr;

        g_assert_cmpuint(at + n, <=, XENPV_PAGE_SIZE);
        memcpy(q->page[i] + at, frame + i * piece, n);
        front_tx_slot(q, q->ref[i], at,
                      (i ? 0 : flags | (gso ? NETTXF_extra_info : 0)) |
                      (more ? NETTXF_more_data : 0), i, i ? n : len);
        if (!i && gso) {
            front_tx_gso(q, gso_type, gso_size, false);
        }
    }
    front_tx_push(q);
    status = front_status(q, 0);
    for (i = 1; i < nr; i++) {
        g_assert_cmpint(front_status(q, i), ==, status);
    }
    return status;
}

/* ---- receiving ---- */

static uint8_t *rx_at(FrontQueue *q, uint32_t idx)
{
    return q->rx + XENPV_RING_HEADER +
           (idx % FRONT_SLOTS) * XENPV_NETIF_RX_STRIDE;
}

void front_rx_post(FrontQueue *q, unsigned nr)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)q->rx;
    uint32_t old = q->rx_prod;

    while (nr--) {
        unsigned slot = q->rx_prod % FRONT_SLOTS;
        uint8_t *p = rx_at(q, q->rx_prod++);

        memset(q->page[slot], 0xee, XENPV_PAGE_SIZE);
        stw_le_p(p, slot);
        stw_le_p(p + 2, 0);
        stl_le_p(p + 4, q->ref[slot]);
    }
    g_assert_cmpuint(q->rx_prod - q->rx_cons, <=, FRONT_SLOTS);
    shared->req_prod = q->rx_prod;
    if (q->rx_prod - shared->req_event < q->rx_prod - old &&
        !q->front->opts.no_notify) {
        fake_guest_notify(q->front->hv, q->rx_port);
    }
    fixture_settle();
}

FrontPacket *front_packet(FrontQueue *q, unsigned i)
{
    g_assert_cmpuint(i, <, q->packets->len);
    return g_ptr_array_index(q->packets, i);
}

static void reap_extras(FrontQueue *q, FrontPacket *pkt, uint32_t end)
{
    bool more = true;

    while (more) {
        uint8_t *p;

        g_assert_cmpuint(q->rx_cons, !=, end);
        p = rx_at(q, q->rx_cons++);
        if (p[0] == XEN_NETIF_EXTRA_TYPE_GSO) {
            pkt->gso_size = lduw_le_p(p + 2);
            pkt->gso_type = p[4];
            g_assert_cmpuint(p[5] | p[6] | p[7], ==, 0);
        } else {
            g_assert_cmpuint(p[0], ==, XEN_NETIF_EXTRA_TYPE_HASH);
            pkt->hashed = true;
            pkt->hash_type = p[2];
            g_assert_cmpuint(p[3], ==, 1);
            pkt->hash = ldl_le_p(p + 4);
        }
        more = p[1] & XEN_NETIF_EXTRA_FLAG_MORE;
    }
}

static void reap_one(FrontQueue *q, uint32_t end)
{
    FrontPacket *pkt = g_new0(FrontPacket, 1);
    bool more = true;

    pkt->data = g_byte_array_new();
    while (more) {
        unsigned slot = q->rx_cons % FRONT_SLOTS;
        uint8_t *p = rx_at(q, q->rx_cons++);
        uint16_t flags = lduw_le_p(p + 4);
        uint16_t offset = lduw_le_p(p + 2);
        int16_t len = lduw_le_p(p + 6);

        /* The slot of its request */
        g_assert_cmpuint(lduw_le_p(p), ==, slot);
        g_assert_cmpuint(offset, ==, q->front->opts.headroom);
        if (len < 0) {
            pkt->error = true;
        } else {
            g_assert_cmpuint(offset + len, <=, XENPV_PAGE_SIZE);
            g_byte_array_append(pkt->data, q->page[slot] + offset, len);
        }
        if (!pkt->slots++) {
            pkt->flags = flags;
            if (flags & NETRXF_extra_info) {
                reap_extras(q, pkt, end);
            }
        }
        more = flags & NETRXF_more_data;
        g_assert_true(!more || q->rx_cons != end);
    }
    g_ptr_array_add(q->packets, pkt);
}

void front_rx_reap(FrontQueue *q)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)q->rx;

    forget_packets(q);
    g_assert_cmpuint(shared->rsp_prod - q->rx_cons, <=,
                     q->rx_prod - q->rx_cons);
    while (q->rx_cons != shared->rsp_prod) {
        reap_one(q, shared->rsp_prod);
    }
    shared->rsp_event = q->rx_cons + 1;
}

/* ---- the control ring ---- */

uint32_t front_ctrl(Front *front, uint16_t type, uint32_t a, uint32_t b,
                    uint32_t c, uint32_t *data)
{
    XenPvRingHeader *shared = (XenPvRingHeader *)front->ctrl;
    uint32_t idx = front->ctrl_prod++;
    uint8_t *p = front->ctrl + XENPV_RING_HEADER +
                 (idx % 128) * XENPV_NETIF_CTRL_STRIDE;

    stw_le_p(p, 0x5a5a + idx);
    stw_le_p(p + 2, type);
    stl_le_p(p + 4, a);
    stl_le_p(p + 8, b);
    stl_le_p(p + 12, c);
    shared->req_prod = front->ctrl_prod;
    fake_guest_notify(front->hv, front->ctrl_port);
    fixture_settle();
    g_assert_cmpuint(shared->rsp_prod, ==, front->ctrl_prod);
    g_assert_cmpuint(lduw_le_p(p), ==, 0x5a5a + idx);
    g_assert_cmpuint(lduw_le_p(p + 2), ==, type);
    g_assert_cmpuint(ldl_le_p(p + 12), ==, 0);
    if (data) {
        *data = ldl_le_p(p + 8);
    }
    return ldl_le_p(p + 4);
}

/* ---- frames ---- */

/* By the book, a byte pair at a time, big-endian */
static uint32_t sum16(const uint8_t *p, unsigned len, uint32_t sum)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo(const uint8_t *ip, unsigned version, unsigned proto,
                       unsigned len)
{
    return version == 4 ? sum16(ip + 12, 8, proto + len)
                        : sum16(ip + 8, 32, proto + len);
}

unsigned frame_make(uint8_t *buf, unsigned version, bool tcp,
                    unsigned payload, bool blank, bool vlan)
{
    unsigned l3 = vlan ? 18 : 14;
    unsigned l4 = l3 + (version == 4 ? 20 : 40);
    unsigned hdr = tcp ? 32 : 8, len = hdr + payload, i;
    unsigned proto = tcp ? 6 : 17;
    uint8_t *ip = buf + l3, *t = buf + l4, *field = t + (tcp ? 16 : 6);
    uint32_t sum;

    memset(buf, 0, l4 + hdr);
    memcpy(buf, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
    if (vlan) {
        stl_be_p(buf + 12, 0x81000005);
    }
    stw_be_p(ip - 2, version == 4 ? 0x800 : 0x86dd);
    if (version == 4) {
        ip[0] = 0x45;
        stw_be_p(ip + 2, 20 + len);
        stw_be_p(ip + 4, 0x1234);
        ip[8] = 64;
        ip[9] = proto;
        stl_be_p(ip + 12, 0x0a000001);
        stl_be_p(ip + 16, 0x0a000002);
        stw_be_p(ip + 10, ~sum16(ip, 20, 0));
    } else {
        ip[0] = 0x60;
        stw_be_p(ip + 4, len);
        ip[6] = proto;
        ip[7] = 64;
        ip[8] = ip[24] = 0xfd;
        ip[23] = 1;
        ip[39] = 2;
    }
    stw_be_p(t, 1000);
    stw_be_p(t + 2, 2000);
    if (tcp) {
        stl_be_p(t + 4, 0x10203040);
        t[12] = 8 << 4;
        t[13] = 0x99;           /* CWR, ACK, PSH, FIN */
        t[20] = t[21] = 1;      /* options: nothing */
    } else {
        stw_be_p(t + 4, len);
    }
    for (i = 0; i < payload; i++) {
        t[hdr + i] = i * 7 + (i >> 8);
    }
    sum = pseudo(ip, version, proto, len);
    stw_be_p(field, blank ? sum : 0);
    if (!blank) {
        stw_be_p(field, ~sum16(t, len, sum));
    }
    return l4 + len;
}

bool frame_good(const uint8_t *frame, size_t size)
{
    unsigned type = lduw_be_p(frame + 12);
    const uint8_t *ip = frame + (type == 0x8100 ? 18 : 14);
    unsigned version = ip[0] >> 4;
    unsigned l4 = version == 4 ? (ip[0] & 15) * 4 : 40;
    unsigned len = version == 4 ? lduw_be_p(ip + 2) - l4 : lduw_be_p(ip + 4);
    unsigned proto = version == 4 ? ip[9] : ip[6];

    g_assert_cmpuint(ip + l4 + len - frame, <=, size);
    if (version == 4 && sum16(ip, l4, 0) != 0xffff) {
        return false;
    }
    return sum16(ip + l4, len, pseudo(ip, version, proto, len)) == 0xffff;
}

/* ---- the scene ---- */

void scene_new_front(Scene *s, const FrontOpts *opts)
{
    if (s->front) {
        front_free(s->front);
    }
    s->front = front_new(s->hv, opts);
    s->q = s->front->queue;
}

void scene_begin(Scene *s, const SceneOpts *opts)
{
    test_peer_reset(MAX(1, opts->peer_queues), opts->vnet);
    test_peer.one_piece = opts->one_piece;
    fixture_runstate = RUN_STATE_RUNNING;
    *s = (Scene) { .hv = fake_hv_new() };
    s->hv->in_place = !opts->copy;
    s->bus = fixture_bus(s->hv);
    s->dev = fixture_plug(s->bus, &error_abort, "xen-net-device", "netdev",
                          "peer0", "queues", opts->queues ?: "0",
                          "rx-drain-timeout", opts->drain ?: "10000",
                          opts->rate ? "rate" : NULL, opts->rate, NULL);
    scene_new_front(s, &opts->front);
    front_connect(s->front);
}

void scene_end(Scene *s)
{
    fake_hv_fail_at(s->hv, 0);
    object_unparent(OBJECT(s->dev));
    fixture_settle();
    g_assert_cmpuint(s->hv->live.pins, ==, 0);
    front_free(s->front);
    fixture_end(s->bus);
}

void scene_works(Scene *s)
{
    uint8_t frame[200];
    unsigned len = frame_make(frame, 4, false, 100, false, false), i;
    size_t got;

    g_assert_cmpint(front_be_state(s->front), ==, XenbusStateConnected);
    for (i = 0; i < s->front->nr_queues; i++) {
        FrontQueue *q = &s->front->queue[i];

        test_peer_clear();
        g_assert_cmpint(front_send(q, frame, len, 4000, 0, 0, 0), ==,
                        NETIF_RSP_OKAY);
        g_assert_cmpmem(test_peer_frame(0, &got), got, frame, len);
    }
    test_peer_clear();
    if (s->front->nr_queues > 1 && test_peer.queues == 1) {
        return;                 /* which one it comes out of: see spread */
    }
    for (i = 0; i < s->front->nr_queues; i++) {
        FrontQueue *q = &s->front->queue[i];

        front_rx_reap(q);
        front_rx_post(q, 1);
        g_assert_true(test_peer_send(i, NULL, frame, len));
        fixture_settle();
        front_rx_reap(q);
        g_assert_cmpuint(q->packets->len, ==, 1);
        g_assert_cmpmem(front_packet(q, 0)->data->data,
                        front_packet(q, 0)->data->len, frame, len);
    }
}

void scene_broken(Scene *s, const char *why)
{
    g_autofree char *error = fixture_node(s->hv, SCENE_ERROR);

    g_assert_cmpint(front_be_state(s->front), ==, XenbusStateClosing);
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error, why));
}
