"""Training mixes: the ways to learn from program labels and answers together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from labelpress.end_model.softmax import Softmax, fit_softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from labelpress.end_model.softmax import Floats, Matrix

Mix = Literal["program", "answers", "offset"]

PROGRAM_PENALTY: Final = 0.02
"""Program labels are many; their errors, not their number, limit what is learnt from them."""
ANSWER_PENALTIES: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Tried for what is learnt from the answers."""
PROGRAM_WEIGHTS: Final = (1.0, 0.5)
"""Tried for what the program labels' log-probabilities count beneath a correction."""
SURE_SHARES: Final = (1.0, 0.5)
"""Tried for the share of the program labels, the surest, that teaches."""


class Learner(Protocol):
    """Anything fitted that yields log-probabilities."""

    def log_proba(self, X: Matrix) -> Floats:
        """Return log-probabilities, shape (n, K)."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What there is to learn from, as arrays."""

    X: Matrix
    """Features, shape (n, d)."""
    program: Floats
    """Class probabilities times row weights, shape (n, K); a row without label is all zero."""
    answers: NDArray[np.int64]
    """Codes, shape (n,); -1 where there is no answer."""
    importance: Floats
    """What each row counts in the cross-validation, shape (n,): how much of all it stands for."""
    class_weights: Floats
    """Shape (K,)."""
    fit: Callable[[Matrix, Floats, float], Learner]
    """Fits on features, soft targets and a penalty."""
    linear: bool
    """Whether `fit` is our ridge, whose penalty can be chosen."""
    balanced: bool = False
    """Whether `class_weights` give each class the same total weight."""

    @property
    def answered(self) -> NDArray[np.int64]:
        """Positions of the answered rows."""
        return np.flatnonzero(self.answers >= 0)

    @property
    def unanswered(self) -> NDArray[np.int64]:
        """Positions of the rows with a program label and no answer."""
        return np.flatnonzero((self.answers < 0) & (self.program.sum(axis=1) > 0))

    def program_targets(self, rows: NDArray[np.int64]) -> Floats:
        """Return the program labels of some rows as half-sharp targets, shape (len(rows), K)."""
        return half_sharp(self.program[rows]) * self.class_weights

    def answer_targets(self, rows: NDArray[np.int64]) -> Floats:
        """Return the answers of some rows as targets, shape (len(rows), K)."""
        targets = np.zeros((len(rows), self.program.shape[1]))
        codes = self.answers[rows]
        targets[np.arange(len(rows)), codes] = self.class_weights[codes]
        return targets


@dataclass(frozen=True, slots=True)
class Corrected:
    """A model, and the correction of it that was learnt from the answers."""

    base: Learner
    correction: Softmax
    weight: float = 1.0
    """What the log-probabilities of `base` count."""

    def log_proba(self, X: Matrix) -> Floats:
        """Return log-probabilities, shape (n, K)."""
        return self.correction.log_proba(X, self.weight * self.base.log_proba(X))


@dataclass(frozen=True, slots=True)
class Base:
    """What was learnt from the program labels of rows without an answer."""

    learner: Learner
    share: float = 1.0
    """The share of each class's program labels, the surest, that taught."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How a learner was made, so that it can be made again without some of the answers.

    Of one that was distilled it tells the step before: the correction of the program labels.
    """

    mix: Mix
    penalty: float
    base: Learner | None
    """What was fitted on the program labels of rows without an answer; None where answered rows
    were among them."""
    weight: float = 1.0
    """What its log-probabilities count beneath a correction."""
    share: float = 1.0
    """The share of each class's program labels, the surest, that taught it."""


def fit_bases(lesson: Lesson) -> tuple[Base, ...]:
    """
    Fit on the program labels of the rows without an answer: on all, and on the surest.

    The surest are taken class by class: a cut for all would leave out whole classes, of which the
    heuristics are never as sure as of others.
    """
    rows = lesson.unanswered
    program = lesson.program[rows]
    confidence, likeliest = confidence_of(program), program.argmax(axis=1)
    bases = [Base(fit_program(lesson, rows))]
    for share in SURE_SHARES[1:]:
        sure = np.zeros(len(rows), dtype=bool)
        for code in np.unique(likeliest):
            own = likeliest == code
            sure |= own & (confidence >= np.quantile(confidence[own], 1 - share))
        if not sure.all():
            bases.append(Base(fit_program(lesson, rows[sure]), share))
    return tuple(bases)


def confidence_of(program: Floats) -> Floats:
    """Return the share of the likeliest class in each row's program label, shape (n,)."""
    mass = program.sum(axis=1)
    return np.asarray(program.max(axis=1) / np.where(mass > 0, mass, 1.0))


def fit_program(lesson: Lesson, rows: NDArray[np.int64]) -> Learner:
    """Fit on the program labels of some rows, half sharpened."""
    return lesson.fit(lesson.X[rows], lesson.program_targets(rows), PROGRAM_PENALTY)


def fit_answers(lesson: Lesson, penalty: float, rows: NDArray[np.int64]) -> Learner:
    """Fit on the answers of some rows."""
    return lesson.fit(lesson.X[rows], lesson.answer_targets(rows), penalty)


def fit_offset(
    lesson: Lesson, base: Learner, penalty: float, rows: NDArray[np.int64], weight: float = 1.0
) -> Corrected:
    """Fit a correction of `base` on the answers of some rows that `base` has not seen."""
    X = lesson.X[rows]
    start = weight * base.log_proba(X)
    correction = fit_softmax(X, lesson.answer_targets(rows), penalty, start)
    return Corrected(base, correction, weight)


def fit_by(recipe: Recipe, lesson: Lesson, rows: NDArray[np.int64]) -> Learner:
    """Fit what a recipe says on the answers of some rows."""
    if recipe.base is None or recipe.mix == "answers":
        return fit_answers(lesson, recipe.penalty, rows)
    if recipe.mix == "program":
        return recipe.base
    return fit_offset(lesson, recipe.base, recipe.penalty, rows, recipe.weight)


def balance(program: Floats, answers: NDArray[np.int64]) -> Floats:
    """
    Return class weights, shape (K,), by which each class has the same total weight.

    `program`, shape (n, K), counts where `answers`, shape (n,), is -1. A class without rows weighs
    nothing.
    """
    classes = program.shape[1]
    mass = program[answers < 0].sum(axis=0)
    mass += np.bincount(answers[answers >= 0], minlength=classes)
    return np.where(mass > 0, mass.sum() / (classes * np.maximum(mass, 1e-12)), 0.0)


def half_sharp(program: Floats) -> Floats:
    """
    Return the mean of the targets as they are and of each row's whole weight on its first best.

    Soft targets pass on how unsure the label model is, sharp ones draw the classes apart; either
    was the better one on some sets, the mean never far from the better.
    """
    sharp = np.zeros_like(program)
    sharp[np.arange(len(program)), program.argmax(axis=1)] = program.sum(axis=1)
    return (program + sharp) / 2
