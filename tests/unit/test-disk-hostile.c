/*
 * A disk and a guest that means no good, and a host on which things fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/disk.h"
#include "disk-front.h"

#define OKAY BLKIF_RSP_OKAY
#define ERROR BLKIF_RSP_ERROR
#define NOTSUPP BLKIF_RSP_EOPNOTSUPP

/* What a row means by its grant */
#define GOOD     1
#define NONE     0xffffff00
#define READONLY 2

/* ---- somebody else's disk, which must not notice ---- */

typedef struct Neighbour {
    TestDrive *drive;
    XenPvDevice *dev;
    Front *front;
    FrontBuf *buf;
} Neighbour;

static void neighbour_begin(Neighbour *n, Scene *s)
{
    n->drive = test_drive_new("drive1", MiB, BDRV_O_RDWR);
    n->dev = disk_host_plug(s->bus, "xen-disk", "drive=drive1,vdev=xvdb",
                            &error_abort);
    n->front = front_new(s->hv, n->dev->devid, &(FrontOpts) { 0 });
    front_connect(n->front);
    n->buf = front_buf(n->front, 12);
}

static void neighbour_works(Neighbour *n)
{
    front_buf_fill(n->buf, 3);
    g_assert_cmpint(front_be_state(n->front), ==, XenbusStateConnected);
    g_assert_cmpint(front_do(&n->front->ring[0], BLKIF_OP_WRITE, 8, n->buf),
                    ==, OKAY);
    g_assert_cmpint(front_do(&n->front->ring[0], BLKIF_OP_READ, 8, n->buf),
                    ==, OKAY);
}

static void neighbour_end(Neighbour *n)
{
    object_unparent(OBJECT(n->dev));
    fixture_settle();
    front_free(n->front);
    g_free(n->buf);
    test_drive_free(n->drive);
}

/* ---- one request ---- */

typedef struct BadRequest {
    const char *name;
    uint8_t op;
    uint64_t sector;
    unsigned nr_segs;
    unsigned at;                /* the segment that is different, and how: */
    uint32_t ref;
    uint8_t first;
    uint8_t last;
    int status;
} BadRequest;

#define R BLKIF_OP_READ
#define W BLKIF_OP_WRITE
#define B BLKIF_OP_WRITE_BARRIER
#define F BLKIF_OP_FLUSH_DISKCACHE

static const BadRequest bad_requests[] = {
    { "no segments",      R, 0, 0, 0, GOOD, 0, 7, ERROR },
    { "no segments",      W, 0, 0, 0, GOOD, 0, 7, ERROR },
    { "12 segments",      R, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "12 segments",      B, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "255 segments",     W, 0, 255, 0, GOOD, 0, 7, ERROR },
    { "last sector",      R, 8191, 1, 0, GOOD, 0, 0, OKAY },
    { "across the end",   R, 8191, 1, 0, GOOD, 0, 1, ERROR },
    { "across the end",   W, 8191, 1, 0, GOOD, 0, 1, ERROR },
    { "at the end",       W, 8192, 1, 0, GOOD, 0, 0, ERROR },
    { "far away",         W, 1ull << 32, 1, 0, GOOD, 0, 0, ERROR },
    { "bytes wrap",       W, 1ull << 55, 1, 0, GOOD, 0, 0, ERROR },
    { "bytes wrap",       R, (1ull << 55) - 1, 2, 0, GOOD, 0, 7, ERROR },
    { "bytes are signed", W, 1ull << 54, 1, 0, GOOD, 0, 0, ERROR },
    { "sectors wrap",     W, UINT64_MAX, 2, 0, GOOD, 0, 7, ERROR },
    { "sectors wrap",     F, UINT64_MAX - 7, 1, 0, GOOD, 0, 7, ERROR },
    { "backwards",        W, 0, 3, 1, GOOD, 4, 3, ERROR },
    { "over the page",    R, 0, 3, 2, GOOD, 0, 8, ERROR },
    { "over the page",    W, 0, 1, 0, GOOD, 255, 255, ERROR },
    { "no such grant",    R, 0, 3, 2, NONE, 0, 7, ERROR },
    { "no such grant",    W, 0, 3, 0, NONE, 0, 7, ERROR },
    { "no such grant",    F, 0, 3, 1, NONE, 0, 7, ERROR },
    { "no such grant",    B, 0, 11, 10, NONE, 0, 7, ERROR },
    { "grant 0",          W, 0, 1, 0, 0, 0, 7, ERROR },
    { "read-only grant",  R, 0, 3, 1, READONLY, 0, 7, ERROR },
    { "unknown",          4, 0, 1, 0, GOOD, 0, 7, NOTSUPP },
    { "unknown",          7, 0, 1, 0, GOOD, 0, 7, NOTSUPP },
    { "unknown",          255, 0, 255, 0, NONE, 9, 8, NOTSUPP },
};

