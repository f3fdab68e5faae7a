"""Which files the source consists of at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fsspec
import polars as pl
from deltalake import DeltaTable

from labelpress.errors import SourceError
from labelpress.tables.options import delta_options, fsspec_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.sources.settings import SourceSettings

_DELTA = "delta"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One Parquet file of the source as a listing shows it."""

    path: str
    """Relative to the source's folder, with forward slashes."""
    uri: str
    """What `open` takes."""
    size: int
    """Bytes."""
    stamp: str
    """Modification time in ns or ETag: with path and size it stands for the content."""
    modified: float
    """Seconds since the epoch; 0 where the file system does not say."""
    constants: tuple[tuple[str, str | None], ...] = ()
    """Partition columns of a Delta table, which its files do not hold."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a source at one moment."""

    files: tuple[SourceFile, ...]
    """In order of path."""
    version: int | None
    """The version of a Delta source that the listing is pinned to."""


def filesystem(uri: str, options: Mapping[str, str]) -> tuple[Any, str]:
    """
    Return the file system of a URI and the path in it.

    Listings are never cached: a cached one hides files that another writer has just added.
    """
    system, path = fsspec.core.url_to_fs(uri, **fsspec_options(uri, options))
    return system, path


def list_source(uri: str, settings: SourceSettings, key: str = "[source] uri") -> Listing:
    """
    List the Parquet files of a source, in order of path; `key` names it in errors.

    Raises `SourceError` where the source does not exist or holds no Parquet file.
    """
    system, path = filesystem(uri, settings.storage_options)
    glob = any(sign in path for sign in "*?[")
    if not glob and not system.exists(path):
        raise SourceError(
            f"project.toml, {key}: there is no {uri!r}. "
            "Give a folder of Parquet files, a glob or a Delta table."
        )
    is_delta = settings.format == "delta" or (
        settings.format == "auto" and not glob and system.exists(f"{path}/_delta_log")
    )
    listing = _list_delta(uri, settings) if is_delta else _list_parquet(system, path, uri)
    if not listing.files:
        raise SourceError(
            f"project.toml, {key}: {uri!r} holds no Parquet file (*.parquet). "
            "An empty source cannot be labelled: write data there, or mend the path."
        )
    return listing


def _list_parquet(system: Any, path: str, uri: str) -> Listing:
    if any(sign in path for sign in "*?["):
        found = system.glob(path, detail=True)
        root = path[: min(path.index(sign) for sign in "*?[" if sign in path)].rpartition("/")[0]
    elif system.isfile(path):
        found, root = {path: system.info(path)}, path.rpartition("/")[0]
    else:
        found, root = system.find(path, detail=True), path.rstrip("/")
    files = []
    for full, info in sorted(found.items()):
        relative = full.removeprefix(root).lstrip("/")
        hidden = any(step.startswith(("_", ".")) for step in relative.split("/"))
        if info["type"] != "file" or hidden or not full.endswith((".parquet", ".pq")):
            continue
        files.append(_source_file(system, relative, full, info))
    if not files and system.isfile(path):
        raise SourceError(f"{uri!r} is not named *.parquet; labelpress reads Parquet and Delta.")
    return Listing(tuple(files), None)


def _source_file(
    system: Any,
    relative: str,
    full: str,
    info: Mapping[str, Any],
    constants: tuple[tuple[str, str | None], ...] = (),
) -> SourceFile:
    return SourceFile(
        path=relative,
        uri=system.unstrip_protocol(full),
        size=int(info["size"]),
        stamp=_stamp(info),
        modified=_modified(info),
        constants=constants,
    )


def stamp_of(info: Mapping[str, Any], file: SourceFile) -> str:
    """Return the stamp that a fresh look at a file gives; a Delta table's file has none."""
    return file.stamp if file.stamp == _DELTA else _stamp(info)


def _stamp(info: Mapping[str, Any]) -> str:
    return str(info.get("ETag") or f"{_modified(info):.9f}:{info.get('ino', '')}").strip('"')


def _modified(info: Mapping[str, Any]) -> float:
    modified = info.get("mtime") or info.get("LastModified") or 0
    return float(modified.timestamp() if hasattr(modified, "timestamp") else modified)


def _list_delta(uri: str, settings: SourceSettings) -> Listing:
    table = DeltaTable(uri, storage_options=delta_options(uri, settings.storage_options))
    system, root = filesystem(uri, settings.storage_options)
    partition_columns = table.metadata().partition_columns
    actions = pl.DataFrame(table.get_add_actions(flatten=True)).to_dict(as_series=False)
    files = []
    for position, relative in enumerate(actions["path"]):
        constants = tuple(
            (name, _text(actions[f"partition.{name}"][position])) for name in partition_columns
        )
        full = f"{root.rstrip('/')}/{relative}"
        # A data file of a Delta table is never rewritten: its name and size stand for it.
        info = {"size": actions["size_bytes"][position], "ETag": _DELTA}
        files.append(_source_file(system, relative, full, info, constants))
    return Listing(tuple(sorted(files, key=lambda file: file.path)), table.version())


def _text(value: object) -> str | None:
    return None if value is None else str(value)
