# SPDX-License-Identifier: GPL-2.0-or-later
"""Several vCPUs: started, used, taken away, in every way TCG runs them."""

import os
import time

from harness import BOOT, SETUP, Guest, Skip, check, equal
from registry import test, test_each_kernel
from test_errors import refused
from test_guest import run_groups
from test_xenstore import HOME, guest_and_store

ONLINE = 'cat /sys/devices/system/cpu/online'


def online(guest: Guest, wanted: str) -> None:
    """Until the guest says that these vCPUs are online."""
    for _ in range(100):
        got = guest.ok(ONLINE)
        if got == wanted:
            return
        time.sleep(0.2)
    equal(got, wanted, 'the vCPUs online')


def load(jobs: int) -> str:
    """Processes that fork and exec until their file is gone."""
    return (f'touch /tmp/go; for i in $(seq {jobs}); do '
            'while [ -e /tmp/go ]; do xpv nothing; done >/dev/null 2>&1 & '
            'done')


@test_each_kernel
def starts(label):
    """All of them run, and power-off stops all of them."""
    for count in (2, 4, 8):
        with Guest('-smp', str(count), kernel=SETUP.kernel(label),
                   do='shell,test:klog') as guest:
            guest.shell_ready()
            equal(guest.ok('grep -c ^processor /proc/cpuinfo'), str(count),
                  'processors')
            equal(guest.ok(ONLINE), f'0-{count - 1}', 'the vCPUs online')
            guest.ok(f'for i in $(seq 0 {count - 1}); do taskset -c $i true '
                     '|| exit 1; done')
            equal(len(guest.qmp.command('query-cpus-fast')), count, 'vCPUs')
            guest.console.send(f'exec taskset -c {count - 1} poweroff -f\n'
                               .encode())
            guest.ends(0, BOOT)


@test
def sixty_four():
    if not SETUP.full:
        raise Skip('takes long: --full')
    with Guest('-smp', '64', mem='1G') as guest:
        guest.shell_ready(BOOT * 4)
        equal(guest.ok('grep -c ^processor /proc/cpuinfo'), '64',
              'processors')
        guest.ok('for i in $(seq 0 63); do taskset -c $i true || exit 1; done',
                 BOOT)
        guest.console.send(b'poweroff -f\n')
        guest.ends(0, BOOT)


def programs(*args: str, **more):
    groups = ['smp', 'signals', 'memory', 'procs', 'smp', 'klog']
    with Guest(*args, do=','.join(f'test:{group}' for group in groups),
               **more) as guest:
        guest.started_up()
        yield from run_groups(guest, groups)
        guest.ends(0, BOOT)


@test_each_kernel
def fork_heavy(label):
    """The guest programs on four vCPUs: shootdowns, forks, wakeups."""
    yield from programs('-smp', '4', kernel=SETUP.kernel(label))


@test
def single_threaded():
    """One thread of TCG's runs all vCPUs in turns."""
    yield from programs('-smp', '3', accel_options=',thread=single')


@test
def strict():
    SETUP.need_xenpv()
    yield from programs('-smp', '2', machine_options='strict=on')


@test
def offline_online():
    """The guest takes its own processors away and back, under load."""
    SETUP.need_xenpv()
    with Guest('-smp', '4') as guest:
        guest.shell_ready()
        guest.ok(load(6))
        for _ in range(3):
            for cpu in (1, 3, 2):
                guest.ok(f'echo 0 >/sys/devices/system/cpu/cpu{cpu}/online',
                         BOOT)
            equal(guest.ok(ONLINE), '0', 'the vCPUs online')
            for cpu in (2, 1, 3):
                guest.ok(f'echo 1 >/sys/devices/system/cpu/cpu{cpu}/online',
                         BOOT)
            equal(guest.ok(ONLINE), '0-3', 'the vCPUs online')
        guest.ok('rm /tmp/go; wait; xpv test klog', BOOT)


