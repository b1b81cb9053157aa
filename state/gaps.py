"""Which standings lack something because a row could not be read: they are incomplete, not silently lower.

A line belongs to its order, an order to its account; the standings are those that the order counts in, and where its
day is not known, those of the account that are open today.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date

from sqlalchemy import Connection, and_, or_, select

from state import meta
from state.dialects import upsert
from state.tables.facts import accounts, orders
from state.tables.programs import periods, program_members, programs
from state.tables.running import rejected_rows
from state.tables.work import dirty_cells
from state.totals import Cell

NAMED = 3  # rows named in one standing; the others are counted
_KEY = "gaps"

Gaps = Mapping[Cell, tuple[str, ...]]


def find(tx: Connection, today: date) -> Gaps:
    """What is missing in each standing, as sentences without a value of the row."""
    if tx.execute(select(rejected_rows.c.sf_id).limit(1)).first() is None:
        return {}
    found: dict[Cell, list[str]] = {}
    rows = tx.execute(select(rejected_rows).order_by(rejected_rows.c.entity, rejected_rows.c.sf_id)).all()
    for row in rows:
        said = f"{row.entity.replace('_', ' ')} {row.sf_id} could not be read: {row.reason}"
        for cell in _cells(tx, row.entity, row.sf_id, row.parent_id, today):
            found.setdefault(cell, []).append(said)
    return {cell: _few(some) for cell, some in found.items()}


def mark_changed(tx: Connection, gaps: Gaps) -> int:
    """Standings whose gaps came or went since the last call are computed again; returns how many."""
    before = {Cell(*cell) for cell in json.loads(meta.get(tx, _KEY) or "[]")}
    moved = sorted(before ^ set(gaps))
    if moved:
        statement = upsert(tx, dirty_cells).on_conflict_do_nothing()
        tx.execute(statement, [{"member_pk": one.member_pk, "period_pk": one.period_pk} for one in moved])
        meta.put(tx, _KEY, json.dumps(sorted(gaps)))
    return len(moved)


def _few(said: list[str]) -> tuple[str, ...]:
    if len(said) <= NAMED:
        return tuple(said)
    return (*said[:NAMED], f"and {len(said) - NAMED} more records could not be read")


def _cells(tx: Connection, entity: str, sf_id: str, parent: str | None, today: date) -> Iterable[Cell]:
    if entity == "order_line":
        return _of_order(tx, parent)
    if entity == "order":
        return list(_of_order(tx, sf_id)) or _open(tx, parent, today)
    return _open(tx, sf_id, today) if entity == "account" else ()


def _of_order(tx: Connection, order_id: str | None) -> Iterable[Cell]:
    if order_id is None:
        return ()
    member, period, on, at = program_members, periods, orders.c.ordered_on, orders.c.ordered_at
    within = or_(
        and_(on.is_not(None), period.c.start_day <= on, on < period.c.end_day),
        and_(on.is_(None), period.c.start_at <= at, at < period.c.end_at),
    )
    query = (
        select(member.c.member_pk, period.c.pk)
        .select_from(orders)
        .join(member, member.c.account_pk == orders.c.account_pk)
        .join(period, and_(period.c.program_pk == member.c.program_pk, period.c.active))
        .where(orders.c.sf_id == order_id, orders.c.known, within)
        .distinct()
    )
    return [Cell(*row) for row in tx.execute(query)]


def _open(tx: Connection, account_id: str | None, today: date) -> Iterable[Cell]:
    if account_id is None:
        return ()
    day = today.toordinal()
    query = (
        select(program_members.c.member_pk, periods.c.pk)
        .select_from(accounts)
        .join(program_members, program_members.c.account_pk == accounts.c.pk)
        .join(programs, and_(programs.c.pk == program_members.c.program_pk, programs.c.active))
        .join(periods, and_(periods.c.program_pk == programs.c.pk, periods.c.active))
        .where(accounts.c.sf_id == account_id, periods.c.start_day <= day, day < periods.c.end_day)
        .distinct()
    )
    return [Cell(*row) for row in tx.execute(query)]
