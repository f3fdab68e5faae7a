"""Certified accuracy: the share of labelled rows whose label is right, with an interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import chdtrc

from labelpress.errors import LabelpressError
from labelpress.intervals import clopper_pearson, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Status = Literal["certified", "approximate", "not certified", "uncertified"]
Standing = Literal[Status, "too few audits"]
Method = Literal["prediction-powered Wilson", "exact", "worst case", "none"]

FEWEST_RESERVED = 10
"""With fewer reserved audits a cross-fitted interval is shown, as approximate, if there is one; and
nothing is called certified."""

_FEWEST_FOR_WILSON = 30
"""With fewer audits the exact interval is used."""

_FEWEST_PER_COHORT = 10
"""A cohort with fewer audits is pooled with its neighbour."""

_CLEARLY = 2.58
"""Standard errors by which a slope must differ from 1: chance does it once in a hundred audits."""

_CHANCE = 0.001
"""Audits spread over the cohorts so unevenly that chance does it this rarely were not uniform."""

_WIDE = 0.1
"""An interval wider than this is called wide wherever it is shown."""

_LEAST_RESPONSE = 0.8
"""Below this share of answered audits, those who did not answer could decide the accuracy."""


@dataclass(frozen=True, slots=True)
class CohortConfidence:
    """What is known of every labelled row of a cohort: how sure the label model is."""

    rows: int
    """Labelled rows."""
    confidence_sum: float
    """Sum of the probability of the row's own label."""
    confidence_sumsq: float
    """Sum of its square."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """An accuracy one can sign, or the reason why not."""

    estimate: float | None
    low: float
    high: float
    audits: int
    """Answered audits of labelled rows."""
    response_rate: float | None
    """Answered over asked; None where nothing was asked."""
    method: Method
    status: Status
    width_vs_wilson: float | None
    """Width over that of Wilson's interval on the same audits."""

    @property
    def wide(self) -> bool:
        """Whether the interval is too wide to praise anything: more than ten points."""
        return self.high - self.low > _WIDE

    @property
    def standing(self) -> Standing:
        """What may be said of it: the status, but of a handful of audits never `certified`."""
        few = self.status == "certified" and self.audits < FEWEST_RESERVED
        return "too few audits" if few else self.status

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Certificate:
        """Read what `to_json` wrote."""
        return Certificate(**data)


def certify(
    correct: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    cohorts: NDArray[np.str_],
    population: Mapping[str, CohortConfidence],
    asked: Mapping[str, int] | int,
    *,
    level: float = 0.95,
    reserved: bool = True,
) -> Certificate:
    """
    Return the accuracy of a label set with its interval, from audits that taught nothing.

    `correct` (a,) says whether the published label of an audited row is right, `confidence` (a,)
    is the label model's probability of that label, `cohorts` (a,) the row's cohort; `population`
    sums the confidence over all labelled rows of each cohort; `asked` counts the audits put before
    experts, answered or not. Pass `reserved=False` where the audits also taught the model
    and everything was cross-fitted: the result is then at best `approximate`.

    The estimate is prediction-powered (Angelopoulos et al. 2023; its weight as in PPI++,
    Angelopoulos, Duchi and Zrnic 2023, but 1 unless the audits clearly ask for another), that is,
    the difference estimator of survey sampling (Cochran 1977, chapter 7): the mean over the audits,
    corrected by how far their confidence is from that of all rows, cohort by cohort. Its interval
    has Wilson's form (1927), because the normal form undercovers near 1: the audits count for
    1 / (1 - R2) as many, R2 being the share of the variance of correctness that confidence
    explains. With fewer than 30 audits, no error or only errors
    it is Clopper and Pearson's exact one (1934). When fewer than 80 % of the audits were answered,
    the rest is taken as all wrong for the lower end and all right for the upper one.

    Raises `LabelpressError` where the arrays do not fit together or a cohort is not known.
    """
    put = asked if isinstance(asked, int) else sum(asked.values())
    if put < 0:
        raise LabelpressError(f"certify: asked is {put}; count the audits put, answered or not.")
    response = min(1.0, len(correct) / put) if put else None
    return certify_part(
        correct, confidence, cohorts, population, response, level=level, reserved=reserved
    )


