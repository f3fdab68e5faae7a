"""Fingerprints: what must change one, and what must not."""

from __future__ import annotations

import pytest

from labelpress.heuristics import fingerprints

BASE = '''
import re
from helper import shouts
import rules
import textwrap

LIMIT = 20
UNUSED = 1

def long(text):
    return len(text) > LIMIT

def unreached(text):
    return text

@heuristic(label="spam", why="capitals shout")
def shouting(row):
    """Say whether a text shouts."""
    return long(row.text) and shouts(row.text)

@heuristic(label="spam")
def by_module(row):
    return rules.words.wanted(row.text)

@heuristic(label="ham")
def wrapped(row):
    return len(textwrap.wrap(row.text)) > 3

short = heuristic(pl.col("text").str.len_chars() < LIMIT, label="ham", owner="me")
begging = keywords(["subscribe", "my channel"], label="spam", column="text")
table = lookup("tables/domains.csv", column="domain")
'''
FILES = {
    "helper.py": "from rules.words import loud\nX = 1\ndef shouts(text):\n    return loud(text)\n"
    "def quiet(text):\n    return not loud(text)\n",
    "rules/__init__.py": "",
    "rules/words.py": "def loud(text):\n    return text.isupper()\ndef wanted(text):\n"
    "    return 'sub' in text\n",
    "tables/domains.csv": "domain,vote\na.com,spam\n",
}
ALL = {"shouting", "by_module", "wrapped", "short", "begging", "table"}


@pytest.fixture
def changed(load):
    """Return the names of the heuristics whose fingerprint an edit changes."""

    def _changed(file: str, old: str, new: str) -> set[str]:
        before = {"heuristics.py": BASE, **FILES}
        assert old in before[file]
        after = before | {file: before[file].replace(old, new, 1)}
        first, second = (
            load(texts["heuristics.py"], {k: v for k, v in texts.items() if k != "heuristics.py"})
            for texts in (before, after)
        )
        assert len({h.fingerprint for h in first.values()}) == len(first)
        return {
            name
            for name in first.keys() & second.keys()
            if first[name].fingerprint != second[name].fingerprint
        }

    return _changed


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("heuristics.py", "LIMIT = 20\n", "LIMIT = 20  # characters\n\n\n", set()),
        ("heuristics.py", "len(text) > LIMIT", "(len(text)\n        > LIMIT)", set()),
        ("heuristics.py", "Say whether", "Tell whether", set()),
        ("heuristics.py", "capitals shout", "it is loud", set()),
        ("heuristics.py", 'owner="me"', 'owner="you"', set()),
        ("heuristics.py", "return text\n", "return text * 2\n", set()),
        ("heuristics.py", "UNUSED = 1", "UNUSED = 2", set()),
        ("helper.py", "not loud", "bool(loud)", set()),
        ("helper.py", "X = 1", "X = 2", set()),
        ("heuristics.py", "LIMIT = 20", "LIMIT = 21", {"shouting", "short"}),
        ("heuristics.py", "len(text) >", "len(text) >=", {"shouting"}),
        ("helper.py", "return loud(text)\n", "return not loud(text)\n", {"shouting"}),
        ("rules/words.py", "isupper", "istitle", {"shouting"}),
        ("rules/words.py", "'sub'", "'chan'", {"by_module"}),
        ("rules/words.py", "def loud", "FOUND = print()\ndef loud", {"shouting", "by_module"}),
        ("helper.py", "X = 1", "import re\nre.purge()", {"shouting", "by_module", "wrapped"}),
        ("heuristics.py", "UNUSED = 1", "re.purge()", {"shouting", "by_module", "wrapped"}),
        ("heuristics.py", 'label="ham", owner', 'label="spam", owner', {"short"}),
        ("heuristics.py", '(label="ham")\ndef w', '(label="spam")\ndef w', {"wrapped"}),
        ("heuristics.py", '"my channel"]', '"my channels"]', {"begging"}),
        ("heuristics.py", '["subscribe", "my channel"]', '["my channel", "subscribe"]', set()),
        ("heuristics.py", 'column="text")', 'column="title")', {"begging"}),
        ("heuristics.py", '(label="ham")\ndef w', '(label="ham", version=2)\ndef w', {"wrapped"}),
        ("tables/domains.csv", "a.com,spam", "a.com,ham", {"table"}),
        ("tables/domains.csv", "a.com,spam\n", "a.com,spam", set()),
    ],
)
def test_exactly_the_heuristics_that_an_edit_reaches_change(changed, file, old, new, expected):
    """An edit changes the fingerprints of what it reaches, in whatever file, and of no other."""
    assert changed(file, old, new) == expected


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_renamed_heuristic_keeps_its_fingerprint(load, name):
    """A name is not part of a heuristic."""
    before = load(BASE, FILES)
    source = BASE.replace(f"def {name}(", "def other(").replace(f"\n{name} =", "\nother =")
    after = load(source, FILES)

    assert after["other"].fingerprint == before[name].fingerprint
    assert name not in after


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("polars", {"short", "begging", "table"}),
        ("textwrap", {"wrapped"}),
        ("rules", set()),
        ("numpy", set()),
    ],
)
def test_a_package_version_changes_what_uses_it(load, monkeypatch, package, expected):
    """Another version of a package recomputes the heuristics that use it, and no other."""
    before = load(BASE, FILES)
    original = fingerprints.package_version
    monkeypatch.setattr(
        fingerprints, "package_version", lambda name: "9" if name == package else original(name)
    )
    after = load(f"{BASE}# {package}\n", FILES)  # another bundle: nothing comes from a cache

    assert {n for n in ALL if before[n].fingerprint != after[n].fingerprint} == expected


