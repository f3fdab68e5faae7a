"""Refuse votes, answers and base rates that no label model could use, saying where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.classes import ABSTAIN
from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from labelpress.label_models.contract import Floats, VoteMatrix

MOST_CLASSES = int(np.iinfo(np.int16).max)


def checked_votes(
    votes: ArrayLike, classes: int, heuristics: Sequence[str] | None = None
) -> VoteMatrix:
    """
    Return `votes` as an (n, m) integer array whose values are -1 or class codes below `classes`.

    Raises `LabelpressError` naming the first row and column that is not.
    """
    matrix: NDArray[Any] = np.asarray(votes)
    if matrix.ndim != 2:
        raise LabelpressError(
            f"votes: expected a matrix (rows, heuristics), got shape {matrix.shape}."
        )
    if heuristics is not None and matrix.shape[1] != len(heuristics):
        raise LabelpressError(
            f"votes: {matrix.shape[1]} columns, but there are {len(heuristics)} heuristics; "
            "give one column per heuristic, in the order in which the model was fitted."
        )
    if not np.issubdtype(matrix.dtype, np.signedinteger):
        hint = "an abstain is -1, not NaN or null" if matrix.dtype.kind == "f" else "cast it first"
        raise LabelpressError(
            f"votes: expected signed integers (int8 or int16), got {matrix.dtype}; {hint}."
        )
    if matrix.size and (matrix.min() < ABSTAIN or matrix.max() >= classes):
        row, column = np.argwhere((matrix < ABSTAIN) | (matrix >= classes))[0]
        name = f" ({heuristics[column]!r})" if heuristics is not None else ""
        raise LabelpressError(
            f"votes: {matrix[row, column]} in row {row}, column {column}{name} is no class; codes "
            f"are 0 to {classes - 1}, and -1 abstains. More than 127 classes need int16."
        )
    return matrix


def narrow(votes: VoteMatrix, classes: int) -> VoteMatrix:
    """Return votes in the narrowest type that holds the classes, as a vote matrix is stored."""
    kind = np.dtype(np.int8 if classes <= np.iinfo(np.int8).max else np.int16)
    return votes.astype(kind) if votes.dtype.itemsize > kind.itemsize else votes


def checked_classes(classes: int) -> int:
    """Return the number of classes; raises `LabelpressError` unless it is 2 to 32,767."""
    if not 2 <= classes <= MOST_CLASSES:
        raise LabelpressError(
            f"classes: {classes}; a label model needs 2 to {MOST_CLASSES} classes "
            "(class codes are stored as int8 or int16)."
        )
    return int(classes)


def checked_base_rate(base_rate: ArrayLike, classes: int) -> Floats:
    """
    Return a base rate of shape (K,) that sums to one exactly as far as floats can.

    A class at zero is allowed: it is taken as rarer than can be told, not as impossible.
    Raises `LabelpressError` for a wrong length, negative or NaN shares, or another sum.
    """
    rates: Floats = np.asarray(base_rate, dtype=np.float64)
    if rates.shape != (classes,):
        raise LabelpressError(
            f"base_rate: expected {classes} shares, one per class, got shape {rates.shape}."
        )
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise LabelpressError(f"base_rate: shares must be 0 or more, got {rates.tolist()}.")
    if abs(float(rates.sum()) - 1) > 1e-6:
        raise LabelpressError(
            f"base_rate: the shares add up to {rates.sum():.6g}, not to 1: {rates.tolist()}."
        )
    # a class of share zero would have log-odds of minus infinity whatever its votes
    floored = np.maximum(rates, 1e-6)
    return np.asarray(floored / floored.sum())


def checked_labels(labels: ArrayLike, classes: int, what: str = "answers") -> NDArray[np.int64]:
    """Return class codes as int64; raises `LabelpressError` naming the first that is no class."""
    codes: NDArray[Any] = np.asarray(labels)
    if codes.size == 0:
        return np.zeros(0, dtype=np.int64)
    if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
        raise LabelpressError(
            f"{what}: expected one integer class code per row, got {codes.dtype} of shape "
            f"{codes.shape}."
        )
    wrong = np.flatnonzero((codes < 0) | (codes >= classes))
    if len(wrong):
        raise LabelpressError(
            f"{what}: {codes[wrong[0]]} at position {wrong[0]} is no class; codes are 0 to "
            f"{classes - 1}."
        )
    return codes.astype(np.int64)
