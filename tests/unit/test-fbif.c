/*
 * The framebuffer protocol, with a front end that lies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/xen/interface/io/fbif.h"
#include "hw/xenpv/drivers/fbif.h"

#define P32 "x86_32-abi"
#define P64 "x86_64-abi"

/* The head of the page, written out by hand under both ABIs. */
typedef struct QEMU_PACKED Head32 {
    uint32_t in_cons, in_prod, out_cons, out_prod;
    int32_t width, height;
    uint32_t stride, len;
    uint8_t depth;
    uint8_t pad[3];
    uint32_t pd[256];
} Head32;

typedef struct QEMU_PACKED Head64 {
    uint32_t in_cons, in_prod, out_cons, out_prod;
    int32_t width, height;
    uint32_t stride, len;
    uint8_t depth;
    uint8_t pad[7];
    uint64_t pd[256];
} Head64;

QEMU_BUILD_BUG_ON(sizeof(Head64) != XENPV_FB_HEAD);

/* ---- geometry ---- */

typedef struct ModeRow {
    const char *what;
    uint32_t width, height, depth, stride, offset;
    uint64_t len;
    bool ok;
} ModeRow;

static const ModeRow modes[] = {
    { "Linux's",            800,   600, 32,  3200,    0,  1920000, true },
    { "exactly fits",         2,     2, 32,    16,    4,       28, true },
    { "one byte short",       2,     2, 32,    16,    4,       27, false },
    { "last line is short", 100,    10,  8,  1000,    0,     9100, true },
    { "one pixel",            1,     1,  8,     1,    0,        1, true },
    { "largest",          16384, 16384,  8, 16384,    0, 256 * MiB, true },
    { "wider",            16385,     1,  8, 16385,    0, 256 * MiB, false },
    { "higher",               1, 16385,  8,     1,    0, 256 * MiB, false },
    { "no width",             0,   600, 32,  3200,    0,  1920000, false },
    { "no height",          800,     0, 32,  3200,    0,  1920000, false },
    { "negative width",      -1,   600, 32,  3200,    0,  1920000, false },
    { "negative height",    800,    -1, 32,  3200,    0,  1920000, false },
    { "least width",  INT32_MIN,   600, 32,  3200,    0,  1920000, false },
    { "width overflows", 0x40000001, 1, 32,     4,    0,  1920000, false },
    { "no depth",           800,   600,  0,  3200,    0,  1920000, false },
    { "depth 1",            800,   600,  1,  3200,    0,  1920000, false },
    { "depth 15",           800,   600, 15,  3200,    0,  1920000, false },
    { "depth 64",            80,    60, 64,   640,    0,  1920000, false },
    { "no stride",          800,   600, 32,     0,    0,  1920000, false },
    { "short stride",       800,   600, 32,  3199,    0,  1920000, false },
    { "odd stride",          10,    10, 24,    31,    1,     1000, true },
    { "huge stride",        800,     2, 32,    -1,    0,  1920000, false },
    { "huge, one line",     800,     1, 32,    -1,    0,  1920000, true },
    { "offset at the end",  800,     1,  8,   800, 1920000, 1920000, false },
    { "negative offset",    800,   600, 32,  3200,   -1,  1920000, false },
    { "offset overflows",   800,   600, 32,  3200,
                                            0xffffff00, 1920000, false },
    { "no memory",            1,     1,  8,     1,    0,        0, false },
};

static void test_modes(void)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        const ModeRow *row = &modes[i];
        XenPvFbMode mode = {
            .width = row->width, .height = row->height, .depth = row->depth,
            .stride = row->stride, .offset = row->offset,
        };
        Error *err = NULL;
        bool ok = xenpv_fb_check_mode(&mode, row->len, &err);

        g_test_message("%s", row->what);
        g_assert_cmpint(ok, ==, row->ok);
        g_assert_cmpint(!err, ==, ok);
        error_free(err);
    }
}

/* ---- the page ---- */

static Head32 head32(int32_t width, int32_t height, uint32_t len)
{
    Head32 head = {
        .width = width, .height = height, .stride = width, .len = len,
        .depth = 8, .pad = { 0xaa, 0xaa, 0xaa },
    };
    unsigned i;

    for (i = 0; i < 256; i++) {
        head.pd[i] = 0x80000000u + i;
    }
    return head;
}

static Head64 head64(int32_t width, int32_t height, uint32_t len)
{
    Head64 head = {
        .width = width, .height = height, .stride = width, .len = len,
        .depth = 8, .pad = { 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa },
    };
    unsigned i;

    for (i = 0; i < 256; i++) {
        head.pd[i] = 0x4000000080000000ull + i;
    }
    return head;
}

