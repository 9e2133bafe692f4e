/*
 * An emulated guest that is saved and loaded: ports, the store, and what its
 * ring is in the middle of; and streams that nobody has written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "hw/xenpv/saved.h"
#include "emu-fixture.h"

typedef struct xenstore_domain_interface StorePage;

#define DIR "/local/domain/1"

/* ---- a guest ---- */

static EmuFixture *guest_new(uint32_t *store_port)
{
    EmuFixture *fx = fx_new(true);
    XenPvEmuDomain domain = {
        .name = "saved", .uuid = "u", .nr_vcpus = 1, .max_vcpus = 1,
        .memory_kib = 1024, .max_memory_kib = 1024,
    };

    *store_port = fx_attach_store(fx);
    xenpv_emu_write_domain(fx->emu, &domain);
    fx_run();
    return fx;
}

/* What goes with guest memory, into one whose own guest has been forgotten */
static bool load(EmuFixture *to, const EmuFixture *from, GByteArray *saved,
                 Error **errp)
{
    xenpv_emu_reset(to->emu);
    memcpy(to->ram, from->ram, FX_NR_FRAMES * XENPV_PAGE_SIZE);
    memcpy(to->info, from->info, XENPV_PAGE_SIZE);
    memcpy(to->grants, from->grants, XENPV_GRANT_FRAMES * XENPV_PAGE_SIZE);
    return xenpv_emu_load(to->emu, saved->data, saved->len, errp);
}

static EmuFixture *moved(EmuFixture *from)
{
    g_autoptr(GByteArray) saved = NULL;
    uint32_t unused;
    EmuFixture *to = guest_new(&unused);

    xenpv_emu_hold(from->emu);
    saved = xenpv_emu_save(from->emu);
    load(to, from, saved, &error_abort);
    xenpv_emu_go_on(to->emu);
    fx_run();
    return to;
}

/* ---- the guest's side of the ring ---- */

static StorePage *page(EmuFixture *fx)
{
    return fx_page(fx, 0);
}

static void put(EmuFixture *fx, uint32_t port, const void *data, uint32_t len)
{
    StorePage *p = page(fx);
    uint32_t i;

    for (i = 0; i < len; i++) {
        p->req[MASK_XENSTORE_IDX(p->req_prod++)] = ((const char *)data)[i];
    }
    xenpv_emu_send(fx->emu, port);
    fx_run();
}

static void ask(EmuFixture *fx, uint32_t port, uint32_t type, uint32_t tx,
                const void *payload, uint32_t len)
{
    struct xsd_sockmsg header = { type, 5, tx, len };

    put(fx, port, &header, sizeof(header));
    put(fx, port, payload, len);
}

static void get(EmuFixture *fx, uint32_t port, void *data, uint32_t len)
{
    StorePage *p = page(fx);
    uint32_t i;

    for (i = 0; i < len; i++) {
        g_assert_cmpuint(p->rsp_cons, !=, p->rsp_prod);
        ((char *)data)[i] = p->rsp[MASK_XENSTORE_IDX(p->rsp_cons++)];
        xenpv_emu_send(fx->emu, port);
        fx_run();
    }
}

static void expect(EmuFixture *fx, uint32_t port, uint32_t type,
                   const char *text, uint32_t len)
{
    struct xsd_sockmsg header;
    g_autofree char *payload = NULL;

    get(fx, port, &header, sizeof(header));
    g_assert_cmpuint(header.type, ==, type);
    payload = g_malloc(header.len + 1);
    get(fx, port, payload, header.len);
    g_assert_cmpmem(payload, header.len, text, len);
}

#define EXPECT(fx, port, type, text) \
    expect(fx, port, type, text, sizeof(text))
#define ASK(fx, port, type, tx, text) \
    ask(fx, port, type, tx, text, sizeof(text))

static uint32_t begin(EmuFixture *fx, uint32_t port)
{
    struct xsd_sockmsg header;
    char text[16] = "";

    ASK(fx, port, XS_TRANSACTION_START, 0, "");
    get(fx, port, &header, sizeof(header));
    g_assert_cmpuint(header.len, <, sizeof(text));
    get(fx, port, text, header.len);
    return atoi(text);
}

/* ---- the store ---- */

