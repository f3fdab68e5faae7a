"""Write the real heuristic sets as projects, with their stored votes as `column` heuristics."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from benchmarks.label_data import DATA

if TYPE_CHECKING:
    from pathlib import Path

Split = Literal["train", "valid", "test"]

_PROJECT = """
name = "{name}"
[source]
uri = "data/"
id = "id"
[classes]
names = {classes}
[experts]
oracle = "gold"
budget = 50
reserved_share = {reserved}
{split}
expires_days = 3650
target_accuracy = 1.0
[end_model]
votes = {votes}
class_weight = "{class_weight}"
[end_model.features]
text = ["text"]
[evaluation]
test = "test.parquet"
"""


def read_frame(name: str, split: Split) -> tuple[pl.DataFrame, list[str]]:
    """Return one split (id, text, a column of class names per heuristic, gold) and its classes."""
    names = json.loads((DATA / name / "label.json").read_text())
    classes = [f"c{code}" for code in range(len(names))]
    rows = json.loads((DATA / name / f"{split}.json").read_text())
    votes = np.array([row["weak_labels"] for row in rows.values()])
    voted = {
        f"lf_{j:03}": [classes[code] if code >= 0 else None for code in votes[:, j]]
        for j in range(votes.shape[1])
    }
    frame = pl.DataFrame(
        {
            "id": [f"{split}-{key}" for key in rows],
            "text": [row["data"]["text"] for row in rows.values()],
            **{column: pl.Series(column, found, pl.String) for column, found in voted.items()},
            "gold": [classes[row["label"]] for row in rows.values()],
        }
    )
    return frame, classes


def read_news(seed: int, rare: float = 0.05) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Return train and test of a two-class set in which a share `rare` of the rows is positive.

    Made of noisy_agnews: one of its four topics is the positive class, and so many of its rows are
    left out that the share comes out. The heuristics are single words: for either class, those that
    tell most in 200 rows which belong to neither train nor test.
    """
    with (DATA / "noisy_agnews" / "samples10000valMed.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, escapechar="\\"))
    truth = np.array([int(row["gt"]) for row in rows])
    rng = np.random.default_rng(seed)
    topic = int(truth.max())
    others = rng.permutation(np.flatnonzero(truth != topic))
    wanted = round(len(others) * rare / (1 - rare))
    positive = rng.permutation(np.flatnonzero(truth == topic))[: wanted + 100]
    shown = np.concatenate([positive[wanted:], others[:100]])
    words = _telling_words([rows[i]["text"] for i in shown], truth[shown] == topic)
    kept = rng.permutation(np.concatenate([positive[:wanted], others[100:]]))
    text = pl.Series("text", [rows[i]["text"] for i in kept])
    lower = text.str.to_lowercase()
    frame = pl.DataFrame(
        {
            "id": [f"news-{i}" for i in kept],
            "text": text,
            **{
                f"lf_{j:03}": pl.select(
                    pl.when(lower.str.contains(rf"\b{word}\b")).then(pl.lit(name))
                ).to_series()
                for j, (word, name) in enumerate(words)
            },
            "gold": np.where(truth[kept] == topic, "c1", "c0"),
        }
    )
    return frame.head(-2500), frame.tail(2500)


def _telling_words(texts: list[str], positive: np.ndarray) -> list[tuple[str, str]]:
    """Return the ten words of each class whose rows lie most on its side, with the class."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415

    counter = CountVectorizer(binary=True, min_df=3)
    there = counter.fit_transform(texts).toarray().astype(float)
    names = counter.get_feature_names_out()
    odds = np.log((there[positive].sum(0) + 0.5) / (there[~positive].sum(0) + 0.5))
    order = np.argsort(odds)
    return [(names[j], "c1") for j in order[::-1][:10]] + [(names[j], "c0") for j in order[:10]]


def write_project(
    folder: Path,
    name: str,
    train: pl.DataFrame,
    test: pl.DataFrame,
    classes: list[str],
    *,
    votes: bool = False,
    reserved: float = 0.0,
    split: str = "split = { audit = 1.0 }",
    class_weight: Literal["none", "balanced"] = "none",
) -> None:
    """Write a project whose experts are the oracle; `split` is a line of `[experts]` or empty."""
    (folder / "data").mkdir(parents=True)
    train.write_parquet(folder / "data" / "train.parquet")
    test.write_parquet(folder / "test.parquet")
    settings = {"name": name, "classes": json.dumps(classes), "votes": str(votes).lower()}
    text = _PROJECT.format(**settings, reserved=reserved, split=split, class_weight=class_weight)
    (folder / "project.toml").write_text(text)
    columns = [column for column in train.columns if column.startswith("lf_")]
    lines = [f'{column} = column("{column}")' for column in columns]
    (folder / "heuristics.py").write_text(
        "\n".join(["from labelpress import column", "", *lines, ""])
    )
