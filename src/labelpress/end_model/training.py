"""Training: fit the end model on program labels and answers, in the mix that serves best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelpress.answer_weights import weigh_answers
from labelpress.end_model.classifiers import fit_classifier
from labelpress.end_model.distilling import distil
from labelpress.end_model.features import FittedFeatures, fit_features
from labelpress.end_model.held_out import held_out
from labelpress.end_model.mix_race import Candidate, choose, race
from labelpress.end_model.mixes import (
    Base,
    Learner,
    Lesson,
    Recipe,
    balance,
    fit_answers,
    fit_bases,
    fit_by,
    fit_program,
)
from labelpress.end_model.saving import pack, unpack
from labelpress.end_model.softmax import fit_softmax
from labelpress.end_model.tempering import fit_temperature, temper
from labelpress.end_model.vote_features import VoteFeatures, beside, fit_vote_features
from labelpress.errors import LabelpressError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Mix
    from labelpress.end_model.settings import EndModelSettings
    from labelpress.end_model.softmax import Floats, Matrix

FEWEST_ANSWERS: Final = 20
"""Below it the mixes cannot be told apart, and program labels alone are used."""
_UNTUNED: Final = 0.1
"""The penalty where answers are too few to choose one."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """An end model: rows in, class probabilities out."""

    classes: tuple[str, ...]
    """Class names by code."""
    features: FittedFeatures
    learners: tuple[tuple[Learner, VoteFeatures | None], ...]
    """Their probabilities are averaged; one with vote features also sees the votes."""
    mix: str
    """How program labels and answers were combined, and why, in words."""
    candidates: tuple[Mapping[str, Any], ...]
    """The mixes that were compared, best first, with their cross-validated figures."""
    temperature: float = 1.0
    """What log-probabilities are divided by, so that the model is as sure as it is right."""

    @property
    def sees_votes(self) -> bool:
        """Whether `predict_proba` needs the votes."""
        return any(votes is not None for _, votes in self.learners)

    def predict_proba(
        self, frame: pl.DataFrame, votes: NDArray[np.signedinteger[Any]] | None = None
    ) -> Floats:
        """
        Return class probabilities, shape (n, K).

        `votes`, shape (n, heuristics) with -1 for abstain, is needed where `sees_votes`. Raises
        `SourceError` where the frame lacks a column, `LabelpressError` where votes are missing.
        """
        if frame.height == 0:
            return np.zeros((0, len(self.classes)))
        X = self.features.transform(frame)
        said = [
            np.exp(learner.log_proba(beside(X, votes, seen))) for learner, seen in self.learners
        ]
        mean = np.asarray(np.mean(said, axis=0))
        if self.temperature == 1.0:
            return mean
        return np.exp(temper(np.log(np.maximum(mean, 1e-300)), self.temperature))

    def to_bytes(self) -> bytes:
        """Return the model as a skops file, which loads without running code from it."""
        return pack(self)

    @staticmethod
    def from_bytes(content: bytes, trusted: Sequence[str] = ()) -> TrainedModel:
        """
        Read `to_bytes` back; besides harmless types only those in `trusted` are made.

        Raises `LabelpressError` where the content is damaged or names another type.
        """
        return TrainedModel(**unpack(content, trusted))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What there is to learn from, once with the votes beside it where the model sees them."""

    features: FittedFeatures
    views: tuple[tuple[Lesson, VoteFeatures | None], ...]
    votes: NDArray[np.signedinteger[Any]] | None = None
    """Those that a teacher sees, shape (n, heuristics); None where nothing is distilled."""


@dataclass(frozen=True, slots=True)
class Taught:
    """An end model, and how each of its learners was made."""

    model: TrainedModel
    recipes: tuple[Recipe, ...]