def certify_part(
    correct: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    cohorts: NDArray[np.str_],
    population: Mapping[str, CohortConfidence],
    response: float | None,
    *,
    level: float = 0.95,
    reserved: bool = True,
) -> Certificate:
    """
    Do what `certify` does where the share of answered audits is known instead of their number.

    A part of the labels (a class, a slice) takes that of all: where a silent row would have
    belonged is not known.
    """
    _check(correct, confidence, cohorts, population, level)
    audits = len(correct)
    if audits == 0:
        return Certificate(None, 0.0, 1.0, 0, response, "none", "uncertified", None)
    groups = _pool(population, cohorts)
    plain = wilson(float(correct.mean()), audits, level)
    estimate, low, high, method = _interval(correct, confidence, groups, cohorts, level)
    status: Status = "certified" if reserved else "approximate"
    if response is None or response < _LEAST_RESPONSE:
        answered = response or 0.0
        low, high = answered * low, answered * high + 1 - answered
        method, status = "worst case", "not certified"
    return Certificate(
        estimate=estimate,
        low=low,
        high=high,
        audits=audits,
        response_rate=response,
        method=method,
        status=status,
        width_vs_wilson=(high - low) / (plain[1] - plain[0]),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Cohorts that are estimated together."""

    names: tuple[str, ...]
    share: float
    """Of the labelled rows."""
    confidence: float
    """Mean over its labelled rows."""


def _interval(
    correct: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    groups: list[_Group],
    cohorts: NDArray[np.str_],
    level: float,
) -> tuple[float, float, float, Method]:
    """Return estimate, lower and upper end, and the method they come from."""
    audits = len(correct)
    share, effective, base = _stratified(correct, cohorts, groups)
    if audits < _FEWEST_FOR_WILSON or correct.all() or not correct.any():
        low, high = clopper_pearson(share * effective, effective, level)
        return share, low, high, "exact"
    residual, spread, gap = np.empty(audits), np.empty(audits), 0.0
    for group in groups:
        rows = np.isin(cohorts, group.names)
        if not rows.any():
            continue
        residual[rows] = correct[rows] - correct[rows].mean()
        spread[rows] = confidence[rows] - confidence[rows].mean()
        gap += group.share * (group.confidence - confidence[rows].mean())
    slope, unexplained = _explain(residual, spread)
    low, high = wilson(base, effective / unexplained, level)
    shift = share - base + slope * gap
    estimate = min(1.0, max(0.0, base + shift))
    return estimate, max(0.0, low + shift), min(1.0, high + shift), "prediction-powered Wilson"


def _explain(residual: NDArray[np.float64], spread: NDArray[np.float64]) -> tuple[float, float]:
    """
    Return the slope of correctness on confidence and the share of its variance left unexplained.

    The slope is 1, what it is for calibrated probabilities, unless the audits clearly say
    otherwise. Fitting it always (the tuned weight of PPI++) undercovers where errors are rare: of
    200 audits at 98 % three or four decide it, and 90 % of the intervals held the truth, not 95.
    """
    audits = len(residual)
    moved, total = float((spread**2).sum()), float((residual**2).sum())
    if moved <= 0 or total <= 0:
        return 0.0, 1.0
    fitted = float((residual * spread).sum()) / moved
    # the largest of three variances of the slope: two robust (White 1980), one plain
    calibrated = residual - spread
    variance = max(
        float(((residual - fitted * spread) ** 2 * spread**2).sum()) / moved**2,
        float((calibrated**2 * spread**2).sum()) / moved**2,
        float((calibrated**2).sum()) / audits / moved,
    )
    tuned = abs(fitted - 1) > _CLEARLY * math.sqrt(variance)
    slope = fitted if tuned else 1.0
    left = float(((residual - slope * spread) ** 2).sum()) / total
    # a slope that was fitted costs one more degree of freedom than the mean alone
    left *= (audits - 1) / (audits - 1 - tuned)
    return (slope, left) if left < 1 else (0.0, 1.0)


def _stratified(
    correct: NDArray[np.bool_], cohorts: NDArray[np.str_], groups: list[_Group]
) -> tuple[float, float, float]:
    """
    Return the accuracy weighted by cohort, how many uniform draws the audits equal, and a base.

    The base is the share from which the width follows. Where the audits are spread over the
    cohorts as chance would spread uniform draws, weighting costs one draw per further cohort at
    most (Cochran 1977, section 5A.9) and the base is the plain share; else both are weighted.
    """
    audits = len(correct)
    rows = [np.isin(cohorts, group.names) for group in groups]
    drawn = np.array([int(mask.sum()) for mask in rows])
    present = drawn > 0
    weight = np.array([group.share for group in groups])[present]
    weight /= weight.sum()
    shares = np.array([correct[mask].mean() for mask in rows if mask.any()])
    share, drawn = float(weight @ shares), drawn[present]
    effective = float(1 / (weight**2 / drawn).sum())
    expected = audits * weight
    further = len(weight) - 1
    unevenness = float(((drawn - expected) ** 2 / expected).sum())
    if further and float(chdtrc(further, unevenness)) < _CHANCE:
        return share, effective, share
    return share, max(effective, audits / (1 + further / audits)), float(correct.mean())


def _pool(population: Mapping[str, CohortConfidence], audited: NDArray[np.str_]) -> list[_Group]:
    """Join neighbouring cohorts (in order of name, so of period) until each has enough audits."""
    present = [name for name in sorted(population) if population[name].rows > 0]
    total = sum(population[name].rows for name in present)
    names: list[list[str]] = [[]]
    for name in present:
        names[-1].append(name)
        if np.isin(audited, names[-1]).sum() >= _FEWEST_PER_COHORT:
            names.append([])
    last = names.pop()
    if names:
        names[-1].extend(last)
    else:
        names = [last]
    groups = []
    for joined in names:
        rows = sum(population[name].rows for name in joined)
        confidence = sum(population[name].confidence_sum for name in joined)
        groups.append(_Group(tuple(joined), rows / total, confidence / rows))
    return groups


def _check(
    correct: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    cohorts: NDArray[np.str_],
    population: Mapping[str, CohortConfidence],
    level: float,
) -> None:
    """Refuse audits that cannot belong to this population."""
    if not 0 < level < 1:
        raise LabelpressError(f"certify: level {level} is no share between 0 and 1, such as 0.95.")
    if correct.dtype != np.bool_:
        raise LabelpressError(
            f"certify: correct is {correct.dtype}, not bool; compare labels with answers, and "
            "leave out rows without an answer."
        )
    if not len(correct) == len(confidence) == len(cohorts):
        raise LabelpressError(
            f"certify: {len(correct)} verdicts, {len(confidence)} confidences and {len(cohorts)} "
            "cohorts; give one of each per audited row."
        )
    wrong = np.flatnonzero(~((confidence >= 0) & (confidence <= 1)))
    if len(wrong):
        raise LabelpressError(
            f"certify: confidence {confidence[wrong[0]]} of audit {wrong[0]} is no probability."
        )
    for cohort in sorted(set(cohorts.tolist())):
        if cohort not in population or population[cohort].rows <= 0:
            raise LabelpressError(
                f"certify: an audit belongs to cohort {cohort!r}, which has no labelled rows; pass "
                "only audits of rows that this version labels."
            )
