"""The evidence for a number: all orders that made it, and every line that could have counted, with what it was.

`contributions_of` is what did count, from the table that made the totals. `lines_near` gives the raw lines with
their canonical fields, so that the engine can be asked why each did or did not count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, and_, cast, func, or_, select, true

from rebates.program import Program
from state import dating
from state.dating import Dated
from state.in_force import OWN
from state.instants import moment
from state.tables.base import FIRST_DAY, LAST_DAY
from state.tables.facts import accounts, line_kinds, order_kinds, order_lines, orders, products
from state.tables.programs import buckets, conversions, periods, program_members, programs
from state.tables.work import contributions
from state.totals import Cell, from_e6


@dataclass(frozen=True)
class ContributionView:
    """What one order added to one bucket of a standing, in the order's currency (empty: the org's only one)."""

    order_id: str
    order_number: str | None
    account_id: str
    account_name: str | None
    ordered_on: date | None
    ordered_at: datetime | None
    bucket: str
    currency: str
    amount: Decimal
    quantity: Decimal
    lines: int


@dataclass(frozen=True)
class Span:
    """Days on which orders of an account count for a member; `first` None and `after` None: open. Last day excluded."""

    account_id: str
    member_id: str
    member_name: str | None
    first: date | None
    after: date | None

    def holds(self, day: date) -> bool:
        """Whether an order of that day counts."""
        return (self.first is None or self.first <= day) and (self.after is None or day < self.after)


@dataclass(frozen=True)
class LineView:
    """One order line as pulled. `asked` are what `program.why_not` asks about."""

    line_id: str
    order_id: str
    order_number: str | None
    ordered_on: date | None
    ordered_at: datetime | None
    amount: Decimal
    quantity: Decimal
    order_active: bool
    deleted: bool  # the line or its order
    changed_at: datetime  # in the org
    order_changed_at: datetime
    account_fields: dict[str, object]
    product_fields: dict[str, object]
    order_fields: dict[str, object]
    line_fields: dict[str, object]

    def asked(self, program: Program) -> tuple[dict[str, object], ...]:
        """Fields of account, product, order and line; an order without a day is of its instant's in the program's time zone."""
        order = self.order_fields
        if self.ordered_on is None and self.ordered_at is not None:
            order = order | {"ordered_on": program.day_of(self.ordered_at).isoformat()}
        return self.account_fields, self.product_fields, order, self.line_fields


def contributions_of(
    tx: Connection, cell: Cell, *, since: date | None = None, limit: int | None = None
) -> list[ContributionView]:
    """Every order that counts in a standing, by date; small even for large stores (found through the members).

    `since`: the first day of its window, where earlier periods count, too.
    """
    query = (
        select(contributions, orders, buckets.c.name.label("bucket"), conversions.c.currency)
        .add_columns(accounts.c.sf_id.label("account_id"), accounts.c.name.label("account_name"))
        .select_from(orders)
        .join(contributions, contributions.c.order_pk == orders.c.pk)
        .join(accounts, accounts.c.pk == orders.c.account_pk)
        .join(buckets, buckets.c.pk == contributions.c.bucket_pk)
        .join(conversions, conversions.c.pk == contributions.c.conversion_pk)
        .where(
            _of_member(cell.member_pk),
            contributions.c.member_pk == cell.member_pk,
            contributions.c.period_pk.in_([one.pk for one in _window(tx, cell, since)]),
        )
        .order_by(orders.c.ordered_on, orders.c.ordered_at, orders.c.sf_id, buckets.c.name, conversions.c.pk)
    )
    return [
        ContributionView(
            row.sf_id,
            row.number,
            row.account_id,
            row.account_name,
            _day(row.ordered_on),
            _moment(row.ordered_at),
            row.bucket,
            row.currency,
            from_e6(row.amount_e6),
            from_e6(row.quantity_e6),
            row.lines,
        )
        for row in tx.execute(query.limit(limit))
    ]


def spans_of(tx: Connection, cell: Cell, account_ids: Collection[str]) -> list[Span]:
    """For whom orders of these accounts count in the cell's program, and from when until when; by first day."""
    program = select(periods.c.program_pk).where(periods.c.pk == cell.period_pk).scalar_subquery()
    whose = accounts.alias("whose")
    query = (
        select(accounts.c.sf_id, whose.c.sf_id, whose.c.name, program_members.c.start_day, program_members.c.end_day)
        .distinct()
        .select_from(program_members)
        .join(accounts, accounts.c.pk == program_members.c.account_pk)
        .join(whose, whose.c.pk == program_members.c.member_pk)
        .where(accounts.c.sf_id.in_(sorted(account_ids)), program_members.c.program_pk == program)
        .order_by(program_members.c.start_day, whose.c.sf_id)
    )  # fmt: skip
    return [
        Span(
            account,
            member,
            name,
            None if first <= FIRST_DAY else date.fromordinal(first),
            None if after >= LAST_DAY else date.fromordinal(after),
        )
        for account, member, name, first, after in tx.execute(query)
    ]


