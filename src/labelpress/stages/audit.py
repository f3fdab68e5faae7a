"""The audits within the label stage: judge the candidate by answers that did not make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.audits import FEWEST_RESERVED, Audits, certify_labels, response_rate
from labelpress.calibration import measure_calibration
from labelpress.runs import run_ids
from labelpress.stages.fit import vote_matrix
from labelpress.stages.slicing import slices_of_answers

if TYPE_CHECKING:
    from labelpress.audits import Certificates
    from labelpress.calibration import Calibration
    from labelpress.cluster import Cluster
    from labelpress.labels import LabelCounts
    from labelpress.runs import Run
    from labelpress.slices import Slicing
    from labelpress.stages.fit import Fitted


def audit_labels(
    run: Run, fitted: Fitted, counts: LabelCounts, slicing: Slicing | None, cluster: Cluster
) -> tuple[Certificates, Calibration]:
    """Judge the candidate's labels by the reserved audits, or else by cross-fitting."""
    masks = slices_of_answers(run, fitted, slicing, cluster)
    audits = _reserved(run, fitted, masks)
    if len(audits) < FEWEST_RESERVED and fitted.out_of_fold is not None:
        cross_fitted = _cross_fitted(run, fitted, fitted.out_of_fold, masks)
        audits = cross_fitted if len(cross_fitted) > len(audits) else audits
    calibration = measure_calibration(audits.confidence, audits.correct, reserved=audits.reserved)
    # runs that were killed or held count as looks too: whoever looks more often errs more often
    looks = len({*run_ids(run.store), run.id})
    return certify_labels(audits, counts, run.classes, looks), calibration


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
    asks = run.store.asks.read(manifest.asks_version).filter(
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
            run.store.answers.read(manifest.answers_version),
            int(labelled.sum()),
            manifest.period,
            float(labelled.mean()) if len(labelled) else 1.0,
        ),
        reserved=reserved,
    )
