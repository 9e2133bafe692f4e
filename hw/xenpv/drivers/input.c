/*
 * Input back end: keyboard, pointer and touch screen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One PV device may be all three; which of them the guest makes of it is up
 * to what we advertise, and how the pointer moves up to what it requests:
 *
 *     nothing                   relative
 *     request-abs-pointer       absolute, in pixels of width x height
 *     and request-raw-pointer   absolute, from 0 to 0x7fff whatever the size
 *     request-multi-touch       contacts, beside the pointer
 *
 * QEMU's input layer hands over parts (an axis, a button) and says when they
 * are complete.  We send at that point, once: first where the pointer is, then
 * its buttons, so that a click lands where it was made.
 *
 * Several devices.  As everywhere in QEMU the one that a guest has begun to use
 * last gets the events, unless it is bound to a display (display=ID): then it
 * gets those of that display, and no others.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "hw/xen/interface/io/kbdif.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/trace.h"
#include "hw/xenpv/xen_backend.h"
#include "standard-headers/linux/input-event-codes.h"
#include "ui/console.h"
#include "ui/input.h"
#include "kbdif.h"

#define TYPE_XEN_INPUT "xen-input"
OBJECT_DECLARE_SIMPLE_TYPE(XenInput, XEN_INPUT)

/* What a guest takes for the size if nobody tells. */
#define DEFAULT_WIDTH   800
#define DEFAULT_HEIGHT  600

#define MAX_BUTTONS     8

QEMU_BUILD_BUG_ON(KEY_CNT != XENPV_KBD_CODES);
QEMU_BUILD_BUG_ON(INPUT_EVENT_ABS_MAX != XENPV_KBD_RAW_MAX);
QEMU_BUILD_BUG_ON(INPUT_EVENT_SLOTS_MAX != XENPV_KBD_MAX_CONTACTS);

typedef struct Contact {
    int64_t x, y;
    bool touches;
    bool begins;
    bool moved;
    bool ends;
} Contact;

enum { KEYBOARD, POINTER, TOUCH, NR_HANDLERS };

struct XenInput {
    XenPvDevice parent_obj;

    /* properties */
    bool keyboard;
    bool pointer;
    bool absolute;
    bool raw;
    bool multi_touch;
    uint32_t contacts;
    uint32_t width;
    uint32_t height;
    uint32_t touch_width;
    uint32_t touch_height;
    char *unique_id;
    char *display;
    uint32_t head;

    /* as advertised: what absolute positions are scaled to */
    uint32_t range_x;
    uint32_t range_y;

    /* the connection */
    XenPvEvent *event;          /* NULL: no connection */
    XenPvEventRing in;          /* ours */
    XenPvEventRing out;         /* the front end's, of which there are none */
    QemuInputHandlerState *handler[NR_HANDLERS];
    bool is_absolute;
    bool is_raw;
    XenPvKbdQueue queue;
    uint64_t sent;

    /* what has come since the last sync */
    int64_t pos[INPUT_AXIS__MAX];   /* absolute; kept */
    bool pos_known;
    int32_t rel[INPUT_AXIS__MAX];
    int32_t wheel;
    bool moved;
    struct {
        unsigned code;
        bool down;
    } button[MAX_BUTTONS];
    unsigned nr_buttons;
    Contact contact[XENPV_KBD_MAX_CONTACTS];
};

/* ---- to the guest ---- */

static void input_flush(XenInput *in)
{
    const uint8_t *ev;

    if (xenpv_dev_held(XENPV_DEVICE(in))) {
        return;
    }
    while ((ev = xenpv_kbd_peek(&in->queue)) &&
           xenpv_event_ring_put(&in->in, ev)) {
        trace_xenpv_input_event(XENPV_DEVICE(in)->label, ev[0], ev[1],
                                ldl_le_p(ev + 4), ldl_le_p(ev + 8));
        xenpv_kbd_pop(&in->queue);
        in->sent++;
    }
    if (xenpv_event_ring_push(&in->in)) {
        xenpv_event_notify(in->event);
    }
}

static void input_judge(XenInput *in)
{
    Error *err = NULL;

    if (in->in.broken || in->out.broken) {
        error_setg(&err, "front end moved the index of the %s ring beyond "
                   "its end", in->out.broken ? "output" : "input");
        xenpv_dev_fail(XENPV_DEVICE(in), err);
    }
}

