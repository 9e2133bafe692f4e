/*
 * What a disk does with requests: the data, on every way there is to it, their
 * order, errors, and what it costs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/disk.h"
#include "qobject/qdict.h"
#include "system/block-backend.h"
#include "disk-front.h"

#define OKAY BLKIF_RSP_OKAY
#define ERROR BLKIF_RSP_ERROR
#define EOPNOTSUPP_ BLKIF_RSP_EOPNOTSUPP

/* All that can differ in the way from the guest's pages to the drive */
#define FOR_EACH_PATH(data)                                     \
    for (DataPath data = 0; data < DATA_NR; data++)

/* ---- data ---- */

static void assert_buf(const FrontBuf *buf, const uint8_t *data)
{
    unsigned i;

    for (i = 0; i < buf->nr; i++) {
        g_assert_cmpmem(buf->page[i], XENPV_PAGE_SIZE,
                        data + i * XENPV_PAGE_SIZE, XENPV_PAGE_SIZE);
    }
}

static void test_whole_pages(void)
{
    static const unsigned sizes[] = { 1, 2, 10, 11, 12, 32, 100, 255, 256 };
    static const char *const protocols[] = { "x86_32-abi", "x86_64-abi" };
    unsigned i, p;

    FOR_EACH_PATH(data) {
        for (p = 0; p < ARRAY_SIZE(protocols); p++) {
            FrontRing *ring;
            Scene s;

            scene_begin(&s, &(SceneOpts) {
                .data = data, .front = { .protocol = protocols[p] },
            });
            ring = &s.front->ring[0];
            for (i = 0; i < ARRAY_SIZE(sizes); i++) {
                FrontBuf *buf = front_buf(s.front, sizes[i]);

                front_buf_fill(buf, i);
                g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 3, buf), ==,
                                OKAY);
                assert_buf(buf, s.drive->data + 3 * 512);
                front_buf_clear(buf);
                g_assert_cmpint(front_do(ring, BLKIF_OP_READ, 3, buf), ==,
                                OKAY);
                assert_buf(buf, s.drive->data + 3 * 512);
                g_free(buf);
            }
            scene_end(&s);
        }
    }
}

/* Few segments can be indirect, too. */
static void test_indirect_few(void)
{
    FOR_EACH_PATH(data) {
        FrontRing *ring;
        FrontBuf *buf;
        FrontSeg seg;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        front_buf_fill(buf, 5);
        seg = (FrontSeg) { buf->ref[0], 0, 7 };
        g_assert_cmpint(front_answer(ring, front_put_indirect(ring,
                            BLKIF_OP_WRITE, 8, &seg, 1)), ==, OKAY);
        assert_buf(buf, s.drive->data + 4096);
        g_free(buf);
        scene_end(&s);
    }
}

/* A request of random segments, and what it transfers */
typedef struct Pieces {
    FrontSeg seg[XENPV_BLKIF_MAX_INDIRECT];
    uint8_t *at[XENPV_BLKIF_MAX_INDIRECT];
    uint32_t len[XENPV_BLKIF_MAX_INDIRECT];
    unsigned nr;
    uint32_t bytes;
} Pieces;

static void pieces_add(Pieces *p, FrontBuf *buf, unsigned page,
                       unsigned first, unsigned last)
{
    p->seg[p->nr] = (FrontSeg) { buf->ref[page], first, last };
    p->at[p->nr] = buf->page[page] + first * 512;
    p->len[p->nr] = (last - first + 1) * 512;
    p->bytes += p->len[p->nr++];
}

static void pieces_random(Pieces *p, FrontBuf *buf, unsigned nr)
{
    unsigned i;

    *p = (Pieces) { 0 };
    for (i = 0; i < nr; i++) {
        unsigned first = g_test_rand_int_range(0, 8);

        pieces_add(p, buf, i, first, g_test_rand_int_range(first, 8));
    }
}

static void assert_pieces(const Pieces *p, const uint8_t *data)
{
    unsigned i;

    for (i = 0; i < p->nr; i++) {
        g_assert_cmpmem(p->at[i], p->len[i], data, p->len[i]);
        data += p->len[i];
    }
}

static int pieces_do(FrontRing *ring, uint8_t op, uint64_t sector,
                     const Pieces *p)
{
    uint64_t id = p->nr > XENPV_BLKIF_MAX_DIRECT ?
        front_put_indirect(ring, op, sector, p->seg, p->nr) :
        front_put(ring, op, sector, p->seg, p->nr);

    return front_answer(ring, id);
}

