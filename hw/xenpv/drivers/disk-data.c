/*
 * Where the data of a block request is: three ways to the guest's pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   pin   used where they lie, for the time of the transfer.  No copy and no
 *         allocation, where the hypervisor can do it cheaply
 *   keep  mapped at their first use and kept mapped (feature-persistent): the
 *         front end uses the same pages again and again
 *   copy  to and from buffers of ours, in one batch for all requests that are
 *         taken, or have ended, in one go
 *
 * Kept pages are limited in number and the least recently used go first.  A
 * front end that uses more than that is served too: pages beyond the limit
 * are let go as soon as they are not in use.  What has not been used for a
 * while goes as well, so that an idle guest gets its grants back.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "block/block-common.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/xenpv/trace.h"
#include "disk.h"

/* Bounce buffers come in one size; a small request wastes address space only */
#define CHUNK_SIZE  (64 * KiB)
/* ... and all of a queue's together are limited.  The largest request fits. */
#define MAX_CHUNKS  256

QEMU_BUILD_BUG_ON(XENPV_BLKIF_MAX_INDIRECT * XENPV_PAGE_SIZE >
                  MAX_CHUNKS * CHUNK_SIZE);

/*
 * What can be gathered: up to a batch of segments of a sector, the least there
 * is, and then the largest request.  A segment is cut in two at most, as it is
 * not larger than a chunk.
 */
#define MAX_GATHERED (XENPV_DISK_BATCH_BYTES / BDRV_SECTOR_SIZE + \
                      2 * XENPV_BLKIF_MAX_INDIRECT)

/* How often kept pages are looked at, and how long an unused one stays */
#define PURGE_PERIOD_MS     10000
#define PURGE_AGE_MS        60000

struct XenPvDiskPage {
    uint32_t ref;
    uint32_t users;
    XenPvMap *map;
    int64_t used_ms;            /* when it was last let go */
    QTAILQ_ENTRY(XenPvDiskPage) next;   /* in lru while users is 0 */
};

static XenPvDevice *queue_device(XenPvDiskQueue *queue)
{
    return XENPV_DEVICE(queue->disk);
}

/* Neighbours in our address space are one element. */
static void add_data(XenPvDiskRequest *req, void *ptr, size_t len)
{
    QEMUIOVector *qiov = &req->qiov;
    struct iovec *last = qiov->niov ? &req->iov[qiov->niov - 1] : NULL;

    if (last && (char *)last->iov_base + last->iov_len == ptr) {
        last->iov_len += len;
    } else {
        req->iov[qiov->niov++] = (struct iovec) { ptr, len };
    }
    qiov->size += len;
}

static void start_data(XenPvDiskRequest *req)
{
    qemu_iovec_init_external(&req->qiov, req->iov, 0);
    req->nr_pages = 0;
    req->held = true;
}

/* ---- pin ---- */

static int pin_begin(XenPvDiskRequest *req, bool to_guest)
{
    XenPvDevice *dev = queue_device(req->queue);
    int i, ret;

    for (i = 0; i < req->rq.nr_segs; i++) {
        req->pins[i].ref = req->segs[i].ref;
    }
    ret = xenpv_grant_pin(dev->hv, dev->guest, to_guest, req->pins,
                          req->rq.nr_segs);
    if (ret < 0) {
        return ret;
    }
    start_data(req);
    req->nr_pages = req->rq.nr_segs;
    for (i = 0; i < req->nr_pages; i++) {
        add_data(req, (char *)req->pins[i].page + req->segs[i].offset,
                 req->segs[i].len);
    }
    return 0;
}

static void pin_end(XenPvDiskRequest *req, bool to_guest)
{
    xenpv_grant_unpin(queue_device(req->queue)->hv, to_guest, req->pins,
                      req->nr_pages);
}

static int copy_page(XenPvDiskQueue *queue, uint32_t ref, void *buf,
                     uint32_t len)
{
    XenPvCopySeg seg = { .ref = ref, .len = len, .local = buf };

    return xenpv_dev_copy(queue_device(queue), false, &seg, 1);
}

const XenPvDiskDataOps xenpv_disk_pin_ops = {
    .name = "in place",
    .begin = pin_begin,
    .end = pin_end,
    .read = copy_page,
};

/* ---- keep ---- */

static void page_drop(XenPvDiskQueue *queue, XenPvDiskPage *page)
{
    g_hash_table_remove(queue->data.pages, GUINT_TO_POINTER(page->ref));
    xenpv_unmap(page->map);
    g_free(page);
}

