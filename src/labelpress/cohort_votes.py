"""Cohorts: the rows that first appeared in a period, and what the heuristics did on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.drift import PERIODS, tally
from labelpress.row_index import read_index
from labelpress.vote_files import partition_patterns, read_votes
from labelpress.votes import count_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.drift import Tally
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell


@dataclass(frozen=True, slots=True)
class PartToTally:
    """One partition whose rows are to be counted by cohort."""

    partition: Partition
    cells: Mapping[str, Cell]
    published: str | None
    """The label file that says which rows were there before, and since when."""
    dropped: tuple[int, ...]
    only: str | None
    """The cohort of all its rows, where they are known to be of one."""


def cohorts_of(row_ids: pl.Series, published: pl.DataFrame | None, period: str) -> pl.Series:
    """Return the cohort of each row: as published, and this period for rows that are new."""
    if published is None:
        return pl.Series("cohort", [period], dtype=pl.String).new_from_index(0, row_ids.len())
    if published["row_id"].equals(row_ids):
        return published["cohort"]
    known = published.select("row_id", "cohort")
    joined = row_ids.to_frame("row_id").join(known, on="row_id", how="left", maintain_order="left")
    return joined["cohort"].fill_null(period)


def tally_cohorts(
    run: Run,
    manifest: Manifest,
    fingerprints: tuple[str, ...],
    cluster: Cluster,
    comparable: bool,
) -> dict[str, Tally]:
    """
    Count what the heuristics did on the rows that first appeared in each of the last periods.

    Where the votes are `comparable` with those of the base, its tallies of earlier periods stand,
    and only partitions that may hold rows of this period are counted; else all are.
    """
    base, period = run.base_manifest, manifest.period
    published = {entry.part: entry for entry in base.entries} if base else {}
    digests = {p.part: p.digest for p in base.partitions} if base else {}
    known = {
        cohort: tallied
        for cohort, tallied in (base.tallies.items() if base and comparable else ())
        if cohort < period
    }

    def may_hold_new_rows(partition: Partition) -> bool:
        entry = published.get(partition.part)
        if entry is None or digests.get(partition.part) != partition.digest:
            return True
        return period in entry.counts.cohorts

    def only_cohort(partition: Partition) -> str | None:
        if partition.part in manifest.dropped:
            return None
        entry = published.get(partition.part)
        if entry is None:
            return period
        unchanged = digests.get(partition.part) == partition.digest
        single = unchanged and len(entry.counts.cohorts) == 1 and entry.rows == partition.rows
        return next(iter(entry.counts.cohorts)) if single else None

    jobs = {
        partition.part: PartToTally(
            partition,
            manifest.cells[partition.digest],
            published[partition.part].path if partition.part in published else None,
            tuple(manifest.dropped.get(partition.part, ())),
            only_cohort(partition),
        )
        for partition in manifest.partitions
        if not known or may_hold_new_rows(partition)
    }
    found = cluster.map(tally_partition, jobs, run.store.files, fingerprints, run.classes, period)
    counted: dict[str, Tally] = {}
    for tallies in found.values():
        for cohort, tallied in tallies.items():
            if not known or cohort == period:
                counted[cohort] = counted[cohort] + tallied if cohort in counted else tallied
    return dict(sorted((known | counted).items())[-PERIODS - 1 :])


def tally_partition(
    job: PartToTally,
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    period: str,
) -> dict[str, Tally]:
    """Count what the heuristics did on the rows of each cohort of a partition, on a worker."""
    partition = job.partition
    where = (partition.digest, job.cells, fingerprints, partition.rows, classes)
    if job.only is not None:  # the usual case: a file of rows that came together
        patterns = partition_patterns(files, *where)
        return {job.only: tally(patterns.votes, patterns.counts, len(classes))}
    votes = read_votes(files, job.cells, fingerprints, partition.rows, classes)
    published = (
        files.read_parquet(f"labels/{job.published}", columns=["row_id", "cohort"])
        if job.published
        else None
    )
    cohorts = cohorts_of(read_index(files, partition.digest)["row_id"], published, period)
    present = np.ones(partition.rows, dtype=np.bool_)
    present[list(job.dropped)] = False
    found = {}
    for cohort in cohorts.filter(pl.Series(present)).unique().sort():
        rows = present & (cohorts == cohort).to_numpy()
        patterns = count_patterns(votes[rows])
        found[cohort] = tally(patterns.votes, patterns.counts, len(classes))
    return found
