"""Asks: which rows are worth an expert's minutes, and why."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

Stratum = Literal["audit", "anchor", "uncertain", "uncovered", "changed", "recheck"]


class ExpertsSettings(BaseModel):
    """The `[experts]` table of project.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Annotated[int, Field(ge=0)] = 60
    """Answers asked for per period."""
    seconds_per_answer: Annotated[float, Field(gt=0)] = 20.0
    """Used where nothing measured an answer; the ledger says so."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Stop asking, but for audits, when the lower bound of accuracy reaches it."""
    reserved_share: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Of the asks: audits that certify and never teach."""
    expires_days: Annotated[int, Field(ge=1)] = 28
    """An ask that nobody answers within this time expires."""
    oracle: str | None = None
    """A gold column that answers in an expert's place; all it answers is marked `simulated`."""


CANDIDATES = pl.Schema(
    {
        "row_id": pl.String(),
        "row_hash": pl.String(),
        "part": pl.String(),
        "partition": pl.String(),
        "cohort": pl.String(),
        "score": pl.Float64(),
        "random": pl.Float64(),
    }
)
"""What a partition sends for each stratum: `score` is smallest for the row most worth asking."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of one or more partitions that may be asked; at most a few per stratum."""

    audit: pl.DataFrame
    """The rows with the smallest random numbers of each cohort."""
    uncertain: pl.DataFrame
    """The rows with the smallest margin between the two likeliest classes."""
    uncovered: pl.DataFrame
    """Rows on which no heuristic votes, by random number."""
    changed: pl.DataFrame
    """Rows whose label a held candidate would change, by random number."""
    cohort_rows: Mapping[str, int]
    """All rows, by cohort."""
    uncovered_rows: int
    changed_rows: int


def pick_candidates(rows: pl.DataFrame, limit: int) -> Candidates:
    """
    Reduce the rows of one partition to those that may be asked.

    `rows` has the columns row_id and row_hash as the row index has them, part, partition, cohort,
    random, margin (distance between the two likeliest classes), n_votes, changed (bool) and askable
    (bool; false where the row was asked already or belongs to the test set). At most `limit` rows
    are kept per stratum and, for audits, per cohort.
    """
    askable = rows.filter(pl.col("askable"))

    def best(frame: pl.DataFrame, score: str) -> pl.DataFrame:
        scored = frame.with_columns(pl.col(score).cast(pl.Float64).alias("score"))
        order = ["score", "random", "row_id"]
        # not a sort of all rows for the sake of a hundred
        kept = scored.bottom_k(limit, by=order).sort(order)
        hashes = pl.Series("row_hash", hash_texts(kept["row_hash"]), dtype=pl.String)
        return kept.with_columns(pl.col("row_id").cast(pl.String), hashes).select(
            CANDIDATES.names()
        )

    cohorts = askable.partition_by("cohort", maintain_order=True)
    uncovered = pl.col("n_votes") == 0
    sizes = rows.group_by("cohort").len().sort("cohort")
    return Candidates(
        audit=pl.concat([CANDIDATES.to_frame(), *(best(rows, "random") for rows in cohorts)]),
        uncertain=best(askable.filter(~uncovered & (pl.col("margin") < 1)), "margin"),
        uncovered=best(askable.filter(uncovered), "random"),
        changed=best(askable.filter(pl.col("changed")), "random"),
        cohort_rows=dict(sizes.iter_rows()),
        uncovered_rows=rows.filter(uncovered).height,
        changed_rows=rows.filter(pl.col("changed")).height,
    )


def hash_texts(hashes: pl.Series) -> list[str]:
    """Return row hashes as text of 16 hexadecimal digits, as asks and answers carry them."""
    return [f"{value:016x}" for value in hashes.to_list()]


def merge_candidates(parts: list[Candidates], limit: int) -> Candidates:
    """Join what the partitions sent, keeping the best `limit` of each stratum."""

    def best(name: str) -> pl.DataFrame:
        frames: list[pl.DataFrame] = [getattr(part, name) for part in parts]
        return pl.concat(frames).sort("score", "random", "row_id").head(limit)

    audits = pl.concat([part.audit for part in parts]).sort("random", "row_id")
    cohort_rows: dict[str, int] = {}
    for part in parts:
        for cohort, rows in part.cohort_rows.items():
            cohort_rows[cohort] = cohort_rows.get(cohort, 0) + rows
    return Candidates(
        audit=audits.group_by("cohort", maintain_order=True).head(limit).select(CANDIDATES.names()),
        uncertain=best("uncertain"),
        uncovered=best("uncovered"),
        changed=best("changed"),
        cohort_rows=dict(sorted(cohort_rows.items())),
        uncovered_rows=sum(part.uncovered_rows for part in parts),
        changed_rows=sum(part.changed_rows for part in parts),
    )


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
) -> pl.DataFrame:
    """
    Choose the rows to ask within the budget; columns of `CANDIDATES` plus those of an ask.

    Audits come first: the reserved share certifies, as many again measure and teach. What is left
    goes to the rows that a held candidate would change, then half and half to uncovered and
    uncertain rows. With `uniform` (a cold start) everything left goes to audits; once `satisfied`
    (the accuracy target is reached) only the reserved audits are asked.
    """
    budget = settings.budget
    reserved = round(budget * settings.reserved_share)
    rest = budget - reserved
    teaching = 0 if satisfied else rest if uniform else rest // 2
    asks = _draw_audits(candidates, reserved, teaching, audited, seed)
    if satisfied:
        return asks

    def with_more(asks: pl.DataFrame, stratum: Stratum, share: float) -> pl.DataFrame:
        count = math.floor((budget - asks.height) * share)
        frame: pl.DataFrame = getattr(candidates, stratum)
        fresh = frame.filter(~pl.col("row_id").is_in(asks["row_id"].implode())).head(count)
        population = {"changed": candidates.changed_rows, "uncovered": candidates.uncovered_rows}
        # A row chosen for its score would be chosen again: its propensity is one.
        propensity = fresh.height / max(population.get(stratum, fresh.height), 1)
        return pl.concat([asks, _as_asks(fresh, stratum, min(propensity, 1.0))])

    if held:
        asks = with_more(asks, "changed", 1.0)
    asks = with_more(asks, "uncovered", 0.5)
    return with_more(asks, "uncertain", 1.0)


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


_REASONS: dict[Stratum, str] = {
    "audit": "drawn at random, to measure the base rate and the accuracy",
    "anchor": "a heuristic fires here whose precision is little known",
    "uncertain": "the two likeliest classes are nearly equally likely",
    "uncovered": "no heuristic votes on this row",
    "changed": "the held candidate would change this row's label",
    "recheck": "looked at a second time",
}


def _as_asks(rows: pl.DataFrame, stratum: Stratum, propensity: float) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(stratum).alias("stratum"),
        pl.lit(value=False).alias("reserved"),
        pl.lit(propensity).alias("propensity"),
        pl.lit(_REASONS[stratum]).alias("reason"),
    )


def ask_id(project: str, batch: str, row_id: str, row_hash: str) -> str:
    """Return the id of the ask that a batch puts for a row; the same for every rerun."""
    text = f"{project}\x1f{batch}\x1f{row_id}\x1f{row_hash}"
    # A spreadsheet takes bare digits for a number, and rounds it.
    return "a" + hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
