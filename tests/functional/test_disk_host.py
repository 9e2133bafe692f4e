# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU's block layer does with a disk in use: sizes, discard, limits,
errors, jobs, snapshots, servers that go away, QEMU killed."""

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import time

import disks
from disks import MIB, images
from harness import BOOT, SETUP, SHORT, Guest, check, equal
from registry import test


def device_id(letter: str) -> str:
    """For commands that take a device's id or path."""
    name = f'disk-{letter}'
    return (name if SETUP.machine == 'xenpv' else
            f'/machine/peripheral/{name}/virtio-backend')


@test
def resize():
    """The guest sees a new size at once, and can use what is new; what it
    writes meanwhile is not disturbed."""
    with images() as store:
        path = store.create('a.qcow2', 16 * MIB)
        with disks.guest(*disks.disk('a', path)) as vm:
            name = disks.name('a')
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            vm.ok(f'mkfs.ext4 -q -b 1024 /dev/{name} 8m')
            with disks.load(vm, 'a', *disks.verified('randwrite', '4k', 8,
                                                     '4m', '--offset=8m')):
                for size in (24, 64, 48):
                    vm.qmp.command('block_resize',
                                   **{'node-name': 'na', 'size': size * MIB})
                    vm.ok(f'disk size {name} {size * MIB // 512}')
            disks.fio(vm, 'a', *disks.verified('write', '64k', 4, '8m',
                                               '--offset=40m'))
            vm.ok(f'e2fsck -fn /dev/{name}')
            disks.quiet_log(vm)
            # beyond the end is beyond the end
            check(vm.run(f'dd if=/dev/zero of=/dev/{name} bs=1M seek=48 '
                         'count=1 conv=notrunc')[0] != 0,
                  'a write beyond the end succeeded')


@test
def discard():
    """What the guest discards is free in the image, and reads as zero."""
    with images() as store:
        path = store.create('a.qcow2', 64 * MIB)
        args = disks.disk('a', path, secure_discard=True)
        raw = store.create('b.raw', 32 * MIB)
        args += disks.disk('b', raw)
        with disks.guest(*args) as vm:
            vm.shell_ready()
            for letter in 'ab':
                name = disks.name(letter)
                vm.ok(f'disk wait {name}')
                disks.fio(vm, letter, '--rw=write', '--bs=1m', '--size=32m',
                          '--end_fsync=1')

            def settled(letter: str) -> int:
                # the block layer writes its tables with the next flush
                disks.fio(vm, letter, '--rw=write', '--bs=4k', '--size=4k',
                          '--end_fsync=1')
                return disks.allocated(path if letter == 'a' else raw)

            full = settled('a')
            check(full >= 32 * MIB, f'{full} bytes of 32 MiB are allocated')
            vm.ok(f'blkdiscard -o {8 * MIB} -l {16 * MIB} '
                  f'/dev/{disks.name("a")}')
            left = settled('a')
            equal(full - left, 16 * MIB, 'what a discard of 16 MiB freed')
            equal(vm.ok(f'dd if=/dev/{disks.name("a")} bs=1M skip=8 count=16 '
                        '2>/dev/null | tr -d "\\0" | wc -c'), '0',
                  'what is read there')
            before = os.stat(raw).st_blocks
            vm.ok(f'blkdiscard -o {8 * MIB} -l {16 * MIB} '
                  f'/dev/{disks.name("b")}')
            settled('b')
            freed = (before - os.stat(raw).st_blocks) * 512
            check(freed >= 15 * MIB, f'{freed} bytes of a raw image are free')
            # a file system's own
            vm.ok(f'mkfs.ext4 -q /dev/{disks.name("a")} && mount -o discard '
                  f'/dev/{disks.name("a")} /mnt && '
                  'dd if=/dev/urandom of=/mnt/f bs=1M count=16 && sync')
            used = disks.allocated(path)
            vm.ok('rm /mnt/f && sync && fstrim /mnt && sync && umount /mnt')
            check(used - settled('a') >= 15 * MIB,
                  f'{used} bytes before rm, {disks.allocated(path)} after it')
            if SETUP.machine == 'xenpv':
                vm.ok(f'blkdiscard -s -l {4 * MIB} /dev/{disks.name("a")}')
                check(vm.run(f'blkdiscard -s -l {4 * MIB} '
                             f'/dev/{disks.name("b")}')[0] != 0,
                      'a secure discard that is not offered succeeded')
            disks.quiet_log(vm)


