"""Finding the rows on which a heuristic fails, where it is evaluated on many rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FAULTY_SHARE = 0.05
"""Above this share of faulty rows the search is given up: every row counts as faulty."""


def without_faulty_rows(
    evaluate: Callable[[int, int], T], height: int, caught: tuple[type[BaseException], ...]
) -> tuple[list[tuple[int, T]], list[int], str | None]:
    """
    Evaluate rows start to end, halving where that raises, until only faulty rows are left out.

    Returns the results by the position of their first row, the faulty rows, and the first
    exception. A heuristic with so many faults that the search is given up is quarantined anyway,
    so what it would have said of the other rows does not matter.
    """
    allowed = max(1, int(FAULTY_SHARE * height))
    results: list[tuple[int, T]] = []
    faulty: list[int] = []
    first: str | None = None
    waiting = [(0, height)]
    while waiting:
        start, end = waiting.pop()
        try:
            results.append((start, evaluate(start, end)))
        except caught as error:
            if end - start > 1:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
                continue
            faulty.append(start)
            first = first or f"row {start}: {told(error)}"
            if len(faulty) > allowed:
                return [], list(range(height)), first
    return results, faulty, first


def told(error: BaseException) -> str:
    """Return an exception as one short line."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line[:300]}"
