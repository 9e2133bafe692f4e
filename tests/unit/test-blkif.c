/*
 * The block protocol's wire format, with a front end that lies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/xen/interface/io/protocols.h"
#include "hw/xenpv/drivers/blkif.h"

#define OKAY    BLKIF_RSP_OKAY
#define ERR     BLKIF_RSP_ERROR
#define NOTSUP  BLKIF_RSP_EOPNOTSUPP

#define READ    BLKIF_OP_READ
#define WRITE   BLKIF_OP_WRITE
#define BARRIER BLKIF_OP_WRITE_BARRIER
#define FLUSH   BLKIF_OP_FLUSH_DISKCACHE
#define PACKET  BLKIF_OP_RESERVED_1
#define DISCARD BLKIF_OP_DISCARD
#define INDIRECT BLKIF_OP_INDIRECT

/*
 * The slots, written out by hand with every byte of padding in them: once as
 * an i386 compiler lays them out, once as all others do.
 */
typedef struct QEMU_PACKED Seg {
    uint32_t ref;
    uint8_t first, last;
    uint8_t pad[2];
} Seg;

typedef struct QEMU_PACKED Rw32 {
    uint8_t op, nr_segs;
    uint16_t handle;
    uint64_t id, sector;
    Seg seg[11];
} Rw32;

typedef struct QEMU_PACKED Discard32 {
    uint8_t op, flag;
    uint16_t handle;
    uint64_t id, sector, nr_sectors;
} Discard32;

typedef struct QEMU_PACKED Indirect32 {
    uint8_t op, inner;
    uint16_t nr_segs;
    uint64_t id, sector;
    uint16_t handle;
    uint8_t pad[2];
    uint32_t ref[8];
    uint64_t pad2;
} Indirect32;

typedef struct QEMU_PACKED Response32 {
    uint64_t id;
    uint8_t op;
    uint8_t pad;
    int16_t status;
} Response32;

typedef struct QEMU_PACKED Rw64 {
    uint8_t op, nr_segs;
    uint16_t handle;
    uint8_t pad[4];
    uint64_t id, sector;
    Seg seg[11];
} Rw64;

typedef struct QEMU_PACKED Discard64 {
    uint8_t op, flag;
    uint16_t handle;
    uint8_t pad[4];
    uint64_t id, sector, nr_sectors;
} Discard64;

typedef struct QEMU_PACKED Indirect64 {
    uint8_t op, inner;
    uint16_t nr_segs;
    uint8_t pad[4];
    uint64_t id, sector;
    uint16_t handle;
    uint8_t pad2[2];
    uint32_t ref[8];
    uint8_t pad3[4];
} Indirect64;

typedef struct QEMU_PACKED Response64 {
    uint64_t id;
    uint8_t op;
    uint8_t pad;
    int16_t status;
    uint8_t pad2[4];
} Response64;

/* What the tests need to know to fill in a slot. */
typedef struct TestAbi {
    const char *name;
    size_t stride, response_size;
    size_t id, sector, seg, nr_sectors, indirect_handle, ref;
} TestAbi;

