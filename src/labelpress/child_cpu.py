"""CPU seconds that child processes spent for a thread; its own clock does not see them."""

from __future__ import annotations

import threading


class _Counter(threading.local):
    """One count per thread: a worker's threads each work on a partition of their own."""

    seconds = 0.0


_counter = _Counter()


def count_child_cpu(seconds: float) -> None:
    """Add CPU seconds that a child process spent for this thread."""
    _counter.seconds += seconds


def child_cpu() -> float:
    """Return the CPU seconds that child processes spent for this thread so far."""
    return _counter.seconds
