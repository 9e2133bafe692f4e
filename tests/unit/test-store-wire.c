/*
 * xenstored's protocol: every command, every truncation, hostile requests,
 * and the store's own rules seen through it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "hw/xenpv/hypervisor/emulated/store.h"
#include "hw/xenpv/hypervisor/emulated/wire.h"

#define GUEST 1

/* A string with the NULs in it */
typedef struct Bytes {
    const char *data;
    uint32_t len;
} Bytes;

#define P(s) ((Bytes) { (s), sizeof(s) - 1 })

typedef struct World {
    XenPvStore *store;
    XenPvStoreConn *dom0;
    XenPvStoreConn *guest;
    GByteArray *reply;
    unsigned wakes;
} World;

static void wake(void *opaque)
{
    World *w = opaque;

    w->wakes++;
}

/* Sends one request; the reply is in w->reply. */
static uint32_t request(World *w, XenPvStoreConn *conn, uint32_t type,
                        uint32_t tx, const char *payload, uint32_t len)
{
    struct xsd_sockmsg header = {
        .type = type, .req_id = 77, .tx_id = tx, .len = len,
    };
    struct xsd_sockmsg answer;
    /* Exactly as long as it is, so that a sanitizer sees a read beyond. */
    g_autofree char *copy = g_memdup2(payload, len);

    xenpv_wire_execute(conn, &header, copy, w->reply);
    g_assert_cmpuint(w->reply->len, >=, sizeof(answer));
    g_assert_cmpuint(w->reply->len, <=, XENPV_WIRE_MAX);
    memcpy(&answer, w->reply->data, sizeof(answer));
    g_assert_cmpuint(answer.len, ==, w->reply->len - sizeof(answer));
    g_assert_cmpuint(answer.req_id, ==, 77);
    g_assert_cmpuint(answer.tx_id, ==, tx);
    g_assert(answer.type == type || answer.type == XS_ERROR);
    return answer.type;
}

static const char *text(World *w)
{
    return (const char *)w->reply->data + XENPV_WIRE_HEADER;
}

static uint32_t text_len(World *w)
{
    return w->reply->len - XENPV_WIRE_HEADER;
}

/* "OK"-like payload or the error's name, both NUL-terminated */
static void expect(World *w, XenPvStoreConn *conn, uint32_t type, uint32_t tx,
                   Bytes payload, Bytes answer)
{
    request(w, conn, type, tx, payload.data, payload.len);
    if (text_len(w) != answer.len ||
        memcmp(text(w), answer.data, answer.len)) {
        g_test_message("type %u \"%s\": \"%.*s\" instead of \"%s\"", type,
                       payload.data, (int)text_len(w), text(w), answer.data);
        g_test_fail();
    }
}

static void put(World *w, XenPvStoreConn *conn, const char *path,
                const char *value)
{
    g_assert_cmpint(xenpv_xs_write(conn, 0, path, value, strlen(value)), ==,
                    0);
}

static void perms(World *w, const char *path, const char *a, const char *b)
{
    const char *list[] = { a, b };

    g_assert_cmpint(xenpv_xs_set_perms(w->dom0, 0, path, list, b ? 2 : 1), ==,
                    0);
}

static World *world_new(void)
{
    World *w = g_new0(World, 1);

    w->store = xenpv_xs_new(GUEST);
    w->dom0 = xenpv_xs_connect(w->store, 0, wake, w);
    w->guest = xenpv_xs_connect(w->store, GUEST, wake, w);
    w->reply = g_byte_array_new();
    put(w, w->dom0, "/local/domain/1", "");
    perms(w, "/local/domain/1", "n0", "r1");
    put(w, w->dom0, "/local/domain/1/name", "guest");
    put(w, w->dom0, "/local/domain/1/data", "");
    perms(w, "/local/domain/1/data", "n1", NULL);
    put(w, w->dom0, "/local/domain/1/secret", "s");
    perms(w, "/local/domain/1/secret", "n0", NULL);
    return w;
}

static void world_free(World *w)
{
    xenpv_xs_disconnect(w->dom0);
    xenpv_xs_disconnect(w->guest);
    xenpv_xs_free(w->store);
    g_byte_array_unref(w->reply);
    g_free(w);
}

