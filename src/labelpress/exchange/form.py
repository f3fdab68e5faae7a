"""A form of asks for the Prefect UI: one choice and one rationale per row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from labelpress.exchange.lines import AnswerLines, gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.classes import Classes
    from labelpress.exchange.showing import Shown

NOT_NOW, SKIP = "(not now)", "(skip: cannot tell)"
"""The choices beside the classes: leave the ask open, or answer it without a label."""

ANNOTATOR, MINUTES = "annotator", "minutes"
_WHY = ".why"
_MOST_SHOWN = 1500
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def form_fields(shown: Shown, classes: Classes, who: str) -> dict[str, Any]:
    """
    Return the fields of the form by name, as `pydantic.create_model` takes them.

    Each ask has a choice named by its id, which shows the row, and a text for the rationale.
    """
    choice: Any = Literal.__getitem__((NOT_NOW, *classes.names, SKIP))
    texts = [_row_text(row) for row in shown.columns.iter_rows(named=True)]
    asks = list(zip(shown.asks["ask_id"], shown.asks["reason"], texts, strict=True))
    fields: dict[str, Any] = {
        ANNOTATOR: (
            _Name,
            Field(
                default=who or ...,
                title="Your name",
                description="Under which your answers are kept.",
                json_schema_extra={"position": 0},
            ),
        )
    }
    for number, (ask_id, reason, text) in enumerate(asks, 1):
        fields[ask_id] = (
            choice,
            Field(
                default=NOT_NOW,
                title=f"{number} of {len(asks)}",
                description=f"{text}\n\n(Asked because: {reason}.)",
                json_schema_extra={"position": 2 * number},
            ),
        )
        fields[ask_id + _WHY] = (
            str,
            Field(
                default="",
                title=f"Why? ({number})",
                max_length=5000,
                json_schema_extra={"position": 2 * number + 1},
            ),
        )
    fields[MINUTES] = (
        float,
        Field(
            default=0,
            ge=0,
            le=1440,
            title="Minutes this took you",
            description="For the ledger; 0: not said.",
            json_schema_extra={"position": 2 * len(asks) + 2},
        ),
    )
    return fields


def read_form(values: Mapping[str, Any]) -> AnswerLines:
    """Return the answers in a form that was filled in, without what was left for later."""
    chosen = {
        name: value
        for name, value in values.items()
        if name not in (ANNOTATOR, MINUTES) and not name.endswith(_WHY) and value != NOT_NOW
    }
    seconds = 60 * float(values.get(MINUTES) or 0) / max(len(chosen), 1)
    records: Iterator[tuple[int, dict[str, Any]]] = (
        (
            number,
            {
                "ask_id": ask_id,
                "label": None if value == SKIP else value,
                "annotator": values[ANNOTATOR],
                "seconds": seconds,
                "rationale": values.get(ask_id + _WHY),
                "tool": "prefect",
            },
        )
        for number, (ask_id, value) in enumerate(chosen.items(), 1)
    )
    return gather(records, [])


def _row_text(row: Mapping[str, Any]) -> str:
    values = {name: value for name, value in row.items() if value is not None}
    alone = len(values) == 1
    texts = [str(value) if alone else f"{name}: {value}" for name, value in values.items()]
    text = "\n\n".join(texts)
    return _inert(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + " ...")


def _inert(text: str) -> str:
    """Keep a page that takes the text for markdown from making links, pictures or tags of it."""
    # A word joiner has no width; a backslash would be seen where the text is shown as it is.
    return re.sub(r"([<\[\]!&`]|://|www\.)", "\\1\u2060", text)
