/*
 * The console, as a conversation between the guest's end, the store and
 * whoever is at the other end of the chardev.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/option.h"
#include "qemu/config-file.h"
#include "qemu/sockets.h"
#include "qapi/error.h"
#include "chardev/char.h"
#include "chardev/char-fe.h"
#include "hw/xen/interface/io/console.h"
#include "hw/xenpv/backend/internal.h"
#include "hw/xenpv/ring.h"
#include "system/runstate.h"
#include "system/system.h"
#include "fixture.h"

#define CONNECTION sizeof(struct xencons_interface)

#define BE "/local/domain/0/backend/console/1"
#define FE "/local/domain/1/device/console"
#define PRIMARY "/local/domain/1/console"
#define BUS_WATCHES 1           /* consoles that a toolstack asks for */
#define WATCHES (BUS_WATCHES + 3)
#define ERROR_NODE "/local/domain/0/error/backend/console/1"

/* ---- a chardev that takes as much as the test wants ---- */

#define TYPE_CHARDEV_TEST "chardev-xenpv-test"
OBJECT_DECLARE_SIMPLE_TYPE(TestChardev, CHARDEV_TEST)

struct TestChardev {
    Chardev parent;
    GString *got;
    size_t credit;              /* bytes it takes before it blocks */
    size_t max_write;           /* ... and at most so many at once */
    int fail;                   /* errno of every write */
    bool close_on_write;        /* finds its peer gone */
    int pause;                  /* refusals between one write and the next */
    int refuse;                 /* ... and before the next */
    int accepts;                /* told that input is welcome again */
    void (*on_write)(void *opaque);
    void *opaque;
};

static int test_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    TestChardev *test = CHARDEV_TEST(chr);

    if (test->close_on_write) {
        test->close_on_write = false;
        qemu_chr_be_event(chr, CHR_EVENT_CLOSED);
        errno = EPIPE;
        return -1;
    }
    if (test->fail || !test->credit || test->refuse) {
        test->refuse -= test->refuse > 0;
        errno = test->fail ?: EAGAIN;
        return -1;
    }
    test->refuse = test->pause;
    len = MIN(len, MIN(test->credit, test->max_write));
    test->credit -= len;
    g_string_append_len(test->got, (const char *)buf, len);
    if (test->on_write) {
        test->on_write(test->opaque);
    }
    return len;
}

static void test_chr_accept_input(Chardev *chr)
{
    CHARDEV_TEST(chr)->accepts++;
}

static void test_chr_init(Object *obj)
{
    TestChardev *test = CHARDEV_TEST(obj);

    test->got = g_string_new(NULL);
    test->credit = test->max_write = SIZE_MAX;
}

static void test_chr_finalize(Object *obj)
{
    g_string_free(CHARDEV_TEST(obj)->got, true);
}

static void test_chr_class_init(ObjectClass *oc, void *data)
{
    CHARDEV_CLASS(oc)->chr_write = test_chr_write;
    CHARDEV_CLASS(oc)->chr_accept_input = test_chr_accept_input;
}

static const TypeInfo test_chr_type = {
    .name = TYPE_CHARDEV_TEST,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(TestChardev),
    .instance_init = test_chr_init,
    .instance_finalize = test_chr_finalize,
    .class_init = test_chr_class_init,
};

static TestChardev *new_test_chardev(const char *id)
{
    Chardev *chr = qemu_chardev_new(id, TYPE_CHARDEV_TEST,
                                    &(ChardevBackend){
                                        .type = CHARDEV_BACKEND_KIND_NULL,
                                        .u.null.data = &(ChardevCommon){},
                                    }, NULL, &error_abort);

    return CHARDEV_TEST(chr);
}

/* ---- the guest's end ---- */

typedef struct Guest {
    XenPvHv *hv;
    char *dir;
    struct xencons_interface *page;
    uint32_t ref, port;
} Guest;

static void guest_init(Guest *g, XenPvHv *hv, int devid)
{
    *g = (Guest) {
        .hv = hv,
        .dir = devid ? g_strdup_printf(FE "/%d", devid) : g_strdup(PRIMARY),
        .page = fake_guest_page(hv),
        .port = fake_guest_port(hv),
    };
    *((uint8_t *)g->page + CONNECTION) = 1;
    g->ref = devid ? fake_guest_grant(hv, g->page, false) :
                     fake_guest_gfn(hv, g->page);
}

static void guest_free(Guest *g)
{
    g_free(g->dir);
}

static int guest_set(Guest *g, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/%s", g->dir, key);

    return fake_guest_write(g->hv, path, "%s", value);
}

static int guest_set_state(Guest *g, enum xenbus_state state)
{
    g_autofree char *text = g_strdup_printf("%d", state);
    int err = guest_set(g, "state", text);

    fixture_settle();
    return err;
}

static void guest_set_ring(Guest *g)
{
    g_autofree char *ref = g_strdup_printf("%u", g->ref);
    g_autofree char *port = g_strdup_printf("%u", g->port);

    guest_set(g, "ring-ref", ref);
    guest_set(g, "port", port);
}

/* As Linux's hvc_xen does it. */
static void guest_connect(Guest *g)
{
    guest_set_ring(g);
    guest_set_state(g, XenbusStateInitialised);
    guest_set_state(g, XenbusStateConnected);
}

/* What the builder of the domain leaves for the primary console. */
static void builder_set_ring(Guest *g)
{
    xenpv_store_printf(g->hv, NULL, PRIMARY "/ring-ref", "%u", g->ref);
    xenpv_store_printf(g->hv, NULL, PRIMARY "/port", "%u", g->port);
    fixture_settle();
}

static uint8_t guest_connection(Guest *g)
{
    return *((uint8_t *)g->page + CONNECTION);
}

