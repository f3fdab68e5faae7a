"""Sources that change under a run, clocks that jump, bombs in the store, and hostile rows."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import polars as pl
import pytest

from labelpress.errors import LabelpressError
from labelpress.stages.answers import freeze_answers
from labelpress.stages.plan import plan_run
from labelpress.stages.vote import cast_votes

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-09", "2026-03-16"


@pytest.mark.parametrize("deed", ["replaced", "deleted"])
def test_a_file_that_changes_after_the_plan_ends_the_run(project, cluster, deed):
    """It is named; the published version stands; the next run takes what is there then."""
    before = project.print(cluster, FIRST).version
    project.write("day-4.parquet", [("d1", "subscribe at once", 1, "spam")])
    run = project.open(SECOND)
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    if deed == "replaced":
        project.write("day-4.parquet", [("d1", "another text", 5, "ham")], age=5)
    else:
        project.remove("day-4.parquet")

    with pytest.raises(LabelpressError, match=r"day-4\.parquet.*again"):
        cast_votes(run, plan, cluster)

    assert project.published() == (before,)
    assert project.print(cluster, SECOND).version.period == SECOND


POISONED = """
import os, signal
import polars as pl
from labelpress import heuristic, keywords

begging = keywords(["subscribe", "my channel"], label="spam", column="text")

def swallow(text):
    if text == "meh":
        os.kill(os.getpid(), signal.SIGKILL)
    return len(text) < 12

short = heuristic(pl.col("text").map_elements(swallow, return_dtype=pl.Boolean), label="ham")
"""


def test_a_row_that_kills_whoever_casts_its_vote_holds_the_run(project, cluster):
    """Heuristic and partition are named; its neighbours are labelled; without the row all is."""
    project.heuristics(POISONED)
    printed = project.print(cluster, FIRST)

    assert printed.version is None
    assert "short (day-3.parquet: short ended its process (signal SIGKILL)" in printed.gated.held[0]
    assert printed.labels.height == 12
    assert printed.labels.filter(row_id="b1")["label"].to_list() == ["spam"]
    rows = project.frame("day-3.parquet").with_columns(pl.col("text").replace("meh", "so-so"))
    project.write("day-3.parquet", rows)
    assert project.print(cluster, FIRST).version is not None


def _bomb(note: str) -> bytes:
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {note}",)

    return pickle.dumps(Bomb())


@pytest.mark.parametrize(
    "kind", ["votes/**/*.parquet", "runs/**/*", "labels/*/*.parquet", "asks/*.parquet", "classes/*"]
)
def test_a_pickle_in_the_store_is_never_unpickled(project, cluster, tmp_path, kind):
    """Whatever file it takes the place of: the run completes, or ends with an error of ours."""
    project.print(cluster, FIRST)
    note = tmp_path / "exploded"
    planted = [file for file in (project.path / "store").glob(kind) if file.is_file()]
    assert planted
    for file in planted:
        file.write_bytes(_bomb(str(note)))
    project.edit('"my channel"', '"my canal"')

    try:
        project.print(cluster, SECOND)
    except LabelpressError as error:
        assert str(error)  # noqa: PT017  it may complete as well

    assert not note.exists()


CLOCK = """
import sys
from pathlib import Path
from tests.conftest import SmallProject
from labelpress.cluster import open_cluster

with open_cluster(processes=False, workers=1) as cluster:
    print(SmallProject(Path(sys.argv[1])).print(cluster, sys.argv[2]).version.version)
"""


@pytest.mark.system("faketime")
def test_a_clock_that_jumps_changes_no_order(project, cluster):
    """A run ten days ahead, one ten days behind: versions and transactions stay in order."""
    told = []
    for period, jump in ((FIRST, "+10d"), (SECOND, "-10d"), (THIRD, "+0d")):
        project.write(f"{period}.parquet", [(f"x{period}", "subscribe at once", 1, "spam")])
        command = ["faketime", "-f", jump, sys.executable, "-c", CLOCK, str(project.path), period]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        told.append(done.stdout.split()[-1])

    assert told == ["1", "2", "3"]
    assert [v.period for v in project.published()] == [FIRST, SECOND, THIRD]
    assert project.store.labels.read().collect().height == 15


HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "script": "<script>alert('boo')</script>",
    "markdown": "![x](http://127.0.0.1/leak) [click](javascript:alert(1)) | a | b |",
    "formula": '=HYPERLINK("http://127.0.0.1/"&A1)',
    "ansi": "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "markup": "[bold red]loud[/] [/nothing]",
    "huge": "subscribe " + "x" * 10_000_000,
}


@pytest.fixture(name="hostile")
def _hostile(project, cluster):
    """The small project, printed with rows that mean harm, also in their ids."""
    rows = [(f"{text[:40]}{name}", text, 1, "spam") for name, text in HOSTILE.items()]
    project.write("day-4.parquet", rows)
    project.configure("budget = 6", "budget = 19")
    return project, project.print(cluster, FIRST)


def test_hostile_rows_do_no_harm_in_what_people_open(hostile, tmp_path):
    """In files of asks and on the terminal they are text, and a huge cell is one row of many."""
    from typer.testing import CliRunner  # noqa: PLC0415

    from labelpress.cli import app  # noqa: PLC0415

    project, printed = hostile
    out = tmp_path / "asks.csv"
    exported = CliRunner().invoke(app, ["asks", "export", str(project.path), "--out", str(out)])
    assert exported.exit_code == 0, exported.output
    cells = pl.read_csv(out, infer_schema=False)
    for column in cells.columns:
        assert not cells[column].fill_null("").str.contains(r"^[=+\-@\t\r]").any(), column
    said = exported.output
    for name in ("ansi", "markup", "html", "formula"):
        row = f"{HOSTILE[name][:40]}{name}"
        shown = CliRunner().invoke(app, ["explain", str(project.path), row])
        assert shown.exit_code == 0, shown.output
        said += shown.output
    checked = CliRunner().invoke(app, ["check", str(project.path)])
    assert checked.exit_code == 0, checked.output
    assert "\x1b]0;" not in said + checked.output
    assert "\x1b[2J" not in said + checked.output
    assert printed.labels.height == 12 + len(HOSTILE)
