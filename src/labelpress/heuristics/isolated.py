"""The child process of a sandbox: loads a project and casts what it is asked for, until the end."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.errors import HeuristicError, LabelpressError
from labelpress.heuristics.functions import call
from labelpress.heuristics.isolation import receive, send
from labelpress.heuristics.loading import load_heuristics
from labelpress.heuristics.resources import resources_of

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.heuristics.definitions import Heuristic

GRACE_SECONDS = 30.0
"""CPU seconds beyond a limit after which the kernel ends a child whose parent is gone."""


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    heuristics: dict[str, Heuristic] = {}
    classes: Classes | None = None
    while True:
        try:
            seconds, request = receive(questions)
        except EOFError:
            return
        _limit_cpu(seconds)
        began = time.process_time()
        answer: Any = None
        try:
            match request:
                case ("load", bundle, classes, memory_mb):
                    heuristics = {h.name: h for h in load_heuristics(bundle, classes)}
                    _limit_memory(memory_mb)
                case ("make", name):
                    resources_of(name, heuristics[name].definition)
                case ("cast", name, content):
                    assert classes is not None  # noqa: S101  # loaded first
                    frame = pl.DataFrame.deserialize(BytesIO(content))
                    (answer,) = call([heuristics[name]], frame, classes)
        except LabelpressError as error:
            answer = HeuristicError(str(error))
        except MemoryError:
            answer = HeuristicError(
                f"{request[1]} used up its memory. Nothing is stored as its votes."
            )
        send(answers, (answer, time.process_time() - began))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _limit_cpu(seconds: float) -> None:
    # A function may hold the interpreter's lock, and then the thread above never runs.
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds + GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _limit_memory(memory_mb: int) -> None:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # not a path of the project
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
