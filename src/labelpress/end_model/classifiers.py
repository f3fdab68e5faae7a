"""Classifiers by import path: any scikit-learn estimator that weighs rows, taught soft labels."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from labelpress.end_model.softmax import normalise
from labelpress.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.end_model.softmax import Floats, Matrix

_SMALLEST: Final = 1e-6
"""Weights and probabilities below it count as nothing and as this."""
_WHERE: Final = "project.toml, [end_model] estimator:"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted scikit-learn estimator with the log-probabilities of all K classes."""

    estimator: Any
    classes: int

    def log_proba(self, X: Matrix) -> Floats:
        """Return log-probabilities, shape (n, K); a class it never saw gets one in a million."""
        known = np.asarray(self.estimator.classes_, dtype=np.int64)
        probabilities = np.full((X.shape[0], self.classes), _SMALLEST)
        probabilities[:, known] = np.clip(self.estimator.predict_proba(X), _SMALLEST, 1.0)
        return normalise(np.log(probabilities))


def fit_classifier(
    X: Matrix, targets: Floats, path: str, parameters: Mapping[str, Any], seed: int
) -> Classifier:
    """
    Fit the classifier at an import path on soft targets, shape (n, K), rows times weight.

    Each row is taught once per class with that class's share as its weight. A `random_state` that
    the estimator takes and `parameters` do not set is `seed`. Raises `ProjectError` where the
    estimator does not import, lacks `predict_proba`, or takes no `sample_weight`.
    """
    estimator = make_estimator(path, parameters, seed)
    inputs, codes, weights = weighted_rows(X, targets)
    try:
        estimator.fit(inputs, codes, sample_weight=weights)
    except (TypeError, ValueError) as error:
        raise ProjectError(
            f"project.toml, [end_model] estimator: {path} could not be fitted on "
            f"{inputs.shape[0]} weighted rows of {inputs.shape[1]} features "
            f"({'sparse' if sparse.issparse(inputs) else 'dense'}): {error}"
        ) from error
    return Classifier(estimator, targets.shape[1])


def weighted_rows(X: Matrix, targets: Floats) -> tuple[Matrix, NDArray[np.int64], Floats]:
    """Return each row once per class that it may be, the codes, and their shares as weights."""
    rows, codes = np.nonzero(targets > _SMALLEST)
    inputs = X.tocsr()[rows] if sparse.issparse(X) else X[rows]
    return inputs, codes.astype(np.int64), targets[rows, codes]


def make_estimator(path: str, parameters: Mapping[str, Any], seed: int) -> Any:
    """
    Make the estimator at an import path, unfitted.

    Raises `ProjectError` where it does not import, lacks `predict_proba` or takes no
    `sample_weight`.
    """
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        made = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ProjectError(
            f"{_WHERE} {path!r} does not import ({error}). Write the module and the class, such as "
            '"sklearn.ensemble.HistGradientBoostingClassifier", and install what holds it.'
        ) from error
    accepted = inspect.signature(made).parameters
    options = dict(parameters)
    if "random_state" in accepted:
        options.setdefault("random_state", seed)
    try:
        estimator = made(**options)
    except TypeError as error:
        raise ProjectError(f"project.toml, [end_model] parameters: {path}: {error}") from error
    if not hasattr(estimator, "predict_proba"):
        raise ProjectError(
            f"{_WHERE} {path} has no predict_proba, and labels are soft. Choose an estimator or a "
            "parameter that gives probabilities."
        )
    if not _takes_weights(estimator.fit):
        raise ProjectError(
            f"{_WHERE} {path}.fit takes no sample_weight, and soft labels are taught as weights. "
            "Choose one that does."
        )
    return estimator


def streams(path: str, parameters: Mapping[str, Any]) -> bool:
    """Say whether the estimator at an import path learns from weighted rows block by block."""
    learn = getattr(make_estimator(path, parameters, 0), "partial_fit", None)
    return learn is not None and _takes_weights(learn)


def _takes_weights(method: Any) -> bool:
    return "sample_weight" in inspect.signature(method).parameters
