"""Tables behind lookups: read once when a project is loaded, from its files or from a URI."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.errors import HeuristicError, did_you_mean
from labelpress.heuristics.definitions import Definition, Lookup

if TYPE_CHECKING:
    from labelpress.bundle import Bundle


def resolve(definition: Definition, bundle: Bundle) -> Definition:
    """Return the definition with the table of its lookup, if it has one, read into memory."""
    rule = definition.rule
    if not isinstance(rule, Lookup) or not isinstance(rule.table, str):
        return definition
    path = rule.table
    if "://" not in path and path not in bundle.paths:
        raise HeuristicError(
            f"lookup: the project has no file {path!r}.{did_you_mean(path, bundle.paths)} Paths "
            "are relative to project.toml; folders named data, store and gold are not looked at."
        )
    try:
        table = _read(path, bundle)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise HeuristicError(f"lookup: {path!r} cannot be read as a table: {error}") from error
    mapping = _mapping(table, definition, path)
    return replace(definition, rule=Lookup(mapping, rule.column, None, None))


def _read(path: str, bundle: Bundle) -> pl.DataFrame:  # noqa: PLR0911  # one return per format
    source: Any = path if "://" in path else BytesIO(bundle.read(path))
    match path.rpartition(".")[2].lower():
        case "csv":
            return pl.read_csv(source, infer_schema_length=None)
        case "tsv":
            return pl.read_csv(source, separator="\t", infer_schema_length=None)
        case "parquet":
            return pl.read_parquet(source)
        case "jsonl" | "ndjson":
            return pl.read_ndjson(source)
        case "json":
            content = json.loads(bundle.read(path))
            if isinstance(content, dict):
                return pl.DataFrame({"key": list(content), "vote": list(content.values())})
            if content and isinstance(content[0], dict):
                return pl.DataFrame(content)
            return pl.DataFrame({"key": content})
        case "txt":
            lines = bundle.read(path).decode().splitlines()
            return pl.DataFrame({"key": [line.strip() for line in lines if line.strip()]})
        case other:
            raise ValueError(f"a table ends in csv, tsv, json, jsonl, txt or parquet, not {other}")


def _mapping(table: pl.DataFrame, definition: Definition, path: str) -> dict[Any, str | None]:
    rule = definition.rule
    assert isinstance(rule, Lookup)  # noqa: S101  # told to the type checker
    for wanted in (rule.key, rule.vote):
        if wanted is not None and wanted not in table.columns:
            raise HeuristicError(
                f"lookup: {path!r} has no column {wanted!r}.{did_you_mean(wanted, table.columns)}"
            )
    key = rule.key or table.columns[0]
    keys = table[key].to_list()
    vote = rule.vote
    if vote is None and definition.label is None:
        others = [name for name in table.columns if name != key]
        if not others:
            raise HeuristicError(
                f"lookup: {path!r} has one column and there is no label: give label=..., or a "
                "second column with class names."
            )
        vote = others[0]
    if vote is None:
        return dict.fromkeys(keys, definition.label)
    mapping: dict[Any, str | None] = {}
    for found, name in zip(keys, table[vote].to_list(), strict=True):
        if mapping.setdefault(found, name) != name:
            raise HeuristicError(
                f"lookup: {path!r} has {found!r} twice, as {mapping[found]!r} and as {name!r}. "
                "Keep one."
            )
    return mapping
