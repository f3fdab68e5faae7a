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
    from labelpress.heuristics.rows import OpenRow, Row

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
    if sandbox is None:
        alone = call([heuristic for _, heuristic in heuristics], frame, classes)
        return [(place, cell) for (place, _), cell in zip(heuristics, alone, strict=True)]
    outcomes: list[Outcome] = []
    for place, heuristic in heuristics:
        try:
            seen = frame.select(_columns(heuristic, frame))
            outcomes.append((place, sandbox.call(seen, heuristic, classes)))
        except HeuristicError as error:
            outcomes.append((place, error))
    return outcomes


def call(
    heuristics: Sequence[Heuristic], frame: pl.DataFrame, classes: Classes
) -> list[Cell | HeuristicError]:
    """
    Return what Python heuristics say of all rows, in this process.

    An error stands for a heuristic that returned what is no vote, or raised what says nothing
    about a row.
    """
    runs = [_Run(heuristic, frame, classes) for heuristic in heuristics]
    for start in range(0, frame.height, CHUNK_ROWS):
        chunk = frame.slice(start, CHUNK_ROWS)
        shared: dict[tuple[str, ...], list[Row]] = {}
        for run in runs:
            run.take(chunk, start, shared)
    return [run.outcome() for run in runs]


class _Run:
    """One heuristic on its way through the chunks of a frame."""

    def __init__(self, heuristic: Heuristic, frame: pl.DataFrame, classes: Classes) -> None:
        rule = heuristic.definition.rule
        integers = dict(rule.classes) if isinstance(rule, Snorkel) else None
        self._heuristic = heuristic
        self._columns = _columns(heuristic, frame)
        self._classes = classes
        self._encoder = Encoder(heuristic.name, heuristic.label, classes, integers)
        self._codes = np.full(frame.height, ABSTAIN, dtype=classes.dtype)
        self._seconds = 0.0
        self._faults = 0
        self._first: str | None = None
        self._error: HeuristicError | None = None

    def take(
        self, chunk: pl.DataFrame, start: int, shared: dict[tuple[str, ...], list[Row]]
    ) -> None:
        """Evaluate the heuristic on the next rows; `shared` holds rows made for others."""
        if self._error is not None:
            return
        rule = self._heuristic.definition.rule
        began = time.process_time()
        try:
            if isinstance(rule, Expression):
                self._take_expression(chunk, start)
                return
            if isinstance(rule, Model) or rule.kind == "batch":
                said = _call_batch(chunk.select(self._columns), self._heuristic)
            else:
                said = _call_rows(self._rows(chunk, shared), self._heuristic)
            values, faults, first = said
            self._codes[start : start + chunk.height] = self._encoder.values(values, start=start)
            self._note(start, faults, first)
        except HeuristicError as error:
            self._error = error
        finally:
            self._seconds += time.process_time() - began

    def outcome(self) -> Cell | HeuristicError:
        """Return the cell, or the error that ended the run."""
        return self._error or Cell(self._codes, self._seconds, self._faults, self._first)

    def _take_expression(self, chunk: pl.DataFrame, start: int) -> None:
        """Evaluate an expression with Python inside, which is here because it is isolated."""
        ((_, outcome),) = expressions.cast(chunk, [(0, self._heuristic)], self._classes)
        if isinstance(outcome, HeuristicError):
            raise outcome
        assert outcome.codes is not None  # noqa: S101  # told to the type checker
        self._codes[start : start + chunk.height] = outcome.codes
        first = outcome.first_fault
        self._faults += outcome.faults
        self._first = self._first or (None if first is None else f"from row {start}: {first}")

    def _rows(
        self, chunk: pl.DataFrame, shared: dict[tuple[str, ...], list[Row]]
    ) -> Sequence[Row | OpenRow]:
        rule = self._heuristic.definition.rule
        if isinstance(rule, Snorkel) and getattr(rule.function, "_pre", None):
            return list(open_rows_of(chunk, self._columns))
        if any(chunk.schema[name].is_nested() for name in self._columns):
            return list(rows_of(chunk, self._columns))  # a list in a cell could be changed
        key = tuple(self._columns)
        if key not in shared:
            shared[key] = list(rows_of(chunk, self._columns))
        return shared[key]

    def _note(self, start: int, faults: int, first: tuple[int, str] | None) -> None:
        self._faults += faults
        if first is not None and self._first is None:
            self._first = f"row {start + first[0]}: {first[1]}"


def _columns(heuristic: Heuristic, frame: pl.DataFrame) -> list[str]:
    """Return the columns that a heuristic sees: at least one, so that there are rows."""
    columns = frame.columns if heuristic.columns is None else list(heuristic.columns)
    return columns or frame.columns[:1]


Said = tuple[list[Any], int, tuple[int, str] | None]
"""One opinion per row, the number of faulty rows, and the first of them with its exception."""


def _call_rows(rows: Sequence[Row | OpenRow], heuristic: Heuristic) -> Said:
    rule = heuristic.definition.rule
    function, abstain = _function(heuristic), -1 if isinstance(rule, Snorkel) else None
    said: list[Any] = []
    faults, first = 0, None
    calls = map(function, rows)
    while len(said) < len(rows):
        # extend keeps what it got before an exception, and the map goes on after it: the loop over
        # rows runs in C, a tenth of the time of cheap functions
        fault = "StopIteration"  # which extend takes for the end of the rows
        try:
            said.extend(calls)
        except NOT_A_FAULT as error:
            raise HeuristicError(_not_stored(heuristic, error)) from error
        except (Exception, SystemExit) as error:  # noqa: BLE001  # authors' code raises anything
            fault = told(error)
        if len(said) < len(rows):
            first = first or (len(said), fault)
            faults += 1
            said.append(abstain)
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
