"""The newest orders of many standings at once: what the card and the record in the org show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from rebates.totals import ALL
from state.dialects import one_of
from state.instants import moment
from state.slices import slices
from state.tables.facts import accounts, orders
from state.tables.programs import buckets, conversions, program_members
from state.tables.work import contributions
from state.totals import CELLS_AT_ONCE, Cell, from_e6


class Trace(NamedTuple):
    """What one order adds to one standing. `amount` is in `currency` (empty: the org has only one). `dated`: its day, or the
    moment at which it was made, whose day is the program's business."""

    order_id: str
    number: str | None
    account_id: str
    dated: date | datetime | None
    amount: Decimal
    quantity: Decimal
    lines: int
    currency: str
    bucket: str


def recent(tx: Connection, cells: Sequence[Cell], *, limit: int) -> dict[Cell, list[Trace]]:
    """The newest `limit` orders of each standing, of what all its lines share."""
    found: dict[Cell, list[Trace]] = {}
    for some in slices(cells, CELLS_AT_ONCE):
        ranked = (
            _traces(tx, some)
            .where(buckets.c.name == ALL)
            .add_columns(
                func.row_number()
                .over(
                    partition_by=(contributions.c.member_pk, contributions.c.period_pk),
                    order_by=(
                        orders.c.ordered_on.desc(),
                        orders.c.ordered_at.desc(),
                        contributions.c.order_pk.desc(),
                    ),
                )
                .label("place")
            )
            .subquery()
        )
        query = (
            select(ranked)
            .where(ranked.c.place <= limit)
            .order_by(ranked.c.member_pk, ranked.c.period_pk, ranked.c.place)
        )
        for row in tx.execute(query).all():
            found.setdefault(Cell(row[0], row[1]), []).append(_made(row))
    return found


def _traces(tx: Connection, cells: Sequence[Cell]) -> Any:
    # By way of the members' accounts and their orders: contributions are found by order only.
    theirs = (
        select(orders.c.pk)
        .join(program_members, program_members.c.account_pk == orders.c.account_pk)
        .where(program_members.c.member_pk.in_(sorted({cell.member_pk for cell in cells})))
    )
    return (
        select(
            contributions.c.member_pk,
            contributions.c.period_pk,
            contributions.c.amount_e6,
            contributions.c.quantity_e6,
            contributions.c.lines,
            orders.c.sf_id,
            orders.c.number,
            orders.c.ordered_on,
            orders.c.ordered_at,
            accounts.c.sf_id.label("account_id"),
            buckets.c.name.label("bucket"),
            conversions.c.currency,
        )
        .join(orders, orders.c.pk == contributions.c.order_pk)
        .join(accounts, accounts.c.pk == orders.c.account_pk)
        .join(buckets, buckets.c.pk == contributions.c.bucket_pk)
        .join(conversions, conversions.c.pk == contributions.c.conversion_pk)
        .where(
            contributions.c.order_pk.in_(theirs),
            one_of(tx, (contributions.c.member_pk, contributions.c.period_pk), cells),
        )
    )


def _made(row: Any) -> Trace:
    """Of the columns of `_traces`, taken apart by place: attributes of a row cost more than all the rest."""
    (
        _,
        _,
        amount,
        quantity,
        lines,
        order_id,
        number,
        ordered_on,
        ordered_at,
        account_id,
        bucket,
        currency,
        *_,
    ) = row
    dated: date | datetime | None
    if ordered_on is not None:
        dated = date.fromordinal(ordered_on)
    else:
        dated = moment(ordered_at) if ordered_at is not None else None
    return Trace(
        order_id, number, account_id, dated, from_e6(amount), from_e6(quantity), lines, currency, bucket
    )
