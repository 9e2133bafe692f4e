/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux/x86's bzImage: where in the file the compressed kernel is.
 *
 * A bzImage is a boot sector with a setup header, the rest of the real-mode
 * code, and a protected-mode part.  Since protocol 2.08 the header says where
 * in the protected-mode part the compressed vmlinux starts and how long it is,
 * which is what lets a PV domain builder skip the decompressor.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"

/* Offsets of setup header fields, from the start of the file. */
#define SETUP_SECTS         0x1f1
#define SETUP_MAGIC         0x202
#define SETUP_VERSION       0x206
#define SETUP_PAYLOAD_OFF   0x248
#define SETUP_PAYLOAD_LEN   0x24c
#define SETUP_END           0x250

#define SECTOR_SIZE         512
#define VERSION_PAYLOAD     0x0208

/* What a setup_sects of 0 stands for. */
#define SETUP_SECTS_OLD     4

bool xenpv_is_bzimage(const uint8_t *data, size_t len)
{
    return len >= SETUP_VERSION &&
           memcmp(data + SETUP_MAGIC, "HdrS", 4) == 0;
}

/* Offset of the protected-mode part. */
static size_t setup_size(const uint8_t *data)
{
    unsigned sects = data[SETUP_SECTS] ? data[SETUP_SECTS] : SETUP_SECTS_OLD;

    return (sects + 1) * SECTOR_SIZE;
}

static bool check_version(const uint8_t *data, Error **errp)
{
    unsigned version = lduw_le_p(data + SETUP_VERSION);

    if (version < VERSION_PAYLOAD) {
        error_setg(errp, "boot protocol %u.%02u is too old"
                   " (a PV kernel needs 2.08)", version >> 8, version & 0xff);
        return false;
    }
    return true;
}

bool xenpv_bzimage_payload(const uint8_t *data, size_t len, size_t *payload,
                           size_t *payload_len, Error **errp)
{
    uint64_t off, size;

    if (len < SETUP_END) {
        error_setg(errp, "truncated kernel image (%zu bytes)", len);
        return false;
    }
    if (!check_version(data, errp)) {
        return false;
    }

    off = setup_size(data) + (uint64_t)pv_le32(data + SETUP_PAYLOAD_OFF);
    size = pv_le32(data + SETUP_PAYLOAD_LEN);
    if (size == 0) {
        error_setg(errp, "corrupt kernel image (empty payload)");
        return false;
    }
    if (!pv_range_ok(off, size, len)) {
        error_setg(errp, "truncated kernel image (needs %" PRIu64
                   " bytes, has %zu)", off + size, len);
        return false;
    }
    *payload = off;
    *payload_len = size;
    return true;
}
