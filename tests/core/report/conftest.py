"""One store for all tests of reports: two printings and a held run, with names that bite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from labelpress.manifest import read_manifest
from labelpress.report.facts import read_facts
from labelpress.report.story import Story, tell
from labelpress.stages.record import keep_record
from labelpress.stages.train import train_model

if TYPE_CHECKING:
    from labelpress.store import Store

EVIL = "</text><script>alert('$x$')</script>"
"""A class that somebody named so."""


@dataclass(frozen=True, slots=True)
class Books:
    """A store with records, and the runs in it."""

    store: Store
    first: str
    second: str
    held: str
    records: dict[str, Any]
    """What each run's record said."""

    def story(self, run: str) -> Story:
        """Tell the story of a run."""
        manifest, facts = read_manifest(self.store.files, run), read_facts(self.store, run)
        assert manifest is not None
        assert facts is not None
        return tell(self.store, manifest, facts)

    def page(self, run: str) -> str:
        """Return a run's report as it was written."""
        return self.store.files.read_bytes(f"runs/{run}/report.html").decode()


def _recorded(project, cluster, period):
    printed = project.print(cluster, period)
    manifest = printed.gated.manifest
    trained = None
    if printed.version:
        trained = train_model(printed.run, manifest, printed.candidate.answers, cluster)
    record = keep_record(
        printed.run,
        manifest,
        version=printed.version,
        held=printed.gated.held,
        trained=trained,
        promotion=None,
        asks=3,
    )
    return manifest.run, record


@pytest.fixture(name="books", scope="session")
def _books(tmp_path_factory, write_project, cluster):
    project = write_project(tmp_path_factory.mktemp("books") / "reviews")
    toml = (project.path / "project.toml").read_text().replace('"spam"', f'"{EVIL}"')
    toml = toml.replace("[experts]", "[gate]\nmax_churn = 0.9\n[experts]\nreserved_share = 0.5")
    (project.path / "project.toml").write_text(toml + "[costs]\ncore_usd_per_hour = 3600\n")
    text = (project.path / "heuristics.py").read_text().replace('"spam"', f'"{EVIL}"')
    project.heuristics(text.replace("column=", "why='<img src=x>', column="))
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        project.write(part, project.frame(part).with_columns(pl.col("gold").replace("spam", EVIL)))
    runs, records = [], {}
    for number, period in enumerate(("2026-03-02", "2026-03-09", "2026-03-16")):
        if number == 1:
            fresh = project.frame("day-1.parquet").with_columns(id="d" + pl.col("id"))
            project.write("day-4.parquet", fresh)
            project.edit("> 5 and", "> 4 and")
        if number == 2:
            project.configure("max_churn = 0.9", "max_churn = 0.01")
            project.edit('< 12, label="ham"', f'< 30, label="{EVIL}"')
            project.edit('>= 4, label="ham"', f'>= 1, label="{EVIL}"')
        run, records[run] = _recorded(project, cluster, period)
        runs.append(run)
    return Books(project.store, *runs, records)
