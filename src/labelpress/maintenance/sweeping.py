"""Sweep a store: remove what a survey found, in an order that a crash cannot spoil."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelpress.decisions import Decision, decide
from labelpress.erasure.records import refuse_during_erasure
from labelpress.errors import PublicationRefusedError
from labelpress.maintenance.condemned import write_condemned
from labelpress.maintenance.surveying import survey_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelpress.maintenance.removal import Survey
    from labelpress.retention import RetentionSettings
    from labelpress.store import Store

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Maintained:
    """What maintenance did, or in a dry run would do."""

    survey: Survey
    done: bool


def maintain_store(
    store: Store,
    settings: RetentionSettings,
    progress: Callable[[int, int], None],
    now: datetime | None = None,
) -> Maintained:
    """
    Remove what the policy no longer keeps, and compact the event tables.

    The labels table is told first which versions and runs are given up; a publication or a rollback
    that came in between makes this look again. After a crash the next run removes the rest. Raises
    `PublicationRefusedError` where an erasure is under way or the table never stands still.
    """
    moment = now or datetime.now(UTC)
    refuse_during_erasure(store)
    for _ in range(_ATTEMPTS):
        survey = survey_store(store, settings, moment)
        if not (survey.versions or survey.runs) or survey.delta_version < 0:
            break
        if store.labels.mark_removed(survey.delta_version, survey.versions, survey.runs):
            break
    else:
        raise PublicationRefusedError(
            f"The labels table moved {_ATTEMPTS} times while maintenance looked at it. Nothing was "
            "removed; run maintain when no other run publishes."
        )
    write_condemned(store.files, survey.marked)
    gone = [_remove(store, survey, number, progress) for number in range(len(survey.removals))]
    removed = tuple(r for r, went in zip(survey.removals, gone, strict=True) if went)
    over = {removal.path for removal in survey.removals}
    left = {path: since for path, since in survey.marked.items() if path not in over}
    write_condemned(store.files, left)
    for table in store.event_tables:
        if table.name in survey.compacted:
            table.compact()
    told = replace(survey, removals=removed)
    if told.changes:
        _book(store, told, moment)
    return Maintained(told, done=True)


def _remove(
    store: Store, survey: Survey, number: int, progress: Callable[[int, int], None]
) -> bool:
    """Delete a file; False where a run has written a marked file anew, which is left alone."""
    removal = survey.removals[number]
    since = survey.marked.get(removal.path)
    if since is not None:
        found = store.files.find(removal.path)
        if found is None or found.modified > since:
            return False
    store.files.delete(removal.path)
    progress(number + 1, len(survey.removals))
    return True


def _book(store: Store, survey: Survey, moment: datetime) -> None:
    versions = ", ".join(map(str, survey.versions)) or "none"
    decide(
        store.decisions,
        Decision(
            "maintain",
            "maintenance",
            f"removed {len(survey.removals)} files, {survey.bytes} bytes; label versions given up: "
            f"{versions}; tables compacted: {', '.join(sorted(survey.compacted)) or 'none'}",
        ),
        batch=f"maintain:{moment.isoformat()}",
    )
