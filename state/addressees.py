"""Outbox rows by whom they are for: accounts that are gone, events that lost their point."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from state import acknowledged, people
from state.instants import micros
from state.outbox import load
from state.outbox_lost import close
from state.slices import slices
from state.tables.work import outbox


def accounts_of(tx: Connection, object: str) -> dict[str, str]:
    """Key → account id, of everything an object was ever told."""
    query = select(outbox.c.ext_key, outbox.c.account_id).where(
        outbox.c.object == object, outbox.c.account_id.is_not(None)
    )
    return {row.ext_key: row.account_id for row in tx.execute(query.distinct())}


def account_of(tx: Connection, object: str, ext_key: str) -> str | None:
    """Whom a key of an object was for."""
    query = select(outbox.c.account_id).where(outbox.c.object == object, outbox.c.ext_key == ext_key)
    found: str | None = tx.execute(query.limit(1)).scalar()
    return found


_LOST = (
    select(outbox.c.account_id)
    .where(outbox.c.state.in_(("pending", "quarantined")), outbox.c.account_id.in_(people.GONE))
    .distinct()
)


def lost(tx: Connection) -> set[str]:
    """Accounts for which something waits although they are gone, deleted or merged away."""
    return set(tx.execute(_LOST).scalars())


def close_of(
    tx: Connection,
    account_ids: Collection[str],
    *,
    now: datetime,
    keep: Collection[tuple[str, str]] = (),
) -> None:
    """Accounts are gone: what still waits for them has nowhere to go, but for what is to `keep`: (object, key)."""
    waiting, kept = outbox.c.state.in_(("pending", "quarantined")), set(keep)
    for some in slices(sorted(account_ids)):
        mine = select(outbox.c.pk, outbox.c.object, outbox.c.ext_key).where(
            waiting, outbox.c.account_id.in_(some)
        )
        pks = [row.pk for row in tx.execute(mine) if (row.object, row.ext_key) not in kept]
        for few in slices(pks):
            close(tx, outbox.c.pk.in_(few), "superseded", now)


def maybe_sent(tx: Connection, object: str, ext_keys: Collection[str]) -> set[str]:
    """Those keys of an object that the org has, or may have: a sender had them once."""
    found: set[str] = set()
    for some in slices(sorted(ext_keys)):
        mine = and_(outbox.c.object == object, outbox.c.ext_key.in_(some), outbox.c.attempts > 0)
        found |= set(tx.execute(select(outbox.c.ext_key).where(mine)).scalars())
        found |= {key for _, key in acknowledged.hashes(tx, [(object, key) for key in some])}
    return found


def give_up_unsent(tx: Connection, object: str, ext_keys: Collection[str], *, now: datetime) -> None:
    """What no sender ever had of some keys has lost its point. What one has meanwhile is found by `maybe_sent`, afterwards."""
    waiting = and_(outbox.c.state.in_(("pending", "quarantined")), outbox.c.attempts == 0)
    for some in slices(sorted(ext_keys)):
        close(tx, and_(waiting, outbox.c.object == object, outbox.c.ext_key.in_(some)), "superseded", now)


def close_event(tx: Connection, object: str, ext_key: str, *, now: datetime) -> None:
    """What was to be created has lost its point before it was sent."""
    mine = and_(outbox.c.object == object, outbox.c.ext_key == ext_key, outbox.c.kind == "event")
    close(tx, and_(mine, outbox.c.state.in_(("pending", "quarantined"))), "superseded", now)


def in_flight(tx: Connection, object: str, ext_keys: Sequence[str]) -> set[str]:
    """Keys of what is to be created and was given to a sender that has not come back."""
    return set(_events(tx, object, ext_keys, outbox.c.state == "inflight"))


def tried(tx: Connection, object: str, ext_keys: Sequence[str]) -> list[str]:
    """Keys of what was to be created and may be there already: a sender had them, and nobody knows what became of them.
    Also of what was given up meanwhile because its account is gone."""
    unknown = or_(outbox.c.attempts > 0, outbox.c.state == "quarantined")
    return _events(tx, object, ext_keys, and_(unknown, outbox.c.state != "done"))


def delivered(tx: Connection, object: str, ext_key: str, *, sf_id: str, now: datetime) -> Mapping[str, Any]:
    """The org has it after all: done, unless a sender still has it. Returns what was sent; nothing where the outbox has
    forgotten it, because a backup was restored or it is older than what is kept."""
    mine = and_(outbox.c.object == object, outbox.c.ext_key == ext_key, outbox.c.kind == "event")
    row = tx.execute(select(outbox).where(mine)).one_or_none()
    if row is None:
        return {}
    done = tx.execute(
        update(outbox)
        .where(mine, outbox.c.state.in_(("pending", "quarantined", "superseded")))
        .values(state="done", finished_at=micros(now), sf_id=sf_id, stuck=None, code=None, message=None)
    )
    if done.rowcount:
        acknowledged.remember(
            tx, object, ext_key, seq=row.seq, payload_hash=row.payload_hash, sf_id=sf_id, now=now
        )
    return load(row.payload)


def _events(tx: Connection, object: str, ext_keys: Sequence[str], which: Any) -> list[str]:
    found: list[str] = []
    for some in slices(ext_keys):
        mine = and_(outbox.c.object == object, outbox.c.kind == "event", outbox.c.ext_key.in_(some))
        found += tx.execute(select(outbox.c.ext_key).where(mine, which).order_by(outbox.c.pk)).scalars()
    return found
