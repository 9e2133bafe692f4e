/*
 * The framebuffer, between a guest that draws and a display that looks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/xen/interface/io/fbif.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/drivers/fbif.h"
#include "display-host.h"
#include "fixture.h"

#define BE "/local/domain/0/backend/vfb/1"
#define FE "/local/domain/1/device/vfb"
#define ERROR_NODE "/local/domain/0/error/backend/vfb/1/0/error"
#define BUS_WATCHES 2           /* framebuffers and inputs of a toolstack */
#define MAX_PAGES 64

/* ---- the guest's end ---- */

typedef struct Guest {
    XenPvHv *hv;
    struct xenfb_page *page;
    uint32_t port;
    uint64_t page_ref;
    XenPvFbMode mode;
    uint32_t len;
    unsigned word;
    const char *protocol;
    bool tells;
    void *fb[MAX_PAGES];
    void *dir;
} Guest;

/*
 * Pages of the picture lie about, as vmalloc() has them in Linux; a picture of
 * one page is in one piece by itself.
 */
static void guest_init(Guest *g, XenPvHv *hv, uint32_t width, uint32_t height,
                       uint32_t depth)
{
    uint32_t i, nr;

    *g = (Guest) {
        .hv = hv,
        .page = fake_guest_page(hv),
        .port = fake_guest_port(hv),
        .mode = { width, height, depth, width * depth / 8, 0 },
        .word = 8,
        .protocol = "x86_64-abi",
        .tells = true,
        .dir = fake_guest_page(hv),
    };
    g->page_ref = fake_guest_gfn(hv, g->page);
    g->len = g->mode.stride * height;
    nr = DIV_ROUND_UP(g->len, 4096);
    g_assert_cmpuint(nr, <=, MAX_PAGES);
    for (i = nr; i-- > 0;) {
        g->fb[i] = fake_guest_page(hv);
    }
}

/* As Linux's xenfb_init_shared_page() leaves it, for words of any length. */
static void guest_fill_page(Guest *g)
{
    uint32_t i;

    g->page->width = g->mode.width;
    g->page->height = g->mode.height;
    g->page->depth = g->mode.depth;
    g->page->line_length = g->mode.stride;
    g->page->mem_length = g->len;
    g->page->in_cons = g->page->in_prod = 0;
    g->page->out_cons = g->page->out_prod = 0;
    for (i = 0; i < MAX_PAGES && g->fb[i]; i++) {
        uint64_t gfn = fake_guest_gfn(g->hv, g->fb[i]);

        if (g->word == 8) {
            stq_le_p((uint64_t *)g->dir + i, gfn);
        } else {
            stl_le_p((uint32_t *)g->dir + i, gfn);
        }
    }
    if (g->word == 8) {
        stq_le_p((uint8_t *)g->page + 40, fake_guest_gfn(g->hv, g->dir));
    } else {
        stl_le_p((uint8_t *)g->page + 36, fake_guest_gfn(g->hv, g->dir));
        stl_le_p((uint8_t *)g->page + 40, 0);
    }
}

static void G_GNUC_PRINTF(3, 4) guest_set(Guest *g, const char *key,
                                          const char *fmt, ...)
{
    g_autofree char *path = g_strdup_printf(FE "/0/%s", key);
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fake_guest_write(g->hv, path, "%s", value);
}

static void guest_set_state(Guest *g, enum xenbus_state state)
{
    guest_set(g, "state", "%d", state);
    fixture_settle();
}

/* As Linux's xen-fbfront does it. */
static void guest_connect(Guest *g)
{
    guest_fill_page(g);
    guest_set(g, "page-ref", "%" PRIu64, g->page_ref);
    guest_set(g, "event-channel", "%u", g->port);
    if (g->protocol) {
        guest_set(g, "protocol", "%s", g->protocol);
    }
    guest_set(g, "feature-update", "%d", g->tells);
    guest_set_state(g, XenbusStateInitialised);
    guest_set_state(g, XenbusStateConnected);
}

static void guest_close(Guest *g)
{
    guest_set_state(g, XenbusStateClosing);
    guest_set_state(g, XenbusStateClosed);
}

static void *guest_at(Guest *g, uint64_t pos)
{
    return (uint8_t *)g->fb[pos / 4096] + pos % 4096;
}

