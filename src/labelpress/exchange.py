"""The exchange with experts' tools: asks out as a table, answers back in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from labelpress.errors import AnswerError
from labelpress.partitions import file_of
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows
from labelpress.tables.schemas import ANSWERS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from labelpress.classes import Classes
    from labelpress.project import Project

NEEDED = ("ask_id", "label", "annotator")


def with_shown_columns(project: Project, asks: pl.DataFrame) -> pl.DataFrame:
    """Return asks with the columns of their rows that an expert may see: all but the oracle's."""
    source = project.settings.source
    files = {file.path: file for file in list_source(project.source_uri, source).files}
    shown = []
    paths = pl.Series("path", [file_of(part) for part in asks["part"]], dtype=pl.String)
    for key, group in asks.group_by(paths, maintain_order=True):
        file = files.get(str(key[0]))
        if file is None:
            continue
        footer = read_footer(file, source.storage_options)
        types = {n: k for n, k in footer.schema if n != project.settings.experts.oracle}
        rows = read_rows(file, (0, len(footer.row_groups) - 1), types, source.storage_options)
        wanted = rows.with_columns(pl.col(source.id).cast(pl.String).alias("row_id"))
        shown.append(wanted.filter(pl.col("row_id").is_in(group["row_id"].implode())))
    blank = pl.lit("")
    base = asks.select("ask_id", "row_id", "reason", blank.alias("label"), blank.alias("annotator"))
    if not shown:
        return base
    return base.join(pl.concat(shown, how="diagonal_relaxed"), on="row_id", how="inner")


def read_answer_file(file: Path) -> pl.DataFrame:
    """
    Read a CSV or JSONL file of answers, every column as text.

    Raises `AnswerError` where the file is not there, is no such file, or lacks a needed column.
    """
    if not file.exists():
        raise AnswerError(f"there is no file {str(file)!r}.")
    try:
        frame = (
            pl.read_ndjson(file, infer_schema_length=None)
            if file.suffix == ".jsonl"
            else pl.read_csv(file, infer_schema=False)
        )
    except pl.exceptions.PolarsError as error:
        raise AnswerError(
            f"{str(file)!r} cannot be read ({str(error).partition(chr(10))[0]}). Give a CSV file "
            "with a header, or JSON lines; nothing was taken."
        ) from None
    missing = [column for column in NEEDED if column not in frame.columns]
    if missing:
        raise AnswerError(
            f"{str(file)!r} lacks the columns {', '.join(missing)}; it has "
            f"{', '.join(frame.columns)}. Nothing was taken."
        )
    return frame.with_columns(pl.all().cast(pl.String))


def sort_out(
    lines: pl.DataFrame,
    asks: pl.DataFrame,
    answers: pl.DataFrame,
    classes: Classes,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Split the lines of a file into answers to take and lines to refuse with a reason.

    The same answer by the same annotator to the same ask is taken once. An empty label is a skip.
    """
    optional = ("seconds", "rationale", "answered")
    # A file may well be our own export, so only these columns are looked at.
    known = lines.select(
        *NEEDED,
        *(
            pl.col(name) if name in lines.columns else pl.lit(None, pl.String).alias(name)
            for name in optional
        ),
    ).with_columns(
        pl.col("seconds").cast(pl.Float64, strict=False),
        pl.when(pl.col("label") == "").then(None).otherwise(pl.col("label")).alias("label"),
        pl.col("answered")
        .str.to_datetime(time_zone="UTC", strict=False)
        .fill_null(pl.lit(now))
        .clip(upper_bound=pl.lit(now)),
    )
    before = answers.select("ask_id", "annotator").with_columns(pl.lit(value=True).alias("had"))
    asked = asks.select("ask_id", "row_id", "row_hash").unique("ask_id")
    joined = (
        known.with_row_index("line", 1)
        .join(asked, on="ask_id", how="left", maintain_order="left")
        .join(before.unique(), on=["ask_id", "annotator"], how="left", maintain_order="left")
    )
    reason = (
        pl.when(pl.col("row_id").is_null())
        .then(pl.lit("no such ask in this project"))
        .when(pl.col("annotator").is_null() | (pl.col("annotator") == ""))
        .then(pl.lit("no annotator"))
        .when(pl.col("label").is_not_null() & ~pl.col("label").is_in(list(classes.names)))
        .then(pl.lit("no such class"))
        .when(pl.col("had"))
        .then(pl.lit("taken before"))
        .when(pl.struct("ask_id", "annotator").is_first_distinct().not_())
        .then(pl.lit("twice in this file"))
        .alias("refused")
    )
    judged = joined.with_columns(reason)
    taken = judged.filter(pl.col("refused").is_null()).select(
        "ask_id",
        "row_id",
        "row_hash",
        "label",
        "annotator",
        "seconds",
        pl.when(pl.col("seconds").is_null())
        .then(pl.lit("modelled"))
        .otherwise(pl.lit("declared"))
        .alias("seconds_source"),
        "rationale",
        pl.lit("file").alias("tool"),
        pl.lit(value=False).alias("simulated"),
        "answered",
        pl.lit(now).alias("imported"),
    )
    refused = judged.filter(pl.col("refused").is_not_null()).select("line", "refused")
    listed = refused.join(lines.with_row_index("line", 1), on="line", maintain_order="left")
    return taken.cast(ANSWERS), listed
