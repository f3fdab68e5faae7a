"""Heuristics that Polars evaluates: expressions, regexes, lookups and columns, in one query."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.errors import HeuristicError
from labelpress.heuristics.cells import Cell
from labelpress.heuristics.definitions import Column, Expression, Keywords, Lookup, Regex
from labelpress.heuristics.encoding import UNKNOWN, Encoder
from labelpress.heuristics.faults import without_faulty_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.classes import Classes
    from labelpress.heuristics.definitions import Heuristic

SAMPLE_ROWS = 256
"""Rows on which each expression is timed alone, to share out the time of the common query."""
_FAULTS = (
    pl.exceptions.ComputeError,
    pl.exceptions.InvalidOperationError,
    pl.exceptions.OutOfBoundsError,
    pl.exceptions.PanicException,
)
"""What Polars raises because of a value, not of a type or a shape."""

Outcome = tuple[int, "Cell | HeuristicError"]


def cast(
    frame: pl.DataFrame, heuristics: Sequence[tuple[int, Heuristic]], classes: Classes
) -> list[Outcome]:
    """Evaluate heuristics, each given with its place; return cells or errors by place."""
    outcomes: list[Outcome] = []
    planned: list[tuple[int, Heuristic, pl.Expr]] = []
    for place, heuristic in heuristics:
        try:
            planned.append((place, heuristic, _codes(frame, heuristic, classes)))
        except HeuristicError as error:
            outcomes.append((place, error))
    if not planned:
        return outcomes
    weights = _weights(frame, [expr for _, _, expr in planned])
    started = time.process_time()
    try:
        codes = _evaluate(frame, [expr for _, _, expr in planned])
    except pl.exceptions.PolarsError:
        codes = None
    spent = time.process_time() - started
    for at, (place, heuristic, expr) in enumerate(planned):
        if codes is None:
            outcomes.append((place, _alone(frame, heuristic, expr, classes)))
        else:
            cell = Cell(codes[:, at].to_numpy(), spent * weights[at])
            outcomes.append((place, _checked(frame, heuristic, cell, classes)))
    return outcomes


def text_of(frame: pl.DataFrame, column: str, heuristic: str) -> pl.Expr:
    """
    Return a column as text; bytes that are not UTF-8 are null, so they abstain.

    Raises `HeuristicError` where the column holds no text.
    """
    dtype = frame.schema[column]
    if dtype == pl.String:
        return pl.col(column)
    if dtype in (pl.Categorical, pl.Enum, pl.Null):
        return pl.col(column).cast(pl.String)
    if dtype == pl.Binary:
        return pl.col(column).map_batches(_decoded, return_dtype=pl.String, is_elementwise=True)
    raise HeuristicError(
        f"{heuristic} reads text, but column {column!r} is {dtype}. For numbers and dates write "
        f"an expression: heuristic(pl.col({column!r}) > ..., label=...)."
    )


def _decoded(content: pl.Series) -> pl.Series:
    try:
        return content.cast(pl.String)
    except pl.exceptions.ComputeError:  # strict=False does not help: all rows fail for one
        return pl.Series(content.name, [_text_or_none(cell) for cell in content], dtype=pl.String)


def _text_or_none(cell: bytes | None) -> str | None:
    try:
        return None if cell is None else cell.decode()
    except UnicodeDecodeError:
        return None


def _codes(frame: pl.DataFrame, heuristic: Heuristic, classes: Classes) -> pl.Expr:
    """Return the expression of a heuristic's codes, checked against the frame's types."""
    rule = heuristic.definition.rule
    match rule:
        case Expression(expr):
            spoken = expr
        case Regex(pattern, column):
            spoken = text_of(frame, column, heuristic.name).str.contains(pattern)
        case Keywords(words, column, ignore_case):
            text = text_of(frame, column, heuristic.name)
            if ignore_case:
                text, words = text.str.to_lowercase(), tuple(word.lower() for word in words)
            spoken = pl.any_horizontal(text.str.contains(w, literal=True) for w in words)
        case Lookup(table, column):
            assert not isinstance(table, str)  # noqa: S101  # resolved when it was loaded
            spoken = _translate(frame, column, table, default=None)
        case Column(column, values):
            spoken = (
                pl.col(column)
                if values is None
                else _translate(frame, column, values, default=_SAID_NOTHING)
            )
        case _:
            raise HeuristicError(f"{heuristic.name} is not evaluated by Polars.")
    try:
        schema = frame.lazy().select(spoken).collect_schema()
    except pl.exceptions.PolarsError as error:
        raise HeuristicError(
            f"{heuristic.name} cannot be evaluated on these columns: {_first_line(error)}"
        ) from None
    if len(schema) != 1:
        raise HeuristicError(
            f"{heuristic.name} yields {len(schema)} columns; combine them into one, as "
            "pl.any_horizontal(...) does."
        )
    encoder = Encoder(heuristic.name, heuristic.label, classes)
    return encoder.expression(spoken, next(iter(schema.values())))


_SAID_NOTHING = "\0"
"""What a value becomes that a column's translation lacks: a name that can be no class."""


