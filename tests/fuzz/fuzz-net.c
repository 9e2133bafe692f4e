/*
 * Fuzz a whole NIC: the driver and its rings, with a front end that does
 * anything and a peer that takes packets or does not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As long as the front end keeps to the rings' rules every response is judged
 * as it comes (net-front.c); when it does not ("wild") all must still come
 * apart, as at every end, with nothing left mapped, bound or pinned.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "system/runstate.h"
#include "../unit/net-front.h"
#include "fuzz.h"

#define MAX_STEPS   200

typedef struct World {
    Scene scene;
    FrontQueue *q;
    uint32_t readonly;
    bool wild;
} World;

/* In place of GLib's: see fuzz-disk.c. */
void g_usleep(gulong microseconds)
{
    sched_yield();
}

static void world_init(World *w, FuzzInput *in)
{
    uint8_t how = fuzz_u8(in), more = fuzz_u8(in);
    SceneOpts opts = {
        .copy = how & 1,
        .vnet = how & 2,
        .one_piece = (how & 6) == 4,
        .queues = "2",
        .drain = "1",
        .rate = how & 8 ? "5000,1000" : NULL,
        .front = {
            .queues = 1 + (how >> 4 & 1),
            .one_channel = how & 32,
            .no_sg = more & 1,
            .no_gso = more & 2,
            .no_csum4 = more & 4,
            .no_csum6 = more & 8,
            .no_notify = more & 16,
            .mcast = more & 32,
            .headroom = more & 64 ? 256 : 0,
            .ctrl = true,
        },
    };

    scene_begin(&w->scene, &opts);
    w->q = w->scene.q;
    /* A packet behind an unfinished chain is data of that. */
    w->q->any_ids = true;
    front_grant(w->scene.front, true, &w->readonly);
}

static uint32_t pick_ref(World *w, uint8_t nr)
{
    switch (nr) {
    case 0 ... 200:
        return w->q->ref[nr % 24];
    case 254:
        return w->readonly;
    case 255:
        return w->q->tx_ref;
    default:
        return nr;
    }
}

static bool tx_room(World *w)
{
    return !w->wild && w->q->tx_prod - w->q->tx_cons < FRONT_SLOTS - 1;
}

static void tx_slot(World *w, FuzzInput *in)
{
    uint8_t ref = fuzz_u8(in), flags = fuzz_u8(in);
    uint16_t offset = fuzz_u16(in), size = fuzz_u16(in);

    front_tx_slot(w->q, pick_ref(w, ref), offset, flags,
                  w->q->tx_prod % FRONT_SLOTS, size);
}

static void tx_raw(World *w, FuzzInput *in)
{
    g_autofree uint8_t *data = fuzz_copy(in, 6);
    uint8_t type = fuzz_u8(in), flags = fuzz_u8(in);

    front_tx_extra(w->q, type, flags, data, 6);
}

static void tx_packet(World *w, FuzzInput *in)
{
    g_autofree uint8_t *frame = g_malloc0(70000);
    uint8_t how = fuzz_u8(in), gso = fuzz_u8(in) % 4;
    uint16_t payload = fuzz_u16(in), mss = fuzz_u16(in);
    uint16_t at = fuzz_u16(in);
    unsigned len, nr, i, n;

    payload = MIN(payload, 60000);
    len = frame_make(frame, how & 1 ? 4 : 6, how & 2, payload, how & 4,
                     how & 8);
    frame[at % 80] ^= fuzz_u8(in);
    nr = DIV_ROUND_UP(len, 4096);
    if (w->q->tx_prod - w->q->tx_cons + nr + 1 >= FRONT_SLOTS) {
        return;
    }
    for (i = 0; i < nr; i++) {
        unsigned page = (w->q->tx_prod + i) % 24;

        n = MIN(4096, len - i * 4096);
        memcpy(w->q->page[page], frame + i * 4096, n);
        front_tx_slot(w->q, w->q->ref[page], 0,
                      (i + 1 < nr ? NETTXF_more_data : 0) |
                      (!i && how & 16 ? NETTXF_csum_blank : 0) |
                      (!i && gso ? NETTXF_extra_info : 0),
                      w->q->tx_prod % FRONT_SLOTS, i ? n : len);
        if (!i && gso) {
            front_tx_gso(w->q, gso, mss, false);
        }
    }
}

static void receive(World *w, FuzzInput *in)
{
    g_autofree uint8_t *frame = g_malloc0(70000);
    uint8_t how = fuzz_u8(in);
    uint16_t payload = fuzz_u16(in), at = fuzz_u16(in);
    struct virtio_net_hdr vnet = {
        .flags = fuzz_u8(in) & 3,
        .gso_type = fuzz_u8(in),
        .gso_size = fuzz_u16(in),
        .csum_start = fuzz_u16(in),
        .csum_offset = fuzz_u8(in),
    };
    unsigned len;

    if (test_peer_waiting()) {
        return;                 /* it would not be asked for more */
    }
    payload = MIN(payload, 65000);
    len = frame_make(frame, how & 1 ? 4 : 6, how & 2, payload, how & 4,
                     how & 8);
    frame[at % 80] ^= fuzz_u8(in);
    if (how & 16) {
        vnet.csum_start = (how & 8 ? 18 : 14) + (how & 1 ? 20 : 40);
        vnet.csum_offset = how & 2 ? 16 : 6;
    }
    test_peer_send(0, test_peer.vnet ? &vnet : NULL, frame,
                   how & 32 ? at % len + 1 : len);
}

