/*
 * -M xenpv,mode=create where Xen's libraries are missing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine.h"

static void *no_create_init(MachineState *machine,
                            const XenPvMachineOptions *options, Error **errp)
{
    error_setg(errp, "-M xenpv: mode=create is not supported by this build: "
               "it is without Xen's libraries");
    return NULL;
}

const XenPvMode xenpv_mode_create = {
    .name = "create",
    .no_ram = true,
    .init = no_create_init,
};
