"""Processes that race for a printing, or are killed in the middle of one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from labelpress.consumers import read_labels
from labelpress.store import open_store
from labelpress.tables.publication import LabelTable, LabelVersion, Publication

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.remote

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-12", "2026-01-19"

# A run in a process of its own: it says when its candidate is written, waits for a line, then
# publishes and says what came of it.
RUN = """
import json, sys
import polars as pl
from labelpress.errors import PublicationRefusedError
from labelpress.tables.publication import LabelTable, Publication

uri, run, period, printing, base, rows = json.loads(sys.argv[1])
table = LabelTable(uri)
table.create("string")
frame = pl.DataFrame({
    "row_id": [f"a-{i}" for i in range(rows)], "label": run, "probabilities": [[1.0]] * rows,
    "confidence": 1.0, "origin": "program", "n_votes": 1, "cohort": period,
})
files = (table.write("a", run, frame), table.write(f"new-{run}", run, frame.with_columns(
    row_id=pl.lit(f"{run}-") + pl.col("row_id")
)))
print("written", flush=True)
sys.stdin.readline()
print("publishing", flush=True)
try:
    version = table.publish(Publication(run, period, printing, base, files))
    print(json.dumps({"version": version.version, "run": version.run}), flush=True)
except PublicationRefusedError as error:
    print(json.dumps({"refused": str(error)}), flush=True)
"""

MAINTENANCE = """
import sys, time
from contextlib import suppress
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from labelpress.tables.publication import LabelTable

table = LabelTable(sys.argv[1])
print("written", flush=True)
sys.stdin.readline()
for _ in range(40):
    time.sleep(0.01)
    keep = [version.version for version in table.versions()]
    delta = DeltaTable(table.uri)
    delta.vacuum(0, dry_run=False, enforce_retention_duration=False, keep_versions=keep)
    with suppress(CommitFailedError):  # maintenance may lose against a publication
        delta.alter.set_table_properties({"labelpress.visited": str(delta.version())},
                                         raise_if_not_exists=False)
