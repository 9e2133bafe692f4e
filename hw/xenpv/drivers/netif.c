/*
 * The net protocol's wire format.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "netif.h"

/* A slot with data the guest sends */
#define TX_REF      0
#define TX_OFFSET   4
#define TX_FLAGS    6
#define TX_ID       8
#define TX_SIZE     10

/* ... and the answer */
#define TX_RSP_ID       0
#define TX_RSP_STATUS   2
#define TX_RSP_SIZE     4

/* A page the guest gives */
#define RX_ID       0
#define RX_REF      4

/* ... and the answer */
#define RX_RSP_ID       0
#define RX_RSP_OFFSET   2
#define RX_RSP_FLAGS    4
#define RX_RSP_STATUS   6

/* An extra info, the same both ways */
#define EXTRA_TYPE      0
#define EXTRA_FLAGS     1
#define EXTRA_GSO_SIZE  2
#define EXTRA_GSO_TYPE  4
#define EXTRA_MCAST     2
#define EXTRA_HASH_TYPE 2
#define EXTRA_HASH_ALG  3
#define EXTRA_HASH      4

/* ---- from the guest ---- */

void xenpv_netif_tx_start(XenPvNetifPacket *pkt)
{
    /* Not the slots: what is in them counts up to nr_slots. */
    memset(pkt, 0, offsetof(XenPvNetifPacket, slot));
}

static int after_slot(XenPvNetifPacket *pkt)
{
    pkt->expect = XENPV_NETIF_DATA;
    return pkt->more ? XENPV_NETIF_MORE : XENPV_NETIF_COMPLETE;
}

static int add_data(XenPvNetifPacket *pkt, const uint8_t *p, const char **why)
{
    uint16_t flags = lduw_le_p(p + TX_FLAGS);

    if (pkt->nr_slots == XENPV_NETIF_MAX_SLOTS) {
        *why = "a packet in more slots than any packet needs";
        return -EINVAL;
    }
    pkt->slot[pkt->nr_slots++] = (XenPvNetifSlot) {
        .ref = ldl_le_p(p + TX_REF),
        .offset = lduw_le_p(p + TX_OFFSET),
        .len = lduw_le_p(p + TX_SIZE),
        .id = lduw_le_p(p + TX_ID),
    };
    pkt->more = flags & NETTXF_more_data;
    if (pkt->expect == XENPV_NETIF_FIRST) {
        pkt->flags = flags;
        pkt->size = lduw_le_p(p + TX_SIZE);
        if (flags & NETTXF_extra_info) {
            pkt->expect = XENPV_NETIF_EXTRA;
            return XENPV_NETIF_MORE;
        }
    }
    return after_slot(pkt);
}

static int add_extra(XenPvNetifPacket *pkt, const uint8_t *p,
                     const char **why)
{
    uint8_t type = p[EXTRA_TYPE];

    if (type == XEN_NETIF_EXTRA_TYPE_NONE ||
        type >= XEN_NETIF_EXTRA_TYPE_MAX) {
        *why = "an extra info of no known type";
        return -EINVAL;
    }
    if (xenpv_netif_has(pkt, type)) {
        *why = "two extra infos of one type";
        return -EINVAL;
    }
    pkt->extras |= 1u << type;
    pkt->nr_extras++;
    switch (type) {
    case XEN_NETIF_EXTRA_TYPE_GSO:
        pkt->gso_size = lduw_le_p(p + EXTRA_GSO_SIZE);
        pkt->gso_type = p[EXTRA_GSO_TYPE];
        break;
    case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
        memcpy(pkt->mcast_add, p + EXTRA_MCAST, sizeof(pkt->mcast_add));
        break;
    case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
        memcpy(pkt->mcast_del, p + EXTRA_MCAST, sizeof(pkt->mcast_del));
        break;
    case XEN_NETIF_EXTRA_TYPE_HASH:
        pkt->hash_type = p[EXTRA_HASH_TYPE];
        pkt->hash_algorithm = p[EXTRA_HASH_ALG];
        pkt->hash = ldl_le_p(p + EXTRA_HASH);
        break;
    }
    return p[EXTRA_FLAGS] & XEN_NETIF_EXTRA_FLAG_MORE ? XENPV_NETIF_MORE
                                                      : after_slot(pkt);
}

