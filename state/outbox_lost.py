"""Rows whose sender is lost: due again, or over where a newer value of their key says all that they would.

Used as `outbox.sweep` and `outbox.free`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, exists, func, or_, select, update

from state.instants import micros
from state.tables.work import outbox


def sweep(tx: Connection, *, now: datetime, unkeyed: Collection[str] = (), sender: str | None = None) -> int:
    """Rows whose sender did not come back are due again: same key, same sequence, same payload. So are those of
    `sender`, who asks before it sends anything: what it has in flight is left from a push that broke off.

    Not those of `unkeyed` objects: nothing in the org tells whether they arrived, and twice is worse than never.
    """
    lost = outbox.c.claimed_until <= micros(now)
    late = and_(outbox.c.state == "inflight", lost if sender is None else or_(lost, outbox.c.owner == sender))
    close(tx, and_(late, outbox.c.object.in_(sorted(unkeyed))), "superseded", now)
    _, outdated = _outdated()
    close(tx, and_(late, outdated), "superseded", now)
    freed = tx.execute(update(outbox).where(late).values(state="pending", owner=None, claimed_until=None))
    return freed.rowcount


def free(tx: Connection, lanes: Collection[int], *, sender: str) -> int:
    """A sender lost its lanes and can acknowledge nothing any more: what it had in flight is due again at once, unless
    there is a newer value of its key: then it has been out of date since that was enqueued."""
    mine = and_(outbox.c.state == "inflight", outbox.c.lane.in_(sorted(lanes)), outbox.c.owner == sender)
    since, outdated = _outdated()
    over = {"state": "superseded", "finished_at": since, "owner": None, "claimed_until": None}
    tx.execute(update(outbox).where(mine, outdated).values(over))
    freed = update(outbox).where(mine).values(state="pending", owner=None, claimed_until=None)
    return tx.execute(freed).rowcount


def _outdated() -> tuple[ScalarSelect[Any], ColumnElement[bool]]:
    """That a newer row of its key makes a row pointless, and since when. Events have no newer one."""
    newer = outbox.alias("newer")
    same = and_(
        newer.c.object == outbox.c.object, newer.c.ext_key == outbox.c.ext_key, newer.c.seq > outbox.c.seq,
        newer.c.state.in_(("pending", "done")),
    )  # fmt: skip
    since = select(func.min(newer.c.enqueued_at)).where(same).scalar_subquery()
    return since, and_(outbox.c.kind == "state", exists().where(same))


def close(tx: Connection, which: Any, state: str, now: datetime) -> None:
    tx.execute(
        update(outbox)
        .where(which)
        .values(state=state, finished_at=micros(now), owner=None, claimed_until=None)
    )
