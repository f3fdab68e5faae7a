"""Symbols: both ways of adding up over votes give the same sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelpress.label_models.symbols import JointVotes, Symbols

SEEN = np.array([[True, True, True], [True, False, True], [False, True, True], [True, True, True]])
"""Heuristic 1 never votes for class 1, heuristic 2 never for class 0."""


def votes(rows, coverage, seed=0):
    """Draw rows of votes that occur."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(np.flatnonzero(seen), rows) for seen in SEEN]
    return np.where(rng.random((rows, 4)) < coverage, np.stack(drawn, axis=1), -1).astype(np.int8)


def test_an_indicator_has_a_one_per_vote():
    """Three votes occur, numbered by heuristic and class; abstain is none of them."""
    symbols = Symbols.of(np.array([[True, True], [False, True]]))
    indicator = symbols.indicator(np.array([[1, -1], [0, 1], [-1, -1]], dtype=np.int8))

    assert indicator.per_row(np.eye(3)).tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]


def test_a_vote_never_seen_adds_nothing():
    """Neither alone nor in a joint vote."""
    symbols = Symbols.of(SEEN)
    row = np.array([[0, 1, -1, 2]], dtype=np.int8)
    shown = np.repeat(row, 9000, axis=0)

    for given in (row, shown):
        assert symbols.indicator(given).per_row(np.eye(len(symbols.label)))[0].sum() == 2


@pytest.mark.parametrize("coverage", [0.2, 1.0])
def test_joint_votes_add_up_to_the_same_sums(coverage):
    """A row as a few joint votes, or vote by vote: sums of small integers are equal."""
    symbols = Symbols.of(SEEN)
    plain = replace(symbols, joint=None)
    matrix = votes(9000, coverage)
    vectors = np.arange(3.0 * len(symbols.label)).reshape(-1, 3)
    values = np.arange(2.0 * len(matrix)).reshape(-1, 2)

    joint, single = symbols.indicator(matrix), plain.indicator(matrix)

    assert (joint.spelt is not None) == (coverage == 1.0)
    assert np.array_equal(joint.per_row(vectors), single.per_row(vectors))
    assert np.array_equal(joint.per_symbol(values), single.per_symbol(values))


def test_many_classes_or_heuristics_are_not_grouped():
    """Their joint votes would be more than any cache holds."""
    assert JointVotes.of(np.zeros((4, 101), dtype=np.int32), 1) is None
    assert JointVotes.of(np.zeros((400, 3), dtype=np.int32), 1) is None
    assert JointVotes.of(np.zeros((0, 3), dtype=np.int32), 0) is None
