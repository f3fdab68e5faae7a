"""The oracle: a gold column that answers in an expert's place, for examples and simulations."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from labelpress.answers import open_asks
from labelpress.errors import SourceError, did_you_mean
from labelpress.partitions import file_of
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows
from labelpress.tables.schemas import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    by_file: dict[str, list[str]] = {}
    for part, row_id in waiting.select("part", "row_id").iter_rows():
        by_file.setdefault(file_of(part), []).append(row_id)
    files = {file.path: file for file in list_source(project.source_uri, source).files}
    items = {path: (files[path], ids) for path, ids in by_file.items() if path in files}
    found = cluster.map(read_gold, items, source, oracle)
    if not found:
        return 0
    gold = pl.concat(found.values()).unique("row_id", keep="first", maintain_order=True)
    answered = waiting.join(gold, on="row_id", how="inner").filter(pl.col("label").is_not_null())
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


def _check_classes(labels: pl.Series, project: Project, oracle: str) -> None:
    names = project.settings.classes.names
    unknown = sorted(set(labels.to_list()) - set(names))
    if unknown:
        raise SourceError(
            f"the oracle column {oracle!r} holds {unknown[0]!r}, which is no class of project.toml."
            f"{did_you_mean(unknown[0], names)}"
        )


def read_gold(
    where: tuple[SourceFile, list[str]], source: SourceSettings, oracle: str
) -> pl.DataFrame:
    """Return row_id (text) and label of some rows of a source file, on a worker."""
    file, row_ids = where
    footer = read_footer(file, source.storage_options)
    kinds: Mapping[str, str] = dict(footer.schema)
    if oracle not in kinds:
        raise SourceError(
            f"project.toml, [experts] oracle: {file.path!r} has no column {oracle!r}."
            f"{did_you_mean(oracle, kinds)}"
        )
    types = {name: kinds[name] for name in (source.id, oracle)}
    frame = read_rows(file, (0, len(footer.row_groups) - 1), types, source.storage_options)
    renamed = frame.select(
        pl.col(source.id).cast(pl.String).alias("row_id"),
        pl.col(oracle).cast(pl.String).alias("label"),
    )
    return renamed.filter(pl.col("row_id").is_in(row_ids))