static void page_put(XenPvDiskQueue *queue, XenPvDiskPage *page)
{
    XenPvDiskData *data = &queue->data;

    if (--page->users) {
        return;
    }
    page->used_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    QTAILQ_INSERT_TAIL(&data->lru, page, next);
    if (g_hash_table_size(data->pages) > data->cap) {
        page = QTAILQ_FIRST(&data->lru);
        QTAILQ_REMOVE(&data->lru, page, next);
        page_drop(queue, page);
    } else if (!queue->closing && !timer_pending(data->purge)) {
        timer_mod(data->purge, page->used_ms + PURGE_PERIOD_MS);
    }
}

/* A front end that keeps its grants gives them for reading and writing. */
static XenPvDiskPage *page_map(XenPvDiskQueue *queue, uint32_t ref)
{
    XenPvDevice *dev = queue_device(queue);
    XenPvDiskPage *page;
    XenPvMap *map;

    map = xenpv_grant_map(dev->hv, dev->guest, &ref, 1, false, NULL);
    if (!map) {
        return NULL;
    }
    page = g_new0(XenPvDiskPage, 1);
    page->ref = ref;
    page->map = map;
    g_hash_table_insert(queue->data.pages, GUINT_TO_POINTER(ref), page);
    return page;
}

static XenPvDiskPage *page_get(XenPvDiskQueue *queue, uint32_t ref)
{
    XenPvDiskPage *page = g_hash_table_lookup(queue->data.pages,
                                              GUINT_TO_POINTER(ref));

    if (!page) {
        page = page_map(queue, ref);
        if (!page) {
            return NULL;
        }
    } else if (!page->users) {
        QTAILQ_REMOVE(&queue->data.lru, page, next);
    }
    page->users++;
    return page;
}

static void purge_pages(void *opaque)
{
    XenPvDiskQueue *queue = opaque;
    XenPvDiskData *data = &queue->data;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    XenPvDiskPage *page;
    unsigned dropped = 0;

    while ((page = QTAILQ_FIRST(&data->lru)) &&
           now - page->used_ms >= PURGE_AGE_MS) {
        QTAILQ_REMOVE(&data->lru, page, next);
        page_drop(queue, page);
        dropped++;
    }
    if (dropped) {
        trace_xenpv_disk_purge(queue_device(queue)->label, dropped,
                               g_hash_table_size(data->pages));
    }
    if (g_hash_table_size(data->pages)) {
        timer_mod(data->purge, now + PURGE_PERIOD_MS);
    }
}

static int keep_begin(XenPvDiskRequest *req, bool to_guest)
{
    int i;

    start_data(req);
    for (i = 0; i < req->rq.nr_segs; i++) {
        XenPvDiskPage *page = page_get(req->queue, req->segs[i].ref);

        if (!page) {
            return -EFAULT;     /* what was begun is ended by the caller */
        }
        req->page[req->nr_pages++] = page;
        add_data(req, (char *)page->map->page[0] + req->segs[i].offset,
                 req->segs[i].len);
    }
    return 0;
}

static void keep_end(XenPvDiskRequest *req, bool to_guest)
{
    int i;

    for (i = 0; i < req->nr_pages; i++) {
        page_put(req->queue, req->page[i]);
    }
}

static int keep_read(XenPvDiskQueue *queue, uint32_t ref, void *buf,
                     uint32_t len)
{
    XenPvDiskPage *page = page_get(queue, ref);

    if (!page) {
        return -EFAULT;
    }
    memcpy(buf, page->map->page[0], len);
    page_put(queue, page);
    return 0;
}

const XenPvDiskDataOps xenpv_disk_keep_ops = {
    .name = "persistent",
    .begin = keep_begin,
    .end = keep_end,
    .read = keep_read,
};

/* ---- copy ---- */

static void *chunk_get(XenPvDiskQueue *queue)
{
    XenPvDiskData *data = &queue->data;

    if (data->nr_free) {
        return data->chunk[--data->nr_free];
    }
    data->nr_chunks++;
    return qemu_memalign(XENPV_PAGE_SIZE, CHUNK_SIZE);
}

static bool chunks_left(XenPvDiskData *data, uint32_t bytes)
{
    return DIV_ROUND_UP(bytes, CHUNK_SIZE) <=
           MAX_CHUNKS - data->nr_chunks + data->nr_free;
}

