"""The statement: what each order adds to each total, from the facts and the rules as rows.

Written once, for all orders or a few, for the store's own database and for any other SQL engine over a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    cast,
    func,
    not_,
    or_,
    select,
    union_all,
)

from state import dating, row_rules
from state.row_by_row import NOBODY, Apart
from state.tables.base import LAST_DAY
from state.tables.facts import order_lines, orders
from state.tables.programs import (
    bucket_line_kinds,
    bucket_order_kinds,
    bucket_products,
    periods,
    program_members,
)
from state.tables.work import dirty_orders

CELL = ("member_pk", "period_pk", "bucket_pk", "conversion_pk")
SUMS = ("amount_e6", "quantity_e6", "lines")


@dataclass(frozen=True)
class Scope:
    """What to compute: everything, the dirty orders, or some programs."""

    dirty_orders: bool = False
    looked_up: bool = (
        False  # joined from the dirty orders on, for a planner that keeps the order as it is written
    )
    program_pks: tuple[int, ...] | None = None


EVERYTHING = Scope()
DIRTY = Scope(dirty_orders=True)
DIRTY_AS_WRITTEN = Scope(dirty_orders=True, looked_up=True)


def contribution_query(apart: Apart, scope: Scope = EVERYTHING) -> Select[Any]:
    """The statement: ANSI joins and integers only, so that any SQL engine gives the same answer to the last digit.

    Columns: order_pk, bucket_pk, member_pk, period_pk, conversion_pk, amount_e6, quantity_e6, lines.
    Programs that ask about single rows or about the originals of returns (`row_by_row.find`) are a second part of it,
    which reads texts, too; the others never pay for them.
    """
    asked = scope.program_pks
    if not apart.programs or (asked is not None and not {*asked} & {*apart.programs}):
        return _counted(scope)
    theirs = replace(scope, program_pks=tuple(sorted({*apart.programs} & {*(asked or apart.programs)})))
    second = _counted(theirs, apart)
    if apart.everybody or (asked is not None and {*asked} <= {*apart.programs}):
        return second
    first = _counted(scope).where(program_members.c.program_pk.not_in(apart.programs))
    # As a subquery: SQLite takes no parentheses in EXCEPT.
    return select(union_all(first, second).subquery())


def _counted(scope: Scope, apart: Apart = NOBODY) -> Select[Any]:
    member, kind, period, line = program_members, bucket_order_kinds, periods, order_lines
    first: FromClause = orders
    if scope.looked_up:
        first = dirty_orders.join(orders, orders.c.pk == dirty_orders.c.order_pk)
    joined: FromClause = (
        first.join(member, member.c.account_pk == orders.c.account_pk)
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
    dated = dating.OWN
    if apart.returns:
        joined = dating.with_originals(joined)
        dated = dating.by_original(member.c.program_pk.in_(apart.returns))
    keys = (orders.c.pk, member.c.bucket_pk, member.c.member_pk, period.c.pk, kind.c.conversion_pk)
    query = (
        select(
            orders.c.pk.label("order_pk"),
            member.c.bucket_pk,
            member.c.member_pk,
            period.c.pk.label("period_pk"),
            kind.c.conversion_pk,
            total(line.c.amount_e6).label("amount_e6"),
            total(line.c.quantity_e6).label("quantity_e6"),
            func.count().label("lines"),
        )
        .select_from(joined)
        .where(
            orders.c.known,
            orders.c.active,
            not_(orders.c.deleted),
            not_(line.c.deleted),
            period.c.active,
            # Implied by what follows; as a plain bound it is looked up in the index of a program's periods.
            period.c.start_day <= func.coalesce(dated.on, LAST_DAY),
            dated.within(period.c),
            dated.within(member.c),
            dated.within(kind.c),
        )
        .group_by(*keys)
    )
    for bucket_pk, conditions, zone in apart.rules:
        query = query.where(or_(member.c.bucket_pk != bucket_pk, row_rules.holds(conditions, zone)))
    if scope.dirty_orders and not scope.looked_up:
        # IN, not a join: SQLite then starts from the few dirty orders instead of scanning all.
        query = query.where(orders.c.pk.in_(select(dirty_orders.c.order_pk)))
    if scope.program_pks is not None:
        query = query.where(member.c.program_pk.in_(scope.program_pks))
    return query


def total(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """An exact sum as BIGINT: PostgreSQL sums as NUMERIC. The cast raises where it does not fit; nothing wraps around."""
    return cast(func.sum(column), BigInteger)
