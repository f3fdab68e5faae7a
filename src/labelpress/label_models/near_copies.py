"""Near-copies: heuristics that vote the same on nearly every row, and must not count twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labelpress.votes import Patterns

_SAME = 0.95
"""Share of the rows on which either votes where both cast the same vote."""
_FEWEST = 20
"""Votes below which agreement on nearly every row may be chance."""
_SAMPLE = 5_000


def find_near_copies(patterns: Patterns, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    """
    Return groups of columns that cast the same vote on at least 95 % of the rows either votes on.

    A group is a chain: each is a near-copy of another in it. Looks at 5,000 rows drawn by their
    counts where there are more distinct patterns.
    """
    votes, counts = patterns.votes, patterns.counts.astype(np.float64)
    if len(counts) > _SAMPLE:
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(counts), size=_SAMPLE, p=counts / counts.sum())
        votes, counts = votes[drawn], np.ones(_SAMPLE)
    columns = np.ascontiguousarray(votes.T)
    cast = columns >= 0
    total = np.array([counts[voted].sum() for voted in cast])
    group = np.arange(len(columns))
    order = np.argsort(total, kind="stable")
    for place, first in enumerate(order):
        if total[first] < _FEWEST:
            continue
        # a near-copy casts nearly as many votes, so only neighbours in that order can be one
        for second in order[place + 1 :]:
            if total[first] < _SAME * total[second]:
                break
            same = counts[cast[first] & (columns[first] == columns[second])].sum()
            either = total[first] + total[second] - counts[cast[first] & cast[second]].sum()
            if same >= _SAME * either:
                group[group == group[second]] = group[first]
    return tuple(
        tuple(int(column) for column in np.flatnonzero(group == name))
        for name in np.unique(group)
        if (group == name).sum() > 1
    )
