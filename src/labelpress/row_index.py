"""The row index of a partition: its ids and row hashes, kept so that the source is not reread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.erasure.tombstones import NONE
from labelpress.errors import SourceError
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.sources.reading import read_rows
from labelpress.vote_files import ROWS_FILE, folder

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.erasure.tombstones import Tombstones
    from labelpress.partitions import Partition
    from labelpress.sources.settings import SourceSettings
    from labelpress.tables.files import Bounds, Files


_ORDER = "order"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Ids that occur more than once."""

    count: int
    examples: tuple[str, ...]
    """At most three, each with the parts it stands in."""
    losers: tuple[tuple[str, int], ...]
    """Part and position of every row of such an id but the latest; empty where none decides."""


def index_rows(
    where: tuple[Partition, Mapping[str, str]],
    files: Files,
    source: SourceSettings,
    hidden: str | None,
    id_type: str,
    condemned: Container[str] = (),
    erased: Tombstones = NONE,
) -> int:
    """
    Write the ids and row hashes of a partition, unless they are there; return the bytes written.

    One of the `condemned` files is about to be removed by maintenance, and is written anew. A row
    that was `erased` from the store keeps its place, without id and hash.

    `where` is the partition and the column types of its file; a row is all of its columns but the
    `hidden` one. Raises `SourceError` for null ids, with their number and three places.
    """
    partition, schema = where
    path = f"{folder(partition.digest)}/{ROWS_FILE}"
    if path not in condemned and files.exists(path):
        return 0
    types = {name: kind for name, kind in schema.items() if name != hidden} | {source.id: id_type}
    frame = read_rows(partition.file, partition.row_groups, types, source.storage_options)
    ids = frame.get_column(source.id)
    if ids.null_count():
        places = ids.is_null().arg_true().head(3).to_list()
        raise SourceError(
            f"{ids.null_count()} rows of {partition.part!r} have no {source.id!r}; the first are "
            f"rows {', '.join(map(str, places))} (counted from 0). Every row needs an id: mend or "
            "remove them."
        )
    index = {
        "row_id": _as_row_ids(ids, partition.part),
        "row_hash": pl.Series(hash_rows(frame, sorted(types))),
    }
    if source.latest_by is not None:
        index[_ORDER] = frame.get_column(source.latest_by)
    rows = pl.DataFrame(index)
    return files.write_parquet(path, blank(rows, erased.mask(rows["row_id"]))).size


def blank(index: pl.DataFrame, erased: pl.Series) -> pl.DataFrame:
    """Take id, hash and all else of the erased rows (a mask) out of an index; places stay."""
    if not erased.any():
        return index
    nothing = pl.when(~erased).then(pl.all().exclude("row_hash"))
    return index.select(
        nothing, pl.when(~erased).then("row_hash").otherwise(pl.lit(0, pl.UInt64))
    ).select(index.columns)


def erased_positions(partition_digest: str, files: Files) -> list[int]:
    """Return the positions of the rows that were erased: those without an id."""
    ids = files.read_parquet(f"{folder(partition_digest)}/{ROWS_FILE}", columns=["row_id"])
    return ids["row_id"].is_null().arg_true().to_list()


def _as_row_ids(ids: pl.Series, part: str) -> pl.Series:
    """Return ids as text or int64, as the labels table holds them."""
    if ids.dtype == pl.String:
        return ids
    row_ids = ids.cast(pl.Int64, strict=False)
    if row_ids.null_count():
        value = ids.filter(row_ids.is_null())[0]
        raise SourceError(
            f"{ids.name!r} of {part!r} holds the id {value}, which does not fit into 64 bits with "
            "a sign. Write the ids as text."
        )
    return row_ids


def read_index(files: Files, partition_digest: str, dropped: Collection[int] = ()) -> pl.DataFrame:
    """
    Return row_id (text or int64) and row_hash (uint64) of a partition, in its order.

    Rows at the `dropped` positions are left out.
    """
    index = files.read_parquet(f"{folder(partition_digest)}/{ROWS_FILE}")
    if not dropped:
        return index
    return index.filter(~pl.int_range(pl.len()).is_in(list(dropped)))


