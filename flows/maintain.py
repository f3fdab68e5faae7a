"""Maintain: remove what no policy keeps and nothing names, and compact the append tables."""

from __future__ import annotations

from prefect import flow

import tasks.maintain
from labelpress.blocks import open_project
from labelpress.events import one_at_a_time, run_stage, show_maintenance
from labelpress.maintenance.removal import in_words
from labelpress.maintenance.sweeping import Maintained
from labelpress.store import existing_store


@flow(name="maintain", log_prints=True)
def maintain(project: str, dry_run: bool = False) -> Maintained:
    """
    Remove what [retention] in project.toml does not keep; compact the append tables.

    Args:
        project: Folder of the project, or any fsspec URI.
        dry_run: Only list what would go, and how many bytes.

    """
    opened = open_project(project)
    store = existing_store(opened)
    retention = opened.settings.retention
    if dry_run:
        found = Maintained(run_stage(tasks.maintain.survey, store, retention), done=False)
    else:
        with one_at_a_time(opened.name):
            found = run_stage(tasks.maintain.sweep, store, retention)
    text = in_words(found.survey, done=found.done)
    show_maintenance(text)
    print(text)  # noqa: T201  # Prefect logs it
    for removal in found.survey.removals:
        print(f"{removal.path}: {removal.size:,} bytes, {removal.why}")  # noqa: T201
    return found


if __name__ == "__main__":
    import sys

    maintain(sys.argv[1], dry_run="--dry-run" in sys.argv[2:])
