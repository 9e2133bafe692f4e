# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at a guest's screen and using it: screen shots, a VNC client of our
own, a window on an X server.

A picture is its width, its height and its pixels as bytes R, G, B.
"""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import disks
from harness import SETUP, SHORT, Failure, Guest, Skip, check, equal

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Picture(NamedTuple):
    width: int
    height: int
    rgb: bytes

    def pixel(self, x: int, y: int) -> str:
        at = (y * self.width + x) * 3
        return self.rgb[at:at + 3].hex()


def pattern(width: int, height: int, seed: int) -> Picture:
    """What "xpv fb pattern" draws."""
    red = bytes((x + seed) & 255 for x in range(width))
    rows = []
    for y in range(height):
        row = bytearray(3 * width)
        row[0::3] = red
        row[1::3] = bytes([(y + 3 * seed) & 255]) * width
        row[2::3] = bytes(((x >> 8) * 16 + (y >> 8) + seed) & 255
                          for x in range(0, width, 256)
                          for _ in range(min(256, width - x)))
        rows.append(bytes(row))
    return Picture(width, height, b''.join(rows))


def difference(got: Picture, want: Picture) -> str:
    """Where they differ first, or ''."""
    if (got.width, got.height) != (want.width, want.height):
        return (f'{got.width}x{got.height} pixels, not '
                f'{want.width}x{want.height}')
    if got.rgb == want.rgb:
        return ''
    stride = 3 * got.width
    for y in range(got.height):
        row, other = (p.rgb[y * stride:(y + 1) * stride] for p in (got, want))
        if row != other:
            x = next(i for i in range(stride) if row[i] != other[i]) // 3
            return (f'at {x},{y} #{got.pixel(x, y)}, not '
                    f'#{want.pixel(x, y)}')
    return ''


def read_ppm(path: str) -> Picture:
    with open(path, 'rb') as file:
        data = file.read()
    match = re.match(rb'P6\s+(\d+)\s+(\d+)\s+255\s', data)
    if not match:
        raise ValueError(f'{path} is no PPM')
    return Picture(int(match[1]), int(match[2]), data[match.end():])


def keep(picture: Picture, name: str) -> None:
    """For people to look at: .work/functional/screens/NAME.ppm"""
    folder = os.path.join(SETUP.work, 'screens')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + '.ppm'), 'wb') as file:
        file.write(b'P6 %d %d 255\n' % picture[:2] + picture.rgb)


def until(get: Callable[[], Any], good: Callable[[Any], bool],
          what: Callable[[Any], str], timeout: float = SHORT) -> Any:
    """Ask again and again until it is as it should be."""
    deadline = time.monotonic() + timeout
    while True:
        value = get()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise Failure(what(value))
        time.sleep(0.1)


def shows(get: Callable[[], Picture], want: Picture, name: str,
          timeout: float = SHORT) -> Picture:
    """Wait for a picture, and keep it (or the wrong one)."""
    last: List[Picture] = []

    def look() -> str:
        last[:] = [get()]
        return difference(last[0], want)
    try:
        until(look, lambda text: not text, lambda text: f'{name}: {text}',
              timeout)
    finally:
        if last:
            keep(last[0], name)
    return last[0]


# ---- the guest ----

def initrd(kernel: str) -> str:
    """The tests' initramfs with evdev of that kernel."""
    folder = disks.modules_of(kernel)
    image = os.path.join(SETUP.work, f'input-{os.path.basename(folder)}.img')
    with open(image + '.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([os.path.join(TOP, 'tests', 'guest', 'pack'), image,
                        '--modules', f'{folder}=evdev'], check=True)
    return image


def guest(*args: str, append: str = '', kernel: Optional[str] = None,
          **more: Any) -> Guest:
    """One with a screen and a shell on hvc0."""
    SETUP.need_xenpv()
    kernel = kernel or SETUP.kernel()
    return Guest(*args, kernel=kernel, initrd=initrd(kernel),
                 append=f'console=tty0 console=hvc0 xenpv.modules=evdev '
                        f'vt.global_cursor_default=0 {append}', **more)


def screendump(vm: Guest, **which: Any) -> Picture:
    path = vm.path('dump.ppm')
    vm.qmp.command('screendump', filename=path, **which)
    return read_ppm(path)


def quiet_screen(vm: Guest) -> None:
    """Nothing but us draws: no kernel messages, no cursor, no blanking."""
    vm.ok("dmesg -n 1; printf '\\033[?25l\\033[9;0]\\033[2J' >/dev/tty1")


