"""The project under fire: three files of rows that are new in every period, one slow heuristic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from labelpress.project import read_project
from labelpress.store import Store

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
name = "{name}"
[source]
uri = "data/"
id = "id"
[classes]
names = ["ham", "spam"]
[experts]
budget = 6
oracle = "gold"
[end_model.features]
text = ["text"]
numeric = ["stars"]
[gate]
max_gone_rows = 1.0
max_churn = 1.0
"""

HEURISTICS = """
import time
import polars as pl
from labelpress import heuristic, keywords

begging = keywords(["subscribe", "my channel"], label="spam", column="text")
short = heuristic(pl.col("text").str.len_chars() < 12, label="ham")
starred = heuristic(pl.col("stars") >= 4, label="ham")

@heuristic(label="spam")
def shouting(row):
    time.sleep(0.05)  # so that a moment of the vote stage is likely to be hit
    return len(row.text) > 5 and row.text.isupper()
"""

ROWS = (
    ("subscribe to me", 1, "spam"),
    ("lovely", 5, "ham"),
    ("WHAT A MORNING", 1, "spam"),
    ("it grew on me over the years", 4, "ham"),
)
FILES = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A project whose source is replaced, file by file, before each period."""

    path: Path
    tracking_uri: str

    def write(self) -> None:
        """Write the project without rows."""
        (self.path / "data").mkdir(parents=True)
        (self.path / "project.toml").write_text(
            SETTINGS.format(name=self.path.name) + f'[tracking]\nuri = "{self.tracking_uri}"\n'
        )
        (self.path / "heuristics.py").write_text(HEURISTICS)

    def renew(self, period: str) -> None:
        """Give each file rows that no earlier period had."""
        for number in range(FILES):
            rows = [(f"{period}/{number}/{n}", *row) for n, row in enumerate(ROWS)]
            frame = pl.DataFrame(rows, schema=["id", "text", "stars", "gold"], orient="row")
            frame.write_parquet(self.path / "data" / f"{number}.parquet")

    def row_ids(self) -> set[str]:
        """Return the ids of the rows that the source has now."""
        return set(pl.read_parquet(self.path / "data" / "*.parquet")["id"])

    @property
    def name(self) -> str:
        """The name in MLflow."""
        return self.path.name

    @property
    def store(self) -> Store:
        """The store, unopened."""
        return Store(read_project(str(self.path)).store_uri)


def period_of(week: int) -> str:
    """Return the first day of a week, counted from an arbitrary Monday."""
    return (date(2026, 3, 2) + timedelta(weeks=week)).isoformat()
