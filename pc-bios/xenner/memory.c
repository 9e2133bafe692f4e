/*
 * Memory: what there is, ballooning, the grant table's frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor.h"

static spinlock free_lock;      /* for what is below */
static uint64_t free_cursor;    /* where to look for the next free frame */
/* and XENPV_FRAME_FREE in the table of types, and SHARED->free_pages */

struct e820_entry {
    uint64_t address;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

long put_memory_map(uint64_t buffer)
{
    struct e820_entry ram = { 0, SHARED->max_pages << PAGE_SHIFT, 1 };

    return copy_to_guest(buffer, &ram, sizeof(ram));
}

static long memory_map(uint64_t arg)
{
    struct xen_memory_map map;

    if (copy_from_guest(&map, arg, sizeof(map))) {
        return -XEN_EFAULT;
    }
    if (!map.nr_entries) {
        return -XEN_EINVAL;
    }
    map.nr_entries = 1;
    if (put_memory_map((uintptr_t)map.buffer.p)) {
        return -XEN_EFAULT;
    }
    return copy_to_guest(arg, &map, sizeof(map));
}

static long machphys_mapping(uint64_t arg)
{
    struct xen_machphys_mapping m = {
        .v_start = XENPV_M2P_VA,
        .v_end = XENPV_M2P_VA + SHARED->max_mfn * 8,
        .max_mfn = SHARED->max_mfn - 1,
    };

    return copy_to_guest(arg, &m, sizeof(m));
}

static bool find_free_frame(uint64_t *mfn)
{
    uint64_t n;

    for (n = 0; SHARED->free_pages && n < SHARED->max_mfn; n++) {
        if (free_cursor >= SHARED->max_mfn) {
            free_cursor = 0;
        }
        if (frame_types()[free_cursor] & XENPV_FRAME_FREE) {
            *mfn = free_cursor++;
            frame_types()[*mfn] = 0;
            SHARED->free_pages--;
            return true;
        }
        free_cursor++;
    }
    return false;
}

static bool take_free_frame(uint64_t *mfn)
{
    bool found;

    spin_lock(&free_lock);
    found = find_free_frame(mfn);
    spin_unlock(&free_lock);
    if (found) {
        memset(direct(*mfn << PAGE_SHIFT), 0, PAGE_SIZE);
    }
    return found;
}

/*
 * No vCPU may have the frames in its cache of translations, and QEMU must be
 * done with them, before another vCPU can be given one.
 */
static void flush_discards(struct vcpu *v, struct xenpv_mailbox *m)
{
    uint32_t len = m->len, i;
    uint64_t mfn;

    if (!len) {
        return;
    }
    flush_vcpus(v, ALL_VCPUS);
    call_qemu(XENPV_CALL_DISCARD, 0, NULL);
    spin_lock(&free_lock);
    for (i = 0; i < len; i += sizeof(mfn)) {
        memcpy(&mfn, m->data + i, sizeof(mfn));
        frame_types()[mfn] = XENPV_FRAME_FREE;
        SHARED->free_pages++;
    }
    spin_unlock(&free_lock);
    m->len = 0;
}

static bool give_back(struct vcpu *v, uint64_t mfn)
{
    struct xenpv_mailbox *m = mailbox();

    uint8_t gone = XENPV_FRAME_FREE | XENPV_FRAME_GOING;

    if (!mfn_is_ram(mfn) ||
        (__atomic_fetch_or(&frame_types()[mfn], XENPV_FRAME_GOING,
                           __ATOMIC_SEQ_CST) & gone)) {
        return false;
    }
    set_m2p(mfn, ~0ull);
    memcpy(m->data + m->len, &mfn, sizeof(mfn));
    m->len += sizeof(mfn);
    if (m->len == sizeof(m->data) / sizeof(mfn) * sizeof(mfn)) {
        flush_discards(v, m);
    }
    return true;
}

/* Frame numbers in the guest's memory are an unsigned long of its own */
static int get_frame(uint64_t list, uint64_t i, uint64_t *frame)
{
    unsigned size = guest_is_pae() ? 4 : 8;

    *frame = 0;
    return copy_from_guest(frame, list + i * size, size);
}

static int put_frame(uint64_t list, uint64_t i, uint64_t frame)
{
    unsigned size = guest_is_pae() ? 4 : 8;

    return copy_to_guest(list + i * size, &frame, size);
}

/* Extents of one page, as every guest uses them; returns how many were done */
static long decrease(struct vcpu *v, const struct xen_memory_reservation *r)
{
    uint64_t list = (uintptr_t)r->extent_start.p, i, mfn;

    mailbox()->len = 0;
    for (i = 0; i < r->nr_extents; i++) {
        if (get_frame(list, i, &mfn) || !give_back(v, mfn)) {
            break;
        }
    }
    flush_discards(v, mailbox());
    return i;
}

static long populate(const struct xen_memory_reservation *r, bool by_pfn)
{
    uint64_t list = (uintptr_t)r->extent_start.p, i, mfn, pfn = ~0ull;

    for (i = 0; i < r->nr_extents; i++) {
        if (by_pfn && get_frame(list, i, &pfn)) {
            break;
        }
        if (!take_free_frame(&mfn)) {
            break;
        }
        set_m2p(mfn, pfn);
        if (list && put_frame(list, i, mfn)) {
            break;
        }
    }
    return i;
}

long reservation(struct vcpu *v, uint64_t cmd,
                 const struct xen_memory_reservation *r)
{
    long done;

    if (r->extent_order) {
        return 0;               /* none of the extents was done */
    }
    switch (cmd) {
    case XENMEM_decrease_reservation:
        done = decrease(v, r);
        break;
    case XENMEM_populate_physmap:
        done = populate(r, true);
        break;
    default:
        done = populate(r, false);
        break;
    }
    if (done) {
        call_qemu(XENPV_CALL_BALLOON, 0, NULL);
    }
    return done;
}

long hc_memory_op(struct vcpu *v, uint64_t cmd, uint64_t arg)
{
    struct xen_memory_reservation r;

    switch (cmd) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return copy_from_guest(&r, arg, sizeof(r)) ? -XEN_EFAULT
                                                   : reservation(v, cmd, &r);
    case XENMEM_maximum_ram_page:
        return SHARED->max_mfn - 1;
    case XENMEM_current_reservation:
        return SHARED->max_pages - READ_ONCE(SHARED->free_pages);
    case XENMEM_maximum_reservation:
        return SHARED->max_pages;
    case XENMEM_maximum_gpfn:
        return SHARED->max_pages - 1;
    case XENMEM_memory_map:
        return memory_map(arg);
    case XENMEM_machphys_mapping:
        return machphys_mapping(arg);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- grant table ---- */

static long query_size(uint64_t arg)
{
    struct gnttab_query_size q;

    if (copy_from_guest(&q, arg, sizeof(q))) {
        return -XEN_EFAULT;
    }
    q.nr_frames = SHARED->grant_frames;
    q.max_nr_frames = XENPV_GRANT_FRAMES;
    q.status = GNTST_okay;
    return copy_to_guest(arg, &q, sizeof(q));
}

/* Fills in the status alone, and the list it names */
void make_table(struct gnttab_setup_table *s)
{
    uint64_t mfn = (SHARED->block_gpa + XENPV_OFF_GRANT) >> PAGE_SHIFT;
    uint32_t i;

    s->status = GNTST_okay;
    if (s->dom != DOMID_SELF && s->dom != 1) {
        s->status = GNTST_bad_domain;
    } else if (s->nr_frames > XENPV_GRANT_FRAMES) {
        s->status = GNTST_general_error;
    }
    for (i = 0; s->status == GNTST_okay && i < s->nr_frames; i++, mfn++) {
        if (put_frame((uintptr_t)s->frame_list.p, i, mfn)) {
            s->status = GNTST_bad_virt_addr;
        }
    }
    if (s->status == GNTST_okay && s->nr_frames > SHARED->grant_frames) {
        SHARED->grant_frames = s->nr_frames;
    }
}

static long setup_table(uint64_t arg)
{
    struct gnttab_setup_table s;

    if (copy_from_guest(&s, arg, sizeof(s))) {
        return -XEN_EFAULT;
    }
    make_table(&s);
    return copy_to_guest(arg, &s, sizeof(s));
}

static long set_version(uint64_t arg)
{
    struct gnttab_set_version s;
    long ret = 0;

    if (copy_from_guest(&s, arg, sizeof(s))) {
        return -XEN_EFAULT;
    }
    if (s.version != 1) {
        ret = -XEN_ENOSYS;
    }
    s.version = 1;
    return copy_to_guest(arg, &s, sizeof(s)) ? -XEN_EFAULT : ret;
}

static long get_version(uint64_t arg)
{
    struct gnttab_get_version g;

    if (copy_from_guest(&g, arg, sizeof(g))) {
        return -XEN_EFAULT;
    }
    g.version = 1;
    return copy_to_guest(arg, &g, sizeof(g));
}

long hc_grant_table_op(struct vcpu *v, uint64_t cmd, uint64_t arg,
                       uint64_t count)
{
    (void)v;
    if (!count) {
        return 0;
    }
    switch (cmd) {
    case GNTTABOP_query_size:
        return query_size(arg);
    case GNTTABOP_setup_table:
        return setup_table(arg);
    case GNTTABOP_set_version:
        return set_version(arg);
    case GNTTABOP_get_version:
        return get_version(arg);
    default:
        return -XEN_ENOSYS;     /* mapping is for back ends */
    }
}
