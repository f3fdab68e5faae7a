"""The race of training mixes: honest folds, and no crown for luck."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelpress.end_model.mix_race import FOLDS, Candidate, choose, deal_folds
from labelpress.end_model.mixes import half_sharp


def candidate(mix: str, losses: list[float]) -> Candidate:
    """Return a candidate with these losses."""
    return Candidate(mix, 0.1, np.array(losses), np.ones(len(losses)), 0.5)


def test_the_offset_stays_where_another_wins_by_luck():
    """A mean gain of 0.1 with a standard error of 0.5 is no reason."""
    offset = candidate("offset", [0.5, 1.5, 0.5, 1.5])
    program = candidate("program", [1.4, 0.4, 1.4, 0.4])

    assert choose([program, offset]) is offset


def test_a_clearly_better_mix_is_taken():
    """Better on every answer by as much."""
    offset = candidate("offset", [1.0, 1.1, 1.0, 1.1])
    answers = candidate("answers", [0.2, 0.3, 0.2, 0.3])

    assert choose([offset, answers]) is answers


def test_without_an_offset_the_smallest_loss_wins():
    """There is no default to defend."""
    worse, better = candidate("program", [1.0]), candidate("answers", [0.9])

    assert choose([worse, better]) is better


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_folds_deal_every_class_round(codes, seed):
    """Of each class any two folds hold numbers that differ by one at most."""
    codes = np.array(codes)
    folds = deal_folds(codes, seed)

    for code in np.unique(codes):
        sizes = np.bincount(folds[codes == code], minlength=FOLDS)
        assert sizes.max() - sizes.min() <= 1


def test_half_sharp_labels_keep_their_weight():
    """Half of it goes to the best class, the other half stays; a row without label stays empty."""
    program = np.array([[1.2, 0.8], [0.0, 0.0], [0.1, 0.4]])

    np.testing.assert_allclose(half_sharp(program), [[1.6, 0.4], [0.0, 0.0], [0.05, 0.45]])
