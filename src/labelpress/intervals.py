"""Intervals for a share seen in a number of draws."""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri


def wilson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (1927) for a share of `n` draws; n need not be whole."""
    z = float(ndtri(0.5 + level / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(right: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Clopper and Pearson's exact interval (1934) for `right` of `n` draws."""
    tail = (1 - level) / 2
    low = float(betaincinv(right, n - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - tail)) if right < n else 1.0
    return low, high
