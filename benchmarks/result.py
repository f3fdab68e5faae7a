"""One line of a benchmark's table, in the form that all benchmarks write as JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """Ours beside a peer; `met` follows from the figures."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float
    goal: str
    met: bool
