# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are saved, loaded and moved, without their help."""

import contextlib
import hashlib
import json
import random
import struct
import sys
import threading
import time
from typing import Any, Callable, Iterator, List

import disks
import nets
import screens
import test_net
import test_smp
import test_toolstack
from harness import BOOT, SETUP, Failure, Guest, Skip, check, equal
from registry import test, test_each_kernel
from test_xenstore import HOME, Store


def state(vm: Guest) -> str:
    assert vm.qmp
    return vm.qmp.command('query-status')['status']


def outcome(vm: Guest, timeout: float = BOOT) -> str:
    """Wait for the end of a migration: its status."""
    assert vm.qmp

    def ended() -> str:
        info = vm.qmp.command('query-migrate')
        status = info.get('status', 'none')
        return status if status in ('completed', 'failed',
                                    'cancelled') else ''
    return disks.wait_for(ended, 'the end of the migration', timeout)


def send(vm: Guest, uri: str) -> None:
    assert vm.qmp
    vm.qmp.command('migrate', uri=uri)
    status = outcome(vm)
    if status != 'completed':
        info = vm.qmp.command('query-migrate')
        raise Failure(f'migration {status}: {info.get("error-desc")}; '
                      f'QEMU said: {vm.stderr()}')


def receive(vm: Guest, uri: str) -> None:
    assert vm.qmp
    vm.qmp.command('migrate-incoming', uri=uri)


def arrived(vm: Guest) -> None:
    """One that was stopped stays so, until somebody says go on."""
    disks.wait_for(lambda: state(vm) != 'inmigrate', 'the guest to come',
                   BOOT)
    if state(vm) == 'io-error':
        vm.qmp.command('cont')
    equal(state(vm), 'running', 'the guest that has come')


INCOMING = ['-incoming', 'defer']


def alive(vm: Guest) -> None:
    """The guest does what it is told, its timers run, xenstore answers."""
    equal(vm.ok('echo $((6 * 7))'), '42', 'what the guest computes')
    vm.ok('sleep 0.2')


def move(first: Guest, second: Guest, how: str = 'unix') -> None:
    """To another QEMU: straight, or by way of a file."""
    if how == 'unix':
        uri = 'unix:' + second.path('move')
        receive(second, uri)
        send(first, uri)
    else:
        path = first.path('saved')
        if how == 'exec':
            send(first, f'exec:cat >{path}')
            receive(second, f'exec:cat {path}')
        else:
            send(first, f'file:{path}')
            receive(second, f'file:{path}')
    equal(state(first), 'postmigrate', 'the first after it was saved')
    arrived(second)


def save_and_load(vcpus: int, how: str, **more: Any) -> None:
    args = ['-smp', str(vcpus)]
    with Guest(*args, **more) as first:
        first.shell_ready()
        first.ok('echo hello >/tmp/a')
        with Guest(*args, *INCOMING, **more) as second:
            move(first, second, how)
            equal(second.ok('cat /tmp/a'), 'hello', 'the file in the guest')
            alive(second)
            second.qmp.command('system_powerdown')
            second.ends(0)


@test_each_kernel
def file(label):
    SETUP.need_xenpv()
    save_and_load(1, 'file', kernel=SETUP.kernel(label))


@test
def pipe_smp():
    SETUP.need_xenpv()
    save_and_load(4, 'exec')


@test
def eight_busy():
    """Eight vCPUs move while processes fork and exec on all of them."""
    SETUP.need_xenpv()
    args = ['-smp', '8']
    with Guest(*args) as first, Guest(*args, *INCOMING) as second:
        first.shell_ready()
        first.ok(test_smp.load(8))
        move(first, second)
        second.continue_from(first)
        alive(second)
        second.ok('rm /tmp/go; wait; xpv test klog', BOOT)


@test
def strict():
    SETUP.need_xenpv()
    save_and_load(2, 'unix', machine_options='strict=on')