/* Write what fits.  Returns the bytes written; the event is sent. */
static uint32_t guest_print(Guest *g, const void *data, uint32_t len)
{
    struct xencons_interface *p = g->page;
    uint32_t i, room = sizeof(p->out) - (p->out_prod - p->out_cons);

    len = MIN(len, room);
    for (i = 0; i < len; i++) {
        p->out[MASK_XENCONS_IDX(p->out_prod++, p->out)] =
            ((const char *)data)[i];
    }
    fake_guest_notify(g->hv, g->port);
    return len;
}

static void guest_puts(Guest *g, const char *text)
{
    g_assert_cmpuint(guest_print(g, text, strlen(text)), ==, strlen(text));
    fixture_settle();
}

static char *guest_gets(Guest *g)
{
    struct xencons_interface *p = g->page;
    GString *text = g_string_new(NULL);

    while (p->in_cons != p->in_prod) {
        g_string_append_c(text, p->in[MASK_XENCONS_IDX(p->in_cons++, p->in)]);
    }
    fake_guest_notify(g->hv, g->port);
    fixture_settle();
    return g_string_free(text, false);
}

/* Without another word of the guest. */
typedef struct Expected {
    TestChardev *chr;
    size_t len;
} Expected;

static bool has_got(void *opaque)
{
    Expected *e = opaque;

    return e->chr->got->len >= e->len;
}

static void wait_got(TestChardev *chr, size_t len)
{
    Expected e = { chr, len };

    g_assert_true(fixture_wait(has_got, &e));
}

#define assert_got(chr, text)                           \
    do {                                                \
        g_assert_cmpstr((chr)->got->str, ==, text);     \
        g_string_truncate((chr)->got, 0);               \
    } while (0)

/* Most tests: one console N and its guest, connected. */
typedef struct Scene {
    XenPvHv *hv;
    XenPvBus *bus;
    TestChardev *chr;
    XenPvDevice *dev;
    Guest guest;
} Scene;

static void scene_begin(Scene *s, int devid, const char *limit)
{
    g_autofree char *id = g_strdup_printf("%d", devid);

    s->hv = fake_hv_new();
    s->bus = fixture_bus(s->hv);
    s->chr = new_test_chardev("con");
    qemu_chr_be_event(CHARDEV(s->chr), CHR_EVENT_OPENED);
    s->dev = fixture_plug(s->bus, &error_abort, "xen-console", "chardev",
                          "con", "devid", id, "limit", limit, NULL);
    guest_init(&s->guest, s->hv, devid);
    if (devid) {
        guest_connect(&s->guest);
    } else {
        builder_set_ring(&s->guest);
    }
    g_assert_cmpint(s->dev->be_state, ==, XenbusStateConnected);
    g_assert_cmpint(guest_connection(&s->guest), ==, 0);
}

static void scene_end(Scene *s)
{
    guest_free(&s->guest);
    fixture_end(s->bus);
    object_unparent(OBJECT(s->chr));
}

/* ---- nodes ---- */

/* What a guest and a toolstack find, before and after. */
static void test_nodes(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestChardev *chr = new_test_chardev("con");
    XenPvDevice *dev;
    g_autofree char *seen = NULL;

    dev = fixture_plug(bus, &error_abort, "xen-console", "chardev", "con",
                       "devid", "3", NULL);
    assert_node(hv, FE "/3", BE "/3/frontend");
    assert_node(hv, "1", BE "/3/frontend-id");
    assert_node(hv, "1", BE "/3/online");
    assert_node(hv, "2", BE "/3/state");
    assert_node(hv, BE "/3", FE "/3/backend");
    assert_node(hv, "0", FE "/3/backend-id");
    assert_node(hv, "1", FE "/3/state");
    assert_node(hv, "ioemu", FE "/3/type");
    assert_node(hv, "1048576", FE "/3/limit");
    assert_node(hv, NULL, FE "/3/tty");

    /* The guest reads our side and owns its own, but for what is ours. */
    seen = fake_guest_read(hv, BE "/3/state");
    g_assert_cmpstr(seen, ==, "2");
    g_assert_cmpint(fake_guest_write(hv, BE "/3/state", "4"), ==, EACCES);
    g_assert_cmpint(fake_guest_write(hv, FE "/3/limit", "1"), ==, EACCES);
    g_assert_cmpint(fake_guest_write(hv, FE "/3/mine", "1"), ==, 0);

    object_unparent(OBJECT(dev));
    assert_node(hv, NULL, BE "/3");
    assert_node(hv, NULL, FE "/3");
    fixture_end(bus);
    object_unparent(OBJECT(chr));
}

static void test_numbers(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    XenPvDevice *dev[4];
    Error *err = NULL;
    int i;

    for (i = 0; i < 4; i++) {
        g_autofree char *id = g_strdup_printf("c%d", i);

        new_test_chardev(id);
        dev[i] = fixture_plug(bus, &error_abort, "xen-console", "chardev", id,
                              i == 1 ? "idx" : NULL, "2", NULL);
    }
    g_assert_cmpint(dev[0]->devid, ==, 0);
    g_assert_cmpint(dev[1]->devid, ==, 2);
    g_assert_cmpint(dev[2]->devid, ==, 1);
    g_assert_cmpint(dev[3]->devid, ==, 3);

    new_test_chardev("c4");
    g_assert_null(fixture_plug(bus, &err, "xen-console", "chardev", "c4",
                               "devid", "2", NULL));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "devid 2 is in use by another console device");
    error_free(err);
    err = NULL;

    /* One that a toolstack has made is in nobody's list. */
    xenpv_store_write(hv, NULL, BE "/4/frontend", FE "/4");
    dev[0] = fixture_plug(bus, &error_abort, "xen-console", "chardev", "c4",
                          NULL);
    g_assert_cmpint(dev[0]->devid, ==, 5);

    g_assert_null(fixture_plug(bus, &err, "xen-console", NULL));
    g_assert_nonnull(strstr(error_get_pretty(err), "needs a chardev"));
    error_free(err);
    fixture_end(bus);
    for (i = 0; i < 5; i++) {
        g_autofree char *id = g_strdup_printf("c%d", i);

        object_unparent(OBJECT(qemu_chr_find(id)));
    }
}

