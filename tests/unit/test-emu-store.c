/*
 * The emulated store as its users see it: the guest's ring, the lower seam,
 * the nodes a toolstack writes, and a distribution's tools on the socket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qom/object.h"
#include "emu-fixture.h"

typedef struct xenstore_domain_interface StorePage;

/* The guest's side of the ring */

static StorePage *page(EmuFixture *fx)
{
    return fx_page(fx, 0);
}

static void poke(EmuFixture *fx, uint32_t port)
{
    xenpv_emu_send(fx->emu, port);
    fx_run();
}

/* Returns bytes that fitted. */
static uint32_t ring_write(EmuFixture *fx, const void *data, uint32_t len)
{
    StorePage *p = page(fx);
    uint32_t i;

    for (i = 0; i < len && p->req_prod - p->req_cons < XENSTORE_RING_SIZE;
         i++) {
        p->req[MASK_XENSTORE_IDX(p->req_prod++)] = ((const char *)data)[i];
    }
    return i;
}

static uint32_t ring_read(EmuFixture *fx, void *data, uint32_t len)
{
    StorePage *p = page(fx);
    uint32_t i;

    for (i = 0; i < len && p->rsp_cons != p->rsp_prod; i++) {
        ((char *)data)[i] = p->rsp[MASK_XENSTORE_IDX(p->rsp_cons++)];
    }
    return i;
}

/* @step bytes at a time */
static void send_request(EmuFixture *fx, uint32_t port, uint32_t type,
                         uint32_t tx, const void *payload, uint32_t len,
                         uint32_t step)
{
    struct xsd_sockmsg header = { type, 5, tx, len };
    uint32_t total = sizeof(header) + len, done = 0;
    g_autofree char *buf = g_malloc(total);

    memcpy(buf, &header, sizeof(header));
    if (len) {
        memcpy(buf + sizeof(header), payload, len);
    }
    while (done < total) {
        done += ring_write(fx, buf + done, MIN(step, total - done));
        poke(fx, port);
    }
}

static void read_all(EmuFixture *fx, uint32_t port, void *data, uint32_t len)
{
    uint32_t done = 0, n;

    while (done < len) {
        n = ring_read(fx, (char *)data + done, len - done);
        g_assert_cmpuint(n, >, 0);
        done += n;
        poke(fx, port);
    }
}

/* Reads one message; the payload, with a NUL behind it, is the caller's. */
static char *receive(EmuFixture *fx, uint32_t port,
                     struct xsd_sockmsg *header)
{
    char *payload;

    read_all(fx, port, header, sizeof(*header));
    g_assert_cmpuint(header->len, <=, XENSTORE_PAYLOAD_MAX);
    payload = g_malloc0(header->len + 1);
    read_all(fx, port, payload, header->len);
    return payload;
}

static void expect_reply(EmuFixture *fx, uint32_t port, uint32_t type,
                         const char *want)
{
    struct xsd_sockmsg header;
    g_autofree char *payload = receive(fx, port, &header);

    g_assert_cmpuint(header.type, ==, type);
    g_assert_cmpuint(header.req_id, ==, type == XS_WATCH_EVENT ? 0 : 5);
    g_assert_cmpstr(payload, ==, want);
}

static EmuFixture *store_new(uint32_t *port)
{
    XenPvEmuDomain domain = {
        .name = "guest", .uuid = "01234567-89ab-cdef-0123-456789abcdef",
        .nr_vcpus = 1, .max_vcpus = 2,
        .memory_kib = 65536, .max_memory_kib = 131072,
        .store_gfn = 512, .store_port = 1,
        .console_gfn = 513, .console_port = 2,
    };
    EmuFixture *fx = fx_new(true);

    *port = fx_attach_store(fx);
    xenpv_emu_write_domain(fx->emu, &domain);
    return fx;
}