@test
def plugged_vcpu():
    """One vCPU that was plugged moves to where it is plugged, and goes from
    there; elsewhere one line says what is missing."""
    SETUP.need_xenpv()
    args = ['-smp', '1,maxcpus=4']
    more = ['-device', 'xenpv-vcpu,id=v,core-id=2']
    with Guest(*args) as first, Guest(*args, *more, *INCOMING) as second:
        first.shell_ready()
        first.qmp.command('device_add', driver='xenpv-vcpu', id='v',
                          **{'core-id': 2})
        test_smp.switched_on(first, 2)
        path = first.path('saved')
        send(first, f'file:{path}')
        text = refused(path, *args)
        check('it has the vCPUs 0x4 plugged, this machine 0x0' in text, text)
        receive(second, f'file:{path}')
        arrived(second)
        test_smp.online(second, '0,2')
        test_smp.unplugged(second, 'v')
        test_smp.online(second, '0')
        second.qmp.command('system_reset')
        second.shell_ready()
        test_smp.online(second, '0')


def wall_clock(vm: Guest) -> int:
    """When, in seconds since 1970, the guest's clock was 0, as shared_info
    has it."""
    path = vm.path('page')
    vm.qmp.command('pmemsave', val=0xe00a0000, size=4096, filename=path)
    with open(path, 'rb') as file:
        return struct.unpack_from('<I', file.read(), 0xc04)[0]


@test
def clock():
    """However long it lay in a file: no clock goes back, and the time that
    has passed for nobody has not passed for the guest."""
    SETUP.need_xenpv()
    pause = 5
    args = ['-smp', '2']
    with Guest(*args) as first:
        first.shell_ready()
        begin = time.monotonic()
        for cpu in range(2):
            first.ok(f'taskset {1 << cpu} xpv clocks /tmp/stop '
                     f'>/tmp/clocks{cpu} & true')
        time.sleep(1)
        born = wall_clock(first)
        path = first.path('saved')
        send(first, f'file:{path}')
        time.sleep(pause)
        with Guest(*args, *INCOMING) as second:
            receive(second, f'file:{path}')
            arrived(second)
            time.sleep(2)
            second.ok('touch /tmp/stop; wait')
            took = time.monotonic() - begin
            later = wall_clock(second) - born
            check(pause - 1 <= later <= took, f'the wall clock is off by '
                  f'{later} s after a pause of {pause} s')
            text = second.ok('cat /tmp/clocks0 /tmp/clocks1')
            clocks = [line.split() for line in text.splitlines()]
            equal(len(clocks), 8, f'clocks in {text!r}')
            for _, name, passed, *_ in clocks:
                check(int(passed) / 1000 < took - pause + 0.1,
                      f'{name} went {passed} ms in {took:.1f} s with a pause '
                      f'of {pause} s')


# ---- with disks ----

def disk_args(path: str, *more: str, **properties: Any):
    return ['-smp', '2', *more, *disks.disk('a', path, **properties)]


def start_load(vm: Guest, letter: str = 'a') -> None:
    words = ' '.join(disks.verified('randwrite', '16k', 8, '4m'))
    vm.ok(f'disk load {disks.name(letter)} --name=l {words}', BOOT)


@contextlib.contextmanager
def travelling(args: List[str], initial: Guest,
               make: Callable = disks.guest) -> Iterator[Callable]:
    """A guest that changes its QEMU: a function that moves it, and returns
    where it is now."""
    here = [initial]

    def go(how: str = 'unix', args: List[str] = args) -> Guest:
        other = make(*args, *INCOMING)
        other.__enter__()
        here.append(other)
        move(here[0], other, how)
        other.continue_from(here[0])
        here.pop(0).__exit__(None, None, None)
        return other

    try:
        yield go
    finally:
        for vm in here:
            vm.__exit__(*sys.exc_info())


def disk_moves(how: str, moves: int, kind: str, *more: str,
               **properties: Any) -> None:
    """Under load, every block of which is read back and compared."""
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.create(f'a.{kind}', 64 * disks.MIB)
        args = disk_args(path, *more, **properties)
        vm = disks.guest(*args).__enter__()
        with travelling(args, vm) as go:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            start_load(vm)
            for _ in range(moves):
                time.sleep(0.5)
                vm = go(how)
                alive(vm)
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)


@test
def disk_unix():
    disk_moves('unix', 100 if SETUP.full else 3, 'qcow2')


