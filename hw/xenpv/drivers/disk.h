/*
 * What the files of the block back end know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   disk.c        the device: properties, nodes, connections, media
 *   disk-queue.c  one ring: requests in, responses out, order
 *   disk-data.c   where the data of a request is: the guest's pages
 *   disk-kernel.c a disk that the host's kernel serves
 *   blkif.c       requests and responses as bytes (pure)
 *   vdev.c        names of disks (pure)
 *
 * A request is one straight line: taken from the ring, decoded, judged, its
 * pages made reachable, then a coroutine through the block layer, its pages
 * let go, the response put.  A queue belongs to one thread, that of its
 * AioContext; what other threads see of it is said at the field.
 */
#ifndef HW_XENPV_DRIVERS_DISK_H
#define HW_XENPV_DRIVERS_DISK_H

#include "block/accounting.h"
#include "hw/block/block.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/xen_backend.h"
#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-virtio.h"
#include "qemu/coroutine.h"
#include "qemu/iov.h"
#include "system/iothread.h"
#include "blkif.h"

#define TYPE_XENPV_DISK "xen-block"
OBJECT_DECLARE_SIMPLE_TYPE(XenPvDisk, XENPV_DISK)

#define TYPE_XEN_DISK "xen-disk"
#define TYPE_XEN_CDROM "xen-cdrom"

/* io/blkif.h sets no limit; one for each vCPU there can be will do. */
#define XENPV_DISK_MAX_QUEUES 64

/* log2 of the pages of a ring */
#define XENPV_DISK_MAX_RING_ORDER 4

typedef struct XenPvDiskQueue XenPvDiskQueue;
typedef struct XenPvDiskPage XenPvDiskPage;

/**
 * XenPvDiskRequest: one request between ring and response
 * @rq: as decoded
 * @queue: where it came from
 * @next: in one of the queue's lists
 * @qiov: the data
 * @co: the coroutine, while it is parked
 * @acct: for the block layer's statistics
 * @started: @acct is running
 * @held: the data path has something to let go of
 * @slot: as it lay in the ring
 * @nr_pages: in @pins, @page or @chunk, what it has
 * @nr_copies: segments of the batch that are its, while it is in one
 * @copied: what became of them, 0 or a negative errno
 * @iov: room for @qiov
 * @segs: the segments of the data, in order
 * @pins: pages used where they lie
 * @page: pages that stay mapped
 * @chunk: bounce buffers
 *
 * Arrays have an element for each segment a request may have.
 */
typedef struct XenPvDiskRequest {
    XenPvBlkifRequest rq;
    XenPvDiskQueue *queue;
    struct XenPvDiskRequest *next;
    QEMUIOVector qiov;
    Coroutine *co;
    BlockAcctCookie acct;
    bool started;
    bool held;
    uint16_t nr_pages;
    uint16_t nr_copies;
    int copied;
    uint8_t slot[XENPV_BLKIF_MAX_STRIDE];
    struct iovec *iov;
    XenPvBlkifSeg *segs;
    union {
        XenPvPin *pins;
        XenPvDiskPage **page;
        void **chunk;
    };
} XenPvDiskRequest;

/**
 * XenPvDiskDataOps: how the guest's pages are reached
 * @name: for people
 * @begin: make @req->segs reachable as @req->qiov; with the data in it for
 *     a write.  -EAGAIN: no room now, there will be when a request has ended.
 * @end: let go of it.  A read's data is in the guest, unless it was gathered
 *     and not copied.
 * @gather: have @req's data copied with that of others, by
 *     xenpv_disk_data_copy(): for a write after @begin, for a read when its
 *     transfer is over.  NULL: there is nothing to copy.
 * @read: copy @len bytes from the start of a granted page
 */
typedef struct XenPvDiskDataOps {
    const char *name;
    int (*begin)(XenPvDiskRequest *req, bool to_guest);
    void (*end)(XenPvDiskRequest *req, bool to_guest);
    void (*gather)(XenPvDiskRequest *req, bool to_guest);
    int (*read)(XenPvDiskQueue *queue, uint32_t ref, void *buf, uint32_t len);
} XenPvDiskDataOps;

