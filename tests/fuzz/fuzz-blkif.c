/*
 * Fuzz the block protocol: decode, indirect entries, check, response.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/xenpv/drivers/blkif.h"
#include "fuzz.h"

static const char *const protocols[] = { NULL, "x86_64-abi", "arm-abi" };

/* The input: a head, the slot, the entries of the indirect pages. */
#define OFFERED_READONLY    0x01
#define OFFERED_DISCARD     0x02
#define OFFERED_SECURE      0x04
#define OFFERED_FLUSH       0x08
#define OFFERED_BARRIER     0x10

typedef struct World {
    const XenPvBlkifAbi *abi;
    unsigned unit_shift;
    unsigned chunk;
    XenPvBlkifLimits limits;
    XenPvBlkifRequest req;
    XenPvBlkifSeg *segs;
} World;

static void read_head(World *w, FuzzInput *in)
{
    uint8_t offered;

    w->abi = xenpv_blkif_abi(protocols[fuzz_u8(in) % ARRAY_SIZE(protocols)]);
    w->unit_shift = fuzz_u8(in) % (XENPV_BLKIF_MAX_UNIT_SHIFT + 1);
    /* Entries come in one go or in many. */
    w->chunk = fuzz_u8(in) + 1;
    offered = fuzz_u8(in);
    w->limits = (XenPvBlkifLimits) {
        .readonly = offered & OFFERED_READONLY,
        .discard = offered & OFFERED_DISCARD,
        .secure_discard = offered & OFFERED_SECURE,
        .flush = offered & OFFERED_FLUSH,
        .barrier = offered & OFFERED_BARRIER,
        .sector_size = 512 << fuzz_u8(in) % 8,
        .max_indirect = fuzz_u16(in),
        .sectors = fuzz_u64(in) >> 10,
    };
}

static bool is_error(int status)
{
    return status == BLKIF_RSP_ERROR || status == BLKIF_RSP_EOPNOTSUPP;
}

static void judge_decoded(const World *w, const uint8_t *slot)
{
    const XenPvBlkifRequest *req = &w->req;

    g_assert_cmpint(req->indirect, ==, slot[0] == BLKIF_OP_INDIRECT);
    g_assert_cmpint(req->op, ==, slot[req->indirect]);
    g_assert_cmpint(req->raw_op, ==, req->op);
    g_assert_cmpint(req->bytes, ==, 0);
    switch (req->op) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        g_assert_cmpint(req->nr_segs, >=, 1);
        break;
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        g_assert_false(req->indirect);
        break;
    case BLKIF_OP_DISCARD:
        g_assert_false(req->indirect);
        g_assert_cmpint(req->nr_segs, ==, 0);
        break;
    default:
        g_assert_not_reached();
    }
    g_assert_cmpint(req->nr_segs, <=,
                    req->indirect ? XENPV_BLKIF_MAX_INDIRECT
                                  : XENPV_BLKIF_MAX_DIRECT);
    g_assert_cmpint(req->sector & ((1u << w->unit_shift) - 1), ==, 0);
}

static void judge_segs(const World *w, unsigned first, unsigned nr)
{
    unsigned unit = 512 << w->unit_shift, i;

    for (i = first; i < first + nr; i++) {
        const XenPvBlkifSeg *seg = &w->segs[i];

        g_assert_cmpint(seg->len, >, 0);
        g_assert_cmpint(seg->offset + seg->len, <=, XENPV_BLKIF_PAGE_SIZE);
        g_assert_cmpint(seg->offset % unit, ==, 0);
        g_assert_cmpint(seg->len % unit, ==, 0);
    }
}

static int read_entries(World *w, FuzzInput *in)
{
    unsigned nr_segs = w->req.nr_segs, first, nr;
    int status = BLKIF_RSP_OKAY;

    g_assert_cmpint(xenpv_blkif_indirect_pages(&w->req), ==, 1);
    for (first = 0; first < nr_segs && !status; first += nr) {
        g_autofree uint8_t *entries = NULL;

        nr = MIN(w->chunk, nr_segs - first);
        entries = fuzz_copy(in, nr * 8);
        status = xenpv_blkif_decode_indirect(&w->req, first, entries, nr,
                                             w->unit_shift, w->segs);
        if (status) {
            g_assert_true(is_error(status));
        } else {
            judge_segs(w, first, nr);
        }
    }
    return status;
}

static void judge_checked(const World *w)
{
    const XenPvBlkifRequest *req = &w->req;
    const XenPvBlkifLimits *limits = &w->limits;
    bool discard = req->op == BLKIF_OP_DISCARD;
    unsigned __int128 start, end;
    uint64_t bytes = 0;
    unsigned i;

    for (i = 0; i < req->nr_segs; i++) {
        bytes += w->segs[i].len;
    }
    g_assert_cmpint(req->bytes, ==, bytes);
    if (!discard) {
        g_assert_cmpint(req->nr_sectors * 512, ==, bytes);
    }
    start = (unsigned __int128)req->sector * 512;
    end = start + (unsigned __int128)req->nr_sectors * 512;
    g_assert_true(end <= (unsigned __int128)limits->sectors * 512);
    g_assert_true(end <= INT64_MAX);
    g_assert_cmpint(start % limits->sector_size, ==, 0);
    g_assert_cmpint(end % limits->sector_size, ==, 0);
    if (limits->readonly) {
        g_assert_true(req->op == BLKIF_OP_READ || (!bytes && !discard));
    }
    if (req->indirect) {
        g_assert_cmpint(req->nr_segs, <=, limits->max_indirect);
    }
    g_assert_true(!discard || limits->discard);
    g_assert_true(!req->secure || limits->secure_discard);
    g_assert_true(req->op != BLKIF_OP_FLUSH_DISKCACHE || limits->flush);
    g_assert_true(req->op != BLKIF_OP_WRITE_BARRIER || limits->barrier);
}

