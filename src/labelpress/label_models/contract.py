"""What every label model is given and what a fitted one can do; the rooms agree on this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

VoteMatrix: TypeAlias = "NDArray[np.signedinteger[Any]]"
"""Class codes, shape (n, m) for n rows and m heuristics; -1 is abstain."""

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Answered:
    """The answered rows that may teach a label model (reserved audits are not among them)."""

    votes: VoteMatrix
    """Shape (a, m)."""
    labels: NDArray[np.int64]
    """Class codes, shape (a,)."""
    propensity: Floats
    """The probability with which each row was drawn, shape (a,), in (0, 1]."""
    audit: NDArray[np.bool_]
    """True where the row was drawn uniformly, shape (a,)."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Lift:
    """How much one heuristic's votes are worth."""

    heuristic: str
    votes: int
    """Rows on which it does not abstain."""
    answered: int
    """Answered rows on which it does not abstain."""
    precision: float | None
    """Share of its votes that are right (shrunk); None where it never votes."""
    lift: float | None
    """Precision over the base rate of what it votes for; 1 says nothing, below 1 misleads."""
    source: Literal["answers", "model"]
    """Whether the precision was learnt from answers or from the agreement with the model."""


@runtime_checkable
class LabelModel(Protocol):
    """A fitted label model: votes in, class probabilities out."""

    @property
    def name(self) -> str:
        """The estimator that was fitted, such as `majority`."""

    @property
    def heuristics(self) -> tuple[str, ...]:
        """Names, one per column of the votes it takes."""

    @property
    def base_rate(self) -> Floats:
        """The class distribution it was fitted with, shape (K,)."""

    @property
    def lifts(self) -> tuple[Lift, ...]:
        """One per heuristic, in order."""

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """Plain JSON: convergence, race, near-copies, collapse, and sentences about them."""

    def predict_proba(self, votes: VoteMatrix) -> Floats:
        """
        Return class probabilities, shape (n, K); rows sum to one.

        A row's result has the same bits alone, in any batch and in any order.
        """

    def contributions(self, votes: VoteMatrix) -> Floats:
        """
        Return the log-odds that each vote adds to each class, shape (n, m, K).

        It is what the class's log-odds lose when that vote alone is replaced by an abstain, so it
        means the same for every model; an abstain adds nothing.
        """

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON from which `load` makes a model that predicts the same bits."""
