"""Soft logistic regression: known optima, offsets, and the short cut for few rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from labelpress.end_model import softmax
from labelpress.end_model.softmax import fit_softmax


def test_without_features_the_soft_targets_mean_is_predicted():
    """An almost free intercept reproduces the average target."""
    targets = np.array([[0.9, 0.1], [0.7, 0.3]])

    model = fit_softmax(np.zeros((2, 1)), targets, penalty=1e-6)

    np.testing.assert_allclose(np.exp(model.log_proba(np.zeros((1, 1)))), [[0.8, 0.2]], atol=1e-4)


def test_an_offset_that_is_right_leaves_nothing_to_learn():
    """Where the offset already says the targets, all coefficients stay zero."""
    targets = np.array([[0.9, 0.1], [0.2, 0.8]])

    model = fit_softmax(np.eye(2), targets, penalty=1.0, offset=np.log(targets))

    np.testing.assert_allclose(model.coefficients, 0.0, atol=1e-9)


def test_weights_count_like_repeated_rows():
    """Twice the target is the same row twice."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.2]])
    once = np.array([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7], [0.5, 0.5]])

    doubled = fit_softmax(X, 2 * once, penalty=0.5)
    repeated = fit_softmax(np.vstack([X, X]), np.vstack([once, once]), penalty=0.5)

    np.testing.assert_allclose(doubled.coefficients, repeated.coefficients, atol=1e-4)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_few_rows_and_many_columns_are_solved_as_the_full_problem(form, monkeypatch):
    """The row-space solution is the solution, for arrays and sparse matrices alike."""
    rng = np.random.default_rng(0)
    X = form(rng.normal(size=(8, 20)))
    targets = np.eye(3)[rng.integers(3, size=8)]

    quick = fit_softmax(X, targets, penalty=0.3)
    monkeypatch.setattr(softmax, "_SMALL", 0)
    full = fit_softmax(X, targets, penalty=0.3)

    np.testing.assert_allclose(quick.coefficients, full.coefficients, atol=2e-3)
    np.testing.assert_allclose(quick.intercept, full.intercept, atol=2e-3)


def test_the_same_input_gives_the_same_bits():
    """Nothing random is inside."""
    X, targets = np.eye(3), np.eye(3)

    assert fit_softmax(X, targets, 0.1).coefficients.tobytes() == (
        fit_softmax(X, targets, 0.1).coefficients.tobytes()
    )