/* One request each on a fresh world */
static const struct {
    bool dom0;
    uint32_t type;
    uint32_t tx;
    Bytes payload;
    Bytes answer;
} command_rows[] = {
#define G(type, tx, p, a) { false, XS_##type, tx, P(p), P(a) }
#define D(type, tx, p, a) { true,  XS_##type, tx, P(p), P(a) }
    G(READ, 0, "name\0",                    "guest"),
    G(READ, 0, "/local/domain/1/name\0",    "guest"),
    G(READ, 0, "data\0",                    ""),
    G(READ, 0, "none\0",                    "ENOENT\0"),
    G(READ, 0, "secret\0",                  "EACCES\0"),
    G(READ, 0, "name",                      "EINVAL\0"),
    G(READ, 0, "",                          "EINVAL\0"),
    G(READ, 0, "\0",                        "EINVAL\0"),
    G(READ, 0, "name\0x",                   "EINVAL\0"),
    G(READ, 0, "name/\0",                   "EINVAL\0"),
    G(READ, 0, "//name\0",                  "EINVAL\0"),
    G(READ, 0, "na me\0",                   "EINVAL\0"),
    G(READ, 0, "na\x80me\0",                "EINVAL\0"),
    G(READ, 0, "../1/name\0",               "EINVAL\0"),
    G(READ, 9, "name\0",                    "ENOENT\0"),
    D(READ, 0, "/local/domain/1/secret\0",  "s"),
    D(READ, 0, "/\0",                       ""),
    G(WRITE, 0, "data/a\0value",            "OK\0"),
    G(WRITE, 0, "data/a\0",                 "OK\0"),
    G(WRITE, 0, "data/a\0a\0b\0",           "OK\0"),
    G(WRITE, 0, "data/a",                   "EINVAL\0"),
    G(WRITE, 0, "name\0x",                  "EACCES\0"),
    G(WRITE, 0, "new\0x",                   "EACCES\0"),
    G(WRITE, 0, "/new\0x",                  "EACCES\0"),
    G(MKDIR, 0, "data/d\0",                 "OK\0"),
    G(MKDIR, 0, "data\0",                   "OK\0"),
    G(MKDIR, 0, "new\0",                    "EACCES\0"),
    D(MKDIR, 0, "/new/sub\0",               "OK\0"),
    G(RM, 0, "data\0",                      "OK\0"),
    G(RM, 0, "data/none\0",                 "OK\0"),
    G(RM, 0, "data/none/none\0",            "ENOENT\0"),
    G(RM, 0, "name\0",                      "EACCES\0"),
    G(RM, 0, "/\0",                         "EINVAL\0"),
    D(RM, 0, "/\0",                         "EINVAL\0"),
    D(RM, 0, "/local\0",                    "OK\0"),
    D(RM, 0, "/none\0",                     "OK\0"),
    G(DIRECTORY, 0, "\0",                   "EINVAL\0"),
    G(DIRECTORY, 0, "/local/domain/1\0",    "data\0name\0secret\0"),
    G(DIRECTORY, 0, "name\0",               ""),
    G(DIRECTORY, 0, "secret\0",             "EACCES\0"),
    D(DIRECTORY, 0, "/\0",                  "local\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "0\0",
      "3\0data\0name\0secret\0\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "5\0", "3\0name\0secret\0\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "17\0", "3\0\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "99999\0", "3\0\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "-1\0", "EINVAL\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "x\0", "EINVAL\0"),
    D(DIRECTORY_PART, 0, "/local/domain/1\0" "0", "EINVAL\0"),
    G(GET_PERMS, 0, "data\0",               "n1\0"),
    G(GET_PERMS, 0, "name\0",               "n0\0r1\0"),
    G(GET_PERMS, 0, "secret\0",             "EACCES\0"),
    G(SET_PERMS, 0, "data\0n1\0r0\0",       "OK\0"),
    G(SET_PERMS, 0, "data\0n1\0junk",       "OK\0"),
    G(SET_PERMS, 0, "data\0n0\0",           "EPERM\0"),
    G(SET_PERMS, 0, "name\0n1\0",           "EACCES\0"),
    G(SET_PERMS, 0, "data\0",               "EINVAL\0"),
    G(SET_PERMS, 0, "data\0x1\0",           "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n\0",            "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n-1\0",          "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n1x\0",          "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n99999999999\0", "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n1\0\0",         "EINVAL\0"),
    G(SET_PERMS, 0, "data\0n1\0r2\0r3\0r4\0r5\0r6\0", "ENOSPC\0"),
    G(WATCH, 0, "data\0tok\0",              "OK\0"),
    G(WATCH, 5, "data\0tok\0",              "OK\0"),
    G(WATCH, 0, "none/at/all\0tok\0",       "OK\0"),
    G(WATCH, 0, "data\0tok",                "EINVAL\0"),
    G(WATCH, 0, "data\0",                   "EINVAL\0"),
    G(WATCH, 0, "@releaseDomain\0t\0",      "EACCES\0"),
    D(WATCH, 0, "@releaseDomain\0t\0",      "OK\0"),
    D(WATCH, 0, "@nonsense\0t\0",           "EINVAL\0"),
    D(WATCH, 0, "/\0t\0",                   "OK\0"),
    G(UNWATCH, 0, "data\0tok\0",            "ENOENT\0"),
    G(RESET_WATCHES, 0, "\0",               "OK\0"),
    G(TRANSACTION_START, 7, "\0",           "EBUSY\0"),
    G(TRANSACTION_END, 0, "T\0",            "ENOENT\0"),
    G(TRANSACTION_END, 7, "T\0",            "ENOENT\0"),
    G(TRANSACTION_END, 7, "X\0",            "EINVAL\0"),
    G(TRANSACTION_END, 7, "TT\0",           "EINVAL\0"),
    G(GET_DOMAIN_PATH, 0, "1\0",            "/local/domain/1\0"),
    G(GET_DOMAIN_PATH, 0, "0\0",            "/local/domain/0\0"),
    G(GET_DOMAIN_PATH, 0, "-1\0",           "EINVAL\0"),
    G(GET_DOMAIN_PATH, 0, "65536\0",        "EINVAL\0"),
    G(GET_DOMAIN_PATH, 0, "1x\0",           "EINVAL\0"),
    G(IS_DOMAIN_INTRODUCED, 0, "1\0",       "EACCES\0"),
    D(IS_DOMAIN_INTRODUCED, 0, "0\0",       "T\0"),
    D(IS_DOMAIN_INTRODUCED, 0, "1\0",       "T\0"),
    D(IS_DOMAIN_INTRODUCED, 0, "2\0",       "F\0"),
    G(INTRODUCE, 0, "1\0" "2\0" "3\0",      "EACCES\0"),
    D(INTRODUCE, 0, "1\0" "2\0" "3\0",      "OK\0"),
    D(INTRODUCE, 0, "2\0" "2\0" "3\0",      "EINVAL\0"),
    G(RELEASE, 0, "1\0",                    "EACCES\0"),
    D(RELEASE, 0, "1\0",                    "EPERM\0"),
    D(RELEASE, 0, "2\0",                    "ENOENT\0"),
    D(RESUME, 0, "1\0",                     "OK\0"),
    D(RESUME, 0, "2\0",                     "ENOENT\0"),
    D(CONTROL, 0, "help\0",                 "ENOSYS\0"),
    D(SET_TARGET, 0, "1\0" "2\0",           "ENOSYS\0"),
    G(WATCH_EVENT, 0, "a\0b\0",             "ENOSYS\0"),
    G(ERROR, 0, "a\0b\0",                   "ENOSYS\0"),
    { false, 20, 0, P("1\0"), P("ENOSYS\0") },
    { false, XS_TYPE_COUNT, 0, P("1\0"), P("ENOSYS\0") },
    { true, UINT32_MAX, 0, P("1\0"), P("ENOSYS\0") },
#undef G
#undef D
};

static void test_commands(void)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(command_rows); i++) {
        World *w = world_new();

        expect(w, command_rows[i].dom0 ? w->dom0 : w->guest,
               command_rows[i].type, command_rows[i].tx,
               command_rows[i].payload, command_rows[i].answer);
        world_free(w);
    }
}

