"""What an edit reaches, however the code of a project is put together."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from labelpress.bundle import Bundle
from labelpress.heuristics import fingerprints
from labelpress.heuristics.reach import Sources

HERE = Path(__file__).parent


def _projects(file: str) -> list[object]:
    """Read small projects, each with one edit and a heuristic named f, from a text file."""
    found: list[object] = []
    for section in (HERE / file).read_text(encoding="utf-8").split("=== ")[1:]:
        head, *parts = section.split("--- ")
        name, edit = head.strip().split("\n")
        place, _, change = edit.partition(": ")
        old, new = map(ast.literal_eval, change.split(" -> "))
        files = {path: text for path, _, text in (part.partition("\n") for part in parts)}
        found.append(pytest.param(files, place, old, new, id=name))
    return found


@pytest.fixture
def changes(load):
    """Say whether an edit of a project changes the fingerprint of its heuristic f."""

    def _changes(files: dict[str, str], place: str, old: str, new: str) -> bool:
        assert old in files[place]
        prints = [
            load(texts["heuristics.py"], {k: v for k, v in texts.items() if k != "heuristics.py"})
            for texts in (files, files | {place: files[place].replace(old, new, 1)})
        ]
        return prints[0]["f"].fingerprint != prints[1]["f"].fingerprint

    return _changes


@pytest.mark.parametrize(("files", "place", "old", "new"), _projects("edits_that_count.txt"))
def test_an_edit_that_can_change_a_vote_recomputes(changes, files, place, old, new):
    """Aliases, patches, registries, names made at run time: no stale vote survives an edit."""
    assert changes(files, place, old, new)


@pytest.mark.parametrize(("files", "place", "old", "new"), _projects("edits_that_do_not.txt"))
def test_an_edit_that_is_not_reached_recomputes_nothing(changes, files, place, old, new):
    """What a heuristic does not use may change as it likes."""
    assert not changes(files, place, old, new)


def test_values_of_one_module_do_not_pass_for_those_of_another(load):
    """Two constants that are swapped between two modules are an edit."""
    source = """
    import p, q
    @heuristic(label="ham")
    def f(row):
        return p.over(row.n) and q.over(row.n)
    """
    low, high = (f"LIMIT = {n}\ndef over(n):\n    return n > LIMIT\n" for n in (1, 2))

    before = load(source, {"p.py": low, "q.py": high})["f"].fingerprint
    assert load(source, {"p.py": high, "q.py": low})["f"].fingerprint != before


def test_the_encoding_of_a_source_is_heeded():
    """A source that is not UTF-8 says so in its first line, and its letters count."""

    def tree(word: str) -> object:
        source = f"# -*- coding: latin-1 -*-\nX = '{word}'\n".encode("latin-1")
        found = Sources(Bundle((("heuristics.py", source),))).reach("heuristics", "X")
        return found and found.trees

    assert tree("\u00e4") != tree("\u00f6")


@pytest.mark.parametrize(
    "source",
    [
        'LIMIT = int(os.environ["LIMIT"])\ndef g(row):\n    return row.n > LIMIT',
        'def g(row, limit=os.environ["LIMIT"]):\n    return row.n > int(limit)',
        'g = functools.partial(lambda row, n: row.n > n, n=int(os.environ["LIMIT"]))',
        (
            "def made(n):\n    def over(row):\n        return row.n > n\n    return over\n"
            'g = made(int(os.environ["LIMIT"]))'
        ),
        (
            "class Over:\n    def __init__(self, n):\n        self.n = n\n"
            "    def __call__(self, row):\n        return row.n > self.n\n"
            'g = Over(int(os.environ["LIMIT"]))'
        ),
        (
            'LIMIT = int(pathlib.Path(os.environ["PLACE"]).read_text())\n'
            "def g(row):\n    return row.n > LIMIT"
        ),
    ],
    ids=["constant", "default", "partial", "closure", "object", "file on disk"],
)
def test_what_is_read_from_outside_at_import_counts_by_its_value(
    load, monkeypatch, tmp_path, source
):
    """The environment and the disk are in no source, so the values made of them count."""
    source = (
        f"import functools, os, pathlib\n{source}\nf = heuristic(g, label='ham', reads=['n'])\n"
    )
    monkeypatch.setenv("PLACE", str(tmp_path / "limit"))

    def prints(limit: str, note: str) -> str:
        monkeypatch.setenv("LIMIT", limit)
        (tmp_path / "limit").write_text(limit)
        return load(source, {"note.txt": note})["f"].fingerprint

    assert prints("3", "first") == prints("3", "second")
    assert prints("3", "third") != prints("4", "fourth")


def test_a_package_without_a_version_counts_by_its_source(load, monkeypatch, tmp_path):
    """A module on the path that no distribution speaks for is known by its content."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def version(text: str) -> str:
        (tmp_path / "in_house.py").write_text(text)
        fingerprints._source_digest.cache_clear()
        return fingerprints.package_version("in_house")

    assert version("X = 1\n") == version("X = 1\n")
    assert version("X = 1\n") != version("X = 2\n")


def test_what_no_fingerprint_sees_is_named(load):
    """The clock, chance and the environment within a function are told to the author."""
    found = load(
        """
        import random
        from datetime import datetime, timedelta
        @heuristic(label="ham")
        def late(row):
            return row.at > datetime.now() - timedelta(days=1)
        @heuristic(label="ham")
        def lucky(row):
            return random.random() > 0.5
        @heuristic(label="ham")
        def steady(row):
            return row.at > datetime(2026, 1, 1)
        """
    )

    assert found["late"].world == ("datetime.datetime.now",)
    assert found["lucky"].world == ("random.random",)
    assert found["steady"].world == ()