static void guest_pixel(Guest *g, uint32_t x, uint32_t y, uint32_t value)
{
    uint32_t i, bytes = g->mode.depth / 8;
    uint64_t pos = g->mode.offset + (uint64_t)g->mode.stride * y + x * bytes;

    for (i = 0; i < bytes; i++) {
        *(uint8_t *)guest_at(g, pos + i) = value >> (i * 8);
    }
}

static void guest_fill(Guest *g, uint32_t value)
{
    uint32_t x, y;

    for (y = 0; y < g->mode.height; y++) {
        for (x = 0; x < g->mode.width; x++) {
            guest_pixel(g, x, y, value);
        }
    }
}

static void guest_send(Guest *g, const union xenfb_out_event *ev)
{
    XENFB_OUT_RING_REF(g->page, g->page->out_prod) = *ev;
    g->page->out_prod++;
    fake_guest_notify(g->hv, g->port);
}

static void guest_update(Guest *g, int32_t x, int32_t y, int32_t w, int32_t h)
{
    union xenfb_out_event ev = {
        .update = { XENFB_TYPE_UPDATE, x, y, w, h },
    };

    guest_send(g, &ev);
    fixture_settle();
}

static void guest_resize(Guest *g, const XenPvFbMode *mode)
{
    union xenfb_out_event ev = {
        .resize = { XENFB_TYPE_RESIZE, mode->width, mode->height,
                    mode->stride, mode->depth, mode->offset },
    };

    guest_send(g, &ev);
    fixture_settle();
}

/* ---- most tests: one device, one guest, connected ---- */

typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    XenPvDevice *dev;
    QemuConsole *con;
    Guest guest;
} Scene;

static void scene_begin(Scene *s)
{
    s->hv = fake_hv_new();
    s->bus = fixture_bus(s->hv);
    s->dev = fixture_plug(s->bus, &error_abort, "xen-framebuffer", NULL);
    s->con = host_console(DEVICE(s->dev));
    host_updated(s->con);
}

static void scene_connect(Scene *s, uint32_t width, uint32_t height,
                          uint32_t depth)
{
    scene_begin(s);
    guest_init(&s->guest, s->hv, width, height, depth);
    guest_connect(&s->guest);
    g_assert_cmpint(s->dev->be_state, ==, XenbusStateConnected);
}

static void scene_end(Scene *s)
{
    fixture_end(s->bus);
    g_assert_cmpuint(host_consoles_open(), ==, 0);
}

/* What a guest that lied finds: closed, and why. */
static void assert_refused(Scene *s, const char *why)
{
    g_autofree char *note = fixture_node(s->hv, ERROR_NODE);

    g_assert_cmpint(s->dev->be_state, ==, XenbusStateClosing);
    g_assert_nonnull(note);
    g_test_message("%s", note);
    g_assert_nonnull(strstr(note, why));
    g_assert_cmpuint(s->hv->live.maps + s->hv->live.channels, ==, 0);
}

static bool is_placeholder(QemuConsole *con)
{
    return surface_is_placeholder(host_surface(con));
}

/* ---- nodes ---- */

static void test_nodes(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);

    fixture_plug(bus, &error_abort, "xen-framebuffer", NULL);
    assert_node(hv, "1", BE "/0/feature-resize");
    assert_node(hv, "1", BE "/0/request-update");
    assert_node(hv, "64", BE "/0/videoram");
    assert_node(hv, NULL, BE "/0/width");
    fixture_plug(bus, &error_abort, "xen-framebuffer", "width", "1280",
                 "height", "800", "videoram", "4", NULL);
    assert_node(hv, "4", BE "/1/videoram");
    assert_node(hv, "1280", BE "/1/width");
    assert_node(hv, "800", BE "/1/height");
    g_assert_cmpuint(host_consoles_open(), ==, 2);
    fixture_end(bus);
    g_assert_cmpuint(host_consoles_open(), ==, 0);
}

static void test_properties(void)
{
    static const struct {
        const char *width, *height, *videoram, *why;
    } rows[] = {
        { "800",   "0",     "64",  "go together" },
        { "0",     "600",   "64",  "go together" },
        { "16385", "600",   "64",  "larger than 16384x16384" },
        { "1280",  "16385", "64",  "larger than 16384x16384" },
        { "800",   "600",   "0",   "videoram=0 is not in" },
        { "800",   "600",   "513", "videoram=513 is not in" },
        { "1280",  "1024",  "4",   "does not fit into videoram=4 MiB" },
    };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;

        g_assert_null(fixture_plug(bus, &err, "xen-framebuffer", "width",
                                   rows[i].width, "height", rows[i].height,
                                   "videoram", rows[i].videoram, NULL));
        g_assert_nonnull(strstr(error_get_pretty(err), rows[i].why));
        error_free(err);
        g_assert_cmpuint(host_consoles_open(), ==, 0);
    }
    fixture_end(bus);
}