/* Every request of the table cut at every byte gets an answer. */
static void test_truncation(void)
{
    World *w = world_new();
    unsigned i, len;

    for (i = 0; i < ARRAY_SIZE(command_rows); i++) {
        for (len = 0; len <= command_rows[i].payload.len; len++) {
            request(w, w->guest, command_rows[i].type, 0,
                    command_rows[i].payload.data, len);
        }
    }
    world_free(w);
}

/* Noise, in every command, with the sizes that matter. */
static void test_noise(void)
{
    static const uint32_t sizes[] = { 0, 1, 2, 15, 2048, 2049, 3072, 3073,
                                      4095, 4096 };
    g_autofree char *noise = g_malloc(XENSTORE_PAYLOAD_MAX);
    World *w = world_new();
    unsigned type, i, j, k;

    for (type = 0; type <= XS_TYPE_COUNT; type++) {
        for (i = 0; i < ARRAY_SIZE(sizes); i++) {
            for (k = 0; k < 4; k++) {
                for (j = 0; j < sizes[i]; j++) {
                    noise[j] = k == 0 ? 'a' : k == 1 ? 0 :
                               k == 2 ? '/' : g_test_rand_int();
                }
                request(w, w->guest, type, 0, noise, sizes[i]);
                if (sizes[i] > 2) {
                    noise[sizes[i] / 2] = 0;
                    noise[sizes[i] - 1] = 0;
                    request(w, w->guest, type, 0, noise, sizes[i]);
                    request(w, w->guest, type, UINT32_MAX, noise, sizes[i]);
                }
            }
        }
    }
    g_assert_cmpint(xenpv_xs_nr_events(w->guest), <=, 1200);
    world_free(w);
}