/* The guest has made room.  It has nothing to tell, and may try. */
static bool input_event(XenPvDevice *dev, void *opaque)
{
    XenInput *in = XEN_INPUT(dev);
    uint8_t buf[XENPV_KBD_EVENT_SIZE];
    unsigned waiting = in->queue.nr;
    bool any = false;

    while (xenpv_event_ring_take(&in->out, buf)) {
        any = true;
    }
    if (xenpv_event_ring_release(&in->out)) {
        xenpv_event_notify(in->event);
    }
    input_flush(in);
    input_judge(in);
    return any || in->queue.nr != waiting;
}

/* ---- keyboard ---- */

static void keyboard_event(DeviceState *dev, QemuConsole *src, InputEvent *evt)
{
    XenInput *in = XEN_INPUT(dev);
    InputKeyEvent *key = evt->u.key.data;
    int qcode = qemu_input_key_value_to_qcode(key->key);

    if (qcode < qemu_input_map_qcode_to_linux_len &&
        qemu_input_map_qcode_to_linux[qcode]) {
        xenpv_kbd_key(&in->queue, qemu_input_map_qcode_to_linux[qcode],
                      key->down);
    }
}

static void keyboard_sync(DeviceState *dev)
{
    input_flush(XEN_INPUT(dev));
}

/* ---- pointer ---- */

static void pointer_queue(XenInput *in)
{
    unsigned i;

    if (in->is_absolute && in->pos_known && (in->moved || in->wheel)) {
        int64_t x = in->pos[INPUT_AXIS_X], y = in->pos[INPUT_AXIS_Y];

        if (in->is_raw) {
            xenpv_kbd_position(&in->queue, x, y, in->wheel);
        } else {
            xenpv_kbd_position(&in->queue, xenpv_kbd_scale(x, in->range_x),
                               xenpv_kbd_scale(y, in->range_y), in->wheel);
        }
    } else if (in->moved || in->wheel) {
        /* Also a wheel that turns before anybody knows where. */
        xenpv_kbd_motion(&in->queue, in->rel[INPUT_AXIS_X],
                         in->rel[INPUT_AXIS_Y], in->wheel);
    }
    for (i = 0; i < in->nr_buttons; i++) {
        xenpv_kbd_key(&in->queue, in->button[i].code, in->button[i].down);
    }
    in->rel[INPUT_AXIS_X] = in->rel[INPUT_AXIS_Y] = in->wheel = 0;
    in->moved = false;
    in->nr_buttons = 0;
}

static void pointer_button(XenInput *in, InputBtnEvent *btn)
{
    static const uint16_t code[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = BTN_LEFT,
        [INPUT_BUTTON_MIDDLE] = BTN_MIDDLE,
        [INPUT_BUTTON_RIGHT] = BTN_RIGHT,
        [INPUT_BUTTON_SIDE] = BTN_SIDE,
        [INPUT_BUTTON_EXTRA] = BTN_EXTRA,
    };

    if (btn->button == INPUT_BUTTON_WHEEL_UP) {
        in->wheel -= btn->down;
    } else if (btn->button == INPUT_BUTTON_WHEEL_DOWN) {
        in->wheel += btn->down;
    } else if (code[btn->button]) {
        if (in->nr_buttons == MAX_BUTTONS) {
            pointer_queue(in);
        }
        in->button[in->nr_buttons].code = code[btn->button];
        in->button[in->nr_buttons++].down = btn->down;
    }
}

static void pointer_event(DeviceState *dev, QemuConsole *src, InputEvent *evt)
{
    XenInput *in = XEN_INPUT(dev);

    switch (evt->type) {
    case INPUT_EVENT_KIND_BTN:
        pointer_button(in, evt->u.btn.data);
        break;
    case INPUT_EVENT_KIND_ABS:
        in->pos[evt->u.abs.data->axis] = evt->u.abs.data->value;
        in->pos_known = in->moved = true;
        break;
    case INPUT_EVENT_KIND_REL:
        in->rel[evt->u.rel.data->axis] =
            MIN(MAX(in->rel[evt->u.rel.data->axis] + evt->u.rel.data->value,
                    INT32_MIN), INT32_MAX);
        in->moved = true;
        break;
    default:
        break;
    }
}

