"""Multinomial logistic regression on soft targets, with a fixed offset where one is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

Matrix: TypeAlias = Any
"""Features, shape (n, d): a NumPy array or a SciPy CSR matrix of float64."""

INTERCEPT_PENALTY: Final = 0.1
"""Share of the penalty that the intercept bears: a class that few answers show is not ruled out."""
_ITERATIONS: Final = 200
_SMALL: Final = 3000


@dataclass(frozen=True, slots=True)
class Softmax:
    """A fitted multinomial logistic regression."""

    coefficients: Floats
    """Shape (d, K)."""
    intercept: Floats
    """Shape (K,)."""

    def log_proba(self, X: Matrix, offset: Floats | None = None) -> Floats:
        """Return log-probabilities, shape (n, K); `offset` (n, K) is added to the scores."""
        scores = np.asarray(X @ self.coefficients) + self.intercept
        return normalise(scores if offset is None else scores + offset)


def normalise(scores: Floats) -> Floats:
    """Subtract from each row its log-sum-exp, so that its exponentials sum to one."""
    return np.asarray(scores - logsumexp(scores, axis=1, keepdims=True))


def fit_softmax(
    X: Matrix, targets: Floats, penalty: float, offset: Floats | None = None
) -> Softmax:
    """
    Minimise the cross-entropy to soft targets plus `penalty` / 2 times the squared coefficients.

    `targets`, shape (n, K), are class probabilities times the row's weight: rows need not sum to
    one. A fixed `offset`, shape (n, K), enters the scores and is not learnt; with log-probabilities
    of another model as the offset, what is learnt is a correction of that model. Deterministic:
    L-BFGS from zero. Where rows are few and columns many it is solved in the span of the rows, in
    which the ridge solution lies (representer theorem; Kimeldorf and Wahba 1971).
    """
    rows, columns = X.shape
    if columns > rows and rows <= _SMALL:
        return _fit_in_row_space(X, targets, penalty, offset)
    return _minimise(X, targets, penalty, offset)


def _fit_in_row_space(X: Matrix, targets: Floats, penalty: float, offset: Floats | None) -> Softmax:
    gram = X @ X.T
    values, vectors = np.linalg.eigh(gram.toarray() if sparse.issparse(gram) else gram)
    kept = values > values[-1] * 1e-10 if len(values) else values > 0
    scale = np.sqrt(values[kept])
    rotated = vectors[:, kept] * scale
    small = _minimise(rotated, targets, penalty, offset)
    back = (vectors[:, kept] / scale) @ small.coefficients
    return Softmax(np.asarray(X.T @ back), small.intercept)


def _minimise(X: Matrix, targets: Floats, penalty: float, offset: Floats | None) -> Softmax:
    columns, classes = X.shape[1], targets.shape[1]
    weights = targets.sum(axis=1, keepdims=True)
    transposed = X.T.tocsr() if sparse.issparse(X) else X.T
    # One scale for the loss makes the stopping rule mean the same at 50 rows and at a million.
    total = max(float(weights.sum()), 1.0)

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        model = _unflatten(flat, columns, classes)
        log_proba = model.log_proba(X, offset)
        residual = weights * np.exp(log_proba) - targets
        shrink, level = model.coefficients * penalty, model.intercept * penalty * INTERCEPT_PENALTY
        loss = -(targets * log_proba).sum()
        loss += ((shrink * model.coefficients).sum() + (level * model.intercept).sum()) / 2
        gradient = np.concatenate(
            [(transposed @ residual + shrink).ravel(), residual.sum(axis=0) + level]
        )
        return float(loss) / total, gradient / total

    found = minimize(
        loss_and_gradient,
        np.zeros((columns + 1) * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "gtol": 1e-6, "ftol": 1e-9},
    )
    return _unflatten(found.x, columns, classes)


def _unflatten(flat: Floats, columns: int, classes: int) -> Softmax:
    return Softmax(flat[: columns * classes].reshape(columns, classes), flat[columns * classes :])
