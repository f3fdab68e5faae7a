"""Audited pairs: who is compared on which answers, where there is no test set."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest

from labelpress.end_model.training import TrainedModel
from labelpress.manifest import read_answers, write_manifest
from labelpress.stages.audited_pairs import audited_pairs, new_audits
from labelpress.stages.train import train_model
from labelpress.stages.trained import AuditPredictions

SCHEMA = ["row_id", "code", "stratum", "partition", "position"]


def answers_of(*rows):
    """Return answers as a run freezes them, as far as they are looked at."""
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


class TestNewAudits:
    """Which audit answers neither model has learnt from."""

    def test_what_the_champion_knew_does_not_judge_it(self):
        """Whatever the row was asked for then."""
        now = answers_of(("a", 0, "audit", "p", 0), ("b", 1, "audit", "p", 1))
        known = answers_of(("a", 0, "uncertain", "p", 0))

        fresh = new_audits(now, known, AuditPredictions(("a", "b"), (0, 1)))

        assert fresh["row_id"].to_list() == ["b"]
        assert fresh["said"].to_list() == [1]

    def test_only_audits_judge(self):
        """Rows that were asked because they are hard would judge both too harshly."""
        now = answers_of(("a", 0, "uncertain", "p", 0), ("b", 1, "audit", "p", 1))

        fresh = new_audits(now, now.head(0), AuditPredictions(("a", "b"), (0, 1)))

        assert fresh["row_id"].to_list() == ["b"]

    def test_what_the_challenger_cannot_say_out_of_fold_does_not_judge(self):
        """Its own answer would be counted as right."""
        now = answers_of(("a", 0, "audit", "p", 0))

        assert new_audits(now, now.head(0), AuditPredictions()).height == 0


@pytest.fixture(name="printed", scope="module")
def _printed(tmp_path_factory, write_project, cluster):
    """The small project, printed once without answers."""
    return write_project(tmp_path_factory.mktemp("pairs") / "reviews").print(cluster)


@pytest.fixture(name="trained", scope="module")
def _trained(printed, cluster):
    """The end model of that printing."""
    run, manifest = printed.run, printed.gated.manifest
    return train_model(run, manifest, read_answers(run.store.files, manifest.run), cluster)


def _answered(printed, name):
    """Write a second manifest whose audits are the first two rows of each day."""
    manifest = printed.gated.manifest.with_(run=name)
    empty = read_answers(printed.run.store.files, printed.gated.manifest.run)
    rows = [
        {
            "row_id": pl.read_parquet(p.file.uri)["id"][position],
            "code": 0,
            "stratum": "audit",
            "partition": p.digest,
            "position": position,
            "votes": [-1] * len(manifest.heuristics),
        }
        for p in manifest.partitions
        for position in (0, 1)
    ]
    known = pl.DataFrame(rows, schema_overrides={"code": pl.Int64})
    answers = pl.concat(
        [empty.head(0), known.cast({"votes": empty.schema["votes"]})], how="diagonal_relaxed"
    )
    write_manifest(printed.run.store.files, manifest, answers)
    return manifest


def _registry(content, run):
    """Return what MLflow would say of one registered model."""
    model = SimpleNamespace(version="1", tags={"labelpress.run": run})
    return SimpleNamespace(models=lambda: (model,), read_model=lambda _version: content)


def test_both_are_judged_on_the_same_rows(printed, trained, cluster):
    """A challenger that says what the champion says is right where that is."""
    manifest = _answered(printed, "later")
    frame = pl.concat(pl.read_parquet(p.file.uri)[:2] for p in manifest.partitions)
    said = TrainedModel.from_bytes(trained.content).predict_proba(frame).argmax(axis=1)
    audits = AuditPredictions(tuple(frame["id"]), tuple(said.tolist()))
    registry = _registry(trained.content, printed.gated.manifest.run)

    pairs = audited_pairs(
        printed.run, manifest, replace(trained, audits=audits), "1", registry, cluster
    )

    assert len(pairs.champion) == 6
    assert (pairs.champion == pairs.challenger).all()
    assert pairs.champion.sum() == (said == 0).sum()


def test_a_champion_that_knew_the_answers_is_not_judged(printed, trained, cluster):
    """Its own run froze the same ones."""
    manifest = _answered(printed, "same")
    registry = _registry(trained.content, "same")

    reason = audited_pairs(printed.run, manifest, trained, "1", registry, cluster)

    assert "has arrived since the champion was trained" in reason


def test_a_champion_of_another_store_is_not_judged(printed, trained, cluster):
    """Nobody knows what it learnt."""
    registry = _registry(trained.content, "elsewhere")

    reason = audited_pairs(printed.run, printed.gated.manifest, trained, "1", registry, cluster)

    assert "does not know which answers taught model 1" in reason
