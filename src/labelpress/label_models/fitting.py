"""Fit a label model by its name, on pattern counts or on a plain NumPy matrix."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from labelpress.answer_weights import weigh_answers
from labelpress.base_rate import measure_base_rate
from labelpress.classes import ABSTAIN
from labelpress.errors import LabelpressError, did_you_mean
from labelpress.label_models.auto import fit_auto
from labelpress.label_models.collapse import find_collapse
from labelpress.label_models.contract import Answered
from labelpress.label_models.estimators import EstimatorName, fit_estimator
from labelpress.label_models.everywhere import SAMPLE, InMemory, count_cast
from labelpress.label_models.evidence import Evidence
from labelpress.label_models.fitted import FittedModel
from labelpress.label_models.precision import measure_lifts
from labelpress.label_models.race import FEWEST_ANSWERS, run_race
from labelpress.label_models.rules import tempered
from labelpress.label_models.vote_checks import (
    checked_base_rate,
    checked_classes,
    checked_labels,
    checked_votes,
    narrow,
)
from labelpress.votes import Patterns, count_patterns, draw_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from labelpress.label_models.contract import Floats
    from labelpress.label_models.everywhere import Everywhere
    from labelpress.label_models.rules import Rule

ModelName: TypeAlias = Literal["auto"] | EstimatorName
"""What `model` may be."""


def fit_patterns(
    patterns: Patterns,
    answered: Answered | None,
    *,
    classes: int,
    base_rate: Floats | None,
    heuristics: Sequence[str],
    model: ModelName = "auto",
    seed: int = 0,
    everywhere: Everywhere[Patterns] | None = None,
    beliefs: Sequence[float | None] | None = None,
    shown: bool = True,
) -> FittedModel:
    """
    Fit a label model on distinct vote patterns and their counts.

    `base_rate` (K,) is the measured or declared one; None means that nobody knows it, and it is
    taken as uniform. `beliefs` are the precisions that the heuristics' authors believe in, or None:
    what answers start from. Without `shown` only those race that decide. Where `patterns` is only a
    sample of the source's rows, `everywhere` sums over all its votes. Above 20,000 distinct
    patterns a sample of the rows is drawn here; then `everywhere` is the patterns. Raises
    `LabelpressError` for votes, answers or base rates that make no sense.
    """
    checked_votes(patterns.votes, checked_classes(classes), heuristics)
    if everywhere is None and len(patterns.counts) > SAMPLE:
        everywhere = InMemory.of(patterns)
        patterns = draw_patterns(patterns, SAMPLE / patterns.rows, np.random.default_rng(seed))
    told = np.array(beliefs or [None] * len(heuristics), dtype=np.float64)
    evidence = _gather(patterns, everywhere, answered, classes, base_rate, heuristics, told)
    rule, report = _fit_rule(evidence, model, heuristics, seed, shown=shown)
    return FittedModel(
        name=model,
        heuristics=tuple(heuristics),
        base_rate=evidence.base_rate,
        rule=rule,
        lifts=measure_lifts(evidence, rule, heuristics),
        diagnostics={
            "rows": evidence.rows,
            "rows_learnt_from": patterns.rows,
            "patterns": len(patterns.counts),
            "answers": len(evidence.labels),
            "base_rate": "given" if evidence.base_rate_given else "uniform",
            **report,
        },
    )


def fit_label_model(
    votes: ArrayLike,
    classes: int,
    answers: ArrayLike | None = None,
    audit: ArrayLike | None = None,
    propensity: ArrayLike | None = None,
    base_rate: ArrayLike | None = None,
    heuristics: Sequence[str] | None = None,
    model: ModelName = "auto",
    seed: int = 0,
) -> FittedModel:
    """
    Fit a label model on a vote matrix and return it with `.predict_proba(votes)`.

    Parameters
    ----------
    votes
        (n, m) signed integers: class codes, -1 for abstain.
    classes
        The number of classes K.
    answers
        (n,) class codes of the rows an expert answered, -1 elsewhere.
    audit
        (n,) True for the answers that were drawn uniformly; only they measure the base rate.
    propensity
        (n,) probability with which each answered row was drawn, in (0, 1]; not needed for audits
        of one uniform draw. Without it all answers of a kind count the same.
    base_rate
        (K,) class shares; None measures them from the audits, or else takes them as uniform.
    heuristics
        m names for messages and lifts.
    model
        An estimator's name; `auto` is the robust average.
    seed
        Draws the folds of the race; the same input and seed give the same bits.

    """
    matrix = narrow(checked_votes(votes, checked_classes(classes), heuristics), classes)
    names = tuple(heuristics or (f"heuristic_{place}" for place in range(matrix.shape[1])))
    answered = _answered(matrix, classes, answers, audit, propensity)
    rates = None if base_rate is None else checked_base_rate(base_rate, classes)
    if rates is None and answered is not None and answered.audit.any():
        labels = answered.labels[answered.audit]
        cohorts = np.full(len(labels), "all")
        rates = measure_base_rate(labels, cohorts, {"all": len(matrix)}, classes, None).mean
    return fit_patterns(
        count_patterns(matrix),
        answered,
        classes=classes,
        base_rate=rates,
        heuristics=names,
        model=model,
        seed=seed,
    )


def load(data: Mapping[str, Any]) -> FittedModel:
    """Return the label model of a `to_json`; it predicts the same bits as the one that wrote it."""
    return FittedModel.from_json(data)


def _fit_rule(
    evidence: Evidence,
    model: ModelName,
    heuristics: Sequence[str],
    seed: int,
    *,
    shown: bool,
) -> tuple[Rule, dict[str, Any]]:
    """Return the rule of the estimator with this name, and plain JSON about the fit."""
    if model == "auto":
        auto = fit_auto(evidence, heuristics, seed, shown=shown)
        return auto.rule, auto.report
    known = get_args(EstimatorName)
    if model not in known:
        raise LabelpressError(
            f"model: {model!r} is no label model; there are auto, {', '.join(known)}."
            f"{did_you_mean(model, known)}"
        )
    fit = fit_estimator(model, evidence)
    collapsed = find_collapse(fit.rule, evidence)
    report: dict[str, Any] = {
        "members": {model: 1.0},
        "disqualified": {model: collapsed} if collapsed else {},
        "convergence": {model: fit.report} if fit.report else {},
    }
    if len(evidence.labels) < FEWEST_ANSWERS:
        return fit.rule, report
    race = run_race(evidence, {model: True}, (), report["disqualified"], seed)
    recalibration = race.recalibration[model]
    report |= {"race": race.to_json(), "recalibration": recalibration.to_json()}
    return tempered(fit.rule, recalibration.power), report


def _gather(
    patterns: Patterns,
    everywhere: Everywhere[Patterns] | None,
    answered: Answered | None,
    classes: int,
    base_rate: Floats | None,
    heuristics: Sequence[str],
    beliefs: Floats,
) -> Evidence:
    """Check everything an estimator will look at."""
    cast = (everywhere or InMemory.of(patterns)).total(partial(count_cast, classes))
    given = base_rate is not None
    rates = checked_base_rate(
        np.full(classes, 1 / classes) if base_rate is None else base_rate, classes
    )
    if answered is None or len(answered) == 0:
        none = np.zeros((0, patterns.votes.shape[1]), dtype=patterns.votes.dtype)
        empty = np.zeros(0)
        return Evidence(
            patterns, cast, everywhere, none, empty.astype(np.int64), empty, rates, given, beliefs
        )
    votes = checked_votes(answered.votes, classes, heuristics)
    labels = checked_labels(answered.labels, classes)
    if len(votes) != len(labels):
        raise LabelpressError(f"answers: {len(labels)} labels for {len(votes)} rows of votes.")
    wrong = np.flatnonzero(~((answered.propensity > 0) & (answered.propensity <= 1)))
    if len(wrong):
        raise LabelpressError(
            f"propensity: {answered.propensity[wrong[0]]} of answered row {wrong[0]} is no "
            "probability of being drawn; it must lie in (0, 1]."
        )
    weights = weigh_answers(answered.propensity, answered.audit)
    return Evidence(patterns, cast, everywhere, votes, labels, weights, rates, given, beliefs)


def _answered(
    votes: NDArray[np.signedinteger[Any]],
    classes: int,
    answers: ArrayLike | None,
    audit: ArrayLike | None,
    propensity: ArrayLike | None,
) -> Answered | None:
    """Pick the answered rows out of arrays over all rows."""
    if answers is None:
        return None
    codes = np.asarray(answers)
    if codes.shape != (len(votes),):
        raise LabelpressError(
            f"answers: expected one per row, shape ({len(votes)},) with {ABSTAIN} for unknown, "
            f"got shape {codes.shape}."
        )
    rows = np.flatnonzero(codes != ABSTAIN)
    labels = checked_labels(codes[rows], classes)
    drawn = np.ones(len(votes)) if propensity is None else np.asarray(propensity, dtype=float)
    uniform = np.zeros(len(votes), bool) if audit is None else np.asarray(audit)
    for what, array in (("propensity", drawn), ("audit", uniform)):
        if array.shape != (len(votes),):
            raise LabelpressError(
                f"{what}: expected one per row, shape ({len(votes)},), got {array.shape}."
            )
    if uniform.dtype != np.bool_:
        raise LabelpressError(f"audit: expected a boolean mask, got {uniform.dtype}.")
    return Answered(votes[rows], labels, drawn[rows], uniform[rows])