static void test_nodes(void)
{
    static const XenPvPerm perms[] = {
        { .domid = 0 }, { .domid = 1, .read = true },
    };
    g_autofree XenPvPerm *there = NULL;
    g_autofree char *value = NULL;
    g_autofree char *empty = NULL;
    size_t len = 0;
    uint32_t port;
    unsigned nr;
    int err = 0;
    EmuFixture *a = guest_new(&port), *b;

    xenpv_store_write_len(a->hv, NULL, "/a/b", "x\0y", 3);
    xenpv_store_mkdir(a->hv, NULL, "/a/empty");
    xenpv_store_set_perms(a->hv, NULL, "/a/b", perms, 2);
    b = moved(a);
    value = xenpv_store_read(b->hv, NULL, "/a/b", &len, &err);
    g_assert_cmpmem(value, len, "x\0y", 3);
    empty = xenpv_store_read(b->hv, NULL, "/a/empty", &len, &err);
    g_assert_cmpstr(empty, ==, "");
    there = xenpv_store_get_perms(b->hv, NULL, "/a/b", &nr, &err);
    g_assert_cmpuint(nr, ==, 2);
    g_assert_false(there[0].read);
    g_assert_true(there[1].read && !there[1].write && there[1].domid == 1);
    fx_free(a);
    fx_free(b);
}

static void seen(void *opaque, const char *path)
{
    g_string_append_printf(opaque, "%s ", path);
}

/* Who watches here finds what has changed, and what is not there any more. */
static void test_watches_of_others(void)
{
    g_autoptr(GString) events = g_string_new(NULL);
    g_autoptr(GByteArray) saved = NULL;
    uint32_t port;
    EmuFixture *a = guest_new(&port), *b = guest_new(&port);
    XenPvWatch *watch;

    xenpv_store_write(b->hv, NULL, "/mine", "1");
    watch = xenpv_store_watch(b->hv, "/mine", seen, events, &error_abort);
    fx_run();
    g_string_truncate(events, 0);
    saved = xenpv_emu_save(a->emu);
    load(b, a, saved, &error_abort);
    fx_run();
    g_assert_cmpstr(events->str, ==, "/mine ");
    g_assert_null(xenpv_store_read(b->hv, NULL, "/mine", NULL, NULL));
    xenpv_store_unwatch(watch);
    fx_free(a);
    fx_free(b);
}

static void test_watches_of_the_guest(void)
{
    uint32_t port;
    EmuFixture *a = guest_new(&port), *b;

    ASK(a, port, XS_WATCH, 0, "device\0one");
    EXPECT(a, port, XS_WATCH, "OK");
    EXPECT(a, port, XS_WATCH_EVENT, "device\0one");
    ASK(a, port, XS_WATCH, 0, DIR "/device\0two");
    EXPECT(a, port, XS_WATCH, "OK");
    EXPECT(a, port, XS_WATCH_EVENT, DIR "/device\0two");
    b = moved(a);
    xenpv_store_write(b->hv, NULL, DIR "/device/x", "1");
    fx_run();
    EXPECT(b, port, XS_WATCH_EVENT, "device/x\0one");
    EXPECT(b, port, XS_WATCH_EVENT, DIR "/device/x\0two");
    ASK(b, port, XS_UNWATCH, 0, "device\0one");
    EXPECT(b, port, XS_UNWATCH, "OK");
    ASK(b, port, XS_WATCH, 0, DIR "/device\0two");
    EXPECT(b, port, XS_ERROR, "EEXIST");
    fx_free(a);
    fx_free(b);
}

/* Events that wait: the ring is full, or nobody was awake. */
static void test_events_waiting(void)
{
    uint32_t port, i;
    EmuFixture *a = guest_new(&port), *b;

    ASK(a, port, XS_WATCH, 0, "device\0t");
    EXPECT(a, port, XS_WATCH, "OK");
    EXPECT(a, port, XS_WATCH_EVENT, "device\0t");
    for (i = 0; i < 100; i++) {
        g_autofree char *path = g_strdup_printf(DIR "/device/%u", i);

        xenpv_store_write(a->hv, NULL, path, "1");
    }
    fx_run();
    b = moved(a);
    for (i = 0; i < 100; i++) {
        char want[32];
        int len = snprintf(want, sizeof(want), "device/%u%ct", i, 0);

        expect(b, port, XS_WATCH_EVENT, want, len + 1);
    }
    g_assert_cmpuint(page(b)->rsp_cons, ==, page(b)->rsp_prod);
    fx_free(a);
    fx_free(b);
}

