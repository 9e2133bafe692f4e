/*
 * How a connection to a disk ends, whatever its requests are doing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/throttle.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "block/throttle-groups.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/disk.h"
#include "system/block-backend.h"
#include "disk-front.h"

/* ---- ways to end ---- */

static void end_closed(Scene *s)
{
    front_close(s->front);
}

static void end_starts_over(Scene *s)
{
    front_set_state(s->front, XenbusStateInitialising);
}

static void end_surprise(Scene *s)
{
    object_unparent(OBJECT(s->dev));
    s->dev = NULL;
}

static void end_unplugged(Scene *s)
{
    fixture_unplug(s->dev, &error_abort);
    fixture_settle();
    front_set_state(s->front, XenbusStateClosed);
    s->dev = NULL;
}

/* The second request does not ask the guest. */
static void end_unplugged_twice(Scene *s)
{
    fixture_unplug(s->dev, &error_abort);
    fixture_unplug(s->dev, &error_abort);
    fixture_settle();
    s->dev = NULL;
}

static void end_reset(Scene *s)
{
    xenpv_bus_reset(s->bus);
}

static void end_broken(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];

    ((XenPvRingHeader *)ring->page[0])->req_prod += 1000;
    fake_guest_notify(s->hv, ring->port);
    fixture_settle();
}

static void (*const ends[])(Scene *s) = {
    end_closed, end_starts_over, end_surprise, end_unplugged,
    end_unplugged_twice, end_reset,
};

/* ---- what requests are doing ---- */

static void begin_in_flight(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];
    unsigned i;

    test_drive_hold(s->drive);
    for (i = 0; i < 10; i++) {
        front_put_buf(ring, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 8 * i,
                      buf);
    }
    front_push(ring);
    main_loop_wait(true);
    g_assert_cmpuint(s->drive->in_flight, ==, 10);
    test_drive_release_soon(s->drive);
}

static void check_in_flight(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];
    unsigned i;

    for (i = 0; i < 10; i++) {
        g_assert_cmpint(ring->status[i], ==, BLKIF_RSP_OKAY);
    }
}

/* One runs, a barrier waits for it, and one waits for the barrier. */
static void begin_barrier(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    test_drive_hold(s->drive);
    front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 16, buf);
    front_put_buf(ring, BLKIF_OP_WRITE, 24, buf);
    front_push(ring);
    main_loop_wait(true);
    g_assert_cmpuint(s->drive->in_flight, ==, 1);
    test_drive_release_soon(s->drive);
}

static void check_barrier(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];

    /* What has not begun does not begin any more. */
    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_OKAY);
    g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_ERROR);
    g_assert_cmpint(ring->status[2], ==, FRONT_WAITING);
}

static void begin_stopped(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    test_drive_fail(s->drive, TEST_WRITE, ENOSPC, 2);
    front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
    front_push(ring);
    fixture_settle();
    g_assert_true(disk_host_stop_wanted());
    disk_host_vm(false);
}

static void check_stopped(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];

    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_ERROR);
    g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_ERROR);
    disk_host_vm(true);
}

/* A barrier waits for one that stopped, and must not do so for ever. */
static void begin_stopped_barrier(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    test_drive_fail(s->drive, TEST_WRITE, ENOSPC, 1);
    front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 16, buf);
    front_push(ring);
    fixture_settle();
    g_assert_true(disk_host_stop_wanted());
    disk_host_vm(false);
}

static void check_stopped_barrier(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];

    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_ERROR);
    g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_ERROR);
    disk_host_vm(true);
}

/* The barrier itself stopped; another waits behind it. */
static void begin_barrier_stopped(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    test_drive_fail(s->drive, TEST_WRITE, ENOSPC, 1);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE, 16, buf);
    front_push(ring);
    fixture_settle();
    g_assert_true(disk_host_stop_wanted());
    disk_host_vm(false);
}

static void check_barrier_stopped(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];

    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_ERROR);
    g_assert_cmpint(ring->status[1], ==, FRONT_WAITING);
    disk_host_vm(true);
}

