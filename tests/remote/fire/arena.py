"""The arena: a Prefect server, a Dask cluster and runs as processes, any of which may be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from tests.remote.fire import roles
from tests.remote.fire.servers import PrefectServer, free_port

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping
    from multiprocessing.process import BaseProcess
    from pathlib import Path

WORKERS = 2
LEAVING_SECONDS = 20.0


class Arena:
    """The servers and processes that are kept warm between trials."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = PrefectServer(folder / "prefect")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([roles.__name__])
        own = self.server.environment | {"PREFECT_LOGGING_LEVEL": "INFO"}
        with _environment(own | dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")):
            # It keeps the environment that it starts with: without this one, each run would start
            # a Prefect server of its own, and leave it behind when killed.
            forkserver._forkserver._stop()  # nothing public ends one
            forkserver.ensure_running()
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self._scheduler: BaseProcess | None = None
        self._workers: dict[str, BaseProcess] = {}
        self._names = self._runs = 0

    def close(self) -> None:
        """End everything that was started here."""
        for process in (*self._workers.values(), self._scheduler):
            if process is not None:
                _kill(process)
        self.server.kill()

    def start_cluster(self) -> None:
        """Start the scheduler, if none runs, and as many workers as are wanting."""
        if self._scheduler is None or not self._scheduler.is_alive():
            self._scheduler = self._start(roles.schedule, self._port, self._log("cluster"))
            for worker in self._workers.values():
                worker.join(LEAVING_SECONDS)  # it goes with its scheduler, but not at once
        self._workers = {
            name: worker for name, worker in self._workers.items() if worker.is_alive()
        }
        while len(self._workers) < WORKERS:
            self._names += 1
            name = f"worker-{self._names}"
            self._workers[name] = self._start(
                roles.work, self.address, name, str(self.folder), self._log("cluster")
            )

    def kill(self, victim: str, flow: BaseProcess, dice: random.Random) -> None:
        """Send the victim SIGKILL."""
        if victim == "server":
            self.server.kill()
            return
        processes: list[BaseProcess | None] = [flow]
        if victim == "scheduler":
            processes = [self._scheduler]
        elif victim == "worker":
            processes = [dice.choice(list(self._workers.values()))]
        elif victim == "workers":
            processes = [*self._workers.values()]
        for process in processes:
            if process is not None:
                _kill(process)

    def start_run(self, project: Path | str, period: str, options: roles.Options) -> Run:
        """Start a run of the flow in a process of its own."""
        self._runs += 1
        outcome = self.folder / f"run-{self._runs}.json"
        log = outcome.with_suffix(".log")
        log.touch()
        arguments = (str(project), period, options, str(outcome), str(log))
        return Run(self._start(roles.print_labels, *arguments), outcome, log)

    def _log(self, name: str) -> str:
        return str(self.folder / f"{name}.log")

    def _start(self, role: Any, *arguments: Any) -> BaseProcess:
        process = self._context.Process(target=role, args=arguments, daemon=False)
        process.start()
        return process


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the flow in a process of its own."""

    process: BaseProcess
    outcome: Path
    log: Path

    def wait(self, seconds: float) -> tuple[str, str]:
        """Return the name of its state and the message; kill it where it takes too long."""
        self.process.join(seconds)
        if self.process.is_alive():
            _kill(self.process)
            return "hung", self._last_words()
        if self.outcome.exists():
            said = json.loads(self.outcome.read_text())
            return said["name"], said["message"]
        if self.process.exitcode == -signal.SIGKILL:
            return "killed", ""
        return f"exit code {self.process.exitcode}", self._last_words()

    def stage(self) -> str:
        """Return the stage that finished last, as the log tells."""
        finished = re.findall(r"Task run '(\w+)-\w+' - Finished", self.log.read_text())
        return finished[-1] if finished else ""

    def _last_words(self) -> str:
        lines = self.log.read_text().strip().splitlines()
        return lines[-1] if lines else ""


@contextmanager
def opened(folder: Path) -> Iterator[Arena]:
    """Open an arena in a folder and close it whatever happens."""
    arena = Arena(folder)
    try:
        yield arena
    finally:
        arena.close()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _kill(process: BaseProcess) -> None:
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
