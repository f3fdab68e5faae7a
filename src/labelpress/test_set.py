"""The test set: gold rows that judge the end model and are never asked nor trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.errors import ProjectError, SourceError, did_you_mean
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.project import Project


@dataclass(frozen=True, slots=True)
class TestSet:
    """Gold rows."""

    __test__ = False

    frame: pl.DataFrame
    """The columns that the file has, without the gold column."""
    codes: np.ndarray
    """Class codes, shape (n,)."""
    ids: tuple[str, ...]
    digest: str
    """Stands for ids and gold: figures are comparable only under the same digest."""


def read_test_set(project: Project, classes: Classes) -> TestSet | None:
    """
    Read the project's test set; None where it has none.

    Raises `SourceError` or `ProjectError` where the file, its id or its gold column is wrong.
    """
    uri = project.test_uri
    if uri is None:
        return None
    settings = project.settings
    gold = settings.evaluation.gold
    frames = []
    source = settings.source.model_copy(update={"format": "parquet"})
    for file in list_source(uri, source, "[evaluation] test").files:
        footer = read_footer(file, settings.source.storage_options)
        groups = (0, len(footer.row_groups) - 1)
        frames.append(read_rows(file, groups, dict(footer.schema), settings.source.storage_options))
    frame = pl.concat(frames)
    for column in (settings.source.id, gold):
        if column not in frame.columns:
            raise ProjectError(
                f"the test set {uri!r} has no column {column!r}."
                f"{did_you_mean(column, frame.columns)}"
            )
    codes = _codes(frame[gold], classes, uri)
    ids = tuple(frame[settings.source.id].cast(pl.String).to_list())
    digest = hashlib.blake2b(repr((ids, codes.tolist())).encode(), digest_size=8).hexdigest()
    kept = [c for c in frame.columns if c not in {gold, settings.experts.oracle}]
    return TestSet(frame.select(kept), codes, ids, digest)


def _codes(gold: pl.Series, classes: Classes, uri: str) -> np.ndarray:
    unknown = sorted(set(gold.drop_nulls().unique().to_list()) - set(classes.names))
    if unknown or gold.null_count():
        what = f"the class {unknown[0]!r}" if unknown else f"{gold.null_count()} rows without gold"
        raise SourceError(
            f"the test set {uri!r} holds {what}; classes: {', '.join(classes.names)}."
        )
    code = {name: position for position, name in enumerate(classes.names)}
    return np.array([code[name] for name in gold.to_list()], dtype=np.int64)
