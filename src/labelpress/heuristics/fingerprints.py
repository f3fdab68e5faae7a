"""
Fingerprints of heuristics: everything that can change a vote, and nothing else.

Equal fingerprints mean equal votes on equal rows, so a vote is never computed twice; a name, a
comment, a format or an edited function that the heuristic does not reach leaves it as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
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
_GIVEN_FRAMES = (Expression, Keywords, Regex, Lookup, Model)
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
    if isinstance(definition.rule, _GIVEN_FRAMES) or definition.rule.kind == "batch":
        packages.add("polars")
    if reach is not None:
        content["python"] = PYTHON
        content["trees"] = reach.trees
        content["files"] = _files(reach, bundle)
        content["values"] = _values(reach, bundle)
    content["packages"] = {name: package_version(name) for name in sorted(packages)}
    return content


def package_version(package: str) -> str:
    """Return the version of an installed package, or "" for a part of Python or of labelpress."""
    if package in sys.stdlib_module_names or package == "labelpress":
        return ""
    if package == "polars":
        return pl.__version__
    names = _distributions().get(package, ())
    if not names or any(map(_is_editable, names)):
        return _source_digest(package)
    return json.dumps({name: metadata.version(name) for name in names}, sort_keys=True)


def _is_editable(distribution: str) -> bool:
    """Say whether a distribution's code is edited in place, so that its version tells nothing."""
    origin = metadata.distribution(distribution).read_text("direct_url.json")
    return origin is not None and bool(json.loads(origin).get("dir_info", {}).get("editable"))


@cache
def _source_digest(package: str) -> str:
    """Return a digest of the Python files of a package that no version speaks for."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return "unknown"
    files = [
        (path.relative_to(root).as_posix(), path)
        for root in spec.submodule_search_locations or ()
        for path in Path(root).rglob("*.py")
    ]
    if spec.submodule_search_locations is None and spec.has_location and spec.origin:
        files = [(Path(spec.origin).name, Path(spec.origin))]
    whole = hashlib.blake2b(digest_size=8)
    for place, path in sorted(files):
        whole.update(f"{place}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return f"source {whole.hexdigest()}"


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
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        return ["array", value.dtype.str, list(value.shape), content]
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
        case Function(function, resources):
            given = {
                name: None if callable(value) else digest(value)
                for name, value in resources.items()
            }
            return [given, held_by(function)]
        case Snorkel(function, classes):
            given = getattr(function, "_resources", {})
            held = held_by(getattr(function, "_f", None))
            return [classes, {name: digest(value) for name, value in given.items()}, held]
        case Model(uri):
            return uri


def held_by(function: Any, depth: int = 3) -> list[Any]:
    """Return digests of the plain values that a callable carries: defaults, closures, arguments."""
    if isinstance(function, partial):
        held: list[Any] = [function.func, function.args, function.keywords]
    elif isinstance(function, FunctionType):
        held = [function.__defaults__, function.__kwdefaults__]
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # a cell that is still empty
                held.append(cell.cell_contents)
    else:
        held = [getattr(function, "__dict__", None)]
    return [
        held_by(value, depth - 1) if callable(value) and depth else digest(value) for value in held
    ]


def _values(reach: Reach, bundle: Bundle) -> dict[str, str]:
    """
    Return digests of the plain values that reached modules computed when they were imported.

    What they read from the environment, a clock or a disk is in no source.
    """
    found: dict[str, str] = {}
    for module, name in reach.imported_values:
        value = getattr(sys.modules.get(f"{bundle.package}.{module}"), name, None)
        if (known := digest(value)) is not None:
            found[f"{module}.{name}"] = known
    return found


def _files(reach: Reach, bundle: Bundle) -> dict[str, str]:
    """Return the digests of the files that reached code names in a string, or of all."""
    tails = {text.rpartition("/")[2] for text in reach.texts}
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in bundle.files
        if not path.endswith(".py") and (reach.reads_any_file or path.rpartition("/")[2] in tails)
    }
