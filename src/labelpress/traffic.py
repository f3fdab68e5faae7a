"""Traffic: the bytes that each thread has read from sources and stores, and written to stores."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes as they lie on the disk or in the bucket: compressed."""

    read: int = 0
    written: int = 0

    def since(self, earlier: Traffic) -> Traffic:
        """Return what has come on top of an earlier count of the same thread."""
        return Traffic(self.read - earlier.read, self.written - earlier.written)


class _Counter(threading.local):
    """One count per thread: a worker's threads each work on a partition of their own."""

    read = 0
    written = 0


_counter = _Counter()


def count_read(size: int) -> None:
    """Add bytes that this thread has read."""
    _counter.read += size


def count_written(size: int) -> None:
    """Add bytes that this thread has written."""
    _counter.written += size


def traffic() -> Traffic:
    """Return what this thread has read and written so far."""
    return Traffic(_counter.read, _counter.written)