/* The three of them; see disk-data.c. */
extern const XenPvDiskDataOps xenpv_disk_pin_ops;
extern const XenPvDiskDataOps xenpv_disk_keep_ops;
extern const XenPvDiskDataOps xenpv_disk_copy_ops;

/**
 * XenPvDiskBatch: copies that are made together, as each call costs
 * @segs: all requests', in their order
 * @nr_segs: how many
 * @bytes: in them
 * @first, @last: the requests, by their @next
 */
typedef struct XenPvDiskBatch {
    XenPvCopySeg *segs;
    uint32_t nr_segs;
    uint32_t bytes;
    XenPvDiskRequest *first;
    XenPvDiskRequest *last;
} XenPvDiskBatch;

/* A batch of this size is copied at once, so that its transfers begin. */
#define XENPV_DISK_BATCH_BYTES (64 * 1024)

/**
 * XenPvDiskData: what a queue's data path keeps between requests
 * @ops: which it is
 * @pages: keep: by grant reference
 * @lru: keep: the least recently used first
 * @cap: keep: pages kept at most while they are not in use
 * @purge: keep: lets go of what has not been used for long
 * @chunk: copy: free bounce buffers
 * @nr_free: copy: how many
 * @nr_chunks: copy: free or not
 * @batch: copy: what is gathered, from the guest and to it
 */
typedef struct XenPvDiskData {
    const XenPvDiskDataOps *ops;
    GHashTable *pages;
    QTAILQ_HEAD(, XenPvDiskPage) lru;
    uint32_t cap;
    QEMUTimer *purge;
    void **chunk;
    uint32_t nr_free;
    uint32_t nr_chunks;
    XenPvDiskBatch batch[2];
} XenPvDiskData;

/**
 * XenPvDiskStats: what a queue has done, for "info qtree"; relaxed
 * @requests: taken from the ring
 * @bad: of those, refused before they got to the block layer
 * @wakeups: times the queue looked at its ring
 * @notified: events sent
 * @copied: bytes of data copied
 * @batches: ... in so many calls
 */
typedef struct XenPvDiskStats {
    uint64_t requests;
    uint64_t bad;
    uint64_t wakeups;
    uint64_t notified;
    uint64_t copied;
    uint64_t batches;
} XenPvDiskStats;

/**
 * XenPvDiskQueue: one ring
 * @disk: whose
 * @ctx: its thread's
 * @abi: layout of the ring's slots
 * @ring: the ring
 * @event: the channel
 * @data: the data path
 * @active: requests taken and not answered
 * @unpushed: responses put and not shown to the front end
 * @fence: a barrier is under way: nothing is taken until it is done
 * @free: unused requests, kept for reuse
 * @deferred: taken, but there is no room for its data yet, or it is a
 *     barrier and not alone
 * @parked: under way, and held up between two steps
 * @stopped: failed, and to be repeated when the VM runs again (werror=stop)
 * @retry: the VM runs again; set from any thread
 * @closing: no second try for anything
 * @stats: see there
 */
struct XenPvDiskQueue {
    XenPvDisk *disk;
    AioContext *ctx;
    const XenPvBlkifAbi *abi;
    XenPvRing ring;
    XenPvEvent *event;
    XenPvDiskData data;
    uint32_t active;
    uint32_t unpushed;
    bool fence;
    XenPvDiskRequest *free;
    XenPvDiskRequest *deferred;
    XenPvDiskRequest *parked;
    XenPvDiskRequest *stopped;
    bool retry;
    bool closing;
    XenPvDiskStats stats;
};

/* Why nothing is taken from the rings; bits of XenPvDisk.paused */
#define XENPV_DISK_PAUSED_DRAIN (1u << 0)
#define XENPV_DISK_PAUSED_VM    (1u << 1)

