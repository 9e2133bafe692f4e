# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's screen as one sees it, and what one does in front of it.

Pictures are compared pixel by pixel with what the guest was told to draw; all
that were seen are kept in .work/functional/screens.
"""

import contextlib
import os
import tempfile
import time
from typing import Iterator, Tuple

import screens
from harness import SETUP, SHORT, Failure, Guest, check, equal
from registry import test, test_each_kernel
from screens import (Events, Picture, Vnc, difference, input_event, keep,
                     pattern, screendump, send, send_keys, shows, until)
from test_disk_plug import bounded, steady
from test_errors import refused

KEYBOARD = 'Xen Virtual Keyboard'
POINTER = 'Xen Virtual Pointer'
TOUCH = 'Xen Virtual Multi-touch'


def size_of(vm: Guest) -> Tuple[int, int]:
    width, height = vm.ok('xpv fb size').split()[:2]
    return int(width), int(height)


def draws(vm: Guest, seed: int, name: str, **which) -> None:
    """The guest draws, screendump has it."""
    vm.ok(f'xpv fb pattern {seed}')
    shows(lambda: screendump(vm, **which),
          pattern(*size_of(vm), seed), name)


# ---- pictures ----

@test_each_kernel
def picture(label):
    with screens.guest('-vga', 'xenfb', kernel=SETUP.kernel(label)) as vm:
        vm.shell_ready()
        equal(size_of(vm), (800, 600), 'size')
        screens.quiet_screen(vm)
        draws(vm, 1, f'picture-{label}')
        # Through a mapping, as X does: the driver tells some time later.
        vm.ok('xpv fb rect 100 200 50 20 ff8000')
        want = bytearray(pattern(800, 600, 1).rgb)
        for y in range(200, 220):
            at = 3 * (800 * y + 100)
            want[at:at + 150] = bytes.fromhex('ff8000') * 50
        shows(lambda: screendump(vm), Picture(800, 600, bytes(want)),
              f'rect-{label}')


@contextlib.contextmanager
def on_vnc(options: str = '') -> Iterator[Tuple[Guest, str]]:
    """A guest whose screen is on VNC."""
    vm = screens.guest('-vga', 'xenfb')
    path = vm.path('vnc')
    vm.args += ['-vnc', f'unix:{path}{options}']
    with vm:
        vm.shell_ready()
        yield vm, path


@test
def vnc_picture():
    """A VNC client sees what screendump sees, and hears of nothing else."""
    with on_vnc() as (vm, path):
        screens.quiet_screen(vm)
        vnc = Vnc(path)
        equal((vnc.width, vnc.height), (800, 600), 'size')
        vm.ok('xpv fb pattern 7')
        vnc.update(incremental=False)
        shows(vnc.picture, pattern(800, 600, 7), 'vnc')
        equal(difference(screendump(vm), vnc.picture()), '',
              'screendump against VNC')
        vnc.pixels = 0
        vm.ok('xpv fb rect 300 300 10 4 00ff00')
        until(lambda: vnc.picture().pixel(305, 302),
              lambda got: got == '00ff00', lambda got: f'pixel is {got}')
        # A few pieces of 16 pixels: that is how VNC looks.
        check(vnc.pixels <= 64 * 16, f'{vnc.pixels} pixels came for 40')
        vnc.close()


@test
def vnc_password():
    """Also one that is set while QEMU runs, as libxl does."""
    with on_vnc(',password=on') as (vm, path):
        screens.quiet_screen(vm)
        vm.qmp.command('change-vnc-password', password='secret')
        vm.ok('xpv fb pattern 2')
        vnc = Vnc(path, 'secret')
        vnc.update(incremental=False)
        shows(vnc.picture, pattern(800, 600, 2), 'vnc-password')
        vnc.close()
        try:
            Vnc(path, 'wrong')
        except Failure as failure:
            check('VNC:' in str(failure), str(failure))
        else:
            raise Failure('a wrong password opens the display')


@contextlib.contextmanager
def in_window(*args: str) -> Iterator[Tuple[Guest, 'screens.Xserver']]:
    """A guest whose screen is SDL's window."""
    with tempfile.TemporaryDirectory() as folder:
        with screens.xserver(folder) as server:
            with screens.guest(*args, '-display', 'sdl', env=server.env) as vm:
                vm.shell_ready()
                yield vm, server


def window_of(server: 'screens.Xserver', nr: int = 0) -> str:
    found = until(server.windows, lambda found: len(found) > nr,
                  lambda found: f'windows: {found}')
    return found[nr]


