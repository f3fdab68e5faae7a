"""Training rows: what a worker reads of one partition to teach or judge an end model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.end_model.evaluation import content_overlap
from labelpress.row_hash import random_numbers
from labelpress.row_index import read_index
from labelpress.sources.reading import read_rows
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.end_model.settings import Features
    from labelpress.partitions import Partition
    from labelpress.tables.files import Files
    from labelpress.test_set import TestSet
    from labelpress.vote_files import Cell


@dataclass(frozen=True, slots=True)
class SeenVotes:
    """Where the votes are, for a model or a teacher that sees them."""

    cells: Mapping[str, Mapping[str, Cell]]
    """By partition digest and fingerprint."""
    fingerprints: tuple[str, ...]
    bundle: Bundle
    """The heuristics, to cast on the test set."""


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """One partition that may teach."""

    partition: Partition
    path: str
    """Its label file."""
    dropped: tuple[int, ...]
    """Positions of rows that are not labelled."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which rows and columns are read, and from where; the same for all partitions."""

    files: Files
    classes: Classes
    features: Features
    types: Mapping[str, str]
    """Of the features' columns."""
    options: Mapping[str, str]
    seed: int
    below: float
    """Labelled rows with a permanent random number below it are read."""
    answered: tuple[str, ...]
    """Rows that are read whatever their number."""
    votes: SeenVotes | None
    """None where neither the model nor its teacher sees them."""
    test: TestSet | None

    def of(self, below: float, *, answered: bool = True) -> Reading:
        """Return the reading of another share of the rows."""
        return replace(self, below=below, answered=self.answered if answered else ())


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one or more partitions that may teach."""

    row_ids: pl.Series
    """As text."""
    frame: pl.DataFrame
    """The features' columns."""
    soft: np.ndarray
    """Their published class probabilities, shape (n, K)."""
    votes: np.ndarray | None
    excluded: int
    """Rows left out because they are in the test set."""


def read_block(part: TrainingPart, reading: Reading) -> Block:
    """Read the rows of one partition that may teach, without those of the test set."""
    partition, files, classes = part.partition, reading.files, reading.classes
    index = read_index(files, partition.digest)
    numbers = random_numbers(index["row_id"], index["row_hash"].to_numpy(), reading.seed)
    labels = files.read_parquet(f"labels/{part.path}", columns=["row_id", "label", "probabilities"])
    named = index.select("row_id").with_columns(
        pl.Series("random_number", numbers), pl.int_range(index.height).alias("position")
    )
    present = named.filter(~pl.col("position").is_in(list(part.dropped)))
    joined = present.join(labels, on="row_id", how="inner", maintain_order="left")
    text = joined.with_columns(pl.col("row_id").cast(pl.String))
    known = pl.col("row_id").is_in(list(reading.answered))
    drawn = pl.col("label").is_not_null() & (pl.col("random_number") < reading.below)
    chosen = text.filter(drawn | known)
    rows = read_rows(partition.file, partition.row_groups, reading.types, reading.options)
    frame = rows[chosen["position"]]
    tested = _tested(chosen["row_id"], frame, reading)
    chosen, frame = chosen.filter(~tested), frame.filter(~tested)
    votes = None
    if reading.votes is not None:
        cells = reading.votes.cells[partition.digest]
        matrix = read_votes(files, cells, reading.votes.fingerprints, partition.rows, classes)
        votes = matrix[chosen["position"].to_numpy()]
    return Block(
        row_ids=chosen["row_id"].rechunk(),
        frame=apart(frame),
        soft=_matrix(chosen["probabilities"], len(classes)),
        votes=votes,
        excluded=int(tested.sum()),
    )


def together(blocks: Sequence[Block]) -> Block:
    """Return all blocks as one."""
    votes = [block.votes for block in blocks if block.votes is not None]
    return Block(
        row_ids=pl.concat([block.row_ids for block in blocks]),
        frame=pl.concat([block.frame for block in blocks]),
        soft=np.concatenate([block.soft for block in blocks]),
        votes=np.concatenate(votes) if votes else None,
        excluded=sum(block.excluded for block in blocks),
    )


def apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy a frame, so that it does not keep the texts of the rows it was chosen from."""
    copied = pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    assert isinstance(copied, pl.DataFrame)  # noqa: S101  # a table with columns is a frame
    return copied


def _tested(row_ids: pl.Series, frame: pl.DataFrame, reading: Reading) -> pl.Series:
    if reading.test is None or frame.height == 0:
        return pl.Series(np.zeros(frame.height, dtype=bool))
    inside = row_ids.is_in(list(reading.test.ids)).to_numpy()
    return pl.Series(inside | content_overlap(frame, reading.test.frame, reading.features))


def _matrix(probabilities: pl.Series, classes: int) -> np.ndarray:
    """Return probabilities, shape (n, K); a class that was registered later has none."""
    if probabilities.len() == 0:
        return np.zeros((0, classes))
    rows = np.asarray(probabilities.explode().to_numpy()).reshape(probabilities.len(), -1)
    return np.pad(rows, ((0, 0), (0, classes - rows.shape[1])))
