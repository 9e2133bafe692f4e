/*
 * Rings: every index, every page boundary, and a peer that lies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/xenpv/ring.h"
#include "hw/xen/interface/io/blkif.h"
#include "hw/xen/interface/io/console.h"
#include "hw/xen/interface/io/netif.h"

/* Upstream's macros say what the layout is; the runtime ring must agree. */
QEMU_BUILD_BUG_ON(offsetof(struct blkif_sring, req_prod) !=
                  offsetof(XenPvRingHeader, req_prod));
QEMU_BUILD_BUG_ON(offsetof(struct blkif_sring, req_event) !=
                  offsetof(XenPvRingHeader, req_event));
QEMU_BUILD_BUG_ON(offsetof(struct blkif_sring, rsp_prod) !=
                  offsetof(XenPvRingHeader, rsp_prod));
QEMU_BUILD_BUG_ON(offsetof(struct blkif_sring, rsp_event) !=
                  offsetof(XenPvRingHeader, rsp_event));
QEMU_BUILD_BUG_ON(offsetof(struct blkif_sring, ring) != XENPV_RING_HEADER);
QEMU_BUILD_BUG_ON(offsetof(struct netif_rx_sring, ring) != XENPV_RING_HEADER);

typedef struct Front {
    XenPvMap map;
    void *page[XENPV_MAX_MAP_PAGES];
    uint8_t *memory;
    uint32_t stride;
    uint32_t nr;
    uint32_t req_prod;
    uint32_t rsp_cons;
} Front;

/* Pages in reverse order, so that they are never contiguous. */
static void front_init(Front *f, uint32_t nr_pages, uint32_t stride,
                       uint32_t start)
{
    XenPvRingHeader *h;
    uint32_t i;

    memset(f, 0, sizeof(*f));
    f->memory = g_malloc0(nr_pages * XENPV_PAGE_SIZE);
    for (i = 0; i < nr_pages; i++) {
        f->page[i] = f->memory + (nr_pages - 1 - i) * XENPV_PAGE_SIZE;
    }
    f->map.nr_pages = nr_pages;
    f->map.page = f->page;
    f->stride = stride;
    f->nr = xenpv_ring_slots(nr_pages, stride);
    f->req_prod = f->rsp_cons = start;
    h = f->page[0];
    h->req_prod = h->rsp_prod = start;
    h->req_event = h->rsp_event = start + 1;
}

static XenPvRingHeader *front_header(Front *f)
{
    return f->page[0];
}

static uint8_t *front_byte(Front *f, uint32_t idx, uint32_t i)
{
    uint32_t pos = XENPV_RING_HEADER + idx % f->nr * f->stride + i;

    return (uint8_t *)f->page[pos / XENPV_PAGE_SIZE] + pos % XENPV_PAGE_SIZE;
}

/* One request whose every byte depends on its number. */
static void front_submit(Front *f)
{
    uint32_t i;

    for (i = 0; i < f->stride; i++) {
        *front_byte(f, f->req_prod, i) = f->req_prod * 7 + i;
    }
    f->req_prod++;
    front_header(f)->req_prod = f->req_prod;
}

static void front_free(Front *f)
{
    g_free(f->memory);
}

static void test_slots(void)
{
    static const struct {
        uint32_t pages, stride, slots;
    } rows[] = {
        { 1, sizeof(union blkif_sring_entry), 32 },
        { 2, sizeof(union blkif_sring_entry), 64 },
        { 16, sizeof(union blkif_sring_entry), 512 },
        { 1, 108, 32 },
        { 1, sizeof(union netif_tx_sring_entry), 256 },
        { 1, sizeof(union netif_rx_sring_entry), 256 },
        { 1, XENPV_PAGE_SIZE - XENPV_RING_HEADER, 1 },
        { 1, XENPV_PAGE_SIZE - XENPV_RING_HEADER + 1, 0 },
        { 1, UINT32_MAX, 0 },
        { 1, 0, 0 },
    };
    Front f;
    XenPvRing ring;
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_cmpuint(xenpv_ring_slots(rows[i].pages, rows[i].stride), ==,
                         rows[i].slots);
    }
    front_init(&f, 1, 8, 0);
    g_assert_false(xenpv_ring_init(&ring, &f.map, XENPV_PAGE_SIZE));
    g_assert_true(xenpv_ring_init(&ring, &f.map, 8));
    front_free(&f);
}

