/*
 * The driver that docs/devel/xenpv/drivers.rst explains, and a front end for
 * it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "xen-count" answers each request, a number, with the sum so far.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "hw/xenpv/ring.h"
#include "hw/xenpv/xen_backend.h"
#include "fixture.h"

/* ---- what an ABI header would have ---- */

#define FEATURE_RESET "feature-reset"

struct count_request {
    uint32_t id;
    uint32_t number;
};

struct count_response {
    uint32_t id;
    uint32_t sum;
};

#define COUNT_STRIDE sizeof(struct count_request)

/* ---- the driver ---- */

#define TYPE_XEN_COUNT "xen-count"
OBJECT_DECLARE_SIMPLE_TYPE(XenCount, XEN_COUNT)

/* Requests handled per wakeup; then it is somebody else's turn. */
#define BUDGET 64

struct XenCount {
    XenPvDevice parent_obj;

    uint32_t start;

    XenPvRing ring;
    XenPvEvent *event;
    uint32_t sum;
};

static bool count_configure(XenPvDevice *dev, Error **errp)
{
    uint64_t start;

    if (!xenpv_dev_read_back_uint(dev, "start", 1000, 0, &start, errp)) {
        return false;
    }
    XEN_COUNT(dev)->start = start;
    return true;
}

static bool count_realize(XenPvDevice *dev, Error **errp)
{
    if (XEN_COUNT(dev)->start > 1000) {
        error_setg(errp, "start=%" PRIu32 " is larger than 1000",
                   XEN_COUNT(dev)->start);
        return false;
    }
    return true;
}

static bool count_advertise(XenPvDevice *dev, Error **errp)
{
    return xenpv_dev_publish(dev, errp, FEATURE_RESET, "1");
}

static bool count_connect(XenPvDevice *dev, Error **errp)
{
    XenCount *c = XEN_COUNT(dev);
    uint64_t ref, port;
    uint32_t grant;
    XenPvMap *map;

    if (!xenpv_dev_need_front_uint(dev, "ring-ref", UINT32_MAX, &ref, errp) ||
        !xenpv_dev_need_front_uint(dev, "event-channel", UINT32_MAX, &port,
                                   errp)) {
        return false;
    }
    grant = ref;
    map = xenpv_dev_map_grants(dev, &grant, 1, false, errp);
    if (!map) {
        return false;
    }
    xenpv_ring_init(&c->ring, map, COUNT_STRIDE);
    c->sum = c->start;
    c->event = xenpv_dev_bind(dev, port, NULL, NULL, errp);
    return c->event != NULL;
}

static void count_disconnect(XenPvDevice *dev)
{
    /* Nothing of ours outlives an event, and the core has stopped those. */
    XEN_COUNT(dev)->event = NULL;
}

static bool count_event(XenPvDevice *dev, void *opaque)
{
    XenCount *c = XEN_COUNT(dev);
    struct count_request req;
    int done = 0;

    do {
        while (done < BUDGET && xenpv_ring_take(&c->ring, &req, sizeof(req))) {
            struct count_response rsp = {
                .id = req.id,
                .sum = c->sum += req.number,
            };

            xenpv_ring_put(&c->ring, &rsp, sizeof(rsp));
            done++;
        }
    } while (done < BUDGET && !xenpv_ring_idle(&c->ring));

    if (xenpv_ring_push(&c->ring)) {
        xenpv_event_notify(c->event);
    }
    if (done == BUDGET) {
        xenpv_event_again(c->event);
    }
    if (c->ring.broken) {
        Error *err = NULL;

        error_setg(&err, "front end moved its producer beyond the ring");
        xenpv_dev_fail(dev, err);
    }
    return done;
}

static void count_frontend_key(XenPvDevice *dev, const char *key)
{
    XEN_COUNT(dev)->sum = XEN_COUNT(dev)->start;
}

static void count_print(XenPvDevice *dev, GString *out, int indent)
{
    XenCount *c = XEN_COUNT(dev);

    g_string_append_printf(out, "%*staken %" PRIu32 ", sum %" PRIu32 "\n",
                           indent, "", c->ring.req_cons, c->sum);
}

static const Property count_properties[] = {
    DEFINE_PROP_UINT32("start", XenCount, start, 0),
};

static void count_class_init(ObjectClass *oc, void *data)
{
    static const char *const keys[] = { "request-reset", NULL };
    XenPvDeviceClass *pc = XENPV_DEVICE_CLASS(oc);

    device_class_set_props(DEVICE_CLASS(oc), count_properties);
    pc->type = "count";
    pc->frontend_keys = keys;
    pc->configure = count_configure;
    pc->realize = count_realize;
    pc->advertise = count_advertise;
    pc->connect = count_connect;
    pc->disconnect = count_disconnect;
    pc->event = count_event;
    pc->frontend_key = count_frontend_key;
    pc->print = count_print;
}