static void pieces_there_and_back(Scene *s, FrontBuf *buf, const Pieces *p)
{
    FrontRing *ring = &s->front->ring[0];

    front_buf_fill(buf, g_test_rand_int());
    memset(s->drive->data, 0x11, s->drive->size);
    g_assert_cmpint(pieces_do(ring, BLKIF_OP_WRITE, 16, p), ==, OKAY);
    assert_pieces(p, s->drive->data + 16 * 512);
    /* Not a byte beside it */
    g_assert_cmpint(s->drive->data[16 * 512 - 1], ==, 0x11);
    g_assert_cmpint(s->drive->data[16 * 512 + p->bytes], ==, 0x11);
    front_buf_clear(buf);
    g_assert_cmpint(pieces_do(ring, BLKIF_OP_READ, 16, p), ==, OKAY);
    assert_pieces(p, s->drive->data + 16 * 512);
}

/* What no segment names is not touched. */
static void assert_rest_clear(const FrontBuf *buf, const Pieces *p)
{
    unsigned i, j;

    for (i = 0; i < p->nr; i++) {
        unsigned start = p->at[i] - buf->page[i];

        for (j = 0; j < XENPV_PAGE_SIZE; j++) {
            if (j < start || j >= start + p->len[i]) {
                g_assert_cmpint(buf->page[i][j], ==, 0xee);
            }
        }
    }
}

static void test_pieces(void)
{
    static const unsigned sizes[] = { 1, 5, 11, 12, 50, 256 };
    unsigned i, round;

    FOR_EACH_PATH(data) {
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        buf = front_buf(s.front, 256);
        for (i = 0; i < ARRAY_SIZE(sizes); i++) {
            for (round = 0; round < 5; round++) {
                Pieces p;

                pieces_random(&p, buf, sizes[i]);
                pieces_there_and_back(&s, buf, &p);
                assert_rest_clear(buf, &p);
            }
        }
        g_free(buf);
        scene_end(&s);
    }
}

/* A chunk of bounce memory ends in the middle of a segment. */
static void test_pieces_over_chunks(void)
{
    FOR_EACH_PATH(data) {
        FrontBuf *buf;
        unsigned i, shift;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        buf = front_buf(s.front, 256);
        for (shift = 1; shift < 8; shift += 2) {
            Pieces p = { 0 };

            pieces_add(&p, buf, 0, 0, shift - 1);
            for (i = 1; i < 256; i++) {
                pieces_add(&p, buf, i, 0, 7);
            }
            pieces_there_and_back(&s, buf, &p);
        }
        g_free(buf);
        scene_end(&s);
    }
}

/* One page again and again; neighbours inside it, in and out of order */
static void test_same_page(void)
{
    FOR_EACH_PATH(data) {
        FrontBuf *buf;
        FrontRing *ring;
        Pieces p = { 0 };
        unsigned i;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        for (i = 0; i < 8; i++) {
            pieces_add(&p, buf, 0, i, i);
        }
        pieces_there_and_back(&s, buf, &p);
        p = (Pieces) { 0 };
        for (i = 0; i < 8; i++) {
            pieces_add(&p, buf, 0, 7 - i, 7 - i);
        }
        pieces_there_and_back(&s, buf, &p);
        p = (Pieces) { 0 };
        for (i = 0; i < 200; i++) {
            pieces_add(&p, buf, 0, 0, 7);
        }
        front_buf_fill(buf, 9);
        g_assert_cmpint(pieces_do(ring, BLKIF_OP_WRITE, 0, &p), ==, OKAY);
        assert_pieces(&p, s.drive->data);
        g_free(buf);
        scene_end(&s);
    }
}

/* A guest may give pages it only wants to be read. */
static void test_readonly_grants(void)
{
    static const DataPath paths[] = { DATA_PIN, DATA_COPY };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(paths); i++) {
        FrontRing *ring;
        FrontSeg seg = { 0, 0, 7 };
        uint8_t *page;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = paths[i] });
        ring = &s.front->ring[0];
        page = front_grant(s.front, true, &seg.ref);
        memset(page, 0x42, XENPV_PAGE_SIZE);
        g_assert_cmpint(front_answer(ring, front_put(ring, BLKIF_OP_WRITE, 8,
                                                     &seg, 1)), ==, OKAY);
        g_assert_cmpint(s.drive->data[8191], ==, 0x42);
        g_assert_cmpint(front_answer(ring, front_put(ring, BLKIF_OP_READ, 0,
                                                     &seg, 1)), ==, ERROR);
        g_assert_cmpint(page[0], ==, 0x42);
        scene_end(&s);
    }
}

/* ---- bounce memory ---- */

