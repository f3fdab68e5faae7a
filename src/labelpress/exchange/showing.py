"""What an expert sees: asks with the columns of their rows that may leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.answers import open_asks
from labelpress.erasure.tombstones import read_tombstones
from labelpress.errors import ProjectError, did_you_mean
from labelpress.partitions import file_of
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows
from labelpress.test_set import hidden_columns, list_test_files

if TYPE_CHECKING:
    from datetime import datetime

    from labelpress.project import Project
    from labelpress.sources.listing import SourceFile
    from labelpress.store import Store

OWN_COLUMNS = (
    "ask_id",
    "row_id",
    "reason",
    "classes",
    "label",
    "annotator",
    "seconds",
    "rationale",
    "answered",
    "expires",
)
"""The columns with which every file of asks begins; an expert fills in label to answered."""

_NO_ROWS = pl.Schema({"row_id": pl.String(), "row_hash": pl.String()})


@dataclass(frozen=True, slots=True)
class Shown:
    """Asks that can be put before an expert."""

    asks: pl.DataFrame
    """The asks, in their order."""
    columns: pl.DataFrame
    """The columns of their rows that an expert may see, in the same order."""
    gone: int
    """Asks whose row has changed or left the source: answering them would be in vain."""


def standing_asks(store: Store) -> pl.DataFrame:
    """Return all asks but those of rows that were, or are being, erased; these go away last."""
    asks = store.asks.read()
    return asks.filter(~read_tombstones(store.files).mask(asks["row_id"]))


def show_open_asks(
    project: Project, store: Store, at: datetime, *, limit: int | None = None, who: str = ""
) -> Shown:
    """
    Find the rows of the asks that were open at a moment, the oldest first, at most `limit`.

    Those that `who` has answered are not among them, even where others are still wanted. The
    same moment gives the same asks, whatever has been asked and answered since.
    """
    answers = store.answers.read().filter(pl.col("imported") <= at)
    asks = standing_asks(store).filter(pl.col("created") <= at)
    then = open_asks(asks, answers, at, project.settings.experts)
    own = answers.filter(pl.col("annotator") == who)["ask_id"]
    then = then.filter(~pl.col("ask_id").is_in(own.implode()))
    shown = show_asks(project, then.sort("created", maintain_order=True))
    if limit is None:
        return shown
    return Shown(shown.asks.head(limit), shown.columns.head(limit), shown.gone)


def check_may_leave(project: Project, server: str) -> None:
    """Raise `ProjectError` unless the project names the columns that may be sent to a server."""
    if project.settings.exchange.columns is None:
        raise ProjectError(
            f"project.toml, [exchange] columns: nothing says which columns may leave for {server}. "
            "Name the columns that an expert needs to see; no others are sent."
        )


def show_asks(project: Project, asks: pl.DataFrame) -> Shown:
    """
    Find the rows of asks in the source and the test set.

    Shown are the columns that `[exchange] columns` names, else all; never one that tells the class.
    Raises `ProjectError` where a named column is in no file, `SourceError` as reading does.
    """
    source = project.settings.source
    files = {file.path: file for file in list_source(project.source_uri, source).files}
    files |= list_test_files(project)
    paths = pl.Series("path", [file_of(part) for part in asks["part"]], dtype=pl.String)
    found = [
        _rows_of(project, str(key[0]), files[str(key[0])], group["row_id"])
        for key, group in asks.group_by(paths, maintain_order=True)
        if str(key[0]) in files
    ]
    if not found:
        return Shown(asks.clear(), pl.DataFrame(), asks.height)
    rows = pl.concat(found, how="diagonal_relaxed")
    _check_columns(project, rows, list(files.values()))
    key = list(_NO_ROWS)
    named = rows.select(pl.struct(*key).alias("_key"), pl.struct(pl.exclude(key)).alias("_shown"))
    joined = asks.with_columns(pl.struct(*key).alias("_key")).join(
        named.unique("_key", keep="first"), on="_key", how="inner", maintain_order="left"
    )
    return Shown(
        joined.select(asks.columns),
        joined.select("_shown").unnest("_shown"),
        asks.height - joined.height,
    )


def _rows_of(project: Project, part: str, file: SourceFile, row_ids: pl.Series) -> pl.DataFrame:
    """Return row_id and row_hash (text) and the shown columns of some rows of a file."""
    settings = project.settings
    options = settings.source.storage_options
    footer = read_footer(file, options)
    hidden = hidden_columns(project, part)
    types = {name: kind for name, kind in footer.schema if name not in hidden}
    shown = [name for name in settings.exchange.columns or types if name in types]
    id_only = {settings.source.id: types[settings.source.id]}
    frames = [_NO_ROWS.to_frame()]
    for group in range(len(footer.row_groups)):
        # A partition may be large and the asks in it few.
        ids = read_rows(file, (group, group), id_only, options)[settings.source.id].cast(pl.String)
        asked = ids.is_in(row_ids.implode())
        if not asked.any():
            continue
        rows = read_rows(file, (group, group), types, options).filter(asked)
        hashes = pl.Series(hash_rows(rows, sorted(types)), dtype=pl.UInt64)
        frames.append(
            rows.select(
                ids.filter(asked).alias("row_id"),
                pl.Series("row_hash", hash_texts(hashes), dtype=pl.String),
                *(_readable(rows[name]).alias(_spelt(name)) for name in shown),
            )
        )
    return pl.concat(frames, how="diagonal_relaxed")


def _check_columns(project: Project, rows: pl.DataFrame, files: list[SourceFile]) -> None:
    for name in project.settings.exchange.columns or ():
        if rows.height and _spelt(name) not in rows.columns:
            footer = read_footer(files[0], project.settings.source.storage_options)
            raise ProjectError(
                f"project.toml, [exchange] columns: the source has no column {name!r}."
                f"{did_you_mean(name, [known for known, _ in footer.schema])}"
            )


def _readable(column: pl.Series) -> pl.Series:
    """Return a column as a text or JSON file can hold it: lists and records as JSON text."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        texts = [None if value is None else json.dumps(value, default=str) for value in column]
        return pl.Series(texts, dtype=pl.String)
    return column


def _spelt(name: str) -> str:
    """Return the name under which a column is shown: never one of our own."""
    return f"shown_{name}" if name in (*OWN_COLUMNS, *_NO_ROWS) else name
