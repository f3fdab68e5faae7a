"""Slices: parts of the source, declared by name, for which accuracy and coverage are told apart."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelpress.errors import HeuristicError, ProjectError, did_you_mean
from labelpress.heuristics.own_row import refuse_other_rows
from labelpress.sources.reading import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labelpress.partitions import Partition
    from labelpress.tables.files import Files

MOST_VALUES = 50
"""An attribute with more values is no set of slices: it names rows rather than kinds of rows."""

LONGEST_VALUE = 200
"""Characters; one with a longer value holds texts, which are no names of slices either."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


class SlicesSettings(BaseModel):
    """The `[slices]` table of project.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Columns of the source; the rows with each of their values are a slice."""
    where: dict[str, str] = Field(default_factory=dict)
    """Conditions in SQL by name, such as `new = "age_days < 30"`; the rows that meet one."""

    @model_validator(mode="after")
    def _sound(self) -> SlicesSettings:
        for name, condition in self.where.items():
            if not _NAME.match(name):
                raise ValueError(f"where.{name}: a name is letters, digits, _ . and -")
            if name in self.attributes:
                raise ValueError(f"where.{name}: {name!r} is an attribute already")
            _parse(name, condition)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Everything declared: attributes, then conditions."""
        return (*self.attributes, *self.where)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the source that deciding reads."""
        read = {
            name for key, text in self.where.items() for name in _parse(key, text).meta.root_names()
        }
        return frozenset({*self.attributes, *read})

    @property
    def digest(self) -> str:
        """Stands for what is declared and for the Polars that decides it."""
        facts = [self.attributes, sorted(self.where.items()), pl.__version__]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def check_columns(settings: SlicesSettings, known: Iterable[str]) -> None:
    """Raise `ProjectError` where a slice reads a column that the source does not have."""
    columns = sorted(known)
    for name in sorted(settings.columns):
        if name not in columns:
            raise ProjectError(
                f"project.toml, [slices]: the source has no column {name!r}."
                f"{did_you_mean(name, columns)}"
            )


def sort_rows(frame: pl.DataFrame, settings: SlicesSettings) -> pl.DataFrame:
    """
    Return a column per attribute (its value as text) and per condition (bool; null is false).

    Raises `ProjectError` where a condition does not fit the columns' types, or values are no text.
    """
    sorted_: dict[str, pl.Series] = {}
    for name in settings.attributes:
        column = frame.get_column(name)
        if column.dtype.is_nested():
            raise ProjectError(
                f"project.toml, [slices] attributes: a value of column {name!r} is {column.dtype}, "
                "so it is no kind of row. Write a condition on it in [slices] where."
            )
        sorted_[name] = column.cast(pl.String, strict=False)
    for name, text in settings.where.items():
        try:
            met = frame.select(_parse(name, text).alias(name)).get_column(name)
        except pl.exceptions.PolarsError as error:
            reason = str(error).partition("\n")[0]
            raise ProjectError(
                f"project.toml, [slices] where.{name} = {text!r} cannot be decided: {reason}"
            ) from None
        if met.dtype not in {pl.Boolean, pl.Null}:
            raise ProjectError(
                f"project.toml, [slices] where.{name} = {text!r} gives {met.dtype}, not true or "
                "false. Write a condition, such as age_days < 30."
            )
        sorted_[name] = met.cast(pl.Boolean).fill_null(value=False)
    return pl.DataFrame(sorted_)


@dataclass(frozen=True, slots=True)
class Slicing:
    """What a worker needs to sort the rows of a partition into slices."""

    settings: SlicesSettings
    types: Mapping[str, str]
    """The columns of the source and the types they are read as."""
    options: Mapping[str, str]
    """For the source's object store."""

    def read(self, files: Files, partition: Partition) -> pl.DataFrame:
        """
        Return what `sort_rows` says of a partition's rows, in their order.

        It is decided once and kept in the store for the same content and the same declaration.
        """
        path = f"slices/{partition.digest}/{self.settings.digest}.parquet"
        if files.exists(path):
            return files.read_parquet(path)
        wanted = {name: kind for name, kind in self.types.items() if name in self.settings.columns}
        frame = read_rows(partition.file, partition.row_groups, wanted, self.options)
        found = sort_rows(frame, self.settings)
        files.write_parquet(path, found)
        return found


def members(found: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
    """
    Yield the name of each slice and its mask over the rows that `sort_rows` looked at.

    A condition gives its own name, an attribute `column = value` for each value, most frequent
    first, and `column is null`. One with too many or too long values gives none (see `crowded`).
    """
    for column in found.iter_columns():
        if column.dtype == pl.Boolean:
            yield column.name, column
        elif column.name not in crowded(found):
            counts = column.value_counts(name="rows").sort(["rows", column.name], descending=True)
            for value in counts[column.name].to_list():
                mask = (
                    column.is_null() if value is None else (column == value).fill_null(value=False)
                )
                yield slice_name(column.name, value), mask


def crowded(found: pl.DataFrame) -> tuple[str, ...]:
    """Return the attributes with more, or longer, values than slices can tell apart."""
    text = (column for column in found.iter_columns() if column.dtype == pl.String)
    return tuple(
        column.name
        for column in text
        if column.n_unique() > MOST_VALUES or (column.str.len_chars() > LONGEST_VALUE).any()
    )


def slice_name(attribute: str, value: str | None) -> str:
    """Return the name of the slice of the rows with one value of an attribute."""
    return f"{attribute} is null" if value is None else f"{attribute} = {value}"


def attribute_of(name: str) -> str:
    """Return the attribute of a slice with one of its values; empty for a condition."""
    head, sign, _ = name.partition(" = ")
    return head if sign else name.removesuffix(" is null") if name.endswith(" is null") else ""


def _parse(name: str, condition: str) -> pl.Expr:
    """Return a condition as an expression; raises `ValueError` where it is none."""
    try:
        expression = pl.sql_expr(condition)
    except (pl.exceptions.PolarsError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"where.{name}: {condition!r} is no SQL condition: {reason}") from None
    if not expression.meta.root_names():
        raise ValueError(f"where.{name}: {condition!r} reads no column")
    try:
        refuse_other_rows(json.loads(expression.meta.serialize(format="json")))
    except HeuristicError:
        raise ValueError(
            f"where.{name}: {condition!r} looks at other rows; a slice, like a heuristic, sees one "
            "row: compute the figure in the source, or write it as a constant"
        ) from None
    return expression