@test
def disk_file():
    disk_moves('file', 1, 'raw', '-object', 'iothread,id=t0', iothread='t0',
               queues=2)


@test
def disk_persistent():
    """Grants that stay mapped are mapped anew."""
    disk_moves('unix', 1, 'qcow2', persistent=True)


@test
def snapshots():
    """savevm and loadvm under load: what came after is as if it had never
    been, on the disk and in memory; again and again."""
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.create('a.qcow2', 64 * disks.MIB)
        with disks.guest(*disk_args(path)) as vm:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            vm.ok('echo before >/tmp/a')
            start_load(vm)
            equal(vm.qmp.hmp('savevm one'), '', 'what savevm says')
            alive(vm)
            for _ in range(2):
                vm.ok('echo after >/tmp/a')
                vm.ok('sleep 1')
                equal(vm.qmp.hmp('loadvm one'), '', 'what loadvm says')
                equal(vm.ok('cat /tmp/a'), 'before', 'the file in the guest')
                alive(vm)
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)


@test
def snapshot_of_a_start():
    """Loaded by another process at its start: -loadvm."""
    SETUP.need_xenpv()
    with disks.images() as store:
        args = disk_args(store.create('a.qcow2', 16 * disks.MIB))
        with disks.guest(*args) as vm:
            vm.shell_ready()
            vm.ok('echo before >/tmp/a')
            equal(vm.qmp.hmp('savevm one'), '', 'what savevm says')
            vm.qmp.command('quit')
            vm.ends(0)
        with disks.guest(*args, '-loadvm', 'one') as vm:
            equal(vm.ok('cat /tmp/a'), 'before', 'the file in the guest')
            disks.fio(vm, 'a', *disks.verified('randwrite', '4k', 4, '2m'))


@test
def failed_requests():
    """Requests that wait for the user (werror=stop) move with the guest, and
    succeed there."""
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.create('a.qcow2', 16 * disks.MIB)
        fault = {'driver': 'blkdebug', 'node-name': 'fault',
                 'discard': 'unmap',
                 'inject-error': [{'event': 'none', 'iotype': 'write',
                                   'sector': 2048}],
                 'image': 'na'}
        good = disk_args(path, werror='stop')
        bad = ['-smp', '2', *disks.node('a', path), '-blockdev',
               json.dumps(fault), *disks.device('a', 'fault', werror='stop')]
        vm = disks.guest(*bad).__enter__()
        with travelling(good, vm) as go:
            vm.shell_ready()
            name = disks.name('a')
            vm.ok(f'disk wait {name}')
            vm.ok('head -c 2m /dev/urandom >/tmp/a')
            vm.console.send(f'dd if=/tmp/a of=/dev/{name} bs=64k; sync; '
                            'echo DONE $?\n'.encode())
            vm.qmp.event('STOP', BOOT)
            vm = go('file')
            vm.expect('DONE 0')
            equal(vm.ok(f'head -c 2m /dev/{name} | md5sum'),
                  vm.ok('md5sum </tmp/a'), 'what is on the disk')


@test
def reset_after():
    """What was loaded is reset like any other."""
    SETUP.need_xenpv()
    with disks.images() as store:
        args = disk_args(store.create('a.qcow2', 16 * disks.MIB))
        vm = disks.guest(*args).__enter__()
        with travelling(args, vm) as go:
            vm.shell_ready()
            vm = go()
            alive(vm)
            vm.qmp.command('system_reset')
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            vm = go('file')
            vm.ok('reboot & true')
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')


def differing_pages(first: Guest, second: Guest, base: int,
                    size: int) -> List[str]:
    """Guest-physical pages in which two guests differ."""
    found = []
    data = []
    for vm in (first, second):
        path = vm.path('memory')
        vm.qmp.command('pmemsave', val=base, size=size, filename=path)
        with open(path, 'rb') as file:
            data.append(file.read())
    for at in range(0, size, 4096):
        if data[0][at:at + 4096] != data[1][at:at + 4096]:
            found.append(hex(base + at))
    return found


