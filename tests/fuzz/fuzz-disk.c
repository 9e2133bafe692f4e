/*
 * Fuzz a whole disk: the driver, its ring and QEMU's block layer below, with a
 * front end that does anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is how the two connect, then a row of steps.  As long as the front
 * end keeps to the ring's rules every request must be answered, once, whatever
 * is in it; when it does not ("wild") all must still come apart, as at every
 * end, with nothing left mapped, bound or in flight.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "../unit/disk-front.h"
#include "fuzz.h"

#define MAX_STEPS   300
#define NR_PAGES    12

/**
 * World: a disk and its front end
 * @ring: the one there is
 * @buf: pages that requests may name; @readonly one they may not write to
 * @wild: what is in the ring's indices is not to be relied on any more
 */
typedef struct World {
    Scene scene;
    FrontRing *ring;
    FrontBuf *buf;
    uint32_t readonly;
    bool wild;
} World;

/*
 * In place of GLib's.  QEMU's RCU thread naps to let its work pile up; here
 * every input waits for it, several times.
 */
void g_usleep(gulong microseconds)
{
    sched_yield();
}

static const char *const protocols[] = { NULL, "x86_64-abi" };

static void world_init(World *w, FuzzInput *in)
{
    static const char *const props[] = {
        NULL,
        "logical_block_size=4096,physical_block_size=4096",
        "max-indirect-segments=8,secure-discard=on",
        "werror=report,rerror=report,discard_granularity=65536",
    };
    uint8_t how = fuzz_u8(in), more = fuzz_u8(in);
    SceneOpts opts = {
        .data = how % DATA_NR,
        .size = 1 * MiB,
        .props = props[more % ARRAY_SIZE(props)],
        .front = {
            .protocol = protocols[more >> 2 & 1],
            .order = more >> 3 & 3,
            .large_sectors = more >> 5 & 1,
        },
    };

    scene_begin(&w->scene, &opts);
    w->ring = &w->scene.front->ring[0];
    w->buf = front_buf(w->scene.front, NR_PAGES);
    front_grant(w->scene.front, true, &w->readonly);
}

/*
 * From now on the back end may close the device at any time: it then waits for
 * the drive, and we for the back end.
 */
static void go_wild(World *w)
{
    w->wild = true;
    test_drive_release(w->scene.drive);
}

static uint32_t pick_ref(World *w, uint8_t nr)
{
    switch (nr) {
    case 0 ... NR_PAGES * 16 - 1:
        return w->buf->ref[nr % NR_PAGES];
    case 255:
        /* The ring itself: reading into it makes a mess of it. */
        go_wild(w);
        return w->ring->ref[0];
    case 254:
        return w->readonly;
    default:
        return nr;
    }
}

static bool room(const World *w)
{
    return w->ring->waiting < w->ring->nr && !w->wild;
}

static unsigned read_segs(World *w, FuzzInput *in, FrontSeg *segs,
                          unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        segs[i].ref = pick_ref(w, fuzz_u8(in));
        segs[i].first = fuzz_u8(in);
        segs[i].last = fuzz_u8(in);
        if (!segs[i].first && !segs[i].last) {
            /* Mostly whole pages, also when the input is at its end. */
            segs[i].last = 7;
        }
    }
    return nr;
}

static void put_direct(World *w, FuzzInput *in)
{
    FrontSeg segs[XENPV_BLKIF_MAX_DIRECT] = { { 0 } };
    uint8_t op = fuzz_u8(in) % 4, nr = fuzz_u8(in);
    uint64_t sector = fuzz_u16(in);

    read_segs(w, in, segs, MIN(nr, ARRAY_SIZE(segs)));
    front_put(w->ring, op, sector, segs, nr);
}

static void put_indirect(World *w, FuzzInput *in)
{
    g_autofree FrontSeg *segs = g_new0(FrontSeg, XENPV_BLKIF_SEGS_PER_PAGE);
    uint8_t op = fuzz_u8(in);
    uint16_t nr = fuzz_u16(in), i;
    uint64_t sector = fuzz_u16(in);
    unsigned given = read_segs(w, in, segs, 8);

    for (i = given; i < MIN(nr, XENPV_BLKIF_SEGS_PER_PAGE); i++) {
        segs[i] = segs[i % given];
    }
    front_put_indirect(w->ring, op, sector, segs, nr);
}

static void put_discard(World *w, FuzzInput *in)
{
    uint8_t flag = fuzz_u8(in);
    uint64_t sector = fuzz_u16(in);

    front_put_discard(w->ring, sector, fuzz_u16(in), flag);
}

static void put_raw(World *w, FuzzInput *in)
{
    g_autofree uint8_t *slot = fuzz_copy(in, w->ring->abi->stride);

    front_put_raw(w->ring, slot, slot[slot[0] == BLKIF_OP_INDIRECT]);
}

/* Into a page of data or of the ring's, but not into its header. */
static void poke(World *w, FuzzInput *in)
{
    uint8_t where = fuzz_u8(in);
    uint16_t at = fuzz_u16(in) % XENPV_PAGE_SIZE;
    uint8_t *page = where & 1 ? w->ring->page[0]
                              : w->buf->page[where / 2 % NR_PAGES];

    if (!(where & 1) || at >= XENPV_RING_HEADER) {
        page[at] = fuzz_u8(in);
        if (where & 1) {
            /* A response that was overwritten is no longer one of ours. */
            go_wild(w);
        }
    }
}

