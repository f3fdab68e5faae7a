"""Work: what a worker does with one partition, and what it tells of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from distributed import get_worker
from distributed.scheduler import KilledWorker

from labelpress.child_cpu import child_cpu
from labelpress.errors import LabelpressError, PartitionsFailedError
from labelpress.memory import peak_memory, reset_peak_memory
from labelpress.traffic import Traffic, traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Result = TypeVar("Result")

_SHOWN_FAILURES = 10


@dataclass(frozen=True, slots=True)
class Work(Generic[Result]):
    """What a worker made of one partition, and what it took."""

    value: Result | LabelpressError
    """What the function returned, or why it refused: Dask prints a traceback for what is raised."""
    worker: str
    seconds: float
    """By the wall clock."""
    cpu_seconds: float
    traffic: Traffic
    peak_memory_bytes: int
    """Of the worker's process, while it worked on this partition."""


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """One line of the table of partitions that a person sees."""

    part: str
    worker: str
    seconds: float
    state: str
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    peak_memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the work of a stage took on the workers."""

    cpu_seconds: float
    traffic: Traffic
    peak_memory_bytes: int
    table: tuple[PartitionRow, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """Values for all workers, in a class of ours, since Dask would take a bare tuple apart."""

    values: tuple[object, ...]


def unwrapped(shared: Shared) -> tuple[object, ...]:
    """Return shared values as functions take them."""
    return shared.values


def measured(
    function: Callable[..., Result], item: object, shared: tuple[object, ...]
) -> Work[Result]:
    """Call a function for an item, and measure what it takes."""
    worker = get_worker()
    # Polars works on threads of its own, which only the process's clock sees; where a worker runs
    # several partitions at once, that clock would count each of them several times.
    clock = time.process_time if worker.state.nthreads == 1 else time.thread_time
    reset_peak_memory()
    moved, started, cpu, elsewhere = traffic(), time.perf_counter(), clock(), child_cpu()
    value: Result | LabelpressError
    try:
        value = function(item, *shared)
    except LabelpressError as error:
        # Without its traceback and cause, which may not travel; the message says it all.
        value = type(error)(str(error))
    return Work(
        value=value,
        worker=worker.address,
        seconds=time.perf_counter() - started,
        cpu_seconds=clock() - cpu + child_cpu() - elsewhere,
        traffic=traffic().since(moved),
        peak_memory_bytes=peak_memory(),
    )


def started_with(state: object) -> Work[Any]:
    """Return the state with which a chain begins."""
    return Work(state, get_worker().address, 0.0, 0.0, Traffic(), 0)


def usage_of(work: Work[Any]) -> Work[Any]:
    """Return a piece of work without what it made, unless that is why it failed."""
    value = work.value if isinstance(work.value, LabelpressError) else None
    return replace(work, value=value)


def finished(
    function: Callable[..., Result], works: list[Work[Any]], shared: tuple[object, ...]
) -> Work[Any]:
    """Measure a function of what other pieces of work made; where one failed, so does this."""
    for work in works:
        if isinstance(work.value, LabelpressError):
            return replace(work, seconds=0.0, cpu_seconds=0.0, traffic=Traffic())
    return measured(function, [work.value for work in works], shared)


def stepped(
    function: Callable[..., Result],
    state: Work[Any],
    block: Work[Any],
    shared: tuple[object, ...],
) -> Work[Any]:
    """Measure a step; the work carries what all steps and blocks until now have used."""
    for work in (state, block):
        if isinstance(work.value, LabelpressError):
            return work
    done = measured(function, state.value, (block.value, *shared))
    return replace(
        done,
        seconds=state.seconds + block.seconds + done.seconds,
        cpu_seconds=state.cpu_seconds + block.cpu_seconds + done.cpu_seconds,
        traffic=Traffic(
            state.traffic.read + block.traffic.read + done.traffic.read,
            state.traffic.written + block.traffic.written + done.traffic.written,
        ),
        peak_memory_bytes=max(work.peak_memory_bytes for work in (state, block, done)),
    )


def failure_of(failed: Mapping[str, BaseException], tried: int) -> PartitionsFailedError:
    """Return the error that names what failed and why, alike reasons once."""
    causes = Counter(str(error) for error in failed.values())
    if len(causes) == 1 and len(failed) == tried:
        return PartitionsFailedError(next(iter(causes)))
    lines = [f"{name}: {_reason(error)}" for name, error in sorted(failed.items())]
    more = len(lines) - _SHOWN_FAILURES
    rest = [f"and {more} more"] if more > 0 else []
    return PartitionsFailedError(
        f"{len(failed)} of {tried} partitions failed: " + "; ".join(lines[:_SHOWN_FAILURES] + rest)
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, KilledWorker):
        return (
            "each worker that took it died (out of memory, or a crash in a heuristic); try it "
            "with fewer rows per partition ([source] partition_rows) or larger workers"
        )
    if isinstance(error, LabelpressError):
        return str(error)
    return f"{type(error).__name__}: {error}"
