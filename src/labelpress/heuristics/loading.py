"""Loading a project's heuristics: from its module's attributes to named, fingerprinted values."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from labelpress.bundle import Bundle
from labelpress.errors import HeuristicError, LabelpressError, ProjectError
from labelpress.heuristics import fingerprints, lookups
from labelpress.heuristics.authoring import Undecorated
from labelpress.heuristics.definitions import (
    Column,
    Definition,
    Expression,
    Function,
    Heuristic,
    Keywords,
    Lookup,
    Model,
    Regex,
    Snorkel,
)
from labelpress.heuristics.edits import facts
from labelpress.heuristics.own_row import refuse_other_rows
from labelpress.heuristics.reach import Reach, Sources
from labelpress.heuristics.reads import columns_read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labelpress.classes import Classes

MODULE = "heuristics"
"""The project's module whose attributes are its heuristics."""


@lru_cache(maxsize=16)
def load_heuristics(bundle: Bundle, classes: Classes) -> tuple[Heuristic, ...]:
    """
    Return a project's heuristics, in the order of its module's attributes.

    Attributes that begin with an underscore are the author's own. Calling again with an equal
    bundle is free, so a worker may call it for every partition.
    Raises `ProjectError` where the module does not import or holds no heuristic, and
    `HeuristicError` where a heuristic is written wrongly.
    """
    module = bundle.import_module(MODULE)
    sources = Sources(bundle)
    found: list[Heuristic] = []
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, Undecorated):
            raise HeuristicError(
                f"{name} = heuristic(...) has neither an expression nor a function: put "
                "@heuristic(...) above a function, or give it an expression."
            )
        if isinstance(value, Definition):
            found.append(_named(name, value, bundle, sources, classes))
    if not found:
        raise ProjectError(_nothing_found(vars(module)))
    return tuple(_tell_apart(found, sources))


def unbundled(attributes: Mapping[str, object], classes: Classes) -> tuple[Heuristic, ...]:
    """
    Return heuristics defined outside a project, as in a notebook, by attribute name.

    Without a project's sources nothing is known of their code: their fingerprints say only that
    they are distinct, and their functions get all columns unless `reads` is given.
    """
    nowhere = Bundle(())
    sources = Sources(nowhere)
    found = [
        _named(name, value, nowhere, sources, classes)
        for name, value in attributes.items()
        if isinstance(value, Definition) and not name.startswith("_")
    ]
    if not found:
        raise HeuristicError(_nothing_found(dict(attributes)))
    return tuple(found)


def _named(
    name: str, definition: Definition, bundle: Bundle, sources: Sources, classes: Classes
) -> Heuristic:
    try:
        definition = lookups.resolve(definition, bundle)
        for label in labels_of(definition):
            classes.code(label)
        columns = _columns(definition, bundle, sources)
    except LabelpressError as error:
        raise HeuristicError(f"heuristics.py, {name}: {error}") from None
    reach = _reach(name, definition, sources)
    # An attribute set in a loop or by globals() has no statement of its own to be known by.
    lost = reach is not None and sources.reach(MODULE, name) is None
    return Heuristic(
        name=name,
        definition=definition,
        columns=columns,
        fingerprint=fingerprints.fingerprint(
            definition, reach, bundle, apart=name if lost else None
        ),
        code=sources.source_of(MODULE, name),
        facts=facts(definition, reach, bundle),
        world=() if reach is None or lost else tuple(sorted(reach.world)),
        bundle=bundle,
    )


def labels_of(definition: Definition) -> set[str]:
    """Return the class names that a definition states in so many words."""
    rule = definition.rule
    labels = {definition.label}
    if isinstance(rule, Lookup) and not isinstance(rule.table, str):
        labels |= set(rule.table.values())
    elif isinstance(rule, Column) and rule.values is not None:
        labels |= set(rule.values.values())
    elif isinstance(rule, Snorkel):
        labels |= {name for _, name in rule.classes}
    for label in labels:
        if label is not None and not isinstance(label, str):
            raise HeuristicError(f"a class is named by text, not {label!r}.")
    return {label for label in labels if label is not None}


def _columns(  # noqa: PLR0911  # one return per kind
    definition: Definition, bundle: Bundle, sources: Sources
) -> tuple[str, ...] | None:
    rule = definition.rule
    if isinstance(rule, Keywords | Regex | Lookup | Column):
        return (rule.column,)
    if isinstance(rule, Expression):
        return _expression_columns(rule)
    if definition.reads is not None:
        return tuple(sorted(set(definition.reads)))
    if isinstance(rule, Model) or rule.kind == "batch":
        return None
    function: Callable[..., Any] = rule.function
    if isinstance(rule, Snorkel):
        if getattr(function, "_pre", ()):
            return None
        function = getattr(function, "_f", function)
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    if getattr(function, "__qualname__", "") != name or hasattr(function, "__wrapped__"):
        return None
    return columns_read(sources, module.removeprefix(f"{bundle.package}."), name)


def _expression_columns(rule: Expression) -> tuple[str, ...] | None:
    try:
        serial = rule.expr.meta.serialize(format="json")
    except pl.exceptions.PolarsError:
        return None
    refuse_other_rows(json.loads(serial))
    if '"Selector"' in serial:
        return None
    return tuple(sorted(set(rule.expr.meta.root_names())))


def _reach(name: str, definition: Definition, sources: Sources) -> Reach | None:
    """Return what the Python code of a heuristic depends on; None where it has none."""
    rule = definition.rule
    if isinstance(rule, Expression) and not fingerprints.has_python(rule.expr):
        return None
    if isinstance(rule, Expression | Function | Snorkel | Model):
        return sources.reach(MODULE, name) or sources.reach_all()
    return None


def _tell_apart(found: list[Heuristic], sources: Sources) -> list[Heuristic]:
    """
    Give heuristics of different objects but equal source their name as part of the fingerprint.

    `a = rules.pop()` and `b = rules.pop()` read alike. Only a function's own definition is known
    to be all there is to it.
    """
    times = Counter(h.fingerprint for h in found)
    out = []
    for heuristic in found:
        rule = heuristic.definition.rule
        plain = not isinstance(rule, Function | Snorkel | Model | Expression) or (
            isinstance(rule, Expression) and not fingerprints.has_python(rule.expr)
        )
        if times[heuristic.fingerprint] == 1 or plain or sources.function(MODULE, heuristic.name):
            out.append(heuristic)
            continue
        out.append(
            replace(
                heuristic,
                fingerprint=fingerprints.fingerprint(
                    heuristic.definition,
                    _reach(heuristic.name, heuristic.definition, sources),
                    heuristic.bundle or sources.bundle,
                    apart=heuristic.name,
                ),
            )
        )
    return out


def _nothing_found(attributes: dict[str, object]) -> str:
    hint = ""
    snorkel = [n for n, v in attributes.items() if hasattr(v, "_pre") and hasattr(v, "name")]
    private = [n for n, v in attributes.items() if isinstance(v, Definition)]
    if snorkel:
        hint = (
            f" {snorkel[0]!r} is a Snorkel labelling function: write "
            f"NAME = from_snorkel({snorkel[0]}, classes=[...])."
        )
    elif private:
        hint = f" {private[0]!r} is hidden by its leading underscore."
    return (
        "heuristics.py holds no heuristic: give a name to heuristic(...), keywords(...), "
        f"regex(...), lookup(...) or column(...), or decorate a function with @heuristic().{hint}"
    )
