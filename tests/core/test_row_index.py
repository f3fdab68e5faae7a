"""The row index: ids are found among others without turning them all to text or reading all."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelpress.row_index import among, may_meet
from labelpress.tables.files import Files

IDS = st.lists(st.integers(-3, 12)) | st.lists(st.text("0a-", max_size=2))
TEXTS = st.lists(st.sampled_from(["7", "07", "-3", "-0", "+1", "1.0", "", "a", "0", " 5"]))


@given(ids=IDS, texts=TEXTS)
def test_an_id_is_among_texts_where_it_is_written_so(ids, texts):
    """An integer has one spelling: 07 is not the id 7."""
    column = pl.Series(ids, dtype=pl.Int64 if ids and isinstance(ids[0], int) else pl.String)
    wanted = pl.Series(texts, dtype=pl.String)

    assert among(column, wanted).to_list() == [str(one) in texts for one in ids]


@given(one=st.lists(st.integers(), min_size=1), other=st.lists(st.integers(), min_size=1))
def test_partitions_that_share_an_id_may_meet(one, other):
    """And those that lie apart do not."""
    bounds = (min(one), max(one)), (min(other), max(other))

    assert may_meet(*bounds) == may_meet(*reversed(bounds))
    assert may_meet(*bounds) or not set(one) & set(other)
    apart = max(one) < min(other) or max(other) < min(one)
    assert may_meet(*bounds) != apart


@pytest.mark.parametrize("other", [None, ("1", "2")])
def test_unknown_bounds_and_bounds_of_another_type_exclude_nothing(other):
    """What cannot be compared has to be read."""
    assert may_meet((8, 9), other)
    assert may_meet(other, (8, 9))


@pytest.mark.parametrize("ids", [[3, 1, None, 2], ["b", "äß" * 200, "a", None], [-1]])
def test_the_bounds_of_a_stored_column_hold_all_its_values(tmp_path, ids):
    """Nulls aside, and however long its texts are."""
    files = Files(str(tmp_path))
    files.write_parquet("ids.parquet", pl.DataFrame({"other": len(ids) * [0], "row_id": ids}))

    low, high = files.parquet_bounds("ids.parquet", "row_id")

    known = [one for one in ids if one is not None]
    assert low <= min(known)
    assert max(known) <= high


def test_a_column_of_nulls_has_no_bounds(tmp_path):
    """Nothing is told of it."""
    files = Files(str(tmp_path))
    files.write_parquet("ids.parquet", pl.DataFrame({"row_id": pl.Series([None], dtype=pl.Int64)}))

    assert files.parquet_bounds("ids.parquet", "row_id") is None
