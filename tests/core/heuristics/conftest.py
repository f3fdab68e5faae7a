"""Fixtures for heuristics: projects written in the test itself."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from labelpress.bundle import Bundle
from labelpress.classes import Classes
from labelpress.heuristics import Heuristic, load_heuristics

CLASSES = Classes(("ham", "spam"))
OPENING = """
import polars as pl
from labelpress.heuristics import (
    column, from_snorkel, heuristic, keywords, lookup, model, regex
)
"""

Load = Callable[..., dict[str, Heuristic]]


@pytest.fixture
def classes() -> Classes:
    """The classes of all projects here: ham is 0, spam is 1."""
    return CLASSES


@pytest.fixture
def load() -> Load:
    """Load heuristics.py, given as text, beside other files; return heuristics by name."""

    def _load(
        source: str, files: dict[str, str] | None = None, **more: str
    ) -> dict[str, Heuristic]:
        texts = {"heuristics.py": OPENING + dedent(source), **(files or {})}
        texts |= {f"{name}.py": dedent(text) for name, text in more.items()}
        bundle = Bundle(tuple((path, text.encode()) for path, text in texts.items()))
        return {h.name: h for h in load_heuristics(bundle, CLASSES)}

    return _load