/* ---- pictures ---- */

/* Only what has changed is announced, however much is said to have. */
static void test_draw(void)
{
    Scene s;

    scene_connect(&s, 100, 50, 32);
    g_assert_true(is_placeholder(s.con));
    guest_fill(&s.guest, 0x112233);
    host_refresh(s.con);
    g_assert_cmpint(surface_width(host_surface(s.con)), ==, 100);
    g_assert_cmpint(surface_height(host_surface(s.con)), ==, 50);
    g_assert_cmphex(host_pixel(s.con, 99, 49), ==, 0x112233);
    g_assert_cmpuint(host_updated(s.con), ==, 100 * 50);

    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 0);

    /* Drawn and not told: not seen. */
    guest_pixel(&s.guest, 10, 20, 0xffffff);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 0);
    guest_update(&s.guest, 8, 18, 4, 4);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 4);
    g_assert_cmphex(host_pixel(s.con, 10, 20), ==, 0xffffff);

    guest_pixel(&s.guest, 0, 0, 0xff0000);
    guest_pixel(&s.guest, 99, 49, 0x0000ff);
    guest_update(&s.guest, -5, -5, 1000, 1000);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 2 * 100);
    g_assert_cmphex(host_pixel(s.con, 0, 0), ==, 0xff0000);
    g_assert_cmphex(host_pixel(s.con, 99, 49), ==, 0x0000ff);

    guest_update(&s.guest, 0, 0, 100, 50);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 0);
    host_invalidate(s.con);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 100 * 50);
    scene_end(&s);
}

/* A display that nobody looks at is not drawn, and costs no event. */
static void test_nobody_looks(void)
{
    Scene s;
    int i;

    scene_connect(&s, 100, 50, 32);
    fake_guest_events(s.hv, s.guest.port);
    for (i = 0; i < 1000; i++) {
        guest_update(&s.guest, 0, 0, 100, 50);
    }
    g_assert_cmpuint(s.guest.page->out_cons, ==, 1000);
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 0);
    g_assert_cmpuint(host_updated(s.con), ==, 0);
    g_assert_true(is_placeholder(s.con));
    scene_end(&s);
}

/* A guest that found no room keeps what it could not say until it is told. */
static void test_ring_full(void)
{
    Scene s;
    int i;

    scene_connect(&s, 100, 50, 32);
    fake_guest_events(s.hv, s.guest.port);
    for (i = 0; i < XENFB_OUT_RING_LEN; i++) {
        union xenfb_out_event ev = {
            .update = { XENFB_TYPE_UPDATE, i, 0, 1, 1 },
        };

        guest_send(&s.guest, &ev);
    }
    g_assert_cmpuint(s.guest.page->out_cons, ==, 0);
    fixture_settle();
    g_assert_cmpuint(s.guest.page->out_cons, ==, XENFB_OUT_RING_LEN);
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    scene_end(&s);
}

static void test_depths(void)
{
    static const struct {
        unsigned depth;
        uint32_t value, rgb;
        bool in_place;
    } rows[] = {
        {  8, 0xe3,     0xff00ff, false },
        { 16, 0x07e0,   0x00ff00, true },
        { 24, 0x123456, 0x123456, false },
        { 32, 0x654321, 0x654321, true },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Scene s;

        /* One page, so that it could be shown where it is. */
        scene_connect(&s, 32, 16, rows[i].depth);
        guest_fill(&s.guest, rows[i].value);
        host_refresh(s.con);
        g_assert_cmphex(host_pixel(s.con, 31, 15), ==, rows[i].rgb);
        g_assert_cmpint(surface_data(host_surface(s.con)) == s.guest.fb[0],
                        ==, rows[i].in_place);
        scene_end(&s);
    }
}

