"""What is predicted of an answered row comes from a model that has not seen its answer."""

from __future__ import annotations

import numpy as np

from labelpress.cross_fit import MOST_PATTERNS, cross_predict
from labelpress.label_models import Answered
from labelpress.votes import Patterns


class Memory:
    """A model that is certain of the rows it was taught, by their first vote."""

    def __init__(self, taught):
        self.taught = set(taught.votes[:, 0].tolist())

    def predict_proba(self, votes):
        """Return class 1 for what it has seen."""
        seen = np.array([float(vote in self.taught) for vote in votes[:, 0]])
        return np.stack([1 - seen, seen], axis=1)


def answered(n):
    """Return answers that differ in their first vote."""
    votes = np.arange(n, dtype=np.int16)[:, None]
    return Answered(votes, np.zeros(n, int), np.ones(n), np.ones(n, dtype=bool))


def test_no_model_has_seen_the_answer_it_is_asked_about():
    """A model that remembers remembers none of them."""
    patterns = Patterns(np.zeros((1, 1), dtype=np.int16), np.ones(1, dtype=np.int64))

    found = cross_predict(answered(23), lambda _, taught: Memory(taught), patterns, seed=3)

    assert found.tolist() == [[1.0, 0.0]] * 23


def test_many_patterns_are_sampled():
    """The fits judge and do not label, so a sample of the rows is enough."""
    many = np.arange(3 * MOST_PATTERNS, dtype=np.int16)[:, None]
    sizes = []

    def fit(patterns, taught):
        sizes.append((len(patterns.counts), patterns.rows))
        return Memory(taught)

    cross_predict(answered(20), fit, Patterns(many, np.full(len(many), 7)), seed=3)

    assert all(0.9 * MOST_PATTERNS < rows < 1.1 * MOST_PATTERNS for _, rows in sizes)