static void pointer_sync(DeviceState *dev)
{
    XenInput *in = XEN_INPUT(dev);

    pointer_queue(in);
    input_flush(in);
}

/* ---- touch ---- */

static void touch_event(DeviceState *dev, QemuConsole *src, InputEvent *evt)
{
    XenInput *in = XEN_INPUT(dev);
    InputMultiTouchEvent *mtt = evt->u.mtt.data;
    Contact *c;

    if (mtt->slot < 0 || mtt->slot >= in->contacts) {
        return;
    }
    c = &in->contact[mtt->slot];
    switch (mtt->type) {
    case INPUT_MULTI_TOUCH_TYPE_BEGIN:
        c->touches = c->begins = true;
        break;
    case INPUT_MULTI_TOUCH_TYPE_DATA:
        if (mtt->axis == INPUT_AXIS_X) {
            c->moved |= c->x != mtt->value;
            c->x = mtt->value;
        } else {
            c->moved |= c->y != mtt->value;
            c->y = mtt->value;
        }
        break;
    case INPUT_MULTI_TOUCH_TYPE_END:
    case INPUT_MULTI_TOUCH_TYPE_CANCEL:
        c->ends = c->touches;
        break;
    default:
        break;
    }
}

static bool touch_queue(XenInput *in, unsigned id)
{
    Contact *c = &in->contact[id];
    int32_t x = xenpv_kbd_scale(c->x, in->touch_width ?: in->range_x);
    int32_t y = xenpv_kbd_scale(c->y, in->touch_height ?: in->range_y);
    bool any = c->touches && (c->begins || c->moved || c->ends);

    if (c->begins) {
        xenpv_kbd_touch_down(&in->queue, id, x, y);
    } else if (c->touches && c->moved) {
        xenpv_kbd_touch_motion(&in->queue, id, x, y);
    }
    if (c->ends) {
        xenpv_kbd_touch_up(&in->queue, id);
        c->touches = false;
    }
    c->begins = c->moved = c->ends = false;
    return any;
}

static void touch_sync(DeviceState *dev)
{
    XenInput *in = XEN_INPUT(dev);
    bool any = false;
    unsigned id;

    for (id = 0; id < in->contacts; id++) {
        any |= touch_queue(in, id);
    }
    if (any) {
        xenpv_kbd_touch_sync(&in->queue);
    }
    input_flush(in);
}

/* ---- QEMU's input layer ---- */

static const QemuInputHandler keyboard_handler = {
    .name = "Xen PV keyboard",
    .mask = INPUT_EVENT_MASK_KEY,
    .event = keyboard_event,
    .sync = keyboard_sync,
};

static const QemuInputHandler absolute_handler = {
    .name = "Xen PV tablet",
    .mask = INPUT_EVENT_MASK_BTN | INPUT_EVENT_MASK_ABS,
    .event = pointer_event,
    .sync = pointer_sync,
};

static const QemuInputHandler relative_handler = {
    .name = "Xen PV mouse",
    .mask = INPUT_EVENT_MASK_BTN | INPUT_EVENT_MASK_REL,
    .event = pointer_event,
    .sync = pointer_sync,
};

static const QemuInputHandler touch_handler = {
    .name = "Xen PV touch screen",
    .mask = INPUT_EVENT_MASK_MTT,
    .event = touch_event,
    .sync = touch_sync,
};

static void unregister(XenInput *in, unsigned which)
{
    if (in->handler[which]) {
        qemu_input_handler_unregister(in->handler[which]);
        in->handler[which] = NULL;
    }
}

static void do_register(XenInput *in, unsigned which,
                        const QemuInputHandler *handler)
{
    Error *err = NULL;

    unregister(in, which);
    in->handler[which] = qemu_input_handler_register(DEVICE(in), handler);
    qemu_input_handler_activate(in->handler[which]);
    if (in->display) {
        qemu_input_handler_bind(in->handler[which], in->display, in->head,
                                &err);
    }
    if (err) {
        xenpv_dev_complain(XENPV_DEVICE(in), err);
    }
}

