/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels compressed with lzop: the container; liblzo2 decodes the blocks.
 *
 * lzop's file format: a header that may carry a name, then blocks of
 * uncompressed size, compressed size, checksums and data, until a block of
 * uncompressed size 0.  All numbers are big-endian.
 */
#include "qemu/osdep.h"
#include "hw/xenpv/machine/loader_internal.h"
#include <lzo/lzo1x.h>
#include <zlib.h>

#define LZOP_VERSION_LEVEL  0x0940      /* first with the longer header */
#define LZOP_F_ADLER32_D    0x00000001  /* Adler-32 of uncompressed data */
#define LZOP_F_ADLER32_C    0x00000002  /* ... of compressed data */
#define LZOP_F_EXTRA_FIELD  0x00000040
#define LZOP_F_CRC32_D      0x00000100  /* CRC-32 of uncompressed data */
#define LZOP_F_CRC32_C      0x00000200
#define LZOP_F_FILTER       0x00000800
#define LZOP_BLOCK_MAX      (64 * 1024 * 1024)

static const uint8_t lzop_magic[9] = "\x89LZO\0\r\n\x1a\n";

static bool take_be32(XenPvInput *in, uint32_t *value)
{
    const uint8_t *p = pv_input_take(in, 4);

    *value = p ? ldl_be_p(p) : 0;
    return p;
}

/* Of the checksums stored for a block, the one of the plain data. */
static bool lzop_checksums(XenPvInput *in, uint32_t flags, bool stored,
                           uint32_t *adler)
{
    return (!(flags & LZOP_F_ADLER32_D) || take_be32(in, adler)) &&
           (!(flags & LZOP_F_CRC32_D) || pv_input_take(in, 4)) &&
           (stored || !(flags & LZOP_F_ADLER32_C) || pv_input_take(in, 4)) &&
           (stored || !(flags & LZOP_F_CRC32_C) || pv_input_take(in, 4));
}

static bool lzop_expand(const uint8_t *data, uint32_t size, uint8_t *dst,
                        uint32_t dst_size)
{
    lzo_uint n = dst_size;

    if (size == dst_size) {
        memcpy(dst, data, size);
        return true;
    }
    return lzo1x_decompress_safe(data, size, dst, &n, NULL) == LZO_E_OK &&
           n == dst_size;
}

static XenPvDecode lzop_block(XenPvInput *in, uint32_t flags, uint32_t dst_size,
                              XenPvBuffer *out)
{
    uint32_t size, adler = 0;
    const uint8_t *data;
    uint8_t *dst;

    if (!take_be32(in, &size)) {
        return XENPV_DECODE_TRUNCATED;
    }
    if (dst_size > LZOP_BLOCK_MAX || size == 0 || size > dst_size) {
        return XENPV_DECODE_CORRUPT;
    }
    if (!lzop_checksums(in, flags, size == dst_size, &adler)) {
        return XENPV_DECODE_TRUNCATED;
    }
    data = pv_input_take(in, size);
    if (!data) {
        return XENPV_DECODE_TRUNCATED;
    }
    if (!xenpv_buffer_reserve(out, dst_size)) {
        return XENPV_DECODE_TOO_LARGE;
    }
    dst = out->data + out->len;
    if (!lzop_expand(data, size, dst, dst_size) ||
        ((flags & LZOP_F_ADLER32_D) && adler32(1, dst, dst_size) != adler)) {
        return XENPV_DECODE_CORRUPT;
    }
    out->len += dst_size;
    return XENPV_DECODE_OK;
}

/* Skips the header, keeping its flags. */
static bool lzop_header(XenPvInput *in, uint32_t *flags)
{
    const uint8_t *p = pv_input_take(in, 4);   /* version, library version */
    bool longer = p && lduw_be_p(p) >= LZOP_VERSION_LEVEL;
    uint32_t extra;

    return p &&
           /* version needed, method, level; or method alone */
           pv_input_take(in, longer ? 4 : 1) &&
           take_be32(in, flags) &&
           (!(*flags & LZOP_F_FILTER) || pv_input_take(in, 4)) &&
           /* mode, time of modification */
           pv_input_take(in, longer ? 12 : 8) &&
           (p = pv_input_take(in, 1)) &&
           /* name and checksum */
           pv_input_take(in, *p + 4) &&
           (!(*flags & LZOP_F_EXTRA_FIELD) ||
            (take_be32(in, &extra) && pv_input_take(in, extra) &&
             pv_input_take(in, 4)));
}

XenPvDecode xenpv_decode_lzop(const uint8_t *data, size_t len,
                              XenPvBuffer *out)
{
    XenPvInput in = { data, len };
    const uint8_t *magic = pv_input_take(&in, sizeof(lzop_magic));
    XenPvDecode ret = XENPV_DECODE_OK;
    uint32_t flags, dst_size;

    if (!magic || memcmp(magic, lzop_magic, sizeof(lzop_magic))) {
        return magic ? XENPV_DECODE_CORRUPT : XENPV_DECODE_TRUNCATED;
    }
    if (!lzop_header(&in, &flags)) {
        return XENPV_DECODE_TRUNCATED;
    }
    while (ret == XENPV_DECODE_OK) {
        if (!take_be32(&in, &dst_size)) {
            return XENPV_DECODE_TRUNCATED;
        }
        if (dst_size == 0) {
            return XENPV_DECODE_OK;
        }
        ret = lzop_block(&in, flags, dst_size, out);
    }
    return ret;
}
