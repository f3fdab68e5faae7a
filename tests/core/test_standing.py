"""How old the labels are, and when that is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from labelpress.periods import ScheduleSettings
from labelpress.standing import age_of, in_words
from labelpress.tables.versions import LabelVersion

NOW = datetime(2026, 3, 20, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def _version(number, days, kind="printing"):
    return LabelVersion(number, f"r{number}", "2026-03-02", 1, kind, NOW - timedelta(days=days), {})


def test_fresh_until_the_allowed_age_has_passed():
    """And overdue as often as it has."""
    ages = [age_of([_version(1, days)], NOW, WEEK).overdue for days in (0, 6, 7, 13, 14)]

    assert ages == [0, 0, 1, 1, 2]


def test_a_restore_makes_nothing_fresh():
    """It brings old labels back."""
    age = age_of([_version(1, 9), _version(2, 1, "restore")], NOW, WEEK)

    assert (age.version.version, age.overdue) == (1, 1)
    assert "9 days old; 7 days are allowed" in age.sentence()


def test_nothing_published_has_no_age():
    """A project that never printed is not stale but new."""
    assert age_of([], NOW, WEEK) is None


@pytest.mark.parametrize(
    ("schedule", "allowed"),
    [
        ({}, timedelta(weeks=2)),
        ({"period": "1d"}, timedelta(days=2)),
        ({"max_age": "36h"}, timedelta(hours=36)),
        ({"max_age": "2w"}, timedelta(weeks=2)),
    ],
)
def test_the_allowed_age_is_two_periods_unless_said(schedule, allowed):
    """So that one held period alarms nobody."""
    assert ScheduleSettings(**schedule).allowed_age == allowed


@pytest.mark.parametrize("text", ["9", "0d", "two weeks", "9 d"])
def test_an_age_that_is_none_is_refused(text):
    """Where the file is read, not when the alarm should ring."""
    with pytest.raises(ValidationError):
        ScheduleSettings(max_age=text)


def test_words_fit_the_span():
    """Hours below three days."""
    assert [in_words(timedelta(hours=h)) for h in (30, 80)] == ["30 hours", "3 days"]