/* ---- life ---- */

static void test_primary(void)
{
    Scene s;
    g_autofree char *in = NULL;

    scene_begin(&s, 0, "0");
    assert_node(s.hv, "0", PRIMARY "/limit");
    assert_node(s.hv, "ioemu", PRIMARY "/type");
    assert_node(s.hv, NULL, FE "/0");
    guest_puts(&s.guest, "hello");
    assert_got(s.chr, "hello");
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(s.chr)), ==, 1024);
    qemu_chr_be_write(CHARDEV(s.chr), (uint8_t *)"root\n", 5);
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    in = guest_gets(&s.guest);
    g_assert_cmpstr(in, ==, "root\n");
    scene_end(&s);
}

/* What was printed before we came is there when we come. */
static void test_early_output(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestChardev *chr = new_test_chardev("con");
    Guest guest;

    qemu_chr_be_event(CHARDEV(chr), CHR_EVENT_OPENED);
    guest_init(&guest, hv, 0);
    guest_print(&guest, "early", 5);
    fixture_plug(bus, &error_abort, "xen-console", "chardev", "con", NULL);
    assert_got(chr, "");
    builder_set_ring(&guest);
    assert_got(chr, "early");
    guest_free(&guest);
    fixture_end(bus);
    object_unparent(OBJECT(chr));
}

static void test_secondary(void)
{
    Scene s;
    g_autofree char *in = NULL;

    scene_begin(&s, 1, "0");
    assert_live(s.hv, 1, 1, WATCHES);
    assert_node(s.hv, "4", BE "/1/state");
    guest_puts(&s.guest, "hvc1");
    assert_got(s.chr, "hvc1");
    qemu_chr_be_write(CHARDEV(s.chr), (uint8_t *)"x", 1);
    in = guest_gets(&s.guest);
    g_assert_cmpstr(in, ==, "x");

    /* The guest closes, and comes back with another page. */
    guest_set_state(&s.guest, XenbusStateClosing);
    assert_node(s.hv, "5", BE "/1/state");
    guest_set_state(&s.guest, XenbusStateClosed);
    assert_node(s.hv, "6", BE "/1/state");
    assert_live(s.hv, 0, 0, WATCHES);
    g_assert_cmpint(guest_connection(&s.guest), ==, 1);
    g_assert_true(fake_guest_revoke(s.hv, s.guest.ref));
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(s.chr)), ==, 0);

    guest_free(&s.guest);
    guest_init(&s.guest, s.hv, 1);
    guest_set_state(&s.guest, XenbusStateInitialising);
    assert_node(s.hv, "2", BE "/1/state");
    guest_connect(&s.guest);
    assert_node(s.hv, "4", BE "/1/state");
    guest_puts(&s.guest, "again");
    assert_got(s.chr, "again");
    scene_end(&s);
}

/* Last words: written, not yet taken, and then the guest is gone. */
static void test_last_words(void)
{
    Scene s;

    scene_begin(&s, 1, "0");
    s.chr->credit = 3;
    guest_puts(&s.guest, "goodbye");
    g_assert_cmpuint(guest_print(&s.guest, "!", 1), ==, 1);
    guest_set_state(&s.guest, XenbusStateClosed);
    assert_live(s.hv, 0, 0, WATCHES);
    s.chr->credit = SIZE_MAX;
    /* No more events of the guest: the device itself must come back. */
    wait_got(s.chr, strlen("goodbye!"));
    assert_got(s.chr, "goodbye!");
    scene_end(&s);
}

/* QEMU ends: there is no main loop any more to wait for. */
static void test_shutdown(void)
{
    Scene s;

    scene_begin(&s, 0, "100");
    s.chr->credit = 0;
    guest_puts(&s.guest, "power down");
    s.chr->credit = SIZE_MAX;
    /* Slower in all than we would wait for one that does not move. */
    s.chr->max_write = 1;
    s.chr->pause = s.chr->refuse = 60;
    fixture_runstate = RUN_STATE_SHUTDOWN;
    xenpv_bus_close(s.bus);
    fixture_runstate = RUN_STATE_RUNNING;
    assert_got(s.chr, "power down");
    assert_node(s.hv, "6", BE "/0/state");
    scene_end(&s);

    /* Somebody who never reads does not keep QEMU from ending. */
    scene_begin(&s, 0, "100");
    s.chr->credit = 0;
    guest_puts(&s.guest, "power down");
    fixture_runstate = RUN_STATE_SHUTDOWN;
    xenpv_bus_close(s.bus);
    fixture_runstate = RUN_STATE_RUNNING;
    assert_got(s.chr, "");
    scene_end(&s);
}

