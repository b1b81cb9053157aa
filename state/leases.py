"""Leases: one holder at a time, and an epoch by which a holder that slept too long is recognised.

Every transaction of a job calls `check` before it commits: a holder whose lease went to somebody else gets
`LostLease` and saves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import ReturningInsert

from state.dialects import upsert_into
from state.errors import LeaseInUse, LostLease, StoreLocked
from state.instants import micros, moment
from state.tables.running import leases

ORG = "org"  # whoever works for the org holds it
AHEAD = timedelta(minutes=1)  # by which a clock may be set back under a live holder
PATIENCE_MS = 2_000  # a heartbeat or the end of a run holds the row for a moment only
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Lease:
    """`owner` is None when nobody holds it; `epoch` grows with every holder."""

    name: str
    owner: str | None
    epoch: int
    expires_at: datetime


# Asked in every transaction of a job, or between its batches: built once.
_MINE = (
    leases.c.name == bindparam("lease"),
    leases.c.owner == bindparam("holder"),
    leases.c.epoch == bindparam("at_epoch"),
)
_RENEW = update(leases).where(*_MINE).values(expires_at=bindparam("until"))
_RELEASE = update(leases).where(*_MINE).values(owner=None, expires_at=bindparam("until"))


@cache
def _acquire(dialect: str) -> ReturningInsert[Any]:
    statement = upsert_into(dialect, leases)
    new = statement.excluded
    free = or_(
        leases.c.owner.is_(None),
        leases.c.expires_at <= bindparam("at"),
        leases.c.expires_at > bindparam("impossible"),
        leases.c.owner == new.owner,
    )
    return statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"owner": new.owner, "epoch": leases.c.epoch + 1, "expires_at": new.expires_at},
        where=free,
    ).returning(*leases.columns)


def acquire(tx: Connection, name: str, *, owner: str, ttl: timedelta, now: datetime) -> Lease | None:
    """Take a lease that is free, expired or ours already (a new epoch each time); None: somebody holds it.

    One that ends later than any lease of this length can was taken by a clock that was ahead: it counts as expired. A
    holder that is alive renews it by the clock of now; one that was overtaken notices by the epoch.

    Raises `LeaseInUse` when a transaction of somebody keeps it as it is: that may take as long as a compute does, or a host
    that is gone and of which the server does not know yet.
    """
    expires = micros(now + ttl)
    values = {
        "name": name, "owner": owner, "epoch": 1, "expires_at": expires,
        "at": micros(now), "impossible": micros(now + ttl + AHEAD),
    }  # fmt: skip
    postgresql = tx.dialect.name == "postgresql"
    if postgresql:
        tx.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
    try:
        row = tx.execute(_acquire(tx.dialect.name), values).one_or_none()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise LeaseInUse(f"a transaction that is under way holds the lease {name!r}", where=owner) from error
    if postgresql:
        tx.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
    return None if row is None else _made(row)


def renew(tx: Connection, lease: Lease, *, ttl: timedelta, now: datetime) -> Lease:
    """Hold on to a lease for another `ttl`. Raises `LostLease` when it is no longer ours."""
    changed = tx.execute(_RENEW, {**_named(lease), "until": micros(now + ttl)})
    if changed.rowcount != 1:
        raise _lost(lease)
    return Lease(lease.name, lease.owner, lease.epoch, now + ttl)


def release(tx: Connection, lease: Lease, *, now: datetime) -> bool:
    """Give it back; returns False when it had been taken over already."""
    changed = tx.execute(_RELEASE, {**_named(lease), "until": micros(now)})
    return changed.rowcount == 1


_HOLDER = (
    select(leases.c.epoch, leases.c.owner)
    .where(leases.c.name == bindparam("lease"))
    .with_for_update(read=True)
)


def check(tx: Connection, lease: Lease) -> None:
    """Raises `LostLease` unless the lease is still ours, and keeps it so until this transaction ends.

    An expired lease that nobody took is still ours: the epoch decides, not the clock.
    """
    row = tx.execute(_HOLDER, {"lease": lease.name}).one_or_none()
    if row is None or row.epoch != lease.epoch or row.owner != lease.owner:
        raise _lost(lease)


def holder(tx: Connection, name: str) -> Lease | None:
    """Who has a lease, or had it last and did not give it back; None: nobody."""
    row = tx.execute(select(leases).where(leases.c.name == name, leases.c.owner.is_not(None))).one_or_none()
    return None if row is None else _made(row)


def held(tx: Connection, now: datetime) -> list[Lease]:
    """Leases that somebody holds."""
    query = select(leases).where(leases.c.owner.is_not(None), leases.c.expires_at > micros(now))
    return [_made(row) for row in tx.execute(query.order_by(leases.c.name))]


def require_nobody(tx: Connection, now: datetime, *, where: str, then: str) -> None:
    """Raises StoreLocked while a run is under way. `then`: what is to be done after it."""
    if found := held(tx, now):
        raise StoreLocked(
            f"a run is under way: {found[0].owner} until {found[0].expires_at:%H:%M:%S} UTC",
            where=where,
            hint=f"`rebates pause`, let it end, then {then}; a killed process frees the lock after 15 minutes",
        )


def _named(lease: Lease) -> dict[str, Any]:
    return {"lease": lease.name, "holder": lease.owner, "at_epoch": lease.epoch}


def _lost(lease: Lease) -> LostLease:
    return LostLease(
        f"the lease {lease.name!r} (epoch {lease.epoch}) went to another process", where=lease.owner or ""
    )


def _made(row: Any) -> Lease:
    return Lease(row.name, row.owner, row.epoch, moment(row.expires_at))
