/*
 * Framebuffer back end: the guest's picture on a console of QEMU's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest draws into memory of its own, tells us where it is, and then which
 * rectangles of it have changed.  The console lives as long as the device, over
 * any number of connections: without one it shows a placeholder.
 *
 *     guest's pages --(what is dirty)--> surface --> SDL, VNC, screendump, ...
 *
 * Drawing.  Rectangles are only noted when they come.  They are drawn when a
 * display asks, 30 times a second or not at all: what nobody sees costs
 * nothing, and a guest that draws all the time costs no more than that.
 *
 * Surface.  Where the pages lie in one piece in our address space (real Xen
 * maps them like that) and displays take the guest's pixels, the surface is
 * the guest's memory, and nothing is copied.  Otherwise the surface is ours
 * and dirty lines are compared with it, so that displays hear only of what
 * has really changed.  That is also how a front end is served that does not
 * tell what it draws (no feature-update): every look compares all.
 *
 * The guest's memory may be in use longer than the connection: who saves a
 * screen shot holds on to the image until it is written.  So mapped pages are
 * counted and go with their last user.
 */
#include "qemu/osdep.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "hw/xen/interface/io/fbif.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/trace.h"
#include "hw/xenpv/xen_backend.h"
#include "ui/console.h"
#include "fbif.h"

#define TYPE_XEN_FRAMEBUFFER "xen-framebuffer"
OBJECT_DECLARE_SIMPLE_TYPE(XenFramebuffer, XEN_FRAMEBUFFER)

/* In MiB.  3840x2160 needs 32; directories reach as far as the maximum. */
#define DEFAULT_VIDEORAM    64
#define MAX_VIDEORAM        512

/* What a Linux guest makes of a back end that names no size. */
#define DEFAULT_WIDTH       800
#define DEFAULT_HEIGHT      600

/* A placeholder larger than this is not worth its memory. */
#define MAX_PLACEHOLDER     (4096 * 4096)

/* Mapped pages of the guest, and who uses them. */
typedef struct FbMemory {
    XenPvMap *map;
    unsigned users;
} FbMemory;

struct XenFramebuffer {
    XenPvDevice parent_obj;

    /* properties */
    uint32_t width;
    uint32_t height;
    uint32_t videoram;

    QemuConsole *con;
    void *scratch;              /* for xenpv_fb_draw() */

    /* the connection */
    XenPvEvent *event;
    XenPvEventRing out;         /* the front end's events */
    XenPvEventRing in;          /* ours */
    FbMemory *memory;           /* NULL: no connection */
    uint64_t len;
    bool tells;                 /* feature-update: it says what it draws */
    XenPvFbMode mode;
    bool new_mode;              /* the surface is not made for it */
    bool shown;                 /* the surface is one of a connection's */
    bool redraw;                /* a display wants all of it */
    XenPvFbDirty dirty;
    uint32_t *shadow;           /* pixels of our surface; NULL: the guest's */
    uint32_t period;            /* of refresh, ms; 0: not known */
    bool tell_period;

    uint64_t updates;           /* events */
    uint64_t drawn;             /* lines that had changed */
};

/* ---- consoles ---- */

/*
 * Those of devices that are gone.  QEMU frees no console, as displays are bound
 * to them, and hands out closed ones again.  But in 10.0 it loses a timer with
 * each that it does (graphic_console_init), and the end of a display that has
 * something to say of its window, which it does up to a second late, is a call
 * of NULL.  So ours wait here, with somebody to talk to.
 */
static GPtrArray *parked;

static void parked_ui_info(void *opaque, uint32_t head, QemuUIInfo *info)
{
}

static const GraphicHwOps parked_ops = {
    .ui_info = parked_ui_info,
};

static QemuConsole *open_console(DeviceState *dev, const GraphicHwOps *ops)
{
    QemuConsole *con;

    if (!parked || !parked->len) {
        return graphic_console_init(dev, 0, ops, dev);
    }
    con = g_ptr_array_steal_index(parked, parked->len - 1);
    object_property_set_link(OBJECT(con), "device", OBJECT(dev),
                             &error_abort);
    graphic_console_set_hwops(con, ops, dev);
    return con;
}

static void close_console(QemuConsole *con)
{
    graphic_console_close(con);
    graphic_console_set_hwops(con, &parked_ops, NULL);
    if (!parked) {
        parked = g_ptr_array_new();
    }
    g_ptr_array_add(parked, con);
}

