"""Dawid and Skene's model, with abstain as one more symbol or as a missing answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from labelpress.label_models.rules import LogLinear, VoteShares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats, VoteMatrix
    from labelpress.label_models.evidence import Evidence

Abstain = Literal["symbol", "missing"]

_MOST_ITERATIONS = 200
_TOLERANCE = 1e-6
"""Stop when an iteration raises the mean log likelihood per row by less."""

_PATTERNS_AT_ONCE = 32_768
_SAMPLE = 20_000
"""Where there are more distinct patterns, EM converges on so many drawn rows first."""

_FULL_PASSES = 5
"""E-steps over everything after that: the sample's estimate needs a last polish only."""

_PSEUDO_VOTES = {"symbol": 1.0, "missing": 0.01}
"""Votes per class with which each distribution starts. A crowd worker's few answers are all there
is to know, so there it only keeps zeros away."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """The (heuristic, class) pairs that occur as votes, numbered."""

    heuristic: NDArray[np.int64]
    """Shape (S,)."""
    label: NDArray[np.int64]
    """Shape (S,)."""
    index: NDArray[np.int32]
    """Number of a heuristic's vote, shape (m, K + 1); -1 for abstain (last) and unseen votes."""

    @staticmethod
    def of(matrices: Sequence[VoteMatrix], classes: int) -> Symbols:
        """Collect the votes that occur in any of the matrices."""
        heuristics = matrices[0].shape[1]
        seen = np.zeros((heuristics, classes + 1), dtype=bool)
        for matrix in matrices:
            for heuristic in range(heuristics):
                seen[heuristic, matrix[:, heuristic]] = True
        seen[:, -1] = False
        speakers, labels = np.nonzero(seen)
        index = np.full((heuristics, classes + 1), -1, dtype=np.int32)
        index[speakers, labels] = np.arange(len(labels))
        return Symbols(speakers, labels, index)

    def indicator(self, votes: VoteMatrix) -> csr_array:
        """Return a sparse (n, S) matrix with a one for every vote cast."""
        rows, columns = np.nonzero(votes >= 0)
        numbers = self.index[columns, votes[rows, columns]]
        if (numbers < 0).any():
            # a vote that the fit's sample never met says nothing
            rows, numbers = rows[numbers >= 0], numbers[numbers >= 0]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(votes)))])
        ones = np.ones(len(numbers))
        return csr_array((ones, numbers, starts), shape=(len(votes), len(self.label)))


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


EverywhereEStep: TypeAlias = "Callable[[Parameters, Symbols], Expected]"
"""Runs `expect` over all data, wherever it lies, and returns the sum of the statistics."""


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


def fit_dawid_skene(
    evidence: Evidence,
    abstain: Abstain,
    prior: Floats | None,
    *,
    seed: int = 0,
    everywhere: EverywhereEStep | None = None,
) -> DawidSkene:
    """
    Fit by EM from the majority vote (Dawid and Skene 1979), with the answers as known classes.

    `abstain="missing"` leaves abstentions out: right for crowds, where who answers says nothing of
    the class. `abstain="symbol"` gives them a probability like any vote: right for heuristics that
    vote for one class only, whose firing is all they say. `prior` (K,) is held fixed; None
    learns it. Above 20,000 distinct patterns EM converges on a drawn sample and then makes a few
    passes over all patterns, or over the workers' where `everywhere` runs the E-step.
    """
    patterns = evidence.patterns
    symbols = Symbols.of([patterns.votes, evidence.votes], evidence.classes)
    known = _known(evidence, symbols)

    def m_step(expected: Expected) -> Parameters:
        return maximise(expected + known, symbols, abstain, prior)

    counts = patterns.counts.astype(np.float64)
    votes, weights = patterns.votes, counts
    sampled = len(counts) > _SAMPLE
    if sampled:
        drawn = np.random.default_rng(seed).choice(
            len(counts), size=_SAMPLE, p=counts / counts.sum()
        )
        votes, weights = votes[np.sort(drawn)], np.full(_SAMPLE, counts.sum() / _SAMPLE)
    indicator = symbols.indicator(votes)
    start = VoteShares(np.full(evidence.classes, 1e-3 / evidence.classes)).predict(votes)
    start *= weights[:, None]
    first = m_step(Expected(indicator.T @ start, start.sum(axis=0), 0.0))
    fitted = _run(first, lambda now: expect(now, symbols, indicator, weights), m_step)
    if sampled or everywhere is not None:

        def whole(now: Parameters) -> Expected:
            if everywhere is not None:
                return everywhere(now, symbols)
            return expect_votes(now, symbols, patterns.votes, counts)

        polished = _run(fitted.parameters, whole, m_step, _FULL_PASSES)
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


def expect_votes(
    parameters: Parameters, symbols: Symbols, votes: VoteMatrix, counts: Floats
) -> Expected:
    """Run the E-step on a vote matrix block by block; what a worker does with its partition."""
    total = Expected(
        np.zeros((len(symbols.label), len(parameters.prior))), parameters.prior * 0, 0.0
    )
    for start in range(0, len(votes), _PATTERNS_AT_ONCE):
        block = slice(start, start + _PATTERNS_AT_ONCE)
        total += expect(parameters, symbols, symbols.indicator(votes[block]), counts[block])
    return total


def expect(parameters: Parameters, symbols: Symbols, votes: csr_array, counts: Floats) -> Expected:
    """Run the E-step on distinct patterns, shape (P, S), each occurring `counts` times."""
    intercept, added = parameters.logits(symbols)
    logits = votes @ added + intercept
    if len(logits) == 0:
        return Expected(np.zeros_like(added), np.zeros_like(intercept), 0.0)
    top = logits.max(axis=1)
    posterior = np.exp(logits - top[:, None])
    total = posterior.sum(axis=1)
    posterior *= (counts / total)[:, None]
    likelihood = float((counts * (np.log(total) + top)).sum())
    return Expected(votes.T @ posterior, posterior.sum(axis=0), likelihood)


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
) -> _Run:
    """Alternate both steps until the likelihood stands still; says whether it did."""
    parameters, before = start, -np.inf
    for iteration in range(1, most + 1):
        expected = e_step(parameters)
        gained = expected.log_likelihood - before
        if gained < _TOLERANCE * float(expected.classes.sum()):
            return _Run(parameters, iteration, True, expected.log_likelihood)
        before = expected.log_likelihood
        parameters = m_step(expected)
    return _Run(parameters, most, False, before)


def _known(evidence: Evidence, symbols: Symbols) -> Expected:
    """Return the statistics of the answered rows, whose classes are known."""
    classes = np.zeros((len(evidence.labels), evidence.classes))
    classes[np.arange(len(classes)), evidence.labels] = evidence.weights
    return Expected(symbols.indicator(evidence.votes).T @ classes, classes.sum(axis=0), 0.0)