@test
def sdl_window():
    """A real window has the picture, changes its size with it, and stays the
    only one over a reboot; text typed into it arrives."""
    with in_window('-vga', 'xenfb') as (vm, server):
        screens.quiet_screen(vm)
        vm.ok('xpv fb pattern 5')
        window = window_of(server)
        shows(lambda: server.picture(window), pattern(800, 600, 5), 'sdl')
        equal(difference(screendump(vm), server.picture(window)), '',
              'screendump against the window')
        shell_on_screen(vm)
        server.type(window, 'echo window-9 > /tmp/typed\n')
        until(lambda: vm.run('cat /tmp/typed')[1],
              lambda text: text == 'window-9',
              lambda text: f'typed into the window: {text!r}')
        keep(server.picture(window), 'sdl-typed')
        vm.qmp.command('system_reset')
        vm.shell_ready()
        screens.quiet_screen(vm)
        vm.ok('xpv fb pattern 6')
        equal(len(server.windows()), 1, 'number of windows')
        shows(lambda: server.picture(window), pattern(800, 600, 6),
              'sdl-rebooted')


@test
def size():
    """As the user says, also beyond what Linux has without being told."""
    with screens.guest('-device', 'xen-framebuffer,width=1280,height=800',
                       '-device', 'xen-input') as vm:
        vm.shell_ready()
        equal(size_of(vm), (1280, 800), 'size')
        screens.quiet_screen(vm)
        draws(vm, 3, '1280x800')
        events = Events(vm)
        check(any('x 0..1280' in line for line in events.lines()),
              f'range of the pointer: {events.lines()}')


@test
def large():
    """3840x2160."""
    with screens.guest('-vga', 'xenfb',
                       '-global', 'xen-framebuffer.width=3840',
                       '-global', 'xen-framebuffer.height=2160') as vm:
        vm.shell_ready()
        equal(size_of(vm), (3840, 2160), 'size')
        screens.quiet_screen(vm)
        draws(vm, 4, '3840x2160')


@test
def resize():
    """Within what the guest has begun with, while it draws."""
    with screens.guest('-vga', 'xenfb') as vm:
        vm.shell_ready()
        screens.quiet_screen(vm)
        for seed, (width, height) in enumerate([(640, 480), (320, 200),
                                                (800, 600)]):
            vm.ok('(xpv fb storm 2 </dev/null >/dev/null 2>&1 &)')
            vm.ok(f'xpv fb mode {width} {height}')
            equal(size_of(vm), (width, height), 'size')
            until(lambda: screendump(vm)[:2],
                  lambda got: got == (width, height),
                  lambda got: f'the screen is {got}')
            vm.ok('while ps | grep -q "[f]b storm"; do sleep 0.2; done')
            draws(vm, seed, f'resize-{width}x{height}')


@test
def heads():
    """Two screens, each with its own picture and its own input."""
    with screens.guest('-device', 'xen-framebuffer,id=left',
                       '-device', 'xen-framebuffer,id=right',
                       '-device', 'xen-input,display=left',
                       '-device', 'xen-input,display=right') as vm:
        vm.shell_ready()
        screens.quiet_screen(vm)
        vm.ok('FB=/dev/fb0 xpv fb pattern 1; FB=/dev/fb1 xpv fb pattern 2')
        shown = {}
        for name in ('left', 'right'):
            shown[name] = until(
                lambda: [seed for seed in (1, 2) if not difference(
                    screendump(vm, device=name), pattern(800, 600, seed))],
                lambda found: found, lambda found: f'nothing on {name}')[0]
        equal(sorted(shown.values()), [1, 2], 'pictures')
        events = Events(vm)
        send(vm, input_event('key', down=True,
                             key={'type': 'qcode', 'data': 'a'}),
             device='left')
        events.expect(f'{KEYBOARD}: 1 30 1')


