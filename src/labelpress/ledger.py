"""The ledger: what was spent, on what, for which heuristic, and how we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Basis = Literal["measured", "declared", "modelled"]
CountedAs = Literal["spent", "saved", "baseline"]

STAGES = (
    "answers",
    "plan",
    "vote",
    "fit",
    "label",
    "gate",
    "publish",
    "ask",
    "train",
    "promote",
    "score",
    "record",
)
"""The stages of a run, in order."""

SECONDS_PER_HOUR = 3600.0
GIB = 2.0**30

PAID_TO_EXPERTS = ("expert minutes", "rework")
"""What experts are paid for: answering, and answering again what looked wrong."""


class CostsSettings(BaseModel):
    """The `[costs]` table of project.toml: rates in USD."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: str = ""
    """The name of a Prefect block of the type Cost Rates, for what is not said here."""
    expert_usd_per_hour: Annotated[float, Field(ge=0)] = 60.0
    core_usd_per_hour: Annotated[float, Field(ge=0)] = 0.05
    read_usd_per_gib: Annotated[float, Field(ge=0)] = 0.0
    storage_usd_per_gib_month: Annotated[float, Field(ge=0)] = 0.023
    storage_months: Annotated[float, Field(ge=0)] = 12.0
    """For how long what is written is kept; its storage is booked when it is written."""
    model_usd_per_call: Mapping[str, Annotated[float, Field(ge=0)]] = {}
    """By the name of a `model` heuristic; a row it judges is a call."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What one stage of one run used."""

    stage: str
    wall_seconds: float
    worker_seconds: float = 0.0
    """CPU seconds on the workers."""
    flow_seconds: float = 0.0
    """CPU seconds in the flow's process."""
    heuristic_seconds: Mapping[str, float] = field(default_factory=dict)
    """Of the worker seconds, those spent on casting, by heuristic."""
    model_calls: Mapping[str, int] = field(default_factory=dict)
    """Rows judged by each heuristic that is a model."""
    bytes_read: int = 0
    bytes_written: int = 0
    saved_seconds: float = 0.0
    """CPU seconds that reused cells took when they were computed."""
    peak_memory_bytes: int = 0
    """The largest resident size of a worker seen in the stage."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "heuristic_seconds": dict(self.heuristic_seconds),
            "model_calls": dict(self.model_calls),
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger."""

    run: str
    period: str
    printing: int | None
    stage: str
    heuristic: str | None
    what: str
    quantity: float
    unit: str
    usd: float
    basis: Basis
    counted_as: CountedAs = "spent"
    stratum: str | None = None
    """Of answers: why they were asked for."""


def compute_entries(
    run: str, period: str, printing: int | None, spend: Spend, rates: CostsSettings
) -> tuple[Entry, ...]:
    """Price what a stage used: per heuristic what can be told apart, and one row for the rest."""
    rate = rates.core_usd_per_hour / SECONDS_PER_HOUR
    cast = sum(spend.heuristic_seconds.values())
    rest = max(spend.worker_seconds - cast, 0.0) + spend.flow_seconds

    def entry(
        what: str,
        quantity: float,
        unit: str,
        usd: float,
        *,
        heuristic: str | None = None,
        basis: Basis = "measured",
        counted_as: CountedAs = "spent",
    ) -> Entry:
        return Entry(
            run,
            period,
            printing,
            spend.stage,
            heuristic,
            what,
            quantity,
            unit,
            usd,
            basis,
            counted_as,
        )

    entries = [
        entry("worker seconds", seconds, "s", seconds * rate, heuristic=name)
        for name, seconds in sorted(spend.heuristic_seconds.items())
    ]
    entries.append(entry("worker seconds", rest, "s", rest * rate))
    entries += [
        entry(
            "model calls",
            float(calls),
            "calls",
            calls * rates.model_usd_per_call.get(name, 0.0),
            heuristic=name,
        )
        for name, calls in sorted(spend.model_calls.items())
    ]
    if spend.bytes_read:
        usd = spend.bytes_read / GIB * rates.read_usd_per_gib
        entries.append(entry("bytes read", float(spend.bytes_read), "B", usd))
    if spend.bytes_written:
        usd = spend.bytes_written / GIB * rates.storage_usd_per_gib_month * rates.storage_months
        entries.append(entry("bytes stored", float(spend.bytes_written), "B", usd))
    if spend.saved_seconds:
        saved = spend.saved_seconds
        entries.append(entry("reused cells", saved, "s", saved * rate, counted_as="saved"))
    return tuple(entries)


