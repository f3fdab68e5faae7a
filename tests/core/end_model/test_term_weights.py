"""Term weights: what tells the classes apart counts for more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from labelpress.end_model.term_weights import term_weights, weighed

ROWS = 400


@pytest.fixture(name="told", scope="module")
def _told():
    """A word of one class, one of both, one that is rare, a scaled number; and the classes."""
    rng = np.random.default_rng(1)
    spam = rng.random(ROWS) < 0.3
    X = np.zeros((ROWS, 5))
    X[:, 0] = spam & (rng.random(ROWS) < 0.6)
    X[:, 1] = rng.random(ROWS) < 0.6
    X[:3, 2] = 1
    X[:, 3] = rng.normal(size=ROWS)
    targets = np.column_stack([~spam, spam]).astype(float)
    return sparse.csr_matrix(X.astype(np.float32)), targets


def test_a_word_of_one_class_counts_more_than_one_of_both(told):
    """And a number counts as before."""
    weights = term_weights(*told)

    assert weights[0] > 2 * weights[1]
    assert weights[3] == 1


def test_terms_together_are_as_large_as_before(told):
    """So that a penalty means the same."""
    X, targets = told
    after = weighed(X, term_weights(X, targets))
    terms = [0, 1, 2]

    assert after.dtype == X.dtype
    assert after[:, terms].power(2).sum() == pytest.approx(X[:, terms].power(2).sum(), rel=1e-6)


def test_the_order_of_rows_and_the_unit_of_their_weights_change_nothing(told):
    """Weights are of the columns, and shares are what counts."""
    X, targets = told
    order = np.random.default_rng(2).permutation(ROWS)
    weights = term_weights(X, targets)

    assert np.allclose(term_weights(X[order], targets[order]), weights, rtol=1e-12)
    assert not np.allclose(term_weights(X, targets[order]), weights)


def test_what_no_row_has_and_classes_that_no_row_is_of_are_no_obstacle(told):
    """They get finite weights; a class without rows tells nothing."""
    X, targets = told
    three = np.column_stack([targets, np.zeros(ROWS)])

    assert np.isfinite(term_weights(X, targets)).all()
    assert np.allclose(term_weights(X, three), term_weights(X, targets))


@pytest.mark.parametrize("columns", [[3], [4]], ids=["numbers", "nothing"])
def test_without_terms_there_are_no_weights(told, columns):
    """A number tells by how much, and an empty column tells nothing."""
    X, targets = told

    assert term_weights(X[:, columns], targets) is None
    assert term_weights(X.toarray(), targets) is None


def test_one_class_tells_nothing_apart(told):
    """There is nothing to weigh by."""
    X, targets = told

    assert term_weights(X, targets * [1.0, 0.0]) is None


def test_terms_that_tell_nothing_are_left_as_they_are():
    """Each weight would be zero."""
    X = sparse.csr_matrix(np.ones((4, 1)))

    assert term_weights(X, np.tile([0.5, 0.5], (4, 1))) is None
