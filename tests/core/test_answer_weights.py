"""Answer weights: answers that were asked for different reasons stand for all rows together."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.answer_weights import weigh_answers, weighted_mean


def test_a_few_rows_of_tiny_propensity_do_not_drown_the_audits():
    """Three rows of a reservoir stand for thousands each, but tell no more than three answers."""
    propensity = np.array(
        [75 / 5000] * 75 + [0.2] * 7 + [1.0] * 4 + [7 / 1000] * 7 + [3 / 4000] * 3
    )
    audit = np.arange(len(propensity)) < 75

    weights = weigh_answers(propensity, audit)

    assert weights.mean() == pytest.approx(1)
    assert weights[~audit].sum() / weights.sum() < 0.1
    assert weights.max() / weights.sum() < 0.03


def test_audits_count_alike_whenever_they_were_drawn():
    """The first at one in ten thousand, the last when a hundred times as many had been drawn."""
    propensity = np.array([1e-4, 1e-4, 1e-3, 1e-2])

    assert weigh_answers(propensity, np.ones(4, dtype=bool)).tolist() == [1.0] * 4


def test_the_error_of_a_mean_grows_where_one_row_has_half_of_the_weight():
    """It is more than twice as unsure as where a hundred rows count alike."""
    values = np.array([0.0, 1.0] * 50)
    _, alike = weighted_mean(values, np.ones(100))
    _, uneven = weighted_mean(values, np.where(np.arange(100) == 1, 100.0, 1.0))

    assert alike == pytest.approx(0.05)
    assert uneven > 2 * alike
