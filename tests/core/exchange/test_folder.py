"""The shared folder: each batch is written once, each file of answers counts once."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from labelpress.erasure.records import Erasure, write_erasure
from labelpress.erasure.tombstones import tombstones_for
from labelpress.exchange.folder import bring_in, put_out
from labelpress.store import open_project_store
from labelpress.tables.files import Files


@pytest.fixture(name="shared")
def _shared(asked):
    """The folder, and how to exchange with it."""
    store = open_project_store(asked.read())

    class Shared:
        path = asked.path / "exchange"

        def out(self):
            return put_out(asked.read(), store, datetime.now(UTC))

        def home(self):
            return {file.name: file.taken for file in bring_in(asked.read(), store)}

        def write(self, name, text):
            (self.path / "answers").mkdir(parents=True, exist_ok=True)
            (self.path / "answers" / name).write_bytes(text.encode())

    return Shared()


def _begin_to_erase(store, row_id):
    tombstones = tombstones_for(store.files, [row_id])
    begun = Erasure("an-erasure", "kim", "they asked", "2026-03-02", tuple(tombstones.digests))
    write_erasure(store.files, begun)


def test_a_batch_is_written_once_and_never_over(shared):
    """An expert may be filling it in where it lies."""
    assert shared.out() == 6
    (file,) = (shared.path / "asks").iterdir()
    file.write_text("half done")

    assert shared.out() == 0
    assert file.read_text() == "half done"
    assert file.name == "2026-03-02-ask-a1.csv"


def test_each_batch_has_a_file_of_its_own(shared, asked):
    """So that two experts get different asks."""
    shared.out()
    more = asked.store.asks.read().head(1)
    later = more.with_columns(
        ask_id=pl.lit("ask-z"), created=pl.col("created") + pl.duration(hours=1)
    )
    asked.store.asks.append(later, batch="v2")

    assert shared.out() == 1
    assert len(list((shared.path / "asks").iterdir())) == 2


def test_answered_asks_are_not_put_out(shared):
    """Of a batch that nobody has fetched yet."""
    shared.write("a.csv", "ask_id,label,annotator\nask-a1,spam,ada\n")
    shared.home()

    assert shared.out() == 5


def test_a_row_that_is_being_erased_is_not_put_out(shared, asked):
    """Asks are the last that an erasure removes, and the source may have the row still."""
    row = asked.store.asks.read().filter(pl.col("ask_id") == "ask-a1")["row_id"].item()
    _begin_to_erase(asked.store, row)

    assert shared.out() == 5
    (file,) = (shared.path / "asks").iterdir()
    assert "ask-a1" not in file.read_text()


def test_a_row_whose_erasure_begins_meanwhile_does_not_stay(shared, asked, monkeypatch):
    """An erasure that has gone through the folder comes back to it no more."""
    row = asked.store.asks.read().filter(pl.col("ask_id") == "ask-a1")["row_id"].item()
    write = Files.create

    def create(files, path, data):
        if path.startswith("asks/"):
            _begin_to_erase(asked.store, row)
        return write(files, path, data)

    monkeypatch.setattr(Files, "create", create)
    assert shared.out() == 0
    assert list((shared.path / "asks").iterdir()) == []
    monkeypatch.undo()
    assert shared.out() == 5


def test_files_stay_and_count_once(shared, asked):
    """However often they are read, and whatever else lies there."""
    shared.write("ada.csv", "ask_id,label,annotator\nask-a1,spam,ada\n")
    shared.write("ben.jsonl", '{"ask_id": "ask-a1", "label": "ham", "annotator": "ben"}\n')
    shared.write("notes.txt", "not answers")

    first, again = shared.home(), shared.home()

    assert {name: taken.answers for name, taken in first.items()} == {"ada.csv": 1, "ben.jsonl": 1}
    assert [taken.repeated for taken in again.values()] == [1, 1]
    assert asked.store.answers.read().height == 2


def test_a_file_that_cannot_be_read_keeps_no_other_back(shared):
    """It has a list beside it that says why; a mended file has none."""
    shared.write("a.csv", "nothing we know\n")
    shared.write("b.csv", "ask_id,label,annotator\nask-a1,spma,ada\nask-b1,ham,ada\n")

    taken = shared.home()

    assert taken["b.csv"].answers == 1
    listed = pl.read_csv(shared.path / "answers" / "a.rejected.csv")
    assert "lacks the columns ask_id" in listed["refused"][0]
    shared.write("b.csv", "ask_id,label,annotator\nask-a1,spam,ada\nask-b1,ham,ada\n")
    assert shared.home()["b.csv"].answers == 1
    assert not (shared.path / "answers" / "b.rejected.csv").exists()


def test_files_of_one_name_and_two_kinds_have_each_their_own_list(shared):
    """That of the first does not go away because nothing was refused of the second."""
    shared.write("a.csv", "ask_id,label,annotator\nask-a1,spma,ada\n")
    shared.write("a.jsonl", '{"ask_id": "ask-b1", "label": "ham", "annotator": "ada"}\n')

    shared.home()

    assert (shared.path / "answers" / "a.rejected.csv").exists()
    shared.write("a.jsonl", '{"ask_id": "nowhere", "label": "ham", "annotator": "ada"}\n')
    shared.home()
    lists = {"a.rejected.csv": "no such class", "a.jsonl.rejected.csv": "no such ask"}
    for name, why in lists.items():
        assert why in (shared.path / "answers" / name).read_text()


def test_a_folder_that_is_not_there_is_empty(shared):
    """The first run makes it."""
    assert shared.home() == {}
