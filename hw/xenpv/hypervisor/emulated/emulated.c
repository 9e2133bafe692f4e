/*
 * The emulated hypervisor: birth, reset, death, and its table of operations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

static const XenPvHvOps emulated_ops = {
    .name = "emulated",

    .store_read = xenpv_emu_store_read,
    .store_write = xenpv_emu_store_write,
    .store_mkdir = xenpv_emu_store_mkdir,
    .store_rm = xenpv_emu_store_rm,
    .store_list = xenpv_emu_store_list,
    .store_set_perms = xenpv_emu_store_set_perms,
    .store_get_perms = xenpv_emu_store_get_perms,
    .store_tx_begin = xenpv_emu_store_tx_begin,
    .store_tx_end = xenpv_emu_store_tx_end,
    .store_watch = xenpv_emu_store_watch,
    .store_unwatch = xenpv_emu_store_unwatch,

    .channel_bind = xenpv_emu_channel_bind,
    .channel_ack = xenpv_emu_channel_ack,
    .channel_notify = xenpv_emu_channel_notify,
    .channel_unbind = xenpv_emu_channel_unbind,

    .grant_map = xenpv_emu_grant_map,
    .grant_copy = xenpv_emu_grant_copy,
    .grant_pin = xenpv_emu_grant_pin,
    .grant_unpin = xenpv_emu_grant_unpin,
    .frame_map = xenpv_emu_frame_map,
    .unmap = xenpv_emu_unmap,
    .console_map = xenpv_emu_console_map,
};

XenPvEmu *xenpv_emu_new(const XenPvEmuConfig *config, Error **errp)
{
    XenPvEmu *emu;

    if (!config->nr_vcpus || config->nr_vcpus > XENPV_MAX_VCPUS) {
        error_setg(errp, "a Xen PV guest has 1 to %d vCPUs, not %u",
                   XENPV_MAX_VCPUS, config->nr_vcpus);
        return NULL;
    }
    /* What we share with the guest is read and written as it lies. */
    if (HOST_BIG_ENDIAN) {
        error_setg(errp, "Xen PV guests need a little-endian host");
        return NULL;
    }
    emu = g_new0(XenPvEmu, 1);
    emu->parent.ops = &emulated_ops;
    emu->parent.self = 0;
    emu->parent.in_place = true;
    emu->parent.can_save = true;
    emu->cfg = *config;
    xenpv_emu_channels_init(emu);
    xenpv_emu_grants_init(emu);
    xenpv_emu_store_init(emu);
    return emu;
}

XenPvHv *xenpv_emu_hv(XenPvEmu *emu)
{
    return &emu->parent;
}

void xenpv_emu_reset(XenPvEmu *emu)
{
    trace_xenpv_emu_reset();
    emu->held = false;
    xenpv_emu_ring_detach(emu);
    xenpv_emu_events_reset(emu);
    xenpv_emu_grants_reset(emu);
}

void xenpv_emu_free(XenPvEmu *emu)
{
    xenpv_emu_socket_close(emu);
    xenpv_emu_ring_detach(emu);
    xenpv_emu_channels_cleanup(emu);
    xenpv_emu_grants_cleanup(emu);
    xenpv_emu_store_cleanup(emu);
    /* Ends of channels that are being reclaimed still point to us. */
    drain_call_rcu();
    g_free(emu->doorbells);
    g_free(emu);
}
