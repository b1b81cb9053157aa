"""Which days a program may name, and how many periods they make: what lies past the calendar cannot be computed."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from rebates.problems import Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(3999, 12, 31)  # Salesforce's own dates end in the year 4000
MOST_PERIODS = 3_000  # fifty years of weeks: each is looked at in every compute
MOST_GRACE = 3_660  # days; a period that is settled ten years later never is
MOST_YEARS = 100  # of a baseline


def day_problems(program: Program) -> list[Problem]:
    """Days outside the calendar, or too many periods; with those, nothing else about periods is looked at."""
    found = [
        problem((name,), f"{day} is not between {FIRST_DAY} and {LAST_DAY}", _instead(name, day))
        for name in ("starts", "ends", "effective_from", "first_week")
        if (day := _day(program, name)) is not None and not FIRST_DAY <= day <= LAST_DAY
    ]
    if not found and program.starts <= program.ends and program.cut.known and not _retail_unknown(program):
        found = _too_many(program)
    if program.settlement.grace_days > MOST_GRACE:
        found.append(
            problem(("grace_days",), f"{program.settlement.grace_days} is too long", f"at most {MOST_GRACE}")
        )
    if program.growth is not None and program.growth.years > MOST_YEARS:
        found.append(
            problem(("growth", "years"), f"{program.growth.years} is too long", f"at most {MOST_YEARS}")
        )
    return found


def _day(program: Program, name: str) -> date | None:
    day: date | None = program.cut.first_week if name == "first_week" else getattr(program, name)
    return day


def _instead(name: str, day: date) -> str:
    if name == "ends" and day > LAST_DAY:
        return "a program that goes on for years ends in ten, and is made longer when they are over"
    return "are the digits of the year right?"


def _retail_unknown(program: Program) -> bool:
    from rebates.calendars import RETAIL

    return program.cut.kind in RETAIL and program.cut.first_week is None


def _too_many(program: Program) -> list[Problem]:
    spans = program.cut.spans(program.starts, program.ends + timedelta(days=1))
    last = next(islice(spans, MOST_PERIODS, None), None)
    if last is None:
        return []
    message = f"from {program.starts} to {program.ends} there are more than {MOST_PERIODS:,} periods"
    return [problem(("ends",), message, f"end it before {last[1]}, or choose longer periods")]
