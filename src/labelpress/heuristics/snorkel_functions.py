"""Snorkel labelling functions, unchanged; Snorkel itself is not needed to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from labelpress.errors import HeuristicError
from labelpress.heuristics.definitions import Definition, Snorkel

if TYPE_CHECKING:
    from labelpress.heuristics.authoring import About


def from_snorkel(
    function: Any,
    classes: Sequence[str] | Mapping[int, str],
    *,
    reads: Sequence[str] | None = None,
    **about: Unpack[About],
) -> Definition:
    """
    Take a Snorkel `LabelingFunction` as it is, with its resources and preprocessors.

    `classes` gives the names of its integers: a list in the order of their codes, or a mapping;
    -1 abstains. The function sees a row with attribute and item access, not a pandas series.
    """
    if not (callable(function) and hasattr(function, "name") and hasattr(function, "_pre")):
        raise HeuristicError(
            "from_snorkel takes what @labeling_function() of Snorkel makes, not "
            f"{type(function).__name__}. A plain function is decorated with @heuristic()."
        )
    names = dict(classes) if isinstance(classes, Mapping) else dict(enumerate(classes))
    for code, name in names.items():
        if code < 0 or not isinstance(name, str):
            raise HeuristicError(
                f"from_snorkel: classes maps codes from 0 to class names, not {code!r} to {name!r}."
            )
    rule = Snorkel(function, tuple(sorted(names.items())))
    return Definition(rule, reads=None if reads is None else tuple(reads), **about)
