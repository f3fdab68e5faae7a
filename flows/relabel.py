"""Relabel: print the labels of a project for one period."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

import tasks.answers
import tasks.ask
import tasks.fit
import tasks.gate
import tasks.label
import tasks.plan
import tasks.promote
import tasks.publish
import tasks.record
import tasks.score
import tasks.train
import tasks.vote
from labelpress.announcements import announce_held, announce_model, announce_published
from labelpress.blocks import open_project
from labelpress.cluster import Cluster, open_project_cluster
from labelpress.errors import PublicationRefusedError, TrackingError
from labelpress.events import flow_run_facts, one_at_a_time, run_stage, show_summary
from labelpress.manifest import Manifest, read_answers, read_manifest
from labelpress.project import Project
from labelpress.runs import Run, open_run
from labelpress.slots import Mode
from labelpress.stages.forecast import forecast
from labelpress.stages.promote import Promotion
from labelpress.stages.trained import Trained, Untrained
from labelpress.standing import held_periods
from labelpress.tables.publication import LabelVersion
from labelpress.tracking import Tracking

# Of a value that does not match, Prefect's form shows the pattern; so it begins with plain words.
Period = Annotated[
    str, Field(pattern=r"a day such as 2026-03-02, or nothing|^$|^\d{4}-\d{2}-\d{2}(T\d{2})?$")
]
Where = Annotated[
    str,
    Field(
        pattern="local, threads, an address such as tcp://scheduler:8786, or nothing"
        "|^$|^local$|^threads$|^[a-z]+://.+$"
    ),
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, for whoever started it."""

    status: Literal["published", "held", "unchanged", "forecast"]
    period: str
    printing: int
    label_version: int | None
    reasons: tuple[str, ...] = ()
    summary: str = ""


@flow(name="relabel", log_prints=True, validate_parameters=True)
def relabel(
    project: str,
    mode: Literal["scheduled", "reprint", "dry-run"] = "scheduled",
    period: Period = "",
    cluster: Where = "",
) -> Any:
    """
    Print the labels of a project for one period; publish them if they pass the gate.

    Args:
        project: Folder of the project, or any fsspec URI; it holds project.toml.
        mode: scheduled publishes only if the period has no printing yet; reprint publishes it once
            more, after a heuristic was edited; dry-run writes nothing and says what it would do.
        period: First day of the period, such as 2026-03-02; empty means by the schedule.
        cluster: Where the partitions are worked: the address of a Dask scheduler, local (processes
            on this machine) or threads (of this process, for tiny data); empty means what
            project.toml says.

    """
    opened = open_project(project)
    if mode == "dry-run":
        return print_labels(opened, mode, period, cluster)
    with one_at_a_time(opened.name):
        return print_labels(opened, mode, period, cluster)


def print_labels(project: Project, mode: Mode, period: str, cluster: str) -> Any:
    """Go through the stages, from answers to record."""
    flow_run, expected, link = flow_run_facts()
    run = open_run(
        project,
        period=period,
        mode=mode,
        expected=expected,
        flow_run=flow_run,
        link=link,
    )
    slot = run.slot
    if slot.action == "nothing" and slot.version is not None:
        return unchanged(slot.version)
    # before anything is spent: a server that is down is said now; a dry run writes nothing to it
    tracking = None if mode == "dry-run" else Tracking(run.project.tracking_uri, run.project.name)
    with open_project_cluster(project.settings.cluster, cluster) as workers:
        if tracking is None:
            return foresee(run, workers)
        if slot.action == "resume" and slot.version is not None:
            return take_up(run, slot.version, tracking, workers)
        frozen = run_stage(tasks.answers.answers, run, workers)
        planned = run_stage(tasks.plan.plan, run, frozen, workers)
        voted = run_stage(tasks.vote.vote, run, planned, workers)
        fitted = run_stage(tasks.fit.fit, run, voted, planned.answers, workers)
        candidate = run_stage(tasks.label.label, run, fitted, workers)
        gated = run_stage(tasks.gate.gate, run, candidate, workers)
        if gated.held:
            return hold(run, gated.manifest, gated.held, tracking, workers)
        try:
            version = run_stage(tasks.publish.publish, run, gated.manifest, workers)
        except PublicationRefusedError as refused:
            return overtaken(run, refused)
        return follow_up(run, gated.manifest, version, tracking, workers)


