"""The weakest heuristic, named in a sentence, or why none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.profit import Worth

_FEWEST = 10
"""Audited votes below which a share of right ones tells nothing."""


def weakest_text(worths: Sequence[Worth]) -> str:
    """Say which heuristics do harm beyond chance, and whose votes are right least often."""
    harmful = [worth.heuristic for worth in worths if worth.beyond_chance < 0]
    if harmful:
        harm = f"Clearly harmful, for more labels would be right without: {', '.join(harmful)}."
    elif any(worth.gain is not None for worth in worths):
        harm = "None is clearly harmful: without none of them would clearly more labels be right."
    else:
        harm = "Whether one is harmful is unknown: no audit was answered."
    judged = [
        (worth.precision, worth)
        for worth in worths
        if worth.precision is not None and worth.votes_audited >= _FEWEST
    ]
    if not judged:
        return f"{harm} None votes on {_FEWEST} audited rows, so the weakest cannot be named."
    precision, worst = min(judged, key=lambda one: (one[0], one[1].heuristic))
    right = round(precision * worst.votes_audited)
    return (
        f"{harm} The weakest is {worst.heuristic}: {right} of its {worst.votes_audited} audited "
        f"votes are right ({precision:.0%})."
    )
