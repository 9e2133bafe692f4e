/*
 * What a packet's headers say, and the work hardware would do on them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "net-packet.h"

#define TYPE_OFFSET     12
#define VLAN_SIZE       4
#define IP6_SIZE        40
#define TCP_SIZE        20
#define UDP_SIZE        8
#define TCP_CSUM        16
#define UDP_CSUM        6

/* More extension headers than this is nobody's traffic. */
#define MAX_EXTENSIONS  8

/* ---- parsing ---- */

static bool parse_l4(const uint8_t *hdr, uint32_t have, XenPvPacketInfo *info,
                     unsigned proto, uint32_t l4)
{
    uint32_t len;

    if (proto == IP_PROTO_TCP) {
        if (l4 + TCP_SIZE > have) {
            return false;
        }
        len = (hdr[l4 + 12] >> 4) * 4;
        if (len < TCP_SIZE) {
            return false;
        }
    } else if (proto == IP_PROTO_UDP) {
        len = UDP_SIZE;
    } else {
        return false;
    }
    if (l4 + len > have || l4 + len > info->end) {
        return false;
    }
    info->proto = proto;
    info->l4 = l4;
    info->payload = l4 + len;
    return true;
}

static bool parse_ip4(const uint8_t *hdr, uint32_t have, uint32_t size,
                      XenPvPacketInfo *info, uint32_t l3)
{
    const uint8_t *ip = hdr + l3;
    uint32_t len, total;

    if (l3 + sizeof(struct ip_header) > have || ip[0] >> 4 != 4) {
        return false;
    }
    len = (ip[0] & 15) * 4;
    total = lduw_be_p(ip + 2);
    if (len < sizeof(struct ip_header) || total < len || l3 + len > have ||
        l3 + total > size) {
        return false;
    }
    info->l3 = l3;
    info->version = 4;
    info->end = l3 + total;
    if (lduw_be_p(ip + 6) & (IP_MF | IP_OFFMASK)) {
        return false;
    }
    return parse_l4(hdr, have, info, ip[9], l3 + len);
}

static bool parse_ip6(const uint8_t *hdr, uint32_t have, uint32_t size,
                      XenPvPacketInfo *info, uint32_t l3)
{
    const uint8_t *ip = hdr + l3;
    uint32_t at = l3 + IP6_SIZE;
    unsigned next, i;

    if (at > have || ip[0] >> 4 != 6) {
        return false;
    }
    if (at + lduw_be_p(ip + 4) > size) {
        return false;
    }
    info->l3 = l3;
    info->version = 6;
    info->end = at + lduw_be_p(ip + 4);
    next = ip[6];
    for (i = 0; i < MAX_EXTENSIONS; i++) {
        switch (next) {
        case IP6_HOP_BY_HOP:
        case IP6_ROUTING:
        case IP6_DESTINATON:
            if (at + 8 > have) {
                return false;
            }
            next = hdr[at];
            at += (hdr[at + 1] + 1) * 8;
            break;
        default:
            return parse_l4(hdr, have, info, next, at);
        }
    }
    return false;
}

bool xenpv_packet_parse(const uint8_t *hdr, uint32_t have, uint32_t size,
                        XenPvPacketInfo *info)
{
    uint32_t at = TYPE_OFFSET;
    unsigned tags = 0;

    *info = (XenPvPacketInfo) { 0 };
    have = MIN(have, size);
    while (at + 2 <= have) {
        switch (lduw_be_p(hdr + at)) {
        case ETH_P_VLAN:
        case ETH_P_DVLAN:
            if (tags++ == 2) {
                return false;
            }
            at += VLAN_SIZE;
            break;
        case ETH_P_IP:
            return parse_ip4(hdr, have, size, info, at + 2);
        case ETH_P_IPV6:
            return parse_ip6(hdr, have, size, info, at + 2);
        default:
            return false;
        }
    }
    return false;
}

unsigned xenpv_packet_csum_offset(const XenPvPacketInfo *info)
{
    return info->proto == IP_PROTO_TCP ? TCP_CSUM : UDP_CSUM;
}

/* ---- sums ---- */

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/*
 * The sum does not care for the order of bytes as long as it is kept, so it is
 * taken in the host's and in words as large as there are.
 */
