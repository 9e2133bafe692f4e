/*
 * A hypervisor in process, for unit tests, and the guest's side of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qapi/error.h"

/* The store counts its nodes and gives them back only when built like this. */
static int nr_xs_nodes;
static GList *xs_node_list;
#define XS_NODE_UNIT_TEST
#include "hw/i386/kvm/xenstore_impl.c"

#include "fake-hv.h"

typedef struct FakeGrant {
    void *page;
    bool readonly;
    bool live;
    unsigned maps;
} FakeGrant;

typedef struct FakeHv FakeHv;

typedef struct FakePort {
    struct FakeChannel *bound;
    unsigned received;          /* by the guest */
} FakePort;

struct FakeHv {
    XenPvHv parent;

    XenstoreImplState *store;
    unsigned fail_at;
    unsigned nr_ops;
    bool has_failed;
    unsigned conflicts;
    GPtrArray *pages;           /* the frame number is the index + 0x1000 */
    GArray *grants;             /* the reference is the index + 8 */
    GPtrArray *ports;           /* the port is the index + 1 */
    QemuMutex lock;             /* grants: these calls come from any thread */
};

#define FIRST_GFN 0x1000
#define FIRST_REF 8

/* ---- faults ---- */

static bool fake_fails(XenPvHv *hv)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    if (qatomic_inc_fetch(&fake->nr_ops) != fake->fail_at) {
        return false;
    }
    fake->has_failed = true;
    return true;
}

void fake_hv_fail_at(XenPvHv *hv, unsigned n)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    fake->fail_at = n;
    fake->nr_ops = 0;
    fake->has_failed = false;
}

unsigned fake_hv_ops(XenPvHv *hv)
{
    return qatomic_read(&container_of(hv, FakeHv, parent)->nr_ops);
}

bool fake_hv_has_failed(XenPvHv *hv)
{
    return container_of(hv, FakeHv, parent)->has_failed;
}

void fake_hv_conflicts(XenPvHv *hv, unsigned n)
{
    container_of(hv, FakeHv, parent)->conflicts = n;
}

/* ---- store ---- */

struct XenPvStoreTx {
    xs_transaction_t id;
};

static xs_transaction_t tx_id(XenPvStoreTx *tx)
{
    return tx ? tx->id : XBT_NULL;
}

static char *read_as(FakeHv *fake, unsigned domid, XenPvStoreTx *tx,
                     const char *path, size_t *len, int *err_no)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    int err = xs_impl_read(fake->store, domid, tx_id(tx), path, data);
    guint8 nul = 0;

    if (err) {
        *err_no = err;
        return NULL;
    }
    *len = data->len;
    g_byte_array_append(data, &nul, 1);
    return (char *)g_byte_array_free(g_steal_pointer(&data), false);
}

static char *fake_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                             size_t *len, int *err_no)
{
    if (fake_fails(hv)) {
        *err_no = EIO;
        return NULL;
    }
    return read_as(container_of(hv, FakeHv, parent), hv->self, tx, path, len,
                   err_no);
}

static int write_as(FakeHv *fake, unsigned domid, XenPvStoreTx *tx,
                    const char *path, const void *value, size_t len)
{
    g_autoptr(GByteArray) data = g_byte_array_new();

    g_byte_array_append(data, value, len);
    return xs_impl_write(fake->store, domid, tx_id(tx), path, data);
}

static int fake_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                            const char *value, size_t len)
{
    if (fake_fails(hv)) {
        return -ENOSPC;
    }
    return -write_as(container_of(hv, FakeHv, parent), hv->self, tx, path,
                     value, len);
}

static int fake_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    g_autofree char *there = NULL;
    size_t len;
    int err = 0;

    if (fake_fails(hv)) {
        return -ENOSPC;
    }
    there = read_as(fake, hv->self, tx, path, &len, &err);
    if (there || err != ENOENT) {
        return -err;
    }
    return -write_as(fake, hv->self, tx, path, "", 0);
}

static int fake_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    if (fake_fails(hv)) {
        return -EIO;
    }
    return -xs_impl_rm(fake->store, hv->self, tx_id(tx), path);
}

