"""
Votes and predictions that maintenance marked: they go in a later run, and no run takes them up.

They are found by listing them, so a run might take up a file at the very moment it is removed. A
mark comes days before the removal, a run that begins after it computes such a file anew, and a run
that began before it has ended by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.tables.files import Files

_PLACE = "maintenance/marked.json"


def read_condemned(files: Files) -> dict[str, float]:
    """Return the marked files and since when, in seconds since the epoch."""
    if not files.exists(_PLACE):
        return {}
    return {str(path): float(since) for path, since in files.read_json(_PLACE).items()}


def write_condemned(files: Files, marked: Mapping[str, float]) -> None:
    """Replace the marks."""
    if marked or files.exists(_PLACE):
        files.write_json(_PLACE, dict(marked))
