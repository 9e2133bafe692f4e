/*
 * Fuzz a whole request ring: a front end that writes anything anywhere in its
 * pages, at any time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is the ring's size and start, then a row of steps: the front end
 * writes a number somewhere, or the back end takes, answers, pushes or looks
 * whether it may sleep.  A model beside it counts what is owed.
 */
#include "qemu/osdep.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/drivers/blkif.h"
#include "fuzz.h"

#define MAX_PAGES   4
#define MAX_STEPS   2000

typedef struct World {
    XenPvMap map;
    void *page[MAX_PAGES];
    const XenPvBlkifAbi *abi;
    XenPvRing ring;
    uint32_t owed;
    XenPvBlkifSeg *segs;
} World;

/* A page of its own each, so that a sanitizer sees what lies between. */
static bool world_init(World *w, FuzzInput *in)
{
    uint32_t start, i;

    w->abi = xenpv_blkif_abi(fuzz_u8(in) & 1 ? "x86_64-abi" : NULL);
    w->map.nr_pages = fuzz_u8(in) % MAX_PAGES + 1;
    w->map.page = w->page;
    for (i = 0; i < w->map.nr_pages; i++) {
        w->page[i] = g_malloc0(XENPV_PAGE_SIZE);
    }
    start = fuzz_u32(in);
    ((XenPvRingHeader *)w->page[0])->req_prod = start;
    ((XenPvRingHeader *)w->page[0])->rsp_prod = start;
    w->segs = g_new(XenPvBlkifSeg, XENPV_BLKIF_MAX_SEGS);
    return xenpv_ring_init(&w->ring, &w->map, w->abi->stride);
}

static void world_clear(World *w)
{
    uint32_t i;

    for (i = 0; i < w->map.nr_pages; i++) {
        g_free(w->page[i]);
    }
    g_free(w->segs);
}

static void judge(const World *w)
{
    const XenPvRing *ring = &w->ring;

    g_assert_cmpuint(w->owed, ==, ring->req_cons - ring->rsp_prod);
    g_assert_cmpuint(w->owed, <=, ring->nr);
    g_assert_cmpuint(ring->req_prod - ring->rsp_prod, <=, ring->nr);
}

/* The front end writes, mostly where it matters. */
static void front_writes(World *w, FuzzInput *in)
{
    uint32_t pos = fuzz_u16(in), value = fuzz_u32(in);

    if (pos & 0x8000) {
        XenPvRingHeader *shared = w->page[0];

        /* A producer that may be right. */
        shared->req_prod = w->ring.req_cons + value % (2 * w->ring.nr);
    } else {
        pos %= w->map.nr_pages * XENPV_PAGE_SIZE;
        pos &= ~3u;
        memcpy((uint8_t *)w->page[pos / XENPV_PAGE_SIZE] +
               pos % XENPV_PAGE_SIZE, &value, sizeof(value));
    }
}

static void back_takes(World *w, unsigned max)
{
    bool broken = w->ring.broken;

    while (max--) {
        g_autofree uint8_t *slot = g_malloc(w->abi->stride);
        XenPvBlkifRequest req;

        if (!xenpv_ring_take(&w->ring, slot, w->abi->stride)) {
            break;
        }
        g_assert_false(broken);
        w->owed++;
        xenpv_blkif_decode(w->abi, slot, 0, &req, w->segs);
        judge(w);
    }
}

static void back_answers(World *w, unsigned max)
{
    while (max-- && w->owed) {
        uint8_t rsp[XENPV_BLKIF_MAX_RESPONSE];
        unsigned len = xenpv_blkif_response(w->abi, rsp, 1, 0, 0);

        xenpv_ring_put(&w->ring, rsp, len);
        w->owed--;
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    World w = { { 0 } };
    bool broken = false;
    int i;

    g_assert_true(world_init(&w, &in));
    for (i = 0; i < MAX_STEPS && in.len; i++) {
        uint8_t step = fuzz_u8(&in);

        switch (step % 5) {
        case 0:
            front_writes(&w, &in);
            break;
        case 1:
            back_takes(&w, step);
            break;
        case 2:
            back_answers(&w, step / 5);
            break;
        case 3:
            xenpv_ring_push(&w.ring);
            break;
        default:
            if (xenpv_ring_idle(&w.ring)) {
                g_assert_cmpuint(w.ring.req_prod, ==, w.ring.req_cons);
            }
            break;
        }
        judge(&w);
        /* Once broken, always broken. */
        g_assert_true(!broken || w.ring.broken);
        broken = w.ring.broken;
    }
    /* Whatever came, what was taken can be answered. */
    back_answers(&w, UINT_MAX);
    xenpv_ring_push(&w.ring);
    g_assert_cmpuint(w.ring.rsp_prod, ==, w.ring.req_cons);
    world_clear(&w);
}

void fuzz_seeds(void)
{
    static const uint8_t fill[] = {
        0, 0, 0xf0, 0xff, 0xff, 0xff,       /* one page, the index wraps */
        0, 0, 0x80, 32, 0, 0, 0,            /* 32 requests */
        251, 252, 4, 3, 4,                  /* take, answer, push, sleep */
        0, 0, 0x80, 31, 0, 0, 0,
        6, 3, 4, 251, 252, 3,
    };
    static const uint8_t lie[] = {
        1, 3, 0, 0, 0, 0,                   /* four pages */
        0, 0, 0x80, 10, 0, 0, 0,
        251,
        0, 0, 0, 0xff, 0xff, 0xff, 0x7f,    /* far ahead */
        251, 4, 252, 3,
    };

    fuzz_seed("fill", fill, sizeof(fill));
    fuzz_seed("lie", lie, sizeof(lie));
}
