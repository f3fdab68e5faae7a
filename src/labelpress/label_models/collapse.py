"""Collapse: a label model that gives one class far more, or far fewer, rows than there can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labelpress.label_models.contract import Floats
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.rules import Rule

_FAR = 0.1
"""A share this far outside the base rate's interval, and of more than twice or less than half the
odds, is no longer the label model's opinion but its failure."""

_ALL = 0.98
"""Without a base rate: one class gets so many of the rows, while ..."""
_VOTED = 0.1
"""... this share of the votes is for other classes."""


def class_shares(rule: Rule, evidence: Evidence) -> Floats:
    """
    Return the share of the source that a rule believes each class to have, shape (K,).

    The mean of its probabilities, not the count of its labels: an unsure but honest model labels
    many rows with a common class and is right to.
    """
    counts = evidence.patterns.counts.astype(np.float64)
    if not counts.sum():
        return evidence.base_rate
    probability = rule.predict(evidence.patterns.votes)
    return np.asarray((probability * counts[:, None]).sum(axis=0) / counts.sum())


def find_collapse(rule: Rule, evidence: Evidence) -> str | None:
    """
    Return a sentence when a rule's class shares cannot be true, else None.

    The base rate's interval is that of the answers it was measured from (normal form), or of 50
    answers where it was declared. Without a base rate only the loss of nearly all other classes
    counts, where a tenth of the votes are for them.
    """
    shares = class_shares(rule, evidence)
    if not evidence.base_rate_given:
        cast = evidence.cast.sum(axis=0)
        top = int(shares.argmax())
        if shares[top] >= _ALL and cast[top] < (1 - _VOTED) * cast.sum():
            return (
                f"collapsed: {shares[top]:.0%} of the rows are taken for class {top}, though "
                f"{1 - cast[top] / cast.sum():.0%} of the votes are for other classes."
            )
        return None
    rates = evidence.base_rate
    answers = max(len(evidence.labels), 50)
    half = 1.96 * np.sqrt(rates * (1 - rates) / answers)
    low, high = np.maximum(rates - half, 0), np.minimum(rates + half, 1)
    odds = np.maximum(shares, 1e-9) / np.maximum(1 - shares, 1e-9)
    above = (shares > high + _FAR) & (odds > 2 * high / np.maximum(1 - high, 1e-9))
    below = (shares < low - _FAR) & (odds < 0.5 * low / np.maximum(1 - low, 1e-9))
    wrong = np.flatnonzero(above | below)
    if not len(wrong):
        return None
    worst = wrong[np.abs(shares - rates)[wrong].argmax()]
    return (
        f"collapsed: {shares[worst]:.0%} of the rows are taken for class {worst}, whose base rate "
        f"is {rates[worst]:.0%} ({low[worst]:.0%} to {high[worst]:.0%})."
    )
