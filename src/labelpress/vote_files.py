"""
Votes files: cells on disk, each computed once and never rewritten.

`votes/<partition digest>/rows.parquet` holds a partition's row ids and row hashes;
`votes/<partition digest>/<batch>.parquet` one int8 or int16 column per newly computed cell, named
by the heuristic's fingerprint. An edited heuristic adds a small file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.votes import Patterns, Votes, count_patterns, renew_patterns

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.tables.files import Files

ROWS_FILE = "rows.parquet"
_PATTERNS = "patterns-"
_METADATA = "labelpress"
_ALL = slice(None)
_FEW = 0.25
"""Where more of a partition's rows than this changed, counting all of them anew is as fast."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one heuristic's votes on one partition are, and what computing them took."""

    fingerprint: str
    file: str
    """Relative to the store."""
    rows: int
    faults: int
    seconds: float
    """CPU seconds when it was computed."""


def folder(partition_digest: str) -> str:
    """Return the folder of a partition's votes, relative to the store."""
    return f"votes/{partition_digest}"


def find_cells(
    files: Files, partition_digest: str, condemned: Container[str] = ()
) -> tuple[Cell, ...]:
    """
    Return all cells that are stored for a partition, whichever run computed them.

    Those in `condemned` files are about to be removed by maintenance, and not among them.
    """
    place = folder(partition_digest)
    cells: list[Cell] = []
    for name in files.names(place):
        if name == ROWS_FILE or name.startswith(_PATTERNS) or not name.endswith(".parquet"):
            continue
        path = f"{place}/{name}"
        if path in condemned:
            continue
        metadata = files.parquet_schema(path).metadata or {}
        facts = json.loads(metadata[_METADATA.encode()])
        cells += [Cell(file=path, **fact) for fact in facts]
    return tuple(cells)


def write_cells(
    files: Files, partition_digest: str, votes: Votes, fingerprints: Sequence[str]
) -> tuple[tuple[Cell, ...], int]:
    """
    Store the votes of newly cast heuristics as one file; return the cells and the bytes written.

    The file is named for the cells in it, so a rerun writes the same name.
    """
    batch = hashlib.blake2b("\x1f".join(sorted(fingerprints)).encode(), digest_size=12)
    path = f"{folder(partition_digest)}/{batch.hexdigest()}.parquet"
    cells = tuple(
        Cell(fingerprint, path, len(votes.matrix), votes.faults[i], round(votes.seconds[i], 6))
        for i, fingerprint in enumerate(fingerprints)
    )
    facts = [
        {name: getattr(cell, name) for name in Cell.__slots__ if name != "file"} for cell in cells
    ]
    frame = pl.DataFrame(
        {fingerprint: votes.matrix[:, i] for i, fingerprint in enumerate(fingerprints)}
    )
    written = files.write_parquet(path, frame, {_METADATA: json.dumps(facts)})
    return cells, written.size


def read_votes(
    files: Files,
    cells: Mapping[str, Cell],
    fingerprints: Sequence[str],
    rows: int,
    classes: Classes,
    at: NDArray[np.intp] | slice = _ALL,
) -> NDArray[np.signedinteger]:
    """
    Assemble the vote matrix of a partition, shape (rows, heuristics), in the order asked for.

    `at` picks some of the rows. A fingerprint that `cells` lacks (a quarantined heuristic) abstains
    everywhere.
    """
    height = rows if isinstance(at, slice) else len(at)
    matrix = np.full((height, len(fingerprints)), -1, dtype=classes.dtype, order="F")
    by_file: dict[str, list[str]] = {}
    for fingerprint in fingerprints:
        if fingerprint in cells:
            by_file.setdefault(cells[fingerprint].file, []).append(fingerprint)
    for file, wanted in by_file.items():
        frame = files.read_parquet(file, columns=sorted(set(wanted)))
        for position, fingerprint in enumerate(fingerprints):
            if fingerprint in wanted:
                matrix[:, position] = frame.get_column(fingerprint).to_numpy()[at]
    return matrix


