"""Retraining: what MLflow is told of a model that was trained outside a printing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelpress.model_cost import ModelCost
    from labelpress.stages.promote import Promotion
    from labelpress.stages.trained import Trained
    from labelpress.tracking import ModelVersion, Tracking


def finish_retraining(
    model: ModelVersion,
    trained: Trained,
    promotion: Promotion,
    cost: ModelCost,
    tracking: Tracking,
) -> None:
    """Write the figures of a retraining to its MLflow run, and close it."""
    judged = trained.evaluation
    tracking.write(
        model.run_id,
        metrics={
            "model.accuracy": judged.accuracy if judged else None,
            "model.f1": judged.f1 if judged else None,
            "model.log_loss": judged.log_loss if judged else None,
            "cost.compute_usd": cost.training_usd,
        },
        params={"training_mix": trained.mix},
        tags={"labelpress.verdict": promotion.role, "mlflow.note.content": promotion.sentence},
    )
    tracking.finish(model.run_id)
