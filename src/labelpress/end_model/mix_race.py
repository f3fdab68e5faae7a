"""The race of training mixes: each is cross-validated on the answers, and one is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.answer_weights import weighted_mean
from labelpress.end_model.mixes import ANSWER_PENALTIES, PROGRAM_WEIGHTS, fit_answers
from labelpress.end_model.softmax import fit_path, lies_in_span, span_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Base, Lesson, Mix
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
    base: Base | None = None
    """What was learnt from program labels, where they have a part in it."""
    weight: float = 1.0
    """What the base's log-probabilities count."""

    @property
    def name(self) -> str:
        """The mix in words, with what of the program labels it uses."""
        limits = [f"weight {self.weight:g}"] if self.weight != 1 else []
        limits += [f"surest {self.share:.0%}"] if self.share != 1 else []
        return f"{self.mix}, {', '.join(limits)}" if limits else self.mix

    @property
    def share(self) -> float:
        """The share of each class's program labels, the surest, that taught."""
        return self.base.share if self.base else 1.0

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
            "weight": self.weight,
            "share": self.share,
        }


def race(
    lesson: Lesson, bases: Sequence[Base], mixes: Sequence[Mix], seed: int
) -> tuple[Candidate, ...]:
    """
    Cross-validate mixes on the answers; each comes once, with its best penalty.

    The bases are fitted on the program labels of rows without an answer, so what they say of the
    answered rows is as honest as what they say of new ones. The answered rows are turned into
    their span once, which all folds, penalties and mixes share.
    """
    rows = _some(lesson.answered, seed)
    codes, X, targets = lesson.answers[rows], lesson.X[rows], lesson.answer_targets(rows)
    importance, folds = lesson.importance[rows], deal_folds(codes, seed)
    points = span_of(X).points if lies_in_span(X) else X
    found: list[Candidate] = []
    for base in bases:
        said = base.learner.log_proba(X)
        if "program" in mixes:
            found.append(replace(_judge("program", 0.0, said, codes, importance), base=base))
        for weight in PROGRAM_WEIGHTS if "offset" in mixes else ():
            tried = _held_out(points, targets, folds, weight * said)
            best = _best("offset", tried, codes, importance)
            found.append(replace(best, base=base, weight=weight))
    if "answers" in mixes:
        if lesson.linear:
            tried = _held_out(points, targets, folds, None)
        else:
            tried = {0.0: _held_out_by(lesson, rows, folds)}
        found.append(_best("answers", tried, codes, importance))
    return tuple(found)


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """
    Return the offset on all program labels, unless another is better by more than its error.

    The offset was the best single method on every set we tried; with few answers the smallest log
    loss alone often is luck. The error is the standard error of the paired difference per answer.
    """
    plain = [c for c in candidates if c.mix == "offset" and c.weight == 1 and c.share == 1]
    best = min(candidates, key=_loss)
    if not plain or best is plain[0]:
        return best
    default = plain[0]
    gain, error = weighted_mean(default.losses - best.losses, best.importance)
    return best if gain > error else default


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