static void test_reset(void)
{
    Scene s;
    Guest old;

    scene_begin(&s, 0, "0");
    s.chr->credit = 0;
    guest_puts(&s.guest, "Rebooting.");
    xenpv_bus_quiesce(s.bus);
    assert_live(s.hv, 0, 0, 0);
    /* What the machine does: the old guest's nodes go, new ones come. */
    g_assert_cmpint(xenpv_store_rm(s.hv, NULL, PRIMARY), ==, 0);
    old = s.guest;
    guest_init(&s.guest, s.hv, 0);
    xenpv_store_printf(s.hv, NULL, PRIMARY "/ring-ref", "%u", s.guest.ref);
    xenpv_store_printf(s.hv, NULL, PRIMARY "/port", "%u", s.guest.port);
    xenpv_bus_restart(s.bus);
    fixture_settle();
    assert_node(s.hv, "4", BE "/0/state");
    guest_puts(&s.guest, "Booting.");
    guest_puts(&old, "ghost");
    s.chr->credit = SIZE_MAX;
    fixture_settle();
    guest_puts(&s.guest, "\n");
    assert_got(s.chr, "Rebooting.Booting.\n");
    guest_free(&old);
    scene_end(&s);
}

static bool no_devices(void *opaque)
{
    return QTAILQ_EMPTY(&((XenPvBus *)opaque)->devices);
}

static void test_unplug(void)
{
    Scene s;

    /* The guest lets go. */
    scene_begin(&s, 1, "0");
    fixture_unplug(s.dev, &error_abort);
    fixture_settle();
    assert_node(s.hv, "5", BE "/1/state");
    assert_node(s.hv, "0", BE "/1/online");
    /* Until it has, it is served. */
    guest_puts(&s.guest, "one more thing");
    assert_got(s.chr, "one more thing");
    guest_set_state(&s.guest, XenbusStateClosing);
    g_assert_false(no_devices(s.bus));
    guest_set_state(&s.guest, XenbusStateClosed);
    g_assert_true(fixture_wait(no_devices, s.bus));
    assert_node(s.hv, NULL, BE "/1");
    assert_node(s.hv, NULL, FE "/1");
    assert_live(s.hv, 0, 0, BUS_WATCHES);
    scene_end(&s);

    /* It does not: the second request takes the device away. */
    scene_begin(&s, 1, "0");
    fixture_unplug(s.dev, &error_abort);
    fixture_settle();
    g_assert_false(no_devices(s.bus));
    fixture_unplug(s.dev, &error_abort);
    g_assert_true(fixture_wait(no_devices, s.bus));
    assert_live(s.hv, 0, 0, BUS_WATCHES);
    scene_end(&s);

    /* Nobody is there: nobody is asked. */
    scene_begin(&s, 1, "0");
    guest_set_state(&s.guest, XenbusStateClosed);
    fixture_unplug(s.dev, &error_abort);
    g_assert_true(fixture_wait(no_devices, s.bus));
    scene_end(&s);
}

/* ---- output ---- */

/* A chardev that blocks holds the guest up, and never for longer. */
static void test_back_pressure(void)
{
    char text[4000];
    Scene s;
    uint32_t n;

    memset(text, 'x', sizeof(text));
    scene_begin(&s, 1, "0");
    s.chr->credit = 100;
    g_assert_cmpuint(guest_print(&s.guest, text, sizeof(text)), ==, 2048);
    fixture_settle();
    g_assert_cmpuint(s.chr->got->len, ==, 100);
    n = guest_print(&s.guest, text, sizeof(text));
    g_assert_cmpuint(n, ==, 100);
    fixture_settle();
    g_assert_cmpuint(guest_print(&s.guest, text, 1), ==, 0);

    /* The tail goes out without another event of the guest. */
    fixture_settle();
    fake_guest_events(s.hv, s.guest.port);
    s.chr->credit = SIZE_MAX;
    wait_got(s.chr, 2148);
    g_assert_cmpuint(s.guest.page->out_cons, ==, s.guest.page->out_prod);
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), ==, 1);
    scene_end(&s);
}

static void test_limit(void)
{
    g_autofree char *text = g_malloc(8192);
    uint32_t sent = 0, n, i;
    Scene s;

    for (i = 0; i < 8192; i++) {
        text[i] = 'a' + i % 23;
    }
    scene_begin(&s, 1, "5000");
    s.chr->credit = 10;
    while (true) {
        n = guest_print(&s.guest, text + sent, 8192 - sent);
        fixture_settle();
        if (!n) {
            break;
        }
        sent += n;
    }
    /* Taken, kept, and left in the ring. */
    g_assert_cmpuint(sent, ==, 10 + 5000 + 2048);
    s.chr->credit = SIZE_MAX;
    s.chr->max_write = 333;
    wait_got(s.chr, sent);
    g_assert_cmpmem(s.chr->got->str, s.chr->got->len, text, sent);
    scene_end(&s);
}

/* Nobody reads: the guest goes on, and the newest bytes are kept. */
static void test_nobody_reads(void)
{
    Scene s;
    int i;

    scene_begin(&s, 1, "10");
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_CLOSED);
    for (i = 0; i < 1000; i++) {
        guest_puts(&s.guest, "0123456789abcdefg");
    }
    assert_got(s.chr, "");
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_OPENED);
    fixture_settle();
    assert_got(s.chr, "789abcdefg");
    guest_puts(&s.guest, "hello");
    assert_got(s.chr, "hello");

    /* A guest held up by a reader goes on when the reader goes. */
    s.chr->credit = 0;
    guest_puts(&s.guest, "0123456789abcdef");
    g_assert_cmpuint(s.guest.page->out_prod - s.guest.page->out_cons, ==, 6);
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_CLOSED);
    g_assert_cmpuint(s.guest.page->out_prod, ==, s.guest.page->out_cons);
    s.chr->credit = SIZE_MAX;
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_OPENED);
    fixture_settle();
    assert_got(s.chr, "6789abcdef");
    scene_end(&s);
}