@test
def throttle_and_statistics():
    """No faster than allowed, a limit that is lifted is gone, and what was
    done is counted."""
    with images() as store:
        with disks.guest(
                *disks.disk('a', store.create('a.raw', 16 * MIB))) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')

            def limit(iops: int) -> None:
                vm.qmp.command('block_set_io_throttle', id=device_id('a'),
                               bps=0, bps_rd=0, bps_wr=0, iops=iops,
                               iops_rd=0, iops_wr=0)

            before = disks.stats(vm, 'a')
            limit(40)
            begin = time.monotonic()
            disks.fio(vm, 'a', '--rw=write', '--bs=4k', '--size=480k',
                      '--iodepth=8', '--end_fsync=1')
            took = time.monotonic() - begin
            # a burst of a tenth of a second is allowed
            check(took > 2, f'120 requests at 40 a second took {took:.1f} s')
            limit(0)
            disks.fio(vm, 'a', *disks.verified('randrw', '4k', 32, '4m'))
            vm.ok(f'blkdiscard -l {MIB} /dev/{disks.name("a")}')
            after = disks.stats(vm, 'a')
            for key in ('rd_operations', 'wr_operations', 'flush_operations',
                        'rd_bytes', 'wr_bytes', 'wr_total_time_ns'):
                check(after[key] > before[key], f'{key} stands still')
            check(after['wr_bytes'] - before['wr_bytes'] >= 480 * 1024,
                  'bytes written are not counted')
            if SETUP.machine == 'xenpv':
                equal(after['unmap_operations'] - before['unmap_operations'],
                      1, 'unmap_operations')
                equal(after['unmap_bytes'] - before['unmap_bytes'], MIB,
                      'unmap_bytes')
            equal(after['failed_wr_operations'], 0, 'failed writes')
            equal(after['invalid_wr_operations'], 0, 'invalid writes')
            # taken away while requests wait for their turn
            limit(5)
            vm.ok(f'disk load {disks.name("a")} --name=l --rw=randread '
                  '--bs=4k --iodepth=16 --size=16k')
            vm.qmp.command('system_reset')
            vm.shell_ready()
            limit(0)
            vm.ok(f'disk wait {disks.name("a")}')
            disks.fio(vm, 'a', *disks.verified('randwrite', '4k', 8, '1m'))


def failing(letter: str, path: str, *rules) -> list:
    """An image under blkdebug, which fails what the rules say."""
    return disks.node(letter, path, file={
        'driver': 'blkdebug', 'inject-error': list(rules),
        'image': {'driver': 'file', 'filename': path}})


def status(vm: Guest) -> str:
    return vm.qmp.command('query-status')['status']


@test
def errors():
    """werror= and rerror=: stop and try again, report, or ignore."""
    once = {'event': 'none', 'iotype': 'write', 'once': True,
            'immediately': False}
    with images() as store:
        paths = [store.create(f'{letter}.raw', 8 * MIB) for letter in 'abc']
        args = [
            # stops, and the second try succeeds
            *failing('a', paths[0], {**once, 'sector': 4096, 'errno': 5}),
            *disks.device('a', werror='stop'),
            # stops by default when there is no room, never otherwise
            *failing('b', paths[1], {**once, 'sector': 4096, 'errno': 28},
                     {**once, 'sector': 8192, 'errno': 5}),
            *disks.device('b'),
            # a bad spot: the guest is told, time after time
            *failing('c', paths[2], {'event': 'none', 'iotype': 'read',
                                     'sector': 2048, 'errno': 5}),
            *disks.device('c', rerror='report', werror='ignore')]
        with disks.guest(*args) as vm:
            a, b, c = map(disks.name, 'abc')
            vm.shell_ready()
            vm.ok(f'disk wait {c}')

            def write(name: str, sector: int) -> None:
                vm.console.send(
                    f'dd if=/bin/fio of=/dev/{name} bs=4k seek={sector // 8} '
                    'count=1 conv=notrunc,fsync; echo status $(($? + 40))\n'
                    .encode())

            for name, letter in ((a, 'a'), (b, 'b')):
                write(name, 4096)
                data = vm.qmp.event('BLOCK_IO_ERROR', BOOT)
                equal(data['action'], 'stop', 'the action')
                equal(data['operation'], 'write', 'the operation')
                equal(data['nospace'], letter == 'b', 'nospace')
                disks.wait_for(lambda: status(vm) == 'io-error', 'a stop')
                vm.qmp.command('cont')
                vm.expect('status 40')
                equal(vm.ok(f'dd if=/dev/{name} bs=4k skip=512 count=1 '
                            '2>/dev/null | md5sum'),
                      vm.ok('dd if=/bin/fio bs=4k count=1 2>/dev/null | '
                            'md5sum'), 'what was written in the end')
            write(b, 8192)
            vm.expect('status 41')
            equal(vm.qmp.event('BLOCK_IO_ERROR')['action'], 'report',
                  'the action')
            equal(status(vm), 'running', 'status')

            for _ in range(3):
                check(vm.run(f'dd if=/dev/{c} of=/dev/null bs=4k skip=256 '
                             'count=1 iflag=direct')[0] != 0,
                      'a read that failed succeeded in the guest')
            vm.ok(f'dd if=/dev/{c} of=/dev/null bs=4k skip=512 count=64')
            equal(status(vm), 'running', 'status')
            equal(vm.qmp.event('BLOCK_IO_ERROR', SHORT,
                               lambda data: data['operation'] == 'read')
                  ['action'], 'report', 'the action')
            check(disks.stats(vm, 'c')['failed_rd_operations'] >= 3,
                  'failed reads are not counted')
            disks.fio(vm, 'c', *disks.verified('randwrite', '4k', 8, '1m',
                                               '--offset=4m'))


