/*
 * Block back end: a disk or CD-ROM drive on QEMU's block layer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The protocol is Xen's public io/blkif.h, all of it that a front end uses.
 *
 * Sectors.  Everything on the ring and in the "sectors" node counts 512
 * bytes, whatever the sector size is: what Linux and FreeBSD do and what the
 * header says today.  A front end that sets feature-large-sector-size counts
 * in sectors of the device, and finds "sectors" in that unit.
 *
 * Media.  A drive may be empty, and then has 0 sectors.  A change of medium or
 * size is published together with our state in one transaction: the rewritten
 * state is what makes front ends look.
 *
 * Threads.  A queue is served by the AioContext it is mapped to, the first
 * one's is the drive's home.  Everything else is the main loop's.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "block/aio-wait.h"
#include "block/block.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xenpv/trace.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/block-backend.h"
#include "system/blockdev.h"
#include "system/runstate.h"
#include "disk-params.h"
#include "disk.h"
#include "block/qdict.h"
#include "qobject/qdict.h"
#include "vdev.h"

/*
 * As many pages as Linux's back end keeps for a ring: enough for one of 32
 * requests with 32 segments each, and their indirect pages.
 */
#define DEFAULT_MAX_PERSISTENT 1056

/* A segment lies in one page, so a sector must fit. */
#define MAX_SECTOR_SIZE XENPV_PAGE_SIZE

static bool is_cdrom(XenPvDisk *disk)
{
    return object_dynamic_cast(OBJECT(disk), TYPE_XEN_CDROM);
}

/* ---- media ---- */

static uint64_t disk_sectors(XenPvDisk *disk)
{
    uint64_t sectors = 0;

    if (blk_is_available(disk->conf.blk)) {
        blk_get_geometry(disk->conf.blk, &sectors);
    }
    return QEMU_ALIGN_DOWN(sectors, disk->conf.logical_block_size >>
                                    BDRV_SECTOR_BITS);
}

static void look_at_medium(XenPvDisk *disk)
{
    qatomic_set__nocheck(&disk->limits.sectors, disk_sectors(disk));
}

static void medium_changed(XenPvDisk *disk)
{
    XenPvDevice *dev = XENPV_DEVICE(disk);
    Error *err = NULL;

    look_at_medium(disk);
    trace_xenpv_disk_medium(dev->label, disk->limits.sectors);
    if (!xenpv_dev_update(dev, &err)) {
        error_reportf_err(err, "%s: ", dev->label);
    }
}

static void disk_resize_cb(void *opaque)
{
    medium_changed(opaque);
}

static void disk_change_media_cb(void *opaque, bool load, Error **errp)
{
    XenPvDisk *disk = opaque;

    disk->tray_open = !load;
    medium_changed(disk);
}

static bool disk_is_tray_open(void *opaque)
{
    return ((XenPvDisk *)opaque)->tray_open;
}

/* A PV guest has no way to lock the tray, and is not asked. */
static bool disk_is_medium_locked(void *opaque)
{
    return false;
}

/* ---- pauses ---- */

static void disk_pause(XenPvDisk *disk, unsigned why)
{
    qatomic_or(&disk->paused, why);
    /* Pairs with the one in xenpv_disk_queue_run(). */
    smp_mb();
}

/* Events that came meanwhile were taken for nothing. */
static void disk_resume(XenPvDisk *disk, unsigned why)
{
    unsigned i;

    if (qatomic_and_fetch(&disk->paused, ~why)) {
        return;
    }
    for (i = 0; i < disk->nr_queues; i++) {
        if (disk->queue[i].event) {
            xenpv_event_again(disk->queue[i].event);
        }
    }
}

static void disk_drained_begin(void *opaque)
{
    disk_pause(opaque, XENPV_DISK_PAUSED_DRAIN);
}

static void disk_drained_end(void *opaque)
{
    disk_resume(opaque, XENPV_DISK_PAUSED_DRAIN);
}

static void disk_vm_state(void *opaque, bool running, RunState state)
{
    XenPvDisk *disk = opaque;
    unsigned i;

    if (!running) {
        disk_pause(disk, XENPV_DISK_PAUSED_VM);
        return;
    }
    for (i = 0; i < disk->nr_queues; i++) {
        qatomic_set(&disk->queue[i].retry, true);
    }
    disk_resume(disk, XENPV_DISK_PAUSED_VM);
}