@test
def same_memory():
    """Nothing that was written while memory was on its way stays behind: both
    ends are the same to the last byte before the second one runs."""
    SETUP.need_xenpv()
    mem = 160
    with disks.images() as store:
        args = disk_args(store.create('a.qcow2', 64 * disks.MIB),
                         persistent=True)
        vm = disks.guest(*args, mem=f'{mem}M').__enter__()
        try:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            start_load(vm)
            for _ in range(20 if SETUP.full else 2):
                other = disks.guest(*args, *INCOMING, '-S', mem=f'{mem}M')
                other.__enter__()
                vm, before = other, vm
                try:
                    uri = 'unix:' + vm.path('move')
                    receive(vm, uri)
                    send(before, uri)
                    disks.wait_for(lambda: state(vm) != 'inmigrate',
                                   'the guest to come', BOOT)
                    # RAM, and of the monitor's block all but the ports,
                    # grants and mailboxes, which are each QEMU's own
                    for base, size in [(0x200000, mem << 20),
                                       (0xe0000000, 0x80000),
                                       (0xe0130000, 0x100000)]:
                        equal(differing_pages(before, vm, base, size), [],
                              'pages that differ')
                finally:
                    before.__exit__(None, None, None)
                vm.continue_from(before)
                vm.qmp.command('cont')
                alive(vm)
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)
        finally:
            vm.__exit__(*sys.exc_info())


@test
def goes_wrong():
    """A move that fails, at its beginning, on its way and at its end, or is
    called off: the guest goes on where it was, and can move later."""
    SETUP.need_xenpv()
    with disks.images() as store:
        args = disk_args(store.create('a.qcow2', 64 * disks.MIB))
        vm = disks.guest(*args).__enter__()
        with travelling(args, vm) as go:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            start_load(vm)
            for command in ('false', 'head -c 30000000 >/dev/null; exit 1',
                            'cat >/dev/null; exit 1'):
                vm.qmp.command('migrate', uri=f'exec:{command}')
                outcome(vm)
                if state(vm) == 'postmigrate':  # it took it all, and lied
                    vm.qmp.command('cont')
                equal(state(vm), 'running', f'the guest after {command}')
                alive(vm)
            vm.qmp.command('migrate-set-parameters', **{'max-bandwidth': 1000})
            vm.qmp.command('migrate', uri='exec:cat >/dev/null')
            time.sleep(0.5)
            vm.qmp.command('migrate_cancel')
            equal(outcome(vm), 'cancelled', 'a move that was called off')
            alive(vm)
            vm.qmp.command('migrate-set-parameters',
                           **{'max-bandwidth': 1 << 40})
            vm = go()
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)


@test
def postcopy():
    """Refused in so many words; the guest goes on."""
    SETUP.need_xenpv()
    with Guest() as first, Guest(*INCOMING) as second:
        first.shell_ready()
        for vm in (first, second):
            said = vm.qmp.try_command(
                'migrate-set-capabilities', capabilities=[
                    {'capability': 'postcopy-ram', 'state': True}])
            if 'error' in said:
                raise Skip(said['error']['desc'])
        uri = 'unix:' + second.path('move')
        receive(second, uri)
        first.qmp.command('migrate-set-parameters',
                          **{'max-bandwidth': 1 << 20})
        first.qmp.command('migrate', uri=uri)
        time.sleep(0.5)
        first.qmp.command('migrate-start-postcopy')
        equal(outcome(first), 'failed', 'migration by postcopy')
        check('cannot be migrated by postcopy' in first.stderr(),
              first.stderr())
        alive(first)


@test
def plug_after():
    """A disk that came along is unplugged and plugged like any other, and
    one plugged at the first end comes along if the second has it."""
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.create('a.qcow2', 16 * disks.MIB)
        more = store.create('b.qcow2', 16 * disks.MIB)
        args = disk_args(path)
        vm = disks.guest(*args).__enter__()
        with travelling(args, vm) as go:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            vm = go()
            disks.unplug(vm, 'a')
            disks.plug(vm, 'a')
            vm.ok(f'disk wait {disks.name("a")}')
            disks.add_node(vm, 'b', more)
            disks.plug(vm, 'b')
            vm.ok(f'disk wait {disks.name("b")}')
            vm = go('file', [*args, *disks.disk('b', more)])
            for letter in ('a', 'b'):
                disks.fio(vm, letter,
                          *disks.verified('randwrite', '4k', 4, '1m'))
            disks.unplug(vm, 'b')
            disks.quiet_log(vm)


