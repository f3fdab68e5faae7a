"""Files of asks: CSV to fill in, JSON lines, and what Prodigy and Argilla read."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from labelpress.exchange import argilla, prodigy
from labelpress.exchange.showing import OWN_COLUMNS

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.exchange.showing import Shown

FileFormat = Literal["csv", "jsonl", "prodigy", "argilla"]


def ask_file(shown: Shown, classes: Classes, file_format: FileFormat) -> bytes:
    """
    Return asks as the bytes of a file.

    CSV and JSON lines begin with `OWN_COLUMNS`, of which label to answered are empty, and go on
    with the columns shown. The same asks give the same bytes.
    """
    if file_format in ("prodigy", "argilla"):
        write = prodigy.write_record if file_format == "prodigy" else argilla.write_record
        rows = zip(shown.asks["ask_id"], shown.columns.iter_rows(named=True), strict=True)
        records = [write(ask_id, columns, classes.names) for ask_id, columns in rows]
        return "".join(map(_json_line, records)).encode()
    frame = _to_fill_in(shown, classes)
    if file_format == "jsonl":
        return "".join(map(_json_line, frame.iter_rows(named=True))).encode()
    buffer = io.BytesIO()
    told = ["row_id", "reason", *_texts(shown.columns)]
    frame.with_columns(map(harmless, told)).write_csv(buffer)
    return buffer.getvalue()


def _to_fill_in(shown: Shown, classes: Classes) -> pl.DataFrame:
    empty = [
        pl.lit("").alias(n) for n in ("label", "annotator", "seconds", "rationale", "answered")
    ]
    own = shown.asks.select(
        "ask_id",
        "row_id",
        "reason",
        pl.lit(" | ".join(classes.names)).alias("classes"),
        *empty,
        pl.col("expires").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return pl.concat([own.select(OWN_COLUMNS), shown.columns], how="horizontal")


def _texts(columns: pl.DataFrame) -> list[str]:
    return [name for name, dtype in columns.schema.items() if dtype == pl.String]


def harmless(name: str) -> pl.Expr:
    """Keep a spreadsheet from running what a source text says: a leading quote makes it text."""
    text = pl.col(name)
    runs = text.str.contains(r"^[=+\-@\t\r]")
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(name)


def _json_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, default=str) + "\n"