/* Half a request has been taken, half an answer has been read. */
static void test_half_a_message(void)
{
    struct xsd_sockmsg header = { XS_WRITE, 5, 0, 6 };
    g_autofree char *value = NULL;
    g_autofree char *big = g_malloc(2048);
    g_autofree char *got = g_malloc(4096);
    uint32_t port;
    EmuFixture *a = guest_new(&port), *b;

    memset(big, 'x', 2048);
    xenpv_store_mkdir(a->hv, NULL, DIR "/data");
    xenpv_store_write_len(a->hv, NULL, DIR "/data/big", big, 2048);
    ASK(a, port, XS_READ, 0, "data/big");
    get(a, port, got, 700);
    b = moved(a);
    get(b, port, got + 700, 2048 + sizeof(header) - 700 - 1);
    g_assert_cmpmem(got + 700, 1300, big, 1300);
    get(b, port, got, 1);
    g_assert_cmpuint(page(b)->rsp_cons, ==, page(b)->rsp_prod);
    fx_free(a);

    put(b, port, &header, 7);
    a = moved(b);
    put(a, port, (char *)&header + 7, sizeof(header) - 7);
    put(a, port, "data\0", 4);
    fx_free(b);
    b = moved(a);
    put(b, port, "\0z", 2);
    EXPECT(b, port, XS_WRITE, "OK");
    value = xenpv_store_read(b->hv, NULL, DIR "/data", NULL, NULL);
    g_assert_cmpstr(value, ==, "z");
    fx_free(a);
    fx_free(b);
}

/* It is told to try again, as if somebody else had been faster. */
static void test_transaction(void)
{
    g_autofree char *value = NULL;
    uint32_t port, tx, other;
    EmuFixture *a = guest_new(&port), *b;

    tx = begin(a, port);
    ask(a, port, XS_WRITE, tx, "data\0one", 8);
    EXPECT(a, port, XS_WRITE, "OK");
    b = moved(a);
    ASK(b, port, XS_READ, tx, "name");
    expect(b, port, XS_READ, "saved", 5);
    ask(b, port, XS_WRITE, tx, "data\0two", 8);
    EXPECT(b, port, XS_WRITE, "OK");
    other = begin(b, port);
    g_assert_cmpuint(other, !=, tx);
    ASK(b, port, XS_TRANSACTION_END, tx, "T");
    EXPECT(b, port, XS_ERROR, "EAGAIN");
    ASK(b, port, XS_TRANSACTION_END, tx, "T");
    EXPECT(b, port, XS_ERROR, "ENOENT");
    ask(b, port, XS_WRITE, other, "data\0new", 8);
    EXPECT(b, port, XS_WRITE, "OK");
    ASK(b, port, XS_TRANSACTION_END, other, "T");
    EXPECT(b, port, XS_TRANSACTION_END, "OK");
    value = xenpv_store_read(b->hv, NULL, DIR "/data", NULL, NULL);
    g_assert_cmpstr(value, ==, "new");
    fx_free(a);
    fx_free(b);
}

/* Nothing is taken from the ring between the last look at memory and the end */
static void test_hold(void)
{
    uint32_t port;
    EmuFixture *fx = guest_new(&port);

    xenpv_emu_hold(fx->emu);
    ASK(fx, port, XS_READ, 0, "name");
    g_assert_cmpuint(page(fx)->req_cons, ==, 0);
    xenpv_emu_go_on(fx->emu);
    fx_run();
    expect(fx, port, XS_READ, "saved", 5);
    fx_free(fx);
}

/* ---- events and grants ---- */

static evtchn_status_t status_of(EmuFixture *fx, uint32_t port)
{
    evtchn_status_t s = { .dom = DOMID_SELF, .port = port };

    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_status, &s, sizeof(s)), ==, 0);
    return s;
}

