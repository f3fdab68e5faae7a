"""labelpress: labels printed on a schedule, from heuristics, a few expert answers and a model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelpress.analysis import analyze
    from labelpress.certify import certify
    from labelpress.classes import ABSTAIN
    from labelpress.consumers import read_labels, read_predictions
    from labelpress.diff.versions import diff_versions
    from labelpress.explain import explain_row
    from labelpress.heuristics import (
        column,
        from_snorkel,
        heuristic,
        keywords,
        lookup,
        model,
        regex,
    )
    from labelpress.label_models import fit_label_model

__all__ = [
    "ABSTAIN",
    "analyze",
    "certify",
    "column",
    "diff_versions",
    "explain_row",
    "fit_label_model",
    "from_snorkel",
    "heuristic",
    "keywords",
    "lookup",
    "model",
    "read_labels",
    "read_predictions",
    "regex",
]

_HOMES = {
    "ABSTAIN": "classes",
    "analyze": "analysis",
    "certify": "certify",
    "diff_versions": "diff.versions",
    "explain_row": "explain",
    "fit_label_model": "label_models",
    "read_labels": "consumers",
    "read_predictions": "consumers",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: a heuristics module needs no Delta Lake."""
    if name not in __all__:
        raise AttributeError(f"module 'labelpress' has no attribute {name!r}")
    return getattr(import_module(f"labelpress.{_HOMES.get(name, 'heuristics')}"), name)
