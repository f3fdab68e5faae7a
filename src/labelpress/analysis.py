"""
What heuristics do on rows: coverage, overlap, conflict, accuracy, cost and example rows.

The statistics are those of Snorkel's `LFAnalysis`: all are shares of all rows, so a heuristic's
conflict is at most its overlap, which is at most its coverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN, Classes
from labelpress.errors import HeuristicError
from labelpress.heuristics.casting import cast_cells
from labelpress.heuristics.definitions import Definition, Heuristic
from labelpress.heuristics.loading import labels_of, unbundled
from labelpress.vote_counts import VoteCounts, count_votes
from labelpress.votes import Patterns, Votes, count_patterns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelpress.heuristics.isolation import Sandbox

EXAMPLES = 3
"""Example rows shown of each heuristic."""
Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


@dataclass(frozen=True, slots=True)
class HeuristicStats:
    """One heuristic's statistics on some rows."""

    name: str
    polarity: tuple[int, ...]
    """Codes of the classes it voted for, ascending."""
    votes: int
    coverage: float
    """Share of rows with its vote."""
    overlap: float
    """Share of rows where it votes and at least one other does."""
    conflict: float
    """Share of rows where it votes and another votes otherwise."""
    correct: int | None = None
    """Votes that equal the known class; None where none of its votes met a known class."""
    incorrect: int | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    """Wilson's 95 % interval of the accuracy."""
    accuracy_high: float | None = None
    faults: int = 0
    """Rows on which it raised."""
    first_fault: str | None = None
    seconds_per_million_rows: float | None = None
    examples: tuple[int, ...] = ()
    """Positions of a few rows that it votes on, spread over the frame."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The statistics of all heuristics on a frame."""

    rows: int
    coverage: float
    """Share of rows with at least one vote."""
    overlap: float
    """Share of rows with at least two votes."""
    conflict: float
    """Share of rows with two different votes."""
    classes: Classes
    heuristics: tuple[HeuristicStats, ...]

    def table(self) -> pl.DataFrame:
        """Return one row per heuristic, with class names in place of codes."""
        rows = [
            {
                "name": stats.name,
                "polarity": [self.classes.names[code] for code in stats.polarity],
                "coverage": stats.coverage,
                "overlap": stats.overlap,
                "conflict": stats.conflict,
                "correct": stats.correct,
                "incorrect": stats.incorrect,
                "accuracy": stats.accuracy,
                "accuracy_low": stats.accuracy_low,
                "accuracy_high": stats.accuracy_high,
                "faults": stats.faults,
                "seconds_per_million_rows": stats.seconds_per_million_rows,
                "examples": list(stats.examples),
            }
            for stats in self.heuristics
        ]
        return pl.DataFrame(rows, schema=_SCHEMA)


_SCHEMA: dict[str, Any] = {
    "name": pl.String,
    "polarity": pl.List(pl.String),
    "coverage": pl.Float64,
    "overlap": pl.Float64,
    "conflict": pl.Float64,
    "correct": pl.Int64,
    "incorrect": pl.Int64,
    "accuracy": pl.Float64,
    "accuracy_low": pl.Float64,
    "accuracy_high": pl.Float64,
    "faults": pl.Int64,
    "seconds_per_million_rows": pl.Float64,
    "examples": pl.List(pl.Int64),
}


def heuristic_table(patterns: Patterns, names: Sequence[str]) -> tuple[HeuristicStats, ...]:
    """
    Return each heuristic's statistics from vote patterns and their counts.

    Without rows every share is 0.
    """
    return _table(count_votes(patterns, int(patterns.votes.max(initial=0)) + 1), names)


def _table(counts: VoteCounts, names: Sequence[str]) -> tuple[HeuristicStats, ...]:
    rows = max(int(counts.rows[0]), 1)
    return tuple(
        HeuristicStats(
            name=name,
            polarity=tuple(np.flatnonzero(counts.cast[place]).tolist()),
            votes=int(counts.cast[place].sum()),
            coverage=int(counts.cast[place].sum()) / rows,
            overlap=int(counts.overlap[place]) / rows,
            conflict=int(counts.conflict[place]) / rows,
        )
        for place, name in enumerate(names)
    )


def summarize(counts: VoteCounts, names: Sequence[str], classes: Classes) -> Analysis:
    """Return the statistics of a whole set of heuristics from vote counts."""
    rows, covered, overlapped, disputed = counts.rows.tolist()
    return Analysis(
        rows=rows,
        coverage=covered / max(rows, 1),
        overlap=overlapped / max(rows, 1),
        conflict=disputed / max(rows, 1),
        classes=classes,
        heuristics=_table(counts, names),
    )


