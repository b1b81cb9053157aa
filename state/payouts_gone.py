"""Payouts that the org had and has no more. Nobody pays them a second time but for a person who says so, one by one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from state import meta
from state.instants import micros
from state.payouts import DELETED as DELETED
from state.payouts import REJECTED
from state.slices import slices
from state.tables.payouts import payouts
from state.tables.work import acknowledged, outbox

_REPLACED = "payouts.replaced"


def thought_there(tx: Connection) -> set[str]:
    """Keys of payouts that the org has, as far as we know."""
    alive = or_(payouts.c.status.is_(None), payouts.c.status != DELETED)
    return set(tx.execute(select(payouts.c.key).where(payouts.c.sf_id.is_not(None), alive)).scalars())


def note(tx: Connection, keys: Collection[str], *, now: datetime) -> int:
    """The org shows these no more, not even in its recycle bin."""
    some, changed = sorted(keys), 0
    for part in slices(some):
        which = update(payouts).where(payouts.c.key.in_(part))
        changed += tx.execute(which.values(status=DELETED, read_at=micros(now))).rowcount
    return changed


def unplan(tx: Connection, object: str, key: str) -> bool:
    """Forget that a deleted payout was sent: the next plan makes it again, under its key. False: it is not a deleted one."""
    sf_id = tx.execute(
        select(payouts.c.sf_id).where(payouts.c.key == key, payouts.c.status == DELETED)
    ).scalar()
    if sf_id is None:
        return False
    tx.execute(delete(outbox).where(outbox.c.object == object, outbox.c.ext_key == key))
    tx.execute(delete(acknowledged).where(acknowledged.c.object == object, acknowledged.c.ext_key == key))
    tx.execute(delete(payouts).where(payouts.c.key == key))
    meta.drop(tx, "payouts.planned")
    meta.put(tx, _REPLACED, " ".join(sorted({*replaced(tx), sf_id})))
    return True


def is_rejected(tx: Connection, key: str) -> bool:
    """Whether finance rejected the payout with this key."""
    asked = select(payouts.c.key).where(payouts.c.key == key, payouts.c.status == REJECTED)
    return tx.execute(asked).first() is not None


def replaced(tx: Connection) -> set[str]:
    """Ids of deleted records in whose place a person wants another one: in the recycle bin they say nothing any more."""
    return set((meta.get(tx, _REPLACED) or "").split())