int xenpv_netif_tx_add(XenPvNetifPacket *pkt, const void *slot,
                       const char **why)
{
    return pkt->expect == XENPV_NETIF_EXTRA ? add_extra(pkt, slot, why)
                                            : add_data(pkt, slot, why);
}

static const char *check_gso(const XenPvNetifPacket *pkt)
{
    if (pkt->gso_type != XEN_NETIF_GSO_TYPE_TCPV4 &&
        pkt->gso_type != XEN_NETIF_GSO_TYPE_TCPV6) {
        return "a packet to be segmented in no known way";
    }
    if (pkt->gso_size < XENPV_NETIF_MIN_GSO) {
        return "a packet to be segmented too fine";
    }
    return NULL;
}

const char *xenpv_netif_tx_check(XenPvNetifPacket *pkt)
{
    uint32_t left = pkt->size;
    unsigned i;

    for (i = 1; i < pkt->nr_slots; i++) {
        if (pkt->slot[i].len > left) {
            return "a packet smaller than its pieces";
        }
        left -= pkt->slot[i].len;
    }
    pkt->slot[0].len = left;
    for (i = 0; i < pkt->nr_slots; i++) {
        if (pkt->slot[i].offset + pkt->slot[i].len > XENPV_NETIF_PAGE_SIZE) {
            return "a packet beyond the end of its page";
        }
    }
    if (xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_MCAST_ADD) ||
        xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_MCAST_DEL)) {
        return NULL;            /* a request, not a packet: any size */
    }
    if (pkt->size < XENPV_NETIF_MIN_SIZE) {
        return "a packet without an Ethernet header";
    }
    return xenpv_netif_has(pkt, XEN_NETIF_EXTRA_TYPE_GSO) ? check_gso(pkt)
                                                          : NULL;
}

unsigned xenpv_netif_tx_response(void *buf, uint16_t id, int16_t status)
{
    uint8_t *p = buf;

    stw_le_p(p + TX_RSP_ID, id);
    stw_le_p(p + TX_RSP_STATUS, status);
    return TX_RSP_SIZE;
}

/* ---- to the guest ---- */

void xenpv_netif_rx_request(const void *slot, uint16_t *id, uint32_t *ref)
{
    const uint8_t *p = slot;

    *id = lduw_le_p(p + RX_ID);
    *ref = ldl_le_p(p + RX_REF);
}

void xenpv_netif_rx_response(void *buf, const XenPvNetifRx *rx, unsigned nr,
                             uint16_t id, bool good)
{
    uint32_t room = XENPV_NETIF_PAGE_SIZE - rx->headroom;
    uint32_t len = MIN(rx->size - nr * room, room);
    uint16_t flags = 0;
    uint8_t *p = buf;

    if (nr + 1 < xenpv_netif_rx_data(rx)) {
        flags |= NETRXF_more_data;
    }
    if (!nr) {
        flags |= (rx->csum_blank ? NETRXF_csum_blank : 0) |
                 (rx->validated ? NETRXF_data_validated : 0) |
                 (xenpv_netif_rx_extras(rx) ? NETRXF_extra_info : 0);
    }
    stw_le_p(p + RX_RSP_ID, id);
    stw_le_p(p + RX_RSP_OFFSET, rx->headroom);
    stw_le_p(p + RX_RSP_FLAGS, flags);
    stw_le_p(p + RX_RSP_STATUS, good ? len : NETIF_RSP_ERROR);
}

void xenpv_netif_rx_spoil(void *buf)
{
    stw_le_p((uint8_t *)buf + RX_RSP_STATUS, NETIF_RSP_ERROR);
}

