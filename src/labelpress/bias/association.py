"""Association of labels and slices, without ground truth."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def npmi(both: int, one: int, other: int, total: int) -> float:
    """
    Return the normalised pointwise mutual information of two kinds of rows, in [-1, 1].

    1 where they are the same rows, 0 where they have nothing to do with each other, -1 where no
    row is both; also 0 where either kind is empty or everything (Bouma, 2009; for labels and
    attributes Aka, Burke, Bäuerle, Greer and Mitchell, AIES 2021, section 4).
    """
    if not one or not other or total in {one, other}:
        return 0.0
    if not both:
        return -1.0
    return log(both * total / (one * other)) / -log(both / total)


def association_gaps(
    inside: Sequence[int], outside: Sequence[int]
) -> tuple[tuple[float, float], ...]:
    """
    Return for each class its association with a slice, and by how much that is above elsewhere's.

    `inside` and `outside` count the labelled rows of each class. The second figure is the gap by
    which Aka et al. rank labels; the sign says for whom a label is the more usual.
    """
    total, rows, rest = sum(inside) + sum(outside), sum(inside), sum(outside)
    found = []
    for here, there in zip(inside, outside, strict=True):
        mine = npmi(here, rows, here + there, total)
        found.append((mine, mine - npmi(there, rest, here + there, total)))
    return tuple(found)
