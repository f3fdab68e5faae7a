"""Evaluation: how right an end model is on rows whose class is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelpress.end_model.settings import Features
    from labelpress.end_model.softmax import Floats

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How an end model did on one set of rows."""

    rows: int
    accuracy: float
    low: float
    """Wilson's 95 % interval of the accuracy (Wilson 1927)."""
    high: float
    f1: float
    """Of the second class where there are two, else the mean over the classes that occur."""
    log_loss: float
    """Nats per row; probabilities below 1e-15 count as 1e-15."""
    correct: tuple[bool, ...]
    """Row by row, in the order of the test set: what a paired comparison needs."""
    prior: float
    """Accuracy of always naming the most frequent class."""
    digest: str
    """Stands for the rows; figures are comparable only under the same digest."""


def evaluate(probabilities: Floats, codes: NDArray[np.integer[Any]], digest: str) -> Evaluation:
    """
    Judge class probabilities, shape (n, K), against the true codes, shape (n,).

    Raises `LabelpressError` where there is no row or the shapes disagree.
    """
    if len(codes) == 0 or probabilities.shape[0] != len(codes):
        raise LabelpressError(
            f"cannot judge {probabilities.shape[0]} predictions by {len(codes)} known rows: one "
            "row at least, and as many of the one as of the other, are needed."
        )
    predicted = probabilities.argmax(axis=1)
    correct = predicted == codes
    low, high = wilson_interval(int(correct.sum()), len(codes))
    truth = probabilities[np.arange(len(codes)), codes]
    return Evaluation(
        rows=len(codes),
        accuracy=float(correct.mean()),
        low=low,
        high=high,
        f1=f1_score(predicted, codes, probabilities.shape[1]),
        log_loss=float(-np.log(np.clip(truth, 1e-15, 1.0)).mean()),
        correct=tuple(correct.tolist()),
        prior=float(np.bincount(codes).max() / len(codes)),
        digest=digest,
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; (0, 1) where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, _NORMAL_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials**2)
    half = _NORMAL_95 / (1 + z2 / trials) * spread**0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def f1_score(
    predicted: NDArray[np.integer[Any]], codes: NDArray[np.integer[Any]], classes: int
) -> float:
    """Return F1 of the second of two classes, else the mean over classes in either array."""
    scores = []
    for code in [1] if classes == 2 else np.union1d(predicted, codes):
        hits = int(((predicted == code) & (codes == code)).sum())
        named = int((predicted == code).sum()) + int((codes == code).sum())
        scores.append(2 * hits / named if named else 0.0)
    return float(np.mean(scores))


def test_digest(row_ids: Sequence[str], codes: NDArray[np.integer[Any]]) -> str:
    """Return 16 hex digits that stand for the ids and true codes, whatever the rows' order."""
    pairs = sorted(zip(row_ids, np.asarray(codes).tolist(), strict=True))
    return hashlib.blake2b(repr(pairs).encode(), digest_size=8).hexdigest()


test_digest.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def content_overlap(
    frame: pl.DataFrame, test: pl.DataFrame, features: Features
) -> NDArray[np.bool_]:
    """
    Return which rows have the content of a test row, shape (n,).

    Content is what the end model sees: text without case and with single spaces, categories and
    numbers as they are, null equal to null. A row without any content (all null or blank)
    matches nothing. Columns that the test set lacks are not compared.
    """
    text = [name for name in features.text if name in test.columns]
    other = [name for name in features.categorical if name in test.columns]
    numbers = [name for name in features.numeric if name in test.columns]
    if not (text or other or numbers):
        return np.zeros(frame.height, dtype=bool)
    content = [
        *(
            pl.col(name)
            .cast(pl.String)
            .str.to_lowercase()
            .str.replace_all(r"\s+", " ")
            .str.strip_chars()
            .replace("", None)
            for name in text
        ),
        *(pl.col(name).cast(pl.String) for name in other),
        *(pl.col(name).cast(pl.Float64) for name in numbers),
    ]
    keys = [*text, *other, *numbers]
    known = test.select(content).unique().with_columns(pl.lit(value=True).alias("\x00inside"))
    seen = frame.select(content).join(
        known, on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    blank = pl.all_horizontal(pl.col(keys).is_null())
    inside = seen.select(pl.col("\x00inside").fill_null(value=False) & ~blank)
    return inside.to_series().to_numpy()
