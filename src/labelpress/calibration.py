"""Calibration: whether labels of probability 0.8 are right in 80 % of the cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """One line of the reliability table."""

    low: float
    """The confidences from here, inclusive, ..."""
    high: float
    """... to here, exclusive but for 1."""
    audits: int
    confidence: float
    """Their mean: how many labels should be right."""
    accuracy: float
    """How many are."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the published probabilities can be believed."""

    bins: tuple[Bin, ...]
    """Those that hold an audit, the least sure first."""
    error: float | None
    """Expected calibration error: the mean distance of accuracy from confidence, by audits."""
    by_chance: float | None
    """The error that perfectly calibrated probabilities would show on so few audits."""
    reserved: bool
    """False where the audits also taught, and the probabilities were cross-fitted."""

    @property
    def audits(self) -> int:
        """How many audits it rests on."""
        return sum(one.audits for one in self.bins)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Calibration:
        """Read what `to_json` wrote."""
        bins = tuple(Bin(**one) for one in data["bins"])
        return Calibration(**{**data, "bins": bins})


def measure_calibration(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, reserved: bool
) -> Calibration:
    """
    Return the reliability table and the expected calibration error (Naeini et al. 2015).

    `confidence` (a,) is the probability of each audited row's label, `correct` (a,) whether it is
    right. There are ten bins of equal width. What chance alone would give is the mean absolute
    error of a share in the normal approximation; an error near it is no fault of the probabilities.
    """
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins: list[Bin] = []
    error = chance = 0.0
    for number in np.unique(place).tolist():
        inside = place == number
        sure, count = confidence[inside], int(inside.sum())
        mean, right = float(sure.mean()), float(correct[inside].mean())
        bins.append(Bin(number / BINS, (number + 1) / BINS, count, mean, right))
        error += count * abs(right - mean)
        chance += float(np.sqrt(2 / np.pi * (sure * (1 - sure)).sum()))
    if not bins:
        return Calibration((), None, None, reserved)
    audits = len(confidence)
    return Calibration(tuple(bins), error / audits, chance / audits, reserved)
