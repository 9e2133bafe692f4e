/*
 * The net protocol's wire format: slots to packets and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: knows Xen's public io/netif.h and nothing of QEMU's net layer.  What
 * comes in is a private copy of what a front end wrote; all of it is judged
 * here, and what these functions let through can be used without looking
 * again.
 *
 * A packet is a chain of slots:
 *
 *   first slot     flags, total size
 *   extra infos    if the first slot announces one, each announces the next
 *   more slots     as long as the last one of data announces another
 *
 * Two kinds of trouble.  What breaks the chain itself (an extra info of no
 * known type, a chain without end) leaves no way to tell where the next
 * packet begins: the device closes.  All else is answered with an error, for
 * this packet alone.
 */
#ifndef HW_XENPV_DRIVERS_NETIF_H
#define HW_XENPV_DRIVERS_NETIF_H

#include "hw/xen/interface/io/netif.h"

/* Bytes of a slot: the larger of request and response. */
#define XENPV_NETIF_TX_STRIDE   12
#define XENPV_NETIF_RX_STRIDE   8
#define XENPV_NETIF_CTRL_STRIDE 16

#define XENPV_NETIF_PAGE_SIZE   4096

/*
 * Slots of data in a packet.  Front ends may use 18 (XEN_NETIF_NR_SLOTS_MIN);
 * those that cut their buffers finer are served as well.
 */
#define XENPV_NETIF_MAX_SLOTS   64
/* Extra infos of a packet: each type once. */
#define XENPV_NETIF_MAX_EXTRAS  (XEN_NETIF_EXTRA_TYPE_MAX - 1)

/* Ethernet's header is the least a packet can be. */
#define XENPV_NETIF_MIN_SIZE    14

/* No TCP cuts its data finer than this: Linux's TCP_MIN_GSO_SIZE. */
#define XENPV_NETIF_MIN_GSO     8

/**
 * XenPvNetifSlot: one piece of a packet's data
 * @ref: the granted page
 * @offset, @len: where in it
 * @id: for the response
 */
typedef struct XenPvNetifSlot {
    uint32_t ref;
    uint16_t offset;
    uint16_t len;
    uint16_t id;
} XenPvNetifSlot;

typedef enum XenPvNetifExpect {
    XENPV_NETIF_FIRST,
    XENPV_NETIF_EXTRA,
    XENPV_NETIF_DATA,
} XenPvNetifExpect;

/**
 * XenPvNetifPacket: a packet the guest sends
 * @expect: what the next slot is; a zeroed packet waits for its first
 * @flags: NETTXF_* of the first slot
 * @more: the last slot of data has announced another
 * @size: bytes, all slots together
 * @nr_slots: in @slot
 * @nr_extras: extra infos, each in a slot of its own
 * @extras: bit per XEN_NETIF_EXTRA_TYPE_* that is there
 * @gso_type, @gso_size: of that extra info
 * @mcast_add, @mcast_del: addresses
 * @hash_type, @hash_algorithm, @hash: what the guest's hash of it is
 * @slot: the data.  The first one's length is right after
 *     xenpv_netif_tx_check() only: on the wire it is the packet's.
 */
typedef struct XenPvNetifPacket {
    XenPvNetifExpect expect;
    uint16_t flags;
    bool more;
    uint16_t size;
    uint8_t nr_slots;
    uint8_t nr_extras;
    uint8_t extras;
    uint8_t gso_type;
    uint16_t gso_size;
    uint8_t mcast_add[6];
    uint8_t mcast_del[6];
    uint8_t hash_type;
    uint8_t hash_algorithm;
    uint32_t hash;
    XenPvNetifSlot slot[XENPV_NETIF_MAX_SLOTS];
} XenPvNetifPacket;

/**
 * xenpv_netif_has: is there an extra info of this type?
 * @pkt: the packet
 * @type: XEN_NETIF_EXTRA_TYPE_*
 */
