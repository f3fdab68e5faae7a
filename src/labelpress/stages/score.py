"""The score stage: the champion's predictions for every row, written beside the label version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.decisions import champion
from labelpress.end_model.training import TrainedModel
from labelpress.manifest import read_manifest
from labelpress.predictions import PredictionFile, Predictions, folder_of, write_predictions
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import Tracking
    from labelpress.vote_files import Cell

ROWS_AT_ONCE = 20_000
"""Rows whose features are in memory at once."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the stage did."""

    model: str | None
    """The champion; None where nothing was scored."""
    partitions: int
    """Scored in this run."""
    reused: int
    """Partitions whose predictions were there."""
    rows: int
    """Rows scored in this run."""
    reason: str = ""
    """Why nothing was scored."""

    @property
    def sentence(self) -> str:
        """Say it in words."""
        if self.model is None:
            return f"No rows were scored: {self.reason}."
        return (
            f"Model {self.model} scored {self.rows:,} rows of {self.partitions} partitions; the "
            f"predictions of {self.reused} others were there."
        )


@dataclass(frozen=True, slots=True)
class PartToScore:
    """One partition that the champion has not scored as it is."""

    partition: Partition
    dropped: tuple[int, ...]
    cells: Mapping[str, Cell] | None
    """Its votes, where the model sees them."""
    path: str


@dataclass(frozen=True, slots=True)
class Scorer:
    """What every worker needs to score."""

    content: bytes
    trusted: tuple[str, ...]
    types: Mapping[str, str]
    options: Mapping[str, str]
    fingerprints: tuple[str, ...]
    classes: Classes


def score_rows(
    run: Run,
    manifest: Manifest,
    version: LabelVersion,
    tracking: Tracking,
    cluster: Cluster,
) -> Scored:
    """
    Let the champion predict every row of a label version that it has not yet predicted.

    A partition's file is named for what its predictions follow from: the model, the rows and,
    where the model sees them, the votes. So what a killed run wrote is taken up, and a relabelled
    row is not scored again, unless it changed or the champion did.
    """
    serving = champion(run.store.decisions.read())
    settings = run.project.settings
    if serving is None:
        return Scored(None, 0, 0, 0, "no model serves yet")
    if not settings.end_model.predictions:
        return Scored(None, 0, 0, 0, "[end_model] predictions = false")
    content = tracking.read_model(serving)
    model = TrainedModel.from_bytes(content, settings.end_model.trusted)
    columns = model.features.features.columns
    unread = [name for name in columns if name not in manifest.types]
    if unread:
        reason = f"model {serving} reads column {unread[0]!r}, which this run does not read"
        return Scored(None, 0, 0, 0, reason)
    if model.sees_votes and not _same_heuristics(run, manifest, serving, tracking):
        return Scored(
            None, 0, 0, 0, f"model {serving} sees votes, and the heuristics are others now"
        )
    jobs = {
        p.part: _job(p, manifest, serving, sees_votes=model.sees_votes) for p in manifest.partitions
    }
    files = run.store.files
    there = {f"{folder_of(serving)}/{name}" for name in files.names(folder_of(serving))}
    there -= run.store.condemned()
    wanted = {part: job for part, job in jobs.items() if job.path not in there}
    scorer = Scorer(
        content=content,
        trusted=settings.end_model.trusted,
        types={name: manifest.types[name] for name in columns},
        options=settings.source.storage_options,
        fingerprints=voting(manifest.heuristics),
        classes=run.classes,
    )
    rows = cluster.map(score_partition, wanted, files, scorer)
    kept = tuple(
        PredictionFile(part, job.path, job.partition.rows - len(job.dropped))
        for part, job in sorted(jobs.items())
    )
    write_predictions(files, Predictions(version.version, serving, kept))
    return Scored(serving, len(wanted), len(jobs) - len(wanted), sum(rows.values()))


def score_partition(job: PartToScore, files: Files, scorer: Scorer) -> int:
    """Predict the rows of one partition and write them; return how many, on a worker."""
    partition, model = job.partition, _loaded(scorer.content, scorer.trusted)
    index = read_index(files, partition.digest)
    rows = read_rows(partition.file, partition.row_groups, scorer.types, scorer.options)
    votes = None
    if job.cells is not None:
        votes = read_votes(files, job.cells, scorer.fingerprints, partition.rows, scorer.classes)
    said = [
        model.predict_proba(
            rows[start : start + ROWS_AT_ONCE],
            None if votes is None else votes[start : start + ROWS_AT_ONCE],
        )
        for start in range(0, rows.height, ROWS_AT_ONCE)
    ]
    # A row that was forgotten has no id any more.
    kept = index["row_id"].is_not_null().to_numpy().copy()
    kept[list(job.dropped)] = False
    probabilities = np.concatenate(said)[kept]
    names = pl.Series(scorer.classes.names, dtype=pl.String)
    frame = pl.DataFrame(
        {
            "row_id": index["row_id"].filter(pl.Series(kept)),
            "label": names.gather(probabilities.argmax(axis=1)),
            "probabilities": pl.Series(probabilities).cast(pl.List(pl.Float64)),
            "confidence": probabilities.max(axis=1),
        }
    ).with_columns(pl.lit(partition.part).alias("part"))
    files.write_parquet(job.path, frame)
    return frame.height


@lru_cache(maxsize=2)
def _loaded(content: bytes, trusted: tuple[str, ...]) -> TrainedModel:
    """Read a model once per worker, not once per partition."""
    return TrainedModel.from_bytes(content, trusted)


def _job(partition: Partition, manifest: Manifest, model: str, *, sees_votes: bool) -> PartToScore:
    cells = manifest.cells[partition.digest] if sees_votes else None
    dropped = tuple(manifest.dropped.get(partition.part, ()))
    used = () if cells is None else tuple(sorted(cells))
    facts = repr((model, partition.part, partition.digest, dropped, used))
    key = hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
    return PartToScore(partition, dropped, cells, f"{folder_of(model)}/{key}.parquet")


def _same_heuristics(run: Run, manifest: Manifest, serving: str, tracking: Tracking) -> bool:
    tags = next((m.tags for m in tracking.models() if m.version == serving), {})
    before = read_manifest(run.store.files, tags.get("labelpress.run", ""))
    return before is not None and voting(before.heuristics) == voting(manifest.heuristics)