@test
def sdl_heads():
    """A window for each, that has its picture and takes its input."""
    with in_window('-device', 'xen-framebuffer,id=left',
                   '-device', 'xen-framebuffer,id=right',
                   '-device', 'xen-input,display=left,keyboard=off',
                   '-device', 'xen-input,display=right') as (vm, server):
        screens.quiet_screen(vm)
        vm.ok('FB=/dev/fb0 xpv fb pattern 1; FB=/dev/fb1 xpv fb pattern 2')
        found = until(server.windows, lambda found: len(found) == 2,
                      lambda found: f'windows: {found}')
        # X forgets what is covered by another window.
        server.run('xdotool', 'windowmove', found[0], '0', '0',
                   'windowmove', found[1], '800', '600')
        where = {}
        for name in ('left', 'right'):
            where[name] = until(
                lambda: [window for window in server.windows()
                         if not difference(server.picture(window),
                                           screendump(vm, device=name))],
                lambda found: found, lambda _: f'no window has {name}')[0]
            keep(server.picture(where[name]), f'sdl-{name}')
        equal(len(set(where.values())), 2, 'windows with a picture')
        check(difference(screendump(vm, device='left'),
                         screendump(vm, device='right')), 'both are the same')
        events = Events(vm)
        server.type(where['right'], 'a')
        events.expect(f'{KEYBOARD}: 1 30 1', f'{KEYBOARD}: 1 30 0')


@test
def driver_reload():
    """The guest's drivers let go of screen and input and take them again: the
    same console, the same devices."""
    with screens.guest('-vga', 'xenfb') as vm:
        vm.shell_ready()
        for turn in range(2):
            screens.quiet_screen(vm)
            draws(vm, turn, f'reload-{turn}')
            for driver in ('vfb', 'vkbd'):
                vm.ok(f'cd /sys/bus/xen/drivers/{driver} && '
                      f'echo {driver}-0 >unbind && echo {driver}-0 >bind')
        screens.quiet_screen(vm)
        draws(vm, 9, 'reload-end')
        equal(len(vm.qmp.command('query-mice')), 1, 'number of pointers')
        events = Events(vm)
        send(vm, input_event('key', down=True,
                             key={'type': 'qcode', 'data': 'a'}))
        events.expect(f'{KEYBOARD}: 1 30 1')


# ---- typing ----

def shell_on_screen(vm: Guest) -> None:
    vm.ok('dmesg -n 1')
    vm.ok('(xpv session /dev/tty1 sh -l </dev/null >/dev/null 2>&1 &) ; '
          'sleep 1')


@test
def typed_text():
    """By QMP's send-key and over VNC, in order; it is seen on the screen."""
    with on_vnc() as (vm, path):
        shell_on_screen(vm)
        before = screendump(vm)
        send_keys(vm, 'echo the-quick-brown-fox.jumps > /tmp/a\n')
        until(lambda: vm.run('cat /tmp/a')[1],
              lambda text: text == 'the-quick-brown-fox.jumps',
              lambda text: f'send-key: {text!r}')
        keep(screendump(vm), 'typed')
        check(difference(before, screendump(vm)), 'nothing on the screen')
        vnc = Vnc(path)
        vnc.type('echo over-the-lazy.dog 0123456789 > /tmp/b\n')
        until(lambda: vm.run('cat /tmp/b')[1],
              lambda text: text == 'over-the-lazy.dog 0123456789',
              lambda text: f'VNC: {text!r}')
        vnc.close()


@test
def many_keys():
    """More than the ring has room for, as fast as they come: all arrive.

    Read from the terminal: /dev/input has room for 32 keys, the ring for 51,
    so what is a whole ring at once there would be lost in the guest.
    """
    with screens.guest('-vga', 'xenfb') as vm:
        vm.shell_ready()
        vm.ok('head -n 1 </dev/tty1 >/tmp/keys & sleep 0.1')
        for name in ['a', 'b'] * 40 + ['ret']:
            send(vm, *(input_event('key', down=down,
                                   key={'type': 'qcode', 'data': name})
                       for down in (True, False)))
        until(lambda: vm.run('cat /tmp/keys')[1],
              lambda text: text == 'ab' * 40,
              lambda text: f'the guest has read {text!r}')


# ---- pointing ----

@test_each_kernel
def pointer(label):
    """Absolute, with all buttons and the wheel, and where it is said to be."""
    with screens.guest('-vga', 'xenfb', kernel=SETUP.kernel(label)) as vm:
        vm.shell_ready()
        events = Events(vm)
        send(vm, input_event('abs', axis='x', value=0x4000),
             input_event('abs', axis='y', value=0x7fff))
        events.expect(f'{POINTER}: 3 0 400',
                      f'{POINTER}: 3 1 599')
        for button, code in (('left', 0x110), ('right', 0x111),
                             ('middle', 0x112), ('side', 0x113),
                             ('extra', 0x114)):
            for down in (True, False):
                send(vm, input_event('btn', button=button, down=down))
            events.expect(f'{POINTER}: 1 {code} 1', f'{POINTER}: 1 {code} 0')
        # Up is positive for Linux; both directions, and no jump.
        for button, value in (('wheel-up', 1), ('wheel-down', -1)):
            send(vm, input_event('btn', button=button, down=True),
                 input_event('btn', button=button, down=False))
            events.expect(f'{POINTER}: 2 8 {value}')
        # A click comes where it was made.
        send(vm, input_event('btn', button='left', down=True),
             input_event('abs', axis='x', value=0),
             input_event('abs', axis='y', value=0))
        events.expect(f'{POINTER}: 3 0 0', f'{POINTER}: 3 1 0',
                      f'{POINTER}: 1 272 1')


