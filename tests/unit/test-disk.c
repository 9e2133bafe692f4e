/*
 * A disk's life: how it presents itself, connects, is paused, changes its
 * medium and goes away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/disk.h"
#include "system/block-backend.h"
#include "disk-front.h"

/* ---- nodes ---- */

static void test_nodes(void)
{
    Scene s;

    scene_begin(&s, &(SceneOpts) { .props = "queues=4" });
    assert_node(s.hv, "1", SCENE_BE "/feature-flush-cache");
    assert_node(s.hv, "1", SCENE_BE "/feature-barrier");
    assert_node(s.hv, "0", SCENE_BE "/feature-persistent");
    assert_node(s.hv, "1", SCENE_BE "/feature-discard");
    assert_node(s.hv, "512", SCENE_BE "/discard-granularity");
    assert_node(s.hv, "0", SCENE_BE "/discard-secure");
    assert_node(s.hv, "256", SCENE_BE "/feature-max-indirect-segments");
    assert_node(s.hv, "4", SCENE_BE "/max-ring-page-order");
    assert_node(s.hv, "16", SCENE_BE "/max-ring-pages");
    assert_node(s.hv, "4", SCENE_BE "/multi-queue-max-queues");
    assert_node(s.hv, "8192", SCENE_BE "/sectors");
    assert_node(s.hv, "512", SCENE_BE "/sector-size");
    assert_node(s.hv, "512", SCENE_BE "/physical-sector-size");
    assert_node(s.hv, "0", SCENE_BE "/info");
    assert_node(s.hv, "w", SCENE_BE "/mode");
    assert_node(s.hv, "xvda", SCENE_BE "/dev");
    assert_node(s.hv, "51712", SCENE_FE "/virtual-device");
    assert_node(s.hv, "disk", SCENE_FE "/device-type");
    scene_end(&s);

    scene_begin(&s, &(SceneOpts) {
        .data = DATA_KEEP, .flags = BDRV_O_RDWR, .size = 4 * MiB + 512,
        .props = "logical_block_size=4096,physical_block_size=4096,"
                 "max-indirect-segments=0,max-ring-page-order=1",
    });
    assert_node(s.hv, "1", SCENE_BE "/feature-persistent");
    assert_node(s.hv, "0", SCENE_BE "/feature-discard");
    assert_node(s.hv, NULL, SCENE_BE "/feature-max-indirect-segments");
    assert_node(s.hv, "2", SCENE_BE "/max-ring-pages");
    /* Half a sector at the end is none. */
    assert_node(s.hv, "8192", SCENE_BE "/sectors");
    assert_node(s.hv, "4096", SCENE_BE "/sector-size");
    scene_end(&s);
}

/* ---- connections ---- */

static const char *const protocols[] = {
    NULL, "x86_32-abi", "x86_64-abi", "arm-abi",
};

/* One front end after another at the same disk */
static void connect_all(Scene *s, unsigned queues, bool large)
{
    unsigned order, i, style;

    for (i = 0; i < ARRAY_SIZE(protocols); i++) {
        for (order = 0; order <= 4; order++) {
            for (style = 0; style < 2; style++) {
                FrontOpts o = {
                    .protocol = protocols[i],
                    .order = order,
                    .numbered = style || order,
                    .old_keys = style && order,
                    .queues = queues,
                    .large_sectors = large,
                };

                front_close(s->front);
                g_assert_cmpuint(s->hv->live.maps, ==, 0);
                g_assert_cmpuint(s->hv->live.channels, ==, 0);
                scene_new_front(s, &o);
                front_set_state(s->front, XenbusStateInitialising);
                front_connect(s->front);
                g_assert_cmpint(front_be_state(s->front), ==,
                                XenbusStateConnected);
                g_assert_cmpuint(s->hv->live.map_pages, ==,
                                 s->front->nr_queues << order);
                g_assert_cmpuint(s->hv->live.channels, ==,
                                 s->front->nr_queues);
                scene_works(s);
            }
        }
    }
}

static void test_connect(void)
{
    DataPath data;
    unsigned queues, large;

    for (data = 0; data < DATA_NR; data++) {
        for (queues = 0; queues <= 4; queues++) {
            for (large = 0; large < 2; large++) {
                Scene s;

                scene_begin(&s, &(SceneOpts) {
                    .data = data,
                    .props = large ? "queues=4,logical_block_size=4096,"
                                     "physical_block_size=4096" : "queues=4",
                });
                connect_all(&s, queues, large);
                scene_end(&s);
            }
        }
    }
}