/*
 * Three times round the ring, in bursts of changing length, from many starts:
 * every request arrives once and whole, every response too.
 */
static void run_through(uint32_t nr_pages, uint32_t stride, uint32_t start)
{
    uint8_t buf[256], rsp[4];
    uint32_t done = 0, burst = 1, i, n;
    XenPvRing ring = {};
    Front f;

    front_init(&f, nr_pages, stride, start);
    g_assert_true(xenpv_ring_init(&ring, &f.map, stride));
    g_assert_cmpuint(ring.nr, ==, f.nr);
    while (done < 3 * f.nr) {
        for (n = 0; n < burst; n++) {
            front_submit(&f);
        }
        g_assert_cmpuint(xenpv_ring_waiting(&ring), ==, burst);
        g_assert_false(xenpv_ring_idle(&ring));
        for (n = 0; n < burst; n++) {
            uint32_t number = start + done + n;

            g_assert_true(xenpv_ring_take(&ring, buf, stride));
            for (i = 0; i < stride; i++) {
                g_assert_cmphex(buf[i], ==, (uint8_t)(number * 7 + i));
            }
        }
        g_assert_false(xenpv_ring_take(&ring, buf, stride));
        g_assert_true(xenpv_ring_idle(&ring));
        g_assert_cmpuint(front_header(&f)->req_event, ==, f.req_prod + 1);

        for (n = 0; n < burst; n++) {
            memset(rsp, done + n, sizeof(rsp));
            xenpv_ring_put(&ring, rsp, sizeof(rsp));
        }
        g_assert_cmpuint(front_header(&f)->rsp_prod, ==, start + done);
        front_header(&f)->rsp_event = start + done + 1;
        g_assert_true(xenpv_ring_push(&ring));
        g_assert_false(xenpv_ring_push(&ring));
        for (n = 0; n < burst; n++) {
            for (i = 0; i < stride; i++) {
                g_assert_cmphex(*front_byte(&f, start + done + n, i), ==,
                                i < sizeof(rsp) ? (uint8_t)(done + n) : 0);
            }
        }
        done += burst;
        burst = burst % f.nr + 1;
    }
    g_assert_false(ring.broken);
    front_free(&f);
}

static void test_wrap(void)
{
    static const uint32_t strides[] = { 8, 12, 108, 112, 200 };
    static const uint32_t starts[] = {
        0, 1, 31, 0x7ffffff0, 0xffffffff, 0xfffffff0, 0xffffff01
    };
    int i, k, pages;

    for (i = 0; i < ARRAY_SIZE(strides); i++) {
        for (k = 0; k < ARRAY_SIZE(starts); k++) {
            for (pages = 1; pages <= 4; pages++) {
                run_through(pages, strides[i], starts[k]);
            }
        }
    }
}

/* A partial copy takes the head of the slot only. */
static void test_partial(void)
{
    uint8_t buf[8] = { 0 };
    XenPvRing ring;
    Front f;

    front_init(&f, 1, 112, 5);
    g_assert_true(xenpv_ring_init(&ring, &f.map, 112));
    front_submit(&f);
    front_submit(&f);
    g_assert_true(xenpv_ring_take(&ring, buf, 4));
    g_assert_cmphex(buf[3], ==, (uint8_t)(5 * 7 + 3));
    g_assert_cmphex(buf[4], ==, 0);
    g_assert_true(xenpv_ring_take(&ring, buf, 4));
    g_assert_cmphex(buf[0], ==, (uint8_t)(6 * 7));
    front_free(&f);
}

/*
 * The peer's producer: where we are (10 taken, 4 answered, ring of 32), what
 * it writes, and whether that can be.
 */
