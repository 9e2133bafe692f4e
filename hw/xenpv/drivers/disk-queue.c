/*
 * One ring of a disk: requests in, responses out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Order.  Requests run side by side and are answered as they end, with two
 * exceptions.  A barrier begins when it is alone, and nothing is taken while
 * it waits or is under way; it is flush, write, flush.  A flush with data is
 * flushed first.  Both are for one ring: two rings have no order between
 * them, and what was answered on any of them is on the disk after a flush.
 *
 * Batches.  Requests taken in one go reach the block layer as one plug, and
 * responses that are put in one go are shown to the front end with one write
 * of the index and at most one event: both are QEMU's defer_call().  So is
 * the copying of data, where it has to be copied.
 *
 * Pauses.  While the drive is drained, or the VM stands still, nothing is
 * taken and nothing begins.  A look at the ring counts as in flight for the
 * drive, and so does a request from its beginning to its end, with all its
 * steps: who drains the drive either waits for them or is seen by them.  So
 * the block layer need not hold requests up in a drain, and must not: a
 * guest that goes in the middle of one would wait for the end of the drain,
 * and the drain for it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "block/aio-wait.h"
#include "hw/xenpv/trace.h"
#include "qemu/defer-call.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "system/block-backend.h"
#include "disk.h"

/* What a secure discard writes at a time */
#define WIPE_SIZE (64 * 1024)

static XenPvDevice *queue_device(XenPvDiskQueue *queue)
{
    return XENPV_DEVICE(queue->disk);
}

static BlockBackend *queue_blk(XenPvDiskQueue *queue)
{
    return queue->disk->conf.blk;
}

/* ---- requests are kept for reuse: none is allocated once all are ---- */

/* One block of memory, so that a request is a few pages next to each other */
static XenPvDiskRequest *request_new(XenPvDiskQueue *queue)
{
    unsigned nr = MAX(queue->disk->max_indirect,
                      BLKIF_MAX_SEGMENTS_PER_REQUEST);
    size_t iov_at = ROUND_UP(sizeof(XenPvDiskRequest), 16);
    size_t pins_at = iov_at + nr * sizeof(struct iovec);
    size_t segs_at = pins_at + nr * sizeof(XenPvPin);
    char *memory = g_malloc0(segs_at + nr * sizeof(XenPvBlkifSeg));
    XenPvDiskRequest *req = (XenPvDiskRequest *)memory;

    QEMU_BUILD_BUG_ON(sizeof(XenPvPin) < sizeof(void *));
    req->queue = queue;
    req->iov = (struct iovec *)(memory + iov_at);
    req->pins = (XenPvPin *)(memory + pins_at);
    req->segs = (XenPvBlkifSeg *)(memory + segs_at);
    return req;
}

static XenPvDiskRequest *request_get(XenPvDiskQueue *queue)
{
    XenPvDiskRequest *req = queue->free;

    if (req) {
        queue->free = req->next;
    } else {
        req = request_new(queue);
    }
    req->next = NULL;
    req->started = false;
    req->held = false;
    req->nr_pages = 0;
    return req;
}

static void request_put(XenPvDiskRequest *req)
{
    req->next = req->queue->free;
    req->queue->free = req;
}

/* ---- responses ---- */

static void queue_push(void *opaque)
{
    XenPvDiskQueue *queue = opaque;
    XenPvDevice *dev = queue_device(queue);
    uint32_t nr = queue->unpushed;

    queue->unpushed = 0;
    if (xenpv_ring_push(&queue->ring)) {
        queue->stats.notified++;
        xenpv_event_notify(queue->event);
    }
    /* The last thing: after it the queue may go, if this was all. */
    if (qatomic_fetch_sub(&dev->in_flight, nr) == nr) {
        aio_wait_kick();
    }
}

/* The caller has queue_push() called. */
static void put_response(XenPvDiskRequest *req, int status)
{
    XenPvDiskQueue *queue = req->queue;
    uint8_t rsp[XENPV_BLKIF_MAX_RESPONSE];
    unsigned len = xenpv_blkif_response(queue->abi, rsp, req->rq.id,
                                        req->rq.raw_op, status);

    trace_xenpv_disk_respond(queue_device(queue)->label, req->rq.id,
                             req->rq.raw_op, status);
    xenpv_ring_put(&queue->ring, rsp, len);
    queue->active--;
    queue->unpushed++;
    request_put(req);
}

