/*
 * What every hypervisor must do, whichever it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hypervisor-suite.h"

#define DIR "/local/domain/0/suite"

/* No reference is handed out as high, no port, and no guest has such RAM. */
#define WILD_REF 0xfffffff0
#define WILD_PORT 0xfffffff0
#define WILD_GFN (UINT64_MAX >> XENPV_PAGE_SHIFT)

static void assert_nothing_live(XenPvHv *hv)
{
    g_assert_cmpuint(hv->live.maps, ==, 0);
    g_assert_cmpuint(hv->live.map_pages, ==, 0);
    g_assert_cmpuint(hv->live.channels, ==, 0);
    g_assert_cmpuint(hv->live.watches, ==, 0);
    g_assert_cmpuint(hv->live.transactions, ==, 0);
    g_assert_cmpuint(hv->live.pins, ==, 0);
}

static void assert_value(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                         const char *value)
{
    g_autofree char *got = xenpv_store_read(hv, tx, path, NULL, NULL);

    g_assert_cmpstr(got, ==, value);
}

/* The store of a real host outlives a test. */
static void close_clean(const HvHarness *h, XenPvHv *hv)
{
    xenpv_store_rm(hv, NULL, DIR);
    assert_nothing_live(hv);
    h->close(hv);
}

/* ---- store ---- */

static void test_store(gconstpointer opaque)
{
    static const char binary[] = { 'a', 0, 'b', (char)0xff, 'c' };
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    g_autofree char *got = NULL, *empty = NULL;
    g_auto(GStrv) list = NULL;
    size_t len = 99;
    int err = 0;

    g_assert_null(xenpv_store_read(hv, NULL, DIR "/a", &len, &err));
    g_assert_cmpint(err, ==, ENOENT);
    g_assert_cmpint(xenpv_store_rm(hv, NULL, DIR "/a"), ==, -ENOENT);
    g_assert_cmpint(xenpv_store_mkdir(hv, NULL, DIR), ==, 0);
    g_assert_cmpint(xenpv_store_rm(hv, NULL, DIR "/a"), ==, -ENOENT);
    g_assert_null(xenpv_store_list(hv, NULL, DIR "/a", &err));
    g_assert_cmpint(err, ==, ENOENT);

    /* Parents come into being with the node. */
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/a/b", "1"), ==, 0);
    g_assert_cmpint(xenpv_store_printf(hv, NULL, DIR "/a/c", "%d-%s", 2, "x"),
                    ==, 0);
    assert_value(hv, NULL, DIR "/a/b", "1");
    assert_value(hv, NULL, DIR "/a/c", "2-x");
    assert_value(hv, NULL, DIR "/a", "");

    /* Any bytes, and a NUL behind them. */
    g_assert_cmpint(xenpv_store_write_len(hv, NULL, DIR "/a/d", binary,
                                          sizeof(binary)), ==, 0);
    got = xenpv_store_read(hv, NULL, DIR "/a/d", &len, NULL);
    g_assert_cmpmem(got, len, binary, sizeof(binary));
    g_assert_cmpint(got[len], ==, 0);
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/a/d", ""), ==, 0);
    empty = xenpv_store_read(hv, NULL, DIR "/a/d", &len, NULL);
    g_assert_cmpuint(len, ==, 0);
    g_assert_cmpstr(empty, ==, "");

    /* mkdir makes, and leaves what there is. */
    g_assert_cmpint(xenpv_store_mkdir(hv, NULL, DIR "/a/e"), ==, 0);
    g_assert_cmpint(xenpv_store_mkdir(hv, NULL, DIR "/a/b"), ==, 0);
    assert_value(hv, NULL, DIR "/a/e", "");
    assert_value(hv, NULL, DIR "/a/b", "1");

    list = xenpv_store_list(hv, NULL, DIR "/a", NULL);
    g_assert_cmpuint(g_strv_length(list), ==, 4);
    g_assert_true(g_strv_contains((const char **)list, "b"));
    g_assert_true(g_strv_contains((const char **)list, "e"));

    /* A whole tree goes at once. */
    g_assert_cmpint(xenpv_store_rm(hv, NULL, DIR), ==, 0);
    assert_value(hv, NULL, DIR "/a/b", NULL);
    close_clean(h, hv);
}

