"""Slots: which printing a run is for, and whether there is anything left to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelpress.errors import PublicationRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.tables.publication import LabelVersion

Mode = Literal["scheduled", "reprint", "dry-run"]


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a run in the history of publications."""

    period: str
    printing: int
    action: Literal["print", "resume", "nothing"]
    """`resume`: the printing is published, but what follows it may be unfinished."""
    version: LabelVersion | None
    """The published version that is resumed, or found complete."""


def find_slot(
    versions: Sequence[LabelVersion],
    period: str,
    mode: Mode,
    *,
    unfinished: bool,
    same_request: bool,
) -> Slot:
    """
    Decide what a run of a period has to do; `versions` are the publications, oldest first.

    `unfinished` says that the current publication lacks its record, `same_request` that it was
    printed from the same project files as this run has: then a reprint finishes it and does not
    print the same once more. Raises `PublicationRefusedError` for a period that lies before the
    last published one: labels of the past are restored by `rollback`, not printed.
    """
    printed = [version for version in versions if version.period == period]
    current = versions[-1] if versions else None
    latest = max((version.period for version in versions), default=period)
    if period < latest:
        if mode == "scheduled" and printed:
            return Slot(period, printed[-1].printing, "nothing", printed[-1])
        raise PublicationRefusedError(
            f"period {period!r} lies before the last published one, {latest!r}; only that one can "
            "be reprinted. To go back to earlier labels use the rollback flow."
        )
    last = max((version.printing for version in printed), default=0)
    if mode == "dry-run" or not printed or current is None:
        return Slot(period, last + 1, "print", None)
    found = printed[-1]
    if unfinished and found.version == current.version and (mode == "scheduled" or same_request):
        return Slot(period, found.printing, "resume", found)
    if mode == "scheduled":
        return Slot(period, found.printing, "nothing", found)
    return Slot(period, last + 1, "print", None)
