"""Answer weights: how much each answer counts where answers stand for all rows of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST: Final = 10.0
"""No answer counts for more than this many average ones: inverse propensities have long tails."""


def weigh_answers(propensity: NDArray[np.float64], audit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """
    Return how much each answer counts, shape (a,), mean one.

    `audit` (a,) says which rows were drawn uniformly, `propensity` (a,) in (0, 1] the probability
    with which each of the others was drawn. Audits stand for the whole source by themselves and
    count alike, whenever they were drawn: what the first period drew at one in a thousand and a
    later one topped up is one sample. So do the other answers, by inverse propensity (Hajek 1971),
    with the weight of their effective sample size (Kish 1965), which keeps a few rows of tiny
    propensity from drowning the audits.
    """
    weights = np.ones(len(propensity))
    if not audit.all():
        inverse = 1 / propensity[~audit]
        inverse = np.minimum(inverse / inverse.mean(), _LARGEST)
        effective = inverse.sum() ** 2 / (inverse**2).sum()
        weights[~audit] = inverse / inverse.sum() * effective
    return weights / weights.mean() if len(weights) else weights


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted mean of values, shape (a,), and its standard error."""
    mean = float((weights * values).sum() / weights.sum())
    return mean, float(np.sqrt((weights**2 * (values - mean) ** 2).sum()) / weights.sum())
