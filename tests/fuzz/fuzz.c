/*
 * Between libFuzzer and a target.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     xenpv-fuzz-NAME [options and folders of libFuzzer's]
 *     xenpv-fuzz-NAME -seeds=DIR       write seeds into DIR and stop
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "fuzz.h"

static const char *seed_dir;

uint8_t *fuzz_copy(FuzzInput *in, size_t len)
{
    size_t have = MIN(len, in->len);
    /* g_malloc() has nothing for nothing. */
    uint8_t *p = g_malloc(len ?: 1);

    memcpy(p, in->data, have);
    memset(p + have, 0, len - have);
    in->data += have;
    in->len -= have;
    return p;
}

static uint64_t number(FuzzInput *in, size_t len)
{
    g_autofree uint8_t *p = fuzz_copy(in, len);

    return ldn_le_p(p, len);
}

uint8_t fuzz_u8(FuzzInput *in)
{
    return number(in, 1);
}

uint16_t fuzz_u16(FuzzInput *in)
{
    return number(in, 2);
}

uint32_t fuzz_u32(FuzzInput *in)
{
    return number(in, 4);
}

uint64_t fuzz_u64(FuzzInput *in)
{
    return number(in, 8);
}

void fuzz_seed(const char *name, const void *data, size_t len)
{
    g_autofree char *path = g_build_filename(seed_dir, name, NULL);
    g_autoptr(GError) err = NULL;

    if (!g_file_set_contents(path, data, len, &err)) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

void fuzz_seed_filtered(const char *name, const char *command,
                        const void *data, size_t len)
{
    g_autofree char *path = g_build_filename(seed_dir, name, NULL);
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *line = g_strdup_printf("%s <'%s' >'%s' 2>/dev/null",
                                            command, in, path);
    g_autofree char *plain = g_strconcat(name, ".in", NULL);

    fuzz_seed(plain, data, len);
    if (system(line)) {
        unlink(path);
    }
    unlink(in);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int i;

    for (i = 1; i < *argc; i++) {
        if (g_str_has_prefix((*argv)[i], "-seeds=")) {
            seed_dir = (*argv)[i] + strlen("-seeds=");
            fuzz_seeds();
            exit(0);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_one(data, len);
    return 0;
}
