"""The ask stage: choose the rows worth an expert's minutes and put them into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.aiming import aim, find_mistakes
from labelpress.answers import answers_awaited, open_asks
from labelpress.asks import (
    affordable,
    ask_id,
    choose_asks,
    recheck_count,
    recheck_worth,
    within_budget,
)
from labelpress.candidates import merge_candidates
from labelpress.decisions import champion
from labelpress.label_models import load
from labelpress.manifest import read_answers
from labelpress.predictions import find_predictions
from labelpress.stages.candidate_rows import (
    UNWORDED,
    LittleKnown,
    PartToAsk,
    candidates_of_part,
    wordings_of_part,
)
from labelpress.stages.fit import vote_matrix
from labelpress.stages.recheck import choose_rechecks, count_corrections, rows_of_test_asks
from labelpress.stages.vote import voting
from labelpress.stopping import is_reached
from labelpress.tables.schemas import ASKS
from labelpress.test_set import read_test_set

if TYPE_CHECKING:
    from labelpress.candidates import Candidates
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.test_set import TestSet

KNOWN_BY = 10
"""Answers on rows where a heuristic votes, from which on its precision counts as known."""
_TEXT = ("string", "large_string", "string_view")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ask stage leaves behind."""

    asks: pl.DataFrame
    """The asks put by this run, or by the run that it took up."""
    superseded: int = 0
    """Open asks whose row has changed or is gone."""


def put_asks(
    run: Run,
    manifest: Manifest,
    cluster: Cluster,
    *,
    batch: str,
    label_version: int | None,
    held: bool = False,
) -> Asked:
    """
    Put rows before the experts, within the budget of the period; once per batch.

    The answers still awaited count against the budget: nobody is asked twice, and a slow expert is
    not buried. Asks whose row has changed or is gone are superseded and await nothing.
    """
    settings = run.project.settings
    asks, answers = run.store.asks.read(), run.store.answers.read()
    now = datetime.now(UTC)
    if settings.experts.budget == 0 or run.store.asks.has(batch):
        return Asked(asks.filter(pl.col("period") == manifest.period))
    unanswered = open_asks(asks, answers, now, settings.experts)
    test = read_test_set(run.project, run.classes)
    candidates, there = _candidates(run, manifest, cluster, asks, unanswered, test, held=held)
    current = pl.concat([there, rows_of_test_asks(unanswered, test)])
    waiting = open_asks(unanswered, answers, now, settings.experts, current)
    left = settings.experts.budget - answers_awaited(waiting, answers, settings.experts)
    budget = affordable(settings.experts, max(left, 0))
    experts = settings.experts.model_copy(update={"budget": budget})
    satisfied = is_reached(manifest, experts)
    count = 0 if satisfied else recheck_count(experts)
    worth = 1.0
    if count and experts.split is None:
        worth = recheck_worth(*count_corrections(asks, answers, run.classes))
    known = pl.Series("wording", [], dtype=pl.String)
    if not satisfied:  # else audits alone, fewer than before and not worth reading texts for
        candidates, known = _worded(run, manifest, cluster, candidates, asks)
    audits = asks.filter(pl.col("stratum") == "audit")
    chosen = choose_asks(
        candidates,
        experts,
        dict(audits.group_by("cohort").len().iter_rows()),
        seed=settings.seed,
        satisfied=satisfied,
        held=held,
        uniform=not manifest.entries,
        rechecks=choose_rechecks(run, manifest, cluster, asks, count, test, worth),
        known=known,
        aims=_aims(run, manifest),
    )
    rows = chosen.with_columns(
        pl.Series(
            "ask_id",
            [
                ask_id(run.project.name, batch, *key)
                for key in chosen.select("row_id", "row_hash").iter_rows()
            ],
            dtype=pl.String,
        ),
        pl.lit(manifest.period).alias("period"),
        pl.lit(label_version, pl.Int64).alias("label_version"),
        pl.lit(now + timedelta(days=experts.expires_days)).alias("expires"),
        pl.lit(now).alias("created"),
    )
    rows = within_budget(rows.select(ASKS.names()).cast(ASKS), settings.experts, max(left, 0))
    if rows.height:
        run.store.asks.append(rows, batch=batch)
    return Asked(rows, unanswered.height - waiting.height)