/* The chardev finds out while it is written to: nothing twice, nothing lost. */
static void test_closes_while_written(void)
{
    Scene s;

    scene_begin(&s, 1, "100");
    s.chr->close_on_write = true;
    guest_puts(&s.guest, "once");
    assert_got(s.chr, "");
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_OPENED);
    fixture_settle();
    assert_got(s.chr, "once");

    /* Also out of the backlog. */
    s.chr->credit = 0;
    guest_puts(&s.guest, "and for all");
    s.chr->credit = SIZE_MAX;
    s.chr->close_on_write = true;
    guest_puts(&s.guest, ".");
    assert_got(s.chr, "");
    qemu_chr_be_event(CHARDEV(s.chr), CHR_EVENT_OPENED);
    fixture_settle();
    assert_got(s.chr, "and for all.");
    scene_end(&s);
}

/* A full disk: said once, and the guest goes on. */
static void test_chardev_fails(void)
{
    g_autofree char *first = NULL, *second = NULL, *third = NULL;
    Scene s;

    scene_begin(&s, 1, "0");
    g_free(fixture_log());
    s.chr->fail = ENOSPC;
    guest_puts(&s.guest, "lost");
    guest_puts(&s.guest, "lost too");
    first = fixture_log();
    g_assert_nonnull(strstr(first, "xen-console.1: cannot write"));
    g_assert_null(strchr(strchr(first, '\n') + 1, '\n'));
    s.chr->fail = 0;
    guest_puts(&s.guest, "fine");
    assert_got(s.chr, "fine");
    second = fixture_log();
    g_assert_cmpstr(second, ==, "");
    s.chr->fail = ENOSPC;
    guest_puts(&s.guest, "lost");
    third = fixture_log();
    g_assert_nonnull(strstr(third, "cannot write"));
    scene_end(&s);
}

/* ---- a real chardev: a socket with a log file ---- */

/*
 * More than socket and backlog hold, a reader that stops and goes on, and a
 * log: every byte once, in order, in both.
 */
static void test_socket_and_log(void)
{
    const uint32_t total = 3 * 1024 * 1024;
    g_autofree char *log = g_build_filename(g_get_tmp_dir(), "xencon-XXXXXX",
                                            NULL);
    g_autofree char *spec = NULL, *contents = NULL;
    g_autoptr(GByteArray) got = g_byte_array_new();
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    uint32_t sent = 0, i, len;
    uint8_t buf[3000];
    gsize log_len;
    int sv[2], fd;
    QemuOpts *opts;
    Chardev *chr;
    Guest guest;
    gint64 end;

    fd = g_mkstemp(log);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    qemu_socket_set_nonblock(sv[1]);
    spec = g_strdup_printf("socket,id=con,fd=%d,logfile=%s", sv[0], log);
    opts = qemu_opts_parse_noisily(&qemu_chardev_opts, spec, true);
    chr = qemu_chr_new_from_opts(opts, NULL, &error_abort);
    qemu_opts_del(opts);
    fixture_plug(bus, &error_abort, "xen-console", "chardev", "con", "devid",
                 "1", "limit", "10000", NULL);
    guest_init(&guest, hv, 1);
    guest_connect(&guest);

    end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (got->len < total) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        len = MIN(sizeof(buf), total - sent);
        for (i = 0; i < len; i++) {
            buf[i] = (sent + i) * 2654435761u >> 24;
        }
        sent += guest_print(&guest, buf, len);
        main_loop_wait(true);
        /* Read nothing for a while, then all there is. */
        if (sent == total || g_random_int_range(0, 200) == 0) {
            ssize_t n = read(sv[1], buf, sizeof(buf));

            if (n > 0) {
                g_byte_array_append(got, buf, n);
            }
        }
    }
    g_assert_cmpuint(got->len, ==, total);
    for (i = 0; i < total; i++) {
        g_assert_cmphex(got->data[i], ==, (uint8_t)(i * 2654435761u >> 24));
    }
    g_assert_true(g_file_get_contents(log, &contents, &log_len, NULL));
    g_assert_cmpuint(log_len, ==, total);
    g_assert_cmpint(memcmp(contents, got->data, total), ==, 0);
    guest_free(&guest);
    fixture_end(bus);
    object_unparent(OBJECT(chr));
    close(sv[1]);
    unlink(log);
}

/* A pty tells the guest, and the toolstack, its name. */
static void test_tty_node(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    Chardev *chr = qemu_chr_new("con", "pty", NULL);
    XenPvDevice *dev;

    g_assert_nonnull(chr);
    dev = fixture_plug(bus, &error_abort, "xen-console", "chardev", "con",
                       NULL);
    assert_node(hv, chr->filename + strlen("pty:"), PRIMARY "/tty");
    object_unparent(OBJECT(dev));
    fixture_plug(bus, &error_abort, "xen-console", "chardev", "con", "devid",
                 "2", NULL);
    assert_node(hv, chr->filename + strlen("pty:"), FE "/2/tty");
    fixture_end(bus);
    object_unparent(OBJECT(chr));
}

/* ---- by a toolstack's nodes ---- */

static bool nobody_leaves(void *opaque)
{
    return !((XenPvBus *)opaque)->nr_leaving;
}

