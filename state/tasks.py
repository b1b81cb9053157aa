"""Tasks that we made in the org and look after until they are closed, by us or by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.sql.dml import ReturningInsert

from state.dialects import upsert_into
from state.instants import micros, moment, optional_moment
from state.tables.work import tasks
from state.totals import Cell


@dataclass(frozen=True)
class TaskRow:
    """`key` is the task's unique key in the org. `state`: open, closed (by us), dismissed (by a person)."""

    key: str
    kind: str
    cell: Cell
    document: str
    sf_id: str | None = None
    owner_id: str | None = None
    state: str = "open"
    opened_at: datetime | None = None
    closed_at: datetime | None = None


def opened(tx: Connection, task: TaskRow, *, now: datetime) -> bool:
    """Note a task as open. A key that was ever used stays as it is: a person who closed it is not asked again."""
    values = {
        "key": task.key,
        "kind": task.kind,
        "member_pk": task.cell.member_pk,
        "period_pk": task.cell.period_pk,
        "document": task.document,
        "sf_id": task.sf_id,
        "owner_id": task.owner_id,
        "state": "open",
        "opened_at": micros(now),
    }
    return tx.execute(_opened(tx.dialect.name), values).one_or_none() is not None


@cache
def _opened(dialect: str) -> ReturningInsert[Any]:
    once = upsert_into(dialect, tasks).on_conflict_do_nothing(index_elements=["key"])
    return once.returning(tasks.c.key)


def found(tx: Connection, key: str, *, sf_id: str, owner_id: str | None) -> None:
    """What the org says of a task."""
    tx.execute(update(tasks).where(tasks.c.key == key).values(sf_id=sf_id, owner_id=owner_id))


def annotate(tx: Connection, key: str, document: str) -> None:
    """A new note on a task; the note is the caller's."""
    tx.execute(update(tasks).where(tasks.c.key == key).values(document=document))


def closed(tx: Connection, key: str, how: Literal["closed", "dismissed"], *, now: datetime) -> bool:
    """It is over; a task ends once."""
    mine = (tasks.c.key == key) & (tasks.c.state == "open")
    return tx.execute(update(tasks).where(mine).values(state=how, closed_at=micros(now))).rowcount == 1


def reopened(tx: Connection, key: str) -> None:
    """It was taken for one that was never made, and is in the org: closing it is still to be done."""
    tx.execute(update(tasks).where(tasks.c.key == key).values(state="open", closed_at=None))


_GET = select(tasks).where(tasks.c.key == bindparam("of"))


def get(tx: Connection, key: str) -> TaskRow | None:
    row = tx.execute(_GET, {"of": key}).one_or_none()
    return None if row is None else _made(row)


def still_open(tx: Connection, *, cell: Cell | None = None) -> list[TaskRow]:
    """Open tasks, of one standing or all."""
    query = select(tasks).where(tasks.c.state == "open").order_by(tasks.c.key)
    if cell is not None:
        query = query.where(tasks.c.member_pk == cell.member_pk, tasks.c.period_pk == cell.period_pk)
    return [_made(row) for row in tx.execute(query)]


def closed_by_us(tx: Connection, *, since: datetime | None, limit: int) -> list[TaskRow]:
    """Tasks in the org that we closed since a moment (None: ever), oldest first."""
    mine = (tasks.c.state == "closed") & tasks.c.sf_id.is_not(None)
    if since is not None:
        mine &= tasks.c.closed_at >= micros(since)
    query = select(tasks).where(mine).order_by(tasks.c.closed_at, tasks.c.key).limit(limit)
    return [_made(row) for row in tx.execute(query)]


def never_made(tx: Connection) -> list[TaskRow]:
    """Tasks that were over before the org had them, as far as we know."""
    query = select(tasks).where(tasks.c.state == "closed", tasks.c.sf_id.is_(None)).order_by(tasks.c.key)
    return [_made(row) for row in tx.execute(query)]


def _made(row: Any) -> TaskRow:
    return TaskRow(
        row.key,
        row.kind,
        Cell(row.member_pk, row.period_pk),
        row.document,
        row.sf_id,
        row.owner_id,
        row.state,
        moment(row.opened_at),
        optional_moment(row.closed_at),
    )
