"""The promote stage: champion or challenger."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelpress.decisions import Decision, champion, decide
from labelpress.end_model.training import TrainedModel
from labelpress.errors import PublicationRefusedError
from labelpress.promotion import PromotionVerdict, compare
from labelpress.stages.audited_pairs import audited_pairs
from labelpress.test_set import read_corrected_test_set

if TYPE_CHECKING:
    import polars as pl

    from labelpress.cluster import Cluster
    from labelpress.end_model.evaluation import Evaluation
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.trained import Trained
    from labelpress.tables.publication import LabelVersion
    from labelpress.tracking import ModelVersion, Tracking


@dataclass(frozen=True, slots=True)
class Promotion:
    """Which model serves from now on, and why."""

    model: str
    role: str
    """`champion` or `challenger`."""
    reason: str

    @property
    def sentence(self) -> str:
        """Say it in words."""
        return f"Model {self.model} is {self.role}: {self.reason}."


def promote_model(
    run: Run,
    manifest: Manifest,
    version: LabelVersion,
    model: ModelVersion,
    trained: Trained,
    tracking: Tracking,
    cluster: Cluster,
    *,
    batch: str = "",
) -> Promotion:
    """
    Decide once per label version, or once per `batch`, whether a model becomes champion.

    The decision is a row of `decisions`, written by compare-and-swap: where somebody else decided
    meanwhile, who may have promoted another model, it is judged again. The MLflow aliases mirror
    the decisions and are repaired by every later run.
    """
    table = run.store.decisions
    batch = batch or f"promote:v{version.version}"
    while not table.has(batch):
        seen = table.version()
        kind, reason = _compare(run, manifest, table.read_frozen(seen), trained, tracking, cluster)
        decision = Decision(
            kind=kind,
            who="promotion rule",
            why=reason,
            label_version=version.version,
            model=model.version,
        )
        with suppress(PublicationRefusedError):
            decide(table, decision, batch=batch, expect_version=seen)
    decisions = table.read()
    mine = decisions.filter(
        (decisions["label_version"] == version.version)
        & (decisions["model"] == model.version)
        & decisions["kind"].is_in(["champion", "challenger"])
    ).row(-1, named=True)
    _mirror(decisions, model, tracking)
    return Promotion(str(mine["model"]), str(mine["kind"]), str(mine["why"]))


def _compare(
    run: Run,
    manifest: Manifest,
    decisions: pl.DataFrame,
    trained: Trained,
    tracking: Tracking,
    cluster: Cluster,
) -> tuple[Literal["champion", "challenger"], str]:
    evaluation, serving = trained.evaluation, champion(decisions)
    margin = run.project.settings.gate.max_accuracy_drop
    if serving is not None and trained.judged_on != "test set":
        pairs = audited_pairs(run, manifest, trained, serving, tracking, cluster)
        if isinstance(pairs, str):
            return "challenger", f"unknown: {pairs}"
        verdict = compare(pairs.champion, pairs.challenger, margin=margin)
        on = "on audit answers that arrived after the champion was trained"
        return _role(verdict), f"{on}: {verdict.reason}"
    if evaluation is None:
        return "challenger", "nothing judges it: no test set, and no reserved audit answered"
    verdict = compare(
        _champion_correct(run, serving, trained, tracking) if serving else None,
        np.asarray(evaluation.correct),
        margin=margin,
        best_so_far=_best_so_far(decisions, evaluation, tracking),
        prior=evaluation.prior,
    )
    return _role(verdict), verdict.reason


def _role(verdict: PromotionVerdict) -> Literal["champion", "challenger"]:
    return "champion" if verdict.decision == "promote" else "challenger"


def _champion_correct(
    run: Run, serving: str, challenger: Trained, tracking: Tracking
) -> np.ndarray:
    """Judge the champion on the very test set that judged the challenger, corrections included."""
    test = read_corrected_test_set(run.project, run.store, challenger.answers_version)
    if test is None or challenger.evaluation is None or test.digest != challenger.evaluation.digest:
        return np.zeros(0, dtype=bool)
    model = read_champion(run, serving, tracking)
    if model.sees_votes:
        return np.zeros(0, dtype=bool)
    return np.asarray(model.predict_proba(test.frame).argmax(axis=1) == test.codes)


def read_champion(run: Run, serving: str, tracking: Tracking) -> TrainedModel:
    """Read a registered model back; only types that project.toml declares are made on top."""
    trusted = run.project.settings.end_model.trusted
    return TrainedModel.from_bytes(tracking.read_model(serving), trusted)


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