/* ---- the guest's memory ---- */

static void memory_put(FbMemory *memory)
{
    if (!--memory->users) {
        xenpv_unmap(memory->map);
        g_free(memory);
    }
}

static void image_gone(pixman_image_t *image, void *opaque)
{
    memory_put(opaque);
}

/*
 * Its frame numbers are copied out of the directories once.  The directories
 * may be written to meanwhile, but not what has been copied: whatever it says,
 * the hypervisor judges, and it is a frame of this guest or none.
 */
static uint64_t *read_dirs(XenPvDevice *dev, const XenPvFbStart *start,
                           Error **errp)
{
    uint32_t per_dir = xenpv_fb_dir_entries(start->word);
    g_autofree uint64_t *frame = g_try_new(uint64_t, start->nr_pages);
    XenPvMap *dirs;
    uint32_t i;

    if (!frame) {
        error_setg(errp, "no memory for a framebuffer of %" PRIu32 " pages",
                   start->nr_pages);
        return NULL;
    }
    dirs = xenpv_dev_map_frames(dev, start->dir, start->nr_dirs, true, errp);
    if (!dirs) {
        error_prepend(errp, "page directory: ");
        return NULL;
    }
    for (i = 0; i < start->nr_dirs; i++) {
        xenpv_fb_parse_dir(frame + (size_t)i * per_dir, dirs->page[i],
                           start->word,
                           MIN(per_dir, start->nr_pages - i * per_dir));
    }
    xenpv_dev_unmap(dev, dirs);
    return g_steal_pointer(&frame);
}

static bool map_memory(XenFramebuffer *fb, const XenPvFbStart *start,
                       Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(fb);
    g_autofree uint64_t *frame = read_dirs(dev, start, errp);
    XenPvMap *map;

    if (!frame) {
        return false;
    }
    /* Not of the connection: see the head of this file. */
    map = xenpv_frame_map(dev->hv, dev->guest, frame, start->nr_pages, true,
                          errp);
    if (!map) {
        error_prepend(errp, "framebuffer: ");
        return false;
    }
    fb->memory = g_new(FbMemory, 1);
    *fb->memory = (FbMemory) { .map = map, .users = 1 };
    fb->len = start->len;
    return true;
}

/* ---- the surface ---- */

/* Can displays show the guest's memory as it is?  Then in this format. */
static bool direct_format(XenFramebuffer *fb, pixman_format_code_t *format)
{
    const XenPvFbMode *mode = &fb->mode;

    if (!fb->memory->map->base || !fb->tells) {
        return false;
    }
    /* pixman wants whole words. */
    if (mode->stride % sizeof(uint32_t) || mode->offset % sizeof(uint32_t)) {
        return false;
    }
    switch (mode->depth) {
    case 16:
        *format = PIXMAN_r5g6b5;
        break;
    case 32:
        *format = PIXMAN_x8r8g8b8;
        break;
    default:
        return false;
    }
    return dpy_gfx_check_format(fb->con, *format);
}

static void shadow_gone(pixman_image_t *image, void *opaque)
{
    qemu_vfree(opaque);
}

static void show_direct(XenFramebuffer *fb, pixman_format_code_t format)
{
    DisplaySurface *surface;

    surface = qemu_create_displaysurface_from(
        fb->mode.width, fb->mode.height, format, fb->mode.stride,
        (uint8_t *)fb->memory->map->base + fb->mode.offset);
    fb->memory->users++;
    pixman_image_set_destroy_function(surface->image, image_gone, fb->memory);
    fb->shadow = NULL;
    dpy_gfx_replace_surface(fb->con, surface);
}

/* Not one of QEMU's own: for those a lack of memory is the end. */
static bool show_shadow(XenFramebuffer *fb)
{
    size_t stride = fb->mode.width * sizeof(uint32_t);
    DisplaySurface *surface;
    uint32_t *pixels;

    pixels = qemu_try_memalign(qemu_real_host_page_size(),
                               stride * fb->mode.height);
    if (!pixels) {
        return false;
    }
    memset(pixels, 0, stride * fb->mode.height);
    surface = qemu_create_displaysurface_from(fb->mode.width, fb->mode.height,
                                              PIXMAN_x8r8g8b8, stride,
                                              (uint8_t *)pixels);
    pixman_image_set_destroy_function(surface->image, shadow_gone, pixels);
    fb->shadow = pixels;
    dpy_gfx_replace_surface(fb->con, surface);
    return true;
}

