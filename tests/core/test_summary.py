"""An accuracy is said in words that do not praise what is not known."""

from __future__ import annotations

import pytest

from labelpress.calibration import Bin, Calibration
from labelpress.certify import Certificate
from labelpress.summary import accuracy_text, calibration_text, crowded_text


def certificate(low, high, audits, status="certified", *, response=1.0, estimate=0.917):
    """Return a certificate of 91.7 %."""
    return Certificate(estimate, low, high, audits, response, "exact", status, 1.0)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (certificate(0.615, 0.998, 14), "certified: 91.7% (61.5 to 99.8, from 14 audits: wide)"),
        (certificate(0.88, 0.95, 300), "certified: 91.7% (88.0 to 95.0, from 300 audits)"),
        (certificate(0.025, 1, 1), "too few audits: 91.7% (2.5 to 100.0, from 1 audit: wide)"),
        (certificate(0.7, 1, 9), "too few audits: 91.7% (70.0 to 100.0, from 9 audits: wide)"),
        (certificate(0.7, 1, 10), "certified: 91.7% (70.0 to 100.0, from 10 audits: wide)"),
        (
            certificate(0.88, 0.95, 300, "approximate"),
            "approximate: 91.7% (88.0 to 95.0, cross-fitted on 300 audits that also taught)",
        ),
        (
            certificate(0.55, 0.97, 60, "not certified", response=0.6),
            (
                "not certified: 91.7% "
                "(55.0 to 97.0, the worst and the best case: only 60% answered: wide)"
            ),
        ),
        (
            certificate(0, 1, 0, "uncertified", response=None, estimate=None),
            "uncertified: no audit was answered",
        ),
    ],
)
def test_the_standing_comes_first_and_wide_is_called_wide(given, text):
    """`certified` beside a wide interval would read like praise."""
    assert accuracy_text(given) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            Calibration((Bin(0.9, 1, 40, 0.95, 0.9),), 0.05, 0.028, reserved=True),
            "5.0 points on 40 audits (2.8 would be chance)",
        ),
        (
            Calibration((Bin(0.9, 1, 40, 0.95, 0.9),), 0.05, 0.028, reserved=False),
            "5.0 points on 40 cross-fitted answers (2.8 would be chance)",
        ),
        (Calibration((), None, None, reserved=True), "unknown: no audit was answered"),
        (None, "unknown: no audit was answered"),
    ],
)
def test_calibration_is_said_beside_chance(given, text):
    """On few audits perfect probabilities look off, too."""
    assert calibration_text(given) == text


def test_a_crowded_attribute_is_named_with_what_to_do():
    """It would be silently left out otherwise."""
    assert crowded_text("customer").startswith("customer has more than 50 values")
