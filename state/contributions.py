"""Contributions: what each order adds to each total. Written once as one statement, for all orders or a few.

A changed order is never added or subtracted by what changed about it. Its contributions are computed again from
its lines; the ones it made before are in the table; the difference moves the totals. So totals cannot drift
from the contributions, whatever changed (line, order, account, product, program) and however often it is replayed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)

from state import bulk, dirty
from state.dialects import upsert
from state.tables.facts import order_lines, orders
from state.tables.programs import (
    bucket_line_kinds,
    bucket_order_kinds,
    bucket_products,
    buckets,
    periods,
    program_members,
)
from state.tables.work import (
    contributions,
    dirty_accounts,
    dirty_kinds,
    dirty_orders,
    dirty_products,
    dirty_programs,
    totals,
)

CELL = ("member_pk", "period_pk", "bucket_pk", "conversion_pk")
SUMS = ("amount_e6", "quantity_e6", "lines")

# When more than one order in this many is dirty, computing everything is cheaper than the difference.
REBUILD_FROM_ONE_IN = 6

fresh = bulk.scratch(
    "contributions", order_pk="int!", bucket_pk="int!", member_pk="int!", period_pk="int!", conversion_pk="int!",
    amount_e6="int", quantity_e6="int", lines="int",
)  # fmt: skip
deltas = bulk.scratch(
    "deltas", member_pk="int!", period_pk="int!", bucket_pk="int!", conversion_pk="int!",
    amount_e6="int", quantity_e6="int", lines="int",
)  # fmt: skip


@dataclass(frozen=True)
class Scope:
    """What to compute: everything, the dirty orders, or some programs."""

    dirty_orders: bool = False
    program_pks: tuple[int, ...] | None = None


EVERYTHING = Scope()
DIRTY = Scope(dirty_orders=True)


def contribution_query(scope: Scope = EVERYTHING) -> Select[Any]:
    """The statement: ANSI joins and integers only, so that any SQL engine gives the same answer to the last digit.

    Columns: order_pk, bucket_pk, member_pk, period_pk, conversion_pk, amount_e6, quantity_e6, lines.
    """
    member, kind, period, line = program_members, bucket_order_kinds, periods, order_lines
    joined = (
        orders.join(member, member.c.account_pk == orders.c.account_pk)
        .join(kind, and_(kind.c.bucket_pk == member.c.bucket_pk, kind.c.kind_pk == orders.c.kind_pk))
        .join(period, period.c.program_pk == member.c.program_pk)
        .join(line, line.c.order_pk == orders.c.pk)
        .join(
            bucket_products,
            and_(
                bucket_products.c.bucket_pk == member.c.bucket_pk,
                bucket_products.c.product_pk == line.c.product_pk,
            ),
        )
        .join(
            bucket_line_kinds,
            and_(
                bucket_line_kinds.c.bucket_pk == member.c.bucket_pk,
                bucket_line_kinds.c.kind_pk == line.c.kind_pk,
            ),
        )
    )
    keys = (orders.c.pk, member.c.bucket_pk, member.c.member_pk, period.c.pk, kind.c.conversion_pk)
    query = (
        select(
            orders.c.pk.label("order_pk"),
            member.c.bucket_pk,
            member.c.member_pk,
            period.c.pk.label("period_pk"),
            kind.c.conversion_pk,
            _total(line.c.amount_e6).label("amount_e6"),
            _total(line.c.quantity_e6).label("quantity_e6"),
            func.count().label("lines"),
        )
        .select_from(joined)
        .where(
            orders.c.known,
            orders.c.active,
            not_(orders.c.deleted),
            not_(line.c.deleted),
            period.c.active,
            _within(period),
            _within(member),
            _within(kind),
        )
        .group_by(*keys)
    )
    if scope.dirty_orders:
        # IN, not a join: SQLite then starts from the few dirty orders instead of scanning all.
        query = query.where(orders.c.pk.in_(select(dirty_orders.c.order_pk)))
    if scope.program_pks is not None:
        query = query.where(member.c.program_pk.in_(scope.program_pks))
    return query


def recompute_dirty(tx: Connection) -> int:
    """Bring contributions and totals up to date; returns how many cells changed (they are dirty now).

    Call `rules.install_programs` first in the same transaction: it judges new accounts, products and kinds.
    """
    _require_judged(tx)
    stale = tuple(tx.execute(select(dirty_programs.c.program_pk)).scalars())
    waiting = dirty.count(tx, dirty_orders)
    # The largest number instead of a count, which would read every order: orders are never removed.
    known = tx.execute(select(func.max(orders.c.pk))).scalar_one()
    if waiting and waiting * REBUILD_FROM_ONE_IN > known:
        return rebuild(tx)
    changed = rebuild(tx, stale) if stale else 0
    if waiting:
        changed += _recompute_orders(tx)
    return changed


def rebuild(tx: Connection, program_pks: Collection[int] | None = None) -> int:
    """Compute from all lines, for some programs or all; returns how many cells changed (they are dirty now)."""
    scope = EVERYTHING if program_pks is None else Scope(program_pks=tuple(program_pks))
    mine_contributions = _of_programs(contributions.c.bucket_pk, program_pks)
    mine_totals = _of_programs(totals.c.bucket_pk, program_pks)
    bulk.empty(tx, deltas)
    _remember(tx, select(*(totals.c[c] for c in CELL), *(totals.c[c] for c in SUMS)).where(mine_totals))
    tx.execute(delete(contributions).where(mine_contributions))
    tx.execute(insert(contributions).from_select(_names(contributions), contribution_query(scope)))
    tx.execute(delete(totals).where(mine_totals))
    summed = (
        select(*(contributions.c[c] for c in CELL), *(_total(contributions.c[c]).label(c) for c in SUMS))
        .where(mine_contributions)
        .group_by(*(contributions.c[c] for c in CELL))
    )
    tx.execute(insert(totals).from_select([*CELL, *SUMS], summed))
    changed = _note_differences(tx, mine_totals)
    if program_pks is None:
        tx.execute(delete(dirty_orders))
        tx.execute(delete(dirty_programs))
    else:
        tx.execute(delete(dirty_programs).where(dirty_programs.c.program_pk.in_(tuple(program_pks))))
    return changed


def _recompute_orders(tx: Connection) -> int:
    bulk.empty(tx, fresh, deltas)
    bulk.settle(tx, dirty_orders)
    tx.execute(insert(fresh).from_select(_names(fresh), contribution_query(DIRTY)))
    mine = contributions.c.order_pk.in_(select(dirty_orders.c.order_pk))
    columns = (*CELL, *SUMS)
    both = union_all(
        select(*(fresh.c[c] for c in columns)),
        select(*(contributions.c[c] for c in CELL), *((-contributions.c[c]).label(c) for c in SUMS)).where(
            mine
        ),
    ).subquery()
    sums = {c: _total(both.c[c]) for c in SUMS}
    tx.execute(
        insert(deltas).from_select(
            [*CELL, *SUMS],
            select(*(both.c[c] for c in CELL), *(sums[c].label(c) for c in SUMS))
            .group_by(*(both.c[c] for c in CELL))
            .having(or_(*(sums[c] != 0 for c in SUMS))),
        )
    )
    tx.execute(delete(contributions).where(mine))
    tx.execute(insert(contributions).from_select(_names(contributions), select(*fresh.columns)))
    add = upsert(tx, totals).from_select([*CELL, *SUMS], select(*deltas.columns).where(literal(True)))
    tx.execute(
        add.on_conflict_do_update(
            index_elements=list(CELL), set_={c: totals.c[c] + add.excluded[c] for c in SUMS}
        )
    )
    tx.execute(delete(totals).where(totals.c.lines == 0, _in_deltas()))
    tx.execute(delete(dirty_orders))
    return _mark(tx, select(deltas.c.member_pk, deltas.c.period_pk).distinct())


def _require_judged(tx: Connection) -> None:
    for table in (dirty_accounts, dirty_products, dirty_kinds):
        if tx.execute(select(table).limit(1)).first() is not None:
            raise RuntimeError(f"{table.name} is not empty: call rules.install_programs before computing")


def _within(span: Any) -> ColumnElement[bool]:
    """The order's business day, or its instant where it has no day, lies within the half-open span."""
    on, at = orders.c.ordered_on, orders.c.ordered_at
    return or_(
        and_(on.is_not(None), span.c.start_day <= on, on < span.c.end_day),
        and_(on.is_(None), span.c.start_at <= at, at < span.c.end_at),
    )


