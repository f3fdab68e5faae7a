"""Vote counts: what the heuristics do together, in numbers that add up over partitions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.classes import ABSTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.votes import Patterns


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """Rows and votes of a kind; int64, and a difference is what is left when a partition goes."""

    rows: NDArray[np.int64]
    """Shape (4,): all rows, those with a vote, with two or more, with two that differ."""
    cast: NDArray[np.int64]
    """How often each heuristic votes for each class, shape (m, K)."""
    overlap: NDArray[np.int64]
    """Rows where a heuristic votes and another does, shape (m,)."""
    conflict: NDArray[np.int64]
    """Rows where a heuristic votes and another votes otherwise, shape (m,)."""

    def __add__(self, other: VoteCounts) -> VoteCounts:
        return VoteCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: VoteCounts) -> VoteCounts:
        return VoteCounts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any], classes: int) -> VoteCounts:
        """Read what `to_json` wrote, for as many classes as there are now."""
        found = {name: np.array(value, dtype=np.int64) for name, value in data.items()}
        before = found["cast"].reshape(len(found["overlap"]), -1)
        found["cast"] = np.zeros((len(before), classes), dtype=np.int64)
        found["cast"][:, : before.shape[1]] = before
        return VoteCounts(**found)


def count_votes(patterns: Patterns, classes: int) -> VoteCounts:
    """Count the votes of patterns."""
    votes, counts = patterns.votes, patterns.counts
    cast_votes, disputed = _ballots(votes)
    rows = [counts.sum(), counts[cast_votes >= 1].sum(), counts[cast_votes >= 2].sum()]
    cast = np.zeros((votes.shape[1], classes), dtype=np.int64)
    overlap = np.zeros(votes.shape[1], dtype=np.int64)
    conflict = np.zeros(votes.shape[1], dtype=np.int64)
    for place, column in enumerate(votes.T):
        mine = np.flatnonzero(column != ABSTAIN)
        weights = counts[mine]
        # sums of counts below 2**53 are exact in floats
        cast[place] = np.bincount(column[mine], weights, classes)
        overlap[place] = weights[cast_votes[mine] >= 2].sum()
        # where two voters differ, each voter differs from at least one of them
        conflict[place] = weights[disputed[mine]].sum()
    return VoteCounts(np.array([*rows, counts[disputed].sum()]), cast, overlap, conflict)


def _ballots(votes: NDArray[np.signedinteger]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Return, for each row of votes, how many there are and whether two of them differ."""
    cast_votes = np.zeros(len(votes), dtype=np.int16)
    highest = np.full(len(votes), ABSTAIN, dtype=votes.dtype)
    lowest = np.full(len(votes), np.iinfo(votes.dtype).max, dtype=votes.dtype)
    for column in votes.T:  # by column, as votes are stored: no copy of the matrix is made
        cast_votes += column != ABSTAIN
        np.maximum(highest, column, out=highest)
        np.minimum(lowest, column, out=lowest, where=column != ABSTAIN)
    return cast_votes, (highest != ABSTAIN) & (highest != lowest)