class Events:
    """What arrives in the guest's /dev/input/event*."""

    FILE = '/tmp/events'

    def __init__(self, vm: Guest):
        self.vm = vm
        vm.ok(f'rm -f {self.FILE}; xpv events {self.FILE} </dev/null '
              '>/dev/null 2>&1 & sleep 0.1')
        until(self.lines, lambda lines: 'ready' in lines,
              lambda lines: f'events: {lines}')
        self.head = len(self.lines())

    def lines(self) -> List[str]:
        return self.vm.ok(f'cat {self.FILE} || true').splitlines()

    def expect(self, *want: str) -> None:
        """These, and no others, come next."""
        lines = until(lambda: self.lines()[self.head:],
                      lambda lines: len(lines) >= len(want),
                      lambda lines: f'the guest has read {lines}, not '
                                    f'{list(want)}')
        equal(lines, list(want), 'what the guest has read')
        self.head += len(want)


def input_event(kind: str, **data: Any) -> Dict[str, Any]:
    return {'type': kind, 'data': data}


def send(vm: Guest, *events: Dict[str, Any], **where: Any) -> None:
    vm.qmp.command('input-send-event', events=list(events), **where)


KEYS = {' ': 'spc', '\n': 'ret', '/': 'slash', '-': 'minus', '.': 'dot',
        '>': ['shift', 'dot'], ';': 'semicolon'}


def send_keys(vm: Guest, text: str) -> None:
    """Type through QMP."""
    for char in text:
        names = KEYS.get(char, char)
        names = [names] if isinstance(names, str) else names
        vm.qmp.command('send-key', **{
            'keys': [{'type': 'qcode', 'data': name} for name in names],
            'hold-time': 10})
        time.sleep(0.03)


# ---- VNC ----

def des(key: bytes, data: bytes) -> bytes:
    """As openssl has it, with the bits of the key as VNC wants them."""
    key = bytes(int(f'{byte:08b}'[::-1], 2) for byte in key.ljust(8, b'\0')[:8])
    try:
        return subprocess.run(
            ['openssl', 'enc', '-des-ecb', '-nopad', '-K', key.hex(),
             '-provider', 'legacy', '-provider', 'default'],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=True).stdout
    except (OSError, subprocess.CalledProcessError) as err:
        raise Skip('no openssl that does DES') from err


class Vnc:
    """A client of RFB 3.8: raw pixels, and the size when it changes."""

    RAW, SIZE = 0, -223

    def __init__(self, path: str, password: Optional[str] = None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SHORT)
        self.sock.connect(path)
        self._hello(password)
        self.sock.sendall(b'\1')            # others may stay
        self.width, self.height = struct.unpack('>HH', self._get(4))
        self._get(16)
        self.name = self._get(struct.unpack('>I', self._get(4))[0]).decode()
        self.frame = bytearray(4 * self.width * self.height)
        # 32 bits, depth 24, little-endian, true colour: B, G, R, 0
        self.sock.sendall(struct.pack('>B3xBBBBHHHBBB3x', 0, 32, 24, 0, 1,
                                      255, 255, 255, 16, 8, 0))
        self.sock.sendall(struct.pack('>BxHii', 2, 2, self.RAW, self.SIZE))
        self.rects = 0
        self.pixels = 0

    def _get(self, count: int) -> bytes:
        data = b''
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise Failure('the VNC server has hung up')
            data += piece
        return data

    def _hello(self, password: Optional[str]) -> None:
        equal(self._get(12), b'RFB 003.008\n', 'version')
        self.sock.sendall(b'RFB 003.008\n')
        types = self._get(self._get(1)[0])
        kind = 2 if password is not None else 1
        check(kind in types, f'the VNC server offers security {list(types)}')
        self.sock.sendall(bytes([kind]))
        if password is not None:
            self.sock.sendall(des(password.encode(), self._get(16)))
        if struct.unpack('>I', self._get(4))[0]:
            reason = self._get(struct.unpack('>I', self._get(4))[0])
            raise Failure(f'VNC: {reason.decode()}')

    def close(self) -> None:
        self.sock.close()

    def _rect(self) -> None:
        x, y, w, h, kind = struct.unpack('>HHHHi', self._get(12))
        if kind == self.SIZE:
            self.width, self.height = w, h
            self.frame = bytearray(4 * w * h)
            return
        equal(kind, self.RAW, 'encoding')
        data = self._get(4 * w * h)
        self.rects += 1
        self.pixels += w * h
        for row in range(h):
            at = 4 * ((y + row) * self.width + x)
            self.frame[at:at + 4 * w] = data[4 * w * row:4 * w * (row + 1)]

    def update(self, incremental: bool = True, wait: float = 1) -> bool:
        """Ask for what is new; False if nothing came."""
        self.sock.sendall(struct.pack('>BBHHHH', 3, incremental, 0, 0,
                                      self.width, self.height))
        self.sock.settimeout(wait)
        try:
            kind = self._get(1)[0]
        except socket.timeout:
            return False
        finally:
            self.sock.settimeout(SHORT)
        equal(kind, 0, 'message')
        for _ in range(struct.unpack('>xH', self._get(3))[0]):
            self._rect()
        return True

    def picture(self) -> Picture:
        self.update()
        rgb = bytearray(3 * self.width * self.height)
        rgb[0::3] = self.frame[2::4]
        rgb[1::3] = self.frame[1::4]
        rgb[2::3] = self.frame[0::4]
        return Picture(self.width, self.height, bytes(rgb))

    def key(self, keysym: int, down: bool) -> None:
        self.sock.sendall(struct.pack('>BBxxI', 4, down, keysym))

    def type(self, text: str) -> None:
        for char in text:
            keysym = 0xff0d if char == '\n' else ord(char)
            shift = char in '>:'
            if shift:
                self.key(0xffe1, True)
            self.key(keysym, True)
            self.key(keysym, False)
            if shift:
                self.key(0xffe1, False)
            time.sleep(0.03)

    def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        self.sock.sendall(struct.pack('>BBHH', 5, buttons, x, y))


