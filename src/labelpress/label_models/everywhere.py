"""Sums over all votes of a source, wherever they lie; only the sums travel."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
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

_PARTS = 8
_SMALLEST_PART = 16_384
"""Patterns in memory are cut by their number alone, so the sums have the same bits on any number
of cores."""

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
    """Parts that are at hand, worked on by as many threads as there are cores."""

    rows: int
    parts: tuple[Part, ...]

    @staticmethod
    def of(patterns: Patterns) -> InMemory[Patterns]:
        """Cut patterns into parts, at least one."""
        size = max(_SMALLEST_PART, -(-len(patterns.counts) // _PARTS))
        starts = range(0, max(len(patterns.counts), 1), size)
        parts = (
            Patterns(patterns.votes[start : start + size], patterns.counts[start : start + size])
            for start in starts
        )
        return InMemory(patterns.rows, tuple(parts))

    def map(self, change: Callable[[Part], Other]) -> Everywhere[Other]:
        """Change the parts now."""
        return InMemory(self.rows, tuple(_each(change, self.parts)))

    def total(self, statistic: Callable[[Part], Sums]) -> Sums:
        """Return the sum of a statistic over the parts, in their order."""
        return reduce(add, _each(statistic, self.parts))


def _each(function: Callable[[Part], Other], parts: tuple[Part, ...]) -> list[Other]:
    if len(parts) == 1:
        return [function(parts[0])]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(function, parts))


def merge_copies(groups: tuple[tuple[int, ...], ...], patterns: Patterns) -> Patterns:
    """Return the patterns in which every group of near-copies speaks once."""
    return Patterns(merge(patterns.votes, groups), patterns.counts)


def count_cast(classes: int, patterns: Patterns) -> NDArray[np.int64]:
    """Return how often each heuristic votes for each class, shape (m, K)."""
    counts = patterns.counts.astype(np.float64)
    cast = np.zeros((patterns.votes.shape[1], classes), dtype=np.int64)
    for heuristic in range(len(cast)):
        # sums of counts below 2**53 are exact in floats
        votes = np.bincount(patterns.votes[:, heuristic] + _ONE, counts, classes + 1)
        cast[heuristic] = votes[1:]
    return cast
