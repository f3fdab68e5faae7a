"""The train stage: fit the end model on a label version and judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.end_model.evaluation import Evaluation, content_overlap, evaluate
from labelpress.end_model.settings import Features
from labelpress.end_model.training import TrainedModel, fit
from labelpress.heuristics import cast, load_heuristics
from labelpress.row_hash import random_numbers
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.stages.vote import voting
from labelpress.test_set import TestSet, read_test_set
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.end_model.settings import EndModelSettings
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import ModelVersion, Tracking
    from labelpress.vote_files import Cell

REQUIREMENTS = ("labelpress", "scikit-learn", "skops", "polars")


@dataclass(frozen=True, slots=True)
class SeenVotes:
    """Where the votes are, for a model that sees them."""

    cells: Mapping[str, Mapping[str, Cell]]
    """By partition digest and fingerprint."""
    fingerprints: tuple[str, ...]
    bundle: Bundle
    """The heuristics, to cast on the test set."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What one worker needs to fit the end model."""

    parts: tuple[tuple[Partition, str, tuple[int, ...]], ...]
    """Partitions, their label files, and positions of rows that are not labelled."""
    votes: SeenVotes | None
    """None where the model does not see them."""
    threshold: float
    """Rows with a permanent random number below it are trained on."""
    answers: pl.DataFrame
    """Answers that match their rows: row_id, code, reserved, stratum, propensity."""
    test: TestSet | None


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted end model and how it was judged."""

    content: bytes
    """The skops file."""
    mix: str
    """How program labels and answers were combined."""
    candidates: tuple[Mapping[str, Any], ...]
    """The mixes that were compared."""
    rows: int
    """Rows it was trained on."""
    excluded: int
    """Rows left out because they are in the test set."""
    evaluation: Evaluation | None
    judged_on: str
    """`test set` or `reserved audits`."""


def train_model(
    run: Run, manifest: Manifest, answers: pl.DataFrame, cluster: Cluster
) -> Trained | None:
    """Fit the end model on the labels of a manifest; None where there is nothing to learn from."""
    settings = run.project.settings
    path_of = {entry.part: entry.path for entry in manifest.entries}
    rows = max(manifest.rows, 1)
    if len([n for n in _class_counts(manifest) if n]) < 2:
        return None
    job = TrainingJob(
        parts=tuple(
            (p, path_of[p.part], tuple(manifest.dropped.get(p.part, ())))
            for p in manifest.partitions
            if p.part in path_of
        ),
        votes=SeenVotes(manifest.cells, voting(manifest.heuristics), run.project.bundle)
        if settings.end_model.votes
        else None,
        threshold=min(settings.end_model.max_rows / rows, 1.0),
        answers=answers.select("row_id", "code", "reserved", "stratum", "propensity"),
        test=read_test_set(run.project, run.classes),
    )
    fitted = cluster.map(
        fit_on_worker,
        {"end model": job},
        run.store.files,
        run.classes,
        settings.end_model,
        manifest.types,
        (settings.source.id, settings.experts.oracle),
        settings.source.storage_options,
        settings.seed,
    )
    return fitted["end model"]


def _class_counts(manifest: Manifest) -> list[int]:
    counts = [entry.counts.by_class for entry in manifest.entries]
    return [sum(column) for column in zip(*counts, strict=False)]


def fit_on_worker(
    job: TrainingJob,
    files: Files,
    classes: Classes,
    settings: EndModelSettings,
    types: Mapping[str, str],
    hidden: tuple[str, str | None],
    options: Mapping[str, str],
    seed: int,
) -> Trained:
    """Read the training sample, fit and judge, on a worker; memory is bounded by `max_rows`."""
    features = settings.features if settings.features.columns else by_type(types, hidden)
    columns = {name: types[name] for name in features.columns}
    sample, probabilities, votes = _read_sample(job, files, classes, columns, options, seed)
    tested = np.zeros(sample.height, dtype=bool)
    if job.test is not None:
        inside = sample["row_id"].is_in(list(job.test.ids)).to_numpy()
        tested = inside | content_overlap(sample, job.test.frame, features)
    sample, probabilities = sample.filter(pl.Series(~tested)), probabilities[~tested]
    votes = None if votes is None else votes[~tested]
    codes, propensity, reserved = _answers_of(sample["row_id"], job.answers)
    teaching = np.where(reserved, -1, codes)
    model = fit(
        sample,
        probabilities,
        answers=teaching,
        propensity=propensity,
        classes=classes.names,
        settings=settings.model_copy(update={"features": features}),
        seed=seed,
        votes=votes,
    )
    audits = np.where(reserved, codes, -1)
    evaluation, judged_on = _judge(model, job, classes, (sample, votes), audits)
    return Trained(
        content=model.to_bytes(),
        mix=model.mix,
        candidates=model.candidates,
        rows=sample.height,
        excluded=int(tested.sum()),
        evaluation=evaluation,
        judged_on=judged_on,
    )


def _read_sample(
    job: TrainingJob,
    files: Files,
    classes: Classes,
    columns: Mapping[str, str],
    options: Mapping[str, str],
    seed: int,
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray | None]:
    answered = job.answers["row_id"].to_list()
    frames, targets, votes = [], [], []
    for partition, path, dropped in job.parts:
        index = read_index(files, partition.digest)
        numbers = random_numbers(index["row_id"], index["row_hash"].to_numpy(), seed)
        labels = files.read_parquet(f"labels/{path}", columns=["row_id", "label", "probabilities"])
        rows = read_rows(partition.file, partition.row_groups, columns, options)
        described = rows.with_columns(
            index["row_id"],
            pl.Series("random_number", numbers),
            pl.int_range(rows.height).alias("position"),
        )
        present = described.filter(~pl.int_range(pl.len()).is_in(list(dropped)))
        joined = present.join(labels, on="row_id", how="inner", maintain_order="left")
        text = joined.with_columns(pl.col("row_id").cast(pl.String))
        chosen = text.filter(
            pl.col("label").is_not_null()
            & ((pl.col("random_number") < job.threshold) | pl.col("row_id").is_in(answered))
            | pl.col("row_id").is_in(answered)
        )
        targets.append(np.array(chosen["probabilities"].to_list()))
        frames.append(apart(chosen.select("row_id", *columns)))
        if job.votes is not None:
            cells = job.votes.cells[partition.digest]
            matrix = read_votes(files, cells, job.votes.fingerprints, partition.rows, classes)
            votes.append(matrix[chosen["position"].to_numpy()])
    width = max(target.shape[1] for target in targets if target.size)
    soft = np.concatenate([t for t in targets if t.size]).reshape(-1, width)
    return pl.concat(frames), soft, np.concatenate(votes) if votes else None


def apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy a frame, so that it does not keep the texts of the rows it was chosen from."""
    copied = pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    assert isinstance(copied, pl.DataFrame)  # noqa: S101  # a table with columns is a frame
    return copied