def find_duplicates(
    bucket: int,
    files: Files,
    fresh: Sequence[Partition],
    known: Sequence[Partition],
    buckets: int,
    latest: bool,
) -> Duplicates:
    """
    Find ids that occur twice among those whose hash falls into one of `buckets` buckets.

    No id may occur twice in the `known` partitions: those of the `fresh` ones are compared with
    each other and with theirs. Looking at a bucket at a time bounds the memory. With `latest`, the
    row with the largest order value of each id stays (in a tie the one that stands last), and the
    others are named as losers.
    """
    known = _that_may_meet(files, fresh, known)
    suspects = _repeated_hashes(bucket, files, fresh, known, buckets)
    if len(suspects) == 0:
        return Duplicates(0, (), ())
    parts = [*fresh, *known]
    columns = ["row_id", _ORDER] if latest else ["row_id"]
    frames = []
    for number, partition in enumerate(parts):
        rows = files.read_parquet(f"{folder(partition.digest)}/{ROWS_FILE}", columns=columns)
        rows = rows.with_row_index("position").with_columns(pl.lit(number, pl.Int32).alias("part"))
        rows = rows.filter(pl.col("row_id").is_not_null())
        frames.append(rows.filter(pl.col("row_id").hash(0).is_in(suspects.implode())))
    repeated = pl.concat(frames, how="vertical_relaxed").filter(pl.len().over("row_id") > 1)
    by_id = (
        repeated.group_by("row_id")
        .agg(pl.len().alias("times"), pl.col("part").unique().sort())
        .sort("row_id")
    )
    examples = tuple(
        f"{row['row_id']!r} ({row['times']} times, in "
        f"{' and '.join(map(repr, sorted(parts[n].part for n in row['part'])[:2]))})"
        for row in by_id.head(3).iter_rows(named=True)
    )
    losers = repeated.head(0)
    if latest:
        ranked = repeated.sort(_ORDER, "part", "position", nulls_last=False)
        losers = ranked.filter(pl.int_range(pl.len()).over("row_id") < pl.len().over("row_id") - 1)
    return Duplicates(
        by_id.height,
        examples,
        tuple((parts[n].part, p) for n, p in losers.select("part", "position").iter_rows()),
    )


def _that_may_meet(
    files: Files, fresh: Sequence[Partition], known: Sequence[Partition]
) -> list[Partition]:
    """Return the known partitions that may hold an id of a fresh one, by smallest and largest."""

    def bounds(partition: Partition) -> Bounds | None:
        return files.parquet_bounds(f"{folder(partition.digest)}/{ROWS_FILE}", "row_id")

    theirs = [bounds(partition) for partition in fresh]
    return [p for p in known for own in (bounds(p),) if any(may_meet(own, one) for one in theirs)]


def may_meet(one: Bounds | None, other: Bounds | None) -> bool:
    """Say whether a value may lie within both; None, and bounds of unlike types, exclude none."""
    if one is None or other is None or type(one[0]) is not type(other[0]):
        return True
    return bool(one[0] <= other[1] and other[0] <= one[1])


def _repeated_hashes(
    bucket: int,
    files: Files,
    fresh: Sequence[Partition],
    known: Sequence[Partition],
    buckets: int,
) -> pl.Series:
    """Return the hashes that several ids of a bucket share: 8 bytes an id, whatever its length."""
    # As large as all of them: only what is filled takes memory, and there is no second copy.
    room = np.empty(sum(partition.rows for partition in fresh), dtype=np.uint64)
    filled = 0
    for some in _hashes(bucket, files, fresh, buckets):
        room[filled : filled + len(some)] = some
        filled += len(some)
    hashes = room[:filled]
    hashes.sort()
    found = [hashes[1:][hashes[1:] == hashes[:-1]]]
    found += [theirs[_among(theirs, hashes)] for theirs in _hashes(bucket, files, known, buckets)]
    return pl.Series(np.unique(np.concatenate(found)))


def _hashes(
    bucket: int, files: Files, partitions: Sequence[Partition], buckets: int
) -> Iterator[NDArray[np.uint64]]:
    for partition in partitions:
        path = f"{folder(partition.digest)}/{ROWS_FILE}"
        ids = files.read_parquet(path, columns=["row_id"]).get_column("row_id")
        hashes = ids.drop_nulls().hash(0).to_numpy()
        yield hashes[hashes % np.uint64(buckets) == bucket]


def _among(hashes: NDArray[np.uint64], ascending: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Say of each hash whether it is among others that are sorted."""
    if len(ascending) == 0:
        return np.zeros(len(hashes), dtype=bool)
    places = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    return np.asarray(ascending[places] == hashes)


def among(ids: pl.Series, texts: pl.Series) -> pl.Series:
    """Say of each id, text or integer, whether it is one of some ids as text."""
    # The few texts become ids rather than the many ids texts; "007" is no way to write the id 7.
    wanted = texts.cast(ids.dtype, strict=False)
    return ids.is_in(wanted.filter(wanted.cast(pl.String) == texts).implode())


def locate_rows(where: tuple[str, pl.DataFrame], files: Files) -> pl.DataFrame:
    """
    Find answered rows in a partition: those whose id and row hash both match.

    `where` is the partition's digest and the answers (row_id as text, row_hash as hex). Returns
    them with `partition` set to this one and their `position` in it.
    """
    digest, answers = where
    index = read_index(files, digest).with_row_index("position")
    wanted = index.filter(among(index["row_id"], answers["row_id"]))
    here = wanted.select(
        pl.col("row_id").cast(pl.String),
        pl.Series("row_hash", hash_texts(wanted["row_hash"]), dtype=pl.String),
        pl.col("position").cast(pl.Int64),
    )
    found = answers.join(here, on=["row_id", "row_hash"], how="inner", maintain_order="left")
    return found.with_columns(pl.lit(digest).alias("partition"))