/* However the bytes are cut, requests and replies are the same. */
static void test_ring_steps(void)
{
    static const uint32_t steps[] = { 1, 2, 3, 15, 16, 17, 1024, 4096 };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(steps); i++) {
        uint32_t port;
        EmuFixture *fx = store_new(&port);
        StorePage *p = page(fx);

        /* Start where the free-running indexes wrap. */
        p->req_cons = p->req_prod = UINT32_MAX - 7;
        p->rsp_cons = p->rsp_prod = UINT32_MAX - 3;
        send_request(fx, port, XS_READ, 0, "name", 5, steps[i]);
        expect_reply(fx, port, XS_READ, "guest");
        send_request(fx, port, XS_READ, 0, "none", 5, steps[i]);
        expect_reply(fx, port, XS_ERROR, "ENOENT");
        send_request(fx, port, XS_WRITE, 0, "data/x\0abc", 10, steps[i]);
        expect_reply(fx, port, XS_WRITE, "OK");
        send_request(fx, port, XS_READ, 0, "data/x", 7, steps[i]);
        expect_reply(fx, port, XS_READ, "abc");
        g_assert_cmpuint(p->error, ==, XENSTORE_ERROR_NONE);
        fx_free(fx);
    }
}

/* Messages larger than the ring, in both directions */
static void test_ring_large(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    char payload[2048 + 7] = "data/x";
    struct xsd_sockmsg header;
    g_autofree char *back = NULL;

    memset(payload + 7, 'v', 2048);
    send_request(fx, port, XS_WRITE, 0, payload, sizeof(payload), 4096);
    expect_reply(fx, port, XS_WRITE, "OK");
    send_request(fx, port, XS_READ, 0, "data/x", 7, 4096);
    g_assert_cmpuint(page(fx)->rsp_prod - page(fx)->rsp_cons, ==,
                     XENSTORE_RING_SIZE);
    back = receive(fx, port, &header);
    g_assert_cmpuint(header.len, ==, 2048);
    g_assert(!memcmp(back, payload + 7, 2048));

    /* The longest payload there is */
    back = g_realloc(back, XENSTORE_PAYLOAD_MAX);
    memset(back, 'x', XENSTORE_PAYLOAD_MAX);
    send_request(fx, port, XS_READ, 0, back, XENSTORE_PAYLOAD_MAX, 4096);
    expect_reply(fx, port, XS_ERROR, "EINVAL");
    fx_free(fx);
}

/* A guest that sends without reading is served until the ring is full. */
static void test_ring_backpressure(void)
{
    uint32_t port, i, prod;
    EmuFixture *fx = store_new(&port);
    StorePage *p = page(fx);
    struct xsd_sockmsg header = { XS_READ, 5, 0, 5 };
    unsigned sent = 0, got = 0;

    for (i = 0; i < 1000; i++) {
        if (XENSTORE_RING_SIZE - (p->req_prod - p->req_cons) < 21) {
            break;
        }
        ring_write(fx, &header, sizeof(header));
        ring_write(fx, "name", 5);
        sent++;
        poke(fx, port);
    }
    g_assert_cmpuint(i, <, 1000);
    g_assert_cmpuint(p->rsp_prod - p->rsp_cons, ==, XENSTORE_RING_SIZE);
    prod = p->rsp_prod;
    poke(fx, port);
    g_assert_cmpuint(p->rsp_prod, ==, prod);
    while (got < sent) {
        expect_reply(fx, port, XS_READ, "guest");
        got++;
    }
    g_assert_cmpuint(p->rsp_prod, ==, p->rsp_cons);
    g_assert_cmpuint(p->req_prod, ==, p->req_cons);
    fx_free(fx);
}

static void test_ring_watch(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    struct xsd_sockmsg header;
    g_autofree char *payload = NULL;

    /* The answer comes before the first event. */
    send_request(fx, port, XS_WATCH, 0, "data\0tok", 9, 4096);
    expect_reply(fx, port, XS_WATCH, "OK");
    payload = receive(fx, port, &header);
    g_assert_cmpuint(header.type, ==, XS_WATCH_EVENT);
    g_assert_cmpuint(header.len, ==, 9);
    g_assert(!memcmp(payload, "data\0tok", 9));

    /* A change from elsewhere arrives unasked, with an event. */
    fx_clear_pending(fx, port);
    g_assert(!xenpv_store_write(fx->hv, NULL, "/local/domain/1/data/n", "1"));
    g_assert_cmpuint(page(fx)->rsp_prod, ==, page(fx)->rsp_cons);
    fx_run();
    g_assert(fx_pending(fx, port));
    expect_reply(fx, port, XS_WATCH_EVENT, "data/n");

    send_request(fx, port, XS_UNWATCH, 0, "data\0tok", 9, 4096);
    expect_reply(fx, port, XS_UNWATCH, "OK");
    g_assert(!xenpv_store_write(fx->hv, NULL, "/local/domain/1/data/n", "2"));
    fx_run();
    g_assert_cmpuint(page(fx)->rsp_prod, ==, page(fx)->rsp_cons);
    fx_free(fx);
}

