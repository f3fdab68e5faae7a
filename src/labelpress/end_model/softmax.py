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
"""Features, shape (n, d): a NumPy array or a SciPy CSR matrix, of float32 or float64."""

INTERCEPT_PENALTY: Final = 0.1
"""Share of the penalty that the intercept bears: a class that few answers show is not ruled out."""
_ITERATIONS: Final = 200
_PRECISE: Final = 1e-9
_ROUGH: Final = 1e-5
"""Progress per step, relative to the loss, at which to stop; more is lost in noise on many rows."""
_SMALL: Final = 1000
_MANY: Final = 1000


@dataclass(frozen=True, slots=True)
class Softmax:
    """A fitted multinomial logistic regression."""

    coefficients: Floats
    """Shape (d, K)."""
    intercept: Floats
    """Shape (K,)."""

    def log_proba(self, X: Matrix, offset: Floats | None = None) -> Floats:
        """Return log-probabilities, shape (n, K); `offset` (n, K) is added to the scores."""
        # In the features' own precision: SciPy would copy a float32 matrix for each product.
        scores = np.asarray(X @ self.coefficients.astype(X.dtype)) + self.intercept
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
    L-BFGS from zero.
    """
    if not lies_in_span(X):
        tolerance = _ROUGH if X.shape[0] > _MANY else _PRECISE
        return _minimise(X, targets, penalty, offset, None, tolerance)
    span = span_of(X)
    small = _minimise(span.points, targets, penalty, offset, None, _PRECISE)
    return Softmax(np.asarray(X.T @ (span.back @ small.coefficients)), small.intercept)


def fit_path(
    X: Matrix, targets: Floats, penalties: tuple[float, ...], offset: Floats | None = None
) -> dict[float, Softmax]:
    """Fit once per penalty, the largest first; each fit starts where the one before it ended."""
    path: dict[float, Softmax] = {}
    last: Softmax | None = None
    for penalty in sorted(penalties, reverse=True):
        last = path[penalty] = _minimise(X, targets, penalty, offset, last, _ROUGH)
    return path


@dataclass(frozen=True, slots=True)
class Span:
    """Rows in coordinates of their own span, with the same inner products."""

    points: Floats
    """Shape (n, r)."""
    back: Floats
    """Shape (n, r): features.T @ back maps coefficients back to the features."""


def lies_in_span(X: Matrix) -> bool:
    """Say whether rows are few and columns many, so that solving in the rows' span is quicker."""
    rows, columns = X.shape
    return bool(columns > rows and rows <= _SMALL)


def span_of(X: Matrix) -> Span:
    """
    Turn the rows into their span, in which each ridge solution lies.

    Representer theorem (Kimeldorf and Wahba 1971); some of the rows do as well as all.
    """
    gram = X @ X.T
    dense = (gram.toarray() if sparse.issparse(gram) else gram).astype(np.float64)
    values, vectors = np.linalg.eigh(dense)
    # Float32 features leave noise of about 1e-7 in the inner products.
    kept = values > max(values[-1] * 1e-6, 1e-12) if len(values) else values > 0
    scale = np.sqrt(values[kept])
    return Span(vectors[:, kept] * scale, vectors[:, kept] / scale)


def _minimise(
    X: Matrix,
    targets: Floats,
    penalty: float,
    offset: Floats | None,
    start: Softmax | None,
    tolerance: float,
) -> Softmax:
    columns, classes = X.shape[1], targets.shape[1]
    weights = targets.sum(axis=1, keepdims=True)
    transposed = X.T
    # One scale for the loss makes the stopping rule mean the same at 50 rows and at a million.
    total = max(float(weights.sum()), 1.0)

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        model = _unflatten(flat, columns, classes)
        log_proba = model.log_proba(X, offset)
        residual = weights * np.exp(log_proba) - targets
        shrink, level = model.coefficients * penalty, model.intercept * penalty * INTERCEPT_PENALTY
        loss = -(targets * log_proba).sum()
        loss += ((shrink * model.coefficients).sum() + (level * model.intercept).sum()) / 2
        slope = transposed @ residual.astype(X.dtype) + shrink
        gradient = np.concatenate([slope.ravel(), residual.sum(axis=0) + level])
        return float(loss) / total, gradient / total

    found = minimize(
        loss_and_gradient,
        np.zeros((columns + 1) * classes)
        if start is None
        else np.concatenate([start.coefficients.ravel(), start.intercept]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "gtol": 1e-6, "ftol": tolerance},
    )
    return _unflatten(found.x, columns, classes)


def _unflatten(flat: Floats, columns: int, classes: int) -> Softmax:
    return Softmax(flat[: columns * classes].reshape(columns, classes), flat[columns * classes :])
