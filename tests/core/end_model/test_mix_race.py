"""The race of training mixes: honest folds, and no crown for luck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelpress.end_model.mix_race import FOLDS, Candidate, choose, deal_folds, race
from labelpress.end_model.mixes import Lesson, fit_bases, half_sharp
from labelpress.end_model.softmax import fit_softmax


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


def test_a_mix_that_is_better_on_one_heavy_answer_is_not_taken():
    """The answer stands for many rows, and its class may be luck all the same."""
    importance = np.array([10.0, *[1.0] * 9])
    offset = replace(candidate("offset", [1.0] * 10), importance=importance)
    answers = replace(candidate("answers", [0.6, *[1.15] * 9]), importance=importance)

    assert answers.log_loss < offset.log_loss
    assert choose([answers, offset]) is offset


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


def lesson_of(program: np.ndarray, answers: np.ndarray, X: np.ndarray) -> Lesson:
    """Return a lesson in which every answer counts the same."""
    ones = np.ones(len(answers))
    return Lesson(X, program, answers, ones, np.ones(2), fit_softmax, linear=True)


def test_unsure_program_labels_that_mislead_are_cut():
    """A quarter is unsure and turned round, the rest sure and right: the cut leaves it out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 3))
    truth = (X[:, 0] > 0).astype(np.int64)
    sure = np.arange(800) % 4 != 0
    right = np.where(sure, 0.95, 0.3)
    program = np.where(np.eye(2)[truth] == 1, right[:, None], 1 - right[:, None])
    lesson = lesson_of(program, np.where(np.arange(800) < 60, truth, -1), X)

    everything, surest = fit_bases(lesson)
    chosen = choose(race(lesson, (everything, surest), ["program", "offset"], seed=0))

    assert (everything.share, surest.share) == (1.0, 0.5)
    assert chosen.base is surest
    assert "surest 50%" in chosen.name


def test_program_labels_that_are_too_sure_count_half():
    """They give 0.98 to what is right two times in three: half their weight is nearer to that."""
    rng = np.random.default_rng(1)
    X = np.eye(4)[rng.integers(0, 4, 4000)]
    likely = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
    truth = np.where(rng.random(4000) < 2 / 3, likely, 1 - likely)
    program = np.where(np.eye(2)[likely] == 1, 0.98, 0.02)
    lesson = lesson_of(program, np.where(np.arange(4000) < 40, truth, -1), X)

    full, half = (c for c in race(lesson, fit_bases(lesson), ["offset"], seed=0))

    assert (full.weight, half.weight) == (1.0, 0.5)
    assert half.log_loss < full.log_loss
