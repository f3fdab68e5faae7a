"""Label files: columns, names, and what must not get into one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelpress.errors import StoreError
from labelpress.tables.files import Files
from labelpress.tables.label_files import label_schema, part_folder, write_label_file

if TYPE_CHECKING:
    from pathlib import Path

    from labelpress.tables.publication import LabelTable


def test_a_file_is_named_for_partition_run_and_content(tmp_path: Path, frame: pl.DataFrame) -> None:
    """A rerun writes the same file; other labels of the same run never overwrite it."""
    files = Files(str(tmp_path))

    first = write_label_file(files, "2026/01.parquet", "r1", frame)
    again = write_label_file(files, "2026/01.parquet", "r1", frame)
    other = write_label_file(files, "2026/01.parquet", "r1", frame.with_columns(label=None))

    assert first == again
    assert first.path.startswith("part=2026%2F01.parquet/r1-")
    assert first.path != other.path
    assert (first.rows, first.size) == (3, files.size(first.path))


def test_whole_numbers_stay_row_ids(labels: LabelTable, frame: pl.DataFrame) -> None:
    """And columns may come in any order."""
    numbered = frame.with_columns(row_id=pl.int_range(3, dtype=pl.Int32)).select(
        reversed(frame.columns)
    )

    file = write_label_file(Files(labels.uri), "a", "r1", numbered)

    found = Files(labels.uri).read_parquet(file.path)
    expected = label_schema("int64")
    expected.pop("part")
    assert found.schema == expected


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"row_id": pl.Series(["x", "x", "y"])}, "0 null and 1 repeated row ids"),
        ({"row_id": pl.Series(["x", None, "y"])}, "1 null and 0 repeated row ids"),
        ({"score": pl.Series([1, 2, 3])}, "have the columns .*'score'"),
    ],
)
def test_bad_labels_are_refused(
    tmp_path: Path, frame: pl.DataFrame, change: dict[str, pl.Series], complaint: str
) -> None:
    """Before anything is written."""
    with pytest.raises(StoreError, match=complaint):
        write_label_file(Files(str(tmp_path)), "a", "r1", frame.with_columns(**change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["", "__HIVE_DEFAULT_PARTITION__", "ü" * 60])
def test_partitions_that_readers_would_misread_are_refused(part: str) -> None:
    """Empty names are null to Delta, and long ones do not fit a file system."""
    with pytest.raises(StoreError, match="partition"):
        part_folder(part)


def test_a_run_must_make_a_file_name(tmp_path: Path, frame: pl.DataFrame) -> None:
    """A slash in it would lead out of the folder."""
    with pytest.raises(StoreError, match=r"run '\.\./r' cannot name a file"):
        write_label_file(Files(str(tmp_path)), "a", "../r", frame)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_a_folder_is_one_step_and_names_its_partition(part: str) -> None:
    """Whatever is in the partition's name."""
    folder = part_folder(part)

    assert "/" not in folder
    assert unquote(folder.removeprefix("part=")) == part
