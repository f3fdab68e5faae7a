"""The base rate is measured from audit answers, cohort by cohort, or said to be assumed."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.base_rate import BaseRate, measure_base_rate
from labelpress.errors import LabelpressError


def test_one_cohort_is_the_share_of_answers_with_one_answer_of_prior():
    """30 of 100 answers and half an answer of prior: 30.5 / 101."""
    rate = measure_base_rate(np.repeat([0, 1], [70, 30]), np.full(100, "a"), {"a": 500}, 2, None)
    np.testing.assert_allclose(rate.mean, [70.5 / 101, 30.5 / 101])
    assert rate.source == "measured"
    assert not rate.assumed
    assert rate.answers == 100
    np.testing.assert_allclose([rate.low[1], rate.high[1]], [0.217, 0.395], atol=0.002)


def test_cohorts_count_by_their_rows():
    """A cohort of 900 rows weighs nine times one of 100, however many audits each has."""
    labels = np.array([1] * 50 + [0] * 50)
    cohorts = np.array(["big"] * 50 + ["small"] * 50)
    rate = measure_base_rate(labels, cohorts, {"big": 900, "small": 100}, 2, None)
    assert rate.mean[1] == pytest.approx(0.9, abs=0.01)


def test_small_cohorts_are_pooled_with_their_neighbours():
    """A new cohort with no answer yet is taken to be like the one before."""
    labels = np.array([1] * 10 + [0] * 30)
    cohorts = np.full(40, "2026-01")
    alone = measure_base_rate(labels, cohorts, {"2026-01": 500}, 2, None)
    joined = measure_base_rate(labels, cohorts, {"2026-01": 500, "2026-02": 500}, 2, None)
    np.testing.assert_array_equal(alone.mean, joined.mean)


def test_answers_of_cohorts_that_are_gone_do_not_count():
    """Rows that left the source say nothing of those that are in it."""
    labels = np.array([1] * 30 + [0] * 30)
    cohorts = np.array(["gone"] * 30 + ["here"] * 30)
    rate = measure_base_rate(labels, cohorts, {"here": 500}, 2, None)
    assert rate.answers == 30
    assert rate.mean[0] > 0.98


@pytest.mark.parametrize(
    ("declared", "mean", "source"),
    [([0.9, 0.1], [0.9, 0.1], "declared"), (None, [0.5, 0.5], "uniform")],
)
def test_without_answers_it_is_assumed(declared, mean, source):
    """The declared or uniform base rate excludes nothing."""
    rate = measure_base_rate(np.zeros(0, int), np.zeros(0, str), {"a": 500}, 2, declared)
    assert rate.mean.tolist() == mean
    assert rate.source == source
    assert rate.assumed
    assert rate.contains([0.0, 1.0])


def test_survives_json():
    """A base rate read back from JSON is the same."""
    rate = measure_base_rate(np.array([0, 1, 1]), np.full(3, "a"), {"a": 9}, 2, None)
    assert BaseRate.from_json(rate.to_json()).to_json() == rate.to_json()


@pytest.mark.parametrize(
    "declared", [[0.5, 0.6], [1.0], [-0.5, 1.5], [float("nan"), 1.0], [0.2, 0.3, 0.5]]
)
def test_a_declared_base_rate_that_is_none_is_refused(declared):
    """The message names the key of project.toml."""
    with pytest.raises(LabelpressError, match=r"\[classes\] base_rate"):
        measure_base_rate(np.zeros(0, int), np.zeros(0, str), {"a": 500}, 2, declared)


def test_a_label_that_is_no_class_is_refused():
    """Codes outside the classes are named."""
    with pytest.raises(LabelpressError, match="codes are 0 to 1"):
        measure_base_rate(np.array([0, 2]), np.full(2, "a"), {"a": 9}, 2, None)


def test_the_interval_covers_at_its_level():
    """Over 400 simulated sources of three cohorts the interval holds the truth in 92 to 98 %."""
    rng = np.random.default_rng(5)
    rows = {"a": 5000, "b": 3000, "c": 2000}
    hits = 0
    for _ in range(400):
        shares = rng.beta(2, 8, size=3)
        cohorts = np.repeat(["a", "b", "c"], [75, 45, 30])
        labels = (rng.random(150) < np.repeat(shares, [75, 45, 30])).astype(int)
        rate = measure_base_rate(labels, cohorts, rows, 2, None)
        hits += rate.low[1] <= (shares * [0.5, 0.3, 0.2]).sum() <= rate.high[1]
    assert 0.92 <= hits / 400 <= 0.98


def test_answers_that_are_no_codes_are_refused():
    """NaN for a row without an answer would make the whole array one of floats."""
    with pytest.raises(LabelpressError, match="are float64, not integer class codes"):
        measure_base_rate(np.array([0.0, np.nan]), np.full(2, "a"), {"a": 9}, 2, None)


def test_every_answer_needs_its_cohort():
    """Else it cannot be weighed."""
    with pytest.raises(LabelpressError, match="3 audit answers and 2 cohorts"):
        measure_base_rate(np.array([0, 1, 1]), np.full(2, "a"), {"a": 9}, 2, None)


def test_one_class_seen_leaves_room_for_the_other():
    """Thirty answers of one class do not exclude a twentieth of the other."""
    rate = measure_base_rate(np.zeros(30, int), np.full(30, "a"), {"a": 500}, 2, None)

    assert rate.mean[0] == pytest.approx(30.5 / 31)
    assert 0.05 < rate.high[1] < 0.2
    assert rate.contains([1 - rate.mean[1], rate.mean[1]])


def test_contradictory_answers_are_counted_as_they_are():
    """The measurement does not ask which rows they belong to."""
    rate = measure_base_rate(np.array([0, 1] * 20), np.full(40, "a"), {"a": 500}, 2, None)

    np.testing.assert_allclose(rate.mean, [0.5, 0.5])


def test_more_classes_than_int8_holds():
    """200 classes, of which each answer names one."""
    rate = measure_base_rate(np.arange(200), np.full(200, "a"), {"a": 500}, 200, None)

    np.testing.assert_allclose(rate.mean, np.full(200, 1 / 200))


def test_a_source_without_rows_has_the_declared_base_rate():
    """Nothing was measured in it."""
    rate = measure_base_rate(np.array([0, 1]), np.full(2, "a"), {"a": 0}, 2, [0.3, 0.7])

    assert (rate.source, rate.mean.tolist()) == ("declared", [0.3, 0.7])
