"""Votes: what the heuristics of a project say about the rows of one partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    The order of the rows does not matter: the result is sorted.
    """
    if matrix.shape[0] == 0 or matrix.shape[1] == 0:
        counts = np.array([matrix.shape[0]] if matrix.shape[0] else [], dtype=np.int64)
        return Patterns(matrix[: len(counts)], counts)
    votes, counts = np.unique(matrix, axis=0, return_counts=True)
    return Patterns(votes, counts.astype(np.int64))


def merge_patterns(parts: list[Patterns]) -> Patterns:
    """Add the pattern counts of several partitions; the order of the parts does not matter."""
    stacked = np.concatenate([part.votes for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    if stacked.shape[0] == 0 or stacked.shape[1] == 0:
        total = np.array([counts.sum()] if counts.sum() else [], dtype=np.int64)
        return Patterns(stacked[: len(total)], total)
    votes, place = np.unique(stacked, axis=0, return_inverse=True)
    merged = np.zeros(len(votes), dtype=np.int64)
    np.add.at(merged, place.reshape(-1), counts)
    return Patterns(votes, merged)


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