static void make_segs(FrontSeg *seg, unsigned nr, const FrontBuf *buf,
                      uint32_t readonly, unsigned at, uint32_t ref,
                      uint8_t first, uint8_t last)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        seg[i] = (FrontSeg) { buf->ref[i % buf->nr], 0, 7 };
    }
    if (at < nr) {
        seg[at] = (FrontSeg) {
            ref == GOOD ? buf->ref[0] : ref == READONLY ? readonly : ref,
            first, last,
        };
    }
}

static void check_status(FrontRing *ring, uint64_t id, int status,
                         const char *name)
{
    int is = front_answer(ring, id);

    if (is != status) {
        g_test_message("%s: status %d and not %d", name, is, status);
        g_test_fail();
    }
}

static void test_requests(void)
{
    static const char *const protocols[] = { "x86_32-abi", "x86_64-abi" };
    unsigned i, p;

    for (DataPath data = 0; data < DATA_NR; data++) {
        for (p = 0; p < ARRAY_SIZE(protocols); p++) {
            FrontRing *ring;
            FrontBuf *buf;
            Neighbour n;
            uint32_t readonly;
            Scene s;

            scene_begin(&s, &(SceneOpts) {
                .data = data, .front = { .protocol = protocols[p] },
            });
            neighbour_begin(&n, &s);
            ring = &s.front->ring[0];
            buf = front_buf(s.front, 4);
            front_grant(s.front, true, &readonly);
            memset(s.drive->data, 0x31, s.drive->max_size);
            for (i = 0; i < ARRAY_SIZE(bad_requests); i++) {
                const BadRequest *row = &bad_requests[i];
                FrontSeg seg[255];

                make_segs(seg, row->nr_segs, buf, readonly, row->at, row->ref,
                          row->first, row->last);
                check_status(ring, front_put(ring, row->op, row->sector, seg,
                                             row->nr_segs),
                             row->status, row->name);
                g_assert_cmpint(front_be_state(s.front), ==,
                                XenbusStateConnected);
            }
            /* Not a byte was written, there or beyond the end. */
            for (i = 0; i < s.drive->max_size; i++) {
                g_assert_cmpint(s.drive->data[i], ==, 0x31);
            }
            neighbour_works(&n);
            scene_works(&s);
            neighbour_end(&n);
            g_free(buf);
            scene_end(&s);
        }
    }
}

static const BadRequest bad_indirect[] = {
    { "no segments",      R, 0, 0, 0, GOOD, 0, 7, ERROR },
    { "257 segments",     R, 0, 257, 0, GOOD, 0, 7, ERROR },
    { "65535 segments",   W, 0, 65535, 0, GOOD, 0, 7, ERROR },
    { "barrier",          B, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "flush",            F, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "discard",          5, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "indirect",         6, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "unknown",          9, 0, 12, 0, GOOD, 0, 7, ERROR },
    { "across the end",   W, 8192 - 255 * 8, 256, 0, GOOD, 0, 7, ERROR },
    { "to the end",       R, 8192 - 256 * 8, 256, 0, GOOD, 0, 7, OKAY },
    { "sectors wrap",     R, UINT64_MAX - 8, 256, 0, GOOD, 0, 7, ERROR },
    { "backwards",        R, 0, 256, 255, GOOD, 7, 0, ERROR },
    { "over the page",    W, 0, 256, 200, GOOD, 0, 8, ERROR },
    { "no such grant",    W, 0, 256, 255, NONE, 0, 7, ERROR },
    { "no such grant",    R, 0, 256, 255, NONE, 0, 7, ERROR },
    { "read-only grant",  R, 0, 256, 17, READONLY, 0, 7, ERROR },
};

