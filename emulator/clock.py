"""The clock of an emulator that runs as a program: real time, or time that starts at a given moment and goes on."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from emulator.org import system_clock


class MovableClock:
    """`clock()` is now; `advance(days=2)` moves it forward. It never goes back."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or system_clock()
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def advance(self, **how_far: float) -> datetime:
        """Jump ahead by a timedelta's arguments; the new time. Raises ValueError for a jump back."""
        jump = timedelta(**how_far)
        if jump < timedelta(0):
            raise ValueError("the emulator's clock does not go back")
        self._start += jump
        return self()
