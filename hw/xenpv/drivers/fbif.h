/*
 * The framebuffer protocol: geometry, page directories, events and pixels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: it knows private copies and arrays of page pointers, no ring, no
 * device, no display.  Sources: Xen's public io/fbif.h, and what Linux's
 * xen-fbfront does where that is silent.
 *
 * The front end shares one page.  Its head says how large the picture is and
 * where it lies: pd[] has the frames of directory pages, each directory page
 * has the frames of the picture's pages.  Words of both are as long as the
 * guest's, 4 or 8 bytes.
 *
 *     shared page        directories          the framebuffer
 *     +----------+       +-----------+        +-------------------+
 *     | indices  |   +-> | frame     | -----> | offset            |
 *     | geometry |   |   | frame     |        |   line, stride    |
 *     | pd[]     | --+   | ...       |        |   line            |
 *     +----------+       +-----------+        +-------------------+
 *
 * The way of a connection:
 *
 *     copy XENPV_FB_HEAD bytes of the page
 *     xenpv_fb_parse()           judged before anything else is mapped
 *     map start.dir[]            and xenpv_fb_parse_dir() for each
 *     map the frames
 *
 * Later the front end sends rectangles it has drawn and, maybe, another
 * geometry of the same memory.
 */
#ifndef HW_XENPV_DRIVERS_FBIF_H
#define HW_XENPV_DRIVERS_FBIF_H

#include "qapi/error.h"

/* What is copied of the shared page: up to the end of pd[]. */
#define XENPV_FB_HEAD       (40 + 256 * 8)

#define XENPV_FB_MAX_DIRS   256

/* Pages are of 4 KiB, whatever the page size of the guest. */
#define XENPV_FB_PAGE_SIZE  4096

/*
 * The longest side of a picture.  Beyond what any display can show, and far
 * below where sums of pixels or bytes become too long for an int.
 */
#define XENPV_FB_MAX_SIDE   16384

/**
 * XenPvFbMode: how the picture lies in memory
 * @width: pixels of a line
 * @height: lines
 * @depth: bits of a pixel: 8 (3-3-2), 16 (5-6-5), 24 (three bytes) or 32
 * @stride: bytes from one line to the next
 * @offset: of the first line in the framebuffer
 */
typedef struct XenPvFbMode {
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t stride;
    uint32_t offset;
} XenPvFbMode;

/**
 * XenPvFbStart: what a front end starts with
 * @mode: its first mode
 * @len: bytes of the framebuffer
 * @word: bytes of one entry of a directory: 4 or 8
 * @nr_pages: pages of the framebuffer
 * @nr_dirs: directory pages, 1..XENPV_FB_MAX_DIRS
 * @dir: their frames
 */
typedef struct XenPvFbStart {
    XenPvFbMode mode;
    uint64_t len;
    unsigned word;
    uint32_t nr_pages;
    uint32_t nr_dirs;
    uint64_t dir[XENPV_FB_MAX_DIRS];
} XenPvFbStart;

/**
 * xenpv_fb_parse: judge what a front end starts with
 * @start: (out)
 * @head: private copy of the first XENPV_FB_HEAD bytes of the shared page
 * @protocol: the front end's "protocol" key, or NULL
 * @max_len: the most bytes its framebuffer may have
 * @errp: set if it cannot be
 *
 * Without @protocol it is an old front end with one directory at most, and
 * what would be its second word tells how long words are.
 */
bool xenpv_fb_parse(XenPvFbStart *start, const void *head,
                    const char *protocol, uint64_t max_len, Error **errp);

/**
 * xenpv_fb_check_mode: does the picture lie in the framebuffer?
 * @mode: any numbers
 * @len: bytes of the framebuffer
 * @errp: set if not
 */
bool xenpv_fb_check_mode(const XenPvFbMode *mode, uint64_t len, Error **errp);

/** xenpv_fb_dir_entries: frames in one directory page */
static inline uint32_t xenpv_fb_dir_entries(unsigned word)
{
    return XENPV_FB_PAGE_SIZE / word;
}

/**
 * xenpv_fb_parse_dir: copy frames out of a directory page
 * @frame: (out): @nr of them
 * @dir: the page; may be shared with the front end
 * @word: bytes of one entry
 * @nr: at most xenpv_fb_dir_entries()
 */