def read_row_votes(
    files: Files,
    cells: Mapping[str, Cell],
    fingerprints: Sequence[str],
    position: int,
    classes: Classes,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """
    Return the votes on one row, shape (1, heuristics), and the fingerprints whose file is gone.

    Only the row group with that row is decoded.
    """
    votes = np.full((1, len(fingerprints)), -1, dtype=classes.dtype)
    gone: list[str] = []
    by_file: dict[str, list[str]] = {}
    for fingerprint in dict.fromkeys(fingerprints):
        if fingerprint in cells:
            by_file.setdefault(cells[fingerprint].file, []).append(fingerprint)
    for file, wanted in by_file.items():
        if not files.exists(file):
            gone += wanted
            continue
        row = files.scan(file).select(wanted).slice(position, 1).collect().row(0, named=True)
        for place, fingerprint in enumerate(fingerprints):
            votes[0, place] = row.get(fingerprint, votes[0, place])
    return votes, tuple(gone)


def partition_patterns(
    files: Files,
    partition_digest: str,
    cells: Mapping[str, Cell],
    fingerprints: Sequence[str],
    rows: int,
    classes: Classes,
    before: Sequence[str] = (),
) -> Patterns:
    """
    Count the vote patterns of a partition; the counts are stored, so each is counted once.

    `before` are the fingerprints of an earlier count, position by position: where it is there,
    only the rows on which an edited heuristic votes otherwise are counted again.
    """
    path = patterns_file(partition_digest, cells, fingerprints)
    if files.exists(path):
        return read_patterns(files, path, classes)
    patterns = _recount(files, partition_digest, cells, fingerprints, rows, classes, before)
    if patterns is None:
        patterns = count_patterns(read_votes(files, cells, fingerprints, rows, classes))
    write_patterns(files, path, patterns)
    return patterns


def patterns_file(
    partition_digest: str, cells: Mapping[str, Cell], fingerprints: Sequence[str]
) -> str:
    """Return where the pattern counts of a partition are, relative to the store."""
    key = hashlib.blake2b("\x1f".join(fingerprints).encode(), digest_size=12)
    key.update(repr(tuple(fp in cells for fp in fingerprints)).encode())
    return f"{folder(partition_digest)}/{_PATTERNS}{key.hexdigest()}.parquet"


def _recount(
    files: Files,
    partition_digest: str,
    cells: Mapping[str, Cell],
    fingerprints: Sequence[str],
    rows: int,
    classes: Classes,
    before: Sequence[str],
) -> Patterns | None:
    """Bring an earlier count up to date; None where there is none, or too much has changed."""
    if len(before) != len(fingerprints):
        return None
    edited = [i for i, fingerprint in enumerate(fingerprints) if fingerprint != before[i]]
    earlier = patterns_file(partition_digest, cells, before)
    if not cells.keys() >= {before[i] for i in edited} or not files.exists(earlier):
        return None
    now = read_votes(files, cells, [fingerprints[i] for i in edited], rows, classes)
    then = read_votes(files, cells, [before[i] for i in edited], rows, classes)
    moved = np.flatnonzero((now != then).any(axis=1))
    if len(moved) > _FEW * rows:
        return None
    patterns = read_patterns(files, earlier, classes)
    if not len(moved):
        return patterns
    votes = read_votes(files, cells, fingerprints, rows, classes, moved)
    new = count_patterns(votes)
    votes[:, edited] = then[moved]
    return renew_patterns(patterns, [new], [count_patterns(votes)])


def write_patterns(
    files: Files, path: str, patterns: Patterns, metadata: Mapping[str, str] | None = None
) -> None:
    """Store pattern counts: one column per heuristic, by position, and `count`."""
    columns = {f"{i}": patterns.votes[:, i] for i in range(patterns.votes.shape[1])}
    files.write_parquet(path, pl.DataFrame(columns | {"count": patterns.counts}), metadata)


def read_patterns(files: Files, path: str, classes: Classes) -> Patterns:
    """Read pattern counts back, bit for bit."""
    frame = files.read_parquet(path)
    votes = np.empty((frame.height, frame.width - 1), dtype=classes.dtype, order="F")
    for position in range(votes.shape[1]):
        votes[:, position] = frame.get_column(f"{position}").to_numpy()
    return Patterns(votes, frame.get_column("count").to_numpy())
