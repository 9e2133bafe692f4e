/*
 * A block front end in software.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/block.h"
#include "disk-front.h"

/* So that an id is not taken for an index */
#define ID_BASE 0xf00dfeed00000000ull

/* ---- pages ---- */

void *front_grant(Front *front, bool readonly, uint32_t *ref)
{
    void *page = fake_guest_page(front->hv);

    *ref = fake_guest_grant(front->hv, page, readonly);
    g_array_append_val(front->refs, *ref);
    return page;
}

FrontBuf *front_buf(Front *front, unsigned nr_pages)
{
    FrontBuf *buf = g_new0(FrontBuf, 1);
    unsigned i;

    buf->nr = nr_pages;
    for (i = 0; i < nr_pages; i++) {
        buf->page[i] = front_grant(front, false, &buf->ref[i]);
    }
    return buf;
}

void front_buf_fill(FrontBuf *buf, unsigned seed)
{
    unsigned i, j;

    for (i = 0; i < buf->nr; i++) {
        for (j = 0; j < XENPV_PAGE_SIZE; j++) {
            buf->page[i][j] = ((seed << 20) + (i << 12) + j) * 2654435761u >>
                              23;
        }
    }
}

void front_buf_clear(FrontBuf *buf)
{
    unsigned i;

    for (i = 0; i < buf->nr; i++) {
        memset(buf->page[i], 0xee, XENPV_PAGE_SIZE);
    }
}

/* ---- the store ---- */

void front_key(Front *front, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf("/local/domain/1/device/vbd/%d/%s",
                                            front->devid, key);

    if (value) {
        g_assert_cmpint(fake_guest_write(front->hv, path, "%s", value), ==,
                        0);
    } else {
        fake_guest_rm(front->hv, path);
    }
}

static void front_number(Front *front, const char *key, uint64_t value)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, value);

    front_key(front, key, text);
}

void front_set_state(Front *front, enum xenbus_state state)
{
    front_number(front, "state", state);
    fixture_settle();
}

static void ring_write_keys(FrontRing *ring, const char *dir)
{
    Front *front = ring->front;
    bool numbered = front->opts.order || front->opts.numbered;
    g_autofree char *port = g_strdup_printf("%sevent-channel", dir);
    unsigned i;

    for (i = 0; i < 1u << front->opts.order; i++) {
        g_autofree char *key = numbered ?
            g_strdup_printf("%sring-ref%u", dir, i) :
            g_strdup_printf("%sring-ref", dir);

        front_number(front, key, ring->ref[i]);
    }
    front_number(front, port, ring->port);
}

/* What another front end may have left there */
static void forget_keys(Front *front)
{
    static const char *const keys[] = {
        "num-ring-pages", "ring-page-order", "ring-ref", "event-channel",
        "multi-queue-num-queues", "protocol", "feature-large-sector-size",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        front_key(front, keys[i], NULL);
    }
    for (i = 0; i < FRONT_MAX_PAGES; i++) {
        g_autofree char *key = g_strdup_printf("ring-ref%u", i);

        front_key(front, key, NULL);
    }
    for (i = 0; i < FRONT_MAX_QUEUES; i++) {
        g_autofree char *key = g_strdup_printf("queue-%u", i);

        front_key(front, key, NULL);
    }
}

void front_write_keys(Front *front)
{
    FrontOpts *opts = &front->opts;
    unsigned i;

    forget_keys(front);
    if (opts->old_keys) {
        front_number(front, "num-ring-pages", 1u << opts->order);
    } else if (opts->order || opts->numbered) {
        front_number(front, "ring-page-order", opts->order);
    }
    if (opts->queues) {
        front_number(front, "multi-queue-num-queues", opts->queues);
    }
    for (i = 0; i < front->nr_queues; i++) {
        g_autofree char *dir = g_strdup_printf("queue-%u/", i);

        ring_write_keys(&front->ring[i], front->nr_queues > 1 ? dir : "");
    }
    if (opts->protocol) {
        front_key(front, "protocol", opts->protocol);
    }
    front_number(front, "feature-persistent", opts->persistent);
    if (opts->large_sectors) {
        front_number(front, "feature-large-sector-size", 1);
    }
}

void front_connect(Front *front)
{
    front_write_keys(front);
    front_set_state(front, XenbusStateInitialised);
    if (front_be_state(front) == XenbusStateConnected) {
        front_set_state(front, XenbusStateConnected);
    }
}

void front_close(Front *front)
{
    front_set_state(front, XenbusStateClosing);
    front_set_state(front, XenbusStateClosed);
}