@test
def plug():
    """What the host offers of maxcpus, by xenstore."""
    SETUP.need_xenpv()
    with guest_and_store('-smp', '2,maxcpus=4') as (guest, store):
        guest.shell_ready()
        equal(guest.ok('cat /sys/devices/system/cpu/possible'), '0-3',
              'the vCPUs possible')
        online(guest, '0-1')
        for cpu, value, wanted in ((3, 'online', '0-1,3'),
                                   (2, 'online', '0-3'),
                                   (1, 'offline', '0,2-3')):
            store.run('write', f'{HOME}/cpu/{cpu}/availability', value)
            if value == 'online':
                # Linux makes it present; to use it is up to user space
                file = f'/sys/devices/system/cpu/cpu{cpu}/online'
                guest.ok(f'until [ -e {file} ]; do sleep 0.2; done; '
                         f'echo 1 >{file}')
            online(guest, wanted)
        guest.qmp.command('system_reset')
        guest.shell_ready()
        online(guest, '0-1')     # as -smp says
        guest.ok('xpv test klog')


@test
def reset_at_any_time():
    """Reset while they start, while they work, while they sleep."""
    with Guest('-smp', '4') as guest:
        for moment in (0.3, 1.1, 2.2, 3.3):
            time.sleep(moment)
            guest.qmp.command('system_reset')
        for _ in range(3):
            guest.shell_ready()
            guest.ok(load(6))
            time.sleep(0.5)
            guest.qmp.command('system_reset')
        guest.shell_ready()


@test
def reboot_loop():
    rounds = 100 if SETUP.full else 5
    with Guest('-smp', '4', do='none', then='reboot') as guest:
        for _ in range(rounds):
            guest.started_up()
            guest.expect('INIT: done, status 0')


@test
def stop_and_continue():
    """Stopped under load, they all go on, and the clock with them."""
    with Guest('-smp', '3') as guest:
        guest.shell_ready()
        guest.ok(load(4))
        for _ in range(5):
            guest.qmp.command('stop')
            time.sleep(0.3)
            guest.qmp.command('cont')
        guest.ok('rm /tmp/go; wait; xpv test clock && xpv test klog', BOOT)


@test
def panic():
    """One of them crashes the kernel; the others do not go on."""
    SETUP.need_xenpv()
    with Guest('-smp', '4') as guest:
        guest.shell_ready()
        guest.ok(load(6))
        guest.console.send(b'taskset -c 2 sh -c "echo c >/proc/sysrq-trigger"'
                           b'\n')
        guest.qmp.event('GUEST_PANICKED', BOOT)
        guest.ends(0, BOOT)


# ---- plugged by the user ----

def places(guest: Guest) -> list:
    """As query-hotpluggable-cpus has them, the first one first."""
    return guest.qmp.command('query-hotpluggable-cpus')[::-1]


def switched_on(guest: Guest, cpu: int) -> None:
    """Linux makes it present; to use it is up to user space."""
    file = f'/sys/devices/system/cpu/cpu{cpu}/online'
    guest.ok(f'until [ -e {file} ]; do sleep 0.2; done; echo 1 >{file}', BOOT)


def unplugged(guest: Guest, name: str) -> None:
    guest.qmp.command('device_del', id=name)
    guest.qmp.event('DEVICE_DELETED', BOOT,
                    lambda data: data.get('device') == name)


