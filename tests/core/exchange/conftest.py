"""A store with asks about rows of the small project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from labelpress.asks import hash_texts
from labelpress.row_hash import hash_rows
from labelpress.store import open_project_store
from labelpress.tables.schemas import ASKS


@pytest.fixture(name="asked")
def _asked(project):
    """The small project with six rows asked: the first two of each day."""
    now = datetime.now(UTC)
    frames = []
    for day in ("day-1", "day-2", "day-3"):
        rows = project.frame(f"{day}.parquet").head(2)
        columns = sorted(set(rows.columns) - {"gold"})
        frames.append(
            rows.select(
                ask_id=pl.format("ask-{}", "id"),
                row_id="id",
                part=pl.lit(f"{day}.parquet"),
                row_hash=pl.Series(
                    hash_texts(pl.Series(hash_rows(rows, columns), dtype=pl.UInt64))
                ),
                reason=pl.lit("drawn at random"),
                period=pl.lit("2026-03-02"),
                created=pl.lit(now - timedelta(days=1)),
                expires=pl.lit(now + timedelta(days=27)),
            )
        )
    asks = pl.concat(frames)
    absent = [pl.lit(None, kind).alias(n) for n, kind in ASKS.items() if n not in asks.columns]
    asks = asks.with_columns(absent).select(ASKS.names()).cast(ASKS)
    open_project_store(project.read()).asks.append(asks, batch="v1")
    return project
