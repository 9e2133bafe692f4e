/*
 * Console back end: between the guest's two byte rings and a chardev.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Console 0, the primary one, is what the guest is born with: page and event
 * channel are set up by who built the domain and there is no handshake.  All
 * others (hvc1, ...) are ordinary PV devices.
 *
 * Output.  Bytes go from the ring straight to the chardev.  What the chardev
 * does not take waits, in this order: up to "limit" bytes in a backlog of
 * ours, then in the ring, where the guest sees that it is full.  Nothing is
 * lost as long as somebody is there to read.  While nobody is (a socket or
 * pty without a peer) the guest must not stand still for it: the newest
 * "limit" bytes are kept and shown to who comes first.
 *
 *     ring (2 KiB, guest's) --> backlog (limit) --> chardev
 *
 * Input.  The chardev is asked for no more than the ring has room for, and is
 * asked again when the guest has made room.
 *
 * The protocol is Xen's public io/console.h.  It has no hold-off: each side
 * notifies after it has moved an index, once per batch.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/fifo8.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "chardev/char-fd.h"
#include "chardev/char-fe.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xen/interface/io/console.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/trace.h"
#include "hw/xenpv/xen_backend.h"
#include "system/runstate.h"

#define TYPE_XEN_CONSOLE "xen-console"
OBJECT_DECLARE_SIMPLE_TYPE(XenConsole, XEN_CONSOLE)

/*
 * Newer versions of io/console.h than QEMU's have one more field, directly
 * behind the indices: one byte that says whether anybody empties the ring.
 */
#define CONNECTION_OFFSET sizeof(struct xencons_interface)
#define CONNECTION_CONNECTED    0
#define CONNECTION_DISCONNECTED 1

#define OUT_SIZE sizeof_field(struct xencons_interface, out)

/* Bytes moved per wakeup; then it is somebody else's turn. */
#define BUDGET (8 * OUT_SIZE)

/* As toolstacks have it. */
#define DEFAULT_LIMIT (1 * MiB)
#define MAX_LIMIT (64 * MiB)

/* A chardev that blocks and cannot say when it no longer does. */
#define RETRY_MS 20

/* Patience with a chardev that blocks when there is no later. */
#define LAST_WORDS_MS 500

struct XenConsole {
    XenPvDevice parent_obj;

    CharBackend chr;
    Chardev *own_chr;           /* made for a toolstack that wants a pty */
    uint32_t limit;

    XenPvEvent *event;
    uint8_t *connection;        /* in the shared page; NULL: no connection */
    XenPvByteRing out;          /* guest to chardev */
    XenPvByteRing in;           /* chardev to guest */
    bool in_refused;            /* the chardev was told there is no room */

    Fifo8 backlog;              /* limit + OUT_SIZE: room for a last ring */
    guint watch;                /* waiting for the chardev to take more ... */
    QEMUTimer *retry;           /* ... and if it cannot tell us */
    GMainContext *ask;          /* where a watch is asked and not awaited */
    bool write_failed;          /* has been reported */
    bool pumping;               /* the chardev calls back from its write */
    bool pump_again;
};

/* ---- the chardev ---- */

/*
 * A chardev on file descriptors says that it is closed when its input has
 * ended (stdin was /dev/null); its output goes on.
 */
static bool console_has_reader(XenConsole *con)
{
    return qemu_chr_fe_backend_open(&con->chr) ||
           object_dynamic_cast(OBJECT(con->chr.chr), TYPE_CHARDEV_FD);
}

/*
 * Ask before writing.  QEMU logs (logfile=) a buffer that the chardev refused
 * as if it were given up, and logs it again when it is offered again.
 */
static bool chr_writable(XenConsole *con)
{
    Chardev *chr = con->chr.chr;
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);
    GSource *source = NULL;
    bool writable;

    if (cc->chr_add_watch) {
        source = cc->chr_add_watch(chr, G_IO_OUT | G_IO_HUP);
    }
    if (!source) {
        return true;
    }
    g_source_attach(source, con->ask);
    writable = g_main_context_pending(con->ask);
    g_source_destroy(source);
    g_source_unref(source);
    return writable;
}

/*
 * Offer bytes to the chardev.  Returns how many are settled: taken, or given
 * up because the chardev fails for good (a full disk, a vanished device).
 */
