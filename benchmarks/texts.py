"""Texts of 130 characters in which chosen words occur at a chosen rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

CHARACTERS = 130
WORDS_PER_TEXT = 24
SHARE_OF_ROWS = 0.075
"""How many rows hold a given word: more than the 5 % asked for, since a text may be cut."""


def draw_words(size: int, rng: np.random.Generator) -> list[str]:
    """Return distinct words of five to eight letters."""
    letters = list("abcdefghijklmnopqrstuvwxyz")
    found: dict[str, None] = {}
    while len(found) < size:
        found["".join(rng.choice(letters, size=rng.integers(5, 9)))] = None
    return list(found)


def draw_texts(rows: int, words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return texts in which each of the words is in some 5 % of the rows."""
    letters = list("abcdefghijklmnopqrstuvwxyz")
    others = ["".join(rng.choice(letters, size=size)) for size in rng.integers(3, 9, size=3000)]
    share = min(SHARE_OF_ROWS / WORDS_PER_TEXT, 0.9 / len(words))
    rest = (1 - share * len(words)) / len(others)
    steps = np.cumsum([share] * len(words) + [rest] * len(others))
    drawn = np.searchsorted(steps, rng.random((rows, WORDS_PER_TEXT)) * steps[-1], side="right")
    vocabulary = pl.Series([*words, *others])
    columns = [vocabulary.gather(drawn[:, slot]).alias(str(slot)) for slot in range(WORDS_PER_TEXT)]
    joined = pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator=" ")).to_series()
    first = joined.str.slice(0, 1).str.to_uppercase()
    return (first + joined.str.slice(1, CHARACTERS - 1)).to_list()
