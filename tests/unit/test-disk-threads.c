/*
 * A disk whose queues are served by other threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest is in the main thread here, as are the store and all that happens
 * to the device; requests are taken, performed and answered in IOThreads.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/disk.h"
#include "system/block-backend.h"
#include "disk-front.h"

#define DEPTH 8
/* Up to 29 pages each */
#define SLOT_SECTORS (29 * 8)

static const char *const placements[] = {
    "queues=4,iothread=t0",
    "queues=4,iothread-vq-mapping=[{'iothread':'t0'}]",
    "queues=4,iothread-vq-mapping=[{'iothread':'t0'},{'iothread':'t1'}]",
    "queues=4,iothread-vq-mapping=[{'iothread':'t0','vqs':[3,1]},"
        "{'iothread':'t1','vqs':[0]},{'iothread':'t2','vqs':[2]}]",
};

typedef struct Threads {
    IOThread *t[3];
} Threads;

static void threads_begin(Threads *threads)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(threads->t); i++) {
        g_autofree char *id = g_strdup_printf("t%u", i);

        threads->t[i] = disk_host_iothread(id);
    }
}

static void threads_end(Threads *threads)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(threads->t); i++) {
        g_assert_cmpint(OBJECT(threads->t[i])->ref, ==, 1);
        object_unparent(OBJECT(threads->t[i]));
    }
}

/* ---- load ---- */

typedef struct Load {
    Front *front;
    FrontBuf *buf[FRONT_MAX_QUEUES][DEPTH];
} Load;

static void load_begin(Load *load, Front *front)
{
    unsigned q, i;

    *load = (Load) { .front = front };
    for (q = 0; q < front->nr_queues; q++) {
        for (i = 0; i < DEPTH; i++) {
            load->buf[q][i] = front_buf(front, 1 + 4 * i);
        }
    }
}

static void load_end(Load *load)
{
    unsigned q, i;

    for (q = 0; q < FRONT_MAX_QUEUES; q++) {
        for (i = 0; i < DEPTH; i++) {
            g_free(load->buf[q][i]);
        }
    }
}

static uint64_t load_sector(unsigned q, unsigned i)
{
    return (q * DEPTH + i) * SLOT_SECTORS;
}

/* To all queues at once; nobody waits yet. */
static void load_push(Load *load, uint8_t op)
{
    unsigned q, i;

    for (q = 0; q < load->front->nr_queues; q++) {
        FrontRing *ring = &load->front->ring[q];

        for (i = 0; i < DEPTH; i++) {
            front_put_buf(ring, op, load_sector(q, i), load->buf[q][i]);
        }
        front_push(ring);
    }
}

static void load_finish(Load *load)
{
    unsigned q;

    for (q = 0; q < load->front->nr_queues; q++) {
        front_finish(&load->front->ring[q]);
    }
}

static unsigned load_seed(unsigned q, unsigned i, unsigned round)
{
    return q * 1000 + i * 100 + round;
}

static void load_compare(Load *load, unsigned round)
{
    unsigned q, i, page;

    for (q = 0; q < load->front->nr_queues; q++) {
        for (i = 0; i < DEPTH; i++) {
            FrontBuf *buf = load->buf[q][i];
            FrontBuf *is = g_memdup2(buf, sizeof(*buf));
            g_autofree uint8_t *pages = g_malloc(buf->nr * XENPV_PAGE_SIZE);

            for (page = 0; page < buf->nr; page++) {
                is->page[page] = pages + page * XENPV_PAGE_SIZE;
            }
            front_buf_fill(is, load_seed(q, i, round));
            for (page = 0; page < buf->nr; page++) {
                g_assert_cmpmem(buf->page[page], XENPV_PAGE_SIZE,
                                is->page[page], XENPV_PAGE_SIZE);
            }
            g_free(is);
        }
    }
}

/* Write, and read back. */
static void load_verify(Load *load, unsigned round)
{
    unsigned q, i;

    for (q = 0; q < load->front->nr_queues; q++) {
        for (i = 0; i < DEPTH; i++) {
            front_buf_fill(load->buf[q][i], load_seed(q, i, round));
        }
    }
    load_push(load, BLKIF_OP_WRITE);
    load_finish(load);
    for (q = 0; q < load->front->nr_queues; q++) {
        for (i = 0; i < DEPTH; i++) {
            front_buf_clear(load->buf[q][i]);
        }
    }
    load_push(load, BLKIF_OP_READ);
    load_finish(load);
    load_compare(load, round);
}

