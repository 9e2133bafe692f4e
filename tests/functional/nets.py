# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks for a guest: NICs, a network of the test's own, captures.

The same test runs with xen-net-device on -M xenpv and with virtio-net-pci on
-M pc, where it can.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import itertools
import os
import socket
import struct
import subprocess
import threading
from typing import Any, Callable, Iterator, List, Optional, Tuple

import disks
from harness import BOOT, SETUP, Failure, Guest, Skip, check, equal

TOP = disks.TOP

MODULES = {
    'xenpv': ['xen-netfront', '8021q'],
    'pc': ['virtio_pci', 'virtio_net', '8021q'],
}
PROGRAMS = ['bookworm:ethtool:/sbin/ethtool']

IMAGE = 'net'

MAC = '52:54:00:00:00:02'
HOST4, GUEST4 = '10.9.0.1', '10.9.0.2'
HOST6, GUEST6 = 'fd00:9::1', 'fd00:9::2'

MIB = 1 << 20


def initrd(kernel: str) -> str:
    """The tests' initramfs with drivers of that kernel and ethtool."""
    folder = disks.modules_of(kernel)
    image = os.path.join(SETUP.work, f'{IMAGE}-{os.path.basename(folder)}.img')
    names = sorted({name for names in MODULES.values() for name in names})
    with open(image + '.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [os.path.join(TOP, 'tests', 'guest', 'pack'), image,
             '--modules', f'{folder}={",".join(names)}',
             *(word for program in PROGRAMS
               for word in ('--program', program))], check=True)
    return image


def device(netdev: str = 'n0', mac: str = MAC, **more: Any) -> str:
    """-device's argument."""
    kind = 'xen-net-device'
    if SETUP.machine != 'xenpv':
        kind = 'virtio-net-pci'
        more.setdefault('romfile', '')
    return ','.join([kind, f'netdev={netdev}', f'mac={mac}', 'id=nic',
                     *(f'{key.replace("_", "-")}={value}'
                       for key, value in more.items())])


def guest(*args: str, kernel: Optional[str] = None, append: str = '',
          modules: Optional[List[str]] = None, **more: Any) -> Guest:
    kernel = kernel or SETUP.kernel()
    if modules is None:
        modules = MODULES.get(SETUP.machine, [])
    words = [f'xenpv.modules={",".join(modules)}'] if modules else []
    return Guest(*args, kernel=kernel, initrd=initrd(kernel),
                 append=' '.join([*words, append]), **more)


def up(vm: Guest, mtu: int = 1500, number: int = 2) -> None:
    """The guest's end has its addresses and can be reached by both."""
    vm.ok(f'ip link set lo up; ip link set eth0 mtu {mtu} up; '
          f'ip addr add 10.9.0.{number}/24 dev eth0; '
          f'ip -6 addr add fd00:9::{number}/64 dev eth0')
    vm.ok('until ip -6 addr show dev eth0 | grep fd00 | grep -qv tentative;'
          ' do sleep 0.1; done', BOOT)


def quiet_log(vm: Guest) -> None:
    """The guest's kernel has nothing to complain about."""
    status, text = vm.run(
        "dmesg | grep -E 'BUG:|WARNING:|hung task|transmit queue|rx->offset|"
        "(vif|eth0).*([Ii]nvalid|[Ff]ail|[Ee]rror)'")
    check(status != 0, f"in the guest's log: {text}")


# ---- a network of the test's own ----

_numbers = itertools.count()