def fit(
    frame: pl.DataFrame,
    soft: Floats,
    *,
    answers: NDArray[np.integer[Any]],
    classes: Sequence[str],
    settings: EndModelSettings,
    seed: int,
    propensity: Floats | None = None,
    audit: NDArray[np.bool_] | None = None,
    weights: Floats | None = None,
    votes: NDArray[np.signedinteger[Any]] | None = None,
) -> TrainedModel:
    """
    Fit the end model.

    `soft` are the label model's class probabilities, shape (n, K), a row without label being all
    zero or NaN; `answers` codes, shape (n,), -1 where there is none; `propensity` the probability
    with which each answered row was drawn and `audit` whether uniformly, so that the answers judge
    the mixes for all rows (without both, all answers count alike); `weights` what each row's
    program label counts. Rows of the test set must have been taken out. What `soft` says of
    answered rows is never learnt from, so answers may or may not override it. Without 20 answers,
    or with one class only among them, program labels alone are used. Raises `LabelpressError` where
    nothing can be learnt.
    """
    prepared = prepare(
        frame,
        soft,
        answers=answers,
        classes=classes,
        settings=settings,
        seed=seed,
        propensity=propensity,
        audit=audit,
        weights=weights,
        votes=votes,
    )
    return learn(prepared, classes, settings, seed).model


def prepare(
    frame: pl.DataFrame,
    soft: Floats,
    *,
    answers: NDArray[np.integer[Any]],
    classes: Sequence[str],
    settings: EndModelSettings,
    seed: int,
    propensity: Floats | None = None,
    audit: NDArray[np.bool_] | None = None,
    weights: Floats | None = None,
    votes: NDArray[np.signedinteger[Any]] | None = None,
    like: Prepared | None = None,
) -> Prepared:
    """Turn rows into lessons, as `fit` does; with `like` by the features and weights of those."""
    codes: NDArray[np.int64] = np.asarray(answers, dtype=np.int64)
    _check_shapes(frame, soft, codes, len(classes))
    program = np.where(np.isfinite(soft), soft, 0.0)
    if weights is not None:
        program = program * weights[:, None]
    fitted = fit_features(frame, settings.features) if like is None else like.features
    X = fitted.transform(frame)
    views: list[tuple[Matrix, VoteFeatures | None]] = [(X, None)]
    if settings.votes:
        if votes is None:
            raise LabelpressError(
                "[end_model] votes = true, and the votes of the training rows were not given."
            )
        seen = fit_vote_features(votes) if like is None else like.views[-1][1]
        views.append((beside(X, votes, seen), seen))
    importance = _importance(codes, propensity, audit)
    balanced = settings.class_weight == "balanced"
    if like is None:
        class_weights = balance(program, codes) if balanced else np.ones(len(classes))
    else:
        class_weights = like.views[0][0].class_weights
    how = _how_to_learn(settings, seed)
    linear = settings.estimator is None
    lessons = [
        Lesson(x, program, codes, importance, class_weights, how, linear, balanced)
        for x, _ in views
    ]
    shown = votes if settings.distils and like is None else None
    return Prepared(fitted, tuple(zip(lessons, [seen for _, seen in views], strict=True)), shown)


def learn(
    prepared: Prepared,
    classes: Sequence[str],
    settings: EndModelSettings,
    seed: int,
    bases: Sequence[Learner] = (),
) -> Taught:
    """Fit each view's learner; `bases`, where given, already know the program labels."""
    given: list[Learner | None] = [*bases] or [None] * len(prepared.views)
    # A learner that sees the votes itself needs no teacher.
    shown = [prepared.votes, *[None] * (len(prepared.views) - 1)]
    taught = [
        _learn(lesson, settings, seed, base, votes)
        for (lesson, _), base, votes in zip(prepared.views, given, shown, strict=True)
    ]
    model = TrainedModel(
        classes=tuple(classes),
        features=prepared.features,
        learners=tuple(
            (learner, seen) for (learner, *_), (_, seen) in zip(taught, prepared.views, strict=True)
        ),
        mix=taught[0][2],
        candidates=taught[0][3],
    )
    found = Taught(model, tuple(recipe for _, recipe, *_ in taught))
    return _tempered(found, prepared, seed) if settings.tempered else found


def _tempered(taught: Taught, prepared: Prepared, seed: int) -> Taught:
    rows, said = held_out(prepared, taught, seed)
    lesson = prepared.views[0][0]
    logs = np.log(np.maximum(said, 1e-300))
    found = fit_temperature(logs, lesson.answers[rows], lesson.importance[rows])
    return replace(taught, model=replace(taught.model, temperature=found))


