/*
 * Grants and foreign frames of real Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xen/interface/grant_table.h"
#include "libxen-internal.h"

/* Segments handed to the kernel at once; on the stack: this is a hot call */
#define COPY_BATCH  64

typedef struct XenPvLibxenMap {
    XenPvMap parent;
    bool foreign;               /* frames, not grants */
} XenPvLibxenMap;

static XenPvMap *map_new(XenPvHv *hv, XenPvDomid domid, void *base,
                         uint32_t nr, bool readonly, bool foreign)
{
    XenPvLibxenMap *map = g_new0(XenPvLibxenMap, 1);
    uint32_t i;

    map->foreign = foreign;
    map->parent = (XenPvMap) {
        .hv = hv, .domid = domid, .nr_pages = nr, .readonly = readonly,
        .base = base, .page = g_new(void *, nr),
    };
    for (i = 0; i < nr; i++) {
        map->parent.page[i] = (char *)base + (size_t)i * XENPV_PAGE_SIZE;
    }
    return &map->parent;
}

XenPvMap *xenpv_libxen_grant_map(XenPvHv *hv, XenPvDomid domid,
                                 const uint32_t *refs, uint32_t nr_refs,
                                 bool readonly, Error **errp)
{
    uint32_t copy[XENPV_MAX_MAP_PAGES];     /* the library takes no const */
    void *base;

    memcpy(copy, refs, nr_refs * sizeof(*refs));
    base = xengnttab_map_domain_grant_refs(xenpv_libxen(hv)->gnttab, nr_refs,
                                           domid, copy,
                                           PROT_READ |
                                           (readonly ? 0 : PROT_WRITE));
    if (!base) {
        error_setg_errno(errp, errno, "cannot map grant %" PRIu32
                         " of domain %u", refs[0], domid);
        return NULL;
    }
    return map_new(hv, domid, base, nr_refs, readonly, false);
}

static bool copy_in_page(const XenPvCopySeg *seg)
{
    return seg->offset <= XENPV_PAGE_SIZE &&
           seg->len <= XENPV_PAGE_SIZE - seg->offset;
}

static void prepare_copy(xengnttab_grant_copy_segment_t *op,
                         XenPvDomid domid, bool to_domain,
                         const XenPvCopySeg *seg)
{
    union xengnttab_copy_ptr *ours = to_domain ? &op->source : &op->dest;
    union xengnttab_copy_ptr *theirs = to_domain ? &op->dest : &op->source;

    ours->virt = seg->local;
    theirs->foreign.ref = seg->ref;
    theirs->foreign.offset = seg->offset;
    theirs->foreign.domid = domid;
    op->len = seg->len;
    op->flags = to_domain ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    op->status = GNTST_general_error;
}

/* At most COPY_BATCH segments, of which bad and empty ones are left out */
static void copy_batch(XenPvLibxen *xen, XenPvDomid domid, bool to_domain,
                       XenPvCopySeg *segs, uint32_t nr)
{
    xengnttab_grant_copy_segment_t ops[COPY_BATCH];
    XenPvCopySeg *from[COPY_BATCH];
    uint32_t i, nr_ops = 0;
    int ret = 0;

    for (i = 0; i < nr; i++) {
        segs[i].status = copy_in_page(&segs[i]) ? 0 : -EINVAL;
        if (!segs[i].status && segs[i].len) {
            prepare_copy(&ops[nr_ops], domid, to_domain, &segs[i]);
            from[nr_ops++] = &segs[i];
        }
    }
    if (nr_ops && xengnttab_grant_copy(xen->gnttab, nr_ops, ops)) {
        ret = -errno;
    }
    for (i = 0; i < nr_ops; i++) {
        from[i]->status = ret ? ret :
                          ops[i].status == GNTST_okay ? 0 : -EFAULT;
    }
}

int xenpv_libxen_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                            XenPvCopySeg *segs, uint32_t nr_segs)
{
    uint32_t done, i, n;

    for (done = 0; done < nr_segs; done += n) {
        n = MIN(nr_segs - done, COPY_BATCH);
        copy_batch(xenpv_libxen(hv), domid, to_domain, segs + done, n);
    }
    for (i = 0; i < nr_segs; i++) {
        if (segs[i].status) {
            return segs[i].status;
        }
    }
    return 0;
}

XenPvMap *xenpv_libxen_frame_map(XenPvHv *hv, XenPvDomid domid,
                                 const uint64_t *gfns, uint32_t nr_gfns,
                                 bool readonly, Error **errp)
{
    g_autofree xen_pfn_t *pfns = g_new(xen_pfn_t, nr_gfns);
    uint32_t i;
    void *base;

    for (i = 0; i < nr_gfns; i++) {
        pfns[i] = gfns[i];
    }
    /* Without an array for errors it is all or nothing. */
    base = xenforeignmemory_map(xenpv_libxen(hv)->memory, domid,
                                PROT_READ | (readonly ? 0 : PROT_WRITE),
                                nr_gfns, pfns, NULL);
    if (!base) {
        error_setg_errno(errp, errno, "cannot map frame 0x%" PRIx64
                         " of domain %u", gfns[0], domid);
        return NULL;
    }
    return map_new(hv, domid, base, nr_gfns, readonly, true);
}

/*
 * Who builds a domain reserves a grant for the page of its console: that works
 * for any kind of guest and without the right to map frames.
 */
XenPvMap *xenpv_libxen_console_map(XenPvHv *hv, XenPvDomid domid,
                                   uint64_t ring_ref, Error **errp)
{
    uint32_t ref = GNTTAB_RESERVED_CONSOLE;
    XenPvMap *map = xenpv_libxen_grant_map(hv, domid, &ref, 1, false, NULL);

    return map ?: xenpv_libxen_frame_map(hv, domid, &ring_ref, 1, false,
                                         errp);
}

void xenpv_libxen_unmap(XenPvMap *parent)
{
    XenPvLibxenMap *map = container_of(parent, XenPvLibxenMap, parent);
    XenPvLibxen *xen = xenpv_libxen(parent->hv);

    if (map->foreign) {
        xenforeignmemory_unmap(xen->memory, parent->base, parent->nr_pages);
    } else {
        xengnttab_unmap(xen->gnttab, parent->base, parent->nr_pages);
    }
    g_free(parent->page);
    g_free(map);
}
