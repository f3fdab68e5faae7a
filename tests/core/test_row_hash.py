"""Row hashes: the same for the same values, wherever and however they are stored."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelpress.row_hash import hash_rows, random_numbers

ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=8),
        "count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "share": st.none() | st.floats(allow_nan=False, width=32),
        "flag": st.none() | st.booleans(),
        "tags": st.none() | st.lists(st.text(max_size=3), max_size=3),
    }
)
SCHEMA = {
    "text": pl.String,
    "count": pl.Int64,
    "share": pl.Float64,
    "flag": pl.Boolean,
    "tags": pl.List(pl.String),
}
COLUMNS = list(SCHEMA)


def _hash(frame, columns=None):
    return hash_rows(frame, columns or frame.columns).tolist()


def test_hashes_never_change():
    """Written out: every stored answer would be stale if they did."""
    frame = pl.DataFrame({"id": ["a", "b"], "n": [1, None], "d": [date(2026, 3, 2), None]})

    assert _hash(frame) == [11768611834131838566, 14217403267210884059]


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_order_and_partitioning_do_not_matter(rows, data):
    """Each row is hashed by itself."""
    frame = pl.DataFrame(rows, schema=SCHEMA)
    whole = hash_rows(frame, COLUMNS)
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))

    assert hash_rows(frame[order], COLUMNS).tolist() == whole[order].tolist()
    parts = [hash_rows(frame[:cut], COLUMNS), hash_rows(frame[cut:], COLUMNS)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@given(st.lists(ROW, min_size=1, max_size=5))
def test_widening_a_column_does_not_matter(rows):
    """int32 and int64, float32 and float64, where every value is exact."""
    frame = pl.DataFrame(rows, schema=SCHEMA)
    narrow = frame.cast({"count": pl.Int32, "share": pl.Float32, "text": pl.Categorical})

    assert _hash(narrow) == _hash(frame)
    assert _hash(frame.select("count").cast(pl.Float64)) == _hash(frame.select("count"))


@given(st.lists(ROW, min_size=1, max_size=5), st.permutations(COLUMNS))
def test_neither_the_order_of_columns_nor_an_empty_one_matters(rows, order):
    """Files of one source need not be of one shape."""
    frame = pl.DataFrame(rows, schema=SCHEMA)
    wider = frame.with_columns(pl.lit(None, pl.String).alias("new"), pl.lit(None).alias("void"))

    assert _hash(frame, order) == _hash(frame, COLUMNS) == _hash(wider)


@given(ROW, ROW)
def test_different_rows_have_different_hashes(one, other):
    """64 bits: by chance once in many lifetimes."""
    first, second = _hash(pl.DataFrame([one, other], schema=SCHEMA))

    assert (first == second) is (one == other)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pl.Series([2**53], dtype=pl.Int64), pl.Series([2**53 + 1], dtype=pl.Int64)),
        (pl.Series([2**63 - 2], dtype=pl.Int64), pl.Series([2**63 - 1], dtype=pl.Int64)),
        (pl.Series([2**63 + 1], dtype=pl.UInt64), pl.Series([2**64 - 1], dtype=pl.UInt64)),
        (pl.Series([0]), pl.Series([None], dtype=pl.Int64)),
        (pl.Series([""]), pl.Series([None], dtype=pl.String)),
        (pl.Series([datetime(2026, 3, 2)]), pl.Series([datetime(2026, 3, 3)])),
        (pl.Series([b"a"]), pl.Series([b"b"])),
        (pl.Series([{"a": 1}]), pl.Series([{"a": 2}])),
        (pl.Series([True]), pl.Series([False])),
    ],
)
def test_a_change_changes_the_hash(left, right):
    """Also of large integers, nulls, times, bytes and structs."""
    assert _hash(left.to_frame("x")) != _hash(right.to_frame("x"))


def test_the_same_value_in_another_column_is_another_row():
    """Names are part of the hash."""
    assert _hash(pl.DataFrame({"a": [1], "b": [2]})) != _hash(pl.DataFrame({"a": [2], "b": [1]}))


def test_minus_zero_is_zero():
    """They are equal."""
    frame = pl.DataFrame({"x": [0.0, -0.0]})

    assert len(set(_hash(frame))) == 1


def test_no_rows_have_no_hashes():
    """An empty partition is no fault."""
    assert _hash(pl.DataFrame(schema=SCHEMA)) == []


class TestRandomNumbers:
    """Permanent random numbers."""

    def test_they_are_uniform(self):
        """Mean and spread of ten thousand, and none outside [0, 1)."""
        ids = pl.Series([f"r{i}" for i in range(10_000)])
        numbers = random_numbers(ids, np.arange(10_000, dtype=np.uint64), seed=0)

        assert 0 <= numbers.min() < numbers.max() < 1
        assert abs(numbers.mean() - 0.5) < 0.01
        assert abs(numbers.var() - 1 / 12) < 0.003

    def test_seed_id_and_content_decide(self):
        """Any of them changed gives another number; integers count as their text."""
        hashes = np.array([7], dtype=np.uint64)
        one = random_numbers(pl.Series(["12"]), hashes, 0)[0]

        assert random_numbers(pl.Series([12]), hashes, 0)[0] == one
        others = {
            one,
            random_numbers(pl.Series(["12"]), hashes, 1)[0],
            random_numbers(pl.Series(["13"]), hashes, 0)[0],
            random_numbers(pl.Series(["12"]), hashes + np.uint64(1), 0)[0],
        }
        assert len(others) == 4