static void test_hostile_producer(void)
{
    static const struct {
        int32_t ahead;          /* of what we have taken */
        bool possible;
    } rows[] = {
        {  0, true  },
        {  1, true  },
        { 26, true  },          /* 32 without an answer: a full ring */
        { 27, false },
        { 32, false },
        { 33, false },
        { -1, false },          /* takes back what we have seen */
        { -6, false },
        { -7, false },
        { INT32_MAX, false },
        { INT32_MIN, false },
    };
    static const uint32_t starts[] = { 0, 0xfffffff8 };
    uint8_t buf[112], before[112];
    int i, k, n;

    for (k = 0; k < ARRAY_SIZE(starts); k++) {
        for (i = 0; i < ARRAY_SIZE(rows); i++) {
            XenPvRing ring;
            Front f;

            front_init(&f, 1, 112, starts[k]);
            g_assert_true(xenpv_ring_init(&ring, &f.map, 112));
            for (n = 0; n < 10; n++) {
                front_submit(&f);
                g_assert_true(xenpv_ring_take(&ring, buf, sizeof(buf)));
            }
            for (n = 0; n < 4; n++) {
                xenpv_ring_put(&ring, buf, 8);
            }
            xenpv_ring_push(&ring);

            front_header(&f)->req_prod = f.req_prod + rows[i].ahead;
            memset(before, 0x5a, sizeof(before));
            memcpy(buf, before, sizeof(buf));
            for (n = 0; xenpv_ring_take(&ring, buf, sizeof(buf)); n++) {
                g_assert_cmpint(n, <, 32);
            }
            g_assert_cmpint(ring.broken, ==, !rows[i].possible);
            g_assert_cmpint(n, ==, rows[i].possible ? rows[i].ahead : 0);
            if (!rows[i].possible) {
                g_assert_cmpmem(buf, sizeof(buf), before, sizeof(before));
                /* Loops over it end, and honesty comes too late. */
                front_header(&f)->req_prod = f.req_prod + 1;
                g_assert_true(xenpv_ring_idle(&ring));
                g_assert_cmpuint(xenpv_ring_waiting(&ring), ==, 0);
                g_assert_false(xenpv_ring_take(&ring, buf, sizeof(buf)));
            }
            /* What was taken can be answered all the same. */
            for (n = 0; n < 6; n++) {
                xenpv_ring_put(&ring, buf, 8);
            }
            xenpv_ring_push(&ring);
            g_assert_cmpuint(front_header(&f)->rsp_prod, ==, starts[k] + 10);
            front_free(&f);
        }
    }
}

/* The peer scribbles over the indices that are ours. */
static void test_own_indices(void)
{
    uint8_t buf[8];
    XenPvRing ring;
    Front f;

    front_init(&f, 1, 8, 100);
    g_assert_true(xenpv_ring_init(&ring, &f.map, 8));
    front_submit(&f);
    g_assert_true(xenpv_ring_take(&ring, buf, 8));
    front_header(&f)->rsp_prod = 0xdeadbeef;
    front_header(&f)->req_event = 0xdeadbeef;
    xenpv_ring_put(&ring, buf, 8);
    xenpv_ring_push(&ring);
    g_assert_cmpuint(front_header(&f)->rsp_prod, ==, 101);
    g_assert_true(xenpv_ring_idle(&ring));
    g_assert_cmpuint(front_header(&f)->req_event, ==, 102);
    front_free(&f);
}

/* Notify exactly when the response somebody waits for is among the pushed. */
static void test_hold_off(void)
{
    static const struct {
        uint32_t pushed;        /* responses in this batch */
        uint32_t event;         /* relative to the batch: 1 is its first */
        bool notify;
    } rows[] = {
        { 1, 1, true  },
        { 1, 2, false },
        { 1, 0, false },
        { 3, 1, true  },
        { 3, 2, true  },
        { 3, 3, true  },
        { 3, 4, false },
        { 3, (uint32_t)-5, false },
    };
    static const uint32_t starts[] = { 0, 0xfffffffe };
    uint8_t buf[8];
    int i, k, n;

    for (k = 0; k < ARRAY_SIZE(starts); k++) {
        for (i = 0; i < ARRAY_SIZE(rows); i++) {
            XenPvRing ring;
            Front f;

            front_init(&f, 1, 8, starts[k]);
            g_assert_true(xenpv_ring_init(&ring, &f.map, 8));
            for (n = 0; n < rows[i].pushed; n++) {
                front_submit(&f);
                g_assert_true(xenpv_ring_take(&ring, buf, 8));
                xenpv_ring_put(&ring, buf, 8);
            }
            front_header(&f)->rsp_event = starts[k] + rows[i].event;
            g_assert_cmpint(xenpv_ring_push(&ring), ==, rows[i].notify);
            front_free(&f);
        }
    }
}

/* A back end that follows another answers what that one left open. */
static void test_take_over(void)
{
    uint8_t buf[8];
    XenPvRing ring = {};
    Front f;
    int n;

    front_init(&f, 1, 8, 0xfffffffd);
    for (n = 0; n < 5; n++) {
        front_submit(&f);
    }
    front_header(&f)->rsp_prod = 0xffffffff;
    g_assert_true(xenpv_ring_init(&ring, &f.map, 8));
    g_assert_cmpuint(xenpv_ring_waiting(&ring), ==, 3);
    g_assert_true(xenpv_ring_take(&ring, buf, 8));
    g_assert_cmphex(buf[0], ==, (uint8_t)(0xffffffff * 7));
    front_free(&f);
}