class Network:
    """A namespace with a tap device of ours; gone with the test."""

    tap = 'tap0'

    def __init__(self, queues: int = 1):
        self.name = f'xenpv-{os.getpid()}-{next(_numbers)}'
        self.queues = queues

    def __enter__(self) -> 'Network':
        if os.geteuid():
            raise Skip('not root: no network of its own')
        for program in ('/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'):
            if os.access(program, os.X_OK):
                self.program = program
                break
        else:
            raise Skip('no ip (iproute2)')
        made = subprocess.run([self.program, 'netns', 'add', self.name],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              check=False)
        if made.returncode:
            raise Skip(f'no namespaces here: {made.stdout.strip()}')
        try:
            multi = ['multi_queue'] if self.queues > 1 else []
            if not os.path.exists('/dev/net/tun'):
                raise Skip('no /dev/net/tun')
            self.run('tuntap', 'add', 'dev', self.tap, 'mode', 'tap',
                     'vnet_hdr', *multi)
            self.run('link', 'set', 'lo', 'up')
            self.run('link', 'set', self.tap, 'up')
            self.run('addr', 'add', f'{HOST4}/24', 'dev', self.tap)
            self.run('-6', 'addr', 'add', f'{HOST6}/64', 'dev', self.tap,
                     'nodad')
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        subprocess.run([self.program, 'netns', 'del', self.name], check=False)

    def run(self, *words: str) -> str:
        """ip(8), inside."""
        done = subprocess.run([self.program, '-n', self.name, *words],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode:
            raise Failure(f'ip {" ".join(words)}: {done.stdout.strip()}')
        return done.stdout

    def may_run(self, *words: str) -> bool:
        """... that may not be in every kernel."""
        try:
            self.run(*words)
        except Failure:
            return False
        return True

    def netdev(self, tap: Optional[str] = None, **more: Any) -> List[str]:
        queues = [f'queues={self.queues}'] if self.queues > 1 else []
        return ['-netdev', ','.join(
            [f'tap,id=n0,ifname={tap or self.tap},script=no,downscript=no',
             *queues, *(f'{key}={value}' for key, value in more.items())])]

    def bridge(self, *more: str) -> None:
        """The tap device and more of them in one; the addresses are its."""
        if not self.may_run('link', 'add', 'br0', 'type', 'bridge'):
            raise Skip('no bridges in this kernel')
        for tap in more:
            self.run('tuntap', 'add', 'dev', tap, 'mode', 'tap', 'vnet_hdr')
        self.run('addr', 'flush', 'dev', self.tap)
        for tap in (self.tap, *more):
            self.run('link', 'set', tap, 'master', 'br0', 'up')
        self.run('addr', 'add', f'{HOST4}/24', 'dev', 'br0')
        self.run('-6', 'addr', 'add', f'{HOST6}/64', 'dev', 'br0', 'nodad')
        self.run('link', 'set', 'br0', 'up')

    def guest(self, *args: str, **more: Any) -> Guest:
        """A guest whose QEMU lives inside."""
        vm = guest(*args, **more)
        vm.args = [self.program, 'netns', 'exec', self.name, *vm.args]
        return vm

    def inside(self, function: Callable[[], Any]) -> Any:
        """What it returns, called by a thread that lives inside.  A socket
        stays where it was made."""
        result: List[Any] = []

        def enter() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f'/run/netns/{self.name}', 'rb') as ns:
                if libc.setns(ns.fileno(), 0x40000000):
                    return
            try:
                result.append(function())
            except OSError as err:
                result.append(err)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if not result:
            raise Failure('cannot enter the namespace')
        if isinstance(result[0], OSError):
            raise Failure(f'inside the namespace: {result[0]}')
        return result[0]

    def listen(self, host: str) -> socket.socket:
        return self.inside(lambda: listen(host))


def listen(host: str) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, 0))
    sock.listen(4)
    sock.settimeout(BOOT)
    return sock


# ---- streams: what was sent is what came ----

def pattern(size: int) -> bytes:
    block = hashlib.sha512(b'xenpv').digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def to_guest(vm: Guest, server: socket.socket, address: str,
             size: int = 8 * MIB) -> None:
    """The guest fetches."""
    data = pattern(size)

    def serve() -> None:
        conn, _ = server.accept()
        with conn:
            conn.settimeout(BOOT)
            conn.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = server.getsockname()[1]
    got = vm.ok(f'nc {address} {port} </dev/null | md5sum', BOOT).split()[0]
    equal(got, hashlib.md5(data).hexdigest(), 'what the guest has fetched')
    thread.join()