static const BlockDevOps disk_ops = {
    .resize_cb = disk_resize_cb,
    .drained_begin = disk_drained_begin,
    .drained_end = disk_drained_end,
};

static const BlockDevOps cdrom_ops = {
    .change_media_cb = disk_change_media_cb,
    .is_tray_open = disk_is_tray_open,
    .is_medium_locked = disk_is_medium_locked,
    .resize_cb = disk_resize_cb,
    .drained_begin = disk_drained_begin,
    .drained_end = disk_drained_end,
};

/* ---- which thread serves which queue ---- */

/* Kept until the device goes, even if the user deletes it before. */
static AioContext *mapped_context(XenPvDisk *disk, const char *id,
                                  Error **errp)
{
    IOThread *iothread = iothread_by_id(id);

    if (!iothread) {
        error_setg(errp, "iothread-vq-mapping: there is no iothread '%s'",
                   id);
        return NULL;
    }
    g_ptr_array_add(disk->mapped, object_ref(OBJECT(iothread)));
    return iothread_get_aio_context(iothread);
}

/* All entries say which queues they serve, or none does. */
static bool map_queues(XenPvDisk *disk, Error **errp)
{
    IOThreadVirtQueueMappingList *entry;
    unsigned i, nr_entries = 0, nr_lists = 0;
    g_autoptr(GPtrArray) in_turn = g_ptr_array_new();

    for (entry = disk->mapping; entry; entry = entry->next) {
        AioContext *ctx = mapped_context(disk, entry->value->iothread, errp);
        uint16List *vq;

        if (!ctx) {
            return false;
        }
        for (vq = entry->value->vqs; vq; vq = vq->next) {
            if (vq->value >= disk->max_queues) {
                error_setg(errp, "iothread-vq-mapping: there is no queue %u "
                           "(queues=%u)", vq->value, disk->max_queues);
                return false;
            }
            if (disk->ctx[vq->value]) {
                error_setg(errp, "iothread-vq-mapping: queue %u is mapped "
                           "twice", vq->value);
                return false;
            }
            disk->ctx[vq->value] = ctx;
        }
        g_ptr_array_add(in_turn, ctx);
        nr_lists += entry->value->has_vqs;
        nr_entries++;
    }
    if (nr_lists && nr_lists != nr_entries) {
        error_setg(errp, "iothread-vq-mapping: either all entries have vqs "
                   "or none");
        return false;
    }
    for (i = 0; i < disk->max_queues; i++) {
        if (!nr_lists) {
            disk->ctx[i] = g_ptr_array_index(in_turn, i % nr_entries);
        } else if (!disk->ctx[i]) {
            error_setg(errp, "iothread-vq-mapping: queue %u is not mapped",
                       i);
            return false;
        }
    }
    return true;
}

static bool choose_contexts(XenPvDisk *disk, Error **errp)
{
    unsigned i;

    if (disk->iothread && disk->mapping) {
        error_setg(errp, "iothread and iothread-vq-mapping cannot be used "
                   "together");
        return false;
    }
    disk->ctx = g_new0(AioContext *, disk->max_queues);
    disk->mapped = g_ptr_array_new_with_free_func(object_unref);
    if (disk->mapping) {
        if (!map_queues(disk, errp)) {
            return false;
        }
    } else {
        for (i = 0; i < disk->max_queues; i++) {
            disk->ctx[i] = disk->iothread ?
                iothread_get_aio_context(disk->iothread) :
                qemu_get_aio_context();
        }
    }
    return !blk_set_aio_context(disk->conf.blk, disk->ctx[0], errp);
}

/* ---- realize ---- */

static bool check_properties(XenPvDisk *disk, Error **errp)
{
    if (!disk->max_queues || disk->max_queues > XENPV_DISK_MAX_QUEUES) {
        error_setg(errp, "queues must be 1 to %d, not %" PRIu32,
                   XENPV_DISK_MAX_QUEUES, disk->max_queues);
        return false;
    }
    if (disk->max_ring_order > XENPV_DISK_MAX_RING_ORDER) {
        error_setg(errp, "max-ring-page-order must be 0 to %d, not %" PRIu32,
                   XENPV_DISK_MAX_RING_ORDER, disk->max_ring_order);
        return false;
    }
    if (disk->max_indirect > XENPV_BLKIF_MAX_INDIRECT) {
        error_setg(errp, "max-indirect-segments must be 0 to %d, not %"
                   PRIu32, XENPV_BLKIF_MAX_INDIRECT, disk->max_indirect);
        return false;
    }
    if (disk->bootindex >= 0) {
        warn_report("%s: bootindex has no effect: what a PV guest boots is "
                    "given with -kernel", XENPV_DEVICE(disk)->label);
    }
    return true;
}

