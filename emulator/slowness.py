"""How long the org takes: for what runs with each record that is written, and for the rows that a query finds.

The parts of a composite call run one after the other, so their times add up, and the answer comes at the end. The work
itself is done at once: a client that hangs up earlier finds it done, as it finds most of it in a real org.
Source: SOQL and SOSL limits (a query ends after 120 s with QUERY_TIMEOUT). Assumed: seconds are the same for each record.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.errors import ApiError

if TYPE_CHECKING:
    from emulator.org import Org

QUERY_SECONDS_MAX = 120.0


@dataclass
class Slowness:
    """Seconds by object; an org that takes no time while both are empty."""

    per_record: dict[str, float] = field(default_factory=dict)
    per_row: dict[str, float] = field(default_factory=dict)
    query_max: float = QUERY_SECONDS_MAX

    def set(self, per_record: Mapping[str, float], per_row: Mapping[str, float]) -> None:
        """From names and numbers as people write them. Raises ValueError for less than nothing."""
        for name, seconds in (*per_record.items(), *per_row.items()):
            if not 0 <= float(seconds) <= QUERY_SECONDS_MAX:
                raise ValueError(
                    f"{name} cannot take {seconds} s a record: between 0 and {QUERY_SECONDS_MAX:.0f}"
                )
        self.per_record = {name: float(seconds) for name, seconds in per_record.items()}
        self.per_row = {name: float(seconds) for name, seconds in per_row.items()}


class _Work(threading.local):
    seconds = 0.0


_work = _Work()  # of the request that this thread is at


def begin() -> None:
    _work.seconds = 0.0


def taken() -> float:
    """Seconds that the request of this thread takes so far."""
    return _work.seconds


def wrote(org: Org, sobject: str, records: int) -> None:
    _work.seconds += org.settings.slowness.per_record.get(sobject, 0.0) * records


def found(org: Org, sobject: str, rows: int) -> None:
    """A query looked at so many rows. Raises QUERY_TIMEOUT where that takes longer than a query may."""
    slowness = org.settings.slowness
    seconds = slowness.per_row.get(sobject, 0.0) * rows
    _work.seconds += min(seconds, slowness.query_max)
    if seconds > slowness.query_max:
        raise ApiError(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
