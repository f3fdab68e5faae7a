"""
Kill one thing at a random moment of a run, run again, and see that nothing is wrong.

`python -m tests.remote.fire.trials RESULTS N` makes N trials per victim, less those that RESULTS
already holds: one line of JSON per trial with its seed, victim, moment and outcome. A trial is
given by its seed, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import random
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.remote.fire import results
from tests.remote.fire.arena import Arena, opened
from tests.remote.fire.proofs import wrongs
from tests.remote.fire.roles import Options
from tests.remote.fire.target import Target, period_of

VICTIMS = ("flow", "worker", "workers", "scheduler", "server")
TRIALS_PER_PROJECT = 20
PATIENCE = 150.0
"""Seconds after which a run whose victim died counts as hanging."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One line of the results."""

    seed: int
    victim: str
    moment: float
    """Seconds after the start of the run."""
    stage: str
    """The stage that had finished last by then, as the log tells."""
    run: str
    """How the run under fire ended: killed, hung, or Prefect's name of its state."""
    message: str
    rerun: str
    """How the run after it ended."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold afterwards; nothing in a good trial."""
    seconds: float = 0.0


class Range:
    """Projects to shoot at: a new one after some trials, or when one was found damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._projects = self._weeks = 0
        self._target: Target | None = None
        self.lengths = [12.0]
        """Seconds that the last undisturbed runs took."""

    def next_period(self) -> tuple[Target, str, list[str]]:
        """Return the project, a period with new rows, and the periods up to it."""
        if self._target is None or self._weeks == TRIALS_PER_PROJECT:
            self._projects += 1
            self._weeks = 0
            uri = f"sqlite:///{self._folder / 'mlflow.db'}"
            self._target = Target(self._folder / f"fire-{self._projects}", uri)
            self._target.write()
        periods = [period_of(week) for week in range(self._weeks + 1)]
        self._weeks += 1
        self._target.renew(periods[-1])
        return self._target, periods[-1], periods

    def leave_project(self) -> None:
        """Take a new project for the next trial."""
        self._target = None


def make_trial(arena: Arena, shots: Range, seed: int) -> Trial:
    """Kill a victim at a moment that the seed gives, cure it, and look at what is there."""
    dice = random.Random(seed)  # noqa: S311  a seeded choice is what is wanted
    victim = VICTIMS[seed % len(VICTIMS)]
    target, period, periods = shots.next_period()
    cluster = "threads"
    if victim in {"worker", "workers", "scheduler"}:
        arena.start_cluster()
        cluster = arena.address
    moment = dice.uniform(0.0, statistics.median(shots.lengths))
    at_once = dice.random() < 0.5
    started = time.monotonic()
    options = Options(cluster)
    run = arena.start_run(target.path, period, options)
    run.process.join(moment)
    stage = run.stage()
    arena.kill(victim, run.process, dice)
    if victim in {"worker", "workers"} or (victim == "scheduler" and at_once):
        arena.start_cluster()
    if victim == "server":
        arena.server.start()
    ended, message = run.wait(PATIENCE)
    if cluster != "threads":
        arena.start_cluster()
    again = time.monotonic()
    rerun, said = arena.start_run(target.path, period, options).wait(PATIENCE)
    if rerun == "Completed" and ended not in {"Completed", "Unchanged"}:
        shots.lengths = [*shots.lengths[-9:], time.monotonic() - again]
    try:
        wrong = wrongs(target.store, periods, target.tracking_uri, target.name, target.row_ids())
    except Exception as error:  # noqa: BLE001  a store that cannot be read is a result as well
        wrong = [f"looking at it failed: {error!r}"]
    if rerun not in {"Completed", "Unchanged"}:
        wrong.append(f"the rerun ended {rerun}: {said}")
    if ended == "hung":
        wrong.append("the run hung")
    if wrong:
        shots.leave_project()
    seconds = time.monotonic() - started
    return Trial(
        *(seed, victim, round(moment, 2), stage, ended, message[:300], rerun),
        wrong=wrong,
        seconds=round(seconds, 1),
    )


def main(kept: Path, count: int) -> int:
    """Make the trials that are still to be made; return how many went wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers end, too
    done = {trial["seed"] for trial in results.read(kept)}
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as arena:
        shots = Range(Path(folder))
        for seed in sorted(set(range(count * len(VICTIMS))) - done):
            results.add(kept, make_trial(arena, shots, seed))
    return results.summarise(results.read(kept), "victim", VICTIMS)


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]), int(sys.argv[2]))))
