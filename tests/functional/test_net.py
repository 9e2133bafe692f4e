# SPDX-License-Identifier: GPL-2.0-or-later
"""NICs: user networking, tap in a network of the test's own, plugging."""

import contextlib
import re
import socket
import time

import nets
from harness import BOOT, SETUP, Guest, Skip, check, equal
from nets import GUEST4, HOST4, HOST6, Network
from registry import test, test_each_kernel
from test_xenstore import HOME, Store

BACK = '/local/domain/0/backend/qnic/1/0'


def dhcp(vm: Guest) -> None:
    """As a distribution would, with busybox's client."""
    vm.ok("printf '#!/bin/sh\\n[ $1 = bound ] && ip addr add $ip/$mask dev "
          "$interface && ip route add default via $router\\ntrue\\n' "
          ">/tmp/dhcp; chmod +x /tmp/dhcp; ip link set lo up; "
          'ip link set eth0 up')
    vm.ok('udhcpc -i eth0 -n -q -t 20 -T 1 -s /tmp/dhcp', BOOT)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


@test_each_kernel
def user(label):
    """-nic alone: an address, the gateway, streams out and in, and on the
    wire no packet that is too large or has a wrong checksum."""
    port = free_port()
    model = 'xen' if SETUP.machine == 'xenpv' else 'virtio-net-pci'
    with nets.guest('-nic', f'user,model={model},id=n0,mac={nets.MAC},'
                    f'hostfwd=tcp:127.0.0.1:{port}-:7000',
                    kernel=SETUP.kernel(label)) as vm:
        dump = vm.path('pcap')
        vm.shell_ready()
        vm.qmp.command('object-add', **{'qom-type': 'filter-dump', 'id': 'f',
                                        'netdev': 'n0', 'file': dump,
                                        'maxlen': 65536})
        equal(vm.ok('cat /sys/class/net/eth0/address'), nets.MAC, 'mac')
        dhcp(vm)
        vm.ok('ping -c 2 10.0.2.2', BOOT)
        with nets.listen('127.0.0.1') as server:
            nets.to_guest(vm, server, '10.0.2.2', 2 * nets.MIB)
            nets.from_guest(vm, server, '10.0.2.2', 2)
        # from outside, to a server of the guest's
        vm.ok('nc -l -p 7000 </tmp/data >/tmp/got & sleep 1')
        with socket.create_connection(('127.0.0.1', port), BOOT) as conn:
            conn.sendall(nets.pattern(100000))
            conn.settimeout(BOOT)
            got = b''
            while len(got) < 2 * nets.MIB:
                data = conn.recv(1 << 16)
                check(data, f'{len(got)} bytes from the guest, and the end')
                got += data
        vm.ok('until [ $(wc -c </tmp/got) = 100000 ]; do sleep 0.1; done',
              BOOT)
        info = vm.qmp.hmp('info network')
        if SETUP.machine == 'xenpv':
            time.sleep(0.5)
            info = vm.qmp.hmp('info network')
            match = re.search(r'sent (\d+) packets, (\d+) bytes, 0 bad; '
                              r'received (\d+) packets, (\d+) bytes', info)
            check(match, f'info network: {info}')
            check(int(match[2]) > 2 * nets.MIB and
                  int(match[4]) > 2 * nets.MIB, f'info network: {info}')
        nets.quiet_log(vm)
        vm.qmp.command('object-del', id='f')
        seen = nets.judge_capture(dump)
        check(seen['largest'] <= 1514, f'a packet of {seen["largest"]} bytes')
        check(seen.get('tcp4', 0) > 2000, f'captured: {seen}')


@test
def default_nic():
    """A machine has a NIC unless it is told not to."""
    SETUP.need_xenpv()
    vm = nets.guest()
    vm.args.remove('-nodefaults')
    vm.args += ['-vga', 'none']
    with vm:
        vm.shell_ready()
        dhcp(vm)
        vm.ok('ping -c 1 10.0.2.2', BOOT)


