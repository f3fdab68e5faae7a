"""Asks: which rows are worth an expert's minutes, and why."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelpress.wordings import first_of_each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Stratum = Literal["audit", "anchor", "uncertain", "uncovered", "changed", "recheck"]
Share = Annotated[float, Field(ge=0, le=1)]

AUTOMATIC_RECHECK = 0.1
"""Of what the reserved audits leave: at most so many are answers looked at a second time."""

AUTOMATIC_AUDIT = 0.5
"""Of what the reserved audits leave: drawn at random all the same, since margins alone mislead."""


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


CANDIDATES = pl.Schema(
    {
        "row_id": pl.String(),
        "row_hash": pl.String(),
        "part": pl.String(),
        "partition": pl.String(),
        "cohort": pl.String(),
        "score": pl.Float64(),
        "random": pl.Float64(),
        "heuristic": pl.String(),
        "wording": pl.String(),
    }
)
"""
What a partition sends for each stratum.

`score` is smallest for the row most worth asking; `heuristic` is the one an anchor tells about.
Rows of one `wording` are near-identical; it is null until the text has been read.
"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of one or more partitions that may be asked; at most a few per stratum."""

    audit: pl.DataFrame
    """The rows with the smallest random numbers of each cohort."""
    anchor: pl.DataFrame
    """Rows on which a heuristic of little known precision votes, by random number."""
    uncertain: pl.DataFrame
    """The rows with the smallest margin between the two likeliest classes, of many patterns."""
    doubtful: pl.DataFrame
    """A random reservoir of the rows that have a margin, however large."""
    uncovered: pl.DataFrame
    """Rows on which no heuristic votes, by random number."""
    changed: pl.DataFrame
    """Rows whose label a held candidate would change, by random number."""
    cohort_rows: Mapping[str, int]
    """All rows, by cohort."""
    anchor_rows: Mapping[str, int]
    """Rows that may be asked for a heuristic's sake, by heuristic."""
    doubtful_rows: int
    uncovered_rows: int
    changed_rows: int

    @property
    def chosen_by_content(self) -> tuple[pl.DataFrame, ...]:
        """The strata that are not audits, of which near-identical rows are asked once."""
        return self.anchor, self.uncertain, self.doubtful, self.uncovered, self.changed

    def worded(self, wordings: pl.DataFrame) -> Candidates:
        """Add the wordings of rows, columns part, row_id and wording."""

        def add(rows: pl.DataFrame) -> pl.DataFrame:
            key = ["part", "row_id"]
            known = rows.drop("wording").join(wordings, on=key, how="left", maintain_order="left")
            return known.select(CANDIDATES.names())

        anchor, uncertain, doubtful, uncovered, changed = map(add, self.chosen_by_content)
        return replace(
            self,
            audit=add(self.audit),
            anchor=anchor,
            uncertain=uncertain,
            doubtful=doubtful,
            uncovered=uncovered,
            changed=changed,
        )


def pick_candidates(rows: pl.DataFrame, limit: int) -> Candidates:
    """
    Reduce the rows of one partition to those that may be asked.

    `rows` has the columns row_id and row_hash as the row index has them, part, partition, cohort,
    random, margin (distance between the two likeliest classes), n_votes, heuristic (the least known
    of those that vote here; null where all are known), changed (bool) and askable (bool; false
    where the row was asked already or belongs to the test set). At most `limit` rows are kept per
    stratum and, for audits, per cohort; of each heuristic, `limit` anchors.
    """
    askable = rows.filter(pl.col("askable"))

    def best(frame: pl.DataFrame, score: str) -> pl.DataFrame:
        scored = frame.with_columns(pl.col(score).cast(pl.Float64).alias("score"))
        order = ["score", "random", "row_id"]
        # not a sort of all rows for the sake of a hundred
        return _spelt(scored.bottom_k(limit, by=order).sort(order))

    cohorts = askable.partition_by("cohort", maintain_order=True)
    uncovered = pl.col("n_votes") == 0
    sizes = rows.group_by("cohort").len().sort("cohort")
    anchors = askable.filter(pl.col("heuristic").is_not_null())
    doubtful = askable.filter(~uncovered & (pl.col("margin") < 1))
    return Candidates(
        audit=pl.concat([CANDIDATES.to_frame(), *(best(rows, "random") for rows in cohorts)]),
        anchor=pl.concat(
            [
                CANDIDATES.to_frame(),
                *(best(rows, "random") for rows in anchors.partition_by("heuristic")),
            ]
        ).sort("heuristic", "random", "row_id"),
        uncertain=_spelt(_diverse(doubtful.with_columns(score="margin"), limit)),
        doubtful=best(doubtful, "random"),
        uncovered=best(askable.filter(uncovered), "random"),
        changed=best(askable.filter(pl.col("changed")), "random"),
        cohort_rows=dict(sizes.iter_rows()),
        anchor_rows=dict(anchors.group_by("heuristic").len().sort("heuristic").iter_rows()),
        doubtful_rows=doubtful.height,
        uncovered_rows=rows.filter(uncovered).height,
        changed_rows=rows.filter(pl.col("changed")).height,
    )


def _spelt(rows: pl.DataFrame) -> pl.DataFrame:
    hashes = pl.Series("row_hash", hash_texts(rows["row_hash"]), dtype=pl.String)
    wording = pl.lit(None, pl.String).alias("wording")
    spelt = rows.with_columns(pl.col("row_id").cast(pl.String), hashes, wording)
    return spelt.select(CANDIDATES.names())