/* How many directories there are, and that they are the right ones. */
static void test_dirs(void)
{
    static const struct {
        uint64_t len;
        uint32_t dirs32, dirs64;        /* 0: refused */
    } rows[] = {
        { 100,           1,   1 },
        { 4096,          1,   1 },
        { 2 * MiB,       1,   1 },
        { 2 * MiB + 1,   1,   2 },
        { 4 * MiB,       1,   2 },
        { 4 * MiB + 1,   2,   3 },
        { 512 * MiB,   128, 256 },
        { 512 * MiB + 1, 129, 0 },
        { 1024 * MiB,  256,   0 },
        { 1024 * MiB + 1, 0,  0 },
        { UINT32_MAX,    0,   0 },
    };
    g_autofree XenPvFbStart *s = g_new(XenPvFbStart, 1);
    unsigned i, d;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Head32 h32 = head32(10, 10, rows[i].len);
        Head64 h64 = head64(10, 10, rows[i].len);
        uint8_t buf[XENPV_FB_HEAD] = { 0 };
        bool ok;

        memcpy(buf, &h32, sizeof(h32));
        ok = xenpv_fb_parse(s, buf, P32, UINT64_MAX, NULL);
        g_assert_cmpint(ok, ==, rows[i].dirs32 != 0);
        if (ok) {
            g_assert_cmpuint(s->nr_dirs, ==, rows[i].dirs32);
            g_assert_cmpuint(s->word, ==, 4);
            for (d = 0; d < s->nr_dirs; d++) {
                g_assert_cmphex(s->dir[d], ==, 0x80000000u + d);
            }
        }
        ok = xenpv_fb_parse(s, &h64, P64, UINT64_MAX, NULL);
        g_assert_cmpint(ok, ==, rows[i].dirs64 != 0);
        if (ok) {
            g_assert_cmpuint(s->nr_dirs, ==, rows[i].dirs64);
            g_assert_cmpuint(s->nr_pages, ==, DIV_ROUND_UP(rows[i].len, 4096));
            g_assert_cmpuint(s->word, ==, 8);
            for (d = 0; d < s->nr_dirs; d++) {
                g_assert_cmphex(s->dir[d], ==, 0x4000000080000000ull + d);
            }
        }
    }
}

/* Old front ends do not say what they are. */
static void test_no_protocol(void)
{
    g_autofree XenPvFbStart *s = g_new(XenPvFbStart, 1);
    Head32 h32 = head32(10, 10, 4096);
    Head64 h64 = head64(10, 10, 4096);
    uint8_t buf[XENPV_FB_HEAD] = { 0 };

    memset(h32.pd + 1, 0, sizeof(h32.pd) - sizeof(h32.pd[0]));
    memcpy(buf, &h32, sizeof(h32));
    g_assert_true(xenpv_fb_parse(s, buf, NULL, UINT64_MAX, NULL));
    g_assert_cmpuint(s->word, ==, 4);
    g_assert_cmphex(s->dir[0], ==, 0x80000000u);

    g_assert_true(xenpv_fb_parse(s, &h64, NULL, UINT64_MAX, NULL));
    g_assert_cmpuint(s->word, ==, 8);
    g_assert_cmphex(s->dir[0], ==, 0x4000000080000000ull);
}

static void test_refused(void)
{
    static const struct {
        const char *protocol;
        uint64_t max;
        const char *why;
    } rows[] = {
        { "x86_16-abi", UINT64_MAX, "unknown protocol" },
        { "",           UINT64_MAX, "unknown protocol" },
        { P64,          4095,       "larger than videoram" },
        { P64,          0,          "larger than videoram" },
    };
    g_autofree XenPvFbStart *s = g_new(XenPvFbStart, 1);
    Head64 h64 = head64(10, 10, 4096);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;

        g_assert_false(xenpv_fb_parse(s, &h64, rows[i].protocol, rows[i].max,
                                      &err));
        g_assert_nonnull(strstr(error_get_pretty(err), rows[i].why));
        error_free(err);
    }
    g_assert_true(xenpv_fb_parse(s, &h64, P64, 4096, NULL));
}

/* ---- events ---- */