static void test_ports(void)
{
    evtchn_bind_virq_t timer = { .virq = VIRQ_TIMER, .vcpu = 1 };
    evtchn_bind_virq_t debug = { .virq = VIRQ_CONSOLE };
    evtchn_bind_vcpu_t to = { .vcpu = 1 };
    evtchn_bind_ipi_t ipi = { .vcpu = 1 };
    evtchn_alloc_unbound_t half = { .dom = DOMID_SELF,
                                    .remote_dom = DOMID_SELF };
    evtchn_bind_interdomain_t loop = { .remote_dom = DOMID_SELF };
    XenPvChannel *channel;
    uint32_t port, ours;
    EmuFixture *a = guest_new(&port), *b;

    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_bind_virq, &timer, sizeof(timer)),
                    ==, 0);
    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_bind_virq, &debug, sizeof(debug)),
                    ==, 0);
    to.port = debug.port;
    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_bind_vcpu, &to, sizeof(to)), ==, 0);
    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi)), ==, 0);
    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_alloc_unbound, &half, sizeof(half)),
                    ==, 0);
    loop.remote_port = half.port;
    g_assert_cmpint(fx_evtchn(a, EVTCHNOP_bind_interdomain, &loop,
                              sizeof(loop)), ==, 0);
    ours = fx_open(a);
    channel = xenpv_channel_bind(a->hv, 1, ours, &error_abort);
    fx_clear_pending(a, loop.local_port);

    b = moved(a);
    g_assert_cmpint(status_of(b, timer.port).status, ==, EVTCHNSTAT_virq);
    g_assert_cmpint(status_of(b, ipi.port).status, ==, EVTCHNSTAT_ipi);
    g_assert_cmpint(status_of(b, ipi.port).vcpu, ==, 1);
    g_assert_cmpint(b->ports[ipi.port].type, ==, XENPV_PORT_IPI);
    xenpv_emu_raise_virq(b->emu, VIRQ_TIMER, 1);
    g_assert_true(fx_pending(b, timer.port));
    xenpv_emu_raise_virq(b->emu, VIRQ_CONSOLE, 0);
    g_assert_true(fx_pending(b, debug.port));
    xenpv_emu_send(b->emu, half.port);
    g_assert_true(fx_pending(b, loop.local_port));
    /* What we had bound is ours to bind once more. */
    g_assert_cmpint(status_of(b, ours).status, ==, EVTCHNSTAT_unbound);
    xenpv_channel_unbind(channel);
    channel = xenpv_channel_bind(b->hv, 1, ours, &error_abort);
    xenpv_channel_notify(channel);
    g_assert_true(fx_pending(b, ours));
    xenpv_channel_unbind(channel);
    fx_free(a);
    fx_free(b);
}

/* A grant that was in use there can be used here, and ended afterwards. */
static void test_grants(void)
{
    uint32_t port, ref = 9;
    EmuFixture *a = guest_new(&port), *b;
    XenPvMap *map;

    a->grants[ref].frame = FX_FIRST_MFN + 3;
    a->grants[ref].flags = GTF_permit_access;
    map = xenpv_grant_map(a->hv, 1, &ref, 1, false, &error_abort);
    a->dirty_count = 0;
    b = moved(a);
    /* What is mapped has been marked as written when memory was saved. */
    g_assert_cmpuint(a->dirty_count, ==, 1);
    g_assert_cmpuint(a->dirty_mfn, ==, FX_FIRST_MFN + 3);
    g_assert_cmpuint(b->grants[ref].flags, ==, GTF_permit_access);
    xenpv_unmap(map);
    map = xenpv_grant_map(b->hv, 1, &ref, 1, false, &error_abort);
    g_assert_cmpuint(b->grants[ref].flags, ==,
                     GTF_permit_access | GTF_reading | GTF_writing);
    xenpv_unmap(map);
    g_assert_cmpuint(b->grants[ref].flags, ==, GTF_permit_access);
    fx_free(a);
    fx_free(b);
}

static void test_kick(void)
{
    uint32_t port;
    EmuFixture *fx = guest_new(&port);
    unsigned before = fx->kicks[1];

    xenpv_emu_kick_all(fx->emu);
    g_assert_cmpuint(fx->kicks[1], ==, before + 1);
    g_assert_cmpuint(fx->shared->kick[0].resync, ==, 1);
    g_assert_cmpuint(fx->shared->kick[1].resync, ==, 1);
    fx_free(fx);
}

/* ---- streams nobody has written ---- */

static GByteArray *busy_guest(EmuFixture **fx)
{
    struct xsd_sockmsg header = { XS_WRITE, 5, 0, 6 };
    evtchn_bind_virq_t virq = { .virq = VIRQ_TIMER };
    uint32_t port;

    *fx = guest_new(&port);
    fx_evtchn(*fx, EVTCHNOP_bind_virq, &virq, sizeof(virq));
    fx_open(*fx);
    ASK(*fx, port, XS_WATCH, 0, "device\0one");
    EXPECT(*fx, port, XS_WATCH, "OK");
    begin(*fx, port);
    put(*fx, port, &header, sizeof(header));
    return xenpv_emu_save((*fx)->emu);
}