#define TEST_ABI(protocol, bits)                                \
    {                                                           \
        .name = protocol,                                       \
        .stride = sizeof(Rw##bits),                             \
        .response_size = sizeof(Response##bits),                \
        .id = offsetof(Rw##bits, id),                           \
        .sector = offsetof(Rw##bits, sector),                   \
        .seg = offsetof(Rw##bits, seg),                         \
        .nr_sectors = offsetof(Discard##bits, nr_sectors),      \
        .indirect_handle = offsetof(Indirect##bits, handle),    \
        .ref = offsetof(Indirect##bits, ref),                   \
    }

static const TestAbi test_abis[] = {
    TEST_ABI("x86_32-abi", 32),
    TEST_ABI("x86_64-abi", 64),
    TEST_ABI("arm-abi", 64),
};

QEMU_BUILD_BUG_ON(sizeof(Rw32) != 108);
QEMU_BUILD_BUG_ON(sizeof(Rw64) != 112);
QEMU_BUILD_BUG_ON(sizeof(Indirect32) != 64);
QEMU_BUILD_BUG_ON(sizeof(Indirect64) != 64);
QEMU_BUILD_BUG_ON(offsetof(Discard32, id) != offsetof(Rw32, id));
QEMU_BUILD_BUG_ON(offsetof(Discard64, id) != offsetof(Rw64, id));
QEMU_BUILD_BUG_ON(offsetof(Indirect32, id) != offsetof(Rw32, id));
QEMU_BUILD_BUG_ON(offsetof(Indirect64, id) != offsetof(Rw64, id));
QEMU_BUILD_BUG_ON(offsetof(Discard32, sector) != offsetof(Rw32, sector));
QEMU_BUILD_BUG_ON(offsetof(Discard64, sector) != offsetof(Rw64, sector));
QEMU_BUILD_BUG_ON(offsetof(Indirect32, sector) != offsetof(Rw32, sector));
QEMU_BUILD_BUG_ON(offsetof(Indirect64, sector) != offsetof(Rw64, sector));

#define ID      0x8877665544332211ull
#define HANDLE  0xca01
#define REF(i)  (0xa0b0c000u + (i))

static void test_abi(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(test_abis); i++) {
        const TestAbi *want = &test_abis[i];
        const XenPvBlkifAbi *abi = xenpv_blkif_abi(want->name);

        g_assert_nonnull(abi);
        g_assert_cmpstr(abi->name, ==, want->name);
        g_assert_cmpint(abi->stride, ==, want->stride);
        g_assert_cmpint(abi->stride, <=, XENPV_BLKIF_MAX_STRIDE);
        g_assert_cmpint(abi->response_size, ==, want->response_size);
        g_assert_cmpint(abi->response_size, <=, XENPV_BLKIF_MAX_RESPONSE);
        g_assert_cmpint(abi->id, ==, want->id);
        g_assert_cmpint(abi->sector, ==, want->sector);
        g_assert_cmpint(abi->segs, ==, want->seg);
        g_assert_cmpint(abi->discard_sectors, ==, want->nr_sectors);
        g_assert_cmpint(abi->indirect_handle, ==, want->indirect_handle);
        g_assert_cmpint(abi->indirect_refs, ==, want->ref);
    }
}

/* Old front ends write no key; all back ends on x86 take them for 32-bit. */
static void test_abi_names(void)
{
    g_assert_cmpstr(xenpv_blkif_abi(NULL)->name, ==, "x86_32-abi");
    g_assert_null(xenpv_blkif_abi(""));
    g_assert_null(xenpv_blkif_abi("native"));
    g_assert_null(xenpv_blkif_abi("x86_64"));
    g_assert_null(xenpv_blkif_abi("x86_64-abi "));
}

/* This host's own row, against the public header as the compiler sees it. */
static void test_abi_native(void)
{
    const XenPvBlkifAbi *abi = xenpv_blkif_abi(XEN_IO_PROTO_ABI_NATIVE);

    g_assert_nonnull(abi);
    g_assert_cmpint(abi->stride, ==, sizeof(blkif_request_t));
    g_assert_cmpint(abi->response_size, ==, sizeof(blkif_response_t));
    g_assert_cmpint(abi->id, ==, offsetof(blkif_request_t, id));
    g_assert_cmpint(abi->sector, ==, offsetof(blkif_request_t, sector_number));
    g_assert_cmpint(abi->segs, ==, offsetof(blkif_request_t, seg));
    g_assert_cmpint(abi->discard_sectors, ==,
                    offsetof(blkif_request_discard_t, nr_sectors));
    g_assert_cmpint(abi->indirect_handle, ==,
                    offsetof(blkif_request_indirect_t, handle));
    g_assert_cmpint(abi->indirect_refs, ==,
                    offsetof(blkif_request_indirect_t, indirect_grefs));
}

/**
 * Row: a request as a front end puts it, and what becomes of it
 * @op, @nr, @sector: as on the ring; @nr is the flag of a discard
 * @inner: operation inside an indirect request
 * @first, @last: of segment @odd; all others are 0 to 7 in units of 512
 * @nr_sectors: of a discard
 * @shift: unit_shift
 * @status: what decoding answers
 * @want_sector, @want_nr: if that is OKAY
 */
typedef struct Row {
    const char *what;
    uint8_t op;
    uint16_t nr;
    uint8_t inner;
    uint64_t sector;
    uint64_t nr_sectors;
    unsigned odd;
    uint8_t first, last;
    unsigned shift;
    int status;
    uint64_t want_sector;
    uint64_t want_nr;
} Row;

/* With @odd here all segments are whole pages. */
#define NONE 1000

static void put_seg(uint8_t *p, const Row *row, unsigned i)
{
    stl_le_p(p, REF(i));
    p[4] = i == row->odd ? row->first : 0;
    p[5] = i == row->odd ? row->last : (8 >> row->shift) - 1;
    p[6] = p[7] = 0xff;
}

/* A slot on the heap, as long as it is and no longer: for ASan. */
static uint8_t *make_slot(const TestAbi *t, const Row *row)
{
    uint8_t *p = g_malloc(t->stride);
    unsigned i;

    /* What the layout leaves open may hold anything. */
    memset(p, 0xff, t->stride);
    p[0] = row->op;
    stq_le_p(p + t->id, ID);
    stq_le_p(p + t->sector, row->sector);
    switch (row->op) {
    case INDIRECT:
        p[1] = row->inner;
        stw_le_p(p + 2, row->nr);
        stw_le_p(p + t->indirect_handle, HANDLE);
        for (i = 0; i < 8; i++) {
            stl_le_p(p + t->ref + 4 * i, REF(i));
        }
        break;
    case DISCARD:
        p[1] = row->nr;
        stw_le_p(p + 2, HANDLE);
        stq_le_p(p + t->nr_sectors, row->nr_sectors);
        break;
    default:
        p[1] = row->nr;
        stw_le_p(p + 2, HANDLE);
        for (i = 0; i < 11; i++) {
            put_seg(p + t->seg + 8 * i, row, i);
        }
        break;
    }
    return p;
}

static void check_segs(const Row *row, const XenPvBlkifSeg *segs, unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        unsigned unit = 512 << row->shift;
        bool odd = i == row->odd;

        g_assert_cmphex(segs[i].ref, ==, REF(i));
        g_assert_cmpint(segs[i].offset, ==, odd ? row->first * unit : 0);
        g_assert_cmpint(segs[i].len, ==,
                        odd ? (row->last - row->first + 1) * unit : 4096);
    }
}

static void check_decoded(const Row *row, const XenPvBlkifRequest *req,
                          const XenPvBlkifSeg *segs)
{
    unsigned i;

    g_assert_cmphex(req->handle, ==, HANDLE);
    g_assert_cmphex(req->sector, ==, row->want_sector);
    g_assert_cmpint(req->op, ==, row->op == INDIRECT ? row->inner : row->op);
    g_assert_cmpint(req->indirect, ==, row->op == INDIRECT);
    g_assert_cmpint(req->secure, ==, row->op == DISCARD && (row->nr & 1));
    g_assert_cmpint(req->nr_segs, ==, row->op == DISCARD ? 0 : row->nr);
    g_assert_cmpint(xenpv_blkif_indirect_pages(req), ==, row->op == INDIRECT);
    switch (row->op) {
    case DISCARD:
        g_assert_cmphex(req->nr_sectors, ==, row->want_nr);
        break;
    case INDIRECT:
        g_assert_cmphex(req->indirect_ref[0], ==, REF(0));
        for (i = 1; i < 8; i++) {
            g_assert_cmphex(req->indirect_ref[i], ==, 0);
        }
        break;
    default:
        check_segs(row, segs, row->nr);
        break;
    }
}

/* A scaled quantity that just fits, and one that just does not. */
#define FITS(shift)     (UINT64_MAX >> (shift))
#define WRAPS(shift)    (FITS(shift) + 1)

static const Row rows[] = {
    /* op, nr, inner, sector, nr_sectors, odd, first, last, shift */
    { "read 1 page", READ, 1, 0, 5, 0, NONE, 0, 0, 0, OKAY, 5 },
    { "read 11 pages", READ, 11, 0, 5, 0, NONE, 0, 0, 0, OKAY, 5 },
    { "read 12 pages", READ, 12, 0, 5, 0, NONE, 0, 0, 0, ERR },
    { "read 255 pages", READ, 255, 0, 5, 0, NONE, 0, 0, 0, ERR },
    { "read nothing", READ, 0, 0, 5, 0, NONE, 0, 0, 0, ERR },
    { "write 1 page", WRITE, 1, 0, 5, 0, NONE, 0, 0, 0, OKAY, 5 },
    { "write nothing", WRITE, 0, 0, 5, 0, NONE, 0, 0, 0, ERR },
    { "write 12 pages", WRITE, 12, 0, 5, 0, NONE, 0, 0, 0, ERR },
    { "flush", FLUSH, 0, 0, 0, 0, NONE, 0, 0, 0, OKAY, 0 },
    /* Linux's flush has no place: blk_rq_pos() is all bits set. */
    { "flush of nowhere", FLUSH, 0, 0, UINT64_MAX, 0, NONE, 0, 0, 0, OKAY, 0 },
    { "flush of nowhere, 4Kn", FLUSH, 0, 0, UINT64_MAX, 0, NONE, 0, 0, 3,
      OKAY, 0 },
    { "flush and write", FLUSH, 2, 0, 7, 0, NONE, 0, 0, 0, OKAY, 7 },
    { "flush, 12 pages", FLUSH, 12, 0, 7, 0, NONE, 0, 0, 0, ERR },
    { "barrier", BARRIER, 0, 0, UINT64_MAX, 0, NONE, 0, 0, 0, OKAY, 0 },
    { "barrier and write", BARRIER, 11, 0, 7, 0, NONE, 0, 0, 0, OKAY, 7 },
    { "barrier, 12 pages", BARRIER, 12, 0, 7, 0, NONE, 0, 0, 0, ERR },

    { "one sector", READ, 3, 0, 0, 0, 1, 0, 0, 0, OKAY, 0 },
    { "last sector", READ, 3, 0, 0, 0, 1, 7, 7, 0, OKAY, 0 },
    { "inner sectors", WRITE, 3, 0, 0, 0, 2, 2, 5, 0, OKAY, 0 },
    { "first > last", READ, 3, 0, 0, 0, 2, 1, 0, 0, ERR },
    { "beyond the page", READ, 3, 0, 0, 0, 2, 0, 8, 0, ERR },
    { "all beyond the page", READ, 3, 0, 0, 0, 0, 8, 8, 0, ERR },
    { "far beyond the page", WRITE, 11, 0, 0, 0, 10, 0, 255, 0, ERR },
    { "255 to 255", WRITE, 1, 0, 0, 0, 0, 255, 255, 0, ERR },
    { "bad, but not counted", WRITE, 2, 0, 0, 0, 2, 9, 3, 0, OKAY, 0 },
    { "flush, bad segment", FLUSH, 2, 0, 0, 0, 1, 9, 3, 0, ERR },

    { "last sector of all", READ, 1, 0, UINT64_MAX, 0, NONE, 0, 0, 0, OKAY,
      UINT64_MAX },
    { "4Kn: page", READ, 1, 0, 5, 0, NONE, 0, 0, 3, OKAY, 40 },
    { "4Kn: beyond the page", READ, 1, 0, 5, 0, 0, 0, 1, 3, ERR },
    { "4Kn: as if of 512", READ, 1, 0, 5, 0, 0, 0, 7, 3, ERR },
    { "2Kn: half a page", READ, 2, 0, 5, 0, 1, 1, 1, 2, OKAY, 20 },
    { "2Kn: beyond the page", READ, 2, 0, 5, 0, 1, 1, 2, 2, ERR },
    { "1Kn: 3/4 page", READ, 2, 0, 5, 0, 1, 1, 3, 1, OKAY, 10 },
    { "4Kn: sector fits", READ, 1, 0, FITS(3), 0, NONE, 0, 0, 3, OKAY,
      UINT64_MAX - 7 },
    { "4Kn: sector wraps", READ, 1, 0, WRAPS(3), 0, NONE, 0, 0, 3, ERR },
    { "1Kn: sector wraps", WRITE, 1, 0, WRAPS(1), 0, NONE, 0, 0, 1, ERR },
    { "4Kn: sector wraps far", WRITE, 1, 0, UINT64_MAX, 0, NONE, 0, 0, 3,
      ERR },
    { "8Kn: no segment can be", READ, 1, 0, 0, 0, 0, 0, 0, 4, ERR },

    { "discard", DISCARD, 0, 0, 8, 16, NONE, 0, 0, 0, OKAY, 8, 16 },
    { "discard nothing", DISCARD, 0, 0, 8, 0, NONE, 0, 0, 0, OKAY, 8, 0 },
    { "discard all", DISCARD, 0, 0, 0, UINT64_MAX, NONE, 0, 0, 0, OKAY, 0,
      UINT64_MAX },
    { "secure", DISCARD, 1, 0, 8, 16, NONE, 0, 0, 0, OKAY, 8, 16 },
    { "other flags", DISCARD, 0xfe, 0, 8, 16, NONE, 0, 0, 0, OKAY, 8, 16 },
    { "4Kn: discard", DISCARD, 0, 0, 8, 16, NONE, 0, 0, 3, OKAY, 64, 128 },
    { "4Kn: discard fits", DISCARD, 0, 0, FITS(3), FITS(3), NONE, 0, 0, 3,
      OKAY, UINT64_MAX - 7, UINT64_MAX - 7 },
    { "4Kn: sector wraps", DISCARD, 0, 0, WRAPS(3), 1, NONE, 0, 0, 3, ERR },
    { "4Kn: length wraps", DISCARD, 0, 0, 1, WRAPS(3), NONE, 0, 0, 3, ERR },

    { "indirect read 1", INDIRECT, 1, READ, 9, 0, NONE, 0, 0, 0, OKAY, 9 },
    { "indirect write 256", INDIRECT, 256, WRITE, 9, 0, NONE, 0, 0, 0, OKAY,
      9 },
    { "indirect 257", INDIRECT, 257, WRITE, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect 65535", INDIRECT, 65535, READ, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect nothing", INDIRECT, 0, READ, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect flush", INDIRECT, 1, FLUSH, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect barrier", INDIRECT, 1, BARRIER, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect discard", INDIRECT, 1, DISCARD, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect indirect", INDIRECT, 1, INDIRECT, 9, 0, NONE, 0, 0, 0, ERR },
    { "indirect 255", INDIRECT, 1, 255, 9, 0, NONE, 0, 0, 0, ERR },
    { "4Kn: indirect", INDIRECT, 1, READ, 9, 0, NONE, 0, 0, 3, OKAY, 72 },
    { "4Kn: indirect wraps", INDIRECT, 1, READ, WRAPS(3), 0, NONE, 0, 0, 3,
      ERR },

    { "packet", PACKET, 1, 0, 0, 0, NONE, 0, 0, 0, NOTSUP },
    { "operation 7", 7, 1, 0, 0, 0, NONE, 0, 0, 0, NOTSUP },
    { "operation 255", 255, 1, 0, 0, 0, NONE, 0, 0, 0, NOTSUP },
};

static void test_decode(void)
{
    int i, j;

    for (i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(test_abis); i++) {
        const Row *row = &rows[i / ARRAY_SIZE(test_abis)];
        const TestAbi *t = &test_abis[i % ARRAY_SIZE(test_abis)];
        g_autofree uint8_t *slot = make_slot(t, row);
        XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
        XenPvBlkifRequest req;
        int status;

        g_test_message("%s: %s", t->name, row->what);
        memset(segs, 0xee, sizeof(segs));
        memset(&req, 0xee, sizeof(req));
        status = xenpv_blkif_decode(xenpv_blkif_abi(t->name), slot, row->shift,
                                    &req, segs);
        g_assert_cmpint(status, ==, row->status);
        /* Whatever it was, it can be answered. */
        g_assert_cmphex(req.id, ==, ID);
        g_assert_cmpint(req.raw_op, ==,
                        row->op == INDIRECT ? row->inner : row->op);
        if (status == OKAY) {
            check_decoded(row, &req, segs);
        }
        /* Nothing is written behind what a slot can hold. */
        for (j = 11; j < XENPV_BLKIF_MAX_SEGS; j++) {
            g_assert_cmphex(segs[j].ref, ==, 0xeeeeeeee);
        }
    }
}

/* Every operation, with no segments and with one. */
static void test_every_op(void)
{
    const XenPvBlkifAbi *abi = xenpv_blkif_abi(NULL);
    XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
    XenPvBlkifRequest req;
    unsigned op, nr;

    for (op = 0; op < 256; op++) {
        for (nr = 0; nr < 2; nr++) {
            Row row = { .op = op, .nr = nr, .odd = NONE, .inner = READ };
            g_autofree uint8_t *slot = make_slot(&test_abis[0], &row);
            int status = xenpv_blkif_decode(abi, slot, 0, &req, segs);

            switch (op) {
            case READ:
            case WRITE:
            case INDIRECT:
                g_assert_cmpint(status, ==, nr ? OKAY : ERR);
                break;
            case BARRIER:
            case FLUSH:
            case DISCARD:
                g_assert_cmpint(status, ==, OKAY);
                break;
            default:
                g_assert_cmpint(status, ==, NOTSUP);
                break;
            }
        }
    }
}

/* Every pair of first and last sector, in every unit. */
static void test_every_segment(void)
{
    const XenPvBlkifAbi *abi = xenpv_blkif_abi(NULL);
    XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
    XenPvBlkifRequest req;
    unsigned shift, first, last;

    for (shift = 0; shift <= XENPV_BLKIF_MAX_UNIT_SHIFT; shift++) {
        Row row = { .op = READ, .nr = 1, .odd = NONE, .shift = shift };
        g_autofree uint8_t *slot = make_slot(&test_abis[0], &row);

        for (first = 0; first < 256; first++) {
            for (last = 0; last < 256; last++) {
                uint64_t unit = 512 << shift;
                bool ok = first <= last && (last + 1) * unit <= 4096;
                int status;

                slot[test_abis[0].seg + 4] = first;
                slot[test_abis[0].seg + 5] = last;
                status = xenpv_blkif_decode(abi, slot, shift, &req, segs);
                g_assert_cmpint(status, ==, ok ? OKAY : ERR);
                if (ok) {
                    g_assert_cmpint(segs[0].offset, ==, first * unit);
                    g_assert_cmpint(segs[0].len, ==, (last - first + 1) * unit);
                }
            }
        }
    }
}

static XenPvBlkifRequest indirect_request(unsigned nr)
{
    return (XenPvBlkifRequest) {
        .op = READ, .raw_op = READ, .indirect = true, .nr_segs = nr,
    };
}

/* The entries of an indirect request, all at once and in pieces. */
static void test_indirect(void)
{
    static const struct {
        unsigned nr_segs, first, nr;
        int status;
    } runs[] = {
        { 256, 0, 256, OKAY },
        { 256, 255, 1, OKAY },
        { 256, 256, 0, OKAY },
        { 256, 0, 0, OKAY },
        { 256, 0, 257, ERR },
        { 256, 1, 256, ERR },
        { 256, 256, 1, ERR },
        { 256, 257, 0, ERR },
        { 1, 0, 1, OKAY },
        { 1, 0, 2, ERR },
        { 1, 1, 1, ERR },
        { 1, UINT_MAX, 2, ERR },
        { 1, 1, UINT_MAX, ERR },
    };
    Row plain = { .odd = NONE };
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(runs); i++) {
        XenPvBlkifRequest req = indirect_request(runs[i].nr_segs);
        XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS + 1];
        unsigned room = MIN(runs[i].nr, 512);
        g_autofree uint8_t *entries = g_malloc(room * 8);

        for (j = 0; j < room; j++) {
            put_seg(entries + 8 * j, &plain, runs[i].first + j);
        }
        memset(segs, 0xee, sizeof(segs));
        g_assert_cmpint(xenpv_blkif_decode_indirect(&req, runs[i].first,
                                                    entries, runs[i].nr, 0,
                                                    segs), ==, runs[i].status);
        for (j = 0; j < ARRAY_SIZE(segs); j++) {
            bool set = runs[i].status == OKAY && j >= runs[i].first &&
                       j - runs[i].first < runs[i].nr;

            g_assert_cmphex(segs[j].ref, ==, set ? REF(j) : 0xeeeeeeee);
        }
    }
}

static void test_indirect_hostile(void)
{
    static const Row bad[] = {
        { "first > last", .first = 3, .last = 2 },
        { "beyond", .first = 0, .last = 8 },
        { "255", .first = 255, .last = 255 },
        { "4Kn: beyond", .first = 0, .last = 1, .shift = 3 },
    };
    XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
    XenPvBlkifRequest req = indirect_request(256);
    uint8_t entries[256 * 8];
    unsigned i, odd, j;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        for (odd = 0; odd < 256; odd += 85) {
            Row row = bad[i];

            row.odd = odd;
            for (j = 0; j < 256; j++) {
                put_seg(entries + 8 * j, &row, j);
            }
            g_assert_cmpint(xenpv_blkif_decode_indirect(&req, 0, entries, 256,
                                                        row.shift, segs), ==,
                            ERR);
            /* Without the bad one it is fine. */
            g_assert_cmpint(xenpv_blkif_decode_indirect(&req, 0, entries, odd,
                                                        row.shift, segs), ==,
                            OKAY);
        }
    }
    /* A direct request has no such entries. */
    req.indirect = false;
    g_assert_cmpint(xenpv_blkif_decode_indirect(&req, 0, entries, 1, 0, segs),
                    ==, ERR);
    g_assert_cmpint(xenpv_blkif_indirect_pages(&req), ==, 0);
}

/* Two devices of 1 MiB: everything offered, and nothing. */
static const XenPvBlkifLimits full = {
    .sectors = 2048, .sector_size = 512, .discard = true,
    .secure_discard = true, .flush = true, .barrier = true,
    .max_indirect = 256,
};
static const XenPvBlkifLimits bare = { .sectors = 2048, .sector_size = 512 };
static const XenPvBlkifLimits readonly = {
    .sectors = 2048, .sector_size = 512, .discard = true,
    .secure_discard = true, .flush = true, .barrier = true,
    .max_indirect = 256, .readonly = true,
};
static const XenPvBlkifLimits native4k = {
    .sectors = 2048, .sector_size = 4096, .discard = true, .flush = true,
    .barrier = true, .max_indirect = 32,
};
static const XenPvBlkifLimits empty = { .sector_size = 512, .flush = true };
static const XenPvBlkifLimits huge = {
    .sectors = UINT64_MAX, .sector_size = 512, .discard = true,
};

static void test_check(void)
{
    static const struct {
        const char *what;
        const XenPvBlkifLimits *limits;
        uint8_t op;
        unsigned nr_segs;
        uint64_t sector;
        uint64_t discard;
        unsigned len[3];        /* of the first segments; the others 4096 */
        bool indirect, secure;
        int status;
    } cases[] = {
        /* Range. */
        { "first page", &full, READ, 1, 0, .status = OKAY },
        { "last page", &full, WRITE, 1, 2040, .status = OKAY },
        { "a sector too far", &full, WRITE, 1, 2041, .status = ERR },
        { "behind the end", &full, READ, 1, 2048, .status = ERR },
        { "far behind", &full, READ, 1, 1ull << 62, .status = ERR },
        { "end wraps", &full, READ, 1, UINT64_MAX, .status = ERR },
        { "end wraps to 0", &full, READ, 1, UINT64_MAX - 7, .status = ERR },
        { "bytes wrap to 0", &full, READ, 1, 1ull << 55, .status = ERR },
        { "last sector", &full, READ, 1, 2047, 0, { 512 }, .status = OKAY },
        { "odd sectors", &full, READ, 3, 1, 0, { 512, 1024, 3584 },
          .status = OKAY },
        { "all of it", &full, READ, 256, 0, .indirect = true, .status = OKAY },
        { "all of it and more", &full, READ, 256, 1, .indirect = true,
          .status = ERR },
        { "no medium", &empty, READ, 1, 0, .status = ERR },

        /* Flush and barrier, empty and with data. */
        { "flush", &full, FLUSH, 0, 0, .status = OKAY },
        { "flush and write", &full, FLUSH, 1, 2040, .status = OKAY },
        { "flush and write too far", &full, FLUSH, 1, 2041, .status = ERR },
        { "barrier", &full, BARRIER, 0, 0, .status = OKAY },
        { "barrier and write", &full, BARRIER, 1, 2040, .status = OKAY },
        { "barrier too far", &full, BARRIER, 1, 2041, .status = ERR },
        { "flush, no medium", &empty, FLUSH, 0, 0, .status = OKAY },

        /* What was not offered. */
        { "flush", &bare, FLUSH, 0, 0, .status = NOTSUP },
        { "flush and write", &bare, FLUSH, 1, 0, .status = NOTSUP },
        { "barrier", &bare, BARRIER, 0, 0, .status = NOTSUP },
        { "barrier too far", &bare, BARRIER, 1, 2041, .status = NOTSUP },
        { "discard", &bare, DISCARD, 0, 0, 8, .status = NOTSUP },
        { "indirect", &bare, READ, 1, 0, .indirect = true, .status = NOTSUP },
        { "secure", &native4k, DISCARD, 0, 0, 8, .secure = true,
          .status = NOTSUP },
        { "read", &bare, READ, 11, 0, .status = OKAY },
        { "write", &bare, WRITE, 11, 0, .status = OKAY },

        /* Less offered than the protocol allows. */
        { "as many as offered", &native4k, READ, 32, 0, .indirect = true,
          .status = OKAY },
        { "more than offered", &native4k, READ, 33, 0, .indirect = true,
          .status = ERR },

        /* Read-only. */
        { "read", &readonly, READ, 1, 0, .status = OKAY },
        { "indirect read", &readonly, READ, 256, 0, .indirect = true,
          .status = OKAY },
        { "write", &readonly, WRITE, 1, 0, .status = ERR },
        { "indirect write", &readonly, WRITE, 256, 0, .indirect = true,
          .status = ERR },
        { "flush", &readonly, FLUSH, 0, 0, .status = OKAY },
        { "flush and write", &readonly, FLUSH, 1, 0, .status = ERR },
        { "barrier", &readonly, BARRIER, 0, 0, .status = OKAY },
        { "barrier and write", &readonly, BARRIER, 1, 0, .status = ERR },
        { "discard", &readonly, DISCARD, 0, 0, 8, .status = ERR },
        { "secure", &readonly, DISCARD, 0, 0, 8, .secure = true,
          .status = ERR },

        /* Discard. */
        { "discard all", &full, DISCARD, 0, 0, 2048, .status = OKAY },
        { "discard too far", &full, DISCARD, 0, 1, 2048, .status = ERR },
        { "discard nothing", &full, DISCARD, 0, 2048, 0, .status = OKAY },
        { "discard nothing, far", &full, DISCARD, 0, 2049, 0, .status = ERR },
        { "discard wraps", &full, DISCARD, 0, 8, UINT64_MAX - 7,
          .status = ERR },
        { "discard wraps far", &full, DISCARD, 0, UINT64_MAX, UINT64_MAX,
          .status = ERR },
        { "discard max", &full, DISCARD, 0, 0, UINT64_MAX, .status = ERR },
        { "secure", &full, DISCARD, 0, 8, 8, .secure = true, .status = OKAY },
        { "all there can be", &huge, DISCARD, 0, 1, UINT64_MAX - 1,
          .status = OKAY },
        { "one more wraps", &huge, DISCARD, 0, 1, UINT64_MAX, .status = ERR },

        /* 4Kn: the whole must be of whole sectors, its parts need not. */
        { "4Kn: page", &native4k, WRITE, 1, 8, .status = OKAY },
        { "4Kn: starts inside", &native4k, WRITE, 1, 4, .status = ERR },
        { "4Kn: ends inside", &native4k, WRITE, 1, 8, 0, { 512 },
          .status = ERR },
        { "4Kn: ends inside", &native4k, READ, 2, 8, 0, { 4096, 3584 },
          .status = ERR },
        { "4Kn: in parts", &native4k, WRITE, 2, 8, 0, { 3584, 512 },
          .status = OKAY },
        { "4Kn: in small parts", &native4k, WRITE, 3, 8, 0,
          { 512, 1024, 2560 }, .status = OKAY },
        { "4Kn: last page", &native4k, WRITE, 1, 2040, .status = OKAY },
        { "4Kn: too far", &native4k, WRITE, 2, 2040, .status = ERR },
        { "4Kn: discard", &native4k, DISCARD, 0, 8, 8, .status = OKAY },
        { "4Kn: discard inside", &native4k, DISCARD, 0, 9, 8, .status = ERR },
        { "4Kn: discard a part", &native4k, DISCARD, 0, 8, 9, .status = ERR },
        { "4Kn: flush", &native4k, FLUSH, 0, 0, .status = OKAY },
        { "512: starts inside", &full, WRITE, 1, 4, .status = OKAY },
    };
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
        XenPvBlkifRequest req = {
            .op = cases[i].op, .nr_segs = cases[i].nr_segs,
            .sector = cases[i].sector, .nr_sectors = cases[i].discard,
            .indirect = cases[i].indirect, .secure = cases[i].secure,
        };
        unsigned bytes = 0;

        for (j = 0; j < cases[i].nr_segs; j++) {
            segs[j] = (XenPvBlkifSeg) { .len = 4096 };
            if (j < 3 && cases[i].len[j]) {
                segs[j].len = cases[i].len[j];
            }
            bytes += segs[j].len;
        }
        if (cases[i].op != DISCARD) {
            /* Whatever was in it before. */
            req.bytes = 0xeeee;
        }
        g_test_message("%s", cases[i].what);
        g_assert_cmpint(xenpv_blkif_check(&req, segs, cases[i].limits), ==,
                        cases[i].status);
        if (cases[i].status == OKAY) {
            g_assert_cmpint(req.bytes, ==, bytes);
            g_assert_cmphex(req.nr_sectors, ==,
                            cases[i].op == DISCARD ? cases[i].discard
                                                   : bytes / 512);
        }
    }
}

/* All of it, from the slot to the sum. */
static void test_straight_through(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(test_abis); i++) {
        const TestAbi *t = &test_abis[i];
        const XenPvBlkifAbi *abi = xenpv_blkif_abi(t->name);
        Row row = {
            .op = INDIRECT, .inner = WRITE, .nr = 256, .odd = 7, .first = 1,
            .last = 2, .sector = 1024,
        };
        g_autofree uint8_t *slot = make_slot(t, &row);
        XenPvBlkifSeg segs[XENPV_BLKIF_MAX_SEGS];
        XenPvBlkifLimits limits = full;
        XenPvBlkifRequest req;
        uint8_t entries[256 * 8];
        unsigned j;

        for (j = 0; j < 256; j++) {
            put_seg(entries + 8 * j, &row, j);
        }
        g_assert_cmpint(xenpv_blkif_decode(abi, slot, 0, &req, segs), ==,
                        OKAY);
        g_assert_cmpint(xenpv_blkif_indirect_pages(&req), ==, 1);
        for (j = 0; j < 256; j += 64) {
            g_assert_cmpint(xenpv_blkif_decode_indirect(&req, j,
                                                        entries + 8 * j, 64, 0,
                                                        segs), ==, OKAY);
        }
        check_segs(&row, segs, 256);
        limits.sectors = 1024 + 255 * 8 + 2;
        g_assert_cmpint(xenpv_blkif_check(&req, segs, &limits), ==, OKAY);
        g_assert_cmpint(req.bytes, ==, 255 * 4096 + 1024);
        limits.sectors--;
        g_assert_cmpint(xenpv_blkif_check(&req, segs, &limits), ==, ERR);
    }
}

/* XSA-216: what is padding in a response says nothing about us. */
static void test_response(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(test_abis); i++) {
        static const uint8_t want[XENPV_BLKIF_MAX_RESPONSE] = {
            0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
            BLKIF_OP_DISCARD, 0, 0xfe, 0xff, 0, 0, 0, 0,
        };
        const TestAbi *t = &test_abis[i];
        uint8_t buf[XENPV_BLKIF_MAX_RESPONSE];
        unsigned len, j;

        memset(buf, 0xee, sizeof(buf));
        len = xenpv_blkif_response(xenpv_blkif_abi(t->name), buf, ID,
                                   BLKIF_OP_DISCARD, BLKIF_RSP_EOPNOTSUPP);
        g_assert_cmpint(len, ==, t->response_size);
        g_assert_cmpmem(buf, len, want, len);
        for (j = len; j < sizeof(buf); j++) {
            g_assert_cmphex(buf[j], ==, 0xee);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/blkif/abi/layout", test_abi);
    g_test_add_func("/xenpv/blkif/abi/names", test_abi_names);
    g_test_add_func("/xenpv/blkif/abi/native", test_abi_native);
    g_test_add_func("/xenpv/blkif/decode/table", test_decode);
    g_test_add_func("/xenpv/blkif/decode/every-op", test_every_op);
    g_test_add_func("/xenpv/blkif/decode/every-segment", test_every_segment);
    g_test_add_func("/xenpv/blkif/indirect/runs", test_indirect);
    g_test_add_func("/xenpv/blkif/indirect/hostile", test_indirect_hostile);
    g_test_add_func("/xenpv/blkif/check/table", test_check);
    g_test_add_func("/xenpv/blkif/check/straight-through",
                    test_straight_through);
    g_test_add_func("/xenpv/blkif/response", test_response);
    return g_test_run();
}