@test
def stop_with_many_requests():
    """A queue full of requests that fail, stopped, reset or continued."""
    with images() as store:
        path = store.create('a.raw', 8 * MIB)
        rules = [{'event': 'none', 'iotype': 'write', 'once': True,
                  'immediately': False, 'sector': sector, 'errno': 5}
                 for sector in range(0, 512, 8)]
        with disks.guest(*failing('a', path, *rules),
                         *disks.device('a', werror='stop')) as vm:
            name = disks.name('a')
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            vm.console.send(
                f'disk io {name} --name=t --rw=write --bs=4k --iodepth=32 '
                '--size=512k --verify=crc32c; echo status $(($? + 40))\n'
                .encode())
            stops = 0
            deadline = time.monotonic() + BOOT
            while not re.search(rb'status 4[01]', vm.console.data):
                check(time.monotonic() < deadline, 'fio does not end')
                if status(vm) == 'io-error':
                    stops += 1
                    vm.qmp.command('cont')
                time.sleep(0.02)
            vm.expect('status 40')
            check(stops >= 1, 'the VM never stopped')
        rules = [{'event': 'none', 'iotype': 'write', 'errno': 5}]
        with disks.guest(*failing('a', path, *rules),
                         *disks.device('a', werror='stop')) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            vm.console.send(f'disk io {name} --name=t --rw=write --bs=4k '
                            '--iodepth=32 --size=512k\n'.encode())
            disks.wait_for(lambda: status(vm) == 'io-error', 'a stop', BOOT)
            vm.qmp.command('system_reset')
            vm.qmp.command('cont')
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            vm.ok(f'dd if=/dev/{name} of=/dev/null bs=1M')


def pattern_disk(store, letter: str, size: int) -> str:
    plain = store.pattern(f'{letter}-plain.raw', size)
    path = store.path(f'{letter}.qcow2')
    disks.qemu_img('convert', '-O', 'qcow2', plain, path)
    return path


def image_sum(store, path: str) -> str:
    return disks.digest(store.raw(path))


@test
def jobs():
    """Backup, mirror, snapshot and commit while the guest writes: the copies
    are what they should be, and the guest's data is what it wrote."""
    size = 32 * MIB
    with images() as store:
        path = pattern_disk(store, 'a', size)
        original = disks.digest(store.raw(path))
        backup = store.create('backup.qcow2', size)
        mirror = store.create('mirror.qcow2', size)
        overlay = store.path('overlay.qcow2')
        disks.qemu_img('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b',
                       mirror, overlay)
        with disks.guest('-object', 'iothread,id=io1',
                         *disks.disk('a', path, iothread='io1')) as vm:
            name = disks.name('a')
            qmp = vm.qmp
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            writing = disks.verified('randwrite', '16k', 16, '16m')

            # as it was when the job began, though all of it is overwritten
            disks.add_node(vm, 'b', backup)
            qmp.command('blockdev-backup', **{
                'job-id': 'backup', 'device': 'na', 'target': 'nb',
                'sync': 'full', 'speed': MIB})
            disks.fio(vm, 'a', *disks.verified('write', '64k', 8, '32m'))
            # unless it has ended already
            qmp.try_command('block-job-set-speed', device='backup', speed=0)
            disks.job_done(vm, 'backup')
            qmp.command('blockdev-del', **{'node-name': 'nb'})
            equal(image_sum(store, backup), original, 'the backup')

            with disks.load(vm, 'a', *writing):
                disks.add_node(vm, 'm', mirror)
                qmp.command('blockdev-mirror', **{
                    'job-id': 'mirror', 'device': 'na', 'target': 'nm',
                    'sync': 'full'})
                qmp.event('BLOCK_JOB_READY', BOOT)
                qmp.command('block-job-complete', device='mirror')
                disks.job_done(vm, 'mirror')
            # from here on the mirror is the disk
            qmp.command('blockdev-del', **{'node-name': 'na'})
            disks.fio(vm, 'a', *disks.verified('randwrite', '64k', 8, '16m'))

            with disks.load(vm, 'a', *writing):
                disks.add_node(vm, 'o', overlay, backing=None)
                qmp.command('blockdev-snapshot', node='nm', overlay='no')
            below = image_sum(store, mirror)
            with disks.load(vm, 'a', *writing):
                qmp.command('block-commit', **{
                    'job-id': 'commit', 'device': 'no'})
                qmp.event('BLOCK_JOB_READY', BOOT)
                qmp.command('block-job-complete', device='commit')
                disks.job_done(vm, 'commit')
            vm.ok('echo 3 >/proc/sys/vm/drop_caches')
            now = disks.guest_digest(vm, name)
            disks.quiet_log(vm)
            vm.console.send(b'poweroff -f\n')
            vm.ends(0, BOOT)
        equal(image_sum(store, mirror), now, 'the disk in the end')
        check(below != now, 'nothing was written above the snapshot')