# ---- with a NIC ----

class Streams:
    """One each way, from and to a server of ours, as long as it takes."""

    def __init__(self, vm: Guest, network: nets.Network):
        self.stop = threading.Event()
        self.sent = hashlib.md5()
        self.got = hashlib.md5()
        self.count = 0
        self.servers = [network.listen(nets.HOST4) for _ in range(2)]
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()
        out, back = (server.getsockname()[1] for server in self.servers)
        vm.ok('head -c 1m /dev/urandom >/tmp/data; mkfifo /tmp/pipe')
        vm.ok(f'(nc {nets.HOST4} {out} </dev/null | md5sum >/tmp/got; '
              'touch /tmp/got.done) & true')
        vm.ok('(md5sum </tmp/pipe >/tmp/sent; touch /tmp/sent.done) & '
              '(while [ ! -e /tmp/stop ]; do cat /tmp/data; sleep 0.05; done '
              f'| tee /tmp/pipe | nc {nets.HOST4} {back} >/dev/null) & true')

    def _send(self) -> None:
        conn, _ = self.servers[0].accept()
        with conn:
            conn.settimeout(BOOT)
            while not self.stop.is_set():
                data = random.randbytes(1 << 18)
                conn.sendall(data)
                self.sent.update(data)
                time.sleep(0.02)

    def _receive(self) -> None:
        conn, _ = self.servers[1].accept()
        with conn:
            conn.settimeout(BOOT)
            while True:
                data = conn.recv(1 << 16)
                if not data:
                    return
                self.got.update(data)
                self.count += len(data)

    def end(self, vm: Guest) -> None:
        self.stop.set()
        vm.ok('touch /tmp/stop; until [ -e /tmp/got.done -a -e '
              '/tmp/sent.done ]; do sleep 0.1; done', BOOT)
        for thread in self.threads:
            thread.join(BOOT)
        for server in self.servers:
            server.close()
        equal(vm.ok('cat /tmp/got').split()[0], self.sent.hexdigest(),
              'what the guest has received')
        equal(vm.ok('cat /tmp/sent').split()[0], self.got.hexdigest(),
              f'the {self.count} bytes that came from the guest')


@test
def net_streams():
    """From one end of a bridge to the other, while it sends and receives."""
    SETUP.need_xenpv()
    with nets.Network() as network:
        network.bridge('tap1')
        args = [['-smp', '2', *network.netdev(tap), '-device', nets.device()]
                for tap in ('tap0', 'tap1')]
        vm = network.guest(*args[0]).__enter__()
        with travelling([], vm, network.guest) as go:
            vm.shell_ready()
            nets.up(vm)
            streams = Streams(vm, network)
            for number in range(20 if SETUP.full else 3):
                time.sleep(1)
                vm = go('unix', args[(number + 1) % 2])
                alive(vm)
            streams.end(vm)
            nets.quiet_log(vm)


@test
def net_user():
    """User networking goes along with its leases."""
    SETUP.need_xenpv()
    args = ['-nic', f'user,model=xen,id=n0,mac={nets.MAC}']
    vm = nets.guest(*args).__enter__()
    with travelling(args, vm, nets.guest) as go:
        vm.shell_ready()
        test_net.dhcp(vm)
        vm = go('file')
        vm.ok('ping -c 2 10.0.2.2', BOOT)
        with nets.listen('127.0.0.1') as server:
            nets.to_guest(vm, server, '10.0.2.2', nets.MIB)


# ---- with a screen ----