/* Both sides must want to keep pages mapped, and the user says so. */
static void test_data_path(void)
{
    static const struct {
        bool in_place;
        const char *props;
        bool front;
        const char *offered;
        const char *path;
    } rows[] = {
        { true,  NULL,              true,  "0", "data in place" },
        { true,  "persistent=on",   true,  "1", "data persistent" },
        { true,  "persistent=on",   false, "1", "data in place" },
        { true,  "persistent=off",  true,  "0", "data in place" },
        { false, NULL,              true,  "0", "data copied" },
        { false, "persistent=on",   true,  "1", "data persistent" },
        { false, "persistent=on",   false, "1", "data copied" },
        { false, "persistent=off",  true,  "0", "data copied" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *text = NULL;
        Scene s;

        scene_begin(&s, &(SceneOpts) {
            .data = rows[i].in_place ? DATA_PIN : DATA_COPY,
            .props = rows[i].props,
        });
        assert_node(s.hv, rows[i].offered, SCENE_BE "/feature-persistent");
        front_close(s.front);
        s.front->opts.persistent = rows[i].front;
        scene_new_front(&s, &(FrontOpts) { 0 });
        front_set_state(s.front, XenbusStateInitialising);
        front_connect(s.front);
        scene_works(&s);
        text = xenpv_dev_describe(s.dev, 0);
        g_assert_nonnull(strstr(text, rows[i].path));
        scene_end(&s);
    }
}

/* "sectors" is in the unit of the connection, and only of this one. */
static void test_large_sectors(void)
{
    Scene s;

    scene_begin(&s, &(SceneOpts) {
        .props = "logical_block_size=4096,physical_block_size=4096",
        .front = { .large_sectors = true },
    });
    assert_node(s.hv, "1024", SCENE_BE "/sectors");
    scene_works(&s);
    /* Sector 8 of this front end is at byte 32768. */
    g_assert_cmpint(s.drive->data[4096], ==, 0);
    g_assert_cmpint(memcmp(s.drive->data + 32768, s.drive->data, 4096), !=,
                    0);
    test_drive_resize(s.drive, 2 * MiB);
    fixture_settle();
    assert_node(s.hv, "512", SCENE_BE "/sectors");
    front_close(s.front);
    scene_new_front(&s, &(FrontOpts) { 0 });
    front_set_state(s.front, XenbusStateInitialising);
    assert_node(s.hv, "4096", SCENE_BE "/sectors");
    front_connect(s.front);
    assert_node(s.hv, "4096", SCENE_BE "/sectors");
    scene_works(&s);
    scene_end(&s);
}

typedef struct BadKey {
    FrontOpts front;
    const char *key;
    const char *value;          /* NULL: it is not there */
} BadKey;

static const BadKey bad_keys[] = {
    { { 0 }, "ring-ref", NULL },
    { { 0 }, "ring-ref", "" },
    { { 0 }, "ring-ref", "-1" },
    { { 0 }, "ring-ref", "0x9" },
    { { 0 }, "ring-ref", "4294967296" },
    { { 0 }, "ring-ref", "18446744073709551616" },
    { { 0 }, "ring-ref", "3000000000" },
    { { 0 }, "ring-ref", "%s%n" },
    { { 0 }, "event-channel", NULL },
    { { 0 }, "event-channel", "0" },
    { { 0 }, "event-channel", "4000" },
    { { 0 }, "event-channel", "1 " },
    { { 0 }, "protocol", "" },
    { { 0 }, "protocol", "x86_128-abi" },
    { { 0 }, "protocol", "x86_64-abi " },
    { { 0 }, "ring-page-order", "5" },
    { { 0 }, "ring-page-order", "-1" },
    { { 0 }, "ring-page-order", "" },
    { { 0 }, "ring-page-order", "1" },
    { { 0 }, "num-ring-pages", "0" },
    { { 0 }, "num-ring-pages", "3" },
    { { 0 }, "num-ring-pages", "32" },
    { { 0 }, "num-ring-pages", "many" },
    { { 0 }, "multi-queue-num-queues", "0" },
    { { 0 }, "multi-queue-num-queues", "2" },
    { { 0 }, "multi-queue-num-queues", "5" },
    { { 0 }, "multi-queue-num-queues", "4294967297" },
    { { 0 }, "feature-persistent", "2" },
    { { 0 }, "feature-persistent", "yes" },
    { { 0 }, "feature-large-sector-size", "2" },
    { { .order = 2 }, "ring-ref0", NULL },
    { { .order = 2 }, "ring-ref3", NULL },
    { { .order = 2 }, "ring-ref3", "4" },
    { { .order = 4 }, "ring-ref15", NULL },
    { { .order = 4 }, "ring-ref15", "9999999999" },
    { { .queues = 3 }, "queue-0/ring-ref", NULL },
    { { .queues = 3 }, "queue-2/ring-ref", NULL },
    { { .queues = 3 }, "queue-2/ring-ref", "1" },
    { { .queues = 3 }, "queue-1/event-channel", NULL },
    { { .queues = 3 }, "queue-2/event-channel", NULL },
    { { .queues = 3 }, "queue-2/event-channel", "1000" },
};

static void test_bad_keys(void)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bad_keys); i++) {
        const BadKey *row = &bad_keys[i];
        g_autofree char *error = NULL, *log = NULL;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .props = "queues=4" });
        front_close(s.front);
        scene_new_front(&s, &row->front);
        front_set_state(s.front, XenbusStateInitialising);
        front_write_keys(s.front);
        front_key(s.front, row->key, row->value);
        g_free(fixture_log());
        front_set_state(s.front, XenbusStateInitialised);
        if (front_be_state(s.front) != XenbusStateClosing) {
            g_test_message("%s=%s: state %d", row->key, row->value,
                           front_be_state(s.front));
            g_test_fail();
        }
        assert_idle(&s);
        error = fixture_node(s.hv, SCENE_ERROR);
        g_assert_nonnull(error);
        log = fixture_log();
        g_assert_nonnull(strstr(log, "xen-disk.51712: "));

        /* The front end starts over and does better. */
        front_set_state(s.front, XenbusStateClosed);
        front_set_state(s.front, XenbusStateInitialising);
        front_connect(s.front);
        g_assert_cmpint(front_be_state(s.front), ==, XenbusStateConnected);
        scene_works(&s);
        assert_node(s.hv, NULL, SCENE_ERROR);
        scene_end(&s);
    }
}

