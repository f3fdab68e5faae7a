"""Progress bars: how far a stage is, shown where a person looks on and nowhere else."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bar(stage: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """
    Yield a callback that moves a bar: pieces of work done, and how many are known so far.

    There is no bar on what is not a terminal, nor in CI, where it would fill the log.
    """
    shown = console or Console(stderr=True)
    if not shown.is_terminal or os.environ.get("CI"):
        yield _nothing
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=shown, transient=True) as progress:
        task = progress.add_task(stage, total=None)
        yield lambda done, known: progress.update(task, completed=done, total=known)


def _nothing(_done: int, _known: int) -> None:
    """Show nothing."""
