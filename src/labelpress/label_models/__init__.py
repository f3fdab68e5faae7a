"""Label models: votes, a few answers and the base rate in, class probabilities out."""

from __future__ import annotations

from labelpress.label_models.contract import Answered, LabelModel, Lift
from labelpress.label_models.fitting import ModelName, fit_label_model, fit_patterns, load

__all__ = [
    "Answered",
    "LabelModel",
    "Lift",
    "ModelName",
    "fit_label_model",
    "fit_patterns",
    "load",
]
