"""The default label model: a robust average, never one winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.label_models.estimators import fit_estimator
from labelpress.label_models.evidence import Evidence
from labelpress.label_models.near_copies import find_near_copies
from labelpress.label_models.race import FEWEST_ANSWERS, best_power, disqualify, run_race
from labelpress.label_models.rules import Average, Merged, Tempered, merge
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.label_models.dawid_skene import EverywhereEStep
    from labelpress.label_models.estimators import EstimatorName, Fit
    from labelpress.label_models.rules import Rule

_AVERAGED: tuple[EstimatorName, ...] = (
    "weighted-majority",
    "majority-dawid-skene",
    "lift",
    "log-linear",
)
_HALVES: dict[str, float] = {"majority": 0.5, "dawid-skene-symbol": 0.5}
"""What `majority-dawid-skene` is the mean of: the race need not fit it again."""

_RACED: tuple[EstimatorName, ...] = (
    "weighted-majority",
    "lift",
    "log-linear",
    "majority",
    "dawid-skene-symbol",
    "majority-ties",
)
"""Not only those averaged, so that a team sees what the average spares it."""

_SAFE: tuple[EstimatorName, ...] = ("majority-ties", "dawid-skene-symbol", "majority")
"""What labels without answers: the first that has not collapsed."""


@dataclass(frozen=True, slots=True)
class AutoFit:
    """The chosen rule and what the diagnostics say of the choice."""

    rule: Rule
    report: dict[str, Any]


def fit_auto(
    evidence: Evidence,
    heuristics: Sequence[str],
    seed: int,
    everywhere: EverywhereEStep | None = None,
) -> AutoFit:
    """
    Fit the default.

    With answers: the mean of weighted majority, the mean of majority and Dawid-Skene, lift and
    the log-linear model, tempered to the answers. The members err differently, and an average
    loses little where the answers' rows and the source differ, where crowning the winner of the
    race loses much. Without answers: the majority, whose ties and silent rows Dawid-Skene with
    abstain as a symbol decides. A member whose class shares cannot be true is left out. Near-copies
    count as one heuristic.
    """
    groups = find_near_copies(evidence.patterns, seed)
    merged = _merged(evidence, groups) if groups else evidence
    report: dict[str, Any] = {
        "near_copies": [[heuristics[column] for column in group] for group in groups]
    }
    if len(evidence.labels):
        rule, found = _average(merged, seed, everywhere)
    else:
        rule, found = _without_answers(merged, seed, everywhere)
    return AutoFit(Merged(groups, rule) if groups else rule, report | found)


def _without_answers(
    evidence: Evidence, seed: int, everywhere: EverywhereEStep | None
) -> tuple[Rule, dict[str, Any]]:
    """Return the first safe rule that has not collapsed; the majority if all have."""
    refused: dict[str, str] = {}
    fit: Fit
    for name in _SAFE:
        fit = fit_estimator(name, evidence, seed, everywhere)
        collapsed = disqualify({name: fit.rule}, evidence)
        if not collapsed:
            break
        refused |= collapsed
    else:
        name = _SAFE[0]
        fit = fit_estimator(name, evidence, seed, everywhere)
    return fit.rule, {
        "members": {name: 1.0},
        "disqualified": refused,
        "convergence": {name: fit.report},
        "race": [],
        "race_note": "no answers: nothing to race on.",
    }


def _average(
    evidence: Evidence, seed: int, everywhere: EverywhereEStep | None
) -> tuple[Rule, dict[str, Any]]:
    """Return the tempered average of the members that have not collapsed, and the race."""
    fits = {name: fit_estimator(name, evidence, seed, everywhere) for name in _AVERAGED}
    # majority is in the second member, and majority is always among them
    refused = disqualify({name: fit.rule for name, fit in fits.items()}, evidence)
    members = [name for name in _AVERAGED if name not in refused] or ["majority-dawid-skene"]
    weights: dict[str, float] = {name: 1 / len(members) for name in members}
    rule: Rule = Average(tuple(fits[name].rule for name in members), tuple(weights.values()))
    report: dict[str, Any] = {
        "members": weights,
        "disqualified": refused,
        "convergence": {name: fit.report for name, fit in fits.items() if fit.report},
        "race": [],
    }
    if len(evidence.labels) < FEWEST_ANSWERS:
        report["race_note"] = (
            f"{len(evidence.labels)} answers: a race needs {FEWEST_ANSWERS} or more."
        )
        return rule, report
    race = run_race(evidence, _RACED, _mixes(weights), refused, seed)
    power = best_power(
        race.out_of_fold["auto"], evidence, np.ones(len(evidence.labels), dtype=bool)
    )
    report["race"] = race.to_json()
    report["power"] = power
    return (rule if power == 1 else Tempered(rule, power)), report


def _mixes(weights: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the averages that race, as weights of the estimators that are fitted for it."""
    parts: dict[str, float] = {}
    for name, weight in weights.items():
        halves = _HALVES if name == "majority-dawid-skene" else {name: 1.0}
        for part, share in halves.items():
            parts[part] = parts.get(part, 0.0) + weight * share
    return {"majority-dawid-skene": _HALVES, "auto": parts}


def _merged(evidence: Evidence, groups: tuple[tuple[int, ...], ...]) -> Evidence:
    """Return the evidence in which every group of near-copies speaks once."""
    patterns = evidence.patterns
    return Evidence(
        Patterns(merge(patterns.votes, groups), patterns.counts),
        merge(evidence.votes, groups),
        evidence.labels,
        evidence.weights,
        evidence.base_rate,
        evidence.base_rate_given,
    )
