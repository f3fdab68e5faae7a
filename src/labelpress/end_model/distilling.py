"""Distilling: an end model taught by a teacher that sees the votes, which it need not see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.end_model.mix_race import race
from labelpress.end_model.mixes import Base, Corrected, fit_offset, fit_program
from labelpress.end_model.vote_features import beside, fit_vote_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Lesson

TEACHER_ROWS: Final = 20_000
"""Program-labelled rows that the teacher learns from, at most: it learns the most from answers."""


def distil(lesson: Lesson, votes: NDArray[np.signedinteger[Any]], seed: int) -> Corrected:
    """
    Learn what a teacher says of the program-labelled rows, then correct it by the answers.

    The teacher is an `offset` too and sees the votes, shape (n, heuristics), beside the features:
    the answers teach it which heuristics err on which rows, so what it says of a row is righter
    than the program label. The votes are what Lopez-Paz et al. (2016, section 3) call privileged:
    there in training, not when predicting. The penalty of the correction is the teacher's, which
    was chosen on answers that it had not seen; of what it says of other rows all answers have a
    part.
    """
    rows, answered = lesson.unanswered, lesson.answered
    seen = fit_vote_features(votes)
    drawn = rows
    if len(rows) > TEACHER_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(rows, TEACHER_ROWS, replace=False))
    shown = np.sort(np.concatenate([answered, drawn]))
    small = replace(
        lesson,
        X=beside(lesson.X[shown], votes[shown], seen),
        program=lesson.program[shown],
        answers=lesson.answers[shown],
        importance=lesson.importance[shown],
    )
    base = fit_program(small, small.unanswered)
    raced = race(small, (Base(base),), ["offset"], seed)
    penalty = next(candidate.penalty for candidate in raced if candidate.weight == 1)
    teacher = fit_offset(small, base, penalty, small.answered)

    program = np.zeros_like(lesson.program)
    for start in range(0, len(rows), TEACHER_ROWS):
        some = rows[start : start + TEACHER_ROWS]
        said = np.exp(teacher.log_proba(beside(lesson.X[some], votes[some], seen)))
        program[some] = said * lesson.program[some].sum(axis=1, keepdims=True)
    relabelled = replace(lesson, program=program)
    return fit_offset(relabelled, fit_program(relabelled, rows), penalty, answered)