def _translate(
    frame: pl.DataFrame, column: str, table: Mapping[Any, str | None], default: str | None
) -> pl.Expr:
    dtype = frame.schema[column]
    values = pl.col(column)
    if dtype in (pl.Categorical, pl.Enum):
        values, dtype = values.cast(pl.String), pl.String()
    keys = [key for key in table if key is not None]
    try:
        old = pl.Series(keys, dtype=dtype, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        # Keys of another type match nothing as they are; null keys would match nulls.
        raise HeuristicError(
            f"the table's keys ({', '.join(sorted({type(k).__name__ for k in keys}))}) are not of "
            f"the type of column {column!r}, {dtype}."
        ) from None
    new = pl.Series([table[key] for key in keys], dtype=pl.String)
    spoken = values.replace_strict(old, new, default=pl.lit(default, pl.String))
    at_null = pl.lit(table.get(None), pl.String)
    return pl.when(values.is_null()).then(at_null).otherwise(spoken)


def _evaluate(frame: pl.DataFrame, exprs: Sequence[pl.Expr]) -> pl.DataFrame:
    # with_columns, not select: a literal gets the frame's height, and a wrong height is an error
    names = [f"\0{at}" for at in range(len(exprs))]
    named = [expr.alias(name) for expr, name in zip(exprs, names, strict=True)]
    return frame.lazy().with_columns(named).select(names).collect()


def _weights(frame: pl.DataFrame, exprs: Sequence[pl.Expr]) -> list[float]:
    """Return each expression's share of the time of a query of all of them."""
    if len(exprs) == 1 or frame.height < 20 * SAMPLE_ROWS:
        return [1 / len(exprs)] * len(exprs)
    sample = frame.head(SAMPLE_ROWS)
    times = []
    for expr in exprs:
        started = time.perf_counter()
        with contextlib.suppress(pl.exceptions.PolarsError):
            _evaluate(sample, [expr])
        times.append(time.perf_counter() - started)
    total = sum(times)
    return [spent / total for spent in times]


def _checked(
    frame: pl.DataFrame, heuristic: Heuristic, cell: Cell, classes: Classes
) -> Cell | HeuristicError:
    """Return the cell, or the error where it names a class that there is not."""
    assert cell.codes is not None  # noqa: S101  # told to the type checker
    unknown = np.flatnonzero(cell.codes == UNKNOWN)
    if len(unknown) == 0:
        return cell
    row = int(unknown[0])
    rule = heuristic.definition.rule
    value: object
    if isinstance(rule, Column | Lookup):
        value = frame[rule.column][row]
    else:
        assert isinstance(rule, Expression)  # noqa: S101  # the other rules name no classes
        value = _evaluate(frame[row : row + 1], [rule.expr]).item()
    try:
        Encoder(heuristic.name, heuristic.label, classes).refuse_name(value, row)
    except HeuristicError as error:
        return error


def _alone(
    frame: pl.DataFrame, heuristic: Heuristic, expr: pl.Expr, classes: Classes
) -> Cell | HeuristicError:
    """Evaluate one expression where the common query failed, and count the rows it fails on."""
    started = time.process_time()
    try:
        results, faulty, first = without_faulty_rows(
            lambda start, end: _evaluate(frame[start:end], [expr]).to_series().to_numpy(),
            frame.height,
            _FAULTS,
        )
    except pl.exceptions.ShapeError as error:
        return HeuristicError(
            f"{heuristic.name} does not yield one vote per row: {_first_line(error)}"
        )
    codes = np.full(frame.height, ABSTAIN, dtype=classes.dtype)
    for start, part in results:
        codes[start : start + len(part)] = part
    cell = Cell(codes, time.process_time() - started, len(faulty), first)
    return _checked(frame, heuristic, cell, classes)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