static GStrv fake_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                             int *err_no)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    GList *items = NULL, *l;
    uint64_t generation;
    GPtrArray *names;
    int err;

    if (fake_fails(hv)) {
        *err_no = EIO;
        return NULL;
    }
    err = xs_impl_directory(fake->store, hv->self, tx_id(tx), path,
                            &generation, &items);
    if (err) {
        *err_no = err;
        return NULL;
    }
    names = g_ptr_array_new();
    for (l = items; l; l = l->next) {
        g_ptr_array_add(names, l->data);
    }
    g_list_free(items);
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(names, false);
}

static int fake_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                const char *path, const XenPvPerm *perms,
                                unsigned nr)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    GList *list = NULL;
    unsigned i;
    int err;

    if (fake_fails(hv)) {
        return -EIO;
    }
    for (i = 0; i < nr; i++) {
        unsigned rights = (perms[i].read ? XS_PERM_READ : 0) |
                          (perms[i].write ? XS_PERM_WRITE : 0);

        list = g_list_append(list,
                             xs_perm_as_string(rights, perms[i].domid));
    }
    err = xs_impl_set_perms(fake->store, hv->self, tx_id(tx), path, list);
    g_list_free_full(list, g_free);
    return -err;
}

static XenPvPerm *fake_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                       const char *path, unsigned *nr,
                                       int *err_no)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    GList *list = NULL, *l;
    XenPvPerm *perms;

    *err_no = fake_fails(hv) ? EIO :
        xs_impl_get_perms(fake->store, hv->self, tx_id(tx), path, &list);
    if (*err_no) {
        return NULL;
    }
    perms = g_new0(XenPvPerm, g_list_length(list));
    *nr = 0;
    for (l = list; l; l = l->next) {
        unsigned domid;
        char letter;

        g_assert_cmpint(sscanf(l->data, "%c%u", &letter, &domid), ==, 2);
        perms[(*nr)++] = (XenPvPerm) {
            .domid = domid,
            .read = letter == 'r' || letter == 'b',
            .write = letter == 'w' || letter == 'b',
        };
    }
    g_list_free_full(list, g_free);
    return perms;
}

static XenPvStoreTx *fake_store_tx_begin(XenPvHv *hv, int *err_no)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    xs_transaction_t id = XBT_NULL;
    XenPvStoreTx *tx;

    if (fake_fails(hv)) {
        *err_no = ENOSPC;
        return NULL;
    }
    *err_no = xs_impl_transaction_start(fake->store, hv->self, &id);
    if (*err_no) {
        return NULL;
    }
    tx = g_new(XenPvStoreTx, 1);
    tx->id = id;
    return tx;
}

static int fake_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    int ret = 0, err;

    if (fake_fails(hv)) {
        ret = -ENOSPC;
    } else if (fake->conflicts && commit) {
        fake->conflicts--;
        ret = -EAGAIN;
    }
    err = xs_impl_transaction_end(fake->store, hv->self, tx->id,
                                  commit && !ret);
    g_free(tx);
    return ret ?: -err;
}

/* A watch remembers which paths have fired and tells from the event loop. */
typedef struct FakeWatch {
    XenPvWatch parent;
    char *token;
    QEMUBH *bh;
    GHashTable *fired;
} FakeWatch;

static void fake_watch_tell(void *opaque)
{
    FakeWatch *watch = opaque;
    g_autoptr(GList) paths = g_hash_table_get_keys(watch->fired);
    GList *l;

    g_hash_table_steal_all(watch->fired);
    for (l = paths; l; l = l->next) {
        watch->parent.fn(watch->parent.opaque, l->data);
        g_free(l->data);
    }
}

static void fake_watch_fired(void *opaque, const char *path,
                             const char *token)
{
    FakeWatch *watch = opaque;

    g_hash_table_add(watch->fired, g_strdup(path));
    qemu_bh_schedule(watch->bh);
}

