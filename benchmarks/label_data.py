"""Read the real heuristic and crowd sets that lie beside the project; they are never copied in."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HEURISTIC_SETS = ("youtube", "trec", "semeval")
CROWD_SETS = ("bluebird", "rte", "web", "d_jn-product")


@dataclass(frozen=True, slots=True)
class Judged:
    """Votes with the truth; -1 where it is not known."""

    votes: NDArray[np.int16]
    truth: NDArray[np.int64]
    classes: int


def read_split(name: str, split: Literal["train", "valid", "test"]) -> Judged:
    """Read one split of a heuristic set."""
    folder = DATA / name
    rows = json.loads((folder / f"{split}.json").read_text()).values()
    return Judged(
        np.array([row["weak_labels"] for row in rows], dtype=np.int16),
        np.array([row["label"] for row in rows]),
        len(json.loads((folder / "label.json").read_text())),
    )


def read_crowd(name: str) -> Judged:
    """Read a crowd set as a matrix (items, workers); what a worker did not judge is -1."""
    with (DATA / "crowd" / name / "label.csv").open() as lines:
        labels = [(row["item"], row["worker"], int(row["label"])) for row in csv.DictReader(lines)]
    with (DATA / "crowd" / name / "truth.csv").open() as lines:
        known = {row["item"]: int(row["truth"]) for row in csv.DictReader(lines)}
    items = {item: place for place, item in enumerate(dict.fromkeys(row[0] for row in labels))}
    workers = {who: place for place, who in enumerate(dict.fromkeys(row[1] for row in labels))}
    votes = np.full((len(items), len(workers)), -1, dtype=np.int16)
    for item, worker, label in labels:
        votes[items[item], workers[worker]] = label
    truth = np.array([known.get(item, -1) for item in items])
    return Judged(votes, truth, int(max(votes.max(), truth.max())) + 1)