@test_each_kernel
def device_add(label):
    """vCPUs come and go as on any machine, under load; what is plugged stays
    plugged over reset and reboot."""
    SETUP.need_xenpv()
    with Guest('-smp', '2,maxcpus=8', '-device', 'xenpv-vcpu,id=early',
               kernel=SETUP.kernel(label)) as guest:
        guest.shell_ready()
        online(guest, '0-2')
        there = places(guest)
        equal(len(there), 8, 'places')
        equal(['qom-path' in place for place in there], [True] * 3 + [False] * 5,
              'which are taken')
        guest.ok(load(6))
        for number in (5, 3):
            place = there[number]
            guest.qmp.command('device_add', driver=place['type'],
                              id=f'cpu{number}', **place['props'])
            check('qom-path' in places(guest)[number], f'place {number}')
            switched_on(guest, number)
        online(guest, '0-3,5')
        guest.ok('taskset -c 5 true && taskset -c 3 true')
        unplugged(guest, 'cpu3')
        online(guest, '0-2,5')
        check('qom-path' not in places(guest)[3], 'place 3 after device_del')
        # One that the guest has never switched on
        guest.qmp.command('device_add', driver='xenpv-vcpu', id='idle')
        guest.ok('until [ -e /sys/devices/system/cpu/cpu3/online ]; do '
                 'sleep 0.2; done', BOOT)
        unplugged(guest, 'idle')
        unplugged(guest, 'early')
        online(guest, '0-1,5')
        guest.ok('rm /tmp/go; wait; xpv test klog', BOOT)
        for how in ('reset', 'reboot'):
            if how == 'reset':
                guest.qmp.command('system_reset')
            else:
                guest.ok('reboot & true')
            guest.shell_ready()
            online(guest, '0-1,5')
        # A reset while one is to go: it is gone
        guest.qmp.command('stop')
        guest.qmp.command('device_del', id='cpu5')
        guest.qmp.command('system_reset')
        guest.qmp.event('DEVICE_DELETED', BOOT)
        guest.qmp.command('cont')
        guest.shell_ready()
        online(guest, '0-1')


@test
def device_add_refused():
    """One line says why."""
    SETUP.need_xenpv()
    with Guest('-smp', '2,maxcpus=3') as guest:
        there = places(guest)

        def said(name: str, **arguments) -> str:
            answer = guest.qmp.try_command(name, **arguments)
            return answer.get('error', {}).get('desc', str(answer))

        for driver, props, line in (
                (there[0]['type'], there[2]['props'], 'xenpv-vcpu, see query'),
                ('xenpv-vcpu', there[1]['props'], 'this place already'),
                ('xenpv-vcpu', {'core-id': 77}, 'there is no such place')):
            text = said('device_add', driver=driver, **props)
            check(line in text, f'{driver} {props}: {text}')
        guest.qmp.command('device_add', driver='xenpv-vcpu', id='last')
        text = said('device_add', driver='xenpv-vcpu')
        check('all of -smp maxcpus=' in text, text)
        text = said('device_del', id=there[0]['qom-path'])
        check('only what has been plugged' in text, text)
    refused('-smp', '2,maxcpus=3', '-device', 'max-x86_64-cpu,apic-id=2',
            names='xenpv-vcpu', kernel=SETUP.kernel())


# ---- time ----

def stolen(guest: Guest) -> int:
    """In hundredths of a second, of all vCPUs."""
    return int(guest.ok('head -n 1 /proc/stat').split()[8])


@test
def steal():
    """What the host runs instead of a vCPU the guest sees as stolen: two busy
    ones on one processor of the host's."""
    SETUP.need_xenpv()
    if not os.path.exists('/proc/self/schedstat'):
        raise Skip('the host does not count how long threads wait')
    with Guest('-smp', '2') as guest:
        guest.shell_ready()
        before = stolen(guest)
        for vcpu in guest.qmp.command('query-cpus-fast'):
            os.sched_setaffinity(vcpu['thread-id'],
                                 {min(os.sched_getaffinity(0))})
        for cpu in range(2):
            guest.ok(f'taskset -c {cpu} sh -c "while [ ! -e /tmp/stop ]; do '
                     ':; done" & true')
        deadline = time.monotonic() + BOOT
        while stolen(guest) < before + 100:
            check(time.monotonic() < deadline,
                  f'{stolen(guest) - before} hundredths of a second stolen')
            time.sleep(0.5)
        guest.ok('touch /tmp/stop; wait; xpv test klog')


@test
def too_many():
    SETUP.need_xenpv()
    refused('-smp', '65', names='64')
