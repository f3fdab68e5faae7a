"""Annotators: which of several opinions of a row counts, and how good each annotator is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.label_models import fit_label_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.classes import Classes

FEWEST_SHARED = 20
"""With fewer asks that two or more annotators answered, nobody's reliability can be told."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """What is known of one annotator."""

    name: str
    answers: int
    shared: int
    """Of those, answers to asks that others answered too."""
    agreement: float | None
    """Share of the shared ones that are the label settled on; None where nothing is shared."""
    accuracy: float | None
    """Estimated share of the shared ones that are right; None where too little is shared."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Settled:
    """One class per ask, and what that says of the annotators."""

    codes: pl.DataFrame
    """Columns ask_id and code (int64), one row per ask, in order of ask_id."""
    annotators: tuple[Annotator, ...]
    """By name."""


def settle(given: pl.DataFrame, classes: Classes) -> Settled:
    """
    Settle each ask on one of the classes that its annotators gave.

    `given` has the columns ask_id, annotator, code (int64) and answered (time), one row per ask and
    annotator. Where they disagree the class counts that Dawid and Skene's model (1979) finds
    likeliest, a missing opinion being missing: whoever agrees with the rest more often weighs more.
    With fewer than 20 shared asks, and in ties, the most frequent class counts, then the latest.
    """
    asks, annotators = given["ask_id"].unique().sort(), given["annotator"].unique().sort()
    opinions = _matrix(given, asks, annotators, classes)
    shared = (opinions >= 0).sum(axis=1) > 1
    likely = _likely(opinions, shared, classes)
    row = asks.search_sorted(given["ask_id"]).to_numpy()
    believed = given.with_columns(
        pl.Series("likely", np.zeros(given.height))
        if likely is None
        else pl.Series("likely", likely[row, given["code"].to_numpy()]).round(9)
    )
    codes = (
        believed.group_by("ask_id", "code")
        .agg(pl.col("likely").first(), pl.len().alias("supporters"), pl.col("answered").max())
        .sort("ask_id", "likely", "supporters", "answered", "code")
        .group_by("ask_id", maintain_order=True)
        .agg(pl.col("code").last())
    )
    settled = codes["code"].to_numpy()
    found = [
        _describe(name, opinions[:, place], shared, settled, likely)
        for place, name in enumerate(annotators.to_list())
    ]
    return Settled(codes, tuple(found))


def _matrix(
    given: pl.DataFrame, asks: pl.Series, annotators: pl.Series, classes: Classes
) -> NDArray[np.signedinteger[Any]]:
    """Return the class codes, shape (asks, annotators); -1 where somebody said nothing."""
    matrix = np.full((asks.len(), annotators.len()), -1, dtype=classes.dtype)
    rows = asks.search_sorted(given["ask_id"]).to_numpy()
    matrix[rows, annotators.search_sorted(given["annotator"]).to_numpy()] = given["code"].to_numpy()
    return matrix


def _likely(
    opinions: NDArray[np.signedinteger[Any]], shared: NDArray[np.bool_], classes: Classes
) -> NDArray[np.float64] | None:
    """Return the probability of each class, shape (asks, K); zeros where one alone answered."""
    if int(shared.sum()) < FEWEST_SHARED:
        return None
    model = fit_label_model(opinions[shared], len(classes), model="dawid-skene")
    likely = np.zeros((len(opinions), len(classes)))
    likely[shared] = model.predict_proba(opinions[shared])
    return likely


def _describe(
    name: str,
    opinions: NDArray[np.signedinteger[Any]],
    shared: NDArray[np.bool_],
    settled: NDArray[np.int64],
    likely: NDArray[np.float64] | None,
) -> Annotator:
    own = np.flatnonzero((opinions >= 0) & shared)
    agreement = float((opinions[own] == settled[own]).mean()) if len(own) else None
    right = likely[own, opinions[own]] if likely is not None and len(own) else None
    return Annotator(
        name=name,
        answers=int((opinions >= 0).sum()),
        shared=len(own),
        agreement=agreement,
        accuracy=None if right is None else float(right.mean()),
    )