static uint64_t sum_words(const uint8_t *p, uint32_t len)
{
    uint64_t sum = 0;

    for (; len >= 16; len -= 16, p += 16) {
        sum += (uint32_t)ldl_he_p(p);
        sum += (uint32_t)ldl_he_p(p + 4);
        sum += (uint32_t)ldl_he_p(p + 8);
        sum += (uint32_t)ldl_he_p(p + 12);
    }
    for (; len >= 2; len -= 2, p += 2) {
        sum += lduw_he_p(p);
    }
    if (len) {
        uint8_t last[2] = { *p, 0 };

        sum += lduw_he_p(last);
    }
    return sum;
}

uint16_t xenpv_packet_sum(const struct iovec *iov, unsigned nr,
                          uint32_t offset, uint32_t len)
{
    uint64_t sum = 0;
    uint32_t done = 0;
    unsigned i;

    for (i = 0; i < nr && done < len; i++) {
        uint32_t n;

        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        n = MIN(iov[i].iov_len - offset, len - done);
        if (done & 1) {
            sum += bswap16(fold(sum_words((uint8_t *)iov[i].iov_base + offset,
                                          n)));
        } else {
            sum += fold(sum_words((uint8_t *)iov[i].iov_base + offset, n));
        }
        done += n;
        offset = 0;
    }
    return fold(sum);
}

static uint64_t sum_pseudo(const uint8_t *hdr, const XenPvPacketInfo *info)
{
    uint8_t tail[8] = { 0 };

    stl_be_p(tail, info->end - info->l4);
    tail[7] = info->proto;
    return sum_words(tail, sizeof(tail)) +
           (info->version == 4 ? sum_words(hdr + info->l3 + 12, 8)
                               : sum_words(hdr + info->l3 + 8, 32));
}

static uint8_t *csum_field(uint8_t *hdr, const XenPvPacketInfo *info)
{
    return hdr + info->l4 + xenpv_packet_csum_offset(info);
}

void xenpv_packet_set_partial(uint8_t *hdr, const XenPvPacketInfo *info)
{
    stw_he_p(csum_field(hdr, info), fold(sum_pseudo(hdr, info)));
}

void xenpv_packet_set_csum(uint8_t *hdr, const XenPvPacketInfo *info,
                           const struct iovec *data, unsigned nr,
                           uint32_t offset)
{
    uint16_t sum;

    stw_he_p(csum_field(hdr, info), 0);
    /* Headers of both are of even length. */
    sum = ~fold(sum_pseudo(hdr, info) +
                sum_words(hdr + info->l4, info->payload - info->l4) +
                xenpv_packet_sum(data, nr, offset,
                                 info->end - info->payload));
    if (!sum && info->proto == IP_PROTO_UDP) {
        sum = 0xffff;           /* 0 says there is none */
    }
    stw_he_p(csum_field(hdr, info), sum);
}

bool xenpv_packet_csum_good(const uint8_t *hdr, const XenPvPacketInfo *info,
                            const struct iovec *iov, unsigned nr)
{
    return fold(sum_pseudo(hdr, info) +
                xenpv_packet_sum(iov, nr, info->l4,
                                 info->end - info->l4)) == 0xffff;
}

/* ---- segments ---- */

#define TCP_SEQ     4
#define TCP_FLAGS   13

void xenpv_packet_segment_headers(const uint8_t *hdr,
                                  const XenPvPacketInfo *info, uint32_t at,
                                  uint32_t len, bool last, unsigned number,
                                  uint8_t *out, XenPvPacketInfo *out_info)
{
    uint8_t *ip = out + info->l3;
    uint8_t *tcp = out + info->l4;
    uint32_t total = info->payload - info->l3 + len;

    memcpy(out, hdr, info->payload);
    *out_info = *info;
    out_info->end = info->payload + len;
    if (info->version == 4) {
        stw_be_p(ip + 2, total);
        stw_be_p(ip + 4, lduw_be_p(hdr + info->l3 + 4) + number);
        stw_he_p(ip + 10, 0);
        stw_he_p(ip + 10, ~fold(sum_words(ip, (ip[0] & 15) * 4)));
    } else {
        stw_be_p(ip + 4, total - IP6_SIZE);
    }
    stl_be_p(tcp + TCP_SEQ, (uint32_t)ldl_be_p(hdr + info->l4 + TCP_SEQ) + at);
    if (!last) {
        tcp[TCP_FLAGS] &= ~(TH_FIN | TH_PUSH);
    }
    if (number) {
        tcp[TCP_FLAGS] &= ~TH_CWR;
    }
}
