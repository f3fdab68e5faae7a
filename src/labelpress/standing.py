"""How a project's labels stand: how old they are, and what has been held since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.manifest import folder
from labelpress.runs import is_recorded, run_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from labelpress.store import Store
    from labelpress.tables.versions import LabelVersion


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something new was published."""

    version: LabelVersion
    """The last publication that is no restore: that brings back old labels."""
    age: timedelta
    allowed: timedelta

    @property
    def overdue(self) -> int:
        """How many times the allowed age has passed; 0 while the labels are fresh."""
        return self.age // self.allowed

    def sentence(self) -> str:
        """Say it for a person."""
        verdict = "fresh" if not self.overdue else "stale"
        return (
            f"{verdict}: the last publication, {self.version}, is {in_words(self.age)} old; "
            f"{in_words(self.allowed)} are allowed"
        )


def age_of(versions: Sequence[LabelVersion], now: datetime, allowed: timedelta) -> Age | None:
    """Return how old the labels are, or None where nothing was ever published."""
    printed = [version for version in versions if version.kind != "restore"]
    return Age(printed[-1], now - printed[-1].timestamp, allowed) if printed else None


def in_words(span: timedelta) -> str:
    """Return `9 days`, or `30 hours` below three days."""
    hours = round(span.total_seconds() / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"


def held_periods(store: Store) -> tuple[str, ...]:
    """Return the periods since the last published one whose runs were all held, oldest first."""
    versions = store.labels.versions()
    last = versions[-1].period if versions else ""
    held = set()
    for run in run_ids(store):
        if run.rpartition("-")[0] > last and is_recorded(store, run):
            record = store.files.read_json(f"{folder(run)}/record.json")
            if record.get("label_version") is None and record.get("held"):
                held.add(run.rpartition("-")[0])
    return tuple(sorted(held))
