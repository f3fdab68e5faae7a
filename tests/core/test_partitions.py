"""Partitions: how files are cut, and when a file is known to be unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelpress.partitions import file_of, may_be_trusted, split
from labelpress.sources.listing import SourceFile
from labelpress.sources.reading import FileFacts, Footer

FILE = SourceFile("day.parquet", "/data/day.parquet", 100, "stamp", 1000.0)


def _split(row_groups, partition_rows, digest="d", indexed_by=("id", None, "error")):
    facts = FileFacts(Footer((("id", "string"),), tuple(row_groups)), digest)
    return split(FILE, facts, partition_rows=partition_rows, indexed_by=indexed_by)


def test_a_file_is_one_partition_under_its_own_name():
    """Most files are small."""
    [partition] = _split([3, 4], 10)

    assert (partition.part, partition.row_groups, partition.rows) == ("day.parquet", (0, 1), 7)


def test_a_large_file_is_cut_at_row_group_borders():
    """Into pieces of at most the wanted size where the groups allow it."""
    pieces = _split([4, 4, 4, 20, 1], 10)

    assert [(p.part, p.row_groups, p.rows) for p in pieces] == [
        ("day.parquet#0-1", (0, 1), 8),
        ("day.parquet#2-2", (2, 2), 4),
        ("day.parquet#3-3", (3, 3), 20),
        ("day.parquet#4-4", (4, 4), 1),
    ]


def test_a_file_without_rows_has_no_partition():
    """With or without row groups."""
    assert _split([], 10) == ()
    assert _split([0, 0], 10) == ()


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(1, 60))
def test_every_row_group_is_in_exactly_one_partition(row_groups, partition_rows):
    """And the rows add up."""
    pieces = _split(row_groups, partition_rows)

    assert sum(p.rows for p in pieces) == sum(row_groups)
    groups = [g for p in pieces for g in range(p.row_groups[0], p.row_groups[1] + 1)]
    assert groups == (list(range(len(row_groups))) if sum(row_groups) else [])
    assert len({p.digest for p in pieces}) == len(pieces)
    assert {file_of(p.part) for p in pieces} <= {"day.parquet"}


def test_the_digest_says_content_and_settings():
    """Other content, or another id column: another digest."""
    [one], [same] = _split([3], 10), _split([3], 10)
    [content], [setting] = _split([3], 10, "e"), _split([3], 10, indexed_by=("key", None, "error"))

    assert one.digest == same.digest
    assert len({one.digest, content.digest, setting.digest}) == 3


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("a/b.parquet", "a/b.parquet"),
        ("a/b.parquet#0-12", "a/b.parquet"),
        ("issue#12.parquet", "issue#12.parquet"),
        ("issue#1-2.parquet#3-4", "issue#1-2.parquet"),
    ],
)
def test_a_part_names_its_file(part, path):
    """Also where the file's own name has a number sign."""
    assert file_of(part) == path


@pytest.mark.parametrize("changed", [{"path": "b"}, {"size": 101}, {"stamp": "other"}])
def test_a_file_that_looks_otherwise_is_not_trusted(changed):
    """Path, size and stamp must all agree."""
    assert may_be_trusted(FILE, FILE, looked_at=1010.0)
    assert not may_be_trusted(replace(FILE, **changed), FILE, looked_at=1010.0)


@pytest.mark.parametrize(("seconds", "trusted"), [(0.0, False), (2.0, False), (2.1, True)])
def test_a_file_changed_just_before_the_look_is_not_trusted(seconds, trusted):
    """A second change could carry the same stamp."""
    assert may_be_trusted(FILE, FILE, looked_at=FILE.modified + seconds) is trusted