/*
 * Without a guest.  As large as the last picture, so that no window jumps
 * while a guest reboots.
 */
static void show_placeholder(XenFramebuffer *fb)
{
    uint32_t width = fb->mode.width, height = fb->mode.height;

    if (!width || (uint64_t)width * height > MAX_PLACEHOLDER) {
        width = fb->width ?: DEFAULT_WIDTH;
        height = fb->height ?: DEFAULT_HEIGHT;
    }
    fb->shadow = NULL;
    fb->shown = false;
    dpy_gfx_replace_surface(fb->con,
        qemu_create_placeholder_surface(width, height,
                                        "Display output is not active."));
}

static bool show_mode(XenFramebuffer *fb)
{
    XenPvDevice *dev = XENPV_DEVICE(fb);
    pixman_format_code_t format;
    Error *err = NULL;

    fb->new_mode = false;
    if (direct_format(fb, &format)) {
        show_direct(fb, format);
    } else if (!show_shadow(fb)) {
        error_setg(&err, "no memory to show %" PRIu32 "x%" PRIu32,
                   fb->mode.width, fb->mode.height);
        xenpv_dev_fail(dev, err);
        return false;
    }
    fb->shown = true;
    trace_xenpv_fb_show(dev->label, fb->mode.width, fb->mode.height,
                        fb->mode.depth, fb->shadow ? "copied" : "in place");
    xenpv_fb_dirty_add_all(&fb->dirty);
    return true;
}

/* ---- drawing ---- */

static bool draw_line(XenFramebuffer *fb, const XenPvFbRect *line)
{
    if (!fb->shadow) {
        return true;
    }
    return xenpv_fb_draw(fb->shadow + (size_t)line->y * fb->mode.width,
                         fb->memory->map->page, &fb->mode, line, fb->scratch);
}

static void tell_displays(XenFramebuffer *fb, const XenPvFbRect *area)
{
    if (area->height) {
        fb->drawn += area->height;
        trace_xenpv_fb_draw(XENPV_DEVICE(fb)->label, area->x, area->y,
                            area->width, area->height);
        dpy_gfx_update(fb->con, area->x, area->y, area->width, area->height);
    }
}

/* Neighbouring lines that have changed are one area. */
static void draw(XenFramebuffer *fb)
{
    XenPvFbRect area = { 0 }, line;

    while (xenpv_fb_dirty_take(&fb->dirty, &line)) {
        if (!draw_line(fb, &line)) {
            continue;
        }
        if (!area.height || line.y != area.y + area.height) {
            tell_displays(fb, &area);
            area = line;
        } else {
            uint32_t end = MAX(area.x + area.width, line.x + line.width);

            area.x = MIN(area.x, line.x);
            area.width = end - area.x;
            area.height++;
        }
    }
    tell_displays(fb, &area);
}

/* A display asks for what is new. */
static void fb_gfx_update(void *opaque)
{
    XenFramebuffer *fb = opaque;

    if (!fb->memory || (fb->new_mode && !show_mode(fb))) {
        return;
    }
    if (!fb->tells) {
        xenpv_fb_dirty_add_all(&fb->dirty);
    }
    draw(fb);
    if (fb->redraw) {
        fb->redraw = false;
        dpy_gfx_update(fb->con, 0, 0, fb->mode.width, fb->mode.height);
    }
}

/* A display has lost what it had, or is new. */
static void fb_invalidate(void *opaque)
{
    XenFramebuffer *fb = opaque;

    fb->redraw = true;
}

/* ---- how often displays look ---- */

static void send_period(XenFramebuffer *fb)
{
    uint8_t ev[XENPV_FB_EVENT_SIZE];

    if (!fb->tell_period || !fb->event ||
        xenpv_dev_held(XENPV_DEVICE(fb))) {
        return;
    }
    xenpv_fb_refresh_period(ev, fb->period);
    if (xenpv_event_ring_put(&fb->in, ev)) {
        fb->tell_period = false;
        xenpv_event_ring_push(&fb->in);
        xenpv_event_notify(fb->event);
        trace_xenpv_fb_period(XENPV_DEVICE(fb)->label, fb->period);
    }
}

