"""The tasks of a review: choose what the form shows, keep what it says."""

from datetime import datetime
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.events import announce_answers, show_rejected
from labelpress.exchange.form import read_form
from labelpress.exchange.showing import Shown, check_may_leave, show_open_asks
from labelpress.exchange.taking import Taken, take_answers
from labelpress.project import Project
from labelpress.store import Store


@task(name="show-asks", cache_policy=NO_CACHE)
def show(project: Project, store: Store, rows: int, who: str, at: datetime) -> Shown:
    """Find the rows of the asks that were open at a moment, at most so many."""
    check_may_leave(project, "the Prefect server")
    return show_open_asks(project, store, at, limit=rows, who=who)


@task(name="keep-answers", cache_policy=NO_CACHE)
def keep(project: Project, store: Store, values: dict[str, Any]) -> Taken:
    """Append what the form says to the answers, in one commit."""
    taken = take_answers(store, read_form(values), late=True)
    announce_answers(project.name, store, taken, "prefect")
    show_rejected(taken.rejected)
    return taken
