/*
 * The framebuffer protocol: geometry, page directories, events and pixels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hw/xen/interface/io/fbif.h"
#include "hw/xen/interface/io/protocols.h"
#include "fbif.h"

/* The head of the shared page, the same under both ABIs up to pd[]. */
#define OFF_WIDTH       16
#define OFF_HEIGHT      20
#define OFF_STRIDE      24
#define OFF_LEN         28
#define OFF_DEPTH       32
#define OFF_PD_32       36
#define OFF_PD_64       40

QEMU_BUILD_BUG_ON(offsetof(struct xenfb_page, width) != OFF_WIDTH);
QEMU_BUILD_BUG_ON(offsetof(struct xenfb_page, mem_length) != OFF_LEN);
QEMU_BUILD_BUG_ON(offsetof(struct xenfb_page, depth) != OFF_DEPTH);
QEMU_BUILD_BUG_ON(XENFB_OUT_EVENT_SIZE != XENPV_FB_EVENT_SIZE);
QEMU_BUILD_BUG_ON(XENFB_IN_EVENT_SIZE != XENPV_FB_EVENT_SIZE);

/* ---- geometry ---- */

bool xenpv_fb_check_mode(const XenPvFbMode *mode, uint64_t len, Error **errp)
{
    uint64_t line, end;

    if (mode->depth != 8 && mode->depth != 16 && mode->depth != 24 &&
        mode->depth != 32) {
        error_setg(errp, "pixels of %" PRIu32 " bits are not supported",
                   mode->depth);
        return false;
    }
    if (!mode->width || !mode->height || mode->width > XENPV_FB_MAX_SIDE ||
        mode->height > XENPV_FB_MAX_SIDE) {
        error_setg(errp, "impossible size %" PRIu32 "x%" PRIu32, mode->width,
                   mode->height);
        return false;
    }
    line = (uint64_t)mode->width * (mode->depth / 8);
    if (mode->stride < line) {
        error_setg(errp, "lines of %" PRIu64 " bytes are %" PRIu32
                   " bytes apart", line, mode->stride);
        return false;
    }
    end = mode->offset + (uint64_t)mode->stride * (mode->height - 1) + line;
    if (end > len) {
        error_setg(errp, "a picture of %" PRIu32 "x%" PRIu32 " ends at byte %"
                   PRIu64 " of a framebuffer of %" PRIu64, mode->width,
                   mode->height, end, len);
        return false;
    }
    return true;
}

/*
 * A front end that names no protocol uses one directory, so the second word of
 * its pd[] is 0.  At the same place a 64-bit front end has the lower half of
 * its first word.
 */
static unsigned guess_word(const uint8_t *head)
{
    return ldl_le_p(head + OFF_PD_32 + 4) ? 8 : 4;
}

static bool judge_protocol(unsigned *word, const uint8_t *head,
                           const char *protocol, Error **errp)
{
    if (!protocol) {
        *word = guess_word(head);
    } else if (!strcmp(protocol, XEN_IO_PROTO_ABI_X86_64) ||
               !strcmp(protocol, XEN_IO_PROTO_ABI_ARM)) {
        *word = 8;
    } else if (!strcmp(protocol, XEN_IO_PROTO_ABI_X86_32)) {
        *word = 4;
    } else {
        error_setg(errp, "unknown protocol");
        return false;
    }
    return true;
}

static uint64_t get_word(const uint8_t *words, unsigned word, uint32_t i)
{
    return word == 8 ? ldq_le_p(words + (size_t)i * 8) :
                       (uint32_t)ldl_le_p(words + (size_t)i * 4);
}

bool xenpv_fb_parse(XenPvFbStart *start, const void *head,
                    const char *protocol, uint64_t max_len, Error **errp)
{
    const uint8_t *h = head;

    *start = (XenPvFbStart) {
        .mode = {
            .width = ldl_le_p(h + OFF_WIDTH),
            .height = ldl_le_p(h + OFF_HEIGHT),
            .stride = ldl_le_p(h + OFF_STRIDE),
            .depth = h[OFF_DEPTH],
        },
        .len = (uint32_t)ldl_le_p(h + OFF_LEN),
    };
    if (!judge_protocol(&start->word, h, protocol, errp)) {
        return false;
    }
    if (start->len > max_len) {
        error_setg(errp, "a framebuffer of %" PRIu64 " KiB is larger than "
                   "videoram, %" PRIu64 " MiB", start->len / KiB,
                   max_len / MiB);
        return false;
    }
    if (!xenpv_fb_check_mode(&start->mode, start->len, errp)) {
        return false;
    }
    start->nr_pages = DIV_ROUND_UP(start->len, XENPV_FB_PAGE_SIZE);
    start->nr_dirs = DIV_ROUND_UP(start->nr_pages,
                                  xenpv_fb_dir_entries(start->word));
    if (start->nr_dirs > XENPV_FB_MAX_DIRS) {
        error_setg(errp, "a framebuffer of %" PRIu64 " MiB does not fit its "
                   "directories", start->len / MiB);
        return false;
    }
    xenpv_fb_parse_dir(start->dir,
                       h + (start->word == 8 ? OFF_PD_64 : OFF_PD_32),
                       start->word, start->nr_dirs);
    return true;
}

void xenpv_fb_parse_dir(uint64_t *frame, const void *dir, unsigned word,
                        uint32_t nr)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        frame[i] = get_word(dir, word, i);
    }
}

/* ---- events ---- */

/* Of a line of @len pixels, what [from, from + count) has of it. */
static bool clip(int32_t from, int32_t count, uint32_t len, uint32_t *start,
                 uint32_t *nr)
{
    int64_t first = MAX((int64_t)from, 0);
    int64_t end = MIN((int64_t)from + count, (int64_t)len);

    if (first >= end) {
        return false;
    }
    *start = first;
    *nr = end - first;
    return true;
}

static void decode_update(XenPvFbEvent *ev, const uint8_t *buf,
                          const XenPvFbMode *mode)
{
    const struct xenfb_update *u = NULL;
    XenPvFbRect r;

    if (clip(ldl_le_p(buf + offsetof(typeof(*u), x)),
             ldl_le_p(buf + offsetof(typeof(*u), width)), mode->width,
             &r.x, &r.width) &&
        clip(ldl_le_p(buf + offsetof(typeof(*u), y)),
             ldl_le_p(buf + offsetof(typeof(*u), height)), mode->height,
             &r.y, &r.height)) {
        ev->rect = r;
    }
}

static void decode_resize(XenPvFbEvent *ev, const uint8_t *buf)
{
    const struct xenfb_resize *r = NULL;

    ev->mode = (XenPvFbMode) {
        .width = ldl_le_p(buf + offsetof(typeof(*r), width)),
        .height = ldl_le_p(buf + offsetof(typeof(*r), height)),
        .stride = ldl_le_p(buf + offsetof(typeof(*r), stride)),
        .depth = ldl_le_p(buf + offsetof(typeof(*r), depth)),
        .offset = ldl_le_p(buf + offsetof(typeof(*r), offset)),
    };
}

void xenpv_fb_decode(XenPvFbEvent *ev, const void *buf,
                     const XenPvFbMode *mode)
{
    *ev = (XenPvFbEvent) { .kind = XENPV_FB_UNKNOWN };
    switch (*(const uint8_t *)buf) {
    case XENFB_TYPE_UPDATE:
        ev->kind = XENPV_FB_UPDATE;
        decode_update(ev, buf, mode);
        break;
    case XENFB_TYPE_RESIZE:
        ev->kind = XENPV_FB_RESIZE;
        decode_resize(ev, buf);
        break;
    }
}

void xenpv_fb_refresh_period(void *buf, uint32_t period)
{
    memset(buf, 0, XENPV_FB_EVENT_SIZE);
    *(uint8_t *)buf = XENFB_TYPE_REFRESH_PERIOD;
    stl_le_p(buf + offsetof(struct xenfb_refresh_period, period), period);
}

/* ---- what has to be redrawn ---- */

bool xenpv_fb_dirty_init(XenPvFbDirty *dirty, uint32_t width,
                         uint32_t height)
{
    xenpv_fb_dirty_clear(dirty);
    dirty->span = g_try_malloc0_n(height, sizeof(*dirty->span));
    if (!dirty->span) {
        return false;
    }
    dirty->width = width;
    dirty->height = height;
    dirty->y1 = height;
    return true;
}

void xenpv_fb_dirty_clear(XenPvFbDirty *dirty)
{
    g_free(dirty->span);
    *dirty = (XenPvFbDirty) { 0 };
}

static bool inside(const XenPvFbRect *rect, const XenPvFbRect *of)
{
    return rect->x >= of->x && rect->x + rect->width <= of->x + of->width &&
           rect->y >= of->y && rect->y + rect->height <= of->y + of->height;
}

/*
 * The same again is the usual case: Linux says that all has changed with each
 * write to /dev/fb0.
 */
void xenpv_fb_dirty_add(XenPvFbDirty *dirty, const XenPvFbRect *rect)
{
    uint32_t x1 = rect->x, x2 = rect->x + rect->width, y;

    if (inside(rect, &dirty->last)) {
        return;
    }
    dirty->last = *rect;
    for (y = rect->y; y < rect->y + rect->height; y++) {
        if (!dirty->span[y].x2) {
            dirty->span[y].x1 = x1;
            dirty->span[y].x2 = x2;
        } else {
            dirty->span[y].x1 = MIN(dirty->span[y].x1, x1);
            dirty->span[y].x2 = MAX(dirty->span[y].x2, x2);
        }
    }
    dirty->y1 = MIN(dirty->y1, rect->y);
    dirty->y2 = MAX(dirty->y2, rect->y + rect->height);
}

