"""The race: how well each label model predicts answers it has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.label_models.estimators import fit_estimator
from labelpress.label_models.recalibration import POWERS, best_power, recalibrate
from labelpress.label_models.rules import temper
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats
    from labelpress.label_models.estimators import EstimatorName
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.recalibration import Recalibration

_FOLDS = 5
FEWEST_ANSWERS = 20
"""With fewer there is no race: a fold would hold less than four answers."""

_PATTERNS = 2_000
"""Entrants learn from so many drawn rows at most; the race compares, it does not label."""

_TRUST = (0.8, 0.9, 0.95, 0.98, 1.0)
"""Candidate shares of a prediction; the rest is the base rate, so no answer costs infinitely."""


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

    def to_json(self) -> list[dict[str, Any]]:
        """Return the table as plain JSON, best first."""
        return [asdict(entrant) for entrant in self.entrants]


def run_race(
    evidence: Evidence,
    names: Mapping[EstimatorName, bool],
    mixes: Mapping[str, Mapping[str, float]],
    disqualified: Mapping[str, str],
    seed: int,
) -> Race:
    """
    Cross-validate every estimator, and every mix of them, on the answers.

    Each is recalibrated within the folds: its power and its trust are learnt on the other
    folds' out-of-fold predictions. `names` says which estimators are given the base rate; the
    others are fitted under a uniform one. `mixes` gives weights per estimator; `base-rate` always
    enters, as the line that votes must beat.
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
    for mix, weights in mixes.items():
        raw[mix] = np.sum([raw[part] * weight for part, weight in weights.items()], axis=0)
    lines = [
        _line(entrant, probability, evidence, fold, disqualified.get(entrant, "races"))
        for entrant, probability in raw.items()
    ]
    ranked = sorted(lines, key=lambda line: (line.log_loss, line.name))
    recalibration = {
        entrant: recalibrate(probability, evidence.labels, evidence.weights, fold)
        for entrant, probability in raw.items()
    }
    return Race(tuple(ranked), raw, recalibration)


def _line(
    name: str, probability: Floats, evidence: Evidence, fold: NDArray[np.int64], verdict: str
) -> Entrant:
    """Score one entrant, recalibrated within the folds."""
    own = np.zeros(len(evidence.labels))
    for held in range(_FOLDS):
        power, trust = _recalibration(probability, evidence, fold != held)
        rows = fold == held
        own[rows] = _own(probability[rows], evidence.labels[rows], evidence.base_rate, power, trust)
    loss, weights = -np.log(own), evidence.weights
    mean = float((weights * loss).sum() / weights.sum())
    error = float(np.sqrt((weights**2 * (loss - mean) ** 2).sum()) / weights.sum())
    right = probability.argmax(axis=1) == evidence.labels
    accuracy = float((weights * right).sum() / weights.sum())
    power = best_power(probability, evidence.labels, evidence.weights)
    return Entrant(name, mean, error, accuracy, power, verdict)


def _recalibration(
    probability: Floats, evidence: Evidence, rows: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the power and trust under which the answers of these rows are likeliest."""
    labels, weights = evidence.labels[rows], evidence.weights[rows]

    def cost(pair: tuple[float, float]) -> float:
        own = _own(probability[rows], labels, evidence.base_rate, *pair)
        return float(-(weights * np.log(own)).sum()) + 2 * float(np.log(pair[0])) ** 2

    return min(((power, trust) for power in POWERS for trust in _TRUST), key=cost)


def _own(
    probability: Floats, labels: NDArray[np.int64], rates: Floats, power: float, trust: float
) -> Floats:
    """Return the recalibrated probability of each row's own label."""
    own = temper(probability, power)[np.arange(len(labels)), labels]
    return np.asarray(np.maximum(trust * own + (1 - trust) * rates[labels], 1e-6))


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
