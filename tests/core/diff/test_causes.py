"""Causes: every changed label has exactly one, and it is the first that is enough alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelpress.diff.causes import Cause, ChangedRows, Side, charge
from labelpress.label_models import fit_label_model

VOTES = np.array([[0, -1, -1], [1, 1, -1], [0, 1, 1], [-1, -1, 0], [1, -1, 1]] * 4, dtype=np.int8)


def _side(names="abc", prints="123", base_rate=(0.5, 0.5), model="majority"):
    fitted = fit_label_model(
        VOTES[:, : len(names)], 2, base_rate=base_rate, heuristics=list(names), model=model
    )
    return Side(tuple(names), tuple(prints), fitted.to_json())


def _rows(before, after, votes, votes_after, answers=(-1, -1), same=True):
    """Return one row of each side's votes, with the labels that its side gives."""
    cast, cast_after = (np.array([v], dtype=np.int8) for v in (votes, votes_after))
    told, told_after = (np.array([a], dtype=np.int16) for a in answers)
    return ChangedRows(
        cast,
        cast_after,
        told,
        told_after,
        np.array([same]),
        before.labels(cast, told),
        after.labels(cast_after, told_after),
    )


def _cause(before, after, rows):
    assert rows.labels_before[0] != rows.labels_after[0]
    causes, charged = charge(before, after, rows)
    return causes[charged[0]]


@pytest.mark.parametrize(
    ("votes_after", "answers", "same", "cause"),
    [
        ((1, 1, -1), (-1, -1), False, Cause("rows")),
        ((0, -1, 0), (-1, 1), True, Cause("answers")),
        ((0, -1, 0), (1, -1), True, Cause("answers")),
        # On a changed row an answer that no longer matches has gone with the row.
        ((0, -1, 0), (1, -1), False, Cause("rows")),
    ],
)
def test_a_single_change_is_the_cause(votes_after, answers, same, cause):
    """Rows, answers given, answers withdrawn, answers gone stale."""
    side = _side()
    rows = _rows(side, side, (0, -1, 0), votes_after, answers, same)

    assert _cause(side, side, rows) == cause


def test_an_edit_is_charged_to_the_heuristic_by_name():
    """Of two edited heuristics the one whose new vote is enough."""
    before, after = _side(), _side(prints="1xy")
    rows = _rows(before, after, (-1, -1, 0), (-1, -1, 1))

    assert _cause(before, after, rows) == Cause("heuristic", "c")


def test_what_only_two_edits_change_together_is_joint():
    """Neither outvotes the other two alone."""
    before, after = _side(), _side(prints="1xy")
    rows = _rows(before, after, (0, 0, 0), (0, 1, 1))

    assert _cause(before, after, rows) == Cause("joint")


def test_an_added_and_a_removed_heuristic_are_causes():
    """The added one is judged by the new model, the removed one by the old."""
    few, many = _side("ab", "12"), _side("abc", "123")

    assert _cause(few, many, _rows(few, many, (-1, -1), (-1, -1, 1))) == Cause("heuristic", "c")
    assert _cause(many, few, _rows(many, few, (-1, -1, 1), (-1, -1))) == Cause("heuristic", "c")


def test_a_tie_that_another_base_rate_decides_otherwise():
    """Same votes, another base rate."""
    before, after = _side(base_rate=(0.6, 0.4)), _side(base_rate=(0.4, 0.6))
    rows = _rows(before, after, (0, 1, -1), (0, 1, -1))

    assert _cause(before, after, rows) == Cause("base_rate")


def test_a_label_that_recomputing_does_not_give_is_said_to_be_so():
    """Whatever the replays say."""
    side = _side()
    rows = _rows(side, side, (0, -1, 0), (1, 1, -1), same=False)
    wrong = ChangedRows(
        *(getattr(rows, name) for name in ChangedRows.__slots__[:-1]),
        labels_after=np.array([-1], dtype=np.int16),
    )
    causes, charged = charge(side, side, wrong)

    assert causes[charged[0]] == Cause("not_replayable")


sides = st.builds(
    _side,
    prints=st.sampled_from(["123", "1x3", "xyz", "12"]).filter(lambda p: len(p) == 3),
    base_rate=st.sampled_from([(0.5, 0.5), (0.7, 0.3), (0.2, 0.8)]),
    model=st.sampled_from(["majority", "dawid-skene-symbol"]),
)
row_votes = st.lists(st.integers(-1, 1), min_size=3, max_size=3)


@settings(max_examples=40, deadline=None)
@given(before=sides, after=sides, data=st.data())
def test_causes_sum_to_the_churn(before, after, data):
    """Every row has one cause, and a cause that did not take place is none."""
    rows = data.draw(st.lists(st.tuples(row_votes, row_votes, st.booleans()), min_size=1))
    cast = np.array([a for a, _, _ in rows], dtype=np.int8)
    same = np.array([s for _, _, s in rows])
    edited = np.array(
        [a != b for a, b in zip(before.fingerprints, after.fingerprints, strict=True)]
    )
    new = np.array([b for _, b, _ in rows], dtype=np.int8)
    cast_after = np.where(edited[None, :] | ~same[:, None], new, cast)
    told = np.array(data.draw(st.lists(st.integers(-1, 1), min_size=len(rows), max_size=len(rows))))
    told = told.astype(np.int16)
    none = np.full(len(rows), -1, dtype=np.int16)
    labels, labels_after = before.labels(cast, none), after.labels(cast_after, told)
    differ = labels != labels_after
    changed = ChangedRows(
        *(array[differ] for array in (cast, cast_after, none, told, same, labels, labels_after))
    )
    causes, charged = charge(before, after, changed)

    assert np.bincount(charged, minlength=len(causes)).sum() == differ.sum()
    found = [causes[place] for place in charged]
    assert Cause("not_replayable") not in found
    allowed = {name for name, moved in zip("abc", edited, strict=True) if moved}
    assert {cause.heuristic for cause in found if cause.kind == "heuristic"} <= allowed
    for cause, unchanged, answer in zip(found, changed.same, changed.answers_after, strict=True):
        assert cause.kind != "rows" or not unchanged
        assert cause.kind != "answers" or answer >= 0