/* More than there is memory for: some wait, none is lost. */
static void test_no_bounce_memory(void)
{
    FrontBuf *buf[24];
    FrontRing *ring;
    unsigned i;
    Scene s;

    scene_begin(&s, &(SceneOpts) {
        .data = DATA_COPY, .size = 32 * MiB, .front = { .order = 4 },
    });
    ring = &s.front->ring[0];
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        buf[i] = front_buf(s.front, 256);
        front_buf_fill(buf[i], i);
    }
    test_drive_hold(s.drive);
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        front_put_buf(ring, BLKIF_OP_WRITE, 2048 * i, buf[i]);
    }
    front_push(ring);
    fixture_settle();
    /* 16 MiB are all there is for a queue. */
    g_assert_cmpuint(s.drive->held, ==, 16);
    test_drive_release_one(s.drive);
    fixture_settle();
    g_assert_cmpuint(s.drive->held, ==, 16);
    test_drive_release(s.drive);
    front_finish(ring);
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        g_assert_cmpint(ring->status[i], ==, OKAY);
        assert_buf(buf[i], s.drive->data + i * MiB);
        g_free(buf[i]);
    }
    scene_end(&s);
}

/* The one that waits is the last but one there is to wait for. */
static void test_no_bounce_memory_small(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    unsigned i;
    Scene s;

    scene_begin(&s, &(SceneOpts) {
        .data = DATA_COPY, .front = { .order = 4 },
    });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    test_drive_hold(s.drive);
    for (i = 0; i < 300; i++) {
        front_put_buf(ring, BLKIF_OP_READ, 8 * i, buf);
    }
    front_push(ring);
    fixture_settle();
    g_assert_cmpuint(s.drive->held, ==, 256);
    while (s.drive->held) {
        test_drive_release_one(s.drive);
        fixture_settle();
    }
    front_finish(ring);
    g_free(buf);
    scene_end(&s);
}

/* ---- kept pages ---- */

static unsigned nr_mapped(Scene *s, const FrontBuf *buf)
{
    unsigned i, nr = 0;

    for (i = 0; i < buf->nr; i++) {
        nr += fake_guest_mapped(s->hv, buf->ref[i]);
    }
    return nr;
}

static void read_page(Scene *s, const FrontBuf *buf, unsigned page)
{
    FrontSeg seg = { buf->ref[page], 0, 7 };
    FrontRing *ring = &s->front->ring[0];

    g_assert_cmpint(front_answer(ring, front_put(ring, BLKIF_OP_READ, 0, &seg,
                                                 1)), ==, OKAY);
}

static void test_keep_cap(void)
{
    FrontBuf *buf;
    FrontRing *ring;
    unsigned i;
    Scene s;

    scene_begin(&s, &(SceneOpts) {
        .data = DATA_KEEP, .props = "max-persistent-grants=4",
    });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 40);
    for (i = 0; i < 4; i++) {
        read_page(&s, buf, i);
    }
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 4);
    /* What was used longest ago goes first: 1, not 0. */
    read_page(&s, buf, 0);
    read_page(&s, buf, 4);
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 4);
    g_assert_true(fake_guest_mapped(s.hv, buf->ref[0]));
    g_assert_false(fake_guest_mapped(s.hv, buf->ref[1]));
    /* More than may be kept in one request, and twice the same page */
    g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 0, buf), ==, OKAY);
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 4);
    assert_buf(buf, s.drive->data);
    test_drive_hold(s.drive);
    front_put_buf(ring, BLKIF_OP_READ, 0, buf);
    front_put_buf(ring, BLKIF_OP_READ, 0, buf);
    front_push(ring);
    fixture_settle();
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 40);
    test_drive_release(s.drive);
    front_finish(ring);
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 4);
    front_close(s.front);
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 0);
    assert_idle(&s);
    g_free(buf);
    scene_end(&s);
}

/* No page is kept: as good as none but slow. */
static void test_keep_none(void)
{
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) {
        .data = DATA_KEEP, .props = "max-persistent-grants=0",
    });
    buf = front_buf(s.front, 100);
    front_buf_fill(buf, 1);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_WRITE, 0, buf), ==,
                    OKAY);
    assert_buf(buf, s.drive->data);
    g_assert_cmpuint(s.hv->live.maps, ==, 1);
    g_free(buf);
    scene_end(&s);
}

/* An idle guest gets back what it has not used for a minute. */
static void test_keep_purge(void)
{
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .data = DATA_KEEP });
    buf = front_buf(s.front, 8);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    OKAY);
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 8);
    disk_host_time_passes(50000);
    fixture_settle();
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 8);
    read_page(&s, buf, 3);
    disk_host_time_passes(15000);
    fixture_settle();
    g_assert_cmpuint(nr_mapped(&s, buf), ==, 1);
    g_assert_true(fake_guest_mapped(s.hv, buf->ref[3]));
    disk_host_time_passes(65000);
    fixture_settle();
    g_assert_cmpuint(s.hv->live.maps, ==, 1);
    /* ... and may use it again. */
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    OKAY);
    g_free(buf);
    scene_end(&s);
}

