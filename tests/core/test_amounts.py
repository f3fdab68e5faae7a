"""Amounts are to the cent, and what was spent is never shown as nothing."""

from __future__ import annotations

import pytest

from labelpress.amounts import price_text, usd_text


@pytest.mark.parametrize(
    ("usd", "text", "short"),
    [
        (0.0, "0.00 USD", "0.00"),
        (1e-9, "less than 0.01 USD", "<0.01"),
        (0.0049, "less than 0.01 USD", "<0.01"),
        (0.006, "0.01 USD", "0.01"),
        (40.0, "40.00 USD", "40.00"),
        (12345.678, "12,345.68 USD", "12,345.68"),
        (-3.5, "-3.50 USD", "-3.50"),
        (-0.001, "minus less than 0.01 USD", "-<0.01"),
    ],
)
def test_an_amount_is_to_the_cent(usd, text, short):
    """A fraction of a cent is said to be one; only nothing is 0.00."""
    assert usd_text(usd) == text
    assert usd_text(usd, short=True) == short


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "unknown"),
        (0.0, "0.00 USD"),
        (5.104, "5.10 USD"),
        (0.0512, "0.051 USD"),
        (0.00123, "0.0012 USD"),
        (1.1e-8, "less than 0.0001 USD"),
    ],
)
def test_the_price_of_one_piece_may_be_far_below_a_cent(usd, text):
    """Two digits tell it; a power of ten would have to be explained."""
    assert price_text(usd) == text
