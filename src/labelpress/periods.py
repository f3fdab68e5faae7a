"""Periods: the logical slot that a run is for, whenever the run really happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from labelpress.errors import LabelpressError

PeriodLength = Literal["1h", "6h", "12h", "1d", "1w", "1mo"]
_HOURS = {"1h": 1, "6h": 6, "12h": 12}
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LENGTHS = {name: timedelta(hours=hours) for name, hours in _HOURS.items()} | {
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
    "1mo": timedelta(days=31),
}


class ScheduleSettings(BaseModel):
    """The `[schedule]` table of project.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: PeriodLength = "1w"
    """How long a period is; weeks start on Monday."""
    timezone: str = "UTC"
    """Where days, weeks and months begin; periods of hours are counted in UTC."""
    max_age: Annotated[str, Field(pattern=r"^$|^[1-9][0-9]*[hdw]$")] = ""
    """How old the last publication may be, such as 36h, 9d or 2w; empty: two periods."""

    @property
    def allowed_age(self) -> timedelta:
        """`max_age` as a time span."""
        if not self.max_age:
            return 2 * _LENGTHS[self.period]
        return int(self.max_age[:-1]) * _UNITS[self.max_age[-1]]

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{name!r} is not an IANA time zone such as 'Europe/Berlin'"
            ) from error
        return name


def period_of(moment: datetime, schedule: ScheduleSettings) -> str:
    """
    Return the name of the period that a moment (with a time zone) falls into.

    Names are the first day, or the first hour, of the period: '2026-03-02' or '2026-03-02T06'.
    Their alphabetical order is their order in time.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the moment {moment.isoformat()} has no time zone")
    if schedule.period in _HOURS:
        utc = moment.astimezone(UTC)
        hour = utc.hour - utc.hour % _HOURS[schedule.period]
        return utc.replace(hour=hour).strftime("%Y-%m-%dT%H")
    day = moment.astimezone(ZoneInfo(schedule.timezone)).date()
    if schedule.period == "1w":
        day -= timedelta(days=day.weekday())
    if schedule.period == "1mo":
        day = day.replace(day=1)
    return day.isoformat()


def parse_period(text: str, schedule: ScheduleSettings) -> str:
    """
    Return a period name that a person typed, checked.

    Raises `LabelpressError` where the text is no date or not the first moment of a period.
    """
    hours = schedule.period in _HOURS
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H" if hours else "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        form = "2026-03-02T06" if hours else "2026-03-02"
        raise LabelpressError(
            f"period {text!r} is not a period name; give the first moment of one, such as {form!r}."
        ) from None
    zone = UTC if hours else ZoneInfo(schedule.timezone)
    name = period_of(moment.replace(tzinfo=zone, hour=moment.hour if hours else 12), schedule)
    if name != text:
        raise LabelpressError(
            f"period {text!r} does not begin a period of {schedule.period}; "
            f"the period it falls into is {name!r}."
        )
    return name
