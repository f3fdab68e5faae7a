"""
A Delta table's history written anew, so that rows are gone from every version of it.

Delta has no such operation: a new version leaves the old ones as they are. Here each data file
that holds such rows gets a successor, and the commits that name the file are made to name the
successor instead. Versions, their numbers, times and transactions stay. A reader that opens the
table at any moment of this sees each row once: the commits that take a file away learn of its
successor first, then the commits are changed from the oldest to the newest. Nothing else may
replace files meanwhile (`begin_erasure`); appends may go on. Readers that opened the table before
have to open it again when the old files are gone.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from labelpress.errors import StoreError
from labelpress.tables.files import parquet_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import polars as pl

    from labelpress.tables.files import Files, Found

_LOG = "_delta_log"
_COMMIT = re.compile(r"\d{20}\.json")


@dataclass(frozen=True, slots=True)
class Successor:
    """The file that takes the place of another."""

    path: str
    """Relative to the table."""
    size: int
    rows: int


def data_files(table: Files) -> tuple[str, ...]:
    """Return the files that any version of a table names, and that are there."""
    return tuple(path for path in sorted(_named(table)) if table.exists(path))


def unnamed_files(table: Files) -> tuple[Found, ...]:
    """
    Return the data files that no version of a table names.

    A killed writer left them behind, or one is about to commit them.
    """
    named = _named(table)
    found = (file for file in table.walk() if file.path.endswith(".parquet"))
    return tuple(f for f in found if not f.path.startswith(_LOG) and f.path not in named)


def write_successor(
    table: Files, path: str, change: Callable[[pl.DataFrame], pl.DataFrame | None]
) -> Successor | None:
    """
    Write what a file becomes beside it; None where `change` returns None, for nothing changes.

    The successor is named for its content, so that a rerun writes the same one.
    """
    changed = change(table.read_parquet(path))
    if changed is None:
        return None
    data = parquet_bytes(changed)
    folder, _, name = path.rpartition("/")
    stem = name.removesuffix(".parquet").rpartition("-")[0]
    successor = f"{stem}-{hashlib.blake2b(data, digest_size=6).hexdigest()}.parquet"
    successor = f"{folder}/{successor}" if folder else successor
    table.write_bytes(successor, data)
    return Successor(successor, len(data), changed.height)


def rename_in_history(table: Files, successors: Mapping[str, Successor]) -> None:
    """
    Make every commit name the successors of files; doing it again changes nothing.

    Raises `StoreError` where commits are missing, since what they named cannot be known.
    """
    if not successors:
        return
    drop_checkpoints(table)
    names = _commits(table)
    for name in names:
        actions = _actions(table, name)
        taken = [a for a in actions if "remove" in a and _path(a["remove"]) in successors]
        known = {_path(a["remove"]) for a in actions if "remove" in a}
        more = [
            {"remove": _renamed(a["remove"], successors)}
            for a in taken
            if successors[_path(a["remove"])].path not in known
        ]
        if more:
            _write(table, name, [*actions, *more])
    for name in names:
        actions = _actions(table, name)
        changed = [_replaced(action, successors) for action in actions]
        once = list({json.dumps(action, sort_keys=True): action for action in changed}.values())
        if once != actions:
            _write(table, name, once)
    drop_checkpoints(table)


def drop_checkpoints(table: Files) -> None:
    """Delete the summaries of the log, which name the files as they were; they come back."""
    for name in table.names(_LOG):
        if name == "_last_checkpoint" or ".checkpoint" in name:
            table.delete(f"{_LOG}/{name}")


def _commits(table: Files) -> tuple[str, ...]:
    names = tuple(name for name in table.names(_LOG) if _COMMIT.fullmatch(name))
    expected = tuple(f"{version:020d}.json" for version in range(len(names)))
    if names != expected:
        lost = next(name for name in expected if name not in names)
        raise StoreError(
            f"{table.join(_LOG)}/{lost} is missing, so the history of the table cannot be written "
            "anew. Restore it from a backup; nothing but `maintain` may clean up a store."
        )
    return names


def _actions(table: Files, name: str) -> list[dict[str, Any]]:
    lines = table.read_bytes(f"{_LOG}/{name}").decode().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _write(table: Files, name: str, actions: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(action, separators=(",", ":")) + "\n" for action in actions)
    table.write_bytes(f"{_LOG}/{name}", text.encode())


def _named(table: Files) -> set[str]:
    return {path for name in _commits(table) for path in _added(_actions(table, name))}


def _added(actions: Iterable[Mapping[str, Any]]) -> list[str]:
    return [_path(action["add"]) for action in actions if "add" in action]


def _path(action: Mapping[str, Any]) -> str:
    # the log spells paths percent-encoded
    return unquote(action["path"])


def _renamed(action: Mapping[str, Any], successors: Mapping[str, Successor]) -> dict[str, Any]:
    successor = successors[_path(action)]
    folder = action["path"].rpartition("/")[0]
    name = successor.path.rpartition("/")[2]
    new = {**action, "path": f"{folder}/{name}" if folder else name, "size": successor.size}
    if "stats" in action:
        # the smallest and largest values would show what was erased
        new["stats"] = json.dumps({"numRecords": successor.rows})
    return new


def _replaced(action: dict[str, Any], successors: Mapping[str, Successor]) -> dict[str, Any]:
    for kind in ("add", "remove"):
        if kind in action and _path(action[kind]) in successors:
            return {kind: _renamed(action[kind], successors)}
    return action
