"""Vote features: the heuristics' votes as columns, for models that see them when predicting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.softmax import Matrix


@dataclass(frozen=True, slots=True)
class VoteFeatures:
    """Which (heuristic, class) pairs are columns; the pairs that occurred in training."""

    heuristics: int
    pairs: NDArray[np.int64]
    """Shape (p, 2): position of the heuristic, class code."""

    def transform(self, votes: NDArray[np.signedinteger[Any]]) -> Matrix:
        """
        Return an indicator per pair, CSR of shape (n, p), each row of length at most one.

        Raises `LabelpressError` where the votes are those of another number of heuristics.
        """
        if votes.ndim != 2 or votes.shape[1] != self.heuristics:
            raise LabelpressError(
                f"votes of shape {votes.shape}; the end model was trained with "
                f"{self.heuristics} heuristics. Train it again with the present ones."
            )
        cast = votes[:, self.pairs[:, 0]] == self.pairs[:, 1]
        length = np.sqrt(np.maximum(cast.sum(axis=1, keepdims=True), 1))
        return sparse.csr_matrix(cast / length)


def fit_vote_features(votes: NDArray[np.signedinteger[Any]]) -> VoteFeatures:
    """Find the pairs of heuristic and class that occur in votes of shape (n, heuristics)."""
    pairs = [
        (position, int(code))
        for position, column in enumerate(votes.T)
        for code in np.unique(column[column >= 0])
    ]
    return VoteFeatures(votes.shape[1], np.array(pairs, dtype=np.int64).reshape(-1, 2))


def beside(
    X: Matrix, votes: NDArray[np.signedinteger[Any]] | None, seen: VoteFeatures | None
) -> Matrix:
    """Return the features with the vote features beside them, if the model sees votes."""
    if seen is None:
        return X
    if votes is None:
        raise LabelpressError(
            "this end model sees votes when predicting and was given none. Pass the votes, or "
            "train one with [end_model] votes = false."
        )
    return sparse.hstack([sparse.csr_matrix(X), seen.transform(votes)], format="csr")