/* Index games and oversize end the conversation, and nothing else. */
static const struct {
    uint32_t req_prod, req_cons, rsp_prod, rsp_cons;
    uint32_t error;
} index_rows[] = {
    { 1025, 0, 0, 0, XENSTORE_ERROR_RINGIDX },
    { 0, 1, 0, 0, XENSTORE_ERROR_RINGIDX },
    { UINT32_MAX, 0, 0, 0, XENSTORE_ERROR_RINGIDX },
    { 0, UINT32_MAX - 1024, 0, 0, XENSTORE_ERROR_RINGIDX },
    /* sixteen bytes of 0xff: a header with an absurd length */
    { 16, 0, 0, 0, XENSTORE_ERROR_PROTO },
    { 1024, 0, 0, 0, XENSTORE_ERROR_PROTO },
};

static void test_ring_hostile(void)
{
    uint32_t port, i;
    EmuFixture *fx = store_new(&port);
    StorePage *p = page(fx);

    for (i = 0; i < ARRAY_SIZE(index_rows); i++) {
        memset(p->req, 0xff, sizeof(p->req));
        p->req_prod = index_rows[i].req_prod;
        p->req_cons = index_rows[i].req_cons;
        p->rsp_prod = index_rows[i].rsp_prod;
        p->rsp_cons = index_rows[i].rsp_cons;
        poke(fx, port);
        g_assert_cmpuint(p->error, ==, index_rows[i].error);

        /* Nothing more is done, whatever is in the page. */
        p->req_prod = p->req_cons = p->rsp_prod = p->rsp_cons = 0;
        ring_write(fx, &(struct xsd_sockmsg) { XS_READ, 5, 0, 5 }, 16);
        ring_write(fx, "name", 5);
        poke(fx, port);
        g_assert_cmpuint(p->rsp_prod, ==, 0);

        /* Until the guest asks for a new start. */
        fx_clear_pending(fx, port);
        p->connection = XENSTORE_RECONNECT;
        poke(fx, port);
        g_assert_cmpuint(p->connection, ==, XENSTORE_CONNECTED);
        g_assert_cmpuint(p->error, ==, XENSTORE_ERROR_NONE);
        g_assert(fx_pending(fx, port));
        send_request(fx, port, XS_READ, 0, "name", 5, 4096);
        expect_reply(fx, port, XS_READ, "guest");
    }
    fx_free(fx);
}

/* One byte more than a message may have, however it is cut */
static void test_ring_oversize(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    struct xsd_sockmsg header = { XS_WRITE, 5, 0, XENSTORE_PAYLOAD_MAX + 1 };
    unsigned i;

    for (i = 0; i < sizeof(header); i++) {
        g_assert_cmpuint(page(fx)->error, ==, XENSTORE_ERROR_NONE);
        ring_write(fx, (char *)&header + i, 1);
        poke(fx, port);
    }
    g_assert_cmpuint(page(fx)->error, ==, XENSTORE_ERROR_PROTO);
    fx_free(fx);
}

/* A guest that makes events and does not read them has to, to be served. */
static void test_ring_events_first(void)
{
    uint32_t port, events = 0;
    EmuFixture *fx = store_new(&port);
    struct xsd_sockmsg header;
    unsigned i;

    send_request(fx, port, XS_WATCH, 0, "data\0tok", 9, 4096);
    expect_reply(fx, port, XS_WATCH, "OK");
    for (i = 0; i < 300; i++) {
        g_autofree char *path = g_strdup_printf("/local/domain/1/data/%u", i);

        xenpv_store_write(fx->hv, NULL, path, "");
    }
    fx_run();
    send_request(fx, port, XS_READ, 0, "name", 5, 4096);
    do {
        g_free(receive(fx, port, &header));
        events++;
    } while (header.type == XS_WATCH_EVENT);
    g_assert_cmpuint(header.type, ==, XS_READ);
    g_assert_cmpuint(events, >, 200);
    fx_free(fx);
}

