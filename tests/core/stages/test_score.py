"""The score stage: every row is predicted once, and again only where something has changed."""

from __future__ import annotations

import time
from dataclasses import replace

import polars as pl
import pytest

from labelpress import read_labels, read_predictions
from labelpress.decisions import Decision, decide
from labelpress.erasure.forgetting import forget_rows
from labelpress.errors import StoreError
from labelpress.maintenance.condemned import write_condemned
from labelpress.manifest import read_answers
from labelpress.stages.score import score_rows
from labelpress.stages.train import train_model
from tests.registry import Registry


@pytest.fixture(name="registry")
def _registry() -> Registry:
    """A registry without models."""
    return Registry()


def crown(printed, registry, cluster, version):
    """Train on what was printed and make the model champion."""
    run, manifest = printed.run, printed.gated.manifest
    answers = read_answers(run.store.files, manifest.run)
    registry.kept[version] = train_model(run, manifest, answers, cluster).content
    champion = Decision("champion", "test", "because", label_version=1, model=version)
    decide(run.store.decisions, champion, batch=f"crown {version}")


def score(printed, registry, cluster):
    """Run the stage on what was printed."""
    return score_rows(printed.run, printed.gated.manifest, printed.version, registry, cluster)


@pytest.fixture(name="printed")
def _printed(project, cluster, registry):
    """The small project, printed once, with a champion."""
    project.configure("[experts]", "[gate]\nmax_churn = 1.0\n[experts]")
    printed = project.print(cluster)
    crown(printed, registry, cluster, "1")
    return printed


def test_every_row_is_predicted_beside_its_label(project, printed, registry, cluster):
    """Labelled or not; the columns are those of the labels."""
    scored = score(printed, registry, cluster)

    uri = project.read().store_uri
    found = read_predictions(uri).collect().sort("row_id")
    assert (scored.model, scored.partitions, scored.rows) == ("1", 3, 12)
    assert found["row_id"].to_list() == read_labels(uri).collect()["row_id"].sort().to_list()
    assert set(found["label"]) <= {"ham", "spam"}
    sums = found["probabilities"].list.sum()
    assert sums.is_between(0.999999, 1.000001).all()
    assert (found["probabilities"].list.max() == found["confidence"]).all()


def test_a_second_time_nothing_is_scored(printed, registry, cluster):
    """The files are named for what they follow from, so they are found."""
    score(printed, registry, cluster)

    again = score(printed, registry, cluster)

    assert (again.partitions, again.reused, again.rows) == (0, 3, 0)


def test_only_new_partitions_are_scored(project, printed, registry, cluster):
    """A new drop is; rows that were relabelled but are the same are not."""
    score(printed, registry, cluster)
    project.write("day-4.parquet", [("d1", "subscribe please", 1, "spam")])
    second = project.print(cluster, "2026-03-09")

    scored = score(second, registry, cluster)

    assert (scored.partitions, scored.reused, scored.rows) == (1, 3, 1)
    uri = project.read().store_uri
    assert read_predictions(uri).collect().height == 13
    assert read_predictions(uri, version=printed.version.version).collect().height == 12


def test_a_new_champion_scores_everything(project, printed, registry, cluster):
    """What the one before said stays readable."""
    score(printed, registry, cluster)
    crown(printed, registry, cluster, "2")

    scored = score(printed, registry, cluster)

    assert (scored.model, scored.partitions) == ("2", 3)
    uri = project.read().store_uri
    assert read_predictions(uri, model="1").collect().height == 12
    assert read_predictions(uri).collect().height == 12


def test_what_a_killed_run_wrote_is_taken_up(printed, registry, cluster):
    """One of three files was there, and nothing said so."""
    score(printed, registry, cluster)
    files = printed.run.store.files
    names = files.names("predictions/model-1")
    for name in names[1:]:
        files.delete(f"predictions/model-1/{name}")

    again = score(printed, registry, cluster)

    assert (again.partitions, again.reused) == (2, 1)


def test_what_maintenance_is_about_to_remove_is_not_taken_up(printed, registry, cluster):
    """It is written anew, which keeps it."""
    score(printed, registry, cluster)
    files = printed.run.store.files
    marked = f"predictions/model-1/{files.names('predictions/model-1')[0]}"
    write_condemned(files, {marked: time.time()})

    again = score(printed, registry, cluster)

    assert (again.partitions, again.reused) == (1, 2)


def test_without_a_champion_nothing_is_scored(project, cluster, registry):
    """The reason is given, and a reader is told which versions have predictions."""
    printed = project.print(cluster)

    assert score(printed, registry, cluster).reason == "no model serves yet"
    with pytest.raises(StoreError, match=r"no predictions for label version .*none"):
        read_predictions(project.read().store_uri)


def test_a_model_that_reads_another_column_scores_nothing(printed, registry, cluster):
    """It was trained when the run read that column."""
    manifest = printed.gated.manifest
    types = {name: kind for name, kind in manifest.types.items() if name != "stars"}
    narrower = replace(printed, gated=replace(printed.gated, manifest=manifest.with_(types=types)))

    assert "reads column 'stars'" in score(narrower, registry, cluster).reason


def test_predictions_are_the_models_own(printed, registry, cluster):
    """Row by row what predict_proba says."""
    from labelpress.end_model.training import TrainedModel  # noqa: PLC0415

    score(printed, registry, cluster)
    run, partition = printed.run, printed.gated.manifest.partitions[0]

    rows = pl.read_parquet(partition.file.uri)
    said = TrainedModel.from_bytes(registry.kept["1"]).predict_proba(rows)

    found = read_predictions(run.store.uri).filter(pl.col("part") == partition.part).collect()
    both = found.join(rows.select(row_id="id").with_row_index(), on="row_id").sort("index")
    assert both["probabilities"].to_list() == said.tolist()


def test_a_forgotten_row_has_no_prediction(project, printed, registry, cluster):
    """Neither in the files that were there nor in those of the next champion."""
    score(printed, registry, cluster)
    uri = project.read().store_uri
    before = read_predictions(uri).collect()

    forget_rows(project.store, ["a1"], who="ada", why="she asked for it")

    left = read_predictions(uri, version=printed.version.version).collect()
    assert left.equals(before.filter(pl.col("row_id") != "a1"))
    registry.kept["2"] = registry.kept["1"]
    champion = Decision("champion", "test", "because", label_version=1, model="2")
    decide(printed.run.store.decisions, champion, batch="crown 2")
    score(printed, registry, cluster)
    again = read_predictions(uri, version=printed.version.version, model="2").collect()
    assert set(again["row_id"]) == set(left["row_id"])