@test
def wrong_options():
    """One line that names what is wrong."""
    SETUP.need_xenpv()
    for options, said in (
            ('netdev=n0,queues=65', 'queues must be 1 to 64, not 65'),
            ('netdev=n0,mtu=9', 'mtu must be 68 to 65535, not 9'),
            ('netdev=n0,rate=x', "rate is 'bytes,microseconds', not 'x'"),
            ('netdev=n0,bridge=br0', 'bridge needs backend=kernel'),
            ('netdev=n0,script=s', 'script needs backend=kernel'),
            ('backend=kernel', 'backend=kernel needs a Xen host'),
            ('netdev=n1', "can't find value 'n1'")):
        vm = nets.guest('-netdev', 'user,id=n0', '-device',
                        f'xen-net-device,{options}')
        try:
            with vm:
                equal(vm.wait_exit(), 1, 'status')
        except Exception as err:        # its monitor may not come up at all
            check(said in str(err) or said in vm.stderr(),
                  f'{options}: {err} {vm.stderr()}')


@test
def tap_streams():
    """Through a tap device, both families, both ways, with offloads as they
    are and without."""
    with Network() as network:
        with network.guest(*network.netdev(), '-device',
                           nets.device()) as vm:
            vm.shell_ready()
            nets.up(vm)
            nets.both_ways(vm, network)
            if SETUP.machine == 'xenpv':
                flags = vm.ok('ethtool -k eth0')
                for name in ('tx-checksum-ipv4', 'tx-checksum-ipv6',
                             'scatter-gather', 'tx-tcp-segmentation',
                             'tx-tcp6-segmentation', 'rx-checksumming'):
                    check(re.search(rf'{name}: on', flags),
                          f'{name} is off: {flags}')
            vm.ok('ethtool -K eth0 tso off gso off; '
                  'ethtool -K eth0 tx-checksum-ipv6 off; '
                  'ethtool -K eth0 sg off; ethtool -K eth0 gro off; true')
            nets.both_ways(vm, network, mib=2)
            nets.quiet_log(vm)


@test
def tap_packets():
    """Sizes up to the largest, fragments, and a VLAN where the host's
    kernel has such."""
    with Network() as network:
        network.run('link', 'set', network.tap, 'mtu', '65000')
        vlan = network.may_run('link', 'add', 'link', network.tap, 'name',
                               'v5', 'type', 'vlan', 'id', '5')
        if vlan:
            network.run('addr', 'add', '10.9.5.1/24', 'dev', 'v5')
            network.run('link', 'set', 'v5', 'up')
        more = {'mtu': 9000} if SETUP.machine == 'xenpv' else {}
        with network.guest(*network.netdev(), '-device',
                           nets.device(**more)) as vm:
            vm.shell_ready()
            nets.up(vm, mtu=9000)
            for size in (0, 1, 56, 1472, 1473, 4000, 8972, 30000, 65000):
                vm.ok(f'ping -c 2 -s {size} {HOST4}', BOOT)
                vm.ok(f'ping -c 2 -s {size} {HOST6}', BOOT)
            nets.both_ways(vm, network, mib=4)
            if vlan:
                vm.ok('ip link add link eth0 name eth0.5 type vlan id 5; '
                      'ip addr add 10.9.5.2/24 dev eth0.5; '
                      'ip link set eth0.5 up')
                vm.ok('ping -c 2 10.9.5.1', BOOT)
                with network.listen('10.9.5.1') as server:
                    nets.to_guest(vm, server, '10.9.5.1', 2 * nets.MIB)
                    nets.from_guest(vm, server, '10.9.5.1', 4)
            vm.ok(f'ping -c 200 -i 0.01 -q {HOST4} | grep " 0% packet loss"',
                  BOOT)
            nets.quiet_log(vm)


@test
def tap_queues():
    """Two queues, each with a queue of the tap device."""
    SETUP.need_xenpv()
    with Network(queues=2) as network:
        with network.guest(*network.netdev(), '-device', nets.device(),
                           '-smp', '2') as vm:
            vm.shell_ready()
            if vm.ok('nproc') != '2':
                raise Skip('the guest has one vCPU')
            equal(vm.ok('ls -d /sys/class/net/eth0/queues/tx-* | wc -l'), '2',
                  'queues')
            nets.up(vm)
            for _ in range(3):
                nets.both_ways(vm, network, mib=2)
            text = vm.qmp.hmp('info qtree')
            check('queue 1: tx' in text, f'info qtree: {text}')
            nets.quiet_log(vm)


def counted(vm: Guest) -> dict:
    """The guest's interface by its own counts."""
    text = vm.ok("sed -n 's/.*eth0: *//p' /proc/net/dev").split()
    return {'bytes': int(text[0]), 'packets': int(text[1])}


