"""What changed near a standing since an instant: lines, orders, terms, rates, accounts, each by its own stamp."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, not_, or_, select

from state.evidence import account_fields
from state.instants import micros, moment
from state.tables.base import FIRST_DAY
from state.tables.facts import accounts, currency_rates, order_lines, orders, products
from state.tables.programs import conversions, periods, program_members, program_versions, programs
from state.tables.work import totals
from state.totals import Cell, from_e6


@dataclass(frozen=True)
class ChangedLine:
    """A line that is new or otherwise since then; `order_only`: its order changed, the line itself did not."""

    line_id: str
    order_id: str
    order_number: str | None
    ordered_on: date | None
    ordered_at: datetime | None
    amount: Decimal
    quantity: Decimal
    active: bool
    deleted: bool
    order_only: bool
    changed_at: datetime


@dataclass(frozen=True)
class ChangedRate:
    """A currency's rate that came or was corrected."""

    currency: str
    starts_on: date | None
    rate: str
    source: str


@dataclass(frozen=True)
class ChangedAccount:
    """An account whose record changed and whose orders count (or counted) here."""

    id: str
    name: str | None
    changed_at: datetime
    fields: dict[str, object]  # as conditions see them now


@dataclass(frozen=True)
class ChangedProduct:
    """A product whose record changed and of which lines are dated in the period."""

    id: str
    name: str | None
    family: str | None
    changed_at: datetime


@dataclass(frozen=True)
class OrderElsewhere:
    """An order of the member's accounts that changed and lies outside of the period now; without a day where it has none,
    because it is not active any more."""

    id: str
    number: str | None
    day: date | None
    changed_at: datetime


def lines_since(tx: Connection, cell: Cell, since: datetime) -> list[ChangedLine]:
    """Lines dated within the standing's period, of the member's own accounts, newest change last."""
    period = tx.execute(select(periods).where(periods.c.pk == cell.period_pk)).one()
    then, on, at = micros(since), orders.c.ordered_on, orders.c.ordered_at
    query = (
        select(
            order_lines.c.sf_id.label("line_id"),
            order_lines.c.amount_e6,
            order_lines.c.quantity_e6,
            order_lines.c.modstamp.label("line_stamp"),
            or_(order_lines.c.deleted, orders.c.deleted).label("gone"),
            orders.c.sf_id.label("order_id"),
            orders.c.number,
            orders.c.active,
            orders.c.modstamp.label("order_stamp"),
            on,
            at,
        )
        .join(orders, orders.c.pk == order_lines.c.order_pk)
        .where(
            orders.c.known,
            _mine(cell),
            or_(order_lines.c.modstamp > then, orders.c.modstamp > then),
            _within(period),
        )
        .order_by(order_lines.c.modstamp, orders.c.sf_id, order_lines.c.sf_id)
    )
    return [
        ChangedLine(
            row.line_id,
            row.order_id,
            row.number,
            None if row.ordered_on is None else date.fromordinal(row.ordered_on),
            None if row.ordered_at is None else moment(row.ordered_at),
            from_e6(row.amount_e6),
            from_e6(row.quantity_e6),
            bool(row.active),
            bool(row.gone),
            row.line_stamp <= then,
            moment(max(row.line_stamp, row.order_stamp)),
        )
        for row in tx.execute(query)
    ]


def products_since(tx: Connection, cell: Cell, since: datetime) -> list[ChangedProduct]:
    """Products that decide which lines count: those of the member's lines in the period, whose records changed since."""
    period = tx.execute(select(periods).where(periods.c.pk == cell.period_pk)).one()
    bought = (
        select(order_lines.c.product_pk)
        .join(orders, orders.c.pk == order_lines.c.order_pk)
        .where(orders.c.known, _mine(cell), _within(period))
    )
    query = (
        select(products)
        .where(products.c.known, products.c.modstamp > micros(since), products.c.pk.in_(bought))
        .order_by(products.c.sf_id)
    )
    return [
        ChangedProduct(row.sf_id, row.name, row.family, moment(row.modstamp)) for row in tx.execute(query)
    ]


