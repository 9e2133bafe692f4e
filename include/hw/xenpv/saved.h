/*
 * Saved state as bytes: written by one QEMU, read by another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  Little-endian numbers, and strings with their length in front.  A
 * stream may be broken or made up: what reads past the end, or a string with a
 * NUL in it, is bad, and once bad stays bad, so that a caller looks once after
 * a few calls.
 */
#ifndef HW_XENPV_SAVED_H
#define HW_XENPV_SAVED_H

#include "qemu/bswap.h"

static inline void xenpv_saved_put_u8(GByteArray *out, uint8_t value)
{
    g_byte_array_append(out, &value, 1);
}

static inline void xenpv_saved_put_u32(GByteArray *out, uint32_t value)
{
    uint8_t bytes[4];

    stl_le_p(bytes, value);
    g_byte_array_append(out, bytes, sizeof(bytes));
}

static inline void xenpv_saved_put_bytes(GByteArray *out, const void *data,
                                         uint32_t len)
{
    xenpv_saved_put_u32(out, len);
    g_byte_array_append(out, data, len);
}

static inline void xenpv_saved_put_string(GByteArray *out, const char *text)
{
    xenpv_saved_put_bytes(out, text, strlen(text));
}

/**
 * struct XenPvSaved: where a reader is
 * @at: the next byte
 * @left: bytes from there to the end
 * @bad: there was not what should have been there
 */
typedef struct XenPvSaved {
    const uint8_t *at;
    size_t left;
    bool bad;
} XenPvSaved;

/** xenpv_saved_take: @len bytes, or NULL; valid as long as the stream is */
static inline const uint8_t *xenpv_saved_take(XenPvSaved *s, size_t len)
{
    const uint8_t *at = s->at;

    if (s->bad || len > s->left) {
        s->bad = true;
        return NULL;
    }
    s->at += len;
    s->left -= len;
    return at;
}

static inline uint8_t xenpv_saved_u8(XenPvSaved *s)
{
    const uint8_t *at = xenpv_saved_take(s, 1);

    return at ? *at : 0;
}

static inline uint32_t xenpv_saved_u32(XenPvSaved *s)
{
    const uint8_t *at = xenpv_saved_take(s, 4);

    return at ? ldl_le_p(at) : 0;
}

/** xenpv_saved_bytes: up to @max of them; NULL if there is no such thing */
static inline const uint8_t *xenpv_saved_bytes(XenPvSaved *s, uint32_t max,
                                               uint32_t *len)
{
    *len = xenpv_saved_u32(s);
    if (*len > max) {
        s->bad = true;
    }
    return xenpv_saved_take(s, *len);
}

/** xenpv_saved_string: (transfer full): up to @max bytes; NULL: bad */
static inline char *xenpv_saved_string(XenPvSaved *s, uint32_t max)
{
    uint32_t len;
    const uint8_t *at = xenpv_saved_bytes(s, max, &len);

    if (!at) {
        return NULL;
    }
    if (memchr(at, '\0', len)) {
        s->bad = true;
        return NULL;
    }
    return g_strndup((const char *)at, len);
}

/* ---- in a section of QEMU's ---- */

/** xenpv_saved_info: a GByteArray of @num bytes at most, which exists */
extern const struct VMStateInfo xenpv_saved_info;

#define XENPV_VMSTATE_SAVED(_field, _state, _max) {                 \
    .name = stringify(_field),                                      \
    .size = sizeof(GByteArray *),                                   \
    .num = (_max),                                                  \
    .info = &xenpv_saved_info,                                      \
    .flags = VMS_SINGLE,                                            \
    .offset = vmstate_offset_value(_state, _field, GByteArray *),   \
}

#endif /* HW_XENPV_SAVED_H */
