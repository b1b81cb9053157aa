"""Standings that should never have been: of members that have bought nothing in the program up to their period.

An order that was entered for the wrong account and moved leaves one behind. A new store from the same facts would not have
it, so it goes: it keeps its row and its history, out of sight, with no program version. Should the account buy after all, it
is computed and shown as any other. What was settled stays, and so does what lacks something, and the standing of an account
that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, exists, func, select, update

from state import meta
from state.dialects import one_of
from state.in_force import IN_FORCE, OWN
from state.postings import COMPLETE
from state.slices import slices
from state.tables.facts import accounts
from state.tables.programs import periods, programs
from state.tables.work import postings, standings, totals
from state.totals import CELLS_AT_ONCE, Cell

UNTOLD = -1  # the program version of one that the org may still show; 0: it was told
_WAITING = "vanished.untold"  # in `meta`
Place = tuple[int, int]  # a member and a program


def emptied(tx: Connection, changed: Collection[Cell]) -> set[Cell]:
    """Those of the standings that were there before and have no line in their period now."""
    found = set[Cell]()
    has_lines = exists().where(
        totals.c.member_pk == standings.c.member_pk, totals.c.period_pk == standings.c.period_pk
    )
    for some in slices(sorted(changed), CELLS_AT_ONCE):
        query = select(standings.c.member_pk, standings.c.period_pk).where(
            one_of(tx, (standings.c.member_pk, standings.c.period_pk), some),
            standings.c.revision > 1,
            ~has_lines,
        )
        found |= {Cell(*row) for row in tx.execute(query)}
    return found


def put_away(tx: Connection, empty: Collection[Cell], *, but_not_of: Collection[int]) -> set[Cell]:
    """Of the members of these standings, all that should never have been; they are out of sight from here on.

    `but_not_of`: programs whose accounts show what their group has.
    """
    gone = set[Cell]()
    if not empty:
        return gone
    wanted = sorted({cell.period_pk for cell in empty})
    rows = tx.execute(select(periods.c.pk, periods.c.program_pk).where(periods.c.pk.in_(wanted)))
    of_period = {row.pk: row.program_pk for row in rows}
    places = {(cell.member_pk, of_period[cell.period_pk]) for cell in empty}
    places = {(member, program) for member, program in places if program not in but_not_of}
    for some in slices(sorted({member for member, _ in places}), CELLS_AT_ONCE):
        first = _first_days(tx, some)
        for cell, program_pk, start in _standing(tx, some):
            place = cell.member_pk, program_pk
            if place in places and start < first.get(place, start + 1):
                gone.add(cell)
    for cells in slices(sorted(gone), CELLS_AT_ONCE):
        mine = one_of(tx, (standings.c.member_pk, standings.c.period_pk), cells)
        tx.execute(update(standings).where(mine).values(program_version=UNTOLD))
    if gone:
        meta.put(tx, _WAITING, "yes")
    return gone


def untold(tx: Connection) -> bool:
    """Whether the org may still show any of them."""
    return meta.get(tx, _WAITING) is not None


def told(tx: Connection) -> None:
    """The outbox has it."""
    meta.drop(tx, _WAITING)


def _first_days(tx: Connection, members: Sequence[int]) -> dict[Place, int]:
    """The beginning of the first period in which each member has a line, by program."""
    query = (
        select(totals.c.member_pk, periods.c.program_pk, func.min(periods.c.start_day))
        .join(periods, periods.c.pk == totals.c.period_pk)
        .where(totals.c.member_pk.in_(members), OWN)
        .group_by(totals.c.member_pk, periods.c.program_pk)
    )
    return {(member, program): day for member, program, day in tx.execute(query)}


def _standing(tx: Connection, members: Sequence[int]) -> list[tuple[Cell, int, int]]:
    """Standings of some members that could go, with their programs and first days."""
    settled = exists().where(
        postings.c.member_pk == standings.c.member_pk, postings.c.period_pk == standings.c.period_pk
    )
    query = (
        select(standings.c.member_pk, standings.c.period_pk, periods.c.program_pk, periods.c.start_day)
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .join(accounts, accounts.c.pk == standings.c.member_pk)
        .where(
            IN_FORCE,
            standings.c.member_pk.in_(members),
            standings.c.program_version > 0,
            standings.c.document.contains(COMPLETE, autoescape=True),
            ~accounts.c.deleted,
            accounts.c.master_pk.is_(None),
            ~settled,
        )
    )
    return [(Cell(member, period), program, start) for member, period, program, start in tx.execute(query)]
