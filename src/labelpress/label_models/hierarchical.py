"""A hierarchical log-linear model of the class given the votes; it sees dependent heuristics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelpress.label_models.descent import minimise
from labelpress.label_models.rules import LogLinear

if TYPE_CHECKING:
    from labelpress.label_models.contract import Floats
    from labelpress.label_models.evidence import Evidence

_SHARED_MEAN, _SHARED_SD = 1.0, 1.0
"""What a vote adds to its class, whoever casts it: a vote is right rather than wrong."""
_OWN_SD = 1.0
"""How far one heuristic's vote may lie from what all share."""
_CROSS_SD = 0.1
"""How much a vote may say of the classes it does not name."""
_CLASS_SD = 0.1
"""How far a class's intercept may lie from the log of its base rate. Like the cross weights it is
held tight: what answers teach beyond "this vote is good" fits the rows they were drawn from, and
costs whole classes on other rows (up to 36 points of a class's recall on train rows of TREC)."""

_MOST_CROSS = 2_000_000
"""Above so many cross weights they are left out: a few hundred answers could not learn them."""

_MOST_ITERATIONS = 300
_TOLERANCE = 1e-7
"""Relative change of the loss at which the optimiser stops; no probability moves by then."""


@dataclass(frozen=True, slots=True)
class Hierarchical:
    """A fitted model with how the optimiser ended."""

    rule: LogLinear
    shared: float
    iterations: int
    converged: bool

    def report(self) -> dict[str, float | int | bool]:
        """Return convergence as plain JSON."""
        return {
            "iterations": self.iterations,
            "converged": self.converged,
            "shared_weight": self.shared,
        }


def fit_hierarchical(evidence: Evidence) -> Hierarchical:
    """
    Fit P(class | votes) to the answers by penalised maximum likelihood.

    A vote of heuristic j for class v adds (shared + own_jv) to class v and cross_jvk to every
    class k, with normal priors whose mean for own and cross is zero: a multilevel multinomial
    logistic regression (Gelman and Hill 2007). It models the class given the votes, not the votes
    given the class, so near-copies share one weight instead of counting twice. Votes never
    answered keep the shared weight.
    """
    classes = evidence.classes
    answered = evidence.answered_symbols()
    votes = answered.indicator(evidence.votes)
    size = len(answered.label)
    offset = np.log(evidence.base_rate)
    crossed = size * classes <= _MOST_CROSS
    truth = np.zeros((len(evidence.labels), classes))
    truth[np.arange(len(truth)), evidence.labels] = 1
    named = np.zeros((size, classes))
    named[np.arange(size), answered.label] = 1
    counts = votes.per_row(named)
    cut = np.cumsum([1, classes, size])

    def unpack(theta: Floats) -> tuple[float, Floats, Floats]:
        own = theta[cut[1] : cut[2]]
        weights = (theta[0] + own)[:, None] * named
        if crossed:
            weights += theta[cut[2] :].reshape(size, classes)
        return float(theta[0]), offset + theta[cut[0] : cut[1]], weights

    spread = np.concatenate(
        [
            [_SHARED_SD],
            np.full(classes, _CLASS_SD),
            np.full(size, _OWN_SD),
            np.full(size * classes if crossed else 0, _CROSS_SD),
        ]
    )
    centre = np.zeros(len(spread))
    centre[0] = _SHARED_MEAN

    def loss(theta: Floats) -> tuple[float, Floats]:
        _, intercept, weights = unpack(theta)
        logits = votes.per_row(weights) + intercept
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(axis=1, keepdims=True)
        likelihood = evidence.weights * ((logits * truth).sum(axis=1) - np.log(total[:, 0]))
        slope = evidence.weights[:, None] * (odds / total - truth)
        pulled = votes.per_symbol(slope)
        gradient = [[(slope * counts).sum()], slope.sum(axis=0), (pulled * named).sum(axis=1)]
        if crossed:
            gradient.append(pulled.ravel())
        away = (theta - centre) / spread
        penalty = 0.5 * float((away**2).sum())
        return penalty - float(likelihood.sum()), np.concatenate(gradient) + away / spread

    # in units of their spread the numbers bend the loss alike, which the descent likes
    def scaled(steps: Floats) -> tuple[float, Floats]:
        value, gradient = loss(centre + spread * steps)
        return value, gradient * spread

    result = minimise(
        scaled, np.zeros(len(centre)), most_iterations=_MOST_ITERATIONS, tolerance=_TOLERANCE
    )
    shared, intercept, weights = unpack(centre + spread * result.point)
    vectors = {}
    everything = evidence.symbols()
    for heuristic, label in zip(everything.heuristic, everything.label, strict=True):
        place = answered.index[heuristic, label]
        if place >= 0:
            vectors[int(heuristic), int(label)] = weights[place]
        else:
            vectors[int(heuristic), int(label)] = shared * np.eye(1, classes, label)[0]
    rule = LogLinear.of(intercept, vectors, evidence.heuristics)
    return Hierarchical(rule, shared, result.iterations, result.converged)
