"""Symbols: which heuristic casts which vote, as sparse matrices that add up over votes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csc_array, csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats, VoteMatrix

_JOINT_VOTES = 4096
"""Joint votes of one group of heuristics at most, so that their vectors stay in the cache."""
_MOST_JOINT_VOTES = 32_768
"""Joint votes of all groups at most; with more classes or heuristics votes are rarely dense."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """The (heuristic, class) pairs that occur as votes, numbered."""

    heuristic: NDArray[np.int64]
    """Shape (S,)."""
    label: NDArray[np.int64]
    """Shape (S,)."""
    index: NDArray[np.int32]
    """Number of a heuristic's vote, shape (m, K + 1); -1 for abstain (last) and unseen votes."""
    joint: JointVotes | None

    @staticmethod
    def of(cast: NDArray[np.bool_]) -> Symbols:
        """Number the votes that occur, for which `cast` is true, shape (m, K)."""
        heuristics, labels = np.nonzero(cast)
        index = np.full((cast.shape[0], cast.shape[1] + 1), -1, dtype=np.int32)
        index[heuristics, labels] = np.arange(len(labels))
        return Symbols(heuristics, labels, index, JointVotes.of(index, len(labels)))

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.index.shape[1]) - 1

    def indicator(self, votes: VoteMatrix) -> Indicator:
        """Return a sparse (n, S) matrix with a one for every vote cast."""
        if self.joint is not None and self.joint.is_shorter(votes):
            return Indicator.of(self.joint.indicator(votes), self.joint.spelt)
        rows, columns = np.nonzero(votes >= 0)
        numbers = self.index[columns, votes[rows, columns]]
        if (numbers < 0).any():
            # a vote that the fit never met says nothing
            rows, numbers = rows[numbers >= 0], numbers[numbers >= 0]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(votes)))])
        return Indicator.of(_ones(numbers, starts, len(self.label)), None)


@dataclass(frozen=True, slots=True)
class Indicator:
    """A one for every vote cast, shape (n, S): `cast`, or `cast @ spelt` where that is shorter."""

    cast: csr_array
    spelt: csr_array | None
    cast_across: csc_array
    """`cast` transposed; EM asks for it in every step, and SciPy looks through it each time."""
    spelt_across: csc_array | None

    @staticmethod
    def of(cast: csr_array, spelt: csr_array | None) -> Indicator:
        """Transpose both once."""
        return Indicator(cast, spelt, cast.T, None if spelt is None else spelt.T)

    def per_row(self, vectors: Floats) -> Floats:
        """Return the sum of each row's votes' vectors, (n, K) from (S, K)."""
        return np.asarray(self.cast @ (vectors if self.spelt is None else self.spelt @ vectors))

    def per_symbol(self, values: Floats) -> Floats:
        """Return the sum over the rows with each vote, (S, ...) from (n, ...)."""
        total = self.cast_across @ values
        return np.asarray(total if self.spelt_across is None else self.spelt_across @ total)


@dataclass(frozen=True, slots=True)
class JointVotes:
    """
    The joint votes of groups of neighbouring heuristics, numbered: a row is one number per group.

    Where a row holds many votes it is much shorter than one number per vote.
    """

    factor: NDArray[np.int16]
    """What a step of a heuristic's vote adds to its group's number, shape (m,)."""
    group: NDArray[np.intp]
    """Shape (m,)."""
    silence: NDArray[np.int32]
    """Number of the joint vote in which all abstain, shape (groups,)."""
    spelt: csr_array
    """A one for each vote in a joint vote, shape (joint votes, S)."""

    @staticmethod
    def of(index: NDArray[np.int32], symbols: int) -> JointVotes | None:
        """
        Group heuristics whose symbols are numbered by `index`, shape (m, K + 1).

        None where groups of two already have too many joint votes.
        """
        return _grouped(index.tobytes(), *index.shape, symbols)

    def is_shorter(self, votes: VoteMatrix) -> bool:
        """Say whether these rows have more votes than groups, and are enough to pay for it."""
        some = votes[:: max(1, len(votes) // 1024)]
        groups, joint = len(self.silence), self.spelt.shape[0]
        return bool(joint <= len(votes) and groups * len(some) < np.count_nonzero(some >= 0))

    def indicator(self, votes: VoteMatrix) -> csr_array:
        """Return a sparse (n, joint votes) matrix with a one per row and group."""
        # not a matrix product: its threads wait for each other on a busy machine
        within = np.zeros((len(self.silence), len(votes)), dtype=np.int16)
        for heuristic, cast in enumerate(np.ascontiguousarray(votes.T)):
            within[self.group[heuristic]] += cast * self.factor[heuristic]
        numbers = np.empty((len(votes), len(within)), dtype=np.int32)
        for group, silence in enumerate(self.silence):
            numbers[:, group] = within[group] + silence
        starts = np.arange(0, numbers.size + 1, len(within))
        return _ones(numbers.ravel(), starts, self.spelt.shape[0])


# The folds of a race and the estimators in it number the same votes again and again.
@lru_cache(maxsize=16)
def _grouped(numbers: bytes, heuristics: int, states: int, symbols: int) -> JointVotes | None:
    index = np.frombuffer(numbers, dtype=np.int32).reshape(heuristics, states)
    size = 1
    while states ** (size + 1) <= _JOINT_VOTES:
        size += 1
    groups = -(-heuristics // size)
    # as many groups with as few joint votes as will do
    size = -(-heuristics // max(groups, 1))
    joint = states**size
    group = np.arange(heuristics) // max(size, 1)
    if size < 2 or groups * joint > _MOST_JOINT_VOTES:
        return None
    factor = states ** (np.arange(heuristics) % size)
    label = np.arange(joint) // factor[:, None] % states - 1
    symbol = np.take_along_axis(index, label, axis=1)
    speaker, number = np.nonzero(symbol >= 0)
    spelt = csr_array(
        (
            np.ones(len(number)),
            (group[speaker] * joint + number, symbol[speaker, number]),
        ),
        shape=(groups * joint, symbols),
    )
    silence = np.arange(groups) * joint + np.bincount(group, weights=factor).astype(np.int64)
    return JointVotes(factor.astype(np.int16), group, silence.astype(np.int32), spelt)


def _ones(
    numbers: NDArray[np.signedinteger], starts: NDArray[np.signedinteger], width: int
) -> csr_array:
    """Return a sparse matrix with ones in the numbered columns of each row."""
    matrix = csr_array((len(starts) - 1, width))
    # set rather than given, for SciPy looks through all that it is given
    matrix.data = np.ones(len(numbers))
    matrix.indices = numbers.astype(np.int32, copy=False)
    matrix.indptr = starts.astype(np.int32)
    return matrix