def _total(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # PostgreSQL sums BIGINT as NUMERIC. The cast raises where the sum does not fit; nothing wraps around.
    return cast(func.sum(column), BigInteger)


def _names(table: Any) -> list[str]:
    return [c.name for c in table.columns]


def _of_programs(bucket_pk: ColumnElement[Any], program_pks: Collection[int] | None) -> ColumnElement[bool]:
    if program_pks is None:
        return literal(True)
    return bucket_pk.in_(select(buckets.c.pk).where(buckets.c.program_pk.in_(tuple(program_pks))))


def _remember(tx: Connection, before: Select[Any]) -> None:
    tx.execute(insert(deltas).from_select([*CELL, *SUMS], before))
    bulk.settle(tx, deltas)


def _note_differences(tx: Connection, mine: ColumnElement[bool]) -> int:
    """Mark the cells whose totals differ from those remembered in `deltas`."""
    same = and_(*(deltas.c[c] == totals.c[c] for c in (*CELL, *SUMS)))
    appeared = select(totals.c.member_pk, totals.c.period_pk).where(
        mine, ~select(deltas).where(same).exists()
    )
    vanished = select(deltas.c.member_pk, deltas.c.period_pk).where(~select(totals).where(same).exists())
    found = union_all(appeared, vanished).subquery()
    return _mark(tx, select(found.c.member_pk, found.c.period_pk).distinct())


def _mark(tx: Connection, cells: Select[Any]) -> int:
    dirty.mark_cells(tx, cells)
    return int(tx.execute(select(func.count()).select_from(cells.subquery())).scalar_one())


def _in_deltas() -> ColumnElement[bool]:
    return tuple_(*(totals.c[c] for c in CELL)).in_(select(*(deltas.c[c] for c in CELL)))