/* A ring full of requests is not served in one go. */
static void test_ring_batch(void)
{
    uint32_t port, once;
    EmuFixture *fx = store_new(&port);
    StorePage *p = page(fx);
    struct xsd_sockmsg header = { XS_RESET_WATCHES, 5, 0, 0 };

    while (p->req_prod - p->req_cons < XENSTORE_RING_SIZE) {
        ring_write(fx, &header, sizeof(header));
    }
    xenpv_emu_send(fx->emu, port);
    while (p->rsp_prod == 0) {
        aio_poll(qemu_get_aio_context(), false);
    }
    once = p->rsp_prod;
    g_assert_cmpuint(once, <, XENSTORE_RING_SIZE);
    fx_run();
    g_assert_cmpuint(p->rsp_prod, ==, XENSTORE_RING_SIZE);
    fx_free(fx);
}

/*
 * Linux sends no event with a request when it believes that we have not yet
 * taken the one before, and what it reads may be old: a boot stood still in
 * xs_talkv() with a request in the ring.
 */
static void test_ring_no_event(void)
{
    struct xsd_sockmsg header = { XS_READ, 5, 0, 5 };
    uint32_t port;
    EmuFixture *fx = store_new(&port);

    send_request(fx, port, XS_READ, 0, "name", 5, 1024);
    expect_reply(fx, port, XS_READ, "guest");
    fx_run();
    ring_write(fx, &header, sizeof(header));
    ring_write(fx, "name", 5);
    while (page(fx)->rsp_prod == page(fx)->rsp_cons) {
        aio_poll(qemu_get_aio_context(), true);
    }
    expect_reply(fx, port, XS_READ, "guest");
    fx_free(fx);
}

/* The answer's ring index is only looked at when there is an answer. */
static void test_ring_rsp_index(void)
{
    static const uint32_t cons[] = { 1, 1u << 31, UINT32_MAX - 1024 };
    uint32_t port, i;

    for (i = 0; i < ARRAY_SIZE(cons); i++) {
        EmuFixture *fx = store_new(&port);

        page(fx)->rsp_cons = cons[i];
        send_request(fx, port, XS_READ, 0, "name", 5, 4096);
        g_assert_cmpuint(page(fx)->error, ==, XENSTORE_ERROR_RINGIDX);
        fx_free(fx);
    }
}

/* A partial request, watches and transactions do not survive a new start. */
static void test_ring_reconnect(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    StorePage *p = page(fx);
    struct xsd_sockmsg header = { XS_WRITE, 5, 0, 4000 };
    struct xsd_sockmsg answer;
    g_autofree char *tx = NULL;
    unsigned id;

    g_assert_cmpuint(p->server_features, ==,
                     XENSTORE_SERVER_FEATURE_RECONNECTION |
                     XENSTORE_SERVER_FEATURE_ERROR);
    send_request(fx, port, XS_WATCH, 0, "data\0tok", 9, 4096);
    expect_reply(fx, port, XS_WATCH, "OK");
    expect_reply(fx, port, XS_WATCH_EVENT, "data");
    send_request(fx, port, XS_TRANSACTION_START, 0, "", 1, 4096);
    tx = receive(fx, port, &answer);
    g_assert(!qemu_strtoui(tx, NULL, 10, &id));
    ring_write(fx, &header, sizeof(header));
    ring_write(fx, "data/x", 6);
    poke(fx, port);

    p->connection = XENSTORE_RECONNECT;
    poke(fx, port);
    g_assert_cmpuint(p->req_prod, ==, 0);
    g_assert_cmpuint(p->rsp_cons, ==, 0);
    send_request(fx, port, XS_WRITE, 0, "data/x\0" "1", 8, 4096);
    expect_reply(fx, port, XS_WRITE, "OK");
    g_assert_cmpuint(p->rsp_prod, ==, p->rsp_cons);
    send_request(fx, port, XS_TRANSACTION_END, id, "T", 2, 4096);
    expect_reply(fx, port, XS_ERROR, "ENOENT");
    fx_free(fx);
}

