# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks for a guest: images, QEMU's options for them, what the guest sees.

The same test runs with xen-disk on -M xenpv and with virtio-blk on -M pc,
where it can: what passes there and fails here is a difference a user sees.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from harness import BOOT, SETUP, SHORT, Failure, Guest, Skip, check, equal

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

MODULES = {
    'xenpv': ['xen-blkfront', 'ext4', 'isofs'],
    'pc': ['virtio_pci', 'virtio_blk', 'ext4', 'isofs'],
}
# For guests that have more than disks.
OTHER_MODULES = ['xen-netfront']
PROGRAMS = ['bookworm:e2fsprogs:/sbin/mkfs.ext4',
            'bookworm:e2fsprogs:/sbin/e2fsck']

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def modules_of(kernel: str) -> str:
    """The folder of a kernel's modules: its package's, unpacked."""
    version = os.path.basename(kernel).partition('-')[2]
    place = os.path.dirname(kernel)
    while True:
        for top in ('lib/modules', 'usr/lib/modules'):
            folder = os.path.join(place, top, version)
            if version and os.path.isdir(folder):
                return folder
        if place in ('/', ''):
            raise Skip(f'no modules beside {kernel}')
        place = os.path.dirname(place)


def initrd(kernel: str) -> str:
    """The tests' initramfs with drivers of that kernel and tools for disks.
    Made once."""
    folder = modules_of(kernel)
    image = os.path.join(SETUP.work,
                         f'disk-{os.path.basename(folder)}.img')
    names = sorted({name for names in [*MODULES.values(), OTHER_MODULES]
                    for name in names})
    with open(image + '.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fio = subprocess.run(
            [os.path.join(TOP, 'scripts', 'get-guest-fio')], check=False,
            stdout=subprocess.PIPE, text=True)
        if fio.returncode:
            raise Skip('fio cannot be fetched and built')
        subprocess.run(
            [os.path.join(TOP, 'tests', 'guest', 'pack'), image,
             '--modules', f'{folder}={",".join(names)}',
             '--file', f'bin/fio={fio.stdout.strip()}',
             *(word for program in PROGRAMS
               for word in ('--program', program))], check=True)
    return image


def tool(name: str) -> str:
    """A program of the same build as QEMU."""
    path = os.path.join(os.path.dirname(os.path.realpath(SETUP.qemu)), name)
    if not os.access(path, os.X_OK):
        path = shutil.which(name) or ''
    if not path:
        raise Skip(f'no {name} beside {SETUP.qemu}')
    return path