static bool find_drive(XenPvDisk *disk, Error **errp)
{
    BlockConf *conf = &disk->conf;

    if (!conf->blk && is_cdrom(disk)) {
        conf->blk = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
        disk->own_blk = true;
        if (blk_attach_dev(conf->blk, DEVICE(disk)) < 0) {
            g_assert_not_reached();
        }
    }
    if (!conf->blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    if (!is_cdrom(disk) && !blk_is_inserted(conf->blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    return true;
}

static bool apply_block_options(XenPvDisk *disk, Error **errp)
{
    BlockConf *conf = &disk->conf;
    bool readonly = is_cdrom(disk) || !blk_supports_write_perm(conf->blk);

    if (!blkconf_blocksizes(conf, errp) ||
        !blkconf_apply_backend_options(conf, readonly, true, errp)) {
        return false;
    }
    if (conf->logical_block_size > MAX_SECTOR_SIZE) {
        error_setg(errp, "logical_block_size must not be larger than %u",
                   MAX_SECTOR_SIZE);
        return false;
    }
    if (conf->discard_granularity == -1) {
        conf->discard_granularity = conf->physical_block_size;
    }
    if (conf->discard_granularity % conf->logical_block_size) {
        error_setg(errp, "discard_granularity must be a multiple of "
                   "logical_block_size");
        return false;
    }
    disk->limits = (XenPvBlkifLimits) {
        .sector_size = conf->logical_block_size,
        .readonly = readonly,
        .flush = true,
        .barrier = true,
        .discard = !readonly && conf->discard_granularity &&
                   (blk_get_flags(conf->blk) & BDRV_O_UNMAP),
        .max_indirect = disk->max_indirect,
    };
    disk->limits.secure_discard = disk->limits.discard &&
                                  disk->secure_discard;
    if (disk->secure_discard && !disk->limits.discard) {
        error_setg(errp, "secure-discard needs a drive with discard=unmap");
        return false;
    }
    look_at_medium(disk);
    return true;
}

static void disk_release(XenPvDisk *disk)
{
    BlockBackend *blk = disk->conf.blk;

    xenpv_disk_kernel_close(disk);
    if (disk->vmstate) {
        qemu_del_vm_change_state_handler(g_steal_pointer(&disk->vmstate));
    }
    if (blk) {
        blk_set_dev_ops(blk, NULL, NULL);
        blk_set_disable_request_queuing(blk, false);
        /* Cannot fail: whoever shares the drive follows it. */
        blk_set_aio_context(blk, qemu_get_aio_context(), NULL);
    }
    if (disk->own_blk) {
        blk_detach_dev(blk, DEVICE(disk));
        blk_unref(blk);
        disk->conf.blk = NULL;
        disk->own_blk = false;
    }
    g_free(g_steal_pointer(&disk->ctx));
    g_clear_pointer(&disk->mapped, g_ptr_array_unref);
}

static bool disk_set_up(XenPvDisk *disk, Error **errp)
{
    if (!check_properties(disk, errp) || !find_drive(disk, errp) ||
        !apply_block_options(disk, errp) || !choose_contexts(disk, errp)) {
        return false;
    }
    blk_set_dev_ops(disk->conf.blk, is_cdrom(disk) ? &cdrom_ops : &disk_ops,
                    disk);
    blk_iostatus_enable(disk->conf.blk);
    /* We do not begin any in a drain; see disk-queue.c. */
    blk_set_disable_request_queuing(disk->conf.blk, true);
    disk->vmstate = qemu_add_vm_change_state_handler(disk_vm_state, disk);
    return true;
}

/*
 * The block layer tells a lock from other reasons in words alone.  Who holds it
 * may be the last device model of a domain that reboots or moves, which is on
 * its way out, or the emulated disk of this one.
 */
static void judge_lock(XenPvDevice *dev, Error *err)
{
    const char *text = err ? error_get_pretty(err) : "";

    if (g_str_has_prefix(text, "Failed to get ") && strstr(text, " lock")) {
        xenpv_dev_held_elsewhere(dev);
    }
}

static bool disk_realize(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    Error *err = NULL;

    disk->kernel_fd = -1;
    if (!disk_set_up(disk, &err) ||
        (dev->delegated && !xenpv_disk_kernel_open(disk, &err))) {
        /* Only who writes to a raw image locks it, and that is not before. */
        judge_lock(dev, err);
        error_propagate(errp, err);
        disk_release(disk);
        return false;
    }
    return true;
}

static void disk_unrealize(XenPvDevice *dev)
{
    disk_release(XENPV_DISK(dev));
}

/* ---- which disk it is ---- */

static bool disk_number_taken(XenPvDevice *dev, int number)
{
    BusChild *kid;

    QTAILQ_FOREACH(kid, &qdev_get_parent_bus(DEVICE(dev))->children,
                   sibling) {
        XenPvDevice *other = (XenPvDevice *)
            object_dynamic_cast(OBJECT(kid->child), TYPE_XENPV_DISK);

        if (other && other != dev && other->devid >= 0 &&
            xenpv_vdev_disk(other->devid) == number) {
            return true;
        }
    }
    return false;
}

/* A "-drive if=xen" that has no device yet says which disk it is to be. */
static bool disk_number_awaited(int number)
{
    BlockBackend *blk;

    for (blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        DriveInfo *dinfo = blk_legacy_dinfo(blk);

        if (dinfo && dinfo->type == IF_XEN && !dinfo->bus &&
            dinfo->unit == number && !blk_get_attached_dev(blk)) {
            return true;
        }
    }
    return false;
}

/* The user's choice, or what "-drive if=xen,index=" says, or the first free */
static bool disk_identify(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    DriveInfo *dinfo = disk->conf.blk ? blk_legacy_dinfo(disk->conf.blk) :
                                        NULL;
    int number = 0;

    if (dev->devid >= 0) {
        return true;
    }
    if (dinfo && dinfo->type == IF_XEN && !dinfo->bus) {
        number = dinfo->unit;
        if (disk_number_taken(dev, number)) {
            error_setg(errp, "drive index %d: there is such a disk already",
                       number);
            return false;
        }
    }
    while (disk_number_taken(dev, number) || disk_number_awaited(number)) {
        number++;
    }
    dev->devid = xenpv_vdev_from_disk(number);
    return true;
}

static char *disk_get_vdev(Object *obj, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(obj);

    return dev->devid < 0 ? g_strdup("") : xenpv_vdev_name(dev->devid);
}

static void disk_set_vdev(Object *obj, const char *value, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(obj);
    uint32_t number;

    if (DEVICE(obj)->realized) {
        error_setg(errp, "vdev cannot be changed any more");
    } else if (xenpv_vdev_parse(value, &number, errp)) {
        dev->devid = number;
    }
}

/* ---- made by a toolstack ---- */

static bool disk_claims(XenPvDevice *dev)
{
    g_autofree char *type = xenpv_dev_read_back(dev, "device-type");

    return is_cdrom(XENPV_DISK(dev)) == !g_strcmp0(type, "cdrom");
}

static bool read_flag(XenPvDevice *dev, const char *key, bool *flag,
                      Error **errp)
{
    uint64_t value;

    if (!xenpv_dev_read_back_uint(dev, key, 1, 0, &value, errp)) {
        return false;
    }
    *flag = value;
    return true;
}

/*
 * Open what the toolstack's nodes name.  Returns false on failure; true with
 * *@bs NULL: there is no medium.
 */
static bool open_params(XenPvDevice *dev, BlockDriverState **bs, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_back(dev, "params");
    g_autofree char *type = xenpv_dev_read_back(dev, "type");
    g_autofree char *mode = xenpv_dev_read_back(dev, "mode");
    g_autofree char *node = g_strdup_printf("xen-vbd-%d", dev->devid);
    g_autoptr(XenPvDiskParams) params = NULL;
    bool readonly = is_cdrom(XENPV_DISK(dev)) || !mode || *mode != 'w';
    bool direct, discard;
    Error *err = NULL;

    *bs = NULL;
    if (!read_flag(dev, "direct-io-safe", &direct, errp) ||
        !read_flag(dev, "discard-enable", &discard, errp)) {
        return false;
    }
    params = xenpv_disk_params(text ?: "", type, readonly, direct, discard,
                               errp);
    if (!params || params->empty) {
        return params;
    }
    /* Block jobs and the like find the disk by this name. */
    if (!qdict_haskey(params->options, "node-name") &&
        !bdrv_find_node(node)) {
        qdict_put_str(params->options, "node-name", node);
    }
    qdict_flatten(params->options);
    *bs = bdrv_open(params->filename, NULL, g_steal_pointer(&params->options),
                    readonly ? 0 : BDRV_O_RDWR, &err);
    judge_lock(dev, err);
    error_propagate(errp, err);
    return *bs;
}

/* The drive holds the medium from here on, until the device goes. */
static bool disk_configure(XenPvDevice *dev, Error **errp)
{
    BlockDriverState *bs;
    bool ok;

    if (!open_params(dev, &bs, errp)) {
        return false;
    }
    ok = !bs || object_property_set_str(OBJECT(dev), "drive",
                                        bdrv_get_node_name(bs), errp);
    bdrv_unref(bs);
    return ok;
}

/* ---- a change of medium that a toolstack asks for ---- */

static bool change_medium(XenPvDisk *disk, Error **errp)
{
    BlockBackend *blk = disk->conf.blk;
    BlockDriverState *bs;

    if (!open_params(XENPV_DEVICE(disk), &bs, errp)) {
        return false;
    }
    if (blk_bs(blk)) {
        blk_remove_bs(blk);
    }
    disk->tray_open = false;
    if (bs && blk_insert_bs(blk, bs, errp) < 0) {
        bdrv_unref(bs);
        return false;
    }
    bdrv_unref(bs);
    return true;
}

static void disk_backend_key(XenPvDevice *dev, const char *key)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    Error *err = NULL;

    if (!is_cdrom(disk)) {
        error_setg(&err, "params has changed, but only a CD can be changed");
    } else {
        change_medium(disk, &err);
        medium_changed(disk);
    }
    if (err) {
        xenpv_dev_complain(dev, err);
    }
}

/* ---- nodes ---- */

static bool publish_features(XenPvDevice *dev, XenPvDisk *disk, Error **errp)
{
    unsigned order = disk->max_ring_order;

    if (!xenpv_dev_publish(dev, errp, "feature-flush-cache", "1") ||
        !xenpv_dev_publish(dev, errp, "feature-barrier", "1") ||
        !xenpv_dev_publish(dev, errp, "feature-persistent", "%d",
                           disk->persistent) ||
        !xenpv_dev_publish(dev, errp, "max-ring-page-order", "%u", order) ||
        !xenpv_dev_publish(dev, errp, "max-ring-pages", "%u", 1u << order) ||
        !xenpv_dev_publish(dev, errp, "multi-queue-max-queues", "%" PRIu32,
                           disk->max_queues)) {
        return false;
    }
    return !disk->max_indirect ||
           xenpv_dev_publish(dev, errp, "feature-max-indirect-segments",
                             "%" PRIu32, disk->max_indirect);
}

static bool publish_discard(XenPvDevice *dev, XenPvDisk *disk, Error **errp)
{
    if (!xenpv_dev_publish(dev, errp, "feature-discard", "%d",
                           disk->limits.discard)) {
        return false;
    }
    return !disk->limits.discard ||
           (xenpv_dev_publish(dev, errp, "discard-granularity", "%" PRIu32,
                              disk->conf.discard_granularity) &&
            xenpv_dev_publish(dev, errp, "discard-alignment", "0") &&
            xenpv_dev_publish(dev, errp, "discard-secure", "%d",
                              disk->limits.secure_discard));
}

static bool publish_medium(XenPvDevice *dev, XenPvDisk *disk, Error **errp)
{
    unsigned info = (is_cdrom(disk) ? VDISK_CDROM | VDISK_REMOVABLE : 0) |
                    (disk->limits.readonly ? VDISK_READONLY : 0);

    return xenpv_dev_publish(dev, errp, "info", "%u", info) &&
           xenpv_dev_publish(dev, errp, "sector-size", "%" PRIu32,
                             disk->conf.logical_block_size) &&
           xenpv_dev_publish(dev, errp, "physical-sector-size", "%" PRIu32,
                             disk->conf.physical_block_size) &&
           xenpv_dev_publish(dev, errp, "sectors", "%" PRIu64,
                             disk->limits.sectors >> disk->unit_shift);
}

bool xenpv_disk_publish_identity(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    g_autofree char *name = xenpv_vdev_name(dev->devid);
    const char *type = is_cdrom(disk) ? "cdrom" : "disk";

    return xenpv_dev_publish(dev, errp, "dev", "%s", name) &&
           xenpv_dev_publish(dev, errp, "mode", "%s",
                             disk->limits.readonly ? "r" : "w") &&
           xenpv_dev_publish(dev, errp, "device-type", "%s", type) &&
           xenpv_dev_publish_front(dev, errp, "virtual-device", "%d",
                                   dev->devid) &&
           xenpv_dev_publish_front(dev, errp, "device-type", "%s", type);
}

static bool disk_advertise(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);

    return publish_features(dev, disk, errp) &&
           publish_discard(dev, disk, errp) &&
           publish_medium(dev, disk, errp) &&
           xenpv_disk_publish_identity(dev, errp);
}

/* ---- connect ---- */

static char *queue_key(unsigned nr_queues, unsigned i, const char *key)
{
    return nr_queues > 1 ? g_strdup_printf("queue-%u/%s", i, key) :
                           g_strdup(key);
}

/* log2 of the pages of each ring */
static bool read_ring_order(XenPvDevice *dev, unsigned max, uint64_t *order,
                            bool *multi, Error **errp)
{
    g_autofree char *key = xenpv_dev_read_front(dev, "ring-page-order");
    uint64_t pages;

    *multi = key;
    if (key) {
        return xenpv_dev_read_front_uint(dev, "ring-page-order", max, 0,
                                         order, errp);
    }
    /* The older way to say it */
    if (!xenpv_dev_read_front_uint(dev, "num-ring-pages", 1u << max, 1,
                                   &pages, errp)) {
        return false;
    }
    if (!is_power_of_2(pages)) {
        error_setg(errp, "front end's num-ring-pages is not a power of two");
        return false;
    }
    *multi = pages > 1;
    *order = ctz64(pages);
    return true;
}

static bool read_refs(XenPvDevice *dev, unsigned nr_queues, unsigned queue,
                      uint32_t *refs, unsigned nr_refs, bool multi,
                      Error **errp)
{
    unsigned i;

    for (i = 0; i < nr_refs; i++) {
        g_autofree char *last = multi ? g_strdup_printf("ring-ref%u", i) :
                                        g_strdup("ring-ref");
        g_autofree char *key = queue_key(nr_queues, queue, last);
        uint64_t ref;

        if (!xenpv_dev_need_front_uint(dev, key, UINT32_MAX, &ref, errp)) {
            return false;
        }
        refs[i] = ref;
    }
    return true;
}

static const XenPvDiskDataOps *choose_data_path(XenPvDisk *disk,
                                                bool persistent)
{
    if (persistent && disk->persistent) {
        return &xenpv_disk_keep_ops;
    }
    return XENPV_DEVICE(disk)->hv->in_place ? &xenpv_disk_pin_ops :
                                              &xenpv_disk_copy_ops;
}

typedef struct Connection {
    const XenPvBlkifAbi *abi;
    const XenPvDiskDataOps *data_ops;
    uint64_t nr_queues;
    uint64_t order;
    uint64_t persistent;
    uint64_t large_sectors;
    bool multi;                 /* refs are numbered */
} Connection;

static bool read_connection(XenPvDisk *disk, Connection *c, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(disk);
    g_autofree char *protocol = xenpv_dev_read_front(dev, "protocol");

    c->abi = xenpv_blkif_abi(protocol);
    if (!c->abi) {
        error_setg(errp, "front end's protocol is unknown");
        return false;
    }
    if (!xenpv_dev_read_front_uint(dev, "multi-queue-num-queues",
                                   disk->max_queues, 1, &c->nr_queues,
                                   errp) ||
        !read_ring_order(dev, disk->max_ring_order, &c->order, &c->multi,
                         errp) ||
        !xenpv_dev_read_front_uint(dev, "feature-persistent", 1, 0,
                                   &c->persistent, errp) ||
        !xenpv_dev_read_front_uint(dev, "feature-large-sector-size", 1, 0,
                                   &c->large_sectors, errp)) {
        return false;
    }
    if (!c->nr_queues) {
        error_setg(errp, "front end's multi-queue-num-queues is 0");
        return false;
    }
    c->data_ops = choose_data_path(disk, c->persistent);
    return true;
}

static bool map_ring(XenPvDisk *disk, const Connection *c, unsigned i,
                     Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(disk);
    uint32_t refs[1 << XENPV_DISK_MAX_RING_ORDER];
    unsigned nr_refs = 1u << c->order;
    XenPvMap *map;

    if (!read_refs(dev, c->nr_queues, i, refs, nr_refs, c->multi, errp)) {
        return false;
    }
    map = xenpv_dev_map_grants(dev, refs, nr_refs, false, errp);
    if (!map) {
        return false;
    }
    xenpv_disk_queue_init(&disk->queue[i], disk, c->abi, map, disk->ctx[i],
                          c->data_ops);
    return true;
}

/*
 * A queue in another thread is bound here first: its event may come before
 * the call returns, and a queue without its channel cannot answer.
 */
static bool bind_queue(XenPvDisk *disk, const Connection *c, unsigned i,
                       Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(disk);
    XenPvDiskQueue *queue = &disk->queue[i];
    g_autofree char *key = queue_key(c->nr_queues, i, "event-channel");
    uint64_t port;

    if (!xenpv_dev_need_front_uint(dev, key, UINT32_MAX, &port, errp)) {
        return false;
    }
    queue->event = xenpv_dev_bind(dev, port, NULL, queue, errp);
    if (queue->event && queue->ctx != qemu_get_aio_context()) {
        xenpv_event_set_context(queue->event, queue->ctx);
    }
    return queue->event;
}

/* Who counts in sectors of the device is to find "sectors" in that unit. */
static bool choose_unit(XenPvDisk *disk, const Connection *c, Error **errp)
{
    unsigned shift = c->large_sectors ?
        ctz32(disk->conf.logical_block_size) - BDRV_SECTOR_BITS : 0;

    disk->unit_shift = shift;
    return !shift || publish_medium(XENPV_DEVICE(disk), disk, errp);
}

static bool disk_connect(XenPvDevice *dev, Error **errp)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    Connection c = { 0 };
    unsigned i;

    if (!read_connection(disk, &c, errp) || !choose_unit(disk, &c, errp)) {
        return false;
    }
    disk->queue = g_new0(XenPvDiskQueue, c.nr_queues);
    while (disk->nr_queues < c.nr_queues) {
        if (!map_ring(disk, &c, disk->nr_queues, errp)) {
            return false;
        }
        disk->nr_queues++;
    }
    trace_xenpv_disk_connect(dev->label, c.abi->name, disk->nr_queues,
                             1u << c.order, c.data_ops->name);
    for (i = 0; i < disk->nr_queues; i++) {
        if (!bind_queue(disk, &c, i, errp)) {
            return false;
        }
    }
    return true;
}

