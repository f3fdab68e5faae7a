"""Analysis: the statistics of heuristics, equal to Snorkel's."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelpress.analysis import analyze, heuristic_table, summarize, wilson
from labelpress.classes import Classes
from labelpress.errors import HeuristicError
from labelpress.heuristics import heuristic, keywords
from labelpress.vote_counts import count_votes
from labelpress.votes import Patterns, count_patterns, merge_patterns

CLASSES = Classes(("ham", "spam"))
VOTES = np.array([[0, -1, 1], [0, 0, -1], [-1, -1, -1], [-1, 1, 1], [-1, -1, 1]], dtype=np.int8)


def test_shares_are_of_all_rows():
    """Coverage, overlap and conflict on five rows, as Snorkel 0.10's LFAnalysis gives them."""
    found = {
        s.name: (s.polarity, s.votes, s.coverage, s.overlap, s.conflict)
        for s in heuristic_table(count_patterns(VOTES), ["a", "b", "c"])
    }

    assert found == {
        "a": ((0,), 2, 0.4, 0.4, 0.2),
        "b": ((0, 1), 2, 0.4, 0.4, 0.0),
        "c": ((1,), 3, 0.6, 0.4, 0.2),
    }
    whole = summarize(count_votes(count_patterns(VOTES), 2), ["a", "b", "c"], CLASSES)
    assert (whole.rows, whole.coverage, whole.overlap, whole.conflict) == (5, 0.8, 0.6, 0.2)


def test_no_rows_and_no_heuristics_give_zeros():
    """Nothing to count is no division by zero."""
    empty = Patterns(np.empty((0, 2), np.int8), np.empty(0, np.int64))
    assert [s.coverage for s in heuristic_table(empty, ["a", "b"])] == [0.0, 0.0]
    nothing = count_votes(count_patterns(np.empty((3, 0), np.int8)), 2)
    assert summarize(nothing, [], CLASSES).coverage == 0.0


@given(arrays(np.int8, (12, 4), elements=st.integers(-1, 2)), st.integers(0, 12))
def test_the_table_is_that_of_the_definitions(votes, cut):
    """Whatever the partitioning, the table follows Snorkel's definitions row by row."""
    patterns = merge_patterns([count_patterns(votes[:cut]), count_patterns(votes[cut:])])

    for place, stats in enumerate(heuristic_table(patterns, list("abcd"))):
        mine = votes[:, place]
        others = np.delete(votes, place, axis=1)
        voted = mine != -1
        assert stats.coverage == pytest.approx(voted.mean(), abs=1e-12)
        overlap = voted & (others != -1).any(axis=1)
        assert stats.overlap == pytest.approx(overlap.mean(), abs=1e-12)
        conflict = voted & ((others != -1) & (others != mine[:, None])).any(axis=1)
        assert stats.conflict == pytest.approx(conflict.mean(), abs=1e-12)
        assert stats.polarity == tuple(sorted(set(mine.tolist()) - {-1}))


FRAME = pl.DataFrame(
    {
        "text": ["subscribe", "hi", "subscribe!", None, "ok", "Subscribe"],
        "n": [1, 2, 3, 4, 5, 6],
        "truth": ["spam", "ham", "ham", None, "ham", "spam"],
    }
)
RULES = {
    "begging": keywords(["subscribe"], label="spam", column="text"),
    "late": heuristic(pl.col("n") > 3, label="ham"),
    "never": heuristic(pl.col("n") > 9, label="ham"),
}


def test_analyze_adds_accuracy_cost_and_examples():
    """With gold each heuristic has its accuracy and Wilson's interval on the rows it votes on."""
    found = analyze(FRAME, RULES, gold="truth")
    begging, late, never = found.heuristics

    assert found.classes.names == ("ham", "spam")
    assert (begging.correct, begging.incorrect, begging.accuracy) == (2, 1, 2 / 3)
    assert begging.accuracy_low == pytest.approx(0.20765960080204765, abs=1e-12)
    assert begging.accuracy_high == pytest.approx(0.9385080552796037, abs=1e-12)
    assert (late.correct, late.incorrect) == (1, 1)
    assert (never.correct, never.accuracy, never.examples) == (None, None, ())
    assert begging.examples == (0, 2, 5)
    assert begging.seconds_per_million_rows is not None
    assert found.table()["polarity"].to_list() == [["spam"], ["ham"], []]


def test_gold_may_be_codes_or_names_or_nothing():
    """Gold comes as a column, as names or as codes; without it there is no accuracy."""
    codes = [1, 0, 0, -1, 0, 1]
    by_code = analyze(FRAME, RULES, gold=codes, classes=["ham", "spam"])
    by_name = analyze(FRAME, RULES, gold=FRAME["truth"])

    assert [s.accuracy for s in by_code.heuristics] == [s.accuracy for s in by_name.heuristics]
    assert {s.accuracy for s in analyze(FRAME, RULES).heuristics} == {None}
    with pytest.raises(HeuristicError, match="gold has 1 values for 6 rows"):
        analyze(FRAME, RULES, gold=["ham"])


def test_heuristics_cannot_see_the_gold():
    """A gold column of the frame is removed before votes are cast."""
    with pytest.raises(HeuristicError, match="cheat reads column 'truth', which is not there"):
        analyze(FRAME, {"cheat": heuristic(pl.col("truth") == "ham", label="ham")}, gold="truth")


def test_wilson_at_its_ends():
    """Without trials anything is possible; without errors the interval reaches 1."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == 1.0
    assert wilson(0, 10)[0] == 0.0
