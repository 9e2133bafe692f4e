# SPDX-License-Identifier: GPL-2.0-or-later
"""The primary console, through every kind of character device."""

import os
import random
import re
import select
import tempfile
import time
import tty
import zlib

from harness import BOOT, FACTOR, SETUP, Guest, Skip, check, equal
from registry import test


@test
def session():
    """A person at the keyboard: commands, exact echo, interrupt, history."""
    with Guest() as guest:
        guest.shell_ready()
        equal(guest.ok('echo $((6 * 7))'), '42', 'output')
        equal(guest.run('false')[0], 1, 'status of false')
        # the shell echoes by itself what comes before its prompt
        guest.expect('# ')
            # the kernel's own echo and cat's output, byte for byte
        guest.console.send(b'cat\n')
        guest.expect('cat\r\n')
        time.sleep(1)
        start = guest.console.pos
        lines = [f'line {i} ~!@#$%^&*()_+{{}}|:"<>?' for i in range(20)]
        for line in lines:
            guest.console.send(line.encode() + b'\n')
            guest.expect(re.escape(line) + '\r\n' + re.escape(line) + '\r\n')
        equal(bytes(guest.console.data[start:]),
              b''.join(2 * (line.encode() + b'\r\n') for line in lines),
              'echo and output')
        guest.console.send(b'\x04')
        guest.expect('# ')
        guest.console.send(b'sleep 1000\n')
        guest.expect('sleep 1000\r\n')
        time.sleep(1)
        guest.console.send(b'\x03')
        guest.expect(r'\^C')
        guest.console.send(b'echo status=$?\n')
        guest.expect('status=130\r\n')
        guest.console.send(b'exit\n')
        guest.expect('INIT: done, status 0')
        guest.ends(0)


@test
def keystrokes():
    """One byte at a time: none lost, none doubled, none late."""
    with Guest() as guest:
        guest.shell_ready()
        guest.console.send(b'stty -icanon -echo; while true; do c=$(dd bs=1 '
                           b'count=1 2>/dev/null); printf "<%s>" "$c"; done\n')
        time.sleep(2)
        for char in 'the quick brown fox jumps over 13 lazy dogs':
            guest.console.send(char.encode())
            guest.expect(re.escape(f'<{char}>'))


@test
def idle_wakeups():
    """An idle guest hears of every event, whenever it comes.

    One that is lost between the last look and going to sleep stays lost
    until the next: here there is none."""
    chance = random.Random(7)
    with Guest() as guest:
        guest.shell_ready()
        guest.ok('stty -echo')
        guest.console.send(b'while read -r line; do echo "<$line>"; done\n')
        time.sleep(1)
        for i in range(5000 if SETUP.full else 400):
            time.sleep(chance.random() * 0.02)
            guest.console.send(b'%d\n' % i)
            guest.expect(f'<{i}>\r\n')


def sum_of(guest: Guest, count: int, pause: float = 0) -> None:
    """Have the guest write @count bytes, and compare the sums."""
    guest.console.send(f'xpv source {count}\n'.encode())
    guest.expect('SOURCE begin\r\n')
    start = guest.console.pos
    if pause:
        guest.console.pause()
        time.sleep(pause)
        guest.console.resume()
    match = guest.expect(r'SOURCE end (\d+) lines sum ([0-9a-f]+)\r\n',
                         (120 + count / 50000) * FACTOR)
    data = bytes(guest.console.data[start:guest.console.match_at])
    lines = data.split(b'\r\n')[:-1]
    for number, line in enumerate(lines):
        if len(line) != 63 or line[:8] != b'%08x' % number:
            check(False, f'line {number} is {line!r}')
    equal(len(lines), int(match[1]), 'number of lines')
    equal(f'{zlib.crc32(b"".join(lines)):08x}', match[2].decode(),
          'sum of what came out')


@test
def bulk_output():
    size = 100 << 20 if SETUP.full else 4 << 20
    with Guest() as guest:
        guest.shell_ready()
        sum_of(guest, size)
        guest.ok('true')


@test
def blocked_output():
    """Nobody reads for a while: the guest waits, nothing is lost."""
    with Guest() as guest:
        guest.shell_ready()
        for pause in (3, 5):
            sum_of(guest, 2 << 20, pause)
        # blocked output must not stop the rest of the machine
        guest.console.send(b'xpv source 4000000\n')
        guest.expect('SOURCE begin')
        guest.console.pause()
        time.sleep(2)
        equal(guest.qmp.command('query-status')['status'], 'running', 'status')
        guest.console.resume()
        guest.expect('SOURCE end', BOOT)
        guest.ok('true')


@test
def paste():
    """Input far faster than it is read: every byte arrives once."""
    size = 4 << 20 if SETUP.full else 256 << 10
    text = random.Random(1).choices(b'abcdefghijklmnopqrstuvwxyz \n', k=size)
    data = bytes(text)
    with Guest() as guest:
        guest.shell_ready()
        guest.console.send(f'xpv sink {size}\n'.encode())
        guest.expect('SINK ready\r\n')
        guest.console.send(data)
        match = guest.expect(r'SINK (\d+) bytes sum ([0-9a-f]+)\r', BOOT)
        equal(int(match[1]), size, 'bytes that arrived')
        equal(match[2].decode(), f'{zlib.crc32(data):08x}', 'their sum')
        guest.ok('true')


