"""Dawid and Skene's model, with abstain as one more symbol or as a missing answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelpress.label_models.rules import LogLinear, VoteShares, blocks, row_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelpress.label_models.contract import Floats
    from labelpress.label_models.evidence import Evidence
    from labelpress.label_models.symbols import Indicator, Symbols
    from labelpress.votes import Patterns

Abstain = Literal["symbol", "missing"]

_MOST_ITERATIONS = 200
_TOLERANCE = 1e-6
"""Stop when an iteration raises the mean log likelihood per row by less."""

_FULL_PASSES = 5
_FULL_TOLERANCE = 1e-5
"""E-steps over everything after those on a sample: its estimate needs a last polish only. A few
workers with few votes each take all five, dense votes two or three."""

_PSEUDO_VOTES = {"symbol": 1.0, "missing": 0.01}
"""Votes per class with which each distribution starts. A crowd worker's few answers are all there
is to know, so there it only keeps zeros away."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the model believes of the classes and of every heuristic."""

    prior: Floats
    """Class distribution, shape (K,)."""
    vote: Floats
    """P(vote | class) of every symbol, shape (S, K)."""
    abstain: Floats
    """P(abstain | class) of every heuristic, shape (m, K); ones where abstain is missing."""

    def logits(self, symbols: Symbols) -> tuple[Floats, Floats]:
        """Return the logits of a silent row, shape (K,), and what each vote adds, (S, K)."""
        silent = np.log(self.abstain)
        return (
            np.log(self.prior) + silent.sum(axis=0),
            np.log(self.vote) - silent[symbols.heuristic],
        )

    def rule(self, symbols: Symbols) -> LogLinear:
        """Return the posterior as a prediction rule."""
        intercept, added = self.logits(symbols)
        vectors = {
            (int(j), int(k)): vector
            for j, k, vector in zip(symbols.heuristic, symbols.label, added, strict=True)
        }
        return LogLinear.of(intercept, vectors, len(self.abstain))


@dataclass(frozen=True, slots=True)
class Expected:
    """The statistics of one E-step; those of several partitions add up."""

    votes: Floats
    """Expected rows of each class among those with a vote, shape (S, K)."""
    classes: Floats
    """Expected rows of each class, shape (K,)."""
    log_likelihood: float

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.votes + other.votes,
            self.classes + other.classes,
            self.log_likelihood + other.log_likelihood,
        )


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """A fitted model with how EM ended."""

    rule: LogLinear
    parameters: Parameters
    symbols: Symbols
    iterations: int
    converged: bool
    log_likelihood: float

    def report(self) -> dict[str, float | int | bool]:
        """Return convergence as plain JSON."""
        return {
            "iterations": self.iterations,
            "converged": self.converged,
            "log_likelihood": self.log_likelihood,
        }


def fit_dawid_skene(evidence: Evidence, abstain: Abstain, prior: Floats | None) -> DawidSkene:
    """
    Fit by EM from the majority vote (Dawid and Skene 1979), with the answers as known classes.

    `abstain="missing"` leaves abstentions out: right for crowds, where who answers says nothing of
    the class. `abstain="symbol"` gives them a probability like any vote: right for heuristics that
    vote for one class only, whose firing is all they say. `prior` (K,) is held fixed; None
    learns it. Where the evidence holds a sample of the votes, EM converges on that and then makes
    a few passes over the votes everywhere.
    """
    patterns, symbols = evidence.patterns, evidence.symbols()
    known = _known(evidence, symbols)

    def m_step(expected: Expected) -> Parameters:
        return maximise(expected + known, symbols, abstain, prior)

    weights = patterns.counts.astype(np.float64) * (evidence.rows / max(patterns.rows, 1))
    sample = Ballots(symbols.indicator(patterns.votes), weights)
    start = VoteShares(np.full(evidence.classes, 1e-3 / evidence.classes)).predict(patterns.votes)
    start *= weights[:, None]
    first = m_step(Expected(sample.votes.per_symbol(start), start.sum(axis=0), 0.0))
    fitted = _run(first, lambda now: expect(now, symbols, (sample,)), m_step)
    if evidence.everywhere is not None:
        everything = evidence.everywhere.map(partial(ballots, symbols))
        polished = _run(
            fitted.parameters,
            lambda now: everything.total(partial(expect, now, symbols)),
            m_step,
            _FULL_PASSES,
            _FULL_TOLERANCE,
        )
        fitted = _Run(
            polished.parameters,
            fitted.iterations + polished.iterations,
            fitted.converged,
            polished.log_likelihood,
        )
    return DawidSkene(
        fitted.parameters.rule(symbols),
        fitted.parameters,
        symbols,
        fitted.iterations,
        fitted.converged,
        fitted.log_likelihood,
    )


