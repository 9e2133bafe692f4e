/*
 * Fuzz what the net back end decodes: chains of slots, and headers of packets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "../../hw/xenpv/drivers/net-packet.h"
#include "../../hw/xenpv/drivers/netif.h"
#include "fuzz.h"

static void judge_chain(XenPvNetifPacket *pkt, unsigned taken)
{
    const char *bad;
    uint32_t sum = 0;
    unsigned i;

    g_assert_cmpuint(pkt->nr_slots + pkt->nr_extras, ==, taken);
    g_assert_cmpuint(pkt->nr_slots, >=, 1);
    bad = xenpv_netif_tx_check(pkt);
    if (bad) {
        return;
    }
    for (i = 0; i < pkt->nr_slots; i++) {
        g_assert_cmpuint(pkt->slot[i].offset + pkt->slot[i].len, <=,
                         XENPV_NETIF_PAGE_SIZE);
        sum += pkt->slot[i].len;
    }
    g_assert_cmpuint(sum, ==, pkt->size);
    if (xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_GSO) &&
        !xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_MCAST_ADD) &&
        !xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_MCAST_DEL)) {
        g_assert_cmpuint(pkt->gso_size, >=, XENPV_NETIF_MIN_GSO);
        g_assert_cmpuint(pkt->size, >=, XENPV_NETIF_MIN_SIZE);
    }
}

static void chains(FuzzInput *in)
{
    XenPvNetifPacket pkt;
    unsigned taken = 0;

    memset(&pkt, 0xff, sizeof(pkt));
    xenpv_netif_tx_start(&pkt);
    while (in->len) {
        g_autofree uint8_t *slot = fuzz_copy(in, XENPV_NETIF_TX_STRIDE);
        const char *why = NULL;
        int ret = xenpv_netif_tx_add(&pkt, slot, &why);

        taken++;
        if (ret < 0) {
            g_assert_nonnull(why);
            return;
        }
        /* Never longer than the ring can hold */
        g_assert_cmpuint(taken, <=, XENPV_NETIF_MAX_SLOTS +
                                    XENPV_NETIF_MAX_EXTRAS);
        if (ret == XENPV_NETIF_COMPLETE) {
            judge_chain(&pkt, taken);
            taken = 0;
            xenpv_netif_tx_start(&pkt);
        }
    }
}

static void segment(const uint8_t *hdr, const XenPvPacketInfo *info,
                    uint32_t mss)
{
    uint32_t total = info->end - info->payload;
    g_autofree uint8_t *out = g_malloc(info->payload);
    g_autofree uint8_t *data = g_malloc0(MAX(1, MIN(mss, total)));
    XenPvPacketInfo seg, again;
    struct iovec iov = { data, MIN(mss, total) };
    struct iovec all[2] = { { out, info->payload }, iov };
    uint32_t len = iov.iov_len;

    xenpv_packet_segment_headers(hdr, info, 0, len, len == total, 0, out,
                                 &seg);
    xenpv_packet_set_csum(out, &seg, &iov, 1, 0);
    g_assert_true(xenpv_packet_csum_good(out, &seg, all, 2));
    /* A segment is a packet of the same kind. */
    g_assert_true(xenpv_packet_parse(out, info->payload,
                                     info->payload + len, &again));
    g_assert_cmpuint(again.l4, ==, info->l4);
    g_assert_cmpuint(again.payload, ==, info->payload);
    g_assert_cmpuint(again.end, ==, info->payload + len);
}

static void headers(FuzzInput *in)
{
    uint32_t more = fuzz_u16(in), mss = MAX(8, fuzz_u16(in));
    uint32_t have = MIN(in->len, XENPV_PACKET_HEADERS);
    uint32_t size = have < XENPV_PACKET_HEADERS ? have : have + more;
    g_autofree uint8_t *hdr = fuzz_copy(in, have);
    XenPvPacketInfo info;

    size = MIN(size, 65535);
    if (!xenpv_packet_parse(hdr, have, size, &info)) {
        g_assert_cmpuint(info.proto, ==, 0);
        return;
    }
    g_assert_true(info.version == 4 || info.version == 6);
    g_assert_cmpuint(info.l3, >=, 14);
    g_assert_cmpuint(info.l4, >=, info.l3 + (info.version == 4 ? 20 : 40));
    g_assert_cmpuint(info.payload, >, info.l4);
    g_assert_cmpuint(info.payload, <=, have);
    g_assert_cmpuint(info.end, >=, info.payload);
    g_assert_cmpuint(info.end, <=, size);
    g_assert_cmpuint(info.l4 + xenpv_packet_csum_offset(&info) + 2, <=,
                     info.payload);
    xenpv_packet_set_partial(hdr, &info);
    if (info.proto == IP_PROTO_TCP) {
        segment(hdr, &info, mss);
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };

    if (fuzz_u8(&in) & 1) {
        headers(&in);
    } else {
        chains(&in);
    }
}

void fuzz_seeds(void)
{
    static const uint8_t gso[] = {
        0,
        1, 0, 0, 0, 0, 0, 0x0d, 0, 0, 0, 0x88, 0x13,
        1, 0, 0xa8, 5, 1, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0xa0, 0x0f,
        3, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0xe8, 3,
    };
    static const uint8_t tcp4[] = {
        1, 0, 0, 0xa8, 5,
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
        0x45, 0, 0, 0x2a, 0, 1, 0, 0, 0x40, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x50, 0x10, 0, 0, 0, 0, 0, 0, 1, 2,
    };
    static const uint8_t udp6[] = {
        1, 0, 0, 0, 0,
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 0x86, 0xdd,
        0x60, 0, 0, 0, 0, 16, 0, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        0x11, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0,
    };

    fuzz_seed("gso", gso, sizeof(gso));
    fuzz_seed("tcp4", tcp4, sizeof(tcp4));
    fuzz_seed("udp6", udp6, sizeof(udp6));
}