static void fb_ui_info(void *opaque, uint32_t head, QemuUIInfo *info)
{
    XenFramebuffer *fb = opaque;
    uint32_t period;

    /* Of a thousandth of a Hertz, into milliseconds */
    period = info->refresh_rate ? MAX(1000000 / info->refresh_rate, 1) : 0;
    if (period && period != fb->period) {
        fb->period = period;
        fb->tell_period = true;
        send_period(fb);
    }
}

static const GraphicHwOps fb_ops = {
    .invalidate = fb_invalidate,
    .gfx_update = fb_gfx_update,
    .ui_info = fb_ui_info,
};

/* ---- events ---- */

static bool resize(XenFramebuffer *fb, const XenPvFbMode *mode)
{
    XenPvDevice *dev = XENPV_DEVICE(fb);
    Error *err = NULL;

    if (!xenpv_fb_check_mode(mode, fb->len, &err)) {
        error_prepend(&err, "resize: ");
        xenpv_dev_fail(dev, err);
        return false;
    }
    if (!xenpv_fb_dirty_init(&fb->dirty, mode->width, mode->height)) {
        error_setg(&err, "no memory for %" PRIu32 " lines", mode->height);
        xenpv_dev_fail(dev, err);
        return false;
    }
    fb->mode = *mode;
    fb->new_mode = true;
    trace_xenpv_fb_resize(dev->label, mode->width, mode->height, mode->depth,
                          mode->stride, mode->offset);
    return true;
}

static bool handle(XenFramebuffer *fb, const uint8_t *buf)
{
    XenPvFbEvent ev;

    xenpv_fb_decode(&ev, buf, &fb->mode);
    switch (ev.kind) {
    case XENPV_FB_UPDATE:
        fb->updates++;
        trace_xenpv_fb_update(XENPV_DEVICE(fb)->label, ev.rect.x, ev.rect.y,
                              ev.rect.width, ev.rect.height);
        if (ev.rect.height) {
            xenpv_fb_dirty_add(&fb->dirty, &ev.rect);
        }
        return true;
    case XENPV_FB_RESIZE:
        return resize(fb, &ev.mode);
    default:
        return true;
    }
}

/* The ring bounds what one call does: no slot is given back before its end. */
static bool fb_event(XenPvDevice *dev, void *opaque)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);
    uint8_t buf[XENPV_FB_EVENT_SIZE];
    bool any = false;

    while (fb->dirty.span && xenpv_event_ring_take(&fb->out, buf)) {
        any = true;
        if (!handle(fb, buf)) {
            /* Nothing that comes from it counts any more. */
            fb->out.broken = true;
            return true;
        }
    }
    if (xenpv_event_ring_release(&fb->out)) {
        xenpv_event_notify(fb->event);
    }
    send_period(fb);
    if (fb->out.broken || fb->in.broken) {
        Error *err = NULL;

        error_setg(&err, "front end moved the index of the %s ring beyond "
                   "its end", fb->out.broken ? "output" : "input");
        xenpv_dev_fail(dev, err);
    }
    return any;
}

/* ---- the driver struct ---- */

/*
 * request-update asks for rectangles; a front end that has none does not read
 * it.  Linux takes width and height for its first mode if they fit the video
 * memory it was told to have.
 */
static bool fb_advertise(XenPvDevice *dev, Error **errp)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);

    if (!xenpv_dev_publish(dev, errp, "feature-resize", "1") ||
        !xenpv_dev_publish(dev, errp, "request-update", "1") ||
        !xenpv_dev_publish(dev, errp, "videoram", "%" PRIu32,
                           fb->videoram)) {
        return false;
    }
    if (!fb->width) {
        return true;
    }
    return xenpv_dev_publish(dev, errp, "width", "%" PRIu32, fb->width) &&
           xenpv_dev_publish(dev, errp, "height", "%" PRIu32, fb->height);
}

static void init_rings(XenFramebuffer *fb, void *page)
{
    struct xenfb_page *shared = page;

    xenpv_event_ring_init(&fb->out, XENFB_OUT_RING(page), XENFB_OUT_RING_LEN,
                          XENPV_FB_EVENT_SIZE, &shared->out_cons,
                          &shared->out_prod);
    xenpv_event_ring_init(&fb->in, XENFB_IN_RING(page), XENFB_IN_RING_LEN,
                          XENPV_FB_EVENT_SIZE, &shared->in_prod,
                          &shared->in_cons);
}

