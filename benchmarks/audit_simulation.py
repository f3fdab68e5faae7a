"""Simulated sources with a known truth, on which intervals and base rates can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelpress.certify import CohortConfidence, certify, wilson
from labelpress.label_models import fit_label_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 20_000
HEURISTICS = 20
COHORTS = ("2026-01", "2026-02", "2026-03")
TAUGHT = 100
"""Answers that teach, half drawn uniformly and half among the least sure rows."""
AUDITS = 222
"""Audits put; 90 % of them are answered, about 200."""
RESPONSE = 0.9


@dataclass(frozen=True, slots=True)
class Audited:
    """One simulated audit."""

    truth: float
    low: float
    high: float
    against_wilson: float
    explained: float
    """R2 of correctness by confidence over all labelled rows."""
    taught: tuple[float, float]
    """The Wilson interval that the teaching answers themselves would have given."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled source with everything an audit needs."""

    correct: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    cohorts: NDArray[np.str_]
    taught: tuple[float, float]


def source(
    rng: np.random.Generator, skill: float, hard_share: float
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Draw classes and votes; on hard rows all heuristics guess and fewer of them vote."""
    truth = rng.integers(0, 2, ROWS)
    precision = 1 / (1 + np.exp(-rng.normal(skill, 0.7, HEURISTICS)))
    hard = rng.random(ROWS) < hard_share
    right = np.where(hard[:, None], 0.5 + (precision - 0.5) / 5, precision)
    cast = np.where(rng.random((ROWS, HEURISTICS)) < right, truth[:, None], 1 - truth[:, None])
    coverage = rng.uniform(0.1, 0.7, HEURISTICS) * np.where(hard[:, None], 0.4, 1)
    return truth, np.where(rng.random((ROWS, HEURISTICS)) < coverage, cast, -1).astype(np.int8)


def label(rng: np.random.Generator, skill: float, hard_share: float, seed: int) -> Labelled:
    """Run the pipeline once: votes, teaching answers uniform and active, fit, labels."""
    truth, votes = source(rng, skill, hard_share)
    cohorts = np.repeat(COHORTS, [ROWS // 2, ROWS // 4, ROWS - ROWS // 2 - ROWS // 4])
    margin = np.abs((votes == 1).sum(axis=1) - (votes == 0).sum(axis=1))
    uncertain = np.flatnonzero(margin <= 1)
    answers, propensity = np.full(ROWS, -1), np.ones(ROWS)
    active = rng.choice(uncertain, TAUGHT // 2, replace=False)
    uniform = rng.choice(ROWS, TAUGHT // 2, replace=False)
    propensity[active] = TAUGHT / 2 / len(uncertain)
    propensity[uniform] = TAUGHT / 2 / ROWS
    taught = np.union1d(active, uniform)
    answers[taught] = truth[taught]
    audit = np.zeros(ROWS, dtype=bool)
    audit[uniform] = True
    model = fit_label_model(
        votes, 2, answers=answers, audit=audit, propensity=propensity, seed=seed
    )
    probability = model.predict_proba(votes)
    chosen = probability.argmax(axis=1)
    # what a certificate from the answers that taught would have said
    share = float((chosen[taught] == truth[taught]).mean())
    labelled = (votes >= 0).any(axis=1)
    return Labelled(
        (chosen == truth)[labelled],
        probability.max(axis=1)[labelled],
        cohorts[labelled],
        wilson(share, len(taught)),
    )


def audit_once(rng: np.random.Generator, labelled: Labelled) -> Audited:
    """Draw reserved audits in proportion to the cohorts, lose a tenth, and certify."""
    population, drawn = {}, []
    for cohort in COHORTS:
        rows = np.flatnonzero(labelled.cohorts == cohort)
        sure = labelled.confidence[rows]
        population[cohort] = CohortConfidence(len(rows), float(sure.sum()), float((sure**2).sum()))
        asked = round(AUDITS * len(rows) / len(labelled.correct))
        drawn.append(rng.choice(rows, asked, replace=False))
    put = np.concatenate(drawn)
    answered = put[rng.random(len(put)) < RESPONSE]
    result = certify(
        labelled.correct[answered],
        labelled.confidence[answered],
        labelled.cohorts[answered],
        population,
        len(put),
    )
    explained = float(np.corrcoef(labelled.correct, labelled.confidence)[0, 1]) ** 2
    return Audited(
        float(labelled.correct.mean()),
        result.low,
        result.high,
        float(result.width_vs_wilson or 1.0),
        explained,
        labelled.taught,
    )


def skill_for(accuracy: float, hard_share: float) -> float:
    """Return the heuristics' skill at which the pipeline labels about `accuracy` right."""
    low, high = -0.5, 6.0
    for _ in range(8):
        middle = (low + high) / 2
        reached = label(np.random.default_rng(0), middle, hard_share, 0).correct.mean()
        low, high = (middle, high) if reached < accuracy else (low, middle)
    return (low + high) / 2


def simulate(accuracy: float, audits: int, sources: int) -> list[Audited]:
    """Return `audits` simulated audits over `sources` labelled sources, easy and hard."""
    results = []
    for number in range(sources):
        # from errors spread evenly to nearly all errors on rows that are visibly hard
        hard_share = (1 - accuracy) * (0.2 + 1.6 * number / max(sources - 1, 1))
        skill = skill_for(accuracy, hard_share)
        labelled = label(np.random.default_rng([number, 1]), skill, hard_share, number)
        rng = np.random.default_rng([number, 2])
        results += [audit_once(rng, labelled) for _ in range(audits // sources)]
    return results
