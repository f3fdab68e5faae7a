"""The estimators by name: each takes the evidence and returns a rule and how the fit went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from labelpress.errors import LabelpressError
from labelpress.label_models.dawid_skene import fit_dawid_skene
from labelpress.label_models.hierarchical import fit_hierarchical
from labelpress.label_models.lift import fit_lift
from labelpress.label_models.majority import fit_majority
from labelpress.label_models.rules import Average, TieBreak, VoteShares
from labelpress.label_models.weighted_majority import fit_weighted_majority

if TYPE_CHECKING:
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.rules import Rule

EstimatorName: TypeAlias = Literal[
    "majority",
    "majority-ties",
    "weighted-majority",
    "lift",
    "dawid-skene",
    "dawid-skene-symbol",
    "majority-dawid-skene",
    "log-linear",
]

LEARNS_FROM_ANSWERS: frozenset[EstimatorName] = frozenset(
    {"weighted-majority", "lift", "log-linear"}
)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted rule and plain JSON about the fit."""

    rule: Rule
    report: dict[str, Any] = field(default_factory=dict)


def fit_estimator(  # noqa: PLR0911  one return per estimator
    name: EstimatorName, evidence: Evidence
) -> Fit:
    """
    Fit one estimator; raises `LabelpressError` where it learns from answers and there are none.

    - `majority`: votes count the same, the base rate decides ties.
    - `majority-ties`: the same, but Dawid-Skene with abstain as a symbol decides ties and rows
      without votes.
    - `weighted-majority`, `lift`, `log-linear`: learnt from answers.
    - `dawid-skene`: abstain is missing; for crowds. The base rate is held where it is known.
    - `dawid-skene-symbol`: abstain is a vote like any; the prior is the base rate.
    - `majority-dawid-skene`: the mean of `majority` and `dawid-skene-symbol`.
    """
    if name in LEARNS_FROM_ANSWERS and not len(evidence.labels):
        raise LabelpressError(
            f"model {name!r} learns from answers, and none were given; use 'majority' or 'auto'."
        )
    uniform = np.full(evidence.classes, 1 / evidence.classes)
    match name:
        case "majority":
            return Fit(fit_majority(evidence))
        case "weighted-majority":
            return Fit(fit_weighted_majority(evidence))
        case "lift":
            lift = fit_lift(evidence)
            return Fit(lift.rule, lift.report())
        case "log-linear":
            hierarchical = fit_hierarchical(evidence)
            return Fit(hierarchical.rule, hierarchical.report())
        case "dawid-skene":
            prior = evidence.base_rate if evidence.base_rate_given else None
            crowd = fit_dawid_skene(evidence, "missing", prior)
            return Fit(crowd.rule, crowd.report())
        case "majority-ties":
            # under a skewed prior EM puts rows that only a few heuristics see into one class
            ties = fit_dawid_skene(evidence, "symbol", uniform)
            return Fit(TieBreak(VoteShares(uniform), ties.rule), ties.report())
        case "dawid-skene-symbol" | "majority-dawid-skene":
            symbol = fit_dawid_skene(evidence, "symbol", evidence.base_rate)
            if name == "dawid-skene-symbol":
                return Fit(symbol.rule, symbol.report())
            return Fit(Average((fit_majority(evidence), symbol.rule), (0.5, 0.5)), symbol.report())
