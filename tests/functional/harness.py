# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU under test: its process, its console, its QMP.

Everything a test waits for has a limit, far above what it should take: the
machine may be busy.  XENPV_TIMEOUT_FACTOR multiplies all of them.
"""

import bisect
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

FACTOR = float(os.environ.get('XENPV_TIMEOUT_FACTOR', '1'))
BOOT = 180 * FACTOR
SHORT = 60 * FACTOR


class Skip(Exception):
    """The test cannot say anything here; the reason is the message."""


class Failure(AssertionError):
    """The subject is wrong; the message says how."""


def check(condition: Any, message: str) -> None:
    if not condition:
        raise Failure(message)


def equal(got: Any, want: Any, what: str) -> None:
    if got != want:
        raise Failure(f'{what} is {got!r}, not {want!r}')


_NOTES = threading.local()


def note(text: str) -> None:
    """Something to print beside the result of this thread's test."""
    notes().append(text)


def notes() -> List[str]:
    if not hasattr(_NOTES, 'list'):
        _NOTES.list = []
    return _NOTES.list


class Console:
    """One end of a byte stream, read in the background.

    expect() looks only at what came after the last match, so that a test
    reads as the conversation it is.
    """

    def __init__(self, sock: socket.socket, name: str = 'console'):
        self.name = name
        self.data = bytearray()
        self.pos = 0
        self.closed = False
        self._sock = sock
        self._stamps: List[Tuple[int, float]] = []
        self._changed = threading.Condition()
        self._gate = threading.Event()
        self._gate.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self._gate.wait()
            try:
                piece = self._sock.recv(65536)
            except OSError:
                piece = b''
            with self._changed:
                if not piece:
                    self.closed = True
                    self._changed.notify_all()
                    return
                self._stamps.append((len(self.data), time.monotonic()))
                self.data += piece
                self._changed.notify_all()

    def pause(self) -> None:
        """Stop reading: what the guest writes then has nowhere to go.

        A read already under way still returns once."""
        self._gate.clear()

    def resume(self) -> None:
        self._gate.set()

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def close(self) -> None:
        self._gate.set()
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._sock.close()

    def when(self, offset: int) -> float:
        """When the byte at that offset arrived, on time.monotonic()."""
        index = bisect.bisect_right(self._stamps, (offset, float('inf')))
        return self._stamps[index - 1][1]

    def tail(self, count: int = 600) -> str:
        return self.data[-count:].decode(errors='replace')

    def expect(self, pattern: str, timeout: float = SHORT) -> 're.Match':
        """Wait for a pattern (at most a few lines long) and go past it."""
        regex = re.compile(pattern.encode())
        deadline = time.monotonic() + timeout
        start = self.pos
        with self._changed:
            while True:
                match = regex.search(self.data, start)
                if match:
                    # what is kept must not pin the buffer
                    found = regex.search(bytes(match.group(0)))
                    self.match_at = match.start()
                    self.pos = match.end()
                    return found or match
                start = max(self.pos, len(self.data) - 4096)
                left = deadline - time.monotonic()
                if self.closed or left <= 0:
                    why = ('the stream ended' if self.closed
                           else f'{timeout:.0f} s passed')
                    raise Failure(f'{self.name}: {why} without {pattern!r}; '
                                  f'it ends in {self.tail()!r}')
                self._changed.wait(left)

    def wait_closed(self, timeout: float = SHORT) -> None:
        """Wait for the other end to close, so that all data is here."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.closed, timeout):
                raise Failure(f'{self.name} is still open')

    def idle(self, seconds: float) -> bool:
        """Does nothing arrive for that long?"""
        before = len(self.data)
        time.sleep(seconds)
        return len(self.data) == before


class Qmp:
    def __init__(self, sock: socket.socket):
        self.events: List[Dict] = []
        self._sock = sock
        self._buffer = b''
        self._receive(SHORT)
        self.command('qmp_capabilities')

    def _receive(self, timeout: float) -> Dict:
        deadline = time.monotonic() + timeout
        while b'\n' not in self._buffer:
            self._sock.settimeout(max(0.01, deadline - time.monotonic()))
            piece = self._sock.recv(65536)
            if not piece:
                raise EOFError('QMP connection closed')
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b'\n')
        return json.loads(line)

    def try_command(self, name: str, **arguments: Any) -> Dict:
        """The whole answer, with "return" or "error" in it."""
        message = {'execute': name, 'arguments': arguments}
        self._sock.sendall(json.dumps(message).encode() + b'\n')
        while True:
            answer = self._receive(SHORT)
            if 'event' not in answer:
                return answer
            self.events.append(answer)

    def command(self, name: str, **arguments: Any) -> Any:
        answer = self.try_command(name, **arguments)
        if 'error' in answer:
            raise Failure(f"QMP {name}: {answer['error']['desc']}")
        return answer['return']

    def hmp(self, line: str) -> str:
        return self.command('human-monitor-command', **{'command-line': line})

    def event(self, name: str, timeout: float = SHORT,
              matches: Callable[[Dict], bool] = lambda data: True) -> Dict:
        """The next event of that name, whose data it removes and returns."""
        deadline = time.monotonic() + timeout
        while True:
            for index, event in enumerate(self.events):
                data = event.get('data', {})
                if event['event'] == name and matches(data):
                    del self.events[:index + 1]
                    return data
            try:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise socket.timeout
                answer = self._receive(left)
            except (socket.timeout, EOFError) as err:
                raise Failure(f'QMP: no event {name}, only '
                              f'{[e["event"] for e in self.events]}') from err
            if 'event' in answer:
                self.events.append(answer)

    def close(self) -> None:
        self._sock.close()


class Setup:
    """What to test with: filled in by the runner from the command line."""

    qemu = ''
    machine = 'xenpv'
    machine_options = ''
    accel = 'tcg'
    qemu_args: List[str] = []
    kernels: List[Tuple[str, str]] = []     # label, path
    initrd = ''
    full = False
    verbose = False
    work = ''                               # for files kept between tests

    def console_device(self) -> str:
        return 'hvc0' if self.machine == 'xenpv' else 'ttyS0'

    def kernel(self, wanted: Optional[str] = None) -> str:
        for label, path in self.kernels:
            if wanted is None or label == wanted:
                return path
        raise Skip(f'no kernel {wanted} given')

    def need_xenpv(self) -> None:
        if self.machine != 'xenpv':
            raise Skip(f'only with -M xenpv, not {self.machine}')


SETUP = Setup()


def connect(path: str, timeout: float = SHORT,
            process: Optional[subprocess.Popen] = None) -> socket.socket:
    """Connect to a socket that may not be there yet."""
    deadline = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            if process and process.poll() is not None:
                raise
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


class Guest:
    """A running QEMU.  Use as a context manager: it never outlives the test.

    @do, @then: what the guest's init is to do (see tests/guest/init)
    @append: more for the kernel's command line
    @initrd: instead of the usual one; '' for none
    @console: 'socket', or the -chardev option for another kind, with id=con
    @console_options: more of that option
    @machine_options, @accel_options: properties of machine and accelerator
    @env: more for QEMU's environment
    """

    def __init__(self, *args: str, do: str = 'shell', then: str = 'poweroff',
                 append: str = '', mem: str = '512M',
                 kernel: Optional[str] = None, initrd: Optional[str] = None,
                 console: str = 'socket', console_options: str = '',
                 machine_options: str = '', accel_options: str = '',
                 quiet: bool = True, env: Optional[Dict[str, str]] = None):
        self.env = env
        self.dir = tempfile.mkdtemp(prefix='xenpv-')
        self.args = self._command_line(args, do, then, append, mem, kernel,
                                       initrd, console, console_options,
                                       machine_options, accel_options, quiet)
        self._console_kind = console
        self._tags = 0
        self.console: Optional[Console] = None
        self.qmp: Optional[Qmp] = None
        self.started = 0.0      # when QEMU was, on time.monotonic()
        self.process: Optional[subprocess.Popen] = None
        self._stderr_path = self.path('stderr')

    def path(self, name: str) -> str:
        return os.path.join(self.dir, name)

    def _command_line(self, args, do, then, append, mem, kernel, initrd,
                      console, console_options, machine_options,
                      accel_options, quiet) -> List[str]:
        machine = SETUP.machine
        if SETUP.machine_options:
            machine += ',' + SETUP.machine_options
        if machine_options:
            machine += ',' + machine_options
        words = [f'console={SETUP.console_device()}']
        if quiet:
            words.append('quiet')
        words += [f'xenpv.do={do}', f'xenpv.then={then}']
        if append:
            words.append(append)
        if initrd is None:
            initrd = SETUP.initrd
        if initrd is None:
            initrd = SETUP.initrd
        if console == 'socket':
            console = ('socket,id=con,server=on,wait=on,path='
                       + self.path('console'))
        console += console_options
        return [
            SETUP.qemu, '-M', machine, '-accel',
            SETUP.accel + accel_options, '-m', mem,
            *SETUP.qemu_args, '-nodefaults', '-display', 'none',
            '-chardev', console, '-serial', 'chardev:con',
            '-chardev', 'socket,id=qmp,server=on,wait=off,path='
            + self.path('qmp'), '-mon', 'chardev=qmp,mode=control',
            '-kernel', kernel or SETUP.kernel(),
            *(['-initrd', initrd] if initrd else []),
            '-append', ' '.join(words), *args]

    def __enter__(self) -> 'Guest':
        self.started = time.monotonic()
        with open(self._stderr_path, 'wb') as err:
            self.process = subprocess.Popen(
                self.args, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env={**os.environ, **self.env} if self.env else None)
        try:
            if self._console_kind == 'socket':
                self.console = Console(connect(self.path('console'),
                                               process=self.process))
            self.qmp = Qmp(connect(self.path('qmp'), process=self.process))
        except OSError as err:
            text = self.stderr()
            status = self.process.poll()
            self.__exit__(None, None, None)
            raise Failure(f'QEMU does not run (status {status}): '
                          f'{text or err}') from err
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind and SETUP.verbose and self.console:
            note('console: ' + self.console.tail(4000))
        if kind and self.stderr():
            note('QEMU said: ' + self.stderr())
        for end in (self.console, self.qmp):
            if end:
                end.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stderr(self) -> str:
        try:
            with open(self._stderr_path, encoding='utf-8',
                      errors='replace') as file:
                text = file.read()
            # QEMU says so for each chardev with wait=on
            return '\n'.join(line for line in text.splitlines() if
                             'QEMU waiting for connection' not in line)
        except OSError:
            return ''

    def expect(self, pattern: str, timeout: float = BOOT) -> 're.Match':
        assert self.console
        return self.console.expect(pattern, timeout)

    def started_up(self, timeout: float = BOOT) -> None:
        """Wait for the first process of the guest."""
        self.expect(r'INIT: start', timeout)

    def shell_ready(self, timeout: float = BOOT) -> None:
        self.expect(r'INIT: shell[\s\S]*?# ', timeout)

    def run(self, command: str, timeout: float = SHORT) -> Tuple[int, str]:
        """A command in the guest's shell: its status and what it printed.

        The marks are put together by the guest, so that the echo of the
        command line cannot be taken for them.
        """
        assert self.console
        self._tags += 1
        tag = self._tags
        self.console.send(f"printf 'BEG%s\\n' {tag}; {command}; "
                          f"printf '\\nEND%s:%d\\n' {tag} $?\n".encode())
        self.console.expect(f'BEG{tag}\r\n', timeout)
        start = self.console.pos
        match = self.console.expect(f'\r\nEND{tag}:(\\d+)\r\n', timeout)
        text = bytes(self.console.data[start:self.console.match_at])
        return (int(match[1]),
                text.decode(errors='replace').replace('\r\n', '\n').strip())

    def ok(self, command: str, timeout: float = SHORT) -> str:
        status, text = self.run(command, timeout)
        check(status == 0, f"guest: '{command}' gave {status}: {text}")
        return text

    def continue_from(self, other: 'Guest') -> None:
        """The guest's shell is the one that other has talked to."""
        self._tags = other._tags

    def wait_exit(self, timeout: float = SHORT) -> int:
        assert self.process
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as err:
            raise Failure(f'QEMU still runs after {timeout:.0f} s; the '
                          f'console ends in '
                          f'{self.console.tail() if self.console else ""!r}'
                          ) from err

    def ends(self, status: int = 0, timeout: float = SHORT) -> None:
        equal(self.wait_exit(timeout), status, "QEMU's exit status")

    def rss_kib(self) -> int:
        assert self.process
        with open(f'/proc/{self.process.pid}/status',
                  encoding='ascii') as file:
            match = re.search(r'VmRSS:\s+(\d+)', file.read())
        return int(match[1]) if match else 0
