/*
 * What QEMU's streams are told of a device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One section for each, named by its directory in the store.  Little is in
 * it: the nodes come with the store, rings and grants with guest memory, and
 * the driver connects as it does at any other time.  The machine's section,
 * with the store in it, has a higher priority and comes before all of these.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "internal.h"

/* What drivers have to say is short. */
#define DRIVER_MAX (256 * KiB)

/* ---- bytes, with their length in front ---- */

static int put_bytes(QEMUFile *f, void *pv, size_t size,
                     const VMStateField *field, JSONWriter *vmdesc)
{
    GByteArray *bytes = *(GByteArray **)pv;

    qemu_put_be32(f, bytes->len);
    qemu_put_buffer(f, bytes->data, bytes->len);
    return 0;
}

/* Memory is taken as bytes come: the length may be made up. */
static int get_bytes(QEMUFile *f, void *pv, size_t size,
                     const VMStateField *field)
{
    GByteArray *bytes = *(GByteArray **)pv;
    uint32_t left = qemu_get_be32(f);
    uint8_t piece[4096];

    g_byte_array_set_size(bytes, 0);
    if (left > field->num) {
        return -EINVAL;
    }
    while (left) {
        uint32_t n = MIN(left, sizeof(piece));

        if (qemu_get_buffer(f, piece, n) != n) {
            return -EIO;
        }
        g_byte_array_append(bytes, piece, n);
        left -= n;
    }
    return 0;
}

const VMStateInfo xenpv_saved_info = {
    .name = "bytes",
    .get = get_bytes,
    .put = put_bytes,
};

/* ---- a device ---- */

static int dev_pre_save(void *opaque)
{
    XenPvDevice *dev = opaque;

    xenpv_dev_save(dev, &dev->saved);
    return 0;
}

static int dev_post_load(void *opaque, int version_id)
{
    XenPvDevice *dev = opaque;
    XenPvBus *bus = XENPV_BUS(qdev_get_parent_bus(DEVICE(dev)));
    Error *err = NULL;

    if (!bus->loading || dev->in_store) {
        error_report("%s: its section is not where it should be", dev->label);
        return -EINVAL;
    }
    if (!xenpv_dev_resume(dev, &dev->saved, &err)) {
        error_reportf_err(err, "%s: ", dev->label);
        return -EINVAL;
    }
    return 0;
}

const VMStateDescription xenpv_dev_vmstate = {
    .name = TYPE_XENPV_DEVICE,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = dev_pre_save,
    .post_load = dev_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(saved.in_store, XenPvDevice),
        VMSTATE_BOOL(saved.connected, XenPvDevice),
        VMSTATE_BOOL(saved.failed, XenPvDevice),
        VMSTATE_BOOL(saved.closing, XenPvDevice),
        VMSTATE_BOOL(saved.unplugged, XenPvDevice),
        VMSTATE_BOOL(saved.error_noted, XenPvDevice),
        VMSTATE_UINT32(saved.be_state, XenPvDevice),
        XENPV_VMSTATE_SAVED(saved.driver, XenPvDevice, DRIVER_MAX),
        VMSTATE_END_OF_LIST()
    },
};
