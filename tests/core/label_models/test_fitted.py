"""Every fitted label model keeps the contract, whatever estimator made it."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelpress.errors import LabelpressError
from labelpress.label_models import LabelModel, fit_label_model, load
from labelpress.label_models.estimators import EstimatorName

A = -1
VOTES = np.array(
    [[0, 0, A, 2], [0, 1, 1, A], [A, A, A, A], [2, A, 1, 2], [A, A, 0, A], [1, 1, 1, 1]] * 4,
    dtype=np.int8,
)
ANSWERS = np.array([0, 1, 0, 2, 0, 1] * 2 + [-1] * 12)
MODELS = ("auto", *get_args(EstimatorName))


FITTED = {name: fit_label_model(VOTES, classes=3, answers=ANSWERS, model=name) for name in MODELS}


@pytest.fixture(params=MODELS)
def model(request):
    """A model of each kind, fitted on six patterns and twelve answers."""
    return FITTED[request.param]


def test_is_a_label_model(model):
    """The one fitted class satisfies the protocol."""
    assert isinstance(model, LabelModel)
    assert model.heuristics == ("heuristic_0", "heuristic_1", "heuristic_2", "heuristic_3")
    assert len(model.lifts) == 4


def test_probabilities_sum_to_one(model):
    """Each row is a distribution over the classes."""
    probability = model.predict_proba(VOTES)
    assert probability.shape == (24, 3)
    assert (probability >= 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.integers(0, 23), min_size=1, max_size=60), name=st.sampled_from(MODELS))
def test_a_row_has_the_same_bits_in_any_batch(rows, name):
    """Batch size and neighbours never change a bit of a row's result."""
    fitted = FITTED[name]
    alone = np.concatenate([fitted.predict_proba(VOTES[[row]]) for row in rows])
    assert np.array_equal(fitted.predict_proba(VOTES[rows]), alone)


def test_survives_json_to_the_last_bit(model):
    """Saved, sent through JSON text and loaded, a model predicts the same bits."""
    loaded = load(json.loads(json.dumps(model.to_json())))
    assert loaded.name == model.name
    assert loaded.lifts == model.lifts
    assert np.array_equal(loaded.predict_proba(VOTES), model.predict_proba(VOTES))


def test_contributions_are_what_a_vote_moves(model):
    """An abstain adds nothing; a vote adds what its removal takes away."""
    added = model.contributions(VOTES[:6])
    assert added.shape == (6, 4, 3)
    assert (added[VOTES[:6] < 0] == 0).all()
    without = VOTES[:1].copy()
    without[0, 3] = A
    full, less = model.predict_proba(VOTES[:1])[0, 2], model.predict_proba(without)[0, 2]
    expected = np.log(full / (1 - full)) - np.log(less / (1 - less))
    np.testing.assert_allclose(added[0, 3, 2], expected)


def test_same_input_same_bits():
    """Fitting twice gives the same JSON."""
    first, second = (
        fit_label_model(VOTES, classes=3, answers=ANSWERS, seed=7).to_json() for _ in range(2)
    )
    assert first == second


def test_no_rows_give_no_probabilities(model):
    """An empty partition is labelled as an empty array."""
    assert model.predict_proba(VOTES[:0]).shape == (0, 3)


def test_damaged_json_is_refused(model):
    """A label model file that lost a key says so."""
    data = model.to_json()
    del data["rule"]["rule"]
    with pytest.raises(LabelpressError, match="damaged"):
        load(data)
    with pytest.raises(LabelpressError, match="format 99"):
        load({**model.to_json(), "format": 99})