/* A front end that was killed and starts over without having closed. */
static void test_starts_over(void)
{
    DataPath data;

    for (data = 0; data < DATA_NR; data++) {
        FrontBuf *buf;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        scene_works(&s);
        buf = front_buf(s.front, 4);
        test_drive_hold(s.drive);
        front_put_buf(&s.front->ring[0], BLKIF_OP_READ, 0, buf);
        front_put_buf(&s.front->ring[0], BLKIF_OP_WRITE, 0, buf);
        front_push(&s.front->ring[0]);
        main_loop_wait(true);
        g_assert_cmpuint(s.drive->in_flight, >, 0);
        test_drive_release_soon(s.drive);
        front_set_state(s.front, XenbusStateInitialising);
        g_assert_cmpint(front_be_state(s.front), ==, XenbusStateInitWait);
        g_assert_cmpuint(s.drive->in_flight, ==, 0);
        assert_idle(&s);
        g_free(buf);
        scene_new_front(&s, &(FrontOpts) { .order = 1 });
        front_connect(s.front);
        scene_works(&s);
        scene_end(&s);
    }
}

/* ---- properties ---- */

static void test_properties(void)
{
    static const struct {
        const char *props;
        const char *error;
    } rows[] = {
        { "vdev=xvda", "drive property not set" },
        { "drive=drive0,queues=0", "queues must be 1 to 64" },
        { "drive=drive0,queues=65", "queues must be 1 to 64" },
        { "drive=drive0,max-ring-page-order=5", "max-ring-page-order must" },
        { "drive=drive0,max-indirect-segments=257",
          "max-indirect-segments must" },
        { "drive=drive0,logical_block_size=8192,physical_block_size=8192",
          "logical_block_size must not be larger than 4096" },
        { "drive=drive0,logical_block_size=4096,physical_block_size=4096,"
          "discard_granularity=512", "discard_granularity must be" },
        { "drive=drive1,secure-discard=on", "secure-discard needs" },
        { "drive=drive0,queues=2,iothread-vq-mapping=[{'iothread':'t0'}]",
          "there is no iothread 't0'" },
    };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestDrive *drive0 = test_drive_new("drive0", MiB,
                                       BDRV_O_RDWR | BDRV_O_UNMAP);
    TestDrive *drive1 = test_drive_new("drive1", MiB, BDRV_O_RDWR);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;

        g_assert_null(disk_host_plug(bus, "xen-disk", rows[i].props, &err));
        g_assert_nonnull(err);
        if (!strstr(error_get_pretty(err), rows[i].error)) {
            g_test_message("%s: %s", rows[i].props, error_get_pretty(err));
            g_test_fail();
        }
        error_free(err);
    }
    fixture_end(bus);
    test_drive_free(drive0);
    test_drive_free(drive1);
}

