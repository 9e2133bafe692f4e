/*
 * What the files of the net back end know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   net.c         the device: properties, nodes, connections, the net client
 *   net-tx.c      packets from the guest
 *   net-rx.c      packets to the guest
 *   net-ctrl.c    the control ring: hashing, staging grants
 *   net-tap.c     the peer of a NIC that a toolstack makes
 *   netif.c       slots and packets as bytes (pure)
 *   net-packet.c  headers, checksums, segments (pure)
 *
 * Directions are the guest's: it sends on tx rings and receives on rx rings.
 * All of it runs in the main loop, where QEMU's net layer lives.
 *
 * Offloads.  A peer that speaks virtio-net headers (a tap device) is told what
 * is left to do on a packet, and tells us; its offers to the host are what
 * the front end can take.  For any other peer the work is done here.
 */
#ifndef HW_XENPV_DRIVERS_NET_H
#define HW_XENPV_DRIVERS_NET_H

#include "hw/xenpv/ring.h"
#include "hw/xenpv/xen_backend.h"
#include "net/net.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_net.h"
#include "system/runstate.h"
#include "net-packet.h"
#include "netif.h"

#define TYPE_XENPV_NET "xen-net"
OBJECT_DECLARE_SIMPLE_TYPE(XenPvNet, XENPV_NET)

#define TYPE_XEN_NET_DEVICE "xen-net-device"
#define TYPE_XEN_NET_VIF "xen-net-vif"

/* io/netif.h sets no limit; one for each vCPU there can be will do. */
#define XENPV_NET_MAX_QUEUES 64

/* Packets that are looked at in one go */
#define XENPV_NET_BATCH      64

/* Where grants are copied: what is collected in one go, and one more packet */
#define XENPV_NET_TX_BUFFER  (256 * KiB)
#define XENPV_NET_RX_BUFFER  (128 * KiB)

/* Multicast addresses a guest may list; as many as Linux's back end allows */
#define XENPV_NET_MAX_MCAST  64

/* Staging grants of a queue: one for each slot of both rings */
#define XENPV_NET_MAX_STAGED 512

#define XENPV_NET_VNET_SIZE  sizeof(struct virtio_net_hdr)

typedef struct XenPvNetQueue XenPvNetQueue;

/**
 * XenPvNetStats: what a queue has done
 * @tx_packets, @tx_bytes: given to the net layer
 * @tx_bad: refused, with an error for the guest
 * @tx_segments: made here of packets that were too large for the peer
 * @rx_packets, @rx_bytes: given to the guest
 * @rx_dropped: there was no room, or nothing the guest could take it as
 * @rx_bad: the guest's pages could not be used
 * @wakeups: times the queue looked at its tx ring
 * @notified: events sent
 * @copied: bytes of data copied by grants
 */
typedef struct XenPvNetStats {
    uint64_t tx_packets;
    uint64_t tx_bytes;
    uint64_t tx_bad;
    uint64_t tx_segments;
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t rx_dropped;
    uint64_t rx_bad;
    uint64_t wakeups;
    uint64_t notified;
    uint64_t copied;
} XenPvNetStats;

/**
 * XenPvNetTxPacket: one packet of a batch
 * @p: as decoded
 * @bad: what is wrong with it, or NULL
 * @at: copied data: where in the buffer
 * @first_copy, @nr_copies: copied data: its copies
 */
typedef struct XenPvNetTxPacket {
    XenPvNetifPacket p;
    const char *bad;
    uint32_t at;
    uint16_t first_copy;
    uint16_t nr_copies;
} XenPvNetTxPacket;

/**
 * XenPvNetTx: the guest's way out of one queue
 * @ring: the ring
 * @event: the channel; the same as the other direction's if there is one only
 * @dead: the chain of slots is broken
 * @packet: a batch, of XENPV_NET_BATCH
 * @first: of those not sent yet
 * @nr: complete ones; the next may have begun
 * @buffer: copied data
 * @used: bytes in @buffer
 * @copy, @nr_copies: copies of the batch
 * @pin: pages of the packet that is being sent
 * @iov: its data: virtio-net header, headers, the rest
 * @hdr: its headers
 * @segment: headers of a segment of it
 */
typedef struct XenPvNetTx {
    XenPvRing ring;
    XenPvEvent *event;
    bool dead;
    XenPvNetTxPacket *packet;
    unsigned first;
    unsigned nr;
    uint8_t *buffer;
    uint32_t used;
    XenPvCopySeg *copy;
    unsigned nr_copies;
    XenPvPin pin[XENPV_NETIF_MAX_SLOTS];
    unsigned nr_pins;
    struct iovec iov[XENPV_NETIF_MAX_SLOTS + 2];
    uint8_t hdr[XENPV_PACKET_HEADERS];
    uint8_t segment[XENPV_PACKET_HEADERS];
} XenPvNetTx;

/**
 * XenPvNetRxDone: a response to be put when its data has been copied
 * @rsp: the slot
 * @copy: index of the copy, or -1
 */