def _answers_of(
    row_ids: pl.Series, answers: pl.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    joined = row_ids.to_frame("row_id").join(
        answers, on="row_id", how="left", maintain_order="left"
    )
    return (
        joined["code"].fill_null(-1).to_numpy(),
        joined["propensity"].fill_null(1.0).to_numpy(),
        joined["reserved"].fill_null(value=False).to_numpy(),
    )


def _judge(
    model: TrainedModel,
    job: TrainingJob,
    classes: Classes,
    sample: tuple[pl.DataFrame, np.ndarray | None],
    audits: np.ndarray,
) -> tuple[Evaluation | None, str]:
    """Judge on the test set, else on the reserved audits: their codes, -1 elsewhere."""
    if job.test is not None:
        votes = None
        if job.votes is not None:
            heuristics = load_heuristics(job.votes.bundle, classes)
            votes = cast(job.test.frame, heuristics, classes).matrix
            votes[:, [not fingerprint for fingerprint in job.votes.fingerprints]] = -1
        said = model.predict_proba(job.test.frame, votes)
        return evaluate(said, job.test.codes, job.test.digest), "test set"
    audited = audits >= 0
    if not audited.any():
        return None, "nothing"
    frame, votes = sample[0].filter(pl.Series(audited)), sample[1]
    digest = f"audits-{frame['row_id'].sort().hash(0).sum()}"
    said = model.predict_proba(frame, None if votes is None else votes[audited])
    return evaluate(said, audits[audited], digest), "reserved audits"


def by_type(types: Mapping[str, str], hidden: tuple[str, str | None]) -> Features:
    """Choose features by column type where project.toml names none."""
    shown = {name: kind for name, kind in types.items() if name not in hidden}
    numbers = ("int", "uint", "float", "double", "bool")
    return Features(
        text=tuple(name for name, kind in shown.items() if kind == "string"),
        numeric=tuple(name for name, kind in shown.items() if kind.startswith(numbers)),
    )


def register_model(
    manifest: Manifest, version: LabelVersion, trained: Trained, tracking: Tracking
) -> ModelVersion:
    """Register the end model of a label version with MLflow, once."""
    found = find_model(version, tracking)
    if found is not None:
        return found
    run_id = tracking.open_run(*run_tags(manifest))
    evaluation = trained.evaluation
    tags = {
        "labelpress.label_version": str(version.version),
        "labelpress.run": manifest.run,
        "labelpress.period": version.period,
        "labelpress.project_digest": manifest.project_digest,
        "labelpress.labelpress": manifest.environment["labelpress"],
        "labelpress.mix": trained.mix,
        "labelpress.judged_on": trained.judged_on,
        "labelpress.test_digest": evaluation.digest if evaluation else "",
        "labelpress.accuracy": f"{evaluation.accuracy:.6f}" if evaluation else "",
    }
    return tracking.log_model(run_id, trained.content, tags, REQUIREMENTS)


def find_model(version: LabelVersion, tracking: Tracking) -> ModelVersion | None:
    """
    Return the end model that was trained on a label version, or None.

    The run is asked for too: a store made anew counts its versions from the beginning.
    """
    wanted = {"labelpress.label_version": str(version.version), "labelpress.run": version.run}
    found = [m for m in tracking.models() if wanted.items() <= m.tags.items()]
    return found[0] if found else None


def run_tags(manifest: Manifest, *, held: bool = False) -> tuple[str, dict[str, str]]:
    """Return the name and the tags by which the MLflow run of a printing is found."""
    tags = {
        "labelpress.project": manifest.project,
        "labelpress.period": manifest.period,
        "labelpress.printing": "held" if held else str(manifest.printing),
    }
    if held:
        tags["labelpress.run"] = manifest.run
        return f"{manifest.period} held", tags
    return f"{manifest.period} printing {manifest.printing}", tags
