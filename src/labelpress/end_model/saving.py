"""Saving: end models as skops files, read without running any code that the file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import skops.io

from labelpress.end_model.classifiers import Classifier
from labelpress.end_model.features import FittedFeatures
from labelpress.end_model.mixes import Corrected
from labelpress.end_model.softmax import Softmax
from labelpress.end_model.vote_features import VoteFeatures
from labelpress.errors import LabelpressError, ProjectError
from labelpress.syntax_trees import built_alone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.end_model.mixes import Learner
    from labelpress.end_model.training import TrainedModel

FORMAT: Final = 3
"""Raised when a reader of today could not understand the file."""
READABLE: Final = (2, FORMAT)
"""A model of format 2 does not see how long a text is, and no runs of three words."""
TRUSTED: Final = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""
Types of scikit-learn that skops leaves to its caller and that forests, boosting and calibration
are made of. They hold arrays and run nothing when read; but the node numbers of a tree are not
checked, so a forged file could make a prediction read beyond its arrays.
"""


def pack(model: TrainedModel) -> bytes:
    """Return a skops file of plain values, arrays and scikit-learn objects; none of our types."""
    state = {
        "format": FORMAT,
        "classes": list(model.classes),
        "features": model.features.state(),
        "learners": [
            {"learner": _learner_state(learner), "votes": _votes_state(votes)}
            for learner, votes in model.learners
        ],
        "mix": model.mix,
        "candidates": [dict(row) for row in model.candidates],
        "temperature": model.temperature,
    }
    return bytes(skops.io.dumps(state))


def strange_types(estimator: object) -> tuple[str, ...]:
    """
    Return the types in an estimator's file that skops does not know as harmless.

    Raises `ProjectError` where skops cannot store the estimator at all.
    """
    try:
        return tuple(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
    except Exception as error:
        raise ProjectError(
            f"project.toml, [end_model] estimator: a {type(estimator).__qualname__} cannot be "
            f"written as a skops file ({error}). Choose one that can; nothing is ever pickled."
        ) from error


def unpack(content: bytes, trusted: Sequence[str]) -> dict[str, Any]:
    """
    Return the fields of the model that was packed.

    Raises `LabelpressError` where the content is damaged, of a newer format, or names a type that
    skops does not know as harmless and that is neither in `TRUSTED` nor in `trusted`.
    """
    try:
        allowed = {*TRUSTED, *trusted}
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - allowed)
        trust = sorted(allowed)
        state = None if unknown else built_alone(lambda: skops.io.loads(content, trusted=trust))
    except Exception as error:
        # Skops raises whatever the damage happens to break: zip, JSON, key and type errors.
        raise LabelpressError(
            f"the end model's file of {len(content)} bytes cannot be read: {error}. Train it again "
            "from its label version."
        ) from error
    if unknown:
        raise LabelpressError(
            f"the end model's file would create {unknown[0]!r}, which nobody declared trusted. "
            "Pass it in `trusted`, or name it in project.toml, [end_model] trusted, if you trained "
            "that model yourself."
        )
    if not isinstance(state, dict) or state.get("format") not in READABLE:
        raise LabelpressError(
            f"the end model's file is not of format {FORMAT}; it was written by another version "
            "of labelpress. Train it again from its label version."
        )
    return {
        "classes": tuple(state["classes"]),
        "features": FittedFeatures.from_state(state["features"]),
        "learners": tuple(
            (_learner(one["learner"]), _votes(one["votes"])) for one in state["learners"]
        ),
        "mix": state["mix"],
        "candidates": tuple(state["candidates"]),
        "temperature": float(state.get("temperature", 1.0)),
    }


def _learner_state(learner: Learner) -> dict[str, Any]:
    if isinstance(learner, Softmax):
        return {"coefficients": learner.coefficients, "intercept": learner.intercept}
    if isinstance(learner, Corrected):
        return {
            "base": _learner_state(learner.base),
            "correction": _learner_state(learner.correction),
            "weight": learner.weight,
        }
    if isinstance(learner, Classifier):
        return {"estimator": learner.estimator, "classes": learner.classes}
    raise TypeError(f"a {type(learner).__name__} has no form in a file yet")


def _learner(state: dict[str, Any]) -> Learner:
    if "base" in state:
        weight = float(state.get("weight", 1.0))
        return Corrected(_learner(state["base"]), Softmax(**state["correction"]), weight)
    return Softmax(**state) if "coefficients" in state else Classifier(**state)


def _votes_state(votes: VoteFeatures | None) -> dict[str, Any] | None:
    return None if votes is None else {"heuristics": votes.heuristics, "pairs": votes.pairs}


def _votes(state: dict[str, Any] | None) -> VoteFeatures | None:
    return None if state is None else VoteFeatures(state["heuristics"], np.asarray(state["pairs"]))
