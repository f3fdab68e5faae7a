"""
Audit: what is planted in the tickets example is found, and millions of rows answer in seconds.

    python -m benchmarks.audit [--rows 10000000] [--seeds 3]

The example is printed for its ten periods, once for each seed, by the stages of the flow but for
the end model; the audit then sees the store alone, and the hidden truth only counts. Beside it
stand what a person would do without it: ranking heuristics by conflict, slices by audited accuracy,
looking at answers in no order, joining the labels of two versions, scanning them for a row. Writes
benchmarks/out/audit.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.audited_tickets import print_all
from benchmarks.ten_million import ask, id_of, print_versions
from labelpress.bias.report import find_bias
from labelpress.classes import Classes
from labelpress.cross_fit import cross_predict
from labelpress.label_models import fit_patterns
from labelpress.manifest import read_answers
from labelpress.profit import weigh_heuristics
from labelpress.stages.fit import as_answered
from labelpress.store import Store
from labelpress.suspects import rank_suspects
from labelpress.votes import count_patterns

if TYPE_CHECKING:
    import numpy as np

    from labelpress.label_models import Answered, LabelModel
    from labelpress.manifest import Manifest
    from labelpress.votes import Patterns

OUT = Path(__file__).parent / "out" / "audit.json"
PLANTED, SLICE, STALE = "rough_words", "region = islands", "server_code"


@dataclass(frozen=True, slots=True)
class Found:
    """What the audit of one seed's tickets found."""

    heuristic_place: int
    """Of the planted heuristic among all that do harm in a slice, from 1."""
    conflict_place: int
    """Among all heuristics by conflict with the others."""
    slice_place: int
    accuracy_place: int
    """Of the biased slice by accuracy on the audits."""
    fall: float
    """How far the accuracy of the newest rows' labels had fallen from its best when the stale
    heuristic was first named as drifting; 1 where it never was."""
    largest_fall: float
    """How far it fell in any period."""
    wrong: int
    """Planted wrong answers among those that taught."""
    wrong_early: int
    """Of them, in the first fifth of the recheck list."""
    advised: tuple[str, ...]
    """Heuristics that the profit and loss does not advise to keep."""


def audit_tickets(root: Path, seed: int) -> Found:
    """Print the tickets of a seed, audit the last version, and count against the truth."""
    manifests = print_all(root, seed)
    store = Store(str(root / "store"))
    gold = pl.read_parquet(root / "gold" / "2*.parquet")
    gold = gold.with_columns(pl.col("ticket_id").cast(pl.String).alias("row_id"))
    gaps, last = find_bias(store).gaps, manifests[-1]
    slices = list(dict.fromkeys(gap.slice for gap in gaps))
    harmful = list(dict.fromkeys(gap.heuristic for gap in gaps))
    conflict = sorted(
        last.statistics, key=lambda one: -one["conflict"] / max(one["coverage"], 1e-9)
    )
    accuracies = {
        name: one["estimate"]
        for name, one in last.certificates["slices"].items()
        if one["estimate"] is not None
    }
    falls, named = _falls(store, manifests, gold)
    wrong, early = _wrong_answers(store, last, gold)
    return Found(
        heuristic_place=harmful.index(PLANTED) + 1,
        conflict_place=[one["name"] for one in conflict].index(PLANTED) + 1,
        slice_place=slices.index(SLICE) + 1,
        accuracy_place=sorted(accuracies, key=accuracies.__getitem__).index(SLICE) + 1,
        fall=named,
        largest_fall=max(falls),
        wrong=wrong,
        wrong_early=early,
        advised=tuple(w.heuristic for w in weigh_heuristics(store) if w.advice != "keep"),
    )


def _falls(
    store: Store, manifests: list[Manifest], gold: pl.DataFrame
) -> tuple[list[float], float]:
    """Return the fall of the newest rows' accuracy in each period, and that at the naming."""
    falls: list[float] = []
    named: float | None = None
    best = 0.0
    for manifest in manifests:
        paths = [entry.path for entry in manifest.entries]
        labels = pl.concat([store.files.read_parquet(f"labels/{path}") for path in paths])
        mine = labels.filter(pl.col("label").is_not_null(), cohort=manifest.period)
        joined = mine.with_columns(pl.col("row_id").cast(pl.String)).join(gold, on="row_id")
        accuracy = float((joined["label"] == joined["truth"]).cast(pl.Float64).sum()) / len(joined)
        best = max(best, accuracy)
        falls.append(best - accuracy)
        if named is None and STALE in {drift.heuristic for drift in manifest.drifting}:
            named = max(falls)
    return falls, 1.0 if named is None else named