static void test_indirect(void)
{
    unsigned i;

    for (DataPath data = 0; data < DATA_NR; data++) {
        uint8_t slot[XENPV_BLKIF_MAX_STRIDE] = { BLKIF_OP_INDIRECT, R, 12 };
        g_autofree FrontSeg *seg = g_new(FrontSeg, 65535);
        FrontRing *ring;
        FrontBuf *buf;
        Neighbour n;
        uint32_t readonly;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        neighbour_begin(&n, &s);
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 16);
        front_grant(s.front, true, &readonly);
        for (i = 0; i < ARRAY_SIZE(bad_indirect); i++) {
            const BadRequest *row = &bad_indirect[i];

            make_segs(seg, row->nr_segs, buf, readonly, row->at, row->ref,
                      row->first, row->last);
            check_status(ring, front_put_indirect(ring, row->op, row->sector,
                                                  seg, row->nr_segs),
                         row->status, row->name);
        }
        /* The page with the segments is not there. */
        stl_le_p(slot + ring->abi->indirect_refs, NONE);
        check_status(ring, front_put_raw(ring, slot, R), ERROR, "no page");
        g_assert_cmpint(front_be_state(s.front), ==, XenbusStateConnected);
        neighbour_works(&n);
        scene_works(&s);
        neighbour_end(&n);
        g_free(buf);
        scene_end(&s);
    }

    /* What was not offered is not done. */
    {
        FrontSeg seg = { 0, 0, 7 };
        FrontRing *ring;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .props = "max-indirect-segments=0" });
        ring = &s.front->ring[0];
        check_status(ring, front_put_indirect(ring, R, 0, &seg, 1), ERROR,
                     "not offered");
        scene_end(&s);
        scene_begin(&s, &(SceneOpts) { .props = "max-indirect-segments=3" });
        ring = &s.front->ring[0];
        check_status(ring, front_put_indirect(ring, R, 0, (FrontSeg[4]) { 0 },
                                              4), ERROR, "more than offered");
        scene_end(&s);
    }
}

/* Grants that were good, and are not when they are used again */
static void test_revoked(void)
{
    for (DataPath data = 0; data < DATA_NR; data++) {
        FrontSeg seg = { 0, 0, 7 };
        FrontRing *ring;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        seg.ref = fake_guest_grant(s.hv, fake_guest_page(s.hv), false);
        check_status(ring, front_put(ring, R, 0, &seg, 1), OKAY, "good");
        /* Kept pages stay granted: that is the front end's promise. */
        if (fake_guest_revoke(s.hv, seg.ref)) {
            g_assert_cmpint(data, !=, DATA_KEEP);
            check_status(ring, front_put(ring, R, 0, &seg, 1), ERROR,
                         "revoked");
        }
        scene_works(&s);
        scene_end(&s);
    }
}

/* ---- the ring ---- */

static void test_ring(void)
{
    static const uint32_t ahead[] = {
        33, 34, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
    };
    unsigned i;

    for (DataPath data = 0; data < DATA_NR; data++) {
        for (i = 0; i < ARRAY_SIZE(ahead); i++) {
            XenPvRingHeader *header;
            FrontRing *ring;
            Neighbour n;
            Scene s;

            scene_begin(&s, &(SceneOpts) { .data = data });
            neighbour_begin(&n, &s);
            scene_works(&s);
            ring = &s.front->ring[0];
            g_assert_cmpuint(ring->nr, ==, 32);
            header = ring->page[0];
            header->req_prod += ahead[i];
            fake_guest_notify(s.hv, ring->port);
            fixture_settle();
            g_assert_cmpint(front_be_state(s.front), ==, XenbusStateClosing);
            neighbour_works(&n);

            scene_new_front(&s, &(FrontOpts) { .order = 1 });
            front_set_state(s.front, XenbusStateClosed);
            front_set_state(s.front, XenbusStateInitialising);
            front_connect(s.front);
            scene_works(&s);
            neighbour_end(&n);
            scene_end(&s);
        }
    }
}

