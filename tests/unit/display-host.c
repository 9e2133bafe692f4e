/*
 * QEMU's console and input layers as far as a driver meets them, for tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "standard-headers/linux/input-event-codes.h"
#include "display-host.h"

#define MAX_CONSOLES 4

/* An object, as in QEMU, where a device is its property */
struct QemuConsole {
    Object parent;
    DeviceState *dev;           /* NULL: closed */
    const GraphicHwOps *ops;
    void *opaque;
    DisplaySurface *surface;
    uint64_t updated;
};

static QemuConsole *consoles[MAX_CONSOLES];
unsigned host_consoles_made;
bool host_takes_16 = true;

/* ---- surfaces ---- */

DisplaySurface *qemu_create_displaysurface_from(int width, int height,
                                                pixman_format_code_t format,
                                                int linesize, uint8_t *data)
{
    DisplaySurface *surface = g_new0(DisplaySurface, 1);

    surface->image = pixman_image_create_bits(format, width, height,
                                              (void *)data, linesize);
    /* As QEMU has it: who gives it nonsense ends here. */
    g_assert_nonnull(surface->image);
    return surface;
}

DisplaySurface *qemu_create_placeholder_surface(int w, int h, const char *msg)
{
    DisplaySurface *surface;

    surface = qemu_create_displaysurface_from(w, h, PIXMAN_x8r8g8b8, 0, NULL);
    surface->flags = QEMU_ALLOCATED_FLAG | QEMU_PLACEHOLDER_FLAG;
    return surface;
}

static void surface_free(DisplaySurface *surface)
{
    if (surface) {
        pixman_image_unref(surface->image);
        g_free(surface);
    }
}

/* ---- consoles ---- */

#define TYPE_HOST_CONSOLE "host-console"

static void host_console_class_init(ObjectClass *class, void *data)
{
    object_class_property_add_link(class, "device", TYPE_DEVICE,
                                   offsetof(QemuConsole, dev),
                                   object_property_allow_set_link,
                                   OBJ_PROP_LINK_STRONG);
}

static const TypeInfo host_types[] = {
    {
        .name = TYPE_HOST_CONSOLE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(QemuConsole),
        .class_init = host_console_class_init,
    },
};

DEFINE_TYPES(host_types)

/* Always another one: QEMU's way to use one again loses memory. */
QemuConsole *graphic_console_init(DeviceState *dev, uint32_t head,
                                  const GraphicHwOps *ops, void *opaque)
{
    QemuConsole *con = (QemuConsole *)object_new(TYPE_HOST_CONSOLE);

    g_assert_cmpuint(host_consoles_made, <, MAX_CONSOLES);
    consoles[host_consoles_made++] = con;
    object_property_set_link(OBJECT(con), "device", OBJECT(dev),
                             &error_abort);
    graphic_console_set_hwops(con, ops, opaque);
    dpy_gfx_replace_surface(con, qemu_create_placeholder_surface(640, 480, ""));
    return con;
}

unsigned host_consoles_open(void)
{
    unsigned i, open = 0;

    for (i = 0; i < host_consoles_made; i++) {
        open += consoles[i]->dev != NULL;
    }
    return open;
}

void graphic_console_set_hwops(QemuConsole *con, const GraphicHwOps *ops,
                               void *opaque)
{
    con->ops = ops;
    con->opaque = opaque;
}

void graphic_console_close(QemuConsole *con)
{
    static const GraphicHwOps unused_ops;

    g_assert_nonnull(con->dev);
    object_property_set_link(OBJECT(con), "device", NULL, &error_abort);
    graphic_console_set_hwops(con, &unused_ops, NULL);
    dpy_gfx_replace_surface(con,
        qemu_create_placeholder_surface(surface_width(con->surface),
                                        surface_height(con->surface), ""));
}

void dpy_gfx_replace_surface(QemuConsole *con, DisplaySurface *surface)
{
    surface_free(con->surface);
    con->surface = surface;
}

void dpy_gfx_update(QemuConsole *con, int x, int y, int w, int h)
{
    g_assert_cmpint(x, >=, 0);
    g_assert_cmpint(y, >=, 0);
    g_assert_cmpint(w, >, 0);
    g_assert_cmpint(h, >, 0);
    g_assert_cmpint(x + w, <=, surface_width(con->surface));
    g_assert_cmpint(y + h, <=, surface_height(con->surface));
    con->updated += (uint64_t)w * h;
}

bool dpy_gfx_check_format(QemuConsole *con, pixman_format_code_t format)
{
    return format == PIXMAN_x8r8g8b8 ||
           (format == PIXMAN_r5g6b5 && host_takes_16);
}

QemuConsole *qemu_console_lookup_default(void)
{
    return consoles[0];
}

QemuConsole *qemu_console_lookup_by_device_name(const char *id, uint32_t head,
                                                Error **errp)
{
    unsigned i;

    for (i = 0; i < host_consoles_made; i++) {
        if (consoles[i]->dev && !g_strcmp0(consoles[i]->dev->id, id)) {
            return consoles[i];
        }
    }
    error_setg(errp, "Device '%s' not found", id);
    return NULL;
}

bool qemu_console_is_graphic(QemuConsole *con)
{
    return con;
}

int qemu_console_get_width(QemuConsole *con, int fallback)
{
    return con ? surface_width(con->surface) : fallback;
}

int qemu_console_get_height(QemuConsole *con, int fallback)
{
    return con ? surface_height(con->surface) : fallback;
}

/* ---- the display ---- */

QemuConsole *host_console(DeviceState *dev)
{
    unsigned i;

    for (i = 0; i < host_consoles_made; i++) {
        if (consoles[i]->dev == dev) {
            return consoles[i];
        }
    }
    return NULL;
}

