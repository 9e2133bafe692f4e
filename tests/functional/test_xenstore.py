# SPDX-License-Identifier: GPL-2.0-or-later
"""The store, by Debian's own tools over its socket, and consoles added to a
running guest."""

import contextlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

from harness import BOOT, SETUP, SHORT, Console, Guest, Skip, check, connect, \
    equal
from registry import test

HOME = '/local/domain/1'


class Store:
    """xenstore-* of the package xenstore-utils, pointed at one socket."""

    def __init__(self, path: str):
        self.env = dict(os.environ, XENSTORED_PATH=path)

    def try_run(self, tool: str, *args: str) -> subprocess.CompletedProcess:
        return subprocess.run([f'xenstore-{tool}', *args], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, timeout=SHORT)

    def run(self, tool: str, *args: str) -> str:
        done = self.try_run(tool, *args)
        check(done.returncode == 0, f'xenstore-{tool} {" ".join(args)}: '
              f'{done.returncode} {done.stderr}')
        return done.stdout.strip()

    def read(self, path: str) -> str:
        return self.run('read', path)

    def wait(self, path: str, wanted: str, timeout: float = SHORT) -> None:
        """Until a node has that value."""
        deadline = time.monotonic() + timeout
        while True:
            done = self.try_run('read', path)
            if done.returncode == 0 and done.stdout.strip() == wanted:
                return
            check(time.monotonic() < deadline,
                  f'{path} is {done.stdout.strip()!r}, not {wanted!r}')
            time.sleep(0.2)

    @contextlib.contextmanager
    def watch(self, *args: str):
        process = subprocess.Popen(
            ['stdbuf', '-oL', 'xenstore-watch', *args], env=self.env,
            stdout=subprocess.PIPE, text=True)
        try:
            yield process.stdout
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def guest_and_store(*args: str, **more):
    SETUP.need_xenpv()
    if not shutil.which('xenstore-read'):
        raise Skip('needs Debian package xenstore-utils')
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'store')
        with Guest(*args, machine_options=f'xenstore={path}', **more) as guest:
            yield guest, Store(path)


@test
def what_a_toolstack_gives():
    with guest_and_store('-name', 'toolstack-test') as (guest, store):
        guest.shell_ready()
        tree = store.run('ls', '-f', HOME)
        for node in ('name', 'vm', 'domid', 'memory/target',
                     'memory/static-max', 'cpu/0/availability',
                     'control/shutdown', 'console/ring-ref', 'console/port',
                     'console/limit', 'console/type', 'store/ring-ref',
                     'store/port', 'device'):
            check(re.search(f'^{HOME}/{node}\\b', tree, re.MULTILINE),
                  f'no node {node} in\n{tree}')
        equal(store.read(f'{HOME}/name'), 'toolstack-test', 'name')
        equal(store.read(f'{HOME}/domid'), '1', 'domid')
        equal(store.read(f'{HOME}/memory/static-max'), str(512 << 10),
              'memory/static-max')
        equal(store.read(f'{HOME}/cpu/0/availability'), 'online', 'cpu/0')
        vm = store.read(f'{HOME}/vm')
        equal(store.read(f'{vm}/name'), 'toolstack-test', f'{vm}/name')
        # what the guest's kernel wrote when it came up
        equal(store.read(f'{HOME}/control/feature-poweroff'), '1', 'feature')


@test
def read_write_list():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        store.run('write', f'{HOME}/data/from-host', 'hello guest')
        store.run('chmod', f'{HOME}/data/from-host', 'n1', 'b1')
        equal(guest.ok('xpv xs read data/from-host'), 'hello guest', 'read')
        guest.ok('xpv xs write data/from-guest "hello host"')
        equal(store.read(f'{HOME}/data/from-guest'), 'hello host', 'read')
        names = store.run('list', f'{HOME}/data').split()
        check({'from-host', 'from-guest'} <= set(names), str(names))
        equal(store.try_run('exists', f'{HOME}/data/from-guest').returncode, 0,
              'xenstore-exists')
        store.run('rm', f'{HOME}/data/from-guest')
        check(store.try_run('exists', f'{HOME}/data/from-guest').returncode,
              'a removed node exists')
        check(guest.run('xpv xs read data/from-guest')[0] != 0,
              'the guest reads a removed node')
        check(store.try_run('read', '/no/such/node').returncode,
              'xenstore-read of nothing succeeds')