static const TypeInfo count_type = {
    .name = TYPE_XEN_COUNT,
    .parent = TYPE_XENPV_DEVICE,
    .instance_size = sizeof(XenCount),
    .class_init = count_class_init,
};

/* ---- a front end ---- */

#define FE "/local/domain/1/device/count/0"
#define BE "/local/domain/0/backend/count/1/0"

typedef struct Front {
    XenPvHv *hv;
    XenPvRingHeader *header;
    uint32_t slots, port;
} Front;

static struct count_request *front_slot(Front *f, uint32_t idx)
{
    return (struct count_request *)(f->header + 1) + idx % f->slots;
}

static void front_connect(Front *f, XenPvHv *hv)
{
    f->hv = hv;
    f->header = fake_guest_page(hv);
    f->header->rsp_event = 1;
    f->slots = xenpv_ring_slots(1, COUNT_STRIDE);
    f->port = fake_guest_port(hv);
    fake_guest_write(hv, FE "/ring-ref", "%u",
                     fake_guest_grant(hv, f->header, false));
    fake_guest_write(hv, FE "/event-channel", "%u", f->port);
    fake_guest_write(hv, FE "/state", "%d", XenbusStateInitialised);
    fixture_settle();
    assert_node(hv, "4", BE "/state");
    fake_guest_events(hv, f->port);
}

/* Number after number, as many as fit, in one go. */
static void front_send(Front *f, uint32_t nr)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        *front_slot(f, f->header->req_prod + i) = (struct count_request) {
            .id = i, .number = 1,
        };
    }
    f->header->rsp_event = f->header->rsp_prod + 1;
    f->header->req_prod += nr;
    fake_guest_notify(f->hv, f->port);
    fixture_settle();
}

static uint32_t front_last_sum(Front *f)
{
    return front_slot(f, f->header->rsp_prod - 1)->number;
}

static void test_example(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    Error *err = NULL;
    Front f;

    g_assert_null(fixture_plug(bus, &err, TYPE_XEN_COUNT, "start", "1001",
                               NULL));
    error_free(err);
    fixture_plug(bus, &error_abort, TYPE_XEN_COUNT, "start", "100", NULL);
    assert_node(hv, "1", BE "/" FEATURE_RESET);
    front_connect(&f, hv);
    front_send(&f, 3);
    g_assert_cmpuint(f.header->rsp_prod, ==, 3);
    g_assert_cmpuint(front_last_sum(&f), ==, 103);
    g_assert_cmpuint(fake_guest_events(hv, f.port), ==, 1);

    /* More than one wakeup's worth: all of it, one notification per batch. */
    front_send(&f, 200);
    g_assert_cmpuint(f.header->rsp_prod, ==, 203);
    g_assert_cmpuint(front_last_sum(&f), ==, 303);
    g_assert_cmpuint(fake_guest_events(hv, f.port), <=, 200 / BUDGET + 1);

    fake_guest_write(hv, FE "/request-reset", "1");
    fixture_settle();
    front_send(&f, 1);
    g_assert_cmpuint(front_last_sum(&f), ==, 101);

    f.header->req_prod += 5000;
    fake_guest_notify(hv, f.port);
    fixture_settle();
    assert_node(hv, "5", BE "/state");
    assert_live(hv, 0, 0, 5);
    fixture_end(bus);
}

/* The same by nodes, as a toolstack writes them. */
static void test_toolstack(void)
{
    XenPvHv *hv = fake_hv_new();
    XenPvBus *bus = fixture_bus(hv);
    Front f;

    xenpv_store_write(hv, NULL, FE "/backend", BE);
    xenpv_store_write(hv, NULL, FE "/state", "1");
    xenpv_store_write(hv, NULL, BE "/frontend", FE);
    xenpv_store_write(hv, NULL, BE "/frontend-id", "1");
    xenpv_store_write(hv, NULL, BE "/start", "200");
    xenpv_store_write(hv, NULL, BE "/state", "1");
    fixture_settle();
    front_connect(&f, hv);
    front_send(&f, 1);
    g_assert_cmpuint(front_last_sum(&f), ==, 201);
    fixture_end(bus);
}

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    type_register_static(&count_type);
    g_test_add_func("/xenpv/example/count", test_example);
    g_test_add_func("/xenpv/example/toolstack", test_toolstack);
    return g_test_run();
}