static void fake_watch_free(FakeWatch *watch)
{
    qemu_bh_delete(watch->bh);
    g_hash_table_destroy(watch->fired);
    g_free(watch->token);
    g_free(watch->parent.path);
    g_free(watch);
}

static XenPvWatch *fake_store_watch(XenPvHv *hv, const char *path,
                                    XenPvWatchFn *fn, void *opaque,
                                    Error **errp)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    FakeWatch *watch;
    int err;

    if (fake_fails(hv)) {
        error_setg(errp, "no more watches (injected)");
        return NULL;
    }
    watch = g_new0(FakeWatch, 1);
    watch->parent = (XenPvWatch) {
        .hv = hv,
        .path = g_strdup(path),
        .fn = fn,
        .opaque = opaque,
    };
    watch->token = g_strdup_printf("%p", watch);
    watch->fired = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         NULL);
    watch->bh = qemu_bh_new(fake_watch_tell, watch);
    err = xs_impl_watch(fake->store, hv->self, path, watch->token,
                        fake_watch_fired, watch);
    if (err) {
        error_setg_errno(errp, err, "cannot watch");
        fake_watch_free(watch);
        return NULL;
    }
    return &watch->parent;
}

static void fake_store_unwatch(XenPvWatch *parent)
{
    FakeWatch *watch = container_of(parent, FakeWatch, parent);
    FakeHv *fake = container_of(parent->hv, FakeHv, parent);
    int err;

    err = xs_impl_unwatch(fake->store, parent->hv->self, parent->path,
                          watch->token, fake_watch_fired, watch);
    if (err == ENOENT) {
        /*
         * QEMU 10.0's store compares the opaque pointer the wrong way round
         * for all but the first watch on a path.  Our tokens are unique.
         */
        err = xs_impl_unwatch(fake->store, parent->hv->self, parent->path,
                              watch->token, fake_watch_fired, NULL);
    }
    g_assert_cmpint(err, ==, 0);
    fake_watch_free(watch);
}

/* ---- event channels ---- */

typedef struct FakeChannel {
    XenPvChannel parent;
    EventNotifier notifier;
    FakePort *port;
} FakeChannel;

static FakePort *find_port(FakeHv *fake, uint32_t port)
{
    if (!port || port > fake->ports->len) {
        return NULL;
    }
    return g_ptr_array_index(fake->ports, port - 1);
}

static XenPvChannel *fake_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                       uint32_t remote_port, Error **errp)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    FakePort *port = find_port(fake, remote_port);
    FakeChannel *channel;

    if (fake_fails(hv)) {
        error_setg(errp, "no more event channels (injected)");
        return NULL;
    }
    if (domid != FAKE_GUEST || !port || port->bound) {
        error_setg(errp, "domain %u has no port %" PRIu32 " for us", domid,
                   remote_port);
        return NULL;
    }
    channel = g_new0(FakeChannel, 1);
    channel->parent = (XenPvChannel) {
        .hv = hv,
        .domid = domid,
        .remote_port = remote_port,
        .local_port = remote_port + 100,
        .notifier = &channel->notifier,
    };
    channel->port = port;
    port->bound = channel;
    event_notifier_init(&channel->notifier, true);
    return &channel->parent;
}

static int fake_channel_ack(XenPvChannel *parent)
{
    FakeChannel *channel = container_of(parent, FakeChannel, parent);

    return event_notifier_test_and_clear(&channel->notifier);
}

static int fake_channel_notify(XenPvChannel *parent)
{
    qatomic_inc(&container_of(parent, FakeChannel, parent)->port->received);
    return 0;
}

static void fake_channel_unbind(XenPvChannel *parent)
{
    FakeChannel *channel = container_of(parent, FakeChannel, parent);

    channel->port->bound = NULL;
    event_notifier_cleanup(&channel->notifier);
    g_free(channel);
}

/* ---- grants and frames ---- */

typedef struct FakeMap {
    XenPvMap parent;
    FakeGrant **grant;          /* NULL for frames */
    uint32_t *ref;
} FakeMap;