/* ---- order ---- */

static void let_one(Scene *s)
{
    test_drive_release_one(s->drive);
    fixture_settle();
}

/* Waits for what came before and holds what comes after. */
static void test_barrier(void)
{
    FOR_EACH_PATH(data) {
        FrontRing *ring;
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        test_drive_hold(s.drive);
        front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
        front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
        front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 24, buf);
        front_put_buf(ring, BLKIF_OP_WRITE, 32, buf);
        front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 40, buf);
        front_put_buf(ring, BLKIF_OP_READ, 48, buf);
        front_push(ring);
        fixture_settle();
        assert_log(s.drive, "W8+8 W16+8 ");
        let_one(&s);
        assert_log(s.drive, "w8+8 ");
        let_one(&s);
        assert_log(s.drive, "w16+8 F ");
        let_one(&s);
        assert_log(s.drive, "f W24+8 ");
        g_assert_cmpint(front_status(ring, 0xf00dfeed00000002), ==,
                        FRONT_WAITING);
        let_one(&s);
        assert_log(s.drive, "w24+8 F ");
        let_one(&s);
        assert_log(s.drive, "f W32+8 ");
        g_assert_cmpint(ring->status[3], ==, FRONT_WAITING);
        test_drive_release(s.drive);
        front_finish(ring);
        assert_log(s.drive, "w32+8 F f W40+8 w40+8 F f R48+8 r48+8 ");
        g_free(buf);
        scene_end(&s);
    }
}

static void test_barrier_empty(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    test_drive_hold(s.drive);
    front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    /* Linux leaves the sector at -1. */
    front_put(ring, BLKIF_OP_WRITE_BARRIER, UINT64_MAX, NULL, 0);
    front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
    front_push(ring);
    fixture_settle();
    assert_log(s.drive, "W8+8 ");
    test_drive_release(s.drive);
    front_finish(ring);
    assert_log(s.drive, "w8+8 F f W16+8 w16+8 ");
    g_free(buf);
    scene_end(&s);
}

/* A barrier that fails, in each of its steps, is one that is over. */
static void test_barrier_fails(void)
{
    static const struct {
        TestOp op;
        const char *log;
    } rows[] = {
        { TEST_FLUSH, "F f W16+8 w16+8 " },
        { TEST_WRITE, "F f W8+8 w8+8 W16+8 w16+8 " },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        FrontRing *ring;
        FrontBuf *buf;
        uint64_t barrier, after;
        Scene s;

        scene_begin(&s, &(SceneOpts) { 0 });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        test_drive_fail(s.drive, rows[i].op, EIO, 1);
        barrier = front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 8, buf);
        after = front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
        front_finish(ring);
        g_assert_cmpint(front_status(ring, barrier), ==, ERROR);
        g_assert_cmpint(front_status(ring, after), ==, OKAY);
        assert_log(s.drive, rows[i].log);
        g_free(buf);
        scene_end(&s);
    }
}

/* ... or one without data that can be had */
static void test_barrier_bad_grant(void)
{
    FOR_EACH_PATH(data) {
        FrontSeg seg = { 7, 0, 7 };
        FrontRing *ring;
        FrontBuf *buf;
        uint64_t barrier, after;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        barrier = front_put(ring, BLKIF_OP_WRITE_BARRIER, 8, &seg, 1);
        after = front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
        front_finish(ring);
        g_assert_cmpint(front_status(ring, barrier), ==, ERROR);
        g_assert_cmpint(front_status(ring, after), ==, OKAY);
        g_free(buf);
        scene_end(&s);
    }
}

static void test_flush(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    front_do(ring, BLKIF_OP_WRITE, 0, buf);
    assert_log(s.drive, "W0+8 w0+8 ");
    /* With data: what was answered before it is on the disk first. */
    front_buf_fill(buf, 3);
    g_assert_cmpint(front_do(ring, BLKIF_OP_FLUSH_DISKCACHE, 8, buf), ==,
                    OKAY);
    assert_log(s.drive, "F f W8+8 w8+8 ");
    assert_buf(buf, s.drive->data + 4096);
    /* Without: it waits for nobody. */
    test_drive_hold(s.drive);
    front_put_buf(ring, BLKIF_OP_READ, 16, buf);
    front_put(ring, BLKIF_OP_FLUSH_DISKCACHE, UINT64_MAX, NULL, 0);
    front_put_buf(ring, BLKIF_OP_READ, 24, buf);
    front_push(ring);
    fixture_settle();
    assert_log(s.drive, "R16+8 F R24+8 ");
    test_drive_release(s.drive);
    front_finish(ring);
    /* Failed is failed. */
    front_do(ring, BLKIF_OP_WRITE, 0, buf);
    test_drive_fail(s.drive, TEST_FLUSH, EIO, 1);
    g_assert_cmpint(front_do(ring, BLKIF_OP_FLUSH_DISKCACHE, 0, NULL), ==,
                    ERROR);
    g_free(buf);
    scene_end(&s);
}