/* The machine is reset and a new kernel finds a new page. */
static void test_ring_machine_reset(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);

    send_request(fx, port, XS_WATCH, 0, "data\0tok", 9, 4096);
    expect_reply(fx, port, XS_WATCH, "OK");
    xenpv_emu_reset(fx->emu);
    memset(page(fx), 0, XENPV_PAGE_SIZE);
    g_assert(!xenpv_store_write(fx->hv, NULL, "/local/domain/1/data/n", "1"));
    poke(fx, port);
    g_assert_cmpuint(page(fx)->rsp_prod, ==, 0);
    port = fx_attach_store(fx);
    g_assert_cmpuint(port, ==, 1);
    send_request(fx, port, XS_READ, 0, "data/n", 7, 4096);
    expect_reply(fx, port, XS_READ, "1");
    fx_free(fx);
}

/* The lower seam */

static void count_watch(void *opaque, const char *path)
{
    GString *seen = opaque;

    g_string_append_printf(seen, "%s;", path);
}

typedef struct SelfRemoving {
    XenPvWatch *watch;
    unsigned calls;
} SelfRemoving;

static void remove_watch(void *opaque, const char *path)
{
    SelfRemoving *self = opaque;

    self->calls++;
    xenpv_store_unwatch(self->watch);
}

static void test_seam_watch(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    GString *seen = g_string_new(NULL);
    SelfRemoving self = { 0 };
    XenPvWatch *w;

    w = xenpv_store_watch(fx->hv, "/local/domain/1/data", count_watch, seen,
                          &error_abort);
    /* Never from inside a call */
    g_assert_cmpstr(seen->str, ==, "");
    fx_run();
    g_assert_cmpstr(seen->str, ==, "/local/domain/1/data;");
    xenpv_store_write(fx->hv, NULL, "/local/domain/1/data/a", "1");
    g_assert_cmpstr(seen->str, ==, "/local/domain/1/data;");
    fx_run();
    g_assert_cmpstr(seen->str, ==,
                    "/local/domain/1/data;/local/domain/1/data/a;");

    /* What was queued before the removal does not arrive after it. */
    xenpv_store_write(fx->hv, NULL, "/local/domain/1/data/a", "2");
    xenpv_store_unwatch(w);
    fx_run();
    g_assert_cmpstr(seen->str, ==,
                    "/local/domain/1/data;/local/domain/1/data/a;");

    self.watch = xenpv_store_watch(fx->hv, "/x", remove_watch, &self,
                                   &error_abort);
    xenpv_store_write(fx->hv, NULL, "/x/y", "");
    xenpv_store_write(fx->hv, NULL, "/x/z", "");
    fx_run();
    g_assert_cmpuint(self.calls, ==, 1);
    g_assert_cmpuint(fx->hv->live.watches, ==, 0);
    g_string_free(seen, true);
    fx_free(fx);
}

static void expect_value(EmuFixture *fx, const char *path, const char *want)
{
    g_autofree char *value = xenpv_store_read(fx->hv, NULL, path, NULL, NULL);

    g_assert_cmpstr(value, ==, want);
}

static const struct {
    const char *path, *value, *perms;
} node_rows[] = {
    { "",                         "",       "n0 r1" },
    { "/name",                    "guest",  "n0 r1" },
    { "/domid",                   "1",      "n0 r1" },
    { "/vm",   "/vm/01234567-89ab-cdef-0123-456789abcdef", "n0 r1" },
    { "/memory/target",           "65536",  "n0 r1" },
    { "/memory/static-max",       "131072", "n0 r1" },
    { "/cpu/0/availability",      "online", "n0 r1" },
    { "/cpu/1/availability",      "offline", "n0 r1" },
    { "/cpu/2/availability",      NULL,     NULL },
    { "/store/ring-ref",          "512",    "n0 r1" },
    { "/store/port",              "1",      "n0 r1" },
    { "/console/ring-ref",        "513",    "n0 r1" },
    { "/console/port",            "2",      "n0 r1" },
    { "/control",                 "",       "n0 r1" },
    { "/control/shutdown",        "",       "n1" },
    { "/control/feature-suspend", "",       "n1" },
    { "/control/platform-feature-xs_reset_watches", "1", "n0 r1" },
    { "/device",                  "",       "n0 r1" },
    { "/data",                    "",       "n1" },
    { "/drivers",                 "",       "n1" },
    { "/error",                   "",       "n1" },
};

