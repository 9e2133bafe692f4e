# SPDX-License-Identifier: GPL-2.0-or-later
"""Power-off, reboot, panic, and what the host may ask for."""

import time

from harness import BOOT, SETUP, Guest, Skip, check, equal
from registry import test, test_each_kernel


@test
def poweroff():
    with Guest(do='none') as guest:
        guest.started_up()
        equal(guest.qmp.event('SHUTDOWN', BOOT),
              {'guest': True, 'reason': 'guest-shutdown'}, 'the event')
        guest.ends(0)


@test
def halt():
    """A halted Xen guest has shut down; a halted PC just stands still."""
    SETUP.need_xenpv()
    with Guest(do='none', then='halt') as guest:
        guest.started_up()
        guest.ends(0, BOOT)


@test
def no_shutdown():
    with Guest('-no-shutdown', do='none') as guest:
        guest.qmp.event('SHUTDOWN', BOOT)
        time.sleep(1)
        equal(guest.qmp.command('query-status')['status'], 'shutdown', 'status')
        guest.qmp.command('quit')
        guest.ends(0)


@test_each_kernel
def reboot_loop(label):
    """Reboot after reboot, each complete, with no growth of the process."""
    rounds = 100 if SETUP.full else 4
    settled = 20 if SETUP.full else 2
    # guest RAM and translated code would grow up to their own bounds
    with Guest('-mem-prealloc', do='none', then='reboot', mem='128M',
               kernel=SETUP.kernel(label),
               accel_options=',tb-size=32' if SETUP.accel == 'tcg' else ''
               ) as guest:
        sizes = []
        for _ in range(rounds):
            guest.started_up()
            guest.expect('INIT: done, status 0')
            sizes.append(guest.rss_kib())
        equal(guest.qmp.event('RESET', BOOT)['reason'], 'guest-reset',
              'the reason')
        growth = (sizes[-1] - sizes[settled - 1]) // 1024
        check(growth < 16, f'{growth} MiB more after {rounds} reboots: '
              f'{sizes[::max(1, rounds // 10)]} KiB')


@test
def no_reboot():
    with Guest('-no-reboot', do='none', then='reboot') as guest:
        guest.started_up()
        guest.ends(0, BOOT)


@test
def busy_reboot():
    """A reset takes away whatever is going on."""
    with Guest() as guest:
        for _ in range(3):
            guest.shell_ready()
            guest.console.send(b'(while :; do (xpv nothing); done) & '
                               b'(xpv source 100000000 >/dev/null) & '
                               b'sleep 2; reboot\n')
        guest.shell_ready()


def crash(*args: str) -> Guest:
    SETUP.need_xenpv()      # -M pc would need a pvpanic device
    return Guest(*args, do='panic')


@test
def panic_event():
    with crash() as guest:
        guest.expect('Kernel panic - not syncing: sysrq triggered crash')
        data = guest.qmp.event('GUEST_PANICKED', BOOT)
        check(data['action'] in ('poweroff', 'pause', 'run'), str(data))
        guest.ends(0, BOOT)


@test
def panic_pause():
    with crash('-action', 'panic=pause') as guest:
        equal(guest.qmp.event('GUEST_PANICKED', BOOT)['action'], 'pause',
              'action')
        time.sleep(1)
        equal(guest.qmp.command('query-status')['status'], 'guest-panicked',
              'status')
        guest.qmp.command('system_reset')
        guest.qmp.command('cont')
        guest.started_up()
        guest.started_up()


@test
def panic_exit_failure():
    with crash('-action', 'panic=exit-failure') as guest:
        guest.qmp.event('GUEST_PANICKED', BOOT)
        check(guest.wait_exit(BOOT) != 0, 'QEMU ended with status 0')


@test_each_kernel
def system_powerdown(label):
    SETUP.need_xenpv()      # on pc the button's driver is a module
    with Guest(kernel=SETUP.kernel(label)) as guest:
        guest.shell_ready()
        guest.qmp.command('system_powerdown')
        guest.expect('INIT: orderly poweroff')
        guest.ends(0, BOOT)


@test
def powerdown_by_hmp():
    SETUP.need_xenpv()
    with Guest() as guest:
        guest.shell_ready()
        equal(guest.qmp.hmp('system_powerdown'), '', 'HMP said')
        guest.expect('INIT: orderly poweroff')
        guest.ends(0, BOOT)


@test
def powerdown_after_reset():
    """Asked before a reset and again after it: the second one counts."""
    SETUP.need_xenpv()
    with Guest('-S') as guest:
        guest.qmp.command('system_powerdown')   # nobody there to hear it
        guest.qmp.command('system_reset')
        guest.qmp.command('cont')
        guest.shell_ready()
        guest.qmp.command('system_powerdown')
        guest.expect('INIT: orderly poweroff')
        guest.ends(0, BOOT)


@test
def system_reset():
    with Guest() as guest:
        guest.shell_ready()
        guest.ok('echo before > /tmp/mark')
        guest.qmp.command('system_reset')
        equal(guest.qmp.event('RESET')['reason'], 'host-qmp-system-reset',
              'the reason')
        guest.shell_ready()
        guest.ok('[ ! -e /tmp/mark ]')
        guest.ok('xpv test klog')


@test
def reset_at_any_time():
    """Resets that hit the guest wherever it is on its way up."""
    rounds = 40 if SETUP.full else 8
    with Guest(do='none', then='reboot') as guest:
        for i in range(rounds):
            time.sleep(0.05 + 0.11 * i % 3)
            guest.qmp.command('system_reset')
        guest.started_up()
        guest.expect('INIT: done, status 0', BOOT)


@test
def stop_and_cont():
    with Guest() as guest:
        guest.shell_ready()
        for _ in range(3):
            guest.qmp.command('stop')
            guest.console.send(b'echo typed $((20 + 3)) meanwhile\n')
            check(guest.console.idle(2), 'a stopped guest wrote')
            guest.qmp.command('cont')
            guest.expect('typed 23 meanwhile')
        guest.ok('xpv test clock', BOOT)
        guest.ok('xpv test klog')


@test
def start_stopped():
    with Guest('-S') as guest:
        equal(guest.qmp.command('query-status')['status'], 'prelaunch',
              'status')
        check(guest.console.idle(3), 'the guest ran')
        guest.qmp.command('cont')
        guest.shell_ready()


@test
def sigterm():
    """A signal to QEMU ends it as it ends any QEMU."""
    with Guest() as guest:
        guest.shell_ready()
        guest.process.terminate()
        guest.ends(0)


@test
def quit_while_starting():
    for delay in (0, 0.3, 1, 2):
        with Guest() as guest:
            time.sleep(delay)
            guest.qmp.command('quit')
            guest.ends(0)
