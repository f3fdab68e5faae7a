"""The ask stage: choose the rows worth an expert's minutes and put them into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.answers import answers_awaited, open_asks
from labelpress.asks import affordable, ask_id, choose_asks, recheck_count, within_budget
from labelpress.candidates import CANDIDATES, merge_candidates, pick_candidates
from labelpress.cross_fit import FEWEST_ANSWERS, cross_predict
from labelpress.label_models.fitting import fit_patterns
from labelpress.manifest import read_answers
from labelpress.row_hash import hash_texts, random_numbers
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.stages.fit import as_answered, vote_matrix
from labelpress.stages.vote import voting
from labelpress.stopping import is_reached
from labelpress.suspects import mix_rechecks, rank_suspects
from labelpress.tables.schemas import ASKS
from labelpress.test_set import read_test_set
from labelpress.vote_files import read_votes
from labelpress.votes import count_patterns
from labelpress.wordings import wordings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.candidates import Candidates
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.label_models import Answered, LabelModel
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell
    from labelpress.votes import Patterns

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
    candidates, current = _candidates(run, manifest, cluster, asks, unanswered, held=held)
    waiting = open_asks(unanswered, answers, now, settings.experts, current)
    left = settings.experts.budget - answers_awaited(waiting, answers, settings.experts)
    budget = affordable(settings.experts, max(left, 0))
    experts = settings.experts.model_copy(update={"budget": budget})
    satisfied = is_reached(manifest, experts)
    known = pl.Series("wording", [], dtype=pl.String)
    if manifest.entries and not satisfied:  # else all asks are audits, drawn as they come
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
        rechecks=None if satisfied else _rechecks(run, manifest, asks, recheck_count(experts)),
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
    *,
    held: bool,
) -> tuple[Candidates, pl.DataFrame]:
    """Return what may be asked, and which rows of unanswered asks are as they were."""
    digest_of = {partition.part: partition for partition in manifest.partitions}
    path_of = {entry.part: entry.path for entry in manifest.entries}
    base = run.base_manifest
    published = {entry.part: entry.path for entry in base.entries} if base and held else {}
    items = {
        part: PartToAsk(
            part,
            partition.digest,
            path_of.get(part),
            published.get(part),
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
    test_set = read_test_set(run.project, run.classes)
    test_ids = test_set.ids if test_set else ()
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


def _rechecks(run: Run, manifest: Manifest, asks: pl.DataFrame, count: int) -> pl.DataFrame | None:
    """Choose teaching answers to look at again, each once; None where there are too few."""
    if count == 0 or not manifest.entries:
        return None
    answers = read_answers(run.store.files, manifest.run).filter(~pl.col("reserved"))
    if answers.height < FEWEST_ANSWERS:
        return None
    seed, heuristics = run.project.settings.seed, [note.name for note in manifest.heuristics]
    answered = as_answered(answers, run.classes, len(heuristics))

    def fit(patterns: Patterns, given: Answered) -> LabelModel:
        return fit_patterns(
            patterns,
            given,
            classes=len(run.classes),
            base_rate=None,
            heuristics=heuristics,
            model=run.project.settings.label_model.model,
            seed=seed,
            shown=False,
        )

    patterns = count_patterns(answered.votes)
    ranked = rank_suspects(answered.labels, cross_predict(answered, fit, patterns, seed))
    key = ["row_id", "row_hash"]
    seen = asks.filter(pl.col("stratum") == "recheck").select(pl.struct(key)).to_series()
    again = answers.select(pl.struct(key)).to_series().is_in(seen.implode())
    fresh = ranked.filter(~pl.col("place").is_in(again.arg_true().implode()))
    places = mix_rechecks(fresh, count, np.random.default_rng([seed, 11, answers.height]))
    part_of = {partition.digest: partition.part for partition in manifest.partitions}
    return (
        answers[places]
        .with_columns(
            pl.col("partition").replace_strict(part_of, return_dtype=pl.String).alias("part"),
            pl.lit(0.0).alias("score"),
            pl.lit(0.0).alias("random"),
            pl.lit(None, pl.String).alias("heuristic"),
            pl.lit(None, pl.String).alias("wording"),
        )
        .select(CANDIDATES.names())
    )


def _worded(
    run: Run, manifest: Manifest, cluster: Cluster, candidates: Candidates, asks: pl.DataFrame
) -> tuple[Candidates, pl.Series]:
    """
    Read the texts of the few rows that may be asked, so near-identical ones are asked once.

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
        )
    else:
        rows = rows.with_columns(_to_anchor(where, files, little_known))
        labels = files.read_parquet(f"labels/{where.path}")
        scored = labels.select(
            "row_id", "n_votes", "cohort", _margin(labels["probabilities"]), "label"
        )
        scored = scored.with_columns(_changed(scored, where.published, files))
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
    if not little_known.names:
        return pl.Series("heuristic", [None] * int(kept.sum()), dtype=pl.String)
    fingerprints, classes = little_known.fingerprints, little_known.classes
    votes = read_votes(files, where.cells, fingerprints, where.rows, classes)[kept]
    fires = votes[:, little_known.columns] != -1
    first = pl.Series(np.where(fires.any(axis=1), fires.argmax(axis=1), -1))
    names = dict(enumerate(little_known.names))
    return first.replace_strict(names, default=None, return_dtype=pl.String).alias("heuristic")


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
