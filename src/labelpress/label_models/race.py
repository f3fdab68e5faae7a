"""The race: how well each label model predicts answers it has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.answer_weights import weighted_mean
from labelpress.label_models.estimators import fit_estimator
from labelpress.label_models.recalibration import POWERS, best_power, recalibrate
from labelpress.label_models.rules import temper
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats
    from labelpress.label_models.estimators import EstimatorName
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.recalibration import Recalibration

AVERAGE = "auto"
_FOLDS = 5
FEWEST_ANSWERS = 20
"""With fewer there is no race: a fold would hold less than four answers."""

_PATTERNS = 2_000
"""Entrants learn from so many drawn rows at most; the race compares, it does not label."""

_TRUST = (0.8, 0.9, 0.95, 0.98, 1.0)
"""Candidate shares of a prediction; the rest is the base rate, so no answer costs infinitely."""


_IDLE = "the answers cannot tell it from the bare base rate: it has no say in the average"


@dataclass(frozen=True, slots=True)
class Entrant:
    """One line of the race's table."""

    name: str
    log_loss: float
    """Mean over the answers, weighted by inverse propensity; nats; smaller is better."""
    standard_error: float
    accuracy: float
    power: float
    """What recalibration would raise its probabilities to; below 1 it is too sure."""
    verdict: str
    """`races`, or the sentence that disqualifies it."""


@dataclass(frozen=True, slots=True)
class Race:
    """The race with the out-of-fold predictions it rests on."""

    entrants: tuple[Entrant, ...]
    out_of_fold: Mapping[str, Floats]
    """Raw probabilities of the answered rows, shape (a, K), by entrant."""
    recalibration: Mapping[str, Recalibration]
    """Whether each entrant's probabilities are to be recalibrated."""
    members: tuple[EstimatorName, ...]
    """Those whose mean is `auto`; none where nothing is averaged."""

    def to_json(self) -> list[dict[str, Any]]:
        """Return the table as plain JSON, best first."""
        return [asdict(entrant) for entrant in self.entrants]


def run_race(
    evidence: Evidence,
    names: Mapping[EstimatorName, bool],
    averaged: Sequence[EstimatorName],
    disqualified: Mapping[str, str],
    seed: int,
) -> Race:
    """
    Cross-validate every estimator, and the average of some of them, on the answers.

    Each is recalibrated within the folds: its power and its trust are learnt on the other
    folds' out-of-fold predictions. `names` says which estimators are given the base rate; the
    others are fitted under a uniform one. `base-rate` always enters, as the line that votes must
    beat: of those `averaged`, whoever cannot be told from it has no say in `auto`, as long as
    another clearly can.
    """
    fold = _folds(evidence, seed)
    drawn = _drawn(evidence, seed)
    raw: dict[str, Floats] = {"base-rate": np.tile(evidence.base_rate, (len(evidence.labels), 1))}
    for name, by_base_rate in names.items():
        entered = drawn if by_base_rate else drawn.flat()
        raw[name] = np.zeros((len(evidence.labels), evidence.classes))
        for held in range(_FOLDS):
            fitted = fit_estimator(name, entered.taught_by(fold != held))
            raw[name][fold == held] = fitted.rule.predict(evidence.votes[fold == held])
    losses = {entrant: _losses(raw[entrant], evidence, fold) for entrant in raw}
    kept = _telling(averaged, losses, evidence.weights)
    if kept:
        raw[AVERAGE] = np.mean([raw[member] for member in kept], axis=0)
        losses[AVERAGE] = _losses(raw[AVERAGE], evidence, fold)
    verdicts = {name: _IDLE for name in averaged if name not in kept} | dict(disqualified)
    lines = [
        _line(entrant, raw[entrant], loss, evidence, verdicts.get(entrant, "races"))
        for entrant, loss in losses.items()
    ]
    ranked = sorted(lines, key=lambda line: (line.log_loss, line.name))
    recalibration = {
        entrant: recalibrate(probability, evidence.labels, evidence.weights, fold)
        for entrant, probability in raw.items()
    }
    return Race(tuple(ranked), raw, recalibration, kept)


def _telling(
    averaged: Sequence[EstimatorName], losses: Mapping[str, Floats], weights: Floats
) -> tuple[EstimatorName, ...]:
    """Return the members that the answers can tell from the bare base rate, if any clearly can."""
    gains = {name: weighted_mean(losses["base-rate"] - losses[name], weights) for name in averaged}
    if not any(gain > 2 * error for gain, error in gains.values()):
        return tuple(averaged)
    return tuple(name for name, (gain, error) in gains.items() if gain > error)


def _losses(probability: Floats, evidence: Evidence, fold: NDArray[np.int64]) -> Floats:
    """Return the log loss of each answer, shape (a,), recalibrated within the folds."""
    own = np.zeros(len(evidence.labels))
    for held in range(_FOLDS):
        power, trust = _recalibration(probability, evidence, fold != held)
        rows = fold == held
        own[rows] = _own(probability[rows], evidence.labels[rows], evidence.base_rate, power, trust)
    return -np.log(own)


def _line(
    name: str, probability: Floats, losses: Floats, evidence: Evidence, verdict: str
) -> Entrant:
    """Score one entrant by the losses of its recalibrated probabilities."""
    weights = evidence.weights
    mean, error = weighted_mean(losses, weights)
    right = probability.argmax(axis=1) == evidence.labels
    accuracy = float((weights * right).sum() / weights.sum())
    power = best_power(probability, evidence.labels, evidence.weights)
    return Entrant(name, mean, error, accuracy, power, verdict)


def _recalibration(
    probability: Floats, evidence: Evidence, rows: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the power and trust under which the answers of these rows are likeliest."""
    labels, weights = evidence.labels[rows], evidence.weights[rows]

    rates, each = evidence.base_rate[labels], np.arange(len(labels))
    costs: dict[tuple[float, float], float] = {}
    for power in POWERS:
        own = temper(probability[rows], power)[each, labels]
        for trust in _TRUST:
            blended = _blend(own, rates, trust)
            cost = float(-(weights * np.log(blended)).sum())
            costs[power, trust] = cost + 2 * float(np.log(power)) ** 2
    return min(costs, key=costs.__getitem__)


def _own(
    probability: Floats, labels: NDArray[np.int64], rates: Floats, power: float, trust: float
) -> Floats:
    """Return the recalibrated probability of each row's own label."""
    own = temper(probability, power)[np.arange(len(labels)), labels]
    return _blend(own, rates[labels], trust)


def _blend(own: Floats, rates: Floats, trust: float) -> Floats:
    return np.asarray(np.maximum(trust * own + (1 - trust) * rates, 1e-6))


def _folds(evidence: Evidence, seed: int) -> NDArray[np.int64]:
    """Deal the answers into folds, class by class, so each fold holds some of every class."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(evidence.labels))
    dealt = shuffled[np.argsort(evidence.labels[shuffled], kind="stable")]
    fold = np.empty(len(dealt), dtype=np.int64)
    fold[dealt] = np.arange(len(dealt)) % _FOLDS
    return fold


def _drawn(evidence: Evidence, seed: int) -> Evidence:
    """Return the evidence with a drawn sample of the patterns, where there are many."""
    patterns = evidence.patterns
    if len(patterns.counts) <= _PATTERNS:
        return evidence.sampled(patterns)
    rng = np.random.default_rng(seed)
    rows = np.sort(
        rng.choice(len(patterns.counts), size=_PATTERNS, p=patterns.counts / patterns.rows)
    )
    share = np.ones(_PATTERNS, dtype=np.int64)
    return evidence.sampled(Patterns(patterns.votes[rows], share))
