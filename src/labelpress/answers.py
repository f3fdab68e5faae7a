"""Answers: what came back from the experts, and which of it still counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.annotators import settle

if TYPE_CHECKING:
    from datetime import datetime

    from labelpress.annotators import Annotator
    from labelpress.classes import Classes

FROZEN = pl.Schema(
    {
        "row_id": pl.String(),
        "row_hash": pl.String(),
        "code": pl.Int64(),
        "stratum": pl.String(),
        "reserved": pl.Boolean(),
        "propensity": pl.Float64(),
        "cohort": pl.String(),
        "partition": pl.String(),
        "annotators": pl.Int64(),
        "simulated": pl.Boolean(),
        "answered": pl.Datetime("us", "UTC"),
    }
)
"""One row per answered row: the label code the experts agree on, and why the row was asked."""


@dataclass(frozen=True, slots=True)
class FrozenAnswers:
    """The answers that one run uses."""

    version: int | None
    """The Delta version of `answers`; None while there are none."""
    asks_version: int | None
    rows: pl.DataFrame
    """With the columns of `FROZEN`."""
    annotators: tuple[Annotator, ...] = ()
    """Everybody who answered anything."""

    @property
    def teaching(self) -> pl.DataFrame:
        """The answers that fit, recalibrate and override."""
        return self.rows.filter(~pl.col("reserved"))

    @property
    def reserved(self) -> pl.DataFrame:
        """The audit answers that certify and never teach."""
        return self.rows.filter(pl.col("reserved"))


def agree(
    asks: pl.DataFrame, answers: pl.DataFrame, classes: Classes
) -> tuple[pl.DataFrame, tuple[Annotator, ...]]:
    """
    Join asks with their answers and settle each row: columns of `FROZEN`, in order of row_id.

    An annotator's last answer to an ask counts; where annotators disagree `settle` decides, and
    says what it found of each of them. Skipped asks (no label) count for nothing. Where a row was
    asked more than once, the last ask that was answered counts; a recheck corrects the answer, but
    why the row was asked, and with which propensity, remains what its first ask said.
    """
    codes = pl.DataFrame({"label": classes.names, "code": range(len(classes))}).cast(
        {"code": pl.Int64}
    )
    given = (
        answers.filter(pl.col("label").is_not_null())
        .sort("answered", "imported", "annotator")
        .unique(["ask_id", "annotator"], keep="last", maintain_order=True)
        .join(codes, on="label", how="inner", maintain_order="left")
    )
    settled = settle(given, classes)
    # an answer is as old, and as simulated, as those that say the same
    supported = given.join(settled.codes, on=["ask_id", "code"], how="semi")
    rows = (
        supported.group_by("ask_id")
        .agg(pl.col("code").first(), pl.col("answered").max(), pl.col("simulated").all())
        .join(given.group_by("ask_id").agg(pl.len().alias("annotators")), on="ask_id")
    )
    joined = asks.unique("ask_id", keep="first", maintain_order=True).join(
        rows, on="ask_id", how="inner"
    )
    last = joined.sort("answered", "ask_id").unique("row_id", keep="last", maintain_order=True)
    drawn = ("stratum", "reserved", "propensity", "cohort")
    first = (
        asks.filter(pl.col("stratum") != "recheck")
        .sort("created", "ask_id", maintain_order=True)
        .unique(["row_id", "row_hash"], keep="last", maintain_order=True)
        .select("row_id", "row_hash", *drawn)
    )
    kept = last.filter(pl.col("stratum") != "recheck")
    corrected = (
        last.filter(pl.col("stratum") == "recheck")
        .drop(drawn)
        .join(first, on=["row_id", "row_hash"], how="inner")
    )
    counting = pl.concat([frame.select(FROZEN.names()) for frame in (kept, corrected)])
    return counting.cast(FROZEN).sort("row_id"), settled.annotators


def open_asks(asks: pl.DataFrame, answers: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the asks that nobody has answered or skipped and that have not expired."""
    waiting = asks.filter(pl.col("expires") > now)
    return waiting.join(answers.select("ask_id").unique(), on="ask_id", how="anti")
