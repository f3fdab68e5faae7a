"""Reading published labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from labelpress.consumers import read_labels
from labelpress.errors import StoreError
from labelpress.store import Store, open_store
from labelpress.tables.publication import Publication

if TYPE_CHECKING:
    from pathlib import Path

LABELS = pl.DataFrame(
    {
        "row_id": [1, 2],
        "label": ["benign", None],
        "probabilities": [[0.9, 0.1], [0.5, 0.5]],
        "confidence": [0.9, 0.5],
        "origin": ["program", "none"],
        "n_votes": [3, 0],
        "cohort": ["2026-01-05", "2026-01-05"],
    }
)


@pytest.fixture(name="uri")
def _uri(tmp_path: Path) -> str:
    """Return a store with two periods: two rows, then one row less."""
    store = open_store(str(tmp_path / "store"), "tumour", ["benign", "malignant"])
    table = store.labels
    table.create("int64")
    first = table.write("a", "r1", LABELS)
    table.publish(Publication("r1", "2026-01-05", 1, None, (first,)))
    second = table.write("a", "r2", LABELS.head(1))
    table.publish(Publication("r2", "2026-01-12", 1, 1, (second,)))
    return store.uri


def test_the_current_labels_are_read(uri: str) -> None:
    """One row per row_id, with what is known of each label."""
    found = read_labels(uri).collect()

    assert found.height == 1
    assert dict(found.schema) == {
        "row_id": pl.Int64(),
        "label": pl.String(),
        "probabilities": pl.List(pl.Float64()),
        "confidence": pl.Float64(),
        "origin": pl.String(),
        "n_votes": pl.Int32(),
        "cohort": pl.String(),
        "part": pl.String(),
    }


def test_earlier_labels_are_read_by_version_or_period(uri: str) -> None:
    """They stay as they were published."""
    for found in (read_labels(uri, version=1), read_labels(uri, period="2026-01-05")):
        rows = found.sort("row_id").select("row_id", "label").collect().rows()
        assert rows == [(1, "benign"), (2, None)]


def test_a_frame_is_pinned_to_its_version(uri: str) -> None:
    """A publication between making and collecting it does not show."""
    lazy = read_labels(uri)
    table = Store(uri).labels
    table.publish(Publication("r3", "2026-01-19", 1, 2, (), gone_parts=("a",)))

    assert lazy.collect().height == 1
    assert read_labels(uri).collect().height == 0


def test_a_period_that_was_rolled_back_is_still_found(uri: str) -> None:
    """Whoever pinned it reads what was published for it."""
    Store(uri).labels.restore(1, "bad labels", "ann")

    assert read_labels(uri).collect().height == 2
    assert read_labels(uri, period="2026-01-12").collect().height == 1


def test_errors_say_what_there_is(uri: str, tmp_path: Path) -> None:
    """No such version, period or store; or nothing published yet."""
    with pytest.raises(StoreError, match=r"0 is not a label version .* are 1, 2"):
        read_labels(uri, version=0)
    with pytest.raises(StoreError, match=r"'2026-01-06' is not a period .* 2026-01-05, 2026-01-12"):
        read_labels(uri, period="2026-01-06")
    with pytest.raises(StoreError, match="give one of them"):
        read_labels(uri, version=1, period="2026-01-05")
    with pytest.raises(StoreError, match="There is no store"):
        read_labels(str(tmp_path / "none"))
    empty = open_store(str(tmp_path / "empty"), "tumour", ["benign"])
    with pytest.raises(StoreError, match="No label version has been published"):
        read_labels(empty.uri)


def test_duckdb_and_polars_read_every_version_without_labelpress(uri: str) -> None:
    """By version from Delta, by period from the commits' metadata; the rows of `read_labels`."""
    place = f"{uri}/labels"
    commits = [one for one in DeltaTable(place).history() if "labelpress.kind" in one]
    assert [one["labelpress.period"] for one in commits] == ["2026-01-12", "2026-01-05"]
    for commit in commits:
        version = int(commit["labelpress.version"])
        wanted = read_labels(uri, period=commit["labelpress.period"]).sort("row_id").collect()
        files = DeltaTable(place, version=version).file_uris()
        by_duckdb = duckdb.read_parquet(files, hive_partitioning=True).order("row_id")
        by_polars = pl.scan_delta(place, version=version).sort("row_id").collect()

        assert by_polars.equals(wanted)
        assert by_polars.equals(read_labels(uri, version).sort("row_id").collect())
        assert by_duckdb.columns == wanted.columns
        assert by_duckdb.fetchall() == wanted.rows()
