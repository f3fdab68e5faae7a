"""
Python heuristics in a process of their own, under limits that really stop them.

A function that hangs, in Python or in C, takes all memory or ends its interpreter must not take
the worker with it. So one child process per sandbox casts the votes of Python functions; it
is killed when a limit is passed, and a new one is started for the next heuristic. What a function
prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self

from labelpress.child_cpu import count_child_cpu
from labelpress.errors import HeuristicError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import polars as pl

    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.heuristics.cells import Cell
    from labelpress.heuristics.definitions import Heuristic

STARTING_SECONDS = 120.0
"""How long a child may take to import the project and make its resources, per heuristic."""
HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a Python heuristic may use on one partition."""

    seconds: float = 300.0
    """Wall-clock time per heuristic and partition."""
    memory_mb: int = 2048
    """Address space beyond what the child has after its start."""


class Sandbox:
    """
    A child process that runs Python heuristics; a context manager, safe for several threads.

    The child is kept from partition to partition, with the resources it made.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._child: subprocess.Popen[bytes] | None = None
        self._loaded: tuple[str, Classes] | None = None
        self._lock = threading.Lock()
        self._end: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child; the sandbox starts another when it is used again."""
        with self._lock:
            self._stop()

    def call(self, frame: pl.DataFrame, heuristic: Heuristic, classes: Classes) -> Cell:
        """
        Return what a heuristic says of all rows.

        Raises `HeuristicError` where it said what is no vote, or a limit stopped it, or its
        process died.
        """
        if heuristic.bundle is None:
            raise HeuristicError(f"{heuristic.name} comes from no project and cannot be isolated.")
        with self._lock:
            self._prepare(heuristic, heuristic.bundle, classes)
            rows = frame.height
            request = ("cast", heuristic.name, frame.serialize())
            answer = self._ask(
                request,
                self.limits.seconds,
                f"{heuristic.name} was stopped after {self.limits.seconds:g} s on {rows} rows, its "
                "time limit per partition",
                heuristic.name,
            )
        if isinstance(answer, HeuristicError):
            raise answer
        cell: Cell = answer
        return cell

    def _prepare(self, heuristic: Heuristic, bundle: Bundle, classes: Classes) -> None:
        """Make sure that a child runs, holds the project and has made the resources."""
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._child = subprocess.Popen(
                [sys.executable, "-m", "labelpress.heuristics.isolated"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that what a function started dies with it
                env={**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            )
            # Also when the sandbox is forgotten, or the worker ends.
            self._end = weakref.finalize(self, _end, self._child)
        late = (
            f"{heuristic.name} was stopped: its project or resources took more than "
            f"{STARTING_SECONDS:g} s to load"
        )
        if self._loaded != (bundle.sha, classes):
            limit = self.limits.memory_mb
            answer = self._ask(("load", bundle, classes, limit), STARTING_SECONDS, late, None)
            if isinstance(answer, HeuristicError):
                self._stop()
                raise answer
            self._loaded = (bundle.sha, classes)
        answer = self._ask(("make", heuristic.name), STARTING_SECONDS, late, heuristic.name)
        if isinstance(answer, HeuristicError):
            raise answer

    def _ask(self, request: Any, seconds: float, late: str, name: str | None) -> Any:
        """Send a request and return the answer; kill the child where none comes in time."""
        child = self._child
        assert child is not None  # noqa: S101  # started by _prepare
        assert child.stdin is not None  # noqa: S101
        assert child.stdout is not None  # noqa: S101
        timer = threading.Timer(seconds, _kill, (child,))
        timer.daemon = True
        timer.start()
        try:
            send(child.stdin, (seconds, request))
            answer, spent = receive(child.stdout)
        except (BrokenPipeError, EOFError):
            stopped = not timer.is_alive()
            self._stop()
            if stopped:
                reason = late
            else:
                code = child.returncode
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                reason = (
                    f"{name or 'the project'} ended its process ({how}); it may have used more "
                    f"than {self.limits.memory_mb} MB, or called code that crashes"
                )
            raise HeuristicError(f"{reason}. Nothing is stored as its votes.") from None
        finally:
            timer.cancel()
        count_child_cpu(spent)
        return answer

    def _stop(self) -> None:
        self._child, self._loaded = None, None
        self._end()


def send(pipe: IO[bytes], message: Any) -> None:
    """Write one message; both ends are processes of this user that hold the same code."""
    content = pickle.dumps(message)
    pipe.write(len(content).to_bytes(HEADER_BYTES, "big"))
    pipe.write(content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read one message; `EOFError` where the other end is gone."""
    header = pipe.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise EOFError
    length = int.from_bytes(header, "big")
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)  # noqa: S301  # from our own child or parent, never from a store


def _end(child: subprocess.Popen[bytes]) -> None:
    _kill(child)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    child.wait()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
