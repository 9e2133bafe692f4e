# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks as a guest sees and uses them: names, sizes, features, data."""

import contextlib
import re
import struct

import disks
from disks import MIB, Images, images
from harness import BOOT, SETUP, Guest, Skip, check, equal
from registry import test, test_each_kernel
from test_xenstore import HOME, Store


@test_each_kernel
def as_configured(label):
    """Every disk under its name, with its size, sectors and contents."""
    SETUP.need_xenpv()
    rows = [
        # what -device gets, the name in the guest, MiB, what sysfs says
        ({'vdev': 'xvda'}, 'xvda', 1, {'logical_block_size': '512',
                                       'physical_block_size': '512'}),
        ({'vdev': 'xvdba'}, 'xvdba', 2, {}),
        ({'vdev': 'sdb'}, 'xvdb', 3, {}),
        ({'vdev': 'hdc'}, 'xvdc', 4, {}),
        ({'vdev': 'd3p2'}, 'xvdd2', 5, {}),
        ({'vdev': str(202 << 8 | 4 << 4)}, 'xvde', 6, {}),
        ({'vdev': 'xvdf1'}, 'xvdf1', 7, {}),
        ({'vdev': 'xvdg', 'logical_block_size': 4096,
          'physical_block_size': 4096}, 'xvdg', 8,
         {'logical_block_size': '4096', 'physical_block_size': '4096'}),
        ({'vdev': 'xvdh', 'physical_block_size': 4096}, 'xvdh', 9,
         {'logical_block_size': '512', 'physical_block_size': '4096'}),
        ({'vdev': 'xvdi', 'max-indirect-segments': 0}, 'xvdi', 10,
         {'max_segments': '11'}),
        # the first number that is free
        ({}, 'xvdj', 11, {'ro': '0', 'queues': '1'}),
        ({'vdev': 'xvdk', 'queues': 4}, 'xvdk', 12, {}),
    ]
    with images() as store:
        args = []
        for number, (options, name, size, _) in enumerate(rows):
            path = store.pattern(f'{name}.raw', size * MIB, number)
            if number % 2:
                plain, path = path, path[:-4] + '.qcow2'
                disks.qemu_img('convert', '-O', 'qcow2', plain, path)
            values = {**disks.properties(f'-{number}'), **options}
            if 'vdev' not in options:
                del values['vdev']
            args += [*disks.node(f'-{number}', path), '-device',
                     disks.json.dumps(values)]
        with disks.guest(*args, kernel=SETUP.kernel(label)) as vm:
            vm.shell_ready()
            for _, name, size, wanted in rows:
                vm.ok(f'disk wait {name}')
                top = re.match(r'xvd[a-z]+', name)[0]
                # a partition as a disk of its own has the folder of one
                found = (disks.facts(vm, name) if top == name else
                         {'size': vm.ok(f'cat /sys/class/block/{name}/size')})
                equal(found['size'], str(size * MIB // 512), f"{name}'s size")
                for key, value in wanted.items():
                    equal(found.get(key), value, f"{name}'s {key}")
                equal(disks.guest_digest(vm, name), disks.digest_of(store.path(
                    f'{name}.raw')), f'what {name} holds')
            disks.quiet_log(vm)


@test
def drive_option_beside_a_device():
    """-device xen-disk leaves a -drive if=xen the number that index= says."""
    SETUP.need_xenpv()
    with images() as store:
        one = store.pattern('one.raw', MIB, 1)
        two = store.pattern('two.raw', 2 * MIB, 2)
        values = disks.properties('-d')
        values.pop('vdev', None)
        with disks.guest(
                '-drive', f'if=xen,format=raw,file={one}',
                *disks.node('-d', two), '-device', disks.json.dumps(values)
                ) as vm:
            vm.shell_ready()
            for name, path in (('xvda', one), ('xvdb', two)):
                vm.ok(f'disk wait {name}')
                equal(disks.guest_digest(vm, name), disks.digest_of(path), name)


@test
def drive_option():
    """-drive if=xen alone makes a disk; index= says which."""
    SETUP.need_xenpv()
    with images() as store:
        one = store.pattern('one.raw', MIB, 1)
        two = store.pattern('two.raw', 2 * MIB, 2)
        with disks.guest(
                '-drive', f'if=xen,format=raw,file={one}',
                '-drive', f'if=xen,format=raw,index=3,file={two},readonly=on'
                ) as vm:
            vm.shell_ready()
            for name, path in (('xvda', one), ('xvdd', two)):
                vm.ok(f'disk wait {name}')
                equal(disks.guest_digest(vm, name), disks.digest_of(path),
                      name)
            equal(disks.facts(vm, 'xvda')['ro'], '0', "xvda's ro")
            equal(disks.facts(vm, 'xvdd')['ro'], '1', "xvdd's ro")
            status, _ = vm.run('dd if=/dev/zero of=/dev/xvdd bs=4k count=1 '
                               'conv=fsync')
            check(status != 0, 'a read-only disk was written')
            vm.ok('dd if=/dev/zero of=/dev/xvda bs=4k count=1 conv=fsync')
        same = store.pattern('same.raw', 2 * MIB, 2)
        equal(disks.digest_of(two), disks.digest_of(same),
              'what the read-only disk holds')
        with open(one, 'rb') as file:
            equal(file.read(4096), bytes(4096), 'what was written')


@contextlib.contextmanager
def with_store(store: Images, *args: str, **more):
    """A guest, and its xenstore seen from outside."""
    path = store.path('xenstore')
    with disks.guest(*args, machine_options=f'xenstore={path}', **more) as vm:
        yield vm, Store(path)


def keys(store: Store, path: str):
    """All nodes below, "a/b" to value."""
    found = {}
    here = [path]
    for line in store.run('ls', path).splitlines():
        match = re.match(r'( *)(\S+) = "(.*)"', line)
        del here[1 + len(match[1]):]
        here.append(match[2])
        found['/'.join(here[1:])] = match[3]
    return found


# Linux allocates a page for every segment that can be in flight
PERSISTENT = {'persistent': True, 'max_indirect_segments': 16}
BIG_RING = ('xen_blkfront.max_ring_page_order=4 '
            'xen_blkfront.max_indirect_segments=256')


@test_each_kernel
def negotiated(label):
    """What is offered, and what Linux makes of it, by its own choice and
    when it is told to take all it can get."""
    SETUP.need_xenpv()
    with images() as store:
        args = [
            *disks.disk('a', store.create('a.qcow2', 8 * MIB)),
            *disks.disk('b', store.create('b.raw', 8 * MIB), queues=4,
                        **PERSISTENT),
            *disks.disk('c', store.create('c.raw', 8 * MIB), persistent=False,
                        max_ring_page_order=0, max_indirect_segments=0)]
        for words, order, segments in (('', 0, '32'), (BIG_RING, 4, '256')):
            with with_store(store, *args, append=words,
                            kernel=SETUP.kernel(label)) as (vm, tree):
                vm.shell_ready()
                front, back, found = {}, {}, {}
                for letter in 'abc':
                    vm.ok(f'disk wait xvd{letter}')
                    number = 202 << 8 | (ord(letter) - ord('a')) << 4
                    path = f'{HOME}/device/vbd/{number}'
                    front[letter] = keys(tree, path)
                    back[letter] = keys(tree, front[letter]['backend'])
                    found[letter] = disks.facts(vm, f'xvd{letter}')
                    equal(front[letter]['state'], '4', "the front end's state")
                    equal(back[letter]['state'], '4', "the back end's state")
                    equal(back[letter]['sectors'], str(8 * MIB // 512),
                          'sectors')
                    for key in ('feature-flush-cache', 'feature-barrier'):
                        equal(back[letter][key], '1', key)
                    equal(back[letter]['sector-size'], '512', 'sector-size')
                equal(found['a']['write_cache'], 'write back', 'the cache')
                # negotiation of the ring
                equal(back['a']['max-ring-page-order'], '4', 'offered order')
                equal(back['c']['max-ring-page-order'], '0', 'offered order')
                for letter, got in (('a', order), ('c', 0)):
                    equal(front[letter].get('ring-page-order', '0'), str(got),
                          'the order of the ring')
                    equal('ring-ref15' in front[letter], got == 4,
                          'ring-ref15')
                # indirect segments
                equal(found['a']['max_segments'], segments, 'segments')
                equal(found['c']['max_segments'], '11', 'segments')
                check('feature-max-indirect-segments' not in back['c'],
                      'max-indirect-segments=0 offers them')
                # persistent grants
                equal(back['b']['feature-persistent'], '1', 'persistent=on')
                equal(back['c'].get('feature-persistent', '0'), '0',
                      'persistent=off')
                # queues
                equal(back['b']['multi-queue-max-queues'], '4', 'queues=4')
                disks.quiet_log(vm)


def data_on(vm: Guest, letter: str, sector: int = 512) -> None:
    """fio in every shape, what was written being read back."""
    small = '4k' if sector <= 4096 else str(sector)
    rows = [('write', small, 1, '512k'), ('randwrite', small, 32, '4m'),
            ('randrw', small, 8, '4m'), ('write', '64k', 4, '16m'),
            ('randwrite', '64k', 32, '16m'), ('randrw', '256k', 16, '16m'),
            ('write', '1m', 1, '32m'), ('randwrite', '1m', 32, '32m'),
            ('randrw', '1m', 8, '32m')]
    if sector == 512:
        rows += [('randwrite', '512', 16, '256k'), ('write', '3584', 8, '2m')]
    for row in rows:
        disks.fio(vm, letter, *disks.verified(*row))
    # unequal requests one over another, then what is left is looked at
    disks.fio(vm, letter, '--rw=randwrite', '--bsrange=4k-512k',
              '--blockalign=4k', '--iodepth=16', '--size=24m',
              '--verify=crc32c', '--serialize_overlap=1')


def trim_on(vm: Guest, letter: str) -> None:
    disks.fio(vm, letter, '--rw=randtrim', '--bs=64k', '--iodepth=8',
              '--size=8m')
    disks.fio(vm, letter, *disks.verified('trimwrite', '64k', 8, '8m'))


@test_each_kernel
def data(label):
    """Every size and depth, on every kind of ring and image, with one thread
    and with another."""
    with images() as store:
        args = [
            '-object', 'iothread,id=io1', '-object', 'iothread,id=io2',
            *disks.disk('a', store.create('a.qcow2', 64 * MIB)),
            *disks.disk('b', store.create('b.raw', 64 * MIB), iothread='io1',
                        **PERSISTENT),
            *disks.disk('c', store.create('c.qcow2', 64 * MIB), iothread='io2',
                        logical_block_size=4096, physical_block_size=4096),
            *disks.disk('d', store.create('d.raw', 64 * MIB),
                        persistent=False, max_indirect_segments=0,
                        max_ring_page_order=0)]
        with disks.guest(*args, append=BIG_RING,
                         kernel=SETUP.kernel(label)) as vm:
            vm.shell_ready()
            for letter, sector in (('a', 512), ('b', 512), ('c', 4096),
                                   ('d', 512)):
                vm.ok(f'disk wait {disks.name(letter)}')
                data_on(vm, letter, sector)
                trim_on(vm, letter)
            disks.quiet_log(vm)


@test
def queues():
    """One ring for each vCPU, each in a thread of its own."""
    SETUP.need_xenpv()
    with images() as store:
        mapping = [{'iothread': f'io{i}'} for i in range(4)]
        with with_store(
                store, '-smp', '4', *(word for i in range(4) for word in
                                      ('-object', f'iothread,id=io{i}')),
                *disks.disk('a', store.create('a.qcow2', 64 * MIB), queues=4,
                            **{'iothread-vq-mapping': mapping}),
                append=BIG_RING) as (vm, tree):
            vm.shell_ready()
            vm.ok('disk wait xvda')
            equal(disks.facts(vm, 'xvda')['queues'], '4', 'queues')
            equal(tree.read(f'{HOME}/device/vbd/51712/'
                            'multi-queue-num-queues'), '4', 'queues')
            disks.fio(vm, 'a', *disks.verified('randwrite', '16k', 8, '4m',
                                               '--numjobs=4',
                                               '--offset_increment=8m'))
            data_on(vm, 'a')


def fill(vm: Guest) -> str:
    """Files into /mnt/d; what sums() says of them."""
    vm.ok('mkdir /mnt/d && cp -a /bin/fio /bin/xpv /bin/busybox /mnt/d && '
          'for i in $(seq 60); do seq $i 9000 >/mnt/d/f$i; done')
    return sums(vm)


def sums(vm: Guest) -> str:
    """The sum of all files' sums."""
    return vm.ok('cd /mnt/d && find . -type f -exec md5sum {} + | '
                 'sort | md5sum; cd /')


@test_each_kernel
def file_system(label):
    """Built, filled, unmounted, mounted again, over a reset in the middle of
    I/O and with another QEMU: always the same files."""
    with images() as store:
        args = [*disks.disk('a', store.create('a.qcow2', 128 * MIB)),
                *disks.disk('b', store.create('b.raw', 64 * MIB),
                            logical_block_size=4096,
                            physical_block_size=4096)]
        before = {}
        kernel = SETUP.kernel(label)
        names = {letter: disks.name(letter) for letter in 'ab'}
        with disks.guest(*args, kernel=kernel) as vm:
            vm.shell_ready()
            for name in names.values():
                vm.ok(f'disk wait {name}')
                vm.ok(f'mkfs.ext4 -q /dev/{name} && '
                      f'mount -o discard /dev/{name} /mnt')
                vm.ok('mkdir /mnt/gone && cp -a /bin/fio /mnt/gone')
                before[name] = fill(vm)
                vm.ok('rm -r /mnt/gone && umount /mnt')
                vm.ok(f'e2fsck -fn /dev/{name}')
            disks.quiet_log(vm)
            vm.ok(f'mount /dev/{names["b"]} /mnt; sync; '
                  '(while cp -a /bin /mnt/f; do rm -r /mnt/f; done) & '
                  f'disk load {names["a"]} --name=r --rw=randread '
                  '--bs=4k --iodepth=32 --size=32m', BOOT)
            vm.qmp.command('system_reset')
            vm.shell_ready()
            compare(vm, before)
            vm.console.send(b'poweroff -f\n')
            vm.ends(0, BOOT)
        disks.qemu_img('check', '-q', store.path('a.qcow2'))
        with disks.guest(*args, kernel=kernel) as vm:
            vm.shell_ready()
            compare(vm, before)


def compare(vm: Guest, wanted) -> None:
    """By the names of disks, what fill() said of them."""
    for name, value in wanted.items():
        vm.ok(f'disk wait {name}')
        vm.ok(f'mount /dev/{name} /mnt')
        equal(sums(vm), value, f"{name}'s files")
        vm.ok(f'umount /mnt && e2fsck -fn /dev/{name}')


def partition_table(path: str, first: int, count: int) -> None:
    """A PC's, with one Linux partition, in sectors."""
    entry = struct.pack('<B3sB3sII', 0x80, b'\xfe\xff\xff', 0x83,
                        b'\xfe\xff\xff', first, count)
    with open(path, 'r+b') as file:
        file.seek(446)
        file.write(entry + bytes(48) + b'\x55\xaa')


@test
def root_file_system():
    """A guest that lives on a partition of its disk, over reboots."""
    with images() as store:
        path = store.create('a.raw', 96 * MIB)
        partition_table(path, 2048, 96 * MIB // 512 - 2048)
        name = disks.name('a') + '1'
        with disks.guest(*disks.disk('a', path)) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {name}')
            vm.ok(f'mkfs.ext4 -q /dev/{name} && mount /dev/{name} /mnt && '
                  'cp -a /bin /etc /init /lib /lib64 /sbin /mnt && '
                  'mkdir /mnt/dev /mnt/proc /mnt/sys /mnt/tmp /mnt/run '
                  '/mnt/mnt && mknod /mnt/dev/console c 5 1 && umount /mnt')
            vm.console.send(b'poweroff -f\n')
            vm.ends(0, BOOT)
        with disks.guest(*disks.disk('a', path),
                         append=f'root=/dev/{name}') as vm:
            for turn in range(2):
                vm.shell_ready()
                equal(vm.ok('awk \'$2 == "/" && $1 != "rootfs" { print $1 }\' '
                            '/proc/mounts'), f'/dev/{name}', 'the root')
                equal(vm.ok('wc -l </boots || echo 0').split()[-1], str(turn),
                      'the boots before')
                vm.ok('echo boot >>/boots; sync; smoke | tail -n 1', BOOT)
                vm.console.send(b'reboot -f\n')
        disks.qemu_img('info', path)
