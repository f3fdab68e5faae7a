"""The record stage: the ledger, the MLflow run, the report, and the mark that all is done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.booking import book
from labelpress.certify import Certificate
from labelpress.drafts import Draft, send_drafts, write_draft
from labelpress.errors import TrackingError
from labelpress.labels import add_counts
from labelpress.ledger import sum_costs
from labelpress.report import write_report
from labelpress.report.facts import ModelFacts, Point, RunFacts, write_facts
from labelpress.stages.train import run_tags
from labelpress.stopping import stopping_sentence
from labelpress.summary import Summary, cost_metrics, metrics, unit_metrics
from labelpress.tracking import TrackedData

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.promote import Promotion
    from labelpress.stages.trained import Trained
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import Tracking


_NOTE_SIZE = 5000
"""MLflow refuses longer tags."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a run leaves for people to read."""

    summary: Summary
    markdown: str
    pictures: str
    """The figures that belong under it, as Markdown: too large for whatever is not shown."""
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
    facts = _facts(
        run,
        manifest,
        version=version,
        held=held,
        trained=trained,
        promotion=promotion,
        asks=asks,
    )
    write_facts(run.store, facts)
    written = write_report(run.store, manifest, facts, run.classes)
    summary, told = written.summary, written.markdown
    name, tags = run_tags(manifest, held=version is None)
    draft = Draft(
        run=manifest.run,
        name=name,
        found_by=tags,
        metrics=metrics(summary, manifest) | unit_metrics(*written.units),
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
            "prefect.flow_run_id": run.flow_run,
            "prefect.flow_run": run.link,
            "mlflow.note.content": told[:_NOTE_SIZE],
        },
        data=_tracked_data(run, manifest, version),
        files=written.files,
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
    place = run.store.files.join(written.files["report.html"])
    return Record(summary, told, written.pictures, "", place)


def _facts(
    run: Run,
    manifest: Manifest,
    *,
    version: LabelVersion | None,
    held: tuple[str, ...],
    trained: Trained | None,
    promotion: Promotion | None,
    asks: int,
) -> RunFacts:
    """Put together what a report needs beside the manifest and the ledger."""
    settings = run.project.settings
    evaluation = trained.evaluation if trained else None
    certificate = Certificate.from_json(manifest.certificate)
    counts = add_counts([entry.counts for entry in manifest.entries], run.classes)
    printed = [v for v in run.store.labels.versions() if v.printed]
    earlier = [v for v in printed if version is None or v.version < version.version]
    ledger_version = run.store.ledger.version()
    return RunFacts(
        run=manifest.run,
        version=version.version if version else None,
        held=held,
        before=tuple(v.run for v in earlier if v.run != manifest.run),
        asks=asks,
        simulated=settings.experts.oracle is not None,
        target_accuracy=settings.experts.target_accuracy,
        expert_usd_per_hour=settings.costs.expert_usd_per_hour,
        stopping=stopping_sentence(manifest, settings.experts),
        ledger_version=0 if ledger_version is None else ledger_version,
        point=Point(
            period=manifest.period,
            printing=manifest.printing,
            rows=counts.rows,
            labelled=counts.labelled,
            accuracy=certificate.estimate,
            low=certificate.low,
            high=certificate.high,
            audits=certificate.audits,
            answers=int(manifest.surface.get("answers", 0)),
            commonest=max(manifest.base_rate["mean"]),
            model_accuracy=evaluation.accuracy if evaluation else None,
        ),
        model=None if trained is None else _model_facts(trained, promotion),
        untrained=promotion.reason if promotion and trained is None else "",
        budget=settings.experts.budget,
    )


def _model_facts(trained: Trained, promotion: Promotion | None) -> ModelFacts:
    evaluation = trained.evaluation
    return ModelFacts(
        mix=trained.mix,
        rows=trained.rows,
        excluded=trained.excluded,
        judged_on=trained.judged_on,
        accuracy=evaluation.accuracy if evaluation else None,
        f1=evaluation.f1 if evaluation else None,
        log_loss=evaluation.log_loss if evaluation else None,
        candidates=tuple(dict(one) for one in trained.candidates),
        role=promotion.role if promotion else "",
        reason=promotion.reason if promotion else "",
        solver=trained.solver,
        sweep=trained.sweep.sentence if trained.sweep else "",
        sweep_judged_on=trained.sweep.judged_on if trained.sweep else "",
        sweep_points=tuple(asdict(p) for p in trained.sweep.points) if trained.sweep else (),
    )


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
