"""Rechecks: which answers, and which gold labels of the test set, are put before experts again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.answers import settle_asks
from labelpress.candidates import CANDIDATES
from labelpress.cross_fit import FEWEST_ANSWERS, cross_predict
from labelpress.manifest import folder, read_answers
from labelpress.stages.fit import LabelFit, as_answered
from labelpress.suspects import mix_rechecks, rank_suspects
from labelpress.test_set import TEST_PART
from labelpress.votes import count_patterns

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.test_set import TestSet

RANKED = pl.Schema(
    {"row_id": pl.String(), "row_hash": pl.String(), "suspected": pl.Boolean(), "part": pl.String()}
)
"""Rows of the test set, the likeliest wrong gold label first."""


def choose_rechecks(
    run: Run,
    manifest: Manifest,
    cluster: Cluster,
    asks: pl.DataFrame,
    count: int,
    test: TestSet | None,
    worth: float = 1.0,
) -> pl.DataFrame | None:
    """
    Choose at most `count` rows to ask again, each once, with the columns of `CANDIDATES`.

    Of the part of teaching answers only the share `worth` is asked, but a pair at least. Teaching
    answers are suspected by what label models say that have not seen them, the test set's gold
    labels by what the end model of the published version says. Where there are suspects of both,
    each gets half. An oracle is not asked about the test set: it would repeat the gold. None where
    there is nothing to look at again.
    """
    if count == 0 or not manifest.entries:
        return None
    answers = _rank_answers(run, manifest, cluster, asks)
    tests = None
    if test is not None and run.project.settings.experts.oracle is None:
        tests = _rank_tests(run, asks, test)
    ranked = [f for f in (answers, tests) if f is not None and f["suspected"].any()]
    if not ranked:
        return None
    rng = np.random.default_rng([run.project.settings.seed, 11, *(r.height for r in ranked)])
    shares = _shares(count, len(ranked))
    if ranked[0] is answers:
        shares[0] = min(shares[0], max(2 * math.floor(shares[0] * worth / 2), 2))
    chosen = [
        found[mix_rechecks(found, share, rng)] for found, share in zip(ranked, shares, strict=True)
    ]
    return pl.concat([frame.select(CANDIDATES.names()) for frame in chosen])


def count_corrections(
    asks: pl.DataFrame, answers: pl.DataFrame, classes: Classes
) -> tuple[int, int]:
    """
    Return how many answers were looked at again, and how many of them were corrected.

    Gold labels of the test set are not counted: once corrected, what they were is not known here.
    """
    if answers.height == 0 or not (asks["stratum"] == "recheck").any():
        return 0, 0
    settled, _ = settle_asks(asks, answers, classes)
    content, again = ["row_id", "row_hash"], pl.col("stratum") == "recheck"
    by_age = settled.sort("answered", "ask_id")
    second, first = (
        by_age.filter(kind)
        .unique(content, keep="last", maintain_order=True)
        .select(*content, "code")
        for kind in (again, ~again)
    )
    both = second.join(first, on=content, how="inner", suffix="_first")
    return both.height, int((both["code"] != both["code_first"]).sum())


def _shares(count: int, sides: int) -> list[int]:
    """Deal `count` rows, a suspect and an unsuspected one at a time, to one side or two."""
    pairs = count // 2
    return [2 * ((pairs + sides - 1 - side) // sides) for side in range(sides)]


def _rank_answers(
    run: Run, manifest: Manifest, cluster: Cluster, asks: pl.DataFrame
) -> pl.DataFrame | None:
    """Rank the teaching answers that were not looked at again yet; None where they are few."""
    answers = read_answers(run.store.files, manifest.run).filter(~pl.col("reserved"))
    if answers.height < FEWEST_ANSWERS:
        return None
    seed, heuristics = run.project.settings.seed, [note.name for note in manifest.heuristics]
    answered = as_answered(answers, run.classes, len(heuristics))

    fit = LabelFit(
        classes=len(run.classes),
        base_rate=None,
        heuristics=tuple(heuristics),
        beliefs=(None,) * len(heuristics),
        model=run.project.settings.label_model.model,
        seed=seed,
    )
    patterns = count_patterns(answered.votes)
    probabilities = cross_predict(answered, fit, patterns, seed, cluster.map)
    ranked = rank_suspects(answered.labels, probabilities)
    part_of = {partition.digest: partition.part for partition in manifest.partitions}
    rows = answers[ranked["place"].to_numpy()].with_columns(
        ranked["suspected"],
        pl.col("partition").replace_strict(part_of, return_dtype=pl.String).alias("part"),
    )
    return _as_candidates(_not_seen(rows, asks))


def _rank_tests(run: Run, asks: pl.DataFrame, test: TestSet) -> pl.DataFrame | None:
    """Rank the test set's rows that are as the end model saw them and were not asked yet."""
    if run.base is None:
        return None
    ranked = read_test_suspects(run.store.files, run.base.run)
    if ranked is None:
        return None
    there = ranked.join(test.rows, on=["row_id", "row_hash"], how="semi", maintain_order="left")
    nowhere = there.with_columns(partition=pl.lit(""), cohort=pl.lit(""))
    return _as_candidates(_not_seen(nowhere, asks))


def _not_seen(ranked: pl.DataFrame, asks: pl.DataFrame) -> pl.DataFrame:
    seen = asks.filter(pl.col("stratum") == "recheck").select("row_id", "row_hash")
    return ranked.join(seen, on=["row_id", "row_hash"], how="anti", maintain_order="left")


def _as_candidates(ranked: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of `CANDIDATES`, and the place that `mix_rechecks` draws by."""
    return ranked.with_columns(
        pl.int_range(pl.len()).alias("place"),
        pl.lit(0.0).alias("score"),
        pl.lit(0.0).alias("random"),
        pl.lit(None, pl.Float64).alias("margin"),
        *(pl.lit(None, pl.String).alias(name) for name in ("heuristic", "label", "wording")),
    )


def rank_test_labels(test: TestSet, probabilities: np.ndarray) -> pl.DataFrame:
    """Rank gold labels by what an end model, which never saw them, says: columns of `RANKED`."""
    ranked = rank_suspects(test.codes, probabilities)
    places = ranked["place"].to_numpy()
    rows = test.rows[places].with_columns(ranked["suspected"], test.parts[places])
    return rows.select(RANKED.names())


def write_test_suspects(files: Files, run: str, ranked: pl.DataFrame) -> None:
    """Keep with a run what its end model says of the test set's gold labels."""
    files.write_parquet(_place(run), ranked)


def read_test_suspects(files: Files, run: str) -> pl.DataFrame | None:
    """Return what `write_test_suspects` kept; None where the run judged by no test set."""
    return files.read_parquet(_place(run)) if files.exists(_place(run)) else None


def _place(run: str) -> str:
    return f"{folder(run)}/test_suspects.parquet"


def rows_of_test_asks(asks: pl.DataFrame, test: TestSet | None) -> pl.DataFrame:
    """Return row_id and row_hash of the asked test rows that are as they were asked."""
    key = ["row_id", "row_hash"]
    asked = asks.filter(pl.col("part").str.starts_with(TEST_PART)).select(key)
    return asked.clear() if test is None else asked.join(test.rows, on=key, how="semi")
