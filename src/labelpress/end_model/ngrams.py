"""N-grams: from text to weighted counts of hashed words or characters, a block of rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Hashes: TypeAlias = NDArray[np.uint64]

Kind = Literal["words", "characters"]

_BITS: Final = 22
BUCKETS: Final = 1 << _BITS
"""Hash values told apart; n-grams that share one are taken for the same."""
MOST: Final = 200_000
"""N-grams kept, the most frequent ones."""
_BLOCK: Final = 1_000_000
"""Characters hashed at once: some 200 MB while it lasts."""
_SHORTEST: Final = 2
"""Of runs of characters."""
_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)
_PAIR: Final = np.uint64(0xC4CEB9FE1A85EC53)


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The n-grams that were learnt and what each weighs."""

    kind: Kind
    longest: int
    """How many words or characters a run has, at most."""
    buckets: NDArray[np.int64]
    """The hash value of each column, ascending."""
    weights: NDArray[np.float32]
    """What each column weighs, the more the rarer it is."""

    def transform(self, text: Sequence[str]) -> Any:
        """Return CSR of float32, shape (n, columns): sublinear TF-IDF, rows of length 1 or 0."""
        column_of = np.full(BUCKETS, -1, dtype=np.int32)
        column_of[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        blocks = [
            self._weigh(rows, column_of[buckets], counts, height)
            for rows, buckets, counts, height in _counted(text, self.kind, self.longest)
        ]
        empty = sparse.csr_matrix((0, len(self.buckets)), dtype=np.float32)
        return sparse.vstack(blocks, format="csr") if blocks else empty

    def _weigh(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int32],
        counts: NDArray[np.int64],
        height: int,
    ) -> Any:
        known = columns >= 0
        rows, columns = rows[known], columns[known]
        data = (1 + np.log(counts[known])) * self.weights[columns]
        length = np.sqrt(np.bincount(rows, weights=data**2, minlength=height))
        data /= length[rows]
        ends = np.cumsum(np.bincount(rows, minlength=height))
        starts = np.concatenate([[0], ends])
        shape = (height, len(self.buckets))
        return sparse.csr_matrix((data.astype(np.float32), columns, starts), shape=shape)


def fit_ngrams(text: Sequence[str], kind: Kind, longest: int) -> Ngrams:
    """
    Learn which n-grams there are: those in two rows or more, at most `MOST`.

    A word is a run of letters, digits and underscores; words count alone and in runs of up to
    `longest`. Characters are runs of two to `longest` within a word and the spaces about it,
    punctuation included. An n-gram weighs the square root of its inverse document frequency (as
    scikit-learn smooths it): a few answers teach only what is frequent, and by its whole it would
    hardly weigh.
    """
    frequency = np.zeros(BUCKETS, dtype=np.int64)
    for _, buckets, _, _ in _counted(text, kind, longest):
        frequency += np.bincount(buckets, minlength=BUCKETS)
    twice = np.flatnonzero(frequency >= 2)
    kept = np.sort(twice[np.argsort(-frequency[twice], kind="stable")[:MOST]])
    weights = np.sqrt(np.log((1 + len(text)) / (1 + frequency[kept])) + 1)
    return Ngrams(kind, longest, kept, weights.astype(np.float32))


def _counted(
    text: Sequence[str], kind: Kind, longest: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]]:
    """Yield row, bucket and count of the n-grams of each block, and how many rows it has."""
    block: list[str] = []
    size = 0
    for row in text:
        plain = f" {' '.join(row.lower().split())} "
        if block and size + len(plain) > _BLOCK:
            yield (*_count(block, kind, longest), len(block))
            block, size = [], 0
        block.append(plain)
        size += len(plain)
    if block:
        yield (*_count(block, kind, longest), len(block))


def _count(
    block: Sequence[str], kind: Kind, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    joined = "".join(block)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    row_of = np.repeat(np.arange(len(block)), np.fromiter(map(len, block), dtype=np.int64))
    hashed = _RollingHash(codes)
    if kind == "words":
        found = _word_runs(joined, codes, row_of, hashed, longest)
    else:
        sizes = range(_SHORTEST, longest + 1)
        found = [_runs(codes == ord(" "), row_of, hashed, size) for size in sizes]
    rows = np.concatenate([place for place, _ in found])
    buckets = np.concatenate([_bucket(hashes) for _, hashes in found])
    both, counts = np.unique((rows << _BITS) | buckets, return_counts=True)
    return both >> _BITS, both & (BUCKETS - 1), counts


class _RollingHash:
    """
    Hashes of any piece of a text from sums over its beginnings (Karp and Rabin 1987).

    With s the sums of code x base^place modulo 2^64, the piece from a to b has the hash
    (s[b] - s[a]) x base^-a, wherever it stands.
    """

    def __init__(self, codes: NDArray[np.uint32]) -> None:
        powers = np.cumprod(np.full(len(codes), _BASE, dtype=np.uint64))
        self._back = np.cumprod(np.full(len(codes), _INVERSE, dtype=np.uint64))
        self._sums = np.concatenate(
            [np.zeros(1, dtype=np.uint64), np.cumsum((codes + np.uint64(1)) * powers)]
        )

    def of(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
        """Return the hashes of the pieces [start, end)."""
        return np.asarray((self._sums[ends] - self._sums[starts]) * self._back[starts])


def _word_runs(
    joined: str,
    codes: NDArray[np.uint32],
    row_of: NDArray[np.int64],
    hashed: _RollingHash,
    longest: int,
) -> list[tuple[NDArray[np.int64], Hashes]]:
    known = sorted(set(joined))
    of_word = np.zeros(ord(known[-1]) + 1, dtype=bool)
    of_word[[ord(c) for c in known if c.isalnum() or c == "_"]] = True
    # A row begins and ends with a space, so edges come in pairs and no word crosses rows.
    edges = np.flatnonzero(np.diff(of_word[codes].astype(np.int8))) + 1
    starts, ends = edges[::2], edges[1::2]
    rows, words = row_of[starts], hashed.of(starts, ends)
    found, runs = [(rows, words)], words
    for size in range(2, longest + 1):
        runs = runs[:-1] * _PAIR + words[size - 1 :]
        together = rows[size - 1 :] == rows[: len(runs)]
        found.append((rows[size - 1 :][together], runs[together]))
    return found


def _runs(
    space: NDArray[np.bool_], row_of: NDArray[np.int64], hashed: _RollingHash, size: int
) -> tuple[NDArray[np.int64], Hashes]:
    starts = np.arange(max(len(space) - size + 1, 0))
    spaces = np.concatenate([[0], np.cumsum(space)])
    inside = spaces[starts + size - 1] - spaces[starts + 1]
    blank = space[starts] & space[starts + size - 1]
    # Two blanks side by side stand between rows only, so no run crosses them.
    kept = starts[(inside == 0) & ~(blank & (size == 2))]
    return row_of[kept], hashed.of(kept, kept + size)


def _bucket(hashes: Hashes) -> NDArray[np.int64]:
    mixed = (hashes ^ (hashes >> np.uint64(33))) * _MIX
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * _PAIR) >> np.uint64(64 - _BITS)).astype(np.int64)
