/*
 * A net front end in software, and the scene most tests of the NIC play in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It speaks all of io/netif.h.  Responses are judged as they come: each
 * answers a slot that is waiting, and leaks nothing.
 */
#ifndef TESTS_XENPV_NET_FRONT_H
#define TESTS_XENPV_NET_FRONT_H

#include "hw/xen/interface/io/xenbus.h"
#include "hw/xenpv/drivers/netif.h"
#include "hw/xenpv/ring.h"
#include "net-host.h"
#include "fixture.h"

#define FRONT_MAX_QUEUES 4
#define FRONT_SLOTS      256

/* A status no response has: none has come. */
#define FRONT_WAITING    1000

/**
 * FrontOpts: how a front end presents itself; zeroes: as Linux does
 * @queues: 0: does not say
 * @one_channel: for both directions
 * @no_sg, @no_gso, @no_csum4, @no_csum6: cannot
 * @no_notify: no feature-rx-notify
 * @ctrl: has a control ring
 * @mcast: request-multicast-control
 * @headroom: xdp-headroom
 */
typedef struct FrontOpts {
    unsigned queues;
    bool one_channel;
    bool no_sg;
    bool no_gso;
    bool no_csum4;
    bool no_csum6;
    bool no_notify;
    bool ctrl;
    bool mcast;
    unsigned headroom;
} FrontOpts;

typedef struct Front Front;

/** FrontPacket: one the guest has received */
typedef struct FrontPacket {
    GByteArray *data;
    uint16_t flags;
    unsigned slots;
    bool error;
    uint8_t gso_type;
    uint16_t gso_size;
    bool hashed;
    uint8_t hash_type;
    uint32_t hash;
} FrontPacket;

/**
 * FrontQueue: a pair of rings
 * @any_ids: what is put may be taken for something else, and its id as well
 * @status: of tx slot with this id
 * @nulls: responses to extra infos
 * @packets: received, FrontPacket
 */
typedef struct FrontQueue {
    Front *front;
    uint8_t *tx;
    uint8_t *rx;
    uint32_t tx_ref;
    uint32_t rx_ref;
    uint32_t tx_port;
    uint32_t rx_port;
    uint32_t tx_prod;
    uint32_t tx_pushed;
    uint32_t tx_cons;
    uint32_t rx_prod;
    uint32_t rx_cons;
    bool any_ids;
    int16_t status[FRONT_SLOTS];
    unsigned nulls;
    uint8_t *page[FRONT_SLOTS];
    uint32_t ref[FRONT_SLOTS];
    GPtrArray *packets;
} FrontQueue;

struct Front {
    XenPvHv *hv;
    FrontOpts opts;
    unsigned nr_queues;
    FrontQueue queue[FRONT_MAX_QUEUES];
    uint8_t *ctrl;
    uint32_t ctrl_ref;
    uint32_t ctrl_port;
    uint32_t ctrl_prod;
    GArray *refs;
};

/** front_new: pages, grants, ports; nothing is in the store yet */
Front *front_new(XenPvHv *hv, const FrontOpts *opts);
/** front_free: gone; fails the test if the back end uses one of its pages */
void front_free(Front *front);
void front_key(Front *front, const char *key, const char *value);
void front_set_state(Front *front, enum xenbus_state state);
void front_write_keys(Front *front);
/** front_connect: keys and states as Linux writes them; may fail */
void front_connect(Front *front);
void front_close(Front *front);
int front_be_state(Front *front);
/** front_grant: one more page */
uint8_t *front_grant(Front *front, bool readonly, uint32_t *ref);

/* ---- sending: put, then push ---- */

void front_tx_slot(FrontQueue *q, uint32_t ref, uint16_t offset,
                   uint16_t flags, uint16_t id, uint16_t size);
void front_tx_gso(FrontQueue *q, uint8_t type, uint16_t size, bool more);
void front_tx_extra(FrontQueue *q, uint8_t type, uint8_t flags,
                    const uint8_t *data, unsigned len);
/** front_tx_push: show them, tell if asked to, wait for quiet */
bool front_tx_push(FrontQueue *q);
/** front_tx_reap: take the responses there are */
void front_tx_reap(FrontQueue *q);
/** front_status: of a slot; FRONT_WAITING: no response has come */
int front_status(FrontQueue *q, uint16_t id);
/**
 * front_send: a frame, in pieces of @piece bytes, each in a page of its own
 * @flags: NETTXF_* of the first slot
 * @gso_type: NONE: no extra info
 *
 * Returns: the status; all slots have the same
 */
int front_send(FrontQueue *q, const uint8_t *frame, unsigned len,
               unsigned piece, uint16_t flags, uint8_t gso_type,
               uint16_t gso_size);

/* ---- receiving ---- */

/** front_rx_post: give @nr pages; only those that are free */
void front_rx_post(FrontQueue *q, unsigned nr);
/** front_rx_reap: take what has come; @packets */
void front_rx_reap(FrontQueue *q);
FrontPacket *front_packet(FrontQueue *q, unsigned i);

/* ---- the control ring ---- */

uint32_t front_ctrl(Front *front, uint16_t type, uint32_t a, uint32_t b,
                    uint32_t c, uint32_t *data);

/* ---- frames ---- */

/**
 * frame_make: an Ethernet frame with TCP or UDP over IP
 * @buf: room for it
 * @version: 4 or 6
 * @tcp: or UDP
 * @payload: bytes
 * @blank: the checksum is that of the pseudo header
 * @vlan: with a tag
 *
 * Returns: its length
 */
unsigned frame_make(uint8_t *buf, unsigned version, bool tcp,
                    unsigned payload, bool blank, bool vlan);
/** frame_good: are all of its checksums right?  By other code than ours. */
bool frame_good(const uint8_t *frame, size_t len);

/* ---- the scene ---- */

typedef struct SceneOpts {
    bool copy;
    bool vnet;
    bool one_piece;
    unsigned peer_queues;
    const char *queues;
    const char *rate;
    const char *drain;
    FrontOpts front;
} SceneOpts;

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    XenPvDevice *dev;
    Front *front;
    FrontQueue *q;
} Scene;

#define SCENE_BE "/local/domain/0/backend/qnic/1/0"
#define SCENE_FE "/local/domain/1/device/vif/0"
#define SCENE_ERROR "/local/domain/0/error/backend/qnic/1/0/error"

void scene_begin(Scene *s, const SceneOpts *opts);
void scene_end(Scene *s);
void scene_new_front(Scene *s, const FrontOpts *opts);
/** scene_works: a packet each way on each queue */
void scene_works(Scene *s);
/** scene_broken: the device has closed, saying this */
void scene_broken(Scene *s, const char *why);

#endif /* TESTS_XENPV_NET_FRONT_H */
