/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bzImage and decompression: every way a kernel may be packed, and every way
 * the packing may be broken.
 *
 * Compressed streams are made with the tools that Linux's build uses; a tool
 * that is not installed skips its tests.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"
#include "xenpv-test-image.h"

/* Uncompressed size that Linux appends to most payloads. */
#define TAIL_SIZE   4

typedef struct Format {
    const char *name;       /* as in error messages */
    const char *tool;
    const char *command;    /* a filter */
    bool checked;           /* the format has a checksum of the content */
    bool tail;
} Format;

/*
 * As in Linux's scripts/Makefile.lib, but with small dictionaries: decoders
 * allocate one each time, and there are thousands of times.
 */
static const Format formats[] = {
    { "gzip",  "gzip",  "gzip -n -9",                         true,  false },
    { "bzip2", "bzip2", "bzip2 -1",                           true,  true },
    { "xz",    "xz",
      "xz --check=crc32 --x86 --lzma2=preset=6,dict=256KiB",  true,  true },
    { "lzma",  "xz",    "xz --format=lzma -0",                false, true },
    { "lzo",   "lzop",  "lzop -9",                            true,  true },
    { "lz4",   "lz4",   "lz4 -l -9 - -",                      false, true },
    { "zstd",  "zstd",  "zstd -3",                            false, true },
};

/* Runs @command on @in.  Returns NULL after skipping the test. */
static GByteArray *compress(const Format *f, const GByteArray *in)
{
    g_autofree char *tool = g_find_program_in_path(f->tool);
    g_autofree char *dir = g_dir_make_tmp("xenpv-XXXXXX", NULL);
    g_autofree char *src = g_build_filename(dir, "in", NULL);
    g_autofree char *dst = g_build_filename(dir, "out", NULL);
    g_autofree char *line = g_strdup_printf("%s <%s >%s 2>/dev/null",
                                            f->command, src, dst);
    GByteArray *out = NULL;
    char *data;
    gsize len;

    g_assert(g_file_set_contents(src, (char *)in->data, in->len, NULL));
    if (!tool || system(line)) {
        g_autofree char *why = g_strdup_printf("cannot run: %s", f->command);

        g_test_skip(why);
    } else {
        g_assert(g_file_get_contents(dst, &data, &len, NULL));
        out = g_byte_array_new_take((guint8 *)data, len);
    }
    g_unlink(src);
    g_unlink(dst);
    g_rmdir(dir);
    return out;
}

static void append_tail(GByteArray *stream, uint32_t size)
{
    g_byte_array_set_size(stream, stream->len + TAIL_SIZE);
    test_poke(stream, stream->len - TAIL_SIZE, size, TAIL_SIZE);
}

/*
 * Parses an exact-size copy, so that a sanitizer sees any access beyond it,
 * and checks that failure and error come together and name the file.
 */
static XenPvKernel *parse(const uint8_t *data, size_t len, char **msg)
{
    g_autofree uint8_t *copy = len ? g_memdup2(data, len) : NULL;
    Error *err = NULL;
    XenPvKernel *kernel = xenpv_kernel_parse("vmlinuz-x", copy, len, &err);

    g_assert(!kernel == !!err);
    if (err) {
        g_assert(g_str_has_prefix(error_get_pretty(err), "vmlinuz-x: "));
        g_assert(!strchr(error_get_pretty(err), '\n'));
    }
    if (msg) {
        *msg = err ? g_strdup(error_get_pretty(err)) : NULL;
    }
    error_free(err);
    return kernel;
}

static void check_kernel(const XenPvKernel *kernel)
{
    const TestSegment *seg = test_elf_linux.segments;

    g_assert(kernel);
    g_assert_cmpuint(kernel->nr_segments, ==, 4);
    for (unsigned i = 0; i < kernel->nr_segments; i++) {
        g_assert_cmpuint(kernel->segments[i].file_len, ==, seg[i].filesz);
        for (uint64_t n = 0; n < seg[i].filesz; n++) {
            g_assert_cmpuint(kernel->segments[i].data[n], ==,
                             test_segment_byte(i, n));
        }
    }
}

