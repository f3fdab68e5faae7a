"""The environment: the versions on which the bits of a probability depend."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGES = ("labelpress", "numpy", "polars", "scikit-learn")


def environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute labels."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def describe_difference(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say which versions differ, such as `numpy 2.1.0 then, 2.2.0 now`; empty where none does."""
    return "; ".join(
        f"{name} {then.get(name, 'unknown')} then, {now.get(name, 'none')} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )
