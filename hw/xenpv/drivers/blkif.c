/*
 * The block protocol's wire format.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/xen/interface/io/protocols.h"
#include "blkif.h"

/* The same under every ABI: what comes before the alignment of 64-bit words. */
#define OFF_OP              0
#define OFF_NR_SEGS         1
#define OFF_DISCARD_FLAG    1
#define OFF_INDIRECT_OP     1
#define OFF_HANDLE          2
#define OFF_INDIRECT_NR     2

/* One entry of a direct or indirect request's segments. */
#define SEG_SIZE            8
#define SEG_OFF_FIRST       4
#define SEG_OFF_LAST        5

/* In a response; the byte between operation and status is padding. */
#define RSP_OFF_ID          0
#define RSP_OFF_OP          8
#define RSP_OFF_STATUS      10

#define SECTORS_PER_PAGE    (XENPV_BLKIF_PAGE_SIZE >> XENPV_BLKIF_SECTOR_SHIFT)

/* i386 aligns 64-bit words to 4 bytes, everybody else to 8. */
static const XenPvBlkifAbi abis[] = {
    {
        .name = XEN_IO_PROTO_ABI_X86_32,
        .stride = 108, .response_size = 12,
        .id = 4, .sector = 12, .segs = 20, .discard_sectors = 20,
        .indirect_handle = 20, .indirect_refs = 24,
    },
    {
        .name = XEN_IO_PROTO_ABI_X86_64,
        .stride = 112, .response_size = 16,
        .id = 8, .sector = 16, .segs = 24, .discard_sectors = 24,
        .indirect_handle = 24, .indirect_refs = 28,
    },
    {
        .name = XEN_IO_PROTO_ABI_ARM,
        .stride = 112, .response_size = 16,
        .id = 8, .sector = 16, .segs = 24, .discard_sectors = 24,
        .indirect_handle = 24, .indirect_refs = 28,
    },
};

const XenPvBlkifAbi *xenpv_blkif_abi(const char *protocol)
{
    unsigned i;

    if (!protocol) {
        protocol = XEN_IO_PROTO_ABI_X86_32;
    }
    for (i = 0; i < ARRAY_SIZE(abis); i++) {
        if (!strcmp(abis[i].name, protocol)) {
            return &abis[i];
        }
    }
    return NULL;
}

/* Turn @value from the front end's unit into sectors. */
static bool scale(uint64_t value, unsigned unit_shift, uint64_t *sectors)
{
    *sectors = value << unit_shift;
    return *sectors >> unit_shift == value;
}

static bool decode_segs(const uint8_t *entry, unsigned nr, unsigned unit_shift,
                        XenPvBlkifSeg *seg)
{
    unsigned shift = XENPV_BLKIF_SECTOR_SHIFT + unit_shift;
    unsigned per_page = SECTORS_PER_PAGE >> unit_shift;
    unsigned i;

    for (i = 0; i < nr; i++, entry += SEG_SIZE, seg++) {
        unsigned first = entry[SEG_OFF_FIRST];
        unsigned last = entry[SEG_OFF_LAST];

        if (first > last || last >= per_page) {
            return false;
        }
        seg->ref = ldl_le_p(entry);
        seg->offset = first << shift;
        seg->len = (last - first + 1) << shift;
    }
    return true;
}

static int decode_rw(const XenPvBlkifAbi *abi, const uint8_t *slot,
                     unsigned unit_shift, XenPvBlkifRequest *req,
                     XenPvBlkifSeg *segs)
{
    req->handle = lduw_le_p(slot + OFF_HANDLE);
    req->nr_segs = slot[OFF_NR_SEGS];
    if (req->nr_segs > XENPV_BLKIF_MAX_DIRECT) {
        return BLKIF_RSP_ERROR;
    }
    if (!req->nr_segs) {
        return req->op == BLKIF_OP_FLUSH_DISKCACHE ||
               req->op == BLKIF_OP_WRITE_BARRIER ? BLKIF_RSP_OKAY
                                                 : BLKIF_RSP_ERROR;
    }
    if (!scale(ldq_le_p(slot + abi->sector), unit_shift, &req->sector) ||
        !decode_segs(slot + abi->segs, req->nr_segs, unit_shift, segs)) {
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

static int decode_discard(const XenPvBlkifAbi *abi, const uint8_t *slot,
                          unsigned unit_shift, XenPvBlkifRequest *req)
{
    req->handle = lduw_le_p(slot + OFF_HANDLE);
    req->secure = slot[OFF_DISCARD_FLAG] & BLKIF_DISCARD_SECURE;
    if (!scale(ldq_le_p(slot + abi->sector), unit_shift, &req->sector) ||
        !scale(ldq_le_p(slot + abi->discard_sectors), unit_shift,
               &req->nr_sectors)) {
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

static int decode_indirect(const XenPvBlkifAbi *abi, const uint8_t *slot,
                           unsigned unit_shift, XenPvBlkifRequest *req)
{
    unsigned i;

    req->indirect = true;
    req->op = slot[OFF_INDIRECT_OP];
    req->raw_op = req->op;
    req->nr_segs = lduw_le_p(slot + OFF_INDIRECT_NR);
    req->handle = lduw_le_p(slot + abi->indirect_handle);
    if (req->op != BLKIF_OP_READ && req->op != BLKIF_OP_WRITE) {
        return BLKIF_RSP_ERROR;
    }
    if (!req->nr_segs || req->nr_segs > XENPV_BLKIF_MAX_INDIRECT) {
        return BLKIF_RSP_ERROR;
    }
    if (!scale(ldq_le_p(slot + abi->sector), unit_shift, &req->sector)) {
        return BLKIF_RSP_ERROR;
    }
    for (i = 0; i < xenpv_blkif_indirect_pages(req); i++) {
        req->indirect_ref[i] = ldl_le_p(slot + abi->indirect_refs + 4 * i);
    }
    return BLKIF_RSP_OKAY;
}

int xenpv_blkif_decode(const XenPvBlkifAbi *abi, const void *slot,
                       unsigned unit_shift, XenPvBlkifRequest *req,
                       XenPvBlkifSeg *segs)
{
    const uint8_t *p = slot;

    *req = (XenPvBlkifRequest) {
        .id = ldq_le_p(p + abi->id),
        .op = p[OFF_OP],
        .raw_op = p[OFF_OP],
    };
    switch (req->op) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        return decode_rw(abi, p, unit_shift, req, segs);
    case BLKIF_OP_DISCARD:
        return decode_discard(abi, p, unit_shift, req);
    case BLKIF_OP_INDIRECT:
        return decode_indirect(abi, p, unit_shift, req);
    default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
}

unsigned xenpv_blkif_indirect_pages(const XenPvBlkifRequest *req)
{
    return req->indirect ? DIV_ROUND_UP(req->nr_segs, XENPV_BLKIF_SEGS_PER_PAGE)
                         : 0;
}

int xenpv_blkif_decode_indirect(const XenPvBlkifRequest *req, unsigned first,
                                const void *entries, unsigned nr,
                                unsigned unit_shift, XenPvBlkifSeg *segs)
{
    if (!req->indirect || first > req->nr_segs || nr > req->nr_segs - first) {
        return BLKIF_RSP_ERROR;
    }
    return decode_segs(entries, nr, unit_shift, segs + first) ? BLKIF_RSP_OKAY
                                                              : BLKIF_RSP_ERROR;
}

static bool offered(const XenPvBlkifRequest *req,
                    const XenPvBlkifLimits *limits)
{
    if (req->indirect && !limits->max_indirect) {
        return false;
    }
    switch (req->op) {
    case BLKIF_OP_WRITE_BARRIER:
        return limits->barrier;
    case BLKIF_OP_FLUSH_DISKCACHE:
        return limits->flush;
    case BLKIF_OP_DISCARD:
        return limits->discard && (!req->secure || limits->secure_discard);
    default:
        return true;
    }
}

static bool changes_data(const XenPvBlkifRequest *req)
{
    return req->op == BLKIF_OP_DISCARD ||
           (req->op != BLKIF_OP_READ && req->nr_segs);
}

int xenpv_blkif_check(XenPvBlkifRequest *req, const XenPvBlkifSeg *segs,
                      const XenPvBlkifLimits *limits)
{
    uint64_t mask = (limits->sector_size >> XENPV_BLKIF_SECTOR_SHIFT) - 1;
    unsigned i;

    if (!offered(req, limits)) {
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (req->op != BLKIF_OP_DISCARD) {
        req->bytes = 0;
        for (i = 0; i < req->nr_segs; i++) {
            req->bytes += segs[i].len;
        }
        req->nr_sectors = req->bytes >> XENPV_BLKIF_SECTOR_SHIFT;
    }
    if ((limits->readonly && changes_data(req)) ||
        (req->indirect && req->nr_segs > limits->max_indirect) ||
        ((req->sector | req->nr_sectors) & mask) ||
        req->sector > limits->sectors ||
        req->nr_sectors > limits->sectors - req->sector) {
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

unsigned xenpv_blkif_response(const XenPvBlkifAbi *abi, void *buf,
                              uint64_t id, uint8_t op, int16_t status)
{
    uint8_t *p = buf;

    memset(p, 0, abi->response_size);
    stq_le_p(p + RSP_OFF_ID, id);
    p[RSP_OFF_OP] = op;
    stw_le_p(p + RSP_OFF_STATUS, status);
    return abi->response_size;
}