@dataclass(frozen=True, slots=True)
class Ballots:
    """A block of patterns as the E-step reads it."""

    votes: Indicator
    """Shape (P, S)."""
    counts: Floats
    """Shape (P,)."""


def ballots(symbols: Symbols, patterns: Patterns) -> tuple[Ballots, ...]:
    """Prepare patterns for the E-step, block by block."""
    return tuple(
        Ballots(symbols.indicator(patterns.votes[block]), patterns.counts[block].astype(np.float64))
        for block in blocks(len(patterns.counts), symbols.classes)
    )


def expect(parameters: Parameters, symbols: Symbols, cast: tuple[Ballots, ...]) -> Expected:
    """Run the E-step on some ballots; what a worker does with its partitions."""
    intercept, added = parameters.logits(symbols)
    total = Expected(np.zeros_like(added), np.zeros_like(intercept), 0.0)
    for block in cast:
        total += _expect(intercept, added, block)
    return total


def _expect(intercept: Floats, added: Floats, cast: Ballots) -> Expected:
    if len(cast.counts) == 0:
        return Expected(np.zeros_like(added), np.zeros_like(intercept), 0.0)
    # class by class: NumPy works along rows of a few classes many times slower than down them
    logits = np.array(cast.votes.per_row(added).T, order="C")
    logits += intercept[:, None]
    top = logits.max(axis=0)
    logits -= top
    posterior = np.exp(logits, out=logits)
    total = row_sums(posterior.T)
    posterior *= cast.counts / total
    likelihood = float((cast.counts * (np.log(total) + top)).sum())
    return Expected(cast.votes.per_symbol(posterior.T), posterior.sum(axis=1), likelihood)


def maximise(
    expected: Expected, symbols: Symbols, abstain: Abstain, fixed_prior: Floats | None
) -> Parameters:
    """
    Run the M-step: the distributions that make the expected votes most likely, smoothed.

    With abstain as a symbol each distribution is drawn towards how often the heuristic casts that
    vote at all, so a heuristic that has said little is taken to say nothing.
    """
    heuristics, classes = len(symbols.index), len(expected.classes)
    pseudo = _PSEUDO_VOTES[abstain]
    cast = np.zeros((heuristics, classes))
    np.add.at(cast, symbols.heuristic, expected.votes)
    if abstain == "symbol":
        rows = max(float(expected.classes.sum()), 1.0)
        rate = expected.votes.sum(axis=1) / rows
        silence = 1 - cast.sum(axis=1) / rows
        denominator = expected.classes + pseudo
        vote = (expected.votes + pseudo * rate[:, None]) / denominator
        # rounding can leave a hair below zero where a heuristic never abstains
        quiet = np.maximum(expected.classes - cast, 0) + pseudo * np.maximum(silence, 1e-9)[:, None]
        silent = quiet / denominator
    else:
        kinds = np.bincount(symbols.heuristic, minlength=heuristics)
        denominator = (cast + pseudo * kinds[:, None])[symbols.heuristic]
        vote = (expected.votes + pseudo) / denominator
        silent = np.ones((heuristics, classes))
    learnt = (expected.classes + pseudo) / (expected.classes + pseudo).sum()
    prior = learnt if fixed_prior is None else fixed_prior
    return Parameters(prior, np.maximum(vote, 1e-12), np.maximum(silent, 1e-12))


@dataclass(frozen=True, slots=True)
class _Run:
    """Where a run of EM ended."""

    parameters: Parameters
    iterations: int
    converged: bool
    log_likelihood: float


def _run(
    start: Parameters,
    e_step: Callable[[Parameters], Expected],
    m_step: Callable[[Expected], Parameters],
    most: int = _MOST_ITERATIONS,
    tolerance: float = _TOLERANCE,
) -> _Run:
    """Alternate both steps until the likelihood stands still; says whether it did."""
    parameters, before = start, -np.inf
    for iteration in range(1, most + 1):
        expected = e_step(parameters)
        gained = expected.log_likelihood - before
        parameters = m_step(expected)
        if gained < tolerance * float(expected.classes.sum()):
            return _Run(parameters, iteration, True, expected.log_likelihood)
        before = expected.log_likelihood
    return _Run(parameters, most, False, before)


def _known(evidence: Evidence, symbols: Symbols) -> Expected:
    """Return the statistics of the answered rows, whose classes are known."""
    classes = np.zeros((len(evidence.labels), evidence.classes))
    classes[np.arange(len(classes)), evidence.labels] = evidence.weights
    return Expected(symbols.indicator(evidence.votes).per_symbol(classes), classes.sum(axis=0), 0.0)
