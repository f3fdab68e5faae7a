"""A cluster at work: functions over partitions, and what they took."""

from __future__ import annotations

import time
import uuid
from asyncio import run_coroutine_threadsafe
from collections import deque
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from distributed import Client, as_completed
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from labelpress.cluster.work import (
    PartitionRow,
    Shared,
    Usage,
    Work,
    failure_of,
    finished,
    measured,
    started_with,
    stepped,
    unwrapped,
    usage_of,
)
from labelpress.cluster_settings import WAIT_SECONDS
from labelpress.errors import ClusterError, LabelpressError
from labelpress.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_SECONDS = 0.1
"""Between looks at whether the connection stands, while nothing completes."""
_COUNT_SECONDS = 2.0
"""Between counts of the workers, while nothing completes."""
_MENDING_SECONDS = 60.0
"""For which a broken connection may be mended; Dask itself tries for 30 seconds."""


class Cluster:
    """Runs functions over partitions and remembers what that took."""

    def __init__(self, client: Client, wait_seconds: float = WAIT_SECONDS) -> None:
        """Work with a client's scheduler; `wait_seconds` is how long it may be without workers."""
        self._client = client
        self._wait_seconds = wait_seconds
        self._address = str(client.scheduler.address)
        self._works: list[Work[Any]] = []
        self._table: list[PartitionRow] = []
        self._watch: Callable[[int, int], None] = _nothing
        self._done = self._known = 0

    @property
    def address(self) -> str:
        """The scheduler's address, for others who want to share the cluster."""
        return self._address

    @property
    def workers(self) -> int:
        """The number of workers at this moment."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    @property
    def worker_memory(self) -> int | None:
        """Bytes that the smallest worker may use; None where no limit is known."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [int(worker["memory_limit"]) for worker in workers if worker["memory_limit"]]
        return min(limits, default=None)

    def map(
        self,
        function: Callable[..., Result],
        items: Mapping[str, Item],
        *shared: object,
    ) -> dict[str, Result]:
        """
        Call `function(item, *shared)` on the workers for each item; results by the item's name.

        `shared` values are sent to each worker once. Every item is tried even where others fail.
        Raises `PartitionsFailedError` that names the failed items with their reasons.
        """
        if not items:
            return {}
        with self._connected():
            return self._map(function, items, shared)

    def _map(
        self,
        function: Callable[..., Result],
        items: Mapping[str, Item],
        shared: tuple[object, ...],
    ) -> dict[str, Result]:
        stream = self._mended()
        sent = self._hold(shared)

        def submit(name: str) -> Any:
            return self._send(measured, function, items[name], sent)

        self._known += len(items)
        done: dict[str, Result] = {}
        failed: dict[str, BaseException] = {}
        names = {submit(name): name for name in items}
        for future in self._completed(list(names), stream):
            self._settle(names[future], future, stream, done, failed)
            future.release()
            self._done += 1
            self._watch(self._done, self._known)
        # A partition that kills its worker takes the blame to its neighbours on that worker, and
        # finished work is lost with it, so each of these is tried once more, alone.
        suspect = (KilledWorker, ClusterError)
        for name in [name for name, error in failed.items() if isinstance(error, suspect)]:
            now = self._mended()
            if now is not stream:  # a scheduler that was started anew knows nothing of it
                stream, sent = now, self._hold(shared)
            future = submit(name)
            del failed[name]
            self._settle(name, next(self._completed([future], stream)), stream, done, failed)
        if failed:
            raise failure_of(failed, len(items))
        return {name: done[name] for name in items}

    def gather(
        self,
        read: Callable[..., Any],
        finish: Callable[..., Result],
        items: Mapping[str, Item],
        *shared: object,
        reading: tuple[object, ...] = (),
    ) -> Result:
        """
        Call `read(item, *reading)` on all workers, then `finish(results, *shared)` on one of them.

        `results` are in the order of the items and never come to the flow's process. Raises
        `PartitionsFailedError` where any of the calls fails.
        """
        with self._connected():
            stream = self._mended()
            held = self._hold(reading)
            reads = {name: self._send(measured, read, item, held) for name, item in items.items()}
            last = self._send(finished, finish, list(reads.values()), self._hold(shared))
            result: Result = self._collect(reads, last, len(items), stream)
            return result

    def chain(
        self,
        read: Callable[..., Any],
        step: Callable[..., Result],
        items: Mapping[str, Item],
        start: Result,
        *shared: object,
        reading: tuple[object, ...] = (),
    ) -> Result:
        """
        Carry a state through the items, one after another: `step(state, read(item), *shared)`.

        Items are read on all workers at once, a few ahead of the step that waits for them, so
        memory does not grow with their number. Raises `PartitionsFailedError` as `gather` does.
        """
        ahead = self.workers + 1
        with self._connected():
            stream = self._mended()
            read_by, held = self._hold(reading), self._hold(shared)
            state = self._send(started_with, start)
            waiting: deque[Any] = deque()
            for item in items.values():
                if len(waiting) == ahead:
                    self._await(waiting.popleft(), stream)
                block = self._send(measured, read, item, read_by)
                state = self._send(stepped, step, state, block, held)
                waiting.append(state)
            result: Result = self._collect({}, state, len(items), stream)
            return result

    def _hold(self, values: tuple[object, ...]) -> Any:
        # A task and not scattered data: where all workers die, Dask makes it anew, while scattered
        # data would be lost, and with it all work that was still to be done.
        key = f"shared-{uuid.uuid4().hex}"
        return self._client.submit(unwrapped, Shared(values), key=key, pure=False)

    def _send(self, how: Callable[..., Any], *args: Any) -> Any:
        # A key of its own per call: Dask must never answer with what an earlier run computed.
        key = f"{getattr(args[0], '__name__', 'work')}-{uuid.uuid4().hex}"
        return self._client.submit(how, *args, key=key, pure=False)

    def _collect(self, reads: Mapping[str, Any], last: Any, tried: int, stream: Any) -> Any:
        usages = {name: self._client.submit(usage_of, f, pure=False) for name, f in reads.items()}
        failed: dict[str, BaseException] = {}
        for name, future in [*usages.items(), ("fit", last)]:
            self._await(future, stream)
            self._settle(name, future, stream, {}, failed)
        work = self._fetched(last, stream)
        if work is None or isinstance(work.value, LabelpressError):
            # What could not be read is why it could not be finished, and is said alone.
            raise failure_of({k: v for k, v in failed.items() if k != "fit"} or failed, tried + 1)
        return work.value

    def _await(self, future: Any, stream: Any) -> None:
        next(self._completed([future], stream))
        if future.cancelled() or not future.done():
            raise self._scheduler_lost()

    def _completed(self, futures: list[Any], stream: Any) -> Iterator[Any]:
        """
        Yield futures as they complete, and as they are where they never will.

        `stream` is the connection as it was before they were submitted. A scheduler that was
        started anew may not have heard of them, and of that Dask says nothing.
        """
        waiting = as_completed(futures)
        left = set(futures)
        looks = self._looks(stream)
        while left:
            if waiting.has_ready():
                future = next(waiting)
                left.remove(future)
                yield future
                continue
            if next(looks):
                yield from left
                return
            with waiting.thread_condition:
                waiting.thread_condition.wait(timeout=_LOOK_SECONDS)

    def _fetched(self, future: Any, stream: Any) -> Work[Any] | None:
        """
        Return what a future holds; None where it failed, or was lost before it could be fetched.

        Where the worker that holds it has gone, Dask has it computed anew, and that is waited for
        like any other work.
        """
        if future.status != "finished":
            return None
        gathering = self._client.gather(future, asynchronous=True)
        fetching = run_coroutine_threadsafe(gathering, self._client.loop.asyncio_loop)
        try:
            for anew in self._looks(stream):
                wait([fetching], timeout=_LOOK_SECONDS)
                if fetching.done() or anew:
                    break
            work: Work[Any] | None = fetching.result() if fetching.done() else None
        except (CancelledError, OSError):  # the way to the worker, or the scheduler, has gone
            work = None
        finally:
            fetching.cancel()
        return work

    def _looks(self, stream: Any) -> Iterator[bool]:
        """
        Look at the cluster as often as asked; yield whether its scheduler was started anew.

        `stream` is the connection as it was. Raises `ClusterError` where the scheduler has gone for
        good, or has had no worker for too long.
        """
        broken_since: float | None = None
        counted = manned = time.monotonic()
        while True:
            if self._stream not in (stream, None):
                yield True
                continue
            now = time.monotonic()
            broken_since = (broken_since or now) if self._broken else None
            # Dask tries to mend it, closes the client where it cannot, and sometimes does neither.
            given_up = broken_since is not None and now - broken_since > _MENDING_SECONDS
            if self._closed or given_up:
                raise self._scheduler_lost()
            if not self._broken and now - counted > _COUNT_SECONDS:
                counted = now
                manned = now if self.workers else manned
                if now - manned > self._wait_seconds:
                    raise self._workers_lost()
            yield False

    def _mended(self) -> Any:
        """Return the connection to the scheduler; where it is broken, wait for another."""
        until = time.monotonic() + _MENDING_SECONDS
        while self._broken:
            if self._closed or time.monotonic() > until:
                raise self._scheduler_lost()
            time.sleep(_LOOK_SECONDS)
        return self._stream

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Say in words of ours that the scheduler went away, whatever broke on that account."""
        try:
            with self._client.as_current():
                yield
        except Exception as error:
            lost = isinstance(error, (CommClosedError, CancelledError)) or self._broken
            if not lost:
                raise
            raise self._scheduler_lost() from error

    @property
    def _closed(self) -> bool:
        """Whether Dask has given the connection up."""
        return self._client.status in {"closing", "closed"}

    @property
    def _stream(self) -> Any:
        """The connection to the scheduler, another one after each time it was mended."""
        return self._client.scheduler_comm

    @property
    def _broken(self) -> bool:
        """Whether there is no connection at this moment."""
        stream = self._stream
        return self._client.status != "running" or stream is None or stream.comm.closed()

    def _scheduler_lost(self) -> ClusterError:
        return ClusterError(
            f"The Dask scheduler at {self._address} went away in the middle of the run. "
            "Nothing of this stage is visible. Start the scheduler and run again: "
            "finished work is kept."
        )

    def _workers_lost(self) -> ClusterError:
        return ClusterError(
            f"The Dask scheduler at {self._address} has had no worker for "
            f"{self._wait_seconds:g} s. Nothing of this stage is visible. Start workers, or raise "
            "[cluster] wait_seconds in project.toml, and run again: finished work is kept."
        )

    def _settle(
        self,
        name: str,
        future: Any,
        stream: Any,
        done: dict[str, Any],
        failed: dict[str, BaseException],
    ) -> None:
        work = self._fetched(future, stream)
        if work is not None:
            state = "done"
            if isinstance(work.value, LabelpressError):
                failed[name] = work.value
                state = f"failed: {work.value}"[:200]
            else:
                done[name] = work.value
            self._works.append(work)
            self._table.append(
                PartitionRow(
                    part=name,
                    worker=work.worker,
                    seconds=round(work.seconds, 3),
                    state=state,
                    cpu_seconds=round(work.cpu_seconds, 3),
                    read_bytes=work.traffic.read,
                    written_bytes=work.traffic.written,
                    peak_memory_mib=work.peak_memory_bytes // 2**20,
                )
            )
        else:
            error = future.exception() if future.status == "error" else None
            failed[name] = error or ClusterError("the work was lost with its worker")
            self._table.append(PartitionRow(name, "", 0.0, f"failed: {failed[name]}"[:200]))

    @contextmanager
    def watched(self, watch: Callable[[int, int], None]) -> Iterator[None]:
        """
        Tell `watch` after each piece of work how many are done, and how many are known so far.

        A stage may go over the partitions more than once, so what is known may grow.
        """
        self._watch, self._done, self._known = watch, 0, 0
        try:
            yield
        finally:
            self._watch = _nothing

    def take_usage(self) -> Usage:
        """Return and forget what the work since the last call took."""
        works = self._works
        usage = Usage(
            cpu_seconds=sum(work.cpu_seconds for work in works),
            traffic=Traffic(
                sum(work.traffic.read for work in works),
                sum(work.traffic.written for work in works),
            ),
            peak_memory_bytes=max((work.peak_memory_bytes for work in works), default=0),
            table=tuple(self._table),
        )
        self._works, self._table = [], []
        return usage


def _nothing(_done: int, _known: int) -> None:
    """Tell nobody."""
