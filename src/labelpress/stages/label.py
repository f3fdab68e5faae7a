"""The label stage: write the candidate's label files, not yet visible, and certify them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.cohort_votes import cohorts_of
from labelpress.label_models import load
from labelpress.labels import (
    Change,
    add_counts,
    compare,
    count_labels,
    label_rows,
    replace_rows,
    without,
)
from labelpress.manifest import LabelEntry, read_answers
from labelpress.row_index import among, read_index
from labelpress.stages.audit import audit_labels
from labelpress.stages.fit import vote_matrix
from labelpress.stages.slicing import count_again, slicing_of
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.labels import LabelCounts
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.slices import Slicing
    from labelpress.stages.fit import Fitted
    from labelpress.tables.files import Files
    from labelpress.tables.publication import LabelTable
    from labelpress.vote_files import Cell


_OVERRIDING = pl.Schema(
    {
        "partition": pl.String(),
        "position": pl.Int64(),
        "code": pl.Int64(),
        "reserved": pl.Boolean(),
    }
)
"""What of an answer says which label it overrides."""


@dataclass(frozen=True, slots=True)
class PartToLabel:
    """One partition whose labels are to be written."""

    partition: Partition
    cells: Mapping[str, Cell]
    answers: Mapping[int, int]
    """Class codes by position, of the answers that override."""
    dropped: tuple[int, ...]
    published: str | None
    """The label file of this part that consumers read now."""
    key: str
    answered_before: Mapping[int, int] | None = None
    """The answers in the published file, where nothing but answers differs from it."""

    @property
    def stale(self) -> tuple[int, ...] | None:
        """Positions of the rows whose answer came, changed or went; None where all may differ."""
        before = self.answered_before
        if before is None:
            return None
        differing = {position for position, _ in before.items() ^ self.answers.items()}
        return tuple(sorted(differing - set(self.dropped)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label set that is written but not visible."""

    manifest: Manifest
    answers: pl.DataFrame
    """The answers used, with their votes."""
    counts: LabelCounts
    change: Change
    paired_audits: int
    paired_gain: float | None
    paired_error: float | None
    written: tuple[LabelEntry, ...]
    """The files that differ from the published ones."""


def write_labels(run: Run, fitted: Fitted, cluster: Cluster) -> Candidate:
    """
    Label every partition whose labels may differ from the published ones.

    Without a refit these are the partitions with new or changed rows, votes or answers; the other
    label files are carried over unread.
    """
    manifest = fitted.manifest
    published = (
        {entry.part: entry for entry in run.base_manifest.entries} if run.base_manifest else {}
    )
    overriding, overrode = overriding_by(fitted.answers), overriding_by(_answers_before(run))
    slicing = slicing_of(run, manifest)
    declared = slicing.settings.model_dump(mode="json") if slicing else {}
    counted = run.base_manifest is not None and run.base_manifest.slices == declared
    jobs: dict[str, PartToLabel] = {}
    carried: list[LabelEntry] = []
    for partition in manifest.partitions:
        old = published.get(partition.part)
        before = overrode.get(partition.digest, {})
        same = old is not None and old.key == _key(manifest, partition, before)
        job = PartToLabel(
            partition=partition,
            cells=manifest.cells[partition.digest],
            answers=overriding.get(partition.digest, {}),
            dropped=tuple(manifest.dropped.get(partition.part, ())),
            published=old.path if old else None,
            key=_key(manifest, partition, overriding.get(partition.digest, {})),
            answered_before=before if same else None,
        )
        if old is not None and old.key == job.key:
            unchanged = Change(common=old.counts.rows)
            carried.append(
                LabelEntry(old.part, old.path, old.size, old.rows, old.key, old.counts, unchanged)
            )
        else:
            jobs[partition.part] = job
    written = cluster.map(
        label_partition,
        jobs,
        run.store.files,
        run.store.labels,
        manifest.label_model,
        voting(manifest.heuristics),
        run.classes,
        manifest.period,
        run.id,
        slicing,
    )
    if carried and not counted:
        carried = count_again(run, manifest, carried, slicing, cluster)
    entries = tuple(sorted([*carried, *written.values()], key=lambda entry: entry.part))
    labelled = manifest.with_(
        entries=entries,
        gone_parts=tuple(sorted(set(published) - {entry.part for entry in entries})),
        slices=declared,
    )
    audited = audit_labels(run, replace(fitted, manifest=labelled), cluster)
    return compare_labels(run, audited, cluster, tuple(written.values()))


