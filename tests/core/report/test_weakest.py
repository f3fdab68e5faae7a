"""The weakest heuristic is named, and harm only where chance does not do it."""

from __future__ import annotations

import pytest

from labelpress.profit import Worth
from labelpress.report.weakest import weakest_text


def worth(name, right, cast, gain=0.0, error=0.01):
    """Return a heuristic with so many right of its audited votes."""
    return Worth(
        heuristic=name,
        version=1,
        period="2026-03-02",
        cpu_seconds=0.0,
        usd=0.0,
        usd_so_far=0.0,
        changed=5,
        gain=gain,
        gain_error=None if gain is None else error,
        audits=60,
        votes_audited=cast,
        precision=right / cast if cast else None,
        answers_saved=None,
        drift="",
        advice="keep",
        evidence="",
    )


@pytest.mark.parametrize(
    ("worths", "said"),
    [
        (
            [worth("money", 30, 40), worth("down", 19, 20), worth("rare", 0, 9)],
            (
                "None is clearly harmful: without none of them would clearly more labels be right. "
                "The weakest is money: 30 of its 40 audited votes are right (75%)."
            ),
        ),
        (
            [worth("money", 30, 40, gain=-0.03), worth("down", 19, 20, gain=-0.01)],
            (
                "Clearly harmful, for more labels would be right without: money. "
                "The weakest is money: 30 of its 40 audited votes are right (75%)."
            ),
        ),
        (
            [worth("money", 0, 0, gain=None)],
            (
                "Whether one is harmful is unknown: no audit was answered. "
                "None votes on 10 audited rows, so the weakest cannot be named."
            ),
        ),
    ],
)
def test_the_weakest_is_named_by_its_audited_votes(worths, said):
    """Of nine audits nothing can be told; a loss within its error is chance."""
    assert weakest_text(worths) == said
