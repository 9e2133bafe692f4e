# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian itself, installed on a disk, started by its own kernel and initrd."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from typing import Dict

import disks
from disks import MIB, images
from harness import BOOT, SETUP, Guest, Skip, check, equal
from registry import test
from test_disk import partition_table

RELEASE = 'bookworm'
SIZE = 1536 * MIB
START = 1 * MIB


def script(name: str, *args: str) -> str:
    done = subprocess.run([os.path.join(disks.TOP, 'scripts', name), *args],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Skip(f'scripts/{name} {args[0]} failed')
    return done.stdout.strip()


def mirror() -> str:
    """Where the machine's own packages come from, as debian-fetch found."""
    script('debian-fetch', RELEASE, 'version', 'debootstrap')
    work = os.environ.get('XENPV_WORK', os.path.join(disks.TOP, '.work'))
    folder = os.path.join(work, 'apt', RELEASE)
    for name in os.listdir(folder):
        if name.endswith('.sources'):
            with open(os.path.join(folder, name), encoding='utf-8') as file:
                match = re.search(r'^URIs: *(\S+)', file.read(), re.MULTILINE)
                if match:
                    return match[1]
    raise Skip('debian-fetch found no mirror')


def install(folder: str) -> Dict[str, str]:
    """A root file system in an image, its kernel and initrd beside it."""
    tool = os.path.join(SETUP.work, 'debootstrap')
    if not os.path.isdir(tool):
        script('debian-fetch', RELEASE, 'binary', 'debootstrap', tool)
    root = os.path.join(folder, 'root')
    log = os.path.join(SETUP.work, 'debootstrap.log')
    with open(log, 'wb') as out:
        done = subprocess.run(
            ['sh', os.path.join(tool, 'usr/sbin/debootstrap'),
             '--variant=minbase', '--include=systemd-sysv,udev,login,'
             'initramfs-tools,linux-image-amd64', RELEASE, root, mirror()],
            env={**os.environ, 'DEBOOTSTRAP_DIR':
                 os.path.join(tool, 'usr/share/debootstrap')},
            stdout=out, stderr=out, check=False)
    if done.returncode:
        raise Skip(f'debootstrap failed: see {log}')
    subprocess.run(['chroot', root, 'passwd', '-d', 'root'], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name, text in (('fstab', '/dev/xvda1 / ext4 defaults 0 1\n'),
                       ('hostname', 'pv-debian\n')):
        with open(os.path.join(root, 'etc', name), 'w',
                  encoding='ascii') as file:
            file.write(text)
    found = {}
    for name in os.listdir(os.path.join(root, 'boot')):
        for kind in ('vmlinuz', 'initrd'):
            if name.startswith(kind):
                found[kind] = os.path.join(folder, kind)
                shutil.copy(os.path.join(root, 'boot', name), found[kind])
    found['image'] = os.path.join(folder, 'disk.raw')
    with open(found['image'], 'wb') as file:
        file.truncate(SIZE)
    partition_table(found['image'], START // 512, (SIZE - START) // 512)
    subprocess.run(['mkfs.ext4', '-q', '-E', f'offset={START}', '-d', root,
                    found['image'], f'{(SIZE - START) // 1024}k'], check=True)
    shutil.rmtree(root)
    return found


def installed() -> Dict[str, str]:
    """Installed once, and kept."""
    if not SETUP.full:
        raise Skip('takes minutes: with --full')
    if os.geteuid() != 0 or not shutil.which('mkfs.ext4'):
        raise Skip('debootstrap needs root, and mkfs.ext4')
    folder = os.path.join(SETUP.work, f'debian-{RELEASE}')
    with open(folder + '.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            made = tempfile.mkdtemp(dir=SETUP.work)
            install(made)
            os.rename(made, folder)
    return {'image': os.path.join(folder, 'disk.raw'),
            'vmlinuz': os.path.join(folder, 'vmlinuz'),
            'initrd': os.path.join(folder, 'initrd')}


@test
def login():
    """To a login, some work, and an orderly end; twice."""
    SETUP.need_xenpv()
    found = installed()
    with images() as store:
        path = store.path('root.qcow2')
        disks.qemu_img('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b',
                       found['image'], path)
        for turn in range(2):
            with Guest('-object', 'iothread,id=io1',
                       *disks.disk('a', path, iothread='io1'), mem='768M',
                       kernel=found['vmlinuz'], initrd=found['initrd'],
                       append='root=/dev/xvda1 ro') as vm:
                vm.expect('pv-debian login: ', BOOT * 3)
                vm.console.send(b'root\n')
                vm.expect(r'root@pv-debian:~# ', BOOT)
                vm.console.send(b'stty -echo\n')
                equal(vm.ok('findmnt -no SOURCE /', BOOT), '/dev/xvda1',
                      'the root')
                equal(vm.ok('systemctl is-failed "*" | grep -c ^failed; :'),
                      '0', 'failed units')
                equal(vm.ok('wc -l <boots || echo 0').split()[-1], str(turn),
                      'the boots before')
                vm.ok('echo boot >>boots; dpkg --verify', BOOT * 3)
                vm.console.send(b'poweroff\n')
                vm.ends(0, BOOT * 2)
        check('No errors' in disks.qemu_img('check', path), 'qemu-img check')
