"""One alarm a job: APScheduler rings, our clock says whether it is time, and no alarm is trusted for longer than a minute.

APScheduler waits for a moment of the machine's clock. When that clock is put right, or the machine slept, an alarm that
was set before is off by as much, so all are looked at again every minute of the time that really passes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from jobs.clock import Clock, SystemClock

LOOK_AGAIN = timedelta(minutes=1)
EARLY = timedelta(seconds=1)  # two alarms that are less apart are one
Rung = Literal["ran", "nothing was due", "look again"]


@dataclass
class _Alarm:
    name: str
    next_after: Callable[[datetime], datetime]
    seen: datetime  # nothing is due up to here any more
    again: float | None  # monotonic: to be looked at then, whatever the rhythm says
    ringing: bool = False
    set_to: datetime | None = None  # by the machine's clock

    def wait(self, clock: Clock) -> timedelta:
        """How long until it is time. A clock that was set back is believed."""
        now = clock.now()
        self.seen = min(self.seen, now)
        left = self.next_after(self.seen) - now
        if self.again is not None:
            left = min(left, timedelta(seconds=self.again - clock.monotonic()))
        return max(left, timedelta(0))


class Alarms:
    """Calls `ring(name)` when a job is due, one call at a time for each; it says what came of it."""

    def __init__(
        self, clock: Clock, ring: Callable[[str], Rung], set_back: Callable[[], None] = lambda: None
    ) -> None:
        """`set_back` is called when the clock shows an earlier time than it did."""
        self._clock, self._ring, self._set_back, self._over = clock, ring, set_back, False
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._alarms: dict[str, _Alarm] = {}
        self._lock = threading.Lock()

    @contextmanager
    def kept(
        self, jobs: Iterable[tuple[str, Callable[[datetime], datetime]]], stop: threading.Event
    ) -> Iterator[None]:
        """Inside, all jobs are looked at: once at once, then at their times. What rings at the end is waited for."""
        now, at_once = self._clock.now(), self._clock.monotonic()
        for name, next_after in jobs:
            self._alarms[name] = _Alarm(name, next_after, now, at_once)
        watch = threading.Thread(target=self._watch, args=(stop,), name="alarms", daemon=True)
        self._scheduler.start()
        watch.start()
        try:
            self.set_all()
            yield
        finally:
            with (
                self._lock
            ):  # from here on nobody sets an alarm: it would wait for the end, which waits for it
                self._over = True
            self._scheduler.shutdown(wait=True)

    def set_all(self) -> None:
        """By what the clock shows now."""
        with self._lock:
            for alarm in self._alarms.values():
                self._set(alarm)

    def _watch(self, stop: threading.Event) -> None:
        showed = self._clock.now()
        while not stop.wait(LOOK_AGAIN.total_seconds()):
            shows = self._clock.now()
            if shows < showed:
                self._set_back()
            showed = shows
            self.set_all()

    def _set(self, alarm: _Alarm) -> None:
        if alarm.ringing or self._over:
            return
        # The distance comes from our clock and the alarm from the machine's: they may be shifted to each other.
        at = SystemClock().now() + alarm.wait(self._clock)
        if alarm.set_to is not None and abs(alarm.set_to - at) < EARLY:
            return
        alarm.set_to = at
        self._scheduler.add_job(
            self._rung, DateTrigger(at), args=[alarm],
            id=alarm.name, replace_existing=True, misfire_grace_time=None,
        )  # fmt: skip

    def _rung(self, alarm: _Alarm) -> None:
        with self._lock:
            alarm.set_to = None
            if alarm.ringing:
                return
            alarm.ringing = alarm.wait(self._clock) <= timedelta(0)
            if not alarm.ringing:  # it was set by a clock that was wrong
                self._set(alarm)
                return
        began = self._clock.now()
        came: Rung = "ran"
        try:
            came = self._ring(alarm.name)
        finally:
            with self._lock:
                # What became due while it ran is taken with the next slot, or written down as missed.
                alarm.ringing, alarm.seen = False, began if came == "nothing was due" else self._clock.now()
                soon = self._clock.monotonic() + LOOK_AGAIN.total_seconds()
                alarm.again = soon if came == "look again" else None
                self._set(alarm)