/* A display may not take what the guest has. */
static void test_format_refused(void)
{
    Scene s;

    host_takes_16 = false;
    scene_connect(&s, 32, 16, 16);
    guest_fill(&s.guest, 0xf800);
    host_refresh(s.con);
    g_assert_cmphex(host_pixel(s.con, 1, 1), ==, 0xff0000);
    g_assert_true(surface_data(host_surface(s.con)) != s.guest.fb[0]);
    scene_end(&s);
    host_takes_16 = true;
}

/* Lines that pixman would not take: QEMU would have ended there. */
static void test_odd_lines(void)
{
    Scene s;

    scene_begin(&s);
    guest_init(&s.guest, s.hv, 15, 10, 32);
    s.guest.mode.stride = 62;
    s.guest.len = 4096;
    guest_connect(&s.guest);
    guest_fill(&s.guest, 0xabcdef);
    host_refresh(s.con);
    g_assert_cmphex(host_pixel(s.con, 14, 9), ==, 0xabcdef);
    s.guest.mode.offset = 2;
    s.guest.mode.stride = 64;
    guest_resize(&s.guest, &s.guest.mode);
    guest_fill(&s.guest, 0x123456);
    host_refresh(s.con);
    g_assert_cmphex(host_pixel(s.con, 0, 0), ==, 0x123456);
    g_assert_cmphex(host_pixel(s.con, 14, 9), ==, 0x123456);
    scene_end(&s);
}

/* In place: nothing is copied, and nothing is left of it. */
static void test_in_place(void)
{
    pixman_image_t *held;
    Scene s;

    scene_connect(&s, 32, 32, 32);
    host_refresh(s.con);
    g_assert_true(surface_data(host_surface(s.con)) == s.guest.fb[0]);
    g_assert_cmpuint(host_updated(s.con), ==, 32 * 32);
    guest_pixel(&s.guest, 3, 3, 0x00ff00);
    guest_update(&s.guest, 2, 3, 2, 1);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 2);

    /* Somebody is saving a screen shot when the guest goes. */
    held = pixman_image_ref(host_surface(s.con)->image);
    guest_set_state(&s.guest, XenbusStateClosing);
    guest_set_state(&s.guest, XenbusStateClosed);
    g_assert_true(is_placeholder(s.con));
    g_assert_cmpint(surface_width(host_surface(s.con)), ==, 32);
    g_assert_cmpuint(s.hv->live.maps, ==, 1);
    g_assert_cmphex(pixman_image_get_data(held)[3 * 32 + 3], ==, 0x00ff00);
    pixman_image_unref(held);
    g_assert_cmpuint(s.hv->live.maps, ==, 0);
    scene_end(&s);
}

/* A front end that does not tell what it draws. */
static void test_no_feature_update(void)
{
    Scene s;

    scene_begin(&s);
    guest_init(&s.guest, s.hv, 32, 32, 32);
    s.guest.tells = false;
    guest_connect(&s.guest);
    host_refresh(s.con);
    host_updated(s.con);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 0);
    guest_pixel(&s.guest, 5, 7, 0xffffff);
    host_refresh(s.con);
    g_assert_cmpuint(host_updated(s.con), ==, 32);
    g_assert_cmphex(host_pixel(s.con, 5, 7), ==, 0xffffff);
    scene_end(&s);
}

static void test_abis(void)
{
    static const struct {
        unsigned word;
        const char *protocol;
    } rows[] = {
        { 8, "x86_64-abi" }, { 4, "x86_32-abi" }, { 4, NULL }, { 8, NULL },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Scene s;

        scene_begin(&s);
        guest_init(&s.guest, s.hv, 100, 100, 32);
        s.guest.word = rows[i].word;
        s.guest.protocol = rows[i].protocol;
        guest_connect(&s.guest);
        guest_fill(&s.guest, 0x0000aa);
        host_refresh(s.con);
        g_assert_cmphex(host_pixel(s.con, 99, 99), ==, 0x0000aa);
        scene_end(&s);
    }
}

/* ---- other sizes ---- */

