"""How many records one request carries: fewer once the org was silent for so long that it cannot be waiting's fault.

A request of 1,000 records runs as one in the org, and its flows, triggers and Apex with it. What was too much is
remembered by object, in the store too, so that the next run does not find it out again; it grows by what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from connector import limits
from state import meta

STEPS = (limits.COMPOSITE_ROWS, limits.COLLECTION_ROWS, 50, 10, 1)
REMEMBERED = timedelta(days=7)
SILENCES_MAX = len(STEPS)  # of one object in one push: then it is not the size


@dataclass(frozen=True)
class Size:
    """So many records at a time; more had no answer within `silent` seconds, which was last seen at `since`."""

    rows: int = STEPS[0]
    silent: float | None = None
    since: datetime | None = None

    @classmethod
    def read(cls, text: str | None, now: datetime) -> Size:
        """From what was written down; what is a week old tells nothing any more."""
        if text is None:
            return cls()
        rows, silent, since = text.split(" ")
        seen = datetime.fromisoformat(since)
        return cls() if now - seen > REMEMBERED else cls(int(rows), float(silent), seen)

    def written(self) -> str | None:
        """None: nothing is to be remembered."""
        if self.silent is None or self.since is None:
            return None
        return f"{self.rows} {self.silent:.3f} {self.since.isoformat()}"

    def after_silence(self, rows: int, seconds: float, now: datetime) -> Size:
        """The next smaller size than what was sent, and than what is known to be too much."""
        most = min(rows, self.rows + 1)
        smaller = next((step for step in STEPS if step < most), STEPS[-1])
        return Size(smaller, seconds, now)

    def after_answer(self, rows: int, seconds: float) -> Size:
        """A step larger where, going by this answer, the larger request would need half of the time that was too short."""
        larger = next((step for step in reversed(STEPS) if step > self.rows), None)
        if larger is None or self.silent is None or rows < self.rows:
            return self
        if seconds / rows * larger > self.silent / 2:
            return self
        return Size() if larger == STEPS[0] else Size(larger, self.silent, self.since)


@dataclass
class Sizes:
    """The sizes of one push, by object."""

    _known: dict[str, Size] = field(default_factory=dict)
    _silences: dict[str, list[int]] = field(default_factory=dict)  # how many records each of them was about

    def of(self, tx: Connection, object_name: str, now: datetime) -> int:
        if object_name not in self._known:
            self._known[object_name] = Size.read(meta.get(tx, _key(object_name)), now)
        return self._known[object_name].rows

    def was_silent(self, tx: Connection, object_name: str, rows: int, seconds: float, now: datetime) -> int:
        """The org did not answer for so many; returns how many are to be sent next."""
        self._silences.setdefault(object_name, []).append(rows)
        self._put(tx, object_name, self._now(object_name).after_silence(rows, seconds, now))
        return self._now(object_name).rows

    def answered(self, tx: Connection, object_name: str, rows: int, seconds: float) -> None:
        before = self._now(object_name)
        after = before.after_answer(rows, seconds)
        too_many = min(self._silences.get(object_name, ()), default=None)
        if after != before and (
            too_many is None or after.rows < too_many
        ):  # the next push may try as many again
            self._put(tx, object_name, after)

    def may_be_silent(self, object_name: str) -> bool:
        """Whether another try with fewer is worth its wait."""
        return len(self._silences.get(object_name, ())) < SILENCES_MAX

    def _now(self, object_name: str) -> Size:
        return self._known.get(object_name, Size())

    def _put(self, tx: Connection, object_name: str, size: Size) -> None:
        self._known[object_name] = size
        written = size.written()
        if written is None:
            meta.drop(tx, _key(object_name))
        else:
            meta.put(tx, _key(object_name), written)


def _key(object_name: str) -> str:
    return f"push.rows.{object_name}"


def told(slow: Mapping[str, tuple[int, float, int]]) -> list[str]:
    """What people are told of each object: (records, seconds without an answer, records at a time since)."""
    return [
        f"the org gave no answer within {seconds:,.0f} s to {'1 record' if rows == 1 else f'{rows:,} records'} of {name}: "
        f"flows, triggers or Apex on {name} take that long; from now on {size:,} at a time are sent "
        '(docs/operations.md, "An org that takes long")'
        for name, (rows, seconds, size) in slow.items()
    ]