static uint32_t chr_offer(XenConsole *con, const uint8_t *buf, uint32_t len)
{
    XenPvDevice *dev = XENPV_DEVICE(con);
    int ret;

    if (!chr_writable(con)) {
        return 0;
    }
    ret = qemu_chr_fe_write(&con->chr, buf, len);
    if (ret >= 0) {
        con->write_failed = false;
        return ret;
    }
    if (errno == EAGAIN || !console_has_reader(con)) {
        return 0;
    }
    trace_xenpv_console_lost(dev->label, len);
    if (!con->write_failed) {
        con->write_failed = true;
        error_report("%s: cannot write to the chardev, output is lost: %s",
                     dev->label, strerror(errno));
    }
    return len;
}

static void console_pump(XenConsole *con);

static gboolean console_writable(void *source, GIOCondition cond,
                                 void *opaque)
{
    XenConsole *con = opaque;

    con->watch = 0;
    console_pump(con);
    return G_SOURCE_REMOVE;
}

static void console_retry(void *opaque)
{
    console_pump(opaque);
}

static void console_cancel_wait(XenConsole *con)
{
    if (con->watch) {
        g_source_remove(con->watch);
        con->watch = 0;
    }
    timer_del(con->retry);
}

/* Come back when the chardev can take more. */
static void console_wait_writable(XenConsole *con)
{
    if (con->watch || timer_pending(con->retry)) {
        return;
    }
    trace_xenpv_console_blocked(XENPV_DEVICE(con)->label,
                                fifo8_num_used(&con->backlog));
    con->watch = qemu_chr_fe_add_watch(&con->chr, G_IO_OUT | G_IO_HUP,
                                       console_writable, con);
    if (!con->watch) {
        timer_mod(con->retry,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + RETRY_MS);
    }
}

/* ---- output ---- */

static bool backlog_flush(XenConsole *con)
{
    uint32_t len, done;

    while (!fifo8_is_empty(&con->backlog)) {
        const uint8_t *buf = fifo8_peek_bufptr(&con->backlog,
                                               fifo8_num_used(&con->backlog),
                                               &len);

        done = chr_offer(con, buf, len);
        if (!done) {
            return false;
        }
        fifo8_drop(&con->backlog, done);
    }
    return true;
}

/* Keep the newest @room bytes. */
static void backlog_keep(XenConsole *con, const uint8_t *buf, uint32_t len,
                         uint32_t room)
{
    uint32_t lost = 0, used = fifo8_num_used(&con->backlog);

    if (len > room) {
        lost = len - room;
        buf += lost;
        len = room;
    }
    if (used > room - len) {
        fifo8_drop(&con->backlog, used - (room - len));
        lost += used - (room - len);
    }
    fifo8_push_all(&con->backlog, buf, len);
    if (lost) {
        trace_xenpv_console_lost(XENPV_DEVICE(con)->label, lost);
    }
}

/* Take bytes over from the guest.  Returns how many. */
static uint32_t console_deliver(XenConsole *con, const uint8_t *buf,
                                uint32_t len)
{
    uint32_t done = 0, used, room;

    if (!console_has_reader(con)) {
        backlog_keep(con, buf, len, con->limit);
        return len;
    }
    if (fifo8_is_empty(&con->backlog)) {
        done = chr_offer(con, buf, len);
    }
    used = fifo8_num_used(&con->backlog);
    room = used < con->limit ? con->limit - used : 0;
    room = MIN(room, len - done);
    if (room) {
        fifo8_push_all(&con->backlog, buf + done, room);
    }
    return done + room;
}

/* From the ring.  Returns the bytes taken. */
static uint32_t console_take(XenConsole *con)
{
    uint8_t buf[OUT_SIZE];
    uint32_t taken = 0;

    while (taken < BUDGET) {
        uint32_t len = xenpv_byte_ring_peek(&con->out, buf, sizeof(buf));
        uint32_t done = len ? console_deliver(con, buf, len) : 0;

        if (!done) {
            break;
        }
        xenpv_byte_ring_skip(&con->out, done);
        taken += done;
    }
    return taken;
}

/* Is there output that the chardev has yet to take? */
static bool console_waiting(XenConsole *con)
{
    return !fifo8_is_empty(&con->backlog) ||
           (con->connection && !xenpv_dev_held(XENPV_DEVICE(con)) &&
            xenpv_byte_ring_filled(&con->out));
}

