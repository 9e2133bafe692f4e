/*
 * Grants of the emulated hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "emu-fixture.h"

#define IN_USE  (GTF_reading | GTF_writing)
#define RW      GTF_permit_access
#define RO      (GTF_permit_access | GTF_readonly)

static void grant(EmuFixture *fx, uint32_t ref, uint16_t flags,
                  uint16_t domid, uint32_t frame)
{
    fx->grants[ref].domid = domid;
    fx->grants[ref].frame = frame;
    fx->grants[ref].flags = flags;
}

static int copy(EmuFixture *fx, bool to_domain, uint32_t ref, uint32_t offset,
                uint32_t len)
{
    static uint8_t local[3 * XENPV_PAGE_SIZE];
    XenPvCopySeg seg = {
        .ref = ref, .offset = offset, .len = len, .local = local,
        .status = 12345,
    };
    int ret = xenpv_grant_copy(fx->hv, FX_GUEST, to_domain, &seg, 1);

    g_assert_cmpint(seg.status, ==, ret);
    return ret;
}

/* Entries as a guest may write them, and what mapping and copying say. */
static const struct {
    const char *what;
    uint32_t ref;
    uint16_t flags;
    uint16_t domid;
    uint32_t frame;
    int read, write;
} entry_rows[] = {
    { "good",           8, RW,                  0, 515, 0, 0 },
    { "read-only",      8, RO,                  0, 515, 0, -EACCES },
    { "last ref",   32767, RW,                  0, 515, 0, 0 },
    { "cache bits",     8, RW | GTF_PWT,        0, 515, 0, 0 },
    { "reserved bits",  8, RW | 0xf000,         0, 515, 0, 0 },
    { "flags preset",   8, RW | IN_USE,         0, 515, 0, 0 },
    { "invalid",        8, 0,                   0, 515, -EINVAL, -EINVAL },
    { "transfer",       8, GTF_accept_transfer, 0, 515, -EINVAL, -EINVAL },
    { "transitive",     8, GTF_transitive,      0, 515, -EINVAL, -EINVAL },
    { "sub-page",       8, RW | GTF_sub_page,   0, 515, -EINVAL, -EINVAL },
    { "for another",    8, RW,                  1, 515, -EACCES, -EACCES },
    { "for self",       8, RW,         DOMID_SELF, 515, -EACCES, -EACCES },
    { "frame below",    8, RW,                  0, 511, -EFAULT, -EFAULT },
    { "frame 0",        8, RW,                  0, 0,   -EFAULT, -EFAULT },
    { "frame beyond",   8, RW,                  0, 576, -EFAULT, -EFAULT },
    { "frame -1",       8, RW,       0, UINT32_MAX,     -EFAULT, -EFAULT },
};

static void test_entries(void)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(entry_rows); i++) {
        EmuFixture *fx = fx_new(true);
        uint32_t ref = entry_rows[i].ref;
        uint16_t before = entry_rows[i].flags;
        XenPvMap *map;
        int write;

        for (write = 0; write < 2; write++) {
            int want = write ? entry_rows[i].write : entry_rows[i].read;
            Error *err = NULL;

            grant(fx, ref, before, entry_rows[i].domid, entry_rows[i].frame);
            if (copy(fx, write, ref, 0, 4096) != want) {
                g_test_message("%s, write %d", entry_rows[i].what, write);
                g_test_fail();
            }
            if (!(before & IN_USE)) {
                g_assert_cmphex(fx->grants[ref].flags, ==, before);
            }
            map = xenpv_grant_map(fx->hv, FX_GUEST, &ref, 1, !write, &err);
            g_assert(!map == !!want);
            if (map) {
                g_assert(map->page[0] == fx_page(fx, 3));
                g_assert(map->base == map->page[0]);
                g_assert_cmpuint(map->nr_pages, ==, 1);
                xenpv_unmap(map);
            } else {
                error_free_or_abort(&err);
            }
            if (!(before & IN_USE)) {
                g_assert_cmphex(fx->grants[ref].flags, ==, before);
            }
        }
        g_assert_cmpuint(fx->hv->live.maps, ==, 0);
        fx_free(fx);
    }
}

