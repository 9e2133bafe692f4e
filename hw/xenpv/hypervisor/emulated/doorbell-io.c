/*
 * The two doorbell I/O ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "emu-internal.h"

/* Memory regions live as long as their owner, the machine, does. */
struct XenPvEmuDoorbells {
    MemoryRegion call;
    MemoryRegion send;
};

static uint64_t doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT32_MAX;
}

static void doorbell_call(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    xenpv_emu_call(opaque, value);
}

static void doorbell_send(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    xenpv_emu_send(opaque, value);
}

static const MemoryRegionOps call_ops = {
    .read = doorbell_read,
    .write = doorbell_call,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static const MemoryRegionOps send_ops = {
    .read = doorbell_read,
    .write = doorbell_send,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

void xenpv_emu_add_doorbells(XenPvEmu *emu, MemoryRegion *io, Object *owner)
{
    XenPvEmuDoorbells *bells = g_new0(XenPvEmuDoorbells, 1);

    emu->doorbells = bells;
    memory_region_init_io(&bells->call, owner, &call_ops, emu,
                          "xenpv-call", 4);
    memory_region_add_subregion(io, XENPV_PORT_CALL, &bells->call);
    memory_region_init_io(&bells->send, owner, &send_ops, emu,
                          "xenpv-send", 4);
    memory_region_add_subregion(io, XENPV_PORT_SEND, &bells->send);
}
