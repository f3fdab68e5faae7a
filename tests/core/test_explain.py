"""Explain: any row of any label version, and what is said where something is missing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from math import exp

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from labelpress.cli.looking import print_explanation, show_explanation
from labelpress.decisions import Decision, decide
from labelpress.errors import LabelpressError
from labelpress.explain import NO_CODE, explain_row
from labelpress.label_models import load
from labelpress.manifest import read_answers, write_manifest

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
    """An edit does not reach back: votes, code, answers and replay are those of the version."""
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
    asked = project.store.answers.read().row(0, named=True)
    before, after = (explain_row(project.store, asked["row_id"], v) for v in (1, 2))
    assert before.answers == ()
    (answer,) = after.answers
    assert (answer.label, answer.annotator) == (asked["label"], asked["annotator"])
    assert answer.answered == asked["answered"]
    assert answer.rationale == asked["rationale"]
    assert answer.counted in {"overrides", "certifies"}


def test_an_answer_to_what_a_row_was_is_stale(project, cluster):
    """Also where another answer, to what the row is, overrides its label."""
    # answers that let the third period be published too
    project.draw_by(seed=2)
    project.print(cluster)
    row_id = project.store.asks.read().filter(~pl.col("reserved"))["row_id"][0]
    project.print(cluster, "2026-03-09")
    given = project.store.answers.read().filter(pl.col("row_id") == row_id)
    old = given.with_columns(ask_id=pl.lit("a0"), row_hash=pl.lit("0" * 16))
    project.store.answers.append(old, batch="late")
    project.print(cluster, "2026-03-16")

    counted = {answer.counted for answer in explain_row(project.store, row_id).answers}

    assert counted == {"overrides", "stale"}


def test_a_vote_moves_the_odds_by_what_they_would_be_without_it(project, cluster):
    """With all votes over with all but this one, by the label model of the version."""
    manifest = project.print(cluster).gated.manifest
    model = load(manifest.label_model)
    explanation = explain_row(project.store, "a4")
    votes = np.array(
        [[-1 if v.vote is None else manifest.classes.index(v.vote) for v in explanation.votes]]
    )
    target = manifest.classes.index(explanation.explained_class)

    def odds(ballot):
        sure = model.predict_proba(ballot)[0, target]
        return sure / (1 - sure)

    assert (votes >= 0).sum() > 0
    for place, vote in enumerate(explanation.votes):
        silenced = votes.copy()
        silenced[0, place] = -1
        assert exp(vote.log_odds) == pytest.approx(odds(votes) / odds(silenced))


def test_votes_that_are_gone_are_named(project, cluster):
    """The rest is explained, but nothing claims to have been replayed."""
    project.print(cluster)
    for file in (project.path / "store" / "votes").rglob("*.parquet"):
        if file.name != "rows.parquet":
            file.unlink()
    explanation = explain_row(project.store, "a1")
    assert explanation.label == "spam"
    assert {vote.remark for vote in explanation.votes} == {"its vote is gone from the store"}
    assert explanation.replayed.startswith("not replayed: The votes of begging, short, starred")
    assert "on 'day-1.parquet' are gone (votes/" in explanation.missing[0]


def test_a_row_that_never_was_and_one_that_is_gone(project, cluster):
    """The one is in no version; of the other the versions that have it are named."""
    project.configure("[end_model.features]", "[gate]\nmax_gone_rows = 1.0\n[end_model.features]")
    first = project.print(cluster).version.version
    project.write("day-1.parquet", project.frame("day-1.parquet").tail(3), age=1)
    second = project.print(cluster, "2026-03-09").version.version
    with pytest.raises(LabelpressError, match=r"'zz' is not in label version 2\. No label version"):
        explain_row(project.store, "zz")
    with pytest.raises(
        LabelpressError, match=rf"'a1' is not in .* {second}\. It is in .* {first}\."
    ):
        explain_row(project.store, "a1")
    assert explain_row(project.store, "a1", first).label == "spam"


def test_a_vacuumed_version_is_recomputed_and_said_to_be_so(project, cluster):
    """The label file is gone, the votes are not: the label is shown, and where it comes from."""
    printed = project.print(cluster)
    then = explain_row(project.store, "a1")
    (project.path / "store" / "labels" / printed.gated.manifest.entries[0].path).unlink()
    explanation = explain_row(project.store, "a1")
    assert (explanation.label, explanation.probabilities) == (then.label, then.probabilities)
    assert "label version 1 was vacuumed" in explanation.missing[0]
    assert explanation.replayed.startswith("not replayed")


def test_a_heuristic_whose_code_was_not_kept(project, cluster):
    """Its vote still counts and is shown."""
    printed = project.print(cluster)
    bare = [replace(note, code="") for note in printed.gated.manifest.heuristics]
    files = project.store.files
    manifest = printed.gated.manifest.with_(heuristics=tuple(bare))
    write_manifest(files, manifest, read_answers(files, manifest.run))
    begging = explain_row(project.store, "a1").votes[0]
    assert (begging.vote, begging.remark) == ("spam", NO_CODE)


def test_gate_decisions_and_models_of_the_version_are_told(project, cluster):
    """Who promoted what the gate held, which end model learnt from it, and whether it serves."""
    printed = project.print(cluster)
    number, table = printed.version.version, project.store.decisions
    for kind, model in (("publish-held", None), ("champion", "3"), ("challenger", "4")):
        decision = Decision(kind, "ann", "looked", number, printed.run.id, model)
        decide(table, decision, batch=f"{kind}")
    explanation = explain_row(project.store, "a1")
    assert explanation.verdict.passed
    assert explanation.decided[0].startswith("The gate had held it; it was published by ann on")
    assert [(m.model, m.role, m.serving) for m in explanation.models] == [
        ("3", "champion", True),
        ("4", "challenger", False),
    ]


def test_a_version_that_was_brought_back_has_the_models_of_the_one_it_was(project, cluster):
    """A rollback is a version of its own, whose labels others have learnt from."""
    first = project.print(cluster).version.version
    project.print(cluster, "2026-03-09")
    decide(project.store.decisions, Decision("champion", "x", "y", first, None, "3"), batch="m")
    back = project.store.labels.restore(first, "wrong", "ann")
    assert [m.model for m in explain_row(project.store, "a1", back.version).models] == ["3"]


def test_other_bits_are_told_from_another_environment(project, cluster):
    """Within a millionth the label holds; the versions that differ are named."""
    printed = project.print(cluster)
    files, manifest = project.store.files, printed.gated.manifest
    path = next(e.path for e in manifest.entries if e.part == "day-2.parquet")
    frame = files.read_parquet(f"labels/{path}")
    nudged = frame.with_columns(pl.col("probabilities").list.eval(pl.element() + 1e-9))
    files.write_parquet(f"labels/{path}", nudged)
    older = manifest.with_(environment=manifest.environment | {"numpy": "1.0"})
    write_manifest(files, older, read_answers(files, manifest.run))
    row = frame.filter(pl.col("origin") == "program")["row_id"][0]
    said = explain_row(project.store, row).replayed
    assert "within 1.0e-09, the same label; the environment is another one (numpy 1.0 then" in said


def test_an_integer_id_is_found(project, cluster):
    """Also where the text asked for is no number at all."""
    for part, first in (("day-1.parquet", 0), ("day-2.parquet", 10), ("day-3.parquet", 20)):
        ids = pl.int_range(first, first + 4, dtype=pl.Int64, eager=True)
        project.write(part, project.frame(part).with_columns(id=ids))
    project.print(cluster)
    assert explain_row(project.store, "11").part == "day-2.parquet"
    with pytest.raises(LabelpressError, match=r"row 'b1' is not in label version 1\. No label"):
        explain_row(project.store, "b1")


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


def test_the_command_shows_who_votes_and_counts_who_does_not(project, cluster):
    """With gate, end models and replay below; of a row without votes there is no table."""
    project.print(cluster)
    shown = []
    for row in ("a1", "c4"):
        out = Console(file=io.StringIO(), width=160)
        show_explanation(str(project.path), row, None, out)
        shown.append(out.file.getvalue())
    assert "begging" in shown[0]
    assert "3 other heuristics abstain." in shown[0]
    assert "gate: passed" in shown[0]
    assert "no end model was trained on this version" in shown[0]
    assert "begging" not in shown[1]
    assert "4 heuristics abstain." in shown[1]


def test_a_kept_model_says_from_when_its_base_rate_is(project, cluster):
    """What a later period measures is not what the model uses."""
    project.print(cluster, "2026-03-02")
    kept = project.print(cluster, "2026-03-09").gated.manifest

    first, second = (explain_row(project.store, "a1", number) for number in (1, 2))

    assert kept.fitted_period == "2026-03-02"
    assert first.base_rate_source == "uniform in period 2026-03-02"
    assert second.base_rate_source == "as the model was fitted in period 2026-03-02"
