"""Retention: which label versions and runs are kept, decided from plain facts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from labelpress.tables.publication import LabelVersion


class RetentionSettings(BaseModel):
    """The `[retention]` table of project.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: Annotated[int, Field(ge=1)] = 730
    """Label versions younger than this are kept, and so are the books of held and crashed runs."""
    keep_versions: Annotated[int, Field(ge=1)] = 12
    """So many of the last label versions are kept however old they are."""
    orphan_days: Annotated[int, Field(ge=1)] = 7
    """A file that nothing names may go when it is older; longer than any run takes."""


@dataclass(frozen=True, slots=True)
class RunTraces:
    """What is known of a run from what it left behind."""

    run: str
    base_version: int | None
    """The version its candidate was compared with."""
    has_candidate: bool
    """Whether it came as far as a manifest."""
    waits_for_mlflow: bool
    last_written: datetime


def versions_to_keep(
    versions: Sequence[LabelVersion],
    settings: RetentionSettings,
    now: datetime,
    champions: Collection[int],
) -> frozenset[int]:
    """
    Return the publications that stay readable, oldest first in `versions`.

    These are the current one, the last `keep_versions`, the young ones, those that a champion was
    trained on, and those that were current within `orphan_days`: a run that is going on may have
    begun with them. One that was removed before is not among them.
    """
    present = [version for version in versions if version.removed is None]
    since = now - timedelta(days=settings.keep_days)
    last = {version.version for version in present[-settings.keep_versions :]}
    young = now - timedelta(days=settings.orphan_days)
    last |= {old.version for old, new in pairwise(present) if new.timestamp >= young}
    return frozenset(
        version.version
        for version in present
        if version.version in last or version.version in champions or version.timestamp >= since
    )


def runs_to_keep(
    runs: Iterable[RunTraces],
    published: Collection[str],
    kept: Collection[str],
    current: int | None,
    since: datetime,
) -> frozenset[str]:
    """
    Return the runs whose files are still needed.

    `published` are the runs of all versions, `kept` those of kept ones. Besides these, a run is
    needed that may still be going on (it wrote something after `since`), that MLflow has not been
    told of, or whose held candidate was compared with the current version, so it can be promoted.
    """
    return frozenset(
        run.run
        for run in runs
        if run.run in kept
        or run.last_written >= since
        or run.waits_for_mlflow
        or (run.has_candidate and run.run not in published and run.base_version == current)
    )