static void console_pump_once(XenConsole *con)
{
    uint32_t taken = 0;

    if (console_has_reader(con)) {
        backlog_flush(con);
    }
    if (con->connection && !xenpv_dev_held(XENPV_DEVICE(con))) {
        taken = console_take(con);
    }
    if (taken) {
        trace_xenpv_console_out(XENPV_DEVICE(con)->label, taken,
                                fifo8_num_used(&con->backlog));
        xenpv_event_notify(con->event);
    }
    if (taken >= BUDGET) {
        xenpv_event_again(con->event);
    } else if (console_has_reader(con) && console_waiting(con)) {
        console_wait_writable(con);
    }
}

/*
 * Move what can be moved.  Called when the guest has written, when the chardev
 * takes more, and when somebody has come to read.
 *
 * A chardev may find out while it is written to that its peer is gone, and
 * says so before the write returns.  What was offered is still ours then: the
 * inner call must not move it.
 */
static void console_pump(XenConsole *con)
{
    con->pump_again = true;
    if (con->pumping) {
        return;
    }
    con->pumping = true;
    while (con->pump_again) {
        con->pump_again = false;
        console_pump_once(con);
    }
    con->pumping = false;
}

/*
 * The last chance for what is in the backlog: wait a little for a chardev that
 * is only slow, not for one that nobody reads.
 */
static void console_last_words(XenConsole *con)
{
    uint32_t left, waited = 0;

    while (console_has_reader(con) && waited < LAST_WORDS_MS) {
        left = fifo8_num_used(&con->backlog);
        if (backlog_flush(con)) {
            return;
        }
        if (fifo8_num_used(&con->backlog) < left) {
            waited = 0;
        } else {
            g_usleep(1000);
            waited++;
        }
    }
    left = fifo8_num_used(&con->backlog);
    if (left) {
        trace_xenpv_console_lost(XENPV_DEVICE(con)->label, left);
        fifo8_reset(&con->backlog);
    }
}

/* ---- input ---- */

static int console_can_receive(void *opaque)
{
    XenConsole *con = opaque;
    uint32_t room = con->connection && !xenpv_dev_held(XENPV_DEVICE(con)) ?
        xenpv_byte_ring_space(&con->in) : 0;

    con->in_refused = !room;
    return room;
}

static void console_receive(void *opaque, const uint8_t *buf, int len)
{
    XenConsole *con = opaque;
    uint32_t done;

    if (!con->connection) {
        return;
    }
    done = xenpv_byte_ring_write(&con->in, buf, len);
    trace_xenpv_console_in(XENPV_DEVICE(con)->label, len, done);
    if (done) {
        xenpv_event_notify(con->event);
    }
}

static void console_chr_event(void *opaque, QEMUChrEvent event)
{
    XenConsole *con = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        console_cancel_wait(con);
        console_pump(con);
        break;
    case CHR_EVENT_CLOSED:
        /* The guest may be held up by a reader that is gone now. */
        console_cancel_wait(con);
        console_pump(con);
        break;
    default:
        break;
    }
}

static int console_chr_change(void *opaque);

static void console_set_handlers(XenConsole *con)
{
    qemu_chr_fe_set_handlers(&con->chr, console_can_receive, console_receive,
                             console_chr_event, console_chr_change, con, NULL,
                             true);
}

/* chardev-change: another chardev behind the same front end. */
static int console_chr_change(void *opaque)
{
    XenConsole *con = opaque;

    console_cancel_wait(con);
    console_set_handlers(con);
    console_pump(con);
    return 0;
}

/* ---- the driver struct ---- */

static bool console_event(XenPvDevice *dev, void *opaque)
{
    XenConsole *con = XEN_CONSOLE(dev);
    uint32_t out = xenpv_byte_ring_filled(&con->out);
    bool refused = con->in_refused;

    console_pump(con);
    if (refused && xenpv_byte_ring_space(&con->in)) {
        con->in_refused = false;
        qemu_chr_fe_accept_input(&con->chr);
    }
    if (con->out.broken || con->in.broken) {
        Error *err = NULL;

        error_setg(&err, "front end moved the index of the %s ring beyond "
                   "its end", con->out.broken ? "output" : "input");
        xenpv_dev_fail(dev, err);
    }
    return out || refused;
}

