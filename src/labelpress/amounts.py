"""Amounts of money as people read them: never a zero for what was spent."""

from __future__ import annotations


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
