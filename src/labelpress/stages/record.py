"""The record stage: the ledger, the MLflow run, the report, and the mark that all is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.booking import book
from labelpress.drafts import Draft, send_drafts, write_draft
from labelpress.errors import TrackingError
from labelpress.gate import Verdict
from labelpress.ledger import sum_costs
from labelpress.manifest import folder
from labelpress.report import render_report
from labelpress.stages.train import run_tags
from labelpress.stopping import stopping_sentence
from labelpress.summary import Summary, cost_metrics, markdown, metrics, summarise
from labelpress.tracking import TrackedData

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.promote import Promotion
    from labelpress.stages.train import Trained
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import Tracking


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
