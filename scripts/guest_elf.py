# SPDX-License-Identifier: GPL-2.0-or-later
"""What 64-bit ELF files say of what else they need: kernel modules in their
section .modinfo, programs in .dynamic and .interp."""

import struct
from typing import Dict, List, Tuple

SHT_DYNAMIC = 6
DT_NEEDED = 1

Sections = Dict[str, Tuple[bytes, int, int]]    # content, type, link


def _sections(data: bytes) -> Tuple[Sections, List[str]]:
    """By name, and the names in the file's order."""
    if data[:5] != b'\x7fELF\x02':
        raise ValueError('not a 64-bit ELF file')
    table, = struct.unpack_from('<Q', data, 0x28)
    size, count, names_at = struct.unpack_from('<HHH', data, 0x3a)
    rows = [struct.unpack_from('<IIQQQQII', data, table + i * size)
            for i in range(count)]
    names = rows[names_at][4]
    found: Sections = {}
    order = []
    for name, kind, _, _, offset, length, link, _ in rows:
        start = names + name
        text = data[start:data.index(b'\0', start)].decode()
        order.append(text)
        # without content in the file: SHT_NOBITS
        content = b'' if kind == 8 else data[offset:offset + length]
        found[text] = (content, kind, link)
    return found, order


def modinfo(data: bytes) -> Dict[str, List[str]]:
    """A kernel module's facts: "depends", "alias", "softdep", ..."""
    facts: Dict[str, List[str]] = {}
    for item in _sections(data)[0].get('.modinfo', (b'',))[0].split(b'\0'):
        key, equals, value = item.decode(errors='replace').partition('=')
        if equals:
            facts.setdefault(key, []).append(value)
    return facts


def needed(data: bytes) -> List[str]:
    """The libraries a program or library is linked with, by their names."""
    sections, order = _sections(data)
    libraries = []
    for content, kind, link in sections.values():
        if kind != SHT_DYNAMIC:
            continue
        strings = sections[order[link]][0]
        for tag, value in struct.iter_unpack('<QQ', content):
            if tag == DT_NEEDED:
                end = strings.index(b'\0', value)
                libraries.append(strings[value:end].decode())
    return libraries


def interpreter(data: bytes) -> str:
    """The path of a program's dynamic linker, '' for a static program."""
    content = _sections(data)[0].get('.interp', (b'',))[0]
    return content.rstrip(b'\0').decode()
