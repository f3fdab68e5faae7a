"""
What the processes under fire do: print labels, work for Dask, or schedule for it.

The imports at the top are the point: a fork server imports this module once, and each process that
is forked from it starts within milliseconds. So a trial costs what the run costs, not its imports.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import mlflow.sklearn  # noqa: F401  imported for the children
from distributed import Scheduler, Worker

import labelpress.end_model.training
import labelpress.tracking  # noqa: F401  imported for the children
from flows.relabel import relabel
from tests.remote.fire.places import arm


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is made."""

    cluster: str = "threads"
    killed_at: str = ""
    """Where it kills itself."""
    environment: dict[str, str] = field(default_factory=dict)
    """What it has beyond the fork server's environment."""
    start_at: float = 0.0
    """Seconds since the epoch before which it waits, so that several start together."""


def print_labels(project: str, period: str, options: Options, outcome: str, log: str) -> None:
    """Run the flow once; say in a file how it ended."""
    _redirect(log)
    os.environ.update(options.environment)
    if options.killed_at:
        arm(options.killed_at)
    if options.start_at:
        time.sleep(max(0.0, options.start_at - time.time()))
    state = relabel(project, period=period, cluster=options.cluster, return_state=True)
    said = {"type": state.type.value, "name": state.name, "message": str(state.message)}
    written = Path(outcome)
    unfinished = written.with_suffix(".part")
    unfinished.write_text(json.dumps(said))
    unfinished.rename(written)
    sys.stdout.flush()
    # Prefect's threads that still talk to a dead server would keep the process.
    os._exit(0)


def work(address: str, name: str, folder: str, log: str) -> None:
    """Be a worker of one thread until the scheduler goes."""
    _redirect(log)

    async def serve() -> None:
        async with Worker(address, nthreads=1, name=name, local_directory=folder) as worker:
            await worker.finished()

    asyncio.run(serve())


def schedule(port: int, log: str) -> None:
    """Be a scheduler on this port until it is killed."""
    _redirect(log)

    async def serve() -> None:
        scheduler = Scheduler(host="127.0.0.1", port=port, dashboard=False)
        async with scheduler:
            await scheduler.finished()

    asyncio.run(serve())


def _redirect(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