@test
def watch_from_host():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        with store.watch('-n', '3', f'{HOME}/data') as events:
            equal(events.readline().strip(), f'{HOME}/data', 'first event')
            guest.ok('xpv xs write data/w one')
            equal(events.readline().strip(), f'{HOME}/data/w', 'event')
            store.run('write', f'{HOME}/data/v', 'two')
            equal(events.readline().strip(), f'{HOME}/data/v', 'event')


@test
def watch_from_guest():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        guest.ok('xpv xs write data/w zero')
        guest.console.send(b'xpv xs watch data/w 2; echo watch $((40 + 2))\n')
        guest.expect('\ndata/w\r\n')
        store.run('write', f'{HOME}/data/w', 'one')
        guest.expect('data/w\r\n')
        guest.expect('watch 42')


@test
def watch_wakeups():
    """As console/idle_wakeups, over the store's ring."""
    chance = random.Random(8)
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        guest.ok('xpv xs write data/w x')
        rounds = 2000 if SETUP.full else 150
        guest.console.send(f'xpv xs watch data/w {rounds + 1}; echo all '
                           f'$((40 + 2))\n'.encode())
        guest.expect('\ndata/w\r\n')
        for i in range(rounds):
            time.sleep(chance.random() * 0.02)
            store.run('write', f'{HOME}/data/w', str(i))
            guest.expect('data/w\r\n')
        guest.expect('all 42')


@test
def many_clients():
    """Host tools and guest at it together; every answer is its own."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        guest.console.send(b'i=0; while [ $i -lt 150 ]; do '
                           b'xpv xs write data/g$i $i; i=$((i + 1)); done; '
                           b'echo wrote $i nodes\n')
        for i in range(60):
            store.run('write', f'{HOME}/data/h{i}', str(i))
            equal(store.read(f'{HOME}/data/h{i}'), str(i), 'read')
        guest.expect('wrote 150 nodes', BOOT)
        for i in range(150):
            equal(store.read(f'{HOME}/data/g{i}'), str(i), f'data/g{i}')


@test
def client_that_dies():
    """Half a message, then nothing; and rubbish.  Others do not notice."""
    SETUP.need_xenpv()
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        path = store.env['XENSTORED_PATH']
        for data in (b'', b'\x02', b'\xff' * 16, b'\x02\0\0\0' + bytes(8) +
                     b'\xff\xff\xff\x7f', os.urandom(5000)):
            for _ in range(10):
                sock = connect(path)
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                sock.close()
        equal(store.read(f'{HOME}/domid'), '1', 'domid')
        guest.ok('xpv xs read domid')


@test
def shutdown_request():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        store.run('write', f'{HOME}/control/shutdown', 'poweroff')
        guest.expect('INIT: orderly poweroff')
        guest.ends(0, BOOT)


@test
def reboot_request():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        store.run('write', f'{HOME}/control/shutdown', 'reboot')
        guest.expect('INIT: orderly reboot')
        guest.shell_ready()
        equal(store.read(f'{HOME}/domid'), '1', 'domid after the reboot')
        equal(store.run('read', f'{HOME}/control/shutdown'), '',
              'control/shutdown after the reboot')


@test
def sysrq_request():
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        guest.ok('dmesg -n 8; echo 1 > /proc/sys/kernel/sysrq')
        store.run('write', f'{HOME}/control/sysrq', 'h')
        guest.expect('sysrq: HELP')


@test
def store_after_reset():
    """What the guest wrote goes with it, what it was given stays."""
    with guest_and_store('-name', 'keeps-its-name') as (guest, store):
        guest.shell_ready()
        guest.ok('xpv xs write data/mine 1')
        guest.qmp.command('system_reset')
        guest.shell_ready()
        equal(guest.ok('xpv xs read name'), 'keeps-its-name', 'name')
        check(store.try_run('read', f'{HOME}/data/mine').returncode,
              "the old guest's node is still there")
        equal(store.read(f'{HOME}/name'), 'keeps-its-name', 'name')


@test
def balloon():
    """memory/target moves the guest's balloon both ways."""
    def free_kib(guest):
        return int(re.search(r'MemTotal:\s+(\d+)',
                             guest.ok('cat /proc/meminfo'))[1])

    def until(guest, condition):
        deadline = time.monotonic() + SHORT
        while not condition(free_kib(guest)):
            check(time.monotonic() < deadline,
                  f'MemTotal stays at {free_kib(guest)} KiB')
            time.sleep(0.5)

    with guest_and_store(mem='256M') as (guest, store):
        guest.shell_ready()
        before = free_kib(guest)
        store.run('write', f'{HOME}/memory/target', str(160 << 10))
        until(guest, lambda now: now < before - (80 << 10))
        store.run('write', f'{HOME}/memory/target', str(256 << 10))
        until(guest, lambda now: now > before - (8 << 10))
        guest.ok('xpv memtouch 80', BOOT)
        guest.ok('xpv test klog')


