"""When jobs are due: pure functions from a schedule and a moment to slots, which are instants in UTC.

A slot is the name of one execution. Two schedulers that see the same slot fight for one row in the store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from jobs.settings import JobSchedule

FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NEAR = timedelta(hours=3)  # clocks are set by two hours at most
LOOK_BACK = timedelta(days=1)  # slots older than this are nobody's business any more


class BadSchedule(ValueError):
    """The cron fields or the time zone cannot be read."""


def next_slot(schedule: JobSchedule, zone: str, after: datetime) -> datetime:
    """The first slot strictly after a moment."""
    assert after.tzinfo is not None, after
    if schedule.every is not None:
        midnight = after.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        passed = (after.astimezone(UTC) - midnight) // schedule.every
        slot = midnight + (passed + 1) * schedule.every
        # Counted from each midnight: a rhythm that does not divide the day starts anew there.
        tomorrow: datetime = midnight + timedelta(days=1)
        return min(slot, tomorrow)
    here, triggers = _zone(schedule, zone), _triggers(schedule, zone)
    found: datetime | None = None
    for wall in _walls(triggers, _wall(after, here) - _jump(after, here)):
        if found is not None and wall > _wall(found, here) + _jump(found, here):
            break
        later = [one for one in _instants(wall, here, schedule) if one > after]
        found = min(later if found is None else [found, *later], default=found)
    if found is None:
        raise BadSchedule(f'cron = "{schedule.cron}" never comes')
    return found


def slots_between(schedule: JobSchedule, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every slot in `(after, until]`."""
    slot = next_slot(schedule, zone, after)
    while slot <= until:
        yield slot
        slot = next_slot(schedule, zone, slot)


def is_slot(schedule: JobSchedule, zone: str, moment: datetime) -> bool:
    """Whether the schedule itself names this moment (a run by hand begins between slots)."""
    return next_slot(schedule, zone, moment - timedelta(microseconds=1)) == moment


def unaccounted(
    schedule: JobSchedule, zone: str, ran: Iterable[datetime], after: datetime, until: datetime
) -> Iterator[datetime]:
    """Slots in `(after, until]` that have no row of their own, and no run by hand before the next one came."""
    rows = sorted(ran)
    for slot in slots_between(schedule, zone, after, until):
        at = bisect_left(rows, slot)
        if at == len(rows) or rows[at] >= next_slot(schedule, zone, slot):
            yield slot


def latest_slot(schedule: JobSchedule, zone: str, now: datetime) -> datetime | None:
    """The newest slot that is due, looking back at most 32 days; None when there was none."""
    for span in (timedelta(hours=1), timedelta(days=1), timedelta(days=8), timedelta(days=32)):
        found = list(slots_between(schedule, zone, now - span, now))
        if found:
            return found[-1]
    return None


def _zone(schedule: JobSchedule, zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ValueError, KeyError, OSError) as error:
        raise BadSchedule(f'cron = "{schedule.cron}" in {zone!r}: {error}') from error


def _wall(moment: datetime, here: ZoneInfo) -> datetime:
    """What a clock on the wall shows."""
    return moment.astimezone(here).replace(tzinfo=None)


def _jump(moment: datetime, here: ZoneInfo) -> timedelta:
    """By how much the clock on the wall is set forward or back near a moment; nothing on most days."""
    near = [_wall(moment + by, here) - by for by in (-NEAR, timedelta(0), NEAR)]
    return max(near) - min(near)


def _walls(triggers: Sequence[CronTrigger], after: datetime) -> Iterator[datetime]:
    """The times that the cron fields name, as a clock on the wall that is never set shows them."""
    wall = after.replace(tzinfo=UTC)
    while True:
        fires = [one.get_next_fire_time(None, wall + timedelta(microseconds=1)) for one in triggers]
        fire = min((fire for fire in fires if fire is not None), default=None)
        if fire is None:
            return
        wall = fire
        yield fire.replace(tzinfo=None)


def _instants(wall: datetime, here: ZoneInfo, schedule: JobSchedule) -> set[datetime]:
    """When that is. A time that is left out comes as much later as the clock is set forward, so that midnight is the first
    instant of its day and nothing is lost. A fixed hour of the day that comes twice is one run: the second one is not
    another day's.
    """
    assert schedule.cron is not None
    first = wall.replace(tzinfo=here).astimezone(UTC)
    second = wall.replace(tzinfo=here, fold=1).astimezone(UTC)
    return {first, second} if second > first and "*" in schedule.cron.split()[1] else {first}


def _triggers(schedule: JobSchedule, zone: str) -> list[CronTrigger]:
    """Any of them is due. Where both days are limited, crontab means either: the 1st, and every Monday."""
    assert schedule.cron is not None
    try:
        fields = schedule.cron.split()
        if len(fields) != len(FIELDS):
            raise ValueError(f"{len(fields)} fields; five are wanted: {', '.join(FIELDS)}")
        minute, hour, day, month, weekday = fields
        weekday = _weekdays(weekday)
        either = not day.startswith("*") and not weekday.startswith("*")
        days = [(day, "*"), ("*", weekday)] if either else [(day, weekday)]
        return [
            CronTrigger(
                minute=minute, hour=hour, day=of_month, month=month, day_of_week=of_week, timezone=UTC
            )
            for of_month, of_week in days
        ]  # fmt: skip
    except (ValueError, KeyError) as error:
        raise BadSchedule(f'cron = "{schedule.cron}" in {zone!r}: {error}') from error


def _weekdays(field: str) -> str:
    """A crontab's weekdays by their names: its numbers count from Sunday (0 and 7), APScheduler's from Monday.

    Source: crontab(5).
    """
    return ",".join(name for part in field.lower().split(",") for name in _some_weekdays(part))


def _some_weekdays(part: str) -> list[str]:
    days, _, step = part.partition("/")
    first, ranged, last = days.partition("-")
    if days == "*":
        if not step:
            return ["*"]
        first, ranged, last = "0", "-", "6"
    start = _weekday(first)
    end = _weekday(last) if ranged else 6 if step else start
    if end < start:
        if last not in ("0", "sun"):
            raise ValueError(f"{days}: the last day comes before the first")
        end = 7  # the Sunday after
    return [WEEKDAYS[day % 7] for day in range(start, end + 1, int(step or 1))]


def _weekday(text: str) -> int:
    if text in WEEKDAYS:
        return WEEKDAYS.index(text)
    if text.isdecimal() and int(text) <= 7:
        return int(text)
    raise ValueError(f"{text!r} is no weekday: 0 to 7 (0 and 7 are Sunday), or {', '.join(WEEKDAYS)}")