@test
def snapshot():
    """An internal snapshot taken under load keeps what was there."""
    with images() as store:
        path = pattern_disk(store, 'a', 16 * MIB)
        with disks.guest(*disks.disk('a', path)) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            original = disks.digest(store.raw(path))
            with disks.load(vm, 'a', '--rw=randread', '--bs=4k',
                            '--iodepth=16', '--size=8m'):
                equal(vm.qmp.hmp('snapshot_blkdev_internal na before'), '',
                      'the monitor said')
            disks.fio(vm, 'a', *disks.verified('write', '64k', 8, '16m'))
            vm.console.send(b'poweroff -f\n')
            vm.ends(0, BOOT)
        old = store.path('old.raw')
        disks.qemu_img('convert', '-l', 'before', '-O', 'raw', path, old)
        with open(old, 'rb') as file:
            equal(disks.digest(file.read()), original, 'the snapshot')
        check(image_sum(store, path) != original, 'nothing was written')


@test
def killed():
    """kill -9 of QEMU in the middle of it: what a flush was good for is in
    the image."""
    for formats, batch in ((('raw', 'qcow2'), 1), (('qcow2', 'raw'), 7)):
        with images() as store:
            paths = [store.create(f'{letter}.{kind}', 4 * MIB)
                     for letter, kind in zip('ab', formats)]
            with disks.guest('-object', 'iothread,id=io1',
                             *disks.disk('a', paths[0]),
                             *disks.disk('b', paths[1], iothread='io1')) as vm:
                vm.shell_ready()
                for letter in 'ab':
                    name = disks.name(letter)
                    vm.ok(f'disk wait {name}')
                    vm.ok(f'(xpv disklog /dev/{name} {batch} '
                          f'</dev/null >/dev/console 2>&1 &)')
                vm.expect(rf'LOG /dev/{disks.name("b")} {150 * batch}\r\n',
                          BOOT)
                vm.expect(rf'LOG /dev/{disks.name("a")} \d+\r\n', BOOT)
                vm.process.kill()
                vm.wait_exit()
                vm.console.wait_closed()
                said = bytes(vm.console.data)
            for letter, path in zip('ab', paths):
                numbers = re.findall(
                    rb'LOG /dev/%s (\d+)\r\n' % disks.name(letter).encode(),
                    said)
                check_log(store.raw(path), int(numbers[-1]))


def check_log(data: bytes, said: int) -> None:
    """See tests/guest/disklog.c: all numbers up to the last one said."""
    slots = len(data) // 4096
    for number in range(max(1, said - slots + 1), said + 1):
        at = number % slots * 4096
        words = set(struct.unpack_from('<512Q', data, at))
        check(max(words) >= number and min(words) >= number,
              f'flushed as {number} of {said}, slot {number % slots} holds '
              f'{sorted(words)[:4]}')


@contextlib.contextmanager
def nbd_server(path: str, socket_path: str):
    """qemu-nbd of the same build; yields a function that kills it and starts
    another."""
    running = []

    def start() -> None:
        kind = path.rpartition('.')[2]
        running.append(subprocess.Popen(
            [disks.tool('qemu-nbd'), '-f', kind, '-k', socket_path, '-t',
             '-e', '8', '--discard=unmap', path]))
        disks.wait_for(lambda: os.path.exists(socket_path), 'the NBD socket')

    def stop() -> None:
        running[-1].send_signal(signal.SIGKILL)
        running.pop().wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket_path)

    start()
    try:
        yield stop, start
    finally:
        if running:
            stop()


