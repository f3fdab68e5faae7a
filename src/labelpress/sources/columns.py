"""Column types of a source whose partitions were written by different people at different times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from labelpress.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labelpress.sources.settings import SourceSettings

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_EXACT_IN_FLOAT32 = {"int8", "int16", "uint8", "uint16", "float", "halffloat"}
_EXACT_IN_DOUBLE = _EXACT_IN_FLOAT32 | {"int32", "uint32", "double"}
_TEXT = {"string", "large_string", "string_view"}


def type_name(kind: pa.DataType) -> str:
    """Return a name for an Arrow type that `widen` understands; dictionaries count as values."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    return "string" if str(kind) in _TEXT else str(kind)


def widen(names: Iterable[str]) -> str | None:  # noqa: PLR0911  one return per kind of type
    """
    Return the narrowest type that holds all values of the named types without loss, or None.

    `null` (a column without a value) agrees with everything.
    """
    kinds = set(names) - {"null"}
    if len(kinds) <= 1:
        return next(iter(kinds), "null")
    if kinds <= set(_SIGNED):
        return max(kinds, key=_SIGNED.index)
    if kinds <= set(_UNSIGNED):
        return max(kinds, key=_UNSIGNED.index)
    if kinds <= {*_SIGNED, *_UNSIGNED[:3]}:
        needed = [
            _SIGNED[_UNSIGNED.index(kind) + 1] if kind in _UNSIGNED else kind for kind in kinds
        ]
        return max(needed, key=_SIGNED.index)
    if kinds <= _EXACT_IN_FLOAT32:
        return "float"
    if kinds <= _EXACT_IN_DOUBLE:
        return "double"
    return None


def agree(
    columns: Sequence[str],
    schemas: Mapping[str, Mapping[str, str]],
    settings: SourceSettings,
) -> dict[str, str]:
    """
    Return the type to read each needed column as, over all partitions.

    `schemas` maps a file's path to its column types by name. Only columns that are read must
    agree. Raises `SourceError` naming the column and the files where one lacks it or types cannot
    be widened.
    """
    return {column: _agreed_type(column, schemas, settings) for column in columns}


def _agreed_type(
    column: str, schemas: Mapping[str, Mapping[str, str]], settings: SourceSettings
) -> str:
    lacking = [path for path, schema in schemas.items() if column not in schema]
    if len(lacking) == len(schemas):
        known = sorted(next(iter(schemas.values())))
        raise SourceError(
            f"the source has no column {column!r}.{did_you_mean(column, known)} "
            f"Its columns are {', '.join(map(repr, known[:30]))}."
        )
    if lacking and settings.missing_columns == "error":
        raise SourceError(
            f"column {column!r} is read, but {len(lacking)} of {len(schemas)} files lack it, "
            f"{lacking[0]!r} for one. Add the column there, or set [source] missing_columns = "
            '"null" in project.toml to take it for empty.'
        )
    types = {path: schema[column] for path, schema in schemas.items() if column in schema}
    agreed = widen(types.values())
    if agreed is None:
        examples = {kind: path for path, kind in types.items()}
        named = " and ".join(f"{kind} in {path!r}" for kind, path in sorted(examples.items())[:2])
        raise SourceError(
            f"column {column!r} is {named}: no type holds both without loss. "
            "Rewrite the partitions of one kind."
        )
    return agreed
