"""The sweep: whether more program labels still help the end model, or fewer and surer ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from labelpress.answer_weights import weighted_mean
from labelpress.end_model.evaluation import wilson_interval
from labelpress.end_model.mixes import confidence_of, fit_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Learner, Lesson
    from labelpress.end_model.softmax import Floats, Matrix

FEWEST_JUDGES: Final = 50
"""Rows with a known class below which the points could not be told apart."""
LARGEST_FIT: Final = 100_000
"""Rows of the largest model fitted for the sweep alone; the end model itself is its last point."""
_SMALLEST: Final = 250
_FACTOR: Final = 4
_SHARES: Final = (1.0, 0.75, 0.5)
"""Of the program labels, the surest; tried at one size."""

SweepVerdict = Literal["helps", "makes no difference", "hurts", "unknown"]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """A model of some program labels, judged on rows whose class is known."""

    rows: int
    """Program-labelled rows that it learnt from."""
    share: float
    """The share of the rows drawn that was kept, the surest; 1 where all were."""
    cut: float
    """The confidence below which program labels were left out."""
    accuracy: float
    low: float
    """Wilson's 95 % interval of the accuracy."""
    high: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """What more, and what surer, program labels do to the end model."""

    points: tuple[SweepPoint, ...]
    """First by rows at share 1, then by share at one size."""
    judged_on: str
    """`answers` or `test set`."""
    judges: int
    """Rows that judged."""
    quantity: SweepVerdict
    """What the last fourfold of rows did to the log loss, beyond its standard error."""
    quality: SweepVerdict
    """Whether leaving the unsure half out helps or hurts, in the same sense."""

    @property
    def sentence(self) -> str:
        """Say both in words."""
        by_rows = [point for point in self.points if point.share == 1.0]
        more = f"More program labels: {self.quantity}"
        if len(by_rows) > 1:
            before, last = by_rows[-2], by_rows[-1]
            more += (
                f" (from {before.rows:,} to {last.rows:,} rows, accuracy {before.accuracy:.1%} to "
                f"{last.accuracy:.1%}, log loss {before.log_loss:.3f} to {last.log_loss:.3f})"
            )
        return f"{more}. Leaving the unsure half out: {self.quality}."


@dataclass(frozen=True, slots=True)
class Judges:
    """Rows whose class is known and that taught no program model."""

    X: Matrix
    codes: NDArray[np.int64]
    importance: Floats
    name: str
    """`answers` or `test set`."""


def sizes(rows: int) -> tuple[int, ...]:
    """Return the numbers of rows to try, each a fourth of the next, without the last: all rows."""
    tried = []
    size = rows // _FACTOR
    while size >= _SMALLEST:
        if size <= LARGEST_FIT:
            tried.append(size)
        size //= _FACTOR
    return tuple(reversed(tried))


def sweep(lesson: Lesson, judges: Judges, seed: int, base: Learner | None = None) -> Sweep | None:
    """
    Fit on ever more program labels, and on the surest ones, and judge each.

    The rows are nested: a larger draw holds the smaller ones. `base`, which learnt from all of
    them, is the last point without being fitted again. None where fewer than 50 rows judge or too
    few program labels are there.
    """
    rows = lesson.unanswered
    tried = sizes(len(rows))
    if len(judges.codes) < FEWEST_JUDGES or not tried:
        return None
    drawn = np.random.default_rng(seed).permutation(rows)
    confidence = confidence_of(lesson.program)
    losses: dict[tuple[int, float], Floats] = {}
    points: list[SweepPoint] = []

    def judge(learner: Learner, taught: int, share: float, cut: float) -> None:
        said = learner.log_proba(judges.X)
        loss = -said[np.arange(len(judges.codes)), judges.codes]
        right = said.argmax(axis=1) == judges.codes
        low, high = wilson_interval(int(right.sum()), len(right))
        losses[taught, share] = loss
        points.append(
            SweepPoint(
                rows=taught,
                share=share,
                cut=cut,
                accuracy=float(np.average(right, weights=judges.importance)),
                low=low,
                high=high,
                log_loss=float(np.average(loss, weights=judges.importance)),
            )
        )

    for size in tried:
        judge(fit_program(lesson, np.sort(drawn[:size])), size, 1.0, 0.0)
    if base is not None:
        judge(base, len(rows), 1.0, 0.0)
    some = np.sort(drawn[: tried[-1]])
    for share in _SHARES[1:]:
        cut = float(np.quantile(confidence[some], 1 - share))
        sure = some[confidence[some] >= cut]
        judge(fit_program(lesson, sure), len(sure), share, cut)
    by_rows = [(point.rows, point.share) for point in points if point.share == 1.0]
    halved = (points[-1].rows, points[-1].share)
    return Sweep(
        points=tuple(points),
        judged_on=judges.name,
        judges=len(judges.codes),
        quantity=_verdict(losses[by_rows[-2]], losses[by_rows[-1]], judges.importance)
        if len(by_rows) > 1
        else "unknown",
        quality=_verdict(losses[tried[-1], 1.0], losses[halved], judges.importance),
    )


def _verdict(before: Floats, after: Floats, importance: Floats) -> SweepVerdict:
    """Say what a change did to the losses of the same rows, beyond its standard error."""
    gain, error = weighted_mean(before - after, importance)
    if gain > error:
        return "helps"
    return "hurts" if gain < -error else "makes no difference"
