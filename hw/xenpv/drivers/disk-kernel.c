/*
 * A disk that the host's kernel serves: what it is told, and a loop device
 * for a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel reads and writes the image, so it has to be what the guest sees:
 * a raw file or a block device.  The drive stays QEMU's as well, which looks
 * after the image's format and lock.  The loop device is of the kind that goes
 * with its last user: us and the back end, however we end.
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "qapi/error.h"
#include "block/block_int.h"
#include "system/block-backend.h"
#include "hw/xenpv/trace.h"
#include "disk.h"
#include "vdev.h"

#ifdef CONFIG_LINUX
#include <linux/loop.h>

/* Others look for a free one at the same time. */
#define LOOP_ATTEMPTS 64

/* The path of what the guest sees, byte for byte; NULL with @errp set. */
static const char *image_path(XenPvDisk *disk, Error **errp)
{
    BlockDriverState *bs = blk_bs(disk->conf.blk), *file = bs;
    const char *format;

    if (!bs) {
        error_setg(errp, "backend=kernel: the drive is empty");
        return NULL;
    }
    format = bdrv_get_format_name(bs);
    if (!strcmp(format, "raw") && bs->file) {
        file = bs->file->bs;
        /* offset= and size= of the raw format */
        if (bdrv_getlength(bs) != bdrv_getlength(file)) {
            error_setg(errp, "backend=kernel: the kernel cannot serve a part "
                       "of an image");
            return NULL;
        }
        format = bdrv_get_format_name(file);
    }
    if (strcmp(format, "file") && strcmp(format, "host_device")) {
        error_setg(errp, "backend=kernel: the kernel serves raw files and "
                   "block devices, not '%s'", format);
        return NULL;
    }
    return file->filename;
}

static bool loop_configure(XenPvDisk *disk, int fd, int image)
{
    struct loop_config config = {
        .fd = image,
        .block_size = disk->conf.logical_block_size,
        .info.lo_flags = LO_FLAGS_AUTOCLEAR,
    };

    if (disk->limits.readonly) {
        config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    }
    if (bdrv_get_flags(blk_bs(disk->conf.blk)) & BDRV_O_NOCACHE) {
        config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
    }
    return !ioctl(fd, LOOP_CONFIGURE, &config);
}

static int loop_open(XenPvDisk *disk, int image, Error **errp)
{
    int mode = disk->limits.readonly ? O_RDONLY : O_RDWR;
    int ctl, attempt, nr, fd, err;

    ctl = qemu_open("/dev/loop-control", O_RDWR, errp);
    if (ctl < 0) {
        error_prepend(errp, "backend=kernel: no loop device: ");
        return -1;
    }
    for (attempt = 0, fd = -1; attempt < LOOP_ATTEMPTS && fd < 0; attempt++) {
        g_autofree char *path = NULL;

        nr = ioctl(ctl, LOOP_CTL_GET_FREE);
        if (nr < 0) {
            error_setg_errno(errp, errno, "backend=kernel: no loop device");
            break;
        }
        path = g_strdup_printf("/dev/loop%d", nr);
        fd = qemu_open(path, mode, errp);
        if (fd < 0) {
            break;
        }
        if (loop_configure(disk, fd, image)) {
            trace_xenpv_disk_loop(XENPV_DEVICE(disk)->label, nr);
            break;
        }
        err = errno;
        qemu_close(fd);
        fd = -1;
        if (err != EBUSY || attempt + 1 == LOOP_ATTEMPTS) {
            error_setg_errno(errp, err, "backend=kernel: %s", path);
            break;
        }
    }
    qemu_close(ctl);
    return fd;
}

bool xenpv_disk_kernel_open(XenPvDisk *disk, Error **errp)
{
    const char *path = image_path(disk, errp);
    struct stat st;
    int fd;

    if (!path) {
        return false;
    }
    fd = qemu_open(path, disk->limits.readonly ? O_RDONLY : O_RDWR, errp);
    if (fd < 0) {
        return false;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
        disk->kernel_fd = loop_open(disk, fd, errp);
        qemu_close(fd);
    } else {
        disk->kernel_fd = fd;
    }
    return disk->kernel_fd >= 0;
}

void xenpv_disk_kernel_close(XenPvDisk *disk)
{
    if (disk->kernel_fd >= 0) {
        qemu_close(disk->kernel_fd);
        disk->kernel_fd = -1;
    }
}

bool xenpv_disk_delegate(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d",
                                            disk->kernel_fd);
    g_autofree char *path = g_file_read_link(link, NULL);
    struct stat st;

    if (fstat(disk->kernel_fd, &st) || !S_ISBLK(st.st_mode)) {
        error_setg(errp, "backend=kernel: not a block device");
        return false;
    }
    return xenpv_dev_publish(dev, errp, "type", "phy") &&
           xenpv_dev_publish(dev, errp, "params", "%s", path ?: "") &&
           xenpv_dev_publish(dev, errp, "physical-device", "%x:%x",
                             major(st.st_rdev), minor(st.st_rdev)) &&
           xenpv_dev_publish(dev, errp, "hotplug-status", "connected") &&
           xenpv_dev_publish(dev, errp, "discard-enable", "%d",
                             disk->limits.discard) &&
           xenpv_disk_publish_identity(dev, errp);
}

#else

bool xenpv_disk_kernel_open(XenPvDisk *disk, Error **errp)
{
    error_setg(errp, "backend=kernel needs Linux");
    return false;
}

void xenpv_disk_kernel_close(XenPvDisk *disk)
{
}

bool xenpv_disk_delegate(XenPvDevice *dev, Error **errp)
{
    g_assert_not_reached();
}

#endif
