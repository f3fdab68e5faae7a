"""How far a stage is: all its work is counted, and a bar is drawn only where somebody looks on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labelpress.errors import LabelpressError, PartitionsFailedError
from labelpress.progress import bar


def _same(item):
    return item


def _refuse(_item):
    raise LabelpressError("no")


def test_every_piece_of_work_is_told(cluster):
    """A stage that goes over the partitions twice knows of more, and ends with all done."""
    told = []

    with cluster.watched(lambda done, known: told.append((done, known))):
        cluster.map(_same, {"a": 1, "b": 2})
        cluster.map(_same, {"a": 1, "b": 2, "c": 3})
    cluster.map(_same, {"z": 0})

    assert told == [(1, 2), (2, 2), (3, 5), (4, 5), (5, 5)]


def test_who_watches_a_failing_stage_is_let_go(cluster):
    """The next stage is not told to him."""
    told = []
    with (
        pytest.raises(PartitionsFailedError),
        cluster.watched(lambda done, known: told.append((done, known))),
    ):
        cluster.map(_refuse, {"a": 1})

    cluster.map(_same, {"a": 1})

    assert told == [(1, 1)]


def _drawn(monkeypatch, *, terminal, ci=""):
    """Return what a stage of three pieces writes to a console."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("TERM", "xterm")
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=80)
    with bar("vote", console) as show:
        for done in range(1, 4):
            show(done, 3)
    return written.getvalue()


def test_a_terminal_shows_a_bar(monkeypatch):
    """With the stage's name, how much is done, and nothing left of it at the end."""
    drawn = _drawn(monkeypatch, terminal=True)

    assert "vote" in drawn
    assert "3/3" in drawn
    assert drawn.endswith("\x1b[2K")


@pytest.mark.parametrize(("terminal", "ci"), [(False, ""), (True, "true")])
def test_elsewhere_nothing_is_written(monkeypatch, terminal, ci):
    """Neither into a file nor into the log of a CI job, which is a terminal at times."""
    assert _drawn(monkeypatch, terminal=terminal, ci=ci) == ""