def fetch(giver: Guest, taker: Guest, address: str, port: int) -> None:
    """Random data from one guest to another."""
    giver.ok('[ -e /tmp/data ] || dd if=/dev/urandom of=/tmp/data bs=1M '
             'count=6 2>/dev/null', BOOT)
    giver.ok(f'nc -l -p {port} </tmp/data >/dev/null & sleep 1')
    # busybox's ends when its peer has nothing to say, so this one might
    taker.ok('[ -e /tmp/open ] || mkfifo /tmp/open')
    got = taker.ok(f'nc {address} {port} <>/tmp/open | md5sum', BOOT)
    equal(got.split()[0], giver.ok('md5sum </tmp/data', BOOT).split()[0],
          f'what came from {address}')


@test
def guests():
    """Two guests in a bridge: streams both ways, in few large packets, in a
    VLAN as well, and datagrams of all lengths."""
    with Network() as network, contextlib.ExitStack() as stack:
        network.bridge('tap1')
        vms = [stack.enter_context(network.guest(
            *network.netdev(tap), '-device', nets.device(mac=mac)))
               for tap, mac in (('tap0', nets.MAC),
                                ('tap1', nets.MAC[:-1] + '3'))]
        for number, vm in enumerate(vms):
            vm.shell_ready()
            nets.up(vm, number=2 + number)
            vm.ok('ip link add link eth0 name eth0.5 type vlan id 5; '
                  f'ip addr add 10.9.5.{2 + number}/24 dev eth0.5; '
                  'ip link set eth0.5 up')
        for network_of, port in (('10.9.0', 7000), ('fd00:9:', 7100),
                                 ('10.9.5', 7200)):
            dot = ':' if ':' in network_of else '.'
            vms[0].ok(f'ping -c 2 {network_of}{dot}3', BOOT)
            for number, vm in enumerate(vms):
                before = counted(vm)
                fetch(vms[1 - number], vm, f'{network_of}{dot}{3 - number}',
                      port + number)
                after = counted(vm)
                packets = after['packets'] - before['packets']
                if network_of != '10.9.5':
                    check(packets < 2500, f'6 MiB from {network_of} came in '
                          f'{packets} packets')
        for vm, other in (vms, vms[::-1]):
            vm.ok('xpv udp receive 9 >/tmp/udp & sleep 1')
            address = '10.9.0.2' if vm is vms[0] else '10.9.0.3'
            other.ok(f'xpv udp send {address} 9 2000', BOOT)
            vm.ok('wait', BOOT)
            text = vm.ok('cat /tmp/udp')
            good, bad = map(int, re.findall(r'\d+', text))
            check(not bad and good > 1000, f'of 2000 datagrams: {text}')
        for vm in vms:
            nets.quiet_log(vm)


@test
def xdp():
    """A program in the guest's driver sees packets where it expects them."""
    SETUP.need_xenpv()
    with Network() as network:
        path = f'/tmp/xenpv-net-{network.name}'
        with network.guest(*network.netdev(), '-device', nets.device(),
                           machine_options=f'xenstore={path}') as vm:
            store = Store(path)
            vm.shell_ready()
            nets.up(vm)
            for state, headroom in (('on', '256'), ('off', '0')):
                vm.ok(f'xpv xdp eth0 {state}', BOOT)
                equal(store.read(f'{HOME}/device/vif/0/xdp-headroom'),
                      headroom, 'xdp-headroom')
                store.wait(f'{BACK}/state', '4')
                vm.ok(f'ping -c 2 {HOST4}', BOOT)
                # The program throws IPv6 away.
                status, _ = vm.run(f'ping -c 1 -W 2 {HOST6}', BOOT)
                equal(status != 0, state == 'on', 'IPv6 is gone')
                nets.both_ways(vm, network, (HOST4,), 2)
            nets.quiet_log(vm)


@test
def link():
    """set_link: the guest is told, nothing passes, then all does again."""
    SETUP.need_xenpv()
    with Network() as network:
        vm = network.guest(*network.netdev(), '-device', nets.device(),
                           machine_options='xenstore=/tmp/xenpv-net-'
                           f'{network.name}')
        with vm:
            store = Store(f'/tmp/xenpv-net-{network.name}')
            vm.shell_ready()
            nets.up(vm)
            vm.ok(f'ping -c 1 {HOST4}', BOOT)
            equal(store.read(f'{BACK}/carrier'), '1', 'carrier')
            equal(store.read(f'{HOME}/device/vif/0/mac'), nets.MAC, 'mac')
            vm.qmp.hmp('set_link nic off')
            equal(store.read(f'{BACK}/carrier'), '0', 'carrier')
            status, _ = vm.run(f'ping -c 2 -W 1 {HOST4}', BOOT)
            check(status != 0, 'a ping goes through')
            vm.qmp.hmp('set_link nic on')
            equal(store.read(f'{BACK}/carrier'), '1', 'carrier')
            vm.ok(f'ping -c 2 {HOST4}', BOOT)
            nets.both_ways(vm, network, (HOST4,), 2)


