"""
Casting votes against Snorkel's PandasLFApplier, on one core, from a frame to the vote matrix.

    python -m benchmarks.heuristics

Snorkel lives in an environment of its own, `.venv-peers`, which the first run builds. Both sides
run in it, in one process, on the same rows, and must give the same votes. Prints a table and
writes benchmarks/out/heuristics.json.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
import venv
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labelpress.heuristics import Definition

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
OUT = Path(__file__).parent / "out" / "heuristics.json"
OURS = ("numpy", "polars", "pyarrow", "ahocorasick_rs")
"""What casting needs, installed beside the peer in the versions used here."""
CHARACTERS = 130
HIT_RATE = 0.05
"""The least share of rows that a heuristic votes on, on average."""
REPEATS = 5
PEER_NAME = "snorkel PandasLFApplier"


def peer_python() -> str:
    """Return the interpreter of the peers' environment, building it on first use."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        print(f"building {PEERS.name} (a few minutes) ...", flush=True)
        venv.create(PEERS, with_pip=True)
    wanted = ["torch==2.13.0", "snorkel==0.10.0"]
    wanted += [f"{name}=={metadata.version(name)}" for name in OURS]
    done = PEERS / "heuristics.txt"
    if not done.exists() or done.read_text() != "\n".join(wanted):
        # torch first: snorkel alone would pull a build for GPUs
        for packages in (wanted[:1], wanted[1:]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text("\n".join(wanted))
    return str(python)


def texts(rows: int, words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return texts of 130 characters in which each of the words is in some 5 % of the rows."""
    letters = list("abcdefghijklmnopqrstuvwxyz")
    others = ["".join(rng.choice(letters, size=size)) for size in rng.integers(3, 9, size=3000)]
    slots = 24
    share = min(0.075 / slots, 0.9 / len(words))
    weights = [share] * len(words) + [(1 - share * len(words)) / len(others)] * len(others)
    drawn = rng.choice(len(weights), size=(rows, slots), p=weights)
    vocabulary = [*words, *others]
    return [" ".join(vocabulary[w] for w in row).capitalize()[:CHARACTERS] for row in drawn]


def vocabulary(size: int, rng: np.random.Generator) -> list[str]:
    """Return distinct words of five to eight letters."""
    letters = list("abcdefghijklmnopqrstuvwxyz")
    found: dict[str, None] = {}
    while len(found) < size:
        found["".join(rng.choice(letters, size=rng.integers(5, 9)))] = None
    return list(found)


def keyword_pairs(words: Sequence[str]) -> tuple[dict[str, Definition], list[Any]]:
    """Return keyword heuristics of ours and of Snorkel, one word each, as its tutorial does."""
    from snorkel.labeling import LabelingFunction  # noqa: PLC0415  # in the peers' environment

    from labelpress.heuristics import keywords  # noqa: PLC0415

    def contains(row: Any, keywords: Sequence[str], label: int) -> int:
        return label if any(word in row.text.lower() for word in keywords) else -1

    ours = {f"k_{w}": keywords([w], label="spam", column="text") for w in words}
    theirs = [
        LabelingFunction(f"k_{w}", contains, resources={"keywords": [w], "label": 1}) for w in words
    ]
    return ours, theirs


def regex_pairs(words: Sequence[str]) -> tuple[dict[str, Definition], list[Any]]:
    """Return regex heuristics of ours and of Snorkel: the word's ends, anything in between."""
    from snorkel.labeling import LabelingFunction  # noqa: PLC0415  # in the peers' environment

    from labelpress.heuristics import regex  # noqa: PLC0415

    def matches(row: Any, pattern: str, label: int) -> int:
        return label if re.search(pattern, row.text, flags=re.IGNORECASE) else -1

    patterns = {f"r_{w}": rf"{w[:3]}.{{0,5}}{w[-2:]}\b" for w in words}
    ours = {
        name: regex(f"(?i){pattern}", label="ham", column="text")
        for name, pattern in patterns.items()
    }
    theirs = [
        LabelingFunction(name, matches, resources={"pattern": pattern, "label": 0})
        for name, pattern in patterns.items()
    ]
    return ours, theirs


def compare(
    name: str,
    goal: float,
    rows: Sequence[str],
    ours: Mapping[str, Definition],
    theirs: Sequence[Any],
) -> dict[str, Any]:
    """Cast on both sides, assert that the votes are equal, and return rows per second."""
    import pandas as pd  # noqa: PLC0415  # in the peers' environment
    from snorkel.labeling import PandasLFApplier  # noqa: PLC0415

    from labelpress.classes import Classes  # noqa: PLC0415
    from labelpress.heuristics import cast  # noqa: PLC0415
    from labelpress.heuristics.loading import unbundled  # noqa: PLC0415

    classes = Classes(("ham", "spam"))
    heuristics = unbundled(ours, classes)
    frame = pl.DataFrame({"text": rows})
    theirs_frame = pd.DataFrame({"text": pd.Series(rows, dtype=object)})
    applier = PandasLFApplier(list(theirs))
    seconds, votes = timed(lambda: cast(frame, heuristics, classes).matrix, REPEATS)
    peer_seconds, peer_votes = timed(lambda: applier.apply(theirs_frame, progress_bar=False), 1)
    assert np.array_equal(votes, peer_votes), f"{name}: the votes differ"
    coverage = (votes != -1).mean()
    assert coverage >= HIT_RATE, f"{name}: a heuristic votes on {coverage:.1%} of the rows"
    return result(name, len(rows) / seconds, len(rows) / peer_seconds, goal)


def timed(work: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Return the median CPU seconds of some runs, and the last one's value."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        value = work()
        spent.append(time.process_time() - started)
    return statistics.median(spent), value


def result(name: str, ours: float, peer: float, goal: float) -> dict[str, Any]:
    """Return one figure in the form that all benchmarks write."""
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": PEER_NAME,
        "unit": "rows/s",
        "ratio": ours / peer,
        "goal": goal,
        "met": ours / peer >= goal,
    }


def measure() -> list[dict[str, Any]]:
    """Run all comparisons in this process, which is in the peers' environment."""
    from labelpress.heuristics import from_snorkel  # noqa: PLC0415

    rng = np.random.default_rng(0)
    few, many = vocabulary(20, rng), vocabulary(200, rng)
    few_rows, many_rows = texts(40_000, few, rng), texts(20_000, many, rng)
    keyword, regexes = keyword_pairs(few[:10]), regex_pairs(few[10:])
    functions = [*keyword[1], *regexes[1]]
    unchanged = {f"s{i}": from_snorkel(f, ["ham", "spam"]) for i, f in enumerate(functions)}
    return [
        compare(
            "20 keyword and regex heuristics", 120, few_rows, keyword[0] | regexes[0], functions
        ),
        compare("200 keyword heuristics", 1000, many_rows, *keyword_pairs(many)),
        compare("20 Snorkel row functions, unchanged", 5, few_rows, unchanged, functions),
    ]


def main() -> None:
    """Measure in the peers' environment on one core, print a table and write the figures."""
    if "--measure" in sys.argv:
        print(json.dumps(measure()))
        return
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        **dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1"),
    }
    done = subprocess.run(
        [peer_python(), "-W", "ignore", "-m", "benchmarks.heuristics", "--measure"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    results = json.loads(done.stdout.splitlines()[-1])
    print(f"{'work':40} {'ours':>12} {'snorkel':>10} {'ratio':>8} {'goal':>6}  met")
    for row in results:
        print(
            f"{row['name']:40} {row['ours']:>12,.0f} {row['peer']:>10,.0f} {row['ratio']:>7.1f}x "
            f"{row['goal']:>5}x  {'yes' if row['met'] else 'NO'}"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
