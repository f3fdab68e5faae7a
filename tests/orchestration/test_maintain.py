"""The flow `maintain`: what it lists, what it does, and where a person reads it."""

from __future__ import annotations

import os

from prefect.client.orchestration import get_client

from flows.maintain import maintain


def _artifacts():
    with get_client(sync_client=True) as client:
        return [a.data for a in client.read_artifacts() if a.key == "maintenance"]


def test_a_dry_run_lists_and_a_run_removes(project, cluster):
    """Both say it in an artifact; the decision is booked once."""
    project.print(cluster)
    stray = project.path / "store" / "labels" / "part=x" / "2026-03-02-dead-0123456789ab.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"12345")
    os.utime(stray, (1_700_000_000, 1_700_000_000))
    listed = maintain(str(project.path), dry_run=True)
    assert stray.exists()
    assert any("Would remove 1 files, 5 bytes" in str(text) for text in _artifacts())
    assert project.store.decisions.read().height == 0

    done = maintain(str(project.path))

    assert done.survey.removals == listed.survey.removals
    assert not stray.exists()
    assert any("Removed 1 files, 5 bytes" in str(text) for text in _artifacts())
    assert project.store.decisions.read()["kind"].to_list() == ["maintain"]