static void ctrl(World *w, FuzzInput *in)
{
    uint16_t type = fuzz_u8(in) % 13;
    uint32_t a = fuzz_u8(in), b = fuzz_u8(in), c = fuzz_u16(in);

    if (front_be_state(w->scene.front) != XenbusStateConnected ||
        !runstate_is_running()) {
        return;                 /* nobody would answer */
    }
    /* Which of them is a reference depends on the type. */
    front_ctrl(w->scene.front, type,
               type == 3 || type == 6 ? pick_ref(w, a) : a,
               type == 9 || type == 10 ? pick_ref(w, b) : b, c, NULL);
}

static void lie(World *w, FuzzInput *in)
{
    uint8_t which = fuzz_u8(in);
    XenPvRingHeader *shared = (XenPvRingHeader *)
        (which & 1 ? w->q->tx : which & 2 ? w->q->rx : w->scene.front->ctrl);
    uint32_t value = fuzz_u32(in);

    w->wild = true;
    if (which & 4) {
        value = shared->req_prod + value % 64;
    }
    qatomic_set(&shared->req_prod, value);
    fake_guest_notify(w->scene.hv, w->q->tx_port);
    fake_guest_notify(w->scene.hv, w->q->rx_port);
    if (!(which & 3)) {
        fake_guest_notify(w->scene.hv, w->scene.front->ctrl_port);
    }
}

static void settle(World *w)
{
    fixture_settle();
    if (!w->wild) {
        front_tx_reap(w->q);
        front_rx_reap(w->q);
    }
}

static void step(World *w, FuzzInput *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what % 16) {
    case 0:
    case 1:
        if (tx_room(w)) {
            tx_slot(w, in);
        }
        break;
    case 2:
    case 3:
        if (!w->wild) {
            tx_packet(w, in);
        }
        break;
    case 4:
        if (tx_room(w)) {
            tx_raw(w, in);
        }
        break;
    case 5:
    case 6:
        front_tx_push(w->q);
        break;
    case 7:
    case 8:
        receive(w, in);
        break;
    case 9:
        if (!w->wild) {
            front_rx_post(w->q, MIN(fuzz_u8(in), FRONT_SLOTS -
                                    (w->q->rx_prod - w->q->rx_cons)));
        }
        break;
    case 10:
        if (!w->wild) {
            ctrl(w, in);
        }
        break;
    case 11:
        test_peer.hold = what & 16;
        if (!test_peer.hold) {
            test_peer_release();
        }
        break;
    case 12:
        lie(w, in);
        break;
    case 13:
        w->wild = true;
        front_set_state(w->scene.front, what / 16 % 9);
        break;
    case 14:
        test_vm_run(what & 16);
        break;
    default:
        settle(w);
        break;
    }
}

static void init_once(void)
{
    static bool ready;
    char *args[] = { (char *)"xenpv-fuzz-net", NULL };
    char **argv = args;
    int argc = 1;
    sigset_t alarm;

    if (ready) {
        return;
    }
    fixture_main(&argc, &argv);
    qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
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
    test_vm_run(true);
    test_peer_release();
    settle(&w);
    scene_end(&w.scene);
    g_free(fixture_log());
}

void fuzz_seeds(void)
{
    static const uint8_t send[] = {
        0, 0,
        2, 7, 0, 0xe8, 3, 0, 0, 0, 0, 0,        /* UDP, as it is */
        2, 23, 1, 0x88, 0x13, 0xa8, 5, 0, 0, 0, /* TCP, to be segmented */
        5, 15,
    };
    static const uint8_t get[] = {
        2, 0,
        9, 40,
        7, 23, 0x88, 0x13, 0, 0, 1, 1, 0xa8, 5, 0, 0, 0, 0,
        15,
        7, 3, 0xe8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        15,
    };
    static const uint8_t copied[] = {
        1, 64,
        9, 20, 7, 3, 0x10, 0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15,
        2, 23, 2, 0x88, 0x13, 0xa8, 5, 0, 0, 0, 5, 15,
        10, 7, 1, 0, 0, 0, 10, 2, 15, 0, 0, 0,
    };
    static const uint8_t lies[] = { 0, 0, 12, 1, 0xff, 0xff, 0xff, 0x7f };

    fuzz_seed("send", send, sizeof(send));
    fuzz_seed("get", get, sizeof(get));
    fuzz_seed("copied", copied, sizeof(copied));
    fuzz_seed("lies", lies, sizeof(lies));
}