@test
def socket_in_use():
    """A second guest does not take the first one's socket silently."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        path = store.env['XENSTORED_PATH']
        done = subprocess.run(
            [SETUP.qemu, '-M', f'xenpv,xenstore={os.path.dirname(path)}',
             '-display', 'none', '-kernel', SETUP.kernel()],
            stderr=subprocess.PIPE, text=True, check=False, timeout=SHORT)
        equal(done.returncode, 1, 'exit status for a folder as socket')
        check(os.path.dirname(path) in done.stderr, done.stderr)
        equal(store.read(f'{HOME}/domid'), '1', 'domid')


def second_console(guest: Guest, path: str) -> Console:
    guest.qmp.command('chardev-add', id='second', backend={
        'type': 'socket', 'data': {
            'addr': {'type': 'unix', 'data': {'path': path}},
            'server': True, 'wait': False}})
    return Console(connect(path), 'second console')


def talk(guest: Guest, second: Console) -> None:
    """Both ways over hvc1."""
    guest.ok('[ -c /dev/hvc1 ] && stty -echo -F /dev/hvc1')
    guest.ok('for i in 1 2 3 4 5; do echo "out $i" > /dev/hvc1; done')
    for i in range(1, 6):
        second.expect(f'out {i}\r\n')
    guest.console.send(b'read line < /dev/hvc1; echo "got <$line>"\n')
    time.sleep(1)
    second.send(b'into the second\n')
    guest.expect('got <into the second>')


@test
def second_console_cold():
    SETUP.need_xenpv()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'second')
        with Guest('-chardev', f'socket,id=two,server=on,wait=off,path={path}',
                   '-device', 'xen-console,chardev=two,id=c1') as guest:
            second = Console(connect(path), 'second console')
            guest.shell_ready()
            talk(guest, second)
            guest.qmp.command('system_reset')
            guest.shell_ready()
            talk(guest, second)
            guest.console.send(b'exit\n')
            guest.ends(0)


@test
def second_console_hot():
    """Added, used, removed, while the guest runs; more than once."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        for turn in range(4 if SETUP.full else 2):
            second = second_console(guest, guest.path(f'second{turn}'))
            guest.qmp.command('device_add', driver='xen-console',
                              chardev='second', id='hot')
            number = store.run('list', f'{HOME}/device/console').split()[-1]
            front = f'{HOME}/device/console/{number}'
            store.wait(f'{front}/state', '4')
            back = store.read(f'{front}/backend')
            store.wait(f'{back}/state', '4')
            talk(guest, second)
            guest.qmp.command('device_del', id='hot')
            guest.qmp.event('DEVICE_DELETED', SHORT,
                            lambda data: data.get('device') == 'hot')
            check(store.try_run('read', f'{back}/state').returncode,
                  f'{back} is still there')
            guest.qmp.command('chardev-remove', id='second')
            guest.ok('xpv test klog')
        guest.console.send(b'exit\n')
        guest.ends(0)


