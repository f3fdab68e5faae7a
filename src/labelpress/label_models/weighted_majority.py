"""Weighted majority: a vote counts as much as the answers say it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelpress.label_models.precision import learn_precisions
from labelpress.label_models.rules import LogLinear, TieBreak, VoteShares

if TYPE_CHECKING:
    from labelpress.label_models.evidence import Evidence


def fit_weighted_majority(evidence: Evidence) -> TieBreak:
    """
    Return a rule in which a vote for class k adds its log-odds of being right to class k.

    The weight of a vote of precision q among K classes is log(q (K - 1) / (1 - q)), the optimal
    weighted majority of independent voters (Nitzan and Paroush 1982; Li and Yu 2014), with the
    shrunk precisions of `learn_precisions`. A precision holds the base rate already, so the base
    rate decides only ties and rows without votes.
    """
    precision = learn_precisions(evidence).mean
    classes = evidence.classes
    weight = np.log(precision * (classes - 1) / (1 - precision))
    cast = evidence.symbols()
    vectors = {
        (int(j), int(k)): weight[j, k] * np.eye(1, classes, k)[0]
        for j, k in zip(cast.heuristic, cast.label, strict=True)
    }
    weighted = LogLinear.of(np.zeros(classes), vectors, evidence.heuristics)
    return TieBreak(weighted, VoteShares(evidence.base_rate))
