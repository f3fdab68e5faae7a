"""Kept parameters label only what is new; a refit labels all; drift is told without answers."""

from __future__ import annotations

import shutil

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelpress.label_models import load
from labelpress.labels import label_rows
from labelpress.row_index import read_index
from labelpress.stages.label import overriding_by
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-09", "2026-03-16"
NEW = {
    "day-4.parquet": [("d1", "subscribe please", 1, "spam"), ("d2", "lovely", 5, "ham")],
    "day-5.parquet": [("e1", "WIN NOW", 5, "spam"), ("e2", "what a morning it is", 2, "ham")],
}


def labels_of_all_rows(printed):
    """Label every row of the source anew with the candidate's parameters."""
    manifest, run = printed.candidate.manifest, printed.run
    model, answers = load(manifest.label_model), overriding_by(printed.fitted.answers)
    frames = []
    for partition in manifest.partitions:
        cells = manifest.cells[partition.digest]
        votes = read_votes(
            run.store.files, cells, voting(manifest.heuristics), partition.rows, run.classes
        )
        ids = read_index(run.store.files, partition.digest)["row_id"]
        cohorts = pl.Series("cohort", [""] * len(ids))
        given_answers = answers.get(partition.digest, {})
        frames.append(label_rows(ids, votes, model, run.classes, given_answers, cohorts))
    return pl.concat(frames).sort("row_id").drop("cohort")


@pytest.fixture(name="printed_once", scope="module")
def _printed_once(tmp_path_factory, write_project, cluster):
    """A project of three partitions whose first period is published and asked about."""
    project = write_project(tmp_path_factory.mktemp("kept") / "reviews")
    project.configure("[experts]", '[label_model]\nrefit = "never"\n[experts]')
    project.print(cluster, FIRST)
    return project


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    added=st.sets(st.sampled_from(sorted(NEW))),
    edited=st.sets(st.sampled_from(["day-1.parquet", "day-2.parquet", "day-3.parquet"])),
    removed=st.booleans(),
)
def test_keeping_rewrites_what_is_touched_and_labels_as_a_full_relabel_would(
    printed_once, tmp_path_factory, cluster, added, edited, removed
):
    """Whatever rows came, changed, went or were answered meanwhile."""
    project = type(printed_once)(tmp_path_factory.mktemp("copy") / "reviews")
    shutil.copytree(printed_once.path, project.path)
    for part in sorted(added):
        project.write(part, NEW[part])
    for part in sorted(edited):
        rows = project.frame(part).with_columns(pl.lit("subscribe").alias("text"))
        project.write(part, rows, age=-100)
    if removed:
        project.remove("day-1.parquet")

    printed = project.print(cluster, SECOND, publish=False)

    manifest = printed.candidate.manifest
    assert manifest.refit == 'kept: refit = "never"'
    answered = set(printed.fitted.answers.filter(~pl.col("reserved"))["partition"])
    present = {p.part: p.digest for p in manifest.partitions}
    touched = {p for p in present if p in added | edited or present[p] in answered}
    assert {entry.part for entry in printed.candidate.written} == touched
    assert printed.labels.drop("cohort").equals(labels_of_all_rows(printed))