static void expect_error(const GByteArray *image, const char *pattern)
{
    g_autofree char *msg = NULL;
    g_autoptr(XenPvKernel) kernel = parse(image->data, image->len, &msg);

    g_assert(!kernel);
    if (!g_pattern_match_simple(pattern, msg)) {
        g_test_message("got: %s", msg);
        g_test_fail();
    }
}

static bool has_decoder(const GByteArray *stream)
{
    const XenPvCompression *kind = xenpv_compression_find(stream->data,
                                                          stream->len);

    g_assert(kind);
    return kind->decode;
}

/* What a build without the library says. */
static void expect_missing(const Format *f, const GByteArray *stream)
{
    g_autoptr(GByteArray) image = test_bzimage_build(stream->data, stream->len,
                                                     0x20f);
    g_autofree char *pattern = g_strdup_printf(
        "vmlinuz-x: %s-compressed kernel*built without lib*install*", f->name);

    expect_error(image, pattern);
}

/* The stream for a test, or NULL if there is nothing more to do. */
static GByteArray *prepare(const Format *f)
{
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) stream = compress(f, elf);

    if (stream && !has_decoder(stream)) {
        expect_missing(f, stream);
        g_test_skip("this build lacks the library");
        return NULL;
    }
    return g_steal_pointer(&stream);
}

static void test_round_trip(const void *opaque)
{
    const Format *f = opaque;
    g_autoptr(GByteArray) stream = prepare(f);
    g_autoptr(GByteArray) image = NULL;
    g_autoptr(XenPvKernel) packed = NULL;
    g_autoptr(XenPvKernel) bare = NULL;

    if (!stream) {
        return;
    }
    bare = parse(stream->data, stream->len, NULL);
    check_kernel(bare);
    if (f->tail) {
        append_tail(stream, 0xfffffff0);    /* a lie nobody may believe */
    }
    image = test_bzimage_build(stream->data, stream->len, 0x20f);
    packed = parse(image->data, image->len, NULL);
    check_kernel(packed);
}

/* The header tells the truth about a stream that stops early. */
static void test_truncated_stream(const void *opaque)
{
    const Format *f = opaque;
    g_autoptr(GByteArray) stream = prepare(f);

    for (size_t len = 0; stream && len < stream->len; len++) {
        g_autoptr(GByteArray) image = test_bzimage_build(stream->data, len,
                                                         0x20f);
        g_autofree char *msg = NULL;
        g_autoptr(XenPvKernel) kernel = parse(image->data, image->len, &msg);

        /* Some formats' last bytes carry nothing that is needed. */
        if (kernel) {
            g_assert_cmpuint(len, >=, stream->len - 8);
            check_kernel(kernel);
        }
    }
}

static void test_corrupt_stream(const void *opaque)
{
    const Format *f = opaque;
    g_autoptr(GByteArray) stream = prepare(f);
    unsigned failed = 0;

    for (size_t i = 0; stream && i < stream->len; i++) {
        g_autoptr(XenPvKernel) kernel = NULL;

        stream->data[i] ^= 1 << (i % 8);
        kernel = parse(stream->data, stream->len, NULL);
        stream->data[i] ^= 1 << (i % 8);
        if (!kernel) {
            failed++;
        } else if (f->checked) {
            check_kernel(kernel);
        }
    }
    g_assert(!stream || !f->checked || failed > stream->len / 2);
}

static void test_truncated_file(void)
{
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) image = test_bzimage_build(elf->data, elf->len,
                                                     0x20f);

    for (size_t len = 0; len < image->len; len++) {
        g_autoptr(XenPvKernel) kernel = parse(image->data, len, NULL);

        g_assert(!kernel);
    }
}

static void test_plain_payload(void)
{
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) image = test_bzimage_build(elf->data, elf->len,
                                                     0x208);
    g_autoptr(XenPvKernel) kernel = parse(image->data, image->len, NULL);

    check_kernel(kernel);
}

/* A setup_sects of 0 means 4. */
static void test_old_setup_sects(void)
{
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) image = test_bzimage_build(elf->data, elf->len,
                                                     0x20f);
    g_autoptr(XenPvKernel) kernel = NULL;
    static const uint8_t more[2 * 512];

    g_byte_array_prepend(image, image->data, 0x240);
    g_byte_array_prepend(image, more, sizeof(more) - 0x240);
    memmove(image->data, image->data + sizeof(more), 3 * 512);
    test_poke(image, 0x1f1, 0, 1);
    kernel = parse(image->data, image->len, NULL);
    check_kernel(kernel);
}

static void test_header_errors(void)
{
    static const struct {
        size_t off;
        uint64_t value;
        unsigned size;
        const char *pattern;
    } rows[] = {
        { 0x206, 0x207, 2,          "*boot protocol 2.07 is too old*2.08*" },
        { 0x206, 0x200, 2,          "*boot protocol 2.00 is too old*" },
        { 0x248, 0xffffffff, 4,     "*truncated kernel image*" },
        { 0x248, 0x7fffffff, 4,     "*truncated kernel image*" },
        { 0x248, 0, 4,              "*compressed in an unknown way" },
        { 0x24c, 0xffffffff, 4,     "*truncated kernel image*" },
        { 0x24c, 0, 4,              "*empty payload*" },
        { 0x1f1, 255, 1,            "*truncated kernel image*" },
        { 0x202, 0, 4,              "*not a kernel image*" },
    };
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GByteArray) image = test_bzimage_build(elf->data, elf->len,
                                                         0x20f);

        test_poke(image, rows[i].off, rows[i].value, rows[i].size);
        expect_error(image, rows[i].pattern);
    }
}

/* A small file that unpacks to more than anybody needs. */
static void test_bomb(void)
{
    g_autoptr(GByteArray) zeroes = g_byte_array_new();
    g_autoptr(GByteArray) stream = NULL;
    XenPvBuffer out = { .limit = 20 << 20 };
    Error *err = NULL;

    g_byte_array_set_size(zeroes, 21 << 20);
    memset(zeroes->data, 0, zeroes->len);
    stream = compress(&formats[0], zeroes);
    if (!stream) {
        return;
    }
    g_assert(!xenpv_decompress(xenpv_compression_find(stream->data,
                                                      stream->len),
                               stream->data, stream->len, &out, &err));
    g_assert(strstr(error_get_pretty(err), "more than 20 MiB"));
    g_assert_cmpuint(out.size, <=, out.limit);
    error_free(err);
    g_free(out.data);
}

/* More than the buffer's first size, and more than one block of lz4 or lzo. */
static void test_large(const void *opaque)
{
    const Format *f = opaque;
    g_autoptr(GByteArray) plain = g_byte_array_new();
    g_autoptr(GByteArray) stream = NULL;
    XenPvBuffer out = { .limit = 64 << 20 };
    const XenPvCompression *kind;

    g_byte_array_set_size(plain, 18 << 20);
    for (size_t i = 0; i < plain->len; i++) {
        plain->data[i] = i % 251 ^ i >> 16;
    }
    stream = compress(f, plain);
    kind = stream ? xenpv_compression_find(stream->data, stream->len) : NULL;
    if (!kind || !kind->decode) {
        g_test_skip("no tool or no library");
        return;
    }
    append_tail(stream, plain->len);
    g_assert(xenpv_decompress(kind, stream->data, stream->len, &out,
                              &error_abort));
    g_assert_cmpmem(out.data, out.len, plain->data, plain->len);
    g_free(out.data);
}

/* What cannot be compressed is stored as it is, in blocks of another kind. */
static void test_incompressible(const void *opaque)
{
    const Format *f = opaque;
    g_autoptr(GByteArray) plain = g_byte_array_new();
    g_autoptr(GByteArray) stream = NULL;
    XenPvBuffer out = { .limit = 64 << 20 };
    const XenPvCompression *kind;
    uint32_t state = 12345;

    g_byte_array_set_size(plain, 600 * 1024);
    for (size_t i = 0; i < plain->len; i++) {
        state = state * 1664525 + 1013904223;
        plain->data[i] = state >> 24;
    }
    stream = compress(f, plain);
    kind = stream ? xenpv_compression_find(stream->data, stream->len) : NULL;
    if (!kind || !kind->decode) {
        g_test_skip("no tool or no library");
        return;
    }
    g_assert(xenpv_decompress(kind, stream->data, stream->len, &out,
                              &error_abort));
    g_assert_cmpmem(out.data, out.len, plain->data, plain->len);
    g_free(out.data);
}