def _diverse(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """
    Return at most `limit` rows with small scores, first one of each score, then a second of each.

    Rows with the same votes have the same margin, so this is one row of each vote pattern: a
    thousand rows that the same two heuristics dispute are not asked in place of all other doubts.
    """
    scores = rows["score"].round(12)
    closest = scores.unique().bottom_k(limit)
    near = rows.filter(scores.is_in(closest.implode())).with_columns(pl.col("score").round(12))
    # in two steps, as the first bounds what the second sorts
    few = [same.bottom_k(limit, by=["random", "row_id"]) for same in near.partition_by("score")]
    if not few:
        return rows.head(0)
    ranked = pl.concat(few).sort("score", "random", "row_id")
    turn = pl.int_range(pl.len()).over("score").alias("_turn")
    chosen = ranked.with_columns(turn).sort("_turn", "score", "random", "row_id").head(limit)
    return chosen.drop("_turn")


def hash_texts(hashes: pl.Series) -> list[str]:
    """Return row hashes as text of 16 hexadecimal digits, as asks and answers carry them."""
    return [f"{value:016x}" for value in hashes.to_list()]


def merge_candidates(parts: list[Candidates], limit: int) -> Candidates:
    """Join what the partitions sent, keeping the best `limit` of each stratum."""

    def best(name: str) -> pl.DataFrame:
        frames: list[pl.DataFrame] = [getattr(part, name) for part in parts]
        return pl.concat(frames).sort("score", "random", "row_id").head(limit)

    audits = pl.concat([part.audit for part in parts]).sort("random", "row_id")
    return Candidates(
        audit=audits.group_by("cohort", maintain_order=True).head(limit).select(CANDIDATES.names()),
        anchor=pl.concat([part.anchor for part in parts])
        .sort("heuristic", "random", "row_id")
        .group_by("heuristic", maintain_order=True)
        .head(limit)
        .select(CANDIDATES.names()),
        uncertain=_diverse(pl.concat([part.uncertain for part in parts]), limit),
        doubtful=best("doubtful"),
        uncovered=best("uncovered"),
        changed=best("changed"),
        cohort_rows=_add_up([part.cohort_rows for part in parts]),
        anchor_rows=_add_up([part.anchor_rows for part in parts]),
        doubtful_rows=sum(part.doubtful_rows for part in parts),
        uncovered_rows=sum(part.uncovered_rows for part in parts),
        changed_rows=sum(part.changed_rows for part in parts),
    )


def _add_up(parts: list[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, rows in part.items():
            total[name] = total.get(name, 0) + rows
    return dict(sorted(total.items()))


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
) -> pl.DataFrame:
    """
    Choose the rows to ask within the budget; columns of `CANDIDATES` plus those of an ask.

    Audits come first: the reserved share certifies. Without `[experts] split` half of what is left
    are audits that measure and teach and at most a tenth goes to `rechecks` (columns of
    `CANDIDATES`, half of them suspects); the rest goes to the rows that a held candidate would
    change, then in equal parts to the anchors, the uncovered and the uncertain rows that there are.
    With `uniform` (a cold start) everything left goes to audits; once `satisfied` (the accuracy
    target is reached) only the reserved audits are asked. Of near-identical rows one is asked, and
    none where its wording is `known`: asked before; audits are drawn as they come, since they
    stand for the rows as they are.
    """
    budget = settings.budget
    reserved = round(budget * settings.reserved_share)
    rest = budget - reserved
    declared = settings.split
    share = AUTOMATIC_AUDIT if declared is None else declared.get("audit", 0.0)
    teaching = 0 if satisfied else rest if uniform else math.floor(rest * share)
    asks = _draw_audits(candidates, reserved, teaching, audited, seed)
    if satisfied:
        return asks
    if rechecks is not None and not uniform:
        asks = pl.concat([asks, _as_asks(rechecks, "recheck", 1.0)])
    strata: list[Stratum] = ["anchor", "uncovered", "uncertain"]
    if held:
        strata.insert(0, "changed")
    for place, stratum in enumerate(strata):
        left = budget - asks.height
        if declared is not None:
            count = math.floor(rest * declared.get(stratum, 0.0))
        else:
            count = left if stratum == "changed" else left // (len(strata) - place)
        drawn = _draw(candidates, stratum, min(count, left), _Taken.by(asks, known))
        asks = pl.concat([asks, drawn])
    # What a stratum had too few rows for is drawn at random.
    left = budget - asks.height
    if left and not uniform:
        spare = _Taken.by(asks, known).leaves(candidates.doubtful)
        asks = pl.concat([asks, _reservoir(spare.head(left), candidates)])
    return asks


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
            # A row chosen for its score would be chosen again: its propensity is one. The other
            # half comes from the reservoir, so that what is far from every border is seen too.
            closest = fresh.head((count + 1) // 2)
            here = _Taken.by(closest)
            spare = here.leaves(taken.leaves(candidates.doubtful))
            reservoir = _reservoir(spare.head(count - closest.height), candidates)
            return pl.concat([_as_asks(closest, "uncertain", 1.0), reservoir])
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


def _draw_audits(
    candidates: Candidates, reserved: int, teaching: int, audited: Mapping[str, int], seed: int
) -> pl.DataFrame:
    shares = top_up(reserved + teaching, candidates.cohort_rows, audited)
    drawn = []
    for cohort, count in sorted(shares.items()):
        rows = candidates.audit.filter(pl.col("cohort") == cohort).head(count)
        propensity = (audited.get(cohort, 0) + rows.height) / candidates.cohort_rows[cohort]
        drawn.append(_as_asks(rows, "audit", min(propensity, 1.0)))
    if not drawn:
        return _as_asks(candidates.audit.head(0), "audit", 1.0)
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
