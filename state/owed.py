"""Money that no payout settles: what settled periods left over, and payouts that finance rejected."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import BigInteger, Connection, and_, bindparam, cast, exists, func, select

from state.slices import slices
from state.standings import CARRIED_BEGINS
from state.tables.facts import accounts
from state.tables.programs import periods, programs
from state.tables.work import closed_periods, postings, standings
from state.totals import from_e6

_NOTHING = f'{CARRIED_BEGINS}0"'


@dataclass(frozen=True)
class OpenBalance:
    """What a member's settled periods left over: above zero it is still to be paid, below to be taken back. `follows`: the
    next payout has it; else there is none, and a person has to."""

    account: str
    account_name: str | None
    program: str
    period: str
    currency: str
    amount: Decimal
    follows: bool


def open_balances(
    tx: Connection, *, program: str | None = None, period: str | None = None
) -> list[OpenBalance]:
    """What is carried out of each member's last settled period."""
    carrying = _carrying(tx)
    if not carrying:
        return []
    later, other = standings.alias("later"), periods.alias("other")
    settled_later = (
        exists()
        .where(later.c.member_pk == standings.c.member_pk, later.c.program_pk == standings.c.program_pk)
        .where(other.c.pk == later.c.period_pk, other.c.start_day >= periods.c.end_day)
        .where(closed_periods.alias("closed").c.period_pk == later.c.period_pk)
    )
    coming = periods.alias("coming")
    follows = exists().where(
        coming.c.program_pk == periods.c.program_pk, coming.c.start_day >= periods.c.end_day,
        coming.c.active, ~coming.c.baseline, programs.c.active,
    )  # fmt: skip
    query = (
        select(
            accounts.c.sf_id, accounts.c.name, programs.c.key, periods.c.name.label("period"),
            programs.c.currency, standings.c.document, follows.label("follows"),
        )
        .join(closed_periods, closed_periods.c.period_pk == standings.c.period_pk)
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .join(accounts, accounts.c.pk == standings.c.member_pk)
        .where(
            and_(
                standings.c.period_pk.in_(carrying),
                standings.c.document.contains(CARRIED_BEGINS, autoescape=True),
                ~standings.c.document.contains(_NOTHING, autoescape=True),
                ~settled_later,
            )
        )
        .order_by(programs.c.key, periods.c.start_day, accounts.c.name, accounts.c.sf_id)
    )  # fmt: skip
    if program is not None:
        query = query.where(programs.c.key == program)
    if period is not None:
        query = query.where(periods.c.name == period)
    return [
        OpenBalance(
            row.sf_id, row.name, row.key, row.period, row.currency,
            Decimal(json.loads(row.document)["payout"]["carried"]), bool(row.follows),
        )
        for row in tx.execute(query)
        if Decimal(json.loads(row.document)["payout"]["carried"])  # a version before spelled nothing as 0.00
    ]  # fmt: skip


def _carrying(tx: Connection) -> list[int]:
    """Closed periods whose standings carry something on, if any: one of them tells for all, so that the documents of the
    other programs need not be read."""
    some = select(standings.c.document).where(standings.c.period_pk == bindparam("of")).limit(1)
    closed = (
        tx.execute(select(closed_periods.c.period_pk).order_by(closed_periods.c.period_pk)).scalars().all()
    )
    return [pk for pk in closed if CARRIED_BEGINS in (tx.execute(some, {"of": pk}).scalar() or "")]


def corrected_since(tx: Connection, posting_pks: Collection[int]) -> dict[int, Decimal]:
    """Posting → what later postings about the same member and period come to; left out: there are none."""
    later, found = postings.alias("later"), dict[int, Decimal]()
    wanted = sorted(posting_pks)
    for some in slices(wanted):
        query = (
            select(postings.c.pk, cast(func.sum(later.c.amount_e6), BigInteger))
            .join(
                later,
                and_(
                    later.c.member_pk == postings.c.member_pk,
                    later.c.period_pk == postings.c.period_pk,
                    later.c.pk > postings.c.pk,
                ),
            )
            .where(postings.c.pk.in_(some))
            .group_by(postings.c.pk)
        )
        found |= {pk: from_e6(amount) for pk, amount in tx.execute(query)}
    return found