/* What the front end requests counts if we have offered it. */
static bool read_request(XenInput *in, const char *key, bool offered,
                         bool *value, Error **errp)
{
    uint64_t number;

    if (!xenpv_dev_read_front_uint(XENPV_DEVICE(in), key, 1, 0, &number,
                                   errp)) {
        return false;
    }
    *value = number && offered;
    return true;
}

static bool register_handlers(XenInput *in, Error **errp)
{
    bool touch;

    if (!read_request(in, "request-abs-pointer", in->absolute,
                      &in->is_absolute, errp) ||
        !read_request(in, "request-raw-pointer", in->raw && in->is_absolute,
                      &in->is_raw, errp) ||
        !read_request(in, "request-multi-touch", in->multi_touch, &touch,
                      errp)) {
        return false;
    }
    if (in->keyboard) {
        do_register(in, KEYBOARD, &keyboard_handler);
    }
    if (in->pointer) {
        do_register(in, POINTER, in->is_absolute ? &absolute_handler :
                                                   &relative_handler);
    }
    if (touch) {
        do_register(in, TOUCH, &touch_handler);
    }
    trace_xenpv_input_use(XENPV_DEVICE(in)->label, in->keyboard,
                          !in->pointer ? "none" : in->is_raw ? "raw" :
                          in->is_absolute ? "absolute" : "relative", touch);
    return true;
}

/* ---- the driver struct ---- */

/* Positions are in pixels of the display, unless the user knows better. */
static void find_range(XenInput *in)
{
    QemuConsole *con = in->display ?
        qemu_console_lookup_by_device_name(in->display, in->head, NULL) :
        qemu_console_lookup_default();

    if (!qemu_console_is_graphic(con)) {
        con = NULL;
    }
    in->range_x = in->width ?: qemu_console_get_width(con, DEFAULT_WIDTH);
    in->range_y = in->height ?: qemu_console_get_height(con, DEFAULT_HEIGHT);
}

static bool publish_pointer(XenInput *in, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(in);

    find_range(in);
    return xenpv_dev_publish(dev, errp, "feature-abs-pointer", "%d",
                             in->absolute) &&
           xenpv_dev_publish(dev, errp, "feature-raw-pointer", "%d",
                             in->absolute && in->raw) &&
           xenpv_dev_publish(dev, errp, "width", "%" PRIu32, in->range_x) &&
           xenpv_dev_publish(dev, errp, "height", "%" PRIu32, in->range_y);
}

static bool publish_touch(XenInput *in, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(in);

    return xenpv_dev_publish(dev, errp, "feature-multi-touch", "1") &&
           xenpv_dev_publish(dev, errp, "multi-touch-width", "%" PRIu32,
                             in->touch_width ?: in->range_x) &&
           xenpv_dev_publish(dev, errp, "multi-touch-height", "%" PRIu32,
                             in->touch_height ?: in->range_y) &&
           xenpv_dev_publish(dev, errp, "multi-touch-num-contacts",
                             "%" PRIu32, in->contacts);
}

static bool input_advertise(XenPvDevice *dev, Error **errp)
{
    XenInput *in = XEN_INPUT(dev);

    if (!in->keyboard &&
        !xenpv_dev_publish(dev, errp, "feature-disable-keyboard", "1")) {
        return false;
    }
    if (!in->pointer &&
        !xenpv_dev_publish(dev, errp, "feature-disable-pointer", "1")) {
        return false;
    }
    if (in->unique_id &&
        !xenpv_dev_publish(dev, errp, "unique-id", "%s", in->unique_id)) {
        return false;
    }
    return publish_pointer(in, errp) &&
           (!in->multi_touch || publish_touch(in, errp));
}

/* Granted, or from front ends of old by frame number. */
static XenPvMap *map_page(XenPvDevice *dev, Error **errp)
{
    uint64_t ref;
    uint32_t grant;

    if (!xenpv_dev_read_front_uint(dev, "page-gref", UINT32_MAX, UINT64_MAX,
                                   &ref, errp)) {
        return NULL;
    }
    if (ref != UINT64_MAX) {
        grant = ref;
        return xenpv_dev_map_grants(dev, &grant, 1, false, errp);
    }
    if (!xenpv_dev_need_front_uint(dev, "page-ref", UINT64_MAX, &ref, errp)) {
        return NULL;
    }
    return xenpv_dev_map_frames(dev, &ref, 1, false, errp);
}

