"""The record stage: the ledger, the MLflow run, the report, and the mark that all is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

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
    mlflow_run: str
    link: str
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
    Book what was spent, write the MLflow run and the report, and mark the printing as done.

    Every step may be repeated: a run that is killed here is finished by the next one.
    """
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
    )
    name, tags = run_tags(manifest, held=version is None)
    run_id = tracking.open_run(name, tags)
    verdict = Verdict.from_json(manifest.verdict)
    text = markdown(summary, verdict, tracking.link(run_id))
    report = render_report(manifest, summary, verdict, ledger, trained, promotion)
    place = f"{folder(manifest.run)}/report.html"
    run.store.files.write_bytes(place, report.encode())
    tracking.write(
        run_id,
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
            "mlflow.note.content": text,
        },
        data=_tracked_data(run, manifest, version),
    )
    tracking.write_files(
        run_id,
        {
            "label_model.json": _json(manifest.label_model),
            "gate.json": _json(manifest.verdict),
            "report.html": report,
        },
    )
    _write_chart(ledger, tracking)
    tracking.finish(run_id)
    tracking.close_running(keep=run_id)
    run.store.files.write_json(
        f"{folder(manifest.run)}/record.json",
        {"mlflow_run": run_id, "label_version": version.version if version else None}
        | {"recorded": datetime.now(UTC).isoformat(), "held": list(held)}
        | {"model_accuracy": summary.model_accuracy, "model_role": summary.model_role},
    )
    return Record(summary, text, run_id, tracking.link(run_id), run.store.files.join(place))


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
        fresh = _unbooked_answers(run, answers_version)
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
    """Write the cost of every period to the ledger run: the recurring cost as one chart."""
    cumulative = 0.0
    for step, period in enumerate(ledger["period"].unique().sort().to_list(), start=1):
        costs = sum_costs(ledger.filter(pl.col("period") == period))
        cumulative += costs.total_usd
        tracking.write_costs(cost_metrics(costs, cumulative), step)


def _json(value: object) -> str:
    import json  # noqa: PLC0415

    return json.dumps(value, indent=1, sort_keys=True, default=str)
