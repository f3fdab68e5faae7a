"""Tempering: one number that makes an end model's probabilities as sure as it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize_scalar

from labelpress.end_model.softmax import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.softmax import Floats

FEWEST_ANSWERS: Final = 50
"""Answers below which a temperature would be luck."""
_COLDEST: Final = 0.1
_HOTTEST: Final = 10.0


def temper(log_proba: Floats, temperature: float) -> Floats:
    """Divide log-probabilities, shape (n, K), by the temperature; above 1 is less sure."""
    return normalise(log_proba / temperature)


def fit_temperature(log_proba: Floats, codes: NDArray[np.integer[Any]], weights: Floats) -> float:
    """
    Return the temperature that makes held-out probabilities fit known codes, shape (n,), best.

    Temperature scaling (Guo et al. 2017): the ranking of classes stays as it was, so accuracy
    does. Below 50 rows it is 1: nothing changes.
    """
    if len(codes) < FEWEST_ANSWERS:
        return 1.0
    rows = np.arange(len(codes))

    def loss(cold: float) -> float:
        return float(-np.average(temper(log_proba, np.exp(cold))[rows, codes], weights=weights))

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
