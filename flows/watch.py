"""Watch: say when nothing new was published for too long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.states import Completed

from labelpress.announcements import announce_stale
from labelpress.blocks import open_project
from labelpress.standing import age_of
from labelpress.store import Store


@flow(name="watch", log_prints=True)
def watch(project: str) -> Any:
    """
    Look how old the labels are; emit an event when they are older than `[schedule] max_age`.

    Reads the store and writes nothing. The event comes once for each time the allowed age passes.

    Args:
        project: Folder of the project, or any fsspec URI.

    """
    opened = open_project(project)
    store = Store(opened.store_uri, opened.settings.store.storage_options)
    allowed = opened.settings.schedule.allowed_age
    age = age_of(store.labels.versions(), datetime.now(UTC), allowed)
    if age is None:
        return Completed(name="NothingPublished", message="Nothing was ever published.", data=None)
    announce_stale(opened.name, store, age)
    name = "Stale" if age.overdue else "Fresh"
    return Completed(name=name, message=age.sentence(), data=age.overdue)


if __name__ == "__main__":
    import sys

    watch(sys.argv[1])
