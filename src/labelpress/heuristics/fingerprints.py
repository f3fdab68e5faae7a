"""
Fingerprints of heuristics: everything that can change a vote, and nothing else.

Equal fingerprints mean equal votes on equal rows, so a vote is never computed twice; a name, a
comment, a format or an edited function that the heuristic does not reach leaves it as it is.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.heuristics.definitions import (
    Column,
    Definition,
    Expression,
    Function,
    Keywords,
    Lookup,
    Model,
    Regex,
    Snorkel,
)

if TYPE_CHECKING:
    from labelpress.bundle import Bundle
    from labelpress.heuristics.reach import Reach

MEANING = 1
"""Raised when the same heuristic may vote differently under this release of labelpress."""
PYTHON = sys.version_info[:2]
"""The version of Python that a function's votes are known for."""


def fingerprint(
    definition: Definition, reach: Reach | None, bundle: Bundle, *, apart: str | None = None
) -> str:
    """
    Return the fingerprint of a heuristic as a hex digest.

    `reach` is what its Python code depends on, or None where no Python code casts its votes;
    `apart` tells heuristics apart whose sources do not.
    """
    text = json.dumps(
        content(definition, reach, bundle) | {"apart": apart}, sort_keys=True, default=str
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def content(definition: Definition, reach: Reach | None, bundle: Bundle) -> dict[str, Any]:
    """Return what a fingerprint is taken of, by kind."""
    content: dict[str, Any] = {
        "meaning": MEANING,
        "kind": definition.rule.kind,
        "label": definition.label,
        "version": definition.version,
        "reads": definition.reads,
        "rule": _rule(definition),
    }
    packages = set() if reach is None else set(reach.packages)
    if isinstance(definition.rule, Expression | Keywords | Regex | Lookup):
        packages.add("polars")
    if reach is not None:
        content["python"] = PYTHON
        content["trees"] = reach.trees
        content["files"] = _files(reach, bundle)
    content["packages"] = {name: package_version(name) for name in sorted(packages)}
    return content


def package_version(package: str) -> str:
    """Return the version of an installed package, or "" for a part of Python or of labelpress."""
    if package in sys.stdlib_module_names or package == "labelpress":
        return ""
    if package == "polars":
        return pl.__version__
    versions = {name: metadata.version(name) for name in _distributions().get(package, ())}
    return json.dumps(versions, sort_keys=True) if versions else "unknown"


@cache
def _distributions() -> Mapping[str, list[str]]:
    return {name: sorted(set(names)) for name, names in metadata.packages_distributions().items()}


def has_python(expr: pl.Expr) -> bool:
    """Say whether an expression calls back into Python (`map_elements` and its kin)."""
    try:
        return '"AnonymousFunction"' in expr.meta.serialize(format="json")
    except pl.exceptions.PolarsError:
        return True


def digest(value: object) -> str | None:
    """Return a digest of a plain value by its content, or None where it has no plain form."""
    try:
        text = json.dumps(_plain(value), sort_keys=True)
    except TypeError:
        return None
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: object) -> Any:  # noqa: PLR0911  # one return per kind
    """Return a JSON form that differs where the value or its type does; TypeError if none."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, bytes):
        return ["bytes", hashlib.sha256(value).hexdigest()]
    if isinstance(value, Mapping):
        pairs = [[_plain(key), _plain(inner)] for key, inner in value.items()]
        return ["mapping", sorted(pairs, key=lambda pair: json.dumps(pair[0], sort_keys=True))]
    if isinstance(value, AbstractSet):
        return ["set", sorted(json.dumps(_plain(item), sort_keys=True) for item in value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_plain, value)]
    if isinstance(value, pl.DataFrame | pl.Series):
        frame = value.to_frame() if isinstance(value, pl.Series) else value
        names = [[name, str(dtype)] for name, dtype in frame.schema.items()]
        return ["frame", names, frame.write_json()]
    if type(value).__module__ == "datetime":
        return [type(value).__qualname__, repr(value)]
    raise TypeError(f"{type(value).__name__} has no plain form")


def _rule(definition: Definition) -> Any:  # noqa: PLR0911  # one return per kind
    rule = definition.rule
    match rule:
        case Expression(expr):
            if has_python(expr):
                return None  # its serial form pickles line numbers; the reach covers it
            return hashlib.sha256(expr.meta.serialize()).hexdigest()
        case Keywords(words, column, ignore_case, whole_words):
            return [words, column, ignore_case, whole_words]
        case Regex(pattern, column):
            return [pattern, column]
        case Lookup(table, column):
            return [digest(table) or repr(table), column]
        case Column(column, values):
            return [column, digest(values) or repr(values)]
        case Function(_, resources):
            return {
                name: None if callable(value) else digest(value)
                for name, value in resources.items()
            }
        case Snorkel(function, classes):
            held = getattr(function, "_resources", {})
            return [classes, {name: digest(value) for name, value in held.items()}]
        case Model(uri):
            return uri


def _files(reach: Reach, bundle: Bundle) -> dict[str, str]:
    """Return the digests of the project's files that reached code names in a string."""
    tails = {text.rpartition("/")[2] for text in reach.texts}
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in bundle.files
        if not path.endswith(".py") and path.rpartition("/")[2] in tails
    }