static void init_rings(XenInput *in, void *page)
{
    struct xenkbd_page *shared = page;

    xenpv_event_ring_init(&in->in, XENKBD_IN_RING(page), XENKBD_IN_RING_LEN,
                          XENPV_KBD_EVENT_SIZE, &shared->in_prod,
                          &shared->in_cons);
    xenpv_event_ring_init(&in->out, XENKBD_OUT_RING(page),
                          XENKBD_OUT_RING_LEN, XENPV_KBD_EVENT_SIZE,
                          &shared->out_cons, &shared->out_prod);
}

static void forget_parts(XenInput *in)
{
    xenpv_kbd_reset(&in->queue);
    in->pos_known = in->moved = false;
    in->rel[INPUT_AXIS_X] = in->rel[INPUT_AXIS_Y] = in->wheel = 0;
    in->nr_buttons = 0;
    memset(in->contact, 0, sizeof(in->contact));
    in->sent = 0;
}

static bool input_connect(XenPvDevice *dev, Error **errp)
{
    XenInput *in = XEN_INPUT(dev);
    uint64_t port;
    XenPvMap *page;

    if (!xenpv_dev_need_front_uint(dev, "event-channel", UINT32_MAX, &port,
                                   errp)) {
        return false;
    }
    page = map_page(dev, errp);
    if (!page) {
        return false;
    }
    init_rings(in, page->page[0]);
    forget_parts(in);
    in->event = xenpv_dev_bind(dev, port, NULL, NULL, errp);
    return in->event && register_handlers(in, errp);
}

static void input_save(XenPvDevice *dev, GByteArray *out)
{
    xenpv_kbd_save(&XEN_INPUT(dev)->queue, out);
}

static bool input_load(XenPvDevice *dev, XenPvSaved *in, Error **errp)
{
    if (!xenpv_kbd_load(&XEN_INPUT(dev)->queue, in)) {
        error_setg(errp, "impossible events");
        return false;
    }
    return true;
}

static void input_disconnect(XenPvDevice *dev)
{
    XenInput *in = XEN_INPUT(dev);
    unsigned i;

    for (i = 0; i < NR_HANDLERS; i++) {
        unregister(in, i);
    }
    in->event = NULL;
}

/* Old front ends request after they have said that they are ready. */
static void input_frontend_key(XenPvDevice *dev, const char *key)
{
    Error *err = NULL;

    if (!register_handlers(XEN_INPUT(dev), &err)) {
        xenpv_dev_fail(dev, err);
    }
}

static bool read_flag(XenPvDevice *dev, const char *key, bool absent,
                      bool *value, Error **errp)
{
    uint64_t number;

    if (!xenpv_dev_read_back_uint(dev, key, 1, absent, &number, errp)) {
        return false;
    }
    *value = number;
    return true;
}

static bool read_number(XenPvDevice *dev, const char *key, uint32_t absent,
                        uint32_t *value, Error **errp)
{
    uint64_t number;

    if (!xenpv_dev_read_back_uint(dev, key, INT32_MAX, absent, &number,
                                  errp)) {
        return false;
    }
    *value = number;
    return true;
}

/*
 * libxl writes what is set and nothing else, so that absent keys mean what
 * they do without a toolstack.
 */
static bool input_configure(XenPvDevice *dev, Error **errp)
{
    XenInput *in = XEN_INPUT(dev);
    bool no_keyboard, no_pointer;

    if (!read_flag(dev, "feature-disable-keyboard", false, &no_keyboard,
                   errp) ||
        !read_flag(dev, "feature-disable-pointer", false, &no_pointer,
                   errp) ||
        !read_flag(dev, "feature-abs-pointer", true, &in->absolute, errp) ||
        !read_flag(dev, "feature-raw-pointer", true, &in->raw, errp) ||
        !read_flag(dev, "feature-multi-touch", false, &in->multi_touch,
                   errp) ||
        !read_number(dev, "multi-touch-num-contacts", in->contacts,
                     &in->contacts, errp) ||
        !read_number(dev, "multi-touch-width", 0, &in->touch_width, errp) ||
        !read_number(dev, "multi-touch-height", 0, &in->touch_height, errp) ||
        !read_number(dev, "width", 0, &in->width, errp) ||
        !read_number(dev, "height", 0, &in->height, errp)) {
        return false;
    }
    in->keyboard = !no_keyboard;
    in->pointer = !no_pointer;
    in->contacts = MIN(MAX(in->contacts, 1), XENPV_KBD_MAX_CONTACTS);
    return true;
}