@test
def pointer_over_vnc():
    with on_vnc() as (vm, path):
        events = Events(vm)
        vnc = Vnc(path)
        vnc.pointer(799, 599)
        events.expect(f'{POINTER}: 3 0 799', f'{POINTER}: 3 1 599')
        vnc.pointer(799, 599, 1)
        vnc.pointer(799, 599, 0)
        events.expect(f'{POINTER}: 1 272 1', f'{POINTER}: 1 272 0')
        vnc.pointer(799, 599, 8)
        vnc.pointer(799, 599, 0)
        events.expect(f'{POINTER}: 2 8 1')
        vnc.close()


@test
def relative_pointer():
    with screens.guest('-device', 'xen-framebuffer',
                       '-device', 'xen-input,absolute=off') as vm:
        vm.shell_ready()
        events = Events(vm)
        send(vm, input_event('rel', axis='x', value=5),
             input_event('rel', axis='y', value=-7))
        events.expect(f'{POINTER}: 2 0 5', f'{POINTER}: 2 1 -7')


@test
def touch():
    """Two fingers, one of which moves and goes."""
    def finger(kind: str, slot: int, x: int = 0, y: int = 0):
        def part(what, axis, value):
            return input_event('mtt', **{
                'type': what, 'slot': slot, 'tracking-id': slot,
                'axis': axis, 'value': value})
        if kind == 'end':
            return [part(kind, 'x', 0)]
        return [part(kind, 'x', 0), part('data', 'x', x), part('data', 'y', y)]

    with screens.guest('-device', 'xen-framebuffer', '-device',
                       'xen-input,multi-touch=on,contacts=4') as vm:
        vm.shell_ready()
        events = Events(vm)
        check(any(line.startswith(f'device {TOUCH}')
                  for line in events.lines()), f'devices: {events.lines()}')
        send(vm, *finger('begin', 0, 0x7fff, 0), *finger('begin', 1, 0, 0x7fff))
        # 47 slot, 53/54 position, 57 tracking id; 330 is BTN_TOUCH
        lines = until(lambda: events.lines()[events.head:],
                      lambda lines: any(': 1 330 1' in line for line in lines),
                      lambda lines: f'touch: {lines}')
        text = ' '.join(line.rpartition(': ')[2] + ',' for line in lines)
        # Linux keeps to itself what is 0 anyway.
        for wanted in ('3 53 799,', '3 47 1,', '3 54 599,', '1 330 1,'):
            check(wanted in text, f'no {wanted} in {text}')
        events.head = len(events.lines())
        send(vm, *finger('update', 0, 0, 0))
        until(lambda: ' '.join(events.lines()[events.head:]),
              lambda text: ': 3 53 0' in text, lambda text: f'moved: {text}')
        send(vm, *finger('end', 0), *finger('end', 1))
        until(lambda: ' '.join(events.lines()[events.head:]),
              lambda text: ': 1 330 0' in text and
              text.count(': 3 57 -1') == 2, lambda text: f'gone: {text}')


# ---- comings and goings ----

@test
def plug():
    """A screen and a keyboard that come while the guest runs, and go; then
    again, and the first one is still there.  Last, a screen that goes while
    the guest draws on it."""
    with screens.guest('-vga', 'xenfb') as vm:
        vm.shell_ready()
        screens.quiet_screen(vm)
        for turn in range(2):
            plug_screen(vm)
            vm.qmp.command('device_add', driver='xen-input', id='keys')
            vm.ok(f'FB=/dev/fb1 xpv fb pattern {turn}')
            shows(lambda: screendump(vm, device='second'),
                  pattern(800, 600, turn), f'plugged-{turn}')
            until(lambda: vm.qmp.hmp('info qtree'),
                  lambda text: text.count('pointer absolute') == 2,
                  lambda text: text)
            vm.qmp.command('device_del', id='keys')
            vm.qmp.event('DEVICE_DELETED',
                         matches=lambda data: data.get('device') == 'keys')
            unplug(vm, 'second')
            draws(vm, 10 + turn, f'plug-first-{turn}')
            vm.ok('while [ -e /dev/fb1 ]; do sleep 0.1; done')
        events = Events(vm)
        send(vm, input_event('key', down=True,
                             key={'type': 'qcode', 'data': 'a'}))
        events.expect(f'{KEYBOARD}: 1 30 1')
        plug_screen(vm)
        vm.ok('(FB=/dev/fb1 xpv fb storm 30 </dev/null >/dev/null 2>&1 &)')
        unplug(vm, 'second')
        # Linux 6.1 has been seen to fault in its own worker after this, so
        # nothing more is asked of the guest.
        equal(vm.qmp.command('query-status')['status'], 'running', 'status')
        check('second' not in vm.qmp.hmp('info qtree'), 'it is still there')


