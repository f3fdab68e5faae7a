"""Review: a handful of asks as a form in the Prefect UI."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow, pause_flow_run, suspend_flow_run
from prefect.context import FlowRunContext
from prefect.input import RunInput
from prefect.runtime import deployment
from prefect.states import Completed
from pydantic import ConfigDict, Field, create_model

import tasks.review
from labelpress.blocks import open_project
from labelpress.exchange.form import form_fields
from labelpress.exchange.showing import Shown
from labelpress.project import Project
from labelpress.store import Store, open_project_store

Rows = Annotated[int, Field(ge=1, le=20)]
Minutes = Annotated[int, Field(ge=0)]
_SECONDS_PER_MINUTE = 60
_A_WEEK = 7 * 24 * 3600


class ReviewForm(RunInput):
    """A form whose fields are made anew for each run."""

    # A form that waited for days may have asks that this labelpress would not show any more.
    model_config = ConfigDict(extra="allow")


@flow(name="review", log_prints=True)
def review(project: str, who: str = "", rows: Rows = 20, minutes: Minutes = 0) -> Any:
    """
    Show open asks as a form in the Prefect UI; keep the answers as soon as it is sent.

    The run waits, suspended, until somebody presses Resume. Without an answer the asks stay open.

    Args:
        project: Folder of the project, or any fsspec URI.
        who: Who answers; the form is filled in with this name.
        rows: How many asks to show, at most 20.
        minutes: How long the form waits; 0 means for as long as it takes.

    """
    opened = open_project(project)
    store = open_project_store(opened)
    shown = tasks.review.show(opened, store, rows, who, _asked_at())
    if shown.asks.height == 0:
        return Completed(name="NothingOpen", message="No ask is open.", data=None)
    values = wait_for_form(opened, store, shown, who, minutes)
    taken = tasks.review.keep(opened, store, values)
    return Completed(message=taken.sentence(), data=taken)


def wait_for_form(
    project: Project, store: Store, shown: Shown, who: str, minutes: int
) -> dict[str, Any]:
    """Wait until the form is sent; a form that breaks its rules is sent back, and waits on."""
    form: type[ReviewForm] = create_model(
        "Review", __base__=ReviewForm, **form_fields(shown, store.classes, who)
    )
    form = form.with_initial_data(
        description=f"**{shown.asks.height} rows of {project.name}.** Choose a class for each, or "
        "skip it. What you leave at *(not now)* stays open for somebody else."
    )
    # Suspended, a form needs no process: it outlives a restart of the worker, and days.
    seconds = _SECONDS_PER_MINUTE * minutes
    if deployment.id:
        filled = suspend_flow_run(wait_for_input=form, timeout=seconds or None, key="form")
    else:
        filled = pause_flow_run(
            wait_for_input=form, timeout=seconds or _A_WEEK, key="form", poll_interval=1
        )
    values: dict[str, Any] = filled.model_dump()
    return values


def _asked_at() -> datetime:
    """Return when the run was made: resumed, it begins anew and must find the same asks."""
    context = FlowRunContext.get()
    made = context.flow_run.created if context and context.flow_run else None
    return made or datetime.now(UTC)


if __name__ == "__main__":
    import sys

    review(sys.argv[1])
