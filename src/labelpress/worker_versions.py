"""Version skew: what the workers of a cluster have installed against what the flow has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = {
    "labelpress": None,
    "polars": None,
    "dask": None,
    "distributed": None,
    "python": 2,
    "numpy": 1,
}
"""
How many leading parts of a version must agree; None: all of them.

Polars expressions travel in a form that only the same Polars reads for certain, and its version
is in their fingerprints; functions travel between Pythons of one minor version.
"""

PACKAGES = ("labelpress", "polars")
"""What Dask does not compare by itself."""

_SHOWN_WORKERS = 3


def version_skew(
    flow: Mapping[str, str | None], workers: Mapping[str, Mapping[str, str | None]]
) -> str | None:
    """
    Say which workers have other versions than the flow, or None where all agree.

    `flow` are versions by package; `workers` the same by worker address. A package that a worker
    lacks is `None` there or absent.
    """
    found: list[str] = []
    for package in _PARTS:
        wanted = flow.get(package)
        if wanted is None:
            continue
        differing = {
            address: versions.get(package)
            for address, versions in sorted(workers.items())
            if _told_apart(package, versions.get(package)) != _told_apart(package, wanted)
        }
        if not differing:
            continue
        shown = [
            f"{_shown(package, version)} on {address}"
            for address, version in list(differing.items())[:_SHOWN_WORKERS]
        ]
        more = len(differing) - len(shown)
        rest = [f"and {more} more workers differ"] if more else []
        found.append(
            f"{package} is {_shown(package, wanted)} in the flow, but " + ", ".join(shown + rest)
        )
    return "; ".join(found) or None


def _told_apart(package: str, version: str | None) -> tuple[str, ...] | None:
    return None if version is None else tuple(version.split(".")[: _PARTS[package]])


def _shown(package: str, version: str | None) -> str:
    if version is None:
        return "not installed"
    return ".".join(version.split(".")[:3]) if package == "python" else version
