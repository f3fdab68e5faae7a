"""The default label model: a robust average, never one winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelpress.label_models.collapse import find_collapse
from labelpress.label_models.estimators import fit_estimator
from labelpress.label_models.near_copies import find_near_copies
from labelpress.label_models.race import FEWEST_ANSWERS, run_race
from labelpress.label_models.rules import Average, Merged, tempered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.label_models.estimators import EstimatorName, Fit
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.rules import Rule

_AVERAGED: tuple[EstimatorName, ...] = (
    "weighted-majority",
    "majority-dawid-skene",
    "log-linear",
)
_SHOWN: tuple[EstimatorName, ...] = ("lift", "majority", "dawid-skene-symbol", "majority-ties")
"""Raced beside those averaged, so that a team sees what the average spares it."""

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
    *,
    shown: bool = True,
) -> AutoFit:
    """
    Fit the default.

    With answers: the mean of weighted majority, the half-and-half of majority and Dawid-Skene, and
    the log-linear model, tempered to the answers. They err differently, and an average loses
    little where the answers' rows and the source differ, where crowning the race's winner
    loses much. Each is fitted under a uniform base rate, which carries over to other rows best, and
    under the measured one only where its class shares could not be true otherwise (rare
    classes, one-sided heuristics). Without answers: the majority, whose ties and silent rows
    Dawid-Skene with abstain as a symbol decides. What collapses all the same is left
    out. Near-copies count as one heuristic. Without `shown` only those race that are averaged: the
    rule is the same, and its table shorter.
    """
    groups = find_near_copies(evidence.patterns, seed)
    merged = evidence.merged(groups) if groups else evidence
    report: dict[str, Any] = {
        "near_copies": [[heuristics[column] for column in group] for group in groups]
    }
    if len(evidence.labels):
        rule, found = _average(merged, seed, _SHOWN if shown else ())
    else:
        rule, found = _without_answers(merged)
    return AutoFit(Merged(groups, rule) if groups else rule, report | found)


def _without_answers(evidence: Evidence) -> tuple[Rule, dict[str, Any]]:
    """Return the first safe rule that has not collapsed; the majority if all have."""
    refused: dict[str, str] = {}
    fit: Fit
    for name in _SAFE:
        fit = fit_estimator(name, evidence)
        collapsed = find_collapse(fit.rule, evidence)
        if collapsed is None:
            break
        refused[name] = collapsed
    else:
        name = _SAFE[0]
        fit = fit_estimator(name, evidence)
    return fit.rule, {
        "members": {name: 1.0},
        "disqualified": refused,
        "convergence": {name: fit.report},
        "race": [],
        "race_note": "no answers: nothing to race on.",
    }


def _average(
    evidence: Evidence, seed: int, beside: tuple[EstimatorName, ...]
) -> tuple[Rule, dict[str, Any]]:
    """Return the tempered average of the members that have not collapsed, and the race."""
    fits: dict[str, Fit] = {}
    by_base_rate: list[str] = []
    refused: dict[str, str] = {}
    for name in _AVERAGED:
        fits[name] = fit_estimator(name, evidence.flat())
        if find_collapse(fits[name].rule, evidence):
            by_base_rate.append(name)
            fits[name] = fit_estimator(name, evidence)
            sentence = find_collapse(fits[name].rule, evidence)
            if sentence:
                refused[name] = sentence
    # majority is in the second member, and majority is always among them
    members = [name for name in _AVERAGED if name not in refused] or ["majority-dawid-skene"]
    report: dict[str, Any] = {
        "members": _equal(members),
        "by_base_rate": by_base_rate,
        "disqualified": refused,
        "convergence": {name: fit.report for name, fit in fits.items() if fit.report},
        "race": [],
    }
    if len(evidence.labels) < FEWEST_ANSWERS:
        report["race_note"] = (
            f"{len(evidence.labels)} answers: a race needs {FEWEST_ANSWERS} or more."
        )
        return _mean(fits, members), report
    entrants = {name: name in by_base_rate for name in _AVERAGED} | dict.fromkeys(beside, True)
    race = run_race(evidence, entrants, members, refused, seed)
    recalibration = race.recalibration["auto"]
    report["members"] = _equal(race.members)
    report["race"] = race.to_json()
    report["recalibration"] = recalibration.to_json()
    return tempered(_mean(fits, race.members), recalibration.power), report


def _mean(fits: Mapping[str, Fit], members: Sequence[str]) -> Rule:
    return Average(tuple(fits[name].rule for name in members), tuple(_equal(members).values()))


def _equal(members: Sequence[str]) -> dict[str, float]:
    return {name: 1 / len(members) for name in members}