def compare_labels(
    run: Run, fitted: Fitted, cluster: Cluster, written: tuple[LabelEntry, ...] = ()
) -> Candidate:
    """Lay the labels in a manifest beside the published ones, in numbers."""
    manifest = fitted.manifest
    published = run.base_manifest.entries if run.base_manifest else ()
    gone = [entry for entry in published if entry.part in manifest.gone_parts]
    paired = _paired(run, fitted, cluster)
    return Candidate(
        manifest=manifest,
        answers=fitted.answers,
        counts=add_counts([entry.counts for entry in manifest.entries], run.classes),
        change=_total_change(run, manifest.entries, gone, cluster),
        paired_audits=len(paired),
        paired_gain=float(paired.mean()) if len(paired) else None,
        paired_error=float(paired.std(ddof=1) / np.sqrt(len(paired))) if len(paired) > 1 else None,
        written=written,
    )


def label_partition(
    job: PartToLabel,
    files: Files,
    labels: LabelTable,
    label_model: Mapping[str, object],
    fingerprints: tuple[str, ...],
    classes: Classes,
    period: str,
    run: str,
    slicing: Slicing | None,
) -> LabelEntry:
    """Label one partition, compare it with what is published, and write its file, on a worker."""
    partition = job.partition
    published = files.read_parquet(f"labels/{job.published}") if job.published else None
    slices = slicing.read(files, partition) if slicing else None
    if slices is not None and job.dropped:
        slices = without(slices, job.dropped)
    kept = partition.rows - len(job.dropped)
    if published is not None and job.stale is not None and published.height == kept:
        frame, change = _renewed(job, published, files, label_model, fingerprints, classes)
    else:
        frame = label_all(job, published, files, label_model, fingerprints, classes, period)
        change = compare(published, frame) if published is not None else Change(new=frame.height)
    written = labels.write(partition.part, run, frame)
    return LabelEntry(
        part=partition.part,
        path=written.path,
        size=written.size,
        rows=frame.height,
        key=job.key,
        counts=count_labels(frame, classes, slices),
        change=change,
    )


def label_all(
    job: PartToLabel,
    published: pl.DataFrame | None,
    files: Files,
    label_model: Mapping[str, object],
    fingerprints: tuple[str, ...],
    classes: Classes,
    period: str,
) -> pl.DataFrame:
    """Label all rows of a partition; those in `published` keep their cohort."""
    partition = job.partition
    index = read_index(files, partition.digest)
    votes = read_votes(files, job.cells, fingerprints, partition.rows, classes)
    cohorts = cohorts_of(index["row_id"], published, period)
    frame = label_rows(index["row_id"], votes, load(label_model), classes, job.answers, cohorts)
    return without(frame, job.dropped) if job.dropped else frame


def _renewed(
    job: PartToLabel,
    published: pl.DataFrame,
    files: Files,
    label_model: Mapping[str, object],
    fingerprints: tuple[str, ...],
    classes: Classes,
) -> tuple[pl.DataFrame, Change]:
    """
    Label only the rows whose answer came, changed or went; the others are as published.

    A row's label does not depend on other rows, so this is what labelling all of them gives.
    """
    positions = np.array(job.stale, dtype=np.intp)
    # dropped rows are not in the label file, so those behind them stand further up in it
    places = positions - np.searchsorted(np.array(job.dropped, dtype=np.intp), positions)
    votes = read_votes(files, job.cells, fingerprints, job.partition.rows, classes, positions)
    before = published[places]
    answers = {
        place: job.answers[position]
        for place, position in enumerate(positions.tolist())
        if position in job.answers
    }
    after = label_rows(
        before["row_id"], votes, load(label_model), classes, answers, before["cohort"]
    )
    kept = Change(common=published.height - before.height)
    return replace_rows(published, places, after), compare(before, after) + kept


def _answers_before(run: Run) -> pl.DataFrame:
    """Return the answers in the published labels."""
    if run.base_manifest is None:
        return pl.DataFrame(schema=_OVERRIDING)
    return read_answers(run.store.files, run.base_manifest.run)


