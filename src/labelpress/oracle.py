"""The oracle: a gold column that answers in an expert's place, for examples and simulations."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from labelpress.answers import open_asks
from labelpress.errors import SourceError, did_you_mean
from labelpress.partitions import file_of
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.row_index import among
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows
from labelpress.tables.schemas import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from labelpress.cluster import Cluster
    from labelpress.project import Project
    from labelpress.sources.listing import SourceFile
    from labelpress.sources.settings import SourceSettings
    from labelpress.store import Store

ORACLE = "oracle"
"""The annotator's name under which an oracle answers."""


def answer_open_asks(project: Project, store: Store, cluster: Cluster, now: datetime) -> int:
    """
    Let the oracle answer every open ask; return how many it answered.

    Each answer is marked `simulated` and takes the project's seconds per answer, as modelled.
    Answering twice changes nothing: an ask with an answer is no longer open.
    """
    oracle = project.settings.experts.oracle
    waiting = open_asks(store.asks.read(), store.answers.read(), now, project.settings.experts)
    if oracle is None or waiting.height == 0:
        return 0
    source = project.settings.source
    asked = waiting.select("ask_id", "row_id", "row_hash")
    by_file = asked.group_by(
        pl.Series("file", [file_of(part) for part in waiting["part"]]), maintain_order=True
    )
    files = {file.path: file for file in list_source(project.source_uri, source).files}
    items = {
        str(path): (files[str(path)], rows.drop("file", strict=False))
        for (path,), rows in by_file
        if path in files
    }
    found = cluster.map(read_gold, items, source, oracle)
    if not found:
        return 0
    answered = waiting.join(pl.concat(found.values()), on="ask_id", how="inner")
    _check_classes(answered["label"], project, oracle)
    rows = answered.select(
        "ask_id",
        "row_id",
        "row_hash",
        "label",
        pl.lit(ORACLE).alias("annotator"),
        pl.lit(project.settings.experts.seconds_per_answer).alias("seconds"),
        pl.lit("modelled").alias("seconds_source"),
        pl.lit(None, pl.String).alias("rationale"),
        pl.lit(ORACLE).alias("tool"),
        pl.lit(value=True).alias("simulated"),
        pl.lit(now).alias("answered"),
        pl.lit(now).alias("imported"),
    ).cast(ANSWERS)
    ids = "\x1f".join(sorted(rows["ask_id"].to_list()))
    batch = "oracle:" + hashlib.blake2b(ids.encode(), digest_size=8).hexdigest()
    store.answers.append(rows, batch=batch)
    return rows.height


def people(annotators: Iterable[str]) -> tuple[str, ...]:
    """Return the names of those annotators that are no oracle."""
    return tuple(name for name in annotators if name != ORACLE)


def _check_classes(labels: pl.Series, project: Project, oracle: str) -> None:
    names = project.settings.classes.names
    unknown = sorted(set(labels.to_list()) - set(names))
    if unknown:
        raise SourceError(
            f"the oracle column {oracle!r} holds {unknown[0]!r}, which is no class of project.toml."
            f"{did_you_mean(unknown[0], names)}"
        )


def read_gold(
    where: tuple[SourceFile, pl.DataFrame], source: SourceSettings, oracle: str
) -> pl.DataFrame:
    """
    Return ask_id and label of asked rows (ask_id, row_id and row_hash) of a file, on a worker.

    Of the rows of one id, which `on_duplicate` may allow, the one that was asked is told by its
    hash.
    """
    file, asked = where
    footer = read_footer(file, source.storage_options)
    kinds: Mapping[str, str] = dict(footer.schema)
    if oracle not in kinds:
        raise SourceError(
            f"project.toml, [experts] oracle: {file.path!r} has no column {oracle!r}."
            f"{did_you_mean(oracle, kinds)}"
        )

    def read(*names: str) -> pl.DataFrame:
        types = {name: kinds[name] for name in names}
        return read_rows(file, (0, len(footer.row_groups) - 1), types, source.storage_options)

    frame = read(source.id, oracle)
    there = frame.select(
        pl.col(source.id).cast(pl.String).alias("row_id"),
        pl.col(oracle).cast(pl.String).alias("label"),
        pl.int_range(pl.len()).alias("position"),
    ).filter(among(frame[source.id], asked["row_id"]))
    told = asked.join(there, on="row_id", how="inner")
    if there["row_id"].is_duplicated().any():
        shown = sorted(kinds.keys() - {oracle})
        hashes = hash_texts(pl.Series(hash_rows(read(*shown)[there["position"]], shown)))
        own = there.select(
            "position",
            pl.Series("own_hash", hashes, dtype=pl.String),
            pl.col("row_id").is_unique().alias("once"),
        )
        told = told.join(own, on="position").filter(
            pl.col("once") | (pl.col("own_hash") == pl.col("row_hash"))
        )
    told = told.filter(pl.col("label").is_not_null())
    return told.select("ask_id", "label").unique("ask_id", keep="last", maintain_order=True)
