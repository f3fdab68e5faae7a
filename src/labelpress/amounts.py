"""Amounts of money as people read them: never a zero for what was spent."""

from __future__ import annotations

from math import floor, log10


def usd_text(usd: float, *, short: bool = False) -> str:
    """
    Return an amount in USD, to the cent; what is not nothing is never shown as 0.00.

    `short`, for columns and charts headed USD, leaves the unit out.
    """
    rounded = round(usd, 2)
    sign = "-" if usd < 0 else ""
    if rounded == 0 and usd != 0:
        return f"{sign}<0.01" if short else f"{sign and 'minus '}less than 0.01 USD"
    text = f"{sign}{abs(rounded):,.2f}"
    return text if short else f"{text} USD"


def price_text(usd: float | None) -> str:
    """Return the price of one piece, with two digits where it is cents and less."""
    if usd is None:
        return "unknown"
    if usd == 0 or usd >= 0.1:
        return usd_text(usd)
    return "less than 0.0001 USD" if usd < 1e-4 else f"{usd:.{2 - floor(log10(usd)) - 1}f} USD"