/* Whatever it was: the next guest can have it all. */
static void try_one(EmuFixture *to, EmuFixture *from, GByteArray *bad,
                    GByteArray *good)
{
    g_autoptr(GByteArray) again = NULL;
    Error *err = NULL;

    if (load(to, from, bad, &err)) {
        again = xenpv_emu_save(to->emu);
        load(to, from, again, &error_abort);
    } else {
        g_assert_nonnull(err);
        error_free(err);
    }
    fx_run();
    load(to, from, good, &error_abort);
    fx_run();
}

static void test_cut_off(void)
{
    EmuFixture *a, *b;
    g_autoptr(GByteArray) good = busy_guest(&a);
    uint32_t port, len;

    b = guest_new(&port);
    for (len = 0; len < good->len; len += 1 + len / 64) {
        g_autoptr(GByteArray) bad = g_byte_array_new();
        Error *err = NULL;

        g_byte_array_append(bad, good->data, len);
        g_assert_false(load(b, a, bad, &err));
        g_assert_nonnull(err);
        error_free(err);
        try_one(b, a, bad, good);
    }
    fx_free(a);
    fx_free(b);
}

static void test_bit_flips(void)
{
    EmuFixture *a, *b;
    g_autoptr(GByteArray) good = busy_guest(&a);
    uint32_t port, at;

    b = guest_new(&port);
    for (at = 0; at < good->len; at++) {
        g_autoptr(GByteArray) bad = g_byte_array_new();

        g_byte_array_append(bad, good->data, good->len);
        bad->data[at] ^= 1 << g_test_rand_int_range(0, 8);
        try_one(b, a, bad, good);
    }
    fx_free(a);
    fx_free(b);
}

/* One for each judge; @at is from the start of the ports. */
static void test_impossible(void)
{
    static const struct {
        const char *what;
        uint8_t port[15];
    } table[] = {
        { "port 0", { 0, 0, 0, 0, XENPV_PORT_IPI } },
        { "port 4096", { 0, 16, 0, 0, XENPV_PORT_IPI } },
        { "free", { 9, 0, 0, 0, XENPV_PORT_FREE } },
        { "pirq", { 9, 0, 0, 0, XENPV_PORT_PIRQ } },
        { "vCPU", { 9, 0, 0, 0, XENPV_PORT_IPI, FX_NR_VCPUS } },
        { "virq", { 9, 0, 0, 0, XENPV_PORT_VIRQ, 0, 24 } },
        { "another domain", { 9, 0, 0, 0, XENPV_PORT_INTERDOMAIN, 0, 0, 2 } },
        { "alone", { 9, 0, 0, 0, XENPV_PORT_INTERDOMAIN, 0, 0, 1, 0, 0, 0,
                     8 } },
        { "to nowhere", { 9, 0, 0, 0, XENPV_PORT_INTERDOMAIN, 0, 0, 1, 0, 0,
                          0, 0, 16 } },
    };
    EmuFixture *a, *b;
    g_autoptr(GByteArray) good = busy_guest(&a);
    uint32_t port;
    unsigned i;

    b = guest_new(&port);
    for (i = 0; i < ARRAY_SIZE(table); i++) {
        g_autoptr(GByteArray) bad = g_byte_array_new();
        Error *err = NULL;

        xenpv_saved_put_u32(bad, 1);
        xenpv_saved_put_u32(bad, 1);
        g_byte_array_append(bad, table[i].port, sizeof(table[i].port));
        g_test_message("%s", table[i].what);
        g_assert_false(load(b, a, bad, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "event channels"));
        error_free(err);
        try_one(b, a, bad, good);
    }
    fx_free(a);
    fx_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);

    g_test_add_func("/xenpv/emu-save/nodes", test_nodes);
    g_test_add_func("/xenpv/emu-save/watches-of-others",
                    test_watches_of_others);
    g_test_add_func("/xenpv/emu-save/watches-of-the-guest",
                    test_watches_of_the_guest);
    g_test_add_func("/xenpv/emu-save/events-waiting", test_events_waiting);
    g_test_add_func("/xenpv/emu-save/half-a-message", test_half_a_message);
    g_test_add_func("/xenpv/emu-save/transaction", test_transaction);
    g_test_add_func("/xenpv/emu-save/hold", test_hold);
    g_test_add_func("/xenpv/emu-save/ports", test_ports);
    g_test_add_func("/xenpv/emu-save/grants", test_grants);
    g_test_add_func("/xenpv/emu-save/kick", test_kick);
    g_test_add_func("/xenpv/emu-save/cut-off", test_cut_off);
    g_test_add_func("/xenpv/emu-save/bit-flips", test_bit_flips);
    g_test_add_func("/xenpv/emu-save/impossible", test_impossible);
    return g_test_run();
}