def expert_entries(
    run: str,
    period: str,
    printing: int | None,
    answers: pl.DataFrame,
    rates: CostsSettings,
    seconds_per_answer: float,
) -> tuple[Entry, ...]:
    """
    Price answers: minutes as measured or declared, else the project's seconds per answer.

    `answers` has the columns `seconds` (null where nobody measured), `seconds_source` and
    `stratum`: why they were asked for, `recheck` where it was for the second time. One row for the
    minutes and one for the number of answers, per stratum and basis.
    """
    modelled = pl.col("seconds").is_null()
    sums = (
        answers.select(
            "stratum",
            basis=pl.when(modelled).then(pl.lit("modelled")).otherwise("seconds_source"),
            seconds=pl.col("seconds").fill_null(seconds_per_answer),
        )
        .group_by("stratum", "basis")
        .agg(pl.len(), pl.col("seconds").sum())
        .sort("stratum", "basis")
    )
    entries = []
    for stratum, basis, number, seconds in sums.iter_rows():
        what = PAID_TO_EXPERTS[stratum == "recheck"]
        usd = seconds * rates.expert_usd_per_hour / SECONDS_PER_HOUR
        common = (run, period, printing, "answers", None)
        entries += [
            Entry(*common, "answers", float(number), "answers", 0.0, basis, stratum=stratum),
            Entry(*common, what, seconds / 60, "min", usd, basis, stratum=stratum),
        ]
    return tuple(entries)


def baseline_entry(
    run: str,
    period: str,
    printing: int | None,
    rows: int,
    rates: CostsSettings,
    seconds_per_answer: float,
) -> Entry:
    """Price what hand-labelling the new and changed rows of a period would have cost."""
    usd = rows * seconds_per_answer * rates.expert_usd_per_hour / SECONDS_PER_HOUR
    return Entry(
        run,
        period,
        printing,
        "label",
        None,
        "hand labels",
        float(rows),
        "rows",
        usd,
        "modelled",
        "baseline",
    )


def to_frame(entries: Iterable[Entry], booked: datetime) -> pl.DataFrame:
    """Return ledger rows as a frame, with the moment they are booked."""
    rows = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in entries]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.lit(booked).alias("booked"),
        pl.col("printing").cast(pl.Int32),
        pl.col("heuristic").cast(pl.String),
        pl.col("stage").cast(pl.String),
        pl.col("stratum").cast(pl.String),
    )


@dataclass(frozen=True, slots=True)
class Costs:
    """The sums of some ledger rows, in USD."""

    expert_usd: float
    compute_usd: float
    saved_usd: float
    hand_usd: float

    @property
    def total_usd(self) -> float:
        """What was spent: experts and compute. Savings and baselines are never mixed in."""
        return self.expert_usd + self.compute_usd


def sum_costs(ledger: pl.DataFrame) -> Costs:
    """Add up ledger rows by what they count as."""

    def usd(condition: pl.Expr) -> float:
        return float(ledger.filter(condition)["usd"].sum())

    spent = pl.col("counted_as") == "spent"
    expert = pl.col("what").is_in(PAID_TO_EXPERTS)
    return Costs(
        expert_usd=usd(spent & expert),
        compute_usd=usd(spent & ~expert),
        saved_usd=usd(pl.col("counted_as") == "saved"),
        hand_usd=usd(pl.col("counted_as") == "baseline"),
    )
