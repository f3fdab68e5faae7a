"""The places at which a run is killed: before a stage, after it (`STAGE+`), or in its middle."""

from __future__ import annotations

import importlib
import os
import signal
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
    "train": ("tasks.train", "train_or_say_why"),
    "promote": ("tasks.promote", "promote_model"),
    "record": ("tasks.record", "record_run"),
    # in the middle of a stage: the model is registered but not decided on; the ledger is booked
    # but the record is not drafted; MLflow has the chart but not the run
    "registered": ("tasks.promote", "register_model"),
    "booked": ("labelpress.stages.record", "book"),
    "charted": ("labelpress.stages.record", "_write_chart"),
}


def arm(place: str) -> None:
    """Replace the stage's function in this process by one that is killed there."""
    stage, after = place.removesuffix("+"), place.endswith("+")
    module = importlib.import_module(STAGES[stage][0])
    name = STAGES[stage][1]
    setattr(module, name, _deadly(getattr(module, name), after=after))


def _deadly(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if after:
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapped
