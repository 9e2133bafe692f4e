/*
 * Fuzz what a toolstack or a user writes: device names, params nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is one byte of flags and a string; a line feed in it ends the
 * params and begins the type.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/drivers/disk-params.h"
#include "hw/xenpv/drivers/vdev.h"
#include "fuzz.h"

const char *__lsan_default_suppressions(void);

/* QEMU 10.0's JSON parser loses the value of a key that is there twice. */
const char *__lsan_default_suppressions(void)
{
    return "leak:parse_pair\n";
}

static void try_vdev(const char *text)
{
    g_autofree char *name = NULL;
    uint32_t number, again;
    Error *err = NULL;

    if (!xenpv_vdev_parse(text, &number, &err)) {
        g_assert_nonnull(strstr(error_get_pretty(err), text));
        error_free(err);
        return;
    }
    g_assert_cmphex(number, <, XENPV_VDEV_END);
    g_assert_true((xenpv_vdev_disk(number) < 0) ==
                  (xenpv_vdev_partition(number) < 0));
    name = xenpv_vdev_name(number);
    g_assert_true(xenpv_vdev_parse(name, &again, &error_abort));
    g_assert_cmphex(number, ==, again);
}

static void try_params(const char *params, const char *type, uint8_t flags)
{
    Error *err = NULL;
    g_autoptr(XenPvDiskParams) p =
        xenpv_disk_params(params, type, flags & 1, flags & 2, flags & 4,
                          &err);

    g_assert_true(!p == !!err);
    if (!p) {
        g_assert_nonnull(strstr(error_get_pretty(err), params));
        error_free(err);
        return;
    }
    if (p->empty) {
        g_assert_null(p->filename);
        g_assert_null(p->options);
        return;
    }
    /* Nothing is probed, and nothing that is read-only gets written. */
    g_assert_nonnull(qdict_get_try_str(p->options, "driver"));
    if (flags & 1) {
        g_assert_true(qdict_get_bool(p->options, "read-only"));
    }
    if (p->filename) {
        g_assert_nonnull(strchr(p->filename, ':'));
        g_assert_false(qdict_haskey(p->options, "file"));
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    uint8_t flags = fuzz_u8(&in);
    g_autofree char *text = (char *)fuzz_copy(&in, in.len + 1);
    char *type;

    try_vdev(text);
    type = strchr(text, '\n');
    if (type) {
        *type++ = '\0';
    }
    try_params(text, type, flags);
}

void fuzz_seeds(void)
{
    static const char *const texts[] = {
        "\007xvda1", "\007xvdbgqcv255", "\007hdd63", "\007sdp15",
        "\007d536p37", "\0070x1fffffff", "\007268435455",
        "\007aio:/x.raw\nqdisk", "\007qcow2:/x", "\007tap:tapdisk:vhd:/x",
        "\007phy:vg/x", "\007vg/x\nphy", "\007nbd:unix:/s:exportname=a",
        "\007qcow2:nbd://h/e", "\007/x\nqcow2", "\007",
        "\007json:{\"driver\": \"nbd\", \"server\": {\"path\": \"/s\"}}",
        "\007aio:json:{'file.filename': \"/x\\u0020\", 'a': [1, 2.5, true]}",
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(texts); i++) {
        g_autofree char *name = g_strdup_printf("text-%d", i);

        fuzz_seed(name, texts[i], strlen(texts[i]));
    }
}
