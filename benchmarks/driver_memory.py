"""
Memory of the flow's process while votes are counted and the label model is fitted.

The source holds its votes as columns, half a million rows a file; most rows are like no other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.peak_memory import peak_mib
from labelpress.cluster import open_cluster
from labelpress.project import read_project
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.fit import fit_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.vote import cast_votes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ROWS_PER_FILE = 500_000

_PROJECT = """
name = "bench"
[source]
uri = "data/"
id = "id"
[classes]
names = ["a", "b"]
[schedule]
period = "1w"
[label_model]
max_patterns = {most}
"""


def write_project(root: Path, votes: NDArray[np.int8]) -> None:
    """Write a project whose heuristics take over the columns of a vote matrix."""
    values = "{0: 'a', 1: 'b', -1: None}"
    lines = [f"h{j} = column('v{j}', values={values})" for j in range(votes.shape[1])]
    (root / "data").mkdir(parents=True)
    (root / "heuristics.py").write_text("\n".join(["from labelpress import column", *lines]) + "\n")
    for start in range(0, len(votes), ROWS_PER_FILE):
        part = votes[start : start + ROWS_PER_FILE]
        frame = pl.DataFrame({f"v{j}": part[:, j] for j in range(votes.shape[1])})
        ids = pl.Series("id", range(start, start + len(part)), dtype=pl.Int64)
        frame.insert_column(0, ids).write_parquet(root / "data" / f"{start:09}.parquet")


def run_stages(root: Path, most: int) -> dict[str, float]:
    """Count and fit in this process, with workers of its own; seconds, and MiB at the peak."""
    (root / "project.toml").write_text(_PROJECT.format(most=most))
    with open_cluster(workers=2) as cluster:
        run = open_run(read_project(str(root)), period="2026-01-05")
        plan = plan_run(run, freeze_answers(run, cluster), cluster)
        before = peak_mib()
        started = time.perf_counter()
        voted = cast_votes(run, plan, cluster)
        fit_labels(run, voted, plan.answers, cluster)
        seconds = time.perf_counter() - started
    held = voted.votes.patterns is not None
    return {"seconds": seconds, "peak_mib": peak_mib(), "before_mib": before, "held": float(held)}
