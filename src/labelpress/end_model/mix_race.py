"""The race of training mixes: each is cross-validated on the answers, and one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.end_model.mixes import fit_answers, fit_weighted
from labelpress.end_model.softmax import fit_softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Learner, Lesson, Mix, Sharpness
    from labelpress.end_model.softmax import Floats, Matrix

ANSWER_PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
TRUST: Final = (0.5, 1.0)
"""Shares of the program model's log-probabilities that a correction may start from."""
FOLDS: Final = 5
SWEEP_ROWS: Final = 20_000
"""Program rows that the weighted mix is cross-validated with; it is refitted once per fold."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One training mix and how it did on answers that it had not seen."""

    mix: Mix
    sharpness: Sharpness
    penalty: float
    trust: float
    losses: Floats
    """Log loss of each answered row."""
    importance: Floats
    """What each of these rows counts."""
    accuracy: float

    @property
    def name(self) -> str:
        """What a person reads."""
        return self.mix if self.sharpness == "soft" else f"{self.mix} (sharp labels)"

    @property
    def log_loss(self) -> float:
        """Mean log loss in nats."""
        return float(np.average(self.losses, weights=self.importance))

    def row(self) -> Mapping[str, Any]:
        """Return the figures as plain values."""
        return {
            "mix": self.name,
            "log_loss": round(self.log_loss, 6),
            "accuracy": round(self.accuracy, 6),
            "penalty": self.penalty,
            "trust": self.trust,
        }


def race(
    lesson: Lesson, bases: Mapping[Sharpness, Learner], mixes: Sequence[Mix], seed: int
) -> tuple[Candidate, ...]:
    """
    Cross-validate mixes on the answers; each comes once, with its best penalty and trust.

    `bases` are fitted on the program labels of rows without an answer, so what they say of the
    answered rows is as honest as what they say of new ones.
    """
    rows = lesson.answered
    codes, X, targets = lesson.answers[rows], lesson.X[rows], lesson.answer_targets(rows)
    folds = deal_folds(codes, seed)
    judge = partial(_judge, codes, lesson.importance[rows])
    found: list[Candidate] = []
    for sharpness, base in bases.items():
        said = base.log_proba(X)
        if "program" in mixes:
            found.append(judge("program", sharpness, 0.0, 1.0, said))
        if "offset" in mixes:
            tried = [
                judge("offset", sharpness, penalty, trust, _by_fold(folds, said.shape, fold))
                for trust in TRUST
                for penalty in ANSWER_PENALTIES
                for fold in [partial(_correct_fold, X, targets, trust * said, penalty)]
            ]
            found.append(min(tried, key=_loss))
    if "answers" in mixes:
        tried = [
            judge("answers", "soft", penalty, 1.0, _by_fold(folds, targets.shape, fold))
            for penalty in ANSWER_PENALTIES
            for fold in [partial(_answers_fold, lesson, penalty)]
        ]
        found.append(min(tried, key=_loss))
    if "weighted" in mixes:
        fold = partial(_weighted_fold, lesson, _some(lesson.unanswered, seed))
        found.append(judge("weighted", "soft", 0.0, 1.0, _by_fold(folds, targets.shape, fold)))
    return tuple(found)


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """
    Return the best offset, unless another mix is better by more than its standard error.

    The offset was the best single method on every set we tried; with few answers the smallest log
    loss alone often is luck. The error is that of the paired difference per answer.
    """
    offsets = [c for c in candidates if c.mix == "offset"]
    best = min(candidates, key=_loss)
    if not offsets or best.mix == "offset":
        return best
    default = min(offsets, key=_loss)
    difference = default.losses - best.losses
    gain = np.average(difference, weights=best.importance)
    error = np.sqrt(np.average((difference - gain) ** 2, weights=best.importance))
    return best if gain > error / np.sqrt(len(difference)) else default


def deal_folds(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return each row's fold, shape (n,): shuffled, then dealt round class by class."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    folds = np.empty(len(codes), dtype=np.int64)
    folds[by_class] = np.arange(len(codes)) % FOLDS
    return folds


def _by_fold(
    folds: NDArray[np.int64],
    shape: tuple[int, int],
    teach: Callable[[NDArray[np.int64], NDArray[np.int64]], Floats],
) -> Floats:
    out = np.zeros(shape)
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        out[held] = teach(np.flatnonzero(folds != fold), held)
    return out


def _correct_fold(
    X: Matrix,
    targets: Floats,
    start: Floats,
    penalty: float,
    taught: NDArray[np.int64],
    held: NDArray[np.int64],
) -> Floats:
    correction = fit_softmax(X[taught], targets[taught], penalty, start[taught])
    return correction.log_proba(X[held], start[held])


def _answers_fold(
    lesson: Lesson, penalty: float, taught: NDArray[np.int64], held: NDArray[np.int64]
) -> Floats:
    rows = lesson.answered
    return fit_answers(lesson, penalty, rows[taught]).log_proba(lesson.X[rows[held]])


def _weighted_fold(
    lesson: Lesson,
    program_rows: NDArray[np.int64],
    taught: NDArray[np.int64],
    held: NDArray[np.int64],
) -> Floats:
    rows = lesson.answered
    return fit_weighted(lesson, rows[taught], program_rows).log_proba(lesson.X[rows[held]])


def _judge(
    codes: NDArray[np.int64],
    importance: Floats,
    mix: Mix,
    sharpness: Sharpness,
    penalty: float,
    trust: float,
    out: Floats,
) -> Candidate:
    right = out.argmax(axis=1) == codes
    losses = -out[np.arange(len(codes)), codes]
    accuracy = float(np.average(right, weights=importance))
    return Candidate(mix, sharpness, penalty, trust, losses, importance, accuracy)


def _loss(candidate: Candidate) -> float:
    return candidate.log_loss


def _some(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(rows) <= SWEEP_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, SWEEP_ROWS, replace=False))
