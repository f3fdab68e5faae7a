"""Which end models were trained on which label version, as the decisions table tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.decisions import champion

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """An end model and the label version it learnt from."""

    model: str
    """Its version in MLflow's registry, under the project's name."""
    label_version: int
    role: str
    """What it was made when it was trained: `champion` or `challenger`."""
    why: str
    at: datetime
    serving: bool
    """Whether it is the champion now."""


def models_of(decisions: pl.DataFrame, version: int) -> tuple[TrainedOn, ...]:
    """Return the end models that were trained on a label version, oldest first."""
    serving = champion(decisions)
    mine = decisions.filter(
        pl.col("kind").is_in(["champion", "challenger"])
        & (pl.col("label_version") == version)
        & pl.col("model").is_not_null()
    )
    return tuple(
        TrainedOn(
            model=row["model"],
            label_version=row["label_version"],
            role=row["kind"],
            why=row["why"],
            at=row["at"],
            serving=row["model"] == serving,
        )
        for row in mine.sort("at").iter_rows(named=True)
    )
