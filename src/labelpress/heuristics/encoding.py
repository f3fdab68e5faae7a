"""From what a heuristic says (class names, true, false, nothing) to class codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.errors import HeuristicError, UnknownClassError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.classes import Classes

UNKNOWN = -2
"""The code of a name that is no class, on its way to an error."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Turns one heuristic's opinions into codes, and knows how to complain about them."""

    heuristic: str
    label: str | None
    classes: Classes
    integers: Mapping[int, str] | None = None
    """The classes of a Snorkel function's integers; None for all other heuristics."""

    def expression(self, expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        """Return an expression of codes for one of this type; names that are no class give -2."""
        code = pl.Int16 if self.classes.dtype == np.int16 else pl.Int8
        abstain = pl.lit(ABSTAIN, code)
        if dtype == pl.Null:
            return expr.is_null().replace_strict([True], [ABSTAIN], default=ABSTAIN).cast(code)
        if dtype == pl.Boolean:
            if self.label is None:
                self.refuse_bool()
            yes = pl.lit(self.classes.code(self.label), code)
            return pl.when(expr).then(yes).otherwise(abstain)
        if dtype in (pl.String, pl.Categorical, pl.Enum):
            # an enum's numbers, as Polars plans tables of many heuristics in quadratic time
            named = expr.cast(pl.String).cast(pl.Enum(self.classes.names), strict=False)
            known = named.to_physical().cast(code).fill_null(pl.lit(UNKNOWN, code))
            return pl.when(expr.is_null()).then(abstain).otherwise(known)
        raise HeuristicError(
            f"{self.heuristic} yields {dtype}, which is no vote: an expression yields true and "
            "false, with a label, or class names. Compare it with something, or translate it "
            "with .replace_strict({...})."
        )

    def values(self, values: Sequence[Any], *, start: int = 0) -> NDArray[np.signedinteger]:
        """
        Return the codes of what a Python function returned for consecutive rows.

        `start` is the first row's position, for the message. Raises `HeuristicError` where a
        value is not a vote.
        """
        kinds = set(map(type, values)) - {type(None)}
        if self.integers is not None:
            return self._integers(values, kinds, start)
        table: dict[Any, int] = {None: ABSTAIN}
        if kinds <= {bool, np.bool_} and self.label is not None:
            table |= {True: self.classes.code(self.label), False: ABSTAIN}
        elif kinds <= {str}:
            table |= {name: code for code, name in enumerate(self.classes.names)}
        elif len(kinds) > 1 and kinds <= {str, bool, np.bool_}:
            if self.label is None:
                self.refuse_bool()
            named = [v if isinstance(v, str) else (self.label if v else None) for v in values]
            return self.values(named, start=start)
        else:
            self._refuse_first(values, start)
        try:
            return np.fromiter(
                map(table.__getitem__, values), dtype=self.classes.dtype, count=len(values)
            )
        except KeyError:
            self._refuse_first(values, start)

    def refuse_bool(self) -> NoReturn:
        """Raise the error for truth values without a label."""
        raise HeuristicError(
            f"{self.heuristic} says true or false, but for which class? Give it label=..., or "
            "let it yield class names."
        )

    def refuse_name(self, name: object, row: int) -> NoReturn:
        """Raise the error for a name that is no class."""
        empty = " Null abstains; an empty text does not." if name == "" else ""
        raise UnknownClassError(
            f"{self.heuristic}, row {row}: {name!r} is not a class; the classes are "
            f"{', '.join(map(repr, self.classes.names))}."
            f"{did_you_mean(str(name), self.classes.names)}{empty}"
        )

    def _integers(
        self, values: Sequence[Any], kinds: set[type], start: int
    ) -> NDArray[np.signedinteger]:
        known = self.integers or {}
        if None in values or not all(issubclass(kind, int | np.integer) for kind in kinds):
            self._refuse_first(values, start)
        said = np.array(values, dtype=np.int64)
        codes = np.full(max(known, default=0) + 2, UNKNOWN, dtype=self.classes.dtype)
        codes[-1] = ABSTAIN  # where -1 points
        for integer, name in known.items():
            codes[integer] = self.classes.code(name)
        inside = (said >= -1) & (said < len(codes) - 1)
        found = codes[np.where(inside, said, 0)]
        if not inside.all() or (found == UNKNOWN).any():
            self._refuse_first(values, start)
        return np.asarray(found)

    def _refuse_first(self, values: Sequence[Any], start: int) -> NoReturn:
        """Raise the error for the first value that is no vote."""
        for row, value in enumerate(values, start):
            if self.integers is not None:
                if isinstance(value, int | np.integer) and (value == -1 or value in self.integers):
                    continue
                raise HeuristicError(
                    f"{self.heuristic}, row {row}: the Snorkel function returned {_short(value)}, "
                    f"but its classes are {dict(self.integers)} and -1 abstains."
                )
            if value is None:
                continue
            if isinstance(value, bool | np.bool_):
                if self.label is None:
                    self.refuse_bool()
            elif isinstance(value, str):
                if value not in self.classes.names:
                    self.refuse_name(value, row)
            else:
                hint = (
                    " Votes are class names, not numbers; from_snorkel(...) takes Snorkel "
                    "functions, which return numbers."
                    if isinstance(value, int | float | np.number)
                    else ""
                )
                raise HeuristicError(
                    f"{self.heuristic}, row {row}: returned {_short(value)}, which is no vote: "
                    f"return a class name, None, or with a label true or false.{hint}"
                )
        raise HeuristicError(f"{self.heuristic}: returned something that is no vote")


def _short(value: object) -> str:
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{type(value).__name__} {shown}"
