"""Rows that could not be read: set aside with object, id, field and reason; gone again once they are applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, not_, or_, select

from state.dialects import upsert
from state.instants import micros, moment
from state.tables import facts
from state.tables.facts import accounts, order_lines, orders
from state.tables.running import rejected_rows


@dataclass(frozen=True)
class RejectedRow:
    """`field` is the canonical field (empty: the whole row); `reason` is for people."""

    entity: str
    sf_id: str
    field: str
    reason: str
    parent_id: str | None = None  # a line's order, an order's account, an account's parent


@dataclass(frozen=True)
class Waiting(RejectedRow):
    """A rejected row as listed."""

    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    run_pk: int | None = None


def set_aside(
    tx: Connection, rows: Sequence[RejectedRow], *, now: datetime, run_pk: int | None = None
) -> None:
    """Write down rejected rows. Do it after `staging.apply` of the same entity, with those whose last reading was bad: a
    row that is applied clears what was written down of it."""
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


COUNTING: ColumnElement[bool] = and_(orders.c.known, orders.c.active, not_(orders.c.deleted))


def without_day(tx: Connection) -> int:
    """Rejected records that may be about any period: orders of no known day, lines of orders that nobody knows, and accounts
    that bought something or stand above others."""
    return sum(int(tx.execute(query).scalar_one()) for query in _without_day())


_HAS_DAY = or_(orders.c.ordered_on.is_not(None), orders.c.ordered_at.is_not(None))
# A line's order was read, or is none of ours (`gone.leave_out`).
_PLACED = exists().where(orders.c.sf_id == rejected_rows.c.parent_id, or_(orders.c.known, orders.c.deleted))


def orders_nobody_knows(tx: Connection) -> list[str]:
    """The orders of rejected lines that were neither read nor set aside themselves, by id."""
    row, own = rejected_rows.c, rejected_rows.alias("own")
    aside = select(own.c.sf_id).where(own.c.entity == "order")
    query = select(row.parent_id).where(row.entity == "order_line", row.parent_id.is_not(None), ~_PLACED)
    return list(
        tx.execute(query.where(row.parent_id.not_in(aside)).distinct().order_by(row.parent_id)).scalars()
    )


@cache
def _without_day() -> tuple[Select[Any], Select[Any]]:
    row = rejected_rows.c
    dated = exists().where(orders.c.sf_id == row.sf_id, orders.c.known, _HAS_DAY)
    nowhere = or_(and_(row.entity == "order", ~dated), and_(row.entity == "order_line", ~_PLACED))
    lost = select(row.entity, row.sf_id).where(nowhere).distinct()
    child = accounts.alias("child")
    bought = exists().where(orders.c.account_pk == accounts.c.pk, COUNTING)
    above = exists().where(child.c.parent_pk == accounts.c.pk, child.c.known, not_(child.c.deleted))
    aside = select(row.sf_id).where(row.entity == "account")
    unread = and_(not_(accounts.c.known), accounts.c.sf_id.in_(aside))
    strangers = select(func.count()).select_from(accounts).where(unread, or_(bought, above))
    return select(func.count()).select_from(lost.subquery()), strangers


def products(tx: Connection) -> dict[int, tuple[str, bool]]:
    """Rejected products that were read once, or that a line refers to: number → id, and whether a version was ever read."""
    return {row.pk: (row.sf_id, bool(row.known)) for row in tx.execute(_PRODUCTS)}


_PRODUCTS = select(facts.products.c.pk, facts.products.c.sf_id, facts.products.c.known).where(
    facts.products.c.sf_id.in_(select(rejected_rows.c.sf_id).where(rejected_rows.c.entity == "product"))
)


def lines_with(pks: Collection[int]) -> Select[Any]:
    """The orders that count and have a line with one of these products. Lines have no index by product: all of them are
    gone through, so ask only where there is such a product."""
    lines = order_lines.join(orders, orders.c.pk == order_lines.c.order_pk)
    mine = and_(order_lines.c.product_pk.in_(list(pks)), not_(order_lines.c.deleted), COUNTING)
    return select(order_lines.c.order_pk, order_lines.c.product_pk).select_from(lines).where(mine).distinct()


def products_without_fields(tx: Connection) -> int:
    """Rejected products that were never read and that orders have: what asks for their fields does not count their lines."""
    unread = [pk for pk, (_, known) in products(tx).items() if not known]
    if not unread:
        return 0
    used = lines_with(unread).subquery()
    return int(tx.execute(select(func.count(used.c.product_pk.distinct()))).scalar_one())
