/*
 * A block front end in software, and the scene most tests of the disk play in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It does what Linux's xen-blkfront does, in its order, and can do everything
 * else as well.  Responses are judged as they come: each answers a request
 * that is waiting, names its operation, and leaks nothing.
 */
#ifndef TESTS_XENPV_DISK_FRONT_H
#define TESTS_XENPV_DISK_FRONT_H

#include "hw/xen/interface/io/xenbus.h"
#include "hw/xenpv/drivers/blkif.h"
#include "hw/xenpv/ring.h"
#include "disk-host.h"
#include "fixture.h"

#define FRONT_MAX_QUEUES 4
#define FRONT_MAX_PAGES  16
#define FRONT_MAX_IDS    1024

/* A status no response has: none has come. */
#define FRONT_WAITING    1000

/**
 * FrontOpts: how a front end presents itself
 * @protocol: NULL: it does not say
 * @order: log2 of a ring's pages
 * @numbered: say so with ring-page-order and ring-refN even if it is one page
 * @old_keys: say so with num-ring-pages
 * @queues: 0: does not say
 * @persistent: feature-persistent
 * @large_sectors: feature-large-sector-size
 */
typedef struct FrontOpts {
    const char *protocol;
    unsigned order;
    bool numbered;
    bool old_keys;
    unsigned queues;
    bool persistent;
    bool large_sectors;
} FrontOpts;

typedef struct Front Front;

/* A page of segments, of one request at a time */
typedef struct FrontIndirect {
    void *page;
    uint32_t ref;
    struct FrontIndirect *next;
} FrontIndirect;

/**
 * FrontRing: one queue
 * @notified: events sent
 * @waiting: requests put and not answered
 * @status: of request id modulo FRONT_MAX_IDS
 */
typedef struct FrontRing {
    Front *front;
    const XenPvBlkifAbi *abi;
    uint32_t nr;
    void *page[FRONT_MAX_PAGES];
    uint32_t ref[FRONT_MAX_PAGES];
    uint32_t port;
    uint32_t req_prod;
    uint32_t req_pushed;
    uint32_t rsp_cons;
    unsigned notified;
    unsigned waiting;
    uint64_t next_id;
    int16_t status[FRONT_MAX_IDS];
    uint8_t op[FRONT_MAX_IDS];
    FrontIndirect *indirect[FRONT_MAX_IDS];
    FrontIndirect *indirect_free;
} FrontRing;

struct Front {
    XenPvHv *hv;
    int devid;
    FrontOpts opts;
    unsigned nr_queues;
    FrontRing ring[FRONT_MAX_QUEUES];
    GArray *refs;               /* all that was granted */
};

/**
 * FrontBuf: pages of the guest's
 * @page, @ref: each, and its grant
 */
typedef struct FrontBuf {
    unsigned nr;
    uint8_t *page[XENPV_BLKIF_MAX_INDIRECT];
    uint32_t ref[XENPV_BLKIF_MAX_INDIRECT];
} FrontBuf;

/** FrontSeg: a segment, in the protocol's words */
typedef struct FrontSeg {
    uint32_t ref;
    uint8_t first;
    uint8_t last;
} FrontSeg;

/* ---- life ---- */

/** front_new: pages, grants, ports; nothing is in the store yet */
Front *front_new(XenPvHv *hv, int devid, const FrontOpts *opts);
/**
 * front_free: gone without a word
 *
 * Fails the test if the back end still uses one of its pages.
 */
void front_free(Front *front);
/** front_key: write a key, or remove it (NULL) */
void front_key(Front *front, const char *key, const char *value);
/** front_set_state: and let the back end see it */
void front_set_state(Front *front, enum xenbus_state state);
/** front_write_keys: all that a back end needs to connect */
void front_write_keys(Front *front);
/** front_connect: keys and states as Linux writes them; may fail */
void front_connect(Front *front);
/** front_close: Closing, Closed */
void front_close(Front *front);
/** front_be_state: the back end's, as the front end reads it */
int front_be_state(Front *front);

/* ---- data ---- */

FrontBuf *front_buf(Front *front, unsigned nr_pages);
/** front_buf_fill: with bytes that differ from page to page and by @seed */
void front_buf_fill(FrontBuf *buf, unsigned seed);
/** front_buf_clear: with something else */
void front_buf_clear(FrontBuf *buf);
/** front_grant: one more page; remembered like all others */
void *front_grant(Front *front, bool readonly, uint32_t *ref);

/* ---- requests: put, then push ---- */

/** front_put: a read, write, flush or barrier in the slot itself */
uint64_t front_put(FrontRing *ring, uint8_t op, uint64_t sector,
                   const FrontSeg *segs, unsigned nr_segs);
/** front_put_indirect: ... with its segments elsewhere */
uint64_t front_put_indirect(FrontRing *ring, uint8_t op, uint64_t sector,
                            const FrontSeg *segs, unsigned nr_segs);
/** front_put_buf: whole pages, in the way that has room for them */
uint64_t front_put_buf(FrontRing *ring, uint8_t op, uint64_t sector,
                       const FrontBuf *buf);
uint64_t front_put_discard(FrontRing *ring, uint64_t sector, uint64_t nr,
                           uint8_t flag);
/** front_put_raw: any bytes but the id */
uint64_t front_put_raw(FrontRing *ring, const void *slot, uint8_t op);
/** front_push: show them; returns whether an event was needed, and sent */
bool front_push(FrontRing *ring);
/** front_reap: take the responses there are */
void front_reap(FrontRing *ring);
/** front_status: of a request, or FRONT_WAITING */
int front_status(FrontRing *ring, uint64_t id);
/** front_finish: until all are answered */
void front_finish(FrontRing *ring);
/** front_answer: push, and wait for the answer to this one */
int front_answer(FrontRing *ring, uint64_t id);

/** front_do: put, push and wait */
int front_do(FrontRing *ring, uint8_t op, uint64_t sector,
             const FrontBuf *buf);

/* ---- the scene ---- */

typedef enum DataPath {
    DATA_PIN,
    DATA_KEEP,
    DATA_COPY,
    DATA_NR,
} DataPath;

/**
 * SceneOpts: where a test plays; zeroes are good
 * @data: how the back end gets at the guest's pages
 * @type: NULL: "xen-disk"
 * @props: more properties of the device
 * @size: of the drive; 0: 4 MiB
 * @flags: of the drive; 0: BDRV_O_RDWR | BDRV_O_UNMAP
 * @front: its persistent is set by @data
 */
typedef struct SceneOpts {
    DataPath data;
    const char *type;
    const char *props;
    uint64_t size;
    int flags;
    FrontOpts front;
} SceneOpts;

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    TestDrive *drive;
    XenPvDevice *dev;
    Front *front;
} Scene;

#define SCENE_DEVID 51712
#define SCENE_BE "/local/domain/0/backend/qdisk/1/51712"
#define SCENE_FE "/local/domain/1/device/vbd/51712"
#define SCENE_ERROR "/local/domain/0/error/backend/qdisk/1/51712/error"

/** scene_begin: a drive "drive0", a disk xvda on it, a front end, connected */
void scene_begin(Scene *s, const SceneOpts *opts);
/** scene_end: by force; nothing may be left */
void scene_end(Scene *s);
/** scene_new_front: in the place of the one there was; not connected */
void scene_new_front(Scene *s, const FrontOpts *opts);
/** assert_idle: nothing of the guest's is mapped, pinned or bound */
void assert_idle(Scene *s);
/** scene_works: write, read, compare, on each queue */
void scene_works(Scene *s);

#endif /* TESTS_XENPV_DISK_FRONT_H */
