"""What must be computed again: orders, accounts, products, programs.

Marks are rows, written in the transaction of the change that caused them: they survive any crash.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, exists, func, literal, select
from sqlalchemy.dialects.postgresql import Insert

from state import parts
from state.dialects import upsert, upsert_into
from state.in_force import OWN
from state.tables.programs import periods, programs
from state.tables.work import (
    dirty_accounts,
    dirty_cells,
    dirty_orders,
    dirty_products,
    dirty_programs,
    standings,
    totals,
)

_CLEAN = (
    select(programs.c.pk)
    .where(programs.c.active, ~exists().where(dirty_programs.c.program_pk == programs.c.pk))
    .limit(1)
)


def everything_is_dirty(tx: Connection) -> bool:
    """Whether every active program waits to be computed from scratch: then marking single orders adds nothing."""
    return tx.execute(_CLEAN).first() is None


class Orders:
    """Marks dirty orders within one transaction, and counts how many were not marked before.

    Unless only the rules about them changed (`facts_changed=False`), their parts of the facts have changed, too.
    """

    def __init__(self, tx: Connection, *, facts_changed: bool = True) -> None:
        self.tx = tx
        self.marked = 0
        self._facts_changed = facts_changed
        self._needed = not everything_is_dirty(tx)

    def mark(self, orders: Select[Any]) -> None:
        """Mark the orders whose pk the query selects."""
        if self._facts_changed:
            parts.note_changed(self.tx, orders)
        if self._needed:
            self.marked += _mark(self.tx, dirty_orders, "order_pk", orders)


def mark_accounts(tx: Connection, accounts: Select[Any]) -> int:
    return _mark(tx, dirty_accounts, "account_pk", accounts)


def mark_products(tx: Connection, products: Select[Any], *, judged: bool) -> int:
    """`judged`: the rules have seen these before, so orders with them may change."""
    chosen = products.subquery()
    rows = upsert(tx, dirty_products).from_select(
        ["product_pk", "judged"], select(chosen.c[0], literal(judged)).where(literal(True))
    )
    return tx.execute(_counted(rows.on_conflict_do_nothing())).rowcount


def mark_programs(tx: Connection, programs: Select[Any]) -> int:
    return _mark(tx, dirty_programs, "program_pk", programs)


def mark_cells(tx: Connection, cells: Select[Any]) -> int:
    """Standings to compute again: (member_pk, period_pk). Returns how many were not marked before."""
    return tx.execute(_marking(tx.dialect.name, dirty_cells, ("member_pk", "period_pk"), cells)).rowcount


def mark_these(tx: Connection, cells: Collection[tuple[int, int]]) -> None:
    """Standings (member_pk, period_pk) to compute, whether they are there or not."""
    if cells:
        values = [{"member_pk": member, "period_pk": period} for member, period in sorted(cells)]
        tx.execute(upsert(tx, dirty_cells).on_conflict_do_nothing(), values)


def mark_all_cells(tx: Connection) -> int:
    """Every standing there is, and every one that there should be."""
    should_be = (
        select(totals.c.member_pk, totals.c.period_pk)
        .join(periods, periods.c.pk == totals.c.period_pk)
        .where(OWN)
        .distinct()
    )
    return mark_cells(tx, select(standings.c.member_pk, standings.c.period_pk)) + mark_cells(tx, should_be)


def count(tx: Connection, table: Table) -> int:
    return int(tx.execute(_how_many(table)).scalar_one())


@cache
def _how_many(table: Table) -> Select[Any]:
    return select(func.count()).select_from(table)


def _mark(tx: Connection, table: Table, column: str, query: Select[Any]) -> int:
    return tx.execute(_marking(tx.dialect.name, table, (column,), query)).rowcount


@lru_cache(maxsize=64)  # most queries are constants of the modules that ask
def _marking(dialect: str, table: Table, columns: tuple[str, ...], query: Select[Any]) -> Insert:
    rows = upsert_into(dialect, table).from_select(list(columns), query.where(literal(True)))
    return _counted(rows.on_conflict_do_nothing())


def _counted(rows: Insert) -> Insert:
    # psycopg reports the rows of an INSERT only when asked to keep them.
    return rows.execution_options(preserve_rowcount=True)