static inline bool xenpv_netif_has(const XenPvNetifPacket *pkt, unsigned type)
{
    return pkt->extras & (1u << type);
}

/** xenpv_netif_tx_start: forget all, wait for a first slot */
void xenpv_netif_tx_start(XenPvNetifPacket *pkt);

/* What xenpv_netif_tx_add() returns; anything below 0 is the end. */
#define XENPV_NETIF_COMPLETE    0
#define XENPV_NETIF_MORE        1

/**
 * xenpv_netif_tx_add: one more slot
 * @pkt: begun with xenpv_netif_tx_start()
 * @slot: XENPV_NETIF_TX_STRIDE bytes; a private copy
 * @why: what was wrong, if the chain is broken
 *
 * Returns: XENPV_NETIF_COMPLETE, XENPV_NETIF_MORE, or -EINVAL: the chain is
 *          broken, and the ring with it
 */
int xenpv_netif_tx_add(XenPvNetifPacket *pkt, const void *slot,
                       const char **why);

/**
 * xenpv_netif_tx_check: judge a complete packet
 * @pkt: the packet; the length of its first slot is set
 *
 * Returns: NULL if it is good, else what is wrong with it
 */
const char *xenpv_netif_tx_check(XenPvNetifPacket *pkt);

/**
 * xenpv_netif_tx_response: the answer to one slot
 * @buf: room for XENPV_NETIF_TX_STRIDE bytes
 * @id: of the slot; 0 for an extra info
 * @status: NETIF_RSP_*
 *
 * Returns: bytes written
 */
unsigned xenpv_netif_tx_response(void *buf, uint16_t id, int16_t status);

/**
 * XenPvNetifRx: a packet for the guest, before it is cut into slots
 * @size: bytes
 * @headroom: bytes to leave free at the start of each page
 * @csum_blank: the TCP or UDP checksum is that of the pseudo header alone
 * @validated: the checksum is right, or would be
 * @gso_type: XEN_NETIF_GSO_TYPE_*; NONE: it is as large as it looks
 * @gso_size: payload of a segment
 * @hashed: @hash is to be told
 * @hash_type: bit number, _XEN_NETIF_CTRL_HASH_TYPE_*
 * @hash: Toeplitz
 */
typedef struct XenPvNetifRx {
    uint32_t size;
    uint16_t headroom;
    bool csum_blank;
    bool validated;
    uint8_t gso_type;
    uint16_t gso_size;
    bool hashed;
    uint8_t hash_type;
    uint32_t hash;
} XenPvNetifRx;

/* A packet of 64 KiB in pages with the largest headroom, and extra infos */
#define XENPV_NETIF_MAX_HEADROOM 2048
#define XENPV_NETIF_MAX_RX_DATA  32
#define XENPV_NETIF_MAX_RX_SLOTS (XENPV_NETIF_MAX_RX_DATA + 2)

/** xenpv_netif_rx_extras: slots without data */
static inline unsigned xenpv_netif_rx_extras(const XenPvNetifRx *rx)
{
    return (rx->gso_type != XEN_NETIF_GSO_TYPE_NONE) + rx->hashed;
}

/** xenpv_netif_rx_data: slots with data */
static inline unsigned xenpv_netif_rx_data(const XenPvNetifRx *rx)
{
    return DIV_ROUND_UP(rx->size, XENPV_NETIF_PAGE_SIZE - rx->headroom);
}

/**
 * xenpv_netif_rx_request: decode a page that the guest gives
 * @slot: XENPV_NETIF_RX_STRIDE bytes; a private copy
 * @id: for the response
 * @ref: the granted page
 */
void xenpv_netif_rx_request(const void *slot, uint16_t *id, uint32_t *ref);

/**
 * xenpv_netif_rx_response: the answer with data
 * @buf: room for XENPV_NETIF_RX_STRIDE bytes
 * @rx: the packet
 * @nr: which of its slots with data
 * @id: of the request
 * @good: the data has arrived
 */
