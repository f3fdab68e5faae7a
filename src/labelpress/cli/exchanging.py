"""`labelpress asks` and `labelpress answers import`: asks out to a file, answers in from one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelpress.cli.opening import open_here
from labelpress.errors import AnswerError
from labelpress.exchange.ask_files import ask_file
from labelpress.exchange.lines import holds_answers, read_lines
from labelpress.exchange.showing import show_open_asks
from labelpress.exchange.taking import rejected_name, take_answers
from labelpress.store import open_project_store

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from labelpress.exchange.ask_files import FileFormat


def write_asks(uri: str, out: Path, file_format: FileFormat | None, console: Console) -> None:
    """Write the open asks to a file, unless that would destroy answers in it."""
    project = open_here(uri)
    store = open_project_store(project)
    if out.exists() and holds_answers(out.name, out.read_bytes()):
        raise AnswerError(
            f"{str(out)!r} holds answers, which would be overwritten. Import it first (labelpress "
            "answers import) and remove it, or give another file with --out."
        )
    shown = show_open_asks(project, store, datetime.now(UTC))
    chosen = file_format or ("jsonl" if out.suffix == ".jsonl" else "csv")
    out.write_bytes(ask_file(shown, store.classes, chosen))
    console.print(f"{out}: {shown.asks.height} open asks", markup=False, highlight=False)
    if shown.gone:
        console.print(f"{shown.gone} asks are left out: their rows changed or left the source")


def import_file(uri: str, file: Path, console: Console, *, late: bool) -> None:
    """Import a file of answers; what is refused is listed beside it, and nothing is lost."""
    store = open_project_store(open_here(uri))
    if not file.is_file():
        raise AnswerError(f"there is no file {str(file)!r}.")
    taken = take_answers(store, read_lines(file.name, file.read_bytes()), late=late)
    beside = file.with_name(rejected_name(file.name))
    if taken.rejected.height:
        taken.rejected.write_csv(beside)
        console.print(
            f"{taken.rejected.height} lines were refused; reasons in {beside}", markup=False
        )
    else:
        beside.unlink(missing_ok=True)
    console.print(taken.sentence(), markup=False, highlight=False)
