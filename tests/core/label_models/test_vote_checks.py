"""Votes, answers and base rates that make no sense are refused with their place."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.errors import LabelpressError
from labelpress.label_models import fit_label_model

A = -1
VOTES = np.array([[0, 1], [1, A], [A, A]], dtype=np.int8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"votes": [[0, 2], [1, A]]}, "2 in row 0, column 1 is no class"),
        ({"votes": [[0, 1], [-2, A]]}, "-2 in row 1, column 0 is no class"),
        ({"votes": [[0.0, np.nan]]}, "an abstain is -1, not NaN"),
        ({"votes": [0, 1]}, "expected a matrix"),
        ({"votes": np.array([[0, 1]], dtype=np.uint8)}, "signed integers"),
        ({"classes": 1}, "2 to 32767 classes"),
        ({"classes": 40_000}, "2 to 32767 classes"),
        ({"base_rate": [0.5, 0.6]}, "add up to 1.1, not to 1"),
        ({"base_rate": [1.5, -0.5]}, "0 or more"),
        ({"base_rate": [np.nan, 1]}, "0 or more"),
        ({"base_rate": [1.0]}, "expected 2 shares"),
        ({"answers": [0, 1]}, "one per row"),
        ({"answers": [0, 5, A]}, "5 at position 1 is no class"),
        ({"answers": [0.0, np.nan, A]}, "expected one integer class code per row, got float64"),
        ({"answers": [0, 1, A], "propensity": [0.5, 0, 0]}, "no probability of being drawn"),
        ({"answers": [0, 1, A], "propensity": [0.5, np.nan, 1]}, "nan of answered row 1"),
        ({"answers": [0, 1, A], "propensity": [0.5]}, "propensity: expected one per row"),
        ({"answers": [0, 1, A], "audit": [1, 0, 0]}, "boolean mask"),
        ({"heuristics": ["only"]}, "2 columns, but there are 1 heuristics"),
        ({"model": "majorty"}, "Did you mean 'majority'"),
        ({"model": "weighted-majority"}, "learns from answers"),
    ],
)
def test_nonsense_is_refused(given, message):
    """The message names the value and where it is."""
    with pytest.raises(LabelpressError, match=message):
        fit_label_model(**{"votes": VOTES, "classes": 2, **given})


@pytest.mark.parametrize(
    "model", ["auto", "majority", "majority-ties", "dawid-skene", "dawid-skene-symbol"]
)
@pytest.mark.parametrize(
    "votes",
    [
        np.full((5, 3), A, dtype=np.int8),
        np.zeros((0, 3), dtype=np.int8),
        np.zeros((4, 0), dtype=np.int8),
        np.zeros((4, 1), dtype=np.int8),
        np.zeros((4, 3), dtype=np.int16),
    ],
    ids=["all abstain", "no rows", "no heuristics", "one heuristic", "one class seen"],
)
def test_little_to_learn_from_is_still_defined(votes, model):
    """Nothing to learn gives the base rate for silent rows, and a distribution for all."""
    fitted = fit_label_model(votes, classes=3, base_rate=[0.5, 0.3, 0.2], model=model)
    probability = fitted.predict_proba(votes)
    assert probability.shape == (len(votes), 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_contradictory_answers_are_averaged():
    """The same votes answered both ways leave the row undecided."""
    votes = np.zeros((40, 1), dtype=np.int8)
    fitted = fit_label_model(votes, classes=2, answers=np.arange(40) % 2)
    np.testing.assert_allclose(fitted.predict_proba(votes)[0], [0.5, 0.5], atol=0.1)


def test_more_classes_than_int8_holds():
    """200 classes work with int16 votes."""
    votes = np.array([[199, 199, 3]], dtype=np.int16)
    assert fit_label_model(votes, classes=200).predict_proba(votes)[0].argmax() == 199


@pytest.mark.parametrize(
    "model", ["auto", "majority-ties", "dawid-skene", "dawid-skene-symbol", "log-linear"]
)
def test_every_iterative_fit_reports_convergence_and_repeats_to_the_bit(model):
    """The same input and seed give the same JSON."""
    rng = np.random.default_rng(0)
    votes = rng.integers(-1, 2, (300, 4)).astype(np.int8)
    answers = np.where(np.arange(300) < 40, rng.integers(0, 2, 300), A)

    def fit():
        return fit_label_model(votes, 2, answers=answers, model=model, seed=5)

    reports = fit().diagnostics["convergence"]
    told = [report["converged"] for report in reports.values() if "converged" in report]
    assert told
    assert set(told) <= {True, False}
    assert fit().to_json() == fit().to_json()