def plug_screen(vm: Guest) -> None:
    vm.qmp.command('device_add', driver='xen-framebuffer', id='second')
    vm.ok('while ! [ -e /dev/fb1 ]; do sleep 0.1; done')


def unplug(vm: Guest, name: str) -> None:
    """The first request asks, the second insists: Linux's driver does not let
    go of a framebuffer that is in use."""
    deadline = time.monotonic() + SHORT
    while True:
        answer = vm.qmp.try_command('device_del', id=name)
        if 'error' in answer and 'not found' in answer['error']['desc']:
            return
        try:
            vm.qmp.event('DEVICE_DELETED', timeout=7,
                         matches=lambda data: data.get('device') == name)
            return
        except Failure:
            if time.monotonic() > deadline:
                raise


@test
def many_plugs():
    """A head and a keyboard, over and over: QEMU does not grow."""
    rounds, settle = (200, 40) if SETUP.full else (6, 3)
    with bounded('-vga', 'xenfb', make=screens.guest) as vm:
        vm.shell_ready()
        inputs = vm.ok('grep -c "Xen Virtual" /proc/bus/input/devices')

        def one() -> None:
            plug_screen(vm)
            vm.qmp.command('device_add', driver='xen-input', id='keys')
            vm.ok('FB=/dev/fb1 xpv fb pattern 1')
            screendump(vm, device='second')
            vm.qmp.command('device_del', id='keys')
            vm.qmp.event('DEVICE_DELETED',
                         matches=lambda data: data.get('device') == 'keys')
            unplug(vm, 'second')
            vm.ok('while [ -e /dev/fb1 ]; do sleep 0.1; done')

        steady(vm, rounds, one, settle)
        equal(vm.ok('grep -c "Xen Virtual" /proc/bus/input/devices'), inputs,
              'number of input devices')
        draws(vm, 2, 'many-plugs')


@test
def resized_and_unplugged():
    """A head that goes before its display has said how large its window is
    now, which it does a second late: that was the end of QEMU."""
    with in_window('-device', 'xen-framebuffer,id=head') as (vm, server):
        screens.quiet_screen(vm)
        window = window_of(server)
        for width in range(700, 780, 2):
            server.run('xdotool', 'windowsize', window, str(width), '500')
            answer = vm.qmp.try_command('device_del', id='head')
            if 'not found' in answer.get('error', {}).get('desc', ''):
                break
            time.sleep(0.3)
        time.sleep(2)
        equal(vm.qmp.command('query-status')['status'], 'running', 'status')


@test
def reset_while_drawing():
    with screens.guest('-vga', 'xenfb') as vm:
        for turn in range(3):
            vm.shell_ready()
            screens.quiet_screen(vm)
            draws(vm, turn, f'reset-{turn}')
            vm.ok('(xpv fb storm 60 </dev/null >/dev/null 2>&1 &)')
            time.sleep(1)
            vm.qmp.command('system_reset')
        vm.shell_ready()
        equal(len(vm.qmp.command('query-mice')), 1, 'number of pointers')


# ---- what a user can get wrong ----

@test
def wrong_options():
    for options, words in (
            ('width=800', 'width and height go together'),
            ('width=20000,height=10', 'larger than 16384x16384'),
            ('videoram=0', 'videoram=0 is not in 1..512'),
            ('videoram=2,width=1280,height=800', 'does not fit into'),
    ):
        refused('-device', f'xen-framebuffer,{options}', names=words,
                kernel=SETUP.kernel())
    refused('-device', 'xen-input,keyboard=off,pointer=off',
            kernel=SETUP.kernel(),
            names='neither keyboard nor pointer nor multi-touch')
