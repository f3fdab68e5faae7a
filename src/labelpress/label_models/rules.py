"""
How a fitted label model turns votes into probabilities: small rules and their JSON.

Sums over heuristics and classes run in a fixed order and never through BLAS, whose order of
summation depends on the shape: a row has the same bits alone and in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from labelpress.label_models.symbols import JointVotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from labelpress.label_models.contract import Floats, VoteMatrix

_NUMBERS_AT_ONCE = 32_768
"""Rows times classes of a block; keeps it in the cache, and no result depends on it."""

_TIE = 1e-9
"""Two shares nearer than this are tied: they come from sums of the same few numbers."""


Number = TypeVar("Number", np.float64, np.int16)


class Rule(Protocol):
    """Votes in, probabilities out; frozen and made of plain numbers."""

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON that `rule_from_json` reads."""


@dataclass(frozen=True, slots=True)
class VoteShares:
    """
    Shares of the votes, the base rate counting as one more vote that is split among the classes.

    So the base rate decides ties and rows without votes and can overrule nothing else.
    """

    base_rate: Floats
    """Shape (K,)."""

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        counts = np.repeat(self.base_rate[:, None], len(votes), axis=1)
        columns = np.ascontiguousarray(votes.T)
        for label in range(len(counts)):
            counts[label] += (columns == label).sum(axis=0, dtype=np.int16)
        counts /= row_sums(counts.T)
        return counts.T

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"rule": "vote-shares", "base_rate": self.base_rate.tolist()}