/* ---- discard ---- */

static int discard(Scene *s, uint64_t sector, uint64_t nr, uint8_t flag)
{
    FrontRing *ring = &s->front->ring[0];

    return front_answer(ring, front_put_discard(ring, sector, nr, flag));
}

static void test_discard(void)
{
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    memset(s.drive->data, 0x77, s.drive->size);
    g_assert_cmpint(discard(&s, 8, 16, 0), ==, OKAY);
    assert_log(s.drive, "D8+16 d8+16 ");
    g_assert_cmpint(s.drive->data[8 * 512 - 1], ==, 0x77);
    g_assert_cmpint(s.drive->data[24 * 512], ==, 0x77);
    g_assert_cmpint(discard(&s, 0, 8192, 0), ==, OKAY);
    g_assert_cmpint(discard(&s, 0, 0, 0), ==, OKAY);
    g_assert_cmpint(discard(&s, 0, 8193, 0), ==, ERROR);
    g_assert_cmpint(discard(&s, UINT64_MAX, 8, 0), ==, ERROR);
    g_assert_cmpint(discard(&s, 8, UINT64_MAX, 0), ==, ERROR);
    g_free(test_drive_log(s.drive));
    /* Not offered, so not done, and not done by halves. */
    g_assert_cmpint(discard(&s, 0, 8, BLKIF_DISCARD_SECURE), ==, EOPNOTSUPP_);
    test_drive_fail(s.drive, TEST_DISCARD, EIO, 1);
    g_assert_cmpint(discard(&s, 0, 8, 0), ==, ERROR);
    scene_end(&s);

    scene_begin(&s, &(SceneOpts) { .flags = BDRV_O_RDWR });
    g_assert_cmpint(discard(&s, 0, 8, 0), ==, EOPNOTSUPP_);
    assert_log(s.drive, "");
    scene_end(&s);
}

/* Written over, all of it, and on the disk, before it is given away. */
static void test_discard_secure(void)
{
    unsigned i;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "secure-discard=on" });
    assert_node(s.hv, "1", SCENE_BE "/discard-secure");
    memset(s.drive->data, 0x77, s.drive->size);
    test_drive_fail(s.drive, TEST_DISCARD, EIO, 1);
    g_assert_cmpint(discard(&s, 8, 200, BLKIF_DISCARD_SECURE), ==, ERROR);
    assert_log(s.drive, "W8+128 w8+128 W136+72 w136+72 F f D8+200 d8+200 ");
    for (i = 0; i < 200 * 512; i++) {
        g_assert_cmpint(s.drive->data[8 * 512 + i], ==, 0);
    }
    g_assert_cmpint(s.drive->data[8 * 512 - 1], ==, 0x77);
    g_assert_cmpint(s.drive->data[208 * 512], ==, 0x77);
    g_assert_cmpint(discard(&s, 8, 200, BLKIF_DISCARD_SECURE), ==, OKAY);
    /* Not given away what could not be overwritten */
    g_free(test_drive_log(s.drive));
    test_drive_fail(s.drive, TEST_WRITE, EIO, 1);
    g_assert_cmpint(discard(&s, 8, 200, BLKIF_DISCARD_SECURE), ==, ERROR);
    assert_log(s.drive, "W8+128 w8+128 ");
    scene_end(&s);
}

/* ---- errors, and what the user wants done about them ---- */

static void test_errors_reported(void)
{
    FOR_EACH_PATH(data) {
        FrontRing *ring;
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 20);
        front_buf_clear(buf);
        test_drive_fail(s.drive, TEST_READ, EIO, 1);
        g_assert_cmpint(front_do(ring, BLKIF_OP_READ, 0, buf), ==, ERROR);
        /* Nothing of ours leaks into the guest. */
        g_assert_cmpint(buf->page[7][7], ==, 0xee);
        test_drive_fail(s.drive, TEST_WRITE, EIO, 1);
        g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 0, buf), ==, ERROR);
        test_drive_fail(s.drive, TEST_WRITE, ENOTSUP, 1);
        g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 0, buf), ==,
                        EOPNOTSUPP_);
        g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 0, buf), ==, OKAY);
        g_free(buf);
        scene_end(&s);
    }
}

