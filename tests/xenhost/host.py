# SPDX-License-Identifier: GPL-2.0-or-later
"""A Xen host: Debian's Xen 4.17 and a PV dom0 in a machine of QEMU's.

Its parts come from Debian packages, unpacked and never installed, and are kept
below $XENPV_WORK.  dom0's root is one initramfs made of several: what is always
there, guests, firmware, programs of this machine, another QEMU, and last what
is of this run alone.  Each is packed once, and again when what it is made from
has changed.  None is compressed: an emulated processor would take longer to
unpack it than to boot.
"""

import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from typing import Callable, Dict, List, Optional

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
WORK = os.environ.get('XENPV_WORK', os.path.join(TOP, '.work'))
BUILD = os.environ.get('BUILD', os.path.join(TOP, 'build'))
INIT = os.path.join(HERE, 'dom0-init')

RELEASE = 'bookworm'
XEN = '4.17'
HYPERVISOR = f'xen-hypervisor-{XEN}-amd64'
TOOLS = {f'xen-utils-{XEN}': [f'usr/lib/xen-{XEN}/bin/{name}' for name in
                              ('xl', 'xenstored', 'xenconsoled',
                               'xen-init-dom0', 'libxl-save-helper', 'xenctx')],
         'xenstore-utils': ['usr/bin/xenstore']}
STORE_TOOLS = ['chmod', 'exists', 'list', 'ls', 'read', 'rm', 'watch', 'write']
LIBGCC = 'lib/x86_64-linux-gnu/libgcc_s.so.1'
MODULES = ['xen-evtchn', 'xen-gntdev', 'xen-gntalloc', 'xen-privcmd', 'xenfs',
           'loop', 'xen-blkback', 'xen-blkfront', 'xen-netback', 'bridge',
           'tun']
GUEST_MODULES = ['xen-blkfront', 'xen-netfront']
# Firmware of a PC, as QEMU's source package has none.
FIRMWARE = {'qemu-system-data': 'usr/share/qemu',
            'seabios': 'usr/share/seabios'}
# What the host is booted in. Not ours: PVH and HVM guests need AMD's SVM, which
# TCG emulates well enough for Xen in 7.2 and not in 10.0 (a PVH guest halts
# before it can say why).
MACHINE = 'qemu-system-x86'
MACHINE_PATH = 'usr/bin/qemu-system-x86_64'
MACHINE_MODULES = 'qemu-system-common'
# Where a QEMU in /opt/host looks for its data.
DATA = 'opt/share/qemu'
# Debian's own device model, and where libxl looks for one.
PEER = 'qemu-system-xen'
PEER_PATH = 'usr/libexec/xen-qemu-system-i386'

# See docs/devel/testing.rst for what each costs.
CPU = 'max,-smap,-rdtscp,-xsave'
MEMORY = '3G'
DOM0_MEMORY = '1280M'
XEN_OPTIONS = ('dom0=pv com1=115200,8n1 console=com1 loglvl=warning '
               'guest_loglvl=all spec-ctrl=no xpti=no pv-l1tf=no '
               'watchdog=0 cpufreq=none bootscrub=0 '
               f'dom0_mem={DOM0_MEMORY},max:{DOM0_MEMORY}')
# On isa-debug-exit: dom0-init adds 32, QEMU doubles and adds 1.
FIRST_STATUS = (32 << 1) | 1
LAST_STATUS = (63 << 1) | 1


class HostError(Exception):
    """The host is at fault, not what was run on it."""


class Missing(HostError):
    """A part of it cannot be had here."""


