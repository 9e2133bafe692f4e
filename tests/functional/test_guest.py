# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of tests/guest, all in one boot of each kernel."""

import re

from harness import BOOT, SETUP, Failure, Guest, Skip
from registry import test, test_each_kernel


GROUPS = ['smoke', 'compat32', 'isolation', 'traps', 'sigreturn', 'signals',
          'segments', 'debug', 'fpu', 'clock', 'memory', 'procs', 'smp',
          'xenstore',
          'klog']


def run_groups(guest: Guest, groups):
    """One result for each group, with the failed checks as its detail."""
    for group in groups:
        try:
            match = guest.expect(
                rf'RESULT {group} (\d+) passed, (\d+) failed, (\d+) skipped',
                BOOT * 2)
        except Failure as failure:
            yield group, False, str(failure)
            return
        start = guest.console.data.rfind(b'RESULT ', 0, guest.console.match_at)
        text = bytes(guest.console.data[max(start, 0):guest.console.match_at]
                     ).decode(errors='replace').replace('\r', '')
        failed = re.findall(rf'^FAIL {group}/.*|^LOG .*', text, re.MULTILINE)
        skipped = re.findall(rf'^SKIP {group}/(.*)', text, re.MULTILINE)
        if int(match[2]) or failed:
            yield group, False, (f'{int(match[2])} of '
                                 f'{int(match[1]) + int(match[2])} checks '
                                 'failed\n' + '\n'.join(failed))
        elif not int(match[1]):
            yield group, 'skip', '; '.join(skipped) or 'nothing was checked'
        else:
            notes = [f'{int(match[1])} checks']
            notes += [f'without {reason}' for reason in skipped]
            yield group, 'pass', '\n' + '\n'.join(notes)


@test_each_kernel
def programs(label):
    with Guest(do='test:all', kernel=SETUP.kernel(label)) as guest:
        guest.started_up()
        yield from run_groups(guest, GROUPS)
        guest.ends(0)


@test
def cpu_models():
    """Other CPUs make the kernel choose other ways: SYSENTER for Intel."""
    models = ['max,vendor=GenuineIntel', 'EPYC']
    if SETUP.full:
        models += ['max,vendor=AuthenticAMD', 'qemu64', 'Nehalem']
    for model in models:
        with Guest('-cpu', model, do='test:compat32,test:traps,test:fpu,'
                   'test:klog') as guest:
            guest.started_up()
            for name, good, detail in run_groups(
                    guest, ['compat32', 'traps', 'fpu', 'klog']):
                yield f'{model}/{name}', good, detail
            guest.ends(0)


@test
def again_under_pressure():
    """What moves page tables and FPU state most, in little memory."""
    if not SETUP.full:
        raise Skip('takes long: --full')
    groups = ['memory', 'fpu', 'procs', 'signals'] * 3
    actions = ','.join(f'test:{group}' for group in [*groups, 'klog'])
    with Guest(do=actions, mem='128M') as guest:
        guest.started_up()
        yield from run_groups(guest, [*groups, 'klog'])
        guest.ends(0)
