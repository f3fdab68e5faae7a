"""Searching files for what is to be nowhere in them, also inside Parquet files and zips."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def files_with(root: Path, marks: Collection[str]) -> list[str]:
    """Return the files under a folder, relative to it, in which one of the marks can be found."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.is_file() and holds(path.name, path.read_bytes(), marks)
    ]


def holds(name: str, data: bytes, marks: Collection[str]) -> bool:
    """Say whether one of the marks is in the bytes of a file, or in what they stand for."""
    text = _readable(name, data)
    return any(mark in text for mark in marks)


def _readable(name: str, data: bytes) -> str:
    if name.endswith(".parquet"):
        frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
        return frame.write_json() + data.decode("latin-1")
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            return "".join(bundle.read(name).decode("latin-1") for name in bundle.namelist())
    return data.decode("latin-1")
