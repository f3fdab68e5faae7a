"""The store: whose it is, what format it has, and which class has which code."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from labelpress.classes import Classes
from labelpress.errors import ProjectError, StoreError
from labelpress.store import FORMAT, Store, open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="uri")
def _uri(tmp_path: Path) -> str:
    return str(tmp_path / "store")


class TestOpening:
    """What is checked before anything is written."""

    def test_the_first_run_creates_the_store(self, uri: str) -> None:
        """Later ones find the same."""
        created = open_store(uri, "tickets", ["billing", "outage"])
        found = open_store(uri, "tickets", ["billing", "outage"])

        assert created.identity() == found.identity()
        assert created.identity().project == "tickets"
        assert created.identity().format == FORMAT
        assert created.classes == found.classes == Classes(("billing", "outage"))
        assert created.files.names() == ("classes", "store.json")

    def test_runs_that_create_it_together_agree(self, uri: str) -> None:
        """One of them writes store.json."""
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(lambda _: open_store(uri, "tickets", ["a", "b"]), range(8)))

        assert len({store.identity().store_id for store in stores}) == 1
        assert {store.classes.names for store in stores} == {("a", "b")}

    def test_another_projects_store_is_refused(self, uri: str) -> None:
        """The error names both, and nothing is registered."""
        open_store(uri, "tickets", ["a"])

        with pytest.raises(StoreError, match=r"project 'tickets', but this is project 'tumour'"):
            open_store(uri, "tumour", ["a", "b"])
        assert Store(uri).registered_classes() == Classes(("a",))

    def test_a_newer_format_is_refused_with_the_version_needed(self, uri: str) -> None:
        """The store itself says which labelpress reads it."""
        open_store(uri, "tickets", ["a"])
        files = Store(uri).files
        newer = {"format": FORMAT + 1, "needs_labelpress": "0.7.0"}
        facts = files.read_json("store.json") | newer
        files.write_json("store.json", facts)

        with pytest.raises(StoreError, match=r"format 3, .* up to 2. Install labelpress 0.7.0"):
            open_store(uri, "tickets", ["a"])

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"project": "tickets"}'])
    def test_a_damaged_store_is_refused(self, uri: str, content: bytes) -> None:
        """Not taken for a new one."""
        open_store(uri, "tickets", ["a"])
        Store(uri).files.write_bytes("store.json", content)

        with pytest.raises(StoreError, match="is damaged"):
            open_store(uri, "tickets", ["a"])

    def test_a_store_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        """At once, and with what to do."""
        (tmp_path / "file").write_text("")

        with pytest.raises(StoreError, match="Check that the place exists"):
            open_store(str(tmp_path / "file" / "store"), "tickets", ["a"])
        with pytest.raises(StoreError, match=r"denied .* name another place in \[store\] uri"):
            open_store("/sys/labelpress", "tickets", ["a"])

    def test_a_dry_run_writes_nothing(self, uri: str) -> None:
        """It sees the classes that would be registered."""
        assert open_store(uri, "tickets", ["a"], dry_run=True).classes == Classes(("a",))
        assert Store(uri).files.names() == ()

        open_store(uri, "tickets", ["a"])

        assert open_store(uri, "tickets", ["b", "a"], dry_run=True).classes == Classes(("a", "b"))
        assert Store(uri).registered_classes() == Classes(("a",))
        with pytest.raises(StoreError, match="belongs to project 'tickets'"):
            open_store(uri, "tumour", ["a"], dry_run=True)

    def test_reading_a_place_without_a_store_creates_none(self, uri: str) -> None:
        """The error says how stores come into being."""
        with pytest.raises(StoreError, match=r"There is no store at .* first run of a project"):
            Store(uri).identity()
        assert Store(uri).files.names() == ()


class TestClasses:
    """A class keeps its code for ever."""

    def test_new_classes_get_the_next_codes(self, uri: str) -> None:
        """Whatever their order in project.toml."""
        open_store(uri, "tickets", ["billing", "other"])
        later = open_store(uri, "tickets", ["outage", "other", "billing"])

        assert later.classes == Classes(("billing", "other", "outage"))
        assert json.loads(later.files.read_bytes("classes/00002.json")) == {
            "code": 2,
            "name": "outage",
        }

    def test_a_class_is_never_removed(self, uri: str) -> None:
        """Older label versions use it."""
        open_store(uri, "tickets", ["billing", "other"])

        with pytest.raises(ProjectError, match="'other' is in the store's registry but no longer"):
            open_store(uri, "tickets", ["billing"])

    def test_runs_that_register_together_lose_no_class(self, uri: str) -> None:
        """They agree on every code."""
        store = Store(uri)
        names = [f"class {i}" for i in range(12)]

        with ThreadPoolExecutor(6) as pool:
            found = set(pool.map(lambda _: store.register_classes(names), range(6)))

        assert found == {Classes(tuple(names))}

    def test_of_two_projects_files_that_disagree_one_is_told(self, uri: str) -> None:
        """Two runs with different class lists: whoever comes second lacks the first one's class."""
        store = Store(uri)
        store.register_classes(["a"])

        def register(name: str) -> str:
            try:
                return store.register_classes(["a", name]).names[-1]
            except ProjectError as error:
                return str(error)

        with ThreadPoolExecutor(2) as pool:
            told = sorted(pool.map(register, ["x", "y"]), key=len)

        assert told[0] == store.registered_classes().names[1]
        assert "no longer declared" in told[1]

    def test_many_classes_keep_their_order(self, uri: str) -> None:
        """File names sort as codes do."""
        names = tuple(f"c{i}" for i in range(120))

        assert Store(uri).register_classes(names).names == names
        assert Store(uri).registered_classes().names == names


def test_a_store_travels_to_workers(uri: str) -> None:
    """With its classes and without its connection."""
    store = open_store(uri, "tickets", ["a"], {"AWS_SECRET_ACCESS_KEY": "hush"})

    there = pickle.loads(pickle.dumps(store))  # noqa: S301

    assert there == store
    assert there.classes == Classes(("a",))
    assert "hush" not in repr(there)
    assert there.ledger.name == "ledger"
    assert there.labels.uri == f"{store.uri}/labels"
    assert {t.name for t in (there.asks, there.answers, there.decisions)} == {
        "asks",
        "answers",
        "decisions",
    }