def orders_elsewhere_since(tx: Connection, cell: Cell, since: datetime) -> list[OrderElsewhere]:
    """Orders with lines older than `since` that were saved since and are dated outside of the period: one that was
    re-dated counts there now. Whether it was inside before is not kept."""
    period = tx.execute(select(periods).where(periods.c.pk == cell.period_pk)).one()
    older = exists().where(order_lines.c.order_pk == orders.c.pk, order_lines.c.modstamp <= micros(since))
    query = (
        select(orders)
        .where(orders.c.known, ~orders.c.deleted, orders.c.modstamp > micros(since), _mine(cell), older)
        .where(not_(_within(period)))
        .order_by(orders.c.modstamp, orders.c.sf_id)
    )
    return [
        OrderElsewhere(
            row.sf_id,
            row.number,
            _day_of(row),
            moment(row.modstamp),
        )
        for row in tx.execute(query)
    ]


def _day_of(order: Any) -> date | None:
    if order.ordered_on is not None:
        return date.fromordinal(order.ordered_on)
    return None if order.ordered_at is None else moment(order.ordered_at).date()


def definitions(tx: Connection, program: str, versions: tuple[int, int]) -> tuple[str | None, str | None]:
    """The canonical definitions of two versions of a program, as JSON; None for one that never was."""
    query = (
        select(program_versions.c.version, program_versions.c.definition)
        .join(programs, programs.c.pk == program_versions.c.program_pk)
        .where(programs.c.key == program, program_versions.c.version.in_(versions))
    )
    known = {row.version: row.definition for row in tx.execute(query)}
    return known.get(versions[0]), known.get(versions[1])


def rates_since(tx: Connection, cell: Cell, since: datetime) -> list[ChangedRate]:
    """Rates of the currencies that a standing is made of, stamped later than `since`."""
    mine = select(conversions.c.currency).where(
        conversions.c.currency != "",
        conversions.c.pk.in_(
            select(totals.c.conversion_pk).where(
                totals.c.member_pk == cell.member_pk, totals.c.period_pk == cell.period_pk
            )
        ),
    )
    own = (
        select(programs.c.currency)
        .join(periods, periods.c.program_pk == programs.c.pk)
        .where(periods.c.pk == cell.period_pk)
    )
    query = (
        select(currency_rates)
        .where(
            currency_rates.c.modstamp > micros(since),
            exists(mine),
            or_(currency_rates.c.currency.in_(mine), currency_rates.c.currency.in_(own)),
        )
        .order_by(currency_rates.c.currency, currency_rates.c.starts_on)
    )
    return [
        ChangedRate(
            row.currency,
            None if row.starts_on == FIRST_DAY else date.fromordinal(row.starts_on),
            row.rate,
            row.source,
        )
        for row in tx.execute(query)
    ]


def accounts_since(tx: Connection, cell: Cell, since: datetime) -> list[ChangedAccount]:
    """Records that decide who takes part: the member's own and those whose orders count for it."""
    query = (
        select(accounts)
        .where(
            accounts.c.known,
            accounts.c.modstamp > micros(since),
            or_(accounts.c.pk == cell.member_pk, _counts_for(cell.member_pk, accounts.c.pk)),
        )
        .order_by(accounts.c.sf_id)
    )
    rows = tx.execute(query).all()
    fields = account_fields(tx, {row.pk for row in rows}) if rows else {}
    return [ChangedAccount(row.sf_id, row.name, moment(row.modstamp), fields[row.pk]) for row in rows]


def _mine(cell: Cell) -> ColumnElement[bool]:
    return or_(orders.c.account_pk == cell.member_pk, _counts_for(cell.member_pk, orders.c.account_pk))


def _within(period: Any) -> ColumnElement[bool]:
    """Orders dated in a period; never unknown, so that it can be negated."""
    on, at = orders.c.ordered_on, orders.c.ordered_at
    by_day = and_(on.is_not(None), on >= period.start_day, on < period.end_day)
    return or_(by_day, and_(on.is_(None), at.is_not(None), at >= period.start_at, at < period.end_at))


def _counts_for(member_pk: int, account_pk: Any) -> Any:
    return exists().where(
        program_members.c.account_pk == account_pk, program_members.c.member_pk == member_pk
    )
