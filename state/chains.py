"""Standings that hang together: what a period pays depends on the periods before it.

A change in one of a member's periods then makes all its periods wait, and they are computed from the first on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, func, or_, select, true, union

from rebates.hierarchy import SHARE
from state import dating, dirty
from state.in_force import OWN
from state.instants import moment
from state.slices import slices
from state.tables.facts import accounts, orders
from state.tables.programs import buckets, periods, programs
from state.tables.work import contributions, dirty_accounts, dirty_cells, postings, standings, totals
from state.totals import CELLS_AT_ONCE, Cell

_THERE = (
    standings.c.program_version > 0
)  # one that was let go is computed again when something counts for it again


def widen(tx: Connection, program_pk: int) -> None:
    """All cells of a program's members that have one waiting wait, too."""
    mine = _mine(program_pk)
    waiting = select(dirty_cells.c.member_pk).where(dirty_cells.c.period_pk.in_(mine))
    if tx.execute(waiting.limit(1)).first() is None:
        return
    _mark_members(tx, program_pk, waiting)


def cells_of(tx: Connection, program_pk: int, members: Collection[int]) -> list[Cell]:
    """Every cell of some members in a program: with totals, with a standing, or waiting for one."""
    mine, wanted = _mine(program_pk), sorted(members)
    found: set[Cell] = set()
    for some in slices(wanted):
        for table in (standings, totals, dirty_cells):
            query = (
                select(table.c.member_pk, table.c.period_pk)
                .where(table.c.member_pk.in_(some), table.c.period_pk.in_(mine))
                .distinct()
            )
            found |= {Cell(row.member_pk, row.period_pk) for row in tx.execute(query)}
    return sorted(found)


_TIERS = select(standings.c.member_pk, standings.c.period_pk, standings.c.tier).where(
    standings.c.member_pk.in_(bindparam("members", expanding=True)),
    standings.c.period_pk.in_(bindparam("of_periods", expanding=True)),
)


_PAID = (
    select(postings.c.member_pk, postings.c.period_pk)
    .where(
        postings.c.member_pk.in_(bindparam("members", expanding=True)),
        postings.c.period_pk.in_(bindparam("of_periods", expanding=True)),
        postings.c.amount_e6 > 0,
    )
    .distinct()
)


def tiers_of(tx: Connection, cells: Sequence[Cell]) -> dict[Cell, str | None]:
    """The tier that saved standings are in."""
    found: dict[Cell, str | None] = {}
    for some in slices(cells, CELLS_AT_ONCE):
        theirs = {
            "members": sorted({cell.member_pk for cell in some}),
            "of_periods": sorted({cell.period_pk for cell in some}),
        }
        found |= {Cell(row.member_pk, row.period_pk): row.tier for row in tx.execute(_TIERS, theirs)}
    return found


def paid_once(tx: Connection, cells: Sequence[Cell]) -> set[Cell]:
    """Those of the cells for which a payout was ever made, whatever was taken back of it since."""
    found: set[Cell] = set()
    for some in slices(cells, CELLS_AT_ONCE):
        theirs = {
            "members": sorted({cell.member_pk for cell in some}),
            "of_periods": sorted({cell.period_pk for cell in some}),
        }
        found |= {Cell(*row) for row in tx.execute(_PAID, theirs)}
    return found


def mark_existing(tx: Connection, cells: Sequence[Cell]) -> None:
    """Those of the cells that have a standing wait to be computed again."""
    by_period: dict[int, list[int]] = {}
    for cell in cells:
        by_period.setdefault(cell.period_pk, []).append(cell.member_pk)
    for period_pk, members in by_period.items():
        for some in slices(members):
            mine = (standings.c.period_pk == period_pk) & _THERE
            dirty.mark_cells(
                tx,
                select(standings.c.member_pk, standings.c.period_pk).where(
                    mine, standings.c.member_pk.in_(some)
                ),
            )


def _mine(program_pk: int) -> Select[Any]:
    return select(periods.c.pk).where(periods.c.program_pk == program_pk, OWN)


def widen_across(tx: Connection, from_pk: int, to_pk: int) -> None:
    """Members with a cell waiting in one program wait in another, too."""
    waiting = select(dirty_cells.c.member_pk).where(dirty_cells.c.period_pk.in_(_mine(from_pk)))
    if tx.execute(waiting.limit(1)).first() is not None:
        _mark_members(tx, to_pk, waiting)


