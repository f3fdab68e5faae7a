"""The audits within the label stage: judge the candidate by answers that did not make it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.audits import Audits, certify_labels, response_rate
from labelpress.calibration import measure_calibration
from labelpress.certify import FEWEST_RESERVED
from labelpress.labels import add_counts
from labelpress.stages.fit import vote_matrix
from labelpress.stages.slicing import slices_of_answers, slicing_of

if TYPE_CHECKING:
    from labelpress.cluster import Cluster
    from labelpress.runs import Run
    from labelpress.stages.fit import Fitted


def audit_labels(run: Run, fitted: Fitted, cluster: Cluster) -> Fitted:
    """Certify the labels in a manifest by the reserved audits, or else by cross-fitting."""
    manifest = fitted.manifest
    masks = slices_of_answers(run, fitted, slicing_of(run, manifest), cluster)
    audits = _reserved(run, fitted, masks)
    if len(audits) < FEWEST_RESERVED and fitted.out_of_fold is not None:
        cross_fitted = _cross_fitted(run, fitted, fitted.out_of_fold, masks)
        audits = cross_fitted if len(cross_fitted) > len(audits) else audits
    calibration = measure_calibration(audits.confidence, audits.correct, reserved=audits.reserved)
    counts = add_counts([entry.counts for entry in manifest.entries], run.classes)
    certificates = certify_labels(audits, counts, run.classes, manifest.looks)
    certified = manifest.with_(
        certificate=certificates.overall.to_json(),
        certificates=certificates.parts_to_json(),
        calibration=calibration.to_json(),
    )
    return replace(fitted, manifest=certified)


def _reserved(run: Run, fitted: Fitted, masks: pl.DataFrame) -> Audits:
    answers = fitted.answers.filter(pl.col("reserved"))
    votes = vote_matrix(answers, run.classes, len(fitted.manifest.heuristics))
    probabilities = fitted.model.predict_proba(votes)
    return _audits(run, fitted, answers, probabilities, votes, masks, reserved=True)


def _cross_fitted(run: Run, fitted: Fitted, out_of_fold: np.ndarray, masks: pl.DataFrame) -> Audits:
    teaching = fitted.answers.filter(~pl.col("reserved"))
    uniform = teaching["stratum"] == "audit"
    answers = teaching.filter(uniform)
    votes = vote_matrix(answers, run.classes, len(fitted.manifest.heuristics))
    probabilities = out_of_fold[uniform.to_numpy()]
    return _audits(run, fitted, answers, probabilities, votes, masks, reserved=False)


def _audits(
    run: Run,
    fitted: Fitted,
    answers: pl.DataFrame,
    probabilities: np.ndarray,
    votes: np.ndarray,
    masks: pl.DataFrame,
    *,
    reserved: bool,
) -> Audits:
    """Lay the answers beside the labels, without those of rows that have no label."""
    manifest = fitted.manifest
    labelled = (votes != -1).any(axis=1)
    asks = run.store.asks.read_frozen(manifest.asks_version).filter(
        (pl.col("stratum") == "audit") & (pl.col("reserved") == reserved)
    )
    belong = answers.select("row_id").join(masks, on="row_id", how="left", maintain_order="left")
    belong = belong.drop("row_id").fill_null(value=False)
    return Audits(
        answers=answers["code"].to_numpy()[labelled],
        labels=probabilities.argmax(axis=1)[labelled],
        confidence=probabilities.max(axis=1)[labelled],
        cohorts=answers["cohort"].to_numpy().astype(np.str_)[labelled],
        slices={mask.name: mask.to_numpy()[labelled] for mask in belong.iter_columns()},
        response=response_rate(
            asks,
            run.store.answers.read_frozen(manifest.answers_version),
            int(labelled.sum()),
            manifest.period,
            float(labelled.mean()) if len(labelled) else 1.0,
        ),
        reserved=reserved,
    )
