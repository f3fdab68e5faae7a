"""Where one row of millions stands, found without reading the others' columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.errors import LabelpressError
from labelpress.vote_files import ROWS_FILE, folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.store import Store
    from labelpress.tables.files import Files

_AT_ONCE = 16
"""Indexes searched together; a row that is found early spares the rest."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    partition: Partition
    position: int
    """In the partition, from 0."""
    dropped: tuple[int, ...]
    """Positions of the partition's rows that have no label, for a later row has their id."""

    @property
    def label_position(self) -> int:
        """The row's position in the label file, which lacks the dropped rows."""
        return self.position - sum(position < self.position for position in self.dropped)


def find_row(files: Files, manifest: Manifest, row_id: str) -> Place | None:
    """
    Find a row that a manifest labels, by its id as text; None where it has no such row.

    Only the ids are read, and of a partition whose smallest and largest id lie apart not even they.
    Raises `LabelpressError` where the row is not found and the ids of a partition are gone.
    """
    wanted = _as_id(row_id, manifest.id_type)
    if wanted is None:
        return None
    there = {p.digest for p in manifest.partitions if files.exists(_index(p.digest))}
    known = [partition for partition in manifest.partitions if partition.digest in there]
    for partition in _holding(files, known, wanted):
        dropped = tuple(manifest.dropped.get(partition.part, ()))
        ids = files.scan(_index(partition.digest)).select("row_id").with_row_index("position")
        found = ids.filter(pl.col("row_id") == wanted).collect()["position"].to_list()
        positions = [position for position in found if position not in dropped]
        if positions:
            return Place(partition, positions[0], dropped)
    gone = [p.part for p in manifest.partitions if p.digest not in there]
    if gone:
        raise LabelpressError(
            f"row {row_id!r} was not found, but the ids of {len(gone)} of "
            f"{len(manifest.partitions)} partitions are gone from the store, such as those of "
            f"{gone[0]!r}: it may be among them."
        )
    return None


def say_where_else(store: Store, manifests: Mapping[int, Manifest], row_id: str) -> str:
    """Say which of the other versions have a row, for one that is not in the version asked for."""
    holding: dict[str, bool] = {}

    def has(manifest: Manifest) -> bool:
        wanted = _as_id(row_id, manifest.id_type)
        for partition in manifest.partitions:
            path = _index(partition.digest)
            if partition.digest not in holding:
                there = wanted is not None and store.files.exists(path)
                holding[partition.digest] = there and any(
                    True for _ in _holding(store.files, [partition], wanted)
                )
            if holding[partition.digest]:
                return True
        return False

    versions = [version for version, manifest in manifests.items() if has(manifest)]
    if not versions:
        return "No label version has or had such a row: is the id right?"
    named = ", ".join(map(str, versions[-5:]))
    return f"It is in label version{'' if len(versions) == 1 else 's'} {named}."


def _holding(
    files: Files, partitions: list[Partition], wanted: str | int | None
) -> Iterator[Partition]:
    """Yield the partitions that hold an id; the Parquet statistics spare reading where they can."""
    for start in range(0, len(partitions), _AT_ONCE):
        some = partitions[start : start + _AT_ONCE]
        counts = pl.collect_all(
            [
                files.scan(_index(partition.digest))
                .filter(pl.col("row_id") == wanted)
                .select(pl.len())
                for partition in some
            ]
        )
        for partition, count in zip(some, counts, strict=True):
            if count.item():
                yield partition


def _index(digest: str) -> str:
    return f"{folder(digest)}/{ROWS_FILE}"


def _as_id(row_id: str, id_type: str) -> str | int | None:
    """Return an id as the store holds it; None for a text that no integer id can be."""
    if id_type == "string":
        return row_id
    return int(row_id) if row_id.removeprefix("-").isdecimal() else None
