"""What the heuristics do in one slice, in numbers that add up over partitions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from labelpress.classes import ABSTAIN
from labelpress.label_models import load
from labelpress.labels import labels_of_votes
from labelpress.slices import crowded, members
from labelpress.vote_files import read_votes
from labelpress.votes import count_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.label_models import LabelModel
    from labelpress.partitions import Partition
    from labelpress.slices import Slicing
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell
    from labelpress.votes import Patterns

EVERYWHERE = ""
"""The name under which all rows are counted."""


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """
    The labels that the label model gives to some rows, with all heuristics and without each.

    An expert's answers are not in it: it is the heuristics that are looked at. Without a heuristic
    means that it abstains and the label model stays as it is.
    """

    rows: NDArray[np.int64]
    """Shape ()."""
    labels: NDArray[np.int64]
    """Rows per class, shape (K,)."""
    without: NDArray[np.int64]
    """Rows per class without each heuristic, shape (m, K)."""
    turned: NDArray[np.int64]
    """Rows that have a class only with a heuristic, by that class, shape (m, K)."""
    alone: NDArray[np.int64]
    """Of those, rows on which no other heuristic votes, shape (m, K)."""
    support: NDArray[np.float64]
    """Over the others, the probability of the class without the heuristic, shape (m, K)."""

    def __add__(self, other: SliceCounts) -> SliceCounts:
        return SliceCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: SliceCounts) -> SliceCounts:
        return SliceCounts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return int(self.labels.sum())


def count_slice(patterns: Patterns, model: LabelModel) -> SliceCounts:
    """Count the rows behind vote patterns."""
    votes, counts = patterns.votes, patterns.counts
    classes, heuristics = len(model.base_rate), votes.shape[1]
    given = labels_of_votes(votes, model)[0]
    labels = _add_up(given, counts, classes)
    without = np.tile(labels, (heuristics, 1))
    turned = np.zeros((heuristics, classes), dtype=np.int64)
    alone = np.zeros((heuristics, classes), dtype=np.int64)
    support = np.zeros((heuristics, classes))
    for place in range(heuristics):
        rows = np.flatnonzero(votes[:, place] != ABSTAIN)
        if len(rows) == 0:
            continue
        silenced = votes[rows].copy()
        silenced[:, place] = ABSTAIN
        left, probabilities = labels_of_votes(silenced, model)
        mine, weights = given[rows], counts[rows]
        without[place] += _add_up(left, weights, classes) - _add_up(mine, weights, classes)
        moved = np.flatnonzero(left != mine)
        turned[place] = _add_up(mine[moved], weights[moved], classes)
        only = moved[left[moved] == ABSTAIN]
        alone[place] = _add_up(mine[only], weights[only], classes)
        others = moved[left[moved] != ABSTAIN]
        believed = probabilities[others, mine[others]] * weights[others]
        support[place] = np.bincount(mine[others], believed, classes)
    return SliceCounts(np.array(patterns.rows), labels, without, turned, alone, support)


def count_part(
    where: tuple[Partition, Mapping[str, Cell], tuple[int, ...]],
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    label_model: Mapping[str, object],
    slicing: Slicing,
) -> tuple[dict[str, SliceCounts], tuple[str, ...]]:
    """Count all rows and each slice of a partition; name attributes with too many values."""
    partition, cells, dropped = where
    votes = read_votes(files, cells, fingerprints, partition.rows, classes)
    found = slicing.read(files, partition)
    present = np.ones(partition.rows, dtype=np.bool_)
    present[list(dropped)] = False
    model = load(label_model)
    masks = {EVERYWHERE: present} | {
        name: mask.to_numpy() & present for name, mask in members(found)
    }
    counts = {
        name: count_slice(count_patterns(votes[mask]), model)
        for name, mask in masks.items()
        if mask.any()
    }
    return counts, crowded(found)


def _add_up(
    labels: NDArray[np.int64], counts: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    # sums of counts below 2**53 are exact in floats
    return np.bincount(labels + 1, counts, classes + 1).astype(np.int64)[1:]
