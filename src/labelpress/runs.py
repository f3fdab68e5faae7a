"""Runs: what a run is for and what it starts from, found before anything is spent."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.classes import Classes
from labelpress.decisions import standing_hold
from labelpress.erasure.records import refuse_during_erasure
from labelpress.errors import ProjectError, PublicationRefusedError, StoreError, did_you_mean
from labelpress.heuristics import load_heuristics
from labelpress.ledger import Spend
from labelpress.manifest import folder, read_manifest
from labelpress.periods import parse_period, period_of
from labelpress.slots import Slot, find_slot
from labelpress.sources.listing import list_source
from labelpress.store import open_project_store, open_store
from labelpress.test_set import read_test_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.cluster import PartitionRow
    from labelpress.heuristics import Heuristic
    from labelpress.manifest import Manifest
    from labelpress.project import Project
    from labelpress.slots import Mode
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a flow: the fixed values that all stages share."""

    id: str
    project: Project
    store: Store
    classes: Classes
    mode: Mode
    slot: Slot
    base: LabelVersion | None
    """The version that consumers read when the run began."""
    base_manifest: Manifest | None
    hold: str | None
    """Why nothing may be published whatever the gate says, or None."""
    link: str = ""
    """The address of the flow run's page."""
    flow_run: str = ""
    """The id of the flow run."""


def open_run(
    project: Project,
    *,
    period: str = "",
    mode: Mode = "scheduled",
    expected: datetime | None = None,
    flow_run: str = "",
    link: str = "",
) -> Run:
    """
    Open the store and find out which printing this run is for.

    The period is the one named, else the one into which `expected` (the scheduled start) falls. A
    run's id follows from the period and the flow run, so a retried flow run keeps it. Raises
    `StoreError` for a foreign, newer or unwritable store and `PublicationRefusedError` for a period
    before the last published one and while rows are being erased.
    """
    settings = project.settings
    schedule = settings.schedule
    moment = expected or datetime.now(UTC)
    name = parse_period(period, schedule) if period else period_of(moment, schedule)
    check_before_writing(project)
    store = open_store(
        project.store_uri,
        project.name,
        settings.classes.names,
        settings.store.storage_options,
        dry_run=mode == "dry-run",
    )
    if mode != "dry-run":
        refuse_during_erasure(store)
    versions = store.labels.versions()
    base = versions[-1] if versions else None
    base_manifest = read_manifest(store.files, base.run) if base else None
    slot = find_slot(
        versions,
        name,
        mode,
        unfinished=base is not None and not is_recorded(store, base.run),
        same_request=base_manifest is not None
        and base_manifest.project_digest == project.bundle.sha,
    )
    token = flow_run or moment.isoformat()
    suffix = hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
    return Run(
        id=f"{name}-{suffix}",
        project=project,
        store=store,
        classes=store.classes,
        mode=mode,
        slot=slot,
        base=base,
        base_manifest=base_manifest,
        hold=standing_hold(store.decisions.read()),
        link=link,
        flow_run=flow_run,
    )


@dataclass(frozen=True, slots=True)
class Retraining:
    """A label version to train from, and the run that does so."""

    run: Run
    version: LabelVersion
    manifest: Manifest


def open_retraining(
    project: Project, version: int | None, *, flow_run: str = "", link: str = ""
) -> Retraining:
    """
    Open a run that trains on a label version, the current one where none is named.

    Raises `StoreError` where there is no such version, or its manifest is gone.
    """
    check_before_writing(project)
    store = _open_to_change(project)
    found = store.labels.find(version, None)
    manifest = read_manifest(store.files, found.run)
    if manifest is None:
        raise StoreError(
            f"label version {found.version} cannot be learnt from: the manifest of its run "
            f"{found.run} is gone from the store."
        )
    base = store.labels.find(None, None)
    token = flow_run or datetime.now(UTC).isoformat()
    suffix = hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
    run = Run(
        id=f"{manifest.period}-{suffix}",
        project=project,
        store=store,
        classes=store.classes,
        mode="reprint",
        slot=Slot(manifest.period, manifest.printing, "resume", found),
        base=base,
        base_manifest=read_manifest(store.files, base.run),
        hold=None,
        link=link,
    )
    return Retraining(run, found, manifest)


def reopen_run(project: Project, store: Store, manifest: Manifest) -> Run:
    """
    Open the run of a manifest as it was, to go through its stages again; it may not write.

    What the manifest does not keep of the settings is as the project has it now.
    """
    versions = store.labels.versions()
    base = next((v for v in versions if v.version == manifest.base_version), None)
    settings = project.settings.as_then({**manifest.settings, "slices": manifest.slices})
    return Run(
        id=manifest.run,
        project=replace(project, settings=settings),
        store=store,
        classes=Classes(manifest.classes),
        mode="dry-run",
        slot=Slot(manifest.period, manifest.printing, "print", None),
        base=base,
        base_manifest=read_manifest(store.files, base.run) if base else None,
        hold=None,
    )