static void test_path_limits(void)
{
    World *w = world_new();
    char path[3100] = "data";
    g_autoptr(GByteArray) value = g_byte_array_new();

    memset(path + 4, 'x', 2044);
    g_assert_cmpint(xenpv_xs_read(w->guest, 0, path, value), ==, -ENOENT);
    path[2048] = 'x';
    g_assert_cmpint(xenpv_xs_read(w->guest, 0, path, value), ==, -EINVAL);
    memset(path, 'x', 3072);
    path[0] = '/';
    g_assert_cmpint(xenpv_xs_read(w->dom0, 0, path, value), ==, -ENOENT);
    g_assert_cmpint(xenpv_xs_write(w->dom0, 0, path, "", 0), ==, 0);
    path[3072] = 'x';
    g_assert_cmpint(xenpv_xs_read(w->dom0, 0, path, value), ==, -EINVAL);
    world_free(w);
}

static void test_deep(void)
{
    World *w = world_new();
    GString *path = g_string_new("data");
    char *p;

    while (path->len < 1900) {
        g_string_append(path, "/d");
    }
    p = path->str;
    g_assert_cmpint(xenpv_xs_write(w->guest, 0, p, "v", 1), ==, 0);
    g_assert_cmpint(xenpv_xs_rm(w->guest, 0, "data/d"), ==, 0);
    g_assert_cmpint(xenpv_xs_rm(w->guest, 0, p), ==, -ENOENT);
    g_string_free(path, true);
    world_free(w);
}

/* A list longer than a message is refused in one piece and had in parts. */
static void test_long_list(void)
{
    World *w = world_new();
    GString *seen = g_string_new(NULL), *want = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < 700; i++) {
        g_autofree char *path = g_strdup_printf("/big/node%04u", i);

        put(w, w->dom0, path, "");
        g_string_append_len(want, path + 5, 9);
    }
    g_string_append_len(want, "", 1);
    expect(w, w->dom0, XS_DIRECTORY, 0, P("/big\0"), P("E2BIG\0"));
    for (i = 0; i < 10 && seen->len < want->len; i++) {
        char buf[32];
        int n = snprintf(buf, sizeof(buf), "/big%c%zu", 0, seen->len) + 1;
        unsigned skip;

        g_assert_cmpuint(request(w, w->dom0, XS_DIRECTORY_PART, 0, buf, n),
                         ==, XS_DIRECTORY_PART);
        skip = strlen(text(w)) + 1;
        g_string_append_len(seen, text(w) + skip, text_len(w) - skip);
    }
    g_assert_cmpuint(i, ==, 2);
    g_assert(g_string_equal(seen, want));
    g_string_free(seen, true);
    g_string_free(want, true);
    world_free(w);
}

static void expect_event(World *w, XenPvStoreConn *conn, const char *path,
                         const char *token)
{
    XenPvStoreEvent *event = xenpv_xs_next_event(conn);

    g_assert(event);
    g_assert_cmpstr(event->path, ==, path);
    g_assert_cmpstr(event->token, ==, token);
    xenpv_wire_event(event, w->reply);
    g_assert_cmpuint(text_len(w), ==, strlen(path) + strlen(token) + 2);
    g_assert_cmpstr(text(w), ==, path);
    xenpv_xs_event_free(event);
}

