"""Periods: half-open `[start, end)` days in the program's time zone, and their instants in UTC."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from rebates.calendars import Cut


@dataclass(frozen=True, order=True)
class Period:
    """`start` is the first day that counts, `end` the first that does not."""

    start: date
    end: date
    key: str
    zone: str = "UTC"

    @cached_property
    def last_day(self) -> date:
        """The last day that counts."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def start_at(self) -> datetime:
        return midnight(self.start, self.zone)

    @property
    def end_at(self) -> datetime:
        """The first instant after the period."""
        return midnight(self.end, self.zone)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def days_left(self, as_of: date) -> int:
        """Days that still count, today's included; zero when the period is over."""
        return max(0, (self.end - max(as_of, self.start)).days)


@dataclass(frozen=True)
class Calendar:
    """All periods of a program, in order."""

    first: date
    after: date
    cut: Cut
    zone: str

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        return tuple(
            Period(start, end, key, self.zone) for key, start, end in self.cut.spans(self.first, self.after)
        )

    @cached_property
    def _starts(self) -> list[date]:
        return [period.start for period in self.periods]

    def of(self, when: date | datetime) -> Period | None:
        """The period of a day, or of an aware instant cut into days in the program's time zone."""
        day = local_day(when, self.zone)
        index = bisect_right(self._starts, day) - 1
        return self.periods[index] if index >= 0 and day in self.periods[index] else None


def local_day(when: date | datetime, zone: str) -> date:
    """An instant's day where the program lives; a plain day is already that. Naive instants are refused."""
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone")
    return when.astimezone(ZoneInfo(zone)).date()


def midnight(day: date, zone: str) -> datetime:
    """The instant at which a day begins in a time zone, in UTC."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
