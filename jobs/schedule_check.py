"""What is wrong with `[schedule]`, found when the configuration is read: a scheduler that starts must not stumble over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from jobs.settings import JOBS, JobSchedule, ScheduleSettings

DAY = timedelta(days=1)
ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # what never comes after it never comes
FIELDS = "minute 0-59, hour 0-23, day of the month 1-31, month 1-12, day of the week 0-7 (0 and 7 are Sunday)"
Wrong = tuple[str, str, str]  # key, what, what is allowed


def schedule_problems(settings: ScheduleSettings) -> Iterator[Wrong]:
    """Every setting of the table that no scheduler could follow."""
    zone = settings.time_zone
    if not _is_zone(zone):
        yield "time_zone", f"{zone!r} is not a time zone", _zones(zone)
        zone = "UTC"
    for name in JOBS:
        schedule: JobSchedule | None = getattr(settings, name)
        if schedule is None:
            continue
        if schedule.every is not None and schedule.every > DAY:
            yield (
                f"{name}.every",
                "is longer than a day, and times are counted anew from each midnight UTC",
                'at most 1d; for less often: cron = "30 3 * * 0"',
            )
        elif schedule.cron is not None and (why := _why_not(schedule, zone)) is not None:
            yield f"{name}.cron", why, f'five fields: {FIELDS}; as in "*/15 6-20 * * 1-5"'


def _why_not(schedule: JobSchedule, zone: str) -> str | None:
    from jobs.slots import BadSchedule, next_slot  # only who has cron fields waits for what reads them

    try:
        next_slot(schedule, zone, ANY_DAY)
    except BadSchedule as error:
        return str(error)
    return None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # OSError: a part of the name is a file or a folder of zones
        return False
    return bool(name)


def _zones(name: str) -> str:
    from jobs.configuration import suggest

    city = {zone.rpartition("/")[2].lower(): zone for zone in sorted(available_timezones())}
    same = city.get(name.rpartition("/")[2].lower())
    near = f'did you mean "{same}"?' if same else suggest(name, available_timezones())
    return f'{near + " " if near else ""}an IANA name, as in "Europe/Helsinki"'
