"""Distilling: an end model taught by a teacher that sees the votes, which it need not see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.end_model.mix_race import race
from labelpress.end_model.mixes import PROGRAM_PENALTY, Base, balance, fit_offset, fit_program
from labelpress.end_model.softmax import Softmax, fit_softmax
from labelpress.end_model.term_weights import term_weights, weighed
from labelpress.end_model.vote_features import beside, fit_vote_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Lesson
    from labelpress.end_model.softmax import Floats, Matrix

TEACHER_ROWS: Final = 20_000
"""Program-labelled rows that the teacher learns from, at most: it learns the most from answers."""


def distil(lesson: Lesson, votes: NDArray[np.signedinteger[Any]], seed: int) -> Softmax:
    """
    Learn what a teacher says of the program-labelled rows, then correct it by the answers; twice.

    The teacher is an `offset` too and sees the votes, shape (n, heuristics), beside the features:
    the answers teach it which heuristics err on which rows, so what it says of a row is righter
    than the program label. The votes are what Lopez-Paz et al. (2016, section 3) call privileged:
    there in training, not when predicting. The penalty of the correction is the teacher's, which
    was chosen on answers that it had not seen; of what it says of other rows all answers have a
    part.

    In the second round its labels take the place of the program labels, and the features are
    weighed by how much each tells of the classes. The mean of both rounds' scores is returned:
    which round is better differs from set to set, and the mean is about as good as the better one.
    """
    taught, penalty = _teach(lesson, votes, seed)
    first = _learn(taught, penalty)
    weights = _term_weights(taught)
    if weights is None:
        return first
    taught, _ = _teach(taught, votes, seed, weights, penalty)
    second = _learn(taught, penalty, weights)
    return Softmax(
        (first.coefficients + second.coefficients) / 2, (first.intercept + second.intercept) / 2
    )


def _teach(
    lesson: Lesson,
    votes: NDArray[np.signedinteger[Any]],
    seed: int,
    weights: Floats | None = None,
    penalty: float | None = None,
) -> tuple[Lesson, float]:
    """Return the lesson with a teacher's labels, and its penalty: the best one if none is given."""
    rows, answered = lesson.unanswered, lesson.answered
    seen = fit_vote_features(votes)

    def view(some: NDArray[np.int64]) -> Matrix:
        return beside(_weighed(lesson.X[some], weights), votes[some], seen)

    drawn = rows
    if len(rows) > TEACHER_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(rows, TEACHER_ROWS, replace=False))
    shown = np.sort(np.concatenate([answered, drawn]))
    small = replace(
        lesson,
        X=view(shown),
        program=lesson.program[shown],
        answers=lesson.answers[shown],
        importance=lesson.importance[shown],
    )
    base = fit_program(small, small.unanswered)
    if penalty is None:
        raced = race(small, (Base(base),), ["offset"], seed)
        penalty = next(candidate.penalty for candidate in raced if candidate.weight == 1)
    teacher = fit_offset(small, base, penalty, small.answered)

    program = np.zeros_like(lesson.program)
    for start in range(0, len(rows), TEACHER_ROWS):
        some = rows[start : start + TEACHER_ROWS]
        said = np.exp(teacher.log_proba(view(some)))
        program[some] = said * lesson.program[some].sum(axis=1, keepdims=True)
    class_weights = balance(program, lesson.answers) if lesson.balanced else lesson.class_weights
    return replace(lesson, program=program, class_weights=class_weights), penalty


def _learn(lesson: Lesson, penalty: float, weights: Floats | None = None) -> Softmax:
    """Fit on program labels, then a correction on the answers; both in one model of X as it is."""
    rows, answered = lesson.unanswered, lesson.answered
    X = _weighed(lesson.X[rows], weights)
    student = fit_softmax(X, lesson.program_targets(rows), PROGRAM_PENALTY)
    X = _weighed(lesson.X[answered], weights)
    start = student.log_proba(X)
    correction = fit_softmax(X, lesson.answer_targets(answered), penalty, start)
    coefficients = student.coefficients + correction.coefficients
    if weights is not None:
        coefficients = coefficients * weights[:, None]
    return Softmax(coefficients, student.intercept + correction.intercept)


def _term_weights(lesson: Lesson) -> Floats | None:
    rows, answered = lesson.unanswered, lesson.answered
    shown = np.concatenate([rows, answered])
    answers = np.eye(lesson.program.shape[1])[lesson.answers[answered]]
    return term_weights(lesson.X[shown], np.concatenate([lesson.program[rows], answers]))


def _weighed(X: Matrix, weights: Floats | None) -> Matrix:
    return X if weights is None else weighed(X, weights)
