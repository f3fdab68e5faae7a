"""Partitions: the pieces of the source that are computed, stored and replaced as one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.sources.listing import SourceFile
    from labelpress.sources.reading import FileFacts

GIT_RACE_SECONDS = 2.0
"""A file changed this shortly before it was looked at may change again under the same stamp."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A Parquet file of the source, or some neighbouring row groups of a very large one."""

    part: str
    """Its identity: the file's path and, where the file is split, the row groups."""
    file: SourceFile
    row_groups: tuple[int, int]
    """First and last, inclusive."""
    rows: int
    digest: str
    """What is in it: the file's digest, the range, and which columns name and describe a row."""


def split(
    file: SourceFile, facts: FileFacts, *, partition_rows: int, row_columns: Sequence[str]
) -> tuple[Partition, ...]:
    """
    Cut a file into partitions of about `partition_rows` rows, at row-group borders.

    `row_columns` are the id and the columns behind a row's hash: they are part of the digest,
    because the row hashes kept for a partition depend on them. A file without rows has none.
    """
    if sum(facts.row_groups) == 0:
        return ()
    ranges: list[tuple[int, int, int]] = []
    first = rows = 0
    for group, count in enumerate(facts.row_groups):
        rows += count
        last = group == len(facts.row_groups) - 1
        if last or rows + facts.row_groups[group + 1] > partition_rows:
            ranges.append((first, group, rows))
            first, rows = group + 1, 0
    whole = len(ranges) == 1
    return tuple(
        Partition(
            part=file.path if whole else f"{file.path}#{start}-{end}",
            file=file,
            row_groups=(start, end),
            rows=count,
            digest=_digest(facts.digest, start, end, *row_columns),
        )
        for start, end, count in ranges
    )


def _digest(*pieces: object) -> str:
    text = "\x1f".join(str(piece) for piece in pieces)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def may_be_trusted(file: SourceFile, remembered: SourceFile, looked_at: float) -> bool:
    """
    Say whether a file still has the content that was hashed at `looked_at` (seconds).

    As git's index does it: path, size and stamp agree, and the file was not changed so shortly
    before the look that a second change could carry the same stamp.
    """
    same = (file.path, file.size, file.stamp) == (
        remembered.path,
        remembered.size,
        remembered.stamp,
    )
    return same and looked_at - remembered.modified > GIT_RACE_SECONDS