static void test_domain_nodes(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    XenPvEmuDomain again = {
        .name = "renamed", .uuid = "01234567-89ab-cdef-0123-456789abcdef",
        .nr_vcpus = 2, .max_vcpus = 2,
    };
    struct xsd_sockmsg header;
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(node_rows); i++) {
        g_autofree char *path = g_strconcat("/local/domain/1",
                                            node_rows[i].path, NULL);
        g_autofree char *rights = NULL;

        expect_value(fx, path, node_rows[i].value);
        if (!node_rows[i].perms) {
            continue;
        }
        send_request(fx, port, XS_GET_PERMS, 0, path, strlen(path) + 1, 4096);
        rights = receive(fx, port, &header);
        g_assert_cmpuint(header.type, ==, XS_GET_PERMS);
        for (j = 0; j + 1 < header.len; j++) {
            rights[j] = rights[j] ?: ' ';
        }
        g_assert_cmpstr(rights, ==, node_rows[i].perms);
    }
    expect_value(fx, "/vm/01234567-89ab-cdef-0123-456789abcdef/name",
                 "guest");

    /* The guest's leavings go at a reset, its devices' nodes do not. */
    send_request(fx, port, XS_WRITE, 0, "data/x\0" "1", 8, 4096);
    expect_reply(fx, port, XS_WRITE, "OK");
    xenpv_store_write(fx->hv, NULL, "/local/domain/1/device/vbd/1/state", "4");
    xenpv_emu_write_domain(fx->emu, &again);
    expect_value(fx, "/local/domain/1/data/x", NULL);
    expect_value(fx, "/local/domain/1/name", "renamed");
    expect_value(fx, "/local/domain/1/cpu/1/availability", "online");
    expect_value(fx, "/local/domain/1/device/vbd/1/state", "4");

    g_assert_cmpint(xenpv_emu_request_shutdown(fx->emu, "poweroff"), ==, 0);
    send_request(fx, port, XS_READ, 0, "control/shutdown", 17, 4096);
    expect_reply(fx, port, XS_READ, "poweroff");
    send_request(fx, port, XS_WRITE, 0, "control/shutdown\0", 17, 4096);
    expect_reply(fx, port, XS_WRITE, "OK");
    fx_free(fx);
}

/* The socket */

static char *socket_path(void)
{
    g_autofree char *dir = g_dir_make_tmp("xenpv-XXXXXX", NULL);

    return g_build_filename(dir, "store", NULL);
}

static void socket_path_free(char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    unlink(path);
    rmdir(dir);
    g_free(path);
}

static void child_gone(GPid pid, gint status, gpointer opaque)
{
    int *result = opaque;

    *result = status;
}

/* The pipe is not among what the main loop waits for. */
static gboolean tick(gpointer opaque)
{
    return G_SOURCE_CONTINUE;
}

/* Runs a tool against the socket while we serve it; NULL if it failed. */
static char *tool(const char *path, const char *command)
{
    g_autofree char *env = g_strdup_printf("XENSTORED_PATH=%s", path);
    char *argv[] = {
        (char *)"env", env, (char *)"sh", (char *)"-c", (char *)command, NULL
    };
    GString *out = g_string_new(NULL);
    int status = -1, fd;
    char buf[4096];
    guint timer;
    ssize_t n;
    GPid pid;

    if (!g_spawn_async_with_pipes(NULL, argv, NULL,
                                  G_SPAWN_SEARCH_PATH |
                                  G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                  NULL, &fd, NULL, NULL)) {
        g_string_free(out, true);
        return NULL;
    }
    g_assert(g_unix_set_fd_nonblocking(fd, true, NULL));
    g_child_watch_add(pid, child_gone, &status);
    timer = g_timeout_add(20, tick, NULL);
    for (;;) {
        n = read(fd, buf, sizeof(buf));
        if (n > 0) {
            g_string_append_len(out, buf, n);
        } else if (n == 0 && status != -1) {
            break;
        } else {
            main_loop_wait(false);
        }
    }
    g_source_remove(timer);
    close(fd);
    if (status) {
        g_string_free(out, true);
        return NULL;
    }
    return g_string_free(out, false);
}

