"""Asks: which rows are worth an expert's minutes, and why."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelpress.aiming import AIMED
from labelpress.spreading import points_of, spread
from labelpress.wordings import first_of_each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.candidates import Candidates

Stratum = Literal["audit", "anchor", "uncertain", "uncovered", "changed", "recheck"]
Share = Annotated[float, Field(ge=0, le=1)]

AUTOMATIC_RECHECK = 0.1
"""
Of what the reserved audits leave: at most so many are answers looked at a second time, and fewer
where that has corrected few.
"""


class ExpertsSettings(BaseModel):
    """The `[experts]` table of project.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Annotated[int, Field(ge=0)] = 60
    """Answers asked for per period."""
    seconds_per_answer: Annotated[float, Field(gt=0)] = 20.0
    """Used where nothing measured an answer; the ledger says so."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Stop asking, but for audits, when the lower bound of accuracy reaches it."""
    target_coverage: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the rows that must have a label before the target counts as reached."""
    reserved_share: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Of the asks: audits that certify and never teach."""
    split: dict[Stratum, Share] | None = None
    """Shares of the asks that are not reserved, by stratum; None divides them by what there is."""
    annotators: Annotated[int, Field(ge=1)] = 1
    """How many different people answer a shared ask."""
    shared: Share = 0.0
    """Share of the asks that are shared, so that annotators can be told from each other."""
    expires_days: Annotated[int, Field(ge=1)] = 28
    """An ask that nobody answers within this time expires."""
    oracle: str | None = None
    """A gold column that answers in an expert's place; all it answers is marked `simulated`."""

    @model_validator(mode="after")
    def _divides(self) -> ExpertsSettings:
        if self.split is not None and abs(sum(self.split.values()) - 1) > 1e-6:
            raise ValueError(
                f"split: the shares sum to {sum(self.split.values()):.6g}; let them sum to 1"
            )
        return self


def top_up(
    draws: int, cohort_rows: Mapping[str, int], audited: Mapping[str, int]
) -> dict[str, int]:
    """
    Share audit draws among cohorts: in proportion to size over all periods, newest first.

    `audited` counts the audits that each cohort already has. Where all cohorts have their share,
    the rest is dealt in proportion to size.
    """
    total_rows = sum(cohort_rows.values())
    if total_rows == 0 or draws == 0:
        return {}
    after = draws + sum(audited.get(cohort, 0) for cohort in cohort_rows)
    shares: dict[str, int] = {}
    left = draws
    for cohort in sorted(cohort_rows, reverse=True):
        due = round(after * cohort_rows[cohort] / total_rows) - audited.get(cohort, 0)
        shares[cohort] = min(max(due, 0), left)
        left -= shares[cohort]
    biggest = max(cohort_rows, key=lambda cohort: (cohort_rows[cohort], cohort))
    shares[biggest] += left
    return {cohort: count for cohort, count in shares.items() if count}


def choose_asks(
    candidates: Candidates,
    settings: ExpertsSettings,
    audited: Mapping[str, int],
    *,
    seed: int,
    satisfied: bool,
    held: bool,
    uniform: bool = False,
    rechecks: pl.DataFrame | None = None,
    known: Sequence[str] | pl.Series = (),
    aims: Mapping[str, float] = MappingProxyType({}),
) -> pl.DataFrame:
    """
    Choose the rows to ask within the budget; columns of `CANDIDATES` plus those of an ask.

    Audits come first: the reserved share certifies. The rest is split as `[experts] split` says,
    else by `aims` (the shares of anchor, uncovered and uncertain, see `aim`); where a candidate is
    held, half of it goes to the rows whose label that would change. `rechecks` (columns of
    `CANDIDATES`, half of them suspects) are asked beside, and all that is left are audits that
    measure and teach. With `uniform` (a cold start) everything goes to audits; once `satisfied`
    (the accuracy target is reached) only the reserved audits are asked. Of near-identical rows one
    is asked, and none where its wording is `known`: asked before. Audits are drawn whatever their
    wording, since they stand for the rows as they are, each row as likely as any other, and spread
    over all kinds of rows. What the strata have too few rows for is spent on audits, which are
    drawn first, so that their propensities count them.
    """
    budget = settings.budget
    reserved = round(budget * settings.reserved_share)
    rest = budget - reserved
    pools = _Pools(candidates.audit)
    shares = _shares(settings, aims, held=held)
    counts = {stratum: math.floor(rest * share) for stratum, share in shares.items()}
    again = 0 if rechecks is None else rechecks.height
    random = rest if uniform else rest - again - sum(counts.values())

    def spend(spare: int) -> pl.DataFrame:
        """Choose with `spare` more audits in place of what strata lack."""
        teaching = 0 if satisfied else random + spare
        asks = _draw_audits(candidates, pools, reserved, teaching, audited, seed)
        if satisfied or uniform:
            return asks
        if rechecks is not None:
            asks = pl.concat([asks, _as_asks(rechecks, "recheck", 1.0)])
        for stratum, count in counts.items():
            few = min(count, budget - asks.height)
            drawn = _draw(candidates, stratum, few, _Taken.by(asks, known))
            asks = pl.concat([asks, drawn])
        return asks

    spare, audits = 0, -1
    while True:
        asks = spend(spare)
        left, before = budget - asks.height, audits
        audits = int((asks["stratum"] == "audit").sum())
        if satisfied or left == 0 or audits == before:
            return asks
        spare += left