def analyze(
    frame: pl.DataFrame,
    heuristics: Sequence[Heuristic] | Mapping[str, Definition] | ModuleType,
    gold: str | Sequence[Any] | pl.Series | NDArray[Any] | None = None,
    *,
    classes: Classes | Sequence[str] | None = None,
    sandbox: Sandbox | None = None,
) -> Analysis:
    """
    Cast heuristics on a frame and return what they do.

    `heuristics` are those of a loaded project, a mapping from name to heuristic, or a module.
    `gold` names a column of the frame, which the heuristics then do not see, or gives one class
    name or code per row; null and -1 are unknown. Without `classes` they are the labels that the
    heuristics state and the gold holds, sorted. With a `sandbox`, Python heuristics of a project
    run under its limits. Raises `HeuristicError` as `cast` does.
    """
    if isinstance(gold, str):
        gold_values: Any = frame[gold]
        frame = frame.drop(gold)
    else:
        gold_values = gold
    known = _classes(heuristics, gold_values, classes)
    loaded = _loaded(heuristics, known)
    outcome = cast_cells(frame, loaded, known, sandbox=sandbox)
    if outcome.failures:
        raise HeuristicError(" ".join(failure.reason for failure in outcome.failures))
    votes = outcome.votes
    truth = None if gold_values is None else _gold_codes(gold_values, known, frame.height)
    analysis = summarize(
        count_votes(count_patterns(votes.matrix), len(known)), votes.heuristics, known
    )
    return replace(
        analysis,
        heuristics=tuple(
            replace(_measured(stats, votes, place, truth), first_fault=outcome.first_faults[place])
            for place, stats in enumerate(analysis.heuristics)
        ),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # at the ends the formula is exact but for rounding
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == trials else centre + half


def _measured(
    stats: HeuristicStats, votes: Votes, place: int, truth: NDArray[np.int64] | None
) -> HeuristicStats:
    """Add what only rows can tell: accuracy, faults, time and examples."""
    codes = votes.matrix[:, place]
    rows = np.flatnonzero(codes != ABSTAIN)
    picked = (
        np.unique(np.linspace(0, len(rows) - 1, EXAMPLES).round().astype(int))
        if len(rows)
        else np.empty(0, int)
    )
    stats = replace(
        stats,
        faults=votes.faults[place],
        seconds_per_million_rows=votes.seconds[place] / max(len(codes), 1) * 1e6,
        examples=tuple(int(row) for row in rows[picked]),
    )
    if truth is None:
        return stats
    judged = rows[truth[rows] != ABSTAIN]
    if len(judged) == 0:
        return stats
    correct = int((codes[judged] == truth[judged]).sum())
    low, high = wilson(correct, len(judged))
    return replace(
        stats,
        correct=correct,
        incorrect=len(judged) - correct,
        accuracy=correct / len(judged),
        accuracy_low=low,
        accuracy_high=high,
    )


def _classes(
    heuristics: Sequence[Heuristic] | Mapping[str, Definition] | ModuleType,
    gold: Any,
    classes: Classes | Sequence[str] | None,
) -> Classes:
    if isinstance(classes, Classes):
        return classes
    if classes is not None:
        return Classes(tuple(classes))
    definitions = (
        [value for value in _attributes(heuristics).values() if isinstance(value, Definition)]
        if isinstance(heuristics, Mapping | ModuleType)
        else [heuristic.definition for heuristic in heuristics]
    )
    names = {label for definition in definitions for label in labels_of(definition)}
    if gold is not None:
        names |= {value for value in pl.Series(gold).unique().to_list() if isinstance(value, str)}
    if not names:
        raise HeuristicError("analyze: give classes=[...], since no heuristic states a label.")
    return Classes(tuple(sorted(names)))


def _loaded(
    heuristics: Sequence[Heuristic] | Mapping[str, Definition] | ModuleType, classes: Classes
) -> tuple[Heuristic, ...]:
    if isinstance(heuristics, Mapping | ModuleType):
        return unbundled(_attributes(heuristics), classes)
    return tuple(heuristics)


def _attributes(heuristics: Mapping[str, Any] | ModuleType) -> Mapping[str, Any]:
    return vars(heuristics) if isinstance(heuristics, ModuleType) else heuristics


def _gold_codes(gold: Any, classes: Classes, rows: int) -> NDArray[np.int64]:
    values = pl.Series(gold).to_list()
    if len(values) != rows:
        raise HeuristicError(f"analyze: gold has {len(values)} values for {rows} rows.")
    return np.array(
        [
            ABSTAIN if value is None else classes.code(value) if isinstance(value, str) else value
            for value in values
        ],
        dtype=np.int64,
    )