static void test_ref_bounds(void)
{
    static const uint32_t refs[] = { 32768, 65536, 0x80000000, UINT32_MAX };
    EmuFixture *fx = fx_new(true);
    Error *err = NULL;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(refs); i++) {
        g_assert_cmpint(copy(fx, true, refs[i], 0, 1), ==, -EINVAL);
        g_assert(!xenpv_grant_map(fx->hv, FX_GUEST, &refs[i], 1, true, &err));
        error_free_or_abort(&err);
    }
    grant(fx, 8, RW, 0, 512);
    g_assert(!xenpv_grant_map(fx->hv, 7, &(uint32_t) { 8 }, 1, true, &err));
    error_free_or_abort(&err);
    fx_free(fx);
}

static const struct {
    uint32_t offset, len;
    int ret;
} bounds_rows[] = {
    { 0, 0, 0 },
    { 0, 4096, 0 },
    { 0, 4097, -EINVAL },
    { 1, 4095, 0 },
    { 1, 4096, -EINVAL },
    { 4095, 1, 0 },
    { 4095, 2, -EINVAL },
    { 4096, 0, 0 },
    { 4096, 1, -EINVAL },
    { 4097, 0, -EINVAL },
    { UINT32_MAX, 1, -EINVAL },
    { 1, UINT32_MAX, -EINVAL },
    { UINT32_MAX, UINT32_MAX, -EINVAL },
};

static void test_bounds(void)
{
    EmuFixture *fx = fx_new(true);
    unsigned i;
    int to;

    grant(fx, 8, RW, 0, 513);
    for (i = 0; i < ARRAY_SIZE(bounds_rows); i++) {
        for (to = 0; to < 2; to++) {
            memset(fx->ram, 0xee, 3 * XENPV_PAGE_SIZE);
            g_assert_cmpint(copy(fx, to, 8, bounds_rows[i].offset,
                                 bounds_rows[i].len), ==,
                            bounds_rows[i].ret);
            /* The neighbours are untouched. */
            g_assert_cmphex(fx->ram[4095], ==, 0xee);
            g_assert_cmphex(fx->ram[8192], ==, 0xee);
        }
    }
    fx_free(fx);
}

/* Goes on after a bad segment and returns the first one's status. */
static void test_copy_segments(void)
{
    EmuFixture *fx = fx_new(true);
    char a[8] = "aaaaaaa", b[8] = "bbbbbbb", back[8] = "";
    XenPvCopySeg segs[] = {
        { .ref = 8, .offset = 16, .len = 8, .local = a },
        { .ref = 9, .offset = 0, .len = 8, .local = b },
        { .ref = 10, .offset = 0, .len = 8, .local = b },
        { .ref = 8, .offset = 4090, .len = 8, .local = b },
        { .ref = 8, .offset = 32, .len = 8, .local = b },
    };
    XenPvCopySeg in = { .ref = 8, .offset = 16, .len = 8, .local = back };

    grant(fx, 8, RW, 0, 514);
    grant(fx, 9, RO, 0, 514);
    g_assert_cmpint(xenpv_grant_copy(fx->hv, FX_GUEST, true, segs,
                                     ARRAY_SIZE(segs)), ==, -EACCES);
    g_assert_cmpint(segs[0].status, ==, 0);
    g_assert_cmpint(segs[1].status, ==, -EACCES);
    g_assert_cmpint(segs[2].status, ==, -EINVAL);
    g_assert_cmpint(segs[3].status, ==, -EINVAL);
    g_assert_cmpint(segs[4].status, ==, 0);
    g_assert_cmpstr((char *)fx_page(fx, 2) + 16, ==, "aaaaaaa");
    g_assert_cmpstr((char *)fx_page(fx, 2) + 32, ==, "bbbbbbb");
    g_assert_cmpuint(fx->dirty_count, ==, 2);
    g_assert_cmpuint(fx->dirty_mfn, ==, 514);
    g_assert_cmpint(xenpv_grant_copy(fx->hv, FX_GUEST, false, &in, 1), ==, 0);
    g_assert_cmpstr(back, ==, "aaaaaaa");
    g_assert_cmpuint(fx->dirty_count, ==, 2);
    g_assert_cmpint(xenpv_grant_copy(fx->hv, 7, false, &in, 1), ==, -ESRCH);
    fx_free(fx);
}

