"""Heuristics: how they are written, loaded from a project, fingerprinted and cast."""

from __future__ import annotations

from labelpress.heuristics.authoring import column, heuristic, keywords, lookup, model, regex
from labelpress.heuristics.casting import Cast, Failure, cast, cast_cells, check_columns
from labelpress.heuristics.definitions import Definition, Heuristic, Kind
from labelpress.heuristics.loading import load_heuristics
from labelpress.heuristics.own_row import check_separable
from labelpress.heuristics.snorkel_functions import from_snorkel

__all__ = [
    "Cast",
    "Definition",
    "Failure",
    "Heuristic",
    "Kind",
    "cast",
    "cast_cells",
    "check_columns",
    "check_separable",
    "column",
    "from_snorkel",
    "heuristic",
    "keywords",
    "load_heuristics",
    "lookup",
    "model",
    "regex",
]
