"""Audited pairs: champion and challenger on audit answers that neither has learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.end_model.training import TrainedModel
from labelpress.manifest import read_answers, read_manifest
from labelpress.sources.reading import read_rows
from labelpress.stages.fit import vote_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.stages.trained import AuditPredictions, Trained
    from labelpress.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which of the same rows each model gets right."""

    champion: NDArray[np.bool_]
    challenger: NDArray[np.bool_]


def audited_pairs(
    run: Run,
    manifest: Manifest,
    trained: Trained,
    serving: str,
    tracking: Tracking,
    cluster: Cluster,
) -> Pairs | str:
    """
    Judge both on the audit answers that arrived after the champion was trained.

    What the champion knew are the answers that its own run froze. The challenger's predictions are
    out of fold. Returns why they cannot be compared, where they cannot.
    """
    tags = next((m.tags for m in tracking.models() if m.version == serving), None)
    before = read_manifest(run.store.files, tags["labelpress.run"]) if tags else None
    if before is None:
        return f"the store does not know which answers taught model {serving}, the champion"
    known = read_answers(run.store.files, before.run)
    fresh = new_audits(read_answers(run.store.files, manifest.run), known, trained.audits)
    if fresh.height == 0:
        return "no audit answer that it did not learn has arrived since the champion was trained"
    trusted = run.project.settings.end_model.trusted
    model = TrainedModel.from_bytes(tracking.read_model(serving), trusted)
    if model.sees_votes and _fingerprints(before) != _fingerprints(manifest):
        return "the champion sees votes, and the heuristics are others now"
    columns = model.features.features.columns
    unread = [name for name in columns if name not in manifest.types]
    if unread:
        return f"the champion reads column {unread[0]!r}, which this run does not read"
    types = {name: manifest.types[name] for name in columns}
    frame, ordered = _rows(run, manifest, fresh, types, cluster)
    votes = vote_matrix(ordered, run.classes, len(manifest.heuristics))
    said = model.predict_proba(frame, votes if model.sees_votes else None).argmax(axis=1)
    truth = ordered["code"].to_numpy()
    return Pairs(
        champion=np.asarray(said == truth),
        challenger=np.asarray(ordered["said"].to_numpy() == truth),
    )


def new_audits(
    answers: pl.DataFrame, known: pl.DataFrame, audits: AuditPredictions
) -> pl.DataFrame:
    """Return the audits of rows that `known` does not answer, with `said` by the challenger."""
    said = pl.DataFrame(
        {"row_id": list(audits.row_ids), "said": list(audits.codes)},
        schema={"row_id": pl.String, "said": pl.Int64},
    )
    audited = answers.filter(pl.col("stratum") == "audit").unique("row_id", keep="last")
    fresh = audited.join(known.select("row_id").unique(), on="row_id", how="anti")
    return fresh.join(said, on="row_id", how="inner").sort("partition", "position")


def _rows(
    run: Run,
    manifest: Manifest,
    fresh: pl.DataFrame,
    types: Mapping[str, str],
    cluster: Cluster,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    by_digest = {partition.digest: partition for partition in manifest.partitions}
    groups = {
        by_digest[str(digest)].part: (str(digest), rows)
        for (digest,), rows in fresh.group_by("partition", maintain_order=True)
    }
    jobs = {
        part: (by_digest[digest], tuple(rows["position"].to_list()))
        for part, (digest, rows) in groups.items()
    }
    options = run.project.settings.source.storage_options
    found = cluster.map(rows_at, jobs, types, options)
    return pl.concat(found.values()), pl.concat([groups[part][1] for part in found])


def rows_at(
    where: tuple[Partition, tuple[int, ...]], types: Mapping[str, str], options: Mapping[str, str]
) -> pl.DataFrame:
    """Return some rows of one partition by position, on a worker."""
    partition, positions = where
    return read_rows(partition.file, partition.row_groups, types, options)[list(positions)]


def _fingerprints(manifest: Manifest) -> tuple[str, ...]:
    return tuple(note.fingerprint for note in manifest.heuristics)