void xenpv_netif_rx_response(void *buf, const XenPvNetifRx *rx, unsigned nr,
                             uint16_t id, bool good);

/** xenpv_netif_rx_spoil: the data of a response has not arrived after all */
void xenpv_netif_rx_spoil(void *buf);

/**
 * xenpv_netif_rx_extra: the answer with an extra info
 * @buf: room for XENPV_NETIF_RX_STRIDE bytes
 * @rx: the packet
 * @nr: which, from 0
 */
void xenpv_netif_rx_extra(void *buf, const XenPvNetifRx *rx, unsigned nr);

/**
 * XenPvNetifCtrl: a request of the control ring
 */
typedef struct XenPvNetifCtrl {
    uint16_t id;
    uint16_t type;
    uint32_t data[3];
} XenPvNetifCtrl;

void xenpv_netif_ctrl_decode(const void *slot, XenPvNetifCtrl *ctrl);
/** xenpv_netif_ctrl_response: returns bytes written to @buf */
unsigned xenpv_netif_ctrl_response(void *buf, const XenPvNetifCtrl *ctrl,
                                   uint32_t status, uint32_t data);

/* ---- hashing ---- */

#define XENPV_NETIF_MAX_KEY     40
#define XENPV_NETIF_MAX_MAPPING 128
#define XENPV_NETIF_HASH_TYPES  (XEN_NETIF_CTRL_HASH_TYPE_IPV4 |        \
                                 XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |    \
                                 XEN_NETIF_CTRL_HASH_TYPE_IPV6 |        \
                                 XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

/**
 * XenPvNetifHash: how received packets are spread over queues
 * @algorithm: XEN_NETIF_CTRL_HASH_ALGORITHM_*
 * @types: XEN_NETIF_CTRL_HASH_TYPE_* to be calculated
 * @key: zeroes behind what the guest gave
 * @nr_mapping: 0: the hash modulo the number of queues
 * @mapping: queue of each hash modulo @nr_mapping
 */
typedef struct XenPvNetifHash {
    uint32_t algorithm;
    uint32_t types;
    uint8_t key[XENPV_NETIF_MAX_KEY];
    uint32_t nr_mapping;
    uint32_t mapping[XENPV_NETIF_MAX_MAPPING];
} XenPvNetifHash;

/** xenpv_netif_toeplitz: as io/netif.h defines it */
uint32_t xenpv_netif_toeplitz(const uint8_t *key, unsigned keylen,
                              const uint8_t *buf, unsigned len);

/**
 * xenpv_netif_hash: the hash of a packet
 * @hash: how
 * @version: of IP: 4, 6, or 0 for neither
 * @tcp: is there a TCP header?
 * @addresses: source and destination, as in the IP header
 * @ports: source and destination, as in the TCP header
 * @type: set to the bit number of the type that was used
 * @value: the hash
 *
 * Returns: false if no type that the guest wants fits
 */
bool xenpv_netif_hash(const XenPvNetifHash *hash, unsigned version, bool tcp,
                      const uint8_t *addresses, const uint8_t *ports,
                      uint8_t *type, uint32_t *value);

/** xenpv_netif_hash_queue: where a packet with this hash goes */
static inline unsigned xenpv_netif_hash_queue(const XenPvNetifHash *hash,
                                              uint32_t value,
                                              unsigned nr_queues)
{
    return hash->nr_mapping ? hash->mapping[value % hash->nr_mapping]
                            : value % nr_queues;
}

/* ---- configuration ---- */

/**
 * xenpv_netif_parse_rate: "bytes,usec" as toolstacks write it
 * @text: the text
 * @bytes: how many may be sent
 * @usec: in this time
 *
 * Returns: false if it is none; nothing is changed
 */
bool xenpv_netif_parse_rate(const char *text, uint64_t *bytes,
                            uint64_t *usec);

#endif /* HW_XENPV_DRIVERS_NETIF_H */
