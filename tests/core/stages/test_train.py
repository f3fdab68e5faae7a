"""The train stage: what a worker keeps of rows, how it fits, and which model is whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
import pytest

from labelpress.classes import Classes
from labelpress.end_model.training import TrainedModel
from labelpress.manifest import read_answers
from labelpress.stages.train import find_model, train_model, why_untrainable
from labelpress.stages.training_rows import apart
from labelpress.tables.versions import LabelVersion

VERSION = LabelVersion(7, "run-a", "2026-03-02", 1, "publish", datetime(2026, 3, 2, tzinfo=UTC), {})


class Model(NamedTuple):
    """A registered model, as far as it is looked at."""

    version: str
    tags: dict[str, str]


class Models(NamedTuple):
    """What MLflow has registered."""

    registered: tuple[Model, ...]

    def models(self):
        """Return all models."""
        return self.registered


def _held(frame):
    table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
    return table.get_total_buffer_size()


def test_a_sample_does_not_keep_the_texts_it_was_chosen_from():
    """One row of ten thousand holds kilobytes, where a filter alone holds all texts."""
    texts = [f"a text that is longer than twelve bytes, number {i}" for i in range(10_000)]
    chosen = pl.DataFrame({"text": texts}).filter(pl.int_range(pl.len()) == 5_000)
    assert _held(chosen) > 100_000
    copied = apart(chosen)
    assert copied.equals(chosen)
    assert _held(copied) < 10_000


def test_a_model_of_a_store_that_is_gone_is_not_taken_for_this_ones():
    """A store made anew counts from the beginning, so the version alone names no model."""
    tags = {"labelpress.label_version": "7", "labelpress.run": "run-a"}
    models = Models((Model("1", tags), Model("2", tags | {"labelpress.run": "run-b"})))
    assert find_model(VERSION, models).version == "1"
    assert find_model(replace(VERSION, run="run-b"), models).version == "2"
    assert find_model(replace(VERSION, run="run-c"), models) is None
    assert find_model(replace(VERSION, version=8), models) is None


@pytest.fixture(name="printed", scope="module")
def _printed(tmp_path_factory, write_project, cluster):
    """The small project, printed once without answers."""
    return write_project(tmp_path_factory.mktemp("train") / "reviews").print(cluster)


@pytest.fixture(name="answered", scope="module")
def _answered(tmp_path_factory, write_project, cluster):
    """A project of 120 rows, printed after an oracle has answered for half of them."""
    project = write_project(tmp_path_factory.mktemp("distil") / "reviews")
    project.enlarge()
    project.print(cluster)
    return project.print(cluster, "2026-03-09")


def _trained(printed, cluster, **settings):
    """Train on what was printed, with other settings of the end model."""
    run, manifest = printed.run, printed.gated.manifest
    end_model = run.project.settings.end_model.model_copy(update=settings)
    changed = run.project.settings.model_copy(update={"end_model": end_model})
    run = replace(run, project=replace(run.project, settings=changed))
    return train_model(run, manifest, read_answers(run.store.files, manifest.run), cluster)


class TestSolvers:
    """At once or block by block: the same rows teach, and the log says which it was."""

    def test_few_rows_are_held_in_memory(self, printed, cluster):
        """Nothing is measured for twelve rows."""
        trained = _trained(printed, cluster)

        assert trained.solver == "in memory: 12 rows"
        assert trained.log[0].endswith("rows, in memory: 12 rows.")

    def test_a_stream_teaches_the_same_rows(self, printed, cluster):
        """Its model names the same class on nearly every row it learnt."""
        at_once = _trained(printed, cluster)
        streamed = _trained(printed, cluster, solver="stream")

        assert streamed.solver == "streamed, as project.toml says: 12 rows"
        assert streamed.rows == at_once.rows
        rows = pl.concat(pl.read_parquet(p.file.uri) for p in printed.gated.manifest.partitions)
        said = [
            TrainedModel.from_bytes(made.content).predict_proba(rows).argmax(axis=1)
            for made in (at_once, streamed)
        ]
        assert (said[0] == said[1]).mean() > 0.8

    def test_an_estimator_is_streamed_too(self, printed, cluster):
        """Naive Bayes counts weighted rows partition by partition."""
        trained = _trained(
            printed,
            cluster,
            solver="stream",
            estimator="sklearn.linear_model.SGDClassifier",
            parameters={"loss": "log_loss"},
        )

        assert TrainedModel.from_bytes(trained.content).classes == ("ham", "spam")

    @pytest.mark.parametrize("solver", ["memory", "stream"])
    def test_the_same_labels_give_the_same_bits(self, printed, cluster, solver):
        """Whichever worker reads first."""
        first = _trained(printed, cluster, solver=solver)
        second = _trained(printed, cluster, solver=solver)

        assert _weights(first) == _weights(second)

    def test_votes_may_be_seen_while_streaming(self, printed, cluster):
        """Then there are two learners, of which one sees them."""
        trained = _trained(printed, cluster, solver="stream", votes=True)

        assert TrainedModel.from_bytes(trained.content).sees_votes


class TestDistilling:
    """A teacher sees the votes that the model itself need not see."""

    def test_the_votes_are_read_where_answers_correct_the_labels(self, answered, cluster):
        """And the model serves without them."""
        trained = _trained(answered, cluster, mix="offset")

        assert trained.mix.startswith("distilled offset")
        assert not TrainedModel.from_bytes(trained.content).sees_votes

    def test_both_learners_are_kept_where_the_model_sees_votes_too(self, answered, cluster):
        """The one without votes is taught by a teacher, the other is not."""
        trained = _trained(answered, cluster, mix="offset", votes=True)

        model = TrainedModel.from_bytes(trained.content)
        assert trained.mix.startswith("distilled offset")
        assert [seen is not None for _, seen in model.learners] == [False, True]

    @pytest.mark.parametrize("settings", [{"distil": False}, {"solver": "stream"}], ids=str)
    def test_it_is_left_out_where_it_cannot_or_shall_not_be(self, answered, cluster, settings):
        """What is streamed is learnt block by block before there is a teacher."""
        assert _trained(answered, cluster, mix="offset", **settings).mix.startswith("offset")


def _weights(trained):
    """Return the bytes of all coefficients: a skops file itself holds the time it was written."""
    learners = TrainedModel.from_bytes(trained.content).learners
    return [
        (learner.coefficients.tobytes(), learner.intercept.tobytes()) for learner, _ in learners
    ]


class TestUnseenClasses:
    """A class without a single training row."""

    def test_it_is_refused_before_anything_is_read(self, printed):
        """The class is named, and what can be done."""
        run, manifest = printed.run, printed.gated.manifest
        answers = read_answers(run.store.files, manifest.run)
        wider = replace(run, classes=Classes(("ham", "spam", "virus")))

        reason = why_untrainable(wider, manifest, answers)

        assert "the class 'virus' has not a single training row" in reason
        assert "unseen_classes" in reason

    def test_an_answer_is_a_training_row(self, printed):
        """One that may teach; a reserved one may not."""
        wider = replace(printed.run, classes=Classes(("ham", "spam", "virus")))
        answers = read_answers(printed.run.store.files, printed.gated.manifest.run)
        one = pl.DataFrame({"code": [2], "reserved": [False]}, schema_overrides={"code": pl.Int64})
        both = pl.concat([answers.select("code", "reserved").cast(one.schema), one])

        assert why_untrainable(wider, printed.gated.manifest, both) is None
        reserved = both.with_columns(pl.lit(value=True).alias("reserved"))
        assert "virus" in why_untrainable(wider, printed.gated.manifest, reserved)

    def test_fewer_than_two_classes_are_no_lesson(self, printed):
        """Whatever the settings say."""
        manifest = _without_spam(printed.gated.manifest)
        answers = read_answers(printed.run.store.files, manifest.run).head(0)

        assert "fewer than two classes" in why_untrainable(printed.run, manifest, answers)


def _without_spam(manifest):
    """Return a manifest whose labels are all ham."""
    entries = [
        replace(e, counts=replace(e.counts, by_class=(e.counts.by_class[0], 0)))
        for e in manifest.entries
    ]
    return manifest.with_(entries=tuple(entries))