def qemu_img(*args: str) -> str:
    done = subprocess.run([tool('qemu-img'), *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    check(done.returncode == 0, f'qemu-img {" ".join(args)}: {done.stderr}')
    return done.stdout


def allocated(path: str) -> int:
    """Bytes of an image that hold data, by its own account."""
    return sum(piece['length'] for piece in
               json.loads(qemu_img('map', '-U', '--output=json', path))
               if piece['data'])


def digest(data: bytes) -> str:
    """As the guest's md5sum has it."""
    return hashlib.md5(data).hexdigest()


def digest_of(path: str) -> str:
    with open(path, 'rb') as file:
        return digest(file.read())


class Images:
    """A folder of disk images."""

    def __init__(self, folder: str):
        self.folder = folder

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def create(self, name: str, size: int, *options: str) -> str:
        """The kind is the name's ending: .raw or .qcow2."""
        path = self.path(name)
        qemu_img('create', '-q', '-f', name.rpartition('.')[2], *options,
                 path, str(size))
        return path

    def pattern(self, name: str, size: int, seed: int = 1) -> str:
        """A raw image, every block of which says where it is."""
        path = self.path(name)
        with open(path, 'wb') as file:
            for block in range(size // 512):
                file.write(b'%016x%016x' % (seed, block) * 16)
        return path

    def raw(self, path: str) -> bytes:
        """What a guest would read from the whole disk, if no other QEMU
        writes it now."""
        out = path + '.plain'
        qemu_img('convert', '-U', '-O', 'raw', path, out)
        with open(out, 'rb') as file:
            data = file.read()
        os.unlink(out)
        return data


@contextlib.contextmanager
def images() -> Iterator[Images]:
    with tempfile.TemporaryDirectory(prefix='xenpv-disk-') as folder:
        yield Images(folder)


# ---- QEMU's side ----

def vdev(letter: str) -> str:
    return f'xvd{letter}'


def driver() -> str:
    return 'xen-disk' if SETUP.machine == 'xenpv' else 'virtio-blk-pci'


def node(letter: str, path: str, **more: Any) -> List[str]:
    """-blockdev for an image, as node "n<letter>" over "f<letter>"."""
    kind = path.rpartition('.')[2]
    spec: Dict[str, Any] = {
        'driver': kind, 'node-name': f'n{letter}', 'discard': 'unmap',
        'file': {'driver': 'file', 'filename': path, 'discard': 'unmap',
                 'node-name': f'f{letter}'}}
    spec.update(more)
    return ['-blockdev', json.dumps(spec)]


def properties(letter: str, drive: Optional[str] = None,
               **more: Any) -> Dict[str, Any]:
    """What -device and device_add take for a disk.  Properties that only
    xen-disk has are for it only."""
    values: Dict[str, Any] = {'driver': driver(), 'id': f'disk-{letter}',
                              'drive': drive or f'n{letter}'}
    only_xen = ('persistent', 'max_indirect_segments', 'secure_discard',
                'max_ring_page_order', 'queues')
    if SETUP.machine == 'xenpv':
        values['vdev'] = vdev(letter)
    for key, value in more.items():
        if SETUP.machine == 'xenpv' or key not in only_xen:
            # QEMU's own names for these have underscores
            if not key.endswith(('block_size', 'discard_granularity')):
                key = key.replace('_', '-')
            values[key] = value
    return values


def device(letter: str, drive: Optional[str] = None,
           **more: Any) -> List[str]:
    return ['-device', json.dumps(properties(letter, drive, **more))]


def disk(letter: str, path: str, **more: Any) -> List[str]:
    """An image as disk LETTER: both options."""
    return [*node(letter, path), *device(letter, **more)]


# ---- the guest's side ----

def name(letter: str) -> str:
    """What the guest calls it.  On pc letters must be used in order."""
    return f'xvd{letter}' if SETUP.machine == 'xenpv' else f'vd{letter}'


def guest(*args: str, kernel: Optional[str] = None, append: str = '',
          modules: Optional[List[str]] = None, **more: Any) -> Guest:
    kernel = kernel or SETUP.kernel()
    if modules is None:
        modules = MODULES.get(SETUP.machine, [])
    words = [f'xenpv.modules={",".join(modules)}'] if modules else []
    return Guest(*args, kernel=kernel, initrd=initrd(kernel),
                 append=' '.join([*words, append]), **more)


def guest_digest(vm: Guest, disk_name: str) -> str:
    return vm.ok(f'md5sum </dev/{disk_name}', BOOT).split()[0]


def facts(vm: Guest, disk_name: str) -> Dict[str, str]:
    return dict(line.split(None, 1) for line in
                vm.ok(f'disk facts {disk_name}').splitlines() if ' ' in line)


def fio(vm: Guest, letter: str, *words: str, timeout: float = BOOT) -> None:
    """Runs to its end; data that is not what was written fails it."""
    vm.ok(f'disk io {name(letter)} --name=t {" ".join(words)}', timeout)


def verified(rw: str, block: str, depth: int, size: str,
             *more: str) -> List[str]:
    """fio's options for I/O that is read back and compared.  fio cannot
    tell its own headers in a mixed load: there it is the offset that each
    block must hold."""
    sums = (['--verify=pattern', '--verify_pattern=%o'] if 'rw' in rw
            else ['--verify=crc32c'])
    return [f'--rw={rw}', f'--bs={block}', f'--iodepth={depth}',
            f'--size={size}', *sums, *more]


@contextlib.contextmanager
def load(vm: Guest, letter: str, *words: str) -> Iterator[None]:
    """fio in the background, in rounds, until the block ends; then every
    round must have been good."""
    words = words or tuple(verified('randwrite', '16k', 8, '4m'))
    vm.ok(f'disk load {name(letter)} --name=l {" ".join(words)}', BOOT)
    yield
    vm.ok('disk unload', BOOT)


def quiet_log(vm: Guest) -> None:
    """The guest's kernel has nothing to complain about."""
    status, text = vm.run(
        "dmesg | grep -iE 'i/o error|buffer i/o|blkfront.*(fail|err)|"
        "BUG:|WARNING:|hung task|EXT4-fs error'")
    check(status != 0, f"in the guest's log: {text}")


def wait_for(condition: Callable[[], Any], what: str,
             timeout: float = SHORT) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f'{what}: not within {timeout:.0f} s')
        time.sleep(0.1)


# ---- block jobs and such ----

def job_done(vm: Guest, job: str) -> None:
    """Wait for a job that ends by itself and see that it ended well."""
    assert vm.qmp
    data = vm.qmp.event('BLOCK_JOB_COMPLETED', BOOT,
                        lambda data: data['device'] == job)
    check('error' not in data, f'job {job}: {data.get("error")}')
    equal(data['offset'], data['len'], f'job {job} at its end')


def add_node(vm: Guest, letter: str, path: str, **more: Any) -> None:
    assert vm.qmp
    spec = json.loads(node(letter, path, **more)[1])
    vm.qmp.command('blockdev-add', **spec)


def plug(vm: Guest, letter: str, **more: Any) -> None:
    assert vm.qmp
    vm.qmp.command('device_add', **properties(letter, **more))


def unplug(vm: Guest, letter: str) -> None:
    """Ask, and wait until it is gone on both sides.  A guest that is shown
    another of the same name before it has looked takes it for the old one."""
    assert vm.qmp
    vm.qmp.command('device_del', id=f'disk-{letter}')
    vm.qmp.event('DEVICE_DELETED', BOOT,
                 lambda data: data.get('device') == f'disk-{letter}')
    bus = ''
    if SETUP.machine == 'xenpv':
        bus = f'vbd-{51712 + 16 * (ord(letter) - ord("a"))}'
    vm.ok(f'disk gone {name(letter)} {bus}', BOOT)


def descriptors(vm: Guest) -> int:
    assert vm.process
    return len(os.listdir(f'/proc/{vm.process.pid}/fd'))


def threads(vm: Guest) -> int:
    assert vm.process
    return len(os.listdir(f'/proc/{vm.process.pid}/task'))


def stats(vm: Guest, letter: str) -> Dict[str, int]:
    """query-blockstats of one disk, whatever QEMU calls it."""
    assert vm.qmp
    for row in vm.qmp.command('query-blockstats'):
        if (re.search(rf'\bdisk-{letter}\b', row.get('qdev', '')) or
                row.get('node-name') == f'n{letter}'):
            return row['stats']
    raise Failure(f'query-blockstats does not know disk-{letter}')
