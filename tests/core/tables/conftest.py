"""Tables to write to, and labels to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import polars as pl
import pytest

from labelpress.tables.publication import LabelFile, LabelTable

if TYPE_CHECKING:
    from pathlib import Path


class WriteLabels(Protocol):
    """Writes a candidate file: rows `<prefix>0`, `<prefix>1`, ... of one partition."""

    def __call__(self, part: str, run: str, rows: int, label: str | None = "spam") -> LabelFile:
        """Write the file and return it."""


def label_frame(prefix: str, rows: int, label: str | None = "spam") -> pl.DataFrame:
    """Return labels of `rows` rows, all of one class."""
    return pl.DataFrame(
        {
            "row_id": [f"{prefix}{i}" for i in range(rows)],
            "label": pl.Series([label] * rows, dtype=pl.String),
            "probabilities": [[0.25, 0.75]] * rows,
            "confidence": [0.75] * rows,
            "origin": ["program"] * rows,
            "n_votes": pl.Series([2] * rows, dtype=pl.Int32),
            "cohort": ["2026-01-05"] * rows,
        }
    )


@pytest.fixture(name="labels")
def _labels(tmp_path: Path) -> LabelTable:
    table = LabelTable(str(tmp_path / "labels"))
    table.create("string")
    return table


@pytest.fixture(name="write")
def _write(labels: LabelTable) -> WriteLabels:
    def write(part: str, run: str, rows: int, label: str | None = "spam") -> LabelFile:
        return labels.write(part, run, label_frame(f"{part}-", rows, label))

    return write


@pytest.fixture(name="frame")
def _frame() -> pl.DataFrame:
    return label_frame("row-", 3)
