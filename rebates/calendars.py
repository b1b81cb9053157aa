"""Where periods are cut: months, weeks, fiscal years and retail calendars. Days only, no time zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

MONTHS_OF = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
RETAIL = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}
_EVERY = re.compile(r"(\d{1,3}) (week|month)s?")
Span = tuple[str, date, date]  # key, first day, first day after
Anchor = Literal["calendar", "program"]


@dataclass(frozen=True)
class Cut:
    """How a program's days are cut into periods.

    `kind` is a named length, `program`, `N weeks`, `N months`, or a retail calendar (`4-4-5`).
    `fiscal_year_starts` is the first month of the fiscal year; `first_week` the first day of a retail
    calendar's first year; `long_years` counts (0 = that year) which retail years have 53 weeks.
    """

    kind: str = "month"
    anchor: Anchor = "calendar"
    fiscal_year_starts: int = 1
    first_week: date | None = None
    long_years: tuple[int, ...] = ()

    @property
    def every(self) -> tuple[int, str] | None:
        """`("weeks", 2)`-like parts of `"2 weeks"`; `week` is one week; None for named lengths."""
        if self.kind == "week":
            return 1, "week"
        match = _EVERY.fullmatch(self.kind)
        return (int(match[1]), match[2]) if match else None

    @property
    def known(self) -> bool:
        every = self.every
        return (
            self.kind in MONTHS_OF
            or self.kind in RETAIL
            or self.kind == "program"
            or (every is not None and every[0] > 0)
        )

    def spans(self, first: date, after: date) -> Iterator[Span]:
        """The periods that touch `[first, after)`, cut off at both ends; keys name the whole period."""
        for key, start, end in self._whole_spans(first, after):
            if end > first and start < after:
                yield key or max(start, first).isoformat(), max(start, first), min(end, after)

    def _whole_spans(self, first: date, after: date) -> Iterator[Span]:
        every = self.every
        if self.kind == "program":
            yield "program", first, after
        elif self.kind in RETAIL:
            yield from self._retail(after)
        elif every is not None and every[1] == "week":
            yield from self._weeks(every[0], first, after)
        else:
            months = MONTHS_OF.get(self.kind) or (every[0] if every else 1)
            yield from self._months(months, first, after)

    def _months(self, months: int, first: date, after: date) -> Iterator[Span]:
        # Program-anchored periods run in whole calendar months from the month the program starts in.
        if self.anchor == "program" or (self.every is not None):
            start, named = first.replace(day=1), months == 1 and self.anchor == "calendar"
        else:
            offset = (first.month - self.fiscal_year_starts) % 12 % months
            start, named = add_months(first.replace(day=1), -offset), True
        while start < after:
            end = add_months(start, months)
            yield (self._month_key(start, months) if named else ""), start, end
            start = end

    def _month_key(self, start: date, months: int) -> str:
        if months == 1:
            return f"{start:%Y-%m}"
        if self.fiscal_year_starts == 1:
            year, prefix, place = start.year, "", (start.month - 1) // months
        else:  # a fiscal year is called by the calendar year it ends in
            place = (start.month - self.fiscal_year_starts) % 12 // months
            year, prefix = start.year + (1 if start.month >= self.fiscal_year_starts else 0), "FY"
        part = {3: f"-Q{place + 1}", 6: f"-H{place + 1}"}.get(months, "")
        return f"{prefix}{year:04d}{part}"

    def _weeks(self, weeks: int, first: date, after: date) -> Iterator[Span]:
        start = first if self.anchor == "program" else first - timedelta(days=first.weekday())
        while start < after:
            end = start + timedelta(weeks=weeks)
            year, week, _ = start.isocalendar()
            yield (f"{year}-W{week:02d}" if weeks == 1 and self.anchor == "calendar" else ""), start, end
            start = end

    def _retail(self, after: date) -> Iterator[Span]:
        start = self.first_week
        assert start is not None  # the program's own checks ask for it
        year = 0
        while start < after:
            label = (start + timedelta(weeks=26)).year
            for number in range(12):
                weeks = RETAIL[self.kind][number % 3] + (1 if number == 11 and year in self.long_years else 0)
                end = start + timedelta(weeks=weeks)
                yield f"FY{label}-P{number + 1:02d}", start, end
                start = end
            year += 1


def add_months(day: date, months: int) -> date:
    """The same day some months on, or that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def years_back(day: date, years: int) -> date:
    """The same calendar day in an earlier year; 29 February becomes 1 March's eve, the 28th."""
    return add_months(day, -12 * years)