int front_be_state(Front *front)
{
    g_autofree char *path =
        g_strdup_printf("/local/domain/0/backend/qdisk/1/%d/state",
                        front->devid);
    g_autofree char *value = fake_guest_read(front->hv, path);

    return value ? atoi(value) : XenbusStateUnknown;
}

/* ---- life ---- */

static void ring_init(FrontRing *ring, Front *front)
{
    unsigned i;

    ring->front = front;
    ring->abi = xenpv_blkif_abi(front->opts.protocol);
    ring->nr = xenpv_ring_slots(1u << front->opts.order, ring->abi->stride);
    for (i = 0; i < 1u << front->opts.order; i++) {
        ring->page[i] = front_grant(front, false, &ring->ref[i]);
    }
    ((XenPvRingHeader *)ring->page[0])->req_event = 1;
    ((XenPvRingHeader *)ring->page[0])->rsp_event = 1;
    ring->port = fake_guest_port(front->hv);
}

Front *front_new(XenPvHv *hv, int devid, const FrontOpts *opts)
{
    Front *front = g_new0(Front, 1);
    unsigned i;

    front->hv = hv;
    front->devid = devid;
    front->opts = *opts;
    front->nr_queues = MAX(opts->queues, 1);
    front->refs = g_array_new(false, false, sizeof(uint32_t));
    g_assert_cmpuint(front->nr_queues, <=, FRONT_MAX_QUEUES);
    for (i = 0; i < front->nr_queues; i++) {
        ring_init(&front->ring[i], front);
    }
    return front;
}

static void ring_free(FrontRing *ring)
{
    unsigned i;

    g_assert_false(fake_guest_bound(ring->front->hv, ring->port));
    for (i = 0; i < FRONT_MAX_IDS; i++) {
        g_free(ring->indirect[i]);
    }
    while (ring->indirect_free) {
        FrontIndirect *indirect = ring->indirect_free;

        ring->indirect_free = indirect->next;
        g_free(indirect);
    }
}

void front_free(Front *front)
{
    unsigned i;

    for (i = 0; i < front->refs->len; i++) {
        g_assert_true(fake_guest_revoke(front->hv,
                                        g_array_index(front->refs, uint32_t,
                                                      i)));
    }
    for (i = 0; i < front->nr_queues; i++) {
        ring_free(&front->ring[i]);
    }
    g_array_free(front->refs, true);
    g_free(front);
}

/* ---- the ring ---- */

static XenPvRingHeader *shared(FrontRing *ring)
{
    return ring->page[0];
}

/* A slot may lie in two pages, which are not neighbours. */
static void slot_copy(FrontRing *ring, uint32_t idx, void *buf, bool out)
{
    uint32_t pos = XENPV_RING_HEADER + (idx & (ring->nr - 1)) *
                   ring->abi->stride;
    unsigned i;

    for (i = 0; i < ring->abi->stride; i++, pos++) {
        uint8_t *byte = (uint8_t *)ring->page[pos / XENPV_PAGE_SIZE] +
                        pos % XENPV_PAGE_SIZE;

        if (out) {
            *byte = ((uint8_t *)buf)[i];
        } else {
            ((uint8_t *)buf)[i] = *byte;
        }
    }
}

static unsigned id_slot(uint64_t id)
{
    g_assert_cmphex(id & ~0xffffffffull, ==, ID_BASE);
    return id % FRONT_MAX_IDS;
}

static uint64_t put(FrontRing *ring, uint8_t *slot, uint8_t answers_as)
{
    uint64_t id = ID_BASE + ring->next_id++;
    unsigned at = id_slot(id);

    g_assert_cmpint(ring->status[at], !=, FRONT_WAITING);
    g_assert_cmpuint(ring->req_prod - ring->rsp_cons, <, ring->nr);
    ring->status[at] = FRONT_WAITING;
    ring->op[at] = answers_as;
    stq_le_p(slot + ring->abi->id, id);
    slot_copy(ring, ring->req_prod++, slot, true);
    ring->waiting++;
    return id;
}

uint64_t front_put_raw(FrontRing *ring, const void *slot, uint8_t op)
{
    uint8_t copy[XENPV_BLKIF_MAX_STRIDE];

    memcpy(copy, slot, ring->abi->stride);
    return put(ring, copy, op);
}

static void encode_segs(uint8_t *at, const FrontSeg *segs, unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr; i++, at += 8) {
        stl_le_p(at, segs[i].ref);
        at[4] = segs[i].first;
        at[5] = segs[i].last;
    }
}

