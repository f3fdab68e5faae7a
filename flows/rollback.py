"""Rollback: go back to an earlier label version, and hold what comes until a person looks."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from labelpress.announcements import announce_published
from labelpress.blocks import open_project
from labelpress.decisions import Decision, decide
from labelpress.events import one_at_a_time
from labelpress.store import Store, open_project_store
from labelpress.tables.publication import LabelVersion

Text = Annotated[str, Field(min_length=1)]
Version = Annotated[int, Field(ge=0)]


@flow(name="rollback", log_prints=True)
def rollback(project: str, version: Version, who: Text, why: Text) -> LabelVersion:
    """
    Restore an earlier label version; later runs end Held until somebody promotes or lifts.

    Args:
        project: Folder of the project, or any fsspec URI.
        version: The label version to go back to.
        who: Who decides this.
        why: What is wrong with the current labels.

    """
    opened = open_project(project)
    store = open_project_store(opened)
    with one_at_a_time(opened.name):
        restored = go_back(store, version, who, why)
    announce_published(opened.name, store, restored)
    return restored


def go_back(store: Store, version: int, who: str, why: str) -> LabelVersion:
    """Place the hold, then restore: between the two nothing new may be published."""
    store.labels.find(version)
    current = store.labels.current()
    seen = store.decisions.version()
    decide(
        store.decisions,
        Decision("rollback", who, why, label_version=version),
        batch=f"rollback:{version}:{-1 if seen is None else seen}",
        expect_version=seen,
    )
    return store.labels.restore(
        version, why, who, base_version=current.version if current else None
    )


@flow(name="lift", log_prints=True)
def lift(project: str, who: Text, why: Text) -> bool:
    """
    Lift the hold that a rollback placed; the next run may publish again.

    Args:
        project: Folder of the project, or any fsspec URI.
        who: Who decides this.
        why: Why later printings are safe again.

    """
    store = open_project_store(open_project(project))
    seen = store.decisions.version()
    return decide(
        store.decisions,
        Decision("lift", who, why),
        batch=f"lift:{-1 if seen is None else seen}",
        expect_version=seen,
    )
