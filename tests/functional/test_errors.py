# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user can get wrong: one line that names it, status 1, at once."""

import os
import subprocess
import tempfile

import kernels
from harness import SETUP, SHORT, Failure, check, equal
from registry import test


def refused(*args: str, names: str, initrd: str = '',
            kernel: str = '') -> None:
    """QEMU must say one line with @names in it, and end with status 1."""
    SETUP.need_xenpv()
    line = [SETUP.qemu, '-display', 'none', '-monitor', 'none', '-serial',
            'null']
    if not any(arg == '-M' for arg in args):
        line += ['-M', 'xenpv']
    if kernel:
        line += ['-kernel', kernel]
    if initrd:
        line += ['-initrd', initrd]
    line += args
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, timeout=SHORT)
    except subprocess.TimeoutExpired as err:
        raise Failure(f'accepted: {" ".join(line)}') from err
    said = done.stderr.strip()
    equal(done.returncode, 1, f'exit status ({said})')
    equal(len(said.splitlines()), 1, f'number of lines ({said})')
    check(names in said, f'{names!r} is not named: {said}')
    check(done.stdout == '', f'on standard output: {done.stdout}')


def with_file(data: bytes, *args: str, names: str = '', size: int = 0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = kernels.write(os.path.join(folder, 'a-kernel'), data)
        if size:
            os.truncate(path, size)
        refused(*args, kernel=path, names=names or path)


@test
def no_kernel():
    refused(names='-kernel')


@test
def kernel_missing():
    refused(kernel='/nonexistent/vmlinuz', names='/nonexistent/vmlinuz')


@test
def kernel_is_folder():
    refused(kernel='/usr/bin', names='/usr/bin')


@test
def kernel_empty():
    with_file(b'')


@test
def kernel_is_text():
    with_file(b'#!/bin/sh\necho hello\n' * 100)


@test
def kernel_without_notes():
    with_file(kernels.elf_without_notes())


@test
def kernel_is_a_program():
    refused(kernel='/bin/busybox' if os.path.exists('/bin/busybox')
            else '/bin/true', names='/bin/')


@test
def kernel_truncated():
    image = kernels.read(SETUP.kernel())
    for part in (100, 0x210, 5000, len(image) // 2, len(image) * 9 // 10):
        with_file(image[:part])


@test
def elf_truncated():
    image = kernels.payload(kernels.read(SETUP.kernel()))
    for part in (20, 64, 200, 5000, len(image) // 3):
        with_file(image[:part])


@test
def payload_corrupt():
    image = bytearray(kernels.read(SETUP.kernel()))
    offset, length = kernels.payload_place(image)
    middle = offset + length // 2
    image[middle:middle + 64] = bytes(64)
    with_file(bytes(image))


@test
def payload_unknown():
    image = kernels.read(SETUP.kernel())
    with_file(kernels.with_payload(image, b'\x13\x37' * 5000))


@test
def payload_lzo():
    """Recognised, but only some builds can decode it: then it is named."""
    image = kernels.read(SETUP.kernel())
    lzo = b'\x89LZO\x00\x0d\x0a\x1a\x0a' + bytes(3000)
    with_file(kernels.with_payload(image, lzo), names='a-kernel')


@test
def initrd_missing():
    refused(kernel=SETUP.kernel(), initrd='/nonexistent/initrd.img',
            names='/nonexistent/initrd.img')


@test
def initrd_too_large():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'big-initrd')
        with open(path, 'wb') as file:
            file.truncate(300 << 20)
        refused('-m', '256', kernel=SETUP.kernel(), initrd=path, names=path)


@test
def memory_too_small():
    for size in ('1', '8', '20'):
        refused('-m', size, kernel=SETUP.kernel(), names='-m')


@test
def unknown_mode():
    refused('-M', 'xenpv,mode=bogus', kernel=SETUP.kernel(), names='bogus')


@test
def unknown_property():
    refused('-M', 'xenpv,nonsense=1', kernel=SETUP.kernel(), names='nonsense')


@test
def attach_without_xen():
    refused('-xen-attach', '-xen-domid', '5', names='xen')


@test
def firmware():
    """There is no firmware to run here, so one that is given is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = kernels.write(os.path.join(folder, 'a-bios'), bytes(65536))
        refused('-bios', path, kernel=SETUP.kernel(), names='-bios')


@test
def pci_device():
    refused('-device', 'e1000', kernel=SETUP.kernel(), names='e1000')


@test
def append_without_kernel():
    refused('-append', 'quiet', names='-kernel')


@test
def xenstore_socket_impossible():
    path = '/nonexistent/folder/store'
    refused('-M', f'xenpv,xenstore={path}', kernel=SETUP.kernel(), names=path)
