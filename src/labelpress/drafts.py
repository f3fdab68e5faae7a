"""Drafts: what MLflow is to be told of a run, kept in the store until it has been told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labelpress.errors import TrackingError
from labelpress.manifest import folder
from labelpress.runs import run_ids
from labelpress.tracking import TrackedData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.store import Store
    from labelpress.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Draft:
    """One MLflow run, as plain values."""

    run: str
    """The id of our run."""
    name: str
    found_by: Mapping[str, str]
    """The tags by which its MLflow run is found."""
    metrics: Mapping[str, float | None]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    data: tuple[TrackedData, ...]
    files: Mapping[str, str]
    """Artifacts by name: paths in the store."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the record of the run keeps beside the id of its MLflow run."""


def write_draft(store: Store, draft: Draft) -> None:
    """Keep a draft; a later one of the same run replaces it."""
    store.files.write_json(_place(draft.run), asdict(draft))


def send_drafts(store: Store, tracking: Tracking) -> dict[str, str]:
    """
    Tell MLflow of all runs that it has not been told of; return the MLflow runs by our run ids.

    A run that was told has `record.json` from then on. Raises `TrackingError` where MLflow fails;
    what was told until then stays told.
    """
    told = {}
    for run in run_ids(store):
        if store.files.exists(_place(run)):
            told[run] = _send(store, _read(store, run), tracking)
            store.files.delete(_place(run))
    return told


def _send(store: Store, draft: Draft, tracking: Tracking) -> str:
    mlflow_run = tracking.open_run(draft.name, draft.found_by)
    tracking.write(
        mlflow_run, metrics=draft.metrics, params=draft.params, tags=draft.tags, data=draft.data
    )
    files = {name: store.files.read_bytes(path) for name, path in draft.files.items()}
    tracking.write_files(mlflow_run, files)
    tracking.finish(mlflow_run)
    store.files.write_json(
        f"{folder(draft.run)}/record.json", {**draft.facts, "mlflow_run": mlflow_run}
    )
    return mlflow_run


def _read(store: Store, run: str) -> Draft:
    plain = store.files.read_json(_place(run))
    try:
        data = tuple(TrackedData(**item) for item in plain.pop("data"))
        return Draft(**plain, data=data)
    except (KeyError, TypeError, AttributeError) as error:
        raise TrackingError(
            f"{store.files.join(_place(run))} is no draft of an MLflow run ({error}). Delete it "
            "and run the same period again: it is written anew."
        ) from None


def _place(run: str) -> str:
    return f"{folder(run)}/draft.json"
