/*
 * What a packet's headers say, and the work hardware would do on them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  Headers are parsed in a private copy, so that what was checked is
 * what is sent; the data behind them may be the guest's own pages.
 */
#ifndef HW_XENPV_DRIVERS_NET_PACKET_H
#define HW_XENPV_DRIVERS_NET_PACKET_H

#include "qemu/iov.h"

/* Longer than Ethernet, two VLAN tags and the longest IP and TCP headers */
#define XENPV_PACKET_HEADERS 256

/**
 * XenPvPacketInfo: where things are
 * @l3: offset of the IP header; 0: not IP
 * @version: 4, 6, or 0
 * @proto: IP_PROTO_TCP, IP_PROTO_UDP, or 0 for anything else, a fragment, or
 *     a header that does not add up
 * @l4: offset of that header
 * @payload: offset behind it
 * @end: offset behind what IP says is the packet; what follows is padding
 * @ports: can be read at @l4
 */
typedef struct XenPvPacketInfo {
    uint16_t l3;
    uint8_t version;
    uint8_t proto;
    uint16_t l4;
    uint16_t payload;
    uint32_t end;
} XenPvPacketInfo;

/**
 * xenpv_packet_parse: read the headers
 * @hdr: the start of the packet, a private copy
 * @have: bytes of it, at most XENPV_PACKET_HEADERS
 * @size: of the whole packet
 * @info: what was found
 *
 * Returns: true if it is TCP or UDP over IP, whole
 */
bool xenpv_packet_parse(const uint8_t *hdr, uint32_t have, uint32_t size,
                        XenPvPacketInfo *info);

/** xenpv_packet_csum_offset: of the checksum, from @l4 */
unsigned xenpv_packet_csum_offset(const XenPvPacketInfo *info);

/**
 * xenpv_packet_set_partial: what is there for hardware to complete
 * @hdr: headers, as parsed; the checksum becomes that of the pseudo header
 * @info: of it
 */
void xenpv_packet_set_partial(uint8_t *hdr, const XenPvPacketInfo *info);

/**
 * xenpv_packet_set_csum: the whole checksum, in software
 * @hdr: headers, as parsed
 * @info: of it
 * @data, @nr: what follows at @info->payload
 * @offset: where in it
 */
void xenpv_packet_set_csum(uint8_t *hdr, const XenPvPacketInfo *info,
                           const struct iovec *data, unsigned nr,
                           uint32_t offset);

/**
 * xenpv_packet_csum_good: is a packet's checksum right?
 * @info: of it
 * @iov, @nr: all of it
 */
bool xenpv_packet_csum_good(const uint8_t *hdr, const XenPvPacketInfo *info,
                            const struct iovec *iov, unsigned nr);

/**
 * xenpv_packet_sum: ones' complement sum, not inverted, as it lies in memory
 * @iov, @nr: the data
 * @offset, @len: which part
 */
uint16_t xenpv_packet_sum(const struct iovec *iov, unsigned nr,
                          uint32_t offset, uint32_t len);

/**
 * xenpv_packet_segment_headers: the headers of one segment
 * @hdr: of the whole packet, as parsed: TCP
 * @info: of it
 * @at: payload that comes before this segment's
 * @len: payload of this segment
 * @last: it is the last one
 * @number: it is the how manieth
 * @out: room for @info->payload bytes
 * @out_info: of @out
 *
 * The checksum is left to be set.
 */
void xenpv_packet_segment_headers(const uint8_t *hdr,
                                  const XenPvPacketInfo *info, uint32_t at,
                                  uint32_t len, bool last, unsigned number,
                                  uint8_t *out, XenPvPacketInfo *out_info);

#endif /* HW_XENPV_DRIVERS_NET_PACKET_H */