uint64_t front_put(FrontRing *ring, uint8_t op, uint64_t sector,
                   const FrontSeg *segs, unsigned nr_segs)
{
    uint8_t slot[XENPV_BLKIF_MAX_STRIDE] = { op, nr_segs };

    stq_le_p(slot + ring->abi->sector, sector);
    encode_segs(slot + ring->abi->segs, segs,
                MIN(nr_segs, XENPV_BLKIF_MAX_DIRECT));
    return put(ring, slot, op);
}

uint64_t front_put_indirect(FrontRing *ring, uint8_t op, uint64_t sector,
                            const FrontSeg *segs, unsigned nr_segs)
{
    uint8_t slot[XENPV_BLKIF_MAX_STRIDE] = { BLKIF_OP_INDIRECT, op };
    FrontIndirect *indirect = ring->indirect_free;
    uint64_t id;

    if (indirect) {
        ring->indirect_free = indirect->next;
    } else {
        indirect = g_new0(FrontIndirect, 1);
        indirect->page = front_grant(ring->front, false, &indirect->ref);
    }
    encode_segs(indirect->page, segs,
                MIN(nr_segs, XENPV_BLKIF_SEGS_PER_PAGE));
    stw_le_p(slot + 2, nr_segs);
    stq_le_p(slot + ring->abi->sector, sector);
    stl_le_p(slot + ring->abi->indirect_refs, indirect->ref);
    id = put(ring, slot, op);
    ring->indirect[id_slot(id)] = indirect;
    return id;
}

uint64_t front_put_buf(FrontRing *ring, uint8_t op, uint64_t sector,
                       const FrontBuf *buf)
{
    FrontSeg segs[XENPV_BLKIF_MAX_INDIRECT];
    unsigned i, unit = 512, nr = buf ? buf->nr : 0;

    if (ring->front->opts.large_sectors) {
        g_autofree char *size = fixture_node(ring->front->hv,
            "/local/domain/0/backend/qdisk/1/%d/sector-size",
            ring->front->devid);

        unit = atoi(size);
    }
    for (i = 0; i < nr; i++) {
        segs[i] = (FrontSeg) { buf->ref[i], 0, XENPV_PAGE_SIZE / unit - 1 };
    }
    return nr <= XENPV_BLKIF_MAX_DIRECT ?
        front_put(ring, op, sector, segs, nr) :
        front_put_indirect(ring, op, sector, segs, nr);
}

uint64_t front_put_discard(FrontRing *ring, uint64_t sector, uint64_t nr,
                           uint8_t flag)
{
    uint8_t slot[XENPV_BLKIF_MAX_STRIDE] = { BLKIF_OP_DISCARD, flag };

    stq_le_p(slot + ring->abi->sector, sector);
    stq_le_p(slot + ring->abi->discard_sectors, nr);
    return put(ring, slot, BLKIF_OP_DISCARD);
}

/* RING_PUSH_REQUESTS_AND_CHECK_NOTIFY: no event where none was asked for */
bool front_push(FrontRing *ring)
{
    uint32_t old = ring->req_pushed, new = ring->req_prod;
    uint32_t event;

    if (old == new) {
        return false;
    }
    qatomic_store_release(&shared(ring)->req_prod, new);
    ring->req_pushed = new;
    /* Pairs with the one in xenpv_ring_idle(). */
    smp_mb();
    event = qatomic_read(&shared(ring)->req_event);
    if (new - event >= new - old) {
        return false;
    }
    ring->notified++;
    fake_guest_notify(ring->front->hv, ring->port);
    return true;
}

static void judge(FrontRing *ring, const uint8_t *rsp)
{
    const XenPvBlkifAbi *abi = ring->abi;
    uint64_t id = ldq_le_p(rsp);
    unsigned at = id_slot(id), i;

    g_assert_cmpint(ring->status[at], ==, FRONT_WAITING);
    g_assert_cmpint(rsp[8], ==, ring->op[at]);
    g_assert_cmpint(rsp[9], ==, 0);
    for (i = 12; i < abi->stride; i++) {
        g_assert_cmpint(rsp[i], ==, 0);
    }
    ring->status[at] = (int16_t)lduw_le_p(rsp + 10);
    g_assert_cmpint(ring->status[at], <=, 0);
    g_assert_cmpint(ring->status[at], >=, BLKIF_RSP_EOPNOTSUPP);
    ring->waiting--;
    if (ring->indirect[at]) {
        ring->indirect[at]->next = ring->indirect_free;
        ring->indirect_free = g_steal_pointer(&ring->indirect[at]);
    }
}

