# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images taken apart and put together differently.

The bzImage fields used are those of Linux' Documentation/arch/x86/boot.rst:
setup_sects (0x1f1), payload_offset (0x248), payload_length (0x24c).
"""

import bz2
import ctypes
import ctypes.util
import lzma
import os
import struct
import zlib
from typing import Tuple


def read(path: str) -> bytes:
    with open(path, 'rb') as file:
        return file.read()


def write(path: str, data: bytes) -> str:
    with open(path + '.new', 'wb') as file:
        file.write(data)
    os.replace(path + '.new', path)
    return path


def payload_place(image: bytes) -> Tuple[int, int]:
    """Offset and length of the compressed kernel in a bzImage."""
    if image[0x202:0x206] != b'HdrS':
        raise ValueError('no bzImage')
    start = ((image[0x1f1] or 4) + 1) * 512
    offset, length = struct.unpack_from('<II', image, 0x248)
    return start + offset, length


def unzstd(data: bytes) -> bytes:
    """By the host's libzstd, which dpkg needs: it is always there."""
    name = ctypes.util.find_library('zstd') or 'libzstd.so.1'
    lib = ctypes.CDLL(name)
    for function in ('ZSTD_findFrameCompressedSize', 'ZSTD_decompress'):
        getattr(lib, function).restype = ctypes.c_size_t
    lib.ZSTD_isError.restype = ctypes.c_uint
    size = struct.unpack('<I', data[-4:])[0]
    out = ctypes.create_string_buffer(size)
    used = lib.ZSTD_findFrameCompressedSize(data, ctypes.c_size_t(len(data)))
    got = lib.ZSTD_decompress(out, ctypes.c_size_t(size), data,
                              ctypes.c_size_t(used))
    if lib.ZSTD_isError(ctypes.c_size_t(got)) or got != size:
        raise ValueError('zstd payload does not decode')
    return out.raw


def payload(image: bytes) -> bytes:
    offset, length = payload_place(image)
    data = image[offset:offset + length]
    if data[:6] == b'\xfd7zXZ\0':
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)
    if data[:2] == b'\x1f\x8b':
        return zlib.decompressobj(31).decompress(data)
    if data[:4] == b'\x28\xb5\x2f\xfd':
        return unzstd(data)
    raise ValueError(f'payload begins with {data[:4].hex()}')


def plain_elf(path: str, work: str) -> str:
    """The ELF file inside a bzImage, as a file of its own."""
    out = os.path.join(work, os.path.basename(path) + '.elf')
    if not os.path.exists(out):
        write(out, payload(read(path)))
    return out


def compressed(data: bytes, kind: str) -> bytes:
    """As the kernel's build makes it: the size follows in four bytes."""
    size = struct.pack('<I', len(data))
    if kind == 'gzip':
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        return packer.compress(data) + packer.flush()
    if kind == 'bzip2':
        return bz2.compress(data, 1) + size
    if kind == 'xz':
        return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32,
                             preset=0) + size
    if kind == 'lzma':
        return lzma.compress(data, lzma.FORMAT_ALONE, preset=0) + size
    raise ValueError(kind)


def with_payload(image: bytes, data: bytes) -> bytes:
    """The bzImage with another payload in the place of its own."""
    offset, _ = payload_place(image)
    out = bytearray(image[:offset] + data)
    struct.pack_into('<I', out, 0x24c, len(data))
    return bytes(out)


def elf_without_notes() -> bytes:
    """A valid, tiny x86-64 ELF executable that knows nothing of Xen."""
    code = b'\xf4'
    header = struct.pack('<16sHHIQQQIHHHHHH',
                         b'\x7fELF\x02\x01\x01' + bytes(9), 2, 62, 1,
                         0x100000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack('<IIQQQQQQ', 1, 5, 0, 0x100000, 0x100000,
                          120 + len(code), 120 + len(code), 0x1000)
    return header + segment + code
