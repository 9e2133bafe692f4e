/*
 * Names and numbers of virtual block devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "vdev.h"

/**
 * VdevRange: disks whose numbers follow one rule
 * @prefix: of their names
 * @base: number of the whole of @first_disk
 * @first_disk: first and
 * @last_disk: last disk of the range
 * @shift: log2 of the partitions of a disk
 *
 * Where two rows can encode a device, the upper one does.
 */
typedef struct VdevRange {
    const char *prefix;
    uint32_t base;
    unsigned first_disk;
    unsigned last_disk;
    unsigned shift;
} VdevRange;

static const VdevRange ranges[] = {
    { "xvd", 202 << 8, 0, 15, 4 },
    { "xvd", 1 << 28, 0, XENPV_VDEV_MAX_DISKS - 1, 8 },
    { "sd", 8 << 8, 0, 15, 4 },
    { "hd", 3 << 8, 0, 1, 6 },
    { "hd", 22 << 8, 2, 3, 6 },
};

/* One more than any disk and any partition, so that it never wraps. */
#define TOO_LARGE   (XENPV_VDEV_MAX_DISKS + 1)

/* The row that encodes @disk and @partition, or NULL. */
static const VdevRange *range_of(const char *prefix, unsigned disk,
                                 unsigned partition)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(ranges); i++) {
        const VdevRange *r = &ranges[i];

        if (!strcmp(r->prefix, prefix) &&
            disk >= r->first_disk && disk <= r->last_disk &&
            partition < 1u << r->shift) {
            return r;
        }
    }
    return NULL;
}

static uint32_t encode(const VdevRange *r, unsigned disk, unsigned partition)
{
    return r->base + ((disk - r->first_disk) << r->shift) + partition;
}

/* The row that @number is in, or NULL. */
static const VdevRange *decode(uint32_t number, unsigned *disk,
                               unsigned *partition)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(ranges); i++) {
        const VdevRange *r = &ranges[i];
        uint32_t offset = number - r->base;
        uint32_t nr = r->last_disk - r->first_disk + 1;

        if (number >= r->base && offset >> r->shift < nr) {
            *disk = r->first_disk + (offset >> r->shift);
            *partition = offset & ((1u << r->shift) - 1);
            return r;
        }
    }
    return NULL;
}

/* a .. z, aa .. zz, aaa ...: returns how many letters, sets TOO_LARGE late. */
static size_t take_letters(const char *p, unsigned *disk)
{
    const char *start = p;
    unsigned n = 0;

    for (; g_ascii_islower(*p); p++) {
        n = MIN(n * 26 + (*p - 'a' + 1), TOO_LARGE);
    }
    *disk = n - 1;
    return p - start;
}

/* Decimal, ending after a leading zero: returns how many digits. */
static size_t take_decimal(const char *p, unsigned *value)
{
    const char *start = p;
    unsigned n = 0;

    if (*p == '0') {
        *value = 0;
        return 1;
    }
    for (; g_ascii_isdigit(*p); p++) {
        n = MIN(n * 10 + (*p - '0'), TOO_LARGE);
    }
    *value = n;
    return p - start;
}

/* What follows "xvd", "sd" or "hd". */
static bool parse_letters(const char *p, unsigned *disk, unsigned *partition)
{
    size_t len = take_letters(p, disk);

    *partition = 0;
    if (!len) {
        return false;
    }
    p += len;
    if (*p == '\0') {
        return true;
    }
    len = take_decimal(p, partition);
    return len && *partition && p[len] == '\0';
}

/* What follows "d". */
static bool parse_numbers(const char *p, unsigned *disk, unsigned *partition)
{
    size_t len = take_decimal(p, disk);

    *partition = 0;
    if (!len) {
        return false;
    }
    p += len;
    if (*p == '\0') {
        return true;
    }
    if (*p++ != 'p') {
        return false;
    }
    len = take_decimal(p, partition);
    return len && p[len] == '\0';
}

static bool parse_plain(const char *name, uint32_t *number, Error **errp)
{
    uint64_t value;
    int ret = qemu_strtou64(name, NULL, 0, &value);

    if (ret == -EINVAL) {
        error_setg(errp, "'%s' is not a number", name);
        return false;
    }
    if (ret || value >= XENPV_VDEV_END) {
        error_setg(errp, "device number '%s' is larger than %u", name,
                   XENPV_VDEV_END - 1);
        return false;
    }
    *number = value;
    return true;
}

bool xenpv_vdev_parse(const char *name, uint32_t *number, Error **errp)
{
    static const char *const prefixes[] = { "xvd", "sd", "hd" };
    unsigned disk, partition;
    const char *prefix = NULL;
    const VdevRange *r;
    bool ok = false;
    unsigned i;

    if (g_ascii_isdigit(*name)) {
        return parse_plain(name, number, errp);
    }
    for (i = 0; i < ARRAY_SIZE(prefixes) && !prefix; i++) {
        if (g_str_has_prefix(name, prefixes[i])) {
            prefix = prefixes[i];
            ok = parse_letters(name + strlen(prefix), &disk, &partition);
        }
    }
    if (!prefix && *name == 'd') {
        prefix = "xvd";
        ok = parse_numbers(name + 1, &disk, &partition);
    }
    if (!ok) {
        error_setg(errp, "'%s' is not a device name like xvda, xvdb1, sda, "
                   "hda, d0p1, nor a number", name);
        return false;
    }
    r = range_of(prefix, disk, partition);
    if (!r) {
        error_setg(errp, "device name '%s': no such disk or partition of "
                   "the %s scheme", name, prefix);
        return false;
    }
    *number = encode(r, disk, partition);
    return true;
}

static void append_letters(GString *name, unsigned disk)
{
    if (disk >= 26) {
        append_letters(name, disk / 26 - 1);
    }
    g_string_append_c(name, 'a' + disk % 26);
}

char *xenpv_vdev_name(uint32_t number)
{
    unsigned disk, partition;
    const VdevRange *r = decode(number, &disk, &partition);
    GString *name;

    if (!r || range_of(r->prefix, disk, partition) != r) {
        return g_strdup_printf("%" PRIu32, number);
    }
    name = g_string_new(r->prefix);
    append_letters(name, disk);
    if (partition) {
        g_string_append_printf(name, "%u", partition);
    }
    return g_string_free(name, FALSE);
}

uint32_t xenpv_vdev_from_disk(unsigned disk)
{
    const VdevRange *r = range_of("xvd", disk, 0);

    return r ? encode(r, disk, 0) : XENPV_VDEV_NONE;
}

int xenpv_vdev_disk(uint32_t number)
{
    unsigned disk, partition;

    return decode(number, &disk, &partition) ? (int)disk : -1;
}

int xenpv_vdev_partition(uint32_t number)
{
    unsigned disk, partition;

    return decode(number, &disk, &partition) ? (int)partition : -1;
}