static bool fb_connect(XenPvDevice *dev, Error **errp)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);
    g_autofree char *protocol = xenpv_dev_read_front(dev, "protocol");
    g_autofree XenPvFbStart *start = g_new(XenPvFbStart, 1);
    uint8_t head[XENPV_FB_HEAD];
    uint64_t gfn, port, tells;
    XenPvMap *page;

    if (!xenpv_dev_need_front_uint(dev, "page-ref", UINT64_MAX, &gfn, errp) ||
        !xenpv_dev_need_front_uint(dev, "event-channel", UINT32_MAX, &port,
                                   errp) ||
        !xenpv_dev_read_front_uint(dev, "feature-update", 1, 0, &tells,
                                   errp)) {
        return false;
    }
    page = xenpv_dev_map_frames(dev, &gfn, 1, false, errp);
    if (!page) {
        return false;
    }
    memcpy(head, page->page[0], sizeof(head));
    barrier();
    if (!xenpv_fb_parse(start, head, protocol, fb->videoram * MiB, errp)) {
        return false;
    }
    if (!xenpv_fb_dirty_init(&fb->dirty, start->mode.width,
                             start->mode.height)) {
        error_setg(errp, "no memory for %" PRIu32 " lines",
                   start->mode.height);
        return false;
    }
    if (!map_memory(fb, start, errp)) {
        return false;
    }
    fb->tells = tells;
    fb->mode = start->mode;
    fb->new_mode = true;
    fb->updates = fb->drawn = 0;
    init_rings(fb, page->page[0]);
    fb->event = xenpv_dev_bind(dev, port, NULL, NULL, errp);
    if (!fb->event) {
        return false;
    }
    trace_xenpv_fb_connect(dev->label, start->mode.width, start->mode.height,
                           start->mode.depth, start->len, start->word * 8,
                           tells);
    fb->tell_period = fb->period;
    send_period(fb);
    return true;
}

/* The shared page has the first mode; events since then have changed it. */
static void fb_save(XenPvDevice *dev, GByteArray *out)
{
    const XenPvFbMode *mode = &XEN_FRAMEBUFFER(dev)->mode;

    xenpv_saved_put_u32(out, mode->width);
    xenpv_saved_put_u32(out, mode->height);
    xenpv_saved_put_u32(out, mode->depth);
    xenpv_saved_put_u32(out, mode->stride);
    xenpv_saved_put_u32(out, mode->offset);
}

static bool fb_load(XenPvDevice *dev, XenPvSaved *in, Error **errp)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);
    XenPvFbMode mode;

    mode.width = xenpv_saved_u32(in);
    mode.height = xenpv_saved_u32(in);
    mode.depth = xenpv_saved_u32(in);
    mode.stride = xenpv_saved_u32(in);
    mode.offset = xenpv_saved_u32(in);
    if (in->bad || !xenpv_fb_check_mode(&mode, fb->len, errp)) {
        return false;
    }
    if (!xenpv_fb_dirty_init(&fb->dirty, mode.width, mode.height)) {
        error_setg(errp, "no memory for %" PRIu32 " lines", mode.height);
        return false;
    }
    fb->mode = mode;
    fb->new_mode = true;
    return true;
}

static void fb_disconnect(XenPvDevice *dev)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);

    trace_xenpv_fb_disconnect(dev->label, fb->updates, fb->drawn);
    if (fb->shown) {
        show_placeholder(fb);
    }
    if (fb->memory) {
        memory_put(g_steal_pointer(&fb->memory));
    }
    fb->event = NULL;
    fb->new_mode = false;
    xenpv_fb_dirty_clear(&fb->dirty);
}

/*
 * A toolstack's nodes.  libxl has the display there too (vnc, vnclisten,
 * vncpasswd, sdl, ...), which it hands to who it starts on the command line.
 */
static bool fb_configure(XenPvDevice *dev, Error **errp)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);
    uint64_t width, height, videoram;

    if (!xenpv_dev_read_back_uint(dev, "width", XENPV_FB_MAX_SIDE, 0, &width,
                                  errp) ||
        !xenpv_dev_read_back_uint(dev, "height", XENPV_FB_MAX_SIDE, 0, &height,
                                  errp) ||
        !xenpv_dev_read_back_uint(dev, "videoram", MAX_VIDEORAM,
                                  DEFAULT_VIDEORAM, &videoram, errp)) {
        return false;
    }
    fb->width = width;
    fb->height = height;
    fb->videoram = videoram;
    return true;
}