static void test_updates(void)
{
    static const struct {
        int32_t x, y, w, h;
        XenPvFbRect want;               /* height 0: nothing */
    } rows[] = {
        {   0,   0, 800, 600, { 0, 0, 800, 600 } },
        {  10,  20,  30,  40, { 10, 20, 30, 40 } },
        { 799, 599,   1,   1, { 799, 599, 1, 1 } },
        { 799, 599, 100, 100, { 799, 599, 1, 1 } },
        { -10, -20, 100, 100, { 0, 0, 90, 80 } },
        { -10,   0,  10,  10, { 0 } },
        { 800,   0,  10,  10, { 0 } },
        {   0, 600,  10,  10, { 0 } },
        {   0,   0,   0,  10, { 0 } },
        {   0,   0,  10,   0, { 0 } },
        {   0,   0,  -1,  10, { 0 } },
        {   0,   0,  10,  -1, { 0 } },
        { INT32_MAX, 0, INT32_MAX, 10, { 0 } },
        { INT32_MIN, 0, INT32_MAX, 10, { 0 } },
        { INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, { 0 } },
        { -1, -1, INT32_MAX, INT32_MAX, { 0, 0, 800, 600 } },
        {  5,  5, INT32_MAX, INT32_MAX, { 5, 5, 795, 595 } },
    };
    XenPvFbMode mode = { .width = 800, .height = 600 };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        union xenfb_out_event out = {
            .update = { XENFB_TYPE_UPDATE, rows[i].x, rows[i].y, rows[i].w,
                        rows[i].h },
        };
        XenPvFbEvent ev;

        xenpv_fb_decode(&ev, &out, &mode);
        g_assert_cmpint(ev.kind, ==, XENPV_FB_UPDATE);
        g_assert_cmpmem(&ev.rect, sizeof(ev.rect), &rows[i].want,
                        sizeof(rows[i].want));
    }
}

static void test_other_events(void)
{
    union xenfb_out_event out = {
        .resize = { XENFB_TYPE_RESIZE, 640, 480, 2560, 32, 4096 },
    };
    XenPvFbMode mode = { .width = 800, .height = 600 };
    union xenfb_in_event in;
    XenPvFbEvent ev;
    unsigned type;

    xenpv_fb_decode(&ev, &out, &mode);
    g_assert_cmpint(ev.kind, ==, XENPV_FB_RESIZE);
    g_assert_cmpuint(ev.mode.width, ==, 640);
    g_assert_cmpuint(ev.mode.height, ==, 480);
    g_assert_cmpuint(ev.mode.stride, ==, 2560);
    g_assert_cmpuint(ev.mode.depth, ==, 32);
    g_assert_cmpuint(ev.mode.offset, ==, 4096);
    for (type = 0; type < 256; type++) {
        if (type != XENFB_TYPE_UPDATE && type != XENFB_TYPE_RESIZE) {
            out.type = type;
            xenpv_fb_decode(&ev, &out, &mode);
            g_assert_cmpint(ev.kind, ==, XENPV_FB_UNKNOWN);
        }
    }
    memset(&in, 0xaa, sizeof(in));
    xenpv_fb_refresh_period(&in, 33);
    g_assert_cmpuint(in.type, ==, XENFB_TYPE_REFRESH_PERIOD);
    g_assert_cmpuint(in.refresh_period.period, ==, 33);
    g_assert_cmpuint(in.pad[1] | in.pad[8] | in.pad[39], ==, 0);
}

/* ---- what is dirty, against a bitmap that a child could have written ---- */

#define W 40
#define H 30

static void test_dirty(void)
{
    XenPvFbDirty dirty = { 0 };
    int round, i, x, y;

    g_assert_true(xenpv_fb_dirty_init(&dirty, W, H));
    for (round = 0; round < 300; round++) {
        bool want[H][W] = { 0 };
        XenPvFbRect line;
        uint32_t last = 0;

        for (i = g_test_rand_int_range(0, 5); i > 0; i--) {
            XenPvFbRect r;

            r.x = g_test_rand_int_range(0, W);
            r.y = g_test_rand_int_range(0, H);
            r.width = g_test_rand_int_range(1, W - r.x + 1);
            r.height = g_test_rand_int_range(1, H - r.y + 1);
            xenpv_fb_dirty_add(&dirty, &r);
            for (y = r.y; y < r.y + r.height; y++) {
                for (x = r.x; x < r.x + r.width; x++) {
                    want[y][x] = true;
                }
            }
        }
        while (xenpv_fb_dirty_take(&dirty, &line)) {
            g_assert_cmpuint(line.height, ==, 1);
            g_assert_cmpuint(line.x + line.width, <=, W);
            g_assert_true(line.y >= last && line.y < H);
            last = line.y + 1;
            /* Not a pixel more on either side. */
            g_assert_true(want[line.y][line.x]);
            g_assert_true(want[line.y][line.x + line.width - 1]);
            memset(&want[line.y][line.x], 0, line.width);
        }
        for (y = 0; y < H; y++) {
            for (x = 0; x < W; x++) {
                g_assert_false(want[y][x]);
            }
        }
    }
    xenpv_fb_dirty_add_all(&dirty);
    for (i = 0; i < H; i++) {
        XenPvFbRect line;

        g_assert_true(xenpv_fb_dirty_take(&dirty, &line));
        g_assert_cmpuint(line.y, ==, i);
        g_assert_cmpuint(line.width, ==, W);
    }
    xenpv_fb_dirty_clear(&dirty);
    xenpv_fb_dirty_clear(&dirty);
}

