"""Vote patterns: counted by partition, added in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelpress.votes import (
    Patterns,
    count_patterns,
    draw_patterns,
    find_patterns,
    merge_patterns,
    renew_patterns,
)

MATRICES = st.integers(0, 4).flatmap(
    lambda m: arrays(
        np.int8, st.tuples(st.integers(0, 12), st.just(m)), elements=st.integers(-1, 2)
    )
)


def _plain(patterns):
    return patterns.votes.tolist(), patterns.counts.tolist()


def test_patterns_are_distinct_rows_with_counts():
    """In lexicographic order."""
    matrix = np.array([[1, -1], [0, 0], [1, -1], [-1, -1]], dtype=np.int8)

    patterns = count_patterns(matrix)

    assert _plain(patterns) == ([[-1, -1], [0, 0], [1, -1]], [1, 1, 2])
    assert patterns.rows == 4
    assert patterns.votes.dtype == np.int8


@given(MATRICES, st.data())
def test_splitting_and_order_do_not_matter(matrix, data):
    """Counting parts and adding them is counting the whole."""
    order = data.draw(st.permutations(range(len(matrix))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(matrix)), max_size=3)))
    parts = [count_patterns(part) for part in np.split(matrix[list(order)], cuts)]

    assert _plain(merge_patterns(parts)) == _plain(count_patterns(matrix))
    assert _plain(merge_patterns(parts[::-1])) == _plain(count_patterns(matrix))


@pytest.mark.parametrize(("rows", "counts"), [(0, []), (3, [3])])
def test_without_heuristics_all_rows_are_alike(rows, counts):
    """No votes at all are one pattern."""
    assert count_patterns(np.zeros((rows, 0), dtype=np.int8)).counts.tolist() == counts


@given(MATRICES, st.data())
def test_bringing_counts_up_to_date_equals_counting_anew(matrix, data):
    """Whatever came and went: a later run counts only new and gone partitions."""
    first = data.draw(st.integers(0, len(matrix)))
    second = data.draw(st.integers(first, len(matrix)))
    kept, gone, new = map(count_patterns, np.split(matrix, [first, second]))

    renewed = renew_patterns(merge_patterns([kept, gone]), [new], [gone])

    assert _plain(renewed) == _plain(merge_patterns([kept, new]))


def test_a_sample_holds_each_pattern_as_often_as_it_should():
    """A tenth of 1,000 equal rows is 100 of them; of rows that occur once, about a tenth."""
    votes = np.arange(1001, dtype=np.int16).reshape(-1, 1)
    patterns = Patterns(votes, np.array([1000] + [1] * 1000))

    drawn = draw_patterns(patterns, 0.1, np.random.default_rng(0))

    assert drawn.votes[0, 0] == 0
    assert drawn.counts[0] in {100, 101}
    assert 70 < len(drawn.counts) - 1 < 130


def test_a_smaller_sample_is_part_of_a_larger():
    """The lots are permanent: the same seed draws the same rows first."""
    patterns = Patterns(np.arange(500, dtype=np.int16).reshape(-1, 1), np.full(500, 3))
    small, large = (draw_patterns(patterns, s, np.random.default_rng(1)) for s in (0.1, 0.2))

    assert set(small.votes[:, 0]) < set(large.votes[:, 0])


def test_found_patterns_lead_back_to_rows():
    """The first row of each pattern and how many have it, by first row; any width."""
    rows = [[1, -1], [0, 2], [1, -1], [-1, -1], [0, 2], [1, -1]]
    for times in (1, 40):  # 80 columns do not fit one word
        first, counts = find_patterns(np.asfortranarray(np.tile(rows, times).astype(np.int8)))

        assert first.tolist() == [0, 1, 3]
        assert counts.tolist() == [3, 2, 1]
    assert [a.tolist() for a in find_patterns(np.zeros((0, 2), dtype=np.int8))] == [[], []]
