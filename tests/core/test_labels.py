"""Labels: from votes and answers to labels, and what they change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from labelpress.classes import Classes
from labelpress.labels import (
    Change,
    CohortLabels,
    add_counts,
    compare,
    count_labels,
    label_rows,
    replace_rows,
)

CLASSES = Classes(("ham", "spam"))


class Certain:
    """A label model that believes the first vote to nine tenths."""

    def predict_proba(self, votes):
        """Return probabilities."""
        spam = np.select([votes[:, 0] == 1, votes[:, 0] == 0], [0.9, 0.1], 0.6)
        return np.stack([1 - spam, spam], axis=1)


def _labelled(answers=None):
    return label_rows(
        pl.Series("row_id", ["a", "b", "c", "d"]),
        np.array([[1, 1], [0, -1], [-1, -1], [-1, -1]], dtype=np.int8),
        Certain(),
        CLASSES,
        answers or {},
        pl.Series("cohort", ["w1", "w1", "w2", "w2"]),
    )


def test_a_row_without_vote_and_answer_has_no_label():
    """Whatever its probabilities are."""
    frame = _labelled()

    assert frame["label"].to_list() == ["spam", "ham", None, None]
    assert frame["origin"].to_list() == ["program", "program", "none", "none"]
    assert frame["n_votes"].to_list() == [2, 1, 0, 0]
    assert frame["confidence"].to_list() == [0.9, 0.9, 0.6, 0.6]


def test_the_first_rows_may_be_unlabelled():
    """Which row stands first in its partition says nothing about the column's type."""
    votes = np.array([[-1, -1], [1, 1]], dtype=np.int8)
    cohorts = pl.Series("cohort", ["w1", "w1"])

    frame = label_rows(pl.Series("row_id", [1, 2]), votes, Certain(), CLASSES, {}, cohorts)
    none = label_rows(pl.Series("row_id", [1]), votes[:1], Certain(), CLASSES, {}, cohorts[:1])

    assert frame["label"].to_list() == [None, "spam"]
    assert none.schema == frame.schema


def test_an_answer_overrides():
    """With certainty, also where no heuristic votes."""
    frame = _labelled({0: 0, 3: 1})

    assert frame["label"].to_list() == ["ham", "ham", None, "spam"]
    assert frame["origin"].to_list() == ["expert", "program", "none", "expert"]
    assert frame["probabilities"].to_list()[0] == [1.0, 0.0]
    assert frame["n_votes"].to_list() == [2, 1, 0, 0]


ANSWERS = st.dictionaries(st.integers(0, 3), st.integers(0, 1))


@given(before=ANSWERS, now=ANSWERS)
def test_labelling_only_the_rows_whose_answers_differ_labels_as_labelling_all(before, now):
    """Answers may have come, changed and gone."""
    places = np.array(sorted({place for place, _ in before.items() ^ now.items()}), dtype=np.intp)
    anew = _labelled(now)[places]

    assert replace_rows(_labelled(before), places, anew).equals(_labelled(now))


def test_labels_are_counted_by_class_and_cohort():
    """Only labelled rows have a confidence that counts."""
    counts = count_labels(_labelled({0: 0, 3: 1}), CLASSES)

    assert (counts.rows, counts.labelled, counts.by_class, counts.by_expert) == (4, 3, (2, 1), 2)
    assert counts.cohorts["w1"].labelled == 2
    assert counts.cohorts["w1"].confidence_sum == 1.9
    assert (counts.cohorts["w2"].rows, counts.cohorts["w2"].confidence_sumsq) == (2, 1.0)


def test_counts_add_up_over_partitions():
    """Also those that were written before a class was registered."""
    counts = count_labels(_labelled(), CLASSES)
    both = add_counts(
        [counts, count_labels(_labelled(), Classes(("ham", "spam", "new")))],
        Classes(("ham", "spam", "new")),
    )

    assert (both.rows, both.labelled, both.by_class) == (8, 4, (2, 2, 0))
    assert both.cohorts["w1"].rows == 4


def test_no_rows_are_labelled_as_no_rows():
    """All rows of a partition may have been replaced by later ones."""
    empty = label_rows(
        pl.Series("row_id", [], dtype=pl.String),
        np.zeros((0, 2), dtype=np.int8),
        Certain(),
        CLASSES,
        {},
        pl.Series("cohort", [], dtype=pl.String),
    )

    assert empty.schema == _labelled().schema
    assert count_labels(empty, CLASSES).by_class == (0, 0)


LABELS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from([None, "ham", "spam"]), st.sampled_from(["program", "expert"])),
)


def _frame(labels):
    rows = [(row_id, label, origin) for row_id, (label, origin) in labels.items()]
    schema = dict.fromkeys(("row_id", "label", "origin"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


@given(LABELS, LABELS)
def test_every_row_is_common_new_or_gone(old, new):
    """Churn is the share of common rows whose label differs, null being a value."""
    change = compare(_frame(old), _frame(new))

    common = set(old) & set(new)
    differ = {row for row in common if old[row][0] != new[row][0]}
    by_expert = {row for row in differ if "expert" in (old[row][1], new[row][1])}
    assert change == Change(
        common=len(common),
        relabelled=len(differ - by_expert),
        answered=len(by_expert),
        new=len(set(new) - set(old)),
        gone=len(set(old) - set(new)),
    )
    assert change.churn == (len(differ) / len(common) if common else None)


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_comparison(old, random):
    """Rows in the order of before are compared as rows in any other."""
    new = {row: (random.choice([None, "ham", "spam"]), "program") for row in old}

    there = _frame(new)
    assert compare(_frame(old), there) == compare(_frame(old), there.reverse())


def test_changes_of_partitions_add_up():
    """Field by field."""
    total = Change(4, 1, 0, 2, 0) + Change(6, 1, 1, 0, 3)

    assert total == Change(10, 2, 1, 2, 3)
    assert total.churn == 0.3


def test_labels_are_counted_by_class_and_by_slice():
    """Cohort by cohort, so that a certificate can weigh them."""
    slices = pl.DataFrame({"new": [True, False, True, False], "lang": ["de", None, "de", "de"]})
    counts = count_labels(_labelled(), CLASSES, slices)
    both = add_counts([counts, counts], CLASSES)

    assert counts.by_label["spam"]["w1"] == CohortLabels(1, 1, 0.9, 0.9**2)
    assert counts.by_slice["new"]["w1"].labelled == 1
    assert counts.by_slice["new"]["w2"] == CohortLabels(1, 0, 0.0, 0.0)
    assert {name: sums["w1"].rows for name, sums in both.by_slice.items() if "w1" in sums} == {
        "lang = de": 2,
        "lang is null": 2,
        "new": 2,
    }


def test_an_attribute_crowded_anywhere_is_no_slice():
    """Half of its rows would be missing from the others' counts."""
    few = count_labels(_labelled(), CLASSES, pl.DataFrame({"lang": ["a", "a", "b", "b"]}))
    counts = add_counts([few, replace(few, by_slice={}, crowded=("lang",))], CLASSES)

    assert (counts.by_slice, counts.crowded) == ({}, ("lang",))
