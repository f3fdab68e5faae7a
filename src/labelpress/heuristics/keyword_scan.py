"""All keyword lists of one column in one pass over its text (Aho and Corasick, 1975)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ahocorasick_rs
import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelpress.heuristics.definitions import Keywords

CHUNK_ROWS = 65_536
"""Rows scanned at once, which bounds the memory that matches take."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """An automaton over the words of several keyword lists of one column."""

    automaton: ahocorasick_rs.BytesAhoCorasick
    lengths: NDArray[np.int64]
    """Bytes of each word."""
    owners: NDArray[np.int64]
    """Position of the keyword list that each word belongs to."""
    whole: NDArray[np.bool_]
    """Whether each word must stand alone."""
    ignore_case: bool


def scanners(lists: Sequence[Keywords]) -> tuple[Scanner, ...]:
    """Return the automata for keyword lists of one column: one per treatment of letter case."""
    found = []
    for ignore_case in (False, True):
        words = [
            (word.lower() if ignore_case else word, place, spec.whole_words)
            for place, spec in enumerate(lists)
            if spec.ignore_case is ignore_case
            for word in spec.words
        ]
        if words:
            encoded = [word.encode() for word, _, _ in words]
            found.append(
                Scanner(
                    ahocorasick_rs.BytesAhoCorasick(
                        encoded, implementation=ahocorasick_rs.Implementation.DFA
                    ),
                    np.array([len(word) for word in encoded], dtype=np.int64),
                    np.array([place for _, place, _ in words], dtype=np.int64),
                    np.array([whole for _, _, whole in words], dtype=np.bool_),
                    ignore_case,
                )
            )
    return tuple(found)


def hits(
    texts: pl.Series, scanners: Sequence[Scanner]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """
    Yield pairs (rows, lists): row r of the series contains a word of keyword list l.

    A pair may come more than once. Null contains nothing.
    """
    for start in range(0, len(texts), CHUNK_ROWS):
        chunk = texts.slice(start, CHUNK_ROWS)
        for scanner in scanners:
            rows, lists = _scan(chunk.str.to_lowercase() if scanner.ignore_case else chunk, scanner)
            yield rows + start, lists


def _scan(texts: pl.Series, scanner: Scanner) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # The rows lie one after the other in Arrow's buffer: one call scans them all, and a match
    # that runs over the border of two rows is dropped afterwards.
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets_buffer, data = arrow.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[
        arrow.offset : arrow.offset + len(arrow) + 1
    ]
    if data is None or offsets[0] == offsets[-1]:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    text = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    found = scanner.automaton.find_matches_as_indexes(text, overlapping=True)
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    matches = np.fromiter((n for match in found for n in match), np.int64, 3 * len(found))
    words, starts, ends = matches.reshape(-1, 3).T
    bounds = offsets - offsets[0]
    rows = np.searchsorted(bounds, starts, side="right") - 1
    kept = ends <= bounds[rows + 1]
    kept &= ~scanner.whole[words] | _stands_alone(
        text, starts, ends, bounds[rows], bounds[rows + 1]
    )
    if arrow.null_count:
        kept &= texts.is_not_null().to_numpy()[rows]
    return rows[kept], scanner.owners[words[kept]]


def _stands_alone(
    text: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Say of each match whether no letter, digit or underscore of its row touches it."""
    before = (starts > first) & _WORD[text[np.maximum(starts - 1, 0)]]
    after = (ends < last) & _WORD[text[np.minimum(ends, len(text) - 1)]]
    return ~(before | after)


_WORD = np.zeros(256, dtype=np.bool_)
"""Bytes of words: ASCII letters, digits, underscore, and all of other scripts."""
_WORD[[*range(48, 58), *range(65, 91), 95, *range(97, 123), *range(128, 256)]] = True
