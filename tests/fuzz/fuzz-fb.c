/*
 * Fuzz a framebuffer: a front end that writes anything into its page, its
 * directories and its event ring, and draws while a display looks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a front end's page, then events.  What was judged good is drawn
 * with a sanitizer around every page: no byte outside of the framebuffer is
 * read, none outside of the surface is written.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "hw/xen/interface/io/fbif.h"
#include "hw/xen/interface/io/kbdif.h"
#include "hw/xenpv/drivers/fbif.h"
#include "hw/xenpv/drivers/kbdif.h"
#include "hw/xenpv/ring.h"
#include "fuzz.h"

#define MAX_LEN     (256 * 1024)
#define MAX_PIXELS  (512 * 1024)
#define MAX_STEPS   200

typedef struct World {
    XenPvFbStart start;
    XenPvFbMode mode;
    XenPvFbDirty dirty;
    void **page;
    uint32_t *surface;
    struct xenfb_page *shared;
    XenPvEventRing out, in;
} World;

static void judge_mode(const XenPvFbMode *mode, uint64_t len)
{
    g_assert_cmpuint(mode->width, >, 0);
    g_assert_cmpuint(mode->height, >, 0);
    g_assert_cmpuint(mode->width, <=, XENPV_FB_MAX_SIDE);
    g_assert_cmpuint(mode->height, <=, XENPV_FB_MAX_SIDE);
    g_assert_cmpuint((uint64_t)mode->offset +
                     (uint64_t)mode->stride * (mode->height - 1) +
                     (uint64_t)mode->width * mode->depth / 8, <=, len);
}

/* Few pages, and each a block of its own. */
static void make_pages(World *w)
{
    uint32_t i;

    w->page = g_new(void *, w->start.nr_pages);
    for (i = 0; i < w->start.nr_pages; i++) {
        w->page[i] = g_malloc0(XENPV_FB_PAGE_SIZE);
    }
}

static bool make_surface(World *w)
{
    g_clear_pointer(&w->surface, g_free);
    if ((uint64_t)w->mode.width * w->mode.height > MAX_PIXELS) {
        return false;
    }
    w->surface = g_new0(uint32_t, w->mode.width * w->mode.height);
    return xenpv_fb_dirty_init(&w->dirty, w->mode.width, w->mode.height);
}

static void draw(World *w)
{
    static uint8_t scratch[XENPV_FB_MAX_SIDE * 4];
    XenPvFbRect line;

    while (xenpv_fb_dirty_take(&w->dirty, &line)) {
        g_assert_cmpuint(line.x + line.width, <=, w->mode.width);
        g_assert_cmpuint(line.y, <, w->mode.height);
        xenpv_fb_draw(w->surface + (size_t)line.y * w->mode.width, w->page,
                      &w->mode, &line, scratch);
        g_assert_false(xenpv_fb_draw(w->surface +
                                     (size_t)line.y * w->mode.width, w->page,
                                     &w->mode, &line, scratch));
    }
}

static bool handle(World *w, const uint8_t *buf)
{
    XenPvFbEvent ev;

    xenpv_fb_decode(&ev, buf, &w->mode);
    if (ev.kind == XENPV_FB_UPDATE && ev.rect.height) {
        g_assert_cmpuint(ev.rect.width, >, 0);
        g_assert_cmpuint(ev.rect.x + ev.rect.width, <=, w->mode.width);
        g_assert_cmpuint(ev.rect.y + ev.rect.height, <=, w->mode.height);
        xenpv_fb_dirty_add(&w->dirty, &ev.rect);
    } else if (ev.kind == XENPV_FB_RESIZE) {
        if (!xenpv_fb_check_mode(&ev.mode, w->start.len, NULL)) {
            return false;
        }
        judge_mode(&ev.mode, w->start.len);
        w->mode = ev.mode;
        return make_surface(w);
    }
    return true;
}

static bool run_events(World *w)
{
    uint8_t buf[XENPV_FB_EVENT_SIZE];
    unsigned taken = 0;

    while (xenpv_event_ring_take(&w->out, buf)) {
        g_assert_cmpuint(++taken, <=, XENFB_OUT_RING_LEN);
        if (!handle(w, buf)) {
            return false;
        }
    }
    xenpv_event_ring_release(&w->out);
    return !w->out.broken;
}

static void step(World *w, FuzzInput *in)
{
    uint8_t *page = (uint8_t *)w->shared;
    uint16_t pos = fuzz_u16(in) % (4096 - 4);
    uint32_t value = fuzz_u32(in);
    uint32_t i;

    if (pos < 16) {
        /* An index that is likely enough. */
        w->shared->out_prod = w->out.shown + value % 60;
        return;
    }
    memcpy(page + pos, &value, sizeof(value));
    i = value % w->start.nr_pages;
    memset(w->page[i], value, 64);
}

