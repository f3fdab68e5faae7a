"""Argilla's records as JSON (version 2): asks out, responses in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUESTION = "label"
"""The name of the label question in the Argilla dataset."""
RATIONALE = "rationale"
"""The name of an optional text question."""


def write_record(ask_id: str, shown: Mapping[str, Any], _classes: Sequence[str]) -> dict[str, Any]:
    """Return an ask as a record; each column shown is a text field, empty where it has no value."""
    fields = {name: "" if value is None else str(value) for name, value in shown.items()}
    return {"id": ask_id, "fields": fields, "metadata": {}, "responses": {}, "suggestions": {}}


def is_record(value: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is a record of Argilla's."""
    return isinstance(value.get("fields"), dict) and isinstance(value.get("responses"), dict)


def read_record(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return one answer record per user who responded.

    An export does not say whether a response was submitted or is a draft, only whether the record
    is completed. Raises `ValueError` where somebody responded and it is not.
    """
    responses = value["responses"].get(QUESTION) or []
    if responses and value.get("status", "completed") != "completed":
        raise ValueError("its record is not completed in Argilla, so it may be a draft")
    reasons = {
        response.get("user_id"): response.get("value")
        for response in value["responses"].get(RATIONALE) or []
    }
    return [
        {
            "ask_id": value.get("id"),
            "label": response.get("value"),
            "annotator": response.get("user_id"),
            "rationale": reasons.get(response.get("user_id")),
            "tool": "argilla",
        }
        for response in responses
    ]