static bool judge_properties(XenFramebuffer *fb, Error **errp)
{
    if (!fb->width != !fb->height) {
        error_setg(errp, "width and height go together");
        return false;
    }
    if (fb->width > XENPV_FB_MAX_SIDE || fb->height > XENPV_FB_MAX_SIDE) {
        error_setg(errp, "%" PRIu32 "x%" PRIu32 " is larger than %dx%d",
                   fb->width, fb->height, XENPV_FB_MAX_SIDE,
                   XENPV_FB_MAX_SIDE);
        return false;
    }
    if (!fb->videoram || fb->videoram > MAX_VIDEORAM) {
        error_setg(errp, "videoram=%" PRIu32 " is not in 1..%d (MiB)",
                   fb->videoram, MAX_VIDEORAM);
        return false;
    }
    if ((uint64_t)fb->width * fb->height * 4 > fb->videoram * MiB) {
        error_setg(errp, "%" PRIu32 "x%" PRIu32 " does not fit into videoram="
                   "%" PRIu32 " MiB", fb->width, fb->height, fb->videoram);
        return false;
    }
    return true;
}

static bool fb_realize(XenPvDevice *dev, Error **errp)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);

    if (!judge_properties(fb, errp)) {
        return false;
    }
    fb->scratch = g_malloc(XENPV_FB_MAX_SIDE * sizeof(uint32_t));
    fb->con = open_console(DEVICE(dev), &fb_ops);
    show_placeholder(fb);
    return true;
}

static void fb_unrealize(XenPvDevice *dev)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);

    close_console(g_steal_pointer(&fb->con));
    g_free(g_steal_pointer(&fb->scratch));
}

static void fb_print(XenPvDevice *dev, GString *out, int indent)
{
    XenFramebuffer *fb = XEN_FRAMEBUFFER(dev);

    if (!fb->memory) {
        return;
    }
    g_string_append_printf(out, "%*s%" PRIu32 "x%" PRIu32 ", %" PRIu32
                           " bits, stride %" PRIu32 ", offset %" PRIu32
                           ", %" PRIu32 " pages, %s\n", indent, "",
                           fb->mode.width, fb->mode.height, fb->mode.depth,
                           fb->mode.stride, fb->mode.offset,
                           fb->memory->map->nr_pages,
                           fb->new_mode ? "not shown yet" :
                           fb->shadow ? "copied" : "in place");
    g_string_append_printf(out, "%*s%" PRIu64 " updates%s, %" PRIu64
                           " lines drawn\n", indent, "", fb->updates,
                           fb->tells ? "" : " (front end does not tell)",
                           fb->drawn);
}

static const Property fb_properties[] = {
    DEFINE_PROP_UINT32("width", XenFramebuffer, width, 0),
    DEFINE_PROP_UINT32("height", XenFramebuffer, height, 0),
    DEFINE_PROP_UINT32("videoram", XenFramebuffer, videoram,
                       DEFAULT_VIDEORAM),
};

static void fb_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(class);

    dc->desc = "Xen PV framebuffer";
    set_bit(DEVICE_CATEGORY_DISPLAY, dc->categories);
    device_class_set_props(dc, fb_properties);
    object_class_property_set_description(class, "width",
        "of the first picture, in pixels; 0: the guest chooses");
    object_class_property_set_description(class, "height",
        "of the first picture, in pixels; 0: the guest chooses");
    object_class_property_set_description(class, "videoram",
        "the most memory the picture may have, in MiB");
    pc->type = "vfb";
    pc->configure = fb_configure;
    pc->realize = fb_realize;
    pc->unrealize = fb_unrealize;
    pc->advertise = fb_advertise;
    pc->connect = fb_connect;
    pc->disconnect = fb_disconnect;
    pc->event = fb_event;
    pc->can_save = true;
    pc->save = fb_save;
    pc->load = fb_load;
    pc->print = fb_print;
}

static const TypeInfo fb_types[] = {
    {
        .name = TYPE_XEN_FRAMEBUFFER,
        .parent = TYPE_XENPV_DEVICE,
        .instance_size = sizeof(XenFramebuffer),
        .class_init = fb_class_init,
    },
};

DEFINE_TYPES(fb_types)