@test
def second_console_in_use_removed():
    """Removal while a program reads and another writes."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        second = second_console(guest, guest.path('second'))
        guest.qmp.command('device_add', driver='xen-console',
                          chardev='second', id='hot')
        number = store.run('list', f'{HOME}/device/console').split()[-1]
        store.wait(f'{HOME}/device/console/{number}/state', '4')
        guest.ok('(cat /dev/hvc1 >/dev/null &) ; '
                 '(xpv source 5000000 >/dev/hvc1 &)')
        second.expect('0000[0-9a-f]{4}')
        guest.qmp.command('device_del', id='hot')
        guest.qmp.event('DEVICE_DELETED', BOOT,
                        lambda data: data.get('device') == 'hot')
        guest.ok('true')
        guest.console.send(b'poweroff\n')
        guest.ends(0, BOOT)


BACK = '/local/domain/0/backend/console/1'
FRONT = f'{HOME}/device/console'


def ask_for_console(store: Store, number: int, output: str) -> None:
    """What libxl does in one transaction, by hand, so in this order: what the
    guest reads comes before its state, and our state comes last.  The front
    end's directory is the guest's, what it is told there is not."""
    front, back = f'{FRONT}/{number}', f'{BACK}/{number}'
    store.run('write', f'{back}/frontend', front, f'{back}/frontend-id', '1',
              f'{back}/online', '1', f'{back}/protocol', 'vt100')
    store.run('chmod', '-r', back, 'n0', 'r1')
    store.run('write', f'{front}/backend', back, f'{front}/backend-id', '0',
              f'{front}/type', 'ioemu', f'{front}/output', output,
              f'{front}/limit', '65536', f'{front}/tty', '')
    store.run('chmod', front, 'n1', 'r0')
    store.run('write', f'{front}/state', '1')
    store.run('write', f'{back}/state', '1')


def devices(guest: Guest) -> int:
    return guest.qmp.hmp('info qtree').count('dev: xen-console')


def until(condition, message: str) -> None:
    deadline = time.monotonic() + SHORT
    while not condition():
        check(time.monotonic() < deadline, message)
        time.sleep(0.1)


def until_no_node(store: Store, path: str) -> None:
    until(lambda: store.try_run('exists', path).returncode,
          f'{path} is still there')


def gone_without_trace(guest: Guest, store: Store, number: int,
                       devices_left: int) -> None:
    until(lambda: devices(guest) == devices_left,
          'the device is still there')
    until(lambda: not [chardev for chardev in
                       guest.qmp.command('query-chardev')
                       if chardev['label'].startswith('xen-console')],
          'its chardev is still there')
    for path in (f'{BACK}/{number}', f'{FRONT}/{number}',
                 f'/local/domain/0/error/backend/console/1/{number}'):
        until_no_node(store, path)


@test
def toolstack_console_channel():
    """Made, used, closed and removed by nodes alone; more than once."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        before = devices(guest)
        second = second_console(guest, guest.path('second'))
        for _ in range(4 if SETUP.full else 2):
            ask_for_console(store, 1, 'chardev:second')
            store.wait(f'{FRONT}/1/state', '4')
            store.wait(f'{BACK}/1/state', '4')
            equal(devices(guest), before + 1, 'devices')
            talk(guest, second)
            store.run('write', f'{BACK}/1/online', '0', f'{BACK}/1/state',
                      '5')
            store.wait(f'{BACK}/1/state', '6')
            store.run('rm', f'{BACK}/1', f'{FRONT}/1')
            gone_without_trace(guest, store, 1, before)
        guest.qmp.command('chardev-remove', id='second')
        guest.ok('xpv test klog')
        guest.console.send(b'exit\n')
        guest.ends(0)


@test
def toolstack_console_pty():
    """A pty of its own; through a reset; pulled out without a word."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        before = devices(guest)
        ask_for_console(store, 1, 'pty')
        store.wait(f'{BACK}/1/state', '4')
        for again in (True, False):
            tty = os.open(store.read(f'{FRONT}/1/tty'),
                          os.O_RDWR | os.O_NOCTTY)
            guest.ok('stty -echo -F /dev/hvc1; echo to the pty > /dev/hvc1')
            got = b''
            while b'to the pty' not in got:
                got += os.read(tty, 100)
            guest.console.send(b'read line < /dev/hvc1; echo "<$line>"\n')
            time.sleep(1)
            os.write(tty, b'from the pty\n')
            guest.expect('<from the pty>')
            os.close(tty)
            if again:
                guest.qmp.command('system_reset')
                guest.shell_ready()
                store.wait(f'{BACK}/1/state', '4')
        store.run('rm', f'{BACK}/1')
        until(lambda: devices(guest) == before, 'the device is still there')
        store.run('rm', f'{FRONT}/1')
        gone_without_trace(guest, store, 1, before)
        guest.ok('true')
        guest.console.send(b'poweroff\n')
        guest.ends(0, BOOT)


@test
def toolstack_console_refused():
    """The toolstack sees why, at once; and may do better."""
    with guest_and_store() as (guest, store):
        guest.shell_ready()
        error = '/local/domain/0/error/backend/console/1/2/error'
        ask_for_console(store, 2, 'chardev:nobody')
        store.wait(f'{BACK}/2/state', '6')
        check("no chardev 'nobody'" in store.read(error), store.read(error))
        store.run('rm', f'{BACK}/2', f'{FRONT}/2')
        until_no_node(store, error)
        second = second_console(guest, guest.path('second'))
        ask_for_console(store, 2, 'chardev:second')
        store.wait(f'{BACK}/2/state', '4')
        guest.ok('echo better > /dev/hvc1')
        second.expect('better')
        guest.console.send(b'exit\n')
        guest.ends(0)
