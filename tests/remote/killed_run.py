"""
Cure one period, then print another and be killed at a stage of it.

`python killed_run.py PROJECT CURED_PERIOD PERIOD WHERE`; no cured period for the first, no place
for the last. Both in one process, since the imports take most of its time.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES = {
    "answers": ("tasks.answers", "freeze_answers"),
    "plan": ("tasks.plan", "plan_run"),
    "vote": ("tasks.vote", "cast_votes"),
    "fit": ("tasks.fit", "fit_labels"),
    "label": ("tasks.label", "write_labels"),
    "gate": ("tasks.gate", "judge_candidate"),
    "publish": ("tasks.publish", "publish_labels"),
    "ask": ("tasks.ask", "put_asks"),
    "train": ("tasks.train", "train_model"),
    "promote": ("tasks.promote", "promote_model"),
    "record": ("tasks.record", "record_run"),
    # in the middle of a stage: the model is registered but not decided on; the ledger is booked
    # but the record is not drafted; MLflow has the chart but not the run
    "registered": ("tasks.promote", "register_model"),
    "booked": ("labelpress.stages.record", "book"),
    "charted": ("labelpress.stages.record", "_write_chart"),
}


def main(project: str, cured: str, period: str, where: str) -> None:
    """Replace the stage's function by one that is killed before it, or after it (`STAGE+`)."""
    from flows.relabel import relabel  # noqa: PLC0415

    if cured:
        relabel(project, period=cured, cluster="threads")
        print("CURED", flush=True)  # noqa: T201
    if not where:
        return
    stage, after = where.removesuffix("+"), where.endswith("+")
    module = importlib.import_module(STAGES[stage][0])
    name = STAGES[stage][1]
    original = getattr(module, name)
    setattr(module, name, _deadly(original, after=after))
    relabel(project, period=period, cluster="threads")


def _deadly(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if after:
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapped


if __name__ == "__main__":
    main(*sys.argv[1:])