static XenPvMap *map_one(EmuFixture *fx, uint32_t ref, bool readonly)
{
    return xenpv_grant_map(fx->hv, FX_GUEST, &ref, 1, readonly, &error_abort);
}

/* The guest sees which uses there are, until the last of each has gone. */
static void test_in_use(void)
{
    EmuFixture *fx = fx_new(true);
    XenPvMap *r1, *r2, *w1, *w2;

    grant(fx, 8, RW, 0, 513);
    r1 = map_one(fx, 8, true);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | GTF_reading);
    r2 = map_one(fx, 8, true);
    xenpv_unmap(r1);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | GTF_reading);
    w1 = map_one(fx, 8, false);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | IN_USE);
    w2 = map_one(fx, 8, false);
    g_assert_cmpint(copy(fx, true, 8, 0, 1), ==, 0);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | IN_USE);
    xenpv_unmap(r2);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | IN_USE);
    xenpv_unmap(w1);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | IN_USE);
    xenpv_unmap(w2);
    g_assert_cmphex(fx->grants[8].flags, ==, RW);

    w1 = map_one(fx, 8, false);
    r1 = map_one(fx, 8, true);
    xenpv_unmap(w1);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | GTF_reading);
    xenpv_unmap(r1);
    g_assert_cmphex(fx->grants[8].flags, ==, RW);
    fx_free(fx);
}

/* A grant pulled away under a mapping: the mapping stays what it was. */
static void test_revoked(void)
{
    EmuFixture *fx = fx_new(true);
    Error *err = NULL;
    XenPvMap *r, *again;

    grant(fx, 8, RW, 0, 513);
    r = map_one(fx, 8, true);
    grant(fx, 8, 0, 0, 0);
    again = map_one(fx, 8, true);
    g_assert(again->page[0] == fx_page(fx, 1));
    g_assert(!xenpv_grant_map(fx->hv, FX_GUEST, &(uint32_t) { 8 }, 1, false,
                              &err));
    error_free_or_abort(&err);
    xenpv_unmap(again);
    xenpv_unmap(r);
    g_assert_cmphex(fx->grants[8].flags, ==, 0);
    g_assert(!xenpv_grant_map(fx->hv, FX_GUEST, &(uint32_t) { 8 }, 1, true,
                              &err));
    error_free_or_abort(&err);
    fx_free(fx);
}

/* A map of several pages succeeds whole or leaves no trace. */
static void test_many(void)
{
    EmuFixture *fx = fx_new(true);
    uint32_t refs[] = { 8, 9, 10 };
    Error *err = NULL;
    XenPvMap *map;

    grant(fx, 8, RW, 0, 513);
    grant(fx, 9, RW, 0, 514);
    grant(fx, 10, RW, 0, 515);
    map = xenpv_grant_map(fx->hv, FX_GUEST, refs, 3, false, &error_abort);
    g_assert(map->base == fx_page(fx, 1));
    g_assert(map->page[2] == fx_page(fx, 3));
    xenpv_unmap(map);
    g_assert_cmpuint(fx->dirty_count, ==, 3);

    grant(fx, 9, RW, 0, 520);
    map = xenpv_grant_map(fx->hv, FX_GUEST, refs, 3, true, &error_abort);
    g_assert(!map->base);
    g_assert(map->page[1] == fx_page(fx, 8));
    xenpv_unmap(map);
    g_assert_cmpuint(fx->dirty_count, ==, 3);

    grant(fx, 10, RO, 0, 515);
    g_assert(!xenpv_grant_map(fx->hv, FX_GUEST, refs, 3, false, &err));
    error_free_or_abort(&err);
    g_assert_cmphex(fx->grants[8].flags, ==, RW);
    g_assert_cmphex(fx->grants[9].flags, ==, RW);
    g_assert_cmpuint(fx->hv->live.maps, ==, 0);
    fx_free(fx);
}

/* A map that outlives a machine reset does not touch the new grant table. */
static void test_reset(void)
{
    EmuFixture *fx = fx_new(true);
    XenPvMap *old, *new;

    grant(fx, 8, RW, 0, 513);
    old = map_one(fx, 8, false);
    memset(fx->grants, 0, XENPV_PAGE_SIZE);
    xenpv_emu_reset(fx->emu);
    grant(fx, 8, RW, 0, 514);
    new = map_one(fx, 8, false);
    g_assert(new->page[0] == fx_page(fx, 2));
    xenpv_unmap(old);
    g_assert_cmphex(fx->grants[8].flags, ==, RW | IN_USE);
    xenpv_unmap(new);
    g_assert_cmphex(fx->grants[8].flags, ==, RW);
    fx_free(fx);
}

