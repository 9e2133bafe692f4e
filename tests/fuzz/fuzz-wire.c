/*
 * Fuzz xenstored's protocol: a guest, a second guest connection and domain 0
 * take turns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a row of requests: one byte that says who speaks, the header
 * (type, transaction), length, payload.  Transaction 1 is the first that was
 * started, and so on.
 */
#include "qemu/osdep.h"
#include "hw/xenpv/hypervisor/emulated/store.h"
#include "hw/xenpv/hypervisor/emulated/wire.h"
#include "fuzz.h"

#define GUEST           1
#define MAX_REQUESTS    200
#define MAX_TX          16

/**
 * World: a store and who speaks to it: domain 0, and the guest twice
 * @tx: ids of the transactions so far; the store never starts again at 1
 */
typedef struct World {
    XenPvStore *store;
    XenPvStoreConn *conn[3];
    unsigned woken[3];
    GByteArray *reply;
    uint32_t tx[MAX_TX];
    unsigned nr_tx;
} World;

static void wake(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void make_node(World *w, const char *path, const char *perm)
{
    g_assert_cmpint(xenpv_xs_write(w->conn[0], 0, path, "x", 1), ==, 0);
    g_assert_cmpint(xenpv_xs_set_perms(w->conn[0], 0, path, &perm, 1), ==, 0);
}

static void world_init(World *w)
{
    int i;

    w->store = xenpv_xs_new(GUEST);
    for (i = 0; i < ARRAY_SIZE(w->conn); i++) {
        w->conn[i] = xenpv_xs_connect(w->store, i ? GUEST : 0, wake,
                                      &w->woken[i]);
    }
    w->reply = g_byte_array_new();
    make_node(w, "/local/domain/1", "r1");
    make_node(w, "/local/domain/1/name", "r1");
    make_node(w, "/local/domain/1/data", "n1");
    make_node(w, "/local/domain/1/secret", "n0");
}

/* A reply is whole, and about the request. */
static void judge_reply(World *w, const struct xsd_sockmsg *request)
{
    struct xsd_sockmsg header;

    g_assert_cmpuint(w->reply->len, >=, sizeof(header));
    g_assert_cmpuint(w->reply->len, <=, XENPV_WIRE_MAX);
    memcpy(&header, w->reply->data, sizeof(header));
    g_assert_cmpuint(header.len, ==, w->reply->len - sizeof(header));
    g_assert_cmphex(header.req_id, ==, request->req_id);
    g_assert_cmphex(header.tx_id, ==, request->tx_id);
    if (header.type == XS_ERROR) {
        g_assert_cmpuint(header.len, >=, 2);
        g_assert_cmpint(w->reply->data[w->reply->len - 1], ==, '\0');
    } else {
        g_assert_cmpuint(header.type, ==, request->type);
    }
}

static void judge_event(World *w, const XenPvStoreEvent *event)
{
    xenpv_wire_event(event, w->reply);
    g_assert_cmpuint(w->reply->len, ==,
                     XENPV_WIRE_HEADER + strlen(event->path) +
                     strlen(event->token) + 2);
}

static uint32_t tx_id(const World *w, uint8_t nr)
{
    return nr && nr <= w->nr_tx ? w->tx[nr - 1] : nr;
}

static void remember_tx(World *w)
{
    const char *id = (char *)w->reply->data + XENPV_WIRE_HEADER;

    if (w->nr_tx < MAX_TX) {
        w->tx[w->nr_tx++] = g_ascii_strtoull(id, NULL, 10);
    }
}

static void one_request(World *w, FuzzInput *in)
{
    uint8_t who = fuzz_u8(in), type = fuzz_u8(in), tx = fuzz_u8(in);
    XenPvStoreConn *conn = w->conn[(who & 0x3f) % ARRAY_SIZE(w->conn)];
    struct xsd_sockmsg header = {
        .type = type, .req_id = 0x1234, .tx_id = tx_id(w, tx),
    };
    g_autofree uint8_t *payload = NULL;
    XenPvStoreEvent *event;

    /* The two upper bits: the numbers are wild; one event is read after it. */
    if (who & 0x80) {
        header.type = type << 24 | tx;
        header.tx_id = fuzz_u32(in);
    }
    header.len = MIN(fuzz_u16(in), in->len);
    header.len = MIN(header.len, XENSTORE_PAYLOAD_MAX);
    payload = fuzz_copy(in, header.len);
    xenpv_wire_execute(conn, &header, (char *)payload, w->reply);
    judge_reply(w, &header);
    if (type == XS_TRANSACTION_START && w->reply->data[0] == type) {
        remember_tx(w);
    }
    g_assert_cmpuint(xenpv_xs_nr_events(conn), <=,
                     XENPV_STORE_MAX_EVENTS + XENPV_STORE_MAX_WATCHES);
    event = who & 0x40 ? xenpv_xs_next_event(conn) : NULL;
    if (event) {
        judge_event(w, event);
        xenpv_xs_event_free(event);
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    XenPvStoreEvent *event;
    World w = { 0 };
    int i;

    world_init(&w);
    for (i = 0; i < MAX_REQUESTS && in.len; i++) {
        one_request(&w, &in);
    }
    for (i = 0; i < ARRAY_SIZE(w.conn); i++) {
        while ((event = xenpv_xs_next_event(w.conn[i]))) {
            judge_event(&w, event);
            xenpv_xs_event_free(event);
        }
        xenpv_xs_disconnect(w.conn[i]);
    }
    xenpv_xs_free(w.store);
    g_byte_array_unref(w.reply);
}

static void put(GByteArray *seed, unsigned who, unsigned type, unsigned tx,
                const char *payload, unsigned len)
{
    uint8_t head[] = { who, type, tx, len, len >> 8 };

    g_byte_array_append(seed, head, sizeof(head));
    g_byte_array_append(seed, (const uint8_t *)payload, len);
}

#define PUT(who, type, tx, payload) \
    put(seed, who, XS_##type, tx, payload, sizeof(payload) - 1)

static void save(const char *name, GByteArray *seed)
{
    fuzz_seed(name, seed->data, seed->len);
    g_byte_array_set_size(seed, 0);
}

void fuzz_seeds(void)
{
    g_autoptr(GByteArray) seed = g_byte_array_new();

    PUT(1, READ, 0, "name\0");
    PUT(1, READ, 0, "secret\0");
    PUT(1, DIRECTORY, 0, "/local/domain/1\0");
    PUT(1, DIRECTORY_PART, 0, "/local/domain/1\0000\0");
    PUT(1, WRITE, 0, "data/a\0value");
    PUT(1, MKDIR, 0, "data/b/c\0");
    PUT(1, RM, 0, "data/b\0");
    PUT(1, GET_PERMS, 0, "data\0");
    PUT(1, SET_PERMS, 0, "data/a\0n1\0r2\0");
    PUT(1, GET_DOMAIN_PATH, 0, "1\0");
    save("nodes", seed);

    PUT(1, TRANSACTION_START, 0, "\0");
    PUT(1, WRITE, 1, "data/a\0value");
    PUT(2, TRANSACTION_START, 0, "\0");
    PUT(2, RM, 2, "data/a\0");
    PUT(2, TRANSACTION_END, 2, "T\0");
    PUT(1, RM, 1, "data\0");
    PUT(1, MKDIR, 1, "data\0");
    PUT(1, TRANSACTION_END, 1, "T\0");
    PUT(1, TRANSACTION_START, 0, "\0");
    PUT(1, TRANSACTION_END, 3, "F\0");
    save("transactions", seed);

    /* A node goes while a transaction still sees it. */
    PUT(0, TRANSACTION_START, 0, "\0");
    PUT(1, WRITE, 0, "data/a/b\0value");
    PUT(2, TRANSACTION_START, 0, "\0");
    PUT(1, RM, 0, "data/a\0");
    PUT(2, READ, 2, "data/a/b\0");
    PUT(2, TRANSACTION_END, 2, "F\0");
    save("snapshots", seed);

    PUT(1, WATCH, 0, "data\0token\0");
    PUT(2, WATCH, 0, "/local/domain/1/data/a\0token\0");
    PUT(0, WATCH, 0, "@releaseDomain\0token\0");
    PUT(1, WRITE, 0, "data/a\0value");
    PUT(0x41, WRITE, 0, "data/a\0value");
    PUT(0x42, RM, 0, "data/a\0");
    PUT(1, UNWATCH, 0, "data\0token\0");
    PUT(2, RESET_WATCHES, 0, "\0");
    save("watches", seed);

    PUT(0, IS_DOMAIN_INTRODUCED, 0, "1\0");
    PUT(0, INTRODUCE, 0, "1\0001\0002\0");
    PUT(0, RESUME, 0, "1\0");
    PUT(0, RELEASE, 0, "1\0");
    PUT(0, WRITE, 0, "/tool/x\0");
    PUT(0, RM, 0, "/\0");
    PUT(0x81, READ, 0, "\1\2\3\4");
    save("domain-0", seed);
}
