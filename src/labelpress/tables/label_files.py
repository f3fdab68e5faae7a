"""Label files: their columns, where they lie, and how a worker writes one."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import polars as pl

from labelpress.errors import StoreError
from labelpress.tables.files import parquet_bytes
from labelpress.tables.versions import LabelFile

if TYPE_CHECKING:
    from labelpress.tables.files import Files

RowIdType = Literal["string", "int64"]

_ROW_ID: dict[RowIdType, pl.DataType] = {"string": pl.String(), "int64": pl.Int64()}
_LONGEST_NAME = 255
"""Bytes a folder's name may have on common file systems."""


def label_schema(row_id_type: RowIdType) -> pl.Schema:
    """Return the columns of the labels table; the partition column `part` is not in the files."""
    return pl.Schema(
        {
            "row_id": _ROW_ID[row_id_type],
            "label": pl.String(),  # null: not labelled
            "probabilities": pl.List(pl.Float64()),  # by class code
            "confidence": pl.Float64(),
            "origin": pl.String(),  # program | expert | none
            "n_votes": pl.Int32(),
            "cohort": pl.String(),  # the period in which the row first appeared
            "part": pl.String(),
        }
    )


def part_folder(part: str) -> str:
    """
    Return the folder of a partition inside labels/.

    Polars takes `part` from the folder's name, not from the Delta log, so the name must be the
    percent-encoded value: under any other name its filters on `part` find nothing.
    """
    folder = f"part={quote(part, safe='')}"
    if part in {"", "__HIVE_DEFAULT_PARTITION__"}:
        raise StoreError(f"{part!r} cannot name a partition: Delta readers take it for null.")
    if len(folder) > _LONGEST_NAME:
        raise StoreError(
            f"partition {part!r} has too long a name: percent-encoded it takes {len(folder)} "
            f"characters of at most {_LONGEST_NAME}. Give the source's file a shorter path."
        )
    return folder


def write_label_file(labels: Files, part: str, run: str, frame: pl.DataFrame) -> LabelFile:
    """
    Write the labels of a partition as a candidate file that no reader sees yet.

    `frame` has the columns of `label_schema` without `part`. The file is named for the run and
    its content: a rerun of the same work writes the same file, and other content never
    overwrites one that may be published. Raises `StoreError` for other columns or ids that are
    null or not unique.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", run):
        raise StoreError(f"run {run!r} cannot name a file; use letters, digits, '.', '_', '-'.")
    folder = part_folder(part)
    row_id_type: RowIdType = "string" if frame.schema.get("row_id") == pl.String else "int64"
    schema = label_schema(row_id_type)
    wanted = [name for name in schema.names() if name != "part"]
    if sorted(frame.columns) != sorted(wanted):
        raise StoreError(
            f"the labels of partition {part!r} have the columns {sorted(frame.columns)}; "
            f"a label file has {sorted(wanted)}."
        )
    rows = frame.select(pl.col(name).cast(schema[name]) for name in wanted)
    nulls, distinct = rows["row_id"].null_count(), rows["row_id"].n_unique()
    if nulls or distinct != rows.height:
        raise StoreError(
            f"the labels of partition {part!r} have {nulls} null and {rows.height - distinct} "
            "repeated row ids; ids must be unique. If rows were erased from the store meanwhile, "
            "run again; else mend the source or its id column."
        )
    data = parquet_bytes(rows)
    digest = hashlib.blake2b(data, digest_size=6).hexdigest()
    path = f"{folder}/{run}-{digest}.parquet"
    labels.write_bytes(path, data)
    return LabelFile(part, path, len(data), rows.height)
