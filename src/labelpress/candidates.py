"""Candidates: the few rows of each partition that are worth asking, and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from labelpress.row_hash import hash_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        "label": pl.String(),
        "margin": pl.Float64(),
        "wording": pl.String(),
    }
)
"""
What a partition sends for each stratum.

`score` is smallest for the row most worth asking; `heuristic` is the one an anchor tells about.
`label` is what the label model says, if anything, and `margin` by how much it is ahead of the next.
Rows of one `wording` are near-identical; it is null until the text has been read.
"""

_POOL = 10
"""Rows kept for each audit that may be drawn, so that there is something to spread them over."""

_LARGEST_POOL = 5_000
"""Beyond it chance alone spreads hundreds of audits well, and texts cost memory."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of one or more partitions that may be asked; at most a few per stratum."""

    audit: pl.DataFrame
    """A pool of each cohort: the rows with its smallest random numbers, more than are asked."""
    anchor: pl.DataFrame
    """Rows on which a heuristic of little known precision votes, by random number."""
    uncertain: pl.DataFrame
    """The rows with the smallest margin between the two likeliest classes, of many patterns."""
    disputed: pl.DataFrame
    """Rows of which the champion says another class than the label model, the surest first."""
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
        return (
            self.anchor,
            self.uncertain,
            self.disputed,
            self.doubtful,
            self.uncovered,
            self.changed,
        )

    def worded(self, wordings: pl.DataFrame) -> Candidates:
        """Add the wordings of rows, columns part, row_id and wording."""

        def add(rows: pl.DataFrame) -> pl.DataFrame:
            key = ["part", "row_id"]
            known = rows.drop("wording").join(wordings, on=key, how="left", maintain_order="left")
            return known.select(CANDIDATES.names())

        anchor, uncertain, disputed, doubtful, uncovered, changed = map(add, self.chosen_by_content)
        return replace(
            self,
            audit=add(self.audit),
            anchor=anchor,
            uncertain=uncertain,
            disputed=disputed,
            doubtful=doubtful,
            uncovered=uncovered,
            changed=changed,
        )


def pick_candidates(rows: pl.DataFrame, limit: int) -> Candidates:
    """
    Reduce the rows of one partition to those that may be asked.

    `rows` has the columns row_id and row_hash as the row index has them, part, partition, cohort,
    random, label, margin (distance between the two likeliest classes), n_votes, heuristic (the
    least known of those that vote here; null where all are known), disputed (the champion's
    confidence where it says another class; null elsewhere), changed (bool) and askable (bool; false
    where the row was asked already or belongs to the test set). At most `limit` rows are kept per
    stratum; of each heuristic as many anchors, and of each cohort ten times as many audits, but
    thousands at most.
    """
    askable = rows.filter(pl.col("askable"))
    # audits are drawn by the smallest numbers: what takes other rows must not take those first
    by_content = askable.with_columns(random=1 - pl.col("random"))

    def best(frame: pl.DataFrame, score: str, count: int = limit) -> pl.DataFrame:
        scored = frame.with_columns(pl.col(score).cast(pl.Float64).alias("score"))
        order = ["score", "random", "row_id"]
        # not a sort of all rows for the sake of a hundred
        return _spelt(scored.bottom_k(count, by=order).sort(order))

    def each(frame: pl.DataFrame, by: str, count: int = limit) -> pl.DataFrame:
        groups = frame.partition_by(by, maintain_order=True)
        return pl.concat([CANDIDATES.to_frame(), *(best(rows, "random", count) for rows in groups)])

    uncovered = pl.col("n_votes") == 0
    anchors = by_content.filter(pl.col("heuristic").is_not_null())
    doubtful = by_content.filter(~uncovered & (pl.col("margin") < 1))
    return Candidates(
        audit=each(askable, "cohort", _pool(limit)),
        anchor=each(anchors, "heuristic").sort("heuristic", "random", "row_id"),
        uncertain=_spelt(_diverse(doubtful.with_columns(score="margin"), limit)),
        disputed=best(_unsure_first(by_content), "unsure"),
        doubtful=best(doubtful, "random"),
        uncovered=best(by_content.filter(uncovered), "random"),
        changed=best(by_content.filter(pl.col("changed")), "random"),
        cohort_rows=_sizes(rows, "cohort"),
        anchor_rows=_sizes(anchors, "heuristic"),
        doubtful_rows=doubtful.height,
        uncovered_rows=rows.filter(uncovered).height,
        changed_rows=rows.filter(pl.col("changed")).height,
    )


def _sizes(rows: pl.DataFrame, by: str) -> dict[str, int]:
    return dict(sorted(rows.group_by(by).len().iter_rows()))


def _pool(limit: int) -> int:
    return max(limit, min(_POOL * limit, _LARGEST_POOL))


def _unsure_first(rows: pl.DataFrame) -> pl.DataFrame:
    disputed = rows.filter(pl.col("disputed").is_not_null())
    return disputed.with_columns((1 - pl.col("disputed")).alias("unsure"))


def _spelt(rows: pl.DataFrame) -> pl.DataFrame:
    hashes = pl.Series("row_hash", hash_texts(rows["row_hash"]), dtype=pl.String)
    wording = pl.lit(None, pl.String).alias("wording")
    names = pl.col("row_id", "heuristic", "label").cast(pl.String)
    spelt = rows.with_columns(names, hashes, wording)
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


def merge_candidates(parts: list[Candidates], limit: int) -> Candidates:
    """Join what the partitions sent, keeping the best `limit` of each stratum."""

    def best(name: str) -> pl.DataFrame:
        frames: list[pl.DataFrame] = [getattr(part, name) for part in parts]
        return pl.concat(frames).sort("score", "random", "row_id").head(limit)

    def each(name: str, by: str, count: int = limit) -> pl.DataFrame:
        frames: list[pl.DataFrame] = [getattr(part, name) for part in parts]
        ranked = pl.concat(frames).sort(by, "random", "row_id")
        return ranked.group_by(by, maintain_order=True).head(count).select(CANDIDATES.names())

    return Candidates(
        audit=each("audit", "cohort", _pool(limit)),
        anchor=each("anchor", "heuristic"),
        uncertain=_diverse(pl.concat([part.uncertain for part in parts]), limit),
        disputed=best("disputed"),
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
