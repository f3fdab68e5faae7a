"""Stopping: when the labels are good enough that only audits are asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from labelpress.certify import Certificate
from labelpress.intervals import clopper_pearson

if TYPE_CHECKING:
    from labelpress.asks import ExpertsSettings
    from labelpress.manifest import Manifest

_LEVEL = 0.95
_MOST_PERIODS = 1000


def level_at(look: int, level: float = _LEVEL) -> float:
    """
    Return the level of the interval at the n-th look, such that all of them hold at `level`.

    Whoever looks after every period and stops at the first good one is wrong more often than any
    one interval is. The n-th look may spend 1 / (n (n + 1)) of the error; the shares sum to 1, so
    however often one looks, and however the labels change in between, all intervals hold at once
    (union bound; Darling and Robbins 1967 spend the error over time in the same way).
    """
    return 1 - (1 - level) / (look * (look + 1))


def earliest_period(settings: ExpertsSettings) -> tuple[int, int] | None:
    """
    Return after how many periods and reserved audits the target can be reached; None where never.

    At best every reserved audit is answered and every label right.
    """
    per_period = round(settings.budget * settings.reserved_share)
    if per_period == 0 or settings.target_accuracy >= 1:
        return None
    for look in range(1, _MOST_PERIODS + 1):
        audits = look * per_period
        if clopper_pearson(audits, audits, level_at(look))[0] >= settings.target_accuracy:
            return look, audits
    return None


def lasting_certificate(manifest: Manifest) -> Certificate | None:
    """Return the accuracy of a label set with the interval that holds under repeated looks."""
    found = manifest.certificates.get("looks", {}).get("overall")
    return None if found is None else Certificate.from_json(found)


def is_reached(manifest: Manifest, settings: ExpertsSettings) -> bool:
    """Say whether the target is reached at the declared coverage, under repeated looks."""
    found = lasting_certificate(manifest)
    return (
        found is not None
        and found.standing == "certified"
        and found.low >= settings.target_accuracy
        and _coverage(manifest) >= settings.target_coverage
    )


def stopping_sentence(manifest: Manifest, settings: ExpertsSettings) -> str:
    """Say how far the labels are from the target, and what that means for the asks."""
    found = lasting_certificate(manifest)
    low = 0.0 if found is None else found.low
    reached = is_reached(manifest, settings)
    covering, covered = "", ""
    if settings.target_coverage > 0:
        covering = f" at a coverage of {settings.target_coverage:.0%} or more"
        covered = f", the coverage {_coverage(manifest):.1%}"
    # rounded down: 94.96 % is not 95 %
    return (
        f"the target is {settings.target_accuracy:.1%} right{covering}, with {settings.budget} "
        "answers a period; the lower end of the wider interval that stays valid however often one "
        f"looks is {math.floor(1000 * low) / 10:.1f}%{covered}: "
        + ("reached, only reserved audits are asked" if reached else "not reached, so asking on")
    )


def earliest_sentence(settings: ExpertsSettings) -> str:
    """Say when the target can be reached at this budget at the earliest."""
    target = f"{settings.target_accuracy:.1%}"
    found = earliest_period(settings)
    if found is None:
        return (
            f"The target accuracy of {target} cannot be certified at this budget: raise [experts] "
            "budget or reserved_share, or lower target_accuracy."
        )
    periods, audits = found
    return (
        f"The target accuracy of {target} can be certified after {periods} period"
        f"{'' if periods == 1 else 's'} at the earliest, with {audits} reserved audits all "
        "answered and every label right."
    )


def _coverage(manifest: Manifest) -> float:
    labelled = sum(entry.counts.labelled for entry in manifest.entries)
    return labelled / max(sum(entry.counts.rows for entry in manifest.entries), 1)