/* It fails while the connection ends: there is no second try. */
static void begin_failing(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    test_drive_hold(s->drive);
    test_drive_fail(s->drive, TEST_WRITE, ENOSPC, 1);
    front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    front_push(ring);
    main_loop_wait(true);
    g_assert_cmpuint(s->drive->in_flight, ==, 1);
    test_drive_release_soon(s->drive);
}

static void check_failing(Scene *s)
{
    g_assert_cmpint(s->front->ring[0].status[0], ==, BLKIF_RSP_ERROR);
    disk_host_stop_wanted();
}

/* More than bounce memory has room for */
static void begin_deferred(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];
    unsigned i;

    test_drive_hold(s->drive);
    for (i = 0; i < 20; i++) {
        front_put_buf(ring, BLKIF_OP_WRITE, 0, buf);
    }
    front_push(ring);
    main_loop_wait(true);
    test_drive_release_soon(s->drive);
}

static void check_deferred(Scene *s)
{
    FrontRing *ring = &s->front->ring[0];
    unsigned i, okay = 0, error = 0;

    for (i = 0; i < 20; i++) {
        okay += ring->status[i] == BLKIF_RSP_OKAY;
        error += ring->status[i] == BLKIF_RSP_ERROR;
    }
    g_assert_cmpuint(okay, >=, 16);
    g_assert_cmpuint(error, <=, 1);
}

/* A wipe of the whole disk: nobody waits for the end of it. */
static void begin_wipe(Scene *s, FrontBuf *buf)
{
    FrontRing *ring = &s->front->ring[0];

    s->drive->delay_ns = 20 * SCALE_MS;
    front_put_discard(ring, 0, 8192, BLKIF_DISCARD_SECURE);
    front_push(ring);
    main_loop_wait(true);
    g_assert_cmpuint(s->drive->in_flight, ==, 1);
    g_free(test_drive_log(s->drive));
}

static void check_wipe(Scene *s)
{
    g_autofree char *log = test_drive_log(s->drive);

    g_assert_cmpint(s->front->ring[0].status[0], ==, BLKIF_RSP_ERROR);
    g_assert_null(strchr(log, 'D'));
    g_assert_null(strstr(log, "W8064+128"));
}

/* A throttle under which this would take years */
static void begin_throttled(Scene *s, FrontBuf *buf)
{
    BlockBackend *blk = XENPV_DISK(s->dev)->conf.blk;
    FrontRing *ring = &s->front->ring[0];
    ThrottleConfig cfg;
    unsigned i;

    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_BPS_TOTAL].avg = 1;
    blk_io_limits_enable(blk, "years");
    blk_set_io_limits(blk, &cfg);
    for (i = 0; i < 8; i++) {
        front_put_buf(ring, BLKIF_OP_FLUSH_DISKCACHE, 8 * i, buf);
    }
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 8 * i, buf);
    front_push(ring);
    fixture_settle();
    front_reap(ring);
    g_assert_cmpuint(ring->waiting, >, 0);
}

static void check_throttled(Scene *s)
{
    unsigned i;

    for (i = 0; i < 8; i++) {
        g_assert_cmpint(s->front->ring[0].status[i], ==, BLKIF_RSP_OKAY);
    }
    g_assert_cmpint(s->front->ring[0].status[i], ==, BLKIF_RSP_ERROR);
}

static const struct {
    const char *name;
    const char *props;
    unsigned pages;
    void (*begin)(Scene *s, FrontBuf *buf);
    void (*check)(Scene *s);
} doings[] = {
    { "in-flight", NULL, 4, begin_in_flight, check_in_flight },
    { "barrier", NULL, 1, begin_barrier, check_barrier },
    { "stopped", "werror=stop", 1, begin_stopped, check_stopped },
    { "stopped-barrier", "werror=stop", 1, begin_stopped_barrier,
      check_stopped_barrier },
    { "barrier-stopped", "werror=stop", 1, begin_barrier_stopped,
      check_barrier_stopped },
    { "failing", "werror=stop", 1, begin_failing, check_failing },
    { "deferred", NULL, 256, begin_deferred, check_deferred },
    { "wipe", "secure-discard=on", 1, begin_wipe, check_wipe },
    { "throttled", NULL, 1, begin_throttled, check_throttled },
};

