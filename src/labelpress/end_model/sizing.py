"""Sizing: whether the training rows fit into a worker's memory, or must be streamed through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from scipy import sparse

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from labelpress.end_model.softmax import Matrix

ALWAYS_FITS: Final = 50_000
"""Rows that are held in memory without being measured first."""
_COPIES_OF_ROWS: Final = 3.0
"""A row's columns lie in the block that was read, in the sample and as text being hashed."""
_COPIES_OF_FEATURES: Final = 3.0
"""A row's features lie in the matrix, in its rows that teach, and in part in the solver's work."""
_CLASS_ARRAYS: Final = 8
"""Arrays of one number per row and class that are alive at once while fitting."""

Solver = Literal["memory", "stream"]


@dataclass(frozen=True, slots=True)
class RowBytes:
    """What an average training row takes."""

    columns: float
    """With its votes, where the model or a teacher sees them."""
    features: float

    def needed(self, rows: int, classes: int) -> float:
        """Return about how many bytes it takes to fit on that many rows at once."""
        each = _COPIES_OF_ROWS * self.columns + _COPIES_OF_FEATURES * self.features
        return rows * (each + 8 * _CLASS_ARRAYS * classes)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How the end model is fitted, on how many rows, and why."""

    solver: Solver
    rows: int
    """Training rows at most."""
    reason: str


def measure(
    frame: pl.DataFrame, X: Matrix, votes: NDArray[np.signedinteger[Any]] | None = None
) -> RowBytes:
    """Measure some rows, their features and their votes."""
    rows = max(frame.height, 1)
    seen = 0 if votes is None else votes.nbytes
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes if sparse.issparse(X) else X.nbytes
    return RowBytes((frame.estimated_size() + seen) / rows, size / rows)


def choose_solver(
    rows: int,
    row_bytes: RowBytes | None,
    budget: float | None,
    *,
    classes: int,
    wanted: Literal["auto", "memory", "stream"],
    streams: bool,
) -> Sizing:
    """
    Choose by size between all rows at once and block by block.

    `row_bytes` are None where rows are too few to be worth measuring, `budget` (bytes) where a
    worker has no limit. An estimator that cannot be streamed is given fewer rows instead.
    """
    if wanted == "stream":
        return Sizing("stream", rows, f"streamed, as project.toml says: {rows:,} rows")
    if wanted == "memory":
        return Sizing("memory", rows, f"in memory, as project.toml says: {rows:,} rows")
    if row_bytes is None or budget is None:
        return Sizing("memory", rows, f"in memory: {rows:,} rows")
    needed = row_bytes.needed(rows, classes)
    figures = f"{rows:,} rows need about {_shown(needed)} and training may take {_shown(budget)}"
    if needed <= budget:
        return Sizing("memory", rows, f"in memory: {figures}")
    if streams:
        return Sizing("stream", rows, f"streamed: {figures}")
    fitting = max(int(rows * budget / needed), 1)
    return Sizing(
        "memory",
        fitting,
        f"in memory on a sample of {fitting:,} rows: {figures}, and the estimator has no weighted "
        "partial_fit",
    )


def _shown(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