void xenpv_netif_rx_extra(void *buf, const XenPvNetifRx *rx, unsigned nr)
{
    uint8_t *p = buf;

    memset(p, 0, XENPV_NETIF_RX_STRIDE);
    if (nr + 1 < xenpv_netif_rx_extras(rx)) {
        p[EXTRA_FLAGS] = XEN_NETIF_EXTRA_FLAG_MORE;
    }
    if (!nr && rx->gso_type != XEN_NETIF_GSO_TYPE_NONE) {
        p[EXTRA_TYPE] = XEN_NETIF_EXTRA_TYPE_GSO;
        stw_le_p(p + EXTRA_GSO_SIZE, rx->gso_size);
        p[EXTRA_GSO_TYPE] = rx->gso_type;
    } else {
        p[EXTRA_TYPE] = XEN_NETIF_EXTRA_TYPE_HASH;
        p[EXTRA_HASH_TYPE] = rx->hash_type;
        p[EXTRA_HASH_ALG] = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
        stl_le_p(p + EXTRA_HASH, rx->hash);
    }
}

/* ---- the control ring ---- */

void xenpv_netif_ctrl_decode(const void *slot, XenPvNetifCtrl *ctrl)
{
    const uint8_t *p = slot;
    unsigned i;

    ctrl->id = lduw_le_p(p);
    ctrl->type = lduw_le_p(p + 2);
    for (i = 0; i < ARRAY_SIZE(ctrl->data); i++) {
        ctrl->data[i] = ldl_le_p(p + 4 + 4 * i);
    }
}

unsigned xenpv_netif_ctrl_response(void *buf, const XenPvNetifCtrl *ctrl,
                                   uint32_t status, uint32_t data)
{
    uint8_t *p = buf;

    stw_le_p(p, ctrl->id);
    stw_le_p(p + 2, ctrl->type);
    stl_le_p(p + 4, status);
    stl_le_p(p + 8, data);
    return 12;
}

/* ---- hashing ---- */

uint32_t xenpv_netif_toeplitz(const uint8_t *key, unsigned keylen,
                              const uint8_t *buf, unsigned len)
{
    uint64_t window = 0;        /* the bits of the key over those of the data */
    uint32_t hash = 0;
    unsigned i, bit, next = 0;

    for (; next < 8; next++) {
        window = window << 8 | (next < keylen ? key[next] : 0);
    }
    for (i = 0; i < len; i++, next++) {
        for (bit = 0; bit < 8; bit++, window <<= 1) {
            if (buf[i] & (0x80 >> bit)) {
                hash ^= window >> 32;
            }
        }
        window |= next < keylen ? key[next] : 0;
    }
    return hash;
}

bool xenpv_netif_hash(const XenPvNetifHash *hash, unsigned version, bool tcp,
                      const uint8_t *addresses, const uint8_t *ports,
                      uint8_t *type, uint32_t *value)
{
    unsigned plain = version == 4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4
                                  : _XEN_NETIF_CTRL_HASH_TYPE_IPV6;
    unsigned with_ports = version == 4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP
                                       : _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
    unsigned len = version == 4 ? 8 : 32;
    uint8_t buf[36];

    if (hash->algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ ||
        (version != 4 && version != 6)) {
        return false;
    }
    memcpy(buf, addresses, len);
    if (tcp && (hash->types & (1u << with_ports))) {
        memcpy(buf + len, ports, 4);
        len += 4;
        *type = with_ports;
    } else if (hash->types & (1u << plain)) {
        *type = plain;
    } else {
        return false;
    }
    *value = xenpv_netif_toeplitz(hash->key, sizeof(hash->key), buf, len);
    return true;
}

/* ---- configuration ---- */

bool xenpv_netif_parse_rate(const char *text, uint64_t *bytes,
                            uint64_t *usec)
{
    uint64_t b, u;
    const char *end;

    if (!qemu_isdigit(*text) || qemu_strtou64(text, &end, 10, &b) < 0 ||
        *end != ',' || !qemu_isdigit(end[1]) ||
        qemu_strtou64(end + 1, &end, 10, &u) < 0 || *end) {
        return false;
    }
    *bytes = b;
    *usec = u;
    return true;
}