def foresee(run: Run, workers: Cluster) -> Outcome:
    """Say what a run would do."""
    frozen = run_stage(tasks.answers.answers, run, workers)
    planned = run_stage(tasks.plan.plan, run, frozen, workers)
    text = forecast(run, planned, workers).to_markdown()
    show_summary(text)
    return Outcome("forecast", run.slot.period, run.slot.printing, None, summary=text)


def unchanged(found: LabelVersion) -> State[Outcome]:
    """End a run that finds its printing published."""
    message = f"period {found.period} is already printed: label version {found.version}"
    outcome = Outcome("unchanged", found.period, found.printing, found.version, (message,))
    return Completed(name="Unchanged", message=message, data=outcome)


def overtaken(run: Run, refused: PublicationRefusedError) -> State[Outcome]:
    """End a run whose slot another run has filled meanwhile; any other refusal is an error."""
    versions = run.store.labels.versions()
    filled = [v for v in versions if v.period == run.slot.period]
    if not filled or filled[-1].printing < run.slot.printing:
        raise refused
    return unchanged(filled[-1])


def take_up(
    run: Run, version: LabelVersion, tracking: Tracking, workers: Cluster
) -> State[Outcome]:
    """Go on where a run stopped, or still is, after it had published."""
    manifest = read_manifest(run.store.files, version.run)
    if manifest is None:
        raise RuntimeError(f"the manifest of {version} is gone from the store")
    outcome = follow_up(run, manifest, version, tracking, workers)
    message = (
        f"period {version.period} is already printed: label version {version.version}; this run "
        f"completed what run {version.run} had left undone"
    )
    return Completed(message=message, data=replace(outcome, reasons=(message,)))


def follow_up(
    run: Run, manifest: Manifest, version: LabelVersion, tracking: Tracking, workers: Cluster
) -> Outcome:
    """Do what follows a publication: ask, train, promote, score, record; each step happens once."""
    announce_published(run.project.name, run.store, version, run.link)
    asked = run_stage(tasks.ask.ask, run, manifest, version.version, workers)
    answers = read_answers(run.store.files, manifest.run)
    made = run_stage(tasks.train.train, run, manifest, answers, workers)
    trained = made if isinstance(made, Trained) else None
    promotion = Promotion("", "not trained", made.reason) if isinstance(made, Untrained) else None
    try:
        if trained is not None:
            promotion = run_stage(
                tasks.promote.promote, run, manifest, version, trained, tracking, workers
            )
        run_stage(tasks.score.score, run, manifest, version, tracking, workers)
    except TrackingError:
        run_stage(tasks.record.keep, run, manifest, workers, version=version, trained=trained)
        raise
    if promotion is not None:
        announce_model(run, version, promotion)
    written = run_stage(
        tasks.record.record,
        run,
        manifest,
        tracking,
        workers,
        version=version,
        held=(),
        trained=trained,
        promotion=promotion,
        asks=asked.asks.height,
    )
    return Outcome(
        "published",
        version.period,
        version.printing,
        version.version,
        summary=written.markdown,
    )


def hold(
    run: Run, manifest: Manifest, reasons: tuple[str, ...], tracking: Tracking, workers: Cluster
) -> State[Outcome]:
    """End a run whose candidate may not be published; experts are asked about what would change."""
    asked = run_stage(tasks.ask.ask, run, manifest, None, workers)
    written = run_stage(
        tasks.record.record,
        run,
        manifest,
        tracking,
        workers,
        version=None,
        held=reasons,
        trained=None,
        promotion=None,
        asks=asked.asks.height,
    )
    announce_held(run, manifest, reasons, held_periods(run.store))
    base = run.base.version if run.base else None
    outcome = Outcome(
        "held", manifest.period, manifest.printing, base, reasons, summary=written.markdown
    )
    message = f"Held; run {manifest.run} can be promoted. " + " ".join(reasons)
    return Completed(name="Held", message=message[:2000], data=outcome)


if __name__ == "__main__":
    import sys

    relabel(sys.argv[1])
