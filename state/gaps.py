"""Which standings lack something because a row could not be read: they are incomplete, not silently lower.

A line belongs to its order, an order to its account; the standings are those that the order counts in, and where its
day is not known, those of the account that are open today. While order lines cannot be read at all, orders that came
since without any lack theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, select

from state import dating, meta, watermarks
from state.dialects import upsert
from state.instants import micros
from state.tables.facts import accounts, order_lines, orders
from state.tables.programs import periods, program_members, programs
from state.tables.running import rejected_rows
from state.tables.work import dirty_cells
from state.totals import Cell

NAMED = 3  # rows named in one standing; the others are counted
LATE = timedelta(minutes=10)  # lines that were committed so late may have been missed by the last window
_KEY = "gaps"
_STOPPED = (
    "stopped.pull"  # written by jobs: streams that could not be read, with the code of what stopped them
)

Gaps = Mapping[Cell, tuple[str, ...]]


_REJECTED = select(rejected_rows).order_by(rejected_rows.c.entity, rejected_rows.c.sf_id)


def find(tx: Connection, today: date) -> Gaps:
    """What is missing in each standing, as sentences without a value of the row."""
    found: dict[Cell, list[str]] = {}
    for cell, said in _without_lines(tx):
        found.setdefault(cell, []).append(said)
    for row in tx.execute(_REJECTED).all():
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


def _without_lines(tx: Connection) -> Iterable[tuple[Cell, str]]:
    """Orders that arrived while order lines stand still, and have none: what they add is not known."""
    code = json.loads(meta.get(tx, _STOPPED) or "{}").get("order_line")
    if code is None:
        return
    lines = watermarks.read(tx, "order_line")
    mine = and_(orders.c.active, ~orders.c.deleted, ~exists().where(order_lines.c.order_pk == orders.c.pk))
    if lines is not None:
        mine = and_(mine, orders.c.modstamp >= micros(lines.ceiling - LATE))
    for row in tx.execute(_counted_in(mine).add_columns(orders.c.sf_id).order_by(orders.c.sf_id)):
        yield Cell(row[0], row[1]), f"the lines of order {row[2]} could not be read: {code}"


def _of_order(tx: Connection, order_id: str | None) -> Iterable[Cell]:
    if order_id is None:
        return ()
    return [Cell(*row) for row in tx.execute(_counted_in(orders.c.sf_id == order_id))]


def _counted_in(which: ColumnElement[bool]) -> Select[int, int]:
    """The standings that orders count in, by their day."""
    member, period = program_members, periods
    dated = dating.by_original(programs.c.returns_to_original)
    return (
        select(member.c.member_pk, period.c.pk)
        .select_from(dating.with_originals(orders))
        .join(member, member.c.account_pk == orders.c.account_pk)
        .join(programs, programs.c.pk == member.c.program_pk)
        .join(period, and_(period.c.program_pk == member.c.program_pk, period.c.active))
        .where(which, orders.c.known, dated.within(period.c))
        .distinct()
    )


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