static bool console_advertise(XenPvDevice *dev, Error **errp)
{
    XenConsole *con = XEN_CONSOLE(dev);
    Chardev *chr = con->chr.chr;
    const char *tty;

    if (!xenpv_dev_publish(dev, errp, "protocol", "vt100") ||
        !xenpv_dev_publish_front(dev, errp, "type", "ioemu") ||
        !xenpv_dev_publish_front(dev, errp, "limit", "%" PRIu32,
                                 con->limit)) {
        return false;
    }
    /* A pty names itself "pty:/dev/pts/N". */
    if (chr && chr->filename && strstart(chr->filename, "pty:", &tty)) {
        return xenpv_dev_publish_front(dev, errp, "tty", "%s", tty);
    }
    return true;
}

static bool console_map(XenPvDevice *dev, XenPvMap **map, Error **errp)
{
    uint64_t ref;

    if (dev->devid == 0) {
        /* A frame number or a reserved reference: the hypervisor knows. */
        if (!xenpv_dev_need_front_uint(dev, "ring-ref", UINT64_MAX, &ref,
                                       errp)) {
            return false;
        }
        *map = xenpv_dev_map_console(dev, ref, errp);
    } else {
        uint32_t grant;

        if (!xenpv_dev_need_front_uint(dev, "ring-ref", UINT32_MAX, &ref,
                                       errp)) {
            return false;
        }
        grant = ref;
        *map = xenpv_dev_map_grants(dev, &grant, 1, false, errp);
    }
    return *map != NULL;
}

static bool console_connect(XenPvDevice *dev, Error **errp)
{
    XenConsole *con = XEN_CONSOLE(dev);
    struct xencons_interface *shared;
    uint64_t port;
    XenPvMap *map;

    if (!xenpv_dev_need_front_uint(dev, "port", UINT32_MAX, &port, errp) ||
        !console_map(dev, &map, errp)) {
        return false;
    }
    shared = map->page[0];
    xenpv_byte_ring_init(&con->out, shared->out, sizeof(shared->out),
                         &shared->out_cons, &shared->out_prod);
    xenpv_byte_ring_init(&con->in, shared->in, sizeof(shared->in),
                         &shared->in_prod, &shared->in_cons);
    con->event = xenpv_dev_bind(dev, port, NULL, NULL, errp);
    if (!con->event) {
        return false;
    }
    con->connection = (uint8_t *)shared + CONNECTION_OFFSET;
    qatomic_set(con->connection, CONNECTION_CONNECTED);
    trace_xenpv_console_connect(dev->label, port, con->limit);
    qemu_chr_fe_accept_input(&con->chr);
    return true;
}

/*
 * What the guest has written before it went away is output like any other:
 * the last lines before a reboot are those one wants to see.
 */
static void console_disconnect(XenPvDevice *dev)
{
    XenConsole *con = XEN_CONSOLE(dev);
    uint8_t buf[OUT_SIZE];
    uint32_t len;

    if (con->connection) {
        len = xenpv_byte_ring_read(&con->out, buf, sizeof(buf));
        backlog_keep(con, buf, len, con->limit + OUT_SIZE);
        qatomic_set(con->connection, CONNECTION_DISCONNECTED);
        trace_xenpv_console_disconnect(dev->label, len);
    }
    con->connection = NULL;
    con->event = NULL;
    console_pump(con);
    if (runstate_check(RUN_STATE_SHUTDOWN)) {
        console_last_words(con);
    }
}

/*
 * What libxl writes into the front end's directory for the guest to see and
 * for us: "type" tells us from xenconsoled, "output" is where it goes.
 */
static bool console_claims(XenPvDevice *dev)
{
    g_autofree char *type = xenpv_dev_read_left(dev, "type");

    return !g_strcmp0(type, "ioemu");
}

static bool console_new_pty(XenConsole *con, Error **errp)
{
    g_autofree char *id = g_strdup_printf("xen-console-%d",
                                          XENPV_DEVICE(con)->devid);
    ChardevBackend backend = {
        .type = CHARDEV_BACKEND_KIND_PTY,
        .u.pty.data = &(ChardevPty){ 0 },
    };

    con->own_chr = qemu_chardev_new(id, TYPE_CHARDEV_PTY, &backend, NULL,
                                    errp);
    return con->own_chr &&
           object_property_set_str(OBJECT(con), "chardev", id, errp);
}

