"""How often a heuristic's vote is right: precisions learnt from answers, and shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln

from labelpress.label_models.contract import Lift
from labelpress.label_models.rules import blocks
from labelpress.label_models.symbols import Symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.label_models.contract import Floats
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.rules import Rule
    from labelpress.votes import Patterns

_LEAST = 0.01
"""No author can be so sure that an answer could not change it."""
_STRENGTHS = 2.0 ** np.arange(0, 8)
"""Candidate prior sizes, in answers."""


@dataclass(frozen=True, slots=True)
class Precisions:
    """Precision of every (heuristic, class voted), shrunk towards what heuristics here reach."""

    mean: Floats
    """Shape (m, K)."""
    right: Floats
    """Weighted answers for which the vote was right, shape (m, K)."""
    total: Floats
    """Weighted answers with that vote, shape (m, K)."""
    prior_mean: Floats
    """Shape (m,)."""
    prior_strength: float
    """How many answers the prior counts for."""


def learn_precisions(evidence: Evidence) -> Precisions:
    """
    Estimate P(label = k | heuristic j votes k) from the answers.

    A beta prior whose mean is the precision that the heuristic's author believes in, or else the
    pooled one of all heuristics; its strength, common to all, is the one under which the answers
    are most likely (empirical Bayes with a beta-binomial, Efron and Morris 1975). So few answers
    move a heuristic little and many move it freely, and beliefs that the answers bear out count
    for more.
    """
    shape = (evidence.heuristics, evidence.classes)
    right, total = np.zeros(shape), np.zeros(shape)
    for heuristic in range(evidence.heuristics):
        cast = evidence.votes[:, heuristic]
        voted = cast >= 0
        np.add.at(total[heuristic], cast[voted], evidence.weights[voted])
        agreed = voted & (cast == evidence.labels)
        np.add.at(right[heuristic], cast[agreed], evidence.weights[agreed])
    # one answer right and one wrong, so that no pooled precision is 0 or 1
    pooled = float((right.sum() + 1) / (total.sum() + 2))
    believed = np.where(np.isnan(evidence.beliefs), pooled, evidence.beliefs)
    mean = np.clip(np.tile(believed[:, None], evidence.classes), _LEAST, 1 - _LEAST)
    seen = total > 0
    prior = mean[seen]
    likelihood = [
        float(
            (
                betaln(right[seen] + s * prior, (total - right)[seen] + s * (1 - prior))
                - betaln(s * prior, s * (1 - prior))
            ).sum()
        )
        for s in _STRENGTHS
    ]
    strength = float(_STRENGTHS[int(np.argmax(likelihood))])
    shrunk = (right + strength * mean) / (total + strength)
    return Precisions(shrunk, right, total, mean[:, 0], strength)


def measure_lifts(evidence: Evidence, rule: Rule, heuristics: Sequence[str]) -> tuple[Lift, ...]:
    """
    Return what each heuristic's votes are worth under a fitted model.

    With answers the precision is the shrunk one; without, the share of votes that the model itself
    believes. A heuristic that votes for several classes gets the mean over its votes.
    """
    symbols = Symbols.of(evidence.cast > 0)
    believed = np.zeros(evidence.cast.shape)
    believed[symbols.heuristic, symbols.label] = evidence.all_votes.total(
        partial(_believed_votes, rule, symbols)
    )
    precisions = learn_precisions(evidence) if len(evidence.labels) else None
    lifts = []
    for place, heuristic in enumerate(heuristics):
        votes = evidence.cast[place]
        answered = int((evidence.votes[:, place] >= 0).sum())
        if not votes.sum():
            lifts.append(Lift(heuristic, 0, answered, None, None, "model"))
            continue
        if precisions is not None and answered:
            precision = precisions.mean[place]
        else:
            precision = believed[place] / np.maximum(votes, 1)
        share = votes / votes.sum()
        lifts.append(
            Lift(
                heuristic,
                int(votes.sum()),
                answered,
                float((share * precision).sum()),
                float((share * precision / evidence.base_rate).sum()),
                "answers" if precisions is not None and answered else "model",
            )
        )
    return tuple(lifts)


def _believed_votes(rule: Rule, symbols: Symbols, patterns: Patterns) -> Floats:
    """Return how many votes of each kind a rule believes to be right, shape (S,)."""
    believed = np.zeros(len(symbols.label))
    for block in blocks(len(patterns.counts), symbols.classes):
        votes = np.asfortranarray(patterns.votes[block])
        weighed = rule.predict(votes) * patterns.counts[block, None]
        per_class = symbols.indicator(votes).per_symbol(weighed)
        believed += per_class[np.arange(len(believed)), symbols.label]
    return believed
