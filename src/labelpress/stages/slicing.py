"""The declared slices within the label stage: which rows belong to which."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from labelpress.labels import count_labels, without
from labelpress.slices import Slicing, members

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.labels import LabelCounts
    from labelpress.manifest import LabelEntry, Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.stages.fit import Fitted
    from labelpress.tables.files import Files


def slicing_of(run: Run, manifest: Manifest) -> Slicing | None:
    """Return what a worker needs to sort rows into slices; None where none are declared."""
    settings = run.project.settings
    if not settings.slices.names:
        return None
    return Slicing(settings.slices, manifest.types, settings.source.storage_options)


def count_again(
    run: Run,
    manifest: Manifest,
    carried: list[LabelEntry],
    slicing: Slicing | None,
    cluster: Cluster,
) -> list[LabelEntry]:
    """Count carried labels by the slices that are declared now."""
    partitions = {partition.part: partition for partition in manifest.partitions}
    items = {
        entry.part: (
            partitions[entry.part],
            entry.path,
            tuple(manifest.dropped.get(entry.part, ())),
        )
        for entry in carried
    }
    counts = cluster.map(count_published, items, run.store.files, run.classes, slicing)
    return [replace(entry, counts=counts[entry.part]) for entry in carried]


def count_published(
    where: tuple[Partition, str, tuple[int, ...]],
    files: Files,
    classes: Classes,
    slicing: Slicing | None,
) -> LabelCounts:
    """Add up the labels of a label file that is carried over, on a worker."""
    partition, path, dropped = where
    frame = files.read_parquet(f"labels/{path}")
    slices = slicing.read(files, partition) if slicing else None
    if slices is not None and dropped:
        slices = without(slices, dropped)
    return count_labels(frame, classes, slices)


def slices_of_answers(
    run: Run, fitted: Fitted, slicing: Slicing | None, cluster: Cluster
) -> pl.DataFrame:
    """Return row_id of all answers and a mask per slice."""
    if slicing is None or fitted.answers.height == 0:
        return fitted.answers.select("row_id")
    by_digest = {key[0]: rows for key, rows in fitted.answers.group_by("partition")}
    items = {
        partition.part: (partition, by_digest[partition.digest].select("row_id", "position"))
        for partition in fitted.manifest.partitions
        if partition.digest in by_digest
    }
    found = cluster.map(slices_of_rows, items, run.store.files, slicing)
    rows = pl.concat(found.values()).unique("row_id", keep="first").sort("row_id")
    return rows.select("row_id", *(mask.alias(n) for n, mask in members(rows.drop("row_id"))))


def slices_of_rows(
    where: tuple[Partition, pl.DataFrame], files: Files, slicing: Slicing
) -> pl.DataFrame:
    """Sort some rows of a partition, given by row_id and position, into slices, on a worker."""
    partition, rows = where
    found = slicing.read(files, partition)[rows["position"].to_numpy()]
    return found.with_columns(rows["row_id"])