"""


def start(script: str, argument: str) -> subprocess.Popen[str]:
    """Start a process that waits for a line on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", script, argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_of(
    table: LabelTable, run: str, period: str, printing: int, base: int | None
) -> subprocess.Popen[str]:
    """Start a run that is about to publish three rows of partition `a` and three of its own."""
    return start(RUN, json.dumps([table.uri, run, period, printing, base, 3]))


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Wait until a process says something."""
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


def release(process: subprocess.Popen[str]) -> None:
    """Let a waiting process go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def race(runs: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """Let runs publish at the same moment; return what came of each."""
    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(run)
            stack.callback(run.kill)
        for run in runs:
            wait_for(run, "written")
        for run in runs:
            release(run)
        return [json.loads(run.communicate()[0].splitlines()[-1]) for run in runs]


def publish_here(
    table: LabelTable, run: str, period: str, printing: int, base: int | None
) -> LabelVersion:
    """Publish in this process what `run_of` would publish in another."""
    table.create("string")
    frame = pl.DataFrame(
        {
            "row_id": [f"a-{i}" for i in range(3)],
            "label": run,
            "probabilities": [[1.0]] * 3,
            "confidence": 1.0,
            "origin": "program",
            "n_votes": 1,
            "cohort": period,
        }
    )
    own = frame.with_columns(row_id=pl.lit(f"{run}-") + pl.col("row_id"))
    files = (table.write("a", run, frame), table.write(f"new-{run}", run, own))
    return table.publish(Publication(run, period, printing, base, files))


def runs_read(table: LabelTable) -> set[str]:
    """Return the runs whose labels a consumer reads now; each row_id is there once."""
    frame = table.read().collect()
    assert frame["row_id"].is_unique().all()
    return set(frame["label"])


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> LabelTable:
    return open_store(str(tmp_path / "store"), "tickets", ["spam"]).labels


@pytest.fixture(name="killed")
def _killed() -> Iterator[list[subprocess.Popen[str]]]:
    """Collect processes; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        with process:
            process.kill()


def test_one_of_four_first_printings_is_published(table: LabelTable) -> None:
    """They race for the creation of the table as well."""
    outcomes = race([run_of(table, f"r{i}", FIRST, 1, None) for i in range(4)])

    winners = [outcome for outcome in outcomes if "version" in outcome]
    assert [winner["version"] for winner in winners] == [1]
    for outcome in outcomes:
        assert outcome in winners or "label version 1 (" in outcome["refused"]
    assert runs_read(table) == {winners[0]["run"]}
    assert len(table.versions()) == 1


def test_one_of_two_runs_of_a_period_is_published(table: LabelTable) -> None:
    """The other's error names the version it found."""
    publish_here(table, "r0", FIRST, 1, None)

    outcomes = race([run_of(table, f"r1{side}", SECOND, 1, 1) for side in "ab"])

    winner, loser = sorted(outcomes, key=len, reverse=True)
    assert winner["version"] == 2
    assert f"label version 2 (period {SECOND}, printing 1" in loser["refused"]
    assert runs_read(table) == {"r0", winner["run"]}
    assert [(v.period, v.printing) for v in table.versions()] == [(FIRST, 1), (SECOND, 1)]


def test_one_of_two_runs_of_two_periods_is_published(table: LabelTable) -> None:
    """The other was compared with labels that are no longer current."""
    publish_here(table, "r0", FIRST, 1, None)

    outcomes = race([run_of(table, "r1", SECOND, 1, 1), run_of(table, "r2", THIRD, 1, 1)])

    assert sorted("version" in outcome for outcome in outcomes) == [False, True]
    assert len(table.versions()) == 2


def test_publishing_goes_on_while_maintenance_moves_the_table(
    table: LabelTable, killed: list[subprocess.Popen[str]]
) -> None:
    """Each commit that lost against it is repeated; no candidate is swept away."""
    publish_here(table, "r0", FIRST, 1, None)
    maintenance = start(MAINTENANCE, table.uri)
    killed.append(maintenance)
    wait_for(maintenance, "written")
    release(maintenance)
    for printing in range(1, 21):
        base = table.versions()[-1].version
        publish_here(table, f"p{printing}", SECOND, printing, base)

    assert maintenance.wait(60) == 0
    versions = table.versions()
    assert [version.printing for version in versions] == [1, *range(1, 21)]
    assert versions[-1].version > 21, "maintenance moved nothing"
    assert runs_read(table) == {"r0", *(f"p{printing}" for printing in range(1, 21))}
    for version in versions:
        assert table.read(version.version).collect()["row_id"].is_unique().all()


def test_a_run_killed_before_its_commit_leaves_nothing_visible(
    table: LabelTable, killed: list[subprocess.Popen[str]]
) -> None:
    """Its candidate files lie there; the same run, started again, publishes."""
    publish_here(table, "r0", FIRST, 1, None)
    before = table.read().collect()
    run = run_of(table, "r1", SECOND, 1, 1)
    killed.append(run)
    wait_for(run, "written")
    run.kill()
    run.wait()

    assert len(table.versions()) == 1
    assert read_labels(table.uri.removesuffix("/labels")).collect().equals(before)

    assert publish_here(table, "r1", SECOND, 1, 1).version == 2
    assert len(table.versions()) == 2


def test_a_run_killed_at_any_moment_publishes_once(
    table: LabelTable, killed: list[subprocess.Popen[str]]
) -> None:
    """Before, in or after the commit: run again, it ends with one version for its slot."""
    publish_here(table, "r0", FIRST, 1, None)
    for printing, milliseconds in enumerate([0, 8, 16, 32], start=1):
        base = table.versions()[-1].version
        name = f"k{printing}"
        run = run_of(table, name, SECOND, printing, base)
        killed.append(run)
        wait_for(run, "written")
        release(run)
        wait_for(run, "publishing")
        time.sleep(milliseconds / 1000)
        run.kill()
        run.wait()
        seen = table.versions()[-1]
        assert seen.version == base or (seen.run, seen.printing) == (name, printing)

        version = publish_here(table, name, SECOND, printing, base)

        assert (version.run, version.version) == (name, table.versions()[-1].version)
        assert [v.printing for v in table.versions()] == [1, *range(1, printing + 1)]
        assert name in runs_read(table)
