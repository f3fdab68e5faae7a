"""Promotion: who serves, by paired rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from labelpress.errors import LabelpressError
from labelpress.promotion import FEWEST, compare, paired_interval


def right(count: int, rows: int) -> np.ndarray:
    """Return `rows` rows of which the first `count` are right."""
    return np.arange(rows) < count


def test_the_first_model_must_beat_the_class_prior():
    """75 % where the commonest class is 70 % of the rows."""
    assert compare(None, right(75, 100), margin=0.01, prior=0.7).decision == "promote"
    assert compare(None, right(70, 100), margin=0.01, prior=0.7).decision == "keep"


def test_an_equal_challenger_is_promoted():
    """Not worse is enough: it has learnt from the newest labels."""
    verdict = compare(right(90, 100), right(90, 100), margin=0.01, best_so_far=0.9)

    assert (verdict.decision, verdict.difference) == ("promote", 0.0)
    assert verdict.low is not None
    assert verdict.low < 0 < verdict.high


def test_a_clearly_worse_challenger_is_kept_back():
    """90 against 60 of 100: the whole interval lies below the margin."""
    verdict = compare(right(90, 100), right(60, 100), margin=0.01)

    assert verdict.decision == "keep"
    assert verdict.difference == pytest.approx(-0.3)
    assert "beyond the margin of 1.0%" in verdict.reason


def test_small_losses_do_not_add_up():
    """Within the noise of the champion, but 3 points below the best that ever served."""
    verdict = compare(right(181, 200), right(180, 200), margin=0.02, best_so_far=0.93)

    assert verdict.decision == "keep"
    assert "below the best so far, 93.0%" in verdict.reason


def test_a_loss_of_exactly_the_margin_passes():
    """0.91 against a best of 0.93 with a margin of 0.02, in spite of rounding."""
    verdict = compare(right(91, 100), right(91, 100), margin=0.02, best_so_far=0.93)

    assert verdict.decision == "promote"


def test_few_rows_decide_nothing():
    """One row below the fewest is unknown, the fewest are enough."""
    few = compare(right(40, FEWEST - 1), right(10, FEWEST - 1), margin=0.01)

    assert few.decision == "unknown"
    assert compare(right(40, FEWEST), right(10, FEWEST), margin=0.01).decision == "keep"


def test_a_champion_that_cannot_be_judged_is_unknown():
    """An empty array says that the champion has no verdict on these rows."""
    nobody = np.zeros(0, dtype=bool)

    assert compare(nobody, right(90, 100), margin=0.01).decision == "unknown"
    assert compare(right(90, 100), nobody, margin=0.01).decision == "unknown"


def test_different_rows_are_refused():
    """A paired comparison of 100 and 90 rows is a mistake of the caller."""
    with pytest.raises(LabelpressError, match="100 rows and the challenger on 90"):
        compare(right(90, 100), right(80, 90), margin=0.01)


def test_the_interval_is_that_of_matched_pairs():
    """Agresti and Min: 8 gained, 2 lost of 100; (8.5 - 2.5) / 102 = 0.0588 in the middle."""
    before = np.array([True] * 2 + [False] * 8 + [True] * 90)
    after = np.array([False] * 2 + [True] * 8 + [True] * 90)

    difference, low, high = paired_interval(before, after)

    assert difference == pytest.approx(0.06)
    assert (low + high) / 2 == pytest.approx(6 / 102)
    assert (low, high) == pytest.approx((-0.0039, 0.1215), abs=1e-4)


def test_a_verdict_survives_pickling():
    """It travels between worker and flow."""
    verdict = compare(None, right(75, 100), margin=0.01, prior=0.7)

    assert pickle.loads(pickle.dumps(verdict)) == verdict  # noqa: S301