void xenpv_fb_parse_dir(uint64_t *frame, const void *dir, unsigned word,
                        uint32_t nr);

/* ---- events ---- */

#define XENPV_FB_EVENT_SIZE 40

/**
 * XenPvFbRect: a part of the picture, not empty, inside of it
 */
typedef struct XenPvFbRect {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
} XenPvFbRect;

typedef enum XenPvFbEventKind {
    XENPV_FB_UNKNOWN,       /* to be ignored */
    XENPV_FB_UPDATE,        /* rect, or nothing if that is empty */
    XENPV_FB_RESIZE,        /* mode, not judged yet */
} XenPvFbEventKind;

/**
 * XenPvFbEvent: one event of the front end's
 * @kind: which of the following there is
 * @rect: what was drawn, clipped; width and height are 0 if nothing was
 * @mode: the geometry it wants
 */
typedef struct XenPvFbEvent {
    XenPvFbEventKind kind;
    XenPvFbRect rect;
    XenPvFbMode mode;
} XenPvFbEvent;

/**
 * xenpv_fb_decode: take an event apart
 * @ev: (out)
 * @buf: private copy of it, XENPV_FB_EVENT_SIZE bytes
 * @mode: the mode rectangles are clipped to
 *
 * Numbers that are negative on the wire come out as large ones in
 * XenPvFbEvent.mode.
 */
void xenpv_fb_decode(XenPvFbEvent *ev, const void *buf,
                     const XenPvFbMode *mode);

/** xenpv_fb_refresh_period: make the event that advises @period ms */
void xenpv_fb_refresh_period(void *buf, uint32_t period);

/* ---- what has to be redrawn ---- */

/**
 * XenPvFbDirty: for each line, from where to where
 * @width: of the picture
 * @height: of the picture
 * @y1: no line before this one is dirty
 * @y2: nor this one or any after it
 * @last: what was added last, still all dirty; empty if it may not be
 * @span: of each line, pixels [x1, x2); empty if x2 is 0
 */
typedef struct XenPvFbDirty {
    uint32_t width;
    uint32_t height;
    uint32_t y1;
    uint32_t y2;
    XenPvFbRect last;
    struct {
        uint16_t x1;
        uint16_t x2;
    } *span;
} XenPvFbDirty;

/**
 * xenpv_fb_dirty_init: start with a picture that is clean
 *
 * What @dirty held before is released.
 *
 * Returns: false if there is no memory for it
 */
bool xenpv_fb_dirty_init(XenPvFbDirty *dirty, uint32_t width,
                         uint32_t height);
void xenpv_fb_dirty_clear(XenPvFbDirty *dirty);
/** xenpv_fb_dirty_add: @rect lies inside the picture */
void xenpv_fb_dirty_add(XenPvFbDirty *dirty, const XenPvFbRect *rect);
void xenpv_fb_dirty_add_all(XenPvFbDirty *dirty);
/**
 * xenpv_fb_dirty_take: the first dirty line, which is clean then
 * @dirty: the picture
 * @line: (out): a rectangle of height 1
 *
 * Returns: false if all is clean
 */
bool xenpv_fb_dirty_take(XenPvFbDirty *dirty, XenPvFbRect *line);

/* ---- pixels ---- */

/**
 * xenpv_fb_draw: bring pixels of one line up to date
 * @dst: the line, as x8r8g8b8 (0x00RRGGBB in the host's order)
 * @pages: the framebuffer's pages, anywhere in host memory
 * @mode: how the picture lies in them; xenpv_fb_check_mode() holds
 * @line: which pixels; height 1
 * @scratch: 4 * XENPV_FB_MAX_SIDE bytes
 *
 * The front end may be writing at the same time: any pixel is either an old
 * or a new one, or a mix.
 *
 * Returns: whether any pixel has changed
 */
bool xenpv_fb_draw(uint32_t *dst, void *const *pages, const XenPvFbMode *mode,
                   const XenPvFbRect *line, void *scratch);

/**
 * xenpv_fb_to_rgb: convert pixels to x8r8g8b8
 * @dst: @nr pixels
 * @src: @nr pixels of @depth bits
 */
void xenpv_fb_to_rgb(uint32_t *dst, const void *src, unsigned depth,
                     uint32_t nr);

#endif /* HW_XENPV_DRIVERS_FBIF_H */
