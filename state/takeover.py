"""After a restore: postings that only the org remembers, by their payouts there, are posted again.

Otherwise the same money would be settled a second time under the next number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, select

from state import dirty, postings
from state.in_force import IN_FORCE
from state.instants import micros
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.programs import periods, programs
from state.tables.work import closed_periods, standings
from state.tables.work import postings as rows_of
from state.totals import Cell


@dataclass(frozen=True)
class Found:
    """A posting as its payout in the org tells it. `number`: which of its member and period, from 1."""

    cell: Cell
    number: int
    kind: str
    amount_e6: int
    key: str
    sf_id: str


def cell_of(tx: Connection, account_id: str, program: str, period: str) -> Cell | None:
    """Member and period by the names that the org has for them; of periods with one name the one that is in force."""
    query = (
        select(accounts.c.pk, periods.c.pk)
        .select_from(accounts)
        .join(programs, programs.c.key == program)
        .join(
            periods,
            and_(periods.c.program_pk == programs.c.pk, periods.c.name == period, ~periods.c.baseline),
        )
        .where(accounts.c.sf_id == account_id)
        .order_by(periods.c.active.desc(), periods.c.pk.desc())
    )
    row = tx.execute(query).first()
    return None if row is None else Cell(*row)


def is_known(tx: Connection, program: str, period: str) -> bool:
    """Whether a program that is installed has a period of that name."""
    query = (
        select(periods.c.pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(programs.c.key == program, periods.c.name == period)
        .where(IN_FORCE)
    )
    return tx.execute(query).first() is not None


def currencies(tx: Connection) -> dict[str, str]:
    """Program → the currency that it is in."""
    return {row.key: row.currency for row in tx.execute(select(programs.c.key, programs.c.currency))}


def is_ours(tx: Connection, key: str) -> bool:
    """Whether a payout is one of a posting here: what a person made of it since in the org places nothing anew."""
    return tx.execute(select(payouts.c.posting_pk).where(payouts.c.key == key)).first() is not None


def is_payable(tx: Connection, account_id: str) -> bool:
    """Whether an account is in the store, and could be paid."""
    query = select(accounts.c.pk).where(accounts.c.sf_id == account_id, accounts.c.known, ~accounts.c.deleted)
    return tx.execute(query).first() is not None


def may_have_had(tx: Connection, account_id: str, program: str, period: str) -> Iterator[str]:
    """Whose a payout of an account may have been when it was settled, the likeliest first."""
    yield account_id
    yield from _merged_into(tx, account_id)
    yield from _lost(tx, program, period)


def _merged_into(tx: Connection, account_id: str) -> list[str]:
    """Those that were merged into an account, and into these before: the org gave it what they had."""
    found, newest = list[str](), {account_id}
    while newest:
        winner = accounts.alias("winner")
        losers = (
            select(accounts.c.sf_id)
            .join(winner, winner.c.pk == accounts.c.master_pk)
            .where(winner.c.sf_id.in_(sorted(newest)), accounts.c.sf_id.not_in([account_id, *found]))
        )
        newest = set(tx.execute(losers).scalars())
        found += sorted(newest)
    return found


def _lost(tx: Connection, program: str, period: str) -> list[str]:
    """Accounts that earned something in a period and are gone without a trace: they may have been merged."""
    query = (
        select(accounts.c.sf_id)
        .join(standings, standings.c.member_pk == accounts.c.pk)
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(programs.c.key == program, periods.c.name == period, ~periods.c.baseline)
        .where(accounts.c.deleted, accounts.c.master_pk.is_(None))
        .order_by(accounts.c.pk)
    )
    return list(tx.execute(query).scalars())


def counts(tx: Connection, cells: Collection[Cell]) -> dict[Cell, int]:
    """How many postings some members and periods have."""
    found = dict[Cell, int]()
    for cell in cells:
        mine = (rows_of.c.member_pk == cell.member_pk) & (rows_of.c.period_pk == cell.period_pk)
        found[cell] = int(tx.execute(select(func.count()).select_from(rows_of).where(mine)).scalar_one())
    return found


def take_over(tx: Connection, found: Sequence[Found], *, now: datetime, run_pk: int | None) -> list[Found]:
    """Post what the org shows and the store forgot, and close what it shows as closed; returns what was posted.

    Numbers without a payout were postings of nothing. All standings of these periods are marked to be looked at again, so
    that what differs by now becomes an adjustment.
    """
    before, closings = postings.last(tx), postings.closed(tx)
    known = counts(tx, {one.cell for one in found})
    query = select(periods.c.pk, programs.c.version).join(programs, programs.c.pk == periods.c.program_pk)
    versions = {row.pk: row.version for row in tx.execute(query)}
    taken = []
    for one in sorted(found, key=lambda each: (each.cell, each.number)):
        if one.number <= known[one.cell]:
            continue
        if one.cell.period_pk not in closings:
            closings.add(one.cell.period_pk)
            closing = {"period_pk": one.cell.period_pk, "closed_at": micros(now), "run_pk": run_pk}
            tx.execute(insert(closed_periods).values(closing))
        for number in range(known[one.cell] + 1, one.number):
            _post(tx, one.cell, "settled" if number == 1 else "adjustment", 0, versions, now, run_pk)
        _post(tx, one.cell, one.kind, one.amount_e6, versions, now, run_pk)
        known[one.cell] = one.number
        tx.execute(insert(payouts).values(posting_pk=postings.last(tx), key=one.key, sf_id=one.sf_id))
        taken.append(one)
    cells = {one.cell for one in taken}
    dirty.mark_these(tx, cells)  # of members that have no standing here, too
    for period_pk in sorted({cell.period_pk for cell in cells}):
        mine = standings.c.period_pk == period_pk
        dirty.mark_cells(tx, select(standings.c.member_pk, standings.c.period_pk).where(mine))
    postings.seal(tx, before, now, "taken over from the org")
    return taken


def _post(
    tx: Connection,
    cell: Cell,
    kind: str,
    amount_e6: int,
    versions: dict[int, int],
    now: datetime,
    run_pk: int | None,
) -> None:
    tx.execute(
        insert(rows_of).values(
            kind=kind,
            member_pk=cell.member_pk,
            period_pk=cell.period_pk,
            booked_pk=cell.period_pk,
            amount_e6=amount_e6,
            prior_period_e6=0,  # the parts of a correction are not told
            rate_e6=0,
            qualifier_e6=0,
            tier=None,
            program_version=versions[cell.period_pk],
            posted_at=micros(now),
            run_pk=run_pk,
        )
    )
