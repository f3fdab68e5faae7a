"""`labelpress asks` and `labelpress answers import`: asks out to a file, answers in from one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.answers import open_asks
from labelpress.exchange import read_answer_file, sort_out, with_shown_columns
from labelpress.project import read_project
from labelpress.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from labelpress.project import Project
    from labelpress.store import Store


def write_asks(uri: str, out: Path, console: Console) -> None:
    """Write the open asks to a CSV or JSONL file."""
    project = read_project(uri)
    store = _open(project)
    waiting = open_asks(store.asks.read(), store.answers.read(), datetime.now(UTC))
    frame = with_shown_columns(project, waiting)
    if out.suffix == ".jsonl":
        frame.write_ndjson(out)
    else:
        frame.write_csv(out)
    console.print(f"{out}: {frame.height} open asks", markup=False, highlight=False)


def take_answers(uri: str, file: Path, console: Console) -> None:
    """Import a file of answers; what is refused is listed beside it, and nothing is lost."""
    project = read_project(uri)
    store = _open(project)
    lines = read_answer_file(file)
    now = datetime.now(UTC)
    taken, refused = sort_out(lines, store.asks.read(), store.answers.read(), store.classes, now)
    if taken.height:
        key = "\x1f".join(sorted((taken["ask_id"] + taken["annotator"]).to_list()))
        store.answers.append(taken, batch=f"import:{pl.Series([key]).hash(0)[0]:x}")
    if refused.height:
        beside = file.with_suffix(".rejected.csv")
        refused.write_csv(beside)
        console.print(f"{refused.height} lines were refused; reasons in {beside}", markup=False)
    console.print(f"{taken.height} answers were taken", markup=False, highlight=False)


def _open(project: Project) -> Store:
    settings = project.settings
    return open_store(
        project.store_uri, project.name, settings.classes.names, settings.store.storage_options
    )