def _shares(
    settings: ExpertsSettings, aims: Mapping[str, float], *, held: bool
) -> dict[Stratum, float]:
    """Return what share of the asks goes to each stratum that is chosen by content, in order."""
    by_content: list[Stratum] = ["anchor", "uncovered", "uncertain"]
    if held:
        by_content.insert(0, "changed")
    given: dict[str, float] = {"changed": AIMED} if held else dict(aims)
    if settings.split is not None:
        given = {str(stratum): share for stratum, share in settings.split.items()}
    return {stratum: given.get(stratum, 0.0) for stratum in by_content}


@dataclass(frozen=True, slots=True)
class _Taken:
    """The rows and the wordings that are not to be asked again."""

    row_ids: pl.Series
    wordings: pl.Series

    @staticmethod
    def by(asks: pl.DataFrame, known: Sequence[str] | pl.Series = ()) -> _Taken:
        """Take the rows of asks, and beside their wordings those that are known."""
        more = pl.Series("wording", known, dtype=pl.String)
        return _Taken(asks["row_id"], pl.concat([asks["wording"], more]))

    def leaves(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return what is left of rows, one of each wording."""
        fresh = rows.filter(~pl.col("row_id").is_in(self.row_ids.implode()))
        return first_of_each(fresh, self.wordings)


def _draw(candidates: Candidates, stratum: Stratum, count: int, taken: _Taken) -> pl.DataFrame:
    """Draw at most `count` rows of a stratum that are not among those `taken`."""
    frame: pl.DataFrame = getattr(candidates, stratum)
    fresh = taken.leaves(frame)
    match stratum:
        case "anchor":
            turn = pl.int_range(pl.len()).over("heuristic").alias("_turn")
            rows = fresh.with_columns(turn).sort("_turn", "random", "row_id").drop("_turn")
            rows = rows.head(count)
            drawn = rows.group_by("heuristic").len()
            shares = {
                name: min(many / candidates.anchor_rows[name], 1.0)
                for name, many in drawn.iter_rows()
            }
            return _as_asks(rows, "anchor", 1.0).with_columns(
                rows["heuristic"]
                .replace_strict(shares, return_dtype=pl.Float64, default=None)
                .alias("propensity")
                if shares
                else pl.col("propensity"),
            )
        case "uncertain":
            # A row chosen for its score would be chosen again: its propensity is one. The last
            # quarter comes from the reservoir, so that what is far from every border is seen too.
            by_score = (3 * count + 3) // 4
            disputed = taken.leaves(candidates.disputed).head(by_score // 2)
            beside = _Taken.by(disputed)
            closest = beside.leaves(fresh).head(by_score - disputed.height)
            scored = pl.concat([closest, disputed])
            spare = _Taken.by(scored).leaves(taken.leaves(candidates.doubtful))
            reservoir = _reservoir(spare.head(count - scored.height), candidates)
            why = pl.lit("the label model and the champion name different classes").alias("reason")
            differ = _as_asks(disputed, "uncertain", 1.0).with_columns(why)
            return pl.concat([_as_asks(closest, "uncertain", 1.0), differ, reservoir])
        case _:
            population = {
                "changed": candidates.changed_rows,
                "uncovered": candidates.uncovered_rows,
            }
            rows = fresh.head(count)
            propensity = rows.height / max(population.get(stratum, rows.height), 1)
            return _as_asks(rows, stratum, min(propensity, 1.0))


def _reservoir(rows: pl.DataFrame, candidates: Candidates) -> pl.DataFrame:
    propensity = min(rows.height / max(candidates.doubtful_rows, 1), 1.0)
    random = pl.lit("drawn at random among the rows that are not certain").alias("reason")
    return _as_asks(rows, "uncertain", propensity).with_columns(random)


def recheck_count(settings: ExpertsSettings) -> int:
    """Return how many answers may be looked at again; an even number, for they come in pairs."""
    rest = settings.budget - round(settings.budget * settings.reserved_share)
    declared = settings.split
    share = AUTOMATIC_RECHECK if declared is None else declared.get("recheck", 0.0)
    return 2 * (math.floor(rest * share) // 2)


def recheck_worth(looked: int, corrected: int) -> float:
    """
    Return which share of the rechecks that may be asked is worth asking, in (0, 1].

    After `looked` rechecks of which so many `corrected` an answer, the next one is expected to with
    the probability (corrected + 1) / (looked + 2) (Laplace's rule of succession). From a quarter
    on, which is where every other suspect was wrong, and where nothing is known, all are worth it;
    below it as many less.
    """
    return min(4 * (corrected + 1) / (looked + 2), 1.0)


class _Pools:
    """The rows of each cohort from which audits are drawn, and where they lie among each other."""

    def __init__(self, audit: pl.DataFrame) -> None:
        cohorts = audit.partition_by("cohort", maintain_order=True)
        self._rows = {str(rows["cohort"][0]): rows for rows in cohorts}
        self._nothing = audit.clear()
        self._points: dict[str, NDArray[np.float64]] = {}

    def draw(self, cohort: str, count: int, rng: np.random.Generator) -> pl.DataFrame:
        """Draw at most `count` rows of a cohort."""
        rows = self._rows.get(cohort, self._nothing)
        if cohort not in self._points:
            self._points[cohort] = points_of(rows)
        return rows[spread(self._points[cohort], count, rng)]


def _draw_audits(
    candidates: Candidates,
    pools: _Pools,
    reserved: int,
    teaching: int,
    audited: Mapping[str, int],
    seed: int,
) -> pl.DataFrame:
    shares = top_up(reserved + teaching, candidates.cohort_rows, audited)
    drawn = [_as_asks(candidates.audit.head(0), "audit", 1.0)]
    # one stream for all: cohorts whose roundings fell alike would add up their errors
    rng = np.random.default_rng([seed, 8, sum(audited.values()), reserved + teaching])
    for cohort, count in sorted(shares.items()):
        before = audited.get(cohort, 0)
        rows = pools.draw(cohort, count, rng)
        propensity = (before + rows.height) / candidates.cohort_rows[cohort]
        drawn.append(_as_asks(rows, "audit", min(propensity, 1.0)))
    audits = pl.concat(drawn)
    # Which audits are reserved is decided by an independent draw, so both groups are uniform.
    order = np.random.default_rng([seed, 7, audits.height]).permutation(audits.height)
    share = reserved / max(reserved + teaching, 1)
    is_reserved = np.zeros(audits.height, dtype=bool)
    is_reserved[order[: round(audits.height * share)]] = True
    return audits.with_columns(pl.Series("reserved", is_reserved))


_REASONS: dict[Stratum, pl.Expr] = {
    "audit": pl.lit("drawn at random, to measure the base rate and the accuracy"),
    "anchor": pl.format("few answers say how often the heuristic {} is right", "heuristic"),
    "uncertain": pl.format(
        "the two likeliest classes are {} points apart",
        (pl.col("score") * 100).round(1).cast(pl.String),
    ),
    "uncovered": pl.lit("no heuristic votes on this row"),
    "changed": pl.lit("the held candidate would change this row's label"),
    # blind: whoever answers must not know that somebody has answered before
    "recheck": pl.lit("to check the quality of the labels"),
}


def _as_asks(rows: pl.DataFrame, stratum: Stratum, propensity: float) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(stratum).alias("stratum"),
        pl.lit(value=False).alias("reserved"),
        pl.lit(propensity).alias("propensity"),
        _REASONS[stratum].alias("reason"),
    )


def answers_wanted(ask_ids: pl.Series, settings: ExpertsSettings) -> pl.Series:
    """
    Return how many different people should answer each ask, shape (n,), int64.

    Which asks are shared is decided by the id, so every process and every run says the same.
    """
    hashes = [hashlib.blake2b(found.encode(), digest_size=8).digest() for found in ask_ids]
    lots = np.array([int.from_bytes(found) / 2**64 for found in hashes])
    wanted = np.where(lots < settings.shared, settings.annotators, 1)
    return pl.Series("wanted", wanted, dtype=pl.Int64)


def affordable(settings: ExpertsSettings, budget: int) -> int:
    """Return how many asks are worth about `budget` answers, some of them being shared."""
    return math.floor(budget / (1 + settings.shared * (settings.annotators - 1)))


def within_budget(asks: pl.DataFrame, settings: ExpertsSettings, budget: int) -> pl.DataFrame:
    """Drop the last asks where all of them want more than `budget` answers."""
    return asks.filter(answers_wanted(asks["ask_id"], settings).cum_sum() <= budget)


def ask_id(project: str, batch: str, row_id: str, row_hash: str) -> str:
    """Return the id of the ask that a batch puts for a row; the same for every rerun."""
    text = f"{project}\x1f{batch}\x1f{row_id}\x1f{row_hash}"
    # A spreadsheet takes bare digits for a number, and rounds it.
    return "a" + hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