def from_guest(vm: Guest, server: socket.socket, address: str,
               mib: int = 8) -> None:
    """The guest sends, and says what."""
    digest = hashlib.md5()
    total = [0]

    def serve() -> None:
        conn, _ = server.accept()
        with conn:
            conn.settimeout(BOOT)
            while True:
                data = conn.recv(1 << 16)
                if not data:
                    return
                digest.update(data)
                total[0] += len(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = server.getsockname()[1]
    vm.ok(f'[ -e /tmp/data ] || dd if=/dev/urandom of=/tmp/data bs=1M '
          f'count={mib} 2>/dev/null', BOOT)
    vm.ok(f'nc {address} {port} </tmp/data >/dev/null', BOOT)
    thread.join(BOOT)
    check(not thread.is_alive(), f'{total[0]} bytes came, and no end')
    equal(digest.hexdigest(), vm.ok('md5sum </tmp/data', BOOT).split()[0],
          f'{total[0]} bytes from the guest')


def both_ways(vm: Guest, network: Network,
              hosts: Tuple[str, ...] = (HOST4, HOST6), mib: int = 8) -> None:
    for host in hosts:
        with network.listen(host) as server:
            to_guest(vm, server, host, mib * MIB)
            from_guest(vm, server, host, mib)


# ---- captures of -object filter-dump ----

def _sum16(data: bytes) -> int:
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def packets(path: str) -> Iterator[bytes]:
    with open(path, 'rb') as file:
        data = file.read()
    equal(data[:4], struct.pack('=I', 0xa1b2c3d4), 'magic of the capture')
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from('=I', data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def judge(frame: bytes) -> Optional[str]:
    """The kind of a frame, all of whose checksums are right; None: neither
    TCP nor UDP over IP, or a fragment.  Raises for a wrong one."""
    at = 12
    while frame[at:at + 2] == b'\x81\x00':
        at += 4
    kind, ip = frame[at:at + 2], frame[at + 2:]
    if kind == b'\x08\x00':
        header = (ip[0] & 15) * 4
        equal(_sum16(ip[:header]), 0xffff, 'sum of an IPv4 header')
        if struct.unpack('>H', ip[6:8])[0] & 0x3fff:
            return None
        proto, body = ip[9], ip[header:struct.unpack('>H', ip[2:4])[0]]
        addresses = ip[12:20]
    elif kind == b'\x86\xdd':
        proto, body = ip[6], ip[40:40 + struct.unpack('>H', ip[4:6])[0]]
        addresses = ip[8:40]
    else:
        return None
    if proto not in (6, 17):
        return None
    name = ('tcp' if proto == 6 else 'udp') + ('4' if len(addresses) == 8
                                               else '6')
    if proto == 17 and body[6:8] == b'\0\0' and len(addresses) == 8:
        return name
    equal(_sum16(addresses + struct.pack('>II', len(body), proto) + body),
          0xffff, f'sum of a {name} packet of {len(body)} bytes')
    return name


def judge_capture(path: str) -> dict:
    """Counts by kind, and the largest frame."""
    seen: dict = {'largest': 0}
    for frame in packets(path):
        kind = judge(frame)
        seen['largest'] = max(seen['largest'], len(frame))
        if kind:
            seen[kind] = seen.get(kind, 0) + 1
    return seen


@contextlib.contextmanager
def load(vm: Guest, host: str = HOST4) -> Iterator[None]:
    """Pings without a pause, meanwhile."""
    vm.ok(f'ping -f -q {host} >/tmp/ping.log 2>&1 & echo $! >/tmp/ping.pid')
    yield
    vm.ok('kill $(cat /tmp/ping.pid) 2>/dev/null; true')
