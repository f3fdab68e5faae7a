"""The tickets example printed for all its periods, by the stages alone, to be audited."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from examples.tickets.weeks import PERIODS, WEEKS, write_until, write_week
from labelpress.accounting import accounted
from labelpress.cli.bootstrapping import bootstrap_project
from labelpress.cluster import open_cluster
from labelpress.project import read_project
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.publish import publish_labels
from labelpress.stages.record import keep_record
from labelpress.stages.vote import cast_votes

if TYPE_CHECKING:
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest

_EXAMPLE = Path(__file__).parents[1] / "examples" / "tickets"


def write_project(root: Path, seed: int) -> None:
    """Copy the example and let the drops that are there before the first period fall."""
    root.mkdir(parents=True)
    for name in ("project.toml", "heuristics.py"):
        shutil.copy(_EXAMPLE / name, root / name)
    shutil.copytree(_EXAMPLE / "tables", root / "tables")
    write_until(root, PERIODS[0], seed=seed)
    bootstrap_project(str(root), str(PERIODS[0]), Console(file=io.StringIO()))


def print_all(root: Path, seed: int = 0) -> list[Manifest]:
    """Print every period; return the manifests, also of runs that the gate held."""
    write_project(root, seed)
    manifests = []
    with open_cluster(processes=False, workers=2) as cluster:
        for number, period in enumerate(PERIODS):
            if number:
                write_week(root, WEEKS.index(period), seed=seed)
            manifests.append(print_period(root, str(period), cluster))
    return manifests


def print_period(root: Path, period: str, cluster: Cluster) -> Manifest:
    """Run the stages of one period, but for the end model; what they use is booked."""
    run = open_run(read_project(str(root)), period=period)
    with accounted(run, "answers", cluster):
        frozen = freeze_answers(run, cluster)
    with accounted(run, "plan", cluster):
        plan = plan_run(run, frozen, cluster)
    with accounted(run, "vote", cluster) as account:
        voted = cast_votes(run, plan, cluster)
        account.heuristic_seconds = voted.heuristic_seconds
        account.saved_seconds = voted.saved_seconds
    with accounted(run, "fit", cluster):
        fitted = fit_labels(run, voted, plan.answers, cluster)
    with accounted(run, "label", cluster):
        candidate = write_labels(run, fitted, cluster)
    with accounted(run, "gate", cluster):
        gated = judge_candidate(run, candidate, cluster)
    version = None if gated.held else publish_labels(run, gated.manifest)
    number = version.version if version else None
    batch = f"v{number}" if version else f"held:{run.id}"
    with accounted(run, "ask", cluster):
        put_asks(run, gated.manifest, cluster, batch=batch, label_version=number)
    keep_record(
        run,
        gated.manifest,
        version=version,
        held=gated.held,
        trained=None,
        promotion=None,
        asks=0,
    )
    return gated.manifest
