/*
 * From a toolstack's "params" node to what the block layer opens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qbool.h"
#include "qobject/qjson.h"
#include "disk-params.h"

/**
 * DiskPrefix: a word before the first colon, or in the "type" node
 * @name: the word
 * @driver: format driver of QEMU's that it stands for, or NULL if it says
 *     nothing about the format
 * @device: a relative path behind it is one of /dev
 */
typedef struct DiskPrefix {
    const char *name;
    const char *driver;
    bool device;
} DiskPrefix;

static const DiskPrefix prefixes[] = {
    /* Formats, by libxl's and blktap's names for them and by QEMU's. */
    { .name = "aio",        .driver = "raw" },
    { .name = "sync",       .driver = "raw" },
    { .name = "raw",        .driver = "raw" },
    { .name = "vhd",        .driver = "vpc" },
    { .name = "vpc",        .driver = "vpc" },
    { .name = "vhdx",       .driver = "vhdx" },
    { .name = "qcow",       .driver = "qcow" },
    { .name = "qcow2",      .driver = "qcow2" },
    { .name = "qed",        .driver = "qed" },
    { .name = "vmdk",       .driver = "vmdk" },
    { .name = "vdi",        .driver = "vdi" },
    { .name = "parallels",  .driver = "parallels" },
    { .name = "luks",       .driver = "luks" },
    { .name = "bochs",      .driver = "bochs" },
    { .name = "cloop",      .driver = "cloop" },
    { .name = "dmg",        .driver = "dmg" },
    /* Who was to serve it, when there was a choice. */
    { .name = "file" },
    { .name = "phy",        .device = true },
    { .name = "tap" },
    { .name = "tap2" },
    { .name = "tapdisk" },
};

static const DiskPrefix *find_prefix(const char *word, size_t len)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strlen(prefixes[i].name) == len &&
            !strncmp(prefixes[i].name, word, len)) {
            return &prefixes[i];
        }
    }
    return NULL;
}

/* Where the word that ends in a colon before any slash ends, or NULL. */
static const char *word_end(const char *s)
{
    const char *p = s + strcspn(s, ":/");

    return *p == ':' ? p : NULL;
}

/**
 * DiskTarget: params without its prefixes
 * @driver: format, or NULL if nobody said
 * @device: a relative path is one of /dev
 * @rest: what is left, points into params
 */
typedef struct DiskTarget {
    const char *driver;
    bool device;
    const char *rest;
} DiskTarget;

static bool take_format(DiskTarget *t, const DiskPrefix *prefix,
                        const char *params, Error **errp)
{
    if (!prefix) {
        return true;
    }
    if (t->driver && prefix->driver && strcmp(t->driver, prefix->driver)) {
        error_setg(errp, "disk '%s' is said to be both %s and %s", params,
                   t->driver, prefix->driver);
        return false;
    }
    if (prefix->driver) {
        t->driver = prefix->driver;
    }
    t->device |= prefix->device;
    return true;
}

static bool strip(DiskTarget *t, const char *params, const char *type,
                  Error **errp)
{
    const char *end;

    while ((end = word_end(t->rest))) {
        const DiskPrefix *prefix = find_prefix(t->rest, end - t->rest);

        if (!prefix) {
            break;
        }
        if (!take_format(t, prefix, params, errp)) {
            return false;
        }
        t->rest = end + 1;
    }
    return !type || take_format(t, find_prefix(type, strlen(type)), params,
                                errp);
}

/* What a json: in place of a file name stands for. */
static QDict *parse_json(const char *text, const char *params, Error **errp)
{
    ERRP_GUARD();
    QObject *object = qobject_from_json(text, errp);
    QDict *dict;

    if (!object) {
        error_prepend(errp, "disk '%s': ", params);
        return NULL;
    }
    dict = qobject_to(QDict, object);
    if (!dict) {
        qobject_unref(object);
        error_setg(errp, "disk '%s': not a JSON object", params);
    }
    return dict;
}

static QDict *path_options(const DiskTarget *t, bool direct)
{
    QDict *file = qdict_new();

    if (t->device && !g_path_is_absolute(t->rest)) {
        g_autofree char *path = g_strconcat("/dev/", t->rest, NULL);

        qdict_put_str(file, "filename", path);
    } else {
        qdict_put_str(file, "filename", t->rest);
    }
#ifdef CONFIG_LINUX_AIO
    /* Only where it does not block: not without going around the cache. */
    if (direct) {
        qdict_put_str(file, "aio", "native");
    }
#endif
    return file;
}

/* What goes for all nodes, as they inherit it from the top. */
static void common_options(QDict *options, bool readonly, bool direct,
                           bool discard)
{
    if (readonly) {
        qdict_put_bool(options, "read-only", true);
    }
    if (direct && !qdict_haskey(options, "cache") &&
        !qdict_haskey(options, "cache.direct")) {
        qdict_put_bool(options, "cache.direct", true);
    }
    if (discard && !qdict_haskey(options, "discard")) {
        qdict_put_str(options, "discard", "unmap");
    }
}

XenPvDiskParams *xenpv_disk_params(const char *params, const char *type,
                                   bool readonly, bool direct_io_safe,
                                   bool discard, Error **errp)
{
    g_autoptr(XenPvDiskParams) p = g_new0(XenPvDiskParams, 1);
    DiskTarget t = { .rest = params };

    if (!strip(&t, params, type, errp)) {
        return NULL;
    }
    if (*t.rest == '\0') {
        p->empty = true;
        return g_steal_pointer(&p);
    }
    if (g_str_has_prefix(t.rest, "json:")) {
        QDict *dict = parse_json(t.rest + strlen("json:"), params, errp);

        if (!dict) {
            return NULL;
        }
        if (t.driver) {
            p->options = qdict_new();
            qdict_put(p->options, "file", dict);
        } else {
            p->options = dict;
        }
    } else {
        p->options = qdict_new();
        if (word_end(t.rest)) {
            p->filename = g_strdup(t.rest);
        } else {
            qdict_put(p->options, "file", path_options(&t, direct_io_safe));
        }
    }
    /* Anything but a string would have the block layer probe. */
    if (t.driver || !qdict_get_try_str(p->options, "driver")) {
        qdict_put_str(p->options, "driver", t.driver ?: "raw");
    }
    common_options(p->options, readonly, direct_io_safe, discard);
    return g_steal_pointer(&p);
}

void xenpv_disk_params_free(XenPvDiskParams *params)
{
    if (params) {
        g_free(params->filename);
        qobject_unref(params->options);
        g_free(params);
    }
}
