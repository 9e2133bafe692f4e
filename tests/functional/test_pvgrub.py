# SPDX-License-Identifier: GPL-2.0-or-later
"""An installed disk started by its own boot loader: GRUB as a PV guest reads
the disk's grub.cfg and starts the kernel it finds there.  The host has no
kernel file."""

import gzip
import os
import re
import shutil
import subprocess
from typing import Dict, Optional

import disks
import kernels
from disks import MIB, Images, images
from harness import BOOT, FACTOR, SETUP, Guest, Skip, check, equal
from registry import test, test_each_kernel
from test_disk import partition_table

GRUB = '/usr/lib/grub-xen/grub-x86_64-xen.bin'
GRUB_32 = '/usr/lib/grub-xen/grub-i386-xen.bin'
GUEST_ABI = os.path.join(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))), 'guest-abi')
START = 1 * MIB
SIZE = 160 * MIB
PROMPT = r'grub> '

MENU = r"""
set timeout={timeout}
menuentry 'Linux' --hotkey=l {{
    search --set=root --file /boot/{kernel}
    linux /boot/{kernel} console=hvc0 quiet {append}
    initrd /boot/initrd.img
}}
menuentry 'Again' --hotkey=a {{ reboot }}
menuentry 'Stop' --hotkey=s {{ halt }}
"""


def grub(image: str = GRUB) -> str:
    SETUP.need_xenpv()
    if not os.path.exists(image):
        raise Skip(f'no {image}: Debian has it in grub-xen-host')
    if not shutil.which('mke2fs'):
        raise Skip('no mke2fs')
    return image


