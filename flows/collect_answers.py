"""Collect answers: bring in what experts answered, and put new asks before them."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.states import Completed

import tasks.exchange
from labelpress.blocks import open_project
from labelpress.store import open_project_store


@flow(name="collect-answers", log_prints=True)
def collect_answers(project: str) -> Any:
    """
    Bring answers in from the shared folder and Label Studio, and put new asks out to them.

    Running it again changes nothing that has been done. Where Label Studio fails the files have
    been dealt with, and the next run goes on.

    Args:
        project: Folder of the project, or any fsspec URI.

    """
    opened = open_project(project)
    store = open_project_store(opened)
    brought = tasks.exchange.bring_in_files(opened, store)
    written = tasks.exchange.put_out_files(opened, store)
    brought += tasks.exchange.pull_label_studio(opened, store)
    sent = tasks.exchange.push_label_studio(opened, store)
    taken = {source.name: source.taken.answers for source in brought}
    rejected = sum(source.taken.rejected.height for source in brought)
    message = f"{sum(taken.values())} answers taken, {rejected} lines rejected"
    message += f"; {written} asks written, {sent} sent to Label Studio"
    data = {"answers": taken, "rejected": rejected, "asks_written": written, "asks_sent": sent}
    return Completed(message=message, data=data)


if __name__ == "__main__":
    import sys

    collect_answers(sys.argv[1])