@test_each_kernel
def screen(label):
    """The picture, in the size that the guest has chosen meanwhile, and keys;
    a key that was down is up."""
    args = ['-vga', 'xenfb']
    kernel = SETUP.kernel(label)
    vm = screens.guest(*args, kernel=kernel).__enter__()

    def make(*args: str) -> Guest:
        return screens.guest(*args, kernel=kernel)

    with travelling(args, vm, make) as go:
        vm.shell_ready()
        screens.quiet_screen(vm)
        vm.ok('xpv fb mode 640 480; xpv fb pattern 1')
        events = screens.Events(vm)
        keyboard = 'Xen Virtual Keyboard'
        screens.send(vm, screens.input_event(
            'key', down=True, key={'type': 'qcode', 'data': 'a'}))
        events.expect(f'{keyboard}: 1 30 1')
        vm = go()
        events.vm = vm
        screens.shows(lambda: screens.screendump(vm),
                      screens.pattern(640, 480, 1), 'moved')
        events.expect(f'{keyboard}: 1 30 0')
        vm.ok('(xpv fb storm 5 </dev/null >/dev/null 2>&1 &)')
        screens.send_keys(vm, 'b')
        events.expect(f'{keyboard}: 1 48 1', f'{keyboard}: 1 48 0')
        vm = go('file')
        vm.ok('while ps | grep -q "[f]b storm"; do sleep 0.2; done', BOOT)
        vm.ok('xpv fb pattern 2')
        screens.shows(lambda: screens.screendump(vm),
                      screens.pattern(640, 480, 2), 'moved-again')


# ---- suspended ----

def asked_to_suspend(vm: Guest, store: Store) -> None:
    store.run('write', f'{HOME}/control/shutdown', 'suspend')
    vm.qmp.event('SUSPEND', BOOT)
    equal(state(vm), 'suspended', 'the guest that was asked to suspend')


def woken(vm: Guest) -> None:
    vm.qmp.command('system_wakeup')
    vm.qmp.event('WAKEUP')
    equal(state(vm), 'running', 'the guest that was woken')
    alive(vm)


def everything(path: str) -> List[str]:
    """A machine with a disk, a NIC and a screen."""
    return [*disk_args(path), '-nic', f'user,model=xen,mac={nets.MAC}',
            '-vga', 'xenfb']


def guest_of_everything(*args: str, **more: Any) -> Guest:
    return disks.guest(
        *args, modules=['xen-blkfront', *disks.OTHER_MODULES],
        append='console=tty0 console=hvc0 vt.global_cursor_default=0', **more)


def uses_everything(vm: Guest, seed: int) -> None:
    vm.ok('ping -c 1 10.0.2.2', BOOT)
    vm.ok(f'xpv fb pattern {seed}')
    screens.shows(lambda: screens.screendump(vm),
                  screens.pattern(800, 600, seed), f'suspend-{seed}')


@test_each_kernel
def suspend(label):
    """A guest that is asked to suspend stands still until it is woken, and
    goes on with its devices under load: again and again, stopped meanwhile,
    saved meanwhile, and reset."""
    SETUP.need_xenpv()
    with disks.images() as images:
        path = images.path('xenstore')
        with guest_of_everything(
                *everything(images.create('a.qcow2', 64 * disks.MIB)),
                kernel=SETUP.kernel(label),
                machine_options=f'xenstore={path}') as vm:
            store = Store(path)
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            vm.ok('ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up')
            screens.quiet_screen(vm)
            start_load(vm)
            for turn in range(1, 4):
                uses_everything(vm, turn)
                asked_to_suspend(vm, store)
                screens.shows(lambda: screens.screendump(vm),
                              screens.pattern(800, 600, turn), 'suspended')
                vm.qmp.command('stop')
                vm.qmp.command('cont')
                equal(state(vm), 'suspended', 'the guest after stop and cont')
                if turn == 3:
                    equal(vm.qmp.hmp('savevm asleep'), '', 'what savevm says')
                    equal(state(vm), 'suspended', 'the guest after savevm')
                woken(vm)
                equal(store.read(f'{HOME}/control/shutdown'), '',
                      'what the guest has left of the request')
                vm.ok(f'[ $(dmesg | grep -c "Freezing user space") -ge '
                      f'{turn} ]')
            uses_everything(vm, 4)
            vm.ok('touch /tmp/later')
            # Into a machine that runs: QEMU wakes it
            equal(vm.qmp.hmp('loadvm asleep'), '', 'what loadvm says')
            disks.wait_for(lambda: state(vm) == 'running', 'the guest to wake')
            vm.ok('[ ! -e /tmp/later ]')
            uses_everything(vm, 5)
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)
            nets.quiet_log(vm)
            asked_to_suspend(vm, store)
            vm.qmp.command('system_reset')
            vm.qmp.event('RESET')
            vm.qmp.command('cont')
            vm.shell_ready()


