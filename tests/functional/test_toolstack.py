# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks made by a toolstack's nodes: the part of xl that is xenstore-write."""

import contextlib
import os

import disks
from disks import MIB, images
from harness import SETUP, Guest, check, equal
from registry import test
from test_xenstore import HOME, Store, until, until_no_node

NUMBER = 51712                          # xvda
BACK = f'/local/domain/0/backend/qdisk/1/{NUMBER}'
FRONT = f'{HOME}/device/vbd/{NUMBER}'
ERROR = f'/local/domain/0/error/backend/qdisk/1/{NUMBER}'


@contextlib.contextmanager
def guest_and_images(**more):
    SETUP.need_xenpv()
    with images() as folder:
        path = folder.path('xenstore')
        with disks.guest(machine_options=f'xenstore={path}', **more) as guest:
            guest.shell_ready()
            yield guest, Store(path), folder


def ask(store: Store, params: str, kind: str = 'disk', mode: str = 'w'):
    """What libxl_disk.c writes, in an order that needs no transaction."""
    store.run('write', f'{BACK}/frontend', FRONT, f'{BACK}/frontend-id', '1',
              f'{BACK}/online', '1', f'{BACK}/params', params,
              f'{BACK}/mode', mode, f'{BACK}/dev', 'xvda', f'{BACK}/type',
              'qdisk', f'{BACK}/device-type', kind, f'{BACK}/removable',
              '1' if kind == 'cdrom' else '0')
    store.run('chmod', '-r', BACK, 'n0', 'r1')
    store.run('write', f'{FRONT}/backend', BACK, f'{FRONT}/backend-id', '0',
              f'{FRONT}/virtual-device', str(NUMBER), f'{FRONT}/device-type',
              kind)
    store.run('chmod', FRONT, 'n1', 'r0')
    store.run('write', f'{FRONT}/state', '1')
    store.run('write', f'{BACK}/state', '1')


def connected(store: Store) -> None:
    store.wait(f'{BACK}/state', '4')
    store.wait(f'{FRONT}/state', '4')


def nothing_left(guest: Guest, store: Store, image: str) -> None:
    until(lambda: 'dev: xen-' not in guest.qmp.hmp('info qtree').replace(
        'dev: xen-console', ''), 'the device is still there')
    until(lambda: not guest.qmp.command('query-named-block-nodes'),
          'its block nodes are still there')
    for path in (BACK, FRONT, ERROR):
        until_no_node(store, path)
    # QEMU holds the image no longer: it can be taken for writing
    done = disks.qemu_img('amend', '-f', 'qcow2', '-o', 'compat=1.1', image)
    equal(done, '', 'qemu-img')


@test
def disk_by_nodes():
    """Made, written, through a reset, and away: asked, and not asked."""
    with guest_and_images() as (guest, store, folder):
        image = folder.create('a.qcow2', 64 * MIB)
        for turn in range(4 if SETUP.full else 2):
            ask(store, f'qcow2:{image}')
            connected(store)
            text = f'turn {turn}'
            guest.ok(f'echo {text} | dd of=/dev/xvda bs=512 conv=sync,fsync '
                     '2>/dev/null')
            guest.qmp.command('system_reset')
            guest.shell_ready()
            connected(store)
            equal(guest.ok(f'head -c {len(text)} /dev/xvda'), text,
                  'what was written before the reset')
            if turn % 2:
                store.run('rm', BACK)
                store.run('rm', FRONT)
            else:
                store.run('write', f'{BACK}/online', '0', f'{BACK}/state',
                          '5')
                store.wait(f'{BACK}/state', '6')
                store.run('rm', BACK, FRONT)
            nothing_left(guest, store, image)
        guest.ok('xpv test klog')


@test
def disk_replaced_at_once():
    """Removed and asked for again without a pause, with the same image: it
    must not be locked.  Linux's driver comes when that is over; it would not
    notice that its device is another one."""
    with guest_and_images(modules=[]) as (guest, store, folder):
        image = folder.create('a.qcow2', 8 * MIB)
        for _ in range(8):
            ask(store, f'qcow2:{image}')
            store.wait(f'{BACK}/state', '2')
            store.run('rm', BACK, FRONT)
        ask(store, f'qcow2:{image}')
        guest.ok('modprobe xen-blkfront')
        connected(store)
        check(store.try_run('exists', ERROR).returncode, 'an error is noted')
        store.run('rm', BACK, FRONT)
        nothing_left(guest, store, image)


@test
def disk_refused():
    """Why, at once, where a toolstack looks; and then better."""
    with guest_and_images() as (guest, store, folder):
        image = folder.create('a.qcow2', 8 * MIB)
        missing = folder.path('missing.qcow2')
        ask(store, f'qcow2:{missing}')
        store.wait(f'{BACK}/state', '6')
        check(missing in store.read(f'{ERROR}/error'),
              store.read(f'{ERROR}/error'))
        os.link(image, missing)
        store.run('rm', BACK, FRONT)
        until_no_node(store, ERROR)
        ask(store, f'qcow2:{missing}')
        connected(store)
        guest.ok('dd if=/dev/xvda of=/dev/null bs=4k count=1')


@test
def cd_by_nodes():
    """An empty drive; a CD put in, and another, by writing params."""
    with guest_and_images() as (guest, store, folder):
        one = folder.pattern('one.raw', MIB, seed=1)
        two = folder.pattern('two.raw', MIB, seed=2)
        ask(store, '', kind='cdrom', mode='r')
        connected(store)
        check(guest.run('head -c 16 /dev/xvda')[1] == '',
              'an empty drive can be read')
        for path in (one, two):
            store.run('write', f'{BACK}/params', f'aio:{path}')
            until(lambda path=path: guest.run('md5sum /dev/xvda')[1].startswith(
                disks.digest_of(path)), f'the guest does not see {path}')
            store.run('write', f'{BACK}/params', '')
            until(lambda: not guest.qmp.command('query-named-block-nodes'),
                  'the medium is still held')