def lines_near(
    tx: Connection, cell: Cell, *, since: date | None = None, limit: int | None = None
) -> Iterator[LineView]:
    """All lines of the member's own orders and of those that count for it, within the dates of the period or its window."""
    _, dated = period_of(tx, cell)
    mine = or_(orders.c.account_pk == cell.member_pk, _of_member(cell.member_pk))
    within = or_(*(dated.within(period) for period in _window(tx, cell, since)))
    yield from lines_where(tx, and_(mine, within), limit=limit)


def _window(tx: Connection, cell: Cell, since: date | None) -> Sequence[Any]:
    """A cell's period, and those before it from a day on."""
    period, _ = period_of(tx, cell)
    if since is None or since.toordinal() >= period.start_day:
        return [period]
    before = select(periods).where(
        periods.c.program_pk == period.program_pk, OWN,
        periods.c.start_day >= since.toordinal(), periods.c.end_day <= period.start_day,
    )  # fmt: skip
    return [*tx.execute(before.order_by(periods.c.start_day)).all(), period]


def lines_where(
    tx: Connection, which: ColumnElement[bool], *, limit: int | None = None
) -> Iterator[LineView]:
    """Lines by a condition over `orders`, `order_lines` and the originals of returns, in order of their dates."""
    query = (
        select(
            order_lines.c.sf_id.label("line_id"),
            order_lines.c.amount_e6,
            order_lines.c.quantity_e6,
            order_lines.c.modstamp,
            orders.c.modstamp.label("order_modstamp"),
            or_(order_lines.c.deleted, orders.c.deleted).label("gone"),
            line_kinds.c.attributes.label("line_attributes"),
            orders.c.sf_id.label("order_id"),
            orders.c.number,
            orders.c.original_order_id,
            orders.c.ordered_on,
            orders.c.ordered_at,
            orders.c.active,
            order_kinds.c.status,
            order_kinds.c.type,
            order_kinds.c.currency,
            order_kinds.c.attributes.label("order_attributes"),
            orders.c.account_pk,
            order_lines.c.product_pk,
        )
        .select_from(dating.with_originals(orders))
        .join(order_lines, order_lines.c.order_pk == orders.c.pk)
        .join(order_kinds, order_kinds.c.pk == orders.c.kind_pk)
        .join(line_kinds, line_kinds.c.pk == order_lines.c.kind_pk)
        .where(orders.c.known, which)
        .order_by(orders.c.ordered_on, orders.c.ordered_at, orders.c.sf_id, order_lines.c.sf_id)
        .limit(limit)
    )
    rows = tx.execute(query).all()
    of_accounts = account_fields(tx, {row.account_pk for row in rows})
    product_fields = _products(tx, {row.product_pk for row in rows})
    for row in rows:
        order_fields = _attributes(row.order_attributes) | {
            "id": row.order_id,
            "number": row.number,
            "account_id": of_accounts[row.account_pk]["id"],
            "original_order_id": row.original_order_id,
            "ordered_on": None if row.ordered_on is None else date.fromordinal(row.ordered_on).isoformat(),
            "status": row.status,
            "type": row.type,
            "currency": row.currency,
        }
        yield LineView(
            row.line_id,
            row.order_id,
            row.number,
            _day(row.ordered_on),
            _moment(row.ordered_at),
            from_e6(row.amount_e6),
            from_e6(row.quantity_e6),
            bool(row.active),
            bool(row.gone),
            moment(row.modstamp),
            moment(row.order_modstamp),
            of_accounts[row.account_pk],
            product_fields[row.product_pk],
            order_fields,
            _attributes(row.line_attributes)
            | {
                "id": row.line_id,
                "order_id": row.order_id,
                "product_id": product_fields[row.product_pk]["id"],
                "amount": from_e6(row.amount_e6),
                "quantity": from_e6(row.quantity_e6),
            },
        )


