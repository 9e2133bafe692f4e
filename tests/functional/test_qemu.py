# SPDX-License-Identifier: GPL-2.0-or-later
"""Our test in QEMU's own collection, as QEMU runs it."""

import os
import re
import subprocess

from harness import SETUP, Failure, Skip, check, equal
from registry import test

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def pycotap() -> str:
    """What QEMU's tests are run by; the tree is Debian's, which leaves it out."""
    folder = os.path.join(os.environ.get('XENPV_WORK',
                                         os.path.join(TOP, '.work')), 'pycotap')
    if not os.path.isdir(folder):
        done = subprocess.run(
            [os.path.join(TOP, 'scripts', 'debian-fetch'), 'trixie', 'binary',
             'python3-pycotap', folder], check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode:
            raise Skip("there is no pycotap, which runs QEMU's tests")
    return os.path.join(folder, 'usr', 'lib', 'python3', 'dist-packages')


@test
def collection():
    """tests/functional/test_x86_64_xenpv.py"""
    SETUP.need_xenpv()
    tree = os.environ.get('QEMU_SRC', os.path.join(TOP, 'qemu'))
    folder = os.path.join(tree, 'tests', 'functional')
    script = os.path.join(folder, 'test_x86_64_xenpv.py')
    if not os.path.exists(script):
        raise Skip(f'{script} is not there')
    with open(os.path.join(folder, 'meson.build'), encoding='utf-8') as file:
        check("'x86_64_xenpv'," in file.read(), 'meson does not know it')
    build = os.path.join(SETUP.work, 'qemu-tests')
    os.makedirs(build, exist_ok=True)
    path = [os.path.join(tree, 'python'), folder, pycotap()]
    done = subprocess.run(
        ['/usr/bin/python3', script], check=False, text=True, errors='replace',
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={
            **os.environ, 'PYTHONDONTWRITEBYTECODE': '1',
            'PYTHONPATH': ':'.join(path), 'QEMU_BUILD_ROOT': build,
            'QEMU_TEST_QEMU_BINARY': os.path.abspath(SETUP.qemu)})
    passed = re.findall(r'^ok \d+ (?!.*# SKIP)', done.stdout, re.MULTILINE)
    if done.returncode:
        raise Failure(done.stdout + done.stderr)
    equal(len(passed), 6, f'tests passed ({done.stdout})')
