"""Sums over all votes of a source, wherever they lie; only the sums travel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

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
    """What parts can be summed in: arrays, or a dataclass of them."""

    def __add__(self, other: Any, /) -> Any:
        """Return the sum."""


Part = TypeVar("Part")
Other = TypeVar("Other")
Sums = TypeVar("Sums", bound=Addable)


class Everywhere(ABC, Generic[Part]):
    """
    All the votes of a source, in parts: patterns, or what was made of them.

    The functions given may be pickled: a module's function, or a `partial` of one. Sums must not
    depend on how the votes are cut into parts, but for rounding.
    """

    __slots__ = ()
    rows: int
    """The number of rows."""

    @abstractmethod
    def map(self, change: Callable[[Part], Other]) -> Everywhere[Other]:
        """Return the same votes with each part changed, once or whenever they are summed."""

    @abstractmethod
    def total(self, statistic: Callable[[Part], Sums]) -> Sums:
        """Return the sum of a statistic over the parts."""


@dataclass(frozen=True, slots=True)
class InMemory(Everywhere[Part]):
    """Parts that are at hand; threads gain nothing here, for the steps are short."""

    rows: int
    parts: tuple[Part, ...]

    @staticmethod
    def of(patterns: Patterns) -> InMemory[Patterns]:
        """Take patterns as one part."""
        return InMemory(patterns.rows, (patterns,))

    def map(self, change: Callable[[Part], Other]) -> Everywhere[Other]:
        """Change the parts now."""
        return InMemory(self.rows, tuple(map(change, self.parts)))

    def total(self, statistic: Callable[[Part], Sums]) -> Sums:
        """Return the sum of a statistic over the parts, in their order."""
        return reduce(add, map(statistic, self.parts))


def merge_copies(groups: tuple[tuple[int, ...], ...], patterns: Patterns) -> Patterns:
    """Return the patterns in which every group of near-copies speaks once."""
    return Patterns(merge(patterns.votes, groups), patterns.counts)


def count_cast(classes: int, patterns: Patterns) -> NDArray[np.int64]:
    """Return how often each heuristic votes for each class, shape (m, K)."""
    cast = np.zeros((patterns.votes.shape[1], classes), dtype=np.int64)
    # most patterns of many occur once, and those are quicker to count without weights
    more = np.flatnonzero(patterns.counts > 1)
    weights = (patterns.counts[more] - 1).astype(np.float64)
    for heuristic, votes in enumerate(patterns.votes.T):
        # sums of counts below 2**53 are exact in floats
        repeated = np.bincount(votes[more] + _ONE, weights, classes + 1).astype(np.int64)
        cast[heuristic] = (np.bincount(votes + _ONE, minlength=classes + 1) + repeated)[1:]
    return cast
