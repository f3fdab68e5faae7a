"""Majority vote counts votes; weighted majority counts what answers say they are worth."""

from __future__ import annotations

import numpy as np

from labelpress.label_models import fit_label_model

A = -1
VOTES = np.array([[0, 0, 1], [0, 1, A], [A, A, A], [1, A, A]], dtype=np.int8)


def test_shares_with_the_base_rate_as_one_more_vote():
    """Two of three votes and a split extra vote make (2 + 0.2) / 4."""
    model = fit_label_model(VOTES, classes=2, base_rate=[0.2, 0.8], model="majority")
    np.testing.assert_allclose(
        model.predict_proba(VOTES), [[0.55, 0.45], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]]
    )


def test_the_base_rate_never_overrules_a_majority():
    """One vote for a class of one in a million wins against silence."""
    model = fit_label_model(VOTES, classes=2, base_rate=[1, 0], model="majority")
    assert model.predict_proba(VOTES)[:, 0].round(3).tolist() == [0.75, 0.667, 1.0, 0.5]
    assert model.predict_proba(VOTES).argmax(axis=1).tolist() == [0, 0, 0, 1]


def test_answers_let_one_good_heuristic_outvote_two_bad_ones():
    """Where answers side with the third heuristic, its vote outweighs the first two."""
    votes = np.array([[0, 0, 1], [1, 1, 0]] * 20, dtype=np.int8)
    model = fit_label_model(votes, classes=2, answers=votes[:, 2])
    assert model.name == "auto"
    assert model.predict_proba(votes).argmax(axis=1).tolist() == votes[:, 2].tolist()
    assert [lift.lift > 1 for lift in model.lifts] == [False, False, True]
    assert {lift.source for lift in model.lifts} == {"answers"}
