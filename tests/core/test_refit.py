"""Each reason to learn anew is found and named; else the parameters are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelpress.base_rate import BaseRate
from labelpress.cross_fit import cross_predict
from labelpress.drift import Drift
from labelpress.label_models import Answered, fit_label_model
from labelpress.manifest import HeuristicNote
from labelpress.refit import evidence_says, must_refit
from labelpress.votes import count_patterns

A = -1
VOTES = np.array([[0, 0], [1, A], [A, 1], [0, 1]] * 10, dtype=np.int8)
TRUTH = np.array([0, 1, 1, 0] * 10)
KEPT = fit_label_model(VOTES, classes=2, heuristics=["a", "b"], model="majority")
NOTES = tuple(
    HeuristicNote(name, f"code of {name}", "regex", None, None, None, "") for name in "ab"
)
DRIFT = Drift("b", "agreement", 0.85, 0.75, 3000, 4, 1.4)


def rules(policy="on-drift", heuristics=NOTES, classes=2, drifting=(), kept=KEPT):
    """Decide where no answer is needed."""
    return must_refit(policy, kept, NOTES, heuristics, classes, drifting)


@pytest.mark.parametrize("policy", ["on-drift", "always", "never"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"kept": None}, "first fit"),
        ({"heuristics": NOTES[:1]}, "removed b"),
        ({"heuristics": (*NOTES, replace(NOTES[0], name="c"))}, "added c"),
        ({"heuristics": (NOTES[0], replace(NOTES[1], name="c"))}, "added c; removed b"),
        ({"heuristics": NOTES[::-1]}, "the order of the heuristics changed"),
        ({"classes": 3}, "the classes changed from 2 to 3"),
    ],
)
def test_parameters_that_do_not_fit_are_learnt_anew_under_any_policy(policy, changed, reason):
    """A model of other columns or classes cannot label at all."""
    decision = rules(policy, **changed)
    assert (decision.refit, decision.reason) == (True, reason)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"heuristics": (NOTES[0], replace(NOTES[1], fingerprint="other code"))},
            "edited or quarantined: b",
        ),
        (
            {"heuristics": (replace(NOTES[0], quarantined=True), NOTES[1])},
            "edited or quarantined: a",
        ),
        (
            {"drifting": (DRIFT,)},
            "b drifts: its agreement with the rest went from 85.0% to 75.0% on 3,000 new votes.",
        ),
    ],
)
def test_edits_and_drift_are_reasons_on_drift_only(changed, reason):
    """`always` needs no reason, and `never` takes none."""
    assert (rules(**changed).refit, rules(**changed).reason) == (True, reason)
    assert rules("always", **changed).reason == 'refit = "always"'
    assert rules("never", **changed).reason == 'kept: refit = "never"'
    assert not rules("never", **changed).refit


def test_many_drifting_heuristics_make_a_short_reason():
    """Three by name, the others by number."""
    reason = rules(drifting=[replace(DRIFT, heuristic=f"h{i}") for i in range(9)]).reason
    assert reason.endswith("And 6 more.")
    assert reason.count("drifts") == 3


def test_nothing_changed_leaves_it_to_the_answers():
    """The rules alone cannot say."""
    assert rules() is None


def base_rate(low, high, source="measured"):
    """A base rate whose first class lies between `low` and `high`."""
    mean = (low + high) / 2
    return BaseRate(
        np.array([mean, 1 - mean]), np.array([low, 1 - high]), np.array([high, 1 - low]), 50, source
    )


def answered(rows, labels, propensity=1.0):
    """Answers of some rows, drawn actively."""
    count = len(rows)
    return Answered(
        VOTES[rows], labels, np.broadcast_to(propensity, count), np.zeros(count, dtype=bool)
    )


def learn(given):
    """Fit the model that answers teach."""
    return fit_label_model(
        given.votes, classes=2, heuristics=["a", "b"], answers=given.labels, model="log-linear"
    )


def decide(kept, rate, given):
    """Decide by refits that have not seen the answers they predict."""
    patterns = count_patterns(VOTES)
    return evidence_says(
        kept, rate, given, lambda: cross_predict(given, lambda _, some: learn(some), patterns, 0)
    )


def test_a_base_rate_out_of_its_interval_is_a_reason():
    """The one in use is one half; a merely assumed one is none."""
    few = answered([0, 1], TRUTH[:2])
    assert "base rate" in decide(KEPT, base_rate(0.1, 0.3), few).reason
    assert not decide(KEPT, base_rate(0.4, 0.6), few).refit
    assert not decide(KEPT, base_rate(0.1, 0.3, "uniform"), few).refit


def test_a_refit_that_predicts_the_answers_better_is_a_reason():
    """Here all votes are wrong, which the answers tell and the majority cannot know."""
    rows = np.arange(40)
    decision = decide(KEPT, base_rate(0.4, 0.6), answered(rows, 1 - TRUTH))
    assert decision.refit
    assert decision.reason.startswith("a refit predicts the answers better: log loss ")
    kept = learn(answered(rows, 1 - TRUTH))
    again = decide(kept, base_rate(0.4, 0.6), answered(rows, 1 - TRUTH))
    assert (again.refit, again.reason.partition(" (")[0]) == (
        False,
        "kept: a refit is not better beyond chance",
    )


def test_answers_count_by_their_inverse_propensity():
    """Of the rows asked often, the votes are wrong; of those asked rarely, they are right."""
    labels = np.where(np.arange(40) < 30, 1 - TRUTH, TRUTH)
    often = np.where(np.arange(40) < 30, 1.0, 0.1)
    same = decide(KEPT, base_rate(0.4, 0.6), answered(np.arange(40), labels))
    weighted = decide(KEPT, base_rate(0.4, 0.6), answered(np.arange(40), labels, often))
    assert (same.refit, weighted.refit) == (True, False)


def test_few_answers_do_not_race():
    """The reason says how many it takes."""
    decision = decide(KEPT, base_rate(0.4, 0.6), answered([0, 1], TRUTH[:2]))
    assert decision.reason == "kept: nothing has drifted (2 answers; trying a refit takes 20)"
