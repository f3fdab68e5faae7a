"""Evaluation: figures by hand, and test rows that hide among the training rows."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from labelpress.end_model.evaluation import (
    content_overlap,
    evaluate,
    f1_score,
    test_digest,
    wilson_interval,
)
from labelpress.end_model.settings import Features
from labelpress.errors import LabelpressError


def test_the_figures_of_four_rows():
    """Three of four right; the second class: one hit, one false alarm."""
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])

    found = evaluate(probabilities, np.array([0, 0, 0, 1]), "d")

    assert (found.accuracy, found.prior, found.rows, found.digest) == (0.75, 0.75, 4, "d")
    assert found.correct == (True, True, False, True)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.log_loss == pytest.approx(
        -(math.log(0.8) + math.log(0.6) + math.log(0.4) + math.log(0.9)) / 4
    )
    assert (found.low, found.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_f1_of_more_classes_is_the_mean_over_those_that_occur():
    """Class 3 neither occurs nor is named, so it does not count."""
    assert f1_score(np.array([0, 1, 2]), np.array([0, 1, 1]), 4) == pytest.approx(
        (1 + 2 / 3 + 0) / 3
    )


def test_certain_and_wrong_is_a_finite_loss():
    """A probability of zero counts as 1e-15."""
    found = evaluate(np.array([[1.0, 0.0]]), np.array([1]), "d")

    assert found.log_loss == pytest.approx(-math.log(1e-15))


def test_wilson_of_nothing_is_everything():
    """Without trials any share is possible."""
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_no_rows_cannot_judge():
    """The error says how many rows there were."""
    with pytest.raises(LabelpressError, match="0 predictions by 0 known rows"):
        evaluate(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), "d")


def test_the_digest_ignores_order_and_sees_corrections():
    """Another order is the same test set; another label is another one."""
    digest = test_digest(["a", "b"], np.array([0, 1]))

    assert digest == test_digest(["b", "a"], np.array([1, 0]))
    assert digest != test_digest(["a", "b"], np.array([0, 0]))


def test_text_is_the_same_whatever_its_case_and_spaces():
    """Normalised content is compared, and a blank row matches nothing."""
    frame = pl.DataFrame({"text": ["Check  this OUT ", "other", " ", None]})
    test = pl.DataFrame({"text": ["check this out", "", None]})

    inside = content_overlap(frame, test, Features(text=("text",)))

    assert inside.tolist() == [True, False, False, False]


def test_every_feature_must_agree():
    """Same text with another number is another row; null equals null."""
    frame = pl.DataFrame({"text": ["a", "a", "b"], "age": [1, 2, None]})
    test = pl.DataFrame({"text": ["A", "b"], "age": [1.0, None]})

    inside = content_overlap(frame, test, Features(text=("text",), numeric=("age",)))

    assert inside.tolist() == [True, False, True]
