"""Erasure: a planted row is nowhere afterwards, and everything else is as it was."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from labelpress.cli import app
from labelpress.consumers import read_labels
from labelpress.decisions import Decision, decide
from labelpress.diff.versions import diff_versions
from labelpress.dossier.contents import make_dossier
from labelpress.dossier.verifying import write_dossier
from labelpress.erasure import forgetting
from labelpress.erasure.forgetting import forget_rows
from labelpress.errors import LabelpressError, PublicationRefusedError
from labelpress.exchange.folder import exchange_files, put_out
from labelpress.explain import explain_row
from labelpress.manifest import folder
from labelpress.stages.publish import publish_labels
from labelpress.store import FORMAT
from labelpress.tables.files import Files
from labelpress.tables.schemas import ANSWERS
from tests.searching import files_with

PLANTED, TEXT = "planted-8814", "SUBSCRIBE to Jane Roe"
OTHERS = ("a1", "b2", "c4")


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory, write_project, cluster):
    """Three versions with a planted row that was asked, answered, sliced, shown and bundled."""
    project = write_project(tmp_path_factory.mktemp("erasure") / "reviews")
    project.configure(
        "[end_model.features]",
        "[gate]\nmax_churn = 1.0\nmax_balance_gap = 1.0\nmax_coverage_drop = 1.0\n"
        '[slices]\nattributes = ["stars"]\n[exchange]\ncolumns = ["text"]\n[end_model.features]',
    )
    row = pl.DataFrame(
        [(PLANTED, TEXT, 1, "spam")], schema=project.frame("day-1.parquet").schema, orient="row"
    )
    project.write(
        "day-1.parquet",
        pl.concat(
            [project.frame("day-1.parquet").head(2), row, project.frame("day-1.parquet").tail(2)]
        ),
    )
    project.configure("budget = 6", "budget = 30")
    project.print(cluster)
    store = project.store
    asks = store.asks.read()
    ask = asks.filter(row_id=PLANTED).row(0, named=True)
    now = datetime.now(UTC)
    answers = pl.DataFrame(
        [
            {
                "ask_id": one["ask_id"],
                "row_id": one["row_id"],
                "row_hash": one["row_hash"],
                "label": "ham",
                "annotator": "kim",
                "seconds": 3.0,
                "seconds_source": "declared",
                "rationale": TEXT if one["row_id"] == PLANTED else "quite so",
                "tool": "csv",
                "simulated": False,
                "answered": now,
                "imported": now,
            }
            for one in (ask, asks.filter(row_id="a1").row(0, named=True))
        ],
        schema=ANSWERS,
    )
    put_out(project.read(), store, now)
    store.answers.append(answers, "first")
    back = project.path / "exchange" / "answers"
    back.mkdir()
    (back / "kim.csv").write_text(
        f"ask_id,label,annotator,note\n{ask['ask_id']},ham,kim,{TEXT}\nother,ham,kim,x\n"
    )
    project.edit('["subscribe", "my channel"]', '["verse"]')
    project.print(cluster, "2026-03-09")
    project.edit('["verse"]', '["subscribe"]')
    project.print(cluster, "2026-03-16")
    store.labels.restore(2, "for a test", "kim")
    decide(store.decisions, Decision("lift", "kim", f"row {PLANTED} looked odd"), batch="x")
    write_dossier(make_dossier(store, 2), store.files.join("dossiers/v2.zip"), {})
    return project


@pytest.fixture(name="planted")
def _planted(template, tmp_path):
    """The same, to be changed."""
    shutil.copytree(template.path, tmp_path / "reviews")
    return replace(template, path=tmp_path / "reviews")


def _forget(project, ids=(PLANTED,)):
    return forget_rows(
        project.store, ids, who="kim", why="they asked", exchange=exchange_files(project.read())
    )


def _traces(project):
    """The files of the store and the shared folder in which id or text can be found."""
    roots = [project.path / name for name in ("store", "exchange")]
    return [path for root in roots for path in files_with(root, (PLANTED, TEXT))]


def test_a_planted_row_is_nowhere_afterwards(planted):
    """Neither its id nor its text, in no file; before it was in all places that are searched."""
    before = {path.split("/")[0] for path in _traces(planted)}
    assert before >= {
        "labels",
        "votes",
        "runs",
        "asks",
        "answers",
        "decisions",
        "dossiers",
    }
    done = _forget(planted)

    assert _traces(planted) == []
    assert set(done.files) >= {"labels", "votes", "asks", "answers", "exchange", "dossiers"}


def test_every_version_is_there_without_the_row(planted):
    """Polars and DuckDB, by version and by period: the other rows are the same to the bit."""
    uri, versions = planted.store.uri, planted.store.labels.versions()
    before = {v.version: read_labels(uri, v.version).sort("row_id").collect() for v in versions}
    done = _forget(planted)

    for version, frame in before.items():
        wanted = frame.filter(pl.col("row_id") != PLANTED)
        assert wanted.height == frame.height - 1
        assert read_labels(uri, version).sort("row_id").collect().equals(wanted)
        files = planted.store.labels.files(version)
        places = [f"{uri}/labels/{file.path}" for file in files]
        ids = duckdb.read_parquet(places).fetchall()
        assert len(ids) == wanted.height == sum(file.rows for file in files)
    now = planted.store.labels.current()
    assert (now.version, now.kind) == (done.label_version, "erasure")
    assert (
        read_labels(uri)
        .sort("row_id")
        .collect()
        .equals(before[4].filter(pl.col("row_id") != PLANTED))
    )
    assert read_labels(uri, period="2026-03-02").collect().height == before[1].height - 1


def test_other_rows_are_explained_and_compared_as_before(planted):
    """Replayed to the bit; who asks for the erased row is told that there is none."""
    store = planted.store
    told = [explain_row(store, row, v) for row in OTHERS for v in (1, 2, 3)]
    before = diff_versions(store, 1, 2, resamples=0)
    _forget(planted)

    assert [explain_row(store, row, v) for row in OTHERS for v in (1, 2, 3)] == told
    after = diff_versions(store, 1, 2, resamples=0)
    assert (after.changed, after.common) <= (before.changed, before.common - 1)
    with pytest.raises(LabelpressError, match=f"row '{PLANTED}' is not in label version 2"):
        explain_row(store, PLANTED, 2)


def test_the_next_run_does_not_bring_it_back(planted, cluster):
    """Though it is still in the source, in an unchanged partition and in a changed one."""
    _forget(planted)
    again = planted.print(cluster, "2026-03-23")
    assert again.labels["row_id"].is_in([PLANTED]).sum() == 0
    assert again.labels.height == 12
    planted.write("day-1.parquet", planted.frame("day-1.parquet").reverse())
    changed = planted.print(cluster, "2026-03-30")

    assert changed.version is not None
    assert changed.labels.height == 12
    assert PLANTED not in changed.labels["row_id"].to_list()
    assert PLANTED not in planted.store.asks.read()["row_id"].to_list()
    assert _traces(planted) == []


def test_what_was_computed_before_is_refused(planted, cluster):
    """A candidate with the row cannot be published after it was erased, nor while it is."""
    candidate = planted.print(cluster, "2026-03-23", publish=False)
    planted.store.labels.begin_erasure("another")
    with pytest.raises(PublicationRefusedError, match="Rows are being erased"):
        publish_labels(candidate.run, candidate.gated.manifest)
    with pytest.raises(PublicationRefusedError, match="Rows are being erased"):
        planted.store.labels.restore(1, "why", "kim")
    planted.store.labels.end_erasure("kim", "test", 1)
    _forget(planted)
    with pytest.raises(PublicationRefusedError, match="erasure by run"):
        publish_labels(candidate.run, candidate.gated.manifest)
    assert _traces(planted) == []


@pytest.mark.parametrize("share", [0.02, 0.2, 0.4, 0.6, 0.8, 0.81, 0.89, 0.96])
def test_killed_at_any_point_it_is_completed_by_the_same_call(planted, deeds, monkeypatch, share):
    """And until then each version shows each row at most once."""
    _count_deeds(monkeypatch, die_after=int(share * deeds))
    with pytest.raises(KeyboardInterrupt):
        _forget(planted)
    monkeypatch.undo()
    for version in planted.store.labels.versions():
        assert read_labels(planted.store.uri, version.version).collect()["row_id"].is_unique().all()
    with pytest.raises(PublicationRefusedError, match="Rows are being erased"):
        _forget(planted, ["a1"])
    _forget(planted)

    assert _traces(planted) == []
    assert [table.erasing() for table in planted.store.event_tables] == [None] * 4
    for version in planted.store.labels.versions():
        assert read_labels(planted.store.uri, version.version).collect().height == 12


@pytest.mark.parametrize("table", ["answers", "decisions", "asks"])
def test_killed_before_a_table_names_its_new_files(planted, monkeypatch, table):
    """The old ones are noted by then; the tables before it leave them to it."""

    def die(files, successors):
        if files.uri.endswith(table):
            raise KeyboardInterrupt
        rename(files, successors)

    rename = forgetting.rename_in_history
    monkeypatch.setattr(forgetting, "rename_in_history", die)
    with pytest.raises(KeyboardInterrupt):
        _forget(planted)
    monkeypatch.undo()
    _forget(planted)

    assert _traces(planted) == []
    assert PLANTED not in planted.store.asks.read()["row_id"]


@pytest.fixture(name="deeds", scope="module")
def _deeds(template, tmp_path_factory):
    """How many files an erasure writes and deletes."""
    project = replace(template, path=tmp_path_factory.mktemp("deeds") / "reviews")
    shutil.copytree(template.path, project.path)
    with pytest.MonkeyPatch.context() as patch:
        done = _count_deeds(patch)
        _forget(project)
    return len(done)


def _count_deeds(patch, die_after=None):
    """Return a list that grows with each file that is written or deleted, until the killing."""
    done = []

    def watch(deed):
        def watched(files, path, *data):
            if len(done) == die_after:
                raise KeyboardInterrupt
            done.append(path)
            return deed(files, path, *data)

        return watched

    for name in ("write_bytes", "delete"):
        patch.setattr(Files, name, watch(getattr(Files, name)))
    return done


def test_what_killed_writers_left_goes_too(planted):
    """A batch that was never committed and half a file; what is young is named instead."""
    asks = planted.path / "store" / "asks"
    batch = next(path for path in asks.glob("*.parquet") if PLANTED in path.read_text("latin-1"))
    old, young = asks / "old.parquet", asks / "young.parquet"
    half = planted.path / "store" / "votes" / ".half.tmp"
    half.write_text(TEXT)
    for left in (old, young):
        shutil.copy(batch, left)
    for left in (old, half):
        os.utime(left, (time.time() - 7200,) * 2)

    done = _forget(planted)

    assert done.being_written == ("asks/young.parquet",)
    assert _traces(planted) == ["asks/young.parquet"]


def test_it_is_recorded_who_when_and_why_but_not_which(planted):
    """A row of decisions and a record with salted digests."""
    _forget(planted)
    row = planted.store.decisions.read().filter(kind="forget").row(0, named=True)
    record = next((planted.path / "store" / "erasures").glob("[!s]*.json")).read_text()

    assert row["who"] == "kim"
    assert "they asked (1 rows" in row["why"]
    assert '"who": "kim"' in record
    assert PLANTED not in record


def test_an_erasure_lets_no_run_begin(planted):
    """Before it is completed; a labelpress that knows no erasures is refused from then on."""
    store = planted.store
    path = planted.path / "store" / "store.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    with pytest.MonkeyPatch.context() as patch:
        _count_deeds(patch, die_after=20)
        with pytest.raises(KeyboardInterrupt):
            _forget(planted)

    with pytest.raises(PublicationRefusedError, match=r"Rows are being erased .*by kim"):
        planted.open("2026-03-23")
    assert store.identity().format == FORMAT == 2


def test_the_command_counts_first_and_erases_then(planted, tmp_path):
    """It wants a name and a reason, and says what it cannot reach."""
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{PLANTED}\n\n")
    command = ["forget", str(planted.path), "--ids", str(ids)]
    before = _traces(planted)
    counted = CliRunner().invoke(app, [*command, "--dry-run"])
    assert "Would erase 1 rows" in counted.output
    assert _traces(planted) == before
    assert CliRunner().invoke(app, command).exit_code == 1

    done = CliRunner().invoke(app, [*command, "--who", "kim", "--why", "they asked"])

    assert "Erased 1 rows" in done.output
    assert "Not reached: the source" in done.output
    assert _traces(planted) == []
    assert folder("x") == "runs/x"