typedef struct XenPvNetRxDone {
    uint8_t rsp[XENPV_NETIF_RX_STRIDE];
    int copy;
} XenPvNetRxDone;

/**
 * XenPvNetRx: the guest's way in of one queue
 * @ring: the ring
 * @event: see XenPvNetTx
 * @need: slots that a packet of the net layer's waits for; 0: none waits
 * @stalled: it has waited for too long; drop them until there is room
 * @wait: when that is, or when to look for slots that nobody tells of
 * @push: responses are shown at the end of a batch
 * @pushing: ... which is to come
 * @buffer, @used: data to be copied
 * @copy, @nr_copies: copies to be made
 * @done, @nr_done: responses to be put
 * @pin: pages of the packet that is being received
 */
typedef struct XenPvNetRx {
    XenPvRing ring;
    XenPvEvent *event;
    uint32_t need;
    bool stalled;
    QEMUTimer *wait;
    QEMUBH *push;
    bool pushing;
    uint8_t *buffer;
    uint32_t used;
    XenPvCopySeg *copy;
    unsigned nr_copies;
    XenPvNetRxDone *done;
    unsigned nr_done;
    XenPvPin pin[XENPV_NETIF_MAX_RX_DATA];
} XenPvNetRx;

/**
 * XenPvNetPort: what an event is about
 * @queue: the queue; NULL: the control ring
 * @tx, @rx: its rings; both where they share a channel
 */
typedef struct XenPvNetPort {
    XenPvNetQueue *queue;
    bool tx;
    bool rx;
} XenPvNetPort;

/**
 * XenPvNetQueue: a pair of rings
 * @net: whose
 * @port: of both channels, or the only one
 * @index: of the queue
 * @link: the net client that it sends through
 * @staged: staging grants: maps by reference; NULL: none
 */
struct XenPvNetQueue {
    XenPvNet *net;
    XenPvNetPort port[2];
    unsigned index;
    unsigned link;
    XenPvNetTx tx;
    XenPvNetRx rx;
    GHashTable *staged;
    XenPvNetStats stats;
};

/**
 * XenPvNetFront: what the front end can take, as it said when it connected
 */
typedef struct XenPvNetFront {
    bool sg;
    bool gso4;
    bool gso6;
    bool csum4;
    bool csum6;
    bool rx_notify;
    bool mcast_control;
    uint16_t headroom;
} XenPvNetFront;

/*
 * A front end with an XDP program (it asks for headroom) wants packets that lie
 * in one page: Linux's throws all others away.
 */
static inline bool xenpv_net_takes_gso(const XenPvNetFront *front,
                                       unsigned version)
{
    return !front->headroom && (version == 4 ? front->gso4 : front->gso6);
}

/**
 * XenPvNet: one NIC
 * @conf: QEMU's properties of any NIC
 * @max_queues: property "queues"; 0: as many as the peer has
 * @mtu: property; 0: not said
 * @rate: property: "bytes,usec"
 * @drain_ms: property "rx-drain-timeout"
 * @nic: the net clients
 * @nr_links: how many
 * @held: of each, packets the net layer has not passed on
 * @vnet: the peer speaks virtio-net headers
 * @front: see there
 * @connected: packets for the guest have somewhere to go
 * @queue, @nr_queues: of this connection
 * @ctrl_ring, @ctrl_event, @ctrl_port: the control ring, if there is one
 * @hash: how the guest wants packets spread
 * @mcast, @nr_mcast: addresses the guest listens to
 * @bounce: a packet for the guest that has to be worked on
 * @linear: a packet from the guest for a peer that wants it in one piece
 * @credit: bytes that may be sent now; may be below 0
 * @credit_bytes, @credit_usec: ... and what is added, how often; 0: no limit
 * @credit_at: when the last was added, ns
 * @credit_timer: when the next is
 * @vmstate: handler
 * @gone: counts of connections that have ended
 * @info_timer: counts are shown a while after they have changed
 * @tap, @ifname: the netdev we have made, if any, and its interface; or the
 *     kernel's, which is ours to put somewhere
 * @ran: the script that was run for it
 * @script, @bridge: properties, for the kernel's interface
 */
struct XenPvNet {
    XenPvDevice parent_obj;

    NICConf conf;
    uint32_t max_queues;
    uint32_t mtu;
    char *rate;
    uint32_t drain_ms;

    NICState *nic;
    unsigned nr_links;
    unsigned *held;
    bool vnet;
    XenPvNetFront front;
    bool connected;
    XenPvNetQueue *queue;
    unsigned nr_queues;
    XenPvRing ctrl_ring;
    XenPvEvent *ctrl_event;
    XenPvNetPort ctrl_port;
    XenPvNetifHash hash;
    uint8_t mcast[XENPV_NET_MAX_MCAST][6];
    unsigned nr_mcast;
    uint8_t *bounce;
    uint8_t *linear;
    int64_t credit;
    uint64_t credit_bytes;
    uint64_t credit_usec;
    int64_t credit_at;
    QEMUTimer *credit_timer;
    VMChangeStateEntry *vmstate;
    XenPvNetStats gone;
    QEMUTimer *info_timer;
    char *tap;
    char *ifname;
    char *ran;
    char *script;
    char *bridge;
};

