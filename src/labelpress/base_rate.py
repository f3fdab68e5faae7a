"""The base rate: the class distribution of the source, measured from audit answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import betaincinv

from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

_ENOUGH = 20
"""A cohort with fewer audit answers is pooled with its neighbour: its own share says too little."""

_UNIFORM_STRENGTH = 1.0
"""The prior counts for one answer in all, split evenly (Perks 1947): with a count per class it
would outweigh the answers where there are many classes."""


@dataclass(frozen=True, slots=True)
class BaseRate:
    """Class shares with their uncertainty, and where they come from."""

    mean: NDArray[np.float64]
    """Shape (K,); sums to one."""
    low: NDArray[np.float64]
    """Lower end of each class's interval, shape (K,)."""
    high: NDArray[np.float64]
    """Upper end of each class's interval, shape (K,)."""
    answers: int
    """Audit answers it rests on."""
    source: Literal["measured", "declared", "uniform"]

    @property
    def assumed(self) -> bool:
        """Whether nobody measured it."""
        return self.source != "measured"

    def contains(self, rates: ArrayLike) -> bool:
        """Return whether every class share of `rates`, shape (K,), lies in its interval."""
        shares = np.asarray(rates)
        return bool(((shares >= self.low) & (shares <= self.high)).all())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; floats survive to the last bit."""
        return {
            "mean": self.mean.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "answers": self.answers,
            "source": self.source,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> BaseRate:
        """Read what `to_json` wrote."""
        return BaseRate(
            np.array(data["mean"], dtype=np.float64),
            np.array(data["low"], dtype=np.float64),
            np.array(data["high"], dtype=np.float64),
            int(data["answers"]),
            data["source"],
        )


def measure_base_rate(
    labels: NDArray[np.integer[Any]],
    cohorts: NDArray[np.str_],
    cohort_rows: Mapping[str, int],
    classes: int,
    declared: Sequence[float] | None,
    *,
    level: float = 0.95,
) -> BaseRate:
    """
    Return the base rate of the source as a posterior, stratified by cohort.

    `labels` (a,) are the class codes of the audit answers, `cohorts` (a,) the cohort of each, and
    `cohort_rows` the rows that each cohort has in the source now. Each cohort has a Dirichlet
    posterior and counts by its rows (post-stratification, Gelman and Little 1997); cohorts with
    fewer than 20 answers are pooled with their neighbours in order of name, which is the order of
    the periods. Answers of cohorts without rows are left out. The interval of a class is that of a
    beta with the posterior's mean and variance. Without any answer the declared base rate is
    returned, or a uniform one, with the interval (0, 1).

    Raises `LabelpressError` for a label that is no class or a declared base rate that is none.
    """
    if len(labels) != len(cohorts):
        raise LabelpressError(
            f"base rate: {len(labels)} audit answers and {len(cohorts)} cohorts; give one for each."
        )
    if len(labels) and not np.issubdtype(labels.dtype, np.integer):
        raise LabelpressError(
            f"base rate: audit answers are {labels.dtype}, not integer class codes; leave out rows "
            "without an answer."
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise LabelpressError(
            f"base rate: audit answers hold class codes {labels.min()} to {labels.max()}, but "
            f"codes are 0 to {classes - 1}."
        )
    present = sorted(cohort for cohort, rows in cohort_rows.items() if rows > 0)
    groups = _pool(present, cohorts)
    counts = [
        np.bincount(labels[np.isin(cohorts, group)], minlength=classes).astype(float)
        for group in groups
    ]
    answers = int(sum(count.sum() for count in counts))
    if answers == 0:
        return _assumed(classes, declared)
    total = sum(cohort_rows[cohort] for cohort in present)
    mean, variance = np.zeros(classes), np.zeros(classes)
    for group, count in zip(groups, counts, strict=True):
        weight = sum(cohort_rows[cohort] for cohort in group) / total
        strength = count.sum() + _UNIFORM_STRENGTH
        share = (count + _UNIFORM_STRENGTH / classes) / strength
        mean += weight * share
        variance += weight**2 * share * (1 - share) / (strength + 1)
    mean /= mean.sum()
    strength = mean * (1 - mean) / variance - 1
    tail = (1 - level) / 2
    low = betaincinv(mean * strength, (1 - mean) * strength, tail)
    high = betaincinv(mean * strength, (1 - mean) * strength, 1 - tail)
    return BaseRate(mean, np.asarray(low), np.asarray(high), answers, "measured")


def _pool(cohorts: Sequence[str], answered: NDArray[np.str_]) -> list[list[str]]:
    """Join neighbouring cohorts until each group has enough answers; a last small one goes back."""
    groups: list[list[str]] = []
    open_group: list[str] = []
    for cohort in cohorts:
        open_group.append(cohort)
        if np.isin(answered, open_group).sum() >= _ENOUGH:
            groups.append(open_group)
            open_group = []
    if open_group and groups:
        groups[-1].extend(open_group)
    elif open_group:
        groups.append(open_group)
    return groups


def _assumed(classes: int, declared: Sequence[float] | None) -> BaseRate:
    """Return the declared or the uniform base rate; any share is possible."""
    low, high = np.zeros(classes), np.ones(classes)
    if declared is None:
        return BaseRate(np.full(classes, 1 / classes), low, high, 0, "uniform")
    rates = np.asarray(declared, dtype=np.float64)
    good = rates.shape == (classes,) and np.isfinite(rates).all() and (rates >= 0).all()
    if not good or abs(rates.sum() - 1) > 1e-6:
        raise LabelpressError(
            f"[classes] base_rate: {list(declared)} must hold {classes} shares of 0 or more, one "
            f"per class in the order of names, that add up to 1."
        )
    return BaseRate(rates / rates.sum(), low, high, 0, "declared")
