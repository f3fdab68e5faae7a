"""Whoever looks every period may stop at the first good interval, and be right all the same."""

from __future__ import annotations

import pytest

from labelpress.asks import ExpertsSettings
from labelpress.stopping import earliest_period, earliest_sentence, level_at


def test_all_looks_together_spend_the_error_once():
    """A thousand looks spend 1000/1001 of five per cent."""
    spent = sum(1 - level_at(look) for look in range(1, 1001))

    assert spent == pytest.approx(0.05 * 1000 / 1001)
    assert level_at(1) == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("budget", "target", "expected"),
    [
        # without an error the lower end is (error / 2) to the power of 1 / audits
        (300, 0.95, (1, 90)),
        (60, 0.95, (9, 162)),
        (0, 0.95, None),
        (60, 1.0, None),
    ],
)
def test_the_earliest_period_is_that_of_labels_without_an_error(budget, target, expected):
    """Later looks need more audits, for the error is shared by all."""
    settings = ExpertsSettings(budget=budget, target_accuracy=target)

    assert earliest_period(settings) == expected
    assert ("cannot" in earliest_sentence(settings)) == (expected is None)
