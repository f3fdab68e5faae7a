"""The test set: gold rows that judge the end model and are never asked nor trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.answers import settle_asks
from labelpress.errors import ProjectError, SourceError, did_you_mean
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.project import Project
    from labelpress.sources.listing import SourceFile
    from labelpress.store import Store

TEST_PART = "test set: "
"""Begins the part of an ask for a row of the test set, whose file follows."""


@dataclass(frozen=True, slots=True)
class TestSet:
    """Gold rows."""

    __test__ = False

    frame: pl.DataFrame
    """The columns that the file has, without the gold column."""
    codes: np.ndarray
    """Class codes, shape (n,)."""
    ids: tuple[str, ...]
    row_hashes: pl.Series
    """Of the columns without gold, as text."""
    parts: pl.Series
    """The part under which each row is asked."""
    corrected: int
    """Rows whose gold an expert's answer replaces."""
    digest: str
    """Stands for ids and gold: figures are comparable only under the same digest."""

    @property
    def rows(self) -> pl.DataFrame:
        """Columns row_id and row_hash (texts)."""
        return pl.DataFrame(
            {"row_id": pl.Series(self.ids, dtype=pl.String), "row_hash": self.row_hashes}
        )


def list_test_files(project: Project) -> dict[str, SourceFile]:
    """Return the files of the project's test set by the part under which their rows are asked."""
    if project.test_uri is None:
        return {}
    source = project.settings.source.model_copy(update={"format": "parquet"})
    listed = list_source(project.test_uri, source, "[evaluation] test").files
    return {TEST_PART + file.path: file for file in listed}


def hidden_columns(project: Project, part: str) -> set[str]:
    """Return the columns of a part that tell its rows' classes, which nobody may be shown."""
    told = {project.settings.evaluation.gold} if part.startswith(TEST_PART) else set[str]()
    oracle = project.settings.experts.oracle
    return told if oracle is None else {*told, oracle}


def read_corrections(store: Store, answers_version: int | None, classes: Classes) -> pl.DataFrame:
    """Return row_id, row_hash and code of the test set's rows that experts have answered."""
    asks = store.asks.read().filter(pl.col("part").str.starts_with(TEST_PART))
    answers = store.answers.read(answers_version)
    settled, _ = settle_asks(asks, answers, classes)
    last = settled.sort("answered", "ask_id").unique(["row_id", "row_hash"], keep="last")
    return last.select("row_id", "row_hash", "code")


def read_test_set(
    project: Project, classes: Classes, corrections: pl.DataFrame | None = None
) -> TestSet | None:
    """
    Read the project's test set; None where it has none.

    `corrections` (row_id, row_hash, code) replace the gold of rows that are still as they were
    asked, which gives the test set another digest. Raises `SourceError` or `ProjectError` where the
    file, its id or its gold column is wrong.
    """
    uri = project.test_uri
    if uri is None:
        return None
    settings = project.settings
    gold = settings.evaluation.gold
    frames, parts, hashes = [], [], []
    for part, file in list_test_files(project).items():
        footer = read_footer(file, settings.source.storage_options)
        groups = (0, len(footer.row_groups) - 1)
        rows = read_rows(file, groups, dict(footer.schema), settings.source.storage_options)
        shown = sorted(set(rows.columns) - hidden_columns(project, part))
        frames.append(rows)
        parts += [part] * rows.height
        hashes.append(pl.Series("row_hash", hash_rows(rows, shown), dtype=pl.UInt64))
    frame = pl.concat(frames)
    for column in (settings.source.id, gold):
        if column not in frame.columns:
            raise ProjectError(
                f"the test set {uri!r} has no column {column!r}."
                f"{did_you_mean(column, frame.columns)}"
            )
    codes = _codes(frame[gold], classes, uri)
    ids = frame[settings.source.id].cast(pl.String)
    row_hashes = pl.Series("row_hash", hash_texts(pl.concat(hashes)), dtype=pl.String)
    corrected = np.zeros(len(codes), dtype=bool)
    if corrections is not None:
        key = ["row_id", "row_hash"]
        told = pl.DataFrame({"row_id": ids, "row_hash": row_hashes}).join(
            corrections, on=key, how="left", maintain_order="left"
        )["code"]
        answered = told.fill_null(pl.Series(codes)).to_numpy()
        corrected, codes = answered != codes, answered
    names = tuple(ids.to_list())
    digest = hashlib.blake2b(repr((names, codes.tolist())).encode(), digest_size=8).hexdigest()
    hidden = hidden_columns(project, TEST_PART)
    kept = [name for name in frame.columns if name not in hidden]
    return TestSet(
        frame=frame.select(kept),
        codes=codes,
        ids=names,
        row_hashes=row_hashes,
        parts=pl.Series("part", parts, dtype=pl.String),
        corrected=int(corrected.sum()),
        digest=digest,
    )


def read_corrected_test_set(
    project: Project, store: Store, answers_version: int | None
) -> TestSet | None:
    """Read the test set as experts have corrected it by a version of `answers`."""
    told = read_corrections(store, answers_version, store.classes)
    return read_test_set(project, store.classes, told)


def _codes(gold: pl.Series, classes: Classes, uri: str) -> np.ndarray:
    unknown = sorted(set(gold.drop_nulls().unique().to_list()) - set(classes.names))
    if unknown or gold.null_count():
        what = f"the class {unknown[0]!r}" if unknown else f"{gold.null_count()} rows without gold"
        raise SourceError(
            f"the test set {uri!r} holds {what}; classes: {', '.join(classes.names)}."
        )
    code = {name: position for position, name in enumerate(classes.names)}
    return np.array([code[name] for name in gold.to_list()], dtype=np.int64)
