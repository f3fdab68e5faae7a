"""Text length: how many words a text has, as two columns beside its n-grams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WEIGHT: Final = 0.25
"""Of each column; with twice as much, texts of a usual length lost accuracy."""
_FURTHEST: Final = 3.0
"""Spreads from the mean beyond which all texts are equally short or long."""


@dataclass(frozen=True, slots=True)
class TextLength:
    """What turns a text's number of words into features: mean and spread of its logarithm."""

    mean: float
    spread: float

    def transform(self, text: Sequence[str]) -> Any:
        """Return CSR of float32, shape (n, 2): how long a text is, and how unusual that is."""
        far = np.clip((_log_words(text) - self.mean) / self.spread, -_FURTHEST, _FURTHEST)
        columns = np.stack([far, (far**2 - 1) / np.sqrt(2)], axis=1)
        return sparse.csr_matrix((_WEIGHT * columns).astype(np.float32))


def fit_text_length(text: Sequence[str]) -> TextLength:
    """Learn how long texts are; where all are equally long, their length says nothing."""
    words = _log_words(text)
    spread = float(words.std())
    return TextLength(float(words.mean()), spread if spread > 0 else 1.0)


def _log_words(text: Sequence[str]) -> NDArray[np.float64]:
    return np.log1p(np.fromiter((len(row.split()) for row in text), np.float64, len(text)))