static void test_resize(void)
{
    XenPvFbMode small = { 50, 40, 32, 400, 0 };
    XenPvFbMode wide = { 120, 40, 32, 480, 0 };
    XenPvFbMode deep = { 200, 50, 16, 400, 400 };
    const XenPvFbMode *modes[] = { &small, &wide, &deep };
    unsigned i;
    Scene s;

    scene_begin(&s);
    guest_init(&s.guest, s.hv, 100, 60, 32);
    guest_connect(&s.guest);
    host_refresh(s.con);
    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        guest_resize(&s.guest, modes[i]);
        s.guest.mode = *modes[i];
        guest_fill(&s.guest, i == 2 ? 0xf800 : 0xff0000);
        host_refresh(s.con);
        g_assert_cmpint(surface_width(host_surface(s.con)), ==,
                        modes[i]->width);
        g_assert_cmpint(surface_height(host_surface(s.con)), ==,
                        modes[i]->height);
        g_assert_cmphex(host_pixel(s.con, modes[i]->width - 1,
                                   modes[i]->height - 1), ==, 0xff0000);
    }
    /* Many, and updates of one that was: nobody has seen them. */
    for (i = 0; i < 40; i++) {
        guest_resize(&s.guest, modes[i % 3]);
        guest_update(&s.guest, 0, 0, 200, 60);
    }
    host_refresh(s.con);
    g_assert_cmpint(surface_width(host_surface(s.con)), ==, 50);
    g_assert_cmpuint(host_consoles_open(), ==, 1);
    scene_end(&s);
}

static void test_resize_hostile(void)
{
    static const XenPvFbMode modes[] = {
        { 0, 0, 0, 0, 0 },
        { 100, 61, 32, 400, 0 },
        { 101, 60, 32, 400, 0 },
        { 100, 60, 32, 400, 4 },
        { 100, 60, 32, 400, 0xfffffffc },
        { 100, 60, 32, 0x80000000, 0 },
        { 0x40000000, 1, 32, 400, 0 },
        { 100, 0x40000000, 32, 0, 0 },
        { 100, 60, 31, 400, 0 },
        { -1, -1, 32, 400, 0 },
        { 16385, 1, 8, 16385, 0 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        Scene s;

        scene_connect(&s, 100, 60, 32);
        if (i % 2) {
            host_refresh(s.con);
        }
        guest_resize(&s.guest, &modes[i]);
        assert_refused(&s, "resize: ");
        host_refresh(s.con);
        g_assert_true(is_placeholder(s.con));
        scene_end(&s);
    }
}

/* ---- how often ---- */

static void test_refresh_period(void)
{
    union xenfb_in_event *ev;
    unsigned i;
    Scene s;

    scene_connect(&s, 100, 50, 32);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 0);
    fake_guest_events(s.hv, s.guest.port);
    host_ui_info(s.con, 60000);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 1);
    ev = &XENFB_IN_RING_REF((void *)s.guest.page, 0);
    g_assert_cmpuint(ev->type, ==, XENFB_TYPE_REFRESH_PERIOD);
    g_assert_cmpuint(ev->refresh_period.period, ==, 16);
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    /* Not again, and not what nobody knows. */
    host_ui_info(s.con, 60000);
    host_ui_info(s.con, 0);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 1);

    /* A guest that does not read gets the last one when it does. */
    for (i = 0; i < 2 * XENFB_IN_RING_LEN; i++) {
        host_ui_info(s.con, 1000 + i * 1000);
    }
    g_assert_cmpuint(s.guest.page->in_prod, ==, XENFB_IN_RING_LEN);
    s.guest.page->in_cons = s.guest.page->in_prod;
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    g_assert_cmpuint(s.guest.page->in_prod, ==, XENFB_IN_RING_LEN + 1);
    ev = &XENFB_IN_RING_REF((void *)s.guest.page, XENFB_IN_RING_LEN);
    g_assert_cmpuint(ev->refresh_period.period, ==,
                     1000 / (2 * XENFB_IN_RING_LEN));

    /* Whoever comes next is told at once. */
    guest_close(&s.guest);
    guest_set_state(&s.guest, XenbusStateInitialising);
    guest_connect(&s.guest);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 1);
    scene_end(&s);
}

/* ---- lies ---- */

