"""
The core functions in a plain Dask loop: what a run of the flow would cost without the flow.

Hash the rows, cast the votes, fit the label model, label, and pick the rows worth asking. No
Prefect, no MLflow, no ledger, no gate, no report, no Delta commit, nothing to reuse or resume; each
partition is read once and its source rows are never looked at again.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from distributed import Client

from labelpress.candidates import merge_candidates, pick_candidates
from labelpress.cluster import open_cluster
from labelpress.heuristics import load_heuristics
from labelpress.heuristics.casting import cast
from labelpress.heuristics.isolation import Limits, Sandbox
from labelpress.label_models import Answered, fit_patterns, load
from labelpress.label_models.everywhere import SAMPLE
from labelpress.labels import add_counts, count_labels, label_rows
from labelpress.project import read_project
from labelpress.row_hash import hash_rows, random_numbers
from labelpress.slices import sort_rows
from labelpress.votes import Patterns, count_patterns, draw_patterns, merge_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.bundle import Bundle
    from labelpress.candidates import Candidates
    from labelpress.classes import Classes
    from labelpress.heuristics import Heuristic
    from labelpress.labels import LabelCounts
    from labelpress.slices import SlicesSettings


def run(folder: Path, classes: Classes, answered: int) -> float:
    """
    Label a project's source in a plain loop; return the seconds by the wall clock.

    The first `answered` rows of the first file stand for the answers: their gold labels.
    """
    project = read_project(str(folder))
    out = folder / "plain"
    out.mkdir(exist_ok=True)
    started = time.perf_counter()
    paths = [str(path) for path in sorted((folder / "data").glob("*.parquet"))]
    with open_cluster(workers=2) as cluster, Client(cluster.address, set_as_default=False) as dask:
        vote = partial(vote_file, bundle=project.bundle, classes=classes, out=str(out))
        vote = partial(vote, slices=project.settings.slices, seed=project.settings.seed)
        parts: list[Patterns] = dask.gather(dask.map(vote, paths))
        patterns = merge_patterns(parts)
        model = fit_patterns(
            draw_patterns(patterns, min(1.0, SAMPLE / patterns.rows), np.random.default_rng(0)),
            _answered(paths[0], out, classes, answered),
            classes=len(classes),
            base_rate=None,
            heuristics=[h.name for h in _loaded(project.bundle, classes)],
        )
        limit = project.settings.experts.budget
        # not as keywords: above some size Dask would make a task of them
        label = partial(label_file, out=str(out), parameters=model.to_json(), classes=classes)
        labelled = dask.map(partial(label, limit=limit), paths)
        found: list[tuple[LabelCounts, Candidates]] = dask.gather(labelled)
        add_counts([counts for counts, _ in found], classes)
        merge_candidates([some for _, some in found], limit)
    return time.perf_counter() - started


def vote_file(
    path: str, bundle: Bundle, classes: Classes, out: str, slices: SlicesSettings, seed: int
) -> Patterns:
    """Read a file, hash its rows, cast and store its votes; return the patterns."""
    frame = pl.read_parquet(path, hive_partitioning=False).drop("gold")
    hashes = hash_rows(frame, sorted(frame.columns))
    index = frame.select(pl.col("ticket_id").alias("row_id"), pl.Series("row_hash", hashes))
    numbers = random_numbers(index["row_id"], hashes, seed)
    votes = cast(frame, _loaded(bundle, classes), classes, sandbox=_sandbox())
    name = Path(path).stem
    index.with_columns(pl.Series("random", numbers)).write_parquet(f"{out}/{name}.rows.parquet")
    sort_rows(frame, slices).write_parquet(f"{out}/{name}.slices.parquet")
    matrix = {f"{i}": votes.matrix[:, i] for i in range(votes.matrix.shape[1])}
    pl.DataFrame(matrix).write_parquet(f"{out}/{name}.votes.parquet")
    return count_patterns(votes.matrix)


def label_file(
    path: str, out: str, parameters: Mapping[str, Any], classes: Classes, limit: int
) -> tuple[LabelCounts, Candidates]:
    """Label the rows of a file, store the labels, and pick the rows worth asking."""
    name = Path(path).stem
    rows = pl.read_parquet(f"{out}/{name}.rows.parquet")
    matrix = _matrix(f"{out}/{name}.votes.parquet", classes)
    cohorts = pl.Series("cohort", ["first"], dtype=pl.String).new_from_index(0, rows.height)
    frame = label_rows(rows["row_id"], matrix, load(parameters), classes, {}, cohorts)
    frame.write_parquet(f"{out}/{name}.labels.parquet")
    counts = count_labels(frame, classes, pl.read_parquet(f"{out}/{name}.slices.parquet"))
    probabilities = frame["probabilities"].explode().to_numpy().reshape(rows.height, -1)
    ordered = np.partition(probabilities, -2, axis=1)
    scored = frame.select("n_votes", "cohort", "label").with_columns(
        rows["row_id"],
        rows["row_hash"],
        rows["random"],
        pl.Series("margin", ordered[:, -1] - ordered[:, -2]),
        part=pl.lit(name),
        partition=pl.lit(name),
        heuristic=pl.lit(None, pl.String),
        changed=pl.lit(value=False),
        disputed=pl.lit(None, pl.Float64),
        askable=pl.lit(value=True),
    )
    return counts, pick_candidates(scored, limit)


def _matrix(path: str, classes: Classes) -> np.ndarray:
    frame = pl.read_parquet(path)
    matrix = np.empty((frame.height, frame.width), dtype=classes.dtype, order="F")
    for place, column in enumerate(frame.iter_columns()):
        matrix[:, place] = column.to_numpy()
    return matrix


def _answered(path: str, out: Path, classes: Classes, count: int) -> Answered:
    """Return the gold labels of the first rows of a file with their votes."""
    gold = pl.read_parquet(path, columns=["gold"], n_rows=count)["gold"]
    matrix = _matrix(f"{out}/{Path(path).stem}.votes.parquet", classes)
    return Answered(
        votes=matrix[:count],
        labels=np.array([classes.code(name) for name in gold]),
        propensity=np.ones(count),
        audit=np.ones(count, dtype=bool),
    )


@lru_cache(maxsize=1)
def _loaded(bundle: Bundle, classes: Classes) -> tuple[Heuristic, ...]:
    return load_heuristics(bundle, classes)


@lru_cache(maxsize=1)
def _sandbox() -> Sandbox:
    return Sandbox(Limits(300.0, 2048))