static void test_watches(void)
{
    World *w = world_new();

    /* Relative and absolute watches fire in their own form. */
    g_assert(!xenpv_xs_watch(w->guest, "data", "rel"));
    g_assert(!xenpv_xs_watch(w->guest, "/local/domain/1/data", "abs"));
    g_assert_cmpint(xenpv_xs_watch(w->guest, "data", "rel"), ==, -EEXIST);
    expect_event(w, w->guest, "data", "rel");
    expect_event(w, w->guest, "/local/domain/1/data", "abs");
    g_assert_cmpuint(w->wakes, ==, 1);
    put(w, w->guest, "data/x", "1");
    g_assert_cmpuint(w->wakes, ==, 2);
    expect_event(w, w->guest, "data/x", "rel");
    expect_event(w, w->guest, "/local/domain/1/data/x", "abs");

    /* Several changes of one path are one event. */
    put(w, w->dom0, "/local/domain/1/data/x", "2");
    put(w, w->dom0, "/local/domain/1/data/x", "3");
    expect_event(w, w->guest, "data/x", "rel");
    expect_event(w, w->guest, "/local/domain/1/data/x", "abs");
    g_assert(!xenpv_xs_next_event(w->guest));

    /* Removed from above: the watch's own path. A sibling hears nothing. */
    put(w, w->dom0, "/local/domain/1/database", "");
    g_assert(!xenpv_xs_next_event(w->guest));
    g_assert(!xenpv_xs_unwatch(w->guest, "/local/domain/1/data", "abs"));
    g_assert(!xenpv_xs_rm(w->dom0, 0, "/local/domain/1"));
    expect_event(w, w->guest, "data", "rel");
    g_assert(!xenpv_xs_next_event(w->guest));

    /* The root, and rights: nothing is told about what may not be read. */
    g_assert(!xenpv_xs_watch(w->guest, "/", "root"));
    expect_event(w, w->guest, "/", "root");
    put(w, w->dom0, "/hidden", "x");
    g_assert(!xenpv_xs_next_event(w->guest));
    perms(w, "/hidden", "r0", NULL);
    expect_event(w, w->guest, "/hidden", "root");
    g_assert(!xenpv_xs_next_event(w->guest));
    world_free(w);
}

/* The tree takes the wrong one of two equal watches; nobody must notice. */
static void test_equal_watches(void)
{
    World *w = world_new();
    XenPvStoreConn *other = xenpv_xs_connect(w->store, 0, wake, w);

    g_assert(!xenpv_xs_watch(w->dom0, "/p", "t"));
    g_assert(!xenpv_xs_watch(other, "/p", "t"));
    expect_event(w, w->dom0, "/p", "t");
    expect_event(w, other, "/p", "t");
    g_assert(!xenpv_xs_unwatch(other, "/p", "t"));
    g_assert_cmpint(xenpv_xs_unwatch(other, "/p", "t"), ==, -ENOENT);
    put(w, w->dom0, "/p", "");
    expect_event(w, w->dom0, "/p", "t");
    g_assert(!xenpv_xs_next_event(other));
    xenpv_xs_disconnect(other);
    world_free(w);
}

static void test_special_watches(void)
{
    World *w = world_new();

    g_assert(!xenpv_xs_watch(w->dom0, "@introduceDomain", "i"));
    expect_event(w, w->dom0, "@introduceDomain", "i");
    xenpv_xs_fire_special(w->store, "@releaseDomain");
    g_assert(!xenpv_xs_next_event(w->dom0));
    xenpv_xs_fire_special(w->store, "@introduceDomain");
    expect_event(w, w->dom0, "@introduceDomain", "i");
    world_free(w);
}

/* A guest that never reads its events holds a bounded number of them. */
static void test_event_flood(void)
{
    World *w = world_new();
    unsigned i, folded = 0;
    XenPvStoreEvent *event;

    for (i = 0; i < XENPV_STORE_MAX_WATCHES; i++) {
        g_autofree char *token = g_strdup_printf("%u", i);

        g_assert(!xenpv_xs_watch(w->guest, "data", token));
        expect_event(w, w->guest, "data", token);
    }
    g_assert_cmpint(xenpv_xs_watch(w->guest, "data", "more"), ==, -E2BIG);
    for (i = 0; i < 200; i++) {
        g_autofree char *path = g_strdup_printf("data/n%u", i);

        put(w, w->guest, path, "");
    }
    g_assert_cmpuint(xenpv_xs_nr_events(w->guest), <=,
                     XENPV_STORE_MAX_EVENTS + XENPV_STORE_MAX_WATCHES);
    /* Every watch is told, if only that something below it has changed. */
    while ((event = xenpv_xs_next_event(w->guest))) {
        folded += !strcmp(event->path, "data");
        xenpv_xs_event_free(event);
    }
    g_assert_cmpuint(folded, ==, XENPV_STORE_MAX_WATCHES);
    world_free(w);
}

