"""Prodigy's JSON lines: tasks for its `choice` interface out, annotated tasks in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write_record(ask_id: str, shown: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return an ask as a task of the `choice` interface (https://prodi.gy/docs/api-interfaces)."""
    text = "\n".join(f"{name}: {value}" for name, value in shown.items() if value is not None)
    return {
        "text": text,
        "options": [{"id": name, "text": name} for name in classes],
        "meta": {"ask_id": ask_id},
    }


def is_record(value: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is an annotated task of Prodigy's."""
    return isinstance(value.get("meta"), dict) and value.get("answer") in (
        "accept",
        "reject",
        "ignore",
    )


def read_record(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return an annotated task as one answer record; rejected and ignored tasks are skips.

    Raises `ValueError` where several options were accepted.
    """
    accepted = value.get("accept") or []
    if len(accepted) > 1:
        raise ValueError(f"{len(accepted)} options accepted")
    chosen = accepted[0] if accepted and value["answer"] == "accept" else None
    return [
        {
            "ask_id": value["meta"].get("ask_id"),
            "label": chosen,
            "annotator": value.get("_annotator_id") or value.get("_session_id"),
            "rationale": value.get("user_input"),
            "answered": _moment(value.get("_timestamp")),
            "tool": "prodigy",
        }
    ]


def _moment(stamp: Any) -> str | None:
    """Return the moment of a Unix time in seconds as ISO 8601; None where it is none."""
    try:
        return datetime.fromtimestamp(float(stamp), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