static bool world_init(World *w, FuzzInput *in)
{
    static const char *const protocols[] = {
        "x86_64-abi", "x86_32-abi", NULL, "other"
    };
    const char *protocol = protocols[fuzz_u8(in) % 4];
    g_autofree uint8_t *head = g_malloc0(XENPV_FB_HEAD);
    size_t n = MIN(in->len, XENPV_FB_HEAD);
    Error *err = NULL;

    memcpy(head, in->data, n);
    in->data += n;
    in->len -= n;
    if (!xenpv_fb_parse(&w->start, head, protocol, MAX_LEN, &err)) {
        g_assert_nonnull(err);
        error_free(err);
        return false;
    }
    judge_mode(&w->start.mode, w->start.len);
    g_assert_cmpuint(w->start.len, <=, MAX_LEN);
    g_assert_cmpuint(w->start.nr_pages, ==,
                     DIV_ROUND_UP(w->start.len, XENPV_FB_PAGE_SIZE));
    g_assert_cmpuint(w->start.nr_dirs *
                     xenpv_fb_dir_entries(w->start.word), >=,
                     w->start.nr_pages);
    w->mode = w->start.mode;
    make_pages(w);
    w->shared = g_malloc0(4096);
    memcpy(w->shared, head, 2088);
    xenpv_event_ring_init(&w->out, XENFB_OUT_RING(w->shared),
                          XENFB_OUT_RING_LEN, XENPV_FB_EVENT_SIZE,
                          &w->shared->out_cons, &w->shared->out_prod);
    return make_surface(w);
}

static void world_clear(World *w)
{
    uint32_t i;

    for (i = 0; w->page && i < w->start.nr_pages; i++) {
        g_free(w->page[i]);
    }
    g_free(w->page);
    g_free(w->surface);
    g_free(w->shared);
    xenpv_fb_dirty_clear(&w->dirty);
}

/* ---- input: any user, any guest; in the end it knows what is down ---- */

typedef struct User {
    XenPvKbdQueue queue;
    bool down[16];
    bool told[16];              /* what the guest thinks */
} User;

static void guest_takes(User *u, unsigned nr)
{
    const union xenkbd_in_event *ev;

    while (nr-- && (ev = (const void *)xenpv_kbd_peek(&u->queue))) {
        if (ev->type == XENKBD_TYPE_KEY) {
            g_assert_cmpuint(ev->key.keycode, <, 16);
            u->told[ev->key.keycode] = ev->key.pressed;
        }
        xenpv_kbd_pop(&u->queue);
    }
}

static void type(FuzzInput *in)
{
    g_autofree User *u = g_new0(User, 1);
    unsigned steps = 0;

    xenpv_kbd_reset(&u->queue);
    while (in->len && steps++ < 4000) {
        uint8_t what = fuzz_u8(in);
        unsigned key = what >> 2 & 15;

        switch (what & 3) {
        case 0:
            xenpv_kbd_motion(&u->queue, what, -what, 0);
            guest_takes(u, what >> 4);
            break;
        case 1:
            xenpv_kbd_touch_down(&u->queue, key, what, what);
            break;
        default:
            u->down[key] = what & 1;
            xenpv_kbd_key(&u->queue, key, what & 1);
            break;
        }
        g_assert_cmpuint(u->queue.nr, <=, XENPV_KBD_QUEUE);
    }
    guest_takes(u, UINT_MAX);
    g_assert_cmpmem(u->down, sizeof(u->down), u->told, sizeof(u->told));
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    World w = { 0 };
    unsigned steps = 0;

    if (fuzz_u8(&in) & 1) {
        type(&in);
        return;
    }
    if (world_init(&w, &in)) {
        while (in.len && steps++ < MAX_STEPS) {
            step(&w, &in);
            if (steps % 4 == 0) {
                if (!run_events(&w)) {
                    break;
                }
                draw(&w);
            }
        }
    }
    world_clear(&w);
}

void fuzz_seeds(void)
{
    static const unsigned depths[] = { 8, 16, 24, 32 };
    g_autofree uint8_t *seed = g_malloc0(2 + XENPV_FB_HEAD + 600);
    unsigned i, k;

    for (i = 0; i < ARRAY_SIZE(depths); i++) {
        struct xenfb_page *page = (void *)(seed + 2);
        g_autofree char *name = g_strdup_printf("fb-%u", depths[i]);
        uint8_t *event = seed + 2 + XENPV_FB_HEAD;

        seed[1] = i % 3;
        page->width = 100;
        page->height = 50;
        page->depth = depths[i];
        page->line_length = 100 * depths[i] / 8 + 3;
        page->mem_length = page->line_length * 50;
        page->pd[0] = 0x1234;
        for (k = 0; k < 100; k++, event += 6) {
            /* A word of an event, or an index. */
            stw_le_p(event, k % 4 == 3 ? 0 : 2048 + k * 4);
            stl_le_p(event + 2, k % 10 ? k : 2 + k % 2);
        }
        fuzz_seed(name, seed, event - seed);
    }
    memset(seed, 1, 300);
    fuzz_seed("keys", seed, 300);
}
