"""Majority vote: every vote counts the same, and the base rate decides ties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.label_models.rules import VoteShares

if TYPE_CHECKING:
    from labelpress.label_models.evidence import Evidence


def fit_majority(evidence: Evidence) -> VoteShares:
    """
    Return vote shares with the base rate as one extra, split vote.

    It learns nothing, so nothing can mislead it: the yardstick for all other label models.
    """
    return VoteShares(evidence.base_rate)
