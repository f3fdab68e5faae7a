"""Each estimator does what it is for, on small simulated heuristics with a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.label_models import Answered, fit_label_model, fit_patterns
from labelpress.label_models.everywhere import InMemory
from labelpress.label_models.near_copies import find_near_copies
from labelpress.label_models.rules import merge
from labelpress.votes import count_patterns, merge_patterns

A = -1


def simulate(rng, truth, precision, coverage, classes):
    """Let independent heuristics vote: right with `precision`, present with `coverage`."""
    votes = np.full((len(truth), len(precision)), A, dtype=np.int8)
    for column, (right, present) in enumerate(zip(precision, coverage, strict=True)):
        wrong = (truth + rng.integers(1, classes, len(truth))) % classes
        cast = np.where(rng.random(len(truth)) < right, truth, wrong)
        votes[:, column] = np.where(rng.random(len(truth)) < present, cast, A)
    return votes


def accuracy(model, votes, truth):
    """Share of rows whose likeliest class is the true one."""
    return float((model.predict_proba(votes).argmax(axis=1) == truth).mean())


def some_answers(rng, truth, count):
    """Answer some rows, drawn uniformly."""
    answers = np.full(len(truth), A)
    rows = rng.choice(len(truth), count, replace=False)
    answers[rows] = truth[rows]
    return answers


def test_dawid_skene_finds_the_experts_of_a_crowd():
    """Two good workers among five bad ones: EM learns whom to trust, the majority cannot."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 2000)
    votes = simulate(rng, truth, [0.95, 0.95, 0.6, 0.55, 0.55, 0.6, 0.55], [0.9] * 7, 2)
    crowd = fit_label_model(votes, classes=2, model="dawid-skene")
    majority = fit_label_model(votes, classes=2, model="majority")
    assert accuracy(crowd, votes, truth) > accuracy(majority, votes, truth) + 0.05
    assert crowd.diagnostics["convergence"]["dawid-skene"]["converged"]


def test_abstain_as_a_symbol_reads_positives_only_heuristics():
    """Three one-sided heuristics and the base rate: silence means the other class."""
    rng = np.random.default_rng(2)
    truth = (rng.random(5000) < 0.1).astype(int)
    fires = np.where(truth[:, None] == 1, 0.7, 0.08)
    votes = np.where(rng.random((5000, 3)) < fires, 1, A).astype(np.int8)
    model = fit_label_model(votes, classes=2, base_rate=[0.9, 0.1], model="dawid-skene-symbol")
    predicted = model.predict_proba(votes).argmax(axis=1)
    right = (predicted & truth).sum()
    assert 2 * right / (predicted.sum() + truth.sum()) > 0.75


def test_fifty_classes_and_forty_heuristics():
    """Every estimator works far from the binary case."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 50, 1500)
    votes = simulate(rng, truth, rng.uniform(0.4, 0.9, 40), [0.2] * 40, 50)
    model = fit_label_model(votes, classes=50, answers=some_answers(rng, truth, 150))
    assert accuracy(model, votes, truth) > 0.9
    assert [entrant["verdict"] for entrant in model.diagnostics["race"]] == ["races"] * 9


def test_near_copies_count_once():
    """Three copies of one poor heuristic do not outvote two good ones."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 3000)
    votes = simulate(rng, truth, [0.65, 0.85, 0.85], [1.0] * 3, 2)
    copied = votes[:, [0, 0, 0, 1, 2]].copy()
    copied[:30, 1] = 1 - copied[:30, 1]
    model = fit_label_model(copied, classes=2, heuristics=["a", "b", "c", "d", "e"])
    majority = fit_label_model(copied, classes=2, model="majority")
    assert model.diagnostics["near_copies"] == [["a", "b", "c"]]
    assert accuracy(model, copied, truth) > accuracy(majority, copied, truth) + 0.1


def test_a_merged_group_says_what_most_of_it_says():
    """Two of three win; a split is decided by the earliest; silence stays silence."""
    votes = np.array([[0, 1, 1, 0], [0, 1, A, 1], [A, A, A, 0]], dtype=np.int8)
    merged = merge(votes, ((0, 1, 2),))
    assert merged.tolist() == [[1, A, A, 0], [0, A, A, 1], [A, A, A, 0]]


def test_accurate_but_different_heuristics_are_no_near_copies():
    """Independent heuristics that agree on 82 % of the rows stay two."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 2000)
    votes = simulate(rng, truth, [0.9, 0.9], [1.0, 1.0], 2)
    assert find_near_copies(count_patterns(votes)) == ()


def test_answers_beat_a_misleading_heuristic():
    """A heuristic that is wrong more often than right is turned round, or ignored."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, 3000)
    votes = simulate(rng, truth, [0.2, 0.2, 0.8], [0.9, 0.9, 0.9], 2)
    model = fit_label_model(votes, classes=2, answers=some_answers(rng, truth, 100))
    majority = fit_label_model(votes, classes=2, model="majority")
    assert accuracy(model, votes, truth) > accuracy(majority, votes, truth) + 0.25
    assert [lift.lift > 1 for lift in model.lifts] == [False, False, True]


def test_a_collapse_is_refused_with_a_sentence():
    """The majority of positives-only votes calls a third positive where 5 % are."""
    rng = np.random.default_rng(7)
    truth = (rng.random(4000) < 0.05).astype(int)
    fires = np.where(truth[:, None] == 1, 0.6, 0.15)
    votes = np.where(rng.random((4000, 3)) < fires, 1, A).astype(np.int8)
    model = fit_label_model(votes, classes=2, base_rate=[0.95, 0.05])
    assert "collapsed: " in model.diagnostics["disqualified"]["majority-ties"]
    assert model.predict_proba(votes)[:, 1].mean() == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize("model", ["dawid-skene", "auto"])
def test_em_on_the_workers_gives_the_same_model(model):
    """The E-step summed over partitions is the E-step over all rows."""
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 3, 600)
    votes = simulate(rng, truth, [0.8, 0.7, 0.6, 0.7], [0.8] * 4, 3)
    parts = [count_patterns(part) for part in (votes[:200], votes[200:450], votes[450:])]

    settings = {"classes": 3, "base_rate": None, "heuristics": list("abcd"), "model": model}
    here = fit_patterns(merge_patterns(parts), None, **settings)
    there = fit_patterns(
        merge_patterns(parts), None, everywhere=InMemory(600, tuple(parts)), **settings
    )
    np.testing.assert_allclose(here.predict_proba(votes), there.predict_proba(votes), atol=0.01)


def test_an_author_s_belief_is_where_few_answers_start_from():
    """Three answers move it little; three hundred that contradict it move it freely."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000)
    votes = np.stack([truth, np.where(rng.random(2000) < 0.6, truth, 1 - truth)], axis=1)

    def learnt(answers, beliefs):
        rows = np.arange(answers)
        fitted = fit_patterns(
            count_patterns(votes.astype(np.int8)),
            Answered(
                votes[rows].astype(np.int8),
                truth[rows],
                np.ones(answers),
                np.ones(answers, dtype=np.bool_),
            ),
            classes=2,
            base_rate=None,
            heuristics=["right", "weak"],
            model="weighted-majority",
            beliefs=beliefs,
        )
        return [lift.precision for lift in fitted.lifts]

    assert learnt(3, [None, 0.95])[1] > learnt(3, [None, 0.55])[1] + 0.1
    assert learnt(300, [None, 0.95])[1] == pytest.approx(0.6, abs=0.08)
    assert learnt(300, [0.05, None])[0] > 0.9