static inline NetClientState *xenpv_net_client(XenPvNet *net, unsigned link)
{
    return qemu_get_subqueue(net->nic, link);
}

/** xenpv_net_complain: the guest can do this at any rate; reports are not */
void xenpv_net_complain(XenPvNet *net, const char *what);

/** xenpv_net_publish_identity: address, number and MTU, on both sides */
bool xenpv_net_publish_identity(XenPvDevice *dev, Error **errp);

/** xenpv_net_touched: counts have changed */
void xenpv_net_touched(XenPvNet *net);

/**
 * xenpv_net_may_send: is there credit?
 *
 * If not, queues are run again when there is.
 */
bool xenpv_net_may_send(XenPvNet *net);

/** xenpv_net_mcast: change the list; false if it is full */
bool xenpv_net_mcast_add(XenPvNet *net, const uint8_t *address);
void xenpv_net_mcast_del(XenPvNet *net, const uint8_t *address);

/** xenpv_net_staged: the map of a staging grant, or NULL */
static inline XenPvMap *xenpv_net_staged(XenPvNetQueue *queue, uint32_t ref)
{
    return queue->staged ? g_hash_table_lookup(queue->staged,
                                               GUINT_TO_POINTER(ref)) : NULL;
}

/* ---- net-tx.c ---- */

void xenpv_net_tx_init(XenPvNetQueue *queue, const XenPvMap *ring);
void xenpv_net_tx_cleanup(XenPvNetQueue *queue);
/**
 * xenpv_net_tx_run: take packets and send them
 *
 * At most a ring's worth; then others have their turn.
 *
 * Returns: whether there was anything to do
 */
bool xenpv_net_tx_run(XenPvNetQueue *queue);
/** xenpv_net_sent: the net layer has passed on what it held */
void xenpv_net_sent(NetClientState *nc, ssize_t len);

/* ---- net-rx.c ---- */

void xenpv_net_rx_init(XenPvNetQueue *queue, const XenPvMap *ring);
void xenpv_net_rx_cleanup(XenPvNetQueue *queue);
/** xenpv_net_rx_run: pages may have come that a packet waits for */
bool xenpv_net_rx_run(XenPvNetQueue *queue);
/** xenpv_net_rx_settle: show what has been put, now */
void xenpv_net_rx_settle(XenPvNetQueue *queue);
/** xenpv_net_receive: NetReceiveIOV */
ssize_t xenpv_net_receive(NetClientState *nc, const struct iovec *iov,
                          int iovcnt);

/* ---- net-ctrl.c ---- */

bool xenpv_net_ctrl_run(XenPvNet *net);
/** xenpv_net_save: XenPvDeviceClass.save; what control requests have set */
void xenpv_net_save(XenPvDevice *dev, GByteArray *out);
/** xenpv_net_load: XenPvDeviceClass.load */
bool xenpv_net_load(XenPvDevice *dev, XenPvSaved *in, Error **errp);
/** xenpv_net_unstage: all staging grants of a queue */
void xenpv_net_unstage(XenPvNetQueue *queue);

/* ---- net-tap.c ---- */

/**
 * xenpv_net_place: an interface goes where it belongs
 * @script: run for it, in the way of Xen's hotplug scripts; NULL or empty:
 * @bridge: it goes in there; NULL or empty: it is set up, no more
 * @mtu: 0: as it is
 *
 * The script is not waited for: it may ask us for a node of the store.
 */
bool xenpv_net_place(XenPvDevice *dev, const char *ifname, const char *script,
                     const char *bridge, uint32_t mtu, Error **errp);
/** xenpv_net_unplace: run the script for its end, if one was run */
void xenpv_net_unplace(XenPvDevice *dev, const char *ifname);

/** xenpv_net_tap_open: from XenPvDeviceClass.configure; close it if it fails */
bool xenpv_net_tap_open(XenPvDevice *dev, uint32_t mtu, Error **errp);
void xenpv_net_tap_close(XenPvDevice *dev);

/* ---- net-kernel.c ---- */

/** xenpv_net_kernel_judge: do the properties fit who serves the NIC? */
bool xenpv_net_kernel_judge(XenPvNet *net, Error **errp);
/** xenpv_net_delegate: XenPvDeviceClass.delegate */
bool xenpv_net_delegate(XenPvDevice *dev, Error **errp);
/** xenpv_net_delegated_ready: XenPvDeviceClass.delegated_ready */
bool xenpv_net_delegated_ready(XenPvDevice *dev, Error **errp);
/** xenpv_net_kernel_end: undo the latter */
void xenpv_net_kernel_end(XenPvNet *net);

#endif /* HW_XENPV_DRIVERS_NET_H */
