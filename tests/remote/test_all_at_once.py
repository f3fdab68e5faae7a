"""Everything that writes to a store at the same instant, in processes of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import time
from dataclasses import replace

import polars as pl
import pytest

from labelpress.decisions import champion
from labelpress.erasure.forgetting import forget_rows
from labelpress.errors import StoreError
from labelpress.explain import explain_row
from labelpress.tracking import Tracking
from tests.remote.fire import writers
from tests.remote.fire.writers import ANSWERS, CONTESTED, ERASED, ERASER, HELD, WRITERS

pytestmark = [pytest.mark.remote, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("RACE_N", "3"))


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory, write_project, cluster):
    """Two versions of 30 days ago, a held candidate for a third, open asks and answers to them."""
    project = write_project(tmp_path_factory.mktemp("races") / "reviews")
    project.configure("[end_model.features]", "[gate]\nmax_churn = 1.0\n[end_model.features]")
    project.print(cluster)
    project.edit('["subscribe", "my channel"]', '["subscribe"]')
    assert project.print(cluster, "2026-03-09").version is not None
    held = project.print(cluster, CONTESTED, publish=False)
    (project.path / HELD).write_text(held.run.id)
    asks = project.store.asks.read().filter(pl.col("row_id") != ERASED)
    said = asks.select("ask_id", label=pl.lit("ham"), annotator=pl.lit("kim"))
    said.write_csv(project.path / ANSWERS)
    project.edit('["subscribe"]', '["subscribe", "verse"]')
    Tracking(project.read().tracking_uri, "reviews").models()  # so that no race makes its tables
    _age(project.path / "store")
    return project


def _age(store):
    """Set the times of all files and commits back by 30 days."""
    past = time.time() - 30 * 86_400
    for commit in store.rglob("_delta_log/*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "commitInfo" in action:
                action["commitInfo"]["timestamp"] = int(past * 1000)
        commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
    for path in store.rglob("*"):
        if path.is_file():
            os.utime(path, (past, past))


@pytest.fixture(name="race", scope="module")
def _race():
    """A function that lets all of them act in a project at once and returns what each says."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([writers.__name__])
    started = {}
    for name in (*WRITERS, *ERASER):
        ours, theirs = context.Pipe()
        process = context.Process(target=writers.serve, args=(name, theirs), daemon=True)
        process.start()
        theirs.close()
        started[name] = (ours, process)

    def race(project, delays):
        moment = time.time() + 1.0
        for name, delay in delays.items():
            started[name][0].send((str(project.path), moment + delay))
        return {name: started[name][0].recv() for name in delays}

    try:
        for ours, _ in started.values():
            assert ours.recv() == "ready"
        yield race
    finally:
        for ours, process in started.values():
            ours.send(None)
            process.join(60)


def _delays(names, number):
    """First all begin at once; then the quick ones later, so that their commits meet the slow."""
    dice = random.Random(number)  # noqa: S311  a seeded choice is what is wanted
    quick = {name for name in names if number and name not in {"relabel", "retrain"}}
    return {name: dice.uniform(0.0, 1.5) if name in quick else 0.0 for name in names}


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("erasing", [False, True], ids=["without erasure", "with erasure"])
def test_whoever_comes_first_the_store_is_whole(template, race, cluster, tmp_path, number, erasing):
    """Each succeeds or is refused in words; no row twice, no answer lost, and a run goes on."""
    shutil.copytree(template.path, tmp_path / "reviews")
    project = replace(template, path=tmp_path / "reviews")
    names = [*WRITERS, *(ERASER if erasing else ())]
    told = race(project, _delays(names, number))
    store = project.store
    if erasing:  # what was under way may have written the row again
        forget_rows(store, [ERASED], who="kim", why="race")

    assert not [said for said in told.values() if said.startswith("failed")], told
    given = pl.read_csv(project.path / ANSWERS)
    answers = store.answers.read()
    assert told["answer"] == f"took [{given.height}, 0]", told
    assert answers.select("ask_id", "annotator").is_unique().all()
    assert set(answers.filter(annotator="kim")["ask_id"]) == set(given["ask_id"])
    before = template.store.answers.read().filter(pl.col("row_id") != ERASED if erasing else True)
    assert before.join(answers, on=["ask_id", "annotator", "answered"], how="anti").is_empty()
    rows = 11 if erasing else 12
    for version in store.labels.versions():
        if version.removed is None:
            ids = store.labels.read(version.version).collect()["row_id"]
            assert (ids.len(), ids.is_unique().all()) == (rows, True), (told, str(version))
        else:
            with pytest.raises(StoreError, match="was removed by maintenance"):
                store.labels.read(version.version)
    printed = [version for version in store.labels.versions() if version.printed]
    assert len({version.period for version in printed}) == len(printed)
    _check_decisions(project, told)
    again = project.print(cluster, "2026-03-23")
    assert again.version is not None, told
    assert again.labels.height == rows
    assert explain_row(store, "a1").replayed.endswith("the same bits"), told
    if erasing:
        for table in (store.asks, store.answers):
            assert ERASED not in table.read()["row_id"].to_list()


def _check_decisions(project, told):
    """What was said to be promoted and decided is written down once, and MLflow agrees."""
    decisions = project.store.decisions.read()
    kinds = {v.kind for v in project.store.labels.versions()}
    promoted = decisions.filter(kind="publish-held")
    assert promoted.height == ("promotion" in kinds) >= told["promote"].startswith("promoted")
    trained = decisions.filter(pl.col("kind").is_in(["champion", "challenger"]))
    assert trained.height == (told["retrain"] in {"champion", "challenger"}), told
    tracking = Tracking(project.read().tracking_uri, "reviews")
    assert tracking.alias("champion") == champion(decisions)