static void test_errors_ignored(void)
{
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "werror=ignore,rerror=ignore" });
    buf = front_buf(s.front, 1);
    test_drive_fail(s.drive, TEST_WRITE, EIO, 1);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_WRITE, 0, buf), ==,
                    OKAY);
    test_drive_fail(s.drive, TEST_READ, EIO, 1);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    OKAY);
    g_free(buf);
    scene_end(&s);
}

/* The VM stands still, and all is done once more when it goes on. */
static void test_errors_stop(void)
{
    FOR_EACH_PATH(data) {
        FrontRing *ring;
        FrontBuf *buf[3];
        unsigned i, round;
        Scene s;

        scene_begin(&s, &(SceneOpts) {
            .data = data, .props = "werror=stop,rerror=stop",
        });
        ring = &s.front->ring[0];
        for (i = 0; i < 3; i++) {
            buf[i] = front_buf(s.front, 20);
            front_buf_fill(buf[i], i);
        }
        memset(s.drive->data + 2 * 81920, 0x99, 81920);
        test_drive_fail(s.drive, TEST_WRITE, ENOSPC, 3);
        test_drive_fail(s.drive, TEST_READ, EIO, 2);
        front_put_buf(ring, BLKIF_OP_WRITE, 0, buf[0]);
        front_put_buf(ring, BLKIF_OP_WRITE, 160, buf[1]);
        front_put_buf(ring, BLKIF_OP_READ, 320, buf[2]);
        front_push(ring);
        for (round = 0; round < 2; round++) {
            fixture_settle();
            g_assert_true(disk_host_stop_wanted());
            disk_host_vm(false);
            fixture_settle();
            g_assert_cmpuint(s.drive->in_flight, ==, 0);
            disk_host_vm(true);
        }
        front_finish(ring);
        g_assert_false(disk_host_stop_wanted());
        for (i = 0; i < 3; i++) {
            g_assert_cmpint(ring->status[i], ==, OKAY);
            assert_buf(buf[i], s.drive->data + i * 81920);
            g_free(buf[i]);
        }
        scene_end(&s);
    }
}

/* A barrier that stopped is still a barrier. */
static void test_errors_stop_barrier(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "werror=stop" });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    test_drive_fail(s.drive, TEST_WRITE, EIO, 1);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
    front_push(ring);
    fixture_settle();
    assert_log(s.drive, "F f W8+8 w8+8 ");
    g_assert_true(disk_host_stop_wanted());
    disk_host_vm(false);
    fixture_settle();
    disk_host_vm(true);
    front_finish(ring);
    g_assert_cmpint(ring->status[0], ==, OKAY);
    assert_log(s.drive, "F f W8+8 w8+8 F f W16+8 w16+8 ");

    /* One that waits for another that stopped */
    test_drive_fail(s.drive, TEST_WRITE, EIO, 1);
    front_put_buf(ring, BLKIF_OP_WRITE, 32, buf);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 40, buf);
    front_push(ring);
    fixture_settle();
    assert_log(s.drive, "W32+8 w32+8 ");
    g_assert_true(disk_host_stop_wanted());
    disk_host_vm(false);
    disk_host_vm(true);
    front_finish(ring);
    assert_log(s.drive, "W32+8 w32+8 F f W40+8 w40+8 F f ");
    g_free(buf);
    scene_end(&s);
}

/* ---- what it costs ---- */

/* At most one event when 32 are taken, and one when they end together. */
static void test_hold_off(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    unsigned i, round;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    for (round = 0; round < 8; round++) {
        ring->notified = 0;
        fake_guest_events(s.hv, ring->port);
        if (round % 2) {
            test_drive_hold(s.drive);
        }
        for (i = 0; i < 32; i++) {
            front_put_buf(ring, BLKIF_OP_READ, 8 * i, buf);
        }
        front_push(ring);
        fixture_settle();
        if (round % 2) {
            g_assert_cmpuint(fake_guest_events(s.hv, ring->port), ==, 0);
            test_drive_release(s.drive);
        }
        g_assert_cmpuint(ring->notified, ==, 1);
        g_assert_cmpuint(fake_guest_events(s.hv, ring->port), ==, 1);
        front_finish(ring);
    }
    /* A front end that is awake is not woken. */
    for (i = 0; i < 32; i++) {
        front_put_buf(ring, BLKIF_OP_READ, 8 * i, buf);
    }
    ((XenPvRingHeader *)ring->page[0])->rsp_event = ring->rsp_cons - 1;
    front_push(ring);
    fixture_settle();
    g_assert_cmpuint(fake_guest_events(s.hv, ring->port), ==, 0);
    front_finish(ring);
    g_free(buf);
    scene_end(&s);
}

