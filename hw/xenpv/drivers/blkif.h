/*
 * The block protocol's wire format: requests taken apart and judged, responses
 * put together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: it sees private copies only, never a ring or a granted page, and it
 * neither allocates nor keeps anything.  Sources: Xen's public io/blkif.h,
 * and what Linux's xen-blkback and xen-blkfront do where that is silent.
 *
 * A request comes in four layouts, whose fields lie elsewhere under each ABI:
 *
 *     read, write, flush, barrier    up to 11 segments in the slot itself
 *     discard                        a range, no segments
 *     indirect (read or write)       up to 256 segments in granted pages
 *     anything else                  only the id is known, for the response
 *
 * The way of a request:
 *
 *     take a slot off the ring (one copy of abi->stride bytes)
 *     xenpv_blkif_decode()           any refusal: respond with it
 *     if (req.indirect)
 *         copy xenpv_blkif_indirect_pages() pages of entries, and for each
 *         xenpv_blkif_decode_indirect()
 *     xenpv_blkif_check()            sums up and holds it against the device
 *     the work
 *     xenpv_blkif_response(abi, buf, req.id, req.raw_op, status)
 *
 * Units: everything on the ring is in 512-byte sectors whatever the device's
 * sector size is.  Only a front end that set feature-large-sector-size (QEMU's
 * old back end understood it, and old Windows drivers use it) counts in
 * sectors of the device: that is what unit_shift is for.
 */
#ifndef HW_XENPV_DRIVERS_BLKIF_H
#define HW_XENPV_DRIVERS_BLKIF_H

#include "hw/xen/interface/io/blkif.h"

/* What all numbers of sectors below count. */
#define XENPV_BLKIF_SECTOR_SHIFT    9
#define XENPV_BLKIF_SECTOR_SIZE     (1u << XENPV_BLKIF_SECTOR_SHIFT)

/* Segments in the slot, and in an indirect request: as many as Linux has. */
#define XENPV_BLKIF_MAX_DIRECT      BLKIF_MAX_SEGMENTS_PER_REQUEST
#define XENPV_BLKIF_MAX_INDIRECT    256

/* Room that a request's array of segments must have. */
#define XENPV_BLKIF_MAX_SEGS        XENPV_BLKIF_MAX_INDIRECT

/* Entries of 8 bytes in one indirect page. */
#define XENPV_BLKIF_SEGS_PER_PAGE   512

/* The largest slot and the largest response of any ABI, in bytes. */
#define XENPV_BLKIF_MAX_STRIDE      112
#define XENPV_BLKIF_MAX_RESPONSE    16

/* A segment lies in one page of 4 KiB, whatever the page size of the guest. */
#define XENPV_BLKIF_PAGE_SIZE       4096

/* Larger than this no sector fits into a segment. */
#define XENPV_BLKIF_MAX_UNIT_SHIFT  3

/**
 * XenPvBlkifAbi: where the fields lie in the slots of one ring ABI
 * @name: as in the front end's "protocol" key
 * @stride: bytes of one slot
 * @response_size: bytes of one response
 * @id: offset of the id, in requests of any layout
 * @sector: of the first sector, in all layouts that have one
 * @segs: of the segments of a direct request
 * @discard_sectors: of the length of a discard
 * @indirect_handle: of the handle of an indirect request
 * @indirect_refs: of the grant references of the indirect pages
 */
typedef struct XenPvBlkifAbi XenPvBlkifAbi;
struct XenPvBlkifAbi {
    const char *name;
    uint16_t stride;
    uint8_t response_size;
    uint8_t id;
    uint8_t sector;
    uint8_t segs;
    uint8_t discard_sectors;
    uint8_t indirect_handle;
    uint8_t indirect_refs;
};

/**
 * xenpv_blkif_abi: the ABI of a front end
 * @protocol: value of its "protocol" key, or NULL if there is none
 *
 * Without the key it is x86_32-abi: the front ends that are too old to write
 * the key are 32-bit ones, and all back ends on x86 agree on it.
 *
 * Returns: a row that lives forever; NULL for a name nobody knows
 */
const XenPvBlkifAbi *xenpv_blkif_abi(const char *protocol);

/**
 * XenPvBlkifSeg: a run of bytes in one granted page
 * @ref: grant reference of the page
 * @offset: first byte, a multiple of 512
 * @len: bytes, 512 .. 4096, not beyond the page
 */
typedef struct XenPvBlkifSeg {
    uint32_t ref;
    uint16_t offset;
    uint16_t len;
} XenPvBlkifSeg;

/**
 * XenPvBlkifRequest: a request, in the same form whatever it came in
 * @id: the front end's cookie, echoed in the response
 * @sector: first sector on the disk; 0 in a flush or barrier without data,
 *     where front ends leave anything (Linux: all bits set)
 * @nr_sectors: length; a read or write has it from xenpv_blkif_check()
 * @nr_segs: segments
 * @handle: what the front end calls the device; nobody uses it
 * @op: what is to be done: READ, WRITE, WRITE_BARRIER, FLUSH_DISKCACHE or
 *     DISCARD; if decoding failed, whatever was there
 * @raw_op: the operation to be named in the response.  For an indirect
 *     request that is the inner one: Linux's back end does so, and its front
 *     end stops using a device that answers INDIRECT.
 * @secure: a discard after which the data must not be recoverable
 * @indirect: the segments are in the pages of @indirect_ref
 * @indirect_ref: the first xenpv_blkif_indirect_pages() are set
 * @bytes: data to transfer, from xenpv_blkif_check(); 0 for a discard
 */
