"""
Sampling: 100 million scored rows for 1,000 asks, with the memory of each worker.

    python -m benchmarks.sampling            (some minutes)
    python -m benchmarks.sampling 10000000   (fewer rows)

Scores are simulated, a million rows a partition; two worker processes make, score and reduce them
with the functions of the ask stage. The peer of the memory is the goal of 1 GiB. Writes
benchmarks/out/sampling.json for the full number of rows.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from labelpress.asks import ExpertsSettings, choose_asks
from labelpress.candidates import Candidates, merge_candidates, pick_candidates
from labelpress.cluster import open_cluster

OUT = Path(__file__).parent / "out" / "sampling.json"
ROWS = 100_000_000
ROWS_PER_PARTITION = 1_000_000
ASKS = 1_000
DISPUTED = 0.05
"""Share of the rows of which the champion says another class."""
GIB = 1024**3


def sample_part(number: int, limit: int) -> Candidates:
    """Simulate the scores of a partition and keep the rows worth asking, on a worker."""
    rng = np.random.default_rng([0, number])
    size = ROWS_PER_PARTITION
    ids = np.arange(number * size, (number + 1) * size)
    votes = rng.integers(0, 5, size)
    rare = rng.random(size) < 0.001
    rows = pl.DataFrame(
        {
            "row_id": ids,
            "row_hash": rng.integers(0, 2**63, size, dtype=np.uint64),
            "random": rng.random(size),
            "margin": rng.random(size),
            "n_votes": votes,
            "changed": rng.random(size) < 0.02,
            "disputed": pl.Series(rng.random(size)).set(
                pl.Series(rng.random(size) >= DISPUTED), None
            ),
        }
    ).with_columns(
        heuristic=pl.when(pl.Series(rare)).then(pl.lit("rare")),
        label=pl.lit("spam"),
        part=pl.lit(f"{number}"),
        partition=pl.lit(f"{number}"),
        cohort=pl.lit("first"),
        askable=pl.lit(value=True),
    )
    return pick_candidates(rows, limit)


def main() -> None:
    """Sample, print and write the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    parts = rows // ROWS_PER_PARTITION
    started = time.perf_counter()
    with open_cluster(workers=2) as cluster:
        items = {f"{number}": number for number in range(parts)}
        found = cluster.map(sample_part, items, ASKS)
        usage = cluster.take_usage()
    chosen = choose_asks(
        merge_candidates(list(found.values()), ASKS),
        ExpertsSettings(budget=ASKS),
        {},
        seed=0,
        satisfied=False,
        held=False,
    )
    result = {
        "name": f"memory of a worker, {rows / 1e6:.0f} million scored rows for {ASKS} asks",
        "ours": round(usage.peak_memory_bytes / GIB, 4),
        "peer": 1.0,
        "peer_name": "the goal",
        "unit": "GiB",
        "ratio": round(usage.peak_memory_bytes / GIB, 4),
        "goal": "< 1",
        "met": usage.peak_memory_bytes < GIB and chosen.height == ASKS,
    }
    seconds = time.perf_counter() - started
    print(f"{result['name']}: {result['ours']:.3f} GiB, goal < 1: {result['met']}")
    print(
        f"{chosen.height} asks in {seconds:.0f} s, {usage.cpu_seconds:.0f} s of CPU on the workers"
    )
    print(chosen.group_by("stratum").len().sort("stratum"))
    if rows == ROWS:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps({"results": [result]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
