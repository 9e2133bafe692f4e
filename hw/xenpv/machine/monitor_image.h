/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_XENPV_MONITOR_IMAGE_H
#define HW_XENPV_MONITOR_IMAGE_H

/**
 * struct MonitorImage - the monitor (pc-bios/xenner) as linked into QEMU
 * @data: the loadable bytes; @size of them
 * @size: bytes in @data
 * @memory_size: bytes it takes in guest memory, zero-filled beyond @size
 * @load: guest physical address of @data[0]
 * @entry: the ELF entry point, as the linker script has it
 *
 * The build makes it from the monitor's ELF file: pc-bios/xenner/embed.py.
 */
typedef struct MonitorImage {
    const uint8_t *data;
    size_t size;
    size_t memory_size;
    uint64_t load;
    uint64_t entry;
} MonitorImage;

extern const MonitorImage monitor_image;

#endif /* HW_XENPV_MONITOR_IMAGE_H */
