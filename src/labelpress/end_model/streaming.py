"""Streaming: end models that learn block by block, so that memory does not grow with the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy import sparse

from labelpress.end_model.classifiers import Classifier, make_estimator, weighted_rows
from labelpress.end_model.softmax import Softmax

if TYPE_CHECKING:
    from labelpress.end_model.mixes import Learner
    from labelpress.end_model.settings import EndModelSettings
    from labelpress.end_model.softmax import Floats, Matrix

BATCH: Final = 256
"""Rows per step of our own learner."""
_STEP: Final = 0.3


class Stream(Protocol):
    """Anything that learns from weighted soft labels, a block at a time."""

    def partial_fit(self, X: Matrix, targets: Floats) -> None:
        """Learn from a block: features, shape (n, d), and class shares times weight, (n, K)."""

    def learner(self) -> Learner:
        """Return what has been learnt so far."""


@dataclass(slots=True)
class SoftmaxStream:
    """
    Our logistic regression by stochastic gradient, its steps scaled per coefficient.

    AdaGrad (Duchi, Hazan and Singer 2011): coefficients of rare n-grams move far when they are
    seen at last, those of frequent ones less and less. Only what occurs in a batch is touched.
    """

    weights: Floats
    """Shape (d + 1, K); the last row is the intercept."""
    squares: Floats
    """Sum of squared gradients so far, same shape."""

    @classmethod
    def new(cls, columns: int, classes: int) -> SoftmaxStream:
        """Return one that knows nothing."""
        return cls(np.zeros((columns + 1, classes)), np.full((columns + 1, classes), 1e-8))

    def partial_fit(self, X: Matrix, targets: Floats) -> None:
        """Learn from a block, whose rows are taken in a fixed mixed order."""
        order = np.random.default_rng(len(targets)).permutation(len(targets))
        rows = sparse.csr_matrix(X)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            self._step(rows[chosen], targets[chosen])

    def learner(self) -> Learner:
        """Return what has been learnt so far."""
        return Softmax(self.weights[:-1].copy(), self.weights[-1].copy())

    def _step(self, X: Any, targets: Floats) -> None:
        seen, place = np.unique(X.indices, return_inverse=True)
        # The intercept is a column of ones, behind those that occur.
        small = sparse.csr_matrix((X.data, place, X.indptr), shape=(X.shape[0], len(seen)))
        touched = np.append(seen, len(self.weights) - 1)
        weights = self.weights[touched]
        said = Softmax(weights[:-1], weights[-1]).log_proba(small)
        residual = targets.sum(axis=1, keepdims=True) * np.exp(said) - targets
        slope = np.vstack([small.T @ residual, residual.sum(axis=0)]) / len(targets)
        squares = self.squares[touched] + slope**2
        self.squares[touched] = squares
        self.weights[touched] = weights - _STEP * slope / np.sqrt(squares)


@dataclass(slots=True)
class ClassifierStream:
    """A scikit-learn estimator with `partial_fit`, taught each row once per class, weighted."""

    estimator: Any
    classes: int

    def partial_fit(self, X: Matrix, targets: Floats) -> None:
        """Learn from a block."""
        inputs, codes, weights = weighted_rows(X, targets)
        if len(codes):
            self.estimator.partial_fit(
                inputs, codes, classes=np.arange(self.classes), sample_weight=weights
            )

    def learner(self) -> Learner:
        """Return what has been learnt so far."""
        return Classifier(self.estimator, self.classes)


def new_stream(settings: EndModelSettings, columns: int, classes: int, seed: int) -> Stream:
    """Return what the settings name, knowing nothing yet."""
    if settings.estimator is None:
        return SoftmaxStream.new(columns, classes)
    made = make_estimator(settings.estimator, settings.parameters, seed)
    return ClassifierStream(made, classes)
