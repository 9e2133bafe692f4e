# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's general options mean what they mean on any machine."""

import os
import re
import tempfile
import time
import uuid

from harness import FACTOR, SETUP, Guest, Skip, check, connect, equal
from registry import test


@test
def name_and_uuid():
    SETUP.need_xenpv()
    ident = str(uuid.uuid4())
    with Guest('-name', 'a-certain-guest', '-uuid', ident) as guest:
        guest.shell_ready()
        equal(guest.ok('xpv xs read name'), 'a-certain-guest', 'name')
        equal(guest.ok('cat /sys/hypervisor/uuid'), ident, 'uuid')
        vm = guest.ok('xpv xs read vm')
        check(ident in vm, f'vm is {vm}')


@test
def default_name():
    SETUP.need_xenpv()
    with Guest() as guest:
        guest.shell_ready()
        check(guest.ok('xpv xs read name'), 'the name is empty')


@test
def rtc_base():
    with Guest('-rtc', 'base=2031-05-06T07:08:09') as guest:
        guest.shell_ready()
        year = guest.ok('date -u "+%Y-%m-%d %H"')
        check(year in ('2031-05-06 07', '2031-05-06 08'), year)


@test
def rtc_utc():
    with Guest() as guest:
        guest.shell_ready()
        there = int(guest.ok('date +%s'))
        check(abs(there - time.time()) < 120,
              f'the guest is {there - time.time():.0f} s off')


@test
def copies_by_the_byte():
    """Under TCG no CPU flag invites to copy by string instructions, unless
    -cpu asks for it."""
    SETUP.need_xenpv()
    if SETUP.accel != 'tcg':
        raise Skip(f'only under TCG, not {SETUP.accel}')
    flags = {'erms', 'fsrm'}
    for options, wanted in (([], set()), (['-cpu', 'max,+erms'], {'erms'})):
        with Guest(*options) as guest:
            guest.shell_ready()
            got = guest.ok("sed -n 's/^flags.*://p' /proc/cpuinfo").split()
            check('nx' in got, f'flags: {got}')
            equal(flags.intersection(got), wanted, f'flags with {options}')


def rsp(sock, packet: str) -> str:
    """One exchange in GDB's remote protocol."""
    data = packet.encode()
    sock.sendall(b'$' + data + b'#%02x' % (sum(data) & 0xff))
    answer = b''
    while not re.search(rb'\$[^#]*#..', answer):
        piece = sock.recv(65536)
        check(piece, 'the stub closed the connection')
        answer += piece
    sock.sendall(b'+')
    return re.search(rb'\$([^#]*)#', answer)[1].decode()


@test
def gdb_stub():
    """Stopped, looked at, stepped and let go: from the very first one on."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'gdb')
        with Guest('-S', '-gdb', f'unix:{path},server=on,wait=off') as guest:
            sock = connect(path)
            sock.settimeout(30 * FACTOR)
            check(rsp(sock, '?').startswith('T'), 'no stop reply')
            regs = rsp(sock, 'g')
            check(len(regs) >= 16 * 17, f'registers: {regs}')
            rip = int.from_bytes(bytes.fromhex(regs[256:272]), 'little')
            stop = rsp(sock, 'vCont;s:1')
            check(stop.startswith('T05'), f'after a step: {stop}')
            regs = rsp(sock, 'g')
            check(int.from_bytes(bytes.fromhex(regs[256:272]), 'little') != rip,
                  'the step went nowhere')
            code = rsp(sock, f'm{rip:x},8')
            check(len(code) == 16, f'memory at {rip:#x}: {code}')
            rsp(sock, 'D')
            guest.qmp.command('cont')
            guest.shell_ready()
            sock.close()
            sock = connect(path)
            sock.settimeout(30 * FACTOR)
            check(rsp(sock, '?').startswith('T'), 'no stop reply later')
            equal(guest.qmp.command('query-status')['status'], 'paused',
                  'status under the debugger')
            rsp(sock, 'D')
            sock.close()
            guest.qmp.command('cont')
            guest.ok('true')


@test
def monitor_information():
    """What QMP and HMP tell of a running guest."""
    with Guest() as guest:
        guest.shell_ready()
        equal(len(guest.qmp.command('query-cpus-fast')), 1, 'vCPUs')
        equal(guest.qmp.command('query-memory-size-summary')['base-memory'],
              512 << 20, 'memory')
        for line in ('info qtree', 'info registers', 'info mtree',
                     'info qom-tree',
                     'info chardev', 'info mem', 'info tlb', 'info lapic'):
            text = guest.qmp.hmp(line)
            check(text, f'{line} says nothing')
        if SETUP.machine == 'xenpv':
            check('xen-console' in guest.qmp.hmp('info qtree'),
                  'info qtree shows no console')
        guest.ok('true')


@test
def crash_kernel():
    """There is none in a PV guest, and asking for one does no harm."""
    if SETUP.machine != 'xenpv':
        raise Skip('is about xenpv')
    with Guest(append='crashkernel=64M') as guest:
        guest.shell_ready()
        guest.ok('dmesg | grep "Ignoring crashkernel for a Xen PV domain"')
        equal(guest.ok('cat /sys/kernel/kexec_crash_size'), '0', 'its memory')


@test
def dump_guest_memory():
    """A look at a running guest's memory does not disturb it."""
    with Guest(mem='128M') as guest:
        guest.shell_ready()
        guest.qmp.command('pmemsave', val=2 << 20, size=1 << 20,
                          filename=guest.path('memory'))
        equal(os.path.getsize(guest.path('memory')), 1 << 20, 'size')
        guest.ok('true')