/* Wait for what the block layer has, however slow a throttle makes it. */
static void wait_for_requests(XenPvDisk *disk)
{
    XenPvDevice *dev = XENPV_DEVICE(disk);
    BlockDriverState *bs = blk_bs(disk->conf.blk);

    if (bs) {
        bdrv_ref(bs);
        bdrv_drained_begin(bs);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&dev->in_flight));
    if (bs) {
        bdrv_drained_end(bs);
        bdrv_unref(bs);
    }
}

static void disk_disconnect(XenPvDevice *dev)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    unsigned i;

    for (i = 0; i < disk->nr_queues; i++) {
        XenPvDiskQueue *queue = &disk->queue[i];

        if (queue->ctx == qemu_get_aio_context()) {
            xenpv_disk_queue_abort(queue);
        } else {
            aio_wait_bh_oneshot(queue->ctx, xenpv_disk_queue_abort, queue);
        }
    }
    if (qatomic_read(&dev->in_flight)) {
        wait_for_requests(disk);
    }
    for (i = 0; i < disk->nr_queues; i++) {
        xenpv_disk_queue_cleanup(&disk->queue[i]);
    }
    trace_xenpv_disk_disconnect(dev->label, disk->nr_queues);
    disk->nr_queues = 0;
    disk->unit_shift = 0;
    g_free(g_steal_pointer(&disk->queue));
}

