"""Outbox rows by whom they are for: accounts that are gone, events that lost their point."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, and_, select

from state.outbox import _close as close
from state.outbox import _slices as slices
from state.tables.work import outbox


def accounts_of(tx: Connection, object: str) -> dict[str, str]:
    """Key → account id, of everything an object was ever told."""
    query = select(outbox.c.ext_key, outbox.c.account_id).where(
        outbox.c.object == object, outbox.c.account_id.is_not(None)
    )
    return {row.ext_key: row.account_id for row in tx.execute(query.distinct())}


def close_of(tx: Connection, account_ids: Collection[str], *, now: datetime) -> None:
    """Accounts are gone: what still waits for them has nowhere to go."""
    waiting = outbox.c.state.in_(("pending", "quarantined"))
    for some in slices(sorted(account_ids)):
        close(tx, and_(waiting, outbox.c.account_id.in_(some)), "superseded", now)


def close_event(tx: Connection, object: str, ext_key: str, *, now: datetime) -> None:
    """What was to be created has lost its point before it was sent."""
    mine = and_(outbox.c.object == object, outbox.c.ext_key == ext_key, outbox.c.kind == "event")
    close(tx, and_(mine, outbox.c.state.in_(("pending", "quarantined"))), "superseded", now)
