"""The ask stage: choose the rows worth an expert's minutes and put them into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.answers import answers_awaited, open_asks
from labelpress.asks import (
    affordable,
    ask_id,
    choose_asks,
    recheck_count,
    recheck_worth,
    within_budget,
)
from labelpress.candidates import merge_candidates, pick_candidates
from labelpress.classes import ABSTAIN
from labelpress.decisions import champion
from labelpress.manifest import read_answers
from labelpress.predictions import find_predictions
from labelpress.row_hash import hash_texts, random_numbers
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.stages.fit import vote_matrix
from labelpress.stages.recheck import choose_rechecks, count_corrections, rows_of_test_asks
from labelpress.stages.vote import voting
from labelpress.stopping import is_reached
from labelpress.tables.schemas import ASKS
from labelpress.test_set import read_test_set
from labelpress.vote_files import read_votes
from labelpress.wordings import wordings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.candidates import Candidates
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.test_set import TestSet
    from labelpress.vote_files import Cell

KNOWN_BY = 10
"""Answers on rows where a heuristic votes, from which on its precision counts as known."""
_TEXT = ("string", "large_string", "string_view")
_UNWORDED = pl.Schema(dict.fromkeys(("part", "row_id", "row_hash", "wording"), pl.String()))


@dataclass(frozen=True, slots=True)
class PartToAsk:
    """One partition from which rows may be asked."""

    part: str
    digest: str
    path: str | None
    """Its label file; None before the first printing."""
    published: str | None
    """The file that consumers read, where the candidate is held."""
    predicted: str | None
    """What the champion says of these rows; None where it has not scored them."""
    cohort: str
    dropped: tuple[int, ...]
    """Positions of rows that a later row of the same id replaces."""
    rows: int
    """With those."""
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class LittleKnown:
    """The heuristics whose precision few answers tell, the least known first."""

    names: tuple[str, ...]
    columns: tuple[int, ...]
    """Their places among the votes."""
    fingerprints: tuple[str, ...]
    """Of all heuristics, as votes are read."""
    classes: Classes


@dataclass(frozen=True, slots=True)
class Scored:
    """What a worker tells of a partition."""

    candidates: Candidates
    current: pl.DataFrame
    """Columns row_id and row_hash (texts): rows of unanswered asks that are as they were asked."""


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
    known = pl.concat([_UNWORDED.to_frame(), *found.values()])
    # a row that has changed since it was asked may be asked again
    asked = asks.select(key).join(known, on=key, how="inner")
    return candidates.worded(known.drop("row_hash")), asked["wording"]


def wordings_of_part(
    where: tuple[Partition, pl.Series],
    files: Files,
    texts: Mapping[str, str],
    options: Mapping[str, str],
) -> pl.DataFrame:
    """Return part, row_id and row_hash (texts) and wording of some rows, on a worker."""
    partition, row_ids = where
    index = read_index(files, partition.digest).with_columns(pl.col("row_id").cast(pl.String))
    wanted = index["row_id"].is_in(row_ids.implode())
    there = index.filter(wanted)
    rows = read_rows(partition.file, partition.row_groups, texts, options).filter(wanted)
    found = pl.DataFrame(
        {
            "part": [partition.part] * there.height,
            "row_id": there["row_id"],
            "row_hash": hash_texts(there["row_hash"]),
            "wording": wordings(rows.select(list(texts))),
        },
        schema=_UNWORDED,
    )
    # of rows with one id the last is the one that counts
    return found.unique("row_id", keep="last", maintain_order=True)


def _little_known(run: Run, manifest: Manifest) -> LittleKnown:
    counts = np.zeros(len(manifest.heuristics), dtype=np.int64)
    if manifest.entries:
        answers = read_answers(run.store.files, manifest.run).filter(~pl.col("reserved"))
        votes = vote_matrix(answers, run.classes, len(manifest.heuristics))
        counts = (votes != -1).sum(axis=0)
    order = [int(j) for j in np.argsort(counts, kind="stable") if counts[j] < KNOWN_BY]
    names = tuple(manifest.heuristics[j].name for j in order)
    return LittleKnown(names, tuple(order), voting(manifest.heuristics), run.classes)


def candidates_of_part(
    where: PartToAsk,
    files: Files,
    spent: pl.DataFrame,
    test_ids: tuple[str, ...],
    seed: int,
    limit: int,
    little_known: LittleKnown,
) -> Scored:
    """Score the rows of one partition and keep the few worth asking, on a worker."""
    index = read_index(files, where.digest, where.dropped)
    numbers = random_numbers(index["row_id"], index["row_hash"].to_numpy(), seed)
    rows = index.with_columns(pl.Series("random", numbers))
    if where.path is None:
        rows = rows.with_columns(
            pl.lit(1.0).alias("margin"),
            pl.lit(0).alias("n_votes"),
            pl.lit(where.cohort).alias("cohort"),
            pl.lit(value=False).alias("changed"),
            pl.lit(None, pl.String).alias("heuristic"),
            pl.lit(None, pl.String).alias("label"),
            pl.lit(None, pl.Float64).alias("disputed"),
        )
    else:
        rows = rows.with_columns(_to_anchor(where, files, little_known))
        labels = files.read_parquet(f"labels/{where.path}")
        scored = labels.select(
            "row_id", "n_votes", "cohort", _margin(labels["probabilities"]), "label"
        )
        scored = scored.with_columns(
            _changed(scored, where.published, files), _disputed(scored, where.predicted, files)
        )
        if rows["row_id"].equals(scored["row_id"]):  # as labels lie where nothing was erased
            rows = rows.hstack(scored.drop("row_id"))
        else:
            rows = rows.join(scored, on="row_id", how="inner", maintain_order="left")
    # Few rows are spent and few are sent: ids and hashes become text there, not here.
    kind = rows["row_id"].dtype
    known = pl.DataFrame(
        {
            "row_id": spent["row_id"].cast(kind, strict=False),
            "row_hash": pl.Series(
                [int(digits, 16) for digits in spent["row_hash"]], dtype=pl.UInt64
            ),
            "asked": pl.Series([True] * spent.height, dtype=pl.Boolean),
            "waits": spent["waits"],
        }
    )
    told = rows.select("row_id", "row_hash").join(
        known, on=["row_id", "row_hash"], how="left", maintain_order="left"
    )
    there = told.filter(pl.col("waits").fill_null(value=False))
    tested = rows["row_id"].is_in(
        pl.Series(test_ids, dtype=pl.String).cast(kind, strict=False).implode()
    )
    askable = ~told["asked"].fill_null(value=False) & ~tested
    described = rows.with_columns(
        askable.alias("askable"),
        pl.lit(where.part).alias("part"),
        pl.lit(where.digest).alias("partition"),
    )
    hashes = pl.Series("row_hash", hash_texts(there["row_hash"]), dtype=pl.String)
    current = there.select(pl.col("row_id").cast(pl.String)).with_columns(hashes)
    return Scored(pick_candidates(described, limit), current)


def _to_anchor(where: PartToAsk, files: Files, little_known: LittleKnown) -> pl.Series:
    """Name for each row the least known of the heuristics that vote on it; null where none is."""
    kept = np.ones(where.rows, dtype=bool)
    kept[list(where.dropped)] = False
    names = pl.Series("heuristic", [*little_known.names, None], dtype=pl.Enum(little_known.names))
    asked = [little_known.fingerprints[column] for column in little_known.columns]
    votes = read_votes(files, where.cells, asked, where.rows, little_known.classes)
    first = np.full(where.rows, len(asked), dtype=np.uint32)
    for place in reversed(range(len(asked))):  # by column, as votes are stored
        first[votes[:, place] != ABSTAIN] = place
    return names.gather(first[kept])


def _margin(probabilities: pl.Series) -> pl.Series:
    rows = probabilities.len()
    if rows == 0:
        return pl.Series("margin", [], dtype=pl.Float64)
    matrix = probabilities.explode().to_numpy().reshape(rows, -1)
    best = np.partition(matrix, -2, axis=1)
    return pl.Series("margin", best[:, -1] - best[:, -2])


def _changed(scored: pl.DataFrame, published: str | None, files: Files) -> pl.Series:
    if published is None:
        return pl.Series("changed", np.zeros(scored.height, dtype=bool))
    before = files.read_parquet(f"labels/{published}", columns=["row_id", "label"])
    joined = scored.select("row_id", "label").join(
        before.with_columns(pl.lit(value=True).alias("known")),
        on="row_id",
        how="left",
        suffix="_before",
        maintain_order="left",
    )
    differs = joined["label"].ne_missing(joined["label_before"])
    return (differs & joined["known"].fill_null(value=False)).alias("changed")


def _disputed(scored: pl.DataFrame, predicted: str | None, files: Files) -> pl.Series:
    """Return how sure the champion is where it says another class; null elsewhere."""
    if predicted is None:
        return pl.Series("disputed", [None] * scored.height, dtype=pl.Float64)
    said = files.read_parquet(predicted, columns=["row_id", "label", "confidence"])
    joined = scored.select("row_id", "label").join(
        said, on="row_id", how="left", suffix="_said", maintain_order="left"
    )
    differs = pl.col("label") != pl.col("label_said")
    return joined.select(pl.when(differs).then("confidence").alias("disputed")).to_series()


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
