"""Syntax trees that several threads build at once."""

from __future__ import annotations

import ast
import gc
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skops.io

from labelpress.end_model import saving
from labelpress.errors import LabelpressError
from labelpress.heuristics.modules import parse
from labelpress.syntax_trees import built_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = "\n".join(f"value_{n} = [1, (2, {{3: 4}}), lambda x: x + {n}]" for n in range(20))
CONTENT = skops.io.dumps({"format": 0, "arrays": [np.arange(n) for n in range(8)]})


class NoFiles:
    """A project of one module."""

    def has(self, name: str) -> bool:
        """It has no other."""
        return False

    def is_package(self, name: str) -> bool:
        """Nor a package."""
        return False


def read_heuristics() -> None:
    """Parse a module of heuristics."""
    parse("module", SOURCE, NoFiles(), registers=False)


def read_end_model() -> None:
    """Read the arrays of an end model's file."""
    with pytest.raises(LabelpressError, match="not of format"):
        saving.unpack(CONTENT, ())


class Intruder:
    """Another thread, which the garbage collector lets in at every one of its passes."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.passes = 0
        self.threads: list[threading.Thread] = []

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """Let it work, and wait for it a moment: it may have to wait in turn."""
        if phase == "start" and threading.current_thread() is threading.main_thread():
            self.passes += 1
            thread = threading.Thread(target=self.work)
            thread.start()
            thread.join(0.01)
            self.threads.append(thread)


@contextmanager
def intruded() -> Iterator[Intruder]:
    """Let another thread parse amid whatever is done here; pytest parses too, so not for long."""
    before = gc.get_threshold()
    intruder = Intruder(lambda: built_alone(lambda: ast.parse("1")))
    gc.callbacks.append(intruder)
    gc.set_threshold(20)
    try:
        yield intruder
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(intruder)
        for thread in intruder.threads:
            thread.join()


@pytest.mark.parametrize("read", [read_heuristics, read_end_model])
def test_threads_do_not_disturb_each_other(read):
    """End models and heuristics are read by the threads of a worker at once."""
    with intruded() as intruder:
        read()

    assert intruder.passes


def test_what_other_code_disturbed_is_done_anew():
    """And other errors are raised at once."""
    disturbances = [SystemError("recursion depth mismatch")] * 2

    def work() -> str:
        if disturbances:
            raise disturbances.pop()
        return "read"

    assert built_alone(work) == "read"
    with pytest.raises(SyntaxError):
        built_alone(partial(ast.parse, "1 +"))


def test_a_lasting_system_error_is_raised():
    """It was no disturbance."""

    def broken() -> None:
        raise SystemError("the interpreter is broken")

    with pytest.raises(SystemError, match="broken"):
        built_alone(broken)
