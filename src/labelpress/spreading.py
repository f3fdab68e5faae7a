"""Spreading: random draws that meet every kind of row about as often as there are such rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_DIRECTIONS: Final = 30
"""Of the texts; more of them tell words apart rather than kinds of rows."""

_READ: Final = 2_000
"""Characters of a text: what it is about shows there, and no text costs more than that."""

_HASHED: Final = 2**18
"""Places for single words and pairs of words."""


def spread(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """
    Draw `count` of the rows at `points`, shape (n, d), spread over them; return their places.

    Every row is as likely to be drawn as any other, so what holds on average for plain random draws
    holds for these. But the rows are halved where they differ most, and the halves are halved
    again, and each half gets its share of the draws, rounded at random. So the draws follow the
    rows more closely than chance would have it, and a mean over them varies less: the more so, the
    more alike near rows are (spatially balanced sampling; Stevens and Olsen 2004, with the tree of
    McNames 2001 in place of a grid). The places, shape (min(count, n),), are in ascending order.
    """
    drawn = [np.zeros(0, dtype=np.int64)]
    parts = [(np.arange(len(points)), count)]
    while parts:
        rows, due = parts.pop()
        if due >= len(rows):
            drawn.append(rows)
        elif due == 1:
            drawn.append(rng.choice(rows, 1))
        elif due:
            # rows in the same place are dealt by chance
            order = np.lexsort((rng.random(len(rows)), _along(points[rows])))
            left, right = np.array_split(rows[order], 2)
            share = due * len(left) / len(rows)
            there = int(share) + int(rng.random() < share % 1)
            parts += [(left, there), (right, due - there)]
    return np.sort(np.concatenate(drawn))


def _along(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each point lies in the direction in which the points differ most."""
    if points.shape[1] == 0:
        return np.zeros(len(points))
    places, lengths, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    # Rounded and of one sign: points that are the same stay so, and machines agree but for ties.
    along = np.round(places[:, 0] * lengths[0], 9)
    farthest = along[np.argmax(np.round(np.abs(along), 6))]
    return np.asarray(-along if farthest < 0 else along)


def points_of(rows: pl.DataFrame) -> NDArray[np.float64]:
    """
    Place rows so that near ones are alike: by their words, and by what the label model says.

    `rows` has the columns wording, label (both may be null) and margin. The words are the first
    directions of latent semantic analysis (Deerwester et al. 1990), at unit length; each class is
    one direction more, in which a row goes as far as its label is ahead of the next.
    """
    labels = rows["label"].to_numpy()
    margins = rows["margin"].fill_nan(None).fill_null(0).to_numpy()
    names = rows["label"].drop_nulls().unique().sort().to_list()
    said = [np.where(labels == name, margins, 0.0) for name in names]
    texts = rows["wording"].fill_null("").str.head(_READ).to_list()
    return np.column_stack([_text_points(texts), *said])


def _text_points(texts: list[str]) -> NDArray[np.float64]:
    """Return the main directions of some texts, shape (n, d), each row of length 1 or 0."""
    # a second of imports, and few processes ask
    from sklearn.feature_extraction.text import (  # noqa: PLC0415
        HashingVectorizer,
        TfidfTransformer,
    )
    from sklearn.preprocessing import normalize  # noqa: PLC0415
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415

    if not any(texts):
        return np.zeros((len(texts), 0))
    words = HashingVectorizer(
        n_features=_HASHED,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        token_pattern=r"\S+",  # noqa: S106
    ).transform(texts)
    # what a single row has makes it like no other
    shared = words[:, words.getnnz(axis=0) > 1]
    directions = min(_DIRECTIONS, *(size - 1 for size in shared.shape))
    if directions < 1:
        return np.zeros((len(texts), 0))
    weighed = TfidfTransformer(sublinear_tf=True).fit_transform(shared)
    places, lengths, _ = randomized_svd(weighed, directions, random_state=0)
    return np.asarray(normalize(places * lengths), dtype=np.float64)
