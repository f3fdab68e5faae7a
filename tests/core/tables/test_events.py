"""Event tables: every batch lands exactly once, whoever appends it and how often."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable

from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.tables.events import EventTable

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = pl.Schema({"who": pl.String(), "minutes": pl.Float64(), "at": pl.Datetime("us", "UTC")})


def events(*who: str) -> pl.DataFrame:
    """Return one event per name."""
    return pl.DataFrame({"who": who, "minutes": 1.0, "at": None}, schema=SCHEMA)


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> EventTable:
    return EventTable(str(tmp_path / "ledger"), {}, "ledger", SCHEMA)


def test_a_table_without_events_reads_as_no_rows(table: EventTable) -> None:
    """Reading does not create it."""
    assert table.version() is None
    assert table.read().equals(SCHEMA.to_frame())
    assert table.read().schema == SCHEMA
    assert table.version() is None
    assert not table.has("b")
    assert table.last("b") is None


def test_a_batch_lands_once(table: EventTable) -> None:
    """Appending it again says so and writes nothing, not even a version."""
    assert table.append(events("ann"), "b1") is True
    version = table.version()

    assert table.append(events("ann"), "b1") is False
    assert table.version() == version
    assert table.append(events("bob"), "b2") is True
    assert sorted(table.read()["who"]) == ["ann", "bob"]


def test_batches_land_together_but_for_those_that_are_there(table: EventTable) -> None:
    """One commit, whatever their number; their ids are told apart afterwards."""
    table.append(events("ann"), "b1")
    version = table.version()

    landed = table.append_all(
        {("b1", 1): events("ann"), ("b2", 1): events("bob"), ("b3", 4): events("cid", "dan")}
    )

    assert landed == ("b2", "b3")
    assert version is not None
    assert table.version() == version + 1
    assert sorted(table.read()["who"]) == ["ann", "bob", "cid", "dan"]
    assert table.has("b3", 4)
    assert table.append_all({("b2", 1): events("bob"), ("b3", 2): events("cid")}) == ()
    assert table.append_all({}) == ()


def test_numbers_of_a_batch_id_grow(table: EventTable) -> None:
    """Delta remembers the last number only, so a lower one counts as appended."""
    assert table.append(events("one"), "answers", 1)
    assert table.append(events("two", "three"), "answers", 4)
    assert not table.append(events("late"), "answers", 3)
    assert table.last("answers") == 4
    assert table.has("answers", 4)
    assert not table.has("answers", 5)


def test_an_empty_batch_is_remembered(table: EventTable) -> None:
    """A run that asked nobody is not asked again."""
    assert table.append(events(), "b1") is True
    assert table.append(events(), "b1") is False
    assert table.read().height == 0


def test_older_versions_can_be_read(table: EventTable) -> None:
    """A run freezes the version it uses; later events do not change it."""
    table.append(events("ann"), "b1")
    frozen = table.version()
    table.append(events("bob"), "b2")

    assert table.read(frozen)["who"].to_list() == ["ann"]
    with pytest.raises(StoreError, match=r"no version 99 .* between 0 and 2"):
        table.read(99)


def test_threads_that_create_and_append_lose_nothing(table: EventTable) -> None:
    """Of four appends of each batch one lands; the table is created once."""
    batches = [f"b{i % 4}" for i in range(16)]

    with ThreadPoolExecutor(8) as pool:
        landed = list(pool.map(lambda batch: table.append(events(batch), batch), batches))

    assert sum(landed) == 4
    assert sorted(table.read()["who"]) == ["b0", "b1", "b2", "b3"]
    history = [commit["operation"] for commit in DeltaTable(table.uri).history()]
    assert history.count("CREATE TABLE") == 1


class TestCompareAndSwap:
    """Appending only where nothing was added since the table was read."""

    def test_the_version_expected_must_be_the_one_found(self, table: EventTable) -> None:
        """The error names both."""
        table.append(events("ann"), "b1", expect_version=None)

        with pytest.raises(PublicationRefusedError, match="version 1 was found where None was exp"):
            table.append(events("bob"), "b2", expect_version=None)
        with pytest.raises(PublicationRefusedError, match="version 1 was found where 0 was exp"):
            table.append(events("bob"), "b2", expect_version=0)
        assert table.append(events("bob"), "b2", expect_version=1) is True

    def test_a_batch_that_landed_is_no_conflict(self, table: EventTable) -> None:
        """A decision whose writer was killed after the commit is repeated without an error."""
        table.append(events("ann"), "b1", expect_version=None)

        assert table.append(events("ann"), "b1", expect_version=None) is False

    def test_of_many_that_saw_the_same_version_one_lands(self, table: EventTable) -> None:
        """Also when that version is "there is no table"."""

        def decide(batch: str, expected: int | None) -> bool:
            try:
                return table.append(events(batch), batch, expect_version=expected)
            except PublicationRefusedError:
                return False

        with ThreadPoolExecutor(6) as pool:
            first = list(pool.map(decide, "abcdef", [None] * 6))
            second = list(pool.map(decide, "ghijkl", [table.version()] * 6))

        assert (sum(first), sum(second)) == (1, 1)
        assert table.read().height == 2


def test_columns_must_be_the_tables(table: EventTable) -> None:
    """Their order need not be, and whole numbers become floats."""
    with pytest.raises(StoreError, match=r"missing \['minutes'\], not known \['hours'\]"):
        table.append(events("ann").rename({"minutes": "hours"}), "b1")
    assert table.version() is None

    table.append(events("ann").select("at", pl.lit(2).alias("minutes"), "who"), "b1")

    assert table.read()["minutes"].to_list() == [2.0]


def test_columns_that_were_added_later_are_null_in_older_events(table: EventTable) -> None:
    """So that a newer labelpress reads an older store."""
    table.append(events("ann"), "b1")
    wider = EventTable(table.uri, {}, "ledger", pl.Schema({**SCHEMA, "model": pl.String()}))

    assert wider.read().schema == wider.schema
    assert wider.read()["model"].to_list() == [None]


def test_events_cannot_be_changed(table: EventTable) -> None:
    """Delta itself refuses, whoever asks; and nothing is forgotten by itself."""
    table.append(events("ann"), "b1")
    delta = DeltaTable(table.uri)

    with pytest.raises(Exception, match="append"):
        delta.delete("who = 'ann'")
    properties = delta.metadata().configuration
    assert properties["delta.logRetentionDuration"] == "interval 36500 days"
    assert properties["delta.deletedFileRetentionDuration"] == "interval 36500 days"


def test_numbers_outlive_a_checkpoint(table: EventTable) -> None:
    """Delta folds its log now and then; what landed stays known."""
    table.append(events("ann"), "b1")
    DeltaTable(table.uri).create_checkpoint()
    table.append(events("bob"), "b2")

    assert not table.append(events("ann"), "b1")
    assert table.read().height == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error says what to do, not what delta-rs felt."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"/file/ledger: .*Check that the place exists"):
        EventTable(str(tmp_path / "file" / "ledger"), {}, "ledger", SCHEMA).append(events(), "b")
    with pytest.raises(StoreError, match="access to /sys/labelpress is denied"):
        EventTable("/sys/labelpress", {}, "ledger", SCHEMA).append(events(), "b")


FULL_DISK = """
import pickle, resource, sys
import polars as pl
from labelpress.errors import StoreError

table = pickle.loads(bytes.fromhex(sys.argv[1]))
frame = table.schema.to_frame().clear(5000).with_columns(
    who=pl.int_range(5000).shuffle(0).cast(pl.String)
)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    table.append(frame, "big")
except StoreError as error:
    print(error)
"""


def test_a_disk_that_fills_up_leaves_the_table_as_it_was(table: EventTable) -> None:
    """A limit on the size of files stands for the full disk: the writes really fail."""
    table.append(events("ann"), "b1")

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, pickle.dumps(table).hex()],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "is full" in done.stdout
    assert "Free space there and run again" in done.stdout
    assert table.read()["who"].to_list() == ["ann"]
    assert not table.has("big")
