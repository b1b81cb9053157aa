"""What need not be kept for ever: outbox rows that a newer delivered one has replaced, bulk jobs that are over.

Events stay (their keys are what keeps them from being made twice), as do the newest delivered row of every key, and
everything about money: standings' history, postings, payouts, the audit trail.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, exists, or_, select

from state.instants import micros
from state.tables.running import bulk_jobs
from state.tables.work import outbox


def tidy(tx: Connection, *, before: datetime, limit: int) -> int:
    """Remove up to `limit` rows of each kind that were over before a moment; returns how many went."""
    newer = outbox.alias("newer")
    replaced = exists().where(
        newer.c.object == outbox.c.object, newer.c.ext_key == outbox.c.ext_key, newer.c.seq > outbox.c.seq,
        newer.c.state == "done",
    )  # fmt: skip
    over = and_(
        outbox.c.kind == "state",
        outbox.c.finished_at < micros(before),
        or_(outbox.c.state == "superseded", and_(outbox.c.state == "done", replaced)),
    )
    ended = and_(bulk_jobs.c.state != "open", bulk_jobs.c.finished_at < micros(before))
    return _remove(tx, outbox, over, limit) + _remove(tx, bulk_jobs, ended, limit)


def _remove(tx: Connection, table: Table, which: Any, limit: int) -> int:
    some = select(table.c.pk).where(which).limit(limit)
    return tx.execute(delete(table).where(table.c.pk.in_(some))).rowcount
