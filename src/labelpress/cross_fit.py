"""Cross-fitting: what label models that have not seen an answer say of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from labelpress.votes import draw_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from labelpress.label_models import Answered, LabelModel
    from labelpress.votes import Patterns

Item = TypeVar("Item")
Result = TypeVar("Result")

FOLDS = 5
FEWEST_ANSWERS = 20
"""With fewer, a fold would hold less than four answers."""

MOST_PATTERNS = 2_000
"""The fits learn from so many drawn rows at most: they judge, they do not label."""


class OverFolds(Protocol):
    """Calls a function for each fold, as `Cluster.map` does."""

    def __call__(
        self, function: Callable[..., Result], items: Mapping[str, Item], /, *shared: object
    ) -> dict[str, Result]:
        """Return the results of `function(item, *shared)` by name."""


def in_turn(
    function: Callable[..., Result], items: Mapping[str, Item], /, *shared: object
) -> dict[str, Result]:
    """Call a function for each fold in this process, one after the other."""
    return {name: function(item, *shared) for name, item in items.items()}


def cross_predict(
    answered: Answered,
    fit: Callable[[Patterns, Answered], LabelModel],
    patterns: Patterns,
    seed: int,
    over: OverFolds = in_turn,
) -> NDArray[np.float64]:
    """
    Return the class probabilities of the answered rows, shape (a, K), each out of its fold.

    `fit` is called five times, with the patterns (a sample of the rows where there are many) and
    the answers of the other folds; `over` a cluster, it must survive pickling.
    """
    drawn = patterns
    if len(patterns.counts) > MOST_PATTERNS:
        rng = np.random.default_rng(seed)
        drawn = draw_patterns(patterns, MOST_PATTERNS / patterns.rows, rng)
    n = len(answered)
    fold = np.random.default_rng([seed, n]).permutation(n) % FOLDS
    insides = {f"fold {held + 1} of {FOLDS}": fold == held for held in range(FOLDS)}
    found = over(predict_fold, insides, fit, drawn, answered)
    probabilities = np.zeros((n, next(iter(found.values())).shape[1]))
    for name, inside in insides.items():
        probabilities[inside] = found[name]
    return probabilities


def predict_fold(
    inside: NDArray[np.bool_],
    fit: Callable[[Patterns, Answered], LabelModel],
    patterns: Patterns,
    answered: Answered,
) -> NDArray[np.float64]:
    """Return the probabilities of the answers of a fold from a fit to the others."""
    model = fit(patterns, _subset(answered, ~inside))
    return np.asarray(model.predict_proba(answered.votes[inside]))


def _subset(answered: Answered, rows: NDArray[np.bool_]) -> Answered:
    return type(answered)(
        answered.votes[rows],
        answered.labels[rows],
        answered.propensity[rows],
        answered.audit[rows],
    )