/* ---- tests ---- */

static void test_load(void)
{
    unsigned p, round;

    for (DataPath data = 0; data < DATA_NR; data++) {
        for (p = 0; p < ARRAY_SIZE(placements); p++) {
            Threads threads;
            Load load;
            Scene s;

            threads_begin(&threads);
            scene_begin(&s, &(SceneOpts) {
                .data = data, .props = placements[p],
                .front = { .queues = 4, .order = p },
            });
            load_begin(&load, s.front);
            for (round = 0; round < 20; round++) {
                load_verify(&load, round);
            }
            load_end(&load);
            scene_end(&s);
            threads_end(&threads);
        }
    }
}

static void reconnect(Scene *s, Load *load)
{
    load_end(load);
    scene_new_front(s, &(FrontOpts) { .queues = 4 });
    front_set_state(s->front, XenbusStateInitialising);
    front_connect(s->front);
    g_assert_cmpint(front_be_state(s->front), ==, XenbusStateConnected);
    load_begin(load, s->front);
}

/* The guest goes and comes while all queues are busy. */
static void test_reconnect(void)
{
    unsigned p, round;

    for (DataPath data = 0; data < DATA_NR; data++) {
        for (p = 0; p < ARRAY_SIZE(placements); p++) {
            Threads threads;
            Load load;
            Scene s;

            threads_begin(&threads);
            scene_begin(&s, &(SceneOpts) {
                .data = data, .props = placements[p],
                .front = { .queues = 4 },
            });
            load_begin(&load, s.front);
            for (round = 0; round < 20; round++) {
                s.drive->delay_ns = round % 3 * SCALE_MS / 2;
                load_push(&load, round % 2 ? BLKIF_OP_WRITE_BARRIER :
                                             BLKIF_OP_READ);
                if (round % 4 == 1) {
                    main_loop_wait(true);
                }
                if (round % 5 == 2) {
                    front_set_state(s.front, XenbusStateClosed);
                } else {
                    front_set_state(s.front, XenbusStateInitialising);
                }
                assert_idle(&s);
                g_assert_cmpuint(s.drive->in_flight, ==, 0);
                reconnect(&s, &load);
            }
            load_verify(&load, 1);
            load_end(&load);
            scene_end(&s);
            threads_end(&threads);
        }
    }
}

/* One request after another, the last of which meets the end. */
static void test_last_request(void)
{
    Threads threads;
    unsigned round;
    Load load;
    Scene s;

    threads_begin(&threads);
    scene_begin(&s, &(SceneOpts) {
        .props = placements[2], .front = { .queues = 4 },
    });
    load_begin(&load, s.front);
    for (round = 0; round < 300; round++) {
        FrontRing *ring = &s.front->ring[round % 4];

        test_drive_hold(s.drive);
        front_put_buf(ring, BLKIF_OP_READ, 0, load.buf[0][0]);
        front_push(ring);
        while (!qatomic_read(&s.drive->held)) {
            main_loop_wait(true);
        }
        test_drive_release(s.drive);
        front_set_state(s.front, XenbusStateInitialising);
        front_reap(ring);
        g_assert_cmpuint(ring->waiting, ==, 0);
        reconnect(&s, &load);
    }
    load_end(&load);
    scene_end(&s);
    threads_end(&threads);
}

static void test_drain(void)
{
    unsigned p, round;

    for (p = 0; p < ARRAY_SIZE(placements); p++) {
        Threads threads;
        Load load;
        Scene s;

        threads_begin(&threads);
        scene_begin(&s, &(SceneOpts) {
            .props = placements[p], .front = { .queues = 4 },
        });
        load_begin(&load, s.front);
        for (round = 0; round < 100; round++) {
            s.drive->delay_ns = round % 3 * SCALE_US * 100;
            load_push(&load, round % 2 ? BLKIF_OP_WRITE_BARRIER :
                                         BLKIF_OP_READ);
            g_usleep(g_test_rand_int_range(0, 300));
            bdrv_drained_begin(s.drive->bs);
            g_assert_cmpuint(qatomic_read(&s.drive->in_flight), ==, 0);
            g_usleep(g_test_rand_int_range(0, 300));
            main_loop_wait(true);
            g_assert_cmpuint(qatomic_read(&s.drive->in_flight), ==, 0);
            bdrv_drained_end(s.drive->bs);
            load_finish(&load);
        }
        load_verify(&load, 1);
        load_end(&load);
        scene_end(&s);
        threads_end(&threads);
    }
}

