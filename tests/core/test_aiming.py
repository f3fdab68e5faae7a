"""Aiming: rows chosen for what they are get their share of the asks where that finds more."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelpress.aiming import AIMED, Found, aim, find_mistakes
from labelpress.label_models import fit_label_model

STRATA = ("anchor", "uncovered", "uncertain")
COUNTS = st.tuples(st.integers(0, 300), st.floats(0, 1)).map(
    lambda drawn: Found(drawn[0], round(drawn[0] * drawn[1]))
)
KNOWN = st.dictionaries(st.sampled_from(["audit", *STRATA]), COUNTS)


def test_nothing_is_aimed_before_the_first_answer():
    """Every label may be wrong then."""
    assert set(aim({}).values()) == {0.0}


def test_nothing_is_aimed_where_every_other_label_is_wrong():
    """A row drawn at random teaches as much as any."""
    found = {"audit": Found(100, 50), "uncertain": Found(20, 19)}

    assert set(aim(found).values()) == {0.0}


def test_a_rare_class_is_looked_for_where_its_mistakes_are_found():
    """
    One audit in twenty finds a mistake, every third unsure row does, and uncovered ones seldom.

    Nearly half of the asks are aimed then, the most of them at unsure rows.
    """
    found = {
        "audit": Found(98, 4),
        "anchor": Found(18, 1),
        "uncovered": Found(98, 2),
        "uncertain": Found(28, 9),
    }

    shares = aim(found)

    assert sum(shares.values()) == pytest.approx(AIMED * 0.9)
    assert shares["uncertain"] > 0.35
    assert shares["uncovered"] == 0


def test_an_untried_stratum_is_tried():
    """What nobody has asked yet counts as every other one wrong."""
    shares = aim({"audit": Found(98, 4), "uncertain": Found(98, 49)})

    assert shares["anchor"] == pytest.approx(shares["uncertain"])


@given(KNOWN)
def test_shares_never_leave_less_than_half_to_audits(found):
    """Whatever was found."""
    shares = aim(found)

    assert tuple(shares) == STRATA
    assert all(share >= 0 for share in shares.values())
    assert sum(shares.values()) <= AIMED + 1e-12


@given(KNOWN, st.sampled_from(STRATA))
def test_a_stratum_that_finds_one_more_mistake_is_not_asked_less(found, stratum):
    """Beside the others as they were."""
    before = found.get(stratum, Found(1, 0))
    if before.mistakes == before.answers:
        return
    more = found | {stratum: Found(before.answers, before.mistakes + 1)}

    assert aim(more)[stratum] >= aim(found | {stratum: before})[stratum] - 1e-12


def test_mistakes_are_counted_by_stratum_and_reserved_audits_tell_nothing():
    """An audit of a row without votes tells of uncovered rows too."""
    votes = np.array([[1], [1], [0], [-1], [-1], [0], [-1]], dtype=np.int8)
    model = fit_label_model(np.repeat(votes, 30, axis=0), 2)
    wrong = np.array([False, True, False, False, True, True, True])
    answers = pl.DataFrame(
        {
            "code": model.predict_proba(votes).argmax(axis=1) ^ wrong,
            "stratum": ["audit", "audit", "uncertain", "audit", "uncovered", "anchor", "audit"],
            "reserved": [False] * 6 + [True],
        }
    )

    assert find_mistakes(answers, votes, model) == {
        "audit": Found(3, 1),
        "uncertain": Found(1, 0),
        "uncovered": Found(2, 1),
        "anchor": Found(1, 1),
    }
    assert find_mistakes(answers.clear(), votes[:0], model) == {}
