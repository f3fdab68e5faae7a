"""Heuristics that are Python functions: of a row, of a batch of rows, of Snorkel, of a model."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.errors import HeuristicError
from labelpress.heuristics import expressions
from labelpress.heuristics.cells import Cell
from labelpress.heuristics.definitions import Expression, Function, Model, Snorkel
from labelpress.heuristics.encoding import Encoder
from labelpress.heuristics.faults import told, without_faulty_rows
from labelpress.heuristics.resources import resources_of
from labelpress.heuristics.rows import open_rows_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labelpress.classes import Classes
    from labelpress.heuristics.definitions import Heuristic
    from labelpress.heuristics.isolation import Sandbox

CHUNK_ROWS = 8_192
"""Rows that are Python objects at one time, which bounds their memory."""
NOT_A_FAULT = (OSError, MemoryError)
"""What says nothing about the row: a file or network that failed (timeouts too), no memory."""

Outcome = tuple[int, "Cell | HeuristicError"]


def cast(
    frame: pl.DataFrame,
    heuristics: Sequence[tuple[int, Heuristic]],
    classes: Classes,
    sandbox: Sandbox | None,
) -> list[Outcome]:
    """Evaluate heuristics, each given with its place; return cells or errors by place."""
    outcomes: list[Outcome] = []
    for place, heuristic in heuristics:
        columns = frame.columns if heuristic.columns is None else list(heuristic.columns)
        columns = columns or frame.columns[:1]  # a frame without columns has no height
        try:
            if sandbox is None:
                cell = call(frame.select(columns), heuristic, classes)
            else:
                cell = sandbox.call(frame.select(columns), heuristic, classes)
            outcomes.append((place, cell))
        except HeuristicError as error:
            outcomes.append((place, error))
    return outcomes


def call(frame: pl.DataFrame, heuristic: Heuristic, classes: Classes) -> Cell:
    """
    Return what one Python heuristic says of all rows, in this process.

    Raises `HeuristicError` where it returns what is no vote, and for errors that say nothing
    about a row.
    """
    rule = heuristic.definition.rule
    if isinstance(rule, Expression):
        ((_, outcome),) = expressions.cast(frame, [(0, heuristic)], classes)
        if isinstance(outcome, HeuristicError):
            raise outcome
        return outcome
    integers = dict(rule.classes) if isinstance(rule, Snorkel) else None
    encoder = Encoder(heuristic.name, heuristic.label, classes, integers)
    started = time.process_time()
    codes = np.full(frame.height, ABSTAIN, dtype=classes.dtype)
    faults, first = 0, None
    for start in range(0, max(frame.height, 1), CHUNK_ROWS):
        chunk = frame.slice(start, CHUNK_ROWS)
        if chunk.height == 0:
            break
        if isinstance(rule, Model) or rule.kind == "batch":
            values, faulty, error = _call_batch(chunk, heuristic)
        else:
            values, faulty, error = _call_rows(chunk, heuristic)
        codes[start : start + chunk.height] = encoder.values(values, start=start)
        faults += faulty
        first = first or (None if error is None else f"row {start + error[0]}: {error[1]}")
    return Cell(codes, time.process_time() - started, faults, first)


Said = tuple[list[Any], int, tuple[int, str] | None]
"""One opinion per row, the number of faulty rows, and the first of them with its exception."""


def _call_rows(frame: pl.DataFrame, heuristic: Heuristic) -> Said:
    rule = heuristic.definition.rule
    function, abstain = _function(heuristic), -1 if isinstance(rule, Snorkel) else None
    prepared = isinstance(rule, Snorkel) and bool(getattr(rule.function, "_pre", ()))
    rows = open_rows_of(frame, frame.columns) if prepared else rows_of(frame, frame.columns)
    said: list[Any] = []
    say = said.append
    faults, first = 0, None
    for row in rows:
        try:
            say(function(row))
        except NOT_A_FAULT as error:
            raise HeuristicError(_not_stored(heuristic, error)) from error
        except (Exception, SystemExit) as error:  # noqa: BLE001  # authors' code raises anything
            first = first or (len(said), told(error))
            faults += 1
            say(abstain)
    return said, faults, first


def _call_batch(frame: pl.DataFrame, heuristic: Heuristic) -> Said:
    function = _function(heuristic)

    def evaluate(start: int, end: int) -> list[Any]:
        try:
            return _listed(function(frame[start:end]), frame[start:end], heuristic)
        except (*NOT_A_FAULT, HeuristicError) as error:
            raise _StoppedError(error) from error

    try:
        results, faulty, first = without_faulty_rows(evaluate, frame.height, (Exception,))
    except _StoppedError as stopped:
        if isinstance(stopped.error, HeuristicError):
            raise stopped.error from None
        raise HeuristicError(_not_stored(heuristic, stopped.error)) from stopped.error
    said: list[Any] = [None] * frame.height
    for start, values in results:
        said[start : start + len(values)] = values
    error = (faulty[0], (first or "").partition(": ")[2]) if faulty else None
    return said, len(faulty), error


class _StoppedError(BaseException):
    """Carries an error out of the search for faulty rows; no fault itself, so no Exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _function(heuristic: Heuristic) -> Callable[..., Any]:
    """Return the function to call for a row or a frame, with its resources bound."""
    rule = heuristic.definition.rule
    if isinstance(rule, Snorkel):
        function = rule.function
        plain = type(function).__name__ == "LabelingFunction" and not function._pre  # type: ignore[attr-defined]  # noqa: SLF001
        # Snorkel's __call__ would do just this, after looking for preprocessors on every row
        return _bound(function._f, function._resources) if plain else function  # type: ignore[attr-defined]  # noqa: SLF001
    held = resources_of(heuristic.name, heuristic.definition)
    if isinstance(rule, Model):
        return partial(rule.predict, held["model"])
    assert isinstance(rule, Function)  # noqa: S101  # told to the type checker
    return _bound(rule.function, held)


def _bound(function: Callable[..., Any], held: Mapping[str, Any]) -> Callable[..., Any]:
    return partial(function, **held) if held else function


def _listed(value: Any, frame: pl.DataFrame, heuristic: Heuristic) -> list[Any]:
    """Return what a batch function or model gave as one Python value per row."""
    if isinstance(value, pl.Expr):
        value = frame.select(value).to_series()
    if isinstance(value, pl.DataFrame) and value.width == 1:
        value = value.to_series()
    if isinstance(value, pl.Series) and value.dtype in (pl.Categorical, pl.Enum):
        value = value.cast(pl.String)
    listed = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(listed, pl.Series):
        listed = listed.to_list()
    if not isinstance(listed, list | tuple) or len(listed) != frame.height:
        what = f"{len(listed)} values" if isinstance(listed, list | tuple) else type(value).__name__
        raise HeuristicError(
            f"{heuristic.name}: a batch function returns one vote per row, as a series, array or "
            f"list; for {frame.height} rows it returned {what}."
        )
    return list(listed)


def _not_stored(heuristic: Heuristic, error: BaseException) -> str:
    return (
        f"{heuristic.name} stopped with {told(error)}. That says nothing about a row, so nothing "
        "is stored as its votes; the next run tries again."
    )
