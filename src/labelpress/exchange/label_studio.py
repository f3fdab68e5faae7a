"""Label Studio: asks out as tasks, annotations in as answers, by our ask id."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from labelpress.errors import ProjectError
from labelpress.exchange.label_studio_api import LabelStudio
from labelpress.exchange.lines import AnswerLines, gather
from labelpress.exchange.showing import check_may_leave, show_asks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

    from labelpress.project import Project
    from labelpress.store import Store

_BATCH = 100


def label_studio_of(project: Project) -> LabelStudio | None:
    """
    Return the server that the project names, or None.

    Raises `ProjectError` where the variable that should hold the token is empty.
    """
    settings = project.settings.exchange.label_studio
    if not settings.url:
        return None
    token = project.secrets.get("label_studio", "")
    token = (token or os.environ.get(settings.token_variable, "")).strip()
    if not token:
        raise ProjectError(
            f"project.toml, [exchange] label_studio.token_variable: the environment variable "
            f"{settings.token_variable!r} is empty. Set it to a token of Label Studio (Account & "
            "Settings) where the flow runs, or name a block that holds one."
        )
    return LabelStudio(settings.url.rstrip("/"), token)


def push_asks(project: Project, store: Store, server: LabelStudio, asks: pl.DataFrame) -> int:
    """
    Send asks that the server does not have yet, with the columns that may leave; return how many.

    The server is asked first what it has, so pushing again after a failure sends the rest. Raises
    `ProjectError` where no columns may leave, `ExchangeError` where the server fails.
    """
    check_may_leave(project, "Label Studio")
    columns = project.settings.exchange.columns or ()
    config = labelling_config(columns, store.classes.names)
    with server.session() as session:
        place = session.project(title_of(project), config)
        there = {task["data"].get("ask_id") for task in session.tasks(place)}
        fresh = asks.filter(~asks["ask_id"].is_in(list(there - {None})))
        if fresh.height == 0:
            return 0
        shown = show_asks(project, fresh)
        tasks = [
            {"data": task_data(ask_id, reason, row)}
            for ask_id, reason, row in zip(
                shown.asks["ask_id"],
                shown.asks["reason"],
                shown.columns.iter_rows(named=True),
                strict=True,
            )
        ]
        for start in range(0, len(tasks), _BATCH):
            session.import_tasks(place, tasks[start : start + _BATCH])
    return len(tasks)


def pull_answers(project: Project, server: LabelStudio) -> AnswerLines:
    """
    Read every annotation of our tasks; taking them again changes nothing.

    Raises `ExchangeError` where the server fails; what was annotated stays there.
    """
    with server.session() as session:
        place = session.find_project(title_of(project))
        if place is None:
            return gather(iter(()), [])
        people = session.people()
        damaged: list[tuple[int, str, str]] = []
        records = list(_records(session.tasks(place), people, damaged))
    return gather(iter(records), damaged)


def title_of(project: Project) -> str:
    """Return the title of the project in Label Studio."""
    return project.settings.exchange.label_studio.title or project.name


def labelling_config(columns: Sequence[str], classes: Sequence[str]) -> str:
    """
    Return the labelling configuration: each column as plain text, one choice, a rationale.

    See https://labelstud.io/tags/ for the tags.
    """
    view = ET.Element("View")
    for column in columns:
        key = data_key(column)
        ET.SubElement(view, "Header", value=column, size="5")
        ET.SubElement(view, "Text", name=f"show_{key}", value=f"${key}")
    first = f"show_{data_key(columns[0])}"
    choices = ET.SubElement(
        view, "Choices", name="label", toName=first, choice="single", required="true"
    )
    for name in classes:
        ET.SubElement(choices, "Choice", value=name)
    ET.SubElement(
        view, "TextArea", name="rationale", toName=first, placeholder="Why? (optional)", rows="2"
    )
    return ET.tostring(view, encoding="unicode")


def task_data(ask_id: str, reason: str, row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a task holds: the ask's id and reason, and each column as text."""
    shown = {data_key(name): "" if value is None else str(value) for name, value in row.items()}
    return {"ask_id": ask_id, "reason": reason, **shown}


def data_key(column: str) -> str:
    """Return the name of a column in a task; what is no letter or digit becomes its code."""
    return "column_" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", column)


def _records(
    tasks: Iterator[dict[str, Any]],
    people: Mapping[int, str],
    damaged: list[tuple[int, str, str]],
) -> Iterator[tuple[int, dict[str, Any]]]:
    for task in tasks:
        ask_id = task["data"].get("ask_id")
        for annotation in task.get("annotations") or () if ask_id else ():
            found = {part["from_name"]: part["value"] for part in annotation["result"]}
            chosen = found.get("label", {}).get("choices") or []
            if len(chosen) > 1:
                damaged.append((annotation["id"], f"{len(chosen)} choices", str(ask_id)))
                continue
            who = annotation["completed_by"]
            number = who["id"] if isinstance(who, dict) else who
            yield (
                annotation["id"],
                {
                    "ask_id": ask_id,
                    "label": chosen[0] if chosen and not annotation["was_cancelled"] else None,
                    "annotator": people.get(number, f"user {number}"),
                    "seconds": annotation.get("lead_time"),
                    "seconds_source": "measured",
                    "rationale": "\n".join(found.get("rationale", {}).get("text") or []),
                    "answered": annotation.get("created_at"),
                    "tool": "label-studio",
                },
            )
