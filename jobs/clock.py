"""The system clock and the source of chance: the only place where time and randomness come out of the air.

`REBATES_CLOCK=2026-11-23T15:00:00Z` starts the clock at that moment (it then runs at normal speed), for the
demo and for tests against an emulator that lives in the same simulated day.
"""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a clock can do; `now` is an aware UTC datetime. `at` is what it is meant to show at a moment of real time:
    a clock that goes wrong does not know that, one that is shifted on purpose does."""

    def now(self) -> datetime: ...
    def at(self, real: datetime) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock, possibly shifted to start at another moment."""

    def __init__(self, starts_at: datetime | None = None) -> None:
        real = datetime.now(UTC)  # noqa: TID251 - this is the seam
        self._shift = (starts_at - real) if starts_at is not None else timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift  # noqa: TID251 - this is the seam

    def at(self, real: datetime) -> datetime:
        return real + self._shift

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: TID251 - this is the seam


class BadClock(ValueError):
    """REBATES_CLOCK is not a moment."""


def system_clock(environment: dict[str, str] | os._Environ[str] = os.environ) -> SystemClock:
    """The clock that `REBATES_CLOCK` asks for, else the machine's."""
    text = environment.get("REBATES_CLOCK")
    if not text:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadClock(f"REBATES_CLOCK={text!r} is not a moment; write it as 2026-11-23T15:00:00Z") from error
    return SystemClock(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def system_rng() -> random.Random:
    """Chance for jitter; never for keys or secrets."""
    return random.Random()
