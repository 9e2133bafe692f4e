/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a kernel file to a XenPvKernel: read, unwrap, parse.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"

#define BUFFER_FIRST_SIZE   (1024 * 1024)

/*
 * Doubling costs little: the C library moves large blocks by remapping them,
 * and pages that were never written take no memory.
 */
bool xenpv_buffer_reserve(XenPvBuffer *buf, size_t room)
{
    size_t size = MAX(buf->size, BUFFER_FIRST_SIZE / 2);
    uint8_t *data;

    if (room <= buf->size - buf->len) {
        return true;
    }
    if (room > buf->limit - buf->len) {
        return false;
    }
    do {
        size = size > buf->limit / 2 ? buf->limit : size * 2;
    } while (size - buf->len < room);

    data = g_try_realloc(buf->data, size);
    if (!data) {
        return false;
    }
    buf->data = data;
    buf->size = size;
    return true;
}

static bool read_all(int fd, const char *filename, XenPvBuffer *buf,
                     Error **errp)
{
    for (;;) {
        ssize_t n;

        if (!xenpv_buffer_reserve(buf, 1)) {
            error_setg(errp, "%s: larger than %zu MiB, or out of memory",
                       filename, buf->limit >> 20);
            return false;
        }
        n = RETRY_ON_EINTR(read(fd, buf->data + buf->len,
                                buf->size - buf->len));
        if (n < 0) {
            error_setg_errno(errp, errno, "%s: cannot read", filename);
            return false;
        }
        if (n == 0) {
            return true;
        }
        buf->len += n;
    }
}

uint8_t *xenpv_file_read(const char *filename, size_t limit, size_t *len,
                         Error **errp)
{
    /* One byte more, to tell a file of exactly the limit from a longer one. */
    XenPvBuffer buf = { .limit = limit + 1 };
    int fd = qemu_open(filename, O_RDONLY, errp);
    bool ok;

    if (fd < 0) {
        return NULL;
    }
    ok = read_all(fd, filename, &buf, errp);
    qemu_close(fd);
    if (!ok) {
        g_free(buf.data);
        return NULL;
    }
    *len = buf.len;
    return buf.data;
}

/* Where the ELF image is: in the file, or in @own when it was compressed. */
static bool find_elf(const uint8_t *data, size_t len, XenPvInput *elf,
                     XenPvBuffer *own, Error **errp)
{
    const XenPvCompression *kind;
    size_t payload = 0;

    if (xenpv_is_bzimage(data, len)) {
        if (!xenpv_bzimage_payload(data, len, &payload, &len, errp)) {
            return false;
        }
        data += payload;
    }
    if (xenpv_is_elf(data, len)) {
        *elf = (XenPvInput) { data, len };
        return true;
    }
    kind = xenpv_compression_find(data, len);
    if (kind) {
        if (!xenpv_decompress(kind, data, len, own, errp)) {
            return false;
        }
        *elf = (XenPvInput) { own->data, own->len };
        return true;
    }
    if (payload) {
        error_setg(errp, "kernel is compressed in an unknown way");
    } else {
        error_setg(errp, "not a kernel image (neither bzImage nor ELF)");
    }
    return false;
}

static XenPvKernel *parse(const char *filename, const uint8_t *data,
                          size_t len, XenPvInput *elf, XenPvBuffer *own,
                          Error **errp)
{
    ERRP_GUARD();
    g_autoptr(XenPvKernel) kernel = g_new0(XenPvKernel, 1);

    kernel->filename = g_strdup(filename);
    if (!find_elf(data, len, elf, own, errp) ||
        !xenpv_elf_parse(kernel, elf->data, elf->len, errp)) {
        error_prepend(errp, "%s: ", filename);
        return NULL;
    }
    return g_steal_pointer(&kernel);
}

XenPvKernel *xenpv_kernel_parse(const char *filename, const uint8_t *data,
                                size_t len, Error **errp)
{
    XenPvBuffer own = { .limit = XENPV_IMAGE_MAX };
    XenPvInput elf;
    XenPvKernel *kernel = parse(filename, data, len, &elf, &own, errp);

    g_free(own.data);
    return kernel;
}

XenPvKernel *xenpv_kernel_load(const char *filename, Error **errp)
{
    size_t len;
    g_autofree uint8_t *data = xenpv_file_read(filename, XENPV_FILE_MAX, &len,
                                               errp);

    return data ? xenpv_kernel_parse(filename, data, len, errp) : NULL;
}

uint8_t *xenpv_kernel_load_elf(const char *filename, size_t *len,
                               Error **errp)
{
    XenPvBuffer own = { .limit = XENPV_IMAGE_MAX };
    g_autoptr(XenPvKernel) kernel = NULL;
    g_autofree uint8_t *data = NULL;
    XenPvInput elf;

    data = xenpv_file_read(filename, XENPV_FILE_MAX, len, errp);
    if (!data) {
        return NULL;
    }
    kernel = parse(filename, data, *len, &elf, &own, errp);
    if (kernel && kernel->pae) {
        error_setg(errp, "%s: 32-bit kernels are started by mode=emulate only",
                   filename);
        g_clear_pointer(&kernel, xenpv_kernel_free);
    }
    if (!kernel) {
        g_free(own.data);
        return NULL;
    }
    *len = elf.len;
    if (!own.data) {
        /* In the file, and perhaps not at its start. */
        own.data = g_memdup2(elf.data, elf.len);
    }
    return own.data;
}

void xenpv_kernel_free(XenPvKernel *kernel)
{
    if (kernel) {
        xenpv_notes_clear(&kernel->notes);
        g_free(kernel->segments);
        g_free(kernel->image);
        g_free(kernel->filename);
        g_free(kernel);
    }
}
