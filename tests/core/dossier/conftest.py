"""One store for all tests of dossiers."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from labelpress.decisions import Decision, decide
from labelpress.dossier.contents import make_dossier
from labelpress.dossier.verifying import write_dossier
from labelpress.tables.schemas import ANSWERS


@pytest.fixture(name="project", scope="session")
def _project(tmp_path_factory, write_project, cluster):
    """
    Three versions with reports: the first without answers, the third after an edit.

    Between the second, from which an end model learnt, and the third an answer is corrected.
    """
    project = write_project(tmp_path_factory.mktemp("dossier") / "reviews")
    project.enlarge()
    more = '[slices]\nattributes = ["stars"]\n[gate]\nmax_churn = 1.0\n[experts]'
    project.configure("[experts]", more)
    project.record(project.print(cluster, "2026-03-02"))
    _add_day(project, 4)
    project.record(project.print(cluster, "2026-03-09"))
    learnt = Decision("champion", "rule", "better", label_version=2, model="7")
    decide(project.store.decisions, learnt, batch="m2")
    write_dossier(make_dossier(project.store, 2), f"{project.path}/then.zip", {})
    _correct_one(project.store)
    _add_day(project, 5)
    project.edit("< 12", "< 14")
    project.record(project.print(cluster, "2026-03-16"))
    return project


def _add_day(project, day):
    """Let the rows of the third day come once more, under other ids."""
    rows = project.frame("day-3.parquet").with_columns(id=f"{day}-" + pl.col("id"))
    project.write(f"day-{day}.parquet", rows)


def _correct_one(store):
    """Let who gave an answer give another one."""
    first = store.answers.read().sort("row_id").head(1)
    label = "spam" if first["label"][0] == "ham" else "ham"
    now = datetime.now(UTC)
    again = first.with_columns(label=pl.lit(label), answered=now, imported=now)
    store.answers.append(again.cast(ANSWERS), batch="corrected")
