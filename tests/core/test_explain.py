"""Explain: any row of any label version, and what is said where something is missing."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.console import Console

from labelpress.cli.looking import print_explanation
from labelpress.errors import LabelpressError
from labelpress.explain import explain_row

LATER = [
    ("a1", "what a wonderful and long song", 5, "ham"),
    ("a1", "subscribe to my channel", 1, "spam"),
    ("a2", "nice song", 5, "ham"),
]


def _votes(explanation):
    return {vote.note.name: vote.vote for vote in explanation.votes}


@pytest.mark.parametrize(("kept", "begging"), [([1, 2, 1], "spam"), ([2, 1, 1], None)])
def test_the_votes_are_those_of_the_row_that_was_kept(project, cluster, kept, begging):
    """Of two rows with one id the dropped one, though it may come first, explains nothing."""
    project.configure('id = "id"', 'id = "id"\non_duplicate = "latest:seen"')
    for part in ("day-2.parquet", "day-3.parquet"):
        project.write(part, project.frame(part).with_columns(seen=pl.lit(1)))
    rows = pl.DataFrame(LATER, schema=["id", "text", "stars", "gold"], orient="row")
    project.write("day-1.parquet", rows.with_columns(seen=pl.Series(kept)))
    project.print(cluster)
    explanation = explain_row(project.store, "a1")
    assert _votes(explanation)["begging"] == begging
    assert explanation.replayed.endswith("the same bits")


def test_a_past_version_is_explained_by_the_heuristics_of_its_time(project, cluster):
    """An edit does not reach back: votes, code and replay are those of the version asked for."""
    open_gate = "[gate]\nmax_churn = 1.0\nmax_balance_gap = 1.0\n[end_model.features]"
    project.configure("[end_model.features]", open_gate)
    first = project.print(cluster).version
    project.edit('["subscribe", "my channel"]', '["subscribe", "verse"]')
    second = project.print(cluster, "2026-03-09").version
    then, now = (explain_row(project.store, "a3", v.version) for v in (first, second))
    assert (_votes(then)["begging"], _votes(now)["begging"]) == (None, "spam")
    assert "my channel" in str(then.votes)
    assert "my channel" not in str(now.votes)
    assert then.replayed.endswith("the same bits")


def test_votes_that_are_gone_are_named(project, cluster):
    """Where the votes were deleted, the error names the row and the files."""
    project.print(cluster)
    for file in (project.path / "store" / "votes").rglob("*.parquet"):
        if file.name != "rows.parquet":
            file.unlink()
    with pytest.raises(LabelpressError, match=r"votes on 'day-1.parquet' are gone.*row 'a1'"):
        explain_row(project.store, "a1")


def test_an_explanation_as_json_says_all(project, cluster):
    """It parses, and holds votes, code and answers under the names of the Python call."""
    project.print(cluster)
    out = Console(file=io.StringIO(), width=40)
    print_explanation(str(project.path), "b4", None, out)
    said = json.loads(out.file.getvalue())
    told = explain_row(project.store, "b4")
    assert (said["row_id"], said["label"]) == ("b4", told.label)
    assert [vote["vote"] for vote in said["votes"]] == [vote.vote for vote in told.votes]
    assert {"code", "owner", "why"} <= set(said["votes"][0]["note"])