/* The guest can do this at any rate: what is reported is not. */
static void complain(XenPvDiskQueue *queue, const char *what)
{
    XenPvDevice *dev = queue_device(queue);
    Error *err = NULL;

    queue->stats.bad++;
    if (xenpv_dev_may_complain(dev)) {
        error_setg(&err, "%s", what);
        xenpv_dev_complain(dev, err);
    }
}

static bool is_read(const XenPvDiskRequest *req)
{
    return req->rq.op == BLKIF_OP_READ;
}

/* The caller has queue_push() called. */
static void put_result(XenPvDiskRequest *req, int ret)
{
    XenPvDiskQueue *queue = req->queue;
    BlockAcctStats *stats = blk_get_stats(queue_blk(queue));
    bool fence = req->rq.op == BLKIF_OP_WRITE_BARRIER;

    if (req->held) {
        queue->data.ops->end(req, is_read(req));
    }
    if (req->started && ret < 0) {
        block_acct_failed(stats, &req->acct);
    } else if (req->started) {
        block_acct_done(stats, &req->acct);
    }
    if (fence) {
        queue->fence = false;
    }
    /* Soon, and not after the push: when all is answered the queue may go. */
    if (fence || queue->deferred) {
        xenpv_event_again(queue->event);
    }
    put_response(req, ret == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP :
                      ret < 0 ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
}

static void finish(XenPvDiskRequest *req, int ret)
{
    XenPvDiskQueue *queue = req->queue;

    put_result(req, ret);
    defer_call(queue_push, queue);
}

/* ---- data that is copied ---- */

static void no_data(XenPvDiskRequest *req, int ret)
{
    XenPvDiskQueue *queue = req->queue;

    trace_xenpv_disk_no_data(queue_device(queue)->label, req->rq.id, ret);
    complain(queue, "a request's grants cannot be used");
}

/* Reads have ended; each has the drive wait for it until it is answered. */
static void copy_reads(void *opaque)
{
    XenPvDiskQueue *queue = opaque;
    BlockBackend *blk = queue_blk(queue);
    XenPvDiskRequest *req, *next;
    unsigned nr = 0;

    for (req = xenpv_disk_data_copy(queue, true); req; req = next, nr++) {
        next = req->next;
        if (req->copied < 0) {
            no_data(req, req->copied);
        }
        put_result(req, req->copied);
    }
    if (!nr) {
        return;
    }
    defer_call(queue_push, queue);
    while (nr--) {
        blk_dec_in_flight(blk);
    }
}

static bool batch_is_full(XenPvDiskQueue *queue, bool to_guest)
{
    return queue->data.batch[to_guest].bytes >= XENPV_DISK_BATCH_BYTES;
}

/* Returns false if it goes on without. */
static bool gather_read(XenPvDiskRequest *req)
{
    XenPvDiskQueue *queue = req->queue;

    if (!req->held || !is_read(req) || !queue->data.ops->gather) {
        return false;
    }
    blk_inc_in_flight(queue_blk(queue));
    queue->data.ops->gather(req, true);
    if (batch_is_full(queue, true)) {
        copy_reads(queue);
    } else {
        defer_call(copy_reads, queue);
    }
    return true;
}

/* ---- through the block layer ---- */

/*
 * Between two steps of something that may take minutes: whoever drains the
 * drive does not wait for all of it.  Returns false if there is no next step.
 */
static bool coroutine_fn may_go_on(XenPvDiskRequest *req)
{
    XenPvDiskQueue *queue = req->queue;
    BlockBackend *blk = queue_blk(queue);

    while (qatomic_read(&queue->disk->paused) && !queue->closing) {
        req->co = qemu_coroutine_self();
        req->next = queue->parked;
        queue->parked = req;
        blk_dec_in_flight(blk);
        qemu_coroutine_yield();
        blk_inc_in_flight(blk);
    }
    return !queue->closing;
}

/* Overwritten with zeroes, really: not marked as such, not unmapped. */
static int coroutine_fn wipe(XenPvDiskRequest *req, int64_t offset,
                             int64_t bytes)
{
    BlockBackend *blk = queue_blk(req->queue);
    void *zeroes = blk_blockalign(blk, WIPE_SIZE);
    int ret = 0;

    memset(zeroes, 0, WIPE_SIZE);
    while (bytes && ret >= 0) {
        int64_t n = MIN(bytes, WIPE_SIZE);

        if (!may_go_on(req)) {
            ret = -ECANCELED;
            break;
        }
        ret = blk_co_pwrite(blk, offset, n, zeroes, 0);
        offset += n;
        bytes -= n;
    }
    qemu_vfree(zeroes);
    return ret < 0 ? ret : blk_co_flush(blk);
}

static int coroutine_fn discard(XenPvDiskRequest *req)
{
    int64_t offset = req->rq.sector << BDRV_SECTOR_BITS;
    int64_t bytes = req->rq.nr_sectors << BDRV_SECTOR_BITS;
    int ret = 0;

    if (req->rq.secure) {
        ret = wipe(req, offset, bytes);
    }
    return ret < 0 ? ret : blk_co_pdiscard(queue_blk(req->queue), offset,
                                           bytes, 0);
}

static int coroutine_fn transfer(XenPvDiskRequest *req)
{
    BlockBackend *blk = queue_blk(req->queue);
    int64_t offset = req->rq.sector << BDRV_SECTOR_BITS;

    if (!req->rq.bytes) {
        return 0;
    }
    return is_read(req) ?
        blk_co_preadv(blk, offset, req->rq.bytes, &req->qiov, 0) :
        blk_co_pwritev(blk, offset, req->rq.bytes, &req->qiov, 0);
}

static int coroutine_fn flush_around(XenPvDiskRequest *req, bool after)
{
    BlockBackend *blk = queue_blk(req->queue);
    int ret = blk_co_flush(blk);

    if (ret < 0 || !req->rq.bytes) {
        return ret;
    }
    ret = transfer(req);
    return ret < 0 || !after ? ret : blk_co_flush(blk);
}

static int coroutine_fn perform(XenPvDiskRequest *req)
{
    switch (req->rq.op) {
    case BLKIF_OP_WRITE_BARRIER:
        return flush_around(req, true);
    case BLKIF_OP_FLUSH_DISKCACHE:
        return flush_around(req, false);
    case BLKIF_OP_DISCARD:
        return discard(req);
    default:
        return transfer(req);
    }
}

/* What the user wants to happen.  Returns true if the request is over. */
static bool handle_error(XenPvDiskRequest *req, int *ret)
{
    XenPvDiskQueue *queue = req->queue;
    BlockBackend *blk = queue_blk(queue);
    BlockErrorAction action = blk_get_error_action(blk, is_read(req), -*ret);

    trace_xenpv_disk_failed(queue_device(queue)->label, req->rq.id, *ret,
                            action);
    if (action == BLOCK_ERROR_ACTION_STOP && queue->closing) {
        action = BLOCK_ERROR_ACTION_REPORT;
    }
    if (action == BLOCK_ERROR_ACTION_STOP) {
        req->next = queue->stopped;
        queue->stopped = req;
    } else if (action == BLOCK_ERROR_ACTION_IGNORE) {
        *ret = 0;
    }
    blk_error_action(blk, action, is_read(req), -*ret);
    return action != BLOCK_ERROR_ACTION_STOP;
}

static void coroutine_fn request_co(void *opaque)
{
    XenPvDiskRequest *req = opaque;
    BlockBackend *blk = queue_blk(req->queue);
    int ret;

    blk_inc_in_flight(blk);
    ret = perform(req);
    if ((ret >= 0 || ret == -EOPNOTSUPP || handle_error(req, &ret)) &&
        !(ret >= 0 && gather_read(req))) {
        finish(req, ret);
    }
    /* The queue may be gone; the drive waits for this. */
    blk_dec_in_flight(blk);
}

static void account(XenPvDiskRequest *req)
{
    static const uint8_t type[] = {
        [BLKIF_OP_READ] = BLOCK_ACCT_READ,
        [BLKIF_OP_WRITE] = BLOCK_ACCT_WRITE,
        [BLKIF_OP_WRITE_BARRIER] = BLOCK_ACCT_WRITE,
        [BLKIF_OP_FLUSH_DISKCACHE] = BLOCK_ACCT_FLUSH,
        [BLKIF_OP_DISCARD] = BLOCK_ACCT_UNMAP,
    };
    int64_t bytes = req->rq.op == BLKIF_OP_DISCARD ?
        req->rq.nr_sectors << BDRV_SECTOR_BITS : req->rq.bytes;

    block_acct_start(blk_get_stats(queue_blk(req->queue)), &req->acct, bytes,
                     type[req->rq.op]);
    req->started = true;
}

static void enter(XenPvDiskRequest *req)
{
    qemu_coroutine_enter(qemu_coroutine_create(request_co, req));
}

static void copy_writes(XenPvDiskQueue *queue)
{
    XenPvDiskRequest *req, *next;

    for (req = xenpv_disk_data_copy(queue, false); req; req = next) {
        next = req->next;
        if (req->copied < 0) {
            no_data(req, req->copied);
            finish(req, req->copied);
        } else {
            account(req);
            enter(req);
        }
    }
}

/*
 * Returns false if it has to wait for the end of others.  What is to be copied
 * first begins with the batch: the caller has copy_writes() called.
 */
static bool start(XenPvDiskRequest *req)
{
    XenPvDiskQueue *queue = req->queue;
    bool gather = false;

    if (req->rq.op == BLKIF_OP_WRITE_BARRIER && queue->active > 1) {
        return false;
    }
    if (req->rq.op != BLKIF_OP_DISCARD && req->rq.bytes) {
        int ret = queue->data.ops->begin(req, is_read(req));

        if (ret == -EAGAIN) {
            return false;
        }
        if (ret < 0) {
            no_data(req, ret);
            finish(req, ret);
            return true;
        }
        gather = !is_read(req) && queue->data.ops->gather;
    }
    if (req->rq.op == BLKIF_OP_WRITE_BARRIER) {
        queue->fence = true;
    }
    if (!gather) {
        account(req);
        enter(req);
        return true;
    }
    queue->data.ops->gather(req, false);
    if (batch_is_full(queue, false)) {
        copy_writes(queue);
    }
    return true;
}

/* ---- from the ring ---- */

static int read_indirect(XenPvDiskRequest *req)
{
    uint8_t page[XENPV_PAGE_SIZE];
    unsigned nr_pages = xenpv_blkif_indirect_pages(&req->rq);
    unsigned per_page = XENPV_BLKIF_SEGS_PER_PAGE;
    unsigned i, first = 0;

    for (i = 0; i < nr_pages; i++) {
        unsigned nr = MIN(per_page, req->rq.nr_segs - first);
        uint32_t len = nr * sizeof(struct blkif_request_segment);
        int ret = req->queue->data.ops->read(req->queue,
                                             req->rq.indirect_ref[i], page,
                                             len);

        if (ret < 0) {
            return BLKIF_RSP_ERROR;
        }
        ret = xenpv_blkif_decode_indirect(&req->rq, first, page, nr,
                                          req->queue->disk->unit_shift,
                                          req->segs);
        if (ret != BLKIF_RSP_OKAY) {
            return ret;
        }
        first += nr;
    }
    return BLKIF_RSP_OKAY;
}

static int judge(XenPvDiskRequest *req)
{
    XenPvDisk *disk = req->queue->disk;
    XenPvBlkifLimits limits = disk->limits;
    int status;

    limits.sectors = qatomic_read__nocheck(&disk->limits.sectors);
    status = xenpv_blkif_decode(req->queue->abi, req->slot, disk->unit_shift,
                                &req->rq, req->segs);
    if (status != BLKIF_RSP_OKAY) {
        return status;
    }
    if (req->rq.indirect) {
        if (req->rq.nr_segs > limits.max_indirect) {
            return BLKIF_RSP_ERROR;
        }
        status = read_indirect(req);
    }
    return status != BLKIF_RSP_OKAY ? status :
           xenpv_blkif_check(&req->rq, req->segs, &limits);
}

static void refuse(XenPvDiskRequest *req, int status)
{
    XenPvDiskQueue *queue = req->queue;

    trace_xenpv_disk_refused(queue_device(queue)->label, req->rq.id,
                             req->rq.raw_op, req->rq.sector, req->rq.nr_segs,
                             status);
    if (status == BLKIF_RSP_ERROR) {
        complain(queue, "refused a request that no front end should make");
    }
    put_response(req, status);
    defer_call(queue_push, queue);
}

/* Returns false if no more can be taken for now. */
static bool take_one(XenPvDiskQueue *queue)
{
    XenPvDiskRequest *req;
    int status;

    if (queue->fence || queue->deferred) {
        return false;
    }
    req = request_get(queue);
    if (!xenpv_ring_take(&queue->ring, req->slot, queue->ring.stride)) {
        request_put(req);
        return false;
    }
    qatomic_inc(&queue_device(queue)->in_flight);
    queue->active++;
    queue->stats.requests++;
    status = judge(req);
    trace_xenpv_disk_take(queue_device(queue)->label, req->rq.id, req->rq.op,
                          req->rq.sector, req->rq.nr_segs, status);
    if (status != BLKIF_RSP_OKAY) {
        refuse(req, status);
        return true;
    }
    if (!start(req)) {
        queue->deferred = req;
        return false;
    }
    return true;
}

/* What stopped, or was held up, goes on. */
static void go_on(XenPvDiskQueue *queue)
{
    XenPvDiskRequest *req, *next;

    for (req = g_steal_pointer(&queue->parked); req; req = next) {
        next = req->next;
        aio_co_wake(req->co);
    }
    if (!qatomic_read(&queue->retry) || !qatomic_xchg(&queue->retry, false)) {
        return;
    }
    for (req = g_steal_pointer(&queue->stopped); req; req = next) {
        next = req->next;
        enter(req);
    }
}

static void take(XenPvDiskQueue *queue)
{
    XenPvDiskRequest *deferred = g_steal_pointer(&queue->deferred);
    uint32_t taken = 0;

    if (deferred && !start(deferred)) {
        queue->deferred = deferred;
        return;
    }
    for (;;) {
        if (taken == queue->ring.nr) {
            xenpv_event_again(queue->event);
            break;
        }
        if (take_one(queue)) {
            taken++;
        } else if (queue->fence || queue->deferred ||
                   xenpv_ring_idle(&queue->ring)) {
            break;
        }
    }
}

static void ring_is_broken(XenPvDiskQueue *queue)
{
    Error *err = NULL;

    error_setg(&err, "the front end's ring holds more requests than it has "
               "room for");
    xenpv_dev_fail(queue_device(queue), err);
}

bool xenpv_disk_queue_run(XenPvDiskQueue *queue)
{
    BlockBackend *blk = queue_blk(queue);
    uint64_t before = queue->stats.requests;

    if (queue->ring.broken || queue->closing) {
        return false;
    }
    queue->stats.wakeups++;
    blk_inc_in_flight(blk);
    /* Pairs with the one in xenpv_disk_pause(): see the head of this file. */
    smp_mb();
    if (!qatomic_read(&queue->disk->paused)) {
        defer_call_begin();
        go_on(queue);
        take(queue);
        copy_writes(queue);
        defer_call_end();
    }
    blk_dec_in_flight(blk);
    if (queue->ring.broken) {
        ring_is_broken(queue);
    }
    return queue->stats.requests != before;
}

/* ---- life ---- */

void xenpv_disk_queue_init(XenPvDiskQueue *queue, XenPvDisk *disk,
                           const XenPvBlkifAbi *abi, const XenPvMap *ring,
                           AioContext *ctx, const XenPvDiskDataOps *data_ops)
{
    queue->disk = disk;
    queue->abi = abi;
    queue->ctx = ctx;
    xenpv_disk_data_init(queue, data_ops);
    if (!xenpv_ring_init(&queue->ring, ring, abi->stride)) {
        g_assert_not_reached(); /* any layout fits into a page many times */
    }
}

void xenpv_disk_queue_abort(void *opaque)
{
    XenPvDiskQueue *queue = opaque;
    XenPvDiskRequest *req, *next;

    queue->closing = true;
    if (queue->data.purge) {
        timer_del(queue->data.purge);
    }
    for (req = g_steal_pointer(&queue->parked); req; req = next) {
        next = req->next;
        aio_co_wake(req->co);
    }
    for (req = g_steal_pointer(&queue->stopped); req; req = next) {
        next = req->next;
        finish(req, -EIO);
    }
    req = g_steal_pointer(&queue->deferred);
    if (req) {
        finish(req, -EIO);
    }
}

static uint32_t give_back(XenPvDiskQueue *queue, XenPvDiskRequest *list,
                          uint32_t nr)
{
    for (; list; list = list->next) {
        xenpv_ring_give_back(&queue->ring, nr++, list->slot);
    }
    return nr;
}

/* Requests are repeated from their beginning, which does no harm to any. */
void xenpv_disk_queue_settle(XenPvDiskQueue *queue)
{
    uint32_t nr = give_back(queue, queue->stopped, 0);

    nr = give_back(queue, queue->parked, nr);
    nr = give_back(queue, queue->deferred, nr);
    trace_xenpv_disk_settle(queue_device(queue)->label, nr, queue->active);
}

void xenpv_disk_queue_cleanup(XenPvDiskQueue *queue)
{
    assert(!queue->active);
    while (queue->free) {
        XenPvDiskRequest *req = queue->free;

        queue->free = req->next;
        g_free(req);
    }
    xenpv_disk_data_cleanup(queue);
}