static void test_frames(void)
{
    static const uint64_t bad[] = { 0, 511, 576, 1ull << 32 | 512, -1ull };
    EmuFixture *fx = fx_new(true);
    uint64_t gfns[] = { 520, 521, 519 };
    Error *err = NULL;
    XenPvMap *map;
    unsigned i;

    map = xenpv_frame_map(fx->hv, FX_GUEST, gfns, 2, false, &error_abort);
    g_assert(map->base == fx_page(fx, 8));
    xenpv_unmap(map);
    map = xenpv_frame_map(fx->hv, FX_GUEST, gfns, 3, true, &error_abort);
    g_assert(!map->base);
    xenpv_unmap(map);
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        gfns[2] = bad[i];
        g_assert(!xenpv_frame_map(fx->hv, FX_GUEST, gfns, 3, true, &err));
        error_free_or_abort(&err);
        g_assert(!xenpv_console_map(fx->hv, FX_GUEST, bad[i], &err));
        error_free_or_abort(&err);
    }
    map = xenpv_console_map(fx->hv, FX_GUEST, 530, &error_abort);
    g_assert(map->base == fx_page(fx, 18) && !map->readonly);
    xenpv_unmap(map);
    fx_free(fx);
}

static void test_seed(void)
{
    EmuFixture *fx = fx_new(true);
    XenPvMap *map;

    xenpv_emu_grant_seed(fx->emu, 1, 0, 540);
    map = map_one(fx, 1, false);
    g_assert(map->page[0] == fx_page(fx, 28));
    xenpv_unmap(map);
    fx_free(fx);
}

typedef struct Race {
    EmuFixture *fx;
    bool stop;
} Race;

/* Grants and revokes as fast as it can, as its rules demand. */
static void *race_guest(void *opaque)
{
    Race *race = opaque;
    grant_entry_v1_t *entry = &race->fx->grants[8];

    while (!qatomic_read(&race->stop)) {
        uint16_t flags = qatomic_read(&entry->flags);

        if (flags & IN_USE) {
            continue;
        }
        qatomic_cmpxchg(&entry->flags, flags, flags ^ GTF_readonly);
    }
    return NULL;
}

/* Whatever the guest does to the entry, uses come out balanced. */
static void test_race(void)
{
    EmuFixture *fx = fx_new(true);
    Race race = { .fx = fx };
    QemuThread thread;
    unsigned i;
    int ret;

    grant(fx, 8, RW, 0, 513);
    qemu_thread_create(&thread, "guest", race_guest, &race,
                       QEMU_THREAD_JOINABLE);
    for (i = 0; i < 20000; i++) {
        ret = copy(fx, i & 1, 8, 0, 64);
        g_assert(ret == 0 || ret == -EACCES || ret == -EAGAIN);
    }
    qatomic_set(&race.stop, true);
    qemu_thread_join(&thread);
    g_assert_cmphex(fx->grants[8].flags & IN_USE, ==, 0);
    fx_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);

    g_test_add_func("/xenpv/emu-grants/entries", test_entries);
    g_test_add_func("/xenpv/emu-grants/ref-bounds", test_ref_bounds);
    g_test_add_func("/xenpv/emu-grants/copy-bounds", test_bounds);
    g_test_add_func("/xenpv/emu-grants/copy-segments", test_copy_segments);
    g_test_add_func("/xenpv/emu-grants/in-use", test_in_use);
    g_test_add_func("/xenpv/emu-grants/revoked", test_revoked);
    g_test_add_func("/xenpv/emu-grants/many", test_many);
    g_test_add_func("/xenpv/emu-grants/machine-reset", test_reset);
    g_test_add_func("/xenpv/emu-grants/frames", test_frames);
    g_test_add_func("/xenpv/emu-grants/seed", test_seed);
    g_test_add_func("/xenpv/emu-grants/race", test_race);
    return g_test_run();
}
