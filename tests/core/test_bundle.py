"""Bundles: a project's files as a value, imported from memory."""

from __future__ import annotations

import inspect
import pickle
import sys
import threading

import pytest

from labelpress.bundle import Bundle, belongs
from labelpress.errors import HeuristicError, ProjectError


def _bundle(**modules: str) -> Bundle:
    return Bundle(tuple((f"{name}.py", text.encode()) for name, text in modules.items()))


class TestContent:
    """What a bundle holds."""

    def test_order_of_files_does_not_matter(self):
        """Two bundles of the same files are equal, whatever order they were read in."""
        one = Bundle((("a.py", b"1"), ("b.py", b"2")))
        other = Bundle((("b.py", b"2"), ("a.py", b"1")))

        assert one == other
        assert one.sha == other.sha
        assert one.files == (("a.py", b"1"), ("b.py", b"2"))

    def test_sha_tells_where_one_file_ends(self):
        """Moving bytes from one file to the next makes another bundle."""
        assert Bundle((("a", b"12"), ("b", b"3"))).sha != Bundle((("a", b"1"), ("b", b"23"))).sha

    def test_a_bundle_travels(self):
        """A bundle survives pickling, as it must on its way to a worker."""
        bundle = _bundle(heuristics="x = 1")

        assert pickle.loads(pickle.dumps(bundle)) == bundle  # noqa: S301  # our own bytes

    def test_reading_a_missing_file_names_the_nearest(self):
        """A file that is not there is an error with a suggestion."""
        with pytest.raises(ProjectError, match=r"no file 'word.txt'. Did you mean 'words.txt'"):
            Bundle((("words.txt", b""),)).read("word.txt")

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("heuristics.py", True),
            ("project.toml", True),
            ("rules/words.txt", True),
            ("tables/big.parquet", True),
            ("rows.parquet", False),
            ("data/rows.csv", False),
            ("store/labels/x.json", False),
            ("gold/test.csv", False),
            ("mlartifacts/1/model.json", False),
            (".git/config.py", False),
            (".hidden.py", False),
            ("rules/__pycache__/a.py", False),
            ("a.pyc", False),
            ("", False),
        ],
    )
    def test_what_belongs(self, path, expected):
        """Code and small tables belong, data, stores and hidden files do not."""
        assert belongs(path) is expected


class TestImport:
    """How its modules are imported."""

    def test_a_plain_import_finds_the_file_beside(self):
        """`import helper` works at the top and inside functions, as it does for a script."""
        module = _bundle(
            heuristics="import helper\ndef f():\n    from helper import X\n    return X + helper.X",
            helper="X = 2",
        ).import_module("heuristics")

        assert module.f() == 4
        assert "helper" not in sys.modules

    def test_relative_imports_and_folders(self):
        """Relative imports, folders with and without __init__, and dotted names work."""
        module = Bundle(
            (
                (
                    "heuristics.py",
                    (
                        b"from . import helper\nfrom .rules import words\nimport rules.words as w\n"
                        b"import rules.words\nfrom plain.deep import Z\n"
                        b"found = (helper.X, words.Y, w.Y, rules.words.Y, Z)"
                    ),
                ),
                ("helper.py", b"X = 1"),
                ("rules/__init__.py", b""),
                ("rules/words.py", b"from ..helper import X\nY = X + 1"),
                ("plain/deep.py", b"import rules\nZ = 3"),
            )
        ).import_module("heuristics")

        assert module.found == (1, 2, 2, 2, 3)

    def test_two_projects_never_meet(self):
        """Two projects with a module of the same name each see their own."""
        one = _bundle(heuristics="from helper import X", helper="X = 1").import_module("heuristics")
        two = _bundle(heuristics="from helper import X", helper="X = 2").import_module("heuristics")

        assert (one.X, two.X) == (1, 2)

    def test_the_project_hides_a_library_from_itself_only(self):
        """A project's file named as a library is used by the project and by nobody else."""
        module = _bundle(
            heuristics="import colorsys\nmine = colorsys.X", colorsys="X = 'mine'"
        ).import_module("heuristics")
        import colorsys  # noqa: PLC0415  # the point of the test

        assert module.mine == "mine"
        assert hasattr(colorsys, "rgb_to_hsv")

    def test_a_module_runs_once_even_for_many_threads(self):
        """Importing from several threads at once executes the module once."""
        bundle = _bundle(heuristics="import time\ntime.sleep(0.05)\nobject_ = object()")
        found = []
        threads = [
            threading.Thread(
                target=lambda: found.append(bundle.import_module("heuristics").object_)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 8
        assert len(set(map(id, found))) == 1

    def test_source_can_be_shown(self):
        """Tracebacks and inspect find the source, though no file is on disk."""
        module = _bundle(heuristics="def f():\n    return 1\n").import_module("heuristics")

        assert inspect.getsource(module.f) == "def f():\n    return 1\n"

    def test_project_files_are_read_with_pkgutil(self):
        """A module reads a file beside it with pkgutil.get_data."""
        bundle = Bundle(
            (
                (
                    "heuristics.py",
                    b"import pkgutil\nwords = pkgutil.get_data(__name__, 'words.txt').split()",
                ),
                ("words.txt", b"a b"),
            )
        )

        assert bundle.import_module("heuristics").words == [b"a", b"b"]


class TestErrors:
    """What is said when that fails."""

    @pytest.mark.parametrize(
        ("modules", "message"),
        [
            ({"heuristics": "x = 1\ny = 1 / 0"}, r"heuristics\.py, line 2: ZeroDivisionError"),
            ({"heuristics": "x = ("}, r"heuristics\.py, line 1: SyntaxError"),
            (
                {"heuristics": "import helper", "helper": "\n\nraise ValueError('no')"},
                r"helper\.py, line 3: ValueError: no\.",
            ),
            (
                {"heuristics": "import not_there_at_all"},
                r"heuristics\.py, line 1: ModuleNotFoundError: .*install it on every worker",
            ),
            ({"heuristics": "open('/nowhere/x')"}, r"line 1: FileNotFoundError.*pkgutil\.get_data"),
            ({"heuristic": "x = 1"}, r"no module 'heuristics'.*Did you mean 'heuristic\.py'"),
        ],
    )
    def test_an_import_that_fails_names_file_and_line(self, modules, message):
        """Whatever fails while importing is an error of the project, with its place."""
        with pytest.raises(ProjectError, match=message):
            _bundle(**modules).import_module("heuristics")

    def test_our_own_errors_keep_their_type(self):
        """A heuristic written wrongly stays a HeuristicError and gets its place."""
        source = (
            "from labelpress.heuristics import regex\nr = regex('(?=a)', label='x', column='t')"
        )

        with pytest.raises(HeuristicError, match=r"heuristics\.py, line 2: regex .* is refused"):
            _bundle(heuristics=source).import_module("heuristics")
