"""What an inventory buried lately, and what a record that is gone would take with it.

Records go a few at a time from an org where sharing is lost a few at a time. So what no person has said to be deleted is
remembered by its day for a while, and counted together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select

from state import meta
from state.inventory import IDS_AT_ONCE
from state.tables.facts import order_lines, orders
from state.tables.programs import periods
from state.tables.work import closed_periods, contributions

LATELY = timedelta(days=30)
_KEY = "buried."  # by entity: days, and how many on each


def lately(tx: Connection, entity: str, today: date) -> int:
    """How many records of an entity were buried in the last days that nobody has said to be deleted."""
    return sum(rows for _, rows in _kept(tx, entity, today))


def note(tx: Connection, entity: str, today: date, rows: int) -> None:
    """So many more were buried today."""
    if rows:
        kept = [*_kept(tx, entity, today), (today.isoformat(), rows)]
        meta.put(tx, _KEY + entity, json.dumps(kept))


def forget(tx: Connection, entity: str) -> None:
    """A person says that all of them were deleted."""
    meta.drop(tx, _KEY + entity)


def _kept(tx: Connection, entity: str, today: date) -> list[tuple[str, int]]:
    known = json.loads(meta.get(tx, _KEY + entity) or "[]")
    return [(day, rows) for day, rows in known if date.fromisoformat(day) > today - LATELY]


def of_deleted_orders(tx: Connection, line_ids: Sequence[str]) -> set[str]:
    """Those of some lines whose order is deleted, too: they count nowhere any more, whatever became of them."""
    query = select(order_lines.c.sf_id).join(orders, orders.c.pk == order_lines.c.order_pk)
    return {row[0] for row in _of(tx, query.where(orders.c.deleted), order_lines.c.sf_id, line_ids)}


def settled(tx: Connection, entity: str, ids: Sequence[str]) -> dict[str, str]:
    """Orders (or lines) that count in a period that is settled, by id, with its name."""
    if entity not in ("order", "order_line"):
        return {}
    rows = (
        orders.join(order_lines, order_lines.c.order_pk == orders.c.pk) if entity == "order_line" else orders
    )
    record = order_lines.c.sf_id if entity == "order_line" else orders.c.sf_id
    closed = (
        select(record, periods.c.name)
        .select_from(
            rows.join(contributions, contributions.c.order_pk == orders.c.pk)
            .join(closed_periods, closed_periods.c.period_pk == contributions.c.period_pk)
            .join(periods, periods.c.pk == contributions.c.period_pk)
        )
        .distinct()
    )
    return {row[0]: row[1] for row in _of(tx, closed, record, ids)}


def _of(tx: Connection, query: Select[Any], column: Any, ids: Collection[str]) -> Iterator[Any]:
    some = sorted(ids)
    for at in range(0, len(some), IDS_AT_ONCE):
        yield from tx.execute(query.where(column.in_(some[at : at + IDS_AT_ONCE])))