/* ---- media and size ---- */

typedef struct Seen {
    XenPvHv *hv;
    unsigned times;
    char *sectors;
    char *state;
} Seen;

/* What the guest finds when it looks the moment the state is written. */
static void state_written(void *opaque, const char *path, const char *token)
{
    Seen *seen = opaque;

    seen->times++;
    g_free(seen->sectors);
    g_free(seen->state);
    seen->sectors = fake_guest_read(seen->hv, SCENE_BE "/sectors");
    seen->state = fake_guest_read(seen->hv, SCENE_BE "/state");
}

static void seen_free(Seen *seen)
{
    g_free(seen->sectors);
    g_free(seen->state);
}

static void test_resize(void)
{
    Seen seen = { 0 };
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    buf = front_buf(s.front, 1);
    seen.hv = s.hv;
    fake_guest_watch(s.hv, SCENE_BE "/state", state_written, &seen);
    seen.times = 0;
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 8192, buf), ==,
                    BLKIF_RSP_ERROR);
    test_drive_resize(s.drive, 6 * MiB);
    g_assert_cmpuint(seen.times, ==, 1);
    g_assert_cmpstr(seen.sectors, ==, "12288");
    g_assert_cmpstr(seen.state, ==, "4");
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 8192, buf), ==,
                    BLKIF_RSP_OKAY);
    test_drive_resize(s.drive, 1 * MiB);
    g_assert_cmpuint(seen.times, ==, 2);
    g_assert_cmpstr(seen.sectors, ==, "2048");
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 2048, buf), ==,
                    BLKIF_RSP_ERROR);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 2040, buf), ==,
                    BLKIF_RSP_OKAY);
    g_free(buf);
    scene_end(&s);
    seen_free(&seen);
}

/* A disk nobody uses yet is resized, too. */
static void test_resize_before(void)
{
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    front_close(s.front);
    test_drive_resize(s.drive, 6 * MiB);
    fixture_settle();
    g_assert_cmpint(front_be_state(s.front), ==, XenbusStateClosed);
    scene_new_front(&s, &(FrontOpts) { 0 });
    front_set_state(s.front, XenbusStateInitialising);
    assert_node(s.hv, "12288", SCENE_BE "/sectors");
    front_connect(s.front);
    scene_works(&s);
    scene_end(&s);
}

static void test_cdrom(void)
{
    Seen seen = { 0 };
    BlockBackend *blk;
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .type = "xen-cdrom" });
    blk = XENPV_DISK(s.dev)->conf.blk;
    buf = front_buf(s.front, 1);
    assert_node(s.hv, "7", SCENE_BE "/info");
    assert_node(s.hv, "cdrom", SCENE_BE "/device-type");
    assert_node(s.hv, "r", SCENE_BE "/mode");
    memset(s.drive->data, 0x5a, 4096);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    BLKIF_RSP_OKAY);
    g_assert_cmpint(buf->page[0][4095], ==, 0x5a);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_WRITE, 0, buf), ==,
                    BLKIF_RSP_ERROR);

    /* The user ejects */
    seen.hv = s.hv;
    fake_guest_watch(s.hv, SCENE_BE "/state", state_written, &seen);
    seen.times = 0;
    blk_dev_change_media_cb(blk, false, &error_abort);
    g_assert_cmpuint(seen.times, ==, 1);
    g_assert_cmpstr(seen.sectors, ==, "0");
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    BLKIF_RSP_ERROR);
    bdrv_ref(s.drive->bs);
    blk_remove_bs(blk);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    BLKIF_RSP_ERROR);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_FLUSH_DISKCACHE, 0,
                             NULL), !=, FRONT_WAITING);

    /* ... and inserts */
    g_assert_cmpint(blk_insert_bs(blk, s.drive->bs, &error_abort), ==, 0);
    bdrv_unref(s.drive->bs);
    seen.times = 0;
    blk_dev_change_media_cb(blk, true, &error_abort);
    g_assert_cmpuint(seen.times, ==, 1);
    g_assert_cmpstr(seen.sectors, ==, "8192");
    g_assert_cmpstr(seen.state, ==, "4");
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    BLKIF_RSP_OKAY);
    g_free(buf);
    scene_end(&s);
    seen_free(&seen);
}

