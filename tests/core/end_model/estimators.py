"""Estimators that a project may name by import path, some of which cannot serve."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import MultinomialNB


class Shares(ClassifierMixin, BaseEstimator):
    """Says the weighted share of each class, whatever the row."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Shares:
        """Count."""
        self.classes_ = np.unique(y)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        mass = np.bincount(y, weights=weights)[self.classes_]
        self.shares_ = mass / mass.sum()
        return self

    def predict_proba(self, X: Any) -> Any:
        """Return the shares, once per row."""
        return np.tile(self.shares_, (X.shape[0], 1))


class Unweighted(ClassifierMixin, BaseEstimator):
    """Takes `sample_weight` by name, and refuses it."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Unweighted:
        """Refuse."""
        raise ValueError("no weights, please")

    def predict_proba(self, X: Any) -> Any:
        """Never come here."""
        return X


class Uncertain(Shares):
    """Says of every row that it cannot tell."""

    def predict_proba(self, X: Any) -> Any:
        """Return no numbers."""
        return np.full((X.shape[0], len(self.classes_)), np.nan)


class Counted(MultinomialNB):
    """Naive Bayes of a type that is not scikit-learn's own."""