static void test_store_bad_path(gconstpointer opaque)
{
    static const char *const paths[] = {
        "/local/domain/0/with blank", "/local//domain", "",
    };
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    g_autofree char *longest = g_malloc(5000);
    int i, err;

    for (i = 0; i < ARRAY_SIZE(paths); i++) {
        g_assert_cmpint(xenpv_store_write(hv, NULL, paths[i], "x"), <, 0);
        err = 0;
        g_assert_null(xenpv_store_read(hv, NULL, paths[i], NULL, &err));
        g_assert_cmpint(err, >, 0);
    }
    memset(longest, 'a', 4999);
    longest[0] = '/';
    longest[4999] = 0;
    g_assert_cmpint(xenpv_store_write(hv, NULL, longest, "x"), <, 0);
    close_clean(h, hv);
}

static void test_transactions(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    XenPvStoreTx *tx, *other;
    int err;

    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/k", "old"), ==, 0);

    /* Inside it is new, outside it is old, until it is committed. */
    tx = xenpv_store_tx_begin(hv, &err);
    g_assert_nonnull(tx);
    g_assert_cmpuint(hv->live.transactions, ==, 1);
    g_assert_cmpint(xenpv_store_write(hv, tx, DIR "/k", "new"), ==, 0);
    g_assert_cmpint(xenpv_store_mkdir(hv, tx, DIR "/d"), ==, 0);
    assert_value(hv, tx, DIR "/k", "new");
    assert_value(hv, NULL, DIR "/k", "old");
    assert_value(hv, NULL, DIR "/d", NULL);
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, true), ==, 0);
    assert_value(hv, NULL, DIR "/k", "new");
    assert_value(hv, NULL, DIR "/d", "");

    /* Dropped, it never was. */
    tx = xenpv_store_tx_begin(hv, &err);
    g_assert_cmpint(xenpv_store_rm(hv, tx, DIR), ==, 0);
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, false), ==, 0);
    assert_value(hv, NULL, DIR "/k", "new");

    /* Of two that write one node the slower starts over. */
    tx = xenpv_store_tx_begin(hv, &err);
    other = xenpv_store_tx_begin(hv, &err);
    assert_value(hv, tx, DIR "/k", "new");
    g_assert_cmpint(xenpv_store_write(hv, tx, DIR "/k", "slow"), ==, 0);
    g_assert_cmpint(xenpv_store_write(hv, other, DIR "/k", "fast"), ==, 0);
    g_assert_cmpint(xenpv_store_tx_end(hv, other, true), ==, 0);
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, true), ==, -EAGAIN);
    assert_value(hv, NULL, DIR "/k", "fast");
    close_clean(h, hv);
}

static void test_perms(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    const XenPvDomid who = h->unprivileged;
    const struct {
        XenPvPerm perms[2];
        bool read, write;
    } rows[] = {
        { { { 0 }, { who } }, false, false },
        { { { 0 }, { who, .read = true } }, true, false },
        { { { 0 }, { who, .write = true } }, false, true },
        { { { 0 }, { who, .read = true, .write = true } }, true, true },
        { { { 0, .read = true }, { 0 } }, true, false },
        { { { who }, { 0, .read = true } }, true, true },
    };
    XenPvHv *hv;
    unsigned nr = 0;
    int i, j, err = 0;

    if (!who) {
        g_test_skip("there is no domain but our own");
        return;
    }
    hv = h->open();
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/p", "v"), ==, 0);
    g_assert_cmpint(xenpv_store_set_perms(hv, NULL, DIR "/p", rows[0].perms,
                                          0), ==, -EINVAL);
    g_assert_cmpint(xenpv_store_set_perms(hv, NULL, DIR "/none",
                                          rows[0].perms, 2), ==, -ENOENT);
    g_assert_null(xenpv_store_get_perms(hv, NULL, DIR "/none", &nr, &err));
    g_assert_cmpint(err, ==, ENOENT);
    g_assert_true(xenpv_store_writable_by(hv, DIR "/none", who));
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree XenPvPerm *got = NULL;

        g_assert_cmpint(xenpv_store_set_perms(hv, NULL, DIR "/p",
                                              rows[i].perms, 2), ==, 0);
        got = xenpv_store_get_perms(hv, NULL, DIR "/p", &nr, NULL);
        g_assert_cmpuint(nr, ==, 2);
        for (j = 0; j < 2; j++) {
            g_assert_cmpuint(got[j].domid, ==, rows[i].perms[j].domid);
            g_assert_cmpint(got[j].read, ==, rows[i].perms[j].read);
            g_assert_cmpint(got[j].write, ==, rows[i].perms[j].write);
        }
        g_assert_cmpint(xenpv_store_writable_by(hv, DIR "/p", who), ==,
                        rows[i].write);
        if (h->store_read) {
            g_autofree char *seen = h->store_read(hv, DIR "/p");

            g_assert_cmpint(seen != NULL, ==, rows[i].read);
        }
        if (h->store_write) {
            g_assert_cmpint(h->store_write(hv, DIR "/p", "v"), ==,
                            rows[i].write ? 0 : EACCES);
        }
        /* We are privileged. */
        assert_value(hv, NULL, DIR "/p", "v");
    }
    close_clean(h, hv);
}

