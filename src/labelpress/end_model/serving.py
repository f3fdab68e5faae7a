"""Serving: how MLflow loads an end model, without unpickling anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from labelpress.end_model.training import TrainedModel

if TYPE_CHECKING:
    import pandas as pd


TRUSTED_TYPES: Final = "LABELPRESS_TRUSTED_TYPES"
"""The environment variable that names, by commas, types outside scikit-learn that may be made."""


class ServedModel:
    """An end model behind MLflow's pyfunc interface."""

    def __init__(self, model: TrainedModel) -> None:
        self._model = model

    def predict(self, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:  # noqa: ARG002
        """Return one probability column per class for rows with the feature columns."""
        probabilities = self._model.predict_proba(pl.from_pandas(model_input))
        return pl.DataFrame(probabilities, schema=list(self._model.classes)).to_pandas()


def _load_pyfunc(path: str) -> ServedModel:
    """Load what `labelpress.tracking` saved; MLflow calls this by name."""
    return ServedModel(TrainedModel.from_bytes(Path(path).read_bytes(), _trusted()))


def _trusted() -> tuple[str, ...]:
    """Return the types that this process trusts; what lies beside the model has no say in it."""
    named = os.environ.get(TRUSTED_TYPES, "").split(",")
    return tuple(name.strip() for name in named if name.strip())
