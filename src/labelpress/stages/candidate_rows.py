"""Candidate rows: what a worker makes of one partition from which rows may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.candidates import pick_candidates
from labelpress.classes import ABSTAIN
from labelpress.row_hash import hash_texts, random_numbers
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.vote_files import read_votes
from labelpress.wordings import wordings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.candidates import Candidates
    from labelpress.classes import Classes
    from labelpress.partitions import Partition
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell

UNWORDED = pl.Schema(dict.fromkeys(("part", "row_id", "row_hash", "wording"), pl.String()))
"""How wordings come back."""


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
        schema=UNWORDED,
    )
    # of rows with one id the last is the one that counts
    return found.unique("row_id", keep="last", maintain_order=True)