static void test_vm_stop(void)
{
    unsigned round;
    Threads threads;
    Load load;
    Scene s;

    threads_begin(&threads);
    scene_begin(&s, &(SceneOpts) {
        .props = placements[3], .front = { .queues = 4 },
    });
    load_begin(&load, s.front);
    for (round = 0; round < 100; round++) {
        load_push(&load, BLKIF_OP_READ);
        g_usleep(g_test_rand_int_range(0, 300));
        /* As vm_stop() does it */
        disk_host_vm(false);
        bdrv_drain_all();
        g_assert_cmpuint(qatomic_read(&s.drive->in_flight), ==, 0);
        g_usleep(g_test_rand_int_range(0, 300));
        g_assert_cmpuint(qatomic_read(&s.drive->in_flight), ==, 0);
        disk_host_vm(true);
        load_finish(&load);
    }
    load_verify(&load, 1);
    load_end(&load);
    scene_end(&s);
    threads_end(&threads);
}

static bool stop_wanted(void *opaque)
{
    return disk_host_stop_wanted();
}

static void test_errors_stop(void)
{
    unsigned round;
    Threads threads;
    Load load;
    Scene s;

    threads_begin(&threads);
    scene_begin(&s, &(SceneOpts) {
        .props = "werror=stop,rerror=stop,queues=4,"
                 "iothread-vq-mapping=[{'iothread':'t0'},{'iothread':'t1'}]",
        .front = { .queues = 4 },
    });
    load_begin(&load, s.front);
    for (round = 0; round < 20; round++) {
        test_drive_fail(s.drive, TEST_READ, EIO, 5);
        load_push(&load, BLKIF_OP_READ);
        while (s.drive->fail_left[TEST_READ]) {
            g_assert_true(fixture_wait(stop_wanted, NULL));
            disk_host_vm(false);
            bdrv_drain_all();
            disk_host_vm(true);
        }
        main_loop_wait(true);
        disk_host_vm(false);
        disk_host_vm(true);
        load_finish(&load);
        disk_host_stop_wanted();
    }
    /* The guest goes while some of it has stopped. */
    test_drive_fail(s.drive, TEST_READ, EIO, 5);
    load_push(&load, BLKIF_OP_READ);
    g_assert_true(fixture_wait(stop_wanted, NULL));
    disk_host_vm(false);
    front_set_state(s.front, XenbusStateInitialising);
    assert_idle(&s);
    disk_host_vm(true);
    load_end(&load);
    scene_end(&s);
    disk_host_stop_wanted();
    threads_end(&threads);
}

static void release_bh(void *opaque)
{
    test_drive_release(opaque);
}

static void test_surprise(void)
{
    unsigned p, q;

    for (DataPath data = 0; data < DATA_NR; data++) {
        for (p = 0; p < ARRAY_SIZE(placements); p++) {
            Threads threads;
            Load load;
            Scene s;

            threads_begin(&threads);
            scene_begin(&s, &(SceneOpts) {
                .data = data, .props = placements[p],
                .front = { .queues = 4 },
            });
            load_begin(&load, s.front);
            test_drive_hold(s.drive);
            load_push(&load, BLKIF_OP_READ);
            while (qatomic_read(&s.drive->held) < 4 * DEPTH) {
                main_loop_wait(true);
            }
            /* While the device waits for its requests */
            aio_bh_schedule_oneshot(qemu_get_aio_context(), release_bh,
                                    s.drive);
            object_unparent(OBJECT(s.dev));
            for (q = 0; q < 4; q++) {
                front_reap(&s.front->ring[q]);
            }
            load_end(&load);
            scene_end(&s);
            threads_end(&threads);
        }
    }
}

/* A ring that breaks in a thread closes the device in the main loop. */
static bool is_closing(void *opaque)
{
    return front_be_state(opaque) == XenbusStateClosing;
}

