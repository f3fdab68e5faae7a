"""
A store of millions of rows with three versions, in which one row is explained and all compared.

Texts as ids in no order, so that no statistics help; twelve heuristics over columns, of which one
is edited between the first two versions, while in one file in ten some rows change. For the third
every file is written anew with one more column, so that every row's content is another. The
questions are asked by a process of its own, as a person would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.peak_memory import peak_mib
from labelpress.cluster import open_cluster
from labelpress.diff.versions import diff_versions
from labelpress.explain import explain_row
from labelpress.project import read_project
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.publish import publish_labels
from labelpress.stages.vote import cast_votes
from labelpress.store import Store

if TYPE_CHECKING:
    from pathlib import Path

ROWS_PER_FILE = 500_000
HEURISTICS = 12
_CHANGED = 1_000

_PROJECT = """
name = "bench"
[source]
uri = "data/"
id = "id"
[classes]
names = ["a", "b", "c"]
[label_model]
refit = "always"
[gate]
max_churn = 1.0
max_balance_gap = 1.0
"""


def _ids(start: int, rows: int) -> pl.Series:
    """Return ids that are spread over all texts: the number's bits, mixed."""
    numbers = np.arange(start, start + rows, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return pl.Series("id", [f"{number:016x}" for number in numbers.tolist()])


def id_of(number: int) -> str:
    """Return the id of a row."""
    return str(_ids(number, 1)[0])


def _file(start: int, rows: int, *, later: bool) -> pl.DataFrame:
    rng = np.random.default_rng(start)
    truth = rng.integers(0, 3, rows)
    columns = [_ids(start, rows)]
    for place in range(HEURISTICS):
        said = np.where(rng.random(rows) < 0.8, truth, rng.integers(0, 3, rows)).astype(np.int8)
        said[rng.random(rows) < 0.7] = -1
        columns.append(pl.Series(f"v{place}", said))
    frame = pl.DataFrame(columns)
    if later and (start // ROWS_PER_FILE) % 10 == 0:
        swapped = frame.head(_CHANGED).with_columns(pl.col("^v.*$").reverse())
        frame = pl.concat([swapped, frame.tail(rows - _CHANGED)])
    return frame


def write_source(root: Path, rows: int, *, later: bool) -> None:
    """Write the project as it is at the first printing, or `later` at the second."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    (root / "project.toml").write_text(_PROJECT)
    usual = "{0: 'a', 1: 'b', 2: 'c', -1: None}"
    edited = "{0: 'a', 1: 'c', 2: 'b', -1: None}"
    lines = ["from labelpress import column"]
    for place in range(HEURISTICS):
        values = edited if later and place == 3 else usual
        lines.append(f"h{place} = column('v{place}', values={values})")
    (root / "heuristics.py").write_text("\n".join(lines) + "\n")
    for start in range(0, rows, ROWS_PER_FILE):
        if not later or (start // ROWS_PER_FILE) % 10 == 0:
            frame = _file(start, min(ROWS_PER_FILE, rows - start), later=later)
            frame.write_parquet(root / "data" / f"{start:09}.parquet")


def _write_anew(root: Path) -> None:
    for file in sorted((root / "data").glob("*.parquet")):
        pl.read_parquet(file).with_columns(batch=pl.lit(3)).write_parquet(file)


def print_versions(root: Path, rows: int) -> None:
    """Print three versions."""
    for number, period in enumerate(("2026-01-05", "2026-01-12", "2026-01-19")):
        if number < 2:
            write_source(root, rows, later=number == 1)
        else:
            _write_anew(root)
        with open_cluster(workers=2) as cluster:
            run = open_run(read_project(str(root)), period=period)
            plan = plan_run(run, freeze_answers(run, cluster), cluster)
            voted = cast_votes(run, plan, cluster)
            fitted = fit_labels(run, voted, plan.answers, cluster)
            candidate = write_labels(run, fitted, cluster)
            gated = judge_candidate(run, candidate, cluster)
            assert not gated.held, gated.held
            publish_labels(run, gated.manifest)


def ask(root: Path, question: str) -> dict[str, Any]:
    """Ask in a process of its own; return seconds, peak memory and the answer."""
    asked = "import sys; from benchmarks.ten_million import answer; answer(*sys.argv[1:])"
    command = [sys.executable, "-c", asked, str(root), question]
    environment = {k: v for k, v in os.environ.items() if k != "POLARS_MAX_THREADS"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def answer(root: str, question: str) -> None:
    """Answer one question about the store and say what that took."""
    store = Store(f"{root}/store")
    started = time.perf_counter()
    found: dict[str, Any]
    if question.startswith("diff"):
        numbers = [int(number) for number in question.split()[1:]]
        found = diff_versions(store, *numbers, resamples=0).to_json()
    elif question.startswith("join"):  # what a person would do without us: how many, not why
        before, after = (
            store.labels.read(int(version)).select("row_id", "label")
            for version in question.split()[1:]
        )
        both = before.join(after, on="row_id").filter(
            pl.col("label").ne_missing(pl.col("label_right"))
        )
        found = {"changed": both.select(pl.len()).collect().item()}
    elif question.startswith("find"):  # the row alone, without its votes
        rows = store.labels.read(2).filter(pl.col("row_id") == question.split()[1]).collect()
        found = {"label": rows["label"][0]}
    else:
        told = explain_row(store, question, 2)
        found = {"label": told.label, "replayed": told.replayed}
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib(), "answer": found}))