/* Events without requests, and requests without events: neither hurts. */
static void test_events(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    unsigned i;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    fake_guest_events(s.hv, ring->port);
    for (i = 0; i < 1000; i++) {
        fake_guest_notify(s.hv, ring->port);
        main_loop_wait(true);
    }
    g_assert_cmpuint(fake_guest_events(s.hv, ring->port), ==, 0);
    front_put_buf(ring, R, 0, buf);
    ((XenPvRingHeader *)ring->page[0])->req_prod = ring->req_prod;
    fixture_settle();
    g_assert_cmpuint(ring->waiting, ==, 1);
    fake_guest_notify(s.hv, ring->port);
    front_finish(ring);
    g_free(buf);
    scene_end(&s);
}

/* A front end that never leaves the ring empty leaves others their turn. */
typedef struct Greedy {
    FrontRing *ring;
    FrontBuf *buf;
    unsigned left;
} Greedy;

static void greedy_bh(void *opaque)
{
    Greedy *g = opaque;

    front_reap(g->ring);
    while (g->left && g->ring->req_prod - g->ring->rsp_cons < g->ring->nr) {
        front_put_buf(g->ring, R, 0, g->buf);
        g->left--;
    }
    front_push(g->ring);
    if (g->left || g->ring->waiting) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), greedy_bh, g);
    }
}

static bool greedy_done(void *opaque)
{
    Greedy *g = opaque;

    return !g->left && !g->ring->waiting;
}

static void test_greedy(void)
{
    Greedy g = { .left = 5000 };
    Neighbour n;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    neighbour_begin(&n, &s);
    g.ring = &s.front->ring[0];
    g.buf = front_buf(s.front, 1);
    greedy_bh(&g);
    neighbour_works(&n);
    g_assert_true(fixture_wait(greedy_done, &g));
    neighbour_end(&n);
    g_free(g.buf);
    scene_end(&s);
}

/* Bytes without any sense: each is answered once, and nothing else happens. */
static void test_random(void)
{
    for (DataPath data = 0; data < DATA_NR; data++) {
        unsigned round, i, j;
        FrontRing *ring;
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) {
            .data = data, .props = "secure-discard=on",
        });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 16);
        for (round = 0; round < 300; round++) {
            for (i = 0; i < 32; i++) {
                uint8_t slot[XENPV_BLKIF_MAX_STRIDE];
                uint8_t op = g_test_rand_int_range(0, 9);

                for (j = 0; j < sizeof(slot); j++) {
                    slot[j] = g_test_rand_int_range(0, 4) ?
                        g_test_rand_int_range(0, 16) : g_test_rand_int();
                }
                slot[0] = op;
                if (op == BLKIF_OP_INDIRECT) {
                    slot[1] %= 3;
                    op = slot[1];
                }
                /* Often a grant there is, and a sector there is */
                if (g_test_rand_bit()) {
                    stq_le_p(slot + ring->abi->sector,
                             g_test_rand_int_range(0, 9000));
                    stl_le_p(slot + ring->abi->indirect_refs, buf->ref[j % 16]);
                    stl_le_p(slot + ring->abi->segs, buf->ref[round % 16]);
                }
                front_put_raw(ring, slot, op);
            }
            front_finish(ring);
        }
        g_assert_cmpint(front_be_state(s.front), ==, XenbusStateConnected);
        scene_works(&s);
        g_free(buf);
        scene_end(&s);
    }
}

/* ---- every single fault ---- */

/* Some requests of each kind; true if all went well.  It does not wait. */
static bool some_requests(Front *front)
{
    FrontBuf *small = front_buf(front, 2), *large = front_buf(front, 12);
    bool ok = true;
    unsigned q;

    for (q = 0; q < front->nr_queues; q++) {
        FrontRing *ring = &front->ring[q];
        unsigned i;

        front_put_buf(ring, W, 0, small);
        front_put_buf(ring, W, 16, large);
        front_put_buf(ring, R, 0, large);
        front_put_buf(ring, B, 0, small);
        front_put_buf(ring, F, 0, NULL);
        front_put_discard(ring, 0, 8, 0);
        front_push(ring);
        fixture_settle();
        front_reap(ring);
        for (i = 0; i < ring->next_id; i++) {
            ok &= ring->status[i] == OKAY;
        }
    }
    g_free(small);
    g_free(large);
    return ok;
}