/* A guest cannot fill the store, by writing or through transactions. */
static void test_node_quota(void)
{
    World *w = world_new();
    unsigned i, made = 0, round;
    uint32_t tx;

    for (i = 0; i < 2000; i++) {
        g_autofree char *path = g_strdup_printf("data/n%u", i);

        if (xenpv_xs_write(w->guest, 0, path, "", 0)) {
            break;
        }
        made++;
    }
    g_assert_cmpuint(made, <, 1000);
    /* Remove and make again in transactions, however often: no more fit. */
    for (round = 0; round < 20; round++) {
        g_assert(!xenpv_xs_tx_start(w->guest, &tx));
        g_assert(!xenpv_xs_rm(w->guest, tx, "data/n1"));
        g_assert_cmpint(xenpv_xs_rm(w->guest, tx, "data/n1"), ==, -ENOENT);
        g_assert(!xenpv_xs_write(w->guest, tx, "data/n1", "", 0));
        g_assert(!xenpv_xs_rm(w->guest, tx, "data/n1"));
        g_assert(!xenpv_xs_write(w->guest, tx, "data/n1", "", 0));
        g_assert(!xenpv_xs_tx_end(w->guest, tx, true));
        g_assert_cmpint(xenpv_xs_write(w->guest, 0, "data/more", "", 0), ==,
                        -ENOSPC);
    }
    world_free(w);
}

