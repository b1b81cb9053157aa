"""Settled amounts and their payouts as people ask for them: listed, counted, and by which words they can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import BigInteger, Connection, case, cast, exists, func, select

from state.payouts import SENT, UNSENT, Due, due, dues, of_period
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.programs import periods, programs
from state.tables.work import postings as rows_of
from state.totals import from_e6


@dataclass(frozen=True)
class PayoutView:
    """A settled amount and what became of it. `status`: the org's word; None: the org has not shown it yet."""

    due: Due
    member: str
    member_name: str | None
    key: str | None
    sf_id: str | None
    status: str | None
    approved_by: str | None
    paid_on: date | None
    reference: str | None

    @property
    def state(self) -> str:
        """The status, in a word for each."""
        return self.status or (UNSENT if self.sf_id is None else SENT)


def listed(
    tx: Connection, *, program: str | None = None, period: str | None = None, status: str | None = None
) -> list[PayoutView]:
    """Settled amounts in the order of posting. `status`: the org's word, or `unsent`."""
    told = ("key", "sf_id", "status", "approved_by", "paid_on", "reference")
    query = (
        dues()
        .add_columns(accounts.c.sf_id.label("member"), accounts.c.name.label("member_name"))
        .add_columns(*(payouts.c[name].label(f"payout_{name}") for name in told))
        .join(accounts, accounts.c.pk == rows_of.c.member_pk)
        .outerjoin(payouts, payouts.c.posting_pk == rows_of.c.pk)
        .where(rows_of.c.amount_e6 != 0)
        .order_by(rows_of.c.pk)
    )
    if program is not None:
        query = query.where(programs.c.key == program)
    if period is not None:
        query = query.where(of_period.c.name == period)
    if status == UNSENT:
        query = query.where(payouts.c.sf_id.is_(None))
    elif status == SENT:
        query = query.where(payouts.c.sf_id.is_not(None), payouts.c.status.is_(None))
    elif status is not None:
        query = query.where(payouts.c.status == status)
    return [
        PayoutView(
            due(row), row.member, row.member_name, row.payout_key, row.payout_sf_id, row.payout_status,
            row.payout_approved_by, None if row.payout_paid_on is None else date.fromordinal(row.payout_paid_on),
            row.payout_reference,
        )
        for row in tx.execute(query)
    ]  # fmt: skip


def programs_known(tx: Connection) -> set[str]:
    """Keys of all programs that ever were in force here."""
    return set(tx.execute(select(programs.c.key)).scalars())


def periods_known(tx: Connection, program: str | None) -> set[str]:
    """Names of the periods of a program, or of all."""
    query = select(periods.c.name).distinct().join(programs, programs.c.pk == periods.c.program_pk)
    return set(tx.execute(query if program is None else query.where(programs.c.key == program)).scalars())


def statuses_known(tx: Connection) -> set[str]:
    """The org's words for payouts that it showed."""
    return set(tx.execute(select(payouts.c.status).distinct().where(payouts.c.status.is_not(None))).scalars())


def some_unsent(tx: Connection) -> bool:
    """Whether any settled amount is not in the org: the first that is found tells, whatever there are."""
    sent = exists().where(payouts.c.posting_pk == rows_of.c.pk, payouts.c.sf_id.is_not(None))
    first = select(rows_of.c.pk).where(rows_of.c.amount_e6 != 0, ~sent).limit(1)
    return tx.execute(first).first() is not None


def sums(tx: Connection) -> list[tuple[str, str, Decimal, int]]:
    """(status, `sent` or `unsent`, currency, amount, how many) of all settled amounts."""
    status = func.coalesce(payouts.c.status, case((payouts.c.sf_id.is_not(None), SENT), else_=UNSENT))
    query = (
        select(status, programs.c.currency, cast(func.sum(rows_of.c.amount_e6), BigInteger), func.count())
        .select_from(rows_of)
        .join(of_period, of_period.c.pk == rows_of.c.period_pk)
        .join(programs, programs.c.pk == of_period.c.program_pk)
        .outerjoin(payouts, payouts.c.posting_pk == rows_of.c.pk)
        .where(rows_of.c.amount_e6 != 0)
        .group_by(status, programs.c.currency)
        .order_by(status, programs.c.currency)
    )
    return [(word, currency, from_e6(amount), count) for word, currency, amount, count in tx.execute(query)]
