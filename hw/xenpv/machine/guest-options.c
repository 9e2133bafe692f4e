/*
 * What the command line says of a guest that we start ourselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/xen_backend.h"
#include "system/system.h"

/* What the smallest Linux needs, far below any that is useful */
#define MIN_RAM     (16 * MiB)

bool xenpv_check_guest_options(MachineState *machine, Error **errp)
{
    if (!machine->kernel_filename) {
        error_setg(errp, "-M xenpv needs a guest kernel: -kernel FILE");
        return false;
    }
    if (machine->firmware) {
        error_setg(errp, "-M xenpv runs no firmware: -bios %s",
                   machine->firmware);
        return false;
    }
    if (machine->ram_size < MIN_RAM) {
        error_setg(errp, "-m: a Xen PV guest needs at least %d MiB",
                   (int)(MIN_RAM / MiB));
        return false;
    }
    return true;
}

/* stdio with -nographic */
bool xenpv_add_serial_console(XenPvBus *bus, Error **errp)
{
    Chardev *chr = serial_hd(0);
    DeviceState *dev;

    if (!chr) {
        return true;
    }
    dev = qdev_new("xen-console");
    qdev_prop_set_chr(dev, "chardev", chr);
    return qdev_realize_and_unref(dev, BUS(bus), errp);
}
