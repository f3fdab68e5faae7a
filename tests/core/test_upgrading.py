"""Upgrading: a store of every earlier form is read, run on and brought up to date."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from typer.testing import CliRunner

from labelpress.cli import app
from labelpress.consumers import read_labels
from labelpress.diff.versions import diff_versions
from labelpress.errors import StoreError
from labelpress.explain import explain_row
from labelpress.manifest import read_manifest
from labelpress.manifest_formats import ADDED
from labelpress.store import FORMAT
from labelpress.tables.schemas import LEDGER
from labelpress.upgrading import upgrade_store
from tests.conftest import SmallProject

FORMS = list(ADDED)
"""Each name is that of the form before it came: that form lacks it and all that came later."""
RECORDINGS = Path(__file__).parent / "recorded"
RECORDED = sorted(RECORDINGS.glob("format-*.zip"))
"""
Small projects with stores, one of each earlier format, written by the code of the time.

A new one: print two periods of the small project of these tests, the second after an edit of a
heuristic, in a folder that is nobody's, and zip it before `FORMAT` is raised.
"""
IN_ENTRIES = ("by_label", "by_slice", "crowded")
IN_NOTES = ("facts", "precision")


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory, write_project, cluster):
    """Two versions, as they are written today."""
    project = write_project(tmp_path_factory.mktemp("upgrading") / "reviews")
    project.configure("[end_model.features]", "[gate]\nmax_churn = 1.0\n[end_model.features]")
    project.print(cluster)
    project.edit('["subscribe", "my channel"]', '["subscribe"]')
    assert project.print(cluster, "2026-03-09").version is not None
    return project


@pytest.fixture(name="printed")
def _printed(template, tmp_path):
    shutil.copytree(template.path, tmp_path / "reviews")
    return replace(template, path=tmp_path / "reviews")


def _age(project, form):
    """Write the manifests as they were before a field came, as the labelpress of the time did."""
    for path in (project.path / "store" / "runs").glob("*/manifest.json"):
        plain = json.loads(path.read_text())
        for name in FORMS[FORMS.index(form) :]:
            plain.pop(name)
        if form == "id_type":
            plain["row_columns"] = ["id", "stars", "text"]
        for note in plain["heuristics"]:
            for name in IN_NOTES:
                note.pop(name)
        path.write_text(json.dumps(plain))
        entries = path.with_name("entries.parquet")
        frame = pl.read_parquet(entries)
        counts = [json.loads(text) for text in frame["counts"]]
        kept = [{k: v for k, v in one.items() if k not in IN_ENTRIES} for one in counts]
        aged = pl.Series([json.dumps(one) for one in kept])
        frame.with_columns(counts=aged).write_parquet(entries)


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_of_every_earlier_form_is_read(printed, form):
    """Explained to the bit and compared, before the upgrade as after it."""
    _age(printed, form)
    store = printed.store
    before = explain_row(store, "a1", 1), diff_versions(store, 1, 2, resamples=0)
    done = upgrade_store(store)
    after = explain_row(store, "a1", 1), diff_versions(store, 1, 2, resamples=0)

    assert len(done.manifests) == 2
    assert before == after
    assert before[0].replayed.endswith("the same bits")
    assert upgrade_store(store).manifests == ()


@pytest.mark.parametrize("form", [FORMS[0], FORMS[-1]])
def test_the_next_run_goes_on(printed, cluster, form):
    """With the oldest form and the newest earlier one, not upgraded."""
    _age(printed, form)
    assert printed.print(cluster, "2026-03-16").version is not None


def test_a_ledger_without_a_later_column_asks_for_the_upgrade(printed):
    """Its rows are read; a row is written after the upgrade, and all are there."""
    store = printed.store
    old = LEDGER.to_frame().drop("stratum")
    row = pl.DataFrame([dict.fromkeys(old.columns) | {"run": "r1"}], schema=old.schema)
    write_deltalake(store.ledger.uri, row.to_arrow())
    new = pl.DataFrame([dict.fromkeys(LEDGER) | {"run": "r2"}], schema=LEDGER)
    assert store.ledger.read()["run"].to_list() == ["r1"]
    with pytest.raises(StoreError, match=r"they have no stratum. Run `labelpress upgrade PROJECT`"):
        store.ledger.append(new, "b")

    told = CliRunner().invoke(app, ["upgrade", str(printed.path)])

    assert "columns added: ledger.stratum" in told.output
    assert store.ledger.append(new, "b")
    assert sorted(store.ledger.read()["run"]) == ["r1", "r2"]
    assert DeltaTable(store.ledger.uri).version() == 2
    assert "is up to date" in CliRunner().invoke(app, ["upgrade", str(printed.path)]).output


@pytest.fixture(name="recorded", params=[file.stem for file in RECORDED])
def _recorded(request, tmp_path):
    """A project whose store an earlier format's last labelpress wrote, as it was on the disk."""
    with zipfile.ZipFile(RECORDINGS / f"{request.param}.zip") as recording:
        recording.extractall(tmp_path / "reviews")
    return SmallProject(tmp_path / "reviews")


def test_there_is_a_recording_of_every_earlier_format():
    """Whoever raises the format adds one."""
    assert [file.stem for file in RECORDED] == [f"format-{n}" for n in range(1, FORMAT)]


def test_a_store_of_an_earlier_format_is_opened_upgraded_and_run_on(recorded, cluster):
    """Its labels are read and replayed to the bit before and after; then no cell is missing."""
    store = recorded.store
    before = read_labels(store.uri, 1).collect(), explain_row(store, "a1", 2)
    assert recorded.print(cluster, "2026-03-16").version.version == 3

    told = CliRunner().invoke(app, ["upgrade", str(recorded.path)])

    assert f"format {FORMAT}." in told.output
    assert store.identity().format == FORMAT
    assert read_labels(store.uri, 1).collect().equals(before[0])
    assert explain_row(store, "a1", 2) == before[1]
    assert before[1].replayed.endswith("the same bits")
    again = recorded.print(cluster, "2026-03-23")
    assert (again.plan.cells_missing, again.version.version) == (0, 4)


def test_a_store_of_a_newer_form_is_refused(printed):
    """With the labelpress that it needs; nothing is changed."""
    path = printed.path / "store" / "store.json"
    newer = {"format": 9, "needs_labelpress": "7.1"}
    path.write_text(json.dumps(json.loads(path.read_text()) | newer))
    told = CliRunner().invoke(app, ["upgrade", str(printed.path)])
    assert told.exit_code == 1
    assert "Install labelpress 7.1 or newer" in " ".join(told.output.split())
    assert read_manifest(printed.store.files, "none") is None
