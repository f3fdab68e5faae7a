"""Memory: the largest resident size of this process since it was last asked to forget."""

from __future__ import annotations

import resource
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""What Linux takes in `clear_refs` as: begin anew with the largest resident size."""


def reset_peak_memory() -> None:
    """Begin to measure anew, where the system can; elsewhere the peak is that of the process."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return


def peak_memory() -> int:
    """Return the largest resident size in bytes since the last reset."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) * 1024