typedef struct Seen {
    XenPvHv *hv;
    int calls;
    char *last;
    XenPvWatch *undo;
} Seen;

static void on_watch(void *opaque, const char *path)
{
    Seen *seen = opaque;

    seen->calls++;
    g_free(seen->last);
    seen->last = g_strdup(path);
    if (seen->undo) {
        xenpv_store_unwatch(g_steal_pointer(&seen->undo));
    }
}

static void test_watches(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    Seen dir = { hv }, key = { hv };
    XenPvWatch *on_dir, *on_key;
    XenPvStoreTx *tx;
    int err, i;

    /* Not before the call has returned, and then at once. */
    on_dir = xenpv_store_watch(hv, DIR, on_watch, &dir, &error_abort);
    on_key = xenpv_store_watch(hv, DIR "/k", on_watch, &key, &error_abort);
    g_assert_cmpint(dir.calls + key.calls, ==, 0);
    g_assert_cmpuint(hv->live.watches, ==, 2);
    g_assert_cmpstr(on_key->path, ==, DIR "/k");
    h->settle();
    g_assert_cmpint(dir.calls, ==, 1);
    g_assert_cmpint(key.calls, ==, 1);
    g_assert_cmpstr(key.last, ==, DIR "/k");

    /* The node, and what is below a watched one. */
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/k", "1"), ==, 0);
    g_assert_cmpint(dir.calls + key.calls, ==, 2);
    h->settle();
    g_assert_cmpint(key.calls, ==, 2);
    g_assert_cmpint(dir.calls, >=, 2);
    g_assert_cmpstr(dir.last, ==, DIR "/k");
    dir.calls = key.calls = 0;
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/other", "1"), ==, 0);
    h->settle();
    g_assert_cmpint(key.calls, ==, 0);
    g_assert_cmpint(dir.calls, ==, 1);

    /* Many changes are at least one call, and no more calls than changes. */
    dir.calls = key.calls = 0;
    for (i = 0; i < 100; i++) {
        g_assert_cmpint(xenpv_store_printf(hv, NULL, DIR "/k", "%d", i), ==,
                        0);
    }
    h->settle();
    g_assert_cmpint(key.calls, >=, 1);
    g_assert_cmpint(key.calls, <=, 100);

    /* A transaction tells when it is committed. */
    dir.calls = key.calls = 0;
    tx = xenpv_store_tx_begin(hv, &err);
    g_assert_cmpint(xenpv_store_write(hv, tx, DIR "/k", "tx"), ==, 0);
    h->settle();
    g_assert_cmpint(dir.calls + key.calls, ==, 0);
    g_assert_cmpint(xenpv_store_tx_end(hv, tx, true), ==, 0);
    h->settle();
    g_assert_cmpint(key.calls, ==, 1);

    /* The guest's changes count, and a tree that goes takes its nodes along. */
    key.calls = 0;
    g_assert_cmpint(xenpv_store_rm(hv, NULL, DIR), ==, 0);
    h->settle();
    g_assert_cmpint(key.calls, ==, 1);

    /* Undone between the change and the call: there is no call. */
    key.calls = dir.calls = 0;
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/k", "2"), ==, 0);
    xenpv_store_unwatch(on_key);
    h->settle();
    g_assert_cmpint(key.calls, ==, 0);
    g_assert_cmpint(dir.calls, >=, 1);

    /* A callback may undo its own watch. */
    dir.undo = on_dir;
    g_assert_cmpint(xenpv_store_write(hv, NULL, DIR "/k", "3"), ==, 0);
    h->settle();
    g_assert_cmpuint(hv->live.watches, ==, 0);
    g_assert_cmpint(xenpv_store_rm(hv, NULL, DIR), ==, 0);
    g_free(dir.last);
    g_free(key.last);
    close_clean(h, hv);
}

