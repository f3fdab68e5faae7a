"""
Refit noise: how many labels a refit changes by chance, with nothing new to learn.

The version's label model is fitted again on bootstrap resamples of its own vote patterns and
answers (Efron, 1979): rows and answers drawn anew, with replacement, from the same ones. What such
fits change is noise; what a refit changes beyond that is because the data moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from labelpress.base_rate import BaseRate
from labelpress.classes import ABSTAIN, Classes
from labelpress.label_models import Answered, fit_patterns, load
from labelpress.label_models.everywhere import SAMPLE
from labelpress.manifest import folder, read_answers
from labelpress.vote_files import read_patterns
from labelpress.votes import Patterns

if TYPE_CHECKING:
    from labelpress.label_models import ModelName
    from labelpress.manifest import Manifest
    from labelpress.tables.files import Files


@dataclass(frozen=True, slots=True)
class RefitNoise:
    """The churn of refits on resamples of unchanged data."""

    resamples: int
    churn: float
    """The mean."""
    low: float
    """The smallest of them."""
    high: float
    """The largest of them."""

    def sentence(self, refit_churn: float) -> str:
        """Say whether a refit changed more than chance would."""
        usual = (
            f"{self.resamples} refits on resamples of unchanged data change {self.churn:.2%} of "
            f"the labels ({self.low:.2%} to {self.high:.2%})"
        )
        if refit_churn > self.high:
            return f"The refit changed {refit_churn:.2%}, beyond chance: {usual}. The data moved."
        return f"The refit changed {refit_churn:.2%}, which is within chance: {usual}."


def measure_refit_noise(files: Files, manifest: Manifest, resamples: int) -> RefitNoise | None:
    """
    Refit a version's label model on resamples of its own data; None where its votes are gone.

    Where there are more distinct patterns than estimators learn from, on the stored sample of rows.
    """
    patterns = _learnt_from(files, manifest)
    if patterns is None or patterns.rows == 0:
        return None
    answered = _teaching(read_answers(files, manifest.run), patterns)
    base_rate = BaseRate.from_json(manifest.base_rate)
    name = cast("ModelName", manifest.label_model["name"])
    voted = (patterns.votes != ABSTAIN).any(axis=1)
    weights = np.where(voted, patterns.counts, 0) / max(int(patterns.counts.sum()), 1)
    said = load(manifest.label_model).predict_proba(patterns.votes).argmax(axis=1)
    churn = []
    for seed in range(resamples):
        rng = np.random.default_rng([seed, patterns.rows])
        again = rng.integers(0, max(len(answered), 1), len(answered))
        model = fit_patterns(
            _resample(patterns, rng),
            _taken(answered, again) if len(answered) else None,
            classes=len(manifest.classes),
            base_rate=base_rate.mean if base_rate.source != "uniform" else None,
            heuristics=[note.name for note in manifest.heuristics],
            model=name,
            beliefs=[note.precision for note in manifest.heuristics],
        )
        moved = model.predict_proba(patterns.votes).argmax(axis=1) != said
        churn.append(float(weights[moved].sum()))
    return RefitNoise(resamples, float(np.mean(churn)), min(churn), max(churn))


def _learnt_from(files: Files, manifest: Manifest) -> Patterns | None:
    """Return all patterns of a version where they are few, else its sample of rows."""
    classes = Classes(manifest.classes)
    for name in ("patterns", "sample"):
        path = f"{folder(manifest.run)}/{name}.parquet"
        if files.exists(path):
            found = read_patterns(files, path, classes)
            if name == "sample" or len(found.counts) <= SAMPLE:
                return found
    return None


def _resample(patterns: Patterns, rng: np.random.Generator) -> Patterns:
    counts = rng.multinomial(patterns.rows, patterns.counts / patterns.rows).astype(np.int64)
    drawn = counts > 0
    return Patterns(patterns.votes[drawn], counts[drawn])


def _teaching(answers: pl.DataFrame, patterns: Patterns) -> Answered:
    teaching = answers.filter(~pl.col("reserved"))
    votes = np.array(teaching["votes"].to_list(), dtype=patterns.votes.dtype)
    return Answered(
        votes.reshape(teaching.height, patterns.votes.shape[1]),
        teaching["code"].to_numpy(),
        teaching["propensity"].to_numpy(),
        (teaching["stratum"] == "audit").to_numpy(),
    )


def _taken(answered: Answered, rows: np.ndarray) -> Answered:
    return Answered(
        answered.votes[rows],
        answered.labels[rows],
        answered.propensity[rows],
        answered.audit[rows],
    )