static void test_hostile_page(void)
{
    static const struct {
        int32_t width, height;
        uint32_t depth, stride, len;
        const char *why;
    } rows[] = {
        { 0, 0, 0, 0, 0, "bits are not supported" },
        { 100, 50, 33, 400, 20000, "bits are not supported" },
        { -1, 50, 32, 400, 20000, "impossible size" },
        { 100, INT32_MIN, 32, 400, 20000, "impossible size" },
        { 100, 50, 32, 399, 20000, "bytes apart" },
        { 100, 50, 32, 400, 19999, "ends at byte 20000" },
        { 100, 50, 32, 0xffffffff, 20000, "ends at byte" },
        { 100, 50, 32, 400, 64 * MiB + 1, "larger than videoram" },
        { 100, 50, 32, 400, 0xffffffff, "larger than videoram" },
        /* It has one directory, and the frames of five pages in it. */
        { 100, 50, 32, 400, 24577, "framebuffer: " },
        { 100, 50, 32, 400, 2 * MiB + 1, "page directory: " },
        { 100, 50, 32, 400, 64 * MiB, "page directory: " },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Scene s;

        scene_begin(&s);
        guest_init(&s.guest, s.hv, 100, 50, 32);
        s.guest.mode.width = rows[i].width;
        s.guest.mode.height = rows[i].height;
        s.guest.mode.depth = rows[i].depth;
        s.guest.mode.stride = rows[i].stride;
        s.guest.len = rows[i].len;
        guest_connect(&s.guest);
        assert_refused(&s, rows[i].why);
        g_assert_true(is_placeholder(s.con));
        scene_end(&s);
    }
}

static void test_hostile_keys(void)
{
    static const struct {
        const char *key, *value, *why;
    } rows[] = {
        { "page-ref", "", "page-ref" },
        { "page-ref", "0", "frame 0x0" },
        { "page-ref", "18446744073709551615", "frame 0xffffffffffffffff" },
        { "page-ref", "18446744073709551616", "page-ref" },
        { "page-ref", "0x10", "page-ref" },
        { "event-channel", "-1", "event-channel" },
        { "event-channel", "4000000000", "port" },
        { "feature-update", "2", "feature-update" },
        { "protocol", "sparc", "unknown protocol" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Scene s;

        scene_begin(&s);
        guest_init(&s.guest, s.hv, 100, 50, 32);
        guest_fill_page(&s.guest);
        guest_set(&s.guest, "page-ref", "%" PRIu64, s.guest.page_ref);
        guest_set(&s.guest, "event-channel", "%u", s.guest.port);
        guest_set(&s.guest, "protocol", "x86_64-abi");
        guest_set(&s.guest, rows[i].key, "%s", rows[i].value);
        guest_set_state(&s.guest, XenbusStateInitialised);
        assert_refused(&s, rows[i].why);
        scene_end(&s);
    }
}

static void test_hostile_indices(void)
{
    Scene s;

    scene_connect(&s, 100, 50, 32);
    s.guest.page->out_prod = XENFB_OUT_RING_LEN + 1;
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    assert_refused(&s, "output ring");
    scene_end(&s);

    scene_connect(&s, 100, 50, 32);
    s.guest.page->in_cons = 1;
    host_ui_info(s.con, 60000);
    fake_guest_notify(s.hv, s.guest.port);
    fixture_settle();
    assert_refused(&s, "input ring");
    scene_end(&s);
}

/* What a guest writes over later is not what was judged. */
static void test_page_changes(void)
{
    Scene s;

    scene_connect(&s, 100, 50, 32);
    memset((uint8_t *)s.guest.page + 16, 0xff, 4096 - 16);
    memset(s.guest.dir, 0xff, 4096);
    guest_fill(&s.guest, 0x445566);
    host_refresh(s.con);
    g_assert_cmpint(surface_width(host_surface(s.con)), ==, 100);
    g_assert_cmphex(host_pixel(s.con, 99, 49), ==, 0x445566);
    scene_end(&s);
}

/* ---- comings and goings ---- */

/* Reload, crash, reset, kexec: always the same console. */
static void test_reconnect(void)
{
    unsigned made = MAX(host_consoles_made, 1);
    Scene s;
    int i;

    scene_begin(&s);
    for (i = 0; i < 6; i++) {
        guest_init(&s.guest, s.hv, 100 + i, 50, 32);
        guest_connect(&s.guest);
        g_assert_cmpint(s.dev->be_state, ==, XenbusStateConnected);
        host_refresh(s.con);
        g_assert_cmpint(surface_width(host_surface(s.con)), ==, 100 + i);
        switch (i) {
        case 0:
            guest_close(&s.guest);
            guest_set_state(&s.guest, XenbusStateInitialising);
            break;
        case 1:
            guest_set_state(&s.guest, XenbusStateInitialising);
            break;
        case 2:
            guest_set_state(&s.guest, XenbusStateClosed);
            guest_set_state(&s.guest, XenbusStateInitialising);
            break;
        case 3:
            xenpv_bus_reset(s.bus);
            fixture_settle();
            break;
        case 4:
            /* Linux's is ready again without waiting for us. */
            break;
        }
        if (i < 4) {
            g_assert_true(is_placeholder(s.con));
            g_assert_cmpint(surface_width(host_surface(s.con)), ==, 100 + i);
            g_assert_cmpuint(s.hv->live.maps, ==, 0);
        }
    }
    g_assert_cmpuint(host_consoles_made, ==, made);
    scene_end(&s);
}

/* While it draws; the next one gets the same window. */
static void test_unplug(void)
{
    QemuConsole *con = NULL;
    int i;

    for (i = 0; i < 3; i++) {
        Scene s;

        scene_connect(&s, 100, 50, 32);
        g_assert_true(!con || s.con == con);
        con = s.con;
        host_refresh(con);
        guest_update(&s.guest, 0, 0, 100, 50);
        object_unparent(OBJECT(s.dev));
        g_assert_cmpuint(s.hv->live.maps + s.hv->live.channels, ==, 0);
        g_assert_cmpuint(host_consoles_open(), ==, 0);
        g_assert_true(is_placeholder(con));
        host_refresh(con);
        /* A window was resized a second ago. */
        host_ui_info(con, 60000);
        scene_end(&s);
    }
}

/* As libxl writes it. */
static void test_toolstack(void)
{
    static const char *const keys[][2] = {
        { "frontend", FE "/0" }, { "frontend-id", "1" }, { "online", "1" },
        { "domain", "guest" }, { "vnc", "1" }, { "vnclisten", "127.0.0.1" },
        { "vncpasswd", "secret" }, { "vncdisplay", "0" },
        { "vncunused", "1" }, { "keymap", "de" }, { "sdl", "0" },
        { "opengl", "0" }, { "width", "640" }, { "height", "480" },
        { "videoram", "8" }, { "state", "1" },
    };
    const XenPvPerm guest[] = { { .domid = FAKE_GUEST }, { .domid = 0 } };
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    XenPvDevice *dev;
    Guest g;
    unsigned i;

    xenpv_store_write(hv, NULL, FE "/0", "");
    xenpv_store_set_perms(hv, NULL, FE "/0", guest, 2);
    xenpv_store_write(hv, NULL, FE "/0/backend", BE "/0");
    xenpv_store_write(hv, NULL, FE "/0/state", "1");
    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        g_autofree char *path = g_strdup_printf(BE "/0/%s", keys[i][0]);

        xenpv_store_write(hv, NULL, path, keys[i][1]);
    }
    fixture_settle();
    assert_node(hv, "2", BE "/0/state");
    assert_node(hv, "640", BE "/0/width");
    assert_node(hv, "8", BE "/0/videoram");
    assert_node(hv, "secret", BE "/0/vncpasswd");
    dev = QTAILQ_FIRST(&bus->devices);
    guest_init(&g, hv, 100, 50, 32);
    guest_connect(&g);
    g_assert_cmpint(dev->be_state, ==, XenbusStateConnected);
    host_refresh(host_console(DEVICE(dev)));
    fixture_end(bus);
    g_assert_cmpuint(host_consoles_open(), ==, 0);
}

