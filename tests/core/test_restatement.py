"""Restatement: corrected answers and changed rows name the versions and models that used them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from labelpress.decisions import Decision, decide
from labelpress.tables.schemas import ANSWERS


@pytest.fixture(name="two")
def _two(project, cluster):
    """Two versions, the second with answers; an end model learnt from each."""
    for number, period in enumerate(("2026-03-02", "2026-03-09"), start=1):
        assert project.print(cluster, period).version.version == number
        decision = Decision("champion", "rule", "better", label_version=number, model=f"{number}0")
        decide(project.store.decisions, decision, batch=f"m{number}")
    return project


def test_nothing_is_restated_by_what_is_new(two, cluster):
    """New rows and new answers: nobody has used them."""
    two.write("day-4.parquet", two.frame("day-3.parquet").with_columns(id="id" + pl.col("id")))

    assert two.print(cluster, "2026-03-16", publish=False).gated.manifest.restated == {}


def test_a_corrected_answer_names_who_used_it(two, cluster):
    """The label version that used it, and the end model that learnt from that."""
    store = two.store
    first = store.answers.read().sort("row_id").head(1)
    was = first["label"][0]
    label = "spam" if was == "ham" else "ham"
    now = datetime.now(UTC)
    again = first.with_columns(label=pl.lit(label), answered=now, imported=now)
    store.answers.append(again.cast(ANSWERS), batch="corrected")
    restated = two.print(cluster, "2026-03-16", publish=False).gated.manifest.restated

    [corrected] = restated["corrections"]
    assert (corrected["before"], corrected["after"]) == (was, label)
    assert corrected["versions"] == (2,)
    assert restated["models"] == {"20": 2}
    assert restated["sentences"] == (
        f"1 answer was corrected or taken out of use ({first['row_id'][0]}).",
        "Used by label versions 2; end models: 20.",
    )


def test_changed_and_vanished_rows_of_an_earlier_period(two, cluster):
    """Rows that only moved to another partition are not restated."""
    first = two.frame("day-1.parquet")
    mended = first.with_columns(text=pl.when(pl.col("id") == "a2").then("text"))
    two.write("day-1.parquet", mended.fill_null("another song").tail(3), age=1)
    two.write("day-2.parquet", pl.concat([two.frame("day-2.parquet"), first.head(1)]), age=1)
    restated = two.print(cluster, "2026-03-16", publish=False).gated.manifest.restated

    assert [(p["part"], p["what"], p["versions"]) for p in restated["parts"]] == [
        ("day-1.parquet", "changed", (1, 2))
    ]
    assert restated["versions"] == (1, 2)