typedef struct XenPvBlkifRequest {
    uint64_t id;
    uint64_t sector;
    uint64_t nr_sectors;
    uint16_t nr_segs;
    uint16_t handle;
    uint8_t op;
    uint8_t raw_op;
    bool secure;
    bool indirect;
    uint32_t indirect_ref[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
    uint32_t bytes;
} XenPvBlkifRequest;

/**
 * xenpv_blkif_decode: take a request apart
 * @abi: the ring's
 * @slot: a private copy of @abi->stride bytes
 * @unit_shift: 0; or, with feature-large-sector-size, log2 of the device's
 *     sector size / 512, at most XENPV_BLKIF_MAX_UNIT_SHIFT
 * @req: (out): the request; @id and @raw_op are good for a response even if
 *     this fails
 * @segs: (out): its segments, of a direct request; room for
 *     XENPV_BLKIF_MAX_SEGS
 *
 * Refused are: operations nobody knows; an indirect request for anything but
 * READ and WRITE; more segments than there may be, or none in a read or write;
 * segments that end before they begin or reach beyond their page; and, with a
 * @unit_shift, sectors that do not fit into 64 bits.
 *
 * Returns: BLKIF_RSP_OKAY; BLKIF_RSP_EOPNOTSUPP for an unknown operation;
 *          BLKIF_RSP_ERROR
 */
int xenpv_blkif_decode(const XenPvBlkifAbi *abi, const void *slot,
                       unsigned unit_shift, XenPvBlkifRequest *req,
                       XenPvBlkifSeg *segs);

/**
 * xenpv_blkif_indirect_pages: pages of entries an indirect request has
 *
 * Every page but the last holds XENPV_BLKIF_SEGS_PER_PAGE entries.
 */
unsigned xenpv_blkif_indirect_pages(const XenPvBlkifRequest *req);

/**
 * xenpv_blkif_decode_indirect: take a run of indirect entries apart
 * @req: from xenpv_blkif_decode()
 * @first: which of the request's segments the first entry is
 * @entries: a private copy of @nr entries of 8 bytes
 * @nr: number of entries
 * @unit_shift: as for xenpv_blkif_decode()
 * @segs: (out): the request's segments, of which @first and following are set
 *
 * Returns: BLKIF_RSP_OKAY, or BLKIF_RSP_ERROR for a bad segment, or one the
 *          request does not have
 */
int xenpv_blkif_decode_indirect(const XenPvBlkifRequest *req, unsigned first,
                                const void *entries, unsigned nr,
                                unsigned unit_shift, XenPvBlkifSeg *segs);

/**
 * XenPvBlkifLimits: what the device can do and has offered
 * @sectors: its size in 512-byte sectors, less than 2^54
 * @sector_size: its logical sector in bytes, a power of two, at least 512
 * @readonly: refuse what would change data
 * @discard: feature-discard was offered
 * @secure_discard: discard-secure was offered
 * @flush: feature-flush-cache was offered
 * @barrier: feature-barrier was offered
 * @max_indirect: feature-max-indirect-segments; 0 if not offered
 */
typedef struct XenPvBlkifLimits {
    uint64_t sectors;
    uint32_t sector_size;
    bool readonly;
    bool discard;
    bool secure_discard;
    bool flush;
    bool barrier;
    uint16_t max_indirect;
} XenPvBlkifLimits;

/**
 * xenpv_blkif_check: sum a request up and hold it against the device
 * @req: (inout): decoded; gets @bytes and, unless a discard, @nr_sectors
 * @segs: all its segments, decoded
 * @limits: the device
 *
 * First sector and length must be multiples of the device's sector.  Single
 * segments need not: their length is any number of 512-byte units.  Linux's
 * back end wants every segment to be a multiple, and so fails direct I/O on
 * buffers that cross a page in the middle of a 4-KiB sector, which its own
 * front end lets through.  QEMU's block layer bounces what host memory
 * alignment does not allow, so there is no reason to be that strict.
 *
 * A flush or barrier without data is allowed on a read-only device.  A secure
 * discard that was not offered is refused rather than carried out as a plain
 * one.  A discard need not respect granularity and alignment: the block layer
 * keeps what it cannot discard.
 *
 * Returns: BLKIF_RSP_OKAY; BLKIF_RSP_EOPNOTSUPP for what was not offered;
 *          BLKIF_RSP_ERROR for a range, length or direction that cannot be
 */
int xenpv_blkif_check(XenPvBlkifRequest *req, const XenPvBlkifSeg *segs,
                      const XenPvBlkifLimits *limits);

/**
 * xenpv_blkif_response: put a response together
 * @abi: the ring's
 * @buf: (out): XENPV_BLKIF_MAX_RESPONSE bytes of room
 * @id: the request's
 * @op: the request's @raw_op
 * @status: BLKIF_RSP_*
 *
 * Every byte is set: padding is zero, so that nothing of QEMU's memory leaks
 * into the ring (XSA-216).
 *
 * Returns: the length in bytes, @abi->response_size
 */
unsigned xenpv_blkif_response(const XenPvBlkifAbi *abi, void *buf,
                              uint64_t id, uint8_t op, int16_t status);

#endif /* HW_XENPV_DRIVERS_BLKIF_H */