@dataclass(frozen=True, slots=True)
class LogLinear:
    """Logits that start at an intercept and to which every vote adds its own vector."""

    intercept: Floats
    """Logits of a row on which everybody abstains, shape (K,)."""
    index: NDArray[np.int32]
    """Row of `weights` for a heuristic's vote, shape (m, K + 1); 0 (the last column too: abstain,
    which is -1) adds nothing."""
    weights: Floats
    """Shape (S + 1, K) for the S votes that mean something; row 0 is zero."""
    joint: JointVotes | None
    """Groups of heuristics whose joint votes are few enough to add their vectors up beforehand."""
    joint_weights: Floats
    """Shape (joint votes, K)."""

    @staticmethod
    def of(intercept: Floats, vectors: dict[tuple[int, int], Floats], heuristics: int) -> LogLinear:
        """Make a rule from the vector of each (heuristic, class voted)."""
        classes = len(intercept)
        index = np.zeros((heuristics, classes + 1), dtype=np.int32)
        weights = np.zeros((len(vectors) + 1, classes))
        for place, ((heuristic, label), vector) in enumerate(sorted(vectors.items()), start=1):
            index[heuristic, label] = place
            weights[place] = vector
        joint = JointVotes.of(index - 1, len(vectors))
        none = np.zeros((0, classes))
        joint_weights = none if joint is None else np.asarray(joint.spelt @ weights[1:])
        return LogLinear(intercept, index, weights, joint, joint_weights)

    def logits(self, votes: VoteMatrix) -> Floats:
        """Return logits, shape (n, K)."""
        if self.joint is not None:
            logits = np.array((self.joint.indicator(votes) @ self.joint_weights).T, order="C")
            logits += self.intercept[:, None]
            return logits.T
        result = np.empty((len(votes), len(self.intercept)))
        for block in blocks(len(votes), len(self.intercept)):
            logits = result[block]
            logits[:] = self.intercept
            for heuristic, cast in enumerate(np.ascontiguousarray(votes[block].T)):
                place = self.index[heuristic][cast]
                rows = np.flatnonzero(place)
                # adding the zero vector changes no bits, so either road gives the same result
                if 2 * len(rows) > len(place):
                    logits += self.weights[place]
                elif len(rows):
                    logits[rows] += self.weights[place[rows]]
        return result

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        return softmax(self.logits(votes))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; votes that mean nothing are left out."""
        heuristics, labels = np.nonzero(self.index[:, :-1])
        return {
            "rule": "log-linear",
            "heuristics": len(self.index),
            "intercept": self.intercept.tolist(),
            "votes": [
                [int(j), int(k), self.weights[self.index[j, k]].tolist()]
                for j, k in zip(heuristics, labels, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True)
class TieBreak:
    """
    The first rule, whose ties for the top and rows without votes are decided by the second.

    Where the first rule has one winner the result is the first rule's. Where several classes are
    tied, the second rule splits among them what the first gives to them together.
    """

    first: Rule
    second: Rule

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        probability = self.first.predict(votes)
        tied = np.asarray(probability >= row_tops(probability)[:, None] - _TIE)
        silent = np.asarray((votes.T < 0).all(axis=0))
        rows = np.flatnonzero((row_sums(tied.astype(np.int16)) > 1) | silent)
        if len(rows) == 0:
            return probability
        second = self.second.predict(votes[rows])
        among = tied[rows] | silent[rows, None]
        held = np.where(among, probability[rows], 0.0)
        # a floor keeps a class that the second rule excludes from dividing zero by zero
        split = np.where(among, np.maximum(second, 1e-12), 0.0)
        split *= (row_sums(held) / row_sums(split))[:, None]
        probability[rows] = np.where(among, split, probability[rows])
        return probability

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"rule": "tie-break", "first": self.first.to_json(), "second": self.second.to_json()}


@dataclass(frozen=True, slots=True)
class Average:
    """The weighted mean of the probabilities of several rules."""

    members: tuple[Rule, ...]
    weights: tuple[float, ...]
    """Sum to one."""

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        total = self.members[0].predict(votes) * self.weights[0]
        for member, weight in zip(self.members[1:], self.weights[1:], strict=True):
            total += member.predict(votes) * weight
        return total

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "rule": "average",
            "members": [member.to_json() for member in self.members],
            "weights": list(self.weights),
        }


@dataclass(frozen=True, slots=True)
class Tempered:
    """Probabilities raised to a power and scaled to sum to one; the ranking stays."""

    rule: Rule
    power: float

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        return temper(self.rule.predict(votes), self.power)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"rule": "tempered", "power": self.power, "of": self.rule.to_json()}


def tempered(rule: Rule, power: float) -> Rule:
    """Return a rule whose probabilities are raised to a power; the rule itself for 1."""
    return rule if power == 1 else Tempered(rule, power)


@dataclass(frozen=True, slots=True)
class Merged:
    """A rule that sees each group of near-copies as one heuristic: their majority."""

    groups: tuple[tuple[int, ...], ...]
    rule: Rule

    def predict(self, votes: VoteMatrix) -> Floats:
        """Return class probabilities, shape (n, K)."""
        return self.rule.predict(merge(votes, self.groups))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        groups = [list(group) for group in self.groups]
        return {"rule": "merged", "groups": groups, "of": self.rule.to_json()}


def merge(votes: VoteMatrix, groups: tuple[tuple[int, ...], ...]) -> VoteMatrix:
    """
    Return votes of the same shape in which a group speaks once, in its first column.

    It says what most of its members that vote say, the earliest member's vote where they are
    split; the other columns abstain.
    """
    merged = votes.copy()
    for group in groups:
        own = votes[:, group]
        support = np.stack([((own == vote[:, None]) & (own >= 0)).sum(axis=1) for vote in own.T])
        merged[:, group] = -1
        merged[:, group[0]] = own[np.arange(len(own)), support.argmax(axis=0)]
    return merged


def temper(probability: Floats, power: float) -> Floats:
    """Return probabilities raised to a power and scaled to sum to one, shape (n, K)."""
    raised = np.maximum(probability, 1e-12) ** power
    return np.asarray(raised / row_sums(raised)[:, None])


def rule_from_json(data: dict[str, Any]) -> Rule:
    """Return the rule that `to_json` wrote; raises `KeyError` or `ValueError` on damaged JSON."""
    match data["rule"]:
        case "vote-shares":
            return VoteShares(np.array(data["base_rate"], dtype=np.float64))
        case "log-linear":
            vectors = {
                (int(j), int(k)): np.array(vector, dtype=np.float64)
                for j, k, vector in data["votes"]
            }
            intercept = np.array(data["intercept"], dtype=np.float64)
            return LogLinear.of(intercept, vectors, int(data["heuristics"]))
        case "tie-break":
            return TieBreak(rule_from_json(data["first"]), rule_from_json(data["second"]))
        case "average":
            members = tuple(rule_from_json(member) for member in data["members"])
            return Average(members, tuple(float(weight) for weight in data["weights"]))
        case "tempered":
            return Tempered(rule_from_json(data["of"]), float(data["power"]))
        case "merged":
            groups = tuple(tuple(int(column) for column in group) for group in data["groups"])
            return Merged(groups, rule_from_json(data["of"]))
        case unknown:
            raise ValueError(f"{unknown!r} is not a prediction rule")


def softmax(logits: Floats) -> Floats:
    """Return probabilities from logits, shape (n, K), row by row with the same bits."""
    # class by class: NumPy works along rows of a few classes many times slower than down them
    odds = np.array(logits.T, order="C")
    odds -= odds.max(axis=0)
    np.exp(odds, out=odds)
    odds /= row_sums(odds.T)
    return odds.T


def blocks(rows: int, classes: int) -> Iterator[slice]:
    """Cut rows into blocks whose numbers per class fit the cache."""
    size = max(1, _NUMBERS_AT_ONCE // classes)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def predict_blocks(rule: Rule, votes: VoteMatrix, classes: int) -> Floats:
    """Predict block by block: the same bits, in little more memory than the result's (n, K)."""
    result = np.empty((len(votes), classes))
    for block in blocks(len(votes), classes):
        # column by column, which is how rules read
        result[block] = rule.predict(np.asfortranarray(votes[block]))
    return result


def row_sums(values: NDArray[Number]) -> NDArray[Number]:
    """Add the columns in their order, in which NumPy adds only where there are many rows."""
    total = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total


def row_tops(values: Floats) -> Floats:
    """Return the largest number of each row."""
    top = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        np.maximum(top, values[:, column], out=top)
    return top
