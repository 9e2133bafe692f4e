/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decompressing a kernel: one table of formats and their stream decoders.
 *
 * Every decoder gets the whole input at once and appends to a buffer that
 * grows as needed, up to its limit; sizes claimed by the input are never
 * believed.  It stops where the stream says that it ends: Linux's build
 * appends the uncompressed size, which strict tools take for corruption.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"
#include <zlib.h>
#ifdef CONFIG_XENPV_BZIP2
#include <bzlib.h>
#endif
#ifdef CONFIG_XENPV_LZMA
#include <lzma.h>
#endif
#ifdef CONFIG_XENPV_ZSTD
#include <zstd.h>
#endif

/* windowBits of inflateInit2(): 32 KiB, and 16 for gzip framing. */
#define GZIP_WINDOW_BITS    (15 + 16)

/*
 * Memory an xz or lzma decoder may take, in bytes.  Linux's build uses
 * dictionaries of up to 128 MiB.
 */
#define LZMA_MEMORY_MAX     (256ULL << 20)

/*
 * A stream decoder that can go no further has either met the end of the
 * input or something it cannot make sense of.
 */
static XenPvDecode stuck(size_t input_left)
{
    return input_left ? XENPV_DECODE_CORRUPT : XENPV_DECODE_TRUNCATED;
}

static XenPvDecode inflate_all(z_stream *s, XenPvBuffer *out)
{
    for (;;) {
        int ret;

        if (!xenpv_buffer_reserve(out, 1)) {
            return XENPV_DECODE_TOO_LARGE;
        }
        s->next_out = out->data + out->len;
        s->avail_out = MIN(out->size - out->len, UINT_MAX);
        ret = inflate(s, Z_NO_FLUSH);
        out->len = s->next_out - out->data;
        if (ret == Z_STREAM_END) {
            return XENPV_DECODE_OK;
        }
        if (ret != Z_OK) {
            return ret == Z_BUF_ERROR ? stuck(s->avail_in)
                                      : XENPV_DECODE_CORRUPT;
        }
    }
}

static XenPvDecode decode_gzip(const uint8_t *in, size_t len, XenPvBuffer *out)
{
    z_stream s = { .next_in = (Bytef *)in, .avail_in = len };
    XenPvDecode ret;

    if (inflateInit2(&s, GZIP_WINDOW_BITS) != Z_OK) {
        return XENPV_DECODE_TOO_LARGE;
    }
    ret = inflate_all(&s, out);
    inflateEnd(&s);
    return ret;
}

#ifdef CONFIG_XENPV_BZIP2
static XenPvDecode bunzip2_all(bz_stream *s, XenPvBuffer *out)
{
    for (;;) {
        size_t before = out->len;
        int ret;

        if (!xenpv_buffer_reserve(out, 1)) {
            return XENPV_DECODE_TOO_LARGE;
        }
        s->next_out = (char *)out->data + out->len;
        s->avail_out = MIN(out->size - out->len, UINT_MAX);
        ret = BZ2_bzDecompress(s);
        out->len = (uint8_t *)s->next_out - out->data;
        if (ret == BZ_STREAM_END) {
            return XENPV_DECODE_OK;
        }
        if (ret != BZ_OK) {
            return XENPV_DECODE_CORRUPT;
        }
        /* Unlike zlib, it keeps saying OK when it has run dry. */
        if (s->avail_in == 0 && out->len == before) {
            return XENPV_DECODE_TRUNCATED;
        }
    }
}

static XenPvDecode decode_bzip2(const uint8_t *in, size_t len,
                                XenPvBuffer *out)
{
    bz_stream s = { .next_in = (char *)in, .avail_in = len };
    XenPvDecode ret;

    if (BZ2_bzDecompressInit(&s, 0, 0) != BZ_OK) {
        return XENPV_DECODE_TOO_LARGE;
    }
    ret = bunzip2_all(&s, out);
    BZ2_bzDecompressEnd(&s);
    return ret;
}
#else
#define decode_bzip2 NULL
#endif

#ifdef CONFIG_XENPV_LZMA
static XenPvDecode lzma_status(lzma_ret ret, const lzma_stream *s)
{
    switch (ret) {
    case LZMA_STREAM_END:
        return XENPV_DECODE_OK;
    case LZMA_BUF_ERROR:
        return stuck(s->avail_in);
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR:
        return XENPV_DECODE_TOO_LARGE;
    default:
        return XENPV_DECODE_CORRUPT;
    }
}

static XenPvDecode lzma_all(lzma_stream *s, const uint8_t *in, size_t len,
                            XenPvBuffer *out)
{
    lzma_ret ret;

    s->next_in = in;
    s->avail_in = len;
    do {
        if (!xenpv_buffer_reserve(out, 1)) {
            return XENPV_DECODE_TOO_LARGE;
        }
        s->next_out = out->data + out->len;
        s->avail_out = out->size - out->len;
        ret = lzma_code(s, LZMA_RUN);
        out->len = s->next_out - out->data;
    } while (ret == LZMA_OK);
    return lzma_status(ret, s);
}

