"""The record stage: the ledger, the MLflow run, the report, and the mark that all is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.drafts import Draft, send_drafts, write_draft
from labelpress.errors import TrackingError
from labelpress.gate import Verdict
from labelpress.ledger import (
    STAGES,
    baseline_entry,
    compute_entries,
    expert_entries,
    sum_costs,
    to_frame,
)
from labelpress.manifest import folder
from labelpress.report import render_report
from labelpress.runs import period_of_run, read_spend, run_ids
from labelpress.stages.train import run_tags
from labelpress.stopping import stopping_sentence
from labelpress.summary import Summary, cost_metrics, markdown, metrics, summarise
from labelpress.tables.schemas import LEDGER
from labelpress.tracking import TrackedData

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.promote import Promotion
    from labelpress.stages.train import Trained
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import Tracking

EXPERT_BATCH = "expert-answers"


@dataclass(frozen=True, slots=True)
class Record:
    """What a run leaves for people to read."""

    summary: Summary
    markdown: str
    link: str
    """The page of the MLflow run; empty where MLflow has not been told."""
    report: str
    """Where report.html is, in the store."""


def record_run(
    run: Run,
    manifest: Manifest,
    tracking: Tracking,
    *,
    version: LabelVersion | None,
    held: tuple[str, ...],
    trained: Trained | None,
    promotion: Promotion | None,
    asks: int,
) -> Record:
    """
    Book what was spent, write the report, tell MLflow, and mark the printing as done.

    Every step may be repeated: a run that is killed here is finished by the next one. Raises
    `TrackingError` where MLflow fails; the record then waits in the store for the next run.
    """
    kept = keep_record(
        run,
        manifest,
        version=version,
        held=held,
        trained=trained,
        promotion=promotion,
        asks=asks,
    )
    try:
        _write_chart(run.store.ledger.read(), tracking)
        mlflow_run = send_drafts(run.store, tracking)[manifest.run]
        tracking.close_running(keep=mlflow_run)
    except TrackingError as error:
        outcome = f"Label version {version.version} is published" if version else "The run is held"
        raise TrackingError(
            f"{outcome} and its record is in the store, but MLflow was not told: {error} The next "
            "run sends it."
        ) from None
    link = tracking.link(mlflow_run)
    return replace(kept, markdown=f"{kept.markdown}\n\nMLflow: {link}", link=link)


def keep_record(
    run: Run,
    manifest: Manifest,
    *,
    version: LabelVersion | None,
    held: tuple[str, ...],
    trained: Trained | None,
    promotion: Promotion | None,
    asks: int,
) -> Record:
    """Do the part of the record that needs no MLflow; the next run sends the rest."""
    book(run, manifest)
    ledger = run.store.ledger.read()
    costs = sum_costs(ledger.filter(pl.col("period") == manifest.period))
    summary = summarise(
        manifest,
        run.classes,
        version=version.version if version else None,
        held=held,
        trained=trained,
        promotion=promotion,
        asks=asks,
        simulated=run.project.settings.experts.oracle is not None,
        costs=costs,
        cumulative_usd=sum_costs(ledger).total_usd,
        stopping=stopping_sentence(manifest, run.project.settings.experts),
    )
    verdict = Verdict.from_json(manifest.verdict)
    report = render_report(manifest, summary, verdict, ledger, trained, promotion)
    files = _write_files(run, manifest, report)
    name, tags = run_tags(manifest, held=version is None)
    draft = Draft(
        run=manifest.run,
        name=name,
        found_by=tags,
        metrics=metrics(summary, manifest),
        params={
            "mode": manifest.mode,
            "refit": manifest.refit,
            "label_model": str(manifest.label_model.get("name", "")),
            "training_mix": trained.mix if trained else "",
            "heuristics": str(len(manifest.heuristics)),
        },
        tags={
            "labelpress.label_version": str(version.version) if version else "",
            "labelpress.run": manifest.run,
            "labelpress.verdict": "published" if version else "held",
            "labelpress.simulated": str(summary.simulated).lower(),
            "prefect.flow_run": run.link,
            "mlflow.note.content": markdown(summary, verdict, manifest.refit),
        },
        data=_tracked_data(run, manifest, version),
        files=files,
        facts={
            "label_version": version.version if version else None,
            "recorded": datetime.now(UTC).isoformat(),
            "held": list(held),
            "model_accuracy": summary.model_accuracy,
            "model_role": summary.model_role,
            "restated": dict(manifest.restated),
        },
    )
    write_draft(run.store, draft)
    place = run.store.files.join(files["report.html"])
    return Record(summary, markdown(summary, verdict, manifest.refit), "", place)


def _write_files(run: Run, manifest: Manifest, report: str) -> dict[str, str]:
    """Write what MLflow keeps as artifacts into the store; return the places by name."""
    content = {
        "label_model.json": _json(manifest.label_model),
        "gate.json": _json(manifest.verdict),
        "report.html": report,
    }
    places = {name: f"{folder(manifest.run)}/{name}" for name in content}
    for name, text in content.items():
        run.store.files.write_bytes(places[name], text.encode())
    return places


def book(run: Run, manifest: Manifest) -> None:
    """Book every stage of every run that is not yet in the ledger, and every answer, once."""
    rates = run.project.settings.costs
    booked = set(run.store.ledger.read().select("run", "stage").unique().iter_rows())
    for other in run_ids(run.store):
        # The record stage is the last: a run that has it in the ledger has nothing left to book.
        if (other, "record") not in booked:
            _book_run(run.store, other, run, manifest)
    now = datetime.now(UTC)
    experts = run.project.settings.experts
    answers_version = run.store.answers.version()
    ledger = run.store.ledger
    if answers_version is not None and not ledger.has(EXPERT_BATCH, answers_version + 1):
        again = run.store.asks.read().filter(pl.col("stratum") == "recheck")["ask_id"]
        fresh = _unbooked_answers(run, answers_version).with_columns(
            pl.col("ask_id").is_in(again.implode()).alias("rework")
        )
        entries = expert_entries(
            manifest.run,
            manifest.period,
            manifest.printing,
            fresh,
            rates,
            experts.seconds_per_answer,
        )
        # Delta counts versions from 0, and a batch number of 0 cannot be told from none.
        frame = to_frame(entries, now) if entries else LEDGER.to_frame()
        ledger.append(frame, EXPERT_BATCH, answers_version + 1)
    fresh_rows = sum(entry.change.new for entry in manifest.entries)
    if manifest.base_version is None:
        fresh_rows = manifest.rows
    entry = baseline_entry(
        manifest.run,
        manifest.period,
        manifest.printing,
        fresh_rows,
        rates,
        experts.seconds_per_answer,
    )
    if fresh_rows:
        ledger.append(to_frame([entry], now), f"hand:{manifest.run}")


def _book_run(store: Store, other: str, run: Run, manifest: Manifest) -> None:
    for stage in STAGES:
        spend = read_spend(store, other, stage)
        batch = f"spend:{other}:{stage}"
        if spend is None or store.ledger.has(batch):
            continue
        printing = manifest.printing if other in {manifest.run, run.id} else None
        entries = compute_entries(
            other, period_of_run(other), printing, spend, run.project.settings.costs
        )
        store.ledger.append(to_frame(entries, datetime.now(UTC)), batch)


def _unbooked_answers(run: Run, answers_version: int) -> pl.DataFrame:
    booked = run.store.ledger.last(EXPERT_BATCH)
    answers = run.store.answers.read(answers_version)
    if booked is None:
        return answers
    before = run.store.answers.read(booked - 1)
    return answers.join(before, on=["ask_id", "annotator", "imported"], how="anti")


def _tracked_data(
    run: Run, manifest: Manifest, version: LabelVersion | None
) -> tuple[TrackedData, ...]:
    source = TrackedData(
        "source", manifest.source_digest, manifest.source_uri, "source", manifest.rows
    )
    if version is None:
        return (source,)
    labels = TrackedData(
        "labels",
        f"v{version.version}-{manifest.run}",
        run.store.files.join("labels"),
        "labels",
        sum(entry.rows for entry in manifest.entries),
    )
    return (source, labels)


def _write_chart(ledger: pl.DataFrame, tracking: Tracking) -> None:
    """Write the cost of each period to the ledger run: the recurring cost as one chart."""
    cumulative = 0.0
    steps = {}
    for step, period in enumerate(ledger["period"].unique().sort().to_list(), start=1):
        costs = sum_costs(ledger.filter(pl.col("period") == period))
        cumulative += costs.total_usd
        steps[step] = cost_metrics(costs, cumulative)
    tracking.write_costs(steps)


def _json(value: object) -> str:
    import json  # noqa: PLC0415

    return json.dumps(value, indent=1, sort_keys=True, default=str)
