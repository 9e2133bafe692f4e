# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests there are."""

from typing import Any, Callable, List, NamedTuple, Tuple


class Test(NamedTuple):
    name: str
    function: Callable
    arguments: Tuple[Any, ...] = ()


_TESTS: List[Tuple[str, Callable, bool]] = []


def test(function: Callable) -> Callable:
    """A test with the first kernel there is."""
    _TESTS.append((_name(function), function, False))
    return function


def test_each_kernel(function: Callable) -> Callable:
    """A test that gets each kernel's label in turn."""
    _TESTS.append((_name(function), function, True))
    return function


def _name(function: Callable) -> str:
    module = function.__module__.replace('test_', '')
    return f'{module}/{function.__name__}'


def expand(labels: List[str]) -> List[Test]:
    found = []
    for name, function, each in _TESTS:
        if each:
            found += [Test(f'{name}[{label}]', function, (label,))
                      for label in labels or ['?']]
        else:
            found.append(Test(name, function))
    return found