static XenPvDecode decode_xz(const uint8_t *in, size_t len, XenPvBuffer *out)
{
    lzma_stream s = LZMA_STREAM_INIT;
    XenPvDecode ret = XENPV_DECODE_TOO_LARGE;

    if (lzma_stream_decoder(&s, LZMA_MEMORY_MAX, 0) == LZMA_OK) {
        ret = lzma_all(&s, in, len, out);
    }
    lzma_end(&s);
    return ret;
}

static XenPvDecode decode_lzma(const uint8_t *in, size_t len, XenPvBuffer *out)
{
    lzma_stream s = LZMA_STREAM_INIT;
    XenPvDecode ret = XENPV_DECODE_TOO_LARGE;

    if (lzma_alone_decoder(&s, LZMA_MEMORY_MAX) == LZMA_OK) {
        ret = lzma_all(&s, in, len, out);
    }
    lzma_end(&s);
    return ret;
}
#else
#define decode_xz NULL
#define decode_lzma NULL
#endif

#ifdef CONFIG_XENPV_ZSTD
static XenPvDecode zstd_all(ZSTD_DStream *s, const uint8_t *in, size_t len,
                            XenPvBuffer *out)
{
    ZSTD_inBuffer src = { .src = in, .size = len };

    for (;;) {
        ZSTD_outBuffer dst;
        size_t before = out->len;
        size_t ret;

        if (!xenpv_buffer_reserve(out, 1)) {
            return XENPV_DECODE_TOO_LARGE;
        }
        dst = (ZSTD_outBuffer) { out->data, out->size, out->len };
        ret = ZSTD_decompressStream(s, &dst, &src);
        out->len = dst.pos;
        if (ZSTD_isError(ret)) {
            return XENPV_DECODE_CORRUPT;
        }
        if (ret == 0) {
            return XENPV_DECODE_OK;
        }
        if (src.pos == src.size && out->len == before) {
            return XENPV_DECODE_TRUNCATED;
        }
    }
}

static XenPvDecode decode_zstd(const uint8_t *in, size_t len, XenPvBuffer *out)
{
    ZSTD_DStream *s = ZSTD_createDStream();
    XenPvDecode ret;

    if (!s) {
        return XENPV_DECODE_TOO_LARGE;
    }
    ret = zstd_all(s, in, len, out);
    ZSTD_freeDStream(s);
    return ret;
}
#else
#define decode_zstd NULL
#endif

#ifdef CONFIG_XENPV_LZ4
#define decode_lz4 xenpv_decode_lz4_legacy
#else
#define decode_lz4 NULL
#endif

#ifdef CONFIG_XENPV_LZO
#define decode_lzo xenpv_decode_lzop
#else
#define decode_lzo NULL
#endif

static const XenPvCompression compressions[] = {
    { "gzip",  "zlib",    "\x1f\x8b",         2, decode_gzip },
    { "bzip2", "libbz2",  "BZh",              3, decode_bzip2 },
    { "xz",    "liblzma", "\xfd" "7zXZ\0",    6, decode_xz },
    { "zstd",  "libzstd", "\x28\xb5\x2f\xfd", 4, decode_zstd },
    { "lzma",  "liblzma", "\x5d\0",           2, decode_lzma },
    { "lzo",   "liblzo2", "\x89LZO",          4, decode_lzo },
    { "lz4",   "liblz4",  "\x02\x21",         2, decode_lz4 },
};

const XenPvCompression *xenpv_compression_find(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
        const XenPvCompression *c = &compressions[i];

        if (len >= c->magic_len && !memcmp(data, c->magic, c->magic_len)) {
            return c;
        }
    }
    return NULL;
}

bool xenpv_decompress(const XenPvCompression *kind, const uint8_t *data,
                      size_t len, XenPvBuffer *out, Error **errp)
{
    if (!kind->decode) {
        error_setg(errp, "%s-compressed kernel, but this QEMU was built"
                   " without %s (install its development package, then"
                   " configure and build again)", kind->name, kind->package);
        return false;
    }
    switch (kind->decode(data, len, out)) {
    case XENPV_DECODE_OK:
        return true;
    case XENPV_DECODE_TRUNCATED:
        error_setg(errp, "truncated kernel image (%s data ends early)",
                   kind->name);
        return false;
    case XENPV_DECODE_TOO_LARGE:
        error_setg(errp, "%s-compressed kernel expands to more than %zu MiB,"
                   " or out of memory", kind->name, out->limit >> 20);
        return false;
    default:
        error_setg(errp, "corrupt kernel image (bad %s data)", kind->name);
        return false;
    }
}
