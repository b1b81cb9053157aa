"""The org's time, and how far it can be believed: a watermark that one wrong Date header moved into the future would
leave out, for good, whatever people enter until then.

Our own clock may be wrong too, so it is not asked what time it is, only how far the org was ahead of it: a distance
that stays. Where the org is suddenly further ahead, either a header is wrong or our clock was set back. Both are read
up to the org's time; a watermark goes no further than is certain either way, until the new distance has lasted a day. A
smaller distance is believed at once: it can only make a window end early.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from jobs.app import App
from state import meta

log = structlog.get_logger()

KEY = "org.clock"
TOLERANCE = timedelta(seconds=60)  # well inside `[sync] lookback`: servers of one org differ by seconds
LASTING = timedelta(days=1)  # a distance that stays so long is our clock's, not a header's


@dataclass(frozen=True)
class Distance:
    """How far the org's clock is known to be ahead of ours; and another one that was seen since then, if any."""

    ahead: timedelta = timedelta(0)
    other: timedelta | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Heard:
    """One reading. `excess` is how much further ahead (or behind, below zero) it is than was known; zero: believed."""

    now: datetime
    offset: timedelta
    excess: timedelta

    @property
    def sure(self) -> datetime:
        """The org's clock had certainly come so far."""
        return self.now - max(self.excess, timedelta(0))

    @property
    def ours(self) -> datetime:
        """What our own clock showed then."""
        return self.now - self.offset


def certain(app: App, sure: datetime, ours: datetime) -> datetime:
    """How far the org's clock had come at an earlier moment of this run, `ours` by our own clock: `sure`, or less where a
    later header told that ours is further ahead than was known."""
    if app.org_ahead is None:
        return sure
    heard_since = ours + app.org_ahead
    return heard_since if sure - heard_since > TOLERANCE else sure


def heard(app: App) -> Heard:
    """The org's time now. Nothing is written."""
    now = app.org.server_time()
    offset = now - app.clock.now()
    with app.store.read() as tx:
        known = _known(tx)
    # What one header of this run said holds for the others: the distance is no larger, whatever was known before.
    app.org_ahead = min(offset, known.ahead if app.org_ahead is None else app.org_ahead)
    found = judged(now, offset, known)
    if found.excess >= timedelta(0):
        found = judged(now, offset, replace(known, ahead=min(known.ahead, app.org_ahead)))
    if found.excess:
        log.warning("org.clock_in_doubt", seconds=round(found.excess.total_seconds()))
    return found


def note(app: App, tx: Connection, found: Heard, *, now: datetime) -> None:
    """Remember what was heard, for the next run."""
    app.org_ahead = None
    known = _known(tx)
    new = learned(known, found.offset, now)
    if new != known:
        meta.put(tx, KEY, _written(new))


def judged(now: datetime, offset: timedelta, known: Distance) -> Heard:
    """A reading held against the distance that is known."""
    excess = offset - known.ahead
    return Heard(now, offset, excess if abs(excess) > TOLERANCE else timedelta(0))


def learned(known: Distance, offset: timedelta, now: datetime) -> Distance:
    """The distance after one more reading: nearer at once, within the tolerance at once, further after a day."""
    offset = timedelta(seconds=round(offset.total_seconds()))
    if offset <= known.ahead + TOLERANCE:
        return Distance(offset)
    same = known.other is not None and abs(offset - known.other) <= TOLERANCE
    if not same or known.since is None or known.since > now:
        return Distance(known.ahead, offset, now)
    return Distance(offset) if now - known.since >= LASTING else known


def _known(tx: Connection) -> Distance:
    """A store that knows none believes our clock: where that is wrong, the first day only reads a little twice."""
    text = meta.get(tx, KEY)
    if text is None:
        return Distance()
    ahead, other, since = json.loads(text)
    return Distance(
        timedelta(seconds=ahead),
        None if other is None else timedelta(seconds=other),
        None if since is None else datetime.fromisoformat(since),
    )


def _written(known: Distance) -> str:
    other = None if known.other is None else round(known.other.total_seconds())
    since = None if known.since is None else known.since.isoformat()
    return json.dumps([round(known.ahead.total_seconds()), other, since])
