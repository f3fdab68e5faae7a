"""
Casting votes in Snorkel and here, in one process, on the same rows.

Runs in the peers' environment, on one core, from a frame in memory to the vote matrix.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
from snorkel.labeling import LabelingFunction, PandasLFApplier

from benchmarks.texts import draw_texts, draw_words
from labelpress.classes import Classes
from labelpress.heuristics import cast, from_snorkel, keywords, regex
from labelpress.heuristics.loading import unbundled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labelpress.heuristics import Definition

HIT_RATE = 0.05
"""The least share of rows that a heuristic votes on, on average."""
REPEATS = 5


def keyword_pairs(words: Sequence[str]) -> tuple[dict[str, Definition], list[Any]]:
    """Return keyword heuristics of ours and of Snorkel, one word each, as its tutorial does."""

    def contains(row: Any, keywords: Sequence[str], label: int) -> int:
        return label if any(word in row.text.lower() for word in keywords) else -1

    ours = {f"k_{w}": keywords([w], label="spam", column="text") for w in words}
    theirs = [
        LabelingFunction(f"k_{w}", contains, resources={"keywords": [w], "label": 1}) for w in words
    ]
    return ours, theirs


def regex_pairs(words: Sequence[str]) -> tuple[dict[str, Definition], list[Any]]:
    """Return regex heuristics of ours and of Snorkel: the word's ends, anything in between."""

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
    return {
        "name": name,
        "ours": len(rows) / seconds,
        "peer": len(rows) / peer_seconds,
        "peer_name": "snorkel PandasLFApplier",
        "unit": "rows/s",
        "ratio": peer_seconds / seconds,
        "goal": f">= {goal:g}",
        "met": peer_seconds / seconds >= goal,
    }


def timed(work: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Return the median CPU seconds of some runs, and the last one's value."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        value = work()
        spent.append(time.process_time() - started)
    return statistics.median(spent), value


def measure() -> list[dict[str, Any]]:
    """Run all comparisons in this process."""
    rng = np.random.default_rng(0)
    few, many = draw_words(20, rng), draw_words(200, rng)
    few_rows, many_rows = draw_texts(40_000, few, rng), draw_texts(20_000, many, rng)
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