def widen_periods(tx: Connection, program_pk: int) -> None:
    """All cells of a program's periods in which one waits wait, too."""
    waiting = select(dirty_cells.c.period_pk).where(dirty_cells.c.period_pk.in_(_mine(program_pk)))
    for period_pk in tx.execute(waiting.distinct()).scalars().all():
        both = union(
            *(
                select(table.c.member_pk, table.c.period_pk).where(table.c.period_pk == period_pk, there)
                for table, there in ((standings, _THERE), (totals, true()))
            )
        ).subquery()
        dirty.mark_cells(tx, select(both.c.member_pk, both.c.period_pk))


_CHANGED = select(dirty_accounts.c.account_pk)


def changed_accounts(tx: Connection) -> list[int]:
    """Accounts whose record changed since the rules last looked at them."""
    return list(tx.execute(_CHANGED).scalars())


def mark_all(tx: Connection, program_pk: int) -> None:
    """All cells of a program wait: those with a standing, and those that came to have totals while it was not computed."""
    mine = select(standings.c.member_pk, standings.c.period_pk).where(standings.c.program_pk == program_pk)
    dirty.mark_cells(tx, mine)
    dirty.mark_cells(
        tx,
        select(totals.c.member_pk, totals.c.period_pk)
        .where(totals.c.period_pk.in_(_mine(program_pk)))
        .distinct(),
    )


def widen_members(tx: Connection, program_pk: int, members: Sequence[int]) -> None:
    """All cells of some members in a program wait."""
    for part in slices(members):
        some = select(accounts.c.pk).where(accounts.c.pk.in_(part))
        _mark_members(tx, program_pk, some)


def all_cells(tx: Connection, program_pk: int) -> list[Cell]:
    """Every cell of a program, member by member."""
    parts = (
        select(table.c.member_pk, table.c.period_pk).where(table.c.period_pk.in_(_mine(program_pk)))
        for table in (standings, totals)
    )
    return sorted(Cell(row.member_pk, row.period_pk) for row in tx.execute(union(*parts)))


def cells_in(tx: Connection, period_pk: int) -> list[Cell]:
    """Every cell of a period: with totals, with a standing, or waiting for one."""
    parts = (
        select(table.c.member_pk).where(table.c.period_pk == period_pk)
        for table in (standings, totals, dirty_cells)
    )
    return sorted(Cell(member, period_pk) for member in tx.execute(union(*parts)).scalars())


_SHARES = select(buckets.c.pk).where(or_(buckets.c.name == SHARE, buckets.c.name.like(f"{SHARE}:%")))


def first_orders(tx: Connection, period_pk: int) -> list[tuple[int, date | None, datetime | None]]:
    """(member, day, instant) of the first order that counts for each member in a period.

    Where groups share, what an account brought to its own group is no order of the group that it stands for.
    """
    dated = dating.by_original(programs.c.returns_to_original)
    # Where an order has a day, its instant does not decide.
    instant_only = case((dated.on.is_(None), dated.at))
    counted = contributions.join(orders, orders.c.pk == contributions.c.order_pk).join(
        periods.join(programs, programs.c.pk == periods.c.program_pk),
        periods.c.pk == contributions.c.period_pk,
    )
    query = (
        select(contributions.c.member_pk, func.min(dated.on), func.min(instant_only))
        .select_from(dating.with_originals(counted))
        .where(contributions.c.period_pk == period_pk, contributions.c.bucket_pk.not_in(_SHARES))
        .group_by(contributions.c.member_pk)
    )
    return [
        (member, None if on is None else date.fromordinal(on), None if at is None else moment(at))
        for member, on, at in tx.execute(query)
    ]


def _mark_members(tx: Connection, program_pk: int, members: Select[Any]) -> None:
    both = union(
        *(
            select(table.c.member_pk, table.c.period_pk).where(
                table.c.period_pk.in_(_mine(program_pk)), table.c.member_pk.in_(members), there
            )
            for table, there in ((standings, _THERE), (totals, true()))
        )
    ).subquery()
    dirty.mark_cells(tx, select(both.c.member_pk, both.c.period_pk))