/* ---- byte rings ---- */

typedef struct Pipe {
    struct xencons_interface page;
    XenPvByteRing reader, writer;
} Pipe;

static void pipe_init(Pipe *p, uint32_t start)
{
    memset(&p->page, 0, sizeof(p->page));
    p->page.out_cons = p->page.out_prod = start;
    xenpv_byte_ring_init(&p->reader, p->page.out, sizeof(p->page.out),
                         &p->page.out_cons, &p->page.out_prod);
    xenpv_byte_ring_init(&p->writer, p->page.out, sizeof(p->page.out),
                         &p->page.out_prod, &p->page.out_cons);
}

static void test_bytes_wrap(void)
{
    static const uint32_t starts[] = { 0, 2047, 0xffffff00, 0xfffff801 };
    g_autofree Pipe *p = g_new(Pipe, 1);
    uint8_t buf[3000], got[3000];
    uint32_t written, read, len, n, i;
    int k;

    for (k = 0; k < ARRAY_SIZE(starts); k++) {
        written = read = 0;
        pipe_init(p, starts[k]);
        for (len = 1; len < sizeof(buf); len += 37) {
            for (i = 0; i < len; i++) {
                buf[i] = (written + i) * 31;
            }
            n = xenpv_byte_ring_write(&p->writer, buf, len);
            g_assert_cmpuint(n, ==, MIN(len, 2048 - (written - read)));
            written += n;
            g_assert_cmpuint(xenpv_byte_ring_filled(&p->reader), ==,
                             written - read);
            g_assert_cmpuint(xenpv_byte_ring_space(&p->writer), ==,
                             2048 - (written - read));
            /* Leave something behind every other time. */
            n = xenpv_byte_ring_read(&p->reader, got,
                                     len % 2 ? sizeof(got) : 700);
            for (i = 0; i < n; i++) {
                g_assert_cmphex(got[i], ==, (uint8_t)((read + i) * 31));
            }
            read += n;
        }
        g_assert_cmpuint(p->page.out_prod, ==, starts[k] + written);
        g_assert_cmpuint(p->page.out_cons, ==, starts[k] + read);
        g_assert_false(p->reader.broken || p->writer.broken);
    }
}

static void test_bytes_peek(void)
{
    g_autofree Pipe *p = g_new(Pipe, 1);
    char buf[8] = "";

    pipe_init(p, 0xfffffffe);
    g_assert_cmpuint(xenpv_byte_ring_write(&p->writer, "abcdef", 6), ==, 6);
    g_assert_cmpuint(xenpv_byte_ring_peek(&p->reader, buf, 4), ==, 4);
    g_assert_cmpstr(buf, ==, "abcd");
    g_assert_cmpuint(p->page.out_cons, ==, 0xfffffffe);
    xenpv_byte_ring_skip(&p->reader, 2);
    g_assert_cmpuint(p->page.out_cons, ==, 0);
    g_assert_cmpuint(xenpv_byte_ring_read(&p->reader, buf, 8), ==, 4);
    g_assert_cmpmem(buf, 4, "cdef", 4);
}

