"""Drift: heuristics that do on this period's new rows what they did not do on earlier ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Measure = Literal["vote rate", "agreement", "conflict"]

PERIODS = 12
"""How many earlier periods a new one is compared with, at most."""

_FALSE_ALARMS = 0.01
"""Per heuristic and period; each of the three measures may use up a third of it."""

_USUAL = 0.1
"""Standard deviation, in log-odds, that periods are taken to have among each other before they are
seen: 2.5 points at one half, 1.3 at 85 %, a tenth of a rare heuristic's rate."""

_WORTH = 10.0
"""How many periods that assumption counts for."""

_FLOOR = 0.3
"""A share whose log-odds moved less has not drifted, however sure that is: 7 points at one half, 4
at 85 %, a third of a rare heuristic's rate."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What every heuristic did on some rows; the tallies of several partitions add up."""

    rows: int
    votes: tuple[int, ...]
    """One per heuristic, like all that follows."""
    accompanied: tuple[int, ...]
    """Votes on rows where another heuristic votes too."""
    agreeing: tuple[float, ...]
    """Of those: the sum of the shares of the other votes that say the same."""
    conflicts: tuple[int, ...]
    """Votes on rows where another heuristic votes for another class."""

    def __add__(self, other: Tally) -> Tally:
        def added(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(a + b for a, b in zip(first, second, strict=True))

        return Tally(
            self.rows + other.rows,
            added(self.votes, other.votes),
            added(self.accompanied, other.accompanied),
            added(self.agreeing, other.agreeing),
            added(self.conflicts, other.conflicts),
        )

    def shares(self) -> tuple[Floats, Floats]:
        """Return successes and trials of the three measures, each of shape (3, m)."""
        rows = np.full(len(self.votes), self.rows)
        successes = np.array([self.votes, self.agreeing, self.conflicts], dtype=np.float64)
        return successes, np.array([rows, self.accompanied, rows], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Drift:
    """The measure of a heuristic that moved most between the earlier periods and this one."""

    heuristic: str
    measure: Measure
    before: float
    """The share in the earlier periods."""
    now: float
    """The share on this period's new rows."""
    trials: int
    """New rows, or votes on new rows, behind `now`."""
    periods: int
    """Earlier periods behind `before`."""
    score: float
    """How far it moved, in units of what is still taken for chance or too small to matter."""

    @property
    def drifts(self) -> bool:
        """Whether the heuristic has drifted."""
        return self.score >= 1

    def sentence(self) -> str:
        """Return what moved, in words."""
        what = {
            "vote rate": f"its vote rate went from {self.before:.1%} to {self.now:.1%} on "
            f"{self.trials:,} new rows",
            "agreement": f"its agreement with the rest went from {self.before:.1%} to "
            f"{self.now:.1%} on {self.trials:,} new votes",
            "conflict": f"its conflict went from {self.before:.1%} to {self.now:.1%} of "
            f"{self.trials:,} new rows",
        }[self.measure]
        return f"{self.heuristic} drifts: {what}."

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def tally(votes: NDArray[np.signedinteger], counts: NDArray[np.int64], classes: int) -> Tally:
    """
    Count what heuristics did on distinct rows of votes, shape (n, m), occurring `counts` times.

    A vote agrees with the rest as far as the other votes on its row say the same.
    """
    by_class = np.zeros((classes, len(votes)), dtype=np.int16)
    cast = [np.flatnonzero(column >= 0) for column in votes.T]
    for column, rows in zip(votes.T, cast, strict=True):
        by_class[column[rows], rows] += 1
    all_votes = by_class.sum(axis=0, dtype=np.int16)
    found: list[tuple[int, int, float, int]] = []
    for column, rows in zip(votes.T, cast, strict=True):
        others = all_votes[rows] - 1
        together = others > 0
        others, rows_together = others[together], rows[together]
        same = by_class[column[rows_together], rows_together] - 1
        weights = counts[rows_together]
        found.append(
            (
                int(counts[rows].sum()),
                int(weights.sum()),
                float((weights * (same / others)).sum()),
                int(weights[same < others].sum()),
            )
        )
    cast_votes, accompanied, agreeing, conflicts = zip(*found, strict=True) if found else ((),) * 4
    return Tally(int(counts.sum()), cast_votes, accompanied, agreeing, conflicts)


def find_drift(
    heuristics: Sequence[str],
    tallies: Mapping[str, Tally],
    period: str,
    since: Mapping[str, str],
) -> tuple[Drift, ...]:
    """
    Compare this period's new rows with those of up to twelve earlier periods, per heuristic.

    `tallies` are those of the rows that first appeared in each period; `since` names the period
    from which a heuristic is compared, where it drifted before. Returns one `Drift` for each
    heuristic that can be compared, drifting or not.

    The test is a control chart for shares that respects large numbers (Laney 2002, p'-chart):
    shares are put on the arcsine scale, on which their sampling variance is 1/n (Anscombe 1948),
    and a new period is judged by how far the earlier ones lie apart, not by sampling alone. That
    spread is learnt from few periods, so it is moderated by an assumed one and judged by Student's
    t (as in Smyth 2004). A move counts only beyond an effect size in log-odds besides.
    """
    earlier = sorted(name for name in tallies if name < period)[-PERIODS:]
    if period not in tallies or not earlier:
        return ()
    pairs = [tallies[name].shares() for name in earlier]
    successes, trials = (np.stack(part) for part in zip(*pairs, strict=True))
    counted = np.array([[name >= since.get(h, "") for h in heuristics] for name in earlier])
    now, of = tallies[period].shares()
    score, before, periods = _compare(successes, trials * counted[:, None, :], now, of)
    found = []
    for place, name in enumerate(heuristics):
        worst = int(score[:, place].argmax())
        if not periods[:, place].any() or not of[:, place].any():
            continue
        found.append(
            Drift(
                name,
                get_args(Measure)[worst],
                float(before[worst, place]),
                float(now[worst, place] / max(of[worst, place], 1)),
                int(of[worst, place]),
                int(periods[worst, place]),
                round(float(score[worst, place]), 4),
            )
        )
    return tuple(found)


def _compare(
    successes: Floats, trials: Floats, now: Floats, of: Floats
) -> tuple[Floats, Floats, Floats]:
    """
    Return score, earlier share and number of periods of every measure and heuristic, each (3, m).

    `successes` and `trials` have shape (h, 3, m) for h earlier periods; one without trials does not
    count.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  takes long to import

    there = trials > 0
    periods = there.sum(axis=0)
    share = ((successes * there).sum(axis=0) + 0.5) / (trials.sum(axis=0) + 1)
    # a standard deviation in log-odds is so much on the arcsine scale
    usual = _USUAL**2 * share * (1 - share)
    angles = _angle(successes * there, trials)
    weights = np.where(there, 1 / (usual + 1 / (trials + 0.5)), 0.0)
    weight = np.maximum(weights.sum(axis=0), 1e-12)
    centre = (weights * angles).sum(axis=0) / weight
    freedom = _WORTH + np.maximum(periods - 1, 0)
    apart = (weights * (angles - centre) ** 2).sum(axis=0)
    spread = (_WORTH + apart) / freedom
    error = np.sqrt(spread * (usual + 1 / (of + 0.5) + 1 / weight))
    limit = stdtrit(freedom, 1 - _FALSE_ALARMS / 6)
    beyond_chance = np.abs(_angle(now, of) - centre) / (error * limit)
    before = np.sin(centre / 2) ** 2
    moved = np.abs(_log_odds(now, of) - _log_odds(before * of, of))
    comparable = (periods > 0) & (of > 0)
    score = np.where(comparable, np.minimum(beyond_chance, moved / _FLOOR), 0.0)
    return score, before, periods


def _angle(successes: Floats, trials: Floats) -> Floats:
    """Return shares on the scale where their sampling variance is 1 / (n + 1/2)."""
    return np.asarray(2 * np.arcsin(np.sqrt((successes + 0.375) / (trials + 0.75))))


def _log_odds(successes: Floats, trials: Floats) -> Floats:
    return np.asarray(np.log((successes + 0.5) / (trials - successes + 0.5)))
