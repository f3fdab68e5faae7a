"""The vote stage against its own full run: reuse, memory of a worker, two workers against one."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.texts import draw_texts, draw_words
from labelpress.classes import Classes
from labelpress.cluster import open_cluster
from labelpress.heuristics import cast, load_heuristics
from labelpress.project import read_project
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.publish import publish_labels
from labelpress.stages.vote import cast_votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.cluster import Cluster

HEURISTICS = 40
ROWS_PER_FILE = 250_000
REUSE_ROWS, SMALL_ROWS, LARGE_ROWS, SPEEDUP_ROWS = 5_000_000, 1_000_000, 16_000_000, 8_000_000
NEW_SHARE = 0.01
ROUNDS = 3
"""Runs of which the median counts, where one run says little."""

_PROJECT = """
name = "bench"
[source]
uri = "data/"
id = "id"
[classes]
names = ["billing", "outage", "other"]
[label_model]
model = "majority"
[schedule]
period = "1w"
[gate]
max_balance_gap = 1.0
"""


@dataclass(frozen=True, slots=True)
class Voting:
    """What one vote stage took."""

    casting: float
    """CPU seconds of the heuristics themselves."""
    cpu: float
    """CPU seconds of the whole stage, workers and flow."""
    wall: float
    peak: float
    """MiB of the largest worker."""
    computed: int
    reused: int


def write_project(root: Path, words: Sequence[str], *, edited: bool = False) -> None:
    """Write a project of 20 keyword lists and 20 regexes; the last regex can be edited."""
    lines = ["from labelpress import keywords, regex", ""]
    for place, word in enumerate(words):
        label = ("billing", "outage", "other")[place % 3]
        if place < HEURISTICS // 2:
            lines.append(f"k{place} = keywords([{word!r}], label={label!r}, column='text')")
        else:
            loose = 6 if edited and place == len(words) - 1 else 5
            pattern = rf"(?i){word[:3]}.{{0,{loose}}}{word[-2:]}\b"
            lines.append(f"r{place} = regex(r{pattern!r}, label={label!r}, column='text')")
    (root / "heuristics.py").write_text("\n".join(lines) + "\n")
    (root / "project.toml").write_text(_PROJECT)
    (root / "data").mkdir(exist_ok=True)


def write_rows(root: Path, words: Sequence[str], first: int, rows: int) -> None:
    """Write rows with ids from `first` on, a file for every 250,000 of them."""
    for start in range(first, first + rows, ROWS_PER_FILE):
        count = min(ROWS_PER_FILE, first + rows - start)
        texts = draw_texts(count, words, np.random.default_rng(start))
        frame = pl.DataFrame({"id": np.arange(start, start + count), "text": texts})
        frame.write_parquet(root / "data" / f"{start:09d}.parquet")


def vote(root: Path, period: str, cluster: Cluster, *, publish: bool = False) -> Voting:
    """Run a period up to the vote stage, or to its publication, and measure the vote stage."""
    run = open_run(read_project(str(root)), period=period)
    frozen = freeze_answers(run, cluster)
    plan = plan_run(run, frozen, cluster)
    cluster.take_usage()
    wall, cpu = time.perf_counter(), time.process_time()
    voted = cast_votes(run, plan, cluster)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    usage = cluster.take_usage()
    if publish:
        fitted = fit_labels(run, voted, plan.answers, cluster)
        candidate = write_labels(run, fitted, cluster)
        publish_labels(run, judge_candidate(run, candidate, cluster).manifest)
    return Voting(
        casting=sum(voted.heuristic_seconds.values()),
        cpu=cpu + usage.cpu_seconds,
        wall=wall,
        peak=usage.peak_memory_bytes / 2**20,
        computed=voted.manifest.cells_computed,
        reused=voted.manifest.cells_reused,
    )


def reuse(root: Path, words: Sequence[str], rows: int) -> list[dict[str, Any]]:
    """Compare later runs with the first one, which computed everything."""
    write_project(root, words)
    write_rows(root, words, 0, rows)
    with open_cluster(workers=2) as cluster:
        full = vote(root, "2026-01-05", cluster, publish=True)
        say(f"full run of {rows:,} rows", full)
        same = vote(root, "2026-01-12", cluster)
        say("nothing changed", same)
        assert same.computed == 0, "something was computed though nothing changed"
        write_rows(root, words, rows, int(rows * NEW_SHARE))
        write_project(root, words, edited=True)
        edited = vote(root, "2026-01-19", cluster)
        say("one heuristic edited, 1 % new rows", edited)
    return [
        against_full("1 of 40 edited, 1 % new: casting", edited.casting, full.casting, 0.05),
        against_full("1 of 40 edited, 1 % new: vote stage", edited.cpu, full.cpu, 0.25),
        against_full("nothing changed: vote stage", same.cpu, full.cpu, 0.01),
    ]


def speedup(root: Path, words: Sequence[str], rows: int) -> dict[str, Any]:
    """
    Compare the wall seconds of one worker and of two on the same rows.

    In turns, the median of each: on a machine with as many cores as workers, whatever else runs
    takes from the two and not from the one.
    """
    write_project(root, words)
    write_rows(root, words, 0, rows)
    walls: dict[int, list[float]] = {1: [], 2: []}
    for workers in (1, 2) * ROUNDS:
        with open_cluster(workers=workers) as cluster:
            voting = vote(root, "2026-01-05", cluster)
        say(f"{rows:,} rows, {workers} workers", voting)
        walls[workers].append(voting.wall)
        shutil.rmtree(root / "store")
    one, two = median(walls[1]), median(walls[2])
    bare = f"two bare processes without Dask: {bare_speedup(root):.2f}x as fast as one"
    print(bare, file=sys.stderr, flush=True)
    return figure("2 workers", two, one, "1 worker", "s", one / two, ">= 1.8", one / two >= 1.8)


def bare_speedup(root: Path) -> float:
    """
    Return the speed-up of two processes that only cast, without Dask, files or each other.

    What the machine itself allows: no scheduler can do better.
    """
    walls = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(cast_bare, [root, root]))  # imports and caches
        for processes in (1, 2):
            started = time.perf_counter()
            list(pool.map(cast_bare, [root] * processes))
            walls.append(time.perf_counter() - started)
    return 2 * walls[0] / walls[1]


def cast_bare(root: Path) -> None:
    """Read and cast two million rows in this process."""
    project = read_project(str(root))
    classes = Classes(tuple(project.settings.classes.names))
    heuristics = load_heuristics(project.bundle, classes)
    for file in sorted((root / "data").glob("*.parquet"))[:8]:
        cast(pl.read_parquet(file), heuristics, classes)


def memory(root: Path, words: Sequence[str], small: int, large: int) -> dict[str, Any]:
    """Compare the peak memory of a worker over a small and a large source, the median of each."""
    write_project(root, words)
    peaks = []
    for rows, first in ((small, 0), (large, small)):
        write_rows(root, words, first, rows - first)
        found = []
        for _ in range(ROUNDS):
            with open_cluster(workers=2) as cluster:
                voting = vote(root, "2026-01-05", cluster)
            say(f"{rows:,} rows", voting)
            found.append(voting.peak)
            shutil.rmtree(root / "store")
        peaks.append(median(found))
    ratio = peaks[1] / peaks[0]
    return figure(
        f"peak memory of a worker, {large // 10**6} million rows",
        peaks[1],
        peaks[0],
        f"itself at {small // 10**6} million",
        "MiB",
        ratio,
        "<= 1.1",
        ratio <= 1.1 and max(peaks) < 1024,
    )


def against_full(name: str, ours: float, full: float, goal: float) -> dict[str, Any]:
    """Return CPU seconds as a share of the full run's."""
    ratio = ours / full
    return figure(name, ours, full, "our own full run", "CPU s", ratio, f"<= {goal}", ratio <= goal)