static bool disk_event(XenPvDevice *dev, void *opaque)
{
    return xenpv_disk_queue_run(opaque);
}

static void disk_settle(XenPvDevice *dev)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    unsigned i;

    for (i = 0; i < disk->nr_queues; i++) {
        xenpv_disk_queue_settle(&disk->queue[i]);
    }
}

static void disk_print(XenPvDevice *dev, GString *out, int indent)
{
    XenPvDisk *disk = XENPV_DISK(dev);
    unsigned i;

    for (i = 0; i < disk->nr_queues; i++) {
        XenPvDiskQueue *queue = &disk->queue[i];
        XenPvDiskStats *stats = &queue->stats;

        g_string_append_printf(out, "%*squeue %u: %s, ring of %" PRIu32
                               ", data %s, %" PRIu32 " active\n", indent, "",
                               i, queue->abi->name, queue->ring.nr,
                               queue->data.ops->name, queue->active);
        g_string_append_printf(out, "%*s%" PRIu64 " requests, %" PRIu64
                               " refused, %" PRIu64 " wakeups, %" PRIu64
                               " events sent, %" PRIu64 " bytes copied\n",
                               indent, "", stats->requests, stats->bad,
                               stats->wakeups, stats->notified,
                               stats->copied);
    }
}

/* ---- QOM ---- */

