"""Answers: what came back from the experts, and which of it still counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from labelpress.annotators import settle
from labelpress.asks import answers_wanted

if TYPE_CHECKING:
    from datetime import datetime

    from labelpress.annotators import Annotator
    from labelpress.asks import ExpertsSettings
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
"""One row per answered row and content: the code the experts agree on, and why it was asked."""


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

    A row that has changed has an answer for each content that was asked, since an answer to the old
    one may come after that to the new one. Where the same content was asked more than once, the
    last ask that was answered counts; a recheck corrects the answer, but why the row was asked, and
    with which propensity, remains what its first ask said. Rows of the test set have no such ask,
    and are not among the rows returned.
    """
    joined, annotators = settle_asks(asks, answers, classes)
    content = ["row_id", "row_hash"]
    last = joined.sort("answered", "ask_id").unique(content, keep="last", maintain_order=True)
    drawn = ("stratum", "reserved", "propensity", "cohort")
    first = (
        asks.filter(pl.col("stratum") != "recheck")
        .sort("created", "ask_id", maintain_order=True)
        .unique(content, keep="last", maintain_order=True)
        .select(*content, *drawn)
    )
    kept = last.filter(pl.col("stratum") != "recheck")
    corrected = (
        last.filter(pl.col("stratum") == "recheck").drop(drawn).join(first, on=content, how="inner")
    )
    counting = pl.concat([frame.select(FROZEN.names()) for frame in (kept, corrected)])
    return counting.cast(FROZEN).sort(content), annotators


def settle_asks(
    asks: pl.DataFrame, answers: pl.DataFrame, classes: Classes
) -> tuple[pl.DataFrame, tuple[Annotator, ...]]:
    """
    Return the asks that were answered, with code, answered, simulated and number of annotators.

    An annotator's last answer to an ask counts; where annotators disagree `settle` decides, and
    says what it found of each of them. Skipped asks (no label) count for nothing.
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
    return joined, settled.annotators


AskState = Literal["open", "answered", "expired", "superseded"]


def ask_states(
    asks: pl.DataFrame,
    answers: pl.DataFrame,
    now: datetime,
    experts: ExpertsSettings,
    current: pl.DataFrame | None = None,
) -> pl.Series:
    """
    Derive the state of each ask, shape (n,).

    `answered`: as many different people as it wants have answered or skipped it, or an oracle has;
    `expired`: its time is over; `superseded`: its row has changed or is gone, where `current`
    (columns row_id and row_hash) says which rows there are; else `open`.
    """
    people = answers.group_by("ask_id").agg(
        pl.col("annotator").n_unique().cast(pl.Int64).alias("people"),
        pl.col("simulated").any().alias("oracle"),
    )
    told = asks.select("ask_id", "row_id", "row_hash", "expires").join(
        people, on="ask_id", how="left", maintain_order="left"
    )
    wanted = answers_wanted(asks["ask_id"], experts)
    enough = (pl.col("people").fill_null(0) >= wanted) | pl.col("oracle").fill_null(value=False)
    there = pl.lit(value=True)
    if current is not None:
        key = ["row_id", "row_hash"]
        known = current.select(key).unique().with_columns(there=pl.lit(value=True))
        told = told.join(known, on=key, how="left", maintain_order="left")
        there = pl.col("there").fill_null(value=False)
    state = (
        pl.when(enough)
        .then(pl.lit("answered"))
        .when(pl.col("expires") <= now)
        .then(pl.lit("expired"))
        .when(~there)
        .then(pl.lit("superseded"))
        .otherwise(pl.lit("open"))
    )
    return told.select(state.alias("state")).to_series()


def open_asks(
    asks: pl.DataFrame,
    answers: pl.DataFrame,
    now: datetime,
    experts: ExpertsSettings,
    current: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the asks whose state is `open`."""
    return asks.filter(ask_states(asks, answers, now, experts, current) == "open")


def answers_awaited(waiting: pl.DataFrame, answers: pl.DataFrame, experts: ExpertsSettings) -> int:
    """Return how many answers open asks still want."""
    there = answers.join(waiting, on="ask_id", how="semi").select("ask_id", "annotator").unique()
    return int(answers_wanted(waiting["ask_id"], experts).sum()) - there.height
