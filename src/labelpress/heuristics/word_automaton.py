"""
An Aho-Corasick automaton that NumPy steps through many places of a text at once.

`ahocorasick_rs` makes a Python tuple of each match: 0.5 microseconds, which is most of the time
where keywords are frequent. Here the text is cut into lanes that advance together, one byte per
step, so matches stay in arrays. Measured on one core with 200 words in 130-character texts: see
`benchmarks/heuristics.py`. A table of transitions beyond `MAX_STATES` would leave the cache, and
then the library is the faster one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_STATES = 8_192
LANES = 8_192
LANE_BYTES = 128
_BYTES = 256
_NEVER = 0xFF
"""A byte that UTF-8 never contains, so that no word matches over the end of the text."""


@dataclass(frozen=True, slots=True)
class WordAutomaton:
    """A deterministic automaton over bytes; states are numbered by their place in the table."""

    table: NDArray[np.int32]
    """The next state by state + byte; states are multiples of 256, those that accept come last."""
    accepting: int
    """The first state that ends a word."""
    starts: NDArray[np.int64]
    """Where the words of each accepting state begin in `words`, with one more at the end."""
    words: NDArray[np.int64]
    overlap: int
    """Bytes of the longest word but one: what a lane must have read before its own first byte."""

    def find(self, text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all matches, overlapping ones too: the words, and the bytes after their last."""
        ends: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        states: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
        # blocks of one size: each takes as many steps, however few its lanes
        blocks = max(1, round(len(text) / (LANES * LANE_BYTES)))
        size = -(-len(text) // blocks)
        for start in range(0, len(text), size or 1):
            self._find(text[: start + size], start, ends, states)
        end = np.concatenate(ends)
        place = (np.concatenate(states) - self.accepting) >> 8  # a state is a multiple of 256
        if len(self.words) == len(self.starts) - 1:  # each accepting state ends one word
            return self.words[place], end
        first, count = self.starts[place], np.diff(self.starts)[place]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return self.words[np.repeat(first, count) + within], np.repeat(end, count)

    def _find(
        self,
        text: NDArray[np.uint8],
        start: int,
        ends: list[NDArray[np.int64]],
        states: list[NDArray[np.int32]],
    ) -> None:
        """Step through one block of lanes and append its matches."""
        read = text[max(0, start - self.overlap) :]
        before = min(start, self.overlap)
        lanes = -(-(len(read) - before) // LANE_BYTES)
        padded = np.full(self.overlap + lanes * LANE_BYTES, _NEVER, dtype=np.uint8)
        padded[self.overlap - before : self.overlap - before + len(read)] = read
        state = np.zeros(lanes, dtype=np.int32)
        index = np.empty(lanes, dtype=np.int32)
        ends_from = start + 1 - self.overlap
        for step in range(self.overlap + LANE_BYTES):
            np.add(state, padded[step : step + lanes * LANE_BYTES : LANE_BYTES][:lanes], out=index)
            self.table.take(index, out=state, mode="clip")
            if step >= self.overlap:
                hit = (state >= self.accepting).nonzero()[0]
                if len(hit):
                    states.append(state[hit])
                    hit *= LANE_BYTES
                    hit += ends_from + step
                    ends.append(hit)


def word_automaton(words: Sequence[bytes], *, ignore_case: bool) -> WordAutomaton | None:
    """
    Return the automaton of some words, or None where it would have too many states.

    With `ignore_case` the words are in lower case, and capital ASCII letters are read as small.
    """
    if sum(map(len, words)) >= 4 * MAX_STATES:
        return None
    nodes: list[dict[int, int]] = [{}]
    outputs: list[list[int]] = [[]]
    for place, word in enumerate(words):
        node = 0
        for byte in word:
            if byte not in nodes[node]:
                nodes[node][byte] = len(nodes)
                nodes.append({})
                outputs.append([])
            node = nodes[node][byte]
        outputs[node].append(place)
    if len(nodes) > MAX_STATES:
        return None
    table = np.zeros((len(nodes), _BYTES), dtype=np.int64)
    fallback = [0] * len(nodes)
    waiting = deque(nodes[0].values())
    for byte, child in nodes[0].items():
        table[0, byte] = child
    while waiting:
        node = waiting.popleft()
        outputs[node] = outputs[node] + outputs[fallback[node]]
        table[node] = table[fallback[node]]
        for byte, child in nodes[node].items():
            fallback[child] = int(table[fallback[node], byte])
            table[node, byte] = child
            waiting.append(child)
    if ignore_case:
        table[:, 65:91] = table[:, 97:123]
    accepts = np.array([bool(found) for found in outputs])
    order = np.argsort(accepts, kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    kept = [outputs[node] for node in order if outputs[node]]
    return WordAutomaton(
        (number[table][order] * _BYTES).astype(np.int32).reshape(-1),
        int((~accepts).sum()) * _BYTES,
        np.cumsum([0, *map(len, kept)], dtype=np.int64),
        np.array([word for found in kept for word in found], dtype=np.int64),
        max(map(len, words)) - 1,
    )