def script(name: str, *args: str) -> str:
    done = subprocess.run([os.path.join(TOP, 'scripts', name), *args],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise HostError(f'scripts/{name} failed')
    return done.stdout.strip()


def fetched(name: str, *args: str) -> str:
    """A script that gets something from elsewhere."""
    try:
        return script(name, *args)
    except HostError as error:
        raise Missing(str(error)) from None


def package(name: str) -> str:
    """The folder a package is unpacked in."""
    where = os.path.join(WORK, 'guest', 'packages', RELEASE, name)
    if not os.path.isdir(where):
        fetched('debian-fetch', RELEASE, 'binary', name, where)
    return where


def payload(kernel: bytes) -> bytes:
    """The ELF file in a bzImage, see the kernel's Documentation/x86/boot."""
    setup_sectors = kernel[0x1f1] or 4
    offset, length = struct.unpack_from('<II', kernel, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    # an xz stream, and the size of what is in it
    return lzma.LZMADecompressor().decompress(kernel[start:start + length])


def write(path: str, content: bytes) -> None:
    with open(path + '.new', 'wb') as file:
        file.write(content)
    os.replace(path + '.new', path)


class Host:
    """The parts, made when they are first asked for."""

    def __init__(self, qemu: str = '') -> None:
        """@qemu: another than Debian's to boot it in"""
        self.qemu = qemu
        self.folder = os.path.join(WORK, 'xenhost')
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def part(self, name: str, make: Callable[[str], None],
             sources: Optional[List[str]] = None) -> str:
        path = self.path(name)
        if not os.path.exists(path) or any(
                os.path.getmtime(source) > os.path.getmtime(path)
                for source in sources or []):
            make(path)
        return path

    def machine(self) -> str:
        """Debian's QEMU with its libraries, as a folder."""
        def make(path: str) -> None:
            packed = path + '.cpio'
            package(MACHINE)
            script('mkinitramfs', '--plain', '-o', packed, '--busybox',
                   RELEASE, '--program',
                   f'{RELEASE}:{MACHINE}:{MACHINE_PATH}')
            shutil.rmtree(path + '.new', ignore_errors=True)
            os.makedirs(path + '.new')
            busybox = os.path.join(WORK, 'guest', f'busybox-{RELEASE}', 'bin',
                                   'busybox')
            with open(packed, 'rb') as file:
                # neither devices nor links of it are wanted
                subprocess.run([busybox, 'cpio', '-id', 'bin/qemu*', 'lib/*',
                                'lib64/*'], stdin=file, check=True,
                               cwd=path + '.new', stderr=subprocess.DEVNULL)
            os.unlink(packed)
            os.rename(path + '.new', path)
        return self.part('machine', make)

    def command(self) -> List[str]:
        if self.qemu:
            return [self.qemu]
        here = self.machine()
        return ['env', 'QEMU_MODULE_DIR=' + os.path.join(
            package(MACHINE_MODULES), 'usr/lib/x86_64-linux-gnu/qemu'),
            os.path.join(here, 'lib64', 'ld-linux-x86-64.so.2'),
            '--library-path', os.path.join(here, 'lib'),
            os.path.join(here, 'bin', os.path.basename(MACHINE_PATH))]

    def xen(self) -> str:
        def make(path: str) -> None:
            with gzip.open(os.path.join(package(HYPERVISOR), 'boot',
                                        f'xen-{XEN}-amd64.gz')) as file:
                write(path, file.read())
        return self.part('xen', make)

    def kernel(self) -> str:
        """As a bare ELF file: there is nothing to decompress at each boot."""
        def make(path: str) -> None:
            with open(fetched('get-guest-kernel', RELEASE), 'rb') as file:
                write(path, payload(file.read()))
        return self.part('vmlinux', make)

    def modules(self) -> str:
        kernel = os.path.dirname(fetched('get-guest-kernel', RELEASE))
        top = os.path.join(kernel, 'lib', 'modules')
        return os.path.join(top, os.listdir(top)[0])

    def dom0(self) -> str:
        """What is always there: Xen's tools and the first process."""
        start = os.path.join(HERE, 'start')
        hotplug = os.path.join(HERE, 'hotplug')
        talk = os.path.join(HERE, 'talk.c')

        def make(path: str) -> None:
            for name in TOOLS:
                package(name)
            with tempfile.TemporaryDirectory() as tree:
                # where the tools look for each other
                where = os.path.join(tree, 'usr', 'lib', f'xen-{XEN}')
                os.makedirs(where)
                os.symlink('/bin', os.path.join(where, 'bin'))
                os.makedirs(os.path.join(tree, 'etc', 'xen'))
                write(os.path.join(tree, 'etc', 'xen', 'xl.conf'), b'')
                os.makedirs(os.path.join(tree, 'bin'))
                done = subprocess.run(
                    [os.environ.get('CC', 'gcc'), '-O2', '-static', '-s',
                     '-o', os.path.join(tree, 'bin', 'talk'), talk],
                    check=False)
                if done.returncode:
                    raise HostError('cannot compile talk.c')
                for name in STORE_TOOLS:
                    os.symlink('xenstore',
                               os.path.join(tree, 'bin', f'xenstore-{name}'))
                script('mkinitramfs', '--plain', '-o', path,
                       '--busybox', RELEASE, '--file', f'init={INIT}',
                       '--file', f'start={start}',
                       *(word for name in os.listdir(hotplug) for word in
                         ('--file', f'etc/xen/scripts/{name}='
                          f'{os.path.join(hotplug, name)}')),
                       # glibc loads it when a thread is cancelled
                       '--file', 'lib/libgcc_s.so.1=' + os.path.join(
                           package('libgcc-s1'), LIBGCC), '--modules',
                       f'{self.modules()}={",".join(MODULES)}',
                       *(word for name, programs in TOOLS.items()
                         for program in programs
                         for word in ('--program',
                                      f'{RELEASE}:{name}:{program}')),
                       tree)
        return self.part('dom0.cpio', make, [INIT, start, talk, __file__,
                                              hotplug] + [
            os.path.join(hotplug, name) for name in os.listdir(hotplug)])

    def guests(self) -> str:
        """Debian's kernel as a guest, with the initramfs of tests/guest."""
        here = os.path.join(TOP, 'tests', 'guest')

        def make(path: str) -> None:
            initrd = self.path('guest.cpio')
            if os.path.exists(initrd):
                os.unlink(initrd)
            done = subprocess.run(
                [os.path.join(here, 'pack'), initrd, '--plain', '--modules',
                 f'{self.modules()}={",".join(GUEST_MODULES)}', '--file',
                 f"bin/fio={fetched('get-guest-fio')}"], check=False)
            if done.returncode:
                raise HostError('tests/guest/pack failed')
            script('mkinitramfs', '--plain', '-o', path,
                   '--file', f'guests/vmlinux={self.kernel()}',
                   '--file', f'guests/initrd={initrd}')
        return self.part('guests.cpio', make, [__file__, here] + [
            os.path.join(here, name) for name in os.listdir(here)])

    def keymap(self) -> str:
        """libxl's "-vnc none" needs one."""
        return os.path.join(package('qemu-system-data'),
                            'usr/share/qemu/keymaps/en-us')

    def peer(self) -> str:
        def make(path: str) -> None:
            package(PEER)
            script('mkinitramfs', '--plain', '-o', path, '--program',
                   f'{RELEASE}:{PEER}:{PEER_PATH}', '--file',
                   f'{DATA}/keymaps/en-us={self.keymap()}')
        return self.part('peer.cpio', make, [__file__])

    def hvm(self) -> str:
        """What an HVM guest starts with: its firmware, and a kernel that
        firmware can load."""
        def make(path: str) -> None:
            tools = package(f'xen-utils-{XEN}')
            bios = os.path.join(package('seabios'), 'usr/share/seabios')
            roms = os.path.join(package('qemu-system-data'), 'usr/share/qemu')
            files = {f'usr/lib/xen-{XEN}/boot/hvmloader':
                     f'{tools}/usr/lib/xen-{XEN}/boot/hvmloader',
                     'guests/vmlinuz': os.path.realpath(
                         fetched('get-guest-kernel', RELEASE))}
            for name in ('bios-256k.bin', 'vgabios-cirrus.bin',
                         'vgabios-stdvga.bin'):
                files[f'usr/share/seabios/{name}'] = os.path.join(bios, name)
                files[f'{DATA}/{name}'] = os.path.join(bios, name)
            for name in ('linuxboot.bin', 'linuxboot_dma.bin',
                         'kvmvapic.bin'):
                files[f'{DATA}/{name}'] = os.path.join(roms, name)
            script('mkinitramfs', '--plain', '-o', path,
                   *(word for dest, source in files.items()
                     for word in ('--file', f'{dest}={source}')))
        return self.part('hvm.cpio', make, [__file__])

    def programs(self, paths: List[str]) -> str:
        """Programs of this machine, with its libraries beside them."""
        words = [f'{path} {os.path.getmtime(path)}' for path in sorted(paths)]
        name = hashlib.sha256('\n'.join(words).encode()).hexdigest()[:16]

        def make(path: str) -> None:
            # those of earlier builds
            for old in os.listdir(self.folder):
                if (re.match(r'programs-\w+\.cpio$', old) and
                        os.path.getmtime(self.path(old)) <
                        time.time() - 24 * 3600):
                    os.unlink(self.path(old))
            with tempfile.TemporaryDirectory() as tree:
                overlay(tree, paths)
                script('mkinitramfs', '--plain', '-o', path, '--file',
                       f'{DATA}/keymaps/en-us={self.keymap()}', tree)
        return self.part(f'programs-{name}.cpio', make, [__file__])

    def firmware(self) -> List[str]:
        return [word for name, folder in FIRMWARE.items()
                for word in ('-L', os.path.join(package(name), folder))]

    def boot(self, parts: List[str], files: Dict[str, str], limit: float,
             said: Callable[[str], None], log: str) -> int:
        """Boot, and run every script in dom0's /scenarios.

        @parts: more of dom0's root, packed
        @files: the same, file by file: where in dom0 to where here
        @said: called with each line of what the scripts print
        @log: what Xen, its kernel and QEMU print

        Returns what dom0's first process ends with.  Raises HostError when
        that does not come.
        """
        with tempfile.TemporaryDirectory(prefix='run.',
                                         dir=self.folder) as tmp:
            last = os.path.join(tmp, 'last.cpio')
            script('mkinitramfs', '--plain', '-o', last,
                   *(word for dest, source in files.items()
                     for word in ('--file', f'{dest}={source}')))
            initrd = os.path.join(tmp, 'initrd')
            with open(initrd, 'wb') as out:
                for part in (self.dom0(), *parts, last):
                    with open(part, 'rb') as file:
                        shutil.copyfileobj(file, out)
                    # the kernel takes several, each on a boundary of 4
                    out.write(bytes(-out.tell() % 4))
            return self.run(initrd, limit, said, log, tmp)

    def system(self, initrd: str) -> List[str]:
        """What is booted, and on which processor, as options of QEMU's."""
        # multiboot: -initrd is "MODULE OPTIONS,MODULE"
        return ['-cpu', CPU, '-m', MEMORY, '-kernel', self.xen(),
                '-append', XEN_OPTIONS, '-initrd',
                f'{self.kernel()} console=hvc0 panic=1 quiet,{initrd}']

    def run(self, initrd: str, limit: float, said: Callable[[str], None],
            log: str, tmp: str) -> int:
        pipe = os.path.join(tmp, 'results')
        os.mkfifo(pipe)
        command = [*self.command(), '-accel', 'tcg,thread=multi', '-M', 'q35',
                   '-smp', '2', '-no-reboot', '-nodefaults', '-display', 'none',
                   '-serial', f'file:{log}',
                   '-chardev', f'file,id=results,path={pipe}',
                   '-serial', 'chardev:results',
                   '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
                   *self.firmware(), *self.system(initrd)]

        def read() -> None:
            with open(pipe, encoding='utf-8', errors='replace') as results:
                for line in results:
                    said(line.rstrip('\r\n'))

        # Open for both, or the reader would wait for a QEMU that fails early.
        keep = os.open(pipe, os.O_RDWR)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            with open(log + '.qemu', 'wb') as errors:
                status = subprocess.run(command, stdin=subprocess.DEVNULL,
                                        stdout=errors, stderr=errors,
                                        timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            raise HostError(f'did not end in {limit:.0f} s') from None
        finally:
            os.close(keep)
            reader.join()
        if FIRST_STATUS <= status <= LAST_STATUS:
            return (status - FIRST_STATUS) >> 1
        raise HostError(f'the machine ended without a result '
                        f'(status {status}, see {log})')


def libraries(program: str) -> List[str]:
    said = subprocess.run(['ldd', program], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    return re.findall(r'(/\S+) \(0x', said)


def overlay(tree: str, programs: List[str]) -> None:
    """Programs of this machine, with its libraries in a folder of their own:
    dom0's are another release's."""
    there = os.path.join(tree, 'opt', 'host')
    bin_folder = os.path.join(tree, 'usr', 'local', 'bin')
    os.makedirs(there)
    os.makedirs(bin_folder)
    for program in programs:
        name = os.path.basename(program)
        subprocess.run(['strip', '-o', os.path.join(there, name + '.elf'),
                        program], check=True)
        for library in libraries(program):
            copy = os.path.join(there, os.path.basename(library))
            if not os.path.exists(copy):
                shutil.copy(library, copy)
        wrapper = os.path.join(bin_folder, name)
        with open(wrapper, 'w', encoding='ascii') as file:
            file.write('#!/bin/sh\nexec /opt/host/ld-linux-x86-64.so.2 '
                       '--library-path /opt/host --argv0 "$0" '
                       f'/opt/host/{name}.elf "$@"\n')
        os.chmod(wrapper, 0o755)
