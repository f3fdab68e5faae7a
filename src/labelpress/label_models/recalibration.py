"""Recalibration: whether, and how far, probabilities are to be made more or less sure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.answer_weights import weighted_mean
from labelpress.label_models.rules import temper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats

POWERS = tuple(float(power) for power in 2.0 ** (np.arange(-8, 9) / 4))
"""What probabilities may be raised to; below 1 they become less sure."""

_LEAST = 1e-6
"""No answer costs infinitely."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The power to raise probabilities to, and what that is worth."""

    power: float
    """1 where recalibrating did not help on answers it had not seen."""
    gain: float
    """What it took off the log loss per answer, out of fold; nats."""
    standard_error: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def recalibrate(
    out_of_fold: Floats,
    labels: NDArray[np.int64],
    weights: Floats,
    fold: NDArray[np.int64],
) -> Recalibration:
    """
    Choose the power for probabilities by answers (temperature scaling, Guo et al. 2017).

    `out_of_fold` (a, K) are the probabilities of answered rows by a model that has not seen them,
    `labels` and `weights` (a,) the answers, `fold` (a,) the folds. The power of each fold is learnt
    on the others; only when that lowers the log loss are the probabilities raised at all, to the
    power under which all answers are likeliest.
    """
    gain = np.zeros(len(labels))
    for held in np.unique(fold):
        rows = fold == held
        power = best_power(out_of_fold[~rows], labels[~rows], weights[~rows])
        before = _log_loss(out_of_fold[rows], labels[rows])
        gain[rows] = before - _log_loss(temper(out_of_fold[rows], power), labels[rows])
    mean, error = weighted_mean(gain, weights)
    return Recalibration(best_power(out_of_fold, labels, weights) if mean > 0 else 1.0, mean, error)


def best_power(probability: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    """Return the power under which answers are likeliest; a penalty of two keeps it near 1."""

    def cost(power: float) -> float:
        loss = _log_loss(temper(probability, power), labels)
        return float((weights * loss).sum()) + 2 * float(np.log(power)) ** 2

    return min(POWERS, key=cost)


def _log_loss(probability: Floats, labels: NDArray[np.int64]) -> Floats:
    own = probability[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(own, _LEAST)))
