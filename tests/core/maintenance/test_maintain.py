"""Maintenance: what goes, what stays, and that what stays is the same to the bit."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable

from labelpress.decisions import Decision, decide, standing_hold
from labelpress.diff.versions import diff_versions
from labelpress.dossier.recomputing import recompute
from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.explain import explain_row
from labelpress.ledger import Spend
from labelpress.maintenance.removal import in_words
from labelpress.maintenance.surveying import survey_store
from labelpress.maintenance.sweeping import maintain_store
from labelpress.predictions import (
    PredictionFile,
    Predictions,
    scan_predictions,
    write_predictions,
)
from labelpress.retention import RetentionSettings
from labelpress.runs import open_candidate, read_spend, run_ids, save_spend
from labelpress.stages.publish import publish_labels
from labelpress.tables.files import Files

PERIODS = ("2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23")
TWO = RetentionSettings(keep_days=1, keep_versions=2, orphan_days=1)
LATER = datetime.now(UTC) + timedelta(days=30)
MUCH_LATER = LATER + timedelta(days=30)


def _silent(_done, _all):
    """Show no progress."""


def _maintain(project, now=LATER, settings=TWO):
    return maintain_store(project.store, settings, _silent, now).survey


EDITS = ('["subscribe", "my channel"]', '["subscribe", "verse"]', '["subscribe"]', '["money"]')


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory, write_project, cluster):
    """Four versions, each but the first after an edit of one heuristic."""
    project = write_project(tmp_path_factory.mktemp("maintained") / "reviews")
    limits = "max_churn = 1.0\nmax_balance_gap = 1.0\nmax_coverage_drop = 1.0"
    open_gate = f"[gate]\n{limits}\n[end_model.features]"
    project.configure("[end_model.features]", open_gate)
    for number, period in enumerate(PERIODS):
        if number:
            project.edit(EDITS[number - 1], EDITS[number])
        assert project.print(cluster, period).version is not None
    return project


@pytest.fixture(name="printed")
def _printed(template, tmp_path):
    """The same, to be changed."""
    shutil.copytree(template.path, tmp_path / "reviews")
    return replace(template, path=tmp_path / "reviews")


def _bytes(project):
    store = project.path / "store"
    files = [path for path in store.rglob("*") if path.is_file()]
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def _told(project):
    """What consumers and auditors see of the two kept versions."""
    store = project.store
    return (
        [store.labels.read(version).sort("row_id").collect() for version in (3, 4)],
        [explain_row(store, row, version) for row in ("a1", "b2", "c4") for version in (3, 4)],
        diff_versions(store, 3, 4, resamples=0),
    )


def test_kept_versions_are_the_same_to_the_bit(printed, cluster):
    """Labels, explanations with their replay and diffs; and all that the run had computed."""
    before = _told(printed)
    first, second = _maintain(printed), _maintain(printed, MUCH_LATER)
    after = _told(printed)

    assert first.versions == (1, 2)
    assert first.kept == (3, 4)
    assert {removal.why for removal in first.removals} >= {
        "labels of removed versions",
        "what removed runs left",
    }
    assert {removal.why for removal in second.removals} == {"votes that nothing names"}
    assert all(one.equals(two) for one, two in zip(before[0], after[0], strict=True))
    assert before[1:] == after[1:]
    assert all(one.replayed.endswith("the same bits") for one in after[1])
    assert recompute(printed.read(), printed.store, 4, cluster) == ()


def test_a_kept_version_can_be_restored_and_a_removed_one_says_so(printed):
    """Nothing half there is ever read."""
    _maintain(printed)
    store = printed.store
    with pytest.raises(PublicationRefusedError, match=r"version 1 .* maintenance removed it on"):
        store.labels.restore(1, "why", "kim")
    with pytest.raises(StoreError, match=r"version 2 .* was removed by maintenance"):
        store.labels.read(2)
    with pytest.raises(StoreError, match="was removed by maintenance"):
        store.labels.find(period=PERIODS[0])
    with pytest.raises(StoreError, match="was removed by maintenance"):
        explain_row(store, "a1", 1)
    wanted = store.labels.read(3).sort("row_id").collect()

    restored = store.labels.restore(3, "why", "kim")

    assert store.labels.read(restored.version).sort("row_id").collect().equals(wanted)
    assert [v.version for v in store.labels.versions() if v.removed] == [1, 2]


def test_a_survey_writes_nothing_and_a_sweep_does_what_it_said(printed):
    """File by file and byte by byte."""
    before = _bytes(printed)
    survey = survey_store(printed.store, TWO, LATER)
    assert _bytes(printed) == before

    done = _maintain(printed)

    after = _bytes(printed)
    gone = before.keys() - after.keys()
    assert gone == {removal.path for removal in survey.removals}
    assert survey.bytes == sum(len(before[path]) for path in gone)
    assert done.removals == survey.removals
    assert "Would remove" in in_words(survey, done=False)
    assert in_words(done, done=True).startswith(f"Removed {len(gone)} files, {survey.bytes:,}")


def test_nothing_young_goes(printed):
    """Today nothing is older than a day, but for the versions given up by number."""
    survey = survey_store(printed.store, TWO)
    assert survey.removals == ()
    assert survey.versions == ()


def test_the_next_run_goes_on_where_the_last_stopped(printed, cluster):
    """After both sweeps a run of unchanged rows computes no cell."""
    _maintain(printed)
    _maintain(printed, MUCH_LATER)
    printed_again = printed.print(cluster, "2026-03-30")
    assert printed_again.plan.cells_missing == 0
    assert printed_again.version is not None


def test_marked_votes_are_not_taken_up(printed, cluster):
    """An edit that is taken back is computed anew while its old votes wait to be removed."""
    printed.edit(EDITS[3], EDITS[1])
    assert printed.plan(cluster, "2026-03-30").cells_missing == 0
    _maintain(printed)
    back = printed.print(cluster, "2026-03-30")

    assert back.plan.cells_missing == 3
    _maintain(printed, MUCH_LATER, TWO)
    explained = explain_row(printed.store, "a1")
    assert explained.replayed.endswith("the same bits")


def test_a_held_candidate_stays_while_it_can_be_promoted(printed, cluster):
    """It goes when another version was published since."""
    printed.edit(EDITS[3], '["address"]')
    held = printed.print(cluster, "2026-03-30", publish=False)
    assert not {held.run.id} & set(_maintain(printed).runs)
    promoted = open_candidate(printed.read(), held.run.id)

    assert publish_labels(promoted, held.gated.manifest, "promotion").kind == "promotion"


def test_a_candidate_that_was_given_up_is_refused(printed, cluster):
    """Also where its run comes back to life after its files were removed, or while they are."""
    left = printed.print(cluster, "2026-03-30", publish=False)
    printed.print(cluster, "2026-04-06")
    survey = _maintain(printed)

    assert left.run.id in survey.runs
    with pytest.raises(PublicationRefusedError):
        publish_labels(left.run, left.gated.manifest)


def test_a_publication_that_comes_between_makes_maintenance_look_again(printed, cluster):
    """What was decided on an older state of the table is not done."""
    store = printed.store
    survey = survey_store(store, TWO, LATER)
    store.labels.restore(2, "why", "kim")
    assert not store.labels.mark_removed(survey.delta_version, survey.versions, survey.runs)
    again = _maintain(printed)

    assert 2 in {v.version for v in store.labels.versions() if v.removed}
    assert store.labels.read().collect().height == 12
    assert again.kept == (4, 5)


def test_a_version_that_a_champion_learnt_from_stays(printed):
    """However old it is."""
    champion = Decision("champion", "rule", "best", label_version=1, model="1")
    decide(printed.store.decisions, champion, batch="promote:v1")
    assert _maintain(printed).kept == (1, 3, 4)


def test_predictions_of_removed_versions_go(printed):
    """Marked first, like votes; what a kept version names stays, and what was written anew."""
    files = printed.store.files
    names = ["once", "both", "always", "again"]
    parts = {name: PredictionFile("p", f"predictions/model-1/{name}.parquet", 12) for name in names}
    for part in parts.values():
        files.write_parquet(part.path, printed.frame("day-1.parquet"))
    for version, named in {1: ["once", "both", "again"], 3: ["both", "always"]}.items():
        named_files = tuple(parts[name] for name in named)
        write_predictions(files, Predictions(version, "1", named_files))

    first = _maintain(printed)
    marked = {path for path in printed.store.condemned() if path.startswith("predictions/")}
    os.utime(printed.path / "store" / parts["again"].path, (MUCH_LATER.timestamp(),) * 2)
    second = _maintain(printed, MUCH_LATER)

    assert marked == {parts["once"].path, parts["again"].path, "predictions/v1/1.json"}
    assert "predictions that nothing names" not in {removal.why for removal in first.removals}
    gone = {r.path for r in second.removals if r.why == "predictions that nothing names"}
    assert gone == marked - {parts["again"].path}
    assert files.names("predictions/model-1") == ("again.parquet", "always.parquet", "both.parquet")
    assert scan_predictions(files, 3).collect().height == 8


def test_append_tables_become_one_file_and_keep_all(printed):
    """Rows, their order, batch ids, earlier versions, and a decision made on what was seen."""
    decisions = printed.store.decisions
    for number in range(9):
        decide(decisions, Decision("rollback", f"kim {number}", "x"), batch=f"b{number}")
    seen, before, third = decisions.version(), decisions.read(), decisions.read(3)
    asks = printed.store.asks.read()
    survey = _maintain(printed)

    after = decisions.read()
    assert survey.compacted["decisions"] == 9
    assert decisions.file_count() == 2  # and the row that says so
    assert after.filter(kind="rollback").equals(before)
    assert after.filter(kind="maintain").height == 1
    assert "label versions given up: 1, 2" in after.filter(kind="maintain")["why"][0]
    assert decisions.read(3).equals(third)
    assert printed.store.asks.read().equals(asks)
    assert all(decisions.has(f"b{number}") for number in range(9))
    assert standing_hold(after) is not None
    with pytest.raises(PublicationRefusedError, match="moved on"):
        decide(decisions, Decision("lift", "kim", "x"), batch="new", expect_version=seen)


def test_compaction_alone_moves_no_decision(printed):
    """Whoever looked before it and decides after it is not refused."""
    decisions = printed.store.decisions
    for number in range(9):
        decide(decisions, Decision("lift", f"kim {number}", "x"), batch=f"b{number}")
    seen = decisions.version()
    decisions.compact()
    assert decisions.version() != seen
    assert decide(decisions, Decision("lift", "kim", "x"), batch="new", expect_version=seen)


def test_replaced_event_files_go_when_nothing_looks_back(printed):
    """What a kept run froze is read as it was."""
    decisions = printed.store.decisions
    for number in range(9):
        decide(decisions, Decision("lift", f"kim {number}", "x"), batch=f"b{number}")
    _maintain(printed)
    survey = _maintain(printed, MUCH_LATER)

    gone = [r.path for r in survey.removals if r.why == "events before compaction"]
    assert len(gone) == 9
    assert all(path.startswith("decisions/") for path in gone)
    assert decisions.read().height == 11


def test_a_sweep_that_was_killed_is_completed_by_the_next(printed, monkeypatch):
    """The versions are given up already; the files go now."""
    wanted = {removal.path for removal in survey_store(printed.store, TWO, LATER).removals}
    delete = Files.delete
    calls = iter(range(100))

    def dies(files, path):
        if next(calls) == 3:
            raise KeyboardInterrupt
        delete(files, path)

    monkeypatch.setattr(Files, "delete", dies)
    with pytest.raises(KeyboardInterrupt):
        _maintain(printed)
    monkeypatch.undo()
    _maintain(printed)

    assert not wanted & _bytes(printed).keys()
    assert printed.store.labels.read(3).collect().height == 12


def test_a_batch_that_was_never_committed_goes(printed):
    """Its writer was killed between file and commit; what is committed stays."""
    asks = printed.path / "store" / "asks"
    shutil.copy(next(asks.glob("*.parquet")), asks / "lost.parquet")
    before = printed.store.asks.read()
    removed = {r.path for r in _maintain(printed).removals if r.why == "what killed writers left"}
    assert removed == {"asks/lost.parquet"}
    assert printed.store.asks.read().equals(before)


def test_half_written_files_of_killed_writers_go(printed):
    """On a disk they lie beside what they would have become."""
    (printed.path / "store" / "votes" / ".abc.tmp").write_bytes(b"half")
    removed = {r.path for r in _maintain(printed).removals if r.why == "what killed writers left"}
    assert removed == {"votes/.abc.tmp"}


def test_a_table_that_lost_its_properties_is_named(printed):
    """Delta would drop its versions after 30 days."""
    table = DeltaTable(printed.store.labels.uri)
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 30 days"})
    assert "labels/ has lost its retention" in survey_store(printed.store, TWO).remarks[0]


def test_books_outlive_the_runs(printed, cluster):
    """A run that crashed is still counted as a look, and what it spent is still to be booked."""
    run = printed.open("2026-03-30")
    save_spend(run, Spend(stage="vote", wall_seconds=1.0))
    before = run_ids(printed.store)
    survey = _maintain(printed)

    assert run.id in survey.runs
    assert run_ids(printed.store) == before
    assert read_spend(printed.store, run.id, "vote") is not None