def figure(
    name: str,
    ours: float,
    peer: float,
    peer_name: str,
    unit: str,
    ratio: float,
    goal: str,
    met: bool,  # computed by the caller
) -> dict[str, Any]:
    """Return one figure in the form that all benchmarks write."""
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "unit": unit,
        "ratio": ratio,
        "goal": goal,
        "met": bool(met),
    }


def say(what: str, voting: Voting) -> None:
    """Print one measurement, so that nobody waits in the dark."""
    print(
        f"{what}: casting {voting.casting:.2f} CPU s, stage {voting.cpu:.2f} CPU s, "
        f"{voting.wall:.2f} s by the clock, worker {voting.peak:.0f} MiB, "
        f"{voting.computed} cells computed, {voting.reused} reused",
        file=sys.stderr,
        flush=True,
    )


def measure(scale: float = 1.0) -> list[dict[str, Any]]:
    """Measure all; `scale` shrinks the sources for a trial."""
    words = draw_words(HEURISTICS, np.random.default_rng(0))
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("reuse", "speedup", "memory"):
            (root / name).mkdir()
        results += reuse(root / "reuse", words, int(REUSE_ROWS * scale))
        shutil.rmtree(root / "reuse")
        results.append(speedup(root / "speedup", words, int(SPEEDUP_ROWS * scale)))
        shutil.rmtree(root / "speedup")
        small, large = int(SMALL_ROWS * scale), int(LARGE_ROWS * scale)
        results.append(memory(root / "memory", words, small, large))
    return results
