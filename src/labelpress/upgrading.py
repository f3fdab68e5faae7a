"""Upgrading: what earlier versions of labelpress left in a store, brought to today's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.manifest import folder, read_answers, read_manifest, write_manifest
from labelpress.manifest_formats import is_current
from labelpress.runs import run_ids

if TYPE_CHECKING:
    from labelpress.store import Store


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade changed."""

    manifests: tuple[str, ...]
    """Runs whose manifest was written anew."""
    columns: tuple[str, ...]
    """Columns that were added, as table.column."""
    format_raised: bool = False
    """Whether the store says now that an earlier labelpress may not open it."""


def upgrade_store(store: Store) -> Upgraded:
    """
    Bring a store to the form that this labelpress writes; doing it again changes nothing.

    Labels, votes and events stay as they are; columns and facts that were not known then are null
    or empty. The format is raised last, so that an upgrade that was killed is known to be
    unfinished. Raises `StoreError` where the store, or a manifest, is newer than this labelpress.
    """
    store.identity()
    columns = tuple(
        f"{table.name}.{column}" for table in store.event_tables for column in table.add_columns()
    )
    manifests = tuple(run for run in run_ids(store) if _upgrade_run(store, run))
    return Upgraded(manifests, columns, store.raise_format())


def _upgrade_run(store: Store, run: str) -> bool:
    """Write a manifest in today's form, unless it is; say whether it was written."""
    path = f"{folder(run)}/manifest.json"
    if not store.files.exists(path) or is_current(store.files.read_json(path)):
        return False
    manifest = read_manifest(store.files, run)
    if manifest is None:
        return False
    row_id_type = store.labels.row_id_type()
    if row_id_type == "int64" and manifest.id_type == "string":
        # the first manifests did not say it
        manifest = manifest.with_(id_type="int64")
    write_manifest(store.files, manifest, read_answers(store.files, run))
    return True