/* Console 1, as libxl writes it: what the guest is told is not the guest's. */
static void toolstack_asks(XenPvHv *hv, const char *type, const char *output,
                           const char *limit)
{
    const XenPvPerm guest[] = { { .domid = FAKE_GUEST }, { .domid = 0 } };
    const XenPvPerm ours[] = { { .domid = 0 }, { FAKE_GUEST, .read = true } };

    xenpv_store_rm(hv, NULL, FE "/1");
    xenpv_store_write(hv, NULL, FE "/1", "");
    xenpv_store_set_perms(hv, NULL, FE "/1", ours, 2);
    xenpv_store_write(hv, NULL, FE "/1/backend", BE "/1");
    xenpv_store_write(hv, NULL, FE "/1/type", type);
    xenpv_store_write(hv, NULL, FE "/1/limit", limit);
    if (output) {
        xenpv_store_write(hv, NULL, FE "/1/output", output);
    }
    xenpv_store_set_perms(hv, NULL, FE "/1", guest, 2);
    xenpv_store_write(hv, NULL, FE "/1/state", "1");
    xenpv_store_write(hv, NULL, BE "/1/frontend", FE "/1");
    xenpv_store_write(hv, NULL, BE "/1/frontend-id", "1");
    xenpv_store_write(hv, NULL, BE "/1/online", "1");
    xenpv_store_write(hv, NULL, BE "/1/state", "1");
    fixture_settle();
}

static void toolstack_removes(XenPvBus *bus)
{
    xenpv_store_rm(bus->hv, NULL, BE "/1");
    xenpv_store_rm(bus->hv, NULL, FE "/1");
    fixture_settle();
    g_assert_true(fixture_wait(nobody_leaves, bus));
    fixture_settle();
    g_assert_true(QTAILQ_EMPTY(&bus->devices));
    assert_live(bus->hv, 0, 0, BUS_WATCHES);
    assert_node(bus->hv, NULL, BE "/1");
    assert_node(bus->hv, NULL, ERROR_NODE "/1");
}

static void test_toolstack_channel(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestChardev *chr = new_test_chardev("con");
    Guest guest;
    int i;

    for (i = 0; i < 3; i++) {
        toolstack_asks(hv, "ioemu", "chardev:con", "65536");
        assert_node(hv, "2", BE "/1/state");
        assert_node(hv, "65536", FE "/1/limit");
        guest_init(&guest, hv, 1);
        guest_connect(&guest);
        assert_node(hv, "4", BE "/1/state");
        guest_puts(&guest, "channel");
        assert_got(chr, "channel");
        guest_free(&guest);
        toolstack_removes(bus);
        g_assert_null(CHARDEV(chr)->be);
    }
    fixture_end(bus);
    object_unparent(OBJECT(chr));
}

static void test_toolstack_pty(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    Chardev *chr;
    int i;

    for (i = 0; i < 2; i++) {
        toolstack_asks(hv, "ioemu", "pty", "1048576");
        assert_node(hv, "2", BE "/1/state");
        chr = qemu_chr_find("xen-console-1");
        g_assert_nonnull(chr);
        assert_node(hv, chr->filename + strlen("pty:"), FE "/1/tty");
        toolstack_removes(bus);
        g_assert_null(qemu_chr_find("xen-console-1"));
    }
    fixture_end(bus);
}

/* xenconsoled's is not ours; of what is, the toolstack sees what is wrong. */
static void test_toolstack_refused(void)
{
    static const struct {
        const char *type, *output, *limit;
        const char *state, *message;
    } rows[] = {
        { "xenconsoled", "pty", "0", "1", NULL },
        { "", "pty", "0", "1", NULL },
        { "ioemu", NULL, "0", "6", "no output" },
        { "ioemu", "", "0", "6", "neither pty nor chardev:ID" },
        { "ioemu", "file:/etc/passwd", "0", "6", "neither pty nor" },
        { "ioemu", "chardev:", "0", "6", "no chardev ''" },
        { "ioemu", "chardev:nobody", "0", "6", "no chardev 'nobody'" },
        { "ioemu", "pty", "1000000000000", "6", "'1000000000000', not a" },
        { "ioemu", "pty", "much", "6", "'much', not a number" },
        { "ioemu", "pty", "67108865", "6", "not a number up to 67108864" },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        g_autofree char *note = NULL;

        toolstack_asks(hv, rows[i].type, rows[i].output, rows[i].limit);
        assert_node(hv, rows[i].state, BE "/1/state");
        note = fixture_node(hv, ERROR_NODE "/1/error");
        if (rows[i].message) {
            g_assert_nonnull(strstr(note, rows[i].message));
        } else {
            g_assert_null(note);
        }
        toolstack_removes(bus);
        g_assert_null(qemu_chr_find("xen-console-1"));
        fixture_end(bus);
    }
}

/* An output of the guest's choice is none. */
static void test_toolstack_output_of_guest(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    TestChardev *chr = new_test_chardev("con");

    toolstack_asks(hv, "ioemu", NULL, "0");
    g_assert_cmpint(fake_guest_write(hv, FE "/1/output", "chardev:con"), ==,
                    0);
    xenpv_store_write(hv, NULL, BE "/1/state", "1");
    g_assert_true(fixture_wait(nobody_leaves, bus));
    fixture_settle();
    assert_node(hv, "6", BE "/1/state");
    g_assert_null(CHARDEV(chr)->be);
    toolstack_removes(bus);
    fixture_end(bus);
    object_unparent(OBJECT(chr));
}

/* ---- input ---- */

static void test_input_full(void)
{
    g_autofree char *in = NULL, *rest = NULL;
    uint8_t text[1024];
    Scene s;

    memset(text, 'k', sizeof(text));
    scene_begin(&s, 1, "0");
    qemu_chr_be_write(CHARDEV(s.chr), text, sizeof(text));
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(s.chr)), ==, 0);
    /* More than asked for: the ring is not overrun. */
    qemu_chr_be_write(CHARDEV(s.chr), text, 5);
    g_assert_cmpuint(s.guest.page->in_prod, ==, 1024);
    s.chr->accepts = 0;
    in = guest_gets(&s.guest);
    g_assert_cmpuint(strlen(in), ==, 1024);
    g_assert_cmpint(s.chr->accepts, ==, 1);
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(s.chr)), ==, 1024);
    qemu_chr_be_write(CHARDEV(s.chr), (uint8_t *)"more", 4);
    rest = guest_gets(&s.guest);
    g_assert_cmpstr(rest, ==, "more");
    scene_end(&s);
}

