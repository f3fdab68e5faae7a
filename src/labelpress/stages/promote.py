"""The promote stage: champion or challenger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelpress.decisions import Decision, champion, decide
from labelpress.end_model.training import TrainedModel
from labelpress.promotion import compare
from labelpress.test_set import read_test_set

if TYPE_CHECKING:
    import polars as pl

    from labelpress.end_model.evaluation import Evaluation
    from labelpress.runs import Run
    from labelpress.stages.train import Trained
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import ModelVersion, Tracking


@dataclass(frozen=True, slots=True)
class Promotion:
    """Which model serves from now on, and why."""

    model: str
    role: str
    """`champion` or `challenger`."""
    reason: str


def promote_model(
    run: Run,
    version: LabelVersion,
    model: ModelVersion,
    trained: Trained | None,
    tracking: Tracking,
) -> Promotion:
    """
    Decide once per label version whether its model becomes champion.

    The decision is a row of `decisions`, written by compare-and-swap; the MLflow aliases mirror it
    and are repaired by every later run.
    """
    table = run.store.decisions
    batch = f"promote:v{version.version}"
    seen = table.version()
    decisions = table.read(seen)
    if not table.has(batch):
        verdict_kind, reason = _compare(run, decisions, trained, tracking)
        decide(
            table,
            Decision(
                kind=verdict_kind,
                who="promotion rule",
                why=reason,
                label_version=version.version,
                model=model.version,
            ),
            batch=batch,
            expect_version=seen,
        )
        decisions = table.read()
    mine = decisions.filter(
        (decisions["label_version"] == version.version)
        & decisions["kind"].is_in(["champion", "challenger"])
    ).row(-1, named=True)
    _mirror(decisions, model, tracking)
    return Promotion(str(mine["model"]), str(mine["kind"]), str(mine["why"]))


def _compare(
    run: Run, decisions: pl.DataFrame, trained: Trained | None, tracking: Tracking
) -> tuple[Literal["champion", "challenger"], str]:
    evaluation = trained.evaluation if trained else None
    if evaluation is None:
        return "challenger", "nothing judges it: no test set, and no reserved audit answered"
    serving = champion(decisions)
    verdict = compare(
        _champion_correct(run, serving, evaluation, tracking) if serving else None,
        np.asarray(evaluation.correct),
        margin=run.project.settings.gate.max_accuracy_drop,
        best_so_far=_best_so_far(decisions, evaluation, tracking),
        prior=evaluation.prior,
    )
    return ("champion" if verdict.decision == "promote" else "challenger"), verdict.reason


def _champion_correct(
    run: Run, serving: str, evaluation: Evaluation, tracking: Tracking
) -> np.ndarray:
    test = read_test_set(run.project, run.classes)
    if test is None or test.digest != evaluation.digest:
        return np.zeros(0, dtype=bool)
    predicted = TrainedModel.from_bytes(tracking.read_model(serving)).predict_proba(test.frame)
    return np.asarray(predicted.argmax(axis=1) == test.codes)


def _best_so_far(
    decisions: pl.DataFrame, evaluation: Evaluation, tracking: Tracking
) -> float | None:
    champions = set(decisions.filter(decisions["kind"] == "champion")["model"].to_list())
    figures = [
        float(model.tags["labelpress.accuracy"])
        for model in tracking.models()
        if model.version in champions
        and model.tags.get("labelpress.test_digest") == evaluation.digest
    ]
    return max(figures, default=None)


def _mirror(decisions: pl.DataFrame, model: ModelVersion, tracking: Tracking) -> None:
    serving = champion(decisions)
    if serving is not None and tracking.alias("champion") != serving:
        tracking.set_alias("champion", serving)
    if model.version != serving and tracking.alias("challenger") != model.version:
        tracking.set_alias("challenger", model.version)