def _wrong_answers(store: Store, manifest: Manifest, gold: pl.DataFrame) -> tuple[int, int]:
    """Rank the teaching answers as the stage that asks for rechecks does; count wrong ones."""
    answers = read_answers(store.files, manifest.run).filter(~pl.col("reserved"))
    classes, names = Classes(manifest.classes), [note.name for note in manifest.heuristics]
    answered = as_answered(answers, classes, len(names))

    def fit(patterns: Patterns, given: Answered) -> LabelModel:
        return fit_patterns(
            patterns, given, classes=len(classes), base_rate=None, heuristics=names, shown=False
        )

    told = cross_predict(answered, fit, count_patterns(answered.votes), 0)
    places = rank_suspects(answered.labels, told)["place"].to_numpy()
    planted = answers.join(gold, on="row_id", how="left", maintain_order="left")["wrong_answer"]
    wrong: np.ndarray = planted.to_numpy()[places]
    return int(wrong.sum()), int(wrong[: len(wrong) // 5].sum())


def figure(
    name: str, ours: float, peer: float, peer_name: str, unit: str, goal: str, met: bool
) -> dict[str, Any]:
    """Return one line of the table."""
    ratio = ours / peer if peer else None
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "unit": unit,
        "ratio": ratio,
        "goal": goal,
        "met": met,
    }


def ticket_figures(found: list[Found]) -> list[dict[str, Any]]:
    """Return the figures of the tickets, the worst of the seeds where there is a worst."""
    place = max(one.heuristic_place for one in found)
    part = max(one.slice_place for one in found)
    fall = max(one.fall for one in found)
    early = sum(one.wrong_early for one in found) / max(sum(one.wrong for one in found), 1)
    return [
        figure(
            f"place of the planted heuristic, worst of {len(found)} seeds",
            place,
            max(one.conflict_place for one in found),
            "by conflict",
            "place",
            "= 1",
            place == 1,
        ),
        figure(
            f"place of the biased slice, worst of {len(found)} seeds",
            part,
            max(one.accuracy_place for one in found),
            "by audited accuracy",
            "place",
            "= 1",
            part == 1,
        ),
        figure(
            "fall of accuracy when the stale heuristic is named",
            100 * fall,
            100 * max(one.largest_fall for one in found),
            "largest fall of any period",
            "points",
            "< 2",
            fall < 0.02,
        ),
        figure(
            "planted wrong answers in the first fifth of the recheck list",
            early,
            0.2,
            "no order",
            "share",
            ">= 0.8",
            early >= 0.8,
        ),
    ]


def size_figures(root: Path, rows: int) -> list[dict[str, Any]]:
    """Return the figures of the large store."""
    print_versions(root, rows)
    millions = f"{rows / 1e6:g} million rows"
    row = id_of(rows - 7)
    explained, scanned = ask(root, row), ask(root, f"find {row}")
    assert explained["answer"]["replayed"].endswith("the same bits"), explained
    results = [
        figure(
            f"explaining one of {millions}",
            explained["seconds"],
            scanned["seconds"],
            "scanning the labels for it",
            "s",
            "< 2",
            explained["seconds"] < 2,
        )
    ]
    for what, versions in (("an edit and changed rows", "1 2"), ("every file written anew", "2 3")):
        diff, join = ask(root, f"diff {versions}"), ask(root, f"join {versions}")
        assert diff["answer"]["changed"] == join["answer"]["changed"], (diff, join)
        for unit, key, goal in (("s", "seconds", 60), ("MiB", "peak_mib", 2048)):
            results.append(
                figure(
                    f"diff of {millions}, {what}",
                    diff[key],
                    join[key],
                    "joining the labels",
                    unit,
                    f"< {goal}",
                    diff[key] < goal,
                )
            )
    return results


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        found = []
        for seed in range(options.seeds):
            found.append(audit_tickets(folder / f"tickets-{seed}", seed))
            print(found[-1], flush=True)
        results = ticket_figures(found) + size_figures(folder / "large", options.rows)
    finally:
        shutil.rmtree(folder)
    for one in results:
        print(
            f"{one['name']}: {one['ours']:.3g} {one['unit']} ({one['peer_name']}: "
            f"{one['peer']:.3g}), goal {one['goal']}: {'met' if one['met'] else 'missed'}"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