/* ---- pixels ---- */

static void test_colours(void)
{
    static const struct {
        unsigned depth;
        uint8_t src[4];
        uint32_t rgb;
    } rows[] = {
        {  8, { 0x00 }, 0x000000 },
        {  8, { 0xff }, 0xffffff },
        {  8, { 0xe0 }, 0xff0000 },
        {  8, { 0x1c }, 0x00ff00 },
        {  8, { 0x03 }, 0x0000ff },
        {  8, { 0x92 }, 0x9292aa },
        { 16, { 0x00, 0xf8 }, 0xff0000 },
        { 16, { 0xe0, 0x07 }, 0x00ff00 },
        { 16, { 0x1f, 0x00 }, 0x0000ff },
        { 16, { 0xff, 0xff }, 0xffffff },
        { 16, { 0x10, 0x84 }, 0x848284 },
        { 24, { 0x33, 0x22, 0x11 }, 0x112233 },
        { 24, { 0xff, 0xff, 0xff }, 0xffffff },
        { 32, { 0x33, 0x22, 0x11, 0x00 }, 0x112233 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t rgb;

        xenpv_fb_to_rgb(&rgb, rows[i].src, rows[i].depth, 1);
        g_assert_cmphex(rgb, ==, rows[i].rgb);
    }
}

/* Pages that lie about, any geometry: the line is what it should be. */
static void test_draw(void)
{
    g_autofree void *scratch = g_malloc(XENPV_FB_MAX_SIDE * 4);
    static const unsigned depths[] = { 8, 16, 24, 32 };
    enum { PAGES = 8 };
    g_autofree uint8_t *flat = g_malloc(PAGES * 4096);
    void *page[PAGES];
    int i, round;

    for (i = 0; i < PAGES * 4096; i++) {
        flat[i] = g_test_rand_int();
    }
    for (i = 0; i < PAGES; i++) {
        page[i] = g_memdup2(flat + i * 4096, 4096);
    }
    for (round = 0; round < 400; round++) {
        unsigned depth = depths[round % 4];
        XenPvFbMode mode = {
            .depth = depth,
            .width = g_test_rand_int_range(1, 1500),
            .height = 4,
            .offset = g_test_rand_int_range(0, 5000),
        };
        XenPvFbRect line = { .y = g_test_rand_int_range(0, 4), .height = 1 };
        g_autofree uint32_t *dst = g_new0(uint32_t, mode.width);
        g_autofree uint32_t *want = g_new0(uint32_t, mode.width);

        mode.stride = mode.width * depth / 8 + g_test_rand_int_range(0, 100);
        if (!xenpv_fb_check_mode(&mode, PAGES * 4096, NULL)) {
            continue;
        }
        line.x = g_test_rand_int_range(0, mode.width);
        line.width = g_test_rand_int_range(1, mode.width - line.x + 1);
        xenpv_fb_to_rgb(want + line.x,
                        flat + mode.offset + mode.stride * line.y +
                        line.x * depth / 8, depth, line.width);
        g_assert_true(xenpv_fb_draw(dst, page, &mode, &line, scratch));
        g_assert_cmpmem(dst, mode.width * 4, want, mode.width * 4);
        g_assert_false(xenpv_fb_draw(dst, page, &mode, &line, scratch));
        /* The last pixel counts as much as the first. */
        dst[line.x + line.width - 1] ^= 0x10;
        g_assert_true(xenpv_fb_draw(dst, page, &mode, &line, scratch));
        g_assert_cmpmem(dst, mode.width * 4, want, mode.width * 4);
    }
    for (i = 0; i < PAGES; i++) {
        g_free(page[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/fbif/modes", test_modes);
    g_test_add_func("/xenpv/fbif/directories", test_dirs);
    g_test_add_func("/xenpv/fbif/no-protocol", test_no_protocol);
    g_test_add_func("/xenpv/fbif/refused", test_refused);
    g_test_add_func("/xenpv/fbif/updates", test_updates);
    g_test_add_func("/xenpv/fbif/other-events", test_other_events);
    g_test_add_func("/xenpv/fbif/dirty", test_dirty);
    g_test_add_func("/xenpv/fbif/colours", test_colours);
    g_test_add_func("/xenpv/fbif/draw", test_draw);
    return g_test_run();
}
