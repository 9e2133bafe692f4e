/*
 * Plugging and unplugging vCPUs of an emulated guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_MACHINE_VCPU_PLUG_H
#define HW_XENPV_MACHINE_VCPU_PLUG_H

#include "hw/boards.h"
#include "hw/xenpv/hypervisor/emulated/emulated.h"

#define TYPE_XENPV_VCPU "xenpv-vcpu"

/**
 * XenPvPlug: the vCPUs beyond -smp's first number
 * @machine: with its vCPUs, all of them
 * @emu: where the guest is asked
 * @shared: where the monitor says which are up
 * @device: who stands for a vCPU that has been plugged, by its number
 * @plugged: which these are
 * @leaving: of them, those the guest has been asked to let go of
 */
typedef struct XenPvPlug {
    MachineState *machine;
    XenPvEmu *emu;
    const struct xenpv_mon_shared *shared;
    DeviceState *device[XENPV_MAX_VCPUS];
    uint64_t plugged;
    uint64_t leaving;
} XenPvPlug;

/**
 * xenpv_plug_init: say what can be plugged
 * @p: @machine, @emu and @shared are filled in; all vCPUs have been made
 */
void xenpv_plug_init(XenPvPlug *p);

/** xenpv_plug_check: has this device a place here? */
void xenpv_plug_check(XenPvPlug *p, DeviceState *dev, Error **errp);

/** xenpv_plug_add: offer its vCPU to the guest */
void xenpv_plug_add(XenPvPlug *p, DeviceState *dev);

/** xenpv_plug_remove: ask the guest for it; it goes when the guest lets go */
void xenpv_plug_remove(XenPvPlug *p, DeviceState *dev, Error **errp);

/** xenpv_plug_settle: let those go that the guest has let go of */
void xenpv_plug_settle(XenPvPlug *p);

/** xenpv_plug_publish: the domain's nodes are new */
void xenpv_plug_publish(XenPvPlug *p);

#endif /* HW_XENPV_MACHINE_VCPU_PLUG_H */
