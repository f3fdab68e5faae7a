"""
A heuristic sees one row: refused here is what looks at others, by its form or by a trial.

An expression such as `pl.col("a") > pl.col("a").mean()` votes differently when the rows are
partitioned differently, so its votes could be neither reused nor explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelpress.errors import HeuristicError
from labelpress.heuristics.casting import cast
from labelpress.heuristics.definitions import Column, Keywords, Lookup, Regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.heuristics.definitions import Heuristic
    from labelpress.heuristics.isolation import Sandbox

ROWS_ALONE = 64
"""How many rows of the sample are evaluated one by one; each costs one query."""

_NODES = {
    "Agg": "aggregates over rows",
    "Window": "uses .over()",
    "Over": "uses .over()",
    "Rolling": "uses .rolling()",
    "Sort": "sorts rows",
    "SortBy": "sorts rows",
    "Filter": "drops rows",
    "Gather": "picks other rows",
    "Slice": "picks other rows",
    "Explode": "makes several rows of one",
}
_FUNCTIONS = {
    "Shift": "uses .shift()",
    "Diff": "uses .diff()",
    "PctChange": "uses .pct_change()",
    "Rank": "uses .rank()",
    "CumSum": "accumulates over rows",
    "CumProd": "accumulates over rows",
    "CumMin": "accumulates over rows",
    "CumMax": "accumulates over rows",
    "CumCount": "accumulates over rows",
    "RollingExpr": "rolls over rows",
    "IsDuplicated": "compares rows",
    "IsUnique": "compares rows",
    "IsFirstDistinct": "compares rows",
    "IsLastDistinct": "compares rows",
    "Random": "draws at random",
}
_OF_ONE_CELL = (Keywords, Regex, Lookup, Column)
_OPERANDS = frozenset({"left", "right", "expr", "input", "truthy", "falsy", "predicate", "by"})


def refuse_other_rows(node: object, place: str = "expr") -> None:  # noqa: C901  # a tree walk
    """
    Raise `HeuristicError` where a serialised expression looks at rows other than its own.

    Finds the usual forms, whatever the data; `check_separable` finds others on a sample.
    """
    if isinstance(node, str):
        if node == "Len" and place in _OPERANDS:
            _refuse("counts rows")
        if place in {"function", "Boolean"} and node in _FUNCTIONS:
            _refuse(_FUNCTIONS[node])
    elif isinstance(node, list):
        for inner in node:
            refuse_other_rows(inner, place)
    elif isinstance(node, dict):
        for key, inner in node.items():
            if key in _NODES and place in _OPERANDS:
                _refuse(_NODES[key])
            if key in _FUNCTIONS and place == "function":
                _refuse(_FUNCTIONS[key])
            if key == "Eval":  # list.eval aggregates within the list of one row
                refuse_other_rows(inner["expr"])
            elif key == "Alias":
                refuse_other_rows(inner[0])
            elif key not in {"Literal", "Column"}:
                named = key in _OPERANDS or key in {"function", "Boolean"}
                refuse_other_rows(inner, key if named else "expr" if key[:1].isupper() else key)


def check_separable(
    sample: pl.DataFrame,
    heuristics: Sequence[Heuristic],
    classes: Classes,
    seed: int,
    *,
    row_id: str | None = None,
    sandbox: Sandbox | None = None,
) -> None:
    """
    Evaluate heuristics on a sample twice, permuted, split, and row by row; votes must agree.

    Tried are expressions, functions and models. Raises `HeuristicError` naming the heuristic and
    the row, by its `row_id` where that column is given, whose vote depended on the rows around it
    or on the time. With a `sandbox`, Python functions run under its limits, so that one that hangs
    cannot stop the check.
    """
    # the other kinds are handed one cell, whatever they are made of
    heuristics = [h for h in heuristics if not isinstance(h.definition.rule, _OF_ONE_CELL)]
    if sample.height == 0 or not heuristics:
        return
    whole = cast(sample, heuristics, classes, sandbox=sandbox).matrix
    rng = np.random.default_rng(seed)
    for how, rows, votes in _trials(sample, heuristics, classes, rng, sandbox):
        differs = np.argwhere(votes != whole[rows])
        if len(differs) == 0:
            continue
        # the first heuristic, then the first row: the same report whatever the order of trials
        at, index = min(((rows[r], i) for r, i in differs), key=lambda pair: (pair[1], pair[0]))
        row = f"row {at}" if row_id is None else f"row {sample[row_id][int(at)]!r}"
        raise HeuristicError(
            f"{heuristics[index].name} does not see one row alone: {row} of the sample gets "
            f"another vote when {how}. A vote must depend on nothing but the row, else it changes "
            "with the partitioning and cannot be reused: compute what it needs from other rows in "
            "the source, and take the time from a column."
        )


def _trials(
    sample: pl.DataFrame,
    heuristics: Sequence[Heuristic],
    classes: Classes,
    rng: np.random.Generator,
    sandbox: Sandbox | None,
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.signedinteger]]]:
    """Yield each trial: how it was done, the sample's rows in its order, and their votes."""
    rows = np.arange(sample.height)

    def votes(of: NDArray[np.int64]) -> NDArray[np.signedinteger]:
        return cast(sample[of], heuristics, classes, sandbox=sandbox).matrix

    yield "evaluated a second time", rows, votes(rows)
    order = rng.permutation(rows)
    yield "the rows are in another order", order, votes(order)
    half = sample.height // 2
    for part in (rows[:half], rows[half:]):
        yield "the rows are split in two", part, votes(part)
    for row in np.sort(rng.choice(rows, size=min(ROWS_ALONE, len(rows)), replace=False)):
        yield "evaluated alone", rows[row : row + 1], votes(rows[row : row + 1])


def _refuse(what: str) -> None:
    raise HeuristicError(
        f"the expression {what}, so its vote on a row would depend on which other rows lie in the "
        "same partition. A heuristic sees one row: compute the figure in the source, or write it "
        "as a constant."
    )