/* ---- event channels ---- */

/* Between processors an event takes a moment, and a busy host its time. */
#define EVENT_MS 10000
/* How long is waited for what ought not to come */
#define QUIET_MS 100

/* Waits as an AioContext does, then consumes. */
static int next_event(XenPvChannel *channel, int ms)
{
    GPollFD fd = {
        .fd = event_notifier_get_fd(channel->notifier), .events = G_IO_IN,
    };

    g_poll(&fd, 1, ms);
    return xenpv_channel_ack(channel);
}

static bool guest_hears(const HvHarness *h, XenPvHv *hv, uint32_t port)
{
    int ms;

    for (ms = 0; ms < EVENT_MS; ms++) {
        if (h->events(hv, port)) {
            return true;
        }
        g_usleep(1000);
    }
    return false;
}

static void test_channels(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint32_t port = h->port(hv), second = h->port(hv);
    XenPvChannel *channel, *another;
    int nr;

    channel = xenpv_channel_bind(hv, h->guest, port, &error_abort);
    g_assert_cmpuint(hv->live.channels, ==, 1);
    g_assert_cmpuint(channel->domid, ==, h->guest);
    g_assert_cmpuint(channel->remote_port, ==, port);

    /* It starts with an event, so that none from before is lost. */
    g_assert_cmpint(event_notifier_get_fd(channel->notifier), >=, 0);
    g_assert_cmpint(next_event(channel, EVENT_MS), ==, 1);
    g_assert_cmpint(xenpv_channel_ack(channel), ==, 0);

    /* Several may be one, but not more. */
    h->notify(hv, port);
    h->notify(hv, port);
    g_assert_cmpint(next_event(channel, EVENT_MS), ==, 1);
    nr = next_event(channel, QUIET_MS);
    g_assert_cmpint(nr, >=, 0);
    g_assert_cmpint(next_event(channel, QUIET_MS), ==, 0);
    h->notify(hv, port);
    g_assert_cmpint(next_event(channel, EVENT_MS), ==, 1);

    h->events(hv, port);
    g_assert_false(h->events(hv, port));
    g_assert_cmpint(xenpv_channel_notify(channel), ==, 0);
    g_assert_true(guest_hears(h, hv, port));
    g_assert_false(h->events(hv, port));

    /* Two channels do not hear each other. */
    another = xenpv_channel_bind(hv, h->guest, second, &error_abort);
    g_assert_cmpint(next_event(another, EVENT_MS), ==, 1);
    h->notify(hv, second);
    g_assert_cmpint(next_event(another, EVENT_MS), ==, 1);
    g_assert_cmpint(next_event(channel, QUIET_MS), ==, 0);

    xenpv_channel_unbind(channel);
    g_assert_cmpuint(hv->live.channels, ==, 1);
    /* Nobody listens: no harm done. */
    h->notify(hv, port);
    /* The port is as the guest has opened it, for the next to bind. */
    channel = xenpv_channel_bind(hv, h->guest, port, &error_abort);
    xenpv_channel_unbind(channel);
    xenpv_channel_unbind(another);
    close_clean(h, hv);
}

static void test_channels_refused(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    const struct {
        XenPvDomid domid;
        uint32_t port;
    } rows[] = {
        { h->guest, 0 },
        { h->guest, WILD_PORT },
        { h->guest, UINT32_MAX },
        { h->guest + 7, 1 },
    };
    XenPvHv *hv = h->open();
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;

        g_assert_null(xenpv_channel_bind(hv, rows[i].domid, rows[i].port,
                                         &err));
        g_assert_nonnull(err);
        error_free(err);
        assert_nothing_live(hv);
    }
    close_clean(h, hv);
}

/* ---- grants ---- */

static void assert_in_use(const HvHarness *h, XenPvHv *hv, uint32_t ref)
{
    if (h->use_shows) {
        g_assert_false(h->revoke(hv, ref));
    }
}