/* A drive that has never had a medium */
static void test_cdrom_empty(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    XenPvDevice *dev;
    Front *front;

    dev = disk_host_plug(bus, "xen-cdrom", "vdev=xvda", &error_abort);
    g_assert_cmpint(dev->devid, ==, SCENE_DEVID);
    front = front_new(hv, SCENE_DEVID, &(FrontOpts) { 0 });
    front_connect(front);
    assert_node(hv, "0", SCENE_BE "/sectors");
    g_assert_cmpint(front_be_state(front), ==, XenbusStateConnected);
    g_assert_cmpint(front_do(&front->ring[0], BLKIF_OP_FLUSH_DISKCACHE, 0,
                             NULL), !=, FRONT_WAITING);
    object_unparent(OBJECT(dev));
    fixture_settle();
    front_free(front);
    fixture_end(bus);
}

static void test_readonly(void)
{
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { .flags = BDRV_O_UNMAP });
    buf = front_buf(s.front, 2);
    assert_node(s.hv, "4", SCENE_BE "/info");
    assert_node(s.hv, "0", SCENE_BE "/feature-discard");
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_READ, 0, buf), ==,
                    BLKIF_RSP_OKAY);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_WRITE, 0, buf), ==,
                    BLKIF_RSP_ERROR);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_WRITE_BARRIER, 0,
                             buf), ==, BLKIF_RSP_ERROR);
    g_assert_cmpint(front_answer(&s.front->ring[0],
                                 front_put_discard(&s.front->ring[0], 0, 8,
                                                   0)), ==,
                    BLKIF_RSP_EOPNOTSUPP);
    g_assert_cmpint(front_do(&s.front->ring[0], BLKIF_OP_FLUSH_DISKCACHE, 0,
                             NULL), ==, BLKIF_RSP_OKAY);
    g_free(buf);
    scene_end(&s);
}

/* ---- pauses ---- */

/* Who drains the drive sees no request begin before he is done. */
static void test_drain(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    uint64_t id;
    int round;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    for (round = 0; round < 3; round++) {
        s.drive->delay_ns = 2 * SCALE_MS;
        id = front_put_buf(ring, BLKIF_OP_WRITE, 0, buf);
        front_push(ring);
        main_loop_wait(true);
        bdrv_drained_begin(s.drive->bs);
        g_assert_cmpint(front_status(ring, id), ==, BLKIF_RSP_OKAY);
        id = front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
        front_push(ring);
        fixture_settle();
        bdrv_drained_begin(s.drive->bs);
        g_assert_cmpuint(s.drive->in_flight, ==, 0);
        bdrv_drained_end(s.drive->bs);
        fixture_settle();
        g_assert_cmpint(front_status(ring, id), ==, FRONT_WAITING);
        assert_log(s.drive, "W0+8 w0+8 ");
        bdrv_drained_end(s.drive->bs);
        /* Without another event of the guest's */
        g_assert_cmpint(front_answer(ring, id), ==, BLKIF_RSP_OKAY);
        assert_log(s.drive, "W8+8 w8+8 ");
    }
    g_free(buf);
    scene_end(&s);
}

static void test_vm_stop(void)
{
    FrontRing *ring;
    FrontBuf *buf;
    uint64_t id;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    ring = &s.front->ring[0];
    buf = front_buf(s.front, 1);
    disk_host_vm(false);
    id = front_put_buf(ring, BLKIF_OP_WRITE, 8, buf);
    front_push(ring);
    fixture_settle();
    bdrv_drain_all();
    fixture_settle();
    g_assert_cmpint(front_status(ring, id), ==, FRONT_WAITING);
    assert_log(s.drive, "");
    /* One reason less is not none. */
    bdrv_drained_begin(s.drive->bs);
    disk_host_vm(true);
    fixture_settle();
    assert_log(s.drive, "");
    bdrv_drained_end(s.drive->bs);
    g_assert_cmpint(front_answer(ring, id), ==, BLKIF_RSP_OKAY);
    g_free(buf);
    scene_end(&s);
}

