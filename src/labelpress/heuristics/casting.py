"""
Casting votes: the heuristics of a project on the rows of one partition, in as few passes as can be.

All that Polars can evaluate (expressions, regexes, lookups, columns) is one query, all keyword
lists of a column are one scan, and Python functions see light rows of the columns they read.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelpress.classes import ABSTAIN
from labelpress.errors import HeuristicError, UnknownClassError, did_you_mean
from labelpress.heuristics import expressions, functions, keyword_scan
from labelpress.heuristics.cells import Cell
from labelpress.heuristics.definitions import Expression, Function, Keywords, Model, Snorkel
from labelpress.heuristics.fingerprints import has_python
from labelpress.votes import Votes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.heuristics.definitions import Heuristic
    from labelpress.heuristics.isolation import Sandbox

FEW_WORDS = 20
"""Up to so many words in a column, searching each by itself is faster than scanning for all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A heuristic that has no votes on these rows, which is not the same as abstaining."""

    heuristic: str
    reason: str
    unknown_class: bool = False
    """Whether it voted for a class that is not declared: a mistake of its author."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The votes of the heuristics that could be cast, and the failures of the others."""

    votes: Votes
    failures: tuple[Failure, ...]
    first_faults: tuple[str | None, ...]
    """One per column of the votes: the first exception, with its row, if there was one."""


def check_columns(heuristics: Iterable[Heuristic], columns: Iterable[str]) -> None:
    """Raise `HeuristicError` naming each heuristic that reads a column which is not there."""
    known = list(columns)
    missing = [
        f"{heuristic.name} reads column {name!r}, which is not there.{did_you_mean(name, known)}"
        for heuristic in heuristics
        for name in heuristic.columns or ()
        if name not in known
    ]
    if missing:
        raise HeuristicError(f"{' '.join(missing)} The columns are {', '.join(known)}.")


def cast(
    frame: pl.DataFrame,
    heuristics: Sequence[Heuristic],
    classes: Classes,
    *,
    sandbox: Sandbox | None = None,
) -> Votes:
    """
    Return the votes of all heuristics on all rows of a frame, in the heuristics' order.

    An exception on a row is an abstain and a fault. Raises `HeuristicError` where a heuristic
    yields what is no vote, reads a column that is not there, or could not run to its end.
    """
    outcome = cast_cells(frame, heuristics, classes, sandbox=sandbox)
    if outcome.failures:
        raise HeuristicError(" ".join(failure.reason for failure in outcome.failures))
    return outcome.votes


def cast_cells(
    frame: pl.DataFrame,
    heuristics: Sequence[Heuristic],
    classes: Classes,
    *,
    sandbox: Sandbox | None = None,
) -> Cast:
    """
    Cast as `cast` does, but keep the votes of the others where a heuristic fails.

    With a `sandbox`, Python functions run in its process, under its limits. Raises
    `HeuristicError` for columns that are not there, before anything is cast.
    """
    check_columns(heuristics, frame.columns)
    matrix = np.full((len(heuristics), frame.height), ABSTAIN, dtype=classes.dtype).T
    cells: dict[int, Cell] = {}
    failures: dict[int, HeuristicError] = {}
    vectorised, scanned, called = _engines(heuristics, isolated=sandbox is not None)
    for place, outcome in (
        *expressions.cast(frame, [(p, heuristics[p]) for p in vectorised], classes),
        *_scan(frame, [(p, heuristics[p]) for p in scanned], classes, matrix),
        *functions.cast(frame, [(p, heuristics[p]) for p in called], classes, sandbox),
    ):
        if isinstance(outcome, HeuristicError):
            failures[place] = outcome
            continue
        cells[place] = outcome
        if outcome.codes is not None:
            matrix[:, place] = outcome.codes
    kept = sorted(cells)
    votes = Votes(
        matrix=matrix if len(kept) == len(heuristics) else matrix[:, kept],
        heuristics=tuple(heuristics[place].name for place in kept),
        faults=tuple(cells[place].faults for place in kept),
        seconds=tuple(cells[place].seconds for place in kept),
    )
    return Cast(
        votes,
        tuple(
            Failure(
                heuristics[place].name,
                str(failures[place]),
                unknown_class=isinstance(failures[place], UnknownClassError),
            )
            for place in sorted(failures)
        ),
        tuple(cells[place].first_fault for place in kept),
    )


def _engines(
    heuristics: Sequence[Heuristic], *, isolated: bool
) -> tuple[list[int], list[int], list[int]]:
    """Return the places of the heuristics that Polars, the scanner and Python evaluate."""
    vectorised: list[int] = []
    scanned: list[int] = []
    called: list[int] = []
    words = Counter[str]()
    for heuristic in heuristics:
        if isinstance(rule := heuristic.definition.rule, Keywords):
            words[rule.column] += len(rule.words)
    for place, heuristic in enumerate(heuristics):
        match heuristic.definition.rule:
            case Keywords(column=column, whole_words=False) if words[column] <= FEW_WORDS:
                vectorised.append(place)
            case Keywords():
                scanned.append(place)
            case Function() | Snorkel() | Model():
                called.append(place)
            case Expression(expr) if isolated and has_python(expr):
                called.append(place)
            case _:
                vectorised.append(place)
    return vectorised, scanned, called


def _scan(
    frame: pl.DataFrame,
    heuristics: Sequence[tuple[int, Heuristic]],
    classes: Classes,
    matrix: NDArray[np.signedinteger],
) -> list[tuple[int, Cell | HeuristicError]]:
    """Write the votes of keyword lists into the matrix; one scan per column."""
    # The matrix lies in memory column by column; flat indices are twice as fast as pairs.
    cells = matrix.T.reshape(-1)
    by_column: dict[str, list[tuple[int, Heuristic, Keywords]]] = {}
    for place, heuristic in heuristics:
        rule = heuristic.definition.rule
        assert isinstance(rule, Keywords)  # noqa: S101  # told to the type checker
        by_column.setdefault(rule.column, []).append((place, heuristic, rule))
    outcomes: list[tuple[int, Cell | HeuristicError]] = []
    for column, lists in by_column.items():
        started = time.process_time()
        try:
            texts = frame.select(expressions.text_of(frame, column, lists[0][1].name)).to_series()
        except HeuristicError as error:
            outcomes += [(place, error) for place, _, _ in lists]
            continue
        begins = np.array([place for place, _, _ in lists], dtype=np.int64) * frame.height
        codes = np.array([classes.code(h.label or "") for _, h, _ in lists], dtype=classes.dtype)
        for rows, found in keyword_scan.hits(
            texts, keyword_scan.scanners(tuple(r for *_, r in lists))
        ):
            cells[begins[found] + rows] = codes[found]
        spent = (time.process_time() - started) / len(lists)
        outcomes += [(place, Cell(None, spent)) for place, _, _ in lists]
    return outcomes
