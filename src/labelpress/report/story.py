"""The story of a run: everything that its report shows, read from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.base_rate import BaseRate
from labelpress.gate import Verdict
from labelpress.ledger import Costs, sum_costs
from labelpress.profit import weigh
from labelpress.report.bill import (
    Line,
    Minutes,
    PeriodCosts,
    Units,
    answers_of,
    lines_of,
    minutes_of,
    new_rows_of,
    periods_of,
    units_of_period,
    units_so_far,
)
from labelpress.report.facts import read_facts

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.profit import Worth
    from labelpress.report.facts import Point, RunFacts
    from labelpress.store import Store

SHOWN_PERIODS = 12


@dataclass(frozen=True, slots=True)
class Story:
    """One run beside those before it."""

    manifest: Manifest
    facts: RunFacts
    verdict: Verdict
    base_rate: BaseRate
    history: tuple[Point, ...]
    """The last printings, this one included, oldest first."""
    periods: tuple[PeriodCosts, ...]
    """The last periods up to this one, oldest first."""
    period_rows: int
    """Rows that were new in this period, in all its printings."""
    lines: tuple[Line, ...]
    """What this period was spent on."""
    minutes: tuple[Minutes, ...]
    minutes_so_far: tuple[Minutes, ...]
    units: Units
    units_so_far: Units
    worths: tuple[Worth, ...]
    """The heuristics, those that add most first; none where their votes are gone."""

    @property
    def costs(self) -> Costs:
        """Of this period."""
        return self.periods[-1].costs

    @property
    def so_far(self) -> Costs:
        """Of all periods up to this one."""
        return self.periods[-1].so_far

    @property
    def before(self) -> Point | None:
        """The printing before."""
        return self.history[-2] if len(self.history) > 1 else None


def tell(store: Store, manifest: Manifest, facts: RunFacts) -> Story:
    """Read what a report shows; the same store gives the same story, however late it is told."""
    ledger = store.ledger.read(facts.ledger_version).filter(pl.col("period") <= manifest.period)
    now = ledger.filter(pl.col("period") == manifest.period)
    earlier = [read_facts(store, run) for run in facts.before[-SHOWN_PERIODS + 1 :]]
    history = (*(found.point for found in earlier if found is not None), facts.point)
    return Story(
        manifest=manifest,
        facts=facts,
        verdict=Verdict.from_json(manifest.verdict),
        base_rate=BaseRate.from_json(manifest.base_rate),
        history=history,
        periods=periods_of(ledger)[-SHOWN_PERIODS:],
        period_rows=new_rows_of(now),
        lines=lines_of(now),
        minutes=minutes_of(now),
        minutes_so_far=minutes_of(ledger),
        units=units_of_period(
            sum_costs(now), answers_of(now), facts.point, history[-2] if len(history) > 1 else None
        ),
        units_so_far=units_so_far(sum_costs(ledger), answers_of(ledger), facts.point),
        worths=_ranked(weigh(store.files, manifest, ledger, facts.version)),
    )


def _ranked(worths: tuple[Worth, ...]) -> tuple[Worth, ...]:
    """Rank by what is gained where that is beyond chance, then by the labels that change."""
    return tuple(
        sorted(worths, key=lambda w: (-w.beyond_chance, -w.changed, -w.usd_so_far, w.heuristic))
    )
