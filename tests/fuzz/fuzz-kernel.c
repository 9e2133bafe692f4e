/*
 * Fuzz the loader: a file that says it is a kernel, up to the start of day.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is the file.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"
#include "../unit/xenpv-test-guest.h"
#include "../unit/xenpv-test-image.h"
#include "fuzz.h"

/* Enough for the seeds; what does not fit has to be refused. */
#define GUEST_BYTES (128 * MiB)

static void judge_kernel(const XenPvKernel *kernel)
{
    size_t i;

    g_assert_cmpuint(kernel->nr_segments, >, 0);
    g_assert_cmphex(kernel->virt_kstart, <=, kernel->virt_kend);
    for (i = 0; i < kernel->nr_segments; i++) {
        const XenPvSegment *seg = &kernel->segments[i];

        g_assert_cmpuint(seg->file_len, <=, seg->mem_len);
        g_assert_cmphex(seg->vaddr, >=, kernel->virt_kstart);
        g_assert_cmphex(seg->vaddr + seg->mem_len, <=, kernel->virt_kend);
        /* A sanitizer sees whether the bytes are there. */
        g_free(g_memdup2(seg->data, seg->file_len));
    }
}

/* Of segments on top of each other the last one wins; nobody makes such. */
static bool overlap(const XenPvKernel *kernel)
{
    size_t i, j;

    for (i = 0; i < kernel->nr_segments; i++) {
        const XenPvSegment *a = &kernel->segments[i];

        for (j = 0; j < i; j++) {
            const XenPvSegment *b = &kernel->segments[j];

            if (a->vaddr < b->vaddr + b->mem_len &&
                b->vaddr < a->vaddr + a->mem_len) {
                return true;
            }
        }
    }
    return false;
}

static void build(XenPvKernel *kernel)
{
    Error *err = NULL;
    Guest g;

    guest_prepare(&g, kernel, GUEST_BYTES);
    if (xenpv_build_start_of_day(&g.params, &g.memory->mem, &g.sod, &err)) {
        g.info = fake_pfn_to_ptr(g.memory, g.sod.start_info_pfn);
        if (!overlap(kernel)) {
            guest_check(&g);
        }
    } else {
        g_assert_nonnull(err);
        g_assert_cmpuint(g_hash_table_size(g.memory->pages), ==, 0);
        error_free(err);
    }
    guest_clear(&g);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    g_autofree uint8_t *copy = fuzz_copy(&in, len);
    Error *err = NULL;
    XenPvKernel *kernel = xenpv_kernel_parse("vmlinuz-x", copy, len, &err);

    g_assert_true(!kernel == !!err);
    if (!kernel) {
        const char *msg = error_get_pretty(err);

        g_assert_true(g_str_has_prefix(msg, "vmlinuz-x: "));
        g_assert_null(strchr(msg, '\n'));
        error_free(err);
        return;
    }
    judge_kernel(kernel);
    build(kernel);
}

void fuzz_seeds(void)
{
    static const struct {
        const char *name, *command;
    } filters[] = {
        { "gzip", "gzip -n -9" },
        { "bzip2", "bzip2 -1" },
        { "xz", "xz --check=crc32 --x86 --lzma2=preset=0,dict=64KiB" },
        { "lzma", "xz --format=lzma -0" },
        { "lzop", "lzop -9" },
        { "lz4", "lz4 -l -9 - -" },
        { "zstd", "zstd -3" },
    };
    g_autoptr(GByteArray) linux_elf = test_elf_build(&test_elf_linux);
    g_autoptr(GByteArray) mini_os = test_elf_build(&test_elf_mini_os);
    g_autoptr(GByteArray) bz = test_bzimage_build(linux_elf->data,
                                                  linux_elf->len, 0x20c);
    int i;

    fuzz_seed("linux", linux_elf->data, linux_elf->len);
    fuzz_seed("mini-os", mini_os->data, mini_os->len);
    fuzz_seed("bzimage", bz->data, bz->len);
    for (i = 0; i < ARRAY_SIZE(filters); i++) {
        fuzz_seed_filtered(filters[i].name, filters[i].command, mini_os->data,
                           mini_os->len);
    }
}
