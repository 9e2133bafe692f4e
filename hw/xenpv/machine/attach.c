/*
 * -xen-attach -machine xenpv: a toolstack has made the domain, and runs us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen has the domain's memory and processors; here are only its back ends.  It
 * makes no difference whether the domain is PV or PVH, or whose devices they
 * are: a driver domain's and domain 0's own come the same way.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/xen/xen.h"
#include "hw/xenpv/machine.h"
#include "system/reset.h"
#include "system/system.h"

static void *attach_init(MachineState *machine,
                         const XenPvMachineOptions *options, Error **errp)
{
    if (options->strict || options->store_path) {
        error_setg(errp, "-M xenpv,%s: with -xen-attach there is nothing to "
                   "emulate", options->strict ? "strict" : "xenstore");
        return NULL;
    }
    if (machine->kernel_filename) {
        error_setg(errp, "-kernel: with -xen-attach the toolstack has loaded "
                   "the guest");
        return NULL;
    }
    if (!xenpv_upstream_xen_open(errp) ||
        !xenpv_host_domain_serve(xen_domid, errp)) {
        return NULL;
    }
    if (vga_interface_type == VGA_XENFB) {
        /* As upstream has it: the toolstack's nodes say which there are. */
        vga_interface_created = true;
    }
    return machine;
}

/* A domain that reboots is a new domain, with a QEMU of its own. */
static void attach_reset(void *state, ResetType type)
{
    qemu_devices_reset(type);
}

static void attach_free(void *state)
{
}

const XenPvMode xenpv_mode_attach = {
    .name = "attach",
    .init = attach_init,
    .reset = attach_reset,
    .free = attach_free,
};