static void lie(World *w, FuzzInput *in)
{
    XenPvRingHeader *shared = w->ring->page[0];
    uint8_t which = fuzz_u8(in);
    uint32_t value = fuzz_u32(in);

    go_wild(w);
    switch (which % 3) {
    case 0:
        qatomic_set(&shared->req_prod, value);
        break;
    case 1:
        qatomic_set(&shared->req_prod, w->ring->req_pushed + value % 64);
        break;
    default:
        qatomic_set(&shared->rsp_prod, value);
        break;
    }
    fake_guest_notify(w->scene.hv, w->ring->port);
}

static void push(World *w)
{
    if (w->wild) {
        fake_guest_notify(w->scene.hv, w->ring->port);
    } else {
        front_push(w->ring);
    }
}

static void drive(World *w, FuzzInput *in)
{
    static const int errors[] = { EIO, ENOSPC, EINVAL, ENOTSUP };
    uint8_t what = fuzz_u8(in);

    switch (what % 4) {
    case 0:
        if (!w->wild) {
            test_drive_hold(w->scene.drive);
        }
        break;
    case 1:
        test_drive_release(w->scene.drive);
        break;
    case 2:
        test_drive_fail(w->scene.drive, what / 4 % TEST_NR_OPS,
                        errors[what / 32 % ARRAY_SIZE(errors)], 2);
        break;
    default:
        /* Waits for the drive, too. */
        test_drive_release(w->scene.drive);
        test_drive_resize(w->scene.drive,
                          (what / 4 + 1) * (w->scene.drive->max_size / 64) &
                          ~4095ull);
        break;
    }
}

/*
 * Reaping is what a front end does when it gets an event.  A full drive stops
 * the VM; somebody makes room and lets it go on.
 */
static void settle(World *w)
{
    fixture_settle();
    while (disk_host_stop_wanted()) {
        disk_host_vm(false);
        disk_host_vm(true);
        fixture_settle();
    }
    if (!w->wild) {
        front_reap(w->ring);
    }
}

static void step(World *w, FuzzInput *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what % 12) {
    case 0:
    case 1:
        if (room(w)) {
            put_direct(w, in);
        }
        break;
    case 2:
        if (room(w)) {
            put_indirect(w, in);
        }
        break;
    case 3:
        if (room(w)) {
            put_discard(w, in);
        }
        break;
    case 4:
        if (room(w)) {
            put_raw(w, in);
        }
        break;
    case 5:
        push(w);
        break;
    case 6:
        settle(w);
        break;
    case 7:
        push(w);
        settle(w);
        break;
    case 8:
        drive(w, in);
        break;
    case 9:
        poke(w, in);
        break;
    case 10:
        lie(w, in);
        break;
    default:
        go_wild(w);
        front_set_state(w->scene.front, what / 12 % 9);
        break;
    }
}

static void init_once(void)
{
    static bool ready;
    char *args[] = { (char *)"xenpv-fuzz-disk", NULL };
    char **argv = args;
    int argc = 1;
    sigset_t alarm;

    if (ready) {
        return;
    }
    disk_host_main(&argc, &argv);
    /* QEMU's main loop keeps it to itself; libFuzzer's time-out needs it. */
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    ready = true;
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    World w = { { 0 } };
    int i;

    init_once();
    world_init(&w, &in);
    for (i = 0; i < MAX_STEPS && in.len; i++) {
        step(&w, &in);
    }
    test_drive_release(w.scene.drive);
    push(&w);
    settle(&w);
    if (!w.wild) {
        front_finish(w.ring);
    }
    g_free(w.buf);
    scene_end(&w.scene);
    g_free(fixture_log());
}

void fuzz_seeds(void)
{
    static const uint8_t each[] = {
        0, 0,
        0, 1, 2, 8, 0, 1, 0, 0, 2, 0, 0,            /* write 2 pages */
        7,
        0, 0, 2, 8, 0, 3, 0, 0, 4, 0, 0,            /* read them */
        0, 3, 0, 0, 0,                              /* flush */
        0, 2, 1, 8, 0, 1, 2, 5,                     /* barrier with data */
        7,
        2, 1, 32, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0, 0,
        6, 0, 0, 7, 0, 0, 8, 0, 0,                  /* 32 segments */
        3, 0, 0, 0, 128, 0,                         /* discard */
        7,
    };
    static const uint8_t held[] = {
        1, 4,
        8, 0,                                       /* nothing ends */
        0, 1, 1, 8, 0, 1, 0, 0,
        0, 2, 0, 0, 0,
        0, 1, 1, 16, 0, 2, 0, 0,
        7,
        8, 1, 6,                                    /* now all of it does */
        8, 6, 0, 1, 1, 8, 0, 1, 0, 0, 7,            /* a write that fails */
    };
    static const uint8_t gone[] = {
        2, 8,
        8, 0,
        0, 1, 1, 8, 0, 1, 0, 0,
        7,
        71, 83,                                     /* Closing, Closed */
    };
    static const uint8_t lies[] = {
        1, 0,
        0, 1, 1, 8, 0, 1, 0, 0, 7,
        10, 0, 0xff, 0xff, 0xff, 0x7f, 6,
    };

    fuzz_seed("each", each, sizeof(each));
    fuzz_seed("held", held, sizeof(held));
    fuzz_seed("gone", gone, sizeof(gone));
    fuzz_seed("lies", lies, sizeof(lies));
}