static FakeGrant *find_grant(FakeHv *fake, uint32_t ref, bool write)
{
    FakeGrant *grant;

    if (ref < FIRST_REF || ref - FIRST_REF >= fake->grants->len) {
        return NULL;
    }
    grant = &g_array_index(fake->grants, FakeGrant, ref - FIRST_REF);
    return grant->live && !(write && grant->readonly) ? grant : NULL;
}

static XenPvMap *new_map(XenPvHv *hv, uint32_t nr, bool readonly)
{
    FakeMap *map = g_new0(FakeMap, 1);

    map->parent = (XenPvMap) {
        .hv = hv,
        .domid = FAKE_GUEST,
        .nr_pages = nr,
        .page = g_new0(void *, nr),
        .readonly = readonly,
    };
    return &map->parent;
}

static XenPvMap *fake_grant_map(XenPvHv *hv, XenPvDomid domid,
                                const uint32_t *refs, uint32_t nr_refs,
                                bool readonly, Error **errp)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    XenPvMap *map;
    uint32_t i;

    if (fake_fails(hv)) {
        error_setg(errp, "no more maps (injected)");
        return NULL;
    }
    QEMU_LOCK_GUARD(&fake->lock);
    for (i = 0; i < nr_refs; i++) {
        if (domid != FAKE_GUEST || !find_grant(fake, refs[i], !readonly)) {
            error_setg(errp, "domain %u has not granted %" PRIu32, domid,
                       refs[i]);
            return NULL;
        }
    }
    map = new_map(hv, nr_refs, readonly);
    container_of(map, FakeMap, parent)->ref =
        g_memdup2(refs, nr_refs * sizeof(*refs));
    for (i = 0; i < nr_refs; i++) {
        FakeGrant *grant = find_grant(fake, refs[i], !readonly);

        grant->maps++;
        map->page[i] = grant->page;
    }
    map->base = nr_refs == 1 ? map->page[0] : NULL;
    return map;
}

static int copy_segment(FakeHv *fake, bool to_domain, XenPvCopySeg *seg)
{
    FakeGrant *grant = find_grant(fake, seg->ref, to_domain);

    if (!grant) {
        return -EACCES;
    }
    if (seg->offset > XENPV_PAGE_SIZE ||
        seg->len > XENPV_PAGE_SIZE - seg->offset) {
        return -EINVAL;
    }
    if (to_domain) {
        memcpy((char *)grant->page + seg->offset, seg->local, seg->len);
    } else {
        memcpy(seg->local, (char *)grant->page + seg->offset, seg->len);
    }
    return 0;
}

static int fake_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                           XenPvCopySeg *segs, uint32_t nr_segs)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    int ret = 0;
    uint32_t i;

    QEMU_LOCK_GUARD(&fake->lock);
    for (i = 0; i < nr_segs; i++) {
        segs[i].status = fake_fails(hv) ? -EIO :
            domid != FAKE_GUEST ? -ESRCH :
            copy_segment(fake, to_domain, &segs[i]);
        ret = ret ?: segs[i].status;
    }
    return ret;
}

static int fake_grant_pin(XenPvHv *hv, XenPvDomid domid, bool write,
                          XenPvPin *pins, uint32_t nr_pins)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    uint32_t i;

    if (fake_fails(hv)) {
        return -EIO;
    }
    QEMU_LOCK_GUARD(&fake->lock);
    for (i = 0; i < nr_pins; i++) {
        if (domid != FAKE_GUEST || !find_grant(fake, pins[i].ref, write)) {
            return -EACCES;
        }
    }
    for (i = 0; i < nr_pins; i++) {
        FakeGrant *grant = find_grant(fake, pins[i].ref, write);

        grant->maps++;
        pins[i].page = grant->page;
    }
    return 0;
}

static void fake_grant_unpin(XenPvHv *hv, bool write, XenPvPin *pins,
                             uint32_t nr_pins)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    uint32_t i;

    QEMU_LOCK_GUARD(&fake->lock);
    for (i = 0; i < nr_pins; i++) {
        FakeGrant *grant = find_grant(fake, pins[i].ref, write);

        g_assert(grant && grant->maps);
        grant->maps--;
    }
}

