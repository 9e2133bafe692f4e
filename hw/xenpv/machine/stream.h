/*
 * An emulated guest in QEMU's streams: savevm, migrate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_MACHINE_STREAM_H
#define HW_XENPV_MACHINE_STREAM_H

#include "exec/memory.h"
#include "hw/xenpv/hypervisor/emulated/emulated.h"
#include "hw/xenpv/xen_backend.h"
#include "system/runstate.h"

#define XENPV_STREAM_DIGEST 32
#define XENPV_STREAM_NAME   64

/**
 * XenPvStreamConfig: what both QEMUs have to agree on
 * @abi: XENPV_ABI_VERSION
 * @monitor: digest of the monitor's image, which goes with guest memory
 * @ram, @max_ram: -m, in bytes
 * @vcpus, @max_vcpus: -smp
 * @plugged: of @max_vcpus, those that were plugged besides the first @vcpus
 * @strict: the machine's property
 * @cpu: type of the vCPUs
 * @features: digest of what CPUID says
 */
typedef struct XenPvStreamConfig {
    uint32_t abi;
    uint8_t monitor[XENPV_STREAM_DIGEST];
    uint64_t ram;
    uint64_t max_ram;
    uint32_t vcpus;
    uint32_t max_vcpus;
    uint64_t plugged;
    bool strict;
    char cpu[XENPV_STREAM_NAME];
    uint8_t features[XENPV_STREAM_DIGEST];
} XenPvStreamConfig;

/**
 * XenPvStream: the machine's sections
 * @emu, @bus, @block: the machine's
 * @written: so much of @block, from its start, is written to by QEMU while
 *           vCPUs run
 * @here: what this machine is
 * @there: what the one was that has been saved
 * @devices: ... and which devices it had, one in a line
 * @guest: ... and what the emulation had
 * @loaded: vCPUs have to be told when they run
 */
typedef struct XenPvStream {
    XenPvEmu *emu;
    XenPvBus *bus;
    MemoryRegion *block;
    uint64_t written;
    XenPvStreamConfig here;
    XenPvStreamConfig there;
    GByteArray *devices;
    GByteArray *guest;
    bool loaded;
    MemoryListener listener;
    VMChangeStateEntry *vm_change;
} XenPvStream;

/**
 * xenpv_stream_init: register the machine's sections
 * @s: filled in up to @written, and @here
 */
void xenpv_stream_init(XenPvStream *s);

#endif /* HW_XENPV_MACHINE_STREAM_H */