@test
def stopped():
    """A guest that stands still while packets rain on it wakes up well."""
    with Network() as network:
        with network.guest(*network.netdev(), '-device',
                           nets.device()) as vm:
            vm.shell_ready()
            nets.up(vm)
            vm.ok(f'ping -c 1 {HOST4}', BOOT)
            udp = network.inside(
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with udp:
                vm.qmp.command('stop')
                for _ in range(50000):
                    udp.sendto(b'x' * 1000, (GUEST4, 9))
                vm.qmp.command('cont')
                # ... and while it does nothing else than throw them away
                for _ in range(20000):
                    udp.sendto(b'x' * 1000, (GUEST4, 9))
            vm.ok(f'ping -c 2 {HOST4}', BOOT)
            nets.both_ways(vm, network, (HOST4,), 2)
            nets.quiet_log(vm)


# Linux's front end never gives back the pages of a ring it has left: 1 MiB of
# the guest's memory for each connection.
LEAK = '2G'


@test
def reload():
    """The guest's driver goes and comes, with traffic on it, many times."""
    SETUP.need_xenpv()
    driver = '/sys/bus/xen/drivers/vif'
    appears = 'until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done'
    with Network() as network:
        with network.guest(*network.netdev(), '-device', nets.device(),
                           mem=LEAK if SETUP.full else '512M') as vm:
            vm.shell_ready()
            for _ in range(10):
                vm.ok('ip link set eth0 up; ip addr add '
                      f'{GUEST4}/24 dev eth0')
                with nets.load(vm):
                    vm.ok(f'ping -c 1 {HOST4}', BOOT)
                    vm.ok(f'echo vif-0 >{driver}/unbind && '
                          'rmmod xen_netfront && modprobe xen-netfront && '
                          + appears, BOOT)
            for _ in range(99 if SETUP.full else 0):
                vm.ok('for i in 0 1 2 3 4 5 6 7 8 9; do ip link set eth0 up '
                      f'&& ip addr add {GUEST4}/24 dev eth0 && '
                      f'ping -c 1 -W 20 -q {HOST4} >/tmp/ping.log && '
                      f'echo vif-0 >{driver}/unbind && '
                      f'echo vif-0 >{driver}/bind || break; {appears}; done; '
                      '[ $i = 9 ]', 10 * BOOT)
            nets.up(vm)
            nets.both_ways(vm, network, (HOST4,), 2)


@test
def plug():
    """Plugged and unplugged, in use and not, many times; then a reset."""
    SETUP.need_xenpv()
    turns = 1000 if SETUP.full else 6
    with Network() as network:
        with network.guest(*network.netdev(),
                           mem=LEAK if SETUP.full else '512M') as vm:
            vm.shell_ready()
            for turn in range(turns):
                vm.qmp.command('device_add', driver='xen-net-device',
                               id='nic', netdev='n0', mac=nets.MAC)
                vm.ok('until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done',
                      BOOT)
                if turn % 2:
                    vm.ok('ip link set eth0 up; ip addr add '
                          f'{GUEST4}/24 dev eth0')
                    vm.ok(f'ping -c 1 {HOST4}', BOOT)
                    with nets.load(vm):
                        vm.qmp.command('device_del', id='nic')
                        vm.qmp.event('DEVICE_DELETED', BOOT)
                else:
                    vm.qmp.command('device_del', id='nic')
                    vm.qmp.event('DEVICE_DELETED', BOOT)
                vm.ok('until [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; '
                      'done', BOOT)
                # The peer goes with its NIC.
                vm.qmp.command('netdev_del', id='n0')
                vm.qmp.command('netdev_add', type='tap', id='n0',
                               ifname=network.tap, script='no',
                               downscript='no')
            vm.qmp.command('device_add', driver='xen-net-device', id='nic',
                           netdev='n0', mac=nets.MAC)
            vm.qmp.command('system_reset')
            vm.shell_ready()
            nets.up(vm)
            nets.both_ways(vm, network, (HOST4,), 2)