static void some_load(FrontRing *ring, const FrontBuf *buf, unsigned rounds)
{
    unsigned round, i;

    for (round = 0; round < rounds; round++) {
        for (i = 0; i < 32; i++) {
            front_put_buf(ring, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 8 * i,
                          buf);
        }
        front_finish(ring);
    }
}

/* Once everything has been used once, nothing is allocated any more. */
static void test_allocations(void)
{
    static const unsigned sizes[] = { 1, 11, 64 };
    uint64_t before, after;
    unsigned i;

    if (!disk_host_allocations(&before)) {
        g_test_skip("allocations cannot be counted here");
        return;
    }
    FOR_EACH_PATH(data) {
        for (i = 0; i < ARRAY_SIZE(sizes); i++) {
            FrontRing *ring;
            FrontBuf *buf;
            Scene s;

            scene_begin(&s, &(SceneOpts) { .data = data });
            g_string_free(s.drive->log, true);
            s.drive->log = NULL;
            ring = &s.front->ring[0];
            buf = front_buf(s.front, sizes[i]);
            some_load(ring, buf, 64);
            disk_host_allocations(&before);
            some_load(ring, buf, 100);
            disk_host_allocations(&after);
            g_test_message("path %d, %u pages: %" PRIu64 " allocations for "
                           "3200 requests", data, sizes[i], after - before);
            g_assert_cmpuint(after, ==, before);
            g_free(buf);
            scene_end(&s);
        }
    }
}

/* Nothing is copied where pages can be used where they lie. */
static void test_copies(void)
{
    FOR_EACH_PATH(data) {
        FrontRing *ring;
        FrontBuf *buf;
        uint64_t copied;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 8);
        some_load(ring, buf, 1);
        copied = XENPV_DISK(s.dev)->queue[0].stats.copied;
        g_assert_cmpuint(copied, ==, data == DATA_COPY ? 32 * 8 * 4096 : 0);
        g_free(buf);
        scene_end(&s);
    }
}

/* Copies that can be made together are, and fail each for itself. */
static void test_copies_together(void)
{
    static const struct {
        uint8_t op;
        unsigned pages;
        unsigned batches;
    } rows[] = {
        { BLKIF_OP_WRITE, 1, 1 },
        { BLKIF_OP_READ, 1, 1 },
        /* 64 KiB are enough to begin with; the bad one has one page. */
        { BLKIF_OP_WRITE, 8, 8 },
        { BLKIF_OP_READ, 8, 8 },
        { BLKIF_OP_WRITE, 64, 15 },
        { BLKIF_OP_READ, 64, 15 },
    };
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        FrontSeg bad = { 7, 0, 7 };
        XenPvDiskStats *stats;
        uint64_t id[16], batches;
        FrontRing *ring;
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = DATA_COPY });
        stats = &XENPV_DISK(s.dev)->queue[0].stats;
        ring = &s.front->ring[0];
        buf = front_buf(s.front, rows[i].pages);
        front_buf_fill(buf, i);
        if (rows[i].op == BLKIF_OP_READ) {
            g_assert_cmpint(front_do(ring, BLKIF_OP_WRITE, 0, buf), ==, OKAY);
            front_buf_clear(buf);
        }
        batches = stats->batches;
        test_drive_hold(s.drive);
        for (j = 0; j < 16; j++) {
            id[j] = j == 8 ? front_put(ring, rows[i].op, 0, &bad, 1) :
                             front_put_buf(ring, rows[i].op, 0, buf);
        }
        front_push(ring);
        fixture_settle();
        test_drive_release(s.drive);
        front_finish(ring);
        for (j = 0; j < 16; j++) {
            g_assert_cmpint(front_status(ring, id[j]), ==,
                            j == 8 ? ERROR : OKAY);
        }
        assert_buf(buf, s.drive->data);
        g_assert_cmpuint(stats->batches - batches, ==, rows[i].batches);
        g_free(buf);
        scene_end(&s);
    }
}

/* ---- what the block layer really has ---- */

