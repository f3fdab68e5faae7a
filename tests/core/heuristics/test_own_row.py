"""A heuristic sees one row: what looks at others is found on a sample."""

from __future__ import annotations

import polars as pl
import pytest

from labelpress.errors import HeuristicError
from labelpress.heuristics import check_separable

SAMPLE = pl.DataFrame(
    {
        "id": [f"r{i}" for i in range(40)],
        "n": [i % 7 for i in range(40)],
        "text": ["abc"[i % 3] * (i % 5) for i in range(40)],
    }
)


def test_heuristics_of_one_row_pass(load, classes):
    """What depends on its row alone passes, faults and all."""
    h = load(
        """
        a = heuristic(pl.col("n") > 3, label="ham")
        b = keywords(["aa"], label="spam", column="text")
        @heuristic(label="ham")
        def c(row):
            return 1 / row.n > 0.3
        @heuristic(label="ham", batch=True, reads=["n"])
        def d(frame):
            return frame["n"] == 2
        """
    )

    check_separable(SAMPLE, list(h.values()), classes, seed=0, row_id="id")
    check_separable(SAMPLE.clear(), list(h.values()), classes, seed=0)


@pytest.mark.parametrize(
    "source",
    [
        'a = heuristic(pl.col("n").replace(0, None).forward_fill() > 3, label="ham")',
        'a = heuristic(pl.col("n").reverse() > 3, label="ham")',
        (
            "@heuristic(label='ham', batch=True, reads=['n'])\ndef a(f):\n"
            "    return f['n'] > f['n'].mean()"
        ),
        (
            "SEEN = set()\n@heuristic(label='ham', reads=['n'])\ndef a(row):\n"
            "    SEEN.add(row.n)\n    return len(SEEN) > 3"
        ),
        (
            "import itertools\nCOUNT = itertools.count()\n@heuristic(label='ham', reads=['n'])\n"
            "def a(row):\n    return next(COUNT) % 100 < 10"
        ),
    ],
)
def test_what_sees_other_rows_or_the_past_is_named_with_a_row(load, classes, source):
    """The error names the heuristic and a row by its id."""
    h = load('fine = heuristic(pl.col("n") > 3, label="ham")\n' + source)

    with pytest.raises(HeuristicError, match=r"a does not see one row alone: row 'r\d+' of the"):
        check_separable(SAMPLE, list(h.values()), classes, seed=0, row_id="id")


def test_the_same_seed_reports_the_same_row(load, classes):
    """The trial is reproducible."""
    h = list(load('a = heuristic(pl.col("n").reverse() > 3, label="ham")').values())
    messages = set()
    for _ in range(2):
        with pytest.raises(HeuristicError) as caught:
            check_separable(SAMPLE, h, classes, seed=3)
        messages.add(str(caught.value))

    assert len(messages) == 1
