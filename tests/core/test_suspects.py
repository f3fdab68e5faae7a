"""Answers that look wrong are looked at again, beside as many that do not."""

from __future__ import annotations

import numpy as np

from labelpress.suspects import mix_rechecks, rank_suspects

CODES = np.array([0] * 10 + [2] * 10)


def probabilities():
    """Return what sure models say of the answers; those at 3 and 12 they contradict."""
    found = np.full((20, 3), 0.01)
    found[np.arange(20), CODES] = 0.98
    found[[3, 12]] = found[[12, 3]]
    return found


def test_an_answer_that_its_model_contradicts_comes_first():
    """A class that nobody answered does no harm."""
    ranked = rank_suspects(CODES, probabilities())

    assert sorted(ranked["place"].head(2).to_list()) == [3, 12]
    assert sorted(ranked.filter("suspected")["place"].to_list()) == [3, 12]


def test_where_only_one_class_was_answered_nothing_is_suspected():
    """Nothing could be confused with it."""
    assert not rank_suspects(CODES[:10], probabilities()[:10])["suspected"].any()


def test_rechecks_are_half_suspects():
    """And no more are drawn than there are suspects."""
    ranked = rank_suspects(CODES, probabilities())

    places = mix_rechecks(ranked, 10, np.random.default_rng(0))

    assert len(set(places.tolist())) == 4
    assert {3, 12} <= set(places.tolist())