@test
def suspended_moves():
    """One that is suspended is moved so, straight and by way of a file, and
    is woken at the other end; its disk's load goes on there."""
    SETUP.need_xenpv()
    with disks.images() as images:
        args = ['-smp', '4', *everything(
            images.create('a.qcow2', 64 * disks.MIB))[2:]]
        sockets = [images.path(f'xenstore{number}') for number in range(3)]
        vm = guest_of_everything(*args, machine_options='xenstore='
                                 + sockets[0]).__enter__()
        try:
            vm.shell_ready()
            vm.ok(f'disk wait {disks.name("a")}')
            vm.ok('ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up')
            screens.quiet_screen(vm)
            start_load(vm)
            for turn, how in enumerate(['unix', 'file'], 1):
                asked_to_suspend(vm, Store(sockets[turn - 1]))
                other = guest_of_everything(
                    *args, *INCOMING, machine_options='xenstore='
                    + sockets[turn]).__enter__()
                vm, before = other, vm
                try:
                    uri = f'{how}:{vm.path("move")}'
                    if how == 'unix':
                        receive(vm, uri)
                        send(before, uri)
                    else:
                        send(before, uri)
                        receive(vm, uri)
                    disks.wait_for(lambda: state(vm) != 'inmigrate',
                                   'the guest to come', BOOT)
                finally:
                    before.__exit__(None, None, None)
                equal(state(vm), 'suspended', 'the guest that has come')
                vm.continue_from(before)
                woken(vm)
                uses_everything(vm, turn)
            equal(vm.ok('grep -c ^processor /proc/cpuinfo'), '4', 'processors')
            vm.ok('disk unload', BOOT)
            disks.quiet_log(vm)
        finally:
            vm.__exit__(*sys.exc_info())


# ---- what cannot be ----

def refused(saved: str, *args: str, **more: Any) -> str:
    """A QEMU that cannot load a file: what it says."""
    with Guest(*args, '-incoming', 'defer', **more) as vm:
        try:
            vm.qmp.command('migrate-incoming', uri=f'file:{saved}')
        except EOFError:
            pass
        equal(vm.wait_exit(), 1, "QEMU's exit status")
        return vm.stderr()


@test
def other_machine():
    """One line says what differs."""
    SETUP.need_xenpv()
    with Guest('-smp', '2') as first:
        first.shell_ready()
        path = first.path('saved')
        send(first, f'file:{path}')
        wanted = 'the saved guest cannot run here: '
        for args, more, line in [
                ([], {}, 'it has -smp 2,maxcpus=2, this machine -smp '
                         '1,maxcpus=1'),
                (['-smp', '2'], {'mem': '256M'},
                 'it has -m 524288K, this machine -m 262144K'),
                (['-smp', '2'], {'mem': '512M,maxmem=1G'},
                 'it has -m maxmem=524288K, this machine -m maxmem=1048576K'),
                (['-smp', '2'], {'machine_options': 'strict=on'},
                 'it has strict=off, this machine strict=on'),
                (['-smp', '2', '-cpu', 'max,-avx2'], {}, 'its vCPUs have '
                 'other features than those of this machine'),
                (['-smp', '2', '-chardev', 'null,id=n', '-device',
                  'xen-console,chardev=n'], {},
                 'it had no device xen-console.1 (console 1 xen-console)')]:
            text = refused(path, *args, **more)
            check(wanted + line in text, f'{args} {more}: {text}')
        # the same one in the end
        with Guest('-smp', '2', *INCOMING) as second:
            receive(second, f'file:{path}')
            arrived(second)
            alive(second)


@test
def other_disk():
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.create('a.qcow2', 16 * disks.MIB)
        other = store.create('b.qcow2', 8 * disks.MIB)
        saved = store.path('saved')
        with disks.guest(*disk_args(path)) as first:
            first.shell_ready()
            first.ok(f'disk wait {disks.name("a")}')
            send(first, f'file:{saved}')
        text = refused(saved, '-smp', '2')
        check('its device vbd 51712 xen-disk is not here' in text, text)
        text = refused(saved, *disk_args(other))
        check('disk-a: sectors is 16384 here and was 32768 for the guest that '
              'was saved' in text, text)
        text = refused(saved, *disk_args(path, queues=2))
        check('disk-a: multi-queue-max-queues is 2 here and was 1' in text,
              text)