static void test_grants(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint32_t refs[XENPV_MAX_MAP_PAGES];
    uint8_t *pages[XENPV_MAX_MAP_PAGES];
    uint32_t nr, i;
    XenPvMap *map, *again;

    for (i = 0; i < h->max_grant_pages; i++) {
        pages[i] = h->page(hv);
        pages[i][0] = i;
        refs[i] = h->grant(hv, pages[i], false);
    }
    for (nr = 1; nr <= h->max_grant_pages; nr++) {
        map = xenpv_grant_map(hv, h->guest, refs, nr, false, &error_abort);
        g_assert_cmpuint(map->nr_pages, ==, nr);
        g_assert_cmpuint(map->domid, ==, h->guest);
        g_assert_cmpuint(hv->live.maps, ==, 1);
        g_assert_cmpuint(hv->live.map_pages, ==, nr);
        for (i = 0; i < nr; i++) {
            uint8_t *page = map->page[i];

            g_assert_cmpuint(page[0], ==, i);
            page[4095] = nr;
            g_assert_cmpuint(pages[i][4095], ==, nr);
            if (map->base) {
                g_assert_true((uint8_t *)map->base + i * 4096 == page);
            }
            assert_in_use(h, hv, refs[i]);
        }
        xenpv_unmap(map);
        assert_nothing_live(hv);
    }

    /* One page twice is two maps, and each is undone for itself. */
    map = xenpv_grant_map(hv, h->guest, refs, 1, false, &error_abort);
    again = xenpv_grant_map(hv, h->guest, refs, 1, true, &error_abort);
    xenpv_unmap(map);
    assert_in_use(h, hv, refs[0]);
    xenpv_unmap(again);
    g_assert_true(h->revoke(hv, refs[0]));
    close_clean(h, hv);
}

static void test_grants_refused(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint32_t good = h->grant(hv, h->page(hv), false);
    uint32_t readonly = h->grant(hv, h->page(hv), true);
    uint32_t gone = h->grant(hv, h->page(hv), false);
    uint32_t many[XENPV_MAX_MAP_PAGES + 1];
    const struct {
        XenPvDomid domid;
        uint32_t refs[2];
        uint32_t nr;
        bool readonly;
        bool works;
    } rows[] = {
        { h->guest, { good }, 1, false, true },
        { h->guest, { readonly }, 1, true, true },
        { h->guest, { readonly }, 1, false, false },
        { h->guest, { gone }, 1, true, false },
        { h->guest, { WILD_REF }, 1, true, false },
        { h->guest, { UINT32_MAX }, 1, true, false },
        { h->guest, { good, gone }, 2, false, false },
        { h->guest, { gone, good }, 2, false, false },
        { h->guest + 7, { good }, 1, true, false },
        { h->guest, { good }, 0, true, false },
    };
    Error *err = NULL;
    XenPvMap *map;
    int i;

    g_assert_true(h->revoke(hv, gone));
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        map = xenpv_grant_map(hv, rows[i].domid, rows[i].refs, rows[i].nr,
                              rows[i].readonly, &err);
        g_assert_cmpint(map != NULL, ==, rows[i].works);
        g_assert_cmpint(err != NULL, ==, !rows[i].works);
        error_free(err);
        err = NULL;
        if (map) {
            xenpv_unmap(map);
        }
        assert_nothing_live(hv);
    }
    for (i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = good;
    }
    g_assert_null(xenpv_grant_map(hv, h->guest, many, ARRAY_SIZE(many), false,
                                  &err));
    error_free(err);
    /* What was refused has left no use behind. */
    g_assert_true(h->revoke(hv, good));
    g_assert_true(h->revoke(hv, readonly));
    close_clean(h, hv);
}

