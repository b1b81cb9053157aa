"""When jobs are due: each slot once, in summer and in winter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.settings import JobSchedule
from jobs.slots import BadSchedule, is_slot, latest_slot, next_slot, slots_between


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_rhythm_is_counted_from_midnight():
    quarter = JobSchedule(every="15m")
    assert next_slot(quarter, "UTC", at("2026-11-23T15:00:00")) == at("2026-11-23T15:15:00")
    assert next_slot(quarter, "UTC", at("2026-11-23T23:59:59")) == at("2026-11-24T00:00:00")


def test_a_rhythm_that_does_not_divide_the_day_starts_anew_at_midnight():
    odd = JobSchedule(every="7h")
    found = list(slots_between(odd, "UTC", at("2026-11-23T00:00:00"), at("2026-11-24T08:00:00")))
    assert [slot.strftime("%d %H") for slot in found] == ["23 07", "23 14", "23 21", "24 00", "24 07"]


def test_a_nightly_job_runs_once_in_the_night_when_clocks_go_back():
    """APScheduler's own timer fires 03:30 twice in Helsinki on that night."""
    nightly = JobSchedule(cron="30 3 * * *")
    found = list(
        slots_between(nightly, "Europe/Helsinki", at("2026-10-24T12:00:00"), at("2026-10-26T12:00:00"))
    )
    assert len(found) == 2


def test_a_job_every_quarter_of_an_hour_goes_on_in_the_repeated_hour():
    busy = JobSchedule(cron="*/15 * * * *")
    found = list(slots_between(busy, "Europe/Helsinki", at("2026-10-24T23:59:00"), at("2026-10-25T02:00:00")))
    assert len(found) == 9


def test_a_nightly_job_in_the_hour_that_is_left_out_is_not_lost():
    nightly = JobSchedule(cron="30 3 * * *")
    found = list(
        slots_between(nightly, "Europe/Helsinki", at("2026-03-28T12:00:00"), at("2026-03-30T12:00:00"))
    )
    assert [slot.day for slot in found][-1] == 30
    assert len(found) >= 1


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("America/Havana", "2026-03-08", "01:00"),
        ("America/Santiago", "2026-09-06", "01:00"),
        ("Asia/Beirut", "2026-03-29", "01:00"),
    ],
)
def test_a_job_at_midnight_runs_at_the_first_instant_of_a_day_that_begins_later(zone, day, first):
    """Clocks go forward at midnight there: 00:00 does not exist on that day."""
    noon = at(f"{day}T12:00:00")
    days = slots_between(
        JobSchedule(cron="0 0 * * *"), zone, noon - timedelta(days=2), noon + timedelta(days=2)
    )
    told = [f"{slot.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for slot in days]
    assert len(told) == 4
    assert told[1] == f"{day} {first}"
    assert {one[11:] for one in (told[0], *told[2:])} == {"00:00"}


@pytest.mark.parametrize(
    ("cron", "zone", "day", "runs"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["03:30"]),
        ("30 2 29 3 *", "Europe/Berlin", "2026-03-29", ["03:30"]),
        ("30 0 * * sun", "Asia/Beirut", "2026-03-29", ["01:30"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-29", ["03:00"]),
        ("0 */6 * * *", "America/Havana", "2026-03-08", ["01:00", "06:00", "12:00", "18:00"]),
        (
            "15,40 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-04",
            ["02:40", "02:45"],
        ),  # half an hour is left out
    ],
)
def test_a_job_in_the_time_that_is_left_out_runs_once_that_day(cron, zone, day, runs):
    schedule, here = JobSchedule(cron=cron), ZoneInfo(zone)
    around = slots_between(
        schedule, zone, at(f"{day}T00:00:00") - timedelta(days=1), at(f"{day}T23:00:00") + timedelta(days=1)
    )
    that_day = [slot for slot in around if f"{slot.astimezone(here):%Y-%m-%d}" == day]
    assert [f"{slot.astimezone(here):%H:%M}" for slot in that_day] == runs
    assert all(is_slot(schedule, zone, slot) for slot in that_day), "whoever looks just before sees it, too"
    assert all(latest_slot(schedule, zone, slot) == slot for slot in that_day)


@pytest.mark.parametrize(
    ("weekdays", "named"),
    [
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("0", "Sun"),
        ("7", "Sun"),
        ("sun", "Sun"),
        ("6,0", "Sat Sun"),
        ("5-7", "Fri Sat Sun"),
        ("sat-sun", "Sat Sun"),
        ("MON-fri/2", "Mon Wed Fri"),
        ("1/2", "Mon Wed Fri"),
        ("*/3", "Wed Sat Sun"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_weekdays_are_numbered_as_in_a_crontab(weekdays, named):
    """APScheduler's own numbers start on Monday: `1-5` would leave Mondays out and run on Saturdays."""
    week = slots_between(
        JobSchedule(cron=f"0 9 * * {weekdays}"), "UTC", at("2026-11-22T23:00:00"), at("2026-11-29T23:00:00")
    )
    assert " ".join(f"{slot:%a}" for slot in week) == named


def test_a_day_of_the_month_and_a_weekday_mean_either_of_them():
    either = JobSchedule(cron="0 9 1 * 1")
    found = list(slots_between(either, "UTC", at("2026-11-25T00:00:00"), at("2026-12-08T00:00:00")))
    assert [f"{slot:%a %d}" for slot in found] == ["Mon 30", "Tue 01", "Mon 07"]


@pytest.mark.parametrize(
    "cron", ["0 9 * * 8", "0 9 * * mo", "0 9 * * 5-1", "0 9 * *", "0 9 * * 1-", "0 9 * * 1/0"]
)
def test_weekdays_that_are_none_are_refused(cron):
    with pytest.raises(BadSchedule, match="cron"):
        next_slot(JobSchedule(cron=cron), "UTC", at("2026-11-25T00:00:00"))


@given(
    st.sampled_from(
        [
            JobSchedule(every="15m"),
            JobSchedule(every="7h"),
            JobSchedule(cron="30 3 * * *"),
            JobSchedule(cron="5 */4 * * 1-5"),
        ]
    ),
    st.sampled_from(["UTC", "Europe/Helsinki", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
)
def test_the_next_slot_is_always_later_and_the_latest_never_in_the_future(schedule, zone, moment):
    now = moment.replace(tzinfo=UTC)
    assert next_slot(schedule, zone, now) > now
    latest = latest_slot(schedule, zone, now)
    assert latest is None or now - timedelta(days=33) < latest <= now


@pytest.mark.parametrize(
    ("cron", "zone"), [("61 * * * *", "UTC"), ("* * *", "UTC"), ("* * * * *", "Mars/Olympus")]
)
def test_a_schedule_that_cannot_be_read_says_so(cron, zone):
    with pytest.raises(BadSchedule, match="cron = "):
        next_slot(JobSchedule(cron=cron), zone, at("2026-11-23T15:00:00"))