static XenPvMap *map_frames(XenPvHv *hv, XenPvDomid domid,
                            const uint64_t *gfns, uint32_t nr_gfns,
                            bool readonly, Error **errp)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    XenPvMap *map;
    uint32_t i;

    if (fake_fails(hv)) {
        error_setg(errp, "no more maps (injected)");
        return NULL;
    }
    for (i = 0; i < nr_gfns; i++) {
        if (domid != FAKE_GUEST || gfns[i] < FIRST_GFN ||
            gfns[i] - FIRST_GFN >= fake->pages->len) {
            error_setg(errp, "domain %u has no frame 0x%" PRIx64, domid,
                       gfns[i]);
            return NULL;
        }
    }
    map = new_map(hv, nr_gfns, readonly);
    for (i = 0; i < nr_gfns; i++) {
        map->page[i] = g_ptr_array_index(fake->pages, gfns[i] - FIRST_GFN);
    }
    map->base = nr_gfns == 1 ? map->page[0] : NULL;
    return map;
}

static XenPvMap *fake_console_map(XenPvHv *hv, XenPvDomid domid,
                                  uint64_t ring_ref, Error **errp)
{
    return map_frames(hv, domid, &ring_ref, 1, false, errp);
}

static void fake_unmap(XenPvMap *parent)
{
    FakeMap *map = container_of(parent, FakeMap, parent);
    FakeHv *fake = container_of(parent->hv, FakeHv, parent);
    uint32_t i;

    QEMU_LOCK_GUARD(&fake->lock);
    for (i = 0; map->ref && i < parent->nr_pages; i++) {
        FakeGrant *grant = find_grant(fake, map->ref[i], false);

        g_assert(grant && grant->maps);
        grant->maps--;
    }
    g_free(map->ref);
    g_free(parent->page);
    g_free(map);
}

static const XenPvHvOps fake_ops = {
    .name = "fake",
    .store_read = fake_store_read,
    .store_write = fake_store_write,
    .store_mkdir = fake_store_mkdir,
    .store_rm = fake_store_rm,
    .store_list = fake_store_list,
    .store_set_perms = fake_store_set_perms,
    .store_get_perms = fake_store_get_perms,
    .store_tx_begin = fake_store_tx_begin,
    .store_tx_end = fake_store_tx_end,
    .store_watch = fake_store_watch,
    .store_unwatch = fake_store_unwatch,
    .channel_bind = fake_channel_bind,
    .channel_ack = fake_channel_ack,
    .channel_notify = fake_channel_notify,
    .channel_unbind = fake_channel_unbind,
    .grant_map = fake_grant_map,
    .grant_copy = fake_grant_copy,
    .grant_pin = fake_grant_pin,
    .grant_unpin = fake_grant_unpin,
    .frame_map = map_frames,
    .unmap = fake_unmap,
    .console_map = fake_console_map,
};

/* ---- the guest ---- */

char *fake_guest_read(XenPvHv *hv, const char *path)
{
    size_t len;
    int err;

    return read_as(container_of(hv, FakeHv, parent), FAKE_GUEST, NULL, path,
                   &len, &err);
}

int fake_guest_write_raw(XenPvHv *hv, const char *path, const void *data,
                         size_t len)
{
    return write_as(container_of(hv, FakeHv, parent), FAKE_GUEST, NULL, path,
                    data, len);
}

int fake_guest_write(XenPvHv *hv, const char *path, const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return fake_guest_write_raw(hv, path, value, strlen(value));
}

int fake_guest_rm(XenPvHv *hv, const char *path)
{
    return xs_impl_rm(container_of(hv, FakeHv, parent)->store, FAKE_GUEST,
                      XBT_NULL, path);
}

void fake_guest_watch(XenPvHv *hv, const char *path,
                      void (*fn)(void *opaque, const char *path,
                                 const char *token), void *opaque)
{
    g_assert_cmpint(xs_impl_watch(container_of(hv, FakeHv, parent)->store,
                                  FAKE_GUEST, path, "guest", fn, opaque),
                    ==, 0);
}