void xenpv_fb_dirty_add_all(XenPvFbDirty *dirty)
{
    XenPvFbRect all = { 0, 0, dirty->width, dirty->height };

    xenpv_fb_dirty_add(dirty, &all);
}

bool xenpv_fb_dirty_take(XenPvFbDirty *dirty, XenPvFbRect *line)
{
    dirty->last = (XenPvFbRect) { 0 };
    while (dirty->y1 < dirty->y2) {
        uint32_t y = dirty->y1++;

        if (dirty->span[y].x2) {
            *line = (XenPvFbRect) {
                .x = dirty->span[y].x1, .y = y, .height = 1,
                .width = dirty->span[y].x2 - dirty->span[y].x1,
            };
            dirty->span[y].x2 = 0;
            return true;
        }
    }
    dirty->y1 = dirty->height;
    dirty->y2 = 0;
    return false;
}

/* ---- pixels ---- */

/* Repeat the upper bits below, so that the brightest stays the brightest. */
static uint32_t widen(uint32_t value, unsigned bits)
{
    value <<= 8 - bits;
    for (; bits < 8; bits *= 2) {
        value |= value >> bits;
    }
    return value;
}

static uint32_t rgb(uint32_t r, unsigned rbits, uint32_t g, unsigned gbits,
                    uint32_t b, unsigned bbits)
{
    return widen(r, rbits) << 16 | widen(g, gbits) << 8 | widen(b, bbits);
}

void xenpv_fb_to_rgb(uint32_t *dst, const void *src, unsigned depth,
                     uint32_t nr)
{
    const uint8_t *s = src;
    uint32_t i;

    for (i = 0; i < nr; i++, s += depth / 8) {
        switch (depth) {
        case 8:
            dst[i] = rgb(s[0] >> 5, 3, s[0] >> 2 & 7, 3, s[0] & 3, 2);
            break;
        case 16:
            dst[i] = rgb(s[1] >> 3, 5, lduw_le_p(s) >> 5 & 63, 6,
                         s[0] & 31, 5);
            break;
        case 24:
            dst[i] = s[2] << 16 | s[1] << 8 | s[0];
            break;
        default:
            dst[i] = ldl_le_p(s);
            break;
        }
    }
}

/* The bytes at @pos that lie in one page, at most @len. */
static const void *piece(void *const *pages, uint64_t pos, size_t *len)
{
    size_t in_page = pos % XENPV_FB_PAGE_SIZE;

    *len = MIN(*len, XENPV_FB_PAGE_SIZE - in_page);
    return (const uint8_t *)pages[pos / XENPV_FB_PAGE_SIZE] + in_page;
}

/* Where nothing has to be converted nothing is copied in vain. */
static bool draw_same(uint8_t *dst, void *const *pages, uint64_t pos,
                      size_t len)
{
    bool changed = false;
    size_t n;

    for (; len; len -= n, pos += n, dst += n) {
        const void *src;

        n = len;
        src = piece(pages, pos, &n);
        if (memcmp(dst, src, n)) {
            memcpy(dst, src, n);
            changed = true;
        }
    }
    return changed;
}

static void gather(uint8_t *dst, void *const *pages, uint64_t pos, size_t len)
{
    size_t n;

    for (; len; len -= n, pos += n, dst += n) {
        const void *src;

        n = len;
        src = piece(pages, pos, &n);
        memcpy(dst, src, n);
    }
}

/* Pixels converted at once, on the stack. */
#define CHUNK 256

bool xenpv_fb_draw(uint32_t *dst, void *const *pages, const XenPvFbMode *mode,
                   const XenPvFbRect *line, void *scratch)
{
    unsigned bytes = mode->depth / 8;
    uint64_t pos = mode->offset + (uint64_t)mode->stride * line->y +
                   line->x * bytes;
    uint32_t pixels[CHUNK];
    bool changed = false;
    uint32_t done, n;

    dst += line->x;
    if (mode->depth == 32 && !HOST_BIG_ENDIAN) {
        return draw_same((uint8_t *)dst, pages, pos,
                         (size_t)line->width * bytes);
    }
    gather(scratch, pages, pos, (size_t)line->width * bytes);
    for (done = 0; done < line->width; done += n) {
        n = MIN(CHUNK, line->width - done);
        xenpv_fb_to_rgb(pixels, (uint8_t *)scratch + done * bytes,
                        mode->depth, n);
        if (memcmp(dst + done, pixels, n * sizeof(*dst))) {
            memcpy(dst + done, pixels, n * sizeof(*dst));
            changed = true;
        }
    }
    return changed;
}