/* ---- a hostile guest ---- */

static void test_hostile_indices(void)
{
    static const struct {
        bool in;
        uint32_t value;
    } rows[] = {
        { false, 2049 }, { false, UINT32_MAX }, { false, 0x80000000 },
        { true, 1 }, { true, 0x80000000 }, { true, UINT32_MAX - 1024 },
    };
    Scene s;
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *log = NULL, *note = NULL;

        scene_begin(&s, 1, "0");
        g_free(fixture_log());
        if (rows[i].in) {
            s.guest.page->in_cons = rows[i].value;
            g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(s.chr)), ==, 0);
        } else {
            s.guest.page->out_prod = rows[i].value;
        }
        fake_guest_notify(s.hv, s.guest.port);
        fixture_settle();
        assert_node(s.hv, "5", BE "/1/state");
        assert_live(s.hv, 0, 0, WATCHES);
        assert_got(s.chr, "");
        note = fixture_node(s.hv, ERROR_NODE "/1/error");
        g_assert_nonnull(strstr(note, "beyond its end"));
        log = fixture_log();
        g_assert_nonnull(strstr(log, "xen-console.1: "));

        /* Doing it again and again does not fill the log. */
        s.guest.page->out_prod = s.guest.page->out_cons;
        s.guest.page->in_cons = s.guest.page->in_prod;
        guest_set_state(&s.guest, XenbusStateClosed);
        guest_set_state(&s.guest, XenbusStateInitialising);
        guest_connect(&s.guest);
        assert_node(s.hv, "4", BE "/1/state");
        assert_node(s.hv, NULL, ERROR_NODE "/1/error");
        s.guest.page->out_prod += 5000;
        fake_guest_notify(s.hv, s.guest.port);
        fixture_settle();
        assert_node(s.hv, "5", BE "/1/state");
        g_free(log);
        log = fixture_log();
        g_assert_cmpstr(log, ==, "");
        scene_end(&s);
    }
}

static void test_hostile_keys(void)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        { "ring-ref", NULL }, { "ring-ref", "" }, { "ring-ref", "-1" },
        { "ring-ref", " 8" }, { "ring-ref", "8 " }, { "ring-ref", "0x8" },
        { "ring-ref", "4294967296" }, { "ring-ref", "18446744073709551616" },
        { "ring-ref", "7" }, { "ring-ref", "4000000000" },
        { "ring-ref", "8\n%s%n" },
        { "port", NULL }, { "port", "0" }, { "port", "77" },
        { "port", "4294967295" }, { "port", "4294967296" },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        TestChardev *chr = new_test_chardev("con");
        g_autofree char *path = NULL;
        Guest guest;

        fixture_plug(bus, &error_abort, "xen-console", "chardev", "con",
                     "devid", "1", NULL);
        guest_init(&guest, hv, 1);
        guest_set_ring(&guest);
        path = g_strdup_printf("%s/%s", guest.dir, rows[i].key);
        if (rows[i].value) {
            guest_set(&guest, rows[i].key, rows[i].value);
        } else {
            fake_guest_rm(hv, path);
        }
        guest_set_state(&guest, XenbusStateInitialised);
        assert_node(hv, "5", BE "/1/state");
        assert_live(hv, 0, 0, WATCHES);

        /* Once it has closed it may try again, and do better. */
        guest_set_state(&guest, XenbusStateConnected);
        assert_node(hv, "5", BE "/1/state");
        guest_set_state(&guest, XenbusStateClosed);
        assert_node(hv, "6", BE "/1/state");
        guest_set_state(&guest, XenbusStateInitialising);
        guest_connect(&guest);
        assert_node(hv, "4", BE "/1/state");
        guest_free(&guest);
        fixture_end(bus);
        object_unparent(OBJECT(chr));
    }
}

/* For every byte that goes out the guest writes another. */
static void guest_refills(void *opaque)
{
    Guest *g = opaque;

    if (g->page->out_prod < 10 * 1024 * 1024) {
        guest_print(g, "0123456789abcdef", 16);
    }
}

/* A guest that never stops writing leaves others their turn. */
static void test_bounded_work(void)
{
    g_autofree char *text = g_strnfill(2048, 'y');
    Scene s;

    scene_begin(&s, 1, "0");
    s.chr->max_write = 16;
    s.chr->on_write = guest_refills;
    s.chr->opaque = &s.guest;
    g_assert_cmpuint(guest_print(&s.guest, text, 2048), ==, 2048);
    main_loop_wait(true);
    g_assert_cmpuint(s.chr->got->len, <, 1024 * 1024);
    fake_guest_events(s.hv, s.guest.port);
    wait_got(s.chr, 10 * 1024 * 1024);
    /* One notification per batch, not per write. */
    g_assert_cmpuint(fake_guest_events(s.hv, s.guest.port), <,
                     10 * 1024 * 1024 / 16 / 100);
    scene_end(&s);
}

/* ---- every single fault ---- */

