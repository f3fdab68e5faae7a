"""Rollback: go back to an earlier label version, and hold what comes until a person looks."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from labelpress.decisions import Decision, decide
from labelpress.project import read_project
from labelpress.store import Store, open_store
from labelpress.tables.publication import LabelVersion


@flow(name="rollback", log_prints=True)
def rollback(
    project: Annotated[str, Field(description="Folder of the project, or any fsspec URI.")],
    version: Annotated[int, Field(description="The label version to go back to.", ge=0)],
    who: Annotated[str, Field(description="Who decides this.", min_length=1)],
    why: Annotated[str, Field(description="What is wrong with the current labels.", min_length=1)],
) -> LabelVersion:
    """Restore an earlier label version; later runs end Held until somebody promotes or lifts."""
    store = _store_of(project)
    store.labels.find(version)
    current = store.labels.current()
    # The hold comes first: between the two steps nothing new may be published.
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
def lift(
    project: Annotated[str, Field(description="Folder of the project, or any fsspec URI.")],
    who: Annotated[str, Field(description="Who decides this.", min_length=1)],
    why: Annotated[str, Field(description="Why later printings are safe again.", min_length=1)],
) -> bool:
    """Lift the hold that a rollback placed; the next run may publish again."""
    store = _store_of(project)
    seen = store.decisions.version()
    return decide(
        store.decisions,
        Decision("lift", who, why),
        batch=f"lift:{-1 if seen is None else seen}",
        expect_version=seen,
    )


def _store_of(project: str) -> Store:
    opened = read_project(project)
    settings = opened.settings
    return open_store(
        opened.store_uri, opened.name, settings.classes.names, settings.store.storage_options
    )
