"""The lift model: every vote multiplies the odds of each class by how much likelier it makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from labelpress.label_models.rules import LogLinear

if TYPE_CHECKING:
    from labelpress.label_models.contract import Floats
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.symbols import Symbols

_BLENDS = (0.0, 0.25, 0.5, 0.75)
"""Candidate shares of the other heuristics' opinion in the prior."""
_STRENGTHS = tuple(2.0**power for power in range(7))
"""Candidate prior sizes, in answers."""
_TEMPERS = tuple(eighth / 8 for eighth in range(1, 9))
"""Candidate exponents of the lifts: dependent votes say less together than apart."""


@dataclass(frozen=True, slots=True)
class LiftModel:
    """A fitted model with what the answers chose."""

    rule: LogLinear
    blend: float
    strength: float
    temper: float

    def report(self) -> dict[str, float]:
        """Return what was chosen as plain JSON."""
        return {"blend": self.blend, "prior_answers": self.strength, "temper": self.temper}


def fit_lift(evidence: Evidence) -> LiftModel:
    """
    Return odds that start at the base rate and are multiplied by P(k | vote) / P(k) to a power.

    P(class | vote) is a Dirichlet posterior. Its prior blends the pooled precision of all votes
    with what the other heuristics say of the rows with that vote (so it is semi-supervised);
    blend and strength are those under which the answers are likeliest (empirical Bayes with a
    Dirichlet-multinomial, Minka 2000). The power, at most 1, is the one that makes the answers
    likeliest: it is naive Bayes, tempered. The easiest model to explain to an auditor.
    """
    classes, rates = evidence.classes, evidence.base_rate
    symbols = evidence.symbols()
    truth = np.zeros((len(evidence.labels), classes))
    truth[np.arange(len(truth)), evidence.labels] = evidence.weights
    seen = symbols.indicator(evidence.votes).per_symbol(truth)
    named = np.zeros((len(symbols.label), classes))
    named[np.arange(len(named)), symbols.label] = 1
    right = ((seen * named).sum() + 1) / (seen.sum() + 2)
    others = (1 - named) * rates
    pooled = right * named + (1 - right) * others / others.sum(axis=1, keepdims=True)
    opinion = _opinion_of_the_others(evidence, symbols, named)
    chosen = max(
        ((blend, strength) for blend in _BLENDS for strength in _STRENGTHS),
        key=lambda pair: _evidence_for(
            seen, pair[1] * ((1 - pair[0]) * pooled + pair[0] * opinion)
        ),
    )
    blend, strength = chosen
    prior = (1 - blend) * pooled + blend * opinion
    share = (seen + strength * prior) / (seen.sum(axis=1, keepdims=True) + strength)
    lifts = np.log(share) - np.log(rates)

    def rule(temper: float) -> LogLinear:
        vectors = {
            (int(j), int(k)): temper * vector
            for j, k, vector in zip(symbols.heuristic, symbols.label, lifts, strict=True)
        }
        return LogLinear.of(np.log(rates), vectors, evidence.heuristics)

    def likelihood(temper: float) -> float:
        probability = rule(temper).predict(evidence.votes)
        own = probability[np.arange(len(probability)), evidence.labels]
        return float((evidence.weights * np.log(np.maximum(own, 1e-12))).sum())

    temper = max(_TEMPERS, key=likelihood)
    return LiftModel(rule(temper), blend, strength, temper)


def _opinion_of_the_others(evidence: Evidence, symbols: Symbols, named: Floats) -> Floats:
    """Return the mean vote shares of the other heuristics where each vote is cast, (S, K)."""
    patterns, rates = evidence.patterns, evidence.base_rate
    votes = symbols.indicator(patterns.votes)
    per_class = votes.per_row(named)
    # the base rate is one vote, so a row on which nobody else votes holds its opinion
    total = np.maximum(per_class.sum(axis=1), 1)
    weight = patterns.counts / total
    summed = votes.per_symbol((per_class + rates) * weight[:, None])
    summed -= named * votes.per_symbol(weight)[:, None]
    cast = votes.per_symbol(patterns.counts.astype(np.float64))
    mean = summed / np.maximum(cast, 1)[:, None] + 1e-3 * rates
    return np.asarray(np.maximum(mean, 1e-9) / np.maximum(mean, 1e-9).sum(axis=1, keepdims=True))


def _evidence_for(seen: Floats, alpha: Floats) -> float:
    """Return the log probability of the answers under Dirichlet-multinomials."""
    total, strength = seen.sum(axis=1), alpha.sum(axis=1)
    per_vote = (gammaln(alpha + seen) - gammaln(alpha)).sum(axis=1)
    return float((per_vote - gammaln(strength + total) + gammaln(strength)).sum())
