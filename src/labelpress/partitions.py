"""Partitions: the pieces of the source that are computed, stored and replaced as one."""

from __future__ import annotations

import hashlib
import re
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
    """What is in it: the file's digest, the range, and the settings its row index depends on."""


def split(
    file: SourceFile, facts: FileFacts, *, partition_rows: int, indexed_by: Sequence[str | None]
) -> tuple[Partition, ...]:
    """
    Cut a file into partitions of about `partition_rows` rows, at row-group borders.

    `indexed_by` are the settings on which the row index of a partition depends (the id column, the
    hidden column): they are part of the digest. A file without rows has no partition.
    """
    if sum(facts.footer.row_groups) == 0:
        return ()
    ranges: list[tuple[int, int, int]] = []
    first = rows = 0
    for group, count in enumerate(facts.footer.row_groups):
        rows += count
        last = group == len(facts.footer.row_groups) - 1
        if last or rows + facts.footer.row_groups[group + 1] > partition_rows:
            ranges.append((first, group, rows))
            first, rows = group + 1, 0
    whole = len(ranges) == 1
    return tuple(
        Partition(
            part=file.path if whole else f"{file.path}#{start}-{end}",
            file=file,
            row_groups=(start, end),
            rows=count,
            digest=_digest(facts.digest, start, end, *indexed_by),
        )
        for start, end, count in ranges
    )


def file_of(part: str) -> str:
    """Return the path of the file that a part is, or is a piece of."""
    return re.sub(r"#\d+-\d+$", "", part)


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