def _candidates(
    run: Run,
    manifest: Manifest,
    cluster: Cluster,
    asks: pl.DataFrame,
    unanswered: pl.DataFrame,
    test: TestSet | None,
    *,
    held: bool,
) -> tuple[Candidates, pl.DataFrame]:
    """Return what may be asked, and which rows of unanswered asks are as they were."""
    digest_of = {partition.part: partition for partition in manifest.partitions}
    path_of = {entry.part: entry.path for entry in manifest.entries}
    base = run.base_manifest
    published = {entry.part: entry.path for entry in base.entries} if base and held else {}
    predicted = _predicted(run)
    items = {
        part: PartToAsk(
            part,
            partition.digest,
            path_of.get(part),
            published.get(part),
            predicted.get((part, partition.digest)),
            manifest.period,
            tuple(manifest.dropped.get(part, ())),
            partition.rows,
            manifest.cells.get(partition.digest, {}),
        )
        for part, partition in digest_of.items()
    }
    # A row is asked once for its content: a changed row has another hash and may be asked again.
    key = ["row_id", "row_hash"]
    waits = unanswered.select(key).unique().with_columns(waits=pl.lit(value=True))
    spent = asks.select(key).unique().join(waits, on=key, how="left")
    test_ids = test.ids if test else ()
    limit = run.project.settings.experts.budget
    found = cluster.map(
        candidates_of_part,
        items,
        run.store.files,
        spent,
        test_ids,
        run.project.settings.seed,
        limit,
        _little_known(run, manifest),
    )
    current = pl.concat([waits.select(key).clear(), *(scored.current for scored in found.values())])
    return merge_candidates([scored.candidates for scored in found.values()], limit), current


def _worded(
    run: Run, manifest: Manifest, cluster: Cluster, candidates: Candidates, asks: pl.DataFrame
) -> tuple[Candidates, pl.Series]:
    """
    Read the texts of the few rows that may be asked.

    Audits are spread over them, and of near-identical rows one is asked.

    Returned beside the candidates are the wordings of what has been asked in the same partitions.
    """
    settings = run.project.settings
    hidden = (settings.source.id, settings.experts.oracle)
    shown = settings.exchange.columns or tuple(manifest.types)
    texts = {
        name: manifest.types[name]
        for name in shown
        if name not in hidden and manifest.types.get(name) in _TEXT
    }
    key = ["part", "row_id", "row_hash"]
    frames = [candidates.audit, *candidates.chosen_by_content]
    rows = pl.concat([frame.select(key) for frame in frames])
    rows = pl.concat([rows, asks.filter(pl.col("part").is_in(rows["part"].implode())).select(key)])
    partitions = {partition.part: partition for partition in manifest.partitions}
    jobs = {
        str(part): (partitions[str(part)], group["row_id"].unique().sort())
        for (part,), group in rows.sort(key).group_by("part", maintain_order=True)
        if texts
    }
    options = settings.source.storage_options
    found = cluster.map(wordings_of_part, jobs, run.store.files, texts, options)
    known = pl.concat([UNWORDED.to_frame(), *found.values()])
    # a row that has changed since it was asked may be asked again
    asked = asks.select(key).join(known, on=key, how="inner")
    return candidates.worded(known.drop("row_hash")), asked["wording"]


def _little_known(run: Run, manifest: Manifest) -> LittleKnown:
    counts = np.zeros(len(manifest.heuristics), dtype=np.int64)
    if manifest.entries:
        answers = read_answers(run.store.files, manifest.run).filter(~pl.col("reserved"))
        votes = vote_matrix(answers, run.classes, len(manifest.heuristics))
        counts = (votes != -1).sum(axis=0)
    order = [int(j) for j in np.argsort(counts, kind="stable") if counts[j] < KNOWN_BY]
    names = tuple(manifest.heuristics[j].name for j in order)
    return LittleKnown(names, tuple(order), voting(manifest.heuristics), run.classes)


def _aims(run: Run, manifest: Manifest) -> dict[str, float]:
    """Return the share of each stratum by what its answers found."""
    if not manifest.entries:
        return {}
    answers = read_answers(run.store.files, manifest.run)
    votes = vote_matrix(answers, run.classes, len(manifest.heuristics))
    return aim(find_mistakes(answers, votes, load(manifest.label_model)))


def _predicted(run: Run) -> dict[tuple[str, str], str]:
    """Return where the champion's predictions are for the partitions that it has scored."""
    if run.base is None or run.base_manifest is None:
        return {}
    serving = champion(run.store.decisions.read())
    if serving is None:
        return {}
    found = find_predictions(run.store.files, run.base.version, serving)
    digest_of = {partition.part: partition.digest for partition in run.base_manifest.partitions}
    scored = found.files if found else ()
    return {(one.part, digest_of[one.part]): one.path for one in scored if one.part in digest_of}
