"""What became of many outbox rows at once: confirmed, or to be tried again (one alone: `outbox.retry_at`).

A batch was claimed by one sender in one epoch. Rows that are no longer its own are left alone, as they are one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, select, update

from state import acknowledged
from state import outbox as outbox_of
from state.instants import micros
from state.outbox import Row
from state.slices import slices
from state.tables.work import outbox


def acknowledge_all(
    tx: Connection, answers: Sequence[tuple[Row, str | None]], *, now: datetime
) -> list[tuple[Row, str | None]]:
    """The org confirmed these rows, with the record id where it told one; returns those that were still ours."""
    ours = _ours(tx, [row for row, _ in answers])
    done = [(row, sf_id) for row, sf_id in answers if row.pk in ours]
    if not done:
        return []
    _update(
        tx,
        ({"at_pk": row.pk, "to_sf_id": sf_id} for row, sf_id in done),
        state="done",
        finished_at=micros(now),
        sf_id=bindparam("to_sf_id", type_=Text),
    )
    acknowledged.remember_all(tx, done, now=now)
    return done


def retry_all(tx: Connection, rows: Sequence[tuple[Row, datetime]], *, code: str | None) -> int:
    """None of these reached the org: each is pending again, not before its moment, unless a newer value of its key waits
    already. Returns how many were ours."""
    ours = _ours(tx, [row for row, _ in rows])
    _update(
        tx,
        ({"at_pk": row.pk, "not_before": micros(when)} for row, when in rows if row.pk in ours),
        state="pending",
        retry_at=bindparam("not_before", type_=BigInteger),
        code=code,
        message=None,
    )
    if ours:
        outbox_of.close_outdated(tx, now=min(when for _, when in rows), pks=ours)
    return len(ours)


_OURS = (
    select(outbox.c.pk)
    .where(
        outbox.c.pk.in_(bindparam("pks", expanding=True)),
        outbox.c.state == "inflight",
        outbox.c.owner == bindparam("holder"),
        outbox.c.epoch == bindparam("at_epoch"),
    )
    .with_for_update()
)


def _ours(tx: Connection, rows: Sequence[Row]) -> set[int]:
    """Which of the rows are in flight under the claim that we hold; locked until the transaction ends."""
    found: set[int] = set()
    for some in slices(rows):
        for owner, epoch in {(row.owner, row.epoch) for row in some}:
            pks = [row.pk for row in some if (row.owner, row.epoch) == (owner, epoch)]
            mine = tx.execute(_OURS, {"pks": pks, "holder": owner, "at_epoch": epoch})
            found |= set(mine.scalars())
    return found


def _update(tx: Connection, changes: Iterable[dict[str, Any]], **values: Any) -> None:
    parameters = list(changes)
    if parameters:
        statement = update(outbox).where(outbox.c.pk == bindparam("at_pk", type_=BigInteger))
        tx.execute(statement.values(owner=None, claimed_until=None, **values), parameters)
