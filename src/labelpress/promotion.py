"""Promotion: whether a newly trained end model takes the champion's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST: Final = 50
"""Rows below which two models are not compared."""
_NORMAL_95: Final = 1.959963984540054

PromotionDecision = Literal["promote", "keep", "unknown"]


@dataclass(frozen=True, slots=True)
class PromotionVerdict:
    """Who serves from now on, and why."""

    decision: PromotionDecision
    reason: str
    """A sentence with the figures."""
    difference: float | None = None
    """Challenger's accuracy minus champion's; None where they were not compared."""
    low: float | None = None
    """95 % interval of the difference, paired by row."""
    high: float | None = None


def compare(
    champion_correct: NDArray[np.bool_] | None,
    challenger_correct: NDArray[np.bool_],
    margin: float,
    best_so_far: float | None = None,
    prior: float | None = None,
) -> PromotionVerdict:
    """
    Decide between champion and challenger by the rows that each gets right.

    Both arrays, shape (n,), are about the same rows in the same order; `champion_correct` is None
    where nothing serves yet, and empty where the champion cannot be judged on these rows. The
    challenger is kept back where the whole paired interval lies below -`margin`, or where its
    accuracy is more than `margin` below `best_so_far`, the best that any champion reached on the
    same rows: without that, a loss within the margin each week would add up. The first model must
    beat `prior`, the accuracy of always naming the most frequent class. Below 50 rows: unknown.
    """
    rows = len(challenger_correct)
    if rows == 0:
        return PromotionVerdict("unknown", "no row judges the challenger")
    accuracy = float(np.mean(challenger_correct))
    if champion_correct is None:
        return _first(accuracy, rows, 0.0 if prior is None else prior)
    if len(champion_correct) == 0:
        return PromotionVerdict("unknown", "the champion cannot be judged on the same rows")
    if len(champion_correct) != rows:
        raise LabelpressError(
            f"the champion was judged on {len(champion_correct)} rows and the challenger on "
            f"{rows}; a paired comparison needs the same rows."
        )
    return _later(champion_correct, challenger_correct, margin, best_so_far)


def paired_interval(
    before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """
    Return the difference of two accuracies on the same rows and its 95 % interval.

    Agresti and Min's adjusted Wald interval for matched pairs (Statistics in Medicine 24, 2005):
    half a row is added to each of the four cells, so that few disagreements do not look certain.
    """
    gained = int(np.sum(after & ~before))
    lost = int(np.sum(before & ~after))
    rows, total = len(before), len(before) + 2
    up, down = (gained + 0.5) / total, (lost + 0.5) / total
    middle = up - down
    half = _NORMAL_95 * float(np.sqrt((up + down - middle**2) / total))
    return (gained - lost) / rows, max(-1.0, middle - half), min(1.0, middle + half)


def _first(accuracy: float, rows: int, prior: float) -> PromotionVerdict:
    against = f"{accuracy:.1%} on {rows} rows; always naming the commonest class gives {prior:.1%}"
    if accuracy > prior:
        return PromotionVerdict("promote", f"the first model beats the class prior: {against}")
    return PromotionVerdict("keep", f"the first model does not beat the class prior: {against}")


def _later(
    champion_correct: NDArray[np.bool_],
    challenger_correct: NDArray[np.bool_],
    margin: float,
    best_so_far: float | None,
) -> PromotionVerdict:
    rows, accuracy = len(challenger_correct), float(np.mean(challenger_correct))
    difference, low, high = paired_interval(champion_correct, challenger_correct)
    figures = (
        f"{accuracy:.1%} against {np.mean(champion_correct):.1%} on {rows} rows, difference "
        f"{difference:+.1%} ({low:+.1%} to {high:+.1%})"
    )
    decision: PromotionDecision
    if rows < FEWEST:
        decision = "unknown"
        reason = f"only {rows} rows judge both models, {FEWEST} are needed: {figures}"
    elif high < -margin:
        decision = "keep"
        reason = (
            f"worse than the champion that serves, beyond the margin of {margin:.1%}: {figures}"
        )
    # The tolerance keeps a loss of exactly the margin on the right side of rounding.
    elif best_so_far is not None and accuracy < best_so_far - margin - 1e-9:
        decision = "keep"
        reason = f"more than {margin:.1%} below the best so far, {best_so_far:.1%}: {figures}"
    else:
        decision = "promote"
        reason = (
            f"not worse than the champion before it beyond the margin of {margin:.1%}: {figures}"
        )
    return PromotionVerdict(decision, reason, difference, low, high)
