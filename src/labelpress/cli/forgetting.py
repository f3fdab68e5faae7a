"""`labelpress forget`: erase listed rows, and say what that reached and what it cannot reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.cli.opening import open_here
from labelpress.erasure.forgetting import forget_rows
from labelpress.erasure.told_mlflow import tell_mlflow
from labelpress.errors import LabelpressError
from labelpress.exchange.folder import exchange_files
from labelpress.store import existing_store

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from labelpress.erasure.forgetting import Forgotten


def forget_listed(
    folder: str, ids: Path, who: str, why: str, console: Console, *, dry_run: bool
) -> None:
    """Erase the rows whose ids a file lists, one a line, and print what was done."""
    if not dry_run and not (who and why):
        raise LabelpressError("Say who decides this and why: --who NAME --why REASON.")
    try:
        listed = {line.strip() for line in ids.read_text().splitlines()} - {""}
    except OSError as error:
        raise LabelpressError(f"{ids} cannot be read: {error.strerror}.") from None
    project = open_here(folder)
    store = existing_store(project)
    done = forget_rows(
        store, listed, who=who, why=why, exchange=exchange_files(project), dry_run=dry_run
    )
    if not dry_run:
        tell_mlflow(project, store, done.erasure, listed)
    for line in _lines(done, dry_run=dry_run):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(done: Forgotten, *, dry_run: bool) -> list[str]:
    places = ", ".join(f"{place}: {count}" for place, count in sorted(done.files.items()))
    did, held = ("Would erase", "hold") if dry_run else ("Erased", "held")
    lines = [f"{did} {done.rows} rows. Files that {held} them: {places or 'none'}."]
    if dry_run:
        return lines
    if done.label_version is not None:
        lines.append(f"Consumers read label version {done.label_version} from now on.")
    if done.reports:
        lines.append(f"Reports written anew: {', '.join(done.reports)}.")
    if done.models:
        lines.append(
            f"These end models learnt from versions with such rows: {', '.join(done.models)}. "
            "Retrain, and delete them in MLflow, if what they learnt is personal."
        )
    if done.under_way:
        lines.append(
            f"These runs left no record: {', '.join(done.under_way)}. If one is still going on, it "
            "may have written such rows: run the same command again when it has ended."
        )
    if done.being_written:
        lines.append(
            f"These files were written within the last hour and belong to nothing yet: "
            f"{', '.join(done.being_written)}. They may hold such rows: run the same command again "
            "in an hour."
        )
    lines.append(
        "Not reached: the source, copies outside the store, Label Studio, Prefect's own database, "
        "backups."
    )
    return lines
