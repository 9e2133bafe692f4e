#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the monitor's ELF file into a C source, so that QEMU carries it.

The loadable segments become one array from the lowest physical address up;
what lies beyond the last file byte (.bss) is only counted.
"""

import struct
import sys
from typing import List, Tuple

PT_LOAD = 1
EM_X86_64 = 62

TEMPLATE = '''/* Made from {name} by embed.py. */
#include "qemu/osdep.h"
#include "hw/xenpv/machine/monitor_image.h"

static const uint8_t data[] = {{
{rows}
}};

const MonitorImage monitor_image = {{
    .data = data,
    .size = sizeof(data),
    .memory_size = {memory_size},
    .load = {load:#x},
    .entry = {entry:#x},
}};
'''


def segments(elf: bytes) -> List[Tuple[int, bytes, int]]:
    """(physical address, file bytes, bytes in memory), lowest first."""
    phoff, = struct.unpack_from('<Q', elf, 32)
    phentsize, phnum = struct.unpack_from('<HH', elf, 54)
    found = []
    for i in range(phnum):
        kind, _, offset, _, paddr, filesz, memsz, _ = \
            struct.unpack_from('<IIQQQQQQ', elf, phoff + i * phentsize)
        if kind == PT_LOAD and memsz:
            found.append((paddr, elf[offset:offset + filesz], memsz))
    return sorted(found)


def flatten(loads: List[Tuple[int, bytes, int]]) -> Tuple[int, bytes, int]:
    start = loads[0][0]
    image = bytearray()
    end = start
    for paddr, content, memsz in loads:
        if paddr < end:
            sys.exit(f'embed.py: segment at {paddr:#x} overlaps the last')
        if content:
            image += bytes(paddr - start - len(image)) + content
        end = paddr + memsz
    return start, bytes(image), end - start


def main() -> None:
    source, target = sys.argv[1:]
    with open(source, 'rb') as file:
        elf = file.read()
    if elf[:6] != b'\x7fELF\x02\x01' or \
       struct.unpack_from('<H', elf, 18)[0] != EM_X86_64:
        sys.exit(f'embed.py: {source} is not a 64-bit x86 ELF file')
    loads = segments(elf)
    if not loads:
        sys.exit(f'embed.py: {source} has nothing to load')
    load, image, memory_size = flatten(loads)
    rows = '\n'.join('    ' + ', '.join(f'0x{byte:02x}'
                                        for byte in image[i:i + 12]) + ','
                     for i in range(0, len(image), 12))
    with open(target, 'w', encoding='ascii') as file:
        file.write(TEMPLATE.format(
            name=source.rpartition('/')[2], rows=rows, load=load,
            memory_size=memory_size,
            entry=struct.unpack_from('<Q', elf, 24)[0]))


if __name__ == '__main__':
    main()