def period_of(tx: Connection, cell: Cell) -> tuple[Any, Dated]:
    """A cell's period, and how its program dates an order (over `dating.with_originals`)."""
    query = (
        select(periods, programs.c.returns_to_original)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(periods.c.pk == cell.period_pk)
    )
    period = tx.execute(query).one()
    return period, dating.by_original(true()) if period.returns_to_original else dating.OWN


def _of_member(member_pk: int) -> Any:
    """Orders of accounts that count for a member, in any bucket."""
    # IN, not EXISTS: SQLite then starts from the few accounts instead of asking about every order.
    mine = select(program_members.c.account_pk).where(program_members.c.member_pk == member_pk)
    return orders.c.account_pk.in_(mine)


def account_fields(tx: Connection, pks: set[int]) -> dict[int, dict[str, object]]:
    """Accounts as conditions see them: attributes, and over them the canonical fields."""
    parent, own = accounts.alias("parent"), ("name", "owner_id", "type", "region", "currency")
    query = select(
        accounts.c.pk, accounts.c.attributes, accounts.c.sf_id, *(accounts.c[name] for name in own), parent.c.sf_id
    ).outerjoin(parent, parent.c.pk == accounts.c.parent_pk)  # fmt: skip
    names = ("id", *own, "parent_id")
    return {
        pk: _attributes(attributes) | dict(zip(names, values, strict=True))
        for pk, attributes, *values in tx.execute(query.where(accounts.c.pk.in_(sorted(pks)))).all()
    }


def _products(tx: Connection, pks: set[int]) -> dict[int, dict[str, object]]:
    query = select(products).where(products.c.pk.in_(sorted(pks)))
    names = ("name", "code", "family", "active")
    return {
        row.pk: _attributes(row.attributes) | {"id": row.sf_id or None} | {n: getattr(row, n) for n in names}
        for row in tx.execute(query)
    }


def _attributes(text: str | None) -> dict[str, object]:
    return json.loads(text) if text else {}


def _day(value: int | None) -> date | None:
    return None if value is None else date.fromordinal(value)


def _moment(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def largest_accounts(tx: Connection, limit: int = 3) -> list[tuple[str, str | None, int]]:
    """Who bought for most: (account id, name, about how much). Rounded, because exact sums may be what does not fit."""
    about = func.sum(cast(order_lines.c.amount_e6, Double)) / 1_000_000
    query = (
        select(accounts.c.sf_id, accounts.c.name, about)
        .select_from(order_lines)
        .join(orders, orders.c.pk == order_lines.c.order_pk)
        .join(accounts, accounts.c.pk == orders.c.account_pk)
        .where(~order_lines.c.deleted)
        .group_by(accounts.c.sf_id, accounts.c.name)
        .order_by(func.abs(about).desc())
        .limit(limit)
    )
    return [(row[0], row[1], int(row[2])) for row in tx.execute(query)]


def first_day(tx: Connection) -> date | None:
    """The day of the oldest order that was read."""
    on, at = tx.execute(
        select(func.min(orders.c.ordered_on), func.min(orders.c.ordered_at)).where(orders.c.known)
    ).one()
    days = [None if on is None else date.fromordinal(on), None if at is None else moment(at).date()]
    return min((day for day in days if day is not None), default=None)