static void test_copy(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint8_t *page = h->page(hv), *locked = h->page(hv);
    uint32_t good = h->grant(hv, page, false);
    uint32_t readonly = h->grant(hv, locked, true);
    const struct {
        bool to_domain;
        bool readonly;
        uint32_t wild;          /* instead of a good reference */
        uint32_t offset, len;
        bool works;
    } rows[] = {
        { true,  false, 0, 0, 4096, true },
        { false, false, 0, 0, 4096, true },
        { true,  false, 0, 4095, 1, true },
        { true,  false, 0, 4096, 0, true },
        { true,  false, 0, 17, 0, true },
        { true,  false, 0, 4095, 2, false },
        { true,  false, 0, 0, 4097, false },
        { false, false, 0, 1, 4096, false },
        { true,  false, 0, 4097, 0, false },
        { true,  false, 0, UINT32_MAX, 2, false },
        { false, false, 0, 2, UINT32_MAX, false },
        { false, true,  0, 0, 4096, true },
        { true,  true,  0, 0, 1, false },
        { true,  false, WILD_REF, 0, 1, false },
        { false, false, UINT32_MAX, 0, 1, false },
    };
    g_autofree uint8_t *local = g_malloc(4096), *was = g_malloc(4096);
    int i, ret;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t *there = rows[i].readonly ? locked : page;
        /* Between two good ones, which must be done in any case. */
        uint8_t first = 0, last = 0;
        XenPvCopySeg segs[] = {
            { .ref = good, .offset = 5, .len = 1, .local = &first },
            { .ref = rows[i].wild ?: rows[i].readonly ? readonly : good,
              .offset = rows[i].offset, .len = rows[i].len, .local = local,
              .status = 12345 },
            { .ref = good, .offset = 6, .len = 1, .local = &last },
        };

        if (rows[i].wild) {
            segs[1].ref = rows[i].wild;
        }
        memset(page, 0x11, 4096);
        memset(locked, 0x11, 4096);
        memset(local, 0x22, 4096);
        memset(was, rows[i].to_domain ? 0x11 : 0x22, 4096);
        first = last = 0x33;
        ret = xenpv_grant_copy(hv, h->guest, rows[i].to_domain, segs, 3);
        g_assert_cmpint(segs[0].status, ==, 0);
        g_assert_cmpint(segs[2].status, ==, 0);
        g_assert_cmpint(ret, ==, segs[1].status);
        if (rows[i].works) {
            g_assert_cmpint(ret, ==, 0);
            g_assert_cmpint(memcmp(rows[i].to_domain ?
                                   there + rows[i].offset : local,
                                   rows[i].to_domain ? local :
                                   there + rows[i].offset,
                                   rows[i].len), ==,
                            rows[i].len > 6 && rows[i].to_domain ?
                            memcmp(there + rows[i].offset, local,
                                   rows[i].len) : 0);
        } else {
            g_assert_cmpint(ret, <, 0);
            if (rows[i].to_domain) {
                was[5] = was[6] = 0x33;
                g_assert_cmpmem(page, 4096, was, 4096);
            } else {
                g_assert_cmpmem(local, 4096, was, 4096);
            }
        }
    }
    g_assert_cmpint(xenpv_grant_copy(hv, h->guest, true, NULL, 0), ==, 0);

    /* A copy is no use: the grant can go at once. */
    g_assert_true(h->revoke(hv, good));
    close_clean(h, hv);
}

/* More than any implementation hands on at once, with a bad one among them */
static void test_copy_many(gconstpointer opaque)
{
    enum { NR = 300, BAD = 150 };
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint8_t *page = h->page(hv);
    uint32_t ref = h->grant(hv, page, false);
    g_autofree XenPvCopySeg *segs = g_new0(XenPvCopySeg, NR);
    uint8_t bytes[NR];
    int i, ret;

    for (i = 0; i < NR; i++) {
        bytes[i] = i + 1;
        segs[i] = (XenPvCopySeg) {
            .ref = i == BAD ? WILD_REF : ref,
            .offset = i, .len = 1, .local = &bytes[i], .status = 12345,
        };
    }
    ret = xenpv_grant_copy(hv, h->guest, true, segs, NR);
    g_assert_cmpint(ret, <, 0);
    for (i = 0; i < NR; i++) {
        g_assert_cmpint(segs[i].status, ==, i == BAD ? ret : 0);
        g_assert_cmpuint(page[i], ==, i == BAD ? 0 : bytes[i]);
    }
    close_clean(h, hv);
}

