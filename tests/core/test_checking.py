"""`labelpress check`: what an author is told of heuristics that fail on the sample."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labelpress.cli.checking import show_check
from labelpress.errors import HeuristicError


@pytest.fixture(name="checked")
def _checked(project):
    """Check the small project with other heuristics and return what is printed."""

    def checked(source: str) -> str:
        project.heuristics(f"import polars as pl\nfrom labelpress import heuristic\n{source}")
        out = Console(file=io.StringIO(), width=300)
        show_check(str(project.path), 1000, out)
        return out.file.getvalue()

    return checked


def test_rows_on_which_a_heuristic_raises_are_told(checked):
    """With their number, the first of them and what it means for a run."""
    said = checked(
        '@heuristic(label="ham", reads=["text"])\n'
        "def fails(row):\n    return row.text[10_000]\n"
        'fine = heuristic(pl.col("text") != "", label="ham")\n'
    )

    assert "fails raised on " in said
    assert "the first: row 0: IndexError: string index out of range" in said
    assert "fine raised" not in said


def test_a_heuristic_that_hangs_is_stopped(checked, project):
    """Under the project's own limit, in a process of its own, with its name."""
    settings = project.path / "project.toml"
    settings.write_text(f"{settings.read_text()}\n[heuristics]\ntime_limit_seconds = 1\n")
    hangs = 're.match(r"(a+)+$", "a" * 60 + "b")'  # holds the interpreter's lock for years

    with pytest.raises(HeuristicError, match="backtracks was stopped after 1 s on"):
        checked(
            f'import re\n@heuristic(label="ham", reads=["text"])\n'
            f"def backtracks(row):\n    return bool({hangs})\n"
        )


def test_what_no_fingerprint_sees_is_told(checked):
    """The clock gives other votes tomorrow, while nothing that can be seen has changed."""
    said = checked(
        'import time\n@heuristic(label="ham", reads=["text"])\n'
        "def late(row):\n    return time.time() > 0\n"
    )

    assert "late uses time.time:" in said
