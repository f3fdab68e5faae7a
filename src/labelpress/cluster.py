"""The Dask cluster: the only module that talks to Dask."""

from __future__ import annotations

import logging
import os
import resource
import time
import uuid
from collections import Counter
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import dask
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.scheduler import KilledWorker

from labelpress.errors import ClusterError, LabelpressError, PartitionsFailedError
from labelpress.worker_versions import PACKAGES, version_skew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORKER_ENVIRONMENT = {
    "DASK_LOGGING__DISTRIBUTED": "warning",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",  # it samples every 10 ms, unread
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
    # Partitions are alike, so memory that one has let go is what the next one takes: kept for a
    # while, it need not be asked for and zeroed page by page again.
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MIMALLOC_PURGE_DELAY": "10000",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:10000",
}
"""One partition per core: libraries that start threads of their own would fight over the cores."""

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
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """One line of the table of partitions that a person sees."""

    part: str
    worker: str
    seconds: float
    state: str


@dataclass(frozen=True, slots=True)
class _Shared:
    """Values for all workers, in a class of ours, since Dask would take a bare tuple apart."""

    values: tuple[object, ...]


class Cluster:
    """Runs functions over partitions and remembers what that took."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._works: list[Work[Any]] = []
        self._table: list[PartitionRow] = []

    @property
    def address(self) -> str:
        """The scheduler's address, for others who want to share the cluster."""
        return str(self._client.scheduler.address)

    @property
    def workers(self) -> int:
        """The number of workers at this moment."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def map(
        self,
        function: Callable[..., Result],
        items: Mapping[str, Item],
        *shared: object,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> dict[str, Result]:
        """
        Call `function(item, *shared)` on the workers for each item; results by the item's name.

        `shared` values are sent to each worker once. Every item is tried even where others fail.
        Raises `PartitionsFailedError` that names the failed items with their reasons.
        """
        if not items:
            return {}
        with self._client.as_current():
            return self._map(function, items, shared, progress)

    def _map(
        self,
        function: Callable[..., Result],
        items: Mapping[str, Item],
        shared: tuple[object, ...],
        progress: Callable[[int, int], None],
    ) -> dict[str, Result]:
        # A task and not scattered data: where all workers die, Dask makes it anew, while scattered
        # data would be lost, and with it all work that was still to be done.
        held = f"shared-{uuid.uuid4().hex}"
        sent = self._client.submit(_unwrapped, _Shared(shared), key=held, pure=False)

        def submit(name: str) -> Any:
            # A key of its own per call: Dask must never answer with what an earlier run computed.
            key = f"{getattr(function, '__name__', 'work')}-{uuid.uuid4().hex}"
            return self._client.submit(_measured, function, items[name], sent, key=key, pure=False)

        done: dict[str, Result] = {}
        failed: dict[str, BaseException] = {}
        names = {submit(name): name for name in items}
        for future in as_completed(list(names)):
            self._settle(names[future], future, done, failed)
            future.release()
            progress(len(done), len(items))
        # A partition that kills its worker takes the blame to its neighbours on that worker, and
        # finished work is lost with it, so each of these is tried once more, alone.
        suspect = (KilledWorker, ClusterError)
        for name in [name for name, error in failed.items() if isinstance(error, suspect)]:
            future = submit(name)
            del failed[name]
            self._settle(name, next(iter(as_completed([future]))), done, failed)
            progress(len(done), len(items))
        if failed:
            raise _failure(failed, len(items))
        return {name: done[name] for name in items}

    def _settle(
        self,
        name: str,
        future: Any,
        done: dict[str, Any],
        failed: dict[str, BaseException],
    ) -> None:
        work = _result_of(future)
        if work is not None:
            state = "done"
            if isinstance(work.value, LabelpressError):
                failed[name] = work.value
                state = f"failed: {work.value}"[:200]
            else:
                done[name] = work.value
            self._works.append(work)
            self._table.append(PartitionRow(name, work.worker, round(work.seconds, 3), state))
        else:
            error = future.exception() if future.status == "error" else None
            failed[name] = error or ClusterError("the work was lost with its worker")
            self._table.append(PartitionRow(name, "", 0.0, f"failed: {failed[name]}"[:200]))

    def take_usage(self) -> tuple[float, int, tuple[PartitionRow, ...]]:
        """Return and forget CPU seconds, peak memory (bytes) and the table since the last call."""
        cpu = sum(work.cpu_seconds for work in self._works)
        peak = max((work.peak_memory_bytes for work in self._works), default=0)
        table = tuple(self._table)
        self._works, self._table = [], []
        return cpu, peak, table


@contextmanager
def open_cluster(
    address: str = "", *, processes: bool = True, workers: int = 0
) -> Iterator[Cluster]:
    """
    Connect to a Dask scheduler by address, or make a local cluster for as long as the block lasts.

    A local cluster has one worker per core with one thread each: processes, or threads where
    `processes` is false (for tiny data). Raises `ClusterError` where the workers at an address
    have other versions of what travels between them and the flow.
    """
    # Prefect's logging set-up would otherwise show every connection that Dask opens or closes.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if address:
        with Client(address, set_as_default=False) as client:
            _check_versions(client, address)
            yield Cluster(client)
        return
    count = workers or os.cpu_count() or 1
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT}),
        LocalCluster(
            n_workers=count if processes else 1,
            threads_per_worker=1 if processes else count,
            processes=processes,
            dashboard_address=":0",
            silence_logs=30,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield Cluster(client)


def _check_versions(client: Client, address: str) -> None:
    """Compare before anything is sent: an unlike worker fails later, with words about pickles."""
    found = client.get_versions(packages=PACKAGES)
    workers = {name: facts["packages"] for name, facts in found["workers"].items() if facts}
    skew = version_skew(found["client"]["packages"], workers)
    if skew is not None:
        raise ClusterError(
            f"The workers of the cluster at {address} do not match the flow: {skew}. Install the "
            "same versions on both and run again; nothing was computed."
        )


def _result_of(future: Any) -> Work[Any] | None:
    """Return what a future holds; None where it failed, or was lost before it could be fetched."""
    if future.status != "finished":
        return None
    try:
        work: Work[Any] = future.result()
    except CancelledError:
        return None
    return work


def _unwrapped(shared: _Shared) -> tuple[object, ...]:
    return shared.values


def _measured(
    function: Callable[..., Result], item: object, shared: tuple[object, ...]
) -> Work[Result]:
    worker = get_worker()
    # Polars works on threads of its own, which only the process's clock sees; where a worker runs
    # several partitions at once, that clock would count each of them several times.
    clock = time.process_time if worker.state.nthreads == 1 else time.thread_time
    started, cpu = time.perf_counter(), clock()
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
        cpu_seconds=clock() - cpu,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _failure(failed: Mapping[str, BaseException], tried: int) -> PartitionsFailedError:
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
