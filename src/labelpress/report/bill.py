"""The bill: what a period cost, line by line, and what that comes to per label and answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.ledger import PAID_TO_EXPERTS, Costs, sum_costs

if TYPE_CHECKING:
    from labelpress.report.facts import Point

_NAMES = {
    "expert minutes": "experts, answering",
    "rework": "experts, answering again what looked wrong",
    "worker seconds": "computing",
    "bytes read": "reading data",
    "bytes stored": "storing data",
    "model calls": "calling models",
}
_UNITS = {
    "B": ("bytes", ((2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB"), (2**40, "TiB"))),
    "s": ("core seconds", ((60, "core minutes"), (3600, "core hours"))),
    "min": ("minutes", ()),
}
"""By the ledger's unit: its name for people, and larger ones."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of spending."""

    name: str
    quantity: str
    """With its unit, for people."""
    usd: float


@dataclass(frozen=True, slots=True)
class Minutes:
    """Expert minutes by why the rows were asked for."""

    stratum: str
    answers: int
    minutes: float
    usd: float
    basis: str
    """How the minutes are known: measured, declared or modelled."""


@dataclass(frozen=True, slots=True)
class PeriodCosts:
    """What one period cost, and all periods up to it."""

    period: str
    costs: Costs
    so_far: Costs


@dataclass(frozen=True, slots=True)
class Units:
    """Spending per published label, per answer, and per point of accuracy; None where unknown."""

    label: float | None
    answer: float | None
    point: float | None


def periods_of(ledger: pl.DataFrame) -> tuple[PeriodCosts, ...]:
    """Return the costs of each period in the books, oldest first."""
    names = ledger["period"].unique().sort().to_list()
    return tuple(
        PeriodCosts(
            name,
            sum_costs(ledger.filter(pl.col("period") == name)),
            sum_costs(ledger.filter(pl.col("period") <= name)),
        )
        for name in names
    )


def lines_of(ledger: pl.DataFrame) -> tuple[Line, ...]:
    """Return what was spent by kind, the dearest first; the lines add up to the total."""
    sums = (
        ledger.filter((pl.col("counted_as") == "spent") & (pl.col("what") != "answers"))
        .group_by("what", "unit")
        .agg(pl.col("quantity").sum(), pl.col("usd").sum())
        .sort("usd", "what", descending=[True, False])
    )
    return tuple(
        Line(_NAMES.get(what, what), quantity_text(quantity, unit), usd)
        for what, unit, quantity, usd in sums.iter_rows()
    )


def quantity_text(quantity: float, unit: str) -> str:
    """Return a quantity in the unit that people would choose for it."""
    named, units = _UNITS.get(unit, ("", ()))
    shown = f"{quantity:,.0f} {unit}" if not named else f"{quantity:,.1f} {named}"
    for size, name in units:
        if quantity >= size:
            shown = f"{quantity / size:,.1f} {name}"
    return shown


def minutes_of(ledger: pl.DataFrame) -> tuple[Minutes, ...]:
    """Return the expert minutes of some ledger rows by stratum, the most first."""
    paid = pl.col("what").is_in(PAID_TO_EXPERTS)
    sums = (
        ledger.filter(pl.col("stage") == "answers", paid | (pl.col("what") == "answers"))
        .group_by(pl.col("stratum").fill_null("other"))
        .agg(
            pl.col("quantity").filter(pl.col("what") == "answers").sum().alias("answers"),
            pl.col("quantity").filter(paid).sum().alias("minutes"),
            pl.col("usd").sum(),
            pl.col("basis").unique().sort().str.join(", "),
        )
        .sort("minutes", "stratum", descending=[True, False])
    )
    return tuple(
        Minutes(row["stratum"], round(row["answers"]), row["minutes"], row["usd"], row["basis"])
        for row in sums.iter_rows(named=True)
    )


def answers_of(ledger: pl.DataFrame) -> float:
    """Return how many answers some ledger rows paid for."""
    return float(ledger.filter(pl.col("what") == "answers")["quantity"].sum())


def new_rows_of(ledger: pl.DataFrame) -> int:
    """Return how many rows were new by some ledger rows: those priced by hand."""
    return int(ledger.filter(pl.col("counted_as") == "baseline")["quantity"].sum())


def units_of_period(costs: Costs, answers: float, now: Point, before: Point | None) -> Units:
    """
    Return what a label, an answer and a point of accuracy cost in a period.

    A label is a row that has one in the version printed; a point is one per cent of the labels that
    were wrong in the printing before and are right now, unknown where there are not more of them.
    """
    gain = None
    if before is not None and None not in (now.accuracy, before.accuracy):
        gain = (now.accuracy or 0.0) - (before.accuracy or 0.0)
    return _units(costs, answers, now, gain)


def units_so_far(costs: Costs, answers: float, now: Point) -> Units:
    """
    Return what a label, an answer and a point of accuracy cost over all periods.

    The points are those above labelling every row with the commonest class.
    """
    gain = None if now.accuracy is None else now.accuracy - now.commonest
    return _units(costs, answers, now, gain)


def why_no_point(now: Point, before: Point | None) -> str:
    """Say why a point of accuracy has no price in a period, in a few words."""
    if before is None:
        return "unknown: no printing before"
    if None in (now.accuracy, before.accuracy):
        return "unknown: no audits"
    return "none: no gain measured"


def _units(costs: Costs, answers: float, now: Point, gain: float | None) -> Units:
    return Units(
        label=costs.total_usd / now.labelled if now.labelled else None,
        answer=costs.expert_usd / answers if answers else None,
        point=costs.total_usd / (100 * gain) if gain is not None and gain > 0 else None,
    )
