# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that is given memory and asked for it back, from outside."""

import re

import disks
from disks import wait_for
from harness import BOOT, SETUP, Guest, Skip, check, equal
from registry import test, test_each_kernel
from test_errors import refused
from test_migrate import INCOMING, arrived, move

MIB = 1 << 20


def actual(vm: Guest) -> int:
    return vm.qmp.command('query-balloon')['actual'] // MIB


def total(vm: Guest) -> int:
    """What the guest's kernel has to give, in MiB."""
    return int(re.search(r'MemTotal:\s+(\d+)',
                         vm.ok('cat /proc/meminfo'))[1]) // 1024


def balloon(vm: Guest, mib: int, timeout: float = BOOT) -> None:
    """Ask, and wait until the guest has done it.  Linux leaves the last page
    or two where they are."""
    vm.qmp.command('balloon', value=mib * MIB)
    wait_for(lambda: abs(actual(vm) - mib) <= 1,
             f'the guest has {actual(vm)} MiB, not {mib}', timeout)


def touch(vm: Guest, percent: int = 80) -> None:
    text = vm.ok(f'xpv memtouch {percent}', BOOT * 3)
    check(', 0 pages wrong' in text, text)


@test_each_kernel
def both_ways(label):
    """Up to maxmem, below what it started with, and back; what the guest
    gives back the host has again."""
    SETUP.need_xenpv()
    with Guest(mem='256M,maxmem=512M', kernel=SETUP.kernel(label)) as vm:
        vm.shell_ready()
        equal(actual(vm), 256, 'MiB at start')
        at_start = total(vm)
        check(at_start < 256, f'the guest has {at_start} MiB of 256')
        balloon(vm, 512)
        vm.qmp.event('BALLOON_CHANGE')
        check(total(vm) >= at_start + 250, f'only {total(vm)} MiB more')
        touch(vm)
        with_all = vm.rss_kib() // 1024
        balloon(vm, 160)
        left = vm.rss_kib() // 1024
        # Of 352; QEMU needs more for itself meanwhile (translated code).
        check(left <= with_all - 250, f'QEMU had {with_all} MiB with 512 MiB '
              f'of the guest and has {left} with 160')
        touch(vm)
        balloon(vm, 512)
        touch(vm)
        vm.ok('xpv test klog')


@test
def reset():
    """A reset guest has what it was started with, whatever it had."""
    SETUP.need_xenpv()
    with Guest(mem='256M,maxmem=512M') as vm:
        vm.shell_ready()
        for mib in (512, 160):
            balloon(vm, mib)
            touch(vm)
            vm.console.send(b'reboot -f\n')
            vm.shell_ready()
            equal(actual(vm), 256, 'MiB after a reboot')
            touch(vm)
        balloon(vm, 400)
        # more than there is
        vm.qmp.command('balloon', value=4096 * MIB)
        wait_for(lambda: actual(vm) >= 511, f'it has {actual(vm)} MiB')


@test
def backend():
    """The user's own memory backend, shared with others: holes in a file."""
    SETUP.need_xenpv()
    with Guest('-object', 'memory-backend-memfd,id=m,size=256M,share=on',
               mem='256M,maxmem=320M', machine_options='memory-backend=m'
               ) as vm:
        vm.shell_ready()
        touch(vm)
        before = vm.rss_kib() // 1024
        balloon(vm, 140)
        after = vm.rss_kib() // 1024
        check(after <= before - 80, f'QEMU had {before} MiB, has {after}')
        balloon(vm, 320)
        touch(vm)


@test
def disk():
    """What a disk writes to memory the guest was given is there."""
    SETUP.need_xenpv()
    with disks.images() as store:
        path = store.pattern('a.raw', 192 * MIB)
        with disks.guest(*disks.disk('a', path), mem='160M,maxmem=512M') as vm:
            vm.shell_ready()
            balloon(vm, 512)
            vm.ok('disk wait xvda')
            for _ in range(2):                  # from the disk, from memory
                equal(disks.guest_digest(vm, 'xvda'), disks.digest_of(path),
                      'the digest')


@test
def moved():
    """A guest that has been given memory takes it along."""
    SETUP.need_xenpv()
    mem = '160M,maxmem=320M'
    with Guest(mem=mem) as first:
        first.shell_ready()
        balloon(first, 320)
        with Guest(*INCOMING, mem=mem) as second:
            move(first, second)
            arrived(second)
            equal(actual(second), 320, 'MiB that have come')
            touch(second)
            balloon(second, 140)
            touch(second)
            balloon(second, 300)
            touch(second)


@test
def around_the_hole():
    """From below it to above it."""
    SETUP.need_xenpv()
    if not SETUP.full:
        raise Skip('takes 5 GiB and minutes: with --full')
    with Guest(mem='1G,maxmem=5G') as vm:
        vm.shell_ready()
        balloon(vm, 5 * 1024, BOOT * 4)
        touch(vm, 90)
        balloon(vm, 512, BOOT * 4)
        touch(vm)
        vm.ok('xpv test klog')


@test
def options():
    refused('-m', '256M,slots=2,maxmem=1G', kernel=SETUP.kernel(),
            names='slots')
    refused('-m', '256M,maxmem=1T', kernel=SETUP.kernel(), names='-m')
    refused('-m', '256M,maxmem=128M', kernel=SETUP.kernel(), names='maxmem')