uint32_t fake_guest_port(XenPvHv *hv)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    g_ptr_array_add(fake->ports, g_new0(FakePort, 1));
    return fake->ports->len;
}

void fake_guest_notify(XenPvHv *hv, uint32_t port)
{
    FakePort *p = find_port(container_of(hv, FakeHv, parent), port);

    if (p->bound) {
        event_notifier_set(&p->bound->notifier);
    }
}

unsigned fake_guest_events(XenPvHv *hv, uint32_t port)
{
    FakePort *p = find_port(container_of(hv, FakeHv, parent), port);

    return qatomic_xchg(&p->received, 0);
}

bool fake_guest_bound(XenPvHv *hv, uint32_t port)
{
    return find_port(container_of(hv, FakeHv, parent), port)->bound;
}

void *fake_guest_page(XenPvHv *hv)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    void *page = qemu_memalign(XENPV_PAGE_SIZE, XENPV_PAGE_SIZE);

    memset(page, 0, XENPV_PAGE_SIZE);
    g_ptr_array_add(fake->pages, page);
    return page;
}

uint32_t fake_guest_grant(XenPvHv *hv, void *page, bool readonly)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    FakeGrant grant = { .page = page, .readonly = readonly, .live = true };

    QEMU_LOCK_GUARD(&fake->lock);
    g_array_append_val(fake->grants, grant);
    return fake->grants->len - 1 + FIRST_REF;
}

bool fake_guest_revoke(XenPvHv *hv, uint32_t ref)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    FakeGrant *grant;

    QEMU_LOCK_GUARD(&fake->lock);
    grant = find_grant(fake, ref, false);
    if (grant->maps) {
        return false;
    }
    grant->live = false;
    return true;
}

bool fake_guest_mapped(XenPvHv *hv, uint32_t ref)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    QEMU_LOCK_GUARD(&fake->lock);
    return find_grant(fake, ref, false)->maps;
}

uint64_t fake_guest_gfn(XenPvHv *hv, void *page)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);
    guint index;

    g_assert(g_ptr_array_find(fake->pages, page, &index));
    return FIRST_GFN + index;
}

/* ---- life ---- */

static void give_to_guest(FakeHv *fake, const char *path)
{
    const XenPvPerm perms[] = {
        { .domid = FAKE_GUEST },
        { .domid = 0, .read = true },
    };

    g_assert_cmpint(fake_store_mkdir(&fake->parent, NULL, path), ==, 0);
    g_assert_cmpint(fake_store_set_perms(&fake->parent, NULL, path, perms,
                                         ARRAY_SIZE(perms)), ==, 0);
}

XenPvHv *fake_hv_new(void)
{
    FakeHv *fake = g_new0(FakeHv, 1);

    qemu_mutex_init(&fake->lock);
    fake->parent.ops = &fake_ops;
    fake->parent.in_place = true;
    fake->store = xs_impl_create(FAKE_GUEST);
    fake->pages = g_ptr_array_new_with_free_func(qemu_vfree);
    fake->grants = g_array_new(false, true, sizeof(FakeGrant));
    fake->ports = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpint(fake_store_mkdir(&fake->parent, NULL,
                                     "/local/domain/0"), ==, 0);
    give_to_guest(fake, "/local/domain/1/device");
    return &fake->parent;
}

void fake_hv_free(XenPvHv *hv)
{
    FakeHv *fake = container_of(hv, FakeHv, parent);

    xs_impl_reset_watches(fake->store, FAKE_GUEST);
    g_assert_cmpint(xs_impl_rm(fake->store, 0, XBT_NULL, "/local"), ==, 0);
    g_hash_table_unref(fake->store->watches);
    g_hash_table_unref(fake->store->transactions);
    xs_node_unref(fake->store->root);
    g_assert_cmpint(nr_xs_nodes, ==, 0);
    g_free(fake->store);
    g_ptr_array_free(fake->pages, true);
    g_array_free(fake->grants, true);
    g_ptr_array_free(fake->ports, true);
    qemu_mutex_destroy(&fake->lock);
    g_free(fake);
}
