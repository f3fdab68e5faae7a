"""The race of training mixes: each is cross-validated on the answers, and one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.end_model.mixes import ANSWER_PENALTIES, fit_answers
from labelpress.end_model.softmax import fit_path, lies_in_span, span_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Learner, Lesson, Mix
    from labelpress.end_model.softmax import Floats, Matrix

FOLDS: Final = 5
MOST_ANSWERS: Final = 2000
"""Answers that the race is run on; more only make it slower."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One training mix and how it did on answers that it had not seen."""

    mix: Mix
    penalty: float
    losses: Floats
    """Log loss of each answered row."""
    importance: Floats
    """What each of these rows counts."""
    accuracy: float

    @property
    def log_loss(self) -> float:
        """Mean log loss in nats."""
        return float(np.average(self.losses, weights=self.importance))

    def row(self) -> Mapping[str, Any]:
        """Return the figures as plain values."""
        return {
            "mix": self.mix,
            "log_loss": round(self.log_loss, 6),
            "accuracy": round(self.accuracy, 6),
            "penalty": self.penalty,
        }


def race(
    lesson: Lesson, base: Learner | None, mixes: Sequence[Mix], seed: int
) -> tuple[Candidate, ...]:
    """
    Cross-validate mixes on the answers; each comes once, with its best penalty.

    `base` is fitted on the program labels of rows without an answer, so what it says of the
    answered rows is as honest as what it says of new ones. The answered rows are turned into their
    span once, which all folds, penalties and mixes share.
    """
    rows = _some(lesson.answered, seed)
    codes, X, targets = lesson.answers[rows], lesson.X[rows], lesson.answer_targets(rows)
    importance, folds = lesson.importance[rows], deal_folds(codes, seed)
    points = span_of(X).points if lies_in_span(X) else X
    found: list[Candidate] = []
    if base is not None:
        said = base.log_proba(X)
        if "program" in mixes:
            found.append(_judge("program", 0.0, said, codes, importance))
        if "offset" in mixes:
            tried = _held_out(points, targets, folds, said)
            found.append(_best("offset", tried, codes, importance))
    if "answers" in mixes:
        if lesson.linear:
            tried = _held_out(points, targets, folds, None)
        else:
            tried = {0.0: _held_out_by(lesson, rows, folds)}
        found.append(_best("answers", tried, codes, importance))
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


def _held_out(
    X: Matrix, targets: Floats, folds: NDArray[np.int64], offset: Floats | None
) -> dict[float, Floats]:
    """Return what is learnt of each row from the other folds, per penalty."""
    out = {penalty: np.zeros(targets.shape) for penalty in ANSWER_PENALTIES}
    for fold in np.unique(folds):
        held, taught = folds == fold, folds != fold
        start = None if offset is None else offset[taught]
        path = fit_path(X[taught], targets[taught], ANSWER_PENALTIES, start)
        for penalty, model in path.items():
            said = None if offset is None else offset[held]
            out[penalty][held] = model.log_proba(X[held], said)
    return out


def _held_out_by(lesson: Lesson, rows: NDArray[np.int64], folds: NDArray[np.int64]) -> Floats:
    out = np.zeros((len(rows), lesson.program.shape[1]))
    for fold in np.unique(folds):
        held, taught = folds == fold, folds != fold
        out[held] = fit_answers(lesson, 0.0, rows[taught]).log_proba(lesson.X[rows[held]])
    return out


def _best(
    mix: Mix, tried: Mapping[float, Floats], codes: NDArray[np.int64], importance: Floats
) -> Candidate:
    judged = [_judge(mix, penalty, out, codes, importance) for penalty, out in tried.items()]
    return min(judged, key=_loss)


def _judge(
    mix: Mix, penalty: float, out: Floats, codes: NDArray[np.int64], importance: Floats
) -> Candidate:
    right = out.argmax(axis=1) == codes
    losses = -out[np.arange(len(codes)), codes]
    accuracy = float(np.average(right, weights=importance))
    return Candidate(mix, penalty, losses, importance, accuracy)


def _loss(candidate: Candidate) -> float:
    return candidate.log_loss


def _some(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(rows) <= MOST_ANSWERS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ANSWERS, replace=False))