static bool console_configure(XenPvDevice *dev, Error **errp)
{
    XenConsole *con = XEN_CONSOLE(dev);
    g_autofree char *output = xenpv_dev_read_left(dev, "output");
    uint64_t limit;
    const char *id;

    if (!xenpv_dev_read_left_uint(dev, "limit", MAX_LIMIT, DEFAULT_LIMIT,
                                  &limit, errp)) {
        return false;
    }
    con->limit = limit;
    if (!output) {
        error_setg(errp, "no output for the console in %s", dev->fe_path);
        return false;
    }
    if (!strcmp(output, "pty")) {
        return console_new_pty(con, errp);
    }
    if (!strstart(output, "chardev:", &id)) {
        error_setg(errp, "output '%s' is neither pty nor chardev:ID", output);
        return false;
    }
    if (!qemu_chr_find(id)) {
        error_setg(errp, "output: there is no chardev '%s'", id);
        return false;
    }
    return object_property_set_str(OBJECT(con), "chardev", id, errp);
}

static void console_unconfigure(XenPvDevice *dev)
{
    XenConsole *con = XEN_CONSOLE(dev);

    if (con->own_chr) {
        object_unparent(OBJECT(con->own_chr));
    }
}

static bool console_realize(XenPvDevice *dev, Error **errp)
{
    XenConsole *con = XEN_CONSOLE(dev);

    if (!qemu_chr_fe_backend_connected(&con->chr)) {
        error_setg(errp, "%s needs a chardev: -device %s,chardev=ID",
                   TYPE_XEN_CONSOLE, TYPE_XEN_CONSOLE);
        return false;
    }
    if (con->limit > MAX_LIMIT) {
        error_setg(errp, "limit=%" PRIu32 " is larger than %" PRIu64,
                   con->limit, (uint64_t)MAX_LIMIT);
        return false;
    }
    if (dev->devid == 0) {
        xenpv_dev_set_standing(dev, "console", "port");
    }
    fifo8_create(&con->backlog, con->limit + OUT_SIZE);
    con->retry = timer_new_ms(QEMU_CLOCK_REALTIME, console_retry, con);
    con->ask = g_main_context_new();
    console_set_handlers(con);
    return true;
}

static void console_unrealize(XenPvDevice *dev)
{
    XenConsole *con = XEN_CONSOLE(dev);

    console_last_words(con);
    console_cancel_wait(con);
    qemu_chr_fe_deinit(&con->chr, false);
    timer_free(g_steal_pointer(&con->retry));
    g_main_context_unref(g_steal_pointer(&con->ask));
    fifo8_destroy(&con->backlog);
}

static void console_print(XenPvDevice *dev, GString *out, int indent)
{
    XenConsole *con = XEN_CONSOLE(dev);

    g_string_append_printf(out, "%*sout ring: %" PRIu32 " bytes waiting, in "
                           "ring: %" PRIu32 " free, backlog: %" PRIu32 "%s\n",
                           indent, "", xenpv_byte_ring_filled(&con->out),
                           xenpv_byte_ring_space(&con->in),
                           fifo8_num_used(&con->backlog),
                           con->watch || timer_pending(con->retry) ?
                           ", chardev blocked" : "");
}

static void console_init(Object *obj)
{
    /* The name that upstream's console has for it. */
    object_property_add_alias(obj, "idx", obj, "devid");
}

static const Property console_properties[] = {
    DEFINE_PROP_CHR("chardev", XenConsole, chr),
    DEFINE_PROP_UINT32("limit", XenConsole, limit, DEFAULT_LIMIT),
};

static void console_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(class);

    dc->desc = "Xen PV console";
    set_bit(DEVICE_CATEGORY_INPUT, dc->categories);
    device_class_set_props(dc, console_properties);
    pc->type = "console";
    pc->claims = console_claims;
    pc->configure = console_configure;
    pc->unconfigure = console_unconfigure;
    pc->realize = console_realize;
    pc->unrealize = console_unrealize;
    pc->advertise = console_advertise;
    pc->connect = console_connect;
    pc->disconnect = console_disconnect;
    pc->event = console_event;
    pc->can_save = true;
    pc->print = console_print;
}

static const TypeInfo console_type = {
    .name = TYPE_XEN_CONSOLE,
    .parent = TYPE_XENPV_DEVICE,
    .instance_size = sizeof(XenConsole),
    .instance_init = console_init,
    .class_init = console_class_init,
};

static void console_register_types(void)
{
    type_register_static(&console_type);
}

type_init(console_register_types)
