"""Votes: what the heuristics of a project say about the rows of one partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 16_384
"""Keeps a block in the cache; no result depends on it."""


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes of some heuristics on some rows."""

    matrix: NDArray[np.signedinteger]
    """Class codes, shape (rows, heuristics), int8 or int16; -1 is abstain."""
    heuristics: tuple[str, ...]
    """Names, one per column of the matrix."""
    faults: tuple[int, ...]
    """Rows on which the heuristic raised, one count per column; such a row is an abstain."""
    seconds: tuple[float, ...]
    """CPU seconds spent, one figure per column."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Distinct rows of a vote matrix with the number of times each occurs."""

    votes: NDArray[np.signedinteger]
    """Shape (patterns, heuristics), in lexicographic order."""
    counts: NDArray[np.int64]
    """Shape (patterns,)."""

    @property
    def rows(self) -> int:
        """The number of rows behind the patterns."""
        return int(self.counts.sum())


def count_patterns(matrix: NDArray[np.signedinteger]) -> Patterns:
    """
    Reduce a vote matrix of shape (n, m) to its distinct rows and their counts.

    The order of the rows does not matter: the result is sorted. Fastest where the matrix is stored
    by column.
    """
    return _add_up(matrix, None)


def find_patterns(
    matrix: NDArray[np.signedinteger],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the first row of each distinct pattern of a matrix (n, m), and how many rows have it.

    Both are sorted by first row. For who needs to go back from a pattern to a row.
    """
    if matrix.shape[0] == 0 or matrix.shape[1] == 0:
        first = np.arange(min(len(matrix), 1))
        return first, np.full(len(first), len(matrix))
    bits = max(int(matrix.max()) + 1, 1).bit_length()
    words = pl.DataFrame(_pack(matrix, bits)).with_row_index("row")
    names = [name for name in words.columns if name != "row"]
    found = words.group_by(names).agg(pl.col("row").min(), pl.len().alias("rows")).sort("row")
    return found["row"].cast(pl.Int64).to_numpy(), found["rows"].cast(pl.Int64).to_numpy()


def merge_patterns(parts: list[Patterns]) -> Patterns:
    """Add the pattern counts of several partitions; the order of the parts does not matter."""
    stacked = np.concatenate([part.votes for part in parts])
    return _add_up(stacked, np.concatenate([part.counts for part in parts]))


def _add_up(matrix: NDArray[np.signedinteger], counts: NDArray[np.int64] | None) -> Patterns:
    """Return the distinct rows and the sums of their counts; None counts every row once."""
    if matrix.shape[0] == 0 or matrix.shape[1] == 0:
        rows = len(matrix) if counts is None else int(counts.sum())
        total = np.array([rows] if rows else [], dtype=np.int64)
        return Patterns(matrix[: len(total)], total)
    bits = max(int(matrix.max()) + 1, 1).bit_length()
    words = pl.DataFrame(_pack(matrix, bits))
    names = words.columns
    if counts is None and len(names) == 1:
        # half the time of grouping and sorting the groups
        word = words.to_series().sort().to_numpy()
        starts = np.flatnonzero(np.concatenate([[True], word[1:] != word[:-1]]))
        votes = _unpack([word[starts]], bits, matrix.shape[1], matrix.dtype)
        return Patterns(votes, np.diff(starts, append=len(word)))
    summed = pl.len().cast(pl.Int64)
    if counts is not None:
        words = words.with_columns(pl.Series("counts", counts))
        summed = pl.col("counts").sum()
    distinct = words.group_by(names).agg(summed.alias("counts")).sort(names)
    packed = [distinct.get_column(name).to_numpy() for name in names]
    votes = _unpack(packed, bits, matrix.shape[1], matrix.dtype)
    return Patterns(votes, distinct.get_column("counts").to_numpy())


def _pack(matrix: NDArray[np.signedinteger], bits: int) -> dict[str, NDArray[np.uint64]]:
    """Pack each row into 64-bit words that sort as the row does: its first vote stands highest."""
    fields = 64 // bits
    packed = {}
    for first in range(0, matrix.shape[1], fields):
        words = np.zeros(len(matrix), dtype=np.uint64)
        for start in range(0, len(matrix), _ROWS_AT_ONCE):
            word = words[start : start + _ROWS_AT_ONCE]
            block = matrix[start : start + _ROWS_AT_ONCE]
            for column in range(first, first + fields):
                word <<= np.uint64(bits)
                if column < matrix.shape[1]:
                    word |= block[:, column].astype(np.uint64) + np.uint64(1)  # abstain wraps to 0
        packed[str(first)] = words
    return packed


def _unpack(
    packed: list[NDArray[np.uint64]], bits: int, columns: int, dtype: np.dtype[np.signedinteger]
) -> NDArray[np.signedinteger]:
    fields, mask = 64 // bits, np.uint64(2**bits - 1)
    votes = np.empty((len(packed[0]), columns), dtype=dtype, order="F")
    for start in range(0, len(votes), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        for column in range(columns):
            shift = np.uint64(bits * (fields - 1 - column % fields))
            votes[block, column] = ((packed[column // fields][block] >> shift) & mask).astype(
                dtype
            ) - 1
    return votes


def draw_patterns(patterns: Patterns, share: float, rng: np.random.Generator) -> Patterns:
    """
    Draw a share of the rows behind the patterns: count times share, rounded up or down by lot.

    Lots decide the rounding only, so frequent patterns are in the sample as often as they should,
    and the smaller of two shares draws a part of what the larger draws.
    """
    drawn = np.floor(patterns.counts * share + rng.random(len(patterns.counts))).astype(np.int64)
    kept = drawn > 0
    return Patterns(patterns.votes[kept], drawn[kept])


def renew_patterns(earlier: Patterns, new: list[Patterns], gone: list[Patterns]) -> Patterns:
    """
    Bring earlier merged counts up to date: equal to merging anew what is there now.

    `gone` must have been among what was merged. The result is sorted, as `merge_patterns` gives it.
    """
    if not new and not gone:
        return earlier
    taken = [Patterns(part.votes, -part.counts) for part in gone]
    merged = merge_patterns([earlier, *new, *taken])
    left = merged.counts > 0
    return Patterns(merged.votes[left], merged.counts[left])
