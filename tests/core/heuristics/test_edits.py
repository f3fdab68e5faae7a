"""Edits: why a heuristic recomputes, in words."""

from __future__ import annotations

import pytest

from labelpress.heuristics import fingerprints
from labelpress.heuristics.edits import describe_edit

BASE = """
from helper import shouts
import textwrap

LIMIT = 20

@heuristic(label="spam")
def shouting(row):
    return len(row.text) > LIMIT and shouts(row.text)

begging = keywords(["subscribe"], label="spam", column="text")
table = lookup("tables/domains.csv", column="domain")

@heuristic(label="ham", resources={"path": "words.txt"})
def listed(row, path):
    return row.text in open(path).read()

@heuristic(label="ham")
def wrapped(row):
    return len(textwrap.wrap(row.text)) > 3
"""
FILES = {
    "helper.py": "def shouts(text):\n    return text.isupper()\n",
    "tables/domains.csv": "domain,vote\na.com,spam\n",
    "words.txt": "fine\n",
}


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "said"),
    [
        ("shouting", "heuristics.py", "row.text) > L", "row.text) >= L", "its own code changed"),
        ("shouting", "heuristics.py", "LIMIT = 20", "LIMIT = 21", "heuristics.LIMIT changed"),
        ("shouting", "helper.py", "isupper", "istitle", "helper.shouts changed"),
        (
            "begging",
            "heuristics.py",
            'label="spam", column',
            'label="ham", column',
            "its label changed from spam to ham",
        ),
        ("begging", "heuristics.py", '["subscribe"]', '["my channel"]', "its rule changed"),
        ("table", "tables/domains.csv", "spam", "ham", "its rule changed"),
        ("listed", "words.txt", "fine", "good", "the file words.txt changed"),
        (
            "wrapped",
            "heuristics.py",
            'heuristic(label="ham")\ndef w',
            'heuristic(label="ham", version=2)\ndef w',
            "its version changed from None to 2",
        ),
    ],
)
def test_an_edit_is_named_by_what_was_edited(load, name, file, old, new, said):
    """As a person would name it, whichever file it is in."""
    before = {"heuristics.py": BASE, **FILES}
    assert old in before[file]
    after = before | {file: before[file].replace(old, new, 1)}
    first, second = (
        load(texts["heuristics.py"], {k: v for k, v in texts.items() if k != "heuristics.py"})
        for texts in (before, after)
    )

    assert first[name].fingerprint != second[name].fingerprint
    assert said in describe_edit(first[name].facts, second[name].facts)


def test_another_version_of_a_package_is_named_with_both(load, monkeypatch):
    """Nobody edited anything, and yet the votes may differ."""
    first = load(BASE, FILES)
    monkeypatch.setattr(fingerprints.pl, "__version__", "9.9.9")
    monkeypatch.setattr(fingerprints, "PYTHON", (3, 99))
    second = load(f"{BASE}\n# loaded anew\n", FILES)

    edit = describe_edit(first["begging"].facts, second["begging"].facts)
    assert edit.startswith("polars changed from ")
    assert edit.endswith(" to 9.9.9")
    assert "Python changed from 3.11 to 3.99" in describe_edit(
        first["shouting"].facts, second["shouting"].facts
    )


def test_of_many_changes_three_are_named():
    """One edit of a shared helper can reach far."""
    before = {"a": "1", "b": "1", "c": "1", "d": "1", "gone": "1"}
    after = {"a": "2", "b": "2", "c": "2", "d": "2", "new": "1"}

    said = describe_edit(before, after)

    assert said == (
        "a changed from 1 to 2; b changed from 1 to 2; c changed from 1 to 2; and 3 more"
    )
    assert describe_edit({"gone": "1"}, {"new": "1"}) == (
        "gone is no longer used; new came into use"
    )
