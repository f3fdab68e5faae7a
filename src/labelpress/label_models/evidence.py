"""What an estimator may look at: pattern counts, weighted answers, the base rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from labelpress.label_models.everywhere import InMemory, count_cast, merge_copies
from labelpress.label_models.rules import merge
from labelpress.label_models.symbols import Symbols
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats, VoteMatrix
    from labelpress.label_models.everywhere import Everywhere


@dataclass(frozen=True, slots=True)
class Evidence:
    """Checked input of one fit; answers may be none, and then have length zero."""

    patterns: Patterns
    """What to learn from: all votes of the source, or a sample of its rows where `everywhere`
    has the others."""
    cast: NDArray[np.int64]
    """How often each heuristic votes for each class in all the source, shape (m, K)."""
    everywhere: Everywhere[Patterns] | None
    """All the votes, where `patterns` is a sample of them."""
    votes: VoteMatrix
    """Votes of the answered rows, shape (a, m)."""
    labels: NDArray[np.int64]
    """Shape (a,)."""
    weights: Floats
    """How many answers each counts for, shape (a,); mean one."""
    base_rate: Floats
    """Shape (K,)."""
    base_rate_given: bool
    """False where nobody measured or declared it: it is uniform then."""
    beliefs: Floats
    """The precision that each heuristic's author believes in, shape (m,); NaN where not told."""

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.base_rate)

    @property
    def heuristics(self) -> int:
        """The number of heuristics."""
        return int(self.patterns.votes.shape[1])

    @property
    def all_votes(self) -> Everywhere[Patterns]:
        """The votes of all the source."""
        if self.everywhere is None:
            return InMemory.of(self.patterns)
        return self.everywhere

    @property
    def rows(self) -> int:
        """The number of rows of the source."""
        return self.patterns.rows if self.everywhere is None else self.everywhere.rows

    def symbols(self) -> Symbols:
        """Number the votes that occur in the source or on answered rows."""
        cast = self.cast > 0
        answered = Patterns(self.votes, np.ones(len(self.votes), dtype=np.int64))
        return Symbols.of(cast | (count_cast(self.classes, answered) > 0))

    def answered_symbols(self) -> Symbols:
        """Number the votes that occur on answered rows."""
        answered = Patterns(self.votes, np.ones(len(self.votes), dtype=np.int64))
        return Symbols.of(count_cast(self.classes, answered) > 0)

    def sampled(self, patterns: Patterns) -> Evidence:
        """Return the same evidence as if a sample of the votes were all there are."""
        cast = count_cast(self.classes, patterns)
        return replace(self, patterns=patterns, cast=cast, everywhere=None)

    def merged(self, groups: tuple[tuple[int, ...], ...]) -> Evidence:
        """Return the evidence in which every group of near-copies speaks once."""
        merged = replace(
            self,
            patterns=merge_copies(groups, self.patterns),
            everywhere=self.everywhere and self.everywhere.map(partial(merge_copies, groups)),
            votes=merge(self.votes, groups),
        )
        return replace(merged, cast=merged.all_votes.total(partial(count_cast, self.classes)))

    def flat(self) -> Evidence:
        """Return the same evidence under a uniform base rate."""
        uniform = np.full(self.classes, 1 / self.classes)
        return replace(self, base_rate=uniform, base_rate_given=False)

    def taught_by(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Evidence:
        """Return the same evidence with some of the answers only, for cross-validation."""
        return replace(
            self, votes=self.votes[rows], labels=self.labels[rows], weights=self.weights[rows]
        )
