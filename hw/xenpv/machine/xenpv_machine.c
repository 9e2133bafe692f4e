/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xenpv machine: memory with the monitor in it.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "hw/boards.h"
#include "hw/loader.h"
#include "hw/xenpv/machine/monitor_image.h"
#include "hw/xenpv/trace.h"

static void xenpv_machine_init(MachineState *machine)
{
    memory_region_add_subregion(get_system_memory(), 0, machine->ram);
    rom_add_blob_fixed("xenpv.monitor", monitor_image.data,
                       monitor_image.size, monitor_image.load);
    trace_xenpv_machine_monitor(monitor_image.load, monitor_image.entry,
                                monitor_image.size);
}

static void xenpv_machine_class_init(MachineClass *mc)
{
    mc->desc = "Xen PV guest without Xen";
    mc->init = xenpv_machine_init;
    mc->max_cpus = 1;
    mc->default_ram_size = 128 * MiB;
    mc->default_ram_id = "xenpv.ram";
    mc->no_serial = 1;
    mc->no_parallel = 1;
    mc->no_floppy = 1;
    mc->no_cdrom = 1;
}

DEFINE_MACHINE("xenpv", xenpv_machine_class_init)