void front_reap(FrontRing *ring)
{
    uint8_t rsp[XENPV_BLKIF_MAX_STRIDE];

    do {
        uint32_t prod = qatomic_load_acquire(&shared(ring)->rsp_prod);

        while (ring->rsp_cons != prod) {
            slot_copy(ring, ring->rsp_cons++, rsp, false);
            judge(ring, rsp);
        }
        qatomic_set(&shared(ring)->rsp_event, ring->rsp_cons + 1);
        /* Pairs with the one in xenpv_ring_push(). */
        smp_mb();
    } while (qatomic_read(&shared(ring)->rsp_prod) != ring->rsp_cons);
}

int front_status(FrontRing *ring, uint64_t id)
{
    front_reap(ring);
    return ring->status[id_slot(id)];
}

static bool is_finished(void *opaque)
{
    FrontRing *ring = opaque;

    front_reap(ring);
    return !ring->waiting;
}

void front_finish(FrontRing *ring)
{
    front_push(ring);
    g_assert_true(fixture_wait(is_finished, ring));
}

typedef struct Answer {
    FrontRing *ring;
    uint64_t id;
} Answer;

static bool is_answered(void *opaque)
{
    Answer *a = opaque;

    return front_status(a->ring, a->id) != FRONT_WAITING;
}

int front_answer(FrontRing *ring, uint64_t id)
{
    Answer a = { ring, id };

    front_push(ring);
    g_assert_true(fixture_wait(is_answered, &a));
    return front_status(ring, id);
}

int front_do(FrontRing *ring, uint8_t op, uint64_t sector,
             const FrontBuf *buf)
{
    return front_answer(ring, front_put_buf(ring, op, sector, buf));
}

/* ---- the scene ---- */

void scene_new_front(Scene *s, const FrontOpts *opts)
{
    FrontOpts o = *opts;

    o.persistent = s->front ? s->front->opts.persistent : o.persistent;
    if (s->front) {
        front_free(s->front);
    }
    s->front = front_new(s->hv, SCENE_DEVID, &o);
}

void scene_begin(Scene *s, const SceneOpts *opts)
{
    FrontOpts front = opts->front;
    g_autofree char *props = g_strdup_printf("drive=drive0,vdev=xvda%s%s%s",
                                             opts->data == DATA_KEEP ?
                                             ",persistent=on" : "",
                                             opts->props ? "," : "",
                                             opts->props ?: "");

    *s = (Scene) { .hv = fake_hv_new() };
    s->hv->in_place = opts->data == DATA_PIN;
    s->bus = fixture_bus(s->hv);
    s->drive = test_drive_new("drive0", opts->size ?: 4 * MiB,
                              opts->flags ?: BDRV_O_RDWR | BDRV_O_UNMAP);
    s->dev = disk_host_plug(s->bus, opts->type ?: "xen-disk", props,
                            &error_abort);
    g_assert_cmpint(s->dev->devid, ==, SCENE_DEVID);
    front.persistent = opts->data == DATA_KEEP;
    scene_new_front(s, &front);
    front_connect(s->front);
    g_assert_cmpint(front_be_state(s->front), ==, XenbusStateConnected);
}

void scene_end(Scene *s)
{
    XenPvBus *bus = s->bus;

    while (!QTAILQ_EMPTY(&bus->devices)) {
        object_unparent(OBJECT(QTAILQ_FIRST(&bus->devices)));
    }
    fixture_settle();
    g_assert_cmpuint(s->hv->live.pins, ==, 0);
    front_free(s->front);
    fixture_end(bus);
    test_drive_free(s->drive);
}

void assert_idle(Scene *s)
{
    g_assert_cmpuint(s->hv->live.maps, ==, 0);
    g_assert_cmpuint(s->hv->live.map_pages, ==, 0);
    g_assert_cmpuint(s->hv->live.pins, ==, 0);
    g_assert_cmpuint(s->hv->live.channels, ==, 0);
}

void scene_works(Scene *s)
{
    FrontBuf *buf = front_buf(s->front, 3);
    FrontBuf *back = front_buf(s->front, 3);
    unsigned i, j;

    for (i = 0; i < s->front->nr_queues; i++) {
        FrontRing *ring = &s->front->ring[i];
        uint64_t sector = 8 * (1 + i);

        front_buf_fill(buf, 77 + i);
        front_buf_clear(back);
        g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, sector, buf), ==,
                        BLKIF_RSP_OKAY);
        g_assert_cmpint(front_do(ring, BLKIF_OP_READ, sector, back), ==,
                        BLKIF_RSP_OKAY);
        for (j = 0; j < buf->nr; j++) {
            g_assert_cmpmem(buf->page[j], XENPV_PAGE_SIZE, back->page[j],
                            XENPV_PAGE_SIZE);
        }
    }
    g_free(buf);
    g_free(back);
}
