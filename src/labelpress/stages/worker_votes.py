"""Votes that stay in the store: workers read their patterns, and only sums travel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias

from labelpress.label_models.everywhere import Everywhere, Part
from labelpress.vote_files import Cell, partition_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.label_models.everywhere import Other, Sums
    from labelpress.tables.files import Files
    from labelpress.votes import Patterns

Where: TypeAlias = "tuple[str, int, Mapping[str, Cell]]"
"""Digest, rows and cells of a partition: where its votes are."""

_MOST_GROUPS = 64
_GROUPS_BYTES = 2**28
"""Partitions are worked on in groups, so the sums that travel to the flow's process are few: at
most 64, and together not much more than 256 MiB. The number of workers has no say, so the sums
have the same bits on any cluster."""


@dataclass(frozen=True, slots=True)
class OnWorkers(Everywhere[Part]):
    """Votes that stay in the store: workers read them and send sums."""

    rows: int
    cluster: Cluster
    groups: Mapping[str, Sequence[Where]]
    place: tuple[Files, tuple[str, ...], Classes]
    changes: tuple[Callable[[Any], Any], ...] = ()

    def map(self, change: Callable[[Part], Other]) -> Everywhere[Other]:
        """Change the parts whenever they are summed."""
        return OnWorkers(self.rows, self.cluster, self.groups, self.place, (*self.changes, change))

    def total(self, statistic: Callable[[Part], Sums]) -> Sums:
        """Return the sum of a statistic over the partitions, in their order."""
        sums = self.cluster.map(_total, self.groups, *self.place, self.changes, statistic)
        total: Sums = reduce(add, sums.values())
        return total


def _total(
    group: Sequence[Where],
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    changes: tuple[Callable[[Any], Any], ...],
    statistic: Callable[[Any], Sums],
) -> Sums:
    """Sum a statistic over some partitions, on a worker."""

    def of(where: Where) -> Sums:
        part: Any = patterns_of(where, files, fingerprints, classes)
        for change in changes:
            part = change(part)
        return statistic(part)

    total: Sums = reduce(add, map(of, group))
    return total


def grouped(wheres: Mapping[str, Where], heuristics: int, classes: int) -> dict[str, list[Where]]:
    """Put neighbouring partitions together, so that few sums travel."""
    sums = 8 * max(heuristics, 1) * classes**2
    groups = max(1, min(_MOST_GROUPS, _GROUPS_BYTES // sums))
    size = max(1, ceil(len(wheres) / groups))
    parts = list(wheres)
    return {
        parts[start]: [wheres[part] for part in parts[start : start + size]]
        for start in range(0, len(parts), size)
    }


def patterns_of(
    where: Where,
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    before: tuple[str, ...] = (),
) -> Patterns:
    """Return the vote patterns of a partition, counted once and then read."""
    digest, rows, cells = where
    return partition_patterns(files, digest, cells, fingerprints, rows, classes, before)
