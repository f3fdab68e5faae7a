"""Periods: names of logical slots, whenever the run really happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labelpress.errors import LabelpressError
from labelpress.periods import ScheduleSettings, parse_period, period_of

LENGTHS = ["1h", "6h", "12h", "1d", "1w", "1mo"]


def _schedule(period, timezone="UTC"):
    return ScheduleSettings(period=period, timezone=timezone)


@pytest.mark.parametrize(
    ("length", "name"),
    [
        ("1h", "2026-03-05T17"),
        ("6h", "2026-03-05T12"),
        ("12h", "2026-03-05T12"),
        ("1d", "2026-03-05"),
        ("1w", "2026-03-02"),
        ("1mo", "2026-03-01"),
    ],
)
def test_a_moment_falls_into_the_period_that_began_before_it(length, name):
    """17:59 on a Thursday; weeks start on Monday."""
    assert period_of(datetime(2026, 3, 5, 17, 59, tzinfo=UTC), _schedule(length)) == name


@pytest.mark.parametrize(("zone", "name"), [("UTC", "2026-03-01"), ("Europe/Berlin", "2026-03-02")])
def test_days_begin_in_the_time_zone_of_the_schedule(zone, name):
    """Half past eleven in the evening in UTC is the next day in Berlin."""
    assert period_of(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), _schedule("1d", zone)) == name


def test_the_moments_own_time_zone_does_not_matter():
    """Only when it was."""
    moment = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))

    assert period_of(elsewhere, _schedule("1d")) == "2026-03-01"


def test_a_moment_without_time_zone_is_refused():
    """It could be in two periods."""
    with pytest.raises(ValueError, match="2026-03-05T17:00:00 has no time zone"):
        period_of(datetime(2026, 3, 5, 17), _schedule("1d"))


@given(
    st.lists(
        st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
        min_size=2,
        max_size=2,
    ),
    st.sampled_from(LENGTHS),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
)
def test_the_order_of_names_is_the_order_in_time(moments, length, zone):
    """Also over changes of the clock; and a period's name is a name that a person may type."""
    schedule = _schedule(length, zone)
    first, second = (period_of(moment, schedule) for moment in sorted(moments))

    assert first <= second
    assert parse_period(first, schedule) == first


def test_a_day_within_a_week_is_refused_with_the_weeks_name():
    """It is not guessed: a printing has one name."""
    with pytest.raises(LabelpressError, match=r"'2026-03-05' does not begin .*'2026-03-02'"):
        parse_period("2026-03-05", _schedule("1w"))


@pytest.mark.parametrize(("length", "form"), [("1w", "2026-03-02"), ("6h", "2026-03-02T06")])
def test_what_is_no_date_is_refused_with_an_example(length, form):
    """Of the right form for this schedule."""
    with pytest.raises(LabelpressError, match=f"'last week' is not a period name; .*'{form}'"):
        parse_period("last week", _schedule(length))


def test_an_unknown_time_zone_is_refused():
    """With what a right one looks like."""
    with pytest.raises(ValidationError, match="'Berlin' is not an IANA time zone such as"):
        _schedule("1d", "Berlin")
