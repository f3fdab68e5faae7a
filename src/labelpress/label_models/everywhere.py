"""Sums over all vote patterns, wherever they lie; only the sums travel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from labelpress.label_models.rules import merge
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SAMPLE = 20_000
"""Rows that estimators learn from where there are more distinct patterns; EM then makes a few
passes over everything."""

_ONE = np.int64(1)


class Addable(Protocol):
    """What partitions can be summed in: arrays, or a dataclass of them."""

    def __add__(self, other: Any, /) -> Any:
        """Return the sum."""


Sums = TypeVar("Sums", bound=Addable)


class Everywhere(Protocol):
    """All the votes of a source."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    def total(self, statistic: Callable[[Patterns], Sums]) -> Sums:
        """
        Return the sum of a statistic over parts of the patterns.

        `statistic` may be pickled: a module's function, or a `partial` of one. It must be additive:
        how the patterns are split, and which are counted together, changes rounding only.
        """


@dataclass(frozen=True, slots=True)
class InMemory:
    """Patterns that are at hand."""

    patterns: Patterns

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.patterns.rows

    def total(self, statistic: Callable[[Patterns], Sums]) -> Sums:
        """Return the statistic of the patterns."""
        return statistic(self.patterns)


@dataclass(frozen=True, slots=True)
class WithMergedCopies:
    """The same votes, in which every group of near-copies speaks once."""

    votes: Everywhere
    groups: tuple[tuple[int, ...], ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.votes.rows

    def total(self, statistic: Callable[[Patterns], Sums]) -> Sums:
        """Return the sum of a statistic over the merged votes."""
        return self.votes.total(partial(_of_merged, statistic, self.groups))


def _of_merged(
    statistic: Callable[[Patterns], Sums],
    groups: tuple[tuple[int, ...], ...],
    patterns: Patterns,
) -> Sums:
    return statistic(Patterns(merge(patterns.votes, groups), patterns.counts))


def count_cast(classes: int, patterns: Patterns) -> NDArray[np.int64]:
    """Return how often each heuristic votes for each class, shape (m, K)."""
    counts = patterns.counts.astype(np.float64)
    cast = np.zeros((patterns.votes.shape[1], classes), dtype=np.int64)
    for heuristic in range(len(cast)):
        # sums of counts below 2**53 are exact in floats
        votes = np.bincount(patterns.votes[:, heuristic] + _ONE, counts, classes + 1)
        cast[heuristic] = votes[1:]
    return cast
