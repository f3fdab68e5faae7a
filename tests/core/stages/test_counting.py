"""Counting the source's votes: the cap decides where sums are taken, not what they are."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelpress.classes import Classes
from labelpress.label_models import Answered, fit_patterns
from labelpress.label_models.everywhere import InMemory
from labelpress.stages.answers import freeze_answers
from labelpress.stages.plan import plan_run
from labelpress.stages.vote import cast_votes
from labelpress.stages.worker_votes import OnWorkers, grouped
from labelpress.tables.files import Files
from labelpress.vote_files import write_cells
from labelpress.votes import Votes, count_patterns, draw_patterns

CLASSES = Classes(("a", "b", "c"))
NAMES = ("h0", "h1", "h2", "h3")
PARTS = [f"day-{day}.parquet" for day in (1, 2, 3)]


@pytest.fixture(name="small_sample")
def _small_sample(monkeypatch):
    """Make twelve rows many: estimators learn from some three of them."""
    monkeypatch.setattr("labelpress.stages.counting.SAMPLE", 3)
    monkeypatch.setattr("labelpress.label_models.fitting.SAMPLE", 3)


def _count(project, cluster, period="2026-03-02"):
    run = project.open(period)
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    return cast_votes(run, plan, cluster).votes


def _cap(project, most):
    project.configure(
        "[end_model.features]", f"[label_model]\nmax_patterns = {most}\n[end_model.features]"
    )


def _plain(votes):
    """Return counts and sample as lists."""
    sample = votes.summary.sample
    return votes.summary.counts.to_json(), sample.votes.tolist(), sample.counts.tolist()


@given(
    matrix=arrays(np.int8, (60, 4), elements=st.integers(-1, 2)),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    model=st.sampled_from(["auto", "dawid-skene", "dawid-skene-symbol", "lift"]),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_fits_on_the_workers_equal_fits_in_memory(tmp_path_factory, cluster, matrix, cuts, model):
    """Whatever the partitions: the same sample, and sums that differ by rounding."""
    files = Files(str(tmp_path_factory.mktemp("store")))
    wheres = {}
    for number, part in enumerate(np.split(matrix, sorted(cuts))):
        votes = Votes(part, NAMES, (0,) * 4, (0.0,) * 4)
        cells, _ = write_cells(files, f"p{number}", votes, NAMES)
        wheres[f"p{number}"] = (f"p{number}", len(part), {c.fingerprint: c for c in cells})
    patterns = count_patterns(matrix)
    sample = draw_patterns(patterns, 0.5, np.random.default_rng(0))
    labels = np.arange(24) % 3
    taught = Answered(matrix[:24], labels, np.full(24, 0.4), np.ones(24, dtype=bool))
    groups = grouped(wheres, 4, 3)

    def fit(everywhere):
        return fit_patterns(
            sample,
            taught,
            classes=3,
            base_rate=None,
            heuristics=NAMES,
            model=model,
            everywhere=everywhere,
        )

    here = fit(InMemory.of(patterns))
    there = fit(OnWorkers(60, cluster, groups, (files, NAMES, CLASSES)))

    np.testing.assert_allclose(
        there.predict_proba(matrix), here.predict_proba(matrix), rtol=1e-6, atol=1e-9
    )
    assert [lift.votes for lift in there.lifts] == [lift.votes for lift in here.lifts]
    assert there.diagnostics["rows"] == here.diagnostics["rows"] == 60


@pytest.mark.usefixtures("small_sample")
def test_labels_are_the_same_above_and_below_the_cap(project, cluster, tmp_path):
    """Of twelve rows the printing is the same, whether the flow's process held the patterns."""
    other = replace(project, path=tmp_path / "copy")
    other.path.mkdir()
    for name in ("project.toml", "heuristics.py"):
        (other.path / name).write_text((project.path / name).read_text())
    for part in PARTS:
        other.write(part, project.frame(part))
    _cap(project, 10**9)
    _cap(other, 0)

    held, left = project.print(cluster), other.print(cluster)

    assert held.voted.votes.patterns is not None
    assert left.voted.votes.patterns is None
    for mine, theirs in zip(
        held.voted.manifest.statistics, left.voted.manifest.statistics, strict=True
    ):
        assert mine | {"seconds": 0} == theirs | {"seconds": 0}
    probabilities = [pl.Series(p.labels["probabilities"]).to_list() for p in (held, left)]
    np.testing.assert_allclose(*probabilities, atol=1e-6)
    assert held.labels["label"].to_list() == left.labels["label"].to_list()


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("most", [0, 10**9])
def test_what_came_and_went_is_counted_alone(project, cluster, most, monkeypatch):
    """The next period's counts and sample equal those of a store that starts anew."""
    _cap(project, most)
    project.print(cluster)
    project.remove(PARTS[0])
    rows = [("d1", "nice", 5, "ham"), ("d2", "SUBSCRIBE", 1, "spam")]
    project.write(PARTS[2], project.frame(PARTS[2]).head(3), age=-9)
    project.write("day-4.parquet", rows)
    asked = []
    counted = cluster.map

    def watched(function, items, *shared, **options):
        if function.__name__ == "_summarize":
            asked.extend(items)
        return counted(function, items, *shared, **options)

    with monkeypatch.context() as patched:
        patched.setattr(cluster, "map", watched)
        renewed = _count(project, cluster, "2026-03-09")

    assert sorted(asked) == sorted([PARTS[0], PARTS[2], PARTS[2], "day-4.parquet"])
    shutil.rmtree(project.path / "store")
    anew = _count(project, cluster, "2026-03-09")
    assert _plain(renewed) == _plain(anew)
    assert renewed.summary.patterns == anew.summary.patterns
    assert (renewed.patterns is None) == (anew.patterns is None) == (most == 0)
    if most:
        assert renewed.patterns.votes.tolist() == anew.patterns.votes.tolist()
        assert renewed.patterns.counts.tolist() == anew.patterns.counts.tolist()


@pytest.mark.parametrize("most", [0, 10**9])
def test_an_edit_counts_as_a_store_that_starts_anew(project, cluster, most, monkeypatch):
    """After an edit, with a part gone and one new, counts and sample equal those from scratch."""
    monkeypatch.setattr("labelpress.vote_files._FEW", 1.0)
    _cap(project, most)
    project.print(cluster)
    project.edit('"subscribe"', '"subscribe", "nice"')
    project.remove(PARTS[0])
    project.write("day-4.parquet", [("d1", "nice", 5, "ham"), ("d2", "SUBSCRIBE", 1, "spam")])

    edited = _count(project, cluster, "2026-03-09")
    shutil.rmtree(project.path / "store")
    anew = _count(project, cluster, "2026-03-09")
    assert _plain(edited) == _plain(anew)
    if edited.patterns is not None:
        assert edited.patterns.votes.tolist() == anew.patterns.votes.tolist()
        assert edited.patterns.counts.tolist() == anew.patterns.counts.tolist()
