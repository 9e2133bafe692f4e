/*
 * From a toolstack's "params" node to what the block layer opens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: nothing is opened, looked up or stat()ed; whether the file is there,
 * and whether it is a file at all, the block layer says when it opens it.
 *
 * Toolstacks and users have written many forms in twenty years:
 *
 *     aio:/x  raw:/x  qcow2:/x  vhd:/x ...   libxl, for qdisk: format and path
 *     /x                                     xend, xapi: a path
 *     file:/x  phy:vg/x  tap:aio:/x          xend: prefixes say who serves it;
 *     tap2:vhd:/x  tapdisk:aio:/x            phy: is relative to /dev
 *     nbd://host/export  nbd:unix:/socket    what QEMU's block layer takes in
 *     rbd:pool/image  iscsi://...            place of a file name
 *     json:{"driver": ...}                   the same, with every option
 *     "", "aio:"                             a drive without a medium
 *
 * Prefixes are taken off from the left.  What is left is a pseudo-protocol's
 * name if there is a colon before its first slash and a path otherwise, as on
 * QEMU's command line: colons and commas in a path with a slash before them
 * are just characters (./a:b is a way to write the file a:b).
 *
 * The format is never probed: without a word about it, it is raw.  A guest
 * could otherwise turn its raw disk into an image with a backing file of the
 * host's.
 */
#ifndef HW_XENPV_DRIVERS_DISK_PARAMS_H
#define HW_XENPV_DRIVERS_DISK_PARAMS_H

#include "qobject/qdict.h"

/**
 * XenPvDiskParams: what to open
 * @empty: nothing: the drive has no medium; @filename and @options are NULL
 * @filename: what to hand over as file name, or NULL if @options says it all
 * @options: options of the top node, with "driver" set; nested as in QMP, so
 *     qdict_flatten() them for bdrv_open() and the like
 *
 * To open it: blk_new_open(filename, NULL, options, flags, errp), flags being
 * BDRV_O_RDWR unless it is read-only.  A path is in @options, as file.filename
 * without file.driver: the block layer then sees by itself whether it is a
 * regular file or a device, and takes no colon for a protocol.
 */
typedef struct XenPvDiskParams {
    bool empty;
    char *filename;
    QDict *options;
} XenPvDiskParams;

/**
 * xenpv_disk_params: understand a "params" node
 * @params: its value
 * @type: value of the "type" node, or NULL.  If it is a format it goes with a
 *     path that has no prefix; "phy" makes a relative path one of /dev; the
 *     other names of back ends there are say nothing.
 * @readonly: open it read-only, whatever a json: says
 * @direct_io_safe: go around the host's page cache, with Linux AIO if it is a
 *     path; otherwise the cache is the block layer's default, writeback
 * @discard: pass discards on to the host
 * @errp: set on failure, quoting @params
 *
 * What a json: says about cache and discard stands.
 *
 * Returns: (transfer full): what to open, or NULL
 */
XenPvDiskParams *xenpv_disk_params(const char *params, const char *type,
                                   bool readonly, bool direct_io_safe,
                                   bool discard, Error **errp);

/**
 * xenpv_disk_params_free: release it; @params may be NULL
 *
 * blk_new_open() and bdrv_open() consume the options they are given: hand them
 * g_steal_pointer(&params->options).
 */
void xenpv_disk_params_free(XenPvDiskParams *params);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(XenPvDiskParams, xenpv_disk_params_free)

#endif /* HW_XENPV_DRIVERS_DISK_PARAMS_H */
