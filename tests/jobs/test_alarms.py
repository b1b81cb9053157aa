"""Alarms follow our clock, also when it is put right under them, and one that is not due does not ring."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import apscheduler.schedulers.base
import pytest

from jobs import alarms
from jobs.alarms import Alarms
from jobs.clock import SystemClock

DAY = timedelta(days=1)


@pytest.fixture
def machine(monkeypatch):
    """The machine's clock, which may be wrong: `machine.wrong = DAY`. All look at it, APScheduler too.

    `machine.looks(3)` waits until all alarms were looked at so many times more, however slow the machine is.
    """

    class Machine:
        wrong = timedelta(0)
        looked = 0

        @classmethod
        def looks(cls, count):
            begun = cls.looked + 1  # the one that is under way does not count
            wait_for(lambda: cls.looked >= begun + count)

    real = Alarms.set_all

    def set_all(self):
        real(self)
        Machine.looked += 1

    class Shown(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + Machine.wrong

    monkeypatch.setattr(Alarms, "set_all", set_all)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shown)
    monkeypatch.setattr(SystemClock, "now", lambda clock: datetime.now(UTC) + Machine.wrong)
    monkeypatch.setattr(alarms, "LOOK_AGAIN", timedelta(seconds=0.3))
    return Machine


@contextmanager
def ringing(every, came="ran", begun=None):
    """Alarms every so many seconds from `begun` (now) on; a list that gets the moment of each ring."""
    rings, stop = [], threading.Event()
    clock = SystemClock()
    begun = begun or clock.now()

    def ring(name):
        rings.append(clock.now())
        return came

    def next_after(moment):
        slot = timedelta(seconds=every)
        return begun + ((moment - begun) // slot + 1) * slot

    with Alarms(clock, ring).kept([("sync", next_after)], stop):
        try:
            yield rings
        finally:
            stop.set()


def wait_for(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_job_rings_once_at_the_start_and_then_in_its_rhythm(machine):
    begun = datetime.now(UTC)
    with ringing(every=1, begun=begun) as rings:
        wait_for(lambda: len(rings) >= 4)
    slots = {(ring - begun) // timedelta(seconds=1) for ring in rings}
    assert len(slots) == len(rings), "each slot once"


def test_a_clock_that_was_a_day_ahead_and_is_put_right_keeps_nobody_waiting_for_a_day(machine):
    machine.wrong = DAY
    with ringing(every=1) as rings:
        wait_for(lambda: len(rings) >= 2)
        machine.wrong, before = timedelta(0), len(rings)
        wait_for(lambda: len(rings) >= before + 2)
    assert rings[-1] < datetime.now(UTC) + timedelta(minutes=1)


def test_that_the_clock_was_put_right_is_told_once(machine):
    told, stop, clock = [], threading.Event(), SystemClock()
    machine.wrong = DAY
    with Alarms(clock, lambda name: "ran", lambda: told.append(clock.now())).kept([], stop):
        machine.looks(1)
        assert told == []
        machine.wrong = timedelta(0)
        wait_for(lambda: told)
        machine.looks(2)
        stop.set()
    assert len(told) == 1


def test_a_machine_that_slept_through_a_slot_rings_within_a_look(machine):
    with ringing(every=86_400) as rings:
        wait_for(lambda: len(rings) == 1)
        machine.wrong = DAY
        wait_for(lambda: len(rings) == 2)
        machine.looks(3)
        assert len(rings) == 2


def test_what_was_put_off_is_looked_at_again_before_its_next_slot(machine):
    with ringing(every=86_400, came="look again") as rings:
        wait_for(lambda: len(rings) >= 4)
        assert all(b - a >= timedelta(seconds=0.29) for a, b in itertools.pairwise(rings))


def test_alarms_that_nobody_moved_are_not_set_anew(machine, monkeypatch):
    """A look costs next to nothing: an idle scheduler sleeps."""
    added = []
    real = alarms.BackgroundScheduler.add_job

    def add_job(self, job, trigger, **named):
        added.append(trigger.run_date)
        return real(self, job, trigger, **named)

    monkeypatch.setattr(alarms.BackgroundScheduler, "add_job", add_job)
    monkeypatch.setattr(alarms, "EARLY", timedelta(minutes=1))  # two looks at a clock may be a while apart
    with ringing(every=86_400) as rings:
        far = datetime.now(UTC) + DAY / 2
        wait_for(lambda: len(rings) == 1 and added[-1] > far)  # the look at the start, and the next slot
        before = len(added)
        machine.looks(6)
        assert len(added) == before
