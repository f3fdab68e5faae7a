"""Syntax trees: one thread of a process builds them at a time, as CPython 3.11 needs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_TRIES: Final = 5
_building = threading.Lock()


def built_alone(work: Callable[[], Result]) -> Result:
    """
    Return what `work` returns; no other thread is in here meanwhile.

    For all that calls `ast.parse` or `ast.literal_eval`, as numpy does to read the header of each
    array. CPython 3.11 counts the depth of a tree once for all threads, and where the
    garbage collector lets another thread go on amid a tree it raises `SystemError`, "AST
    constructor recursion depth mismatch". Code that is not ours may disturb all the same, so the
    work is done anew a few times before the error is believed.
    """
    with _building:
        for _ in range(_TRIES - 1):
            try:
                return work()
            except SystemError:
                continue
        return work()