static void test_pins(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    uint8_t *page = h->page(hv), *locked = h->page(hv);
    uint32_t good = h->grant(hv, page, false);
    uint32_t readonly = h->grant(hv, locked, true);
    const struct {
        XenPvDomid domid;
        bool write;
        uint32_t refs[3];
        bool works;
    } rows[] = {
        { h->guest, false, { good, readonly, good }, true },
        { h->guest, true, { good, good, good }, true },
        { h->guest, true, { good, good, readonly }, false },
        { h->guest, false, { good, readonly, WILD_REF }, false },
        { h->guest, false, { UINT32_MAX, good, good }, false },
        { h->guest + 7, false, { good, good, good }, false },
    };
    XenPvPin pins[3];
    int i, j, ret;

    if (!hv->in_place) {
        pins[0].ref = good;
        g_assert_cmpint(xenpv_grant_pin(hv, h->guest, false, pins, 1), ==,
                        -ENOTSUP);
        close_clean(h, hv);
        return;
    }
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        for (j = 0; j < 3; j++) {
            pins[j].ref = rows[i].refs[j];
        }
        ret = xenpv_grant_pin(hv, rows[i].domid, rows[i].write, pins, 3);
        if (!rows[i].works) {
            g_assert_cmpint(ret, <, 0);
            g_assert_cmpuint(hv->live.pins, ==, 0);
            continue;
        }
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpuint(hv->live.pins, ==, 3);
        for (j = 0; j < 3; j++) {
            g_assert_true(pins[j].page ==
                          (rows[i].refs[j] == good ? page : locked));
        }
        /* In use until the last one goes. */
        assert_in_use(h, hv, good);
        xenpv_grant_unpin(hv, rows[i].write, pins, 2);
        assert_in_use(h, hv, good);
        xenpv_grant_unpin(hv, rows[i].write, pins + 2, 1);
        g_assert_cmpuint(hv->live.pins, ==, 0);
    }
    /* What was refused has left no use behind. */
    g_assert_true(h->revoke(hv, good));
    g_assert_true(h->revoke(hv, readonly));
    close_clean(h, hv);
}

/* ---- frames ---- */

static void test_frames(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv;
    uint8_t *a, *b;
    uint64_t gfns[2];
    XenPvMap *map;

    if (!h->gfn) {
        g_test_skip("the guest's frames have no numbers here");
        return;
    }
    hv = h->open();
    a = h->page(hv);
    b = h->page(hv);
    gfns[0] = h->gfn(hv, b);
    gfns[1] = h->gfn(hv, a);
    a[7] = 1;
    b[7] = 2;
    map = xenpv_frame_map(hv, h->guest, gfns, 2, false, &error_abort);
    g_assert_cmpuint(((uint8_t *)map->page[0])[7], ==, 2);
    g_assert_cmpuint(((uint8_t *)map->page[1])[7], ==, 1);
    g_assert_cmpuint(hv->live.map_pages, ==, 2);
    xenpv_unmap(map);
    close_clean(h, hv);
}

static void test_frames_refused(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv = h->open();
    const uint64_t good = h->gfn ? h->gfn(hv, h->page(hv)) : 0;
    const struct {
        XenPvDomid domid;
        uint64_t gfns[2];
        uint32_t nr;
    } rows[] = {
        { h->guest, { WILD_GFN }, 1 },
        { h->guest, { good, WILD_GFN }, 2 },
        { h->guest, { WILD_GFN, good }, 2 },
        { h->guest, { good }, 0 },
        { h->guest + 7, { good }, 1 },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Error *err = NULL;

        g_assert_null(xenpv_frame_map(hv, rows[i].domid, rows[i].gfns,
                                      rows[i].nr, false, &err));
        g_assert_nonnull(err);
        error_free(err);
        assert_nothing_live(hv);
    }
    close_clean(h, hv);
}

void hv_suite_add(const HvHarness *h)
{
    static const struct {
        const char *name;
        void (*run)(gconstpointer opaque);
    } tests[] = {
        { "store", test_store },
        { "store-bad-path", test_store_bad_path },
        { "transactions", test_transactions },
        { "perms", test_perms },
        { "watches", test_watches },
        { "channels", test_channels },
        { "channels-refused", test_channels_refused },
        { "grants", test_grants },
        { "grants-refused", test_grants_refused },
        { "copy", test_copy },
        { "copy-many", test_copy_many },
        { "pins", test_pins },
        { "frames", test_frames },
        { "frames-refused", test_frames_refused },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *path = g_strdup_printf("/xenpv/hypervisor/%s/%s",
                                                h->name, tests[i].name);

        g_test_add_data_func(path, h, tests[i].run);
    }
}
