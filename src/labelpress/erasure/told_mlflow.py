"""What MLflow was told of rows that are erased now: it is replaced there too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelpress.erasure.records import read_erasure, write_erasure
from labelpress.erasure.scrubbing import Traces
from labelpress.manifest import folder
from labelpress.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelpress.project import Project
    from labelpress.store import Store

ARTIFACTS = ("report.html", "gate.json")
"""What names rows of all that MLflow keeps of a run, beside its description."""
_GONE = "This named rows that were erased, and cannot be written anew.\n"


def tell_mlflow(project: Project, store: Store, erasure: str, row_ids: Iterable[str]) -> None:
    """
    Replace reports, verdicts and descriptions of the runs that named rows of an erasure.

    Which runs these are stays in the record of the erasure until MLflow has been told of all, so
    after a failure the same `forget` goes on. Raises `TrackingError` where MLflow fails.
    """
    known = read_erasure(store.files, erasure)
    if known is None or not known.untold:
        return
    traces = Traces(frozenset(row_ids), frozenset())
    tracking = Tracking(project.tracking_uri, project.name)
    for run in known.untold:
        path = f"{folder(run)}/record.json"
        if not store.files.exists(path):  # MLflow has not been told of it at all
            continue
        mlflow_run = str(store.files.read_json(path)["mlflow_run"])
        tracking.write_files(mlflow_run, {name: _now(store, run, name) for name in ARTIFACTS})
        tracking.change_note(mlflow_run, traces.words)
    write_erasure(store.files, replace(known, untold=()))


def _now(store: Store, run: str, name: str) -> str | bytes:
    path = f"{folder(run)}/{name}"
    return store.files.read_bytes(path) if store.files.exists(path) else _GONE
