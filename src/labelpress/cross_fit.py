"""Cross-fitting: what label models that have not seen an answer say of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelpress.votes import draw_patterns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from labelpress.label_models import Answered, LabelModel
    from labelpress.votes import Patterns

FOLDS = 5
FEWEST_ANSWERS = 20
"""With fewer, a fold would hold less than four answers."""

MOST_PATTERNS = 2_000
"""The fits learn from so many drawn rows at most: they judge, they do not label."""


def cross_predict(
    answered: Answered,
    fit: Callable[[Patterns, Answered], LabelModel],
    patterns: Patterns,
    seed: int,
) -> NDArray[np.float64]:
    """
    Return the class probabilities of the answered rows, shape (a, K), each out of its fold.

    `fit` is called five times, with the patterns (a sample of the rows where there are many) and
    the answers of the other folds.
    """
    drawn = patterns
    if len(patterns.counts) > MOST_PATTERNS:
        rng = np.random.default_rng(seed)
        drawn = draw_patterns(patterns, MOST_PATTERNS / patterns.rows, rng)
    n = len(answered)
    fold = np.random.default_rng([seed, n]).permutation(n) % FOLDS
    found: list[tuple[NDArray[np.bool_], NDArray[np.float64]]] = []
    for held in range(FOLDS):
        inside = fold == held
        model = fit(drawn, _subset(answered, ~inside))
        found.append((inside, model.predict_proba(answered.votes[inside])))
    probabilities = np.zeros((n, found[0][1].shape[1]))
    for inside, predicted in found:
        probabilities[inside] = predicted
    return probabilities


def _subset(answered: Answered, rows: NDArray[np.bool_]) -> Answered:
    return type(answered)(
        answered.votes[rows],
        answered.labels[rows],
        answered.propensity[rows],
        answered.audit[rows],
    )
