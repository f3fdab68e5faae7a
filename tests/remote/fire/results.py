"""What was tried so far: a file with one line of JSON each, so that a slice can be gone on with."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import DataclassInstance


def read(results: Path) -> list[dict[str, Any]]:
    """Return what the file holds; nothing where there is none yet."""
    lines = results.read_text().splitlines() if results.exists() else []
    return [json.loads(line) for line in lines]


def add(results: Path, tried: DataclassInstance) -> None:
    """Append one trial, and print it."""
    line = json.dumps(asdict(tried))
    with results.open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)  # noqa: T201


def summarise(tries: list[dict[str, Any]], by: str, values: tuple[str, ...]) -> int:
    """Print one line per value of the field `by`; return how many tries went wrong."""
    for value in values:
        made = [tried for tried in tries if tried[by] == value]
        wrong = sum(bool(tried["wrong"]) for tried in made)
        print(f"{value}: {len(made)} trials, {wrong} wrong")  # noqa: T201
    return sum(bool(tried["wrong"]) for tried in tries)
