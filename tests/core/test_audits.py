"""The labels are certified as a whole and in parts; silence counts once it is due."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelpress.audits import Audits, certify_labels, response_rate
from labelpress.classes import Classes
from labelpress.labels import CohortLabels, LabelCounts

CLASSES = Classes(("ham", "spam"))
HAM, SPAM = CohortLabels(600, 600, 540.0, 486.0), CohortLabels(400, 400, 360.0, 324.0)
COUNTS = LabelCounts(
    1000, 1000, (600, 400), 0, {"w1": HAM + SPAM}, {"ham": {"w1": HAM}, "spam": {"w1": SPAM}}
)


def audits_of(answers, labels, *, slices=None, response=1.0, reserved=True):
    """Return audits of one cohort with the same confidence everywhere."""
    return Audits(
        np.array(answers),
        np.array(labels),
        np.full(len(answers), 0.9),
        np.full(len(answers), "w1"),
        slices or {},
        response,
        reserved,
    )


def test_each_class_has_its_own_interval():
    """Labels of one class may be right where those of the other are not."""
    found = certify_labels(
        audits_of([0] * 60 + [1] * 20 + [0] * 20, [0] * 60 + [1] * 40), COUNTS, CLASSES
    )

    assert found.overall.estimate == pytest.approx(0.8)
    assert (found.labels["ham"].estimate, found.labels["ham"].audits) == (1.0, 60)
    assert (found.labels["spam"].estimate, found.labels["spam"].audits) == (0.5, 40)


def test_a_class_without_an_audit_is_uncertified():
    """However sure the rest is."""
    found = certify_labels(audits_of([0] * 40, [0] * 40), COUNTS, CLASSES)

    assert found.labels["spam"].status == "uncertified"
    assert (found.labels["spam"].low, found.labels["spam"].high) == (0.0, 1.0)


def test_too_little_response_is_too_little_for_every_part():
    """Nobody knows where the silent rows would have belonged."""
    found = certify_labels(audits_of([0] * 60, [0] * 60, response=0.7), COUNTS, CLASSES)

    assert {found.overall.status, found.labels["ham"].status} == {"not certified"}
    assert found.labels["ham"].high == 1.0
    assert found.labels["ham"].low < 0.7


def test_an_audit_of_the_bootstrap_belongs_to_the_first_cohort():
    """It was asked before any row had a cohort."""
    early = Audits(
        np.zeros(40, int),
        np.zeros(40, int),
        np.full(40, 0.9),
        np.full(40, "boot"),
        {},
        1.0,
        reserved=True,
    )

    assert certify_labels(early, COUNTS, CLASSES).overall.audits == 40


def test_nothing_labelled_is_uncertified():
    """There is nothing to be right about."""
    none = LabelCounts(10, 0, (0, 0), 0, {"w1": CohortLabels(10, 0, 0.0, 0.0)})

    assert certify_labels(audits_of([], []), none, CLASSES).overall.status == "uncertified"


ASKS = pl.DataFrame(
    {
        "ask_id": ["boot", "old", "skipped", "open", "given", "later"],
        "row_id": ["r1", "r2", "r3", "r4", "r5", "r6"],
        "period": ["w2", "w1", "w2", "w2", "w2", "w3"],
        "label_version": [None, 1, 2, 2, 2, 3],
    }
)
CAME = pl.DataFrame({"ask_id": ["skipped", "given"], "label": [None, "ham"]})


def test_silence_counts_once_it_is_due():
    """Put before the first printing, put by an earlier period, or skipped: three are due in w2."""
    assert response_rate(ASKS, CAME, 1, "w2", 1.0) == pytest.approx(1 / 4)


def test_silent_rows_are_labelled_as_often_as_the_others():
    """Rows without a label are not audited: of three silent ones about two have one."""
    assert response_rate(ASKS, CAME, 1, "w2", 0.6) == pytest.approx(1 / 3)


def test_where_nothing_is_due_there_is_no_response():
    """Neither good nor bad."""
    assert response_rate(ASKS.head(0), CAME, 0, "w2", 1.0) is None
