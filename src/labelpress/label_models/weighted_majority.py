"""Weighted majority: a vote counts as much as the answers say it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelpress.label_models.precision import learn_precisions
from labelpress.label_models.rules import LogLinear

if TYPE_CHECKING:
    from labelpress.label_models.evidence import Evidence


def fit_weighted_majority(evidence: Evidence) -> LogLinear:
    """
    Return a rule in which a vote for class k adds its log-odds of being right to class k.

    The weight of a vote of precision q among K classes is log(q (K - 1) / (1 - q)), the optimal
    weighted majority of independent voters (Nitzan and Paroush 1982; Li and Yu 2014), with the
    shrunk precisions of `learn_precisions`; the base rate is the prior.
    """
    precision = learn_precisions(evidence).mean
    classes = evidence.classes
    weight = np.log(precision * (classes - 1) / (1 - precision))
    vectors = {}
    for heuristic, label in _votes_cast(evidence):
        vector = np.zeros(classes)
        vector[label] = weight[heuristic, label]
        vectors[heuristic, label] = vector
    return LogLinear.of(np.log(evidence.base_rate), vectors, evidence.heuristics)


def _votes_cast(evidence: Evidence) -> list[tuple[int, int]]:
    """Return every (heuristic, class) that occurs in the patterns or the answered rows."""
    cast: set[tuple[int, int]] = set()
    for matrix in (evidence.patterns.votes, evidence.votes):
        for heuristic in range(evidence.heuristics):
            labels = np.unique(matrix[:, heuristic])
            cast.update((heuristic, int(label)) for label in labels if label >= 0)
    return sorted(cast)