static bool no_devices(void *opaque)
{
    return QTAILQ_EMPTY(&((XenPvBus *)opaque)->devices);
}

/* Whoever waits in the ring is answered or was not taken; nothing is left. */
static void test_end(gconstpointer opaque)
{
    unsigned what = GPOINTER_TO_UINT(opaque), i;

    for (i = 0; i < ARRAY_SIZE(ends); i++) {
        for (DataPath data = 0; data < DATA_NR; data++) {
            FrontBuf *buf;
            Scene s;

            scene_begin(&s, &(SceneOpts) {
                .data = data, .props = doings[what].props,
            });
            buf = front_buf(s.front, doings[what].pages);
            doings[what].begin(&s, buf);
            ends[i](&s);
            if (!s.dev) {
                g_assert_true(fixture_wait(no_devices, s.bus));
            }
            assert_idle(&s);
            g_assert_cmpuint(s.drive->in_flight, ==, 0);
            front_reap(&s.front->ring[0]);
            doings[what].check(&s);
            if (s.dev && blk_get_public(XENPV_DISK(s.dev)->conf.blk)->
                         throttle_group_member.throttle_state) {
                blk_io_limits_disable(XENPV_DISK(s.dev)->conf.blk);
            }
            if (s.dev) {
                /* The same disk serves the next front end. */
                s.drive->delay_ns = 0;
                scene_new_front(&s, &(FrontOpts) { .order = 2 });
                front_set_state(s.front, XenbusStateInitialising);
                front_connect(s.front);
                scene_works(&s);
            }
            g_free(buf);
            scene_end(&s);
        }
    }
}

/* A ring that breaks while requests are in flight */
static void test_end_broken(void)
{
    for (DataPath data = 0; data < DATA_NR; data++) {
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        buf = front_buf(s.front, 4);
        begin_in_flight(&s, buf);
        end_broken(&s);
        g_assert_cmpint(front_be_state(s.front), ==, XenbusStateClosing);
        assert_idle(&s);
        front_reap(&s.front->ring[0]);
        check_in_flight(&s);
        g_free(buf);
        scene_end(&s);
    }
}

/* ---- drains that meet the end ---- */

static void unparent_bh(void *opaque)
{
    end_surprise(opaque);
}

/*
 * Who drains the drive waits, and meanwhile the guest goes.  A barrier has
 * several steps, and those that come after the drain began must not wait for
 * the end of it.
 */
static void test_end_while_drained(void)
{
    static const uint8_t ops[] = {
        BLKIF_OP_WRITE_BARRIER, BLKIF_OP_FLUSH_DISKCACHE,
    };
    unsigned i;

    for (i = 0; i < 2 * ARRAY_SIZE(ops); i++) {
        bool early = i & 1;
        FrontRing *ring;
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { 0 });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        front_do(ring, BLKIF_OP_WRITE, 0, buf);
        test_drive_hold(s.drive);
        front_put_buf(ring, ops[i / 2], 8, buf);
        front_push(ring);
        main_loop_wait(true);
        g_assert_cmpuint(s.drive->in_flight, ==, 1);
        test_drive_release_soon(s.drive);
        if (early) {
            aio_bh_schedule_oneshot(qemu_get_aio_context(), unparent_bh, &s);
        }
        bdrv_drained_begin(s.drive->bs);
        fixture_settle();
        if (s.dev) {
            end_surprise(&s);
        }
        front_reap(ring);
        g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_OKAY);
        bdrv_drained_end(s.drive->bs);
        g_free(buf);
        scene_end(&s);
    }
}

