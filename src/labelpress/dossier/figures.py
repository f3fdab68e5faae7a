"""Figures: what a run counted, learnt and judged, and where two accounts of that part."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labelpress.environment import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.manifest import Manifest

TOLERANCE = 1e-6
"""How far figures may be off on another processor, absolutely or of their size; labels may not."""

_NOTHING = "nothing"


def figures(manifest: Manifest) -> dict[str, Any]:
    """Return the figures of a manifest by the file of a dossier in which they stand."""
    return {
        "label_model.json": manifest.label_model,
        "base_rate.json": manifest.base_rate,
        "gate.json": manifest.verdict,
        "surface.json": manifest.surface,
        "certificates.json": {
            "overall": manifest.certificate,
            **manifest.certificates,
            "calibration": manifest.calibration,
        },
        "drift.json": {
            "drift": [asdict(found) for found in manifest.drift],
            "restated": manifest.restated,
        },
    }


def figures_told(manifest: Manifest) -> dict[str, Any]:
    """Return the figures that a dossier has only in words: in its report and in other files."""
    return {
        "heuristics": manifest.statistics,
        "conflict": manifest.conflict_rows,
        "tallies": {cohort: asdict(tally) for cohort, tally in manifest.tallies.items()},
        "compared_since": manifest.compared_since,
        "refit": manifest.refit,
        "fitted_period": manifest.fitted_period,
        "race": manifest.race,
        "diff": manifest.diff,
        "annotators": manifest.annotators,
        "stale_answers": manifest.stale_answers,
    }


def is_worded_alike(then: Mapping[str, str]) -> bool:
    """Say whether what was written in an environment was written by this labelpress."""
    return then.get("labelpress") == environment()["labelpress"]


def plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))


def say_difference(
    name: str, stated: Any, found: Any, there: str, *, worded_alike: bool = True
) -> str | None:
    """
    Say the first place where two JSON values differ; None where there is none.

    Such as `gate.json: checks[0].value is 0.1; computed anew it is 0.2.`, where `there` says how
    the second value was come by. Unless they are `worded_alike`, sentences may differ: another
    labelpress puts the same figures into other words.
    """
    apart = [
        (place, one, other)
        for place, one, other in _apart(plain(stated), plain(found), "")
        if worded_alike or not (_is_sentence(one) and _is_sentence(other))
    ]
    if not apart:
        return None
    place, one, other = apart[0]
    more = f" ({len(apart) - 1} more differ)" if len(apart) > 1 else ""
    return f"{name}: {place or 'it'} is {_shown(one)}; {there} it is {_shown(other)}{more}."


def _apart(stated: Any, found: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in sorted({*stated, *found}):
            inner = f"{place}.{name}" if place else name
            yield from _apart(stated.get(name, _NOTHING), found.get(name, _NOTHING), inner)
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for number, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from _apart(one, other, f"{place}[{number}]")
    elif not _alike(stated, found):
        yield place, stated, found


def _alike(stated: Any, found: Any) -> bool:
    numbers = (int, float)
    if isinstance(stated, numbers) and isinstance(found, numbers):
        return math.isclose(stated, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(stated == found)


def _is_sentence(value: Any) -> bool:
    return isinstance(value, str) and " " in value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
