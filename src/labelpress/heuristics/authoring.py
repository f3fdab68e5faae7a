"""The words in which heuristics are written: heuristic, keywords, regex, lookup, column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypedDict, Unpack, overload

import polars as pl

from labelpress.errors import HeuristicError, did_you_mean
from labelpress.heuristics.definitions import (
    Column,
    Definition,
    Expression,
    Function,
    Keywords,
    Lookup,
    Model,
    Regex,
)


class About(TypedDict, total=False):
    """What every kind of heuristic may say about itself; none of it but `version` moves votes."""

    owner: str
    why: str
    precision: float
    """The author's belief, in (0, 1]: the share of its votes that are right."""
    version: str | int
    """Raise it to recompute a heuristic whose change cannot be seen, such as a remote model."""


class Undecorated:
    """`heuristic(label=...)` before it has been given its function."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __call__(self, function: Callable[..., Any]) -> Definition:
        """Make a heuristic of the function; refuse what is none."""
        if isinstance(function, Definition):
            raise HeuristicError(
                "A heuristic was decorated with @heuristic(...) twice: keep one of the two lines."
            )
        if isinstance(function, pl.Expr):
            raise HeuristicError(
                "An expression is not decorated: write heuristic(expression, label=...)."
            )
        if not callable(function):
            raise HeuristicError(f"@heuristic(...) decorates functions, not {function!r}.")
        return _function(function, **self._options)


@overload
def heuristic(
    rule: pl.Expr | Callable[..., Any],
    *,
    label: str | None = None,
    batch: bool = False,
    reads: Sequence[str] | None = None,
    resources: Mapping[str, Any] | None = None,
    **about: Unpack[About],
) -> Definition: ...
@overload
def heuristic(
    rule: None = None,
    *,
    label: str | None = None,
    batch: bool = False,
    reads: Sequence[str] | None = None,
    resources: Mapping[str, Any] | None = None,
    **about: Unpack[About],
) -> Undecorated: ...
def heuristic(
    rule: pl.Expr | Callable[..., Any] | None = None,
    *,
    label: str | None = None,
    batch: bool = False,
    reads: Sequence[str] | None = None,
    resources: Mapping[str, Any] | None = None,
    **about: Unpack[About],
) -> Definition | Undecorated:
    """
    Make a heuristic of a Polars expression, or decorate a function of one row.

    An expression or function that says true or false needs a `label`: true votes for it, false
    and null abstain. Without `label` it yields a class name or None itself. `batch=True` is for a
    function from a frame to a series or expression of its rows; it must treat each row alone.
    `reads` names the columns of the row that a function uses, where they cannot be inferred.
    Each of `resources` is a value, or a function without arguments that makes it once per
    process, and is passed to the function by keyword.
    """
    _check_about(about)
    _check_label(label)
    if isinstance(rule, str | int | float | bool):
        raise HeuristicError(
            f"heuristic({rule!r}) is neither an expression nor a function. A label is given by "
            f"name: heuristic(expression, label={rule!r}) or @heuristic(label={rule!r})."
        )
    if isinstance(rule, pl.Expr):
        if reads is not None or resources or batch:
            raise HeuristicError(
                "reads, resources and batch belong to functions; an expression says itself which "
                "columns it reads."
            )
        return Definition(Expression(rule), label=label, **about)
    decorate = Undecorated(label=label, batch=batch, reads=reads, resources=resources, **about)
    if rule is None:
        return decorate
    if label is None and reads is None and not (batch or resources or about):
        name = getattr(rule, "__name__", repr(rule))
        raise HeuristicError(
            f"The decorator of {name!r} is missing its parentheses: write @heuristic() or "
            "@heuristic(label=...)."
        )
    return decorate(rule)


def keywords(
    words: Iterable[str],
    *,
    label: str,
    column: str,
    ignore_case: bool = True,
    whole_words: bool = False,
    **about: Unpack[About],
) -> Definition:
    """
    Vote `label` where the column's text contains one of the words or phrases.

    Letter case does not count unless `ignore_case=False`. A word is found inside others too
    ("count" in "accounting") unless `whole_words=True`.
    """
    _check_about(about)
    _check_label(label, needed_by="keywords")
    if isinstance(words, str):
        raise HeuristicError(f"keywords takes a list of words: write keywords([{words!r}], ...).")
    distinct = dict.fromkeys(words)
    for word in distinct:
        if not isinstance(word, str):
            raise HeuristicError(f"keywords takes words, not {type(word).__name__}: {word!r}.")
        if not word:
            raise HeuristicError("keywords: an empty word is contained in every text; remove it.")
    if not distinct:
        raise HeuristicError("keywords: the list of words is empty, so it could never vote.")
    rule = Keywords(tuple(sorted(distinct)), _name(column), ignore_case, whole_words)
    return Definition(rule, label=label, **about)


def regex(
    pattern: str | re.Pattern[str], *, label: str, column: str, **about: Unpack[About]
) -> Definition:
    r"""
    Vote `label` where the column's text contains a match of the regular expression.

    It is run by a linear-time engine (Rust's regex, by way of Polars), so no pattern can hang;
    it is case-sensitive unless it begins with `(?i)`. What such an engine cannot express
    (look-around, back-references) is refused here with the way out. `$` is the very end of the
    text, as `\z` is; in Python's `re` it also matches before a last line break.
    """
    _check_about(about)
    _check_label(label, needed_by="regex")
    if isinstance(pattern, re.Pattern):
        flags = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x"}
        letters = "".join(letter for flag, letter in flags.items() if pattern.flags & flag)
        pattern = f"(?{letters}){pattern.pattern}" if letters else pattern.pattern
    if not isinstance(pattern, str):
        raise HeuristicError(f"regex takes a pattern as text, not {type(pattern).__name__}.")
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError as error:
        _refuse_pattern(pattern, str(error))
    return Definition(Regex(pattern, _name(column)), label=label, **about)


def lookup(
    table: Mapping[Any, str | None] | Iterable[Any] | str,
    *,
    column: str,
    label: str | None = None,
    key: str | None = None,
    vote: str | None = None,
    **about: Unpack[About],
) -> Definition:
    """
    Vote by a table from values of a column to class names; a value it lacks abstains.

    The table is a mapping, a collection of values that all vote `label`, or the path of a CSV,
    TSV, JSON, text or Parquet file: in the project, or a URI that Polars can read. In a file,
    `key` names the column with the values (default: the first) and `vote` the one with the
    classes (default: the second, unless there is a `label`). The file's content, not its name, is
    part of the heuristic's fingerprint.
    """
    _check_about(about)
    _check_label(label)
    if isinstance(table, str):
        rule = Lookup(table, _name(column), key, vote)
    elif key is not None or vote is not None:
        raise HeuristicError("lookup: key and vote name columns of a file; the table is not one.")
    elif isinstance(table, Mapping):
        rule = Lookup(dict(table), _name(column), None, None)
    elif label is None:
        raise HeuristicError(
            "lookup: a collection of values needs a label=...; or give a mapping from value to "
            "class name."
        )
    else:
        rule = Lookup(dict.fromkeys(table, label), _name(column), None, None)
    return Definition(rule, label=label, **about)


def column(
    name: str,
    *,
    label: str | None = None,
    values: Mapping[Any, str | None] | None = None,
    **about: Unpack[About],
) -> Definition:
    """
    Take over votes that already exist in a column of the source.

    The column holds class names (null abstains), or true and false together with a `label`, or
    whatever `values` translates into class names (None abstains; a value it lacks is an error).
    """
    _check_about(about)
    _check_label(label)
    rule = Column(_name(name), None if values is None else dict(values))
    return Definition(rule, label=label, **about)


def model(
    uri: str,
    predict: Callable[..., Any],
    *,
    label: str | None = None,
    load: Callable[[str], Any],
    reads: Sequence[str],
    **about: Unpack[About],
) -> Definition:
    """
    Vote by a model: `load(uri)` once per process, then `predict(model, frame)` per batch of rows.

    The URI must pin a version ("models:/spam/3"), since it is what the fingerprint knows of the
    model's content; an alias or "latest" is refused. `predict` gives one class name, or with a
    `label` one truth value, per row.
    """
    _check_about(about)
    _check_label(label)
    tail = uri.rstrip("/").rpartition("/")[2]
    if uri.startswith("models:/") and not (tail.isdecimal() or tail.startswith("m-")):
        raise HeuristicError(
            f"model: {uri!r} does not pin a version, so its votes could change unseen. Write "
            "models:/NAME/VERSION and edit it when the model changes."
        )
    return Definition(Model(uri, load, predict), label=label, reads=tuple(reads), **about)


def _function(
    function: Callable[..., Any],
    *,
    label: str | None,
    batch: bool,
    reads: Sequence[str] | None,
    resources: Mapping[str, Any] | None,
    **about: Unpack[About],
) -> Definition:
    if isinstance(reads, str):
        raise HeuristicError(f"reads takes a list of columns: write reads=[{reads!r}].")
    rule = Function(function, dict(resources or {}), "batch" if batch else "function")
    return Definition(rule, label=label, reads=None if reads is None else tuple(reads), **about)


def _check_about(about: About) -> None:
    known = About.__annotations__
    for word in about:
        if word not in known:
            raise HeuristicError(
                f"{word!r} is not an option of a heuristic.{did_you_mean(word, known)}"
            )
    precision = about.get("precision")
    if precision is not None and not 0 < precision <= 1:
        raise HeuristicError(f"precision is a share in (0, 1], not {precision!r}.")


def _check_label(label: object, needed_by: str | None = None) -> None:
    if label is None and needed_by is None:
        return
    if not isinstance(label, str):
        raise HeuristicError(
            f"label is the name of a class as text, not {type(label).__name__} {label!r}."
        )


def _name(column: object) -> str:
    if not isinstance(column, str):
        raise HeuristicError(f"column is the name of a column as text, not {column!r}.")
    return column


def _refuse_pattern(pattern: str, message: str) -> NoReturn:
    reason = next(
        (line for line in message.splitlines() if line.startswith("error:")), message
    ).removeprefix("error: ")
    way_out = ""
    if "look-around" in reason or "backreferences" in reason:
        way_out = (
            " Regular expressions run in linear time here, so that none can hang. Combine two: "
            'heuristic(pl.col(c).str.contains("a") & ~pl.col(c).str.contains("b"), label=...), '
            "or write a row function, which runs under a time limit."
        )
    raise HeuristicError(f"regex {pattern!r} is refused: {reason.rstrip('.')}.{way_out}")
