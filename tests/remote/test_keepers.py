"""Maintain, forget and upgrade: killed at any moment they are completed by the same call."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace

import pytest

from labelpress.consumers import read_labels
from labelpress.explain import explain_row
from labelpress.maintenance.surveying import survey_store
from labelpress.store import FORMAT, Store
from tests.remote.fire import keepers
from tests.remote.fire.bucket import s3_system
from tests.remote.fire.keepers import DEEDS, ERASED, LATER, ONE
from tests.searching import files_with, holds

pytestmark = [pytest.mark.remote, pytest.mark.timeout(600)]
KILLS = int(os.environ.get("KEEP_N", "3"))
PERIODS = ("2026-03-02", "2026-03-09", "2026-03-16")
EDITS = (
    ('["subscribe", "my channel"]', '["subscribe"]'),
    ('["subscribe"]', '["subscribe", "verse"]'),
    ('["subscribe", "verse"]', '["subscribe"]'),
)


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory, write_project, cluster):
    """Three versions with asks, as a labelpress of format 1 without later fields left them."""
    project = write_project(tmp_path_factory.mktemp("kept") / "reviews")
    project.configure(
        "[end_model.features]",
        "[gate]\nmax_churn = 1.0\nmax_balance_gap = 1.0\n[end_model.features]",
    )
    project.configure("budget = 6", "budget = 30")
    project.write("day-4.parquet", [(ERASED, "subscribe at once", 1, "spam")])
    for period, edit in zip(PERIODS, EDITS, strict=True):
        project.edit(*edit)
        assert project.print(cluster, period).version is not None
    assert ERASED in project.store.asks.read()["row_id"].to_list()
    _make_older(project.path / "store")
    return project


def _make_older(store):
    identity = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps(identity | {"format": 1}))
    for path in store.glob("runs/*/manifest.json"):
        plain = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in plain.items() if k != "restated"}))


@pytest.fixture(name="context", scope="module")
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([keepers.__name__])
    return context


@pytest.fixture(name="kill")
def _kill(template, context, tmp_path):
    """A function that kills a deed just before one of its changes; it returns their number."""

    def kill(name, killed_at):
        project = replace(template, path=tmp_path / f"{name}-{killed_at}" / "reviews")
        shutil.copytree(template.path, project.path)
        ours, theirs = context.Pipe()
        process = context.Process(target=keepers.keep, args=(name, project.path, killed_at, theirs))
        process.start()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if killed_at else 0)
        return project, 0 if killed_at else ours.recv()

    return kill


@pytest.mark.parametrize("name", DEEDS)
def test_what_is_killed_is_completed_by_the_same_call(template, kill, name):
    """Meanwhile no version shows a row twice; afterwards nothing is left to be done."""
    whole, changes = kill(name, 0)
    _check_complete(name, whole, template)
    for killed_at in sorted({1 + changes * n // (KILLS + 1) for n in range(1, KILLS + 1)}):
        project, _ = kill(name, killed_at)
        for version in project.published():
            if version.removed is None:
                rows = read_labels(project.store.uri, version.version).collect()["row_id"]
                assert (rows.len(), rows.is_unique().all()) in {(13, True), (12, True)}

        DEEDS[name](project.store)

        _check_complete(name, project, template)


def _check_complete(name, project, template):
    store = project.store
    if name == "forget":
        assert files_with(project.path / "store", [ERASED]) == []
        assert [v.kind for v in store.labels.versions()][-1] == "erasure"
        assert store.identity().format == FORMAT
    elif name == "maintain":
        survey = survey_store(store, ONE, LATER)
        assert (survey.removals, survey.versions, survey.runs) == ((), (), ())
        assert [v.version for v in store.labels.versions() if v.removed is None] == [3]
    else:
        done = DEEDS["upgrade"](store)
        assert done == {"manifests": (), "columns": (), "format_raised": False}
    told = explain_row(template.store, "a1", 3)
    assert explain_row(store, "a1", 3).replayed == told.replayed
    kept = read_labels(template.store.uri, 3).sort("row_id").collect()
    if name == "forget":
        kept = kept.filter(kept["row_id"] != ERASED)
    assert read_labels(store.uri, 3).sort("row_id").collect().equals(kept)


def test_all_of_them_in_a_bucket(template, cluster, endpoint, folder, tmp_path):
    """A store in a bucket is upgraded, maintained and rid of a row; the next run goes on."""
    bucket = s3_system(endpoint)
    project = replace(template, path=tmp_path / "reviews")
    shutil.copytree(template.path, project.path)
    project.configure(
        "[classes]",
        f'[store]\nuri = "{folder}/store"\n'
        f'storage_options = {{ endpoint_url = "{endpoint}" }}\n[classes]',
    )
    for file in sorted((project.path / "store").rglob("*")):
        if file.is_file():
            path = file.relative_to(project.path).as_posix()
            bucket.pipe_file(f"{folder}/{path}", file.read_bytes())
    shutil.rmtree(project.path / "store")
    store = Store(f"{folder}/store", {"endpoint_url": endpoint})

    upgraded = DEEDS["upgrade"](store)
    maintained = DEEDS["maintain"](store)
    DEEDS["forget"](store)

    assert len(upgraded["manifests"]) == 3
    assert maintained.survey.versions == (1, 2)
    assert store.identity().format == FORMAT
    paths = bucket.find(folder)
    assert paths
    assert not [p for p in paths if holds(p, bucket.cat_file(p), [ERASED])]
    again = project.print(cluster, "2026-03-23")
    assert again.version is not None
    assert again.labels.height == 12
    assert explain_row(store, "a1").replayed.endswith("the same bits")
