"""All keyword lists of one column in one pass over its text (Aho and Corasick, 1975)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import ahocorasick_rs
import numpy as np
import polars as pl

from labelpress.heuristics.word_automaton import WordAutomaton, word_automaton

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelpress.heuristics.definitions import Keywords

CHUNK_ROWS = 8_192
"""Rows scanned at once, which bounds the memory that matches take; at most 65,536."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """An automaton over the words of several keyword lists of one column."""

    automaton: WordAutomaton | ahocorasick_rs.BytesAhoCorasick
    lengths: NDArray[np.int64]
    """Bytes of each word."""
    owners: NDArray[np.int64]
    """Position of the keyword list that each word belongs to."""
    whole: NDArray[np.bool_] | None
    """Whether each word must stand alone; None where none must."""
    ignore_case: bool

    def find(self, text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all matches in a text: the words, and the positions after their last bytes."""
        if isinstance(self.automaton, WordAutomaton):
            return self.automaton.find(text)
        found = self.automaton.find_matches_as_indexes(text, overlapping=True)
        flat = np.fromiter((n for match in found for n in match), np.int64, 3 * len(found))
        words, _, ends = flat.reshape(-1, 3).T
        return words, ends


@lru_cache(maxsize=32)
def scanners(lists: tuple[Keywords, ...]) -> tuple[Scanner, ...]:
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
            whole = np.array([whole for _, _, whole in words], dtype=np.bool_)
            found.append(
                Scanner(
                    word_automaton(encoded, ignore_case=ignore_case)
                    or ahocorasick_rs.BytesAhoCorasick(encoded),
                    np.array([len(word) for word in encoded], dtype=np.int64),
                    np.array([place for _, place, _ in words], dtype=np.int64),
                    whole if whole.any() else None,
                    ignore_case,
                )
            )
    return tuple(found)


def hits(
    texts: pl.Series, scanners: Sequence[Scanner]
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.int64]]]:
    """
    Yield pairs (rows, lists): row r of the series contains a word of keyword list l.

    A pair may come more than once. Null contains nothing.
    """
    for start in range(0, len(texts), CHUNK_ROWS):
        chunk = texts.slice(start, CHUNK_ROWS)
        for scanner in scanners:
            rows, lists = _scan(chunk, scanner)
            yield rows + start, lists


def _scan(texts: pl.Series, scanner: Scanner) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    # The rows lie one after the other in Arrow's buffer: one pass scans them all, and a match
    # that runs over the border of two rows is dropped afterwards.
    text, bounds = _buffer(texts)
    small = isinstance(scanner.automaton, WordAutomaton) and _is_ascii(text)
    if scanner.ignore_case and not small:  # the automaton itself reads ASCII capitals as small
        text, bounds = _buffer(texts.str.to_lowercase())
    if len(text) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    words, ends = scanner.find(text)
    # the smaller this is, the more of it stays in the cache: matches come in no order
    row_at = np.repeat(np.arange(len(texts), dtype=np.uint16), np.diff(bounds))
    rows = row_at[ends - 1].astype(np.int64)
    starts = ends - scanner.lengths[words]
    kept = starts >= bounds[rows]
    if scanner.whole is not None:
        alone = _stands_alone(text, starts, ends, bounds[rows], bounds[rows + 1])
        kept &= ~scanner.whole[words] | alone
    return rows[kept], scanner.owners[words[kept]]


def _buffer(texts: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the rows' bytes, one row after the other, and where each begins and ends."""
    # a null may lie over bytes in Arrow's layout, which must not be read
    arrow = texts.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = arrow.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[arrow.offset : arrow.offset + len(arrow) + 1]
    if data is None:
        return np.empty(0, np.uint8), bounds
    return np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]], bounds - bounds[0]


def _is_ascii(text: NDArray[np.uint8]) -> bool:
    return len(text) == 0 or int(text.max()) < 128


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
