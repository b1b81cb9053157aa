"""Relative date literals: which days they cover."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from emulator.soql.periods import Calendar
from emulator.soql.tree import Period

NEW_YORK = ZoneInfo("America/New_York")
WEDNESDAY = Calendar(date(2026, 11, 25), NEW_YORK)


@pytest.mark.parametrize(
    ("name", "count", "first", "after"),
    [
        ("YESTERDAY", None, "2026-11-24", "2026-11-25"),
        ("TODAY", None, "2026-11-25", "2026-11-26"),
        ("LAST_WEEK", None, "2026-11-15", "2026-11-22"),
        ("THIS_WEEK", None, "2026-11-22", "2026-11-29"),
        ("NEXT_MONTH", None, "2026-12-01", "2027-01-01"),
        ("THIS_QUARTER", None, "2026-10-01", "2027-01-01"),
        ("LAST_YEAR", None, "2025-01-01", "2026-01-01"),
        ("LAST_90_DAYS", None, "2026-08-27", "2026-11-26"),
        ("NEXT_90_DAYS", None, "2026-11-26", "2027-02-24"),
        ("LAST_N_DAYS", 1, "2026-11-24", "2026-11-26"),
        ("NEXT_N_DAYS", 2, "2026-11-26", "2026-11-28"),
        ("N_DAYS_AGO", 3, "2026-11-22", "2026-11-23"),
        ("LAST_N_WEEKS", 2, "2026-11-08", "2026-11-22"),
        ("LAST_N_MONTHS", 11, "2025-12-01", "2026-11-01"),
        ("NEXT_N_QUARTERS", 1, "2027-01-01", "2027-04-01"),
        ("N_YEARS_AGO", 2, "2024-01-01", "2025-01-01"),
    ],
)
def test_a_literal_covers_its_days(name: str, count: int | None, first: str, after: str) -> None:
    assert WEDNESDAY.range(Period(name, count)) == (date.fromisoformat(first), date.fromisoformat(after))


@pytest.mark.parametrize(
    ("name", "first", "after"),
    [
        ("THIS_FISCAL_YEAR", "2026-02-01", "2027-02-01"),
        ("THIS_FISCAL_QUARTER", "2026-11-01", "2027-02-01"),
        ("LAST_FISCAL_QUARTER", "2026-08-01", "2026-11-01"),
    ],
)
def test_fiscal_periods_start_with_the_fiscal_year(name: str, first: str, after: str) -> None:
    fiscal = Calendar(date(2026, 11, 25), NEW_YORK, fiscal_start_month=2)
    assert fiscal.range(Period(name)) == (date.fromisoformat(first), date.fromisoformat(after))


def test_today_is_a_day_of_the_users_time_zone() -> None:
    late = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
    assert Calendar.at(late, NEW_YORK).today == date(2026, 11, 25)


def test_midnight_minds_daylight_saving_time() -> None:
    hours = [
        (WEDNESDAY.milliseconds(date(2026, 3, day + 1)) - WEDNESDAY.milliseconds(date(2026, 3, day)))
        / 3_600_000
        for day in (7, 8)
    ]
    assert hours == [24, 23]