/* What is done to a VM that stands still */
static void test_unplug_stopped_vm(void)
{
    FrontBuf *buf;
    Scene s;

    scene_begin(&s, &(SceneOpts) { 0 });
    buf = front_buf(s.front, 1);
    disk_host_vm(false);
    front_put_buf(&s.front->ring[0], BLKIF_OP_WRITE, 8, buf);
    front_push(&s.front->ring[0]);
    fixture_settle();
    object_unparent(OBJECT(s.dev));
    disk_host_vm(true);
    g_free(buf);
    scene_end(&s);
}

/* ---- going away ---- */

static void test_unplug(void)
{
    DataPath data;

    for (data = 0; data < DATA_NR; data++) {
        FrontRing *ring;
        FrontBuf *buf;
        unsigned i;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        fixture_unplug(s.dev, &error_abort);
        fixture_settle();
        assert_node(s.hv, "5", SCENE_BE "/state");
        assert_node(s.hv, "0", SCENE_BE "/online");
        /* A guest that uses it goes on using it, to the end. */
        scene_works(&s);
        s.drive->delay_ns = 2 * SCALE_MS;
        for (i = 0; i < 8; i++) {
            front_put_buf(ring, BLKIF_OP_WRITE, 8 * i, buf);
        }
        front_push(ring);
        main_loop_wait(true);
        front_set_state(s.front, XenbusStateClosed);
        front_reap(ring);
        g_assert_cmpuint(ring->waiting, ==, 0);
        g_assert_true(QTAILQ_EMPTY(&s.bus->devices));
        assert_node(s.hv, NULL, SCENE_BE);
        g_free(buf);
        scene_end(&s);
    }
}

/* The user pulls it out while it works: every request is answered. */
static void test_surprise(void)
{
    DataPath data;

    for (data = 0; data < DATA_NR; data++) {
        FrontRing *ring;
        FrontBuf *buf;
        unsigned i;
        Scene s;

        scene_begin(&s, &(SceneOpts) { .data = data });
        ring = &s.front->ring[0];
        buf = front_buf(s.front, 1);
        s.drive->delay_ns = 2 * SCALE_MS;
        for (i = 0; i < 8; i++) {
            front_put_buf(ring, i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ,
                          8 * i, buf);
        }
        front_push(ring);
        main_loop_wait(true);
        object_unparent(OBJECT(s.dev));
        front_reap(ring);
        g_assert_cmpuint(ring->waiting, ==, 0);
        g_free(buf);
        scene_end(&s);
    }
}

int main(int argc, char **argv)
{
    disk_host_main(&argc, &argv);
    g_test_add_func("/xenpv/disk/nodes", test_nodes);
    g_test_add_func("/xenpv/disk/connect", test_connect);
    g_test_add_func("/xenpv/disk/data-path", test_data_path);
    g_test_add_func("/xenpv/disk/large-sectors", test_large_sectors);
    g_test_add_func("/xenpv/disk/bad-keys", test_bad_keys);
    g_test_add_func("/xenpv/disk/starts-over", test_starts_over);
    g_test_add_func("/xenpv/disk/properties", test_properties);
    g_test_add_func("/xenpv/disk/resize", test_resize);
    g_test_add_func("/xenpv/disk/resize-before", test_resize_before);
    g_test_add_func("/xenpv/disk/cdrom", test_cdrom);
    g_test_add_func("/xenpv/disk/cdrom-empty", test_cdrom_empty);
    g_test_add_func("/xenpv/disk/readonly", test_readonly);
    g_test_add_func("/xenpv/disk/drain", test_drain);
    g_test_add_func("/xenpv/disk/vm-stop", test_vm_stop);
    g_test_add_func("/xenpv/disk/unplug-stopped-vm", test_unplug_stopped_vm);
    g_test_add_func("/xenpv/disk/unplug", test_unplug);
    g_test_add_func("/xenpv/disk/surprise", test_surprise);
    return g_test_run();
}
