"""The train stage: fit the end model on a label version and judge it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from labelpress.end_model.classifiers import streams
from labelpress.end_model.settings import Features
from labelpress.end_model.sizing import ALWAYS_FITS, Sizing, choose_solver
from labelpress.end_model.streaming import new_stream
from labelpress.end_model.training import FEWEST_ANSWERS
from labelpress.stages.recheck import write_test_suspects
from labelpress.stages.teaching import (
    Job,
    Streamed,
    finish_stream,
    fit_in_memory,
    fly,
    learn_block,
    measure_rows,
    read_lesson,
)
from labelpress.stages.trained import Trained, Untrained
from labelpress.stages.training_rows import Reading, SeenVotes, TrainingPart, read_block
from labelpress.stages.vote import voting
from labelpress.test_set import read_corrected_test_set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.model_cost import ModelCost
    from labelpress.runs import Run
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import ModelVersion, Tracking

REQUIREMENTS = ("labelpress", "scikit-learn", "skops", "polars")
PASSES: Final = 2
"""How often a stream goes through the training rows."""
_PILOT_ROWS: Final = 50_000
"""Rows from which a stream learns its vocabulary, categories and scales, and is swept."""
_MEASURED_ROWS: Final = 2_000
"""Rows by which the size of the training rows is foretold."""


def train_or_say_why(
    run: Run, manifest: Manifest, answers: pl.DataFrame, cluster: Cluster
) -> Trained | Untrained:
    """Fit the end model on the labels of a manifest, or say why there is nothing to learn."""
    reason = why_untrainable(run, manifest, answers)
    if reason is not None:
        return Untrained(reason)
    trained = train_model(run, manifest, answers, cluster)
    if trained is None:
        return Untrained("No end model: the labels name fewer than two classes.")
    if trained.suspects is not None:
        write_test_suspects(run.store.files, manifest.run, trained.suspects)
    return trained


def why_untrainable(run: Run, manifest: Manifest, answers: pl.DataFrame) -> str | None:
    """
    Return why no end model can be trained on these labels, or None; nothing is read for it.

    A class with neither a label nor an answer that may teach could never be predicted, though the
    project declares it.
    """
    settings = run.project.settings.end_model
    labelled = np.array(_class_counts(manifest) + [0] * len(run.classes))[: len(run.classes)]
    teaching = answers.filter(~pl.col("reserved"))["code"].to_numpy().astype(np.int64)
    known = labelled + np.bincount(teaching, minlength=len(run.classes))
    if (known > 0).sum() < 2:
        return "No end model: there are labels or answers of fewer than two classes."
    missing = [name for name, rows in zip(run.classes.names, known, strict=True) if rows == 0]
    if missing and settings.unseen_classes == "refuse":
        return (
            f"No end model: the class {missing[0]!r} has not a single training row, neither a "
            "label nor an answer. Write a heuristic for it, have some of its rows answered, or "
            'set [end_model] unseen_classes = "allow" in project.toml: then no row is ever '
            "predicted to be of that class."
        )
    return None


def train_model(
    run: Run, manifest: Manifest, answers: pl.DataFrame, cluster: Cluster
) -> Trained | None:
    """Fit the end model on the labels of a manifest; None where there is nothing to learn from."""
    if len([rows for rows in _class_counts(manifest) if rows]) < 2:
        return None
    settings = run.project.settings
    path_of = {entry.part: entry.path for entry in manifest.entries}
    parts = {
        p.part: TrainingPart(p, path_of[p.part], tuple(manifest.dropped.get(p.part, ())))
        for p in manifest.partitions
        if p.part in path_of
    }
    job = _job(run, manifest, answers)
    rows = min(manifest.rows, settings.end_model.max_rows)
    sizing = _size(rows, job, parts, cluster)
    job = replace(
        job,
        reading=job.reading.of(min(sizing.rows / max(manifest.rows, 1), 1.0)),
        solver=sizing.reason,
    )
    if sizing.solver == "stream":
        if not settings.end_model.votes:  # nothing is distilled
            job = replace(job, reading=replace(job.reading, votes=None))
        known = set(job.answers["row_id"].to_list())
        found = answers.filter(pl.col("row_id").is_in(list(known)))["partition"].unique().to_list()
        asked = {name: part for name, part in parts.items() if part.partition.digest in found}
        return _stream(job, manifest.rows, parts, asked or dict([*parts.items()][:1]), cluster)
    return cluster.gather(read_block, fit_in_memory, parts, job, reading=(job.reading,))


def _job(run: Run, manifest: Manifest, answers: pl.DataFrame) -> Job:
    settings, answers_version = run.project.settings, run.store.answers.version()
    features = settings.end_model.features
    if not features.columns:
        features = by_type(manifest.types, (settings.source.id, settings.experts.oracle))
    used = answers.select("row_id", "code", "reserved", "stratum", "propensity")
    votes = None
    teaching = used.filter(~pl.col("reserved")).height
    distils = settings.end_model.distils and teaching >= FEWEST_ANSWERS
    if settings.end_model.votes or distils:
        bundle = run.project.bundle
        votes = SeenVotes(manifest.cells, voting(manifest.heuristics), bundle)
    reading = Reading(
        files=run.store.files,
        classes=run.classes,
        features=features,
        types={name: manifest.types[name] for name in features.columns},
        options=settings.source.storage_options,
        seed=settings.seed,
        below=1.0,
        answered=tuple(used["row_id"].to_list()),
        votes=votes,
        test=read_corrected_test_set(run.project, run.store, answers_version),
    )
    named = settings.end_model.model_copy(update={"features": features})
    return Job(reading, named, used, "", answers_version)


def _size(rows: int, job: Job, parts: Mapping[str, TrainingPart], cluster: Cluster) -> Sizing:
    settings = job.settings
    row_bytes = None
    if rows > ALWAYS_FITS and settings.solver == "auto":
        name, largest = max(parts.items(), key=lambda item: item[1].partition.rows)
        share = min(_MEASURED_ROWS / max(largest.partition.rows, 1), 1.0)
        reading = job.reading.of(share, answered=False)
        row_bytes = cluster.map(measure_rows, {name: largest}, reading, rows)[name]
    limit = cluster.worker_memory
    budget = settings.memory_mb * 2.0**20 if settings.memory_mb else limit and limit / 2
    return choose_solver(
        rows,
        row_bytes,
        budget,
        classes=len(job.classes),
        wanted=settings.solver,
        streams=settings.estimator is None or streams(settings.estimator, settings.parameters),
    )


def _stream(
    job: Job,
    rows: int,
    parts: Mapping[str, TrainingPart],
    asked: Mapping[str, TrainingPart],
    cluster: Cluster,
) -> Trained:
    """Fit block by block and judge; memory stays with the largest partition."""
    share = min(_PILOT_ROWS / max(rows, 1), job.reading.below)
    pilot = cluster.gather(read_block, fly, parts, job, reading=(job.reading.of(share),))
    columns = [lesson.X.shape[1] for lesson, _ in pilot.prepared.views]
    made = [new_stream(job.settings, n, len(job.classes), job.reading.seed) for n in columns]
    state = Streamed(made)
    reading = job.reading.of(job.reading.below, answered=False)
    for _ in range(PASSES):
        state = replace(state, rows=0, excluded=0)
        state = cluster.chain(
            read_lesson, learn_block, parts, state, reading=(replace(job, reading=reading), pilot)
        )
    return cluster.gather(
        read_block, finish_stream, asked, job, pilot, state, reading=(job.reading.of(0.0),)
    )


def _class_counts(manifest: Manifest) -> list[int]:
    counts = [entry.counts.by_class for entry in manifest.entries]
    return [sum(column) for column in zip(*counts, strict=False)]


def by_type(types: Mapping[str, str], hidden: tuple[str, str | None]) -> Features:
    """Choose features by column type where project.toml names none."""
    shown = {name: kind for name, kind in types.items() if name not in hidden}
    numbers = ("int", "uint", "float", "double", "bool")
    return Features(
        text=tuple(name for name, kind in shown.items() if kind == "string"),
        numeric=tuple(name for name, kind in shown.items() if kind.startswith(numbers)),
    )


def register_model(
    manifest: Manifest,
    version: LabelVersion,
    trained: Trained,
    tracking: Tracking,
    cost: ModelCost | None = None,
    *,
    retraining: str = "",
) -> ModelVersion:
    """Register the end model of a label version with MLflow, once; once more per retraining."""
    found = find_model(version, tracking, retraining)
    if found is not None:
        return found
    run_id = tracking.open_run(*run_tags(manifest, retraining=retraining))
    evaluation = trained.evaluation
    tags = {
        "labelpress.label_version": str(version.version),
        "labelpress.run": manifest.run,
        "labelpress.period": version.period,
        "labelpress.project_digest": manifest.project_digest,
        "labelpress.code_version": (
            f"labelpress {manifest.environment['labelpress']}, project {manifest.project_digest}"
        ),
        "labelpress.labelpress": manifest.environment["labelpress"],
        "labelpress.retraining": retraining,
        "labelpress.mix": trained.mix,
        "labelpress.solver": trained.solver,
        "labelpress.rows": str(trained.rows),
        "labelpress.judged_on": trained.judged_on,
        "labelpress.test_digest": evaluation.digest if evaluation else "",
        "labelpress.accuracy": f"{evaluation.accuracy:.6f}" if evaluation else "",
        **(cost.tags if cost else {}),
    }
    return tracking.log_model(run_id, trained.content, tags, REQUIREMENTS)


def find_model(
    version: LabelVersion, tracking: Tracking, retraining: str = ""
) -> ModelVersion | None:
    """
    Return the end model that was trained on a label version, or None.

    The run is asked for too: a store made anew counts its versions from the beginning.
    """
    wanted = {"labelpress.label_version": str(version.version), "labelpress.run": version.run}
    found = [
        m
        for m in tracking.models()
        if wanted.items() <= m.tags.items()
        and m.tags.get("labelpress.retraining", "") == retraining
    ]
    return found[0] if found else None


def run_tags(
    manifest: Manifest, *, held: bool = False, retraining: str = ""
) -> tuple[str, dict[str, str]]:
    """Return the name and the tags by which the MLflow run of a printing is found."""
    tags = {
        "labelpress.project": manifest.project,
        "labelpress.period": manifest.period,
        "labelpress.printing": "held" if held else str(manifest.printing),
    }
    if retraining:
        tags["labelpress.printing"] = "retrained"
        tags["labelpress.kind"] = "retraining"
        tags["labelpress.run"] = retraining
        return f"{manifest.period} printing {manifest.printing} retrained", tags
    if held:
        tags["labelpress.run"] = manifest.run
        return f"{manifest.period} held", tags
    return f"{manifest.period} printing {manifest.printing}", tags
