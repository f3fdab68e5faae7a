"""
Start two runs of one period at the same instant, and see that exactly one prints it.

`python -m tests.remote.fire.doubles RESULTS N` does it N times on a disk and N times in a bucket,
less what RESULTS already holds: one line of JSON per firing with its place, week and outcome.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from labelpress.store import Store
from tests.remote.fire import results
from tests.remote.fire.arena import Arena, opened
from tests.remote.fire.bucket import s3_server, upload
from tests.remote.fire.proofs import wrongs
from tests.remote.fire.roles import Options
from tests.remote.fire.trials import Range

PLACES = ("disk", "bucket")
PATIENCE = 200.0
"""Seconds after which a run counts as hanging."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One line of the results."""

    where: str
    week: int
    """The number of its period within its project, from 0."""
    ends: list[str]
    """How the two runs ended, in the order of the alphabet."""
    said: str
    """What the one that did not print said."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold; nothing in a good firing."""
    seconds: float = 0.0


def fire(arena: Arena, shots: Range, endpoint: str = "", folder: str = "") -> Firing:
    """
    Print the next period twice at once: on a disk, or in `folder` of the bucket at `endpoint`.

    Credentials for that are in the environment.
    """
    started = time.monotonic()
    target, period, periods = shots.next_period()
    place, store, environment = str(target.path), target.store, {}
    if endpoint:
        place = f"{folder}/{target.name}"
        upload(endpoint, target.path, place)
        store = Store(f"{place}/store", {"endpoint_url": endpoint})
        environment = {name: value for name, value in os.environ.items() if "AWS_" in name}
        environment["AWS_ENDPOINT_URL"] = endpoint
    options = Options(environment=environment, start_at=time.time() + 1)
    runs = [arena.start_run(place, period, options) for _ in range(2)]
    ends = sorted(run.wait(PATIENCE) for run in runs)
    names = [name for name, _ in ends]
    # `Completed` too, where it came between the publication and its record, and made the rest
    told = [message for _, message in ends if f"label version {len(periods)}" in message]
    said = " / ".join(told)
    wrong = []
    if len(told) != 1 or not {"Completed"} <= {*names} <= {"Completed", "Unchanged"}:
        wrong.append(f"the runs ended {ends}")
    try:
        wrong += wrongs(store, periods, target.tracking_uri, target.name, target.row_ids())
    except Exception as error:  # noqa: BLE001  a store that cannot be read is a result as well
        wrong.append(f"looking at it failed: {error!r}")
    if wrong:
        shots.leave_project()
    seconds = round(time.monotonic() - started, 1)
    where = "bucket" if endpoint else "disk"
    return Firing(where, len(periods) - 1, names, said[:300], wrong, seconds)


def main(kept: Path, count: int) -> int:
    """Fire what is still to be fired, here and there in turn; return how many went wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers end, too
    done = results.read(kept)
    left = {where: count - sum(one["where"] == where for one in done) for where in PLACES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        arena = stack.enter_context(opened(folder))
        endpoint, credentials = stack.enter_context(s3_server())
        os.environ.update(credentials)
        disk = Range(folder / "disk")
        bucket = Range(folder / "bucket")
        for number in range(max(left.values())):
            if number < left["disk"]:
                results.add(kept, fire(arena, disk))
            if number < left["bucket"]:
                results.add(kept, fire(arena, bucket, endpoint, f"s3://bucket/{folder.name}"))
    return results.summarise(results.read(kept), "where", PLACES)


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]), int(sys.argv[2]))))