void host_refresh(QemuConsole *con)
{
    if (con->ops->gfx_update) {
        con->ops->gfx_update(con->opaque);
    }
}

void host_invalidate(QemuConsole *con)
{
    con->ops->invalidate(con->opaque);
}

void host_ui_info(QemuConsole *con, uint32_t rate)
{
    QemuUIInfo info = { .width = 800, .height = 600, .refresh_rate = rate };

    con->ops->ui_info(con->opaque, 0, &info);
}

DisplaySurface *host_surface(QemuConsole *con)
{
    return con->surface;
}

uint32_t host_pixel(QemuConsole *con, unsigned x, unsigned y)
{
    pixman_image_t *one = pixman_image_create_bits(PIXMAN_x8r8g8b8, 1, 1,
                                                   NULL, 0);
    uint32_t pixel;

    pixman_image_composite(PIXMAN_OP_SRC, con->surface->image, NULL, one, x, y,
                           0, 0, 0, 0, 1, 1);
    pixel = *pixman_image_get_data(one) & 0xffffff;
    pixman_image_unref(one);
    return pixel;
}

uint64_t host_updated(QemuConsole *con)
{
    uint64_t updated = con->updated;

    con->updated = 0;
    return updated;
}

/* ---- input ---- */

struct QemuInputHandlerState {
    DeviceState *dev;
    const QemuInputHandler *handler;
    QemuConsole *con;
    unsigned events;
};

static GList *handlers;

const guint qemu_input_map_qcode_to_linux_len = Q_KEY_CODE__MAX;
const guint16 qemu_input_map_qcode_to_linux[Q_KEY_CODE__MAX] = {
    [Q_KEY_CODE_A] = KEY_A,
    [Q_KEY_CODE_B] = KEY_B,
    [Q_KEY_CODE_SHIFT] = KEY_LEFTSHIFT,
};

int qemu_input_key_value_to_qcode(const KeyValue *value)
{
    return value->u.qcode.data;
}

QemuInputHandlerState *qemu_input_handler_register(DeviceState *dev,
                                                   const QemuInputHandler *h)
{
    QemuInputHandlerState *s = g_new0(QemuInputHandlerState, 1);

    s->dev = dev;
    s->handler = h;
    handlers = g_list_append(handlers, s);
    return s;
}

void qemu_input_handler_activate(QemuInputHandlerState *s)
{
    handlers = g_list_remove(handlers, s);
    handlers = g_list_prepend(handlers, s);
}

void qemu_input_handler_unregister(QemuInputHandlerState *s)
{
    handlers = g_list_remove(handlers, s);
    g_free(s);
}

void qemu_input_handler_bind(QemuInputHandlerState *s, const char *device_id,
                             int head, Error **errp)
{
    s->con = qemu_console_lookup_by_device_name(device_id, head, errp);
}

unsigned host_handlers(void)
{
    return g_list_length(handlers);
}

static void deliver(InputEvent *evt)
{
    GList *l;

    for (l = handlers; l; l = l->next) {
        QemuInputHandlerState *s = l->data;

        if (s->handler->mask & (1 << evt->type) && !s->con) {
            s->handler->event(s->dev, NULL, evt);
            s->events++;
            return;
        }
    }
}

void host_sync(void)
{
    GList *l;

    for (l = handlers; l; l = l->next) {
        QemuInputHandlerState *s = l->data;

        if (s->events && s->handler->sync) {
            s->handler->sync(s->dev);
        }
        s->events = 0;
    }
}

void host_key(QKeyCode code, bool down)
{
    KeyValue value = { .type = KEY_VALUE_KIND_QCODE, .u.qcode.data = code };
    InputKeyEvent key = { .key = &value, .down = down };

    deliver(&(InputEvent){ .type = INPUT_EVENT_KIND_KEY, .u.key.data = &key });
}

void host_button(InputButton button, bool down)
{
    InputBtnEvent btn = { .button = button, .down = down };

    deliver(&(InputEvent){ .type = INPUT_EVENT_KIND_BTN, .u.btn.data = &btn });
}

static void move(InputEventKind kind, InputAxis axis, int value)
{
    InputMoveEvent event = { .axis = axis, .value = value };

    deliver(&(InputEvent){ .type = kind, .u.abs.data = &event });
}

void host_abs(int x, int y)
{
    move(INPUT_EVENT_KIND_ABS, INPUT_AXIS_X, x);
    move(INPUT_EVENT_KIND_ABS, INPUT_AXIS_Y, y);
}

void host_rel(int dx, int dy)
{
    move(INPUT_EVENT_KIND_REL, INPUT_AXIS_X, dx);
    move(INPUT_EVENT_KIND_REL, INPUT_AXIS_Y, dy);
}

static void touch(InputMultiTouchType type, int slot, InputAxis axis,
                  int value)
{
    InputMultiTouchEvent mtt = {
        .type = type, .slot = slot, .tracking_id = slot, .axis = axis,
        .value = value,
    };

    deliver(&(InputEvent){ .type = INPUT_EVENT_KIND_MTT, .u.mtt.data = &mtt });
}

void host_touch(InputMultiTouchType type, int slot, int x, int y)
{
    touch(type, slot, INPUT_AXIS_X, 0);
    if (type != INPUT_MULTI_TOUCH_TYPE_END) {
        touch(INPUT_MULTI_TOUCH_TYPE_DATA, slot, INPUT_AXIS_X, x);
        touch(INPUT_MULTI_TOUCH_TYPE_DATA, slot, INPUT_AXIS_Y, y);
    }
}
