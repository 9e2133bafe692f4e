# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that come and go while the guest runs, and what a user can get wrong
about them."""

import contextlib
import time
from typing import Callable

import disks
from disks import MIB, images
from harness import BOOT, SETUP, Failure, Guest, check, equal
from registry import test
from test_disk import PERSISTENT, with_store
from test_disk_host import check_log
from test_errors import refused
from test_xenstore import HOME



@test
def plug_and_unplug():
    """Added, used, removed, over and over with different images."""
    with images() as store:
        with disks.guest('-object', 'iothread,id=io1',
                         *disks.disk('a', store.create('a.raw', 8 * MIB))
                         ) as vm:
            vm.shell_ready()
            name = disks.name('b')
            for turn, kind in enumerate(('raw', 'qcow2', 'raw')):
                path = store.create(f'{turn}.{kind}', (16 + turn) * MIB)
                disks.add_node(vm, 'b', path)
                disks.plug(vm, 'b', **({'iothread': 'io1'} if turn else {}))
                vm.ok(f'disk wait {name} && '
                      f'disk size {name} {(16 + turn) * MIB // 512}')
                vm.ok(f'mkfs.ext4 -q /dev/{name} && mount /dev/{name} /mnt && '
                      'cp /bin/fio /mnt && umount /mnt')
                disks.unplug(vm, 'b')
                vm.qmp.command('blockdev-del', **{'node-name': 'nb'})
                equal(disks.qemu_img('check', path).count('No errors')
                      if kind == 'qcow2' else 1, 1, 'qemu-img check')
            disks.quiet_log(vm)
            disks.fio(vm, 'a', *disks.verified('randrw', '4k', 8, '2m'))


@test
def unplug_in_use():
    """Linux gives up a disk at once, and who uses it gets errors.  What was
    on its way is finished first: all that a flush was good for is there."""
    with images() as store:
        path = store.create('b.qcow2', 4 * MIB)
        other = store.create('c.raw', 16 * MIB)
        with disks.guest('-object', 'iothread,id=io1',
                         *disks.disk('a', store.create('a.raw', 8 * MIB)),
                         *disks.disk('b', path, iothread='io1'),
                         *disks.disk('c', other)) as vm:
            b, c = disks.name('b'), disks.name('c')
            vm.shell_ready()
            vm.ok(f'disk wait {b} && disk wait {c}')
            vm.ok(f'(xpv disklog /dev/{b} 3 </dev/null >/tmp/log 2>&1 &)')
            vm.ok(f'disk load {c} --name=l --rw=randrw --bs=16k --iodepth=16 '
                  '--size=16m', BOOT)
            for letter in 'bc':
                disks.unplug(vm, letter)
            vm.ok('until [ -e /tmp/load.done ]; do sleep 0.1; done', BOOT)
            vm.ok('[ -e /tmp/load.bad ]')
            vm.ok('until [ -z "$(pidof xpv)" ] || grep -q "write\\|flush" '
                  '/tmp/log; do sleep 0.1; done')
            said = vm.ok('grep -v "write\\|flush" /tmp/log | tail -n 1')
            # both images are free, and there is room for others
            for letter in 'bc':
                vm.qmp.command('blockdev-del', **{'node-name': f'n{letter}'})
            check_log(store.raw(path), int(said.split()[-1]))
            disks.add_node(vm, 'b', path)
            disks.plug(vm, 'b')
            vm.ok(f'disk wait {b}')
            disks.fio(vm, 'b', *disks.verified('randrw', '4k', 8, '2m'))
            disks.fio(vm, 'a', *disks.verified('randrw', '4k', 8, '2m'))


@test
def unplug_waits():
    """A guest that does not answer is asked, and then waited for; asked
    again after a while the disk goes without its consent."""
    SETUP.need_xenpv()
    with images() as store:
        with with_store(store, *disks.disk('a', store.create('a.raw', MIB)),
                        *disks.disk('b', store.create('b.raw', MIB)),
                        modules=[]) as (vm, tree):
            vm.shell_ready()
            front = f'{HOME}/device/vbd/51728'
            back = tree.read(f'{front}/backend')
            # nobody is there: nobody is waited for
            disks.unplug(vm, 'a')
            # there is somebody
            vm.ok('xpv xs write device/vbd/51728/state 2')
            vm.qmp.command('device_del', id='disk-b')
            tree.wait(f'{back}/state', '5')
            equal(tree.read(f'{back}/online'), '0', 'online')
            answer = vm.qmp.try_command('device_del', id='disk-b')
            check('error' in answer, 'a second device_del is accepted')
            time.sleep(1)
            equal(tree.read(f'{back}/state'), '5', 'state')

            def gone() -> bool:
                vm.qmp.try_command('device_del', id='disk-b')
                return any(event['event'] == 'DEVICE_DELETED' and
                           event['data'].get('device') == 'disk-b'
                           for event in vm.qmp.events)

            disks.wait_for(gone, 'the end of the disk')
            check(tree.try_run('read', f'{back}/state').returncode != 0,
                  f'{back} is still there')
            check(tree.try_run('read', f'{front}/state').returncode != 0,
                  f'{front} is still there')


@test
def bad_front_end():
    """One that does not keep to the protocol ends its own connection; why is
    said in the store, and the other disk does not notice."""
    SETUP.need_xenpv()
    with images() as store:
        with with_store(store,
                        *disks.disk('a', store.create('a.raw', 8 * MIB)),
                        *disks.disk('b', store.create('b.raw', MIB)),
                        modules=[]) as (vm, tree):
            vm.shell_ready()
            front = f'{HOME}/device/vbd/51728'
            back = tree.read(f'{front}/backend')
            keys = 'device/vbd/51728'
            vm.ok('for key in "ring-ref 999999999" "event-channel 1" '
                  '"protocol x86_64-abi" "state 3"; do '
                  f'xpv xs write {keys}/${{key% *}} ${{key#* }}; done')
            tree.wait(f'{back}/state', '5')
            error = tree.read('/local/domain/0/error/backend/qdisk/1/51728/'
                              'error')
            check('grant' in error, f'the reason in the store: {error}')
            vm.ok('modprobe xen-blkfront && disk wait xvda')
            disks.fio(vm, 'a', *disks.verified('randrw', '4k', 8, '4m'))


# Threads of QEMU's pool: fewer than the rounds in which a leak would show.
POOL = 4


def steady(vm: Guest, rounds: int, one, settle: int = 5) -> None:
    """@one, @rounds times; QEMU's descriptors, threads and memory do not
    grow after the first few."""
    seen = []
    for _ in range(rounds):
        one()
        seen.append((disks.descriptors(vm), disks.threads(vm),
                     vm.rss_kib()))
    first, last = seen[settle - 1], seen[-1]
    check(last[0] <= first[0], f'{last[0]} descriptors after {rounds} '
          f'rounds, {first[0]} after {settle}')
    check(last[1] <= first[1] + POOL, f'{last[1]} threads after {rounds} '
          f'rounds, {first[1]} after {settle}')
    growth = (last[2] - first[2]) // 1024
    check(growth < 12, f'{growth} MiB more after {rounds} rounds: '
          f'{[row[2] for row in seen[::max(1, rounds // 10)]]} KiB')


def bounded(*args: str, make: Callable[..., Guest] = disks.guest,
            **more) -> Guest:
    """A guest whose own memory and translated code do not grow, nor QEMU's
    pool of threads, which has as many as requests were in flight (64 at
    most) until they have been idle for ten seconds."""
    return make('-mem-prealloc', '-object',
                f'main-loop,id=main,thread-pool-max={POOL}',
                *args, mem='256M', accel_options=(
                    ',tb-size=32' if SETUP.accel == 'tcg' else ''),
                **more)


@test
def many_plugs():
    """A disk plugged, used and unplugged many times."""
    with images() as store:
        path = store.create('b.qcow2', 8 * MIB)
        with bounded(*disks.disk('a', store.create('a.raw', MIB))) as vm:
            vm.shell_ready()
            name = disks.name('b')

            def one() -> None:
                disks.add_node(vm, 'b', path)
                disks.plug(vm, 'b')
                vm.ok(f'disk wait {name} && dd if=/bin/fio of=/dev/{name} '
                      'bs=64k count=16 conv=fsync 2>/dev/null')
                disks.unplug(vm, 'b')
                vm.qmp.command('blockdev-del', **{'node-name': 'nb'})

            steady(vm, 1000 if SETUP.full else 25, one)
            disks.quiet_log(vm)


@test
def unbind():
    """The guest's driver lets go of a disk, in the middle of I/O or not, and
    it is taken away and plugged again after that.  (Linux' driver does not
    take up a disk again that it has let go of.)"""
    SETUP.need_xenpv()
    with images() as store:
        path = store.create('b.qcow2', 32 * MIB)
        with bounded(*disks.disk('a', store.create('a.raw', 8 * MIB))) as vm:
            vm.shell_ready()
            turn = 0

            def one() -> None:
                nonlocal turn
                turn += 1
                disks.add_node(vm, 'b', path)
                disks.plug(vm, 'b', **(PERSISTENT if turn % 2 else {}))
                vm.ok('disk wait xvdb')
                if turn % 4 == 0:
                    vm.ok('disk load xvdb --name=l --rw=randrw --bs=16k '
                          '--iodepth=16 --size=2m', BOOT)
                vm.ok('echo vbd-51728 >/sys/bus/xen/drivers/vbd/unbind && '
                      'disk gone xvdb', BOOT)
                if turn % 4 == 0:
                    vm.run('disk unload', BOOT)
                    vm.ok('[ -e /tmp/load.bad ]')
                disks.unplug(vm, 'b')
                vm.qmp.command('blockdev-del', **{'node-name': 'nb'})

            steady(vm, 400 if SETUP.full else 16, one, 8)


@test
def many_disks():
    """Sixteen at once, half of them there from the start."""
    letters = 'abcdefghijklmnop'
    with images() as store:
        paths = {letter: store.pattern(f'{letter}.raw', MIB, ord(letter))
                 for letter in letters}
        with disks.guest(*(word for letter in letters[:8] for word in
                           disks.disk(letter, paths[letter]))) as vm:
            vm.shell_ready()
            for letter in letters[8:]:
                disks.add_node(vm, letter, paths[letter])
                disks.plug(vm, letter)
            for letter in letters:
                vm.ok(f'disk wait {disks.name(letter)}')
            sums = vm.ok('; '.join(f'md5sum </dev/{disks.name(letter)}'
                                   for letter in letters), BOOT)
            equal([line.split()[0] for line in sums.splitlines()],
                  [disks.digest_of(paths[letter]) for letter in letters],
                  'what the disks hold')
            for letter in letters[1:]:
                vm.qmp.command('device_del', id=f'disk-{letter}')
            for letter in letters[1:]:
                with contextlib.suppress(Failure):
                    vm.ok(f'disk gone {disks.name(letter)}')
            equal(vm.ok('ls /sys/block | grep -c "vd"'), '1',
                  'disks that are left')


@test
def stop_and_cont():
    """A VM that is stopped in the middle of I/O, and plugged meanwhile."""
    with images() as store:
        with disks.guest(*disks.disk('a', store.create('a.qcow2', 32 * MIB))
                         ) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            disks.add_node(vm, 'b', store.create('b.raw', 8 * MIB))
            with disks.load(vm, 'a'):
                for turn in range(4):
                    vm.qmp.command('stop')
                    before = disks.stats(vm, 'a')['wr_operations']
                    time.sleep(0.5)
                    equal(disks.stats(vm, 'a')['wr_operations'], before,
                          'writes of a stopped VM')
                    if turn == 2:
                        disks.plug(vm, 'b')
                    vm.qmp.command('cont')
                    time.sleep(0.5)
            vm.ok(f'disk wait {disks.name("b")}')
            disks.fio(vm, 'b', *disks.verified('randrw', '4k', 8, '4m'))


@test
def reset_while_unplugging():
    """A reset is an end of using it, too."""
    SETUP.need_xenpv()
    with images() as store:
        with disks.guest(*disks.disk('a', store.create('a.raw', 8 * MIB)),
                         *disks.disk('b', store.create('b.raw', 8 * MIB))
                         ) as vm:
            vm.shell_ready()
            vm.ok('disk wait xvdb')
            vm.ok('disk load xvdb --name=l --rw=randrw --bs=4k --iodepth=8 '
                  '--size=4m', BOOT)
            vm.qmp.command('device_del', id='disk-b')
            vm.qmp.command('system_reset')
            vm.qmp.event('DEVICE_DELETED', BOOT,
                         lambda data: data.get('device') == 'disk-b')
            vm.shell_ready()
            vm.ok('disk wait xvda')
            equal(vm.ok('ls /sys/block | grep -c xvd'), '1', 'disks')


@test
def wrong_options():
    """One line that names what is wrong."""
    SETUP.need_xenpv()
    with images() as store:
        image = store.create('a.raw', MIB)
        drive = ['-drive', f'if=none,id=d,format=raw,file={image}',
                 '-kernel', SETUP.kernel()]
        for value, named in (('vdev=xvd', 'xvd'), ('vdev=foo', 'foo'),
                             ('vdev=xvda300', 'xvda300'), ('vdev=', 'vdev'),
                             ('queues=0', 'queues'),
                             ('queues=65', 'queues'),
                             ('max-ring-page-order=5', 'max-ring-page-order'),
                             ('max-indirect-segments=257',
                              'max-indirect-segments'),
                             ('secure-discard=on', 'secure-discard'),
                             ('logical_block_size=8192',
                              'logical_block_size'),
                             ('iothread=none', 'none'),
                             ('persistent=perhaps', 'persistent')):
            refused(*drive, '-device', f'xen-disk,drive=d,{value}',
                    names=named)
        refused('-kernel', SETUP.kernel(), '-device', 'xen-disk,vdev=xvda',
                names='drive')
        refused(*drive, '-device', 'xen-disk,drive=other', names='other')
        refused(*drive, '-drive',
                f'if=none,id=e,format=raw,readonly=on,file={image}.not',
                names=f'{image}.not')
        other = store.create('b.raw', MIB)
        refused(*drive, '-drive', f'if=none,id=e,format=raw,file={other}',
                '-device', 'xen-disk,drive=d,vdev=xvdb',
                '-device', 'xen-disk,drive=e,vdev=xvdb', names='xvdb')
        refused(*drive, '-device', 'xen-disk,drive=d,vdev=xvdb',
                '-device', 'xen-disk,drive=d,vdev=xvdc', names="'d'")


@test
def wrong_plugs():
    """What device_add refuses leaves no trace."""
    SETUP.need_xenpv()
    with images() as store:
        with with_store(store, *disks.disk('a', store.create('a.raw', MIB))
                        ) as (vm, tree):
            vm.shell_ready()
            vm.ok('disk wait xvda')
            disks.add_node(vm, 'b', store.create('b.raw', MIB))
            before = tree.run('ls', f'{HOME}/device/vbd')
            for more in ({'vdev': 'xvda'}, {'vdev': 'nonsense'},
                         {'queues': 0}, {'drive': 'nothing'},
                         {'logical_block_size': 65536}):
                answer = vm.qmp.try_command('device_add', **{
                    **disks.properties('b'), **more})
                check('error' in answer, f'device_add took {more}')
            equal(tree.run('list', f'{HOME}/device/vbd').split(), ['51712'],
                  'disks in the store')
            equal(tree.run('ls', f'{HOME}/device/vbd'), before, 'the store')
            disks.plug(vm, 'b')
            vm.ok('disk wait xvdb')
            disks.unplug(vm, 'b')