/* A display that starts with QEMU finds the screen there. */
static void test_toolstack_first(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus;

    xenpv_store_write(hv, NULL, FE "/0/backend", BE "/0");
    xenpv_store_write(hv, NULL, FE "/0/state", "1");
    xenpv_store_write(hv, NULL, BE "/0/frontend", FE "/0");
    xenpv_store_write(hv, NULL, BE "/0/frontend-id", "1");
    xenpv_store_write(hv, NULL, BE "/0/online", "1");
    xenpv_store_write(hv, NULL, BE "/0/state", "1");
    bus = fixture_bus(hv);
    g_assert_cmpuint(host_consoles_open(), ==, 0);
    xenpv_bus_find_devices(bus);
    g_assert_cmpuint(host_consoles_open(), ==, 1);
    assert_node(hv, "2", BE "/0/state");
    fixture_settle();
    g_assert_cmpuint(host_consoles_open(), ==, 1);
    fixture_end(bus);
}

/* ---- every single fault ---- */

static bool whole_life(XenPvHv *hv, XenPvBus *bus)
{
    bool drawn = false;
    XenPvDevice *dev;
    QemuConsole *con;
    Error *err = NULL;
    Guest guest;
    int round;

    dev = fixture_plug(bus, &err, "xen-framebuffer", NULL);
    if (!dev) {
        g_assert_nonnull(err);
        error_free(err);
        g_assert_cmpuint(host_consoles_open(), ==, 0);
        return false;
    }
    con = host_console(DEVICE(dev));
    for (round = 0; round < 2; round++) {
        guest_init(&guest, hv, 40, 30, 32);
        if (round) {
            guest_set_state(&guest, XenbusStateInitialising);
        }
        guest_connect(&guest);
        guest_fill(&guest, 0x1234 + round);
        guest_update(&guest, 0, 0, 40, 30);
        host_refresh(con);
        drawn = host_pixel(con, 39, 29) == 0x1234 + round;
        guest_close(&guest);
        g_assert_cmpuint(hv->live.maps + hv->live.channels, ==, 0);
        g_assert_true(is_placeholder(con));
        if (!drawn) {
            break;
        }
    }
    fixture_unplug(dev, &err);
    if (err) {
        error_free(err);
        return false;
    }
    fixture_settle();
    return drawn && round == 2;
}