def unpack(archive: str, folder: str) -> None:
    """Files, folders and links of an initramfs: what needs no root."""
    with gzip.open(archive, 'rb') as file:
        data = file.read()
    at = 0
    while True:
        mode, size, length = (int(data[at + n:at + n + 8], 16)
                              for n in (14, 54, 94))
        name = data[at + 110:at + 109 + length].decode()
        at += -(-(110 + length) // 4) * 4
        content = data[at:at + size]
        at += -(-size // 4) * 4
        path = os.path.join(folder, name)
        if name == 'TRAILER!!!':
            return
        if mode >> 12 == 0o04:
            os.makedirs(path, exist_ok=True)
        elif mode >> 12 == 0o12:
            os.symlink(content, path)
        elif mode >> 12 == 0o10:
            with open(path, 'wb') as out:
                out.write(content)
            os.chmod(path, mode & 0o777)


def boot_files(folder: str, label: str) -> str:
    """The kernel's file name below /boot.  GRUB (2.06 and 2.12) unpacks xz
    but not zstd, here as on Xen: such a kernel is on the disk unpacked."""
    path = SETUP.kernel(label)
    name = 'vmlinuz'
    offset, _ = kernels.payload_place(kernels.read(path))
    if kernels.read(path)[offset:offset + 4] == b'\x28\xb5\x2f\xfd':
        path = kernels.plain_elf(path, SETUP.work)
        name = 'vmlinux'
    os.makedirs(os.path.join(folder, 'boot/grub'))
    shutil.copy(path, os.path.join(folder, 'boot', name))
    shutil.copy(disks.initrd(SETUP.kernel(label)),
                os.path.join(folder, 'boot/initrd.img'))
    return name


def install(store: Images, label: Optional[str] = None, timeout: int = -1,
            append: str = '', more: Optional[Dict[str, str]] = None) -> str:
    """A disk with one partition, on it a root file system with kernel,
    initrd and grub.cfg.

    @timeout: until GRUB starts the kernel; -1: not by itself
    @append: more for the kernel's command line
    @more: files, and what is in them
    """
    label = label or SETUP.kernels[0][0]
    root = store.path('root')
    os.makedirs(root)
    unpack(disks.initrd(SETUP.kernel(label)), root)
    kernel = boot_files(root, label)
    with open(os.path.join(root, 'boot/grub/grub.cfg'), 'w',
              encoding='ascii') as file:
        file.write(MENU.format(
            timeout=timeout, kernel=kernel,
            append='xenpv.modules=xen-blkfront,ext4 root=/dev/xvda1 '
                   + append))
    add(root, more or {})
    return disk_of(store, root, SIZE)


def add(root: str, files: Dict[str, str]) -> None:
    for name, source in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        shutil.copy(source, os.path.join(root, name))


def disk_of(store: Images, root: str, size: int) -> str:
    """One partition with a file system of what is in the folder @root."""
    path = store.create('installed.raw', size)
    partition_table(path, START // 512, (size - START) // 512)
    subprocess.run(['mke2fs', '-q', '-t', 'ext4', '-E', f'offset={START}',
                    '-d', root, path, f'{(size - START) // 1024}k'],
                   check=True)
    shutil.rmtree(root)
    return path


def started(path: str, *args: str, **more) -> Guest:
    """GRUB is the kernel; it takes no initrd and heeds no command line."""
    return Guest(*disks.disk('a', path), *args, kernel=grub(), initrd='',
                 **more)


def at_menu(vm: Guest) -> None:
    vm.expect(r'GNU GRUB +version')
    vm.expect(r' Stop ')


def command(vm: Guest, line: str, answer: str) -> 're.Match':
    """A command to GRUB's shell.  It echoes with cursor movements, so only
    the answer is looked for."""
    vm.console.send(line.encode() + b'\r')
    found = vm.expect(answer)
    vm.expect(PROMPT)
    return found


@test_each_kernel
def own_kernel(label):
    """To the root file system on the disk, over a reboot."""
    with images() as store:
        grub()
        with started(install(store, label, timeout=0)) as vm:
            for turn in range(2):
                vm.expect(r'Reading \(xen/xvda,msdos1\)/boot/grub/grub.cfg')
                vm.shell_ready()
                release = os.path.basename(disks.modules_of(
                    SETUP.kernel(label)))
                equal(vm.ok('uname -r'), release, 'the kernel')
                equal(vm.ok('awk \'$2 == "/" && $1 != "rootfs" { print $1 }\' '
                            '/proc/mounts'), '/dev/xvda1', 'the root')
                equal(vm.ok('wc -l </boots || echo 0').split()[-1], str(turn),
                      'the boots before')
                vm.ok('echo boot >>/boots; sync; smoke | tail -n 1', BOOT)
                disks.quiet_log(vm)
                if not turn:
                    vm.console.send(b'reboot -f\n')
            vm.console.send(b'poweroff -f\n')
            vm.ends(0)


def two_times(text: str) -> float:
    """How long the guest's "date; sleep 2; date" says that it took."""
    hours, minutes, seconds = zip(*re.findall(r'(\d+):(\d+):(\d+)', text))
    return sum(scale * (int(field[-1]) - int(field[0])) for scale, field in
               ((3600, hours), (60, minutes), (1, seconds))) % 86400


@test
def shell():
    """GRUB's own: what it types and reads, its clock, and how it ends."""
    with images() as store:
        grub()
        path = install(store)
        second = store.pattern('b.raw', 4 * MIB)
        with started(path, *disks.disk('b', second)) as vm:
            at_menu(vm)
            vm.console.send(b'c')
            vm.expect(PROMPT)
            command(vm, 'ls', r'\(xen/xvda\) \(xen/xvda,msdos1\) '
                              r'\(xen/xvdb\)')
            command(vm, 'ls (xen/xvda,msdos1)/boot/', 'initrd.img')
            command(vm, 'md5sum (xen/xvdb)0+8192', disks.digest_of(second))
            command(vm, 'lsmmap', r'base_addr = 0x0, length = 0x1f\w+, avail')
            stamp = r'\d{4}-\d\d-\d\d (\d\d:){2}\d\d'
            found = command(vm, 'date; sleep 2; date',
                            stamp + r'[\s\S]*' + stamp)
            took = two_times(found.group(0).decode())
            check(1 <= took <= 2 * FACTOR + 3, f'2 s took {took} s')
            vm.console.send(b'reboot\r')
            at_menu(vm)
            vm.console.send(b'a')           # the same from the menu
            at_menu(vm)
            vm.qmp.command('system_reset')
            at_menu(vm)
            vm.console.send(b'l')
            vm.shell_ready()
            vm.console.send(b'reboot -f\n')
            at_menu(vm)
            vm.console.send(b'c')
            vm.expect(PROMPT)
            vm.console.send(b'halt\r')
            vm.ends(0)


@test
def chained():
    """A disk may have a GRUB of its own, where grub-install puts it: GRUB
    starts GRUB starts Linux."""
    tool = shutil.which('grub-mkimage')
    if not tool:
        raise Skip('no grub-mkimage')
    with images() as store:
        grub()
        inner = store.path('pvboot-x86_64.elf')
        subprocess.run(
            [tool, '-O', 'x86_64-xen', '-p', '(xen/xvda,msdos1)/boot/grub',
             '-o', inner, 'part_msdos', 'ext2', 'linux', 'normal', 'search',
             'search_fs_file', 'halt', 'reboot', 'gzio', 'xzio'], check=True)
        with started(install(store, more={'boot/xen/pvboot-x86_64.elf':
                                          inner})) as vm:
            for _ in range(2):
                vm.expect(r'Chainloading .*/boot/xen/pvboot-x86_64.elf')
                at_menu(vm)
                vm.console.send(b'l')
                vm.shell_ready()
                vm.console.send(b'reboot -f\n')
            at_menu(vm)
            vm.console.send(b's')
            vm.ends(0)


MENU_32 = r"""
set timeout=-1
menuentry 'Small' --hotkey=m { search --set=root --file /boot/small; \
                               linux /boot/small; }
menuentry 'Again' --hotkey=a { reboot }
menuentry 'Stop' --hotkey=s { halt }
"""


def small_kernel(fact: str) -> str:
    """A 32-bit micro-guest, which ends with status 0 if all is well."""
    if not shutil.which('gcc'):
        raise Skip('no gcc')
    subprocess.run([os.path.join(GUEST_ABI, 'run'), '--mode', 'pae',
                    '--filter', f'/{fact}$', '--build-only'], check=True,
                   stdout=subprocess.DEVNULL,
                   env={**os.environ, 'BUILD': SETUP.work})
    return os.path.join(SETUP.work, 'guest-abi/micro-guest-0xc0000000', fact)


def install_32(store: Images, more: Dict[str, str]) -> str:
    root = store.path('root')
    os.makedirs(os.path.join(root, 'boot/grub'))
    with open(os.path.join(root, 'boot/grub/grub.cfg'), 'w',
              encoding='ascii') as file:
        file.write(MENU_32)
    add(root, more)
    return disk_of(store, root, 16 * MIB)


def started_32(path: str, *args: str, **more) -> Guest:
    return Guest(*disks.disk('a', path), *args, kernel=grub(GRUB_32),
                 initrd='', **more)


@test
def shell_32bit():
    """GRUB as a 32-bit guest: disks, clock, reboot, reset, halt."""
    with images() as store:
        grub(GRUB_32)
        path = install_32(store, {})
        second = store.pattern('b.raw', 4 * MIB)
        with started_32(path, *disks.disk('b', second)) as vm:
            at_menu(vm)
            vm.console.send(b'c')
            vm.expect(PROMPT)
            command(vm, 'ls', r'\(xen/xvda\) \(xen/xvda,msdos1\) '
                              r'\(xen/xvdb\)')
            command(vm, 'md5sum (xen/xvdb)0+8192', disks.digest_of(second))
            command(vm, 'lsmmap', r'base_addr = 0x0, length = 0x1f\w+, avail')
            stamp = r'\d{4}-\d\d-\d\d (\d\d:){2}\d\d'
            found = command(vm, 'date; sleep 2; date',
                            stamp + r'[\s\S]*' + stamp)
            took = two_times(found.group(0).decode())
            check(1 <= took <= 2 * FACTOR + 3, f'2 s took {took} s')
            vm.console.send(b'reboot\r')
            at_menu(vm)
            vm.console.send(b'a')
            at_menu(vm)
            vm.qmp.command('system_reset')
            at_menu(vm)
            vm.console.send(b's')
            vm.ends(0)


@test
def chained_32bit():
    """A 32-bit GRUB starts the disk's own, and that a 32-bit kernel."""
    tool = shutil.which('grub-mkimage')
    if not tool or not os.path.exists('/usr/lib/grub/i386-xen'):
        raise Skip('no grub-mkimage, or none for i386-xen')
    with images() as store:
        grub(GRUB_32)
        inner = store.path('pvboot-i386.elf')
        subprocess.run(
            [tool, '-O', 'i386-xen', '-p', '(xen/xvda,msdos1)/boot/grub',
             '-o', inner, 'part_msdos', 'ext2', 'linux', 'normal', 'search',
             'search_fs_file', 'halt', 'reboot'], check=True)
        with started_32(install_32(store, {
                'boot/xen/pvboot-i386.elf': inner,
                'boot/small': small_kernel('traps')})) as vm:
            vm.expect(r'Chainloading .*/boot/xen/pvboot-i386.elf')
            at_menu(vm)
            vm.console.send(b'm')
            vm.ends(0)
            check('SUCCESS' in vm.stderr(), vm.stderr())


@test
def strict():
    """The same in ring 3 on two page tables."""
    with images() as store:
        with started(install(store, timeout=0, append='xenpv.do=test:'
                             'isolation,test:klog'),
                     machine_options='strict=on') as vm:
            vm.expect('INIT: done, status 0', BOOT * 2)
            vm.ends(0)


@test
def groups():
    """The kernel's first tables are GRUB's work: what processes see of them,
    and what changes them, on two vCPUs."""
    with images() as store:
        with started(install(store, timeout=0, append='xenpv.do=test:'
                             'isolation,test:memory,test:klog'),
                     '-smp', '2') as vm:
            vm.expect('INIT: done, status 0', BOOT * 2)
            vm.ends(0)


@test
def around_the_hole():
    """More memory than there is below the monitor's."""
    with images() as store:
        with started(install(store), mem='3700M') as vm:
            at_menu(vm)
            vm.console.send(b'c')
            vm.expect(PROMPT)
            command(vm, 'lsmmap', r'base_addr = 0x0, length = 0xe[67]\w+, avail')
            vm.console.send(b'\x1b')
            at_menu(vm)
            vm.console.send(b'l')
            vm.shell_ready()
            text = vm.ok(f'xpv memtouch {90 if SETUP.full else 20}', BOOT * 3)
            check(', 0 pages wrong' in text, text)


@test
def with_everything():
    """A network and a picture, of which GRUB knows nothing and leaves no
    trace."""
    with images() as store:
        with started(install(store, timeout=0), '-vga', 'xenfb', '-netdev',
                     'user,id=n', '-device', 'xen-net-device,netdev=n',
                     '-smp', '2') as vm:
            vm.shell_ready()
            text = vm.ok('for d in vif vkbd vfb vbd; do '
                         'ls /sys/bus/xen/devices; done')
            for name in ('vif-0', 'vkbd-0', 'vfb-0', 'vbd-51712'):
                check(name in text, f'no {name} in {text}')
            vm.ok('ls /dev/fb0')


@test
def again_and_again():
    """Over many reboots QEMU does not grow."""
    if not SETUP.full:
        raise Skip('takes minutes: with --full')
    with images() as store:
        with started(install(store), accel_options=',tb-size=32'
                     if SETUP.accel == 'tcg' else '') as vm:
            sizes = []
            for turn in range(60):
                at_menu(vm)
                vm.console.send(b'l' if turn % 5 == 0 else b'a')
                if turn % 5 == 0:
                    vm.shell_ready()
                    vm.console.send(b'reboot -f\n')
                sizes.append(vm.rss_kib())
            check(sizes[-1] < sizes[20] * 1.05 + 8192, f'RSS grew: {sizes}')