# ---- a window ----

class Xserver:
    """Xvfb, with programs that look at windows and type into them."""

    PROGRAMS = ('Xvfb', 'xwd', 'xdotool')

    def __init__(self, folder: str, size: str = '1600x1200'):
        missing = [name for name in self.PROGRAMS if not shutil.which(name)]
        if missing:
            raise Skip(f'no {", ".join(missing)} here')
        read, write = os.pipe()
        with open(os.path.join(folder, 'xvfb'), 'wb') as log:
            self.process = subprocess.Popen(
                ['Xvfb', '-displayfd', str(write), '-screen', '0',
                 size + 'x24', '-nolisten', 'tcp'],
                pass_fds=[write], stdout=log, stderr=log)
        os.close(write)
        with os.fdopen(read) as file:
            number = file.readline().strip()
        if not number:
            self.close()
            raise Skip('Xvfb does not start')
        self.env = {'DISPLAY': ':' + number, 'SDL_VIDEODRIVER': 'x11',
                    'SDL_RENDER_DRIVER': 'software'}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def run(self, *argv: str) -> bytes:
        done = subprocess.run(argv, env={**os.environ, **self.env},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=SHORT, check=False)
        return done.stdout if done.returncode == 0 else b''

    def windows(self) -> List[str]:
        """QEMU's, that can be seen."""
        return self.run('xdotool', 'search', '--onlyvisible', '--name',
                        'QEMU').decode().split()

    def picture(self, window: str) -> Picture:
        """Of X's window dump: B, G, R, 0 and lines of any length."""
        data = self.run('xwd', '-silent', '-id', window)
        if not data:
            return Picture(0, 0, b'')
        head = struct.unpack_from('>25I', data)
        size, width, height, stride, colours = (head[0], head[4], head[5],
                                                head[12], head[19])
        at = size + 12 * colours
        rgb = bytearray(3 * width * height)
        body = b''.join(data[at + y * stride:at + y * stride + 4 * width]
                        for y in range(height))
        rgb[0::3], rgb[1::3], rgb[2::3] = body[2::4], body[1::4], body[0::4]
        return Picture(width, height, bytes(rgb))

    def type(self, window: str, text: str) -> None:
        self.run('xdotool', 'windowfocus', window)
        for char in text:
            key = {'\n': 'Return', ' ': 'space', '>': 'greater',
                   '/': 'slash', '-': 'minus', '.': 'period'}.get(char, char)
            self.run('xdotool', 'key', '--delay', '20', key)


@contextlib.contextmanager
def xserver(folder: str) -> Iterator[Xserver]:
    server = Xserver(folder)
    try:
        yield server
    finally:
        server.close()