/* A second disk, on a node of these options: written, read and compared. */
static void real_node(Scene *s, QDict *options, bool compare)
{
    BlockDriverState *bs;
    FrontBuf *buf[32];
    FrontRing *ring;
    XenPvDevice *dev;
    Front *front;
    unsigned i;

    qdict_put_str(options, "node-name", "real");
    bs = bdrv_open(NULL, NULL, options, BDRV_O_RDWR | BDRV_O_UNMAP,
                   &error_abort);
    dev = disk_host_plug(s->bus, "xen-disk", "drive=real,vdev=xvdb",
                         &error_abort);
    front = front_new(s->hv, dev->devid, &s->front->opts);
    front_connect(front);
    ring = &front->ring[0];
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        buf[i] = front_buf(front, 1 + i % 16);
        front_buf_fill(buf[i], i);
        front_put_buf(ring, i == 20 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE,
                      128 * i + i, buf[i]);
    }
    front_finish(ring);
    g_assert_cmpint(front_do(ring, BLKIF_OP_FLUSH_DISKCACHE, 0, NULL), ==,
                    OKAY);
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        g_assert_cmpint(ring->status[i], ==, OKAY);
        front_buf_clear(buf[i]);
        front_put_buf(ring, BLKIF_OP_READ, 128 * i + i, buf[i]);
    }
    front_finish(ring);
    for (i = 0; i < ARRAY_SIZE(buf); i++) {
        g_autofree FrontBuf *is = front_buf(front, buf[i]->nr);
        unsigned page;

        front_buf_fill(is, i);
        for (page = 0; compare && page < is->nr; page++) {
            g_assert_cmpmem(buf[i]->page[page], XENPV_PAGE_SIZE,
                            is->page[page], XENPV_PAGE_SIZE);
        }
        g_free(buf[i]);
    }
    object_unparent(OBJECT(dev));
    fixture_settle();
    front_free(front);
    disk_host_devices_gone();
    bdrv_unref(bs);
}

static void test_real_nodes(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("xenpv-disk-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 4 * MiB), ==, 0);
    close(fd);
    FOR_EACH_PATH(data) {
        QDict *options;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        options = qdict_new();
        qdict_put_str(options, "driver", "file");
        qdict_put_str(options, "filename", path);
        real_node(&s, options, true);

        /* What is not aligned is read, changed and written below us. */
        options = qdict_new();
        qdict_put_str(options, "driver", "blkdebug");
        qdict_put_str(options, "image.driver", "file");
        qdict_put_str(options, "image.filename", path);
        qdict_put_str(options, "align", "4096");
        real_node(&s, options, true);

        options = qdict_new();
        qdict_put_str(options, "driver", "null-co");
        qdict_put_str(options, "size", "4194304");
        qdict_put_str(options, "latency-ns", "100000");
        real_node(&s, options, false);
        scene_end(&s);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    disk_host_main(&argc, &argv);
    g_test_add_func("/xenpv/disk/data/whole-pages", test_whole_pages);
    g_test_add_func("/xenpv/disk/data/indirect-few", test_indirect_few);
    g_test_add_func("/xenpv/disk/data/pieces", test_pieces);
    g_test_add_func("/xenpv/disk/data/pieces-over-chunks",
                    test_pieces_over_chunks);
    g_test_add_func("/xenpv/disk/data/same-page", test_same_page);
    g_test_add_func("/xenpv/disk/data/readonly-grants", test_readonly_grants);
    g_test_add_func("/xenpv/disk/bounce/large", test_no_bounce_memory);
    g_test_add_func("/xenpv/disk/bounce/small", test_no_bounce_memory_small);
    g_test_add_func("/xenpv/disk/keep/cap", test_keep_cap);
    g_test_add_func("/xenpv/disk/keep/none", test_keep_none);
    g_test_add_func("/xenpv/disk/keep/purge", test_keep_purge);
    g_test_add_func("/xenpv/disk/barrier/order", test_barrier);
    g_test_add_func("/xenpv/disk/barrier/empty", test_barrier_empty);
    g_test_add_func("/xenpv/disk/barrier/fails", test_barrier_fails);
    g_test_add_func("/xenpv/disk/barrier/bad-grant", test_barrier_bad_grant);
    g_test_add_func("/xenpv/disk/flush", test_flush);
    g_test_add_func("/xenpv/disk/discard/plain", test_discard);
    g_test_add_func("/xenpv/disk/discard/secure", test_discard_secure);
    g_test_add_func("/xenpv/disk/errors/reported", test_errors_reported);
    g_test_add_func("/xenpv/disk/errors/ignored", test_errors_ignored);
    g_test_add_func("/xenpv/disk/errors/stop", test_errors_stop);
    g_test_add_func("/xenpv/disk/errors/stop-barrier",
                    test_errors_stop_barrier);
    g_test_add_func("/xenpv/disk/cost/hold-off", test_hold_off);
    g_test_add_func("/xenpv/disk/cost/allocations", test_allocations);
    g_test_add_func("/xenpv/disk/cost/copies", test_copies);
    g_test_add_func("/xenpv/disk/cost/copies-together", test_copies_together);
    g_test_add_func("/xenpv/disk/real-nodes", test_real_nodes);
    return g_test_run();
}