static const char *const disk_backend_keys[] = { "params", NULL };

static const Property disk_properties[] = {
    DEFINE_BLOCK_PROPERTIES(XenPvDisk, conf),
    DEFINE_BLOCK_ERROR_PROPERTIES(XenPvDisk, conf),
    DEFINE_PROP_LINK("iothread", XenPvDisk, iothread, TYPE_IOTHREAD,
                     IOThread *),
    DEFINE_PROP_IOTHREAD_VQ_MAPPING_LIST("iothread-vq-mapping", XenPvDisk,
                                         mapping),
    DEFINE_PROP_UINT32("queues", XenPvDisk, max_queues, 1),
    DEFINE_PROP_UINT32("max-ring-page-order", XenPvDisk, max_ring_order,
                       XENPV_DISK_MAX_RING_ORDER),
    DEFINE_PROP_UINT32("max-indirect-segments", XenPvDisk, max_indirect,
                       XENPV_BLKIF_MAX_INDIRECT),
    /* Off: a batch of grant copies is no slower (tests/bench/xenhost). */
    DEFINE_PROP_BOOL("persistent", XenPvDisk, persistent, false),
    DEFINE_PROP_UINT32("max-persistent-grants", XenPvDisk, max_persistent,
                       DEFAULT_MAX_PERSISTENT),
    DEFINE_PROP_BOOL("secure-discard", XenPvDisk, secure_discard, false),
    DEFINE_PROP_INT32("bootindex", XenPvDisk, bootindex, -1),
};

