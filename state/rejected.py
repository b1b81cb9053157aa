"""Rows that could not be read: set aside with object, id, field and reason; gone again once they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, case, exists, func, select

from state.dialects import upsert
from state.instants import micros, moment
from state.tables.facts import orders
from state.tables.running import rejected_rows


@dataclass(frozen=True)
class RejectedRow:
    """`field` is the canonical field (empty: the whole row); `reason` is for people."""

    entity: str
    sf_id: str
    field: str
    reason: str
    parent_id: str | None = None  # the order of a line, the account of an order, where it could be read


@dataclass(frozen=True)
class Waiting(RejectedRow):
    """A rejected row as listed."""

    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    run_pk: int | None = None


def set_aside(
    tx: Connection, rows: Sequence[RejectedRow], *, now: datetime, run_pk: int | None = None
) -> None:
    """Write down rejected rows. Do it before `staging.apply` of the same entity: a row that is applied clears them."""
    if not rows:
        return
    statement = upsert(tx, rejected_rows)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["entity", "sf_id", "field"],
            set_={c: statement.excluded[c] for c in ("reason", "run_pk", "last_seen_at", "parent_id")},
        ),
        [
            {
                "entity": row.entity,
                "sf_id": row.sf_id,
                "field": row.field,
                "reason": row.reason,
                "parent_id": row.parent_id,
                "run_pk": run_pk,
                "first_seen_at": micros(now),
                "last_seen_at": micros(now),
            }
            for row in rows
        ],
    )


def waiting(tx: Connection, *, entity: str | None = None, limit: int | None = 100) -> list[Waiting]:
    """Rejected rows, oldest first."""
    query = select(rejected_rows)
    if entity is not None:
        query = query.where(rejected_rows.c.entity == entity)
    query = query.order_by(rejected_rows.c.first_seen_at, rejected_rows.c.entity, rejected_rows.c.sf_id)
    return [
        Waiting(
            row.entity,
            row.sf_id,
            row.field,
            row.reason,
            row.parent_id,
            moment(row.first_seen_at),
            moment(row.last_seen_at),
            row.run_pk,
        )
        for row in tx.execute(query.limit(limit))
    ]


def ids(tx: Connection, entity: str) -> set[str]:
    """Records of an entity that are set aside."""
    return set(tx.execute(select(rejected_rows.c.sf_id).where(rejected_rows.c.entity == entity)).scalars())


_COUNTS = select(
    rejected_rows.c.entity, func.count(rejected_rows.c.sf_id.distinct()).label("records")
).group_by(rejected_rows.c.entity)


def counts(tx: Connection) -> dict[str, int]:
    """How many records of each entity are set aside."""
    return {row.entity: row.records for row in tx.execute(_COUNTS)}


def without_day(tx: Connection) -> int:
    """Rejected orders that were never read before, and lines of such orders: they may belong to any period."""
    return int(tx.execute(_without_day()).scalar_one())


@cache
def _without_day() -> Select[Any]:
    row = rejected_rows.c
    order_id = case((row.entity == "order", row.sf_id), else_=row.parent_id)
    placed = exists().where(orders.c.sf_id == order_id, orders.c.known)
    lost = select(row.entity, row.sf_id).where(row.entity.in_(("order", "order_line")), ~placed).distinct()
    return select(func.count()).select_from(lost.subquery())