/* A drain takes in all of a request, not its first step. */
static void test_drain_all_steps(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    front_do(ring, BLKIF_OP_WRITE, 0, buf);
    g_free(test_drive_log(s.drive));
    test_drive_hold(s.drive);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 8, buf);
    front_put_buf(ring, BLKIF_OP_WRITE_BARRIER, 16, buf);
    front_push(ring);
    main_loop_wait(true);
    test_drive_release_soon(s.drive);
    bdrv_drained_begin(s.drive->bs);
    g_assert_cmpuint(s.drive->in_flight, ==, 0);
    assert_log(s.drive, "F f W8+8 w8+8 F f ");
    fixture_settle();
    assert_log(s.drive, "");
    bdrv_drained_end(s.drive->bs);
    front_finish(ring);
    assert_log(s.drive, "F f W16+8 w16+8 F f ");
    g_free(buf);
    scene_end(&s);
}

/* What is repeated when the VM goes on waits for the end of a drain. */
static void test_retry_while_drained(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "werror=stop" });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    begin_stopped(&s, buf);
    g_free(test_drive_log(s.drive));
    bdrv_drained_begin(s.drive->bs);
    disk_host_vm(true);
    fixture_settle();
    assert_log(s.drive, "");
    bdrv_drained_end(s.drive->bs);
    front_finish(ring);
    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_OKAY);
    g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_OKAY);

    begin_stopped(&s, buf);
    bdrv_drained_begin(s.drive->bs);
    disk_host_vm(true);
    fixture_settle();
    end_surprise(&s);
    bdrv_drained_end(s.drive->bs);
    front_reap(ring);
    g_assert_cmpuint(ring->waiting, ==, 0);
    g_free(buf);
    scene_end(&s);
}

/* A wipe of minutes: a drain holds it up and does not wait for its end. */
static void test_drain_wipe(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "secure-discard=on" });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    memset(s.drive->data, 0x55, s.drive->size);
    begin_wipe(&s, buf);
    s.drive->delay_ns = SCALE_MS;
    bdrv_drained_begin(s.drive->bs);
    g_assert_cmpuint(s.drive->in_flight, ==, 0);
    g_assert_cmpint(s.drive->data[s.drive->size - 1], ==, 0x55);
    g_free(test_drive_log(s.drive));
    fixture_settle();
    assert_log(s.drive, "");
    bdrv_drained_end(s.drive->bs);
    main_loop_wait(true);
    disk_host_vm(false);
    bdrv_drain_all();
    g_free(test_drive_log(s.drive));
    fixture_settle();
    assert_log(s.drive, "");
    disk_host_vm(true);
    front_finish(ring);
    g_assert_cmpint(ring->status[0], ==, BLKIF_RSP_OKAY);

    /* The guest goes while it is held up. */
    front_put_discard(ring, 0, 8192, BLKIF_DISCARD_SECURE);
    front_push(ring);
    main_loop_wait(true);
    bdrv_drained_begin(s.drive->bs);
    end_surprise(&s);
    bdrv_drained_end(s.drive->bs);
    front_reap(ring);
    g_assert_cmpint(ring->status[1], ==, BLKIF_RSP_ERROR);
    g_free(buf);
    scene_end(&s);
}

int main(int argc, char **argv)
{
    unsigned i;

    disk_host_main(&argc, &argv);
    for (i = 0; i < ARRAY_SIZE(doings); i++) {
        g_autofree char *path = g_strdup_printf("/xenpv/disk/end/%s",
                                                doings[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_end);
    }
    g_test_add_func("/xenpv/disk/end/broken", test_end_broken);
    g_test_add_func("/xenpv/disk/end/while-drained", test_end_while_drained);
    g_test_add_func("/xenpv/disk/drain/all-steps", test_drain_all_steps);
    g_test_add_func("/xenpv/disk/drain/retry", test_retry_while_drained);
    g_test_add_func("/xenpv/disk/drain/wipe", test_drain_wipe);
    return g_test_run();
}
