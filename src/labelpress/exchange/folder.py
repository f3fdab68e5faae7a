"""A folder shared with experts: each batch of asks as a file, and their files of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.answers import open_asks
from labelpress.erasure.tombstones import read_tombstones
from labelpress.errors import AnswerError
from labelpress.exchange.ask_files import ask_file
from labelpress.exchange.lines import AnswerLines, gather, read_lines
from labelpress.exchange.showing import show_asks, standing_asks
from labelpress.exchange.taking import REJECTED, rejected_name, take_answers
from labelpress.sources.folder import absolute
from labelpress.tables.files import Files

if TYPE_CHECKING:
    from datetime import datetime

    from labelpress.exchange.taking import Taken
    from labelpress.project import Project
    from labelpress.store import Store

ASKS, ANSWERS = "asks", "answers"


@dataclass(frozen=True, slots=True)
class Brought:
    """What one file of answers, or one tool, brought."""

    name: str
    taken: Taken


def put_out(project: Project, store: Store, now: datetime) -> int:
    """
    Write each batch of open asks to `asks/PERIOD-ID` in the shared folder; return the asks written.

    A file that is there is never written again: an expert may be filling it in. Rows that were, or
    are being, erased are not written.
    """
    files = exchange_files(project)
    settings = project.settings.exchange
    ending = "csv" if settings.file_format == "csv" else "jsonl"
    asks = standing_asks(store)
    waiting = set(open_asks(asks, store.answers.read(), now, project.settings.experts)["ask_id"])
    there = set(files.names(ASKS))
    written = 0
    for _, batch in asks.sort("created").group_by("created", maintain_order=True):
        # Named for the whole batch, so that its name stays while its asks are answered.
        first = str(batch["ask_id"].min())
        name = f"{batch['period'][0]}-{first}.{ending}"
        open_now = batch.filter(pl.col("ask_id").is_in(list(waiting)))
        if name in there or open_now.height == 0:
            continue
        shown = show_asks(project, open_now)
        if shown.asks.height:
            data = ask_file(shown, store.classes, settings.file_format)
            path = f"{ASKS}/{name}"
            if not files.create(path, data):
                continue
            # An erasure may have gone through the folder just before.
            if read_tombstones(store.files).mask(shown.asks["row_id"]).any():
                files.delete(path)
                continue
            written += shown.asks.height
    return written


def bring_in(project: Project, store: Store) -> tuple[Brought, ...]:
    """
    Take the answers of every CSV and JSON file in `answers/` of the shared folder.

    The files stay; read again they bring nothing. One that cannot be read keeps no other back.
    """
    files = exchange_files(project)
    return tuple(
        keep_rejected(
            files, Brought(name, take_answers(store, _read(name, files.read_bytes(_in(name)))))
        )
        for name in files.names(ANSWERS)
        if name.lower().endswith((".csv", ".jsonl", ".ndjson", ".json"))
        and not name.endswith(REJECTED)
    )


def keep_rejected(files: Files, brought: Brought) -> Brought:
    """List what was refused beside the answers; a list that has become empty goes away."""
    path = _in(rejected_name(brought.name))
    if brought.taken.rejected.height:
        files.write_bytes(path, brought.taken.rejected.write_csv().encode())
    elif files.exists(path):
        files.delete(path)
    return brought


def exchange_files(project: Project) -> Files:
    """Return the shared folder."""
    where = absolute(project.settings.exchange.folder, project.uri)
    return Files(where, project.settings.store.storage_options)


def _in(name: str) -> str:
    return f"{ANSWERS}/{name}"


def _read(name: str, data: bytes) -> AnswerLines:
    try:
        return read_lines(name, data)
    except AnswerError as error:
        return gather(iter(()), [(0, str(error), "")])