static void disk_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    XenPvDeviceClass *xdc = XENPV_DEVICE_CLASS(class);

    xdc->type = "vbd";
    xdc->backend_type = "qdisk";
    xdc->backend_keys = disk_backend_keys;
    xdc->identify = disk_identify;
    xdc->claims = disk_claims;
    xdc->configure = disk_configure;
    xdc->realize = disk_realize;
    xdc->unrealize = disk_unrealize;
    xdc->advertise = disk_advertise;
    xdc->kernel_type = "vbd";
    xdc->delegate = xenpv_disk_delegate;
    xdc->connect = disk_connect;
    xdc->disconnect = disk_disconnect;
    xdc->event = disk_event;
    xdc->can_save = true;
    xdc->settle = disk_settle;
    xdc->backend_key = disk_backend_key;
    xdc->print = disk_print;
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    device_class_set_props(dc, disk_properties);
    object_class_property_add_str(class, "vdev", disk_get_vdev,
                                  disk_set_vdev);
    object_class_property_set_description(class, "vdev",
        "name of the disk in the guest: xvda, xvdb1, d3p2, or a number");
}

static void xen_disk_class_init(ObjectClass *class, void *data)
{
    DEVICE_CLASS(class)->desc = "Xen PV disk";
}

static void xen_cdrom_class_init(ObjectClass *class, void *data)
{
    DEVICE_CLASS(class)->desc = "Xen PV CD-ROM drive";
}

static const TypeInfo disk_types[] = {
    {
        .name = TYPE_XENPV_DISK,
        .parent = TYPE_XENPV_DEVICE,
        .abstract = true,
        .instance_size = sizeof(XenPvDisk),
        .class_init = disk_class_init,
    },
    {
        .name = TYPE_XEN_DISK,
        .parent = TYPE_XENPV_DISK,
        .class_init = xen_disk_class_init,
    },
    {
        .name = TYPE_XEN_CDROM,
        .parent = TYPE_XENPV_DISK,
        .class_init = xen_cdrom_class_init,
    },
};

DEFINE_TYPES(disk_types)