/**
 * XenPvDisk: one disk
 * @conf: QEMU's properties of any block device
 * @iothread, @mapping: properties; who serves the queues
 * @max_queues: property "queues"
 * @max_ring_order: property "max-ring-page-order"
 * @max_indirect: property "max-indirect-segments"; 0: not offered
 * @persistent: property; keep grants mapped for front ends that ask for it
 * @max_persistent: property "max-persistent-grants", for each queue
 * @secure_discard: property
 * @bootindex: property; has no effect
 * @own_blk: the (empty) drive is of our making
 * @tray_open: a CD's
 * @limits: what a request may ask for.  sectors changes at run time and is
 *     read from any thread; the rest is constant while connected.
 * @unit_shift: log2 of the front end's unit in sectors of 512 bytes
 * @paused: XENPV_DISK_PAUSED_*; any thread
 * @queue, @nr_queues: of this connection
 * @vmstate: handler
 * @ctx: of each possible queue
 * @mapped: the IOThreads of @mapping
 * @kernel_fd: the block device that the kernel serves, or -1
 */
struct XenPvDisk {
    XenPvDevice parent_obj;

    BlockConf conf;
    IOThread *iothread;
    IOThreadVirtQueueMappingList *mapping;
    uint32_t max_queues;
    uint32_t max_ring_order;
    uint32_t max_indirect;
    bool persistent;
    uint32_t max_persistent;
    bool secure_discard;
    int32_t bootindex;

    bool own_blk;
    bool tray_open;
    XenPvBlkifLimits limits;
    unsigned unit_shift;
    unsigned paused;
    XenPvDiskQueue *queue;
    unsigned nr_queues;
    VMChangeStateEntry *vmstate;
    AioContext **ctx;
    GPtrArray *mapped;
    int kernel_fd;
};

/* ---- disk.c ---- */

/* What is said of a disk whoever serves it. */
bool xenpv_disk_publish_identity(XenPvDevice *dev, Error **errp);

/* ---- disk-kernel.c ---- */

/* The block device behind the drive, made if it is a file. */
bool xenpv_disk_kernel_open(XenPvDisk *disk, Error **errp);
void xenpv_disk_kernel_close(XenPvDisk *disk);

/* XenPvDeviceClass.delegate */
bool xenpv_disk_delegate(XenPvDevice *dev, Error **errp);

/* ---- disk-queue.c ---- */

/**
 * xenpv_disk_queue_init: a queue over a mapped ring
 * @queue: zeroed
 */
void xenpv_disk_queue_init(XenPvDiskQueue *queue, XenPvDisk *disk,
                           const XenPvBlkifAbi *abi, const XenPvMap *ring,
                           AioContext *ctx, const XenPvDiskDataOps *data_ops);

/**
 * xenpv_disk_queue_run: take requests and start them
 *
 * In the queue's thread.  At most one ring's worth; then others have their
 * turn.
 *
 * Returns: whether there was anything to do
 */
bool xenpv_disk_queue_run(XenPvDiskQueue *queue);

/**
 * xenpv_disk_queue_abort: answer with errors what waits for better times
 *
 * In the queue's thread.  What the block layer has goes on.
 */
void xenpv_disk_queue_abort(void *queue);

/**
 * xenpv_disk_queue_settle: give back what waits for better times
 *
 * While nothing is under way, in any thread.  See XenPvDeviceClass.settle.
 */
void xenpv_disk_queue_settle(XenPvDiskQueue *queue);

/** xenpv_disk_queue_cleanup: the end; nothing is in flight any more */
void xenpv_disk_queue_cleanup(XenPvDiskQueue *queue);

/* ---- disk-data.c ---- */

void xenpv_disk_data_init(XenPvDiskQueue *queue, const XenPvDiskDataOps *ops);

/**
 * xenpv_disk_data_copy: copy what is gathered
 * @queue: whose
 * @to_guest: or from it
 *
 * Returns the requests, by their @next, with @copied set; NULL if none was.
 */
XenPvDiskRequest *xenpv_disk_data_copy(XenPvDiskQueue *queue, bool to_guest);
void xenpv_disk_data_cleanup(XenPvDiskQueue *queue);

#endif /* HW_XENPV_DRIVERS_DISK_H */