static bool no_devices(void *opaque)
{
    return QTAILQ_EMPTY(&((XenPvBus *)opaque)->devices);
}

static bool one_connection(Scene *s, const FrontOpts *opts, bool resize)
{
    bool ok;

    s->front = front_new(s->hv, SCENE_DEVID, opts);
    front_set_state(s->front, XenbusStateInitialising);
    front_connect(s->front);
    ok = front_be_state(s->front) == XenbusStateConnected &&
         some_requests(s->front);
    if (resize) {
        test_drive_resize(s->drive, 5 * MiB);
        fixture_settle();
    }
    front_close(s->front);
    assert_idle(s);
    front_free(g_steal_pointer(&s->front));
    return ok;
}

/* Plug, connect, use, resize, close, connect again, unplug. */
static bool whole_life(Scene *s, DataPath data)
{
    FrontOpts opts = { .persistent = data == DATA_KEEP, .queues = 2,
                       .order = 1 };
    Error *err = NULL;
    bool ok;

    s->dev = disk_host_plug(s->bus, "xen-disk",
                            data == DATA_KEEP ?
                            "drive=drive0,vdev=xvda,queues=2,persistent=on" :
                            "drive=drive0,vdev=xvda,queues=2", &err);
    if (!s->dev) {
        g_assert_nonnull(err);
        error_free(err);
        return false;
    }
    ok = one_connection(s, &opts, true);
    ok &= one_connection(s, &opts, false);
    fixture_unplug(s->dev, &err);
    if (err) {
        error_free(err);
        return false;
    }
    fixture_settle();
    if (!no_devices(s->bus)) {
        fixture_unplug(QTAILQ_FIRST(&s->bus->devices), &err);
        g_assert_null(err);
        g_assert_true(fixture_wait(no_devices, s->bus));
    }
    return ok;
}

static void every_fault(gconstpointer opaque)
{
    DataPath data = GPOINTER_TO_UINT(opaque);
    bool done = false;
    unsigned n;

    for (n = 1; !done; n++) {
        Scene s = { .hv = fake_hv_new() };
        bool ok;

        g_assert_cmpuint(n, <, 5000);
        s.hv->in_place = data == DATA_PIN;
        s.bus = fixture_bus(s.hv);
        s.drive = test_drive_new("drive0", 4 * MiB,
                                 BDRV_O_RDWR | BDRV_O_UNMAP);
        fake_hv_fail_at(s.hv, n);
        ok = whole_life(&s, data);
        done = !fake_hv_has_failed(s.hv);
        g_assert_true(ok || !done);
        fixture_end(s.bus);
        g_assert_cmpuint(s.drive->in_flight, ==, 0);
        test_drive_free(s.drive);
    }
    g_test_message("%u faults", n - 2);
    g_assert_cmpuint(n, >, 100);
}

int main(int argc, char **argv)
{
    disk_host_main(&argc, &argv);
    g_test_add_func("/xenpv/disk/hostile/requests", test_requests);
    g_test_add_func("/xenpv/disk/hostile/indirect", test_indirect);
    g_test_add_func("/xenpv/disk/hostile/revoked", test_revoked);
    g_test_add_func("/xenpv/disk/hostile/ring", test_ring);
    g_test_add_func("/xenpv/disk/hostile/events", test_events);
    g_test_add_func("/xenpv/disk/hostile/greedy", test_greedy);
    g_test_add_func("/xenpv/disk/hostile/random", test_random);
    g_test_add_data_func("/xenpv/disk/faults/pin",
                         GUINT_TO_POINTER(DATA_PIN), every_fault);
    g_test_add_data_func("/xenpv/disk/faults/keep",
                         GUINT_TO_POINTER(DATA_KEEP), every_fault);
    g_test_add_data_func("/xenpv/disk/faults/copy",
                         GUINT_TO_POINTER(DATA_COPY), every_fault);
    return g_test_run();
}