static void test_broken(void)
{
    FrontRing *ring;
    Threads threads;
    Scene s;

    threads_begin(&threads);
    scene_begin(&s, &(SceneOpts) {
        .props = placements[3], .front = { .queues = 4 },
    });
    ring = &s.front->ring[2];
    ((XenPvRingHeader *)ring->page[0])->req_prod += 1000;
    fake_guest_notify(s.hv, ring->port);
    g_assert_true(fixture_wait(is_closing, s.front));
    assert_idle(&s);
    scene_end(&s);
    threads_end(&threads);
}

/* The user deletes a thread that is in use: it ends with the disk. */
static void test_deleted(void)
{
    unsigned p, i;

    for (p = 0; p < ARRAY_SIZE(placements); p++) {
        Threads threads;
        Load load;
        Scene s;

        threads_begin(&threads);
        scene_begin(&s, &(SceneOpts) {
            .props = placements[p], .front = { .queues = 4 },
        });
        for (i = 0; i < ARRAY_SIZE(threads.t); i++) {
            object_unparent(OBJECT(threads.t[i]));
        }
        load_begin(&load, s.front);
        load_verify(&load, 1);
        load_end(&load);
        scene_end(&s);
    }
}

static void test_resize(void)
{
    unsigned round;
    Threads threads;
    Load load;
    Scene s;

    threads_begin(&threads);
    scene_begin(&s, &(SceneOpts) {
        .props = placements[2], .front = { .queues = 4 },
    });
    load_begin(&load, s.front);
    for (round = 0; round < 50; round++) {
        load_push(&load, BLKIF_OP_READ);
        test_drive_resize(s.drive, (4 + round % 4) * MiB);
        load_finish(&load);
    }
    load_end(&load);
    scene_end(&s);
    threads_end(&threads);
}

static void test_mapping_errors(void)
{
    static const struct {
        const char *props;
        const char *error;
    } rows[] = {
        { "[{'iothread':'t9'}]", "there is no iothread 't9'" },
        { "[{'iothread':'t0','vqs':[0,1]}]", "queue 2 is not mapped" },
        { "[{'iothread':'t0','vqs':[0,1,2,3,4]}]", "there is no queue 4" },
        { "[{'iothread':'t0','vqs':[0,1,2,3]},{'iothread':'t1','vqs':[3]}]",
          "queue 3 is mapped twice" },
        { "[{'iothread':'t0','vqs':[0,1,2,3]},{'iothread':'t1'}]",
          "either all entries have vqs or none" },
        { "[{'iothread':'t0'}],iothread=t1", "cannot be used together" },
    };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestDrive *drive = test_drive_new("drive0", MiB, BDRV_O_RDWR);
    Threads threads;
    unsigned i;

    threads_begin(&threads);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *props =
            g_strdup_printf("drive=drive0,queues=4,iothread-vq-mapping=%s",
                            rows[i].props);
        Error *err = NULL;

        g_assert_null(disk_host_plug(bus, "xen-disk", props, &err));
        g_assert_nonnull(err);
        if (!strstr(error_get_pretty(err), rows[i].error)) {
            g_test_message("%s: %s", rows[i].props, error_get_pretty(err));
            g_test_fail();
        }
        error_free(err);
    }
    fixture_end(bus);
    test_drive_free(drive);
    threads_end(&threads);
}

int main(int argc, char **argv)
{
    disk_host_main(&argc, &argv);
    g_test_add_func("/xenpv/disk/threads/load", test_load);
    g_test_add_func("/xenpv/disk/threads/reconnect", test_reconnect);
    g_test_add_func("/xenpv/disk/threads/last-request", test_last_request);
    g_test_add_func("/xenpv/disk/threads/drain", test_drain);
    g_test_add_func("/xenpv/disk/threads/vm-stop", test_vm_stop);
    g_test_add_func("/xenpv/disk/threads/errors-stop", test_errors_stop);
    g_test_add_func("/xenpv/disk/threads/surprise", test_surprise);
    g_test_add_func("/xenpv/disk/threads/broken", test_broken);
    g_test_add_func("/xenpv/disk/threads/deleted", test_deleted);
    g_test_add_func("/xenpv/disk/threads/resize", test_resize);
    g_test_add_func("/xenpv/disk/threads/mapping-errors",
                    test_mapping_errors);
    return g_test_run();
}
