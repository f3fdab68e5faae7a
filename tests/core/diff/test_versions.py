"""Diffs of published versions: counts, causes, examples, and the same split in the gate."""

from __future__ import annotations

import io

import polars as pl
import pytest
from rich.console import Console

from labelpress.cli.comparing import show_diff
from labelpress.diff.causes import Cause
from labelpress.diff.versions import diff_versions
from labelpress.errors import LabelpressError
from labelpress.labels import compare

OPEN_GATE = """[gate]
max_churn = 1.0
max_balance_gap = 1.0
max_gone_rows = 1.0
max_coverage_drop = 1.0
"""


@pytest.fixture(name="printed")
def _printed(project, cluster):
    """The first printing of a project without experts that never refits, its gate wide open."""
    project.configure('oracle = "gold"\n', "")
    settings = OPEN_GATE + '[label_model]\nmodel = "majority"\nrefit = "never"\n'
    project.configure("[end_model.features]", settings + "[end_model.features]")
    return project.print(cluster)


def _rows(diff):
    return {str(share.cause): share.rows for share in diff.shares}


def test_an_edit_is_named_with_its_rows(project, cluster, printed):
    """And the split is the gate's, summing to the churn that a join of the labels finds."""
    project.edit('["subscribe", "my channel"]', '["nothing like it"]')
    second = project.print(cluster, "2026-03-09")
    diff = diff_versions(project.store, printed.version.version, second.version.version)

    assert _rows(diff) == {"heuristic begging": 3}
    assert [(e.row_id, e.before, e.after) for e in diff.shares[0].examples] == [
        ("a1", "spam", None),
        ("b1", "spam", None),
        ("c1", "spam", None),
    ]
    assert diff.shares[0].what == "its rule changed"
    assert diff.churn == pytest.approx(3 / 12)
    assert sum(share.of_churn for share in diff.shares) == 1
    assert second.gated.manifest.diff["shares"] == diff.to_json()["shares"]
    found = compare(printed.labels, second.labels)
    assert found.relabelled + found.answered == diff.changed


def test_changed_new_gone_and_moved_rows(project, cluster, printed):
    """A row that moves to another partition is neither new nor gone, whether it changed or not."""
    first, second = project.frame("day-1.parquet"), project.frame("day-2.parquet")
    changed = first.with_columns(
        text=pl.when(pl.col("id") == "a1").then(pl.lit("so nice")).otherwise("text")
    )
    project.write("day-1.parquet", changed.head(2), age=1)
    new = pl.DataFrame([("n1", "brand new", 5, "ham")], schema=first.schema, orient="row")
    project.write("day-2.parquet", pl.concat([second.tail(3), changed.tail(2), new]), age=1)
    after = project.print(cluster, "2026-03-09")
    diff = diff_versions(project.store, printed.version.version, after.version.version)

    assert (diff.common, diff.new, diff.gone) == (11, 1, 1)
    assert _rows(diff) == {"changed rows": 1}
    assert diff.shares[0].examples[0].row_id == "a1"


def test_a_moved_row_that_changed_is_charged(project, cluster, printed):
    """Across partitions as within one."""
    first, second = project.frame("day-1.parquet"), project.frame("day-2.parquet")
    moved = first.head(1).with_columns(text=pl.lit("so nice"))
    project.write("day-1.parquet", first.tail(3), age=1)
    project.write("day-2.parquet", pl.concat([second, moved]), age=1)
    after = project.print(cluster, "2026-03-09")
    diff = diff_versions(project.store, printed.version.version, after.version.version)

    assert (diff.common, diff.new, diff.gone, _rows(diff)) == (12, 0, 0, {"changed rows": 1})


def test_a_version_is_like_itself(project, printed):
    """No churn, no cause."""
    number = printed.version.version
    diff = diff_versions(project.store, number, number)

    assert (diff.changed, diff.churn, diff.shares) == (0, 0.0, ())


def test_where_labelling_changed_nothing_no_label_is_read(project, cluster, printed):
    """An edit without effect writes all label files anew; the earlier ones may even be gone."""
    project.edit('["subscribe", "my channel"]', '["subscribe", "my channel", "never said"]')
    second = project.print(cluster, "2026-03-09")
    before = {entry.path for entry in printed.gated.manifest.entries}
    assert before.isdisjoint(entry.path for entry in second.gated.manifest.entries)
    for path in before:
        project.store.files.delete(f"labels/{path}")

    diff = diff_versions(project.store, printed.version.version, second.version.version)

    assert (diff.common, diff.changed, diff.new, diff.gone) == (12, 0, 0, 0)


def test_a_vacuumed_version_is_said_to_be_so(project, cluster, printed):
    """With the file that is gone."""
    project.edit('["subscribe", "my channel"]', '["nothing like it"]')
    second = project.print(cluster, "2026-03-09")
    entry = printed.gated.manifest.entries[0]
    (project.path / "store" / "labels" / entry.path).unlink()

    with pytest.raises(LabelpressError, match=r"gone from the store: its version was vacuumed"):
        diff_versions(project.store, printed.version.version, second.version.version)


def test_a_limit_for_one_cause_holds_the_run(project, cluster, printed):
    """The gate names the cause."""
    project.configure("max_churn = 1.0", "max_churn = 1.0\nmax_cause_churn = { heuristic = 0.2 }")
    project.edit('["subscribe", "my channel"]', '["nothing like it"]')
    gated = project.print(cluster, "2026-03-09").gated
    held, verdict = gated.held, gated.verdict

    checks = {check.name: check.sentence for check in verdict.checks}
    assert checks["churn"].endswith("Of all changes: heuristic begging 100%.")
    assert len(held) == 1
    assert "by one cause, heuristic begging (25.0%; 20.0% is allowed)" in held[0]


def test_refit_noise_is_measured_where_the_model_was_refitted(project, cluster, printed):
    """Between the smallest and the largest churn of the resamples; none without a refit."""
    project.configure('refit = "never"', 'refit = "always"')
    project.configure('model = "majority"', 'model = "dawid-skene-symbol"')
    second = project.print(cluster, "2026-03-09").version.version
    third = project.print(cluster, "2026-03-16").version.version

    assert diff_versions(project.store, second, third).noise is None  # the same parameters
    noise = diff_versions(project.store, printed.version.version, second, resamples=2).noise
    assert noise.resamples == 2
    assert 0 <= noise.low <= noise.churn <= noise.high <= 1


def test_the_command_says_causes_and_examples(project, cluster, printed):
    """In a table, after a sentence with the churn."""
    project.edit('["subscribe", "my channel"]', '["nothing like it"]')
    second = project.print(cluster, "2026-03-09").version.version
    out = Console(file=io.StringIO(), width=160)
    show_diff(str(project.path), printed.version.version, second, 0, out)
    said = out.file.getvalue()

    assert "3 of 12 rows in both have another label (churn 25.00%)" in said
    assert "heuristic begging" in said
    assert "a1: spam -> no label" in said


def test_causes_are_ordered(project, printed):
    """So that a diff prints the same way twice."""
    causes = [Cause("refit"), Cause("heuristic", "b"), Cause("heuristic", "a")]

    assert sorted(causes) == [Cause("heuristic", "a"), Cause("heuristic", "b"), Cause("refit")]
