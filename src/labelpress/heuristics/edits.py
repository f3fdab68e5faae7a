"""What makes a heuristic recompute, said in words: the parts of its fingerprint, by name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from labelpress.heuristics import fingerprints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.bundle import Bundle
    from labelpress.heuristics.definitions import Definition
    from labelpress.heuristics.reach import Reach

SHOWN = 3
"""So many changes are named; one edit of a shared helper can reach far."""


def facts(definition: Definition, reach: Reach | None, bundle: Bundle) -> dict[str, str]:
    """
    Return the parts of a heuristic's fingerprint by the name that a person knows them by.

    Two heuristics of one name whose fingerprints differ differ in at least one of them, unless
    labelpress itself gives heuristics another meaning.
    """
    content = fingerprints.content(definition, reach, bundle)
    found = {
        "its label": str(definition.label),
        "its version": str(definition.version),
        "the columns it reads": str(definition.reads),
        "its rule": _digest([content["kind"], content["rule"]]),
    }
    found |= {package: version for package, version in content["packages"].items() if version}
    if reach is not None:
        found["Python"] = ".".join(map(str, fingerprints.PYTHON))
        found |= {f"the file {path}": sha[:16] for path, sha in content["files"].items()}
        found |= {f"the value of {name}": sha[:16] for name, sha in content["values"].items()}
        for name, trees in reach.named_trees.items():
            found[name] = _digest(trees)
    return found


def describe_edit(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say what differs between the facts of two versions of a heuristic, at most three things."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            changes.append(f"{name} came into use")
        elif new is None:
            changes.append(f"{name} is no longer used")
        elif _tells(old) and _tells(new):
            changes.append(f"{name} changed from {old} to {new}")
        else:
            changes.append(f"{name} changed")
    more = len(changes) - SHOWN
    return "; ".join(changes[:SHOWN] + ([f"and {more} more"] if more > 0 else []))


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _tells(value: str) -> bool:
    """Say whether a value tells a person something: a digest does not."""
    return len(value) != 16 or not set(value) <= set("0123456789abcdef")