static int copy_begin(XenPvDiskRequest *req, bool to_guest)
{
    XenPvDiskQueue *queue = req->queue;
    uint32_t left = req->rq.bytes;

    if (!chunks_left(&queue->data, left)) {
        return -EAGAIN;
    }
    start_data(req);
    while (left) {
        uint32_t n = MIN(left, CHUNK_SIZE);
        void *chunk = chunk_get(queue);

        req->chunk[req->nr_pages++] = chunk;
        add_data(req, chunk, n);
        left -= n;
    }
    return 0;
}

static void copy_end(XenPvDiskRequest *req, bool to_guest)
{
    XenPvDiskData *data = &req->queue->data;

    while (req->nr_pages) {
        data->chunk[data->nr_free++] = req->chunk[--req->nr_pages];
    }
}

/* The segments of the data, cut where a chunk ends */
static void copy_gather(XenPvDiskRequest *req, bool to_guest)
{
    XenPvDiskBatch *batch = &req->queue->data.batch[to_guest];
    uint32_t pos = 0, nr = batch->nr_segs;
    int i;

    assert(batch->bytes < XENPV_DISK_BATCH_BYTES);
    for (i = 0; i < req->rq.nr_segs; i++) {
        uint32_t done, n;

        for (done = 0; done < req->segs[i].len; done += n, pos += n) {
            n = MIN(req->segs[i].len - done, CHUNK_SIZE - pos % CHUNK_SIZE);
            batch->segs[nr++] = (XenPvCopySeg) {
                .ref = req->segs[i].ref,
                .offset = req->segs[i].offset + done,
                .len = n,
                .local = (char *)req->chunk[pos / CHUNK_SIZE] +
                         pos % CHUNK_SIZE,
            };
        }
    }
    req->nr_copies = nr - batch->nr_segs;
    req->next = NULL;
    if (batch->first) {
        batch->last->next = req;
    } else {
        batch->first = req;
    }
    batch->last = req;
    batch->nr_segs = nr;
    batch->bytes += req->rq.bytes;
}

XenPvDiskRequest *xenpv_disk_data_copy(XenPvDiskQueue *queue, bool to_guest)
{
    XenPvDiskBatch *batch = &queue->data.batch[to_guest];
    XenPvDiskRequest *first = g_steal_pointer(&batch->first);
    XenPvDiskRequest *req;
    XenPvCopySeg *seg = batch->segs;

    if (!first) {
        return NULL;
    }
    /* What becomes of each segment is asked below. */
    xenpv_dev_copy(queue_device(queue), to_guest, seg, batch->nr_segs);
    queue->stats.copied += batch->bytes;
    queue->stats.batches++;
    batch->nr_segs = 0;
    batch->bytes = 0;
    for (req = first; req; req = req->next) {
        req->copied = 0;
        for (; req->nr_copies; req->nr_copies--, seg++) {
            req->copied = req->copied ?: seg->status;
        }
    }
    return first;
}

const XenPvDiskDataOps xenpv_disk_copy_ops = {
    .name = "copied",
    .begin = copy_begin,
    .end = copy_end,
    .gather = copy_gather,
    .read = copy_page,
};

/* ---- all ---- */

void xenpv_disk_data_init(XenPvDiskQueue *queue, const XenPvDiskDataOps *ops)
{
    XenPvDiskData *data = &queue->data;

    data->ops = ops;
    QTAILQ_INIT(&data->lru);
    if (ops == &xenpv_disk_keep_ops) {
        data->pages = g_hash_table_new(NULL, NULL);
        data->cap = queue->disk->max_persistent;
        data->purge = aio_timer_new(queue->ctx, QEMU_CLOCK_REALTIME, SCALE_MS,
                                    purge_pages, queue);
    } else if (ops == &xenpv_disk_copy_ops) {
        data->chunk = g_new(void *, MAX_CHUNKS);
        data->batch[false].segs = g_new(XenPvCopySeg, MAX_GATHERED);
        data->batch[true].segs = g_new(XenPvCopySeg, MAX_GATHERED);
    }
}

void xenpv_disk_data_cleanup(XenPvDiskQueue *queue)
{
    XenPvDiskData *data = &queue->data;

    if (data->pages) {
        XenPvDiskPage *page, *next;

        QTAILQ_FOREACH_SAFE(page, &data->lru, next, next) {
            page_drop(queue, page);
        }
        g_hash_table_destroy(data->pages);
        timer_free(data->purge);
    }
    while (data->nr_free) {
        qemu_vfree(data->chunk[--data->nr_free]);
    }
    g_free(data->chunk);
    g_free(data->batch[false].segs);
    g_free(data->batch[true].segs);
}
