"""
Write the tumour example's data: four weekly drops of cases, and the test cases kept apart.

The 569 diagnoses bundled with scikit-learn are shuffled once (seed 0). The first 30 % become
`gold/test.parquet`; the rest arrives in four drops, one Parquet file per week, named by the
Monday on which it arrives. Same version, same bytes. Every file has the column `gold`, the
diagnosis, which only the oracle and the evaluation read.

Run `python examples/tumour/weeks.py` to write all of it.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer

SEED: Final = 0
TEST_SHARE: Final = 0.3
WEEKS: Final = tuple(date(2026, 1, 5) + timedelta(weeks=week) for week in range(4))
"""The Monday on which each drop arrives."""
PERIODS: Final = WEEKS[1:]
"""The periods of the example: two drops are there before the first, one more before each next."""


def cases() -> pl.DataFrame:
    """
    Return all 569 cases in the bundled order.

    Columns: `case_id`, 30 measurements (Float64, snake_case), `screening` (null where the rule
    is undecided) and `gold`. The ids number the cases in this order and never change.
    """
    bundled = load_breast_cancer()
    measurements = pl.DataFrame(
        bundled.data, schema=[name.replace(" ", "_") for name in bundled.feature_names]
    )
    ids = pl.Series("case_id", [f"case-{number:04d}" for number in range(1, len(measurements) + 1)])
    gold = pl.Series("gold", [str(bundled.target_names[code]) for code in bundled.target])
    return measurements.insert_column(0, ids).with_columns(screened().alias("screening"), gold)


def screened() -> pl.Expr:
    """
    Return the intake's rule, which reads measurements only.

    Of area, texture and smoothness: `malignant` where two are in their upper quartile, `benign`
    where none is, null where one is. The three measurements are those of Street, Wolberg &
    Mangasarian 1993; the quartiles are those of the 569 cases without their diagnoses.
    """
    raised = (
        (pl.col("worst_area") > 1084.0).cast(pl.Int8)
        + (pl.col("mean_texture") > 21.8).cast(pl.Int8)
        + (pl.col("worst_smoothness") > 0.146).cast(pl.Int8)
    )
    return pl.when(raised >= 2).then(pl.lit("malignant")).when(raised == 0).then(pl.lit("benign"))


def split(rows: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return the row numbers of the test cases and of each weekly drop, disjoint and complete."""
    shuffled = np.random.default_rng(SEED).permutation(rows)
    held_out = round(rows * TEST_SHARE)
    return shuffled[:held_out], tuple(np.array_split(shuffled[held_out:], len(WEEKS)))


def write_week(folder: str | Path, week: int) -> Path:
    """
    Write drop `week` (0 to 3) to `data/<Monday>.parquet` in the project's folder; return the path.

    Writing it again changes nothing. The file appears whole: it is renamed into place.
    """
    if week not in range(len(WEEKS)):
        raise ValueError(f"week {week} does not exist; the drops are 0 to {len(WEEKS) - 1}")
    drops = split(569)[1]
    return _write(cases()[drops[week]], Path(folder) / "data" / f"{WEEKS[week]}.parquet")


def write_test(folder: str | Path) -> Path:
    """Write the held-out cases to `gold/test.parquet` in the project's folder; return the path."""
    held_out = split(569)[0]
    return _write(cases()[held_out], Path(folder) / "gold" / "test.parquet")


def write_until(folder: str | Path, period: date) -> list[Path]:
    """Write the test cases and every drop that has arrived by the Monday `period`."""
    arrived = [week for week, monday in enumerate(WEEKS) if monday <= period]
    return [write_test(folder), *(write_week(folder, week) for week in arrived)]


def _write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    frame.write_parquet(unfinished, compression="zstd")
    unfinished.replace(path)
    return path


if __name__ == "__main__":
    for written in write_until(Path(__file__).parent, PERIODS[-1]):
        print(written)
