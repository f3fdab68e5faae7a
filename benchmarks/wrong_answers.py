"""
Wrong answers: of 10,000 given labels, a fifth of them wrong, how many of the first suspects are.

    python -m benchmarks.wrong_answers  (some two minutes)

The data set is noisy_agnews, with one real person's label a text. Probabilities come out of five
folds from logistic regression or naive Bayes on TF-IDF, fitted on the given labels: of ten
regularisations the one that predicts the given labels best. The true ones only count. The peer is
to look at answers in no order. Writes benchmarks/out/wrong_answers.json.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from benchmarks.label_data import DATA
from labelpress.suspects import rank_suspects

OUT = Path(__file__).parent / "out" / "wrong_answers.json"
FIRST = 500
GOAL = 0.75


def read_answers() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return texts, given labels and true labels."""
    with (DATA / "noisy_agnews" / "samples10000valMed.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, escapechar="\\"))
    given, true = (np.array([int(row[name]) for row in rows]) for name in ("label", "gt"))
    return [row["text"] for row in rows], given, true


MODELS = (
    *(LogisticRegression(C=strength, max_iter=300) for strength in (0.3, 1, 3, 10, 30)),
    *(MultinomialNB(alpha=smoothing) for smoothing in (0.03, 0.1, 0.2, 0.3, 1.0)),
)


def out_of_fold(texts: list[str], given: np.ndarray, model: Any) -> np.ndarray:
    """Return the class probabilities of each text, from models that have not seen its label."""
    words = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    pipeline = make_pipeline(words, model)
    return np.asarray(cross_val_predict(pipeline, texts, given, cv=folds, method="predict_proba"))


def main() -> None:
    """Rank the given labels, count the wrong ones, print and write the figures."""
    texts, given, true = read_answers()
    probabilities = min(
        (out_of_fold(texts, given, model) for model in MODELS),
        key=lambda found: log_loss(given, found),
    )
    ranked = rank_suspects(given, probabilities)
    wrong = (given != true)[ranked["place"].to_numpy()]
    suspected = ranked["suspected"].to_numpy()
    ours, peer = float(wrong[:FIRST].mean()), float(wrong.mean())
    result = {
        "name": f"precision among the first {FIRST} suspects, noisy_agnews",
        "ours": ours,
        "peer": peer,
        "peer_name": "no order",
        "unit": "share",
        "ratio": ours / peer,
        "goal": f">= {GOAL}",
        "met": ours >= GOAL,
    }
    found = float(wrong[suspected].sum() / wrong.sum())
    print(f"{result['name']}: {ours:.3f} (no order {peer:.3f}), goal {GOAL}: {result['met']}")
    print(f"suspected {suspected.sum()}, of them wrong {wrong[suspected].mean():.3f}, ", end="")
    print(f"share of the wrong ones found {found:.3f}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"results": [result]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
