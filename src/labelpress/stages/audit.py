"""The audits within the label stage: judge the candidate by answers that did not make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.audits import FEWEST_RESERVED, Audits, certify_labels, response_rate
from labelpress.stages.fit import vote_matrix

if TYPE_CHECKING:
    from labelpress.audits import Certificates
    from labelpress.labels import LabelCounts
    from labelpress.runs import Run
    from labelpress.stages.fit import Fitted


def audit_labels(run: Run, fitted: Fitted, counts: LabelCounts) -> Certificates:
    """Certify the candidate's labels by the reserved audits, or else by cross-fitting."""
    audits = _reserved(run, fitted)
    if len(audits) < FEWEST_RESERVED and fitted.out_of_fold is not None:
        cross_fitted = _cross_fitted(run, fitted, fitted.out_of_fold)
        audits = cross_fitted if len(cross_fitted) > len(audits) else audits
    return certify_labels(audits, counts, run.classes)


def _reserved(run: Run, fitted: Fitted) -> Audits:
    answers = fitted.answers.filter(pl.col("reserved"))
    votes = vote_matrix(answers, run.classes, len(fitted.manifest.heuristics))
    return _audits(run, fitted, answers, fitted.model.predict_proba(votes), votes, reserved=True)


def _cross_fitted(run: Run, fitted: Fitted, out_of_fold: np.ndarray) -> Audits:
    teaching = fitted.answers.filter(~pl.col("reserved"))
    uniform = teaching["stratum"] == "audit"
    answers = teaching.filter(uniform)
    votes = vote_matrix(answers, run.classes, len(fitted.manifest.heuristics))
    return _audits(run, fitted, answers, out_of_fold[uniform.to_numpy()], votes, reserved=False)


def _audits(
    run: Run,
    fitted: Fitted,
    answers: pl.DataFrame,
    probabilities: np.ndarray,
    votes: np.ndarray,
    *,
    reserved: bool,
) -> Audits:
    """Lay the answers beside the labels, without those of rows that have no label."""
    manifest = fitted.manifest
    labelled = (votes != -1).any(axis=1)
    asks = run.store.asks.read(manifest.asks_version).filter(
        (pl.col("stratum") == "audit") & (pl.col("reserved") == reserved)
    )
    return Audits(
        answers=answers["code"].to_numpy()[labelled],
        labels=probabilities.argmax(axis=1)[labelled],
        confidence=probabilities.max(axis=1)[labelled],
        cohorts=answers["cohort"].to_numpy().astype(np.str_)[labelled],
        response=response_rate(
            asks,
            run.store.answers.read(manifest.answers_version),
            int(labelled.sum()),
            manifest.period,
            float(labelled.mean()) if len(labelled) else 1.0,
        ),
        reserved=reserved,
    )
