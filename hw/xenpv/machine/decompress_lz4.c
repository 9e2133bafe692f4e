/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels compressed with lz4: the container; liblz4 decodes the blocks.
 *
 * "Legacy" frame of lz4_Frame_format.md: a magic, then blocks of compressed
 * size and data, each of at most 8 MiB uncompressed, until the input ends or
 * another magic starts over.  All numbers are little-endian.
 */
#include "qemu/osdep.h"
#include "hw/xenpv/machine/loader_internal.h"
#include <lz4.h>

#define LZ4_LEGACY_MAGIC    0x184c2102
#define LZ4_BLOCK_MAX       (8 * 1024 * 1024)

/* Linux appends the uncompressed size, which looks like a block's size. */
#define LZ4_TAIL            4

static XenPvDecode lz4_block(XenPvInput *in, uint32_t size, XenPvBuffer *out)
{
    const uint8_t *data;
    int n;

    if (size == 0 || size > LZ4_COMPRESSBOUND(LZ4_BLOCK_MAX)) {
        return XENPV_DECODE_CORRUPT;
    }
    data = pv_input_take(in, size);
    if (!data) {
        return XENPV_DECODE_TRUNCATED;
    }
    if (!xenpv_buffer_reserve(out, LZ4_BLOCK_MAX)) {
        return XENPV_DECODE_TOO_LARGE;
    }
    n = LZ4_decompress_safe((const char *)data, (char *)out->data + out->len,
                            size, LZ4_BLOCK_MAX);
    if (n < 0) {
        return XENPV_DECODE_CORRUPT;
    }
    out->len += n;
    return XENPV_DECODE_OK;
}

XenPvDecode xenpv_decode_lz4_legacy(const uint8_t *data, size_t len,
                                    XenPvBuffer *out)
{
    XenPvInput in = { data, len };
    const uint8_t *p = pv_input_take(&in, 4);
    XenPvDecode ret = XENPV_DECODE_OK;

    if (!p) {
        return XENPV_DECODE_TRUNCATED;
    }
    if (pv_le32(p) != LZ4_LEGACY_MAGIC || in.len <= LZ4_TAIL) {
        return XENPV_DECODE_CORRUPT;
    }
    while (in.len && in.len != LZ4_TAIL && ret == XENPV_DECODE_OK) {
        p = pv_input_take(&in, 4);
        if (!p) {
            return XENPV_DECODE_TRUNCATED;
        }
        if (pv_le32(p) != LZ4_LEGACY_MAGIC) {
            ret = lz4_block(&in, pv_le32(p), out);
        }
    }
    return ret;
}
