"""The vote stage: only what is missing is computed, and nothing else decides a vote."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelpress.cluster import open_cluster
from labelpress.errors import PartitionsFailedError
from labelpress.stages.answers import freeze_answers
from labelpress.stages.plan import plan_run
from labelpress.stages.vote import cast_votes, voting
from labelpress.vote_files import find_cells, read_votes

ROW = st.tuples(
    st.sampled_from(["subscribe", "NOW OR NEVER", "fine", "", "my channel, please", None]),
    st.none() | st.integers(1, 5),
)


@pytest.fixture(name="one_worker", scope="module")
def _one_worker():
    """A cluster of one thread, beside the session's two."""
    with open_cluster(processes=False, workers=1) as cluster:
        yield cluster


def _vote(project, cluster, period="2026-03-02"):
    run = project.open(period)
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    return run, plan, cast_votes(run, plan, cluster)


def _by_row(run, voted):
    """Return the votes of each row by its id, and the faults of each heuristic."""
    found = {}
    for partition in voted.manifest.partitions:
        cells = voted.manifest.cells[partition.digest]
        prints = voting(voted.manifest.heuristics)
        votes = read_votes(run.store.files, cells, prints, partition.rows, run.classes)
        ids = run.store.files.read_parquet(f"votes/{partition.digest}/rows.parquet")["row_id"]
        found |= dict(zip(ids.to_list(), votes.tolist(), strict=True))
    return found, [stats["faults"] for stats in voted.manifest.statistics]


@given(data=st.data(), rows=st.lists(ROW, min_size=1, max_size=9))
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_votes_depend_on_rows_alone(tmp_path_factory, project, cluster, one_worker, data, rows):
    """Neither on partitioning, nor on row order, worker count, or what the store holds already."""
    project = replace(project, path=_copied(project, tmp_path_factory.mktemp("law")))
    project.configure('oracle = "gold"', "")
    project.configure("[end_model.features]", "[gate]\nmax_fault_rate = 1.0\n[end_model.features]")
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        project.remove(part)
    frame = pl.DataFrame(
        [(f"r{i}", text, stars) for i, (text, stars) in enumerate(rows)],
        schema={"id": pl.String, "text": pl.String, "stars": pl.Int64},
        orient="row",
    )
    project.write("whole.parquet", frame)
    expected = _by_row(*_kept(_vote(project, one_worker)))

    project.remove("whole.parquet")
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    pieces = [frame[order[:cut]], frame[order[cut:]]]
    for number, piece in enumerate(pieces):
        project.write(f"piece-{number}.parquet", piece)
    warm = data.draw(st.booleans())
    if warm:  # part of the cells are there already, cast by a project of fewer heuristics
        text = (project.path / "heuristics.py").read_text()
        project.heuristics(text.partition("\n@heuristic")[0])
        _vote(project, one_worker)
        project.heuristics(text)
    run, plan, voted = _vote(project, cluster)

    assert _by_row(run, voted) == expected
    filled = sum(piece.height > 0 for piece in pieces)
    assert plan.cells_missing <= (1 if warm else 4) * filled


def _kept(vote):
    run, _, voted = vote
    return run, voted


def _copied(project, folder):
    for name in ("project.toml", "heuristics.py"):
        (folder / name).write_text((project.path / name).read_text())
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        replace(project, path=folder).write(part, project.frame(part))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "computed"),
    [
        ("import polars as pl", "import polars as pl  # fast", 0),
        ("begging = ", "pleading = ", 0),
        ("len(row.text) > 5", "len(row.text) > 6", 3),
        ('stars") >= 4, label="ham"', 'stars") >= 4, label="spam"', 3),
    ],
)
def test_an_edit_computes_its_own_cells_only(project, cluster, old, new, computed):
    """Three partitions, four heuristics: twelve cells, of which the edited one has three."""
    _vote(project, cluster)
    project.edit(old, new)

    _, plan, voted = _vote(project, cluster, "2026-03-09")

    assert plan.cells_missing == voted.manifest.cells_computed == computed
    assert voted.manifest.cells_reused == 12 - computed


def test_what_a_crashed_run_cast_is_reused(project, cluster):
    """A partition that fails takes its neighbours' votes nowhere."""
    run = project.open()
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    kept = project.frame("day-2.parquet")
    project.remove("day-2.parquet")
    with pytest.raises(PartitionsFailedError, match=r"day-2.parquet.*was deleted while the run"):
        cast_votes(run, plan, cluster)
    project.write("day-2.parquet", kept)

    _, again, voted = _vote(project, cluster)

    assert dict(again.missing).keys() == {"day-2.parquet"}
    assert voted.manifest.cells_computed == 4
    assert voted.manifest.cells_reused == 8


def test_a_heuristic_that_is_stopped_leaves_no_cell(project, cluster):
    """It is quarantined with the reason, tried again by the next run, and keeps nobody's votes."""
    project.configure("[end_model.features]", TIGHT)
    project.edit("return len(row.text) > 5", "while 'NOW' in row.text: pass\n    return False")

    run, _, voted = _vote(project, cluster)

    (shouting,) = [note for note in voted.manifest.heuristics if note.name == "shouting"]
    assert shouting.quarantined
    assert "was stopped after 2 s" in shouting.quarantine_reason
    for partition in voted.manifest.partitions:
        names = {cell.fingerprint for cell in find_cells(run.store.files, partition.digest)}
        assert (shouting.fingerprint in names) == (partition.part != "day-2.parquet")
        assert len(names) >= 3
    assert np.all(voted.votes.learnt_from.votes[:, 3] == -1)
    _, again, _ = _vote(project, cluster)
    assert again.missing == {"day-2.parquet": (shouting.fingerprint,)}


TIGHT = """[heuristics]
time_limit_seconds = 2
[end_model.features]"""