static void test_faults(void)
{
    bool done = false;
    unsigned n;

    for (n = 1; !done; n++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        bool ok;

        g_assert_cmpuint(n, <, 1000);
        fake_hv_fail_at(hv, n);
        ok = whole_life(hv, bus);
        done = !fake_hv_has_failed(hv);
        g_assert_true(ok || !done);
        fixture_end(bus);
        g_assert_cmpuint(host_consoles_open(), ==, 0);
    }
    g_test_message("%u faults", n - 2);
    g_assert_cmpuint(n, >, 30);
}

static void test_describe(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    XenPvDeviceClass *dc;
    Scene s;

    scene_connect(&s, 100, 50, 32);
    guest_update(&s.guest, 0, 0, 1, 1);
    dc = XENPV_DEVICE_GET_CLASS(s.dev);
    dc->print(s.dev, text, 2);
    g_assert_nonnull(strstr(text->str, "  100x50, 32 bits"));
    g_assert_nonnull(strstr(text->str, "1 updates"));
    scene_end(&s);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    g_test_add_func("/xenpv/framebuffer/nodes", test_nodes);
    g_test_add_func("/xenpv/framebuffer/properties", test_properties);
    g_test_add_func("/xenpv/framebuffer/draw", test_draw);
    g_test_add_func("/xenpv/framebuffer/nobody-looks", test_nobody_looks);
    g_test_add_func("/xenpv/framebuffer/ring-full", test_ring_full);
    g_test_add_func("/xenpv/framebuffer/depths", test_depths);
    g_test_add_func("/xenpv/framebuffer/format-refused",
                    test_format_refused);
    g_test_add_func("/xenpv/framebuffer/odd-lines", test_odd_lines);
    g_test_add_func("/xenpv/framebuffer/in-place", test_in_place);
    g_test_add_func("/xenpv/framebuffer/no-feature-update",
                    test_no_feature_update);
    g_test_add_func("/xenpv/framebuffer/abis", test_abis);
    g_test_add_func("/xenpv/framebuffer/resize", test_resize);
    g_test_add_func("/xenpv/framebuffer/resize-hostile",
                    test_resize_hostile);
    g_test_add_func("/xenpv/framebuffer/refresh-period",
                    test_refresh_period);
    g_test_add_func("/xenpv/framebuffer/hostile-page", test_hostile_page);
    g_test_add_func("/xenpv/framebuffer/hostile-keys", test_hostile_keys);
    g_test_add_func("/xenpv/framebuffer/hostile-indices",
                    test_hostile_indices);
    g_test_add_func("/xenpv/framebuffer/page-changes", test_page_changes);
    g_test_add_func("/xenpv/framebuffer/reconnect", test_reconnect);
    g_test_add_func("/xenpv/framebuffer/unplug", test_unplug);
    g_test_add_func("/xenpv/framebuffer/toolstack", test_toolstack);
    g_test_add_func("/xenpv/framebuffer/toolstack-first",
                    test_toolstack_first);
    g_test_add_func("/xenpv/framebuffer/faults", test_faults);
    g_test_add_func("/xenpv/framebuffer/describe", test_describe);
    return g_test_run();
}