/* Plug, connect, print, read, close, reconnect, unplug: true if all went. */
static bool whole_life(XenPvHv *hv, XenPvBus *bus, TestChardev *chr, int devid)
{
    g_autofree char *id = g_strdup_printf("%d", devid);
    bool printed = false;
    XenPvDevice *dev;
    Error *err = NULL;
    Guest guest;
    int round;

    g_string_truncate(chr->got, 0);
    dev = fixture_plug(bus, &err, "xen-console", "chardev", "con", "devid", id,
                       NULL);
    if (!dev) {
        g_assert_nonnull(err);
        error_free(err);
        return false;
    }
    for (round = 0; round < 2; round++) {
        guest_init(&guest, hv, devid);
        if (devid) {
            if (round) {
                guest_set_state(&guest, XenbusStateInitialising);
            }
            guest_connect(&guest);
        } else {
            builder_set_ring(&guest);
        }
        guest_print(&guest, "life", 4);
        fixture_settle();
        printed = !strcmp(chr->got->str, "life");
        g_string_truncate(chr->got, 0);
        if (devid) {
            guest_set_state(&guest, XenbusStateClosing);
            guest_set_state(&guest, XenbusStateClosed);
            g_assert_cmpuint(hv->live.maps + hv->live.channels, ==, 0);
            g_assert_true(fake_guest_revoke(hv, guest.ref));
        } else {
            xenpv_bus_quiesce(bus);
            g_assert_cmpuint(hv->live.maps + hv->live.channels +
                             hv->live.watches, ==, 0);
            xenpv_store_rm(hv, NULL, PRIMARY);
            xenpv_bus_restart(bus);
            fixture_settle();
        }
        guest_free(&guest);
        if (!printed) {
            break;
        }
    }
    fixture_unplug(dev, &err);
    if (err) {
        error_free(err);
        return false;
    }
    fixture_settle();
    if (!no_devices(bus)) {
        /* The guest of this test has nothing more to say: by force. */
        fixture_unplug(QTAILQ_FIRST(&bus->devices), &err);
        g_assert_null(err);
        g_assert_true(fixture_wait(no_devices, bus));
    }
    return printed && round == 2;
}

static void every_fault(int devid)
{
    bool done = false;
    unsigned n;

    for (n = 1; !done; n++) {
        XenPvHv *hv = fake_hv_new();
        XenPvBus *bus = fixture_bus(hv);
        TestChardev *chr = new_test_chardev("con");
        bool ok;

        g_assert_cmpuint(n, <, 1000);
        qemu_chr_be_event(CHARDEV(chr), CHR_EVENT_OPENED);
        fake_hv_fail_at(hv, n);
        ok = whole_life(hv, bus, chr, devid);
        done = !fake_hv_has_failed(hv);
        g_assert_true(ok || !done);
        fixture_end(bus);
        object_unparent(OBJECT(chr));
    }
    g_test_message("%u faults", n - 2);
    /* The scenario is not so short that it met none. */
    g_assert_cmpuint(n, >, 30);
}

static void test_faults_primary(void)
{
    every_fault(0);
}

static void test_faults_secondary(void)
{
    every_fault(1);
}

/* ---- for people ---- */

static void test_describe(void)
{
    g_autofree char *text = NULL, *later = NULL;
    Scene s;

    scene_begin(&s, 1, "0");
    s.chr->credit = 0;
    guest_puts(&s.guest, "waiting");
    text = xenpv_dev_describe(s.dev, 2);
    g_assert_nonnull(strstr(text, "back end Connected, front end Connected"));
    g_assert_nonnull(strstr(text, "1 maps, 1 channels"));
    g_assert_nonnull(strstr(text, "out ring: 7 bytes waiting"));
    g_assert_nonnull(strstr(text, "chardev blocked"));
    fixture_unplug(s.dev, &error_abort);
    later = xenpv_dev_describe(s.dev, 0);
    g_assert_nonnull(strstr(later, "unplug requested"));
    scene_end(&s);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    type_register_static(&test_chr_type);
    qemu_add_opts(&qemu_chardev_opts);
    g_test_add_func("/xenpv/console/nodes", test_nodes);
    g_test_add_func("/xenpv/console/numbers", test_numbers);
    g_test_add_func("/xenpv/console/primary", test_primary);
    g_test_add_func("/xenpv/console/early-output", test_early_output);
    g_test_add_func("/xenpv/console/secondary", test_secondary);
    g_test_add_func("/xenpv/console/last-words", test_last_words);
    g_test_add_func("/xenpv/console/shutdown", test_shutdown);
    g_test_add_func("/xenpv/console/reset", test_reset);
    g_test_add_func("/xenpv/console/unplug", test_unplug);
    g_test_add_func("/xenpv/console/back-pressure", test_back_pressure);
    g_test_add_func("/xenpv/console/limit", test_limit);
    g_test_add_func("/xenpv/console/nobody-reads", test_nobody_reads);
    g_test_add_func("/xenpv/console/closes-while-written",
                    test_closes_while_written);
    g_test_add_func("/xenpv/console/chardev-fails", test_chardev_fails);
    g_test_add_func("/xenpv/console/socket-and-log", test_socket_and_log);
    g_test_add_func("/xenpv/console/tty-node", test_tty_node);
    g_test_add_func("/xenpv/console/toolstack/channel",
                    test_toolstack_channel);
    g_test_add_func("/xenpv/console/toolstack/pty", test_toolstack_pty);
    g_test_add_func("/xenpv/console/toolstack/refused",
                    test_toolstack_refused);
    g_test_add_func("/xenpv/console/toolstack/output-of-guest",
                    test_toolstack_output_of_guest);
    g_test_add_func("/xenpv/console/input-full", test_input_full);
    g_test_add_func("/xenpv/console/hostile-indices", test_hostile_indices);
    g_test_add_func("/xenpv/console/hostile-keys", test_hostile_keys);
    g_test_add_func("/xenpv/console/bounded-work", test_bounded_work);
    g_test_add_func("/xenpv/console/faults/primary", test_faults_primary);
    g_test_add_func("/xenpv/console/faults/secondary", test_faults_secondary);
    g_test_add_func("/xenpv/console/describe", test_describe);
    return g_test_run();
}