def test_versions_of_installed_packages_are_known():
    """A package's version is its distribution's; Python's own modules have none."""
    assert "numpy" in fingerprints.package_version("numpy")
    assert fingerprints.package_version("re") == ""
    assert fingerprints.package_version("no_such_package") == "unknown"


def test_the_python_version_changes_functions_only(load, monkeypatch):
    """Another minor version of Python recomputes Python functions."""
    before = load(BASE, FILES)
    monkeypatch.setattr(fingerprints, "PYTHON", (3, 99))
    after = load(f"{BASE}# another Python\n", FILES)

    differing = {n for n in ALL if before[n].fingerprint != after[n].fingerprint}
    assert differing == {"shouting", "by_module", "wrapped"}


def test_a_resource_counts_by_its_content(load):
    """An edited resource recomputes the heuristic: a value, its maker, or a file it reads."""
    source = """
    import pkgutil
    def words():
        return set(pkgutil.get_data(__name__, "words.txt").decode().split())
    @heuristic(label="ham", resources={"words": words})
    def a(row, words):
        return row.text in words
    @heuristic(label="ham", resources={"limit": 3})
    def b(row, limit):
        return len(row.text) > limit
    """
    first = load(source, {"words.txt": "x y"})
    edited_file = load(source, {"words.txt": "x y z"})
    edited_value = load(source.replace('"limit": 3', '"limit": 4'), {"words.txt": "x y"})
    edited_maker = load(source.replace("set(", "frozenset("), {"words.txt": "x y"})

    assert edited_file["a"].fingerprint != first["a"].fingerprint
    assert edited_file["b"].fingerprint == first["b"].fingerprint
    assert edited_value["a"].fingerprint == first["a"].fingerprint
    assert edited_value["b"].fingerprint != first["b"].fingerprint
    assert edited_maker["a"].fingerprint != first["a"].fingerprint


def test_what_cannot_be_followed_counts_as_a_whole(load):
    """Code that looks code up at run time depends on the whole project."""
    source = """
    import importlib
    @heuristic(label="ham")
    def f(row):
        return importlib.import_module("helper").X
    """

    before = load(source, {"helper.py": "X = 1"})["f"].fingerprint
    assert load(source, {"helper.py": "X = 2"})["f"].fingerprint != before


def test_heuristics_made_alike_are_told_apart(load):
    """Heuristics from a loop or a factory never share a fingerprint by accident."""
    found = load(
        """
        def having(word):
            def f(row):
                return word in row.text
            return heuristic(f, label="ham")
        waiting = [having("a"), having("b")]
        first = waiting.pop()
        second = waiting.pop()
        x, y = having("c"), having("d")
        for name in ("p", "q"):
            globals()[name] = having(name)
        """
    )

    assert set(found) == {"first", "second", "x", "y", "p", "q"}
    assert len({h.fingerprint for h in found.values()}) == 6


def test_an_expression_with_python_inside_follows_the_source(load):
    """A Python function in an expression counts by its source, not by its line numbers."""
    source = """
    import helper
    f = heuristic(
        pl.col("n").map_elements(lambda n: helper.big(n), return_dtype=pl.Boolean), label="ham"
    )
    """
    helper = "def big(n):\n    return n > 3\n"
    before = load(source, {"helper.py": helper})["f"].fingerprint

    assert load("\n\n    # moved\n" + source, {"helper.py": helper})["f"].fingerprint == before
    assert load(source, {"helper.py": helper.replace("3", "4")})["f"].fingerprint != before


def test_a_decorator_of_the_project_counts(load):
    """What a decorator of the project does may reach every heuristic of the module."""
    source = """
    CHECKS = []
    def check(function):
        CHECKS.append(function)
        return function
    @check
    def one(text):
        return "a" in text
    @heuristic(label="ham")
    def f(row):
        return all(c(row.text) for c in CHECKS)
    """

    before = load(source)["f"].fingerprint
    assert load(source.replace('"a" in', '"b" in'))["f"].fingerprint != before