@test
def all_bytes():
    """A raw terminal carries every byte value both ways."""
    # all but ^O, which on hvc0 begins a SysRq key
    data = bytes(value for value in range(256) if value != 15) * 40
    with Guest() as guest:
        guest.shell_ready()
        guest.console.send(f'xpv sink {len(data)}\n'.encode())
        guest.expect('SINK ready\r\n')
        guest.console.send(data)
        match = guest.expect(r'SINK (\d+) bytes sum ([0-9a-f]+)\r')
        equal((int(match[1]), match[2].decode()),
              (len(data), f'{zlib.crc32(data):08x}'), 'input')
        guest.ok('>/tmp/bytes')
        for start in range(0, 256, 64):
            part = ''.join(f'\\{value:03o}'
                           for value in range(start, start + 64))
            guest.ok(f"printf '{part}' >>/tmp/bytes")
        guest.console.send(b"stty raw -echo; printf '>>'; cat /tmp/bytes; "
                           b"printf '<<'; stty sane\n")
        guest.expect('>>\0[\\s\\S]{255}<<')
        got = bytes(guest.console.data[guest.console.match_at + 2:
                                       guest.console.pos - 2])
        equal(got, bytes(range(256)), 'output')


@test
def both_ways_at_once():
    """Input while output floods: neither starves the other."""
    with Guest() as guest:
        guest.shell_ready()
        guest.console.send(b'xpv source 3000000 & xpv sink 20000; wait\n')
        guest.expect('SINK ready')
        guest.console.send(b'y' * 20000)
        match = guest.expect(r'SINK (\d+) bytes sum ([0-9a-f]+)\r', BOOT)
        equal((int(match[1]), match[2].decode()),
              (20000, f'{zlib.crc32(b"y" * 20000):08x}'), 'input')
        guest.expect('SOURCE end|# ', BOOT)


@test
def to_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'out')
        with Guest(do='test:smoke',
                   console=f'file,id=con,path={path}') as guest:
            guest.ends(0, BOOT)
        with open(path, 'rb') as file:
            text = file.read()
        for mark in (b'INIT: start ', b'RESULT smoke', b'INIT: done'):
            check(mark in text, f'{mark!r} is not in the file')


@test
def log_file():
    """A log holds just what went to the socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'log')
        with Guest(do='test:smoke',
                   console_options=f',logfile={path}') as guest:
            guest.expect('RESULT smoke', BOOT)
            guest.expect('INIT: done', BOOT)
            guest.ends(0)
            guest.console.wait_closed()
            with open(path, 'rb') as file:
                equal(file.read(), bytes(guest.console.data), 'the log')


@test
def on_pty():
    """A pty: its name is known to QMP, and to xenstore."""
    with Guest(console='pty,id=con') as guest:
        name = next(dev['filename'] for dev in
                    guest.qmp.command('query-chardev')
                    if dev['label'] == 'con').partition(':')[2]
        check(name.startswith('/dev/pts/'), f'QMP calls it {name!r}')
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
        try:
            tty.setraw(fd)
            seen = b''
            sent = False
            tty_node = (name.encode() + b'\r' if SETUP.machine == 'xenpv'
                        else b'INIT')
            deadline = time.monotonic() + BOOT
            while tty_node not in seen.partition(b'status 11 ')[2]:
                left = deadline - time.monotonic()
                check(left > 0, f'no answer on the pty: {seen[-300:]!r}')
                if not select.select([fd], [], [], left)[0]:
                    continue
                seen += os.read(fd, 65536)
                if not sent and re.search(rb'shell[\s\S]*# ', seen):
                    os.write(fd, b'echo status $((5 + 6)) INIT; '
                                 b'xpv xs read console/tty\n')
                    sent = True
            os.write(fd, b'exit\n')
            guest.ends(0)
        finally:
            os.close(fd)


@test
def on_stdio():
    """What a user types: -nographic, console on the terminal."""
    if SETUP.machine != 'xenpv':
        raise Skip('only with -M xenpv')
    pid, fd = os.forkpty()
    if pid == 0:
        os.execv(SETUP.qemu, [
            SETUP.qemu, '-M', 'xenpv', '-m', '512',
            '-kernel', SETUP.kernel(), '-initrd', SETUP.initrd,
            '-append', 'console=hvc0 quiet', '-nographic'])
    seen = b''
    sent = False
    deadline = time.monotonic() + BOOT
    try:
        while True:
            left = deadline - time.monotonic()
            check(left > 0, f'no end: {seen[-300:]!r}')
            if not select.select([fd], [], [], left)[0]:
                continue
            try:
                piece = os.read(fd, 65536)
            except OSError:
                piece = b''
            if not piece:
                break
            seen += piece
            if not sent and re.search(rb'INIT: shell[\s\S]*# ', seen):
                os.write(fd, b'echo the answer: $((6 * 7)); exit\n')
                sent = True
    finally:
        if time.monotonic() >= deadline:
            os.kill(pid, 9)
        status = os.waitpid(pid, 0)[1]
        os.close(fd)
    check(b'the answer: 42' in seen, seen[-300:])
    equal(status, 0, 'exit status')
