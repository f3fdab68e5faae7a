"""Text length: how much shorter or longer than usual a text is, beside its n-grams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WEIGHT: Final = 0.4
"""Of a spread; with twice as much, texts of a usual length lost accuracy."""
_FURTHEST: Final = 2.5
"""Spreads beyond which all texts are equally short or long: none outweighs its words."""


@dataclass(frozen=True, slots=True)
class TextLength:
    """What turns a text's number of pieces between white space into features."""

    mean: float
    """Of the logarithm of one more than that number."""
    spread: float

    def transform(self, text: Sequence[str]) -> Any:
        """Return CSR of float32, shape (n, 2), none below 0: how much longer, how much shorter."""
        far = np.clip((_log_words(text) - self.mean) / self.spread, -_FURTHEST, _FURTHEST)
        columns = np.stack([np.maximum(far, 0), np.maximum(-far, 0)], axis=1)
        return sparse.csr_matrix((_WEIGHT * columns).astype(np.float32))


def fit_text_length(text: Sequence[str]) -> TextLength | None:
    """Learn how long texts are; None where all are equally long, so that it says nothing."""
    words = _log_words(text)
    if len(words) == 0 or np.ptp(words) == 0:
        return None
    return TextLength(float(words.mean()), float(words.std()))


def _log_words(text: Sequence[str]) -> NDArray[np.float64]:
    return np.log1p(np.fromiter((len(row.split()) for row in text), np.float64, len(text)))
