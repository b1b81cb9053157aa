"""Relative date literals: which days `LAST_N_MONTHS:3` covers, for a person in a time zone.

Every literal is a half-open range of days `[first, after)`.
Source: SOQL and SOSL Reference, "Date Formats and Date Literals in WHERE". Assumed: weeks start on Sunday, as in the
en_US locale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from emulator.soql.tree import Period

DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "year": 12, "fiscal_quarter": 3, "fiscal_year": 12}
COUNTED = re.compile(r"(?P<when>LAST|NEXT)_N_(?P<unit>\w+)S$|N_(?P<ago>\w+)S_AGO$")
NAMED = re.compile(r"(?P<when>LAST|THIS|NEXT)_(?P<unit>\w+)$")


@dataclass(frozen=True)
class Calendar:
    """Whose days: today in a time zone, and the month the fiscal year starts in."""

    today: date
    time_zone: ZoneInfo
    fiscal_start_month: int = 1

    @classmethod
    def at(cls, now: datetime, time_zone: ZoneInfo, fiscal_start_month: int = 1) -> Calendar:
        return cls(now.astimezone(time_zone).date(), time_zone, fiscal_start_month)

    def range(self, period: Period) -> tuple[date, date]:
        """First day and the day after the last. Raises ValueError or OverflowError beyond the calendar."""
        name, count = period.name, period.count
        if count is None:
            return self._named(name)
        found = COUNTED.match(name)
        assert found is not None, name
        if found["ago"]:
            unit = found["ago"].lower()
            start = self._shift(self._start(unit), unit, -count)
            return start, self._shift(start, unit, 1)
        unit = found["unit"].lower()
        current = self._start(unit)
        if found["when"] == "NEXT":
            following = self._shift(current, unit, 1)
            return following, self._shift(following, unit, count)
        first = self._shift(current, unit, -count)
        # LAST_N_DAYS includes today, so it covers n+1 days; the other units end before the current one.
        return first, current + DAY if unit == "day" else current

    def _named(self, name: str) -> tuple[date, date]:
        near = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
        if name in near:
            first = self.today + near[name] * DAY
            return first, first + DAY
        if name == "LAST_90_DAYS":
            return self.today - 90 * DAY, self.today + DAY
        if name == "NEXT_90_DAYS":
            return self.today + DAY, self.today + 91 * DAY
        found = NAMED.match(name)
        assert found is not None, name
        unit = found["unit"].lower()
        first = self._shift(self._start(unit), unit, {"LAST": -1, "THIS": 0, "NEXT": 1}[found["when"]])
        return first, self._shift(first, unit, 1)

    def _start(self, unit: str) -> date:
        """First day of the unit that today is in."""
        if unit == "day":
            return self.today
        if unit == "week":
            return self.today - timedelta(days=self.today.isoweekday() % 7)
        offset = self.fiscal_start_month - 1 if unit.startswith("fiscal") else 0
        into = (self.today.month - 1 - offset) % MONTHS[unit]
        return _add_months(self.today.replace(day=1), -into)

    def _shift(self, start: date, unit: str, count: int) -> date:
        if unit == "day":
            return start + count * DAY
        if unit == "week":
            return start + 7 * count * DAY
        return _add_months(start, count * MONTHS[unit])

    def milliseconds(self, day: date) -> int:
        """Midnight of that day in the person's time zone, in milliseconds of UTC."""
        midnight = datetime.combine(day, time(), tzinfo=self.time_zone)
        return milliseconds(midnight.astimezone(UTC))


def milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _add_months(first_of_month: date, months: int) -> date:
    index = first_of_month.year * 12 + first_of_month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