/* Sizes of blocks that no compressor writes. */
static void test_block_sizes(void)
{
    enum { LZO = 4, LZ4 = 5 };
    static const struct {
        unsigned format;
        size_t off;
        uint32_t value;
    } rows[] = {
        { LZ4, 4, 0 }, { LZ4, 4, 0xffffffff }, { LZ4, 4, 0x7fffffff },
        /* lzop's header without a name: 38 bytes */
        { LZO, 38, 0xffffffff }, { LZO, 38, 0x01000000 },
        { LZO, 42, 0xffffffff }, { LZO, 42, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GByteArray) stream = prepare(&formats[rows[i].format]);

        if (!stream) {
            return;
        }
        test_poke(stream, rows[i].off, rows[i].value, 4);
        expect_error(stream, "vmlinuz-x: corrupt kernel image (bad * data)");
    }
}

static void write_file(const char *path, const GByteArray *image)
{
    g_assert(g_file_set_contents(path, (char *)image->data, image->len, NULL));
}

/* What Xen's builder gets is the image, wherever it was. */
static void check_load_elf(const char *path, const GByteArray *elf)
{
    size_t len;
    g_autofree uint8_t *data = xenpv_kernel_load_elf(path, &len,
                                                     &error_abort);

    g_assert_cmpmem(data, len, elf->data, elf->len);
}

static void test_files(void)
{
    g_autofree char *dir = g_dir_make_tmp("xenpv-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "vmlinuz", NULL);
    g_autoptr(GByteArray) elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) image = NULL;
    g_autoptr(GByteArray) stream = NULL;
    g_autoptr(XenPvKernel) kernel = NULL;
    g_autofree uint8_t *data = NULL;
    size_t len;
    Error *err = NULL;

    g_assert(!xenpv_kernel_load(path, &err));
    g_assert(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);

    g_assert(!xenpv_kernel_load(dir, &err));
    g_assert(strstr(error_get_pretty(err), dir));
    error_free_or_abort(&err);

    write_file(path, elf);
    kernel = xenpv_kernel_load(path, &error_abort);
    check_kernel(kernel);
    g_assert_cmpstr(kernel->filename, ==, path);
    check_load_elf(path, elf);

    image = test_bzimage_build(elf->data, elf->len, 0x20f);
    write_file(path, image);
    check_load_elf(path, elf);
    stream = compress(&formats[0], elf);
    g_byte_array_append(stream, (const guint8 *)"tail", 4);
    write_file(path, stream);
    check_load_elf(path, elf);
    g_byte_array_set_size(stream, stream->len / 2);
    write_file(path, stream);
    g_assert(!xenpv_kernel_load_elf(path, &len, &err));
    g_assert(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);
    write_file(path, elf);

    g_assert(!xenpv_file_read(path, elf->len - 1, &len, &err));
    g_assert(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);
    data = xenpv_file_read(path, elf->len, &len, &error_abort);
    g_assert_cmpmem(data, len, elf->data, elf->len);

    g_unlink(path);
    g_rmdir(dir);
}

static void add_format_tests(const Format *f)
{
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } tests[] = {
        { "round-trip", test_round_trip },
        { "truncated", test_truncated_stream },
        { "corrupt", test_corrupt_stream },
        { "large", test_large },
        { "incompressible", test_incompressible },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *path = g_strdup_printf("/xenpv/bzimage/%s/%s",
                                                f->name, tests[i].name);

        g_test_add_data_func(path, f, tests[i].fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        add_format_tests(&formats[i]);
    }
    g_test_add_func("/xenpv/bzimage/truncated-file", test_truncated_file);
    g_test_add_func("/xenpv/bzimage/plain-payload", test_plain_payload);
    g_test_add_func("/xenpv/bzimage/old-setup-sects", test_old_setup_sects);
    g_test_add_func("/xenpv/bzimage/header-errors", test_header_errors);
    g_test_add_func("/xenpv/bzimage/bomb", test_bomb);
    g_test_add_func("/xenpv/bzimage/block-sizes", test_block_sizes);
    g_test_add_func("/xenpv/bzimage/files", test_files);
    return g_test_run();
}
