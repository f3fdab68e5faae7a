"""Votes files: patterns are counted once, and an edit counts again only what it moved."""

from __future__ import annotations

import tempfile

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelpress.classes import Classes
from labelpress.tables.files import Files
from labelpress.vote_files import (
    partition_patterns,
    read_votes,
    write_cells,
    write_patterns,
)
from labelpress.votes import Patterns, Votes, count_patterns

CLASSES = Classes(("a", "b", "c"))
BEFORE = ("f0", "f1", "f2")
AFTER = ("f0", "f1-edited", "f2")


def _store(files, fingerprints, matrix):
    """Store one file of cells; return them by fingerprint."""
    heuristics = len(fingerprints)
    votes = Votes(matrix, fingerprints, (0,) * heuristics, (0.0,) * heuristics)
    cells, _ = write_cells(files, "part", votes, fingerprints)
    return {cell.fingerprint: cell for cell in cells}


def _edited(files, matrix, column):
    """Count patterns, edit the middle heuristic; return the cells of before and after."""
    cells = _store(files, BEFORE, matrix)
    partition_patterns(files, "part", cells, BEFORE, len(matrix), CLASSES)
    return cells | _store(files, AFTER[1:2], column)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_counts_brought_up_to_date_equal_counts_from_scratch(data):
    """However many rows an edit moves, the patterns have the same bits as a full count."""
    rows = data.draw(st.integers(1, 40))
    matrix = data.draw(arrays(np.int8, (rows, 3), elements=st.integers(-1, 2)))
    column = matrix[:, 1:2].copy()
    moved = data.draw(st.lists(st.integers(0, rows - 1), max_size=rows // 3))
    column[moved] = data.draw(st.integers(-1, 2))
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        cells = _edited(files, np.asfortranarray(matrix), column)
        found = partition_patterns(files, "part", cells, AFTER, rows, CLASSES, BEFORE)
        again = partition_patterns(files, "part", cells, AFTER, rows, CLASSES)
    matrix[:, 1] = column[:, 0]
    expected = count_patterns(matrix)
    assert found.votes.dtype == expected.votes.dtype
    for patterns in (found, again):
        assert patterns.votes.tolist() == expected.votes.tolist()
        assert patterns.counts.tolist() == expected.counts.tolist()


def test_an_edit_that_moves_few_rows_starts_from_the_earlier_count(tmp_path):
    """Rows that no edit moved are not counted again: an earlier count of 100 rows stays 100."""
    files = Files(str(tmp_path))
    matrix = np.zeros((8, 3), dtype=np.int8, order="F")
    column = matrix[:, 1:2].copy()
    column[3] = 2
    cells = _edited(files, matrix, column)
    (stored,) = [name for name in files.names("votes/part") if name.startswith("patterns-")]
    write_patterns(files, f"votes/part/{stored}", Patterns(matrix[:1], np.array([100])))

    found = partition_patterns(files, "part", cells, AFTER, 8, CLASSES, BEFORE)
    assert found.votes.tolist() == [[0, 0, 0], [0, 2, 0]]
    assert found.counts.tolist() == [99, 1]


def test_an_edit_that_moves_many_rows_is_counted_in_full(tmp_path):
    """Above a quarter of the rows the earlier count is not looked at."""
    files = Files(str(tmp_path))
    matrix = np.zeros((8, 3), dtype=np.int8, order="F")
    column = matrix[:, 1:2].copy()
    column[:3] = 2
    cells = _edited(files, matrix, column)
    (stored,) = [name for name in files.names("votes/part") if name.startswith("patterns-")]
    write_patterns(files, f"votes/part/{stored}", Patterns(matrix[:1], np.array([100])))

    found = partition_patterns(files, "part", cells, AFTER, 8, CLASSES, BEFORE)
    assert found.counts.tolist() == [5, 3]


def test_some_rows_of_the_matrix_can_be_read_and_unknown_fingerprints_abstain(tmp_path):
    """Rows come in the order asked for; a heuristic without a cell abstains."""
    files = Files(str(tmp_path))
    cells = _store(files, BEFORE[:2], np.array([[0, 1], [1, 2], [2, 0]], dtype=np.int8, order="F"))
    found = read_votes(files, cells, ("f1", "gone", "f0"), 3, CLASSES, np.array([2, 0]))
    assert found.tolist() == [[0, -1, 2], [1, -1, 0]]
