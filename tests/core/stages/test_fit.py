"""The base rate is measured over the rows that the source has now."""

from __future__ import annotations

from labelpress.stages.fit import cohort_rows


def test_each_cohort_counts_by_the_rows_it_still_has(project, cluster):
    """New rows belong to this period; rows of a deleted partition count no more."""
    project.print(cluster)
    project.write("day-4.parquet", [("d1", "nice", 5, "ham"), ("d2", "SUBSCRIBE", 1, "spam")])
    project.print(cluster, period="2026-03-09")
    project.remove("day-2.parquet")
    project.write("day-3.parquet", project.frame("day-3.parquet").head(2), age=-9)

    plan = project.plan(cluster, period="2026-03-16")
    run = project.open("2026-03-16")

    assert cohort_rows(plan.manifest, run.base_manifest) == {"2026-03-02": 6, "2026-03-09": 2}