static bool input_realize(XenPvDevice *dev, Error **errp)
{
    XenInput *in = XEN_INPUT(dev);

    if (!in->keyboard && !in->pointer && !in->multi_touch) {
        error_setg(errp, "neither keyboard nor pointer nor multi-touch");
        return false;
    }
    if (!in->contacts || in->contacts > XENPV_KBD_MAX_CONTACTS) {
        error_setg(errp, "contacts=%" PRIu32 " is not in 1..%d", in->contacts,
                   XENPV_KBD_MAX_CONTACTS);
        return false;
    }
    if (in->width > INT32_MAX || in->height > INT32_MAX) {
        error_setg(errp, "width and height are at most %d", INT32_MAX);
        return false;
    }
    return true;
}

static void input_print(XenPvDevice *dev, GString *out, int indent)
{
    XenInput *in = XEN_INPUT(dev);

    if (in->event) {
        g_string_append_printf(out, "%*spointer %s, range %" PRIu32 "x%"
                               PRIu32 ", %" PRIu64 " events sent, %u waiting"
                               "%s\n", indent, "",
                               !in->pointer ? "none" : in->is_raw ? "raw" :
                               in->is_absolute ? "absolute" : "relative",
                               in->range_x, in->range_y, in->sent,
                               in->queue.nr,
                               in->queue.lost ? ", some lost" : "");
    }
}

static const char *const input_frontend_keys[] = {
    "request-abs-pointer", "request-raw-pointer", "request-multi-touch", NULL
};

static const Property input_properties[] = {
    DEFINE_PROP_BOOL("keyboard", XenInput, keyboard, true),
    DEFINE_PROP_BOOL("pointer", XenInput, pointer, true),
    DEFINE_PROP_BOOL("absolute", XenInput, absolute, true),
    DEFINE_PROP_BOOL("raw", XenInput, raw, true),
    DEFINE_PROP_BOOL("multi-touch", XenInput, multi_touch, false),
    DEFINE_PROP_UINT32("contacts", XenInput, contacts,
                       XENPV_KBD_MAX_CONTACTS),
    DEFINE_PROP_UINT32("width", XenInput, width, 0),
    DEFINE_PROP_UINT32("height", XenInput, height, 0),
    DEFINE_PROP_STRING("unique-id", XenInput, unique_id),
    DEFINE_PROP_STRING("display", XenInput, display),
    DEFINE_PROP_UINT32("head", XenInput, head, 0),
};

static const struct {
    const char *name;
    const char *what;
} descriptions[] = {
    { "absolute", "offer absolute positions" },
    { "raw", "offer absolute positions that are not scaled" },
    { "multi-touch", "be a touch screen as well" },
    { "contacts", "how many fingers" },
    { "width", "range of positions; 0: as wide as the display" },
    { "height", "range of positions; 0: as high as the display" },
    { "display", "id of the display whose input this is" },
};

static void input_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(class);
    unsigned i;

    dc->desc = "Xen PV keyboard, pointer and touch screen";
    set_bit(DEVICE_CATEGORY_INPUT, dc->categories);
    device_class_set_props(dc, input_properties);
    for (i = 0; i < ARRAY_SIZE(descriptions); i++) {
        object_class_property_set_description(class, descriptions[i].name,
                                              descriptions[i].what);
    }
    pc->type = "vkbd";
    pc->frontend_keys = input_frontend_keys;
    pc->configure = input_configure;
    pc->realize = input_realize;
    pc->advertise = input_advertise;
    pc->connect = input_connect;
    pc->disconnect = input_disconnect;
    pc->event = input_event;
    pc->can_save = true;
    pc->save = input_save;
    pc->load = input_load;
    pc->frontend_key = input_frontend_key;
    pc->print = input_print;
}

static const TypeInfo input_types[] = {
    {
        .name = TYPE_XEN_INPUT,
        .parent = TYPE_XENPV_DEVICE,
        .instance_size = sizeof(XenInput),
        .class_init = input_class_init,
    },
};

DEFINE_TYPES(input_types)