@test
def nbd():
    """A disk on an NBD server that dies and comes back: requests wait, and
    none is lost."""
    with images() as store:
        path = store.create('a.qcow2', 32 * MIB)
        server = store.path('nbd')
        with nbd_server(path, server) as (stop, start):
            spec = {'driver': 'nbd', 'node-name': 'na', 'discard': 'unmap',
                    'reconnect-delay': 60,
                    'server': {'type': 'unix', 'path': server}}
            with disks.guest('-blockdev', json.dumps(spec),
                             *disks.device('a')) as vm:
                vm.shell_ready()
                vm.ok(f'disk wait {disks.name("a")}')
                equal(disks.facts(vm, disks.name('a'))['size'],
                      str(32 * MIB // 512), 'the size')
                for _ in range(2):
                    with disks.load(vm, 'a'):
                        stop()
                        time.sleep(1)
                        start()
                        disks.fio(vm, 'a', *disks.verified(
                            'randwrite', '64k', 8, '8m', '--offset=16m'))
                disks.quiet_log(vm)
                vm.console.send(b'poweroff -f\n')
                vm.ends(0, BOOT)


@test
def cdrom():
    """Empty, a disc in it, out, another one: the guest reads what is there,
    and gets an error, not a hang, where nothing is."""
    SETUP.need_xenpv()
    with images() as store:
        one = store.pattern('one.raw', 4 * MIB, 1)
        two = store.pattern('two.raw', 6 * MIB, 2)
        with disks.guest('-device', 'xen-cdrom,id=cd,vdev=xvdc',
                         *disks.node('x', store.pattern('three.raw', MIB, 3),
                                     **{'read-only': True}),
                         '-device', 'xen-cdrom,id=full,vdev=xvdd,drive=nx'
                         ) as vm:
            qmp = vm.qmp
            vm.shell_ready()
            vm.ok('disk wait xvdd')
            equal(disks.facts(vm, 'xvdd')['ro'], '1', 'ro of a CD')
            equal(disks.guest_digest(vm, 'xvdd'),
                  disks.digest_of(store.path('three.raw')), 'the disc')
            check(vm.run('dd if=/dev/zero of=/dev/xvdd bs=4k count=1')[0] != 0,
                  'a CD was written')
            disks.wait_for(lambda: vm.run('[ -b /dev/xvdc ]')[0] == 0,
                           'the empty drive')
            equal(vm.ok('cat /sys/block/xvdc/size'), '0', 'size of nothing')
            check(vm.run('dd if=/dev/xvdc of=/dev/null bs=4k count=1 '
                         '2>&1 | grep "^1+0 records in"')[0] != 0,
                  'an empty drive was read')
            for path, size in ((one, 4), (two, 6), (one, 4)):
                qmp.command('blockdev-change-medium', id='cd', filename=path,
                            format='raw')
                vm.ok(f'disk size xvdc {size * MIB // 512}')
                equal(disks.guest_digest(vm, 'xvdc'), disks.digest_of(path),
                      'the disc')
                qmp.command('eject', id='cd')
                vm.ok('disk size xvdc 0')
            # in use when it is taken out
            qmp.command('blockdev-change-medium', id='cd', filename=two,
                        format='raw')
            vm.ok(f'disk size xvdc {6 * MIB // 512}')
            vm.ok('(dd if=/dev/xvdc of=/dev/null bs=4k iflag=direct '
                  '>/tmp/dd.out 2>&1; echo over >>/tmp/dd.out) &'
                  ' sleep 0.1')
            qmp.command('eject', id='cd', force=True)
            vm.ok('until grep -q over /tmp/dd.out; do sleep 0.1; done')
            equal(vm.ok('cat /sys/block/xvdc/size'), '0', 'size of nothing')


@test
def bootindex():
    """Taken, without effect, and QEMU says so once."""
    SETUP.need_xenpv()
    with images() as store:
        with disks.guest(*disks.disk('a', store.create('a.raw', MIB),
                                     bootindex=1)) as vm:
            vm.shell_ready()
            vm.ok('disk wait xvda')
            said = [line for line in vm.stderr().splitlines()
                    if 'bootindex' in line]
            equal(len(said), 1, f'lines about bootindex in {vm.stderr()!r}')
