"""The trial: whether an estimator can be taught and read back, before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from labelpress.end_model.classifiers import fit_classifier, streams
from labelpress.end_model.saving import TRUSTED, strange_types
from labelpress.errors import ProjectError

if TYPE_CHECKING:
    from labelpress.end_model.settings import EndModelSettings

_ROWS: Final = 60
_WHERE: Final = "project.toml, [end_model]"


def try_estimator(settings: EndModelSettings, classes: int, seed: int) -> None:
    """
    Teach the project's estimator sixty made-up soft labels, and see that its file could be read.

    Does nothing where the end model is ours. Raises `ProjectError` where the estimator does not
    import, lacks `predict_proba`, rejects weights or the features' kind, cannot be streamed though
    `solver` says so, or consists of types that nobody declared trusted, which are named.
    """
    if settings.estimator is None:
        return
    if settings.solver == "stream" and not streams(settings.estimator, settings.parameters):
        raise ProjectError(
            f'{_WHERE} solver = "stream": {settings.estimator} has no partial_fit that takes '
            'sample_weight. Choose one that has, or solver = "auto".'
        )
    random = np.random.default_rng(0)
    targets = random.dirichlet(np.full(classes, 0.3), size=_ROWS)
    numbers = np.abs(random.normal(size=(_ROWS, 4))) + targets[:, :1]
    # Features are sparse where there is text or a category; some estimators refuse that.
    columns = settings.features.text + settings.features.categorical
    X = sparse.csr_matrix(numbers) if columns else numbers
    model = fit_classifier(X, targets, settings.estimator, settings.parameters, seed)
    said = model.log_proba(X)
    if said.shape != targets.shape or not np.isfinite(said).all():
        raise ProjectError(
            f"{_WHERE} estimator: {settings.estimator}.predict_proba gave an array of shape "
            f"{said.shape} with {np.count_nonzero(~np.isfinite(said))} values that are no numbers; "
            f"finite probabilities of shape {targets.shape} were to come. Choose another one."
        )
    strange = sorted(set(strange_types(model.estimator)) - {*TRUSTED, *settings.trusted})
    if strange:
        named = ", ".join(f'"{name}"' for name in strange)
        raise ProjectError(
            f"{_WHERE} trusted: a model of {settings.estimator} could not be read back, since "
            f"its file would make types that nobody declared trusted. If you trust whoever wrote "
            f"them, add trusted = [{named}]."
        )