def _learn(
    lesson: Lesson,
    settings: EndModelSettings,
    seed: int,
    base: Learner | None,
    votes: NDArray[np.signedinteger[Any]] | None,
) -> tuple[Learner, Recipe, str, tuple[Mapping[str, Any], ...]]:
    answered, unanswered = lesson.answered, lesson.unanswered
    if len(unanswered) == 0 and len(answered) == 0 and base is None:
        raise LabelpressError("the end model has nothing to learn from: no label and no answer.")
    shown = np.unique(lesson.answers[answered])
    if settings.mix == "answers" and 0 < len(answered) < FEWEST_ANSWERS:
        alone = fit_answers(lesson, _UNTUNED, answered)
        told = f"answers (as project.toml says; only {len(answered)})"
        return alone, Recipe("answers", _UNTUNED, None), told, ()
    if settings.mix == "program" or len(answered) < FEWEST_ANSWERS or len(shown) < 2:
        reason = _why_program(settings, len(answered), len(shown))
        everything = np.flatnonzero(lesson.program.sum(axis=1) > 0)
        if base is None and len(everything) == 0:
            raise LabelpressError(
                f"the end model has only {len(answered)} answers to learn from and no program "
                f"label; {FEWEST_ANSWERS} answers of two classes are the fewest it starts with."
            )
        alone = fit_program(lesson, everything) if base is None else base
        return alone, Recipe("program", 0.0, base), f"program ({reason})", ()
    mixes: list[Mix] = (
        ["program", "answers", "offset"] if settings.mix == "auto" else [settings.mix]
    )
    if len(unanswered) == 0 and base is None:
        mixes = ["answers"]
    bases: tuple[Base, ...] = ()
    if base is not None:
        bases = (Base(base),)
    elif mixes != ["answers"]:
        bases = fit_bases(lesson)
    candidates = race(lesson, bases, mixes, seed)
    chosen = choose(candidates)
    known = chosen.base or (bases[0] if bases else None)
    taught = None if known is None else known.learner
    told, table = _described(chosen, candidates), _table(candidates)
    recipe = Recipe(chosen.mix, chosen.penalty, taught, chosen.weight, chosen.share)
    if recipe.mix == "offset" and votes is not None:
        return distil(lesson, votes, seed), recipe, f"distilled {told}", table
    return fit_by(recipe, lesson, answered), recipe, told, table


def _why_program(settings: EndModelSettings, answers: int, shown: int) -> str:
    if settings.mix == "program":
        return "as project.toml says"
    if answers < FEWEST_ANSWERS:
        return f"{answers} answers, fewer than {FEWEST_ANSWERS}"
    return f"all {answers} answers name one class" if shown else "no answers"


def _described(chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    others = sorted((c for c in candidates if c is not chosen), key=lambda c: c.log_loss)
    runner_up = f"; next {others[0].name}, {others[0].log_loss:.3f}" if others else ""
    return f"{chosen.name} (log loss {chosen.log_loss:.3f} on the answers{runner_up})"


def _table(candidates: Sequence[Candidate]) -> tuple[Mapping[str, Any], ...]:
    return tuple(c.row() for c in sorted(candidates, key=lambda c: c.log_loss))


def _how_to_learn(settings: EndModelSettings, seed: int) -> Any:
    if settings.estimator is None:
        return fit_softmax
    learn = partial(
        fit_classifier, path=settings.estimator, parameters=settings.parameters, seed=seed
    )
    return lambda X, targets, _: learn(X, targets)


def _importance(
    answers: NDArray[np.int64], propensity: Floats | None, audit: NDArray[np.bool_] | None
) -> Floats:
    importance = np.ones(len(answers))
    if propensity is not None and audit is not None:
        answered = answers >= 0
        importance[answered] = weigh_answers(propensity[answered], audit[answered])
    return importance


def _check_shapes(
    frame: pl.DataFrame, soft: Floats, answers: NDArray[np.int64], classes: int
) -> None:
    rows = frame.height
    if soft.shape != (rows, classes) or answers.shape != (rows,):
        raise LabelpressError(
            f"{rows} rows and {classes} classes ask for probabilities of shape "
            f"({rows}, {classes}) and {rows} answers; these are {soft.shape} and {answers.shape}."
        )
    if len(answers) and answers.max() >= classes:
        raise ProjectError(f"answer code {answers.max()}; the codes are 0 to {classes - 1}.")