def check_before_writing(project: Project) -> None:
    """Raise the error of a missing source, heuristics or an estimator; write nothing."""
    list_source(project.source_uri, project.settings.source)
    classes = Classes(project.settings.classes.names)
    _check_prices(project, load_heuristics(project.bundle, classes))
    read_test_set(project, classes)
    if project.settings.end_model.estimator is not None:
        # Brings scikit-learn and skops, which take two seconds, and every worker imports this file.
        from labelpress.end_model.trial import try_estimator  # noqa: PLC0415

        try_estimator(project.settings.end_model, len(classes), project.settings.seed)


def _open_to_change(project: Project) -> Store:
    store = open_project_store(project)
    refuse_during_erasure(store)
    return store


def _check_prices(project: Project, heuristics: Sequence[Heuristic]) -> None:
    models = [heuristic.name for heuristic in heuristics if heuristic.kind == "model"]
    for name in project.settings.costs.model_usd_per_call:
        if name not in models:
            raise ProjectError(
                f"project.toml: [costs.model_usd_per_call] names {name!r}, which is no model "
                f"heuristic.{did_you_mean(name, models)} The models are "
                f"{', '.join(models) or 'none'}."
            )


def save_spend(run: Run, spend: Spend, table: Sequence[PartitionRow] = ()) -> None:
    """
    Write what a stage used, so that it is booked even if the run is killed; retries add up.

    Beside it, `table` says what each partition took in the last attempt.
    """
    if table:
        rows = pl.DataFrame([asdict(row) for row in table], infer_schema_length=None)
        run.store.files.write_parquet(f"{folder(run.id)}/spend/{spend.stage}.parquet", rows)
    path = f"{folder(run.id)}/spend/{spend.stage}.json"
    earlier = read_spend(run.store, run.id, spend.stage)
    total = spend if earlier is None else add_spend(earlier, spend)
    run.store.files.write_json(path, total.to_json() | {"period": run.slot.period})


def read_spend(store: Store, run: str, stage: str) -> Spend | None:
    """Return what a stage of a run used so far, or None."""
    path = f"{folder(run)}/spend/{stage}.json"
    if not store.files.exists(path):
        return None
    data = store.files.read_json(path)
    data.pop("period")
    return Spend(**data)


def add_spend(first: Spend, second: Spend) -> Spend:
    """Add what two attempts at one stage used."""
    names = {*first.heuristic_seconds, *second.heuristic_seconds}
    return Spend(
        stage=first.stage,
        wall_seconds=first.wall_seconds + second.wall_seconds,
        worker_seconds=first.worker_seconds + second.worker_seconds,
        flow_seconds=first.flow_seconds + second.flow_seconds,
        heuristic_seconds={
            name: first.heuristic_seconds.get(name, 0.0) + second.heuristic_seconds.get(name, 0.0)
            for name in sorted(names)
        },
        model_calls={
            name: first.model_calls.get(name, 0) + second.model_calls.get(name, 0)
            for name in sorted({*first.model_calls, *second.model_calls})
        },
        bytes_read=first.bytes_read + second.bytes_read,
        bytes_written=first.bytes_written + second.bytes_written,
        saved_seconds=second.saved_seconds,
        peak_memory_bytes=max(first.peak_memory_bytes, second.peak_memory_bytes),
    )


def is_recorded(store: Store, run: str) -> bool:
    """Say whether the record of a run is complete: nothing is left to do for it."""
    return store.files.exists(f"{folder(run)}/record.json")


def run_ids(store: Store) -> tuple[str, ...]:
    """Return the ids of all runs that left anything, in order of period."""
    return store.files.names("runs")


def open_candidate(project: Project, held_run: str, *, flow_run: str = "", link: str = "") -> Run:
    """
    Open the run of a held candidate, so that a person can publish it.

    Raises `PublicationRefusedError` where there is no such candidate, where it is published, or
    where the version it was compared with is no longer the current one.
    """
    store = _open_to_change(project)
    manifest = read_manifest(store.files, held_run)
    if manifest is None or manifest.mode == "dry-run":
        known = [run for run in run_ids(store) if read_manifest(store.files, run)]
        raise PublicationRefusedError(
            f"run {held_run!r} has no candidate; the last runs with one are "
            f"{', '.join(known[-5:]) or 'none'}."
        )
    versions = store.labels.versions()
    current = versions[-1] if versions else None
    if current is not None and current.run != held_run:
        version = current.version
        if manifest.base_version != version:
            raise PublicationRefusedError(
                f"the candidate of run {held_run} was compared with label version "
                f"{manifest.base_version}, but {version} is the current one now. Run relabel again "
                "and promote its candidate."
            )
    token = flow_run or datetime.now(UTC).isoformat()
    suffix = hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
    return Run(
        id=f"{manifest.period}-{suffix}",
        project=project,
        store=store,
        classes=store.classes,
        mode="reprint",
        slot=Slot(manifest.period, manifest.printing, "print", None),
        base=current,
        base_manifest=read_manifest(store.files, current.run) if current else None,
        hold=None,
        link=link,
        flow_run=flow_run,
    )
