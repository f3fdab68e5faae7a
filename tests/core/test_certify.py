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


RIGHT = np.arange(40) > 3
"""36 of 40."""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"correct": RIGHT[:39]}, "39 verdicts, 40 confidences and 40 cohorts"),
        ({"correct": RIGHT.astype(float)}, "correct is float64, not bool"),
        ({"correct": np.where(RIGHT, 1.0, np.nan)}, "leave out rows without an answer"),
        ({"confidence": np.where(RIGHT, 0.9, np.nan)}, "confidence nan of audit 0 is no probab"),
        ({"confidence": np.full(40, 1.5)}, "confidence 1.5 of audit 0"),
        ({"asked": -1}, "asked is -1"),
        ({"asked": {"a": 3, "b": -9}}, "asked is -6"),
        ({"level": 95}, "level 95 is no share"),
        ({"level": float("nan")}, "level nan is no share"),
        ({"population": {}}, "cohort 'all', which has no labelled rows"),
        ({"population": {"all": CohortConfidence(0, 0.0, 0.0)}}, "no labelled rows"),
    ],
)
def test_nonsense_is_refused(given, message):
    """The message names the value and what would be right."""
    sound = {
        "correct": RIGHT,
        "confidence": np.full(40, 0.9),
        "cohorts": np.full(40, "all"),
        "population": population_of(np.full(500, 0.9)),
        "asked": 40,
    }
    assert certify(**sound).status == "certified"
    with pytest.raises(LabelpressError, match=message):
        certify(**{**sound, **given})


def test_only_errors_are_certified_too():
    """The interval starts at nought and has an end."""
    found = certify(
        np.zeros(40, bool), np.full(40, 0.9), np.full(40, "all"), population_of(np.ones(9)), 40
    )

    assert (found.estimate, found.low, found.method) == (0.0, 0.0, "exact")
    assert 0 < found.high < 0.1


def test_one_audit_says_next_to_nothing():
    """Right once: between 2.5 % and everything."""
    found = certify(
        np.ones(1, bool), np.full(1, 0.9), np.full(1, "all"), population_of(np.ones(9)), 1
    )

    assert (found.low, found.high) == (pytest.approx(0.025), 1.0)
    assert found.wide


def test_more_answers_than_asks_are_full_response():
    """Answers to asks of an earlier store are answers."""
    found = certify(
        RIGHT, np.full(40, 0.9), np.full(40, "all"), population_of(np.full(500, 0.9)), 30
    )

    assert found.response_rate == 1.0


def test_audits_spread_as_chance_would_cost_next_to_nothing():
    """Weighting three cohorts by their rows widens the interval by less than 1 %."""
    rng = np.random.default_rng(0)
    cohorts = rng.choice(["a", "b", "c"], 200)
    population = {name: CohortConfidence(1000, 900.0, 810.0) for name in "abc"}

    found = certify(rng.random(200) < 0.9, np.full(200, 0.9), cohorts, population, 200)

    assert 1 < found.width_vs_wilson < 1.01


def test_audits_drawn_from_one_cohort_mostly_are_worth_fewer():
    """Half of the rows judged by 20 of 200 audits: no chance does that."""
    cohorts = np.repeat(["a", "b"], [180, 20])
    population = {name: CohortConfidence(1000, 900.0, 810.0) for name in "ab"}

    found = certify(np.arange(200) % 10 > 0, np.full(200, 0.9), cohorts, population, 200)

    assert found.width_vs_wilson > 1.4


def test_the_same_audits_give_the_same_bits():
    """Nothing is drawn."""

    def once():
        rng = np.random.default_rng(3)
        sure = rng.uniform(0.5, 1, 200)
        correct = rng.random(200) < sure
        return certify(correct, sure, np.full(200, "all"), population_of(sure), 200)

    assert once() == once()


@pytest.mark.parametrize("accuracy", [0.7, 0.9, 0.98])
def test_the_interval_holds_the_truth_at_its_level(accuracy):
    """In 600 audits of a source whose confidences tell much, in 92.5 to 98 %."""
    rng = np.random.default_rng(8)
    sure = rng.beta(6 * accuracy, 6 * (1 - accuracy), 20_000)
    right = rng.random(20_000) < sure
    hits = []
    for _ in range(600):
        rows = rng.choice(20_000, 200, replace=False)
        found = certify(right[rows], sure[rows], np.full(200, "all"), population_of(sure), 200)
        hits.append(found.low <= right.mean() <= found.high)
    assert 0.925 <= np.mean(hits) <= 0.98