static void expect_tool(const char *path, const char *command,
                        const char *want)
{
    g_autofree char *out = tool(path, command);

    g_assert_cmpstr(out, ==, want);
}

static gboolean shut_down(gpointer opaque)
{
    g_assert_cmpint(fx_call(opaque, XENPV_CALL_SHUTDOWN, 0, 0, NULL, 0), ==,
                    1);
    return G_SOURCE_CONTINUE;
}

static void test_socket_tools(void)
{
    static const char *const tools[] = {
        "xenstore-ls", "xenstore-read", "xenstore-write", "xenstore-list",
        "xenstore-rm", "xenstore-exists", "xenstore-chmod", "xenstore-watch",
        "timeout",
    };
    uint32_t port;
    EmuFixture *fx;
    guint timer;
    char *path;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(tools); i++) {
        g_autofree char *found = g_find_program_in_path(tools[i]);

        if (!found) {
            g_autofree char *why = g_strdup_printf("%s is not installed",
                                                   tools[i]);

            g_test_skip(why);
            return;
        }
    }
    fx = store_new(&port);
    path = socket_path();
    xenpv_emu_socket_open(fx->emu, path, &error_abort);

    expect_tool(path, "xenstore-read /local/domain/1/name", "guest\n");
    expect_tool(path, "xenstore-read domid", "0\n");
    expect_tool(path, "xenstore-write /tool/a/b 1 /tool/a/c 2", "");
    expect_tool(path, "xenstore-list /tool/a", "b\nc\n");
    expect_tool(path, "xenstore-ls /tool/a", "b = \"1\"\nc = \"2\"\n");
    expect_tool(path, "xenstore-exists /tool/a/b && echo yes", "yes\n");
    expect_tool(path, "xenstore-exists /tool/a/d || echo no", "no\n");
    expect_tool(path, "xenstore-chmod /tool/a/b n0 r1", "");
    expect_tool(path, "xenstore-ls -p /tool/a | tr -d ' .'",
                "b=\"1\"(n0,r1)\nc=\"2\"(n0)\n");
    expect_tool(path, "xenstore-rm /tool/a/b", "");
    expect_tool(path, "xenstore-list /tool/a", "c\n");
    expect_tool(path, "xenstore-ls -f / >/dev/null && echo ok", "ok\n");
    expect_tool(path, "for i in 1 2 3 4 5 6 7 8; do xenstore-write"
                " /tool/p/$i $i & done; wait; xenstore-list /tool/p | wc -l",
                "8\n");
    /* Its own first event, then one of the writes', whenever it is ready. */
    expect_tool(path, "while sleep 0.2; do xenstore-write /tool/w/x 1; done &"
                " timeout 20 xenstore-watch -n 2 /tool/w; kill $!",
                "/tool/w\n/tool/w/x\n");
    timer = g_timeout_add(200, shut_down, fx);
    expect_tool(path, "timeout 20 xenstore-watch -n 2 @releaseDomain",
                "@releaseDomain\n@releaseDomain\n");
    g_source_remove(timer);
    socket_path_free(path);
    fx_free(fx);
}

