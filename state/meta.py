"""The few facts about the store itself: whose it is, its epoch, its sequence."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, update

from state.dialects import keep_newest
from state.errors import WrongOrg
from state.tables.running import meta

# Sequence numbers are epoch x this + a counter: after a restore (epoch + 1) every new one is above every old one.
SEQUENCES_PER_EPOCH = 10**12
_VALUE = select(meta.c.value).where(meta.c.key == bindparam("key"))  # asked a dozen times a run: built once
_DROP = delete(meta).where(meta.c.key == bindparam("name"))
_TOUCH = update(meta).where(meta.c.key == bindparam("name")).values(value=meta.c.value)


def get(tx: Connection, key: str) -> str | None:
    return tx.execute(_VALUE, {"key": key}).scalar_one_or_none()


def put(tx: Connection, key: str, value: str) -> None:
    tx.execute(keep_newest(tx.dialect.name, meta), {"key": key, "value": value})


def drop(tx: Connection, key: str) -> None:
    tx.execute(_DROP, {"name": key})


def pin_org(tx: Connection, org_id: str, *, where: str = "") -> None:
    """Bind the store to one org at first use; raises `WrongOrg` for any other ever after."""
    require_org(tx, org_id, where=where)
    if get(tx, "org_id") is None:
        put(tx, "org_id", org_id)


def require_org(tx: Connection, org_id: str, *, where: str = "") -> None:
    """Raises `WrongOrg` where the store is bound to another org."""
    known = get(tx, "org_id")
    if known not in (None, org_id):
        raise WrongOrg(f"this store belongs to the org {known}, not {org_id}", where=where)


def org_id(tx: Connection) -> str | None:
    return get(tx, "org_id")


def epoch(tx: Connection) -> int:
    """Grows with every restore, so that nothing sent before it can look newer than what comes after."""
    return int(get(tx, "epoch") or 1)


def bump_epoch(tx: Connection) -> int:
    """A restored store starts a new epoch; sequence numbers begin again above all earlier ones."""
    new = epoch(tx) + 1
    put(tx, "epoch", str(new))
    put(tx, "next_seq", "1")
    return new


def following(tx: Connection) -> int:
    """The next number to be given out: no record of the org can have it, or one above, from this store."""
    return epoch(tx) * SEQUENCES_PER_EPOCH + int(get(tx, "next_seq") or 1)


def take_sequence(tx: Connection, count: int) -> int:
    """Reserve `count` consecutive sequence numbers; returns the first. They rise in the order of commits."""
    # The update comes first and locks the row, so that two writers never read the same number.
    if tx.execute(_TOUCH, {"name": "next_seq"}).rowcount == 0:
        put(tx, "next_seq", "1")
    first = int(get(tx, "next_seq") or 1)
    put(tx, "next_seq", str(first + count))
    return epoch(tx) * SEQUENCES_PER_EPOCH + first