static void test_tx_quota(void)
{
    World *w = world_new();
    uint32_t tx = 0;
    unsigned i;

    for (i = 0; i < XENPV_STORE_MAX_TX; i++) {
        g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    }
    expect(w, w->guest, XS_TRANSACTION_START, 0, P("\0"), P("ENOSPC\0"));
    g_assert(!xenpv_xs_tx_end(w->guest, tx, false));
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_RESET_WATCHES, 0, P("\0"), P("OK\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("ENOENT\0"));
    world_free(w);
}

/* Nobody speaks in somebody else's transaction. */
static void test_tx_owner(void)
{
    World *w = world_new();
    uint32_t tx;

    g_assert(!xenpv_xs_tx_start(w->dom0, &tx));
    expect(w, w->guest, XS_WRITE, tx, P("data/x\0y"), P("ENOENT\0"));
    expect(w, w->guest, XS_READ, tx, P("name\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("F\0"), P("ENOENT\0"));
    expect(w, w->dom0, XS_TRANSACTION_END, tx, P("T\0"), P("OK\0"));
    world_free(w);
}

static void test_tx(void)
{
    World *w = world_new();
    uint32_t tx, other;

    g_assert(!xenpv_xs_watch(w->dom0, "/local/domain/1/data", "t"));
    expect_event(w, w->dom0, "/local/domain/1/data", "t");

    /* Not seen, not told, until the commit. */
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_WRITE, tx, P("data/a\0" "1"), P("OK\0"));
    expect(w, w->guest, XS_WRITE, tx, P("data/b\0" "2"), P("OK\0"));
    expect(w, w->guest, XS_READ, tx, P("data/a\0"), P("1"));
    expect(w, w->dom0, XS_READ, 0, P("/local/domain/1/data/a\0"),
           P("ENOENT\0"));
    g_assert(!xenpv_xs_next_event(w->dom0));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("OK\0"));
    expect_event(w, w->dom0, "/local/domain/1/data/a", "t");
    expect_event(w, w->dom0, "/local/domain/1/data/b", "t");

    /* Somebody was faster; and the id is gone in either case. */
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    g_assert(!xenpv_xs_tx_start(w->guest, &other));
    expect(w, w->guest, XS_WRITE, tx, P("data/a\0" "3"), P("OK\0"));
    put(w, w->dom0, "/elsewhere", "");
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("EAGAIN\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_TRANSACTION_END, other, P("F\0"), P("OK\0"));
    expect(w, w->guest, XS_READ, 0, P("data/a\0"), P("1"));
    g_assert(!xenpv_xs_next_event(w->dom0));
    world_free(w);
}

/* Removal inside a transaction: seen inside, applied by the commit. */
static void test_tx_rm(void)
{
    World *w = world_new();
    uint32_t tx;

    put(w, w->guest, "data/d/a", "1");
    put(w, w->guest, "data/d/b", "2");
    put(w, w->guest, "data/d/b/c", "3");
    put(w, w->guest, "data/keep", "4");

    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_RM, tx, P("data/d\0"), P("OK\0"));
    expect(w, w->guest, XS_READ, tx, P("data/d\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_READ, tx, P("data/d/b/c\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_GET_PERMS, tx, P("data/d/a\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_SET_PERMS, tx, P("data/d/a\0n1\0"), P("ENOENT\0"));
    expect(w, w->guest, XS_DIRECTORY, tx, P("data\0"), P("keep\0"));
    expect(w, w->guest, XS_READ, 0, P("data/d/a\0"), P("1"));

    /* Made again: what was below stays gone. */
    expect(w, w->guest, XS_WRITE, tx, P("data/d/b/x\0" "5"), P("OK\0"));
    expect(w, w->guest, XS_READ, tx, P("data/d/b\0"), P(""));
    expect(w, w->guest, XS_DIRECTORY, tx, P("data/d\0"), P("b\0"));
    expect(w, w->guest, XS_DIRECTORY, tx, P("data/d/b\0"), P("x\0"));
    expect(w, w->guest, XS_MKDIR, tx, P("data/d/m\0"), P("OK\0"));
    expect(w, w->guest, XS_RM, tx, P("data/d/m\0"), P("OK\0"));

    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("OK\0"));
    expect(w, w->guest, XS_DIRECTORY, 0, P("data\0"), P("d\0keep\0"));
    expect(w, w->guest, XS_DIRECTORY, 0, P("data/d\0"), P("b\0"));
    expect(w, w->guest, XS_DIRECTORY, 0, P("data/d/b\0"), P("x\0"));
    expect(w, w->guest, XS_READ, 0, P("data/d/b/x\0"), P("5"));
    expect(w, w->guest, XS_READ, 0, P("data/d/b\0"), P(""));

    /* Dropped: nothing happened. */
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_RM, tx, P("data/keep\0"), P("OK\0"));
    expect(w, w->guest, XS_RM, tx, P("name\0"), P("EACCES\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("F\0"), P("OK\0"));
    expect(w, w->guest, XS_READ, 0, P("data/keep\0"), P("4"));
    world_free(w);
}

/* The rights of a node removed in a transaction do not come back with it. */
static void test_tx_rights(void)
{
    World *w = world_new();
    uint32_t tx;

    put(w, w->dom0, "/local/domain/1/data/x", "");
    perms(w, "/local/domain/1/data/x", "b0", NULL);
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_RM, tx, P("data/x\0"), P("OK\0"));
    expect(w, w->guest, XS_WRITE, tx, P("data/x\0" "1"), P("OK\0"));
    expect(w, w->guest, XS_GET_PERMS, tx, P("data/x\0"), P("n1\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("T\0"), P("OK\0"));
    expect(w, w->guest, XS_GET_PERMS, 0, P("data/x\0"), P("n1\0"));

    /* Nor does a removal give rights on the parent. */
    put(w, w->dom0, "/local/domain/1/y", "");
    perms(w, "/local/domain/1/y", "n1", NULL);
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    expect(w, w->guest, XS_RM, tx, P("y\0"), P("OK\0"));
    expect(w, w->guest, XS_WRITE, tx, P("y\0" "1"), P("EACCES\0"));
    expect(w, w->guest, XS_TRANSACTION_END, tx, P("F\0"), P("OK\0"));
    world_free(w);
}

/* As many levels as there can be, removed and made again. */
static void test_tx_deep(void)
{
    World *w = world_new();
    GString *path = g_string_new("data");
    uint32_t tx;

    while (path->len < 1900) {
        g_string_append(path, "/d");
    }
    put(w, w->guest, path->str, "old");
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    g_assert(!xenpv_xs_rm(w->guest, tx, "data/d"));
    g_assert(!xenpv_xs_write(w->guest, tx, path->str, "new", 3));
    g_assert(!xenpv_xs_tx_end(w->guest, tx, true));
    g_string_append_c(path, '\0');
    expect(w, w->guest, XS_READ, 0, (Bytes) { path->str, path->len },
           P("new"));
    g_string_free(path, true);
    world_free(w);
}

static void test_tx_changes_quota(void)
{
    World *w = world_new();
    uint32_t tx;
    unsigned i;
    int ret = 0;

    put(w, w->guest, "data/n", "");
    g_assert(!xenpv_xs_tx_start(w->guest, &tx));
    for (i = 0; i < 5000 && !ret; i++) {
        g_autofree char *path = g_strdup_printf("data/n/%u", i);

        ret = xenpv_xs_write(w->guest, tx, path, "", 0);
        if (!ret && i > 500) {
            ret = xenpv_xs_rm(w->guest, tx, path);
        }
    }
    g_assert_cmpint(ret, ==, -ENOSPC);
    g_assert_cmpuint(i, <=, XENPV_STORE_MAX_CHANGES + 1);
    g_assert(!xenpv_xs_tx_end(w->guest, tx, true));
    world_free(w);
}

#ifdef __GLIBC__
/* Bytes in use; 0 under ASan, which then finds the leak itself. */
static size_t memory_used(void)
{
    return mallinfo2().uordblks;
}

/* A node is removed while a transaction still sees it. */
static void remove_below_transaction(World *w, bool committed)
{
    static const char value[2000];
    uint32_t before, after, tx;

    g_assert(!xenpv_xs_tx_start(w->dom0, &before));
    g_assert(!xenpv_xs_write(w->guest, 0, "data/a/b", value, sizeof(value)));
    g_assert(!xenpv_xs_tx_start(w->dom0, &after));
    if (committed) {
        g_assert(!xenpv_xs_tx_start(w->guest, &tx));
        g_assert(!xenpv_xs_rm(w->guest, tx, "data/a"));
        g_assert(!xenpv_xs_tx_end(w->guest, tx, true));
    } else {
        g_assert(!xenpv_xs_rm(w->guest, 0, "data/a"));
    }
    g_byte_array_set_size(w->reply, 0);
    g_assert_cmpint(xenpv_xs_read(w->dom0, after, "/local/domain/1/data/a/b",
                                  w->reply), ==, 0);
    g_assert_cmpuint(w->reply->len, ==, sizeof(value));
    g_assert(!xenpv_xs_tx_end(w->dom0, before, false));
    g_assert(!xenpv_xs_tx_end(w->dom0, after, false));
}

/* QEMU's tree loses such nodes; a guest could have had all our memory. */
static void test_rm_keeps_no_memory(void)
{
    World *w = world_new();
    size_t used = 0;
    int i;

    for (i = 0; i < 600; i++) {
        if (i == 100) {
            used = memory_used();
        }
        remove_below_transaction(w, i % 2);
    }
    g_assert_cmpuint(memory_used(), <, used + 100000);
    world_free(w);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);

    g_test_add_func("/xenpv/store-wire/commands", test_commands);
    g_test_add_func("/xenpv/store-wire/truncation", test_truncation);
    g_test_add_func("/xenpv/store-wire/noise", test_noise);
    g_test_add_func("/xenpv/store-wire/path-limits", test_path_limits);
    g_test_add_func("/xenpv/store-wire/deep", test_deep);
    g_test_add_func("/xenpv/store-wire/long-list", test_long_list);
    g_test_add_func("/xenpv/store-wire/watches", test_watches);
    g_test_add_func("/xenpv/store-wire/equal-watches", test_equal_watches);
    g_test_add_func("/xenpv/store-wire/special-watches",
                    test_special_watches);
    g_test_add_func("/xenpv/store-wire/event-flood", test_event_flood);
    g_test_add_func("/xenpv/store-wire/node-quota", test_node_quota);
    g_test_add_func("/xenpv/store-wire/tx-quota", test_tx_quota);
    g_test_add_func("/xenpv/store-wire/tx-owner", test_tx_owner);
    g_test_add_func("/xenpv/store-wire/tx", test_tx);
    g_test_add_func("/xenpv/store-wire/tx-rm", test_tx_rm);
    g_test_add_func("/xenpv/store-wire/tx-rights", test_tx_rights);
    g_test_add_func("/xenpv/store-wire/tx-deep", test_tx_deep);
#ifdef __GLIBC__
    g_test_add_func("/xenpv/store-wire/rm-keeps-no-memory",
                    test_rm_keeps_no_memory);
#endif
    g_test_add_func("/xenpv/store-wire/tx-changes-quota",
                    test_tx_changes_quota);
    return g_test_run();
}