static void judge_response(const World *w, int status)
{
    uint8_t buf[XENPV_BLKIF_MAX_RESPONSE + 1];
    unsigned len, i;

    memset(buf, 0xee, sizeof(buf));
    len = xenpv_blkif_response(w->abi, buf, w->req.id, w->req.raw_op, status);
    g_assert_cmpint(len, ==, w->abi->response_size);
    g_assert_cmphex(ldq_le_p(buf), ==, w->req.id);
    g_assert_cmpint(buf[8], ==, w->req.raw_op);
    g_assert_cmpint(buf[9], ==, 0);
    g_assert_cmpint((int16_t)lduw_le_p(buf + 10), ==, status);
    for (i = 12; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, i < len ? 0 : 0xee);
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    g_autofree XenPvBlkifSeg *segs = g_new(XenPvBlkifSeg,
                                           XENPV_BLKIF_MAX_SEGS);
    g_autofree uint8_t *slot = NULL;
    World w = { .segs = segs };
    int status;

    read_head(&w, &in);
    slot = fuzz_copy(&in, w.abi->stride);
    status = xenpv_blkif_decode(w.abi, slot, w.unit_shift, &w.req, segs);
    g_assert_cmphex(w.req.id, ==, ldq_le_p(slot + w.abi->id));
    if (!status) {
        judge_decoded(&w, slot);
        if (w.req.indirect) {
            status = read_entries(&w, &in);
        } else {
            judge_segs(&w, 0, w.req.nr_segs);
        }
    }
    if (!status) {
        status = xenpv_blkif_check(&w.req, segs, &w.limits);
        if (!status) {
            judge_checked(&w);
        }
    }
    g_assert_true(!status || is_error(status));
    judge_response(&w, status);
}

/* A head that allows everything, on a disk of 1 GiB. */
static void put_head(GByteArray *seed, unsigned abi, unsigned unit_shift)
{
    uint8_t head[] = {
        abi, unit_shift, 63, 0xfe, unit_shift, 0, 1, 0, 0, 0, 0, 0x80, 0, 0, 0,
    };

    g_byte_array_append(seed, head, sizeof(head));
}

static void put_segs(uint8_t *p, unsigned nr, unsigned unit_shift)
{
    for (; nr; nr--, p += 8) {
        stl_le_p(p, 8 + nr);
        p[5] = (8 >> unit_shift) - 1;
    }
}

static void seed_one(unsigned abi_nr, unsigned unit_shift, unsigned op)
{
    const XenPvBlkifAbi *abi = xenpv_blkif_abi(protocols[abi_nr]);
    g_autoptr(GByteArray) seed = g_byte_array_new();
    g_autofree char *name = g_strdup_printf("%s-%u-%u", abi->name, unit_shift,
                                            op);
    uint8_t slot[XENPV_BLKIF_MAX_STRIDE] = { op };
    uint8_t entries[XENPV_BLKIF_MAX_INDIRECT * 8] = { 0 };

    put_head(seed, abi_nr, unit_shift);
    stq_le_p(slot + abi->id, 0x1234);
    stq_le_p(slot + abi->sector, 4096);
    switch (op) {
    case BLKIF_OP_DISCARD:
        slot[1] = BLKIF_DISCARD_SECURE;
        stq_le_p(slot + abi->discard_sectors, 64);
        break;
    case BLKIF_OP_INDIRECT:
        slot[1] = BLKIF_OP_WRITE;
        stw_le_p(slot + 2, XENPV_BLKIF_MAX_INDIRECT);
        put_segs(entries, XENPV_BLKIF_MAX_INDIRECT, unit_shift);
        break;
    default:
        slot[1] = XENPV_BLKIF_MAX_DIRECT;
        put_segs(slot + abi->segs, XENPV_BLKIF_MAX_DIRECT, unit_shift);
        break;
    }
    g_byte_array_append(seed, slot, abi->stride);
    if (op == BLKIF_OP_INDIRECT) {
        g_byte_array_append(seed, entries, sizeof(entries));
    }
    fuzz_seed(name, seed->data, seed->len);
}

void fuzz_seeds(void)
{
    unsigned abi, unit_shift, op;

    for (abi = 0; abi < ARRAY_SIZE(protocols); abi++) {
        for (unit_shift = 0; unit_shift <= XENPV_BLKIF_MAX_UNIT_SHIFT;
             unit_shift += XENPV_BLKIF_MAX_UNIT_SHIFT) {
            for (op = 0; op <= BLKIF_OP_INDIRECT; op++) {
                seed_one(abi, unit_shift, op);
            }
        }
    }
}