static void test_bytes_hostile(void)
{
    static const struct {
        int32_t ahead;          /* producer, of what the reader has read */
        bool possible;
    } rows[] = {
        { 0, true }, { 1, true }, { 2048, true }, { 2049, false },
        { -1, false }, { INT32_MAX, false }, { INT32_MIN, false },
    };
    static const uint32_t starts[] = { 0, 0xffffffff };
    g_autofree Pipe *p = g_new(Pipe, 1);
    char buf[4096];
    int i, k;

    for (k = 0; k < ARRAY_SIZE(starts); k++) {
        for (i = 0; i < ARRAY_SIZE(rows); i++) {
            /* A lying producer, seen by the reader. */
            pipe_init(p, starts[k]);
            p->page.out_prod = starts[k] + rows[i].ahead;
            g_assert_cmpuint(xenpv_byte_ring_read(&p->reader, buf,
                                                  sizeof(buf)), ==,
                             rows[i].possible ? rows[i].ahead : 0);
            g_assert_cmpint(p->reader.broken, ==, !rows[i].possible);
            if (!rows[i].possible) {
                p->page.out_prod = starts[k] + 1;
                g_assert_cmpuint(xenpv_byte_ring_filled(&p->reader), ==, 0);
            }

            /* A lying consumer, seen by the writer. */
            pipe_init(p, starts[k]);
            p->page.out_cons = starts[k] - rows[i].ahead;
            g_assert_cmpuint(xenpv_byte_ring_write(&p->writer, buf,
                                                   sizeof(buf)), ==,
                             rows[i].possible ? 2048 - rows[i].ahead : 0);
            g_assert_cmpint(p->writer.broken, ==, !rows[i].possible);
            if (!rows[i].possible) {
                p->page.out_cons = starts[k];
                g_assert_cmpuint(xenpv_byte_ring_space(&p->writer), ==, 0);
            }
        }
    }

    /* Our own index in shared memory is for the peer to read. */
    pipe_init(p, 5);
    g_assert_cmpuint(xenpv_byte_ring_write(&p->writer, "abc", 3), ==, 3);
    p->page.out_cons = 0x1234567;
    g_assert_cmpuint(xenpv_byte_ring_read(&p->reader, buf, 2), ==, 2);
    g_assert_cmpuint(p->page.out_cons, ==, 7);
}

/* ---- event rings ---- */

#define NR 5
#define STRIDE 12

typedef struct Events {
    uint32_t prod, cons;
    uint8_t slot[NR * STRIDE];
    XenPvEventRing writer, reader;
} Events;

static void events_init(Events *e, uint32_t start)
{
    memset(e, 0, sizeof(*e));
    e->prod = e->cons = start;
    xenpv_event_ring_init(&e->writer, e->slot, NR, STRIDE, &e->prod,
                          &e->cons);
    xenpv_event_ring_init(&e->reader, e->slot, NR, STRIDE, &e->cons,
                          &e->prod);
}

static void test_events_wrap(void)
{
    uint32_t put = 0, taken = 0;
    uint8_t ev[STRIDE], want[STRIDE];
    Events e;
    int i;

    events_init(&e, 0x7ffffff0);
    for (i = 0; i < 5000; i++) {
        int n = g_test_rand_int_range(0, NR + 2);

        while (n--) {
            memset(ev, put, STRIDE);
            g_assert_cmpint(xenpv_event_ring_put(&e.writer, ev), ==,
                            put - taken < NR);
            put += put - taken < NR;
        }
        xenpv_event_ring_push(&e.writer);
        for (n = g_test_rand_int_range(0, NR + 1);
             n && xenpv_event_ring_take(&e.reader, ev); n--) {
            memset(want, taken++, STRIDE);
            g_assert_cmpmem(ev, STRIDE, want, STRIDE);
        }
        xenpv_event_ring_release(&e.reader);
    }
    g_assert_cmpuint(taken, >, 1000);
}

/* Shown at once, and only what is new; a writer without room is told. */
static void test_events_notify(void)
{
    uint8_t ev[STRIDE] = { 0 };
    Events e;
    int i;

    events_init(&e, 0);
    g_assert_false(xenpv_event_ring_push(&e.writer));
    g_assert_true(xenpv_event_ring_put(&e.writer, ev));
    g_assert_false(xenpv_event_ring_take(&e.reader, ev));
    g_assert_true(xenpv_event_ring_push(&e.writer));
    g_assert_false(xenpv_event_ring_push(&e.writer));
    g_assert_true(xenpv_event_ring_take(&e.reader, ev));
    g_assert_cmpuint(e.cons, ==, 0);
    g_assert_false(xenpv_event_ring_release(&e.reader));
    g_assert_cmpuint(e.cons, ==, 1);
    g_assert_false(xenpv_event_ring_release(&e.reader));

    for (i = 0; i < NR; i++) {
        g_assert_true(xenpv_event_ring_put(&e.writer, ev));
    }
    g_assert_false(xenpv_event_ring_put(&e.writer, ev));
    xenpv_event_ring_push(&e.writer);
    g_assert_true(xenpv_event_ring_take(&e.reader, ev));
    g_assert_true(xenpv_event_ring_release(&e.reader));

    /* It filled up after the reader had looked: told all the same. */
    events_init(&e, 0);
    xenpv_event_ring_put(&e.writer, ev);
    xenpv_event_ring_push(&e.writer);
    g_assert_true(xenpv_event_ring_take(&e.reader, ev));
    for (i = 1; i < NR; i++) {
        xenpv_event_ring_put(&e.writer, ev);
    }
    xenpv_event_ring_push(&e.writer);
    g_assert_true(xenpv_event_ring_release(&e.reader));
}

