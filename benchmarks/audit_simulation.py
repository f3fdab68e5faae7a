"""Simulated sources with a known truth, on which intervals can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelpress.certify import CohortConfidence, certify
from labelpress.intervals import wilson
from labelpress.label_models import fit_label_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROWS = 20_000
HEURISTICS = 20
COHORTS = ("2026-01", "2026-02", "2026-03")
COHORT_SHARES = (0.5, 0.25, 0.25)
TAUGHT = 100
"""Answers that teach, half drawn uniformly and half among the least sure rows."""
RESPONSE = 0.9
"""Share of the audits put that are answered."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One simulated audit."""

    truth: float
    """Share of the labelled rows whose label is right."""
    estimate: float
    low: float
    high: float
    against_wilson: float
    """Width over Wilson's on the same audits, unweighted."""
    explained: float
    """R2 of correctness by confidence over all labelled rows."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled source with everything an audit needs."""

    correct: NDArray[np.bool_]
    """Of the labelled rows whose answers taught nothing."""
    confidence: NDArray[np.float64]
    cohorts: NDArray[np.str_]
    taught: NDArray[np.bool_]
    """Correctness of the rows whose answers taught, shape (100,): first the uniform ones."""

    @property
    def truth(self) -> float:
        """The accuracy that an audit is to find."""
        return float(self.correct.mean())

    @property
    def explained(self) -> float:
        """R2 of correctness by confidence."""
        return float(np.corrcoef(self.correct, self.confidence)[0, 1]) ** 2

    def taught_interval(self, *, uniform_only: bool) -> tuple[float, float, float]:
        """Return the accuracy on teaching answers and what Wilson's interval would have claimed."""
        taught = self.taught[: TAUGHT // 2] if uniform_only else self.taught
        share = float(taught.mean())
        return share, *wilson(share, len(taught))


@dataclass(frozen=True, slots=True)
class Difficulty:
    """What a source is like."""

    classes: int
    skill: float
    """Mean log-odds of a heuristic being right."""
    hard_share: float
    """Rows on which heuristics guess, and fewer of them vote."""


def draw_source(
    rng: np.random.Generator, difficulty: Difficulty
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Draw classes, shape (n,), and votes, shape (n, m)."""
    classes, shape = difficulty.classes, (ROWS, HEURISTICS)
    truth = rng.integers(0, classes, ROWS)
    precision = 1 / (1 + np.exp(-rng.normal(difficulty.skill, 0.7, HEURISTICS)))
    hard = rng.random(ROWS) < difficulty.hard_share
    guess = 1 / classes
    right = np.where(hard[:, None], guess + (precision - guess) / 5, precision)
    wrong = (truth[:, None] + rng.integers(1, classes, shape)) % classes
    cast = np.where(rng.random(shape) < right, truth[:, None], wrong)
    coverage = rng.uniform(0.1, 0.7, HEURISTICS) * np.where(hard[:, None], 0.4, 1)
    return truth, np.where(rng.random(shape) < coverage, cast, -1).astype(np.int8)


def label(rng: np.random.Generator, difficulty: Difficulty, seed: int) -> Labelled:
    """Run the pipeline once: votes, teaching answers uniform and active, fit, labels."""
    truth, votes = draw_source(rng, difficulty)
    counts = np.stack([(votes == k).sum(axis=1) for k in range(difficulty.classes)], axis=1)
    ordered = np.sort(counts, axis=1)
    uncertain = np.flatnonzero(ordered[:, -1] - ordered[:, -2] <= 1)
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
        votes, difficulty.classes, answers=answers, audit=audit, propensity=propensity, seed=seed
    )
    probability = model.predict_proba(votes)
    correct = probability.argmax(axis=1) == truth
    cohorts = rng.choice(COHORTS, ROWS, p=COHORT_SHARES)
    audited = (votes >= 0).any(axis=1) & (answers < 0)
    return Labelled(
        correct[audited],
        probability.max(axis=1)[audited],
        cohorts[audited],
        correct[np.r_[uniform, active]],
    )


def audit_once(rng: np.random.Generator, labelled: Labelled, answered: int) -> Audited:
    """Draw reserved audits in proportion to the cohorts, lose a tenth, and certify."""
    population, drawn = {}, []
    for cohort in COHORTS:
        rows = np.flatnonzero(labelled.cohorts == cohort)
        sure = labelled.confidence[rows]
        population[cohort] = CohortConfidence(len(rows), float(sure.sum()), float((sure**2).sum()))
        asked = round(answered / RESPONSE * len(rows) / len(labelled.correct))
        drawn.append(rng.choice(rows, asked, replace=False))
    put = np.concatenate(drawn)
    came = put[rng.random(len(put)) < RESPONSE]
    result = certify(
        labelled.correct[came],
        labelled.confidence[came],
        labelled.cohorts[came],
        population,
        # the few times that more than a fifth is lost are the subject of another test
        max(len(came), min(len(put), int(len(came) / 0.8))),
    )
    low, high = wilson(float(labelled.correct[came].mean()), len(came))
    width = (result.high - result.low) / (high - low)
    estimate = float("nan") if result.estimate is None else result.estimate
    return Audited(labelled.truth, estimate, result.low, result.high, width, labelled.explained)


def pipelines(accuracy: float, number: int) -> Iterator[Labelled]:
    """
    Yield labelled sources whose labels are about `accuracy` right, each drawn and fitted anew.

    From two classes to five, and from errors spread evenly to nearly all errors on rows that are
    visibly hard.
    """
    for place in range(number):
        hard_share = (1 - accuracy) * (0.2 + 1.6 * place / max(number - 1, 1))
        classes = (2, 3, 5)[place % 3]
        difficulty = _reaching(accuracy, Difficulty(classes, 0.0, hard_share), place)
        yield label(np.random.default_rng([place, 1]), difficulty, place)


def _reaching(accuracy: float, start: Difficulty, seed: int) -> Difficulty:
    """Return the difficulty at which adding up the true log-odds of the votes is right so often."""
    low, high = -0.5, 6.0
    for _ in range(10):
        middle = Difficulty(start.classes, (low + high) / 2, start.hard_share)
        truth, votes = draw_source(np.random.default_rng([seed, 1]), middle)
        counts = np.zeros((ROWS, start.classes))
        for cast in votes.T:
            voted = np.flatnonzero(cast >= 0)
            precision = float(np.clip((cast == truth)[voted].mean(), 0.01, 0.99))
            odds = precision * (start.classes - 1) / (1 - precision)
            counts[voted, cast[voted]] += np.log(odds)
        labelled = (votes >= 0).any(axis=1)
        reached = (counts.argmax(axis=1) == truth)[labelled].mean()
        low, high = (middle.skill, high) if reached < accuracy else (low, middle.skill)
    return middle
