"""An accuracy is said in words that do not praise what is not known."""

from __future__ import annotations

import pytest

from labelpress.certify import Certificate
from labelpress.summary import accuracy_text


def certificate(low, high, audits, status="certified", *, response=1.0, estimate=0.917):
    """Return a certificate of 91.7 %."""
    return Certificate(estimate, low, high, audits, response, "exact", status, 1.0)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (certificate(0.615, 0.998, 14), "certified: 91.7% (61.5 to 99.8, from 14 audits: wide)"),
        (certificate(0.88, 0.95, 300), "certified: 91.7% (88.0 to 95.0, from 300 audits)"),
        (certificate(0.025, 1, 1), "certified: 91.7% (2.5 to 100.0, from 1 audit: wide)"),
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
