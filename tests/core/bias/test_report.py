"""Bias: the heuristic that does harm in a slice is found, and what says nothing says so."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.console import Console

from labelpress.bias.report import find_bias
from labelpress.cli.slicing import print_bias, show_bias
from labelpress.errors import LabelpressError
from labelpress.manifest import read_manifest
from labelpress.slices import SlicesSettings

SPEECH = """
import polars as pl
from labelpress import heuristic, keywords

rough = keywords(["bloody"], label="spam", column="text")
begging = keywords(["subscribe"], label="spam", column="text")
fine = heuristic(pl.col("stars") >= 4, label="ham")
kind = heuristic(pl.col("text").str.contains("song"), label="ham")
"""


@pytest.fixture(name="speech", scope="module")
def _speech(tmp_path_factory, write_project, cluster):
    """300 rows, printed twice: on the islands "bloody" is friendly; only elsewhere is it spam."""
    project = write_project(tmp_path_factory.mktemp("bias") / "reviews")
    project.heuristics(SPEECH)
    project.configure("budget = 6", "budget = 300")
    gate = "[gate]\nmax_balance_gap = 1.0\nmax_slice_gap = 0.9\n"
    gate += '[slices]\nattributes = ["region", "id"]\n'
    gate += 'where = { few = "stars = 3" }\n'
    project.configure("[end_model.features]", gate + "[end_model.features]")
    for number, part in enumerate(("day-1.parquet", "day-2.parquet", "day-3.parquet")):
        rows = []
        for i in range(100):
            region = ("islands", "north", "south", None)[i % 4]
            rough = i % 8 < 3
            spam = i % 5 == 0 or (rough and region != "islands")
            words = f"{'bloody ' if rough else ''}{'subscribe' if spam and i % 2 else 'words'}"
            stars = 3 if number == 0 and i < 3 else 1 if spam or rough else 5
            gold = "spam" if spam else "ham"
            rows.append((f"{number}-{i}", words, stars, gold, region, "web" if i % 2 else "app"))
        schema = ["id", "text", "stars", "gold", "region", "channel"]
        project.write(part, pl.DataFrame(rows, schema=schema, orient="row"))
    project.print(cluster)
    assert project.print(cluster, "2026-03-09").version is not None
    return project


def test_the_harmful_heuristic_and_its_slice_come_first(speech):
    """With the gap, and the gap without it, and what the audits say."""
    worst = find_bias(speech.store).gaps[0]

    assert (worst.slice, worst.heuristic, worst.label) == ("region = islands", "rough", "spam")
    assert worst.audits > 0
    assert worst.right < worst.right_elsewhere
    assert abs(worst.gap_without) < abs(worst.gap) or worst.share_without < worst.share
    assert "only by rough" in worst.sentence()


def test_shares_are_those_of_the_labels_and_slices_add_up(speech):
    """The values of an attribute, null among them, cover all rows."""
    bias = find_bias(speech.store, 1, declared=SlicesSettings(attributes=("region",)))
    facts = {one.name: one for one in bias.slices}

    assert set(facts) == {f"region = {r}" for r in ("islands", "north", "south")} | {
        "region is null"
    }
    assert sum(one.rows for one in facts.values()) == 300
    labels = speech.store.labels.read(1).collect()
    source = pl.concat([speech.frame(f"day-{n}.parquet") for n in (1, 2, 3)])
    mine = labels.join(source, left_on="row_id", right_on="id").filter(region="north")
    spam = (mine["label"] == "spam").mean()
    assert facts["region = north"].shares["spam"] == pytest.approx(spam)
    assert facts["region = north"].labelled == mine["label"].count()


def test_what_says_nothing_says_so(speech):
    """Three rows are too few, a hundred values are too many."""
    bias = find_bias(speech.store)
    few = next(one for one in bias.slices if one.name == "few")

    assert "are too few to say anything; 50 are needed" in few.insufficient
    assert bias.crowded == ("id",)
    assert not [gap for gap in bias.gaps if gap.slice == "few"]


def test_a_slice_on_a_column_that_the_run_did_not_read(speech):
    """It is read now, where somebody says where the source is; else it is named."""
    source = speech.read().settings.source
    declared = SlicesSettings(attributes=("channel",))
    bias = find_bias(speech.store, declared=declared, source=source)

    assert [(one.name, one.rows) for one in bias.slices] == [
        ("channel = app", 150),
        ("channel = web", 150),
    ]
    with pytest.raises(LabelpressError, match="did not read column 'channel'"):
        find_bias(speech.store, declared=declared)
    with pytest.raises(LabelpressError, match=r"has no column 'chanel'\. Did you mean 'channel'"):
        find_bias(speech.store, declared=SlicesSettings(attributes=("chanel",)), source=source)


def test_the_gate_checks_each_slice(speech):
    """By name, against all labels; one of three rows is unknown, and an attribute's null is one."""
    manifest = read_manifest(speech.store.files, speech.store.labels.find(2).run)
    checks = {check["name"]: check for check in manifest.verdict["checks"]}
    islands = manifest.certificates["slices"]["region = islands"]

    assert {name for name in checks if name.startswith("slice ")} == {
        f"slice {name}" for name in manifest.certificates["slices"]
    }
    gap = manifest.certificate["estimate"] - islands["estimate"]
    assert checks["slice region = islands"]["value"] == pytest.approx(gap)
    assert gap > 0
    assert checks["slice few"]["outcome"] == "unknown"
    assert checks["slice region is null"]["outcome"] == "pass"


def test_a_version_without_slices_says_how_to_declare_them(project, cluster):
    """Rather than showing an empty table."""
    project.print(cluster)

    with pytest.raises(LabelpressError, match=r'\[slices\] attributes = \["region"\]'):
        find_bias(project.store)


def test_the_command_prints_both_ways(speech):
    """A table with sentences for people, and JSON with the same figures."""
    out = Console(file=io.StringIO(), width=200)
    show_bias(str(speech.path), None, out)
    plain = Console(file=io.StringIO(), width=200)
    print_bias(str(speech.path), None, plain)
    said, found = out.file.getvalue(), json.loads(plain.file.getvalue())

    assert "region = islands" in said
    assert "id has more than 50 values" in said
    assert found["gaps"][0]["sentence"] in said