static int raw_connect(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_assert_cmpint(fd, >=, 0);
    strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

static void serve(int rounds)
{
    while (rounds--) {
        main_loop_wait(true);
    }
}

/*
 * A client that lies about its length is cut off; one that does not read
 * stops being served; others do not notice.
 */
static void test_socket_hostile(void)
{
    uint32_t port;
    EmuFixture *fx = store_new(&port);
    char *path = socket_path();
    struct xsd_sockmsg header = { XS_READ, 5, 0, XENSTORE_PAYLOAD_MAX + 1 };
    struct xsd_sockmsg list = { XS_DIRECTORY, 5, 0, 16 };
    char buf[64];
    int liar, mute, i;
    ssize_t n = 0;

    xenpv_emu_socket_open(fx->emu, path, &error_abort);
    liar = raw_connect(path);
    mute = raw_connect(path);
    g_assert_cmpint(write(liar, &header, sizeof(header)), ==, sizeof(header));
    serve(20);
    g_assert_cmpint(read(liar, buf, sizeof(buf)), ==, 0);
    close(liar);

    g_assert(g_unix_set_fd_nonblocking(mute, true, NULL));
    for (i = 0; i < 200000 && n >= 0; i++) {
        n = write(mute, &list, sizeof(list));
        if (n == sizeof(list)) {
            n = write(mute, "/local/domain/1", 16);
        }
        if (i % 16 == 0) {
            serve(1);
        }
    }
    g_assert_cmpint(i, <, 200000);
    header.len = 16;
    list.type = XS_READ;
    liar = raw_connect(path);
    g_assert_cmpint(write(liar, &list, sizeof(list)), ==, sizeof(list));
    g_assert_cmpint(write(liar, "/local/domain/1", 16), ==, 16);
    serve(20);
    g_assert_cmpint(recv(liar, buf, sizeof(buf), MSG_DONTWAIT), ==,
                    sizeof(list));
    close(liar);
    close(mute);
    serve(20);
    socket_path_free(path);
    fx_free(fx);
}

static void test_socket_path(void)
{
    uint32_t port;
    EmuFixture *a = store_new(&port), *b = store_new(&port);
    char *path = socket_path();
    char *copy = g_strdup_printf("%s.old", path);
    char longpath[200];
    Error *err = NULL;
    struct stat st;

    /* Only for the user; removed at the end. */
    xenpv_emu_socket_open(a->emu, path, &error_abort);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 0777, ==, 0600);

    /* In use: refused, and left alone. */
    g_assert(!xenpv_emu_socket_open(b->emu, path, &err));
    g_assert(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);

    /* Stale: replaced. */
    g_assert_cmpint(rename(path, copy), ==, 0);
    fx_free(a);
    xenpv_emu_socket_open(b->emu, copy, &error_abort);
    fx_free(b);
    g_assert_cmpint(stat(copy, &st), ==, -1);

    /* Something else: refused, and left alone. */
    a = store_new(&port);
    g_assert(g_file_set_contents(path, "x", 1, NULL));
    g_assert(!xenpv_emu_socket_open(a->emu, path, &err));
    g_assert(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);
    g_assert_cmpint(stat(path, &st), ==, 0);
    memset(longpath, 'x', sizeof(longpath) - 1);
    longpath[sizeof(longpath) - 1] = '\0';
    g_assert(!xenpv_emu_socket_open(a->emu, longpath, &err));
    error_free_or_abort(&err);
    g_assert(!xenpv_emu_socket_open(a->emu, "/nonexistent/x", &err));
    g_assert(strstr(error_get_pretty(err), "/nonexistent/x"));
    error_free_or_abort(&err);
    fx_free(a);
    g_free(copy);
    socket_path_free(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* As QEMU does: a client may go while we write to it. */
    signal(SIGPIPE, SIG_IGN);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);

    g_test_add_func("/xenpv/emu-store/ring-steps", test_ring_steps);
    g_test_add_func("/xenpv/emu-store/ring-large", test_ring_large);
    g_test_add_func("/xenpv/emu-store/ring-back-pressure",
                    test_ring_backpressure);
    g_test_add_func("/xenpv/emu-store/ring-watch", test_ring_watch);
    g_test_add_func("/xenpv/emu-store/ring-hostile", test_ring_hostile);
    g_test_add_func("/xenpv/emu-store/ring-oversize", test_ring_oversize);
    g_test_add_func("/xenpv/emu-store/ring-events-first",
                    test_ring_events_first);
    g_test_add_func("/xenpv/emu-store/ring-batch", test_ring_batch);
    g_test_add_func("/xenpv/emu-store/ring-no-event", test_ring_no_event);
    g_test_add_func("/xenpv/emu-store/ring-rsp-index", test_ring_rsp_index);
    g_test_add_func("/xenpv/emu-store/ring-reconnect", test_ring_reconnect);
    g_test_add_func("/xenpv/emu-store/ring-machine-reset",
                    test_ring_machine_reset);
    g_test_add_func("/xenpv/emu-store/seam-watch", test_seam_watch);
    g_test_add_func("/xenpv/emu-store/domain-nodes", test_domain_nodes);
    g_test_add_func("/xenpv/emu-store/socket-tools", test_socket_tools);
    g_test_add_func("/xenpv/emu-store/socket-hostile", test_socket_hostile);
    g_test_add_func("/xenpv/emu-store/socket-path", test_socket_path);
    return g_test_run();
}
