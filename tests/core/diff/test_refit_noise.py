"""Refit noise: what a refit changes by chance is told from what it changes because data moved."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from labelpress.base_rate import BaseRate
from labelpress.diff.refit_noise import RefitNoise, measure_refit_noise
from labelpress.label_models import Answered, fit_patterns
from labelpress.tables.files import Files
from labelpress.vote_files import write_patterns
from labelpress.votes import count_patterns

NAMES = ("a", "b", "c")
HALVES = np.array([0.5, 0.5])


def _drawn(first: float, seed: int):
    """Return votes of 600 rows and the classes of 120: heuristic a is right on `first` of them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 600)
    right = rng.random((600, 3)) < (first, 0.7, 0.6)
    votes = np.where(right, truth[:, None], 1 - truth[:, None]).astype(np.int8)
    return votes, truth[:120]


def _fit(votes, labels):
    told = Answered(votes[:120], labels, np.ones(120), np.ones(120, dtype=bool))
    return fit_patterns(
        count_patterns(np.asfortranarray(votes)),
        told,
        classes=2,
        base_rate=HALVES,
        heuristics=NAMES,
        model="weighted-majority",
    )


def _churn(model, other, votes):
    said, says = (one.predict_proba(votes).argmax(axis=1) for one in (model, other))
    return float((said != says).mean())


def test_a_refit_on_moved_data_lies_beyond_the_noise(tmp_path):
    """Another sample of the same rows does not, though it changes labels too."""
    votes, labels = _drawn(0.9, 0)
    model, files = _fit(votes, labels), Files(str(tmp_path))
    answers = pl.DataFrame(
        {
            "code": labels,
            "propensity": 1.0,
            "stratum": "audit",
            "reserved": False,
            "votes": votes[:120].tolist(),
        }
    )
    write_patterns(files, "runs/r/patterns.parquet", count_patterns(np.asfortranarray(votes)))
    files.write_parquet("runs/r/answers.parquet", answers)
    manifest = SimpleNamespace(
        run="r",
        classes=("ham", "spam"),
        heuristics=[SimpleNamespace(name=name, precision=None) for name in NAMES],
        label_model=model.to_json(),
        base_rate=BaseRate(HALVES, HALVES, HALVES, 120, "measured").to_json(),
    )
    noise = measure_refit_noise(files, manifest, 5)

    same, moved = (
        _churn(model, _fit(*_drawn(0.9, 1)), votes),
        _churn(model, _fit(*_drawn(0.1, 1)), votes),
    )
    assert same <= noise.high < moved
    assert "within chance" in noise.sentence(same)
    assert noise.sentence(moved).endswith("The data moved.")


@pytest.mark.parametrize(
    ("churn", "said"),
    [
        (0.02, "The refit changed 2.00%, which is within chance: 5 refits on resamples of "),
        (0.03, "The refit changed 3.00%, which is within chance"),
        (0.04, "The refit changed 4.00%, beyond chance"),
    ],
)
def test_the_sentence_says_both_figures(churn, said):
    """The largest of the resamples is still chance."""
    assert RefitNoise(5, 0.02, 0.01, 0.03).sentence(churn).startswith(said)
