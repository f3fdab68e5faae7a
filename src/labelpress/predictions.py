"""Predictions: what an end model says of every row of a label version, kept in the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from labelpress.errors import StoreError

if TYPE_CHECKING:
    import polars as pl

    from labelpress.tables.files import Files

FOLDER = "predictions"


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """The predictions of one model for one partition."""

    part: str
    path: str
    """Relative to the store; named for what the predictions follow from, so never rewritten."""
    rows: int


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of one model for all rows of one label version."""

    label_version: int
    model: str
    files: tuple[PredictionFile, ...]


def folder_of(model: str) -> str:
    """Return the folder of a model's prediction files, relative to the store."""
    return f"{FOLDER}/model-{model}"


def write_predictions(files: Files, predictions: Predictions) -> None:
    """Make the predictions of a label version known; written last, when all files are there."""
    files.write_json(_index(predictions.label_version, predictions.model), asdict(predictions))


def find_predictions(files: Files, version: int, model: str | None = None) -> Predictions | None:
    """Return the predictions for a label version: of a model, else of the last that scored it."""
    names = files.names(f"{FOLDER}/v{version}")
    models = sorted((name.removesuffix(".json") for name in names), key=_age)
    if model is not None:
        models = [name for name in models if name == model]
    if not models:
        return None
    plain = files.read_json(_index(version, models[-1]))
    kept = tuple(PredictionFile(**file) for file in plain["files"])
    return Predictions(plain["label_version"], plain["model"], kept)


def prediction_files(files: Files, version: int) -> frozenset[str]:
    """Return the files with predictions for a label version, of any model, and their indexes."""
    models = [name.removesuffix(".json") for name in files.names(f"{FOLDER}/v{version}")]
    found = [find_predictions(files, version, model) for model in models]
    data = {file.path for predictions in found if predictions for file in predictions.files}
    return frozenset(data | {_index(version, model) for model in models})


def scan_predictions(files: Files, version: int, model: str | None = None) -> pl.LazyFrame:
    """Return the predictions for a label version; raises `StoreError` where there are none."""
    found = find_predictions(files, version, model)
    if found is None or not found.files:
        scored = [name[1:] for name in files.names(FOLDER) if name[1:].isdigit()]
        of = "" if model is None else f" of model {model}"
        raise StoreError(
            f"there are no predictions{of} for label version {version}; those with some are "
            f"{', '.join(sorted(scored, key=int)) or 'none'}. The stage score writes them when "
            "a champion serves."
        )
    return files.scan_all([file.path for file in found.files])


def _index(version: int, model: str) -> str:
    return f"{FOLDER}/v{version}/{model}.json"


def _age(model: str) -> tuple[int, str]:
    return (int(model), "") if model.isdigit() else (-1, model)
