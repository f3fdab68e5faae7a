"""Manifests of earlier labelpress versions: what they lack, and what stands for it. Pure."""

from __future__ import annotations

from typing import Any

ADDED: dict[str, Any] = {
    "id_type": "string",
    "indexed_by": (),
    "stale_answers": 0,
    "certificates": {},
    "slices": {},
    "calibration": {},
    "annotators": (),
    "compared_since": {},
    "drift": (),
    "tallies": {},
    "race": (),
    "diff": {},
    "surface": {},
    "restated": {},
    "settings": {},
    "looks": 0,
    "decisions_version": None,
}
"""
What was added to manifests over time, the oldest first, with what is put in its place.

Empty settings of the row indexes (`indexed_by`) match none, so that the next run makes them anew.
"""

RENAMED = ("row_columns",)
"""What manifests had and have no more."""


def filled(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the plain facts of a manifest with what an earlier version did not write."""
    known = {name: value for name, value in plain.items() if name not in RENAMED}
    return {**ADDED, **known}


def is_current(plain: dict[str, Any]) -> bool:
    """Say whether a manifest has all that is written today."""
    return ADDED.keys() <= plain.keys() and not set(RENAMED) & plain.keys()
