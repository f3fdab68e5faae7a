"""Candidates: few rows of a partition are worth an expert's minutes."""

from __future__ import annotations

import polars as pl

from labelpress.candidates import CANDIDATES, pick_candidates

ROWS = pl.DataFrame(
    {
        "row_id": [1, 2, 3, 4, 5],
        "row_hash": pl.Series([10, 11, 12, 13, 255], dtype=pl.UInt64),
        "part": "a",
        "partition": "d",
        "cohort": ["old", "old", "old", "new", "new"],
        "random": [0.5, 0.1, 0.3, 0.4, 0.2],
        "margin": [0.2, 0.9, 0.2, 1.0, 0.0],
        "label": ["spam", "ham", "ham", "spam", None],
        "n_votes": [2, 1, 3, 1, 0],
        "heuristic": ["begging", None, "begging", None, None],
        "disputed": [None, 0.6, None, 0.9, None],
        "changed": [False, True, False, False, False],
        "askable": [True, True, True, True, True],
    }
)


def test_each_stratum_keeps_its_best_rows():
    """Audits by the smallest numbers, others by margin, by how surely disputed, or the largest."""
    found = pick_candidates(ROWS, 2)

    assert found.audit["row_id"].to_list() == ["2", "3", "1", "5", "4"]
    assert found.anchor["row_id"].to_list() == ["1", "3"]
    assert found.uncertain["row_id"].to_list() == ["1", "2"]
    assert found.disputed["row_id"].to_list() == ["4", "2"]
    assert found.doubtful["row_id"].to_list() == ["1", "3"]
    assert found.uncovered["row_id"].to_list() == ["5"]
    assert found.changed["row_id"].to_list() == ["2"]
    assert (found.cohort_rows, found.uncovered_rows) == ({"new": 2, "old": 3}, 1)


def test_a_pool_holds_ten_rows_for_each_audit_until_they_are_thousands():
    """There is something to spread a few audits over; thousands are spread by chance alone."""
    rows = pl.concat([ROWS.head(1)] * 20_000).with_columns(row_id=pl.int_range(20_000))

    pools = [pick_candidates(rows, limit).audit.height for limit in (6, 600, 6_000)]

    assert pools == [60, 5_000, 6_000]


def test_ids_and_hashes_travel_as_text():
    """A hash has 16 hexadecimal digits, as asks and answers carry it."""
    uncovered = pick_candidates(ROWS, 2).uncovered

    assert uncovered.schema == CANDIDATES
    assert uncovered["row_hash"].to_list() == ["00000000000000ff"]


def test_rows_that_may_not_be_asked_are_counted_only():
    """An asked row is still a row of its cohort."""
    found = pick_candidates(ROWS.with_columns(askable=pl.lit(value=False)), 2)

    assert [found.audit.height, found.uncertain.height, found.uncovered.height] == [0, 0, 0]
    assert found.cohort_rows == {"new": 2, "old": 3}
