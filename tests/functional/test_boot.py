# SPDX-License-Identifier: GPL-2.0-or-later
"""Distribution kernels to userspace, in every form they come in."""

import os
import re
import subprocess

import kernels
from harness import BOOT, FACTOR, SETUP, Guest, Skip, check
from registry import test, test_each_kernel


def prove(kernel: str) -> None:
    """Boot, let the guest say what it is, power off."""
    with Guest(do='demo', kernel=kernel) as guest:
        guest.started_up()
        if SETUP.machine == 'xenpv':
            guest.expect('PROOF: this is a Xen PV guest')
        guest.expect('INIT: done, status', BOOT)
        guest.ends(0)


@test_each_kernel
def bzimage(label):
    prove(SETUP.kernel(label))


@test_each_kernel
def plain_elf(label):
    SETUP.need_xenpv()      # pc takes an ELF file for PVH
    prove(kernels.plain_elf(SETUP.kernel(label), SETUP.work))


def repacked(kind: str) -> None:
    SETUP.need_xenpv()
    source = SETUP.kernel()
    out = os.path.join(SETUP.work, f'{os.path.basename(source)}.{kind}')
    if not os.path.exists(out):
        image = kernels.read(source)
        data = kernels.compressed(kernels.payload(image), kind)
        kernels.write(out, kernels.with_payload(image, data))
    prove(out)


@test
def payload_gzip():
    repacked('gzip')


@test
def payload_bzip2():
    repacked('bzip2')


@test
def payload_lzma():
    repacked('lzma')


@test
def payload_xz():
    repacked('xz')


def memory(size: str, percent: int, lowest_mib: int) -> None:
    with Guest(mem=size) as guest:
        guest.shell_ready()
        total = int(re.search(r'MemTotal:\s+(\d+)',
                              guest.ok('cat /proc/meminfo'))[1]) // 1024
        check(total >= lowest_mib, f'-m {size} gave the guest {total} MiB')
        text = guest.ok(f'xpv memtouch {percent}', BOOT * 3)
        check(', 0 pages wrong' in text, text)
        guest.ok('xpv test klog')
        guest.console.send(b'exit\n')
        guest.ends(0)


@test_each_kernel
def memory_smallest(label):
    """Too little is refused with the number that is enough to start with.

    Debian's kernels lie at 16 MiB and end beyond 64 MiB, so a PV guest with
    64 MiB cannot hold them, here or on Xen.  The machine itself is tried with
    32M by guest-abi."""
    SETUP.need_xenpv()
    kernel = SETUP.kernel(label)
    done = subprocess.run(
        [SETUP.qemu, '-M', 'xenpv', '-m', '64M', '-display', 'none',
         '-kernel', kernel, '-initrd', SETUP.initrd], check=False,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=BOOT)
    match = re.search(r'needs at least (\d+) MiB', done.stderr)
    check(done.returncode == 1 and match, f'-m 64M: {done.stderr.strip()}')
    # a little more for the kernel to come up in
    with Guest(mem=f'{int(match[1]) + 8}M', do='test:smoke,test:klog',
               kernel=kernel) as guest:
        guest.expect('RESULT smoke [0-9]+ passed, 0 failed', BOOT)
        guest.expect('RESULT klog 1 passed', BOOT)
        guest.ends(0)


@test
def memory_256m():
    memory('256M', 80, 150)


def need_host_memory(mib: int) -> None:
    with open('/proc/meminfo', encoding='ascii') as file:
        free = int(re.search(r'MemAvailable:\s+(\d+)', file.read())[1]) // 1024
    if free < mib:
        raise Skip(f'the host has {free} MiB free, this needs {mib}')


@test
def memory_across_4g():
    """The hole below 4 GiB: RAM continues above it, and is other RAM."""
    need_host_memory(7000)
    memory('5G', 90, 4700)


@test
def memory_16g():
    if not SETUP.full:
        raise Skip('takes long: --full')
    need_host_memory(3000)
    memory('16G', 5, 15500)


@test
def command_line_verbatim():
    words = 'one two="three four" five=' + 'x' * 700
    with Guest(append=words) as guest:
        guest.shell_ready()
        check(guest.ok('cat /proc/cmdline').replace('\n', '').endswith(words),
              'the command line was changed')


@test
def without_initrd():
    """No root then: the kernel panics, and says why on the console."""
    if SETUP.machine != 'xenpv':
        raise Skip('-M pc has other defaults')
    with Guest('-no-reboot', initrd='') as guest:
        guest.expect('Unable to mount root fs|No working init')


@test_each_kernel
def many_boots(label):
    """A start that hangs once in a while shows only in numbers."""
    if not SETUP.full:
        raise Skip('takes long: --full')
    for _ in range(10):
        with Guest(do='none', kernel=SETUP.kernel(label)) as guest:
            guest.started_up()
            guest.ends(0, BOOT)


@test
def clock_against_host():
    """Ten seconds of the guest are about ten of the host."""
    with Guest() as guest:
        guest.shell_ready()
        first = guest.ok("cut -d' ' -f1 /proc/uptime")
        at = guest.console.when(guest.console.match_at)
        guest.ok('sleep 10', 60 * FACTOR)
        second = guest.ok("cut -d' ' -f1 /proc/uptime")
        host = guest.console.when(guest.console.match_at) - at
        one, two = float(first), float(second)
        check(0.7 < (two - one) / host < 1.3,
              f'the guest counted {two - one:.2f} s in {host:.2f} s')
