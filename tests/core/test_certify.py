"""The certified accuracy covers the truth, gains from good confidences, and says when not."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.certify import Certificate, CohortConfidence, certify
from labelpress.errors import LabelpressError
from labelpress.intervals import clopper_pearson, wilson


def population_of(confidence, cohort="all"):
    """Sum the confidence of a labelled source of one cohort."""
    return {
        cohort: CohortConfidence(
            len(confidence), float(confidence.sum()), float((confidence**2).sum())
        )
    }


def test_known_values_of_the_plain_intervals():
    """Wilson's and Clopper and Pearson's intervals as tables give them."""
    np.testing.assert_allclose(wilson(0.9, 100), (0.8256, 0.9448), atol=1e-4)
    np.testing.assert_allclose(clopper_pearson(10, 10), (0.6915, 1.0), atol=1e-4)


def test_confidence_that_knows_nothing_gives_wilson():
    """A constant confidence leaves the plain interval."""
    correct = np.repeat([True, False], [180, 20])
    same = np.full(200, 0.9)
    result = certify(correct, same, np.full(200, "all"), population_of(np.full(5000, 0.9)), 200)
    assert result.status == "certified"
    assert (result.low, result.high) == wilson(0.9, 200)
    assert result.width_vs_wilson == pytest.approx(1)


def test_confidence_that_knows_much_narrows_and_moves_the_interval():
    """Audits that happen to be surer than the source are corrected downwards."""
    confidence = np.repeat([0.98, 0.55], [160, 40])
    correct = np.concatenate([np.ones(158, bool), np.zeros(2, bool), np.arange(40) % 2 == 0])
    everything = np.repeat([0.98, 0.55], [3500, 1500])
    result = certify(correct, confidence, np.full(200, "all"), population_of(everything), 200)
    assert result.method == "prediction-powered Wilson"
    # 178 of 200 are right, and the audits are surer than the source by 0.043
    assert result.estimate == pytest.approx(0.89 - 0.1 * (0.98 - 0.55))
    assert result.width_vs_wilson < 0.85


def test_no_error_or_few_audits_are_exact():
    """20 audits, or 200 without an error, have Clopper and Pearson's interval."""
    few = certify(
        np.arange(20) > 1,
        np.full(20, 0.9),
        np.full(20, "all"),
        population_of(np.full(500, 0.9)),
        20,
    )
    assert few.method == "exact"
    np.testing.assert_allclose((few.low, few.high), clopper_pearson(18, 20))
    clean = certify(
        np.ones(200, bool),
        np.full(200, 0.9),
        np.full(200, "all"),
        population_of(np.full(500, 0.9)),
        200,
    )
    assert (clean.method, clean.high) == ("exact", 1.0)


def test_many_unanswered_audits_are_not_certified():
    """With 60 % response the missing 40 % may all be right or all wrong."""
    correct = np.repeat([True, False], [54, 6])
    result = certify(
        correct,
        np.full(60, 0.9),
        np.full(60, "all"),
        population_of(np.full(500, 0.9)),
        {"all": 100},
    )
    assert result.status == "not certified"
    assert result.method == "worst case"
    assert result.response_rate == pytest.approx(0.6)
    assert result.low < 0.6 * 0.9
    assert result.high > 0.6 * 0.9 + 0.4


def test_no_audits_are_uncertified():
    """Without audits every accuracy is possible."""
    none = np.zeros(0)
    result = certify(none.astype(bool), none, none.astype(str), population_of(np.ones(5)), 0)
    assert (result.status, result.low, result.high) == ("uncertified", 0.0, 1.0)
    assert result.estimate is None


def test_answers_that_also_taught_are_only_approximate():
    """Cross-fitting removes the bias, not the coverage problem."""
    correct = np.repeat([True, False], [180, 20])
    result = certify(
        correct,
        np.full(200, 0.9),
        np.full(200, "all"),
        population_of(np.full(5000, 0.9)),
        200,
        reserved=False,
    )
    assert result.status == "approximate"


def test_cohorts_count_by_their_labelled_rows():
    """A large cohort that is often wrong is not hidden by many audits of a small one."""
    correct = np.concatenate([np.ones(100, bool), np.arange(100) % 2 == 0])
    cohorts = np.repeat(["new", "old"], 100)
    flat = np.full(200, 0.9)
    population = {**population_of(np.full(100, 0.9), "new"), **population_of(flat, "old")}
    population["old"] = CohortConfidence(900, 810.0, 729.0)
    assert certify(correct, flat, cohorts, population, 200).estimate == pytest.approx(0.55)


def test_survives_json():
    """A certificate read back from JSON is the same."""
    result = certify(
        np.arange(40) > 3, np.full(40, 0.9), np.full(40, "a"), population_of(np.ones(99), "a"), 44
    )
    assert Certificate.from_json(result.to_json()) == result


def test_an_audit_of_an_unknown_cohort_is_refused():
    """An audit of a row that is not labelled cannot speak for the labelled ones."""
    with pytest.raises(LabelpressError, match="cohort 'b'"):
        certify(np.ones(3, bool), np.ones(3), np.full(3, "b"), population_of(np.ones(9), "a"), 3)