static void test_events_hostile(void)
{
    static const struct {
        uint32_t ahead;
        bool possible;
    } rows[] = {
        { 0, true }, { 1, true }, { NR, true }, { NR + 1, false },
        { -1, false }, { INT32_MAX, false }, { INT32_MIN, false },
    };
    uint8_t ev[STRIDE] = { 0 };
    Events e;
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        events_init(&e, 7);
        e.prod = 7 + rows[i].ahead;
        g_assert_cmpint(xenpv_event_ring_take(&e.reader, ev), ==,
                        rows[i].possible && rows[i].ahead);
        g_assert_cmpint(e.reader.broken, ==, !rows[i].possible);
        if (!rows[i].possible) {
            e.prod = 8;
            g_assert_false(xenpv_event_ring_take(&e.reader, ev));
        }
        events_init(&e, 7);
        e.cons = 7 - rows[i].ahead;
        g_assert_cmpint(xenpv_event_ring_put(&e.writer, ev), ==,
                        rows[i].possible && rows[i].ahead < NR);
        g_assert_cmpint(e.writer.broken, ==, !rows[i].possible);
        if (!rows[i].possible) {
            e.cons = 7;
            g_assert_false(xenpv_event_ring_put(&e.writer, ev));
        }
    }

    /* A writer that goes on and on is let no further than its slots. */
    events_init(&e, 0);
    for (i = 0; i < NR; i++) {
        e.prod++;
        g_assert_true(xenpv_event_ring_take(&e.reader, ev));
    }
    e.prod++;
    g_assert_false(xenpv_event_ring_take(&e.reader, ev));
    g_assert_true(e.reader.broken);
}

/*
 * A response lies in the slot of a request that is not answered: given back,
 * what is left is taken by who comes next.
 */
static void test_give_back(void)
{
    uint8_t req[3][108], got[108], rsp[8] = { 0 };
    XenPvRing ring = { 0 }, next = { 0 };
    Front f;
    unsigned i;

    front_init(&f, 2, 108, UINT32_MAX - 1);
    g_assert_true(xenpv_ring_init(&ring, &f.map, 108));
    for (i = 0; i < 3; i++) {
        front_submit(&f);
        g_assert_true(xenpv_ring_take(&ring, req[i], 108));
    }
    xenpv_ring_put(&ring, rsp, sizeof(rsp));
    xenpv_ring_push(&ring);
    xenpv_ring_give_back(&ring, 0, req[2]);
    xenpv_ring_give_back(&ring, 1, req[0]);
    g_assert_true(xenpv_ring_init(&next, &f.map, 108));
    g_assert_true(xenpv_ring_take(&next, got, 108));
    g_assert_cmpmem(got, 108, req[2], 108);
    g_assert_true(xenpv_ring_take(&next, got, 108));
    g_assert_cmpmem(got, 108, req[0], 108);
    g_assert_false(xenpv_ring_take(&next, got, 108));
    /* The first one goes on as if nothing had been. */
    xenpv_ring_put(&ring, rsp, sizeof(rsp));
    xenpv_ring_put(&ring, rsp, sizeof(rsp));
    g_assert_true(xenpv_ring_idle(&ring));
    front_free(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/ring/slots", test_slots);
    g_test_add_func("/xenpv/ring/wrap", test_wrap);
    g_test_add_func("/xenpv/ring/partial", test_partial);
    g_test_add_func("/xenpv/ring/hostile-producer", test_hostile_producer);
    g_test_add_func("/xenpv/ring/own-indices", test_own_indices);
    g_test_add_func("/xenpv/ring/hold-off", test_hold_off);
    g_test_add_func("/xenpv/ring/take-over", test_take_over);
    g_test_add_func("/xenpv/ring/bytes/wrap", test_bytes_wrap);
    g_test_add_func("/xenpv/ring/bytes/peek", test_bytes_peek);
    g_test_add_func("/xenpv/ring/bytes/hostile", test_bytes_hostile);
    g_test_add_func("/xenpv/ring/events/wrap", test_events_wrap);
    g_test_add_func("/xenpv/ring/events/notify", test_events_notify);
    g_test_add_func("/xenpv/ring/events/hostile", test_events_hostile);
    g_test_add_func("/xenpv/ring/give-back", test_give_back);
    return g_test_run();
}
