/*
 * Grants: guest pages mapped into QEMU and copied from and to.  Version 1
 * entries of public/grant_table.h, judged as in Xen's common/grant_table.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's side of an entry is shared memory that it may change at any
 * time.  Flags and domain are one 32-bit word, compared and exchanged with
 * GTF_reading and GTF_writing added; only then is the frame number read, and
 * it is remembered as long as the entry is in use.  From the exchange on the
 * guest can see that the page is in use, and a guest that ends its grant
 * properly (compare and exchange against these flags) cannot do so before
 * the last use has gone.
 *
 * Frames are RAM of the guest and stay what they are as long as the machine
 * lives, so mapping is bookkeeping.
 *
 * Locks: one of XENPV_GRANT_LOCKS spinlocks for each entry, held for a few
 * instructions and never two at a time.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "hw/xen/interface/grant_table.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

/* As often as Xen tries to update an entry the guest keeps changing */
#define GRANT_RETRIES   5

/* struct grant_entry_v1 in two words, each read at once */
typedef struct GrantEntry {
    uint32_t access;        /* flags, then the domain in the upper half */
    uint32_t frame;
} GrantEntry;

QEMU_BUILD_BUG_ON(sizeof(GrantEntry) != sizeof(grant_entry_v1_t));

static GrantEntry *shared_entry(XenPvEmu *emu, uint32_t ref)
{
    return (GrantEntry *)emu->cfg.grants + ref;
}

static QemuSpin *entry_lock(XenPvEmu *emu, uint32_t ref)
{
    return &emu->grant_lock[ref % XENPV_GRANT_LOCKS];
}

/*
 * Set the flags that say we use the entry.  -EINVAL: no grant of this kind,
 * -EACCES: not for us or not for writing, -EAGAIN: it keeps changing.
 */
static int grant_claim(XenPvEmu *emu, uint32_t ref, bool write)
{
    GrantEntry *entry = shared_entry(emu, ref);
    uint32_t old = qatomic_read(&entry->access);
    uint32_t want = GTF_reading | (write ? GTF_writing : 0);
    uint32_t seen;
    int i;

    for (i = 0; i < GRANT_RETRIES; i++) {
        if ((old & GTF_type_mask) != GTF_permit_access ||
            (old & GTF_sub_page)) {
            return -EINVAL;
        }
        if (old >> 16 != emu->parent.self || (write && (old & GTF_readonly))) {
            return -EACCES;
        }
        seen = qatomic_cmpxchg(&entry->access, old, old | want);
        if (seen == old) {
            return 0;
        }
        old = seen;
    }
    return -EAGAIN;
}

/*
 * Begin a use of @ref.  @epoch must be given back with grant_put().
 * Any thread.
 */
static void *grant_get(XenPvEmu *emu, uint32_t ref, bool write,
                       uint32_t *epoch, uint32_t *frame, int *err)
{
    XenPvEmuGrant *grant;
    void *ptr = NULL;
    int ret = 0;

    if (ref >= XENPV_NR_GRANTS) {
        *err = -EINVAL;
        return NULL;
    }
    grant = &emu->grant[ref];
    qemu_spin_lock(entry_lock(emu, ref));
    if (!grant->writers && (write || !grant->readers)) {
        ret = grant_claim(emu, ref, write);
    } else if (grant->readers == UINT32_MAX || grant->writers == UINT32_MAX) {
        ret = -ENOSPC;
    }
    if (!ret) {
        if (!grant->readers && !grant->writers) {
            /* Ordered after the exchange, which is a full barrier. */
            grant->frame = qatomic_read(&shared_entry(emu, ref)->frame);
        }
        ptr = emu->cfg.hooks->frame_ptr(emu->cfg.opaque, grant->frame);
        if (write) {
            grant->writers++;
        } else {
            grant->readers++;
        }
        *frame = grant->frame;
        *epoch = emu->epoch;
    }
    qemu_spin_unlock(entry_lock(emu, ref));
    *err = ret;
    return ptr;
}