@test
def made_by_nodes():
    """A device that a toolstack has made cannot be saved: its name, as long
    as it is there."""
    SETUP.need_xenpv()
    with disks.images() as images:
        path = images.path('xenstore')
        image = images.create('a.qcow2', 16 * disks.MIB)
        with disks.guest(machine_options=f'xenstore={path}') as vm:
            store = Store(path)
            vm.shell_ready()
            test_toolstack.ask(store, f'qcow2:{image}')
            test_toolstack.connected(store)
            said = vm.qmp.try_command('migrate', uri='exec:cat >/dev/null')
            check('was made by nodes in xenstore' in said['error']['desc'],
                  f'{said}')
            store.run('write', f'{test_toolstack.BACK}/online', '0',
                      f'{test_toolstack.BACK}/state', '5')
            disks.wait_for(lambda: 'dev: xen-disk' not in
                           vm.qmp.hmp('info qtree'), 'the disk to go')
            send(vm, 'exec:cat >/dev/null')


@test
def other_build():
    """A stream whose monitor is another one, or of a later version."""
    SETUP.need_xenpv()
    with Guest() as first:
        first.shell_ready()
        path = first.path('saved')
        send(first, f'file:{path}')
        with open(path, 'rb') as file:
            data = file.read()
        at = data.index(b'xenpv-config') + len('xenpv-config')
        instance, version = struct.unpack_from('>II', data, at)
        equal((instance, version), (0, 2), 'instance and version')
        abi, = struct.unpack_from('>I', data, at + 8)
        for where, what, line in [
                (at + 4, struct.pack('>I', 3), "xenpv-config"),
                (at + 8, struct.pack('>I', abi + 1),
                 'it was saved by another build of QEMU'),
                (at + 12, bytes([data[at + 12] ^ 1]),
                 'it was saved by another build of QEMU')]:
            with open(path, 'wb') as file:
                file.write(data[:where] + what + data[where + len(what):])
            text = refused(path)
            check(line in text, f'at {where - at}: {text}')


@test
def broken_streams():
    """Cut off or changed anywhere in our sections: an error or a guest, and
    never a crash."""
    SETUP.need_xenpv()
    rounds = 60 if SETUP.full else 12
    with Guest() as first:
        first.shell_ready()
        path = first.path('saved')
        send(first, f'file:{path}')
        with open(path, 'rb') as file:
            data = bytearray(file.read())
        first.qmp.command('quit')
        sections = [data.index(name) for name in (
            b'xenpv-config', b'xenpv-guest', b'/xenpv-device')]
        end = data.index(b'"vmsd_name"') if b'"vmsd_name"' in data \
            else len(data)
        random.seed(7)
        for number in range(rounds):
            start = sections[number % 3]
            room = {0: 300, 1: 9000, 2: 60}[number % 3]
            at = start + random.randrange(12, min(room, end - start))
            bad = data[:at] if number % 4 == 3 else bytearray(data)
            if len(bad) > at:
                bad[at] ^= 1 << random.randrange(8)
            with open(path, 'wb') as file:
                file.write(bad)
            with Guest('-incoming', 'defer', '-S') as vm:
                try:
                    vm.qmp.command('migrate-incoming', uri=f'file:{path}')
                    disks.wait_for(lambda: vm.process.poll() is not None or
                                   vm.qmp.command('query-migrate').get(
                                       'status') == 'completed',
                                   'the end of the stream', BOOT)
                except (EOFError, OSError):
                    pass
                if vm.process.poll() is None:
                    try:
                        vm.qmp.command('quit')
                    except (EOFError, OSError):
                        pass
                status = vm.wait_exit()
                check(status in (0, 1), f'byte {at - start} of section '
                      f'{number % 3}: status {status}: {vm.stderr()}')
                check(status == 0 or vm.stderr(), 'QEMU said nothing')