def overriding_by(answers: pl.DataFrame) -> dict[str, dict[int, int]]:
    """Return the class codes of the answers that override, by partition digest and position."""
    by_partition: dict[str, dict[int, int]] = {}
    teaching = answers.filter(~pl.col("reserved")).select("partition", "position", "code")
    for digest, position, code in teaching.sort("partition", "position").iter_rows():
        by_partition.setdefault(digest, {})[position] = code
    return by_partition


def _key(manifest: Manifest, partition: Partition, answers: Mapping[int, int]) -> str:
    facts = (
        partition.digest,
        voting(manifest.heuristics),
        manifest.label_model,
        sorted(answers.items()),
        manifest.dropped.get(partition.part, []),
        manifest.classes,
    )
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _total_change(
    run: Run, entries: tuple[LabelEntry, ...], gone: list[LabelEntry], cluster: Cluster
) -> Change:
    """
    Add up the changes; a row that moved from one partition to another is neither new nor gone.

    Only where rows are both new and gone can rows have moved, and only then are ids compared.
    """
    total = sum((entry.change for entry in entries), Change())
    total += Change(gone=sum(entry.rows for entry in gone))
    if not (total.new and total.gone) or run.base_manifest is None:
        return total
    old = {entry.part: entry for entry in run.base_manifest.entries}
    touched = [e for e in entries if e.part not in old or e.path != old[e.part].path]
    before = tuple(old[e.part].path for e in touched if e.part in old)
    before += tuple(entry.path for entry in gone)
    moved = cluster.map(
        compare_all, {"moved rows": tuple(e.path for e in touched)}, run.store.files, before
    )["moved rows"]
    untouched = sum(e.rows for e in entries) - sum(e.rows for e in touched)
    return moved + Change(common=untouched)


def compare_all(after: tuple[str, ...], files: Files, before: tuple[str, ...]) -> Change:
    """Compare all touched label files with those they replace, as two tables, on a worker."""
    columns = ["row_id", "label", "origin"]

    def table(paths: tuple[str, ...]) -> pl.DataFrame:
        return pl.concat([files.read_parquet(f"labels/{path}", columns=columns) for path in paths])

    return compare(table(before), table(after)) if before and after else Change()


def _paired(run: Run, fitted: Fitted, cluster: Cluster) -> np.ndarray:
    """Return right-now minus right-before for each reserved audit that both versions label."""
    manifest, base = fitted.manifest, run.base_manifest
    reserved = fitted.answers.filter(pl.col("reserved"))
    if base is None or reserved.height == 0:
        return np.zeros(0)
    votes = vote_matrix(reserved, run.classes, len(manifest.heuristics))
    now = fitted.model.predict_proba(votes).argmax(axis=1)
    labelled = (votes != -1).any(axis=1)
    judged = reserved.select("row_id", "code", "partition").with_columns(
        pl.Series("right", now == reserved["code"].to_numpy()).alias("right")
    )
    judged = judged.filter(pl.Series(labelled))
    part_of = {partition.digest: partition.part for partition in manifest.partitions}
    path_of = {entry.part: entry.path for entry in base.entries}
    items = {
        part_of[key[0]]: (path_of[part_of[key[0]]], rows["row_id"].to_list())
        for key, rows in judged.group_by("partition", maintain_order=True)
        if part_of[key[0]] in path_of
    }
    found = cluster.map(published_labels, items, run.store.files)
    if not found:
        return np.zeros(0)
    codes = pl.DataFrame({"label": run.classes.names, "before": range(len(run.classes))})
    before = pl.concat(found.values()).join(codes, on="label")
    both = judged.join(before, on="row_id").sort("row_id")
    was_right = both["before"] == both["code"]
    gains = both["right"].cast(pl.Float64) - was_right.cast(pl.Float64)
    return np.asarray(gains.to_numpy())


def published_labels(where: tuple[str, list[str]], files: Files) -> pl.DataFrame:
    """Return row_id (as text) and label of some rows of a label file, on a worker."""
    path, row_ids = where
    frame = files.read_parquet(f"labels/{path}", columns=["row_id", "label"])
    audited = frame.filter(among(frame["row_id"], pl.Series(row_ids, dtype=pl.String)))
    return audited.with_columns(pl.col("row_id").cast(pl.String)).drop_nulls("label")
