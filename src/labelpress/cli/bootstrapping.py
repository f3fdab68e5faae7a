"""`labelpress bootstrap`: the first asks, before anything has been printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.accounting import accounted
from labelpress.cli.opening import open_here
from labelpress.cluster import open_cluster
from labelpress.errors import LabelpressError
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.plan import plan_run

if TYPE_CHECKING:
    from rich.console import Console

BATCH = "bootstrap"


def bootstrap_project(uri: str, period: str, console: Console) -> None:
    """Put an audit and cold-start sample before the experts, once per project."""
    run = open_run(open_here(uri), period=period)
    if run.base is not None:
        raise LabelpressError(
            f"{run.base} is published already: relabel runs ask by themselves from there on."
        )
    with open_cluster(processes=False) as cluster:
        with accounted(run, "plan", cluster):
            planned = plan_run(run, freeze_answers(run, cluster), cluster)
        with accounted(run, "ask", cluster):
            asked = put_asks(run, planned.manifest, cluster, batch=BATCH, label_version=None)
    reserved = int(asked.asks["reserved"].sum())
    console.print(
        f"{asked.asks.height} rows are asked: {asked.asks.height - reserved} that teach, "
        f"{reserved} reserved to certify. `labelpress asks export {uri}` writes them to a file.",
        markup=False,
        highlight=False,
    )