/* Any thread. */
static void grant_put(XenPvEmu *emu, uint32_t ref, bool write, uint32_t epoch)
{
    XenPvEmuGrant *grant = &emu->grant[ref];
    uint32_t clear = 0;

    qemu_spin_lock(entry_lock(emu, ref));
    if (epoch == emu->epoch) {
        if (write) {
            grant->writers--;
        } else {
            grant->readers--;
        }
        if (!grant->writers && write) {
            clear |= GTF_writing;
        }
        if (!grant->writers && !grant->readers) {
            clear |= GTF_reading;
        }
        /* Releases the page: what we did to it comes before. */
        if (clear) {
            qatomic_and(&shared_entry(emu, ref)->access, ~clear);
        }
    }
    qemu_spin_unlock(entry_lock(emu, ref));
}

static void *grant_get_page(XenPvEmu *emu, uint32_t ref, bool write,
                            uint32_t *epoch, uint32_t *frame, int *err)
{
    void *ptr = grant_get(emu, ref, write, epoch, frame, err);

    if (!*err && !ptr) {
        grant_put(emu, ref, write, *epoch);
        *err = -EFAULT;
    }
    if (*err) {
        trace_xenpv_emu_grant_refused(ref, write, *err);
    }
    return ptr;
}

/**
 * XenPvEmuMap: pages we have mapped
 * @ref: their grant references, or NULL for frames
 * @mfn: their frames
 * @epoch: resets that had been when they were mapped
 */
struct XenPvEmuMap {
    XenPvMap parent;
    uint32_t *ref;
    uint64_t *mfn;
    uint32_t epoch;
    QLIST_ENTRY(XenPvEmuMap) next;
};

static XenPvEmuMap *map_new(XenPvEmu *emu, uint32_t nr, bool readonly)
{
    XenPvEmuMap *map = g_new0(XenPvEmuMap, 1);

    map->parent.hv = &emu->parent;
    map->parent.domid = emu->cfg.guest;
    map->parent.readonly = readonly;
    map->parent.page = g_new0(void *, nr);
    map->mfn = g_new0(uint64_t, nr);
    map->epoch = emu->epoch;
    qemu_spin_lock(&emu->map_lock);
    QLIST_INSERT_HEAD(&emu->maps, map, next);
    qemu_spin_unlock(&emu->map_lock);
    return map;
}

static void map_add(XenPvEmuMap *map, void *ptr, uint64_t mfn)
{
    map->mfn[map->parent.nr_pages] = mfn;
    map->parent.page[map->parent.nr_pages++] = ptr;
}

static XenPvMap *map_finish(XenPvEmuMap *map)
{
    char *base = map->parent.page[0];
    uint32_t i;

    for (i = 1; i < map->parent.nr_pages; i++) {
        if (map->parent.page[i] != base + (size_t)i * XENPV_PAGE_SIZE) {
            base = NULL;
            break;
        }
    }
    map->parent.base = base;
    return &map->parent;
}

static bool is_guest(XenPvEmu *emu, XenPvDomid domid, Error **errp)
{
    if (domid != emu->cfg.guest) {
        error_setg(errp, "there is no domain %u", domid);
        return false;
    }
    return true;
}

XenPvMap *xenpv_emu_grant_map(XenPvHv *hv, XenPvDomid domid,
                              const uint32_t *refs, uint32_t nr_refs,
                              bool readonly, Error **errp)
{
    XenPvEmu *emu = xenpv_emu(hv);
    XenPvEmuMap *map;
    uint32_t i, epoch, frame;
    void *ptr;
    int err;

    if (!is_guest(emu, domid, errp)) {
        return NULL;
    }
    map = map_new(emu, nr_refs, readonly);
    map->ref = g_memdup2(refs, nr_refs * sizeof(*refs));
    for (i = 0; i < nr_refs; i++) {
        ptr = grant_get_page(emu, refs[i], !readonly, &epoch, &frame, &err);
        if (err) {
            error_setg_errno(errp, -err, "cannot map grant %u of domain %u",
                             refs[i], domid);
            xenpv_emu_unmap(&map->parent);
            return NULL;
        }
        map_add(map, ptr, frame);
    }
    return map_finish(map);
}

XenPvMap *xenpv_emu_frame_map(XenPvHv *hv, XenPvDomid domid,
                              const uint64_t *gfns, uint32_t nr_gfns,
                              bool readonly, Error **errp)
{
    XenPvEmu *emu = xenpv_emu(hv);
    XenPvEmuMap *map;
    uint32_t i;
    void *ptr;

    if (!is_guest(emu, domid, errp)) {
        return NULL;
    }
    map = map_new(emu, nr_gfns, readonly);
    for (i = 0; i < nr_gfns; i++) {
        ptr = emu->cfg.hooks->frame_ptr(emu->cfg.opaque, gfns[i]);
        if (!ptr) {
            error_setg(errp, "frame 0x%" PRIx64 " of domain %u is not RAM",
                       gfns[i], domid);
            xenpv_emu_unmap(&map->parent);
            return NULL;
        }
        map_add(map, ptr, gfns[i]);
    }
    return map_finish(map);
}

/* The console page of a PV guest is a frame of its RAM. */
XenPvMap *xenpv_emu_console_map(XenPvHv *hv, XenPvDomid domid,
                                uint64_t ring_ref, Error **errp)
{
    return xenpv_emu_frame_map(hv, domid, &ring_ref, 1, false, errp);
}

static void map_dirty(XenPvEmu *emu, XenPvEmuMap *map)
{
    uint32_t i;

    for (i = 0; i < map->parent.nr_pages && !map->parent.readonly; i++) {
        emu->cfg.hooks->frame_dirty(emu->cfg.opaque, map->mfn[i], 0,
                                    XENPV_PAGE_SIZE);
    }
}

/*
 * No map comes or goes meanwhile, in no thread: the VM is stopped and all is
 * drained.
 */
void xenpv_emu_grants_dirty(XenPvEmu *emu)
{
    XenPvEmuMap *map;

    QLIST_FOREACH(map, &emu->maps, next) {
        map_dirty(emu, map);
    }
}

/* Also undoes a map that came only part of the way. */
void xenpv_emu_unmap(XenPvMap *parent)
{
    XenPvEmuMap *map = container_of(parent, XenPvEmuMap, parent);
    XenPvEmu *emu = xenpv_emu(parent->hv);
    uint32_t i;

    qemu_spin_lock(&emu->map_lock);
    QLIST_REMOVE(map, next);
    qemu_spin_unlock(&emu->map_lock);
    map_dirty(emu, map);
    for (i = 0; i < parent->nr_pages; i++) {
        if (map->ref) {
            grant_put(emu, map->ref[i], !parent->readonly, map->epoch);
        }
    }
    g_free(map->ref);
    g_free(map->mfn);
    g_free(parent->page);
    g_free(map);
}

/* XenPvPin.cookie */
enum { PIN_EPOCH, PIN_FRAME };

static void unpin(XenPvEmu *emu, bool write, XenPvPin *pins, uint32_t nr,
                  bool written)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        if (written) {
            emu->cfg.hooks->frame_dirty(emu->cfg.opaque,
                                        pins[i].cookie[PIN_FRAME], 0,
                                        XENPV_PAGE_SIZE);
        }
        grant_put(emu, pins[i].ref, write, pins[i].cookie[PIN_EPOCH]);
    }
}

int xenpv_emu_grant_pin(XenPvHv *hv, XenPvDomid domid, bool write,
                        XenPvPin *pins, uint32_t nr_pins)
{
    XenPvEmu *emu = xenpv_emu(hv);
    uint32_t i;
    int err;

    if (domid != emu->cfg.guest) {
        return -ESRCH;
    }
    for (i = 0; i < nr_pins; i++) {
        pins[i].page = grant_get_page(emu, pins[i].ref, write,
                                      &pins[i].cookie[PIN_EPOCH],
                                      &pins[i].cookie[PIN_FRAME], &err);
        if (err) {
            unpin(emu, write, pins, i, false);
            return err;
        }
    }
    return 0;
}

void xenpv_emu_grant_unpin(XenPvHv *hv, bool write, XenPvPin *pins,
                           uint32_t nr_pins)
{
    unpin(xenpv_emu(hv), write, pins, nr_pins, write);
}

static int copy_one(XenPvEmu *emu, bool to_domain, XenPvCopySeg *seg)
{
    uint32_t epoch, frame;
    char *page;
    int err;

    if (seg->offset > XENPV_PAGE_SIZE ||
        seg->len > XENPV_PAGE_SIZE - seg->offset) {
        return -EINVAL;
    }
    page = grant_get_page(emu, seg->ref, to_domain, &epoch, &frame, &err);
    if (err) {
        return err;
    }
    if (to_domain) {
        memcpy(page + seg->offset, seg->local, seg->len);
        emu->cfg.hooks->frame_dirty(emu->cfg.opaque, frame, seg->offset,
                                    seg->len);
    } else {
        memcpy(seg->local, page + seg->offset, seg->len);
    }
    grant_put(emu, seg->ref, to_domain, epoch);
    return 0;
}

int xenpv_emu_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                         XenPvCopySeg *segs, uint32_t nr_segs)
{
    XenPvEmu *emu = xenpv_emu(hv);
    int ret = 0;
    uint32_t i;

    for (i = 0; i < nr_segs; i++) {
        segs[i].status = domid == emu->cfg.guest ?
                         copy_one(emu, to_domain, &segs[i]) : -ESRCH;
        if (segs[i].status && !ret) {
            ret = segs[i].status;
        }
    }
    return ret;
}

void xenpv_emu_grant_seed(XenPvEmu *emu, uint32_t ref, XenPvDomid domid,
                          uint32_t mfn)
{
    GrantEntry *entry = shared_entry(emu, ref);

    assert(ref < GNTTAB_NR_RESERVED_ENTRIES);
    qatomic_set(&entry->frame, mfn);
    qatomic_store_release(&entry->access,
                          GTF_permit_access | (uint32_t)domid << 16);
}

/* Who used them is not here; who is here will use them anew. */
void xenpv_emu_grants_release(XenPvEmu *emu)
{
    uint32_t ref;

    for (ref = 0; ref < XENPV_NR_GRANTS; ref++) {
        GrantEntry *entry = shared_entry(emu, ref);
        uint32_t access = qatomic_read(&entry->access);

        if ((access & GTF_type_mask) == GTF_permit_access &&
            (access & (GTF_reading | GTF_writing))) {
            qatomic_and(&entry->access, ~(GTF_reading | GTF_writing));
        }
    }
}

void xenpv_emu_grants_init(XenPvEmu *emu)
{
    unsigned i;

    QLIST_INIT(&emu->maps);
    qemu_spin_init(&emu->map_lock);
    emu->grant = g_new0(XenPvEmuGrant, XENPV_NR_GRANTS);
    for (i = 0; i < XENPV_GRANT_LOCKS; i++) {
        qemu_spin_init(&emu->grant_lock[i]);
    }
}

void xenpv_emu_grants_reset(XenPvEmu *emu)
{
    unsigned i;

    /* A copy in an IOThread sees either the old epoch or the new. */
    for (i = 0; i < XENPV_GRANT_LOCKS; i++) {
        qemu_spin_lock(&emu->grant_lock[i]);
    }
    emu->epoch++;
    memset(emu->grant, 0, sizeof(*emu->grant) * XENPV_NR_GRANTS);
    for (i = 0; i < XENPV_GRANT_LOCKS; i++) {
        qemu_spin_unlock(&emu->grant_lock[i]);
    }
}

void xenpv_emu_grants_cleanup(XenPvEmu *emu)
{
    g_free(emu->grant);
}
